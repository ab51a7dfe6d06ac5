/**
 * A router with a console: carpd in a namespace, carp-console on the slave of a pseudo terminal,
 * and somebody at the keyboard. carp-console runs as another user than carpd where the test may
 * change its user id. Use it inside `inNamespace()` only.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {
    chmodSync,
    chownSync,
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {join} from "node:path";
import type {TestContext} from "node:test";
import {type Host, type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {openPty, type Pty} from "./pty.ts";
import {rendered} from "./rendered.ts";
import {Router, type Scene} from "./routers.ts";

const consoleProgram = join(projectRoot(), "dist/src/carp-console.js");
/** Any system has this one. */
export const consoleUser = {name: "nobody", id: 65_534};
export const asConsoleUser = [
    "setpriv",
    `--reuid=${consoleUser.id}`,
    `--regid=${consoleUser.id}`,
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
] as const;

/** In a user namespace there is one user; below /root nobody can read the program. */
export function mayBeAnother(program = consoleProgram): boolean {
    const argv = [...asConsoleUser, "test", "-r", program];
    return spawnSync(argv[0] ?? "", argv.slice(1)).status === 0;
}

/** carpd that takes the user of carp-console for the console's. */
class ConsoleRouter extends Router {
    readonly #user: string | null;

    constructor(host: Host, user: string | null) {
        super(host);
        this.#user = user;
    }

    override get arguments(): readonly string[] {
        const user = this.#user === null ? [] : ["--console-user", this.#user];
        return [...super.arguments, ...user];
    }
}

export const adminPassword = "battery staple";
export const carpPassword = "mekmitasdigoat";

export class ConsoleHost {
    readonly router: Router;
    /** As its prompt shows it: "carp-a". */
    readonly hostname: string;
    readonly #test: TestContext;
    readonly #port: string;
    readonly #historyFolder: string;
    readonly #other: boolean;
    #pty: Pty | undefined;
    #process: HostProcess | undefined;

    /** Neither carpd nor carp-console runs yet. */
    constructor(test: TestContext, host: Host, hostname: string) {
        this.#test = test;
        this.hostname = hostname;
        this.#other = mayBeAnother();
        this.router = new ConsoleRouter(host, this.#other ? consoleUser.name : null);
        this.#port = join(host.directory, "ttyS0");
        this.#historyFolder = join(host.directory, "console");
    }

    get pty(): Pty {
        assert.ok(this.#pty, `nobody sits at ${this.hostname}`);
        return this.#pty;
    }

    /** Whether carp-console runs as another user than carpd here. */
    get apart(): boolean {
        return this.#other;
    }

    /** A line of proc(5)'s status of carp-console: "VmHWM", "CapEff". */
    processStatus(key: string): string {
        const text = readFileSync(`/proc/${this.#process?.pid ?? 0}/status`, "utf8");
        return new RegExp(`^${key}:\\s+(.*)$`, "mu").exec(text)?.[1] ?? "";
    }

    get consoleRuns(): boolean {
        return this.#process?.running === true;
    }

    /** What carp-console says about its port. */
    get journal(): string {
        return this.#process?.log() ?? "";
    }

    /** Starts carpd with an empty carpd.toml, and the console on a new terminal. */
    async start(): Promise<void> {
        writeFileSync(this.router.configPath, "");
        await this.startCarpd();
        mkdirSync(this.#historyFolder, {recursive: true});
        if (this.#other) chownSync(this.#historyFolder, consoleUser.id, consoleUser.id);
        await this.plug();
        const words = ["--port", this.#port, "--run-dir", this.router.runDir];
        const argv = [process.execPath, consoleProgram, ...words, "--history", this.#historyFolder];
        const user = this.#other ? asConsoleUser : [];
        // A host name of its own, for the prompt.
        const named = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', this.hostname];
        this.#process = this.router.host.spawn([...named, ...user, ...argv], {logName: "console"});
    }

    async startCarpd(): Promise<void> {
        await this.router.start();
        // Stands in for the group that an installation makes.
        if (this.#other) chownSync(join(this.router.runDir, "control.sock"), 0, consoleUser.id);
    }

    /** A new terminal on the same port, as when a cable is plugged in. */
    async plug(): Promise<void> {
        const pty = await openPty(this.#test);
        if (this.#other) chownSync(pty.path, consoleUser.id, consoleUser.id);
        else chmodSync(pty.path, 0o600);
        symlinkSync(pty.path, `${this.#port}.new`);
        renameSync(`${this.#port}.new`, this.#port);
        this.#pty = pty;
    }

    // ---- at the keyboard ----

    /** The first log-in of all. */
    async setPassword(): Promise<void> {
        await this.says("login: ");
        await this.answer("admin", "new password: ");
        await this.answer(adminPassword, "the same again: ");
        await this.answer(adminPassword, `${this.hostname}> `);
    }

    async logIn(password = adminPassword): Promise<void> {
        await this.answer("admin", "password: ");
        await this.answer(password, `${this.hostname}> `);
    }

    /** Types a line and waits for what it brings. */
    async answer(line: string, expected: string | RegExp): Promise<string> {
        const from = this.pty.text.length;
        this.pty.type(`${line}\r`);
        return await this.says(expected, from);
    }

    /** Waits for a text on the screen, from an offset of `pty.text` on; gives what was read. */
    async says(expected: string | RegExp, from = 0, deadlineMs = 15_000): Promise<string> {
        const read = (): string => rendered(this.pty.text.slice(from));
        return await waitFor(
            `the console of ${this.hostname} to say ${String(expected)}`,
            deadlineMs,
            () => {
                const text = read();
                const there =
                    typeof expected === "string" ? text.includes(expected) : expected.test(text);
                return there ? text : undefined;
            },
            () => `${JSON.stringify(read().slice(-2000))}\n${this.journal}`,
        );
    }

    /**
     * Types a line and gives what it printed. `\` and a line break in it are typed as they are: the
     * next line at the prompt of a continuation.
     */
    async type(line: string, deadlineMs = 15_000): Promise<string> {
        const from = this.pty.text.length;
        const rows = line.split("\n");
        for (const row of rows) this.pty.type(`${row}\r`);
        const last = rows.at(-1) ?? "";
        // The echo ends in the line's last letters, or in the stars of a password.
        const echoes = [last.slice(-4), "*".repeat(Math.min(4, last.length))];
        const prompt = new RegExp(`\\n${this.hostname}[>#] $`);
        const find = (): string | undefined => {
            const text = rendered(`${this.hostname}> ${this.pty.text.slice(from)}`);
            const starts = echoes.map((echo) => text.indexOf(`${echo}\n`)).filter((at) => at >= 0);
            const start = Math.min(...starts);
            if (starts.length === 0 || !prompt.test(text.slice(start))) return undefined;
            const printed = text.slice(text.indexOf("\n", start) + 1);
            return printed.replace(new RegExp(`${this.hostname}[>#] $`), "");
        };
        return await waitFor(
            `an answer to ${JSON.stringify(line)} on ${this.hostname}`,
            deadlineMs,
            find,
            () => `${JSON.stringify(this.pty.text.slice(from).slice(-2000))}\n${this.journal}`,
        );
    }

    /**
     * Types lines one after the other; none may bring a complaint. Gives what each printed,
     * messages left out.
     */
    async typeAll(lines: readonly string[]): Promise<string[]> {
        const printed: string[] = [];
        for (const line of lines) {
            const text = await this.type(line);
            assert.doesNotMatch(text, complaint, `${line}\n${text}`);
            printed.push(withoutMessages(text));
        }
        return printed;
    }

    /** All that this console has shown, written or kept. */
    everything(): string {
        const history = existsSync(this.#historyFolder)
            ? readdirSync(this.#historyFolder).map((name) =>
                  readFileSync(join(this.#historyFolder, name), "utf8"),
              )
            : [];
        return [this.pty.text, this.journal, this.router.log(), ...history].join("\n");
    }
}

/** What was printed without the messages that came in between: lines that begin with a time. */
export function withoutMessages(text: string): string {
    return text.replaceAll(/^\d{4}-\d\d-\d\dT[\d:.]+Z .*\n/gmu, "");
}

/** How a refusal begins or ends. */
const complaint = /expected |unknown |no permission|does not answer|\([A-Z]+_[A-Z_]+;/;

/** A host with eth1, eth2... on these segments, its console at the log-in. */
export async function consoleHost(
    test: TestContext,
    scene: Scene,
    name: string,
    ports: readonly (readonly [segment: string, address: string])[],
): Promise<ConsoleHost> {
    const host = scene.host(name, {forward: true});
    ports.forEach(([segment, address], i) => {
        host.connect(segment, {ifname: `eth${i + 1}`, addresses: [address]});
    });
    const made = new ConsoleHost(test, host, `carp-${name}`);
    await made.start();
    return made;
}

/** No password of these tests stands anywhere where somebody could read it. */
export function assertNoSecrets(...consoles: readonly ConsoleHost[]): void {
    for (const one of consoles) {
        const text = one.everything();
        for (const secret of [adminPassword, carpPassword, "testpass"]) {
            const at = text.indexOf(secret);
            const around = text.slice(Math.max(0, at - 120), at + 40);
            assert.equal(at, -1, `${one.hostname} shows ${secret}: ${JSON.stringify(around)}`);
        }
    }
}
