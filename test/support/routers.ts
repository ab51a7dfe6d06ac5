/**
 * Real carpd processes on a network of namespaces, as tests handle them. Use it inside
 * `inNamespace()` only. A `Scene` is one test's own corner of the one network of a test file: its
 * hosts and segments have names of their own, so that scenes of one file can run at the same time.
 */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import type {TestContext} from "node:test";
import {decodeCarps, decodeStatistics} from "../../src/core/control-decode.ts";
import type {VhostState} from "../../src/core/engine.ts";
import type {CarpStatus, StatisticsStatus} from "../../src/core/status.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {
    type Cable,
    type Host,
    type HostProcess,
    Lab,
    waitFor,
} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {Agent} from "./agent.ts";

/** node needs a moment on a busy machine. */
const startMs = 20_000;

type Value = string | number | boolean | readonly string[];
export type Table = Readonly<Record<string, Value>>;

export interface RouterConfig {
    readonly options?: Table;
    /** One `[[carp]]` block each. */
    readonly carp: readonly Table[];
    /** One `[[track]]` block each. */
    readonly tracks?: readonly Table[];
}

/** JSON's strings, numbers and arrays of strings are TOML's too. */
export function toToml(config: RouterConfig): string {
    const lines = (table: Table) =>
        Object.entries(table).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    const blocks = (name: string, tables: readonly Table[]) =>
        tables.flatMap((table) => [`[[${name}]]`, ...lines(table)]);
    const all = [
        "[options]",
        ...lines(config.options ?? {}),
        ...blocks("carp", config.carp),
        ...blocks("track", config.tracks ?? []),
    ];
    return `${all.join("\n")}\n`;
}

export interface Output {
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
}

/** A state change as the log tells it. */
export interface StateChange {
    readonly atMs: number;
    readonly name: string;
    readonly from: string;
    readonly to: string;
    readonly cause: string;
}

export const carpdProgram = join(projectRoot(), "dist/src/carpd.js");
const carpctlProgram = join(projectRoot(), "dist/src/carpctl.js");

/** Runs a program to its end without holding up the other scenes. */
export function collect(argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Output> {
    return new Promise((resolve, reject) => {
        const child = spawn(argv[0] ?? "", argv.slice(1), {
            stdio: ["ignore", "pipe", "pipe"],
            env: {...process.env, ...env},
            timeout: 30_000,
            killSignal: "SIGKILL",
        });
        let stdout = "";
        let stderr = "";
        child.stdout.on("data", (data) => {
            stdout += String(data);
        });
        child.stderr.on("data", (data) => {
            stderr += String(data);
        });
        child.on("error", reject);
        child.on("close", (code) => resolve({code, stdout, stderr}));
    });
}

export function carpctl(runDir: string, ...words: string[]): Promise<Output> {
    return collect([process.execPath, carpctlProgram, "--run-dir", runDir, ...words]);
}

/** A host that runs carpd. */
export class Router {
    readonly host: Host;
    readonly runDir: string;
    readonly stateDir: string;
    readonly configPath: string;
    #process: HostProcess | undefined;

    constructor(host: Host) {
        this.host = host;
        this.runDir = join(host.directory, "run");
        this.stateDir = join(host.directory, "state");
        this.configPath = join(host.directory, "carpd.toml");
        mkdirSync(this.stateDir, {recursive: true});
    }

    configure(config: RouterConfig): void {
        writeFileSync(this.configPath, toToml(config));
    }

    /** The words after the program's name. */
    get arguments(): readonly string[] {
        const dirs = ["--run-dir", this.runDir, "--state-dir", this.stateDir];
        return ["--config", this.configPath, ...dirs];
    }

    get process(): HostProcess {
        assert.ok(this.#process, `carpd of ${this.host.name} was not started`);
        return this.#process;
    }

    /** Starts carpd without waiting for anything; `more` are further words of its command line. */
    launch(env: Readonly<Record<string, string>> = {}, more: readonly string[] = []): HostProcess {
        const argv = [process.execPath, carpdProgram, ...this.arguments, ...more];
        this.#process = this.host.spawn(argv, {logName: "carpd", env});
        return this.#process;
    }

    /** Resolves when the control socket answers. */
    async start(
        env: Readonly<Record<string, string>> = {},
        more: readonly string[] = [],
    ): Promise<void> {
        const started = this.launch(env, more);
        await waitFor(
            `carpd of ${this.host.name} to answer`,
            startMs,
            async () => {
                assert.ok(started.running, `carpd of ${this.host.name} ended: ${started.log()}`);
                return (await this.#read())?.length === undefined ? undefined : true;
            },
            () => this.log(),
        );
    }

    log(): string {
        return this.process.log();
    }

    async #read(): Promise<readonly CarpStatus[] | undefined> {
        const socket = join(this.runDir, "control.sock");
        const reply = await new ControlClient(socket).request("GET", "/v1/carp");
        if (!reply.ok || reply.value.status !== 200) return undefined;
        return decodeCarps(reply.value.body) ?? undefined;
    }

    async carps(): Promise<readonly CarpStatus[]> {
        const carps = await this.#read();
        assert.ok(carps, `carpd of ${this.host.name} does not answer: ${this.log()}`);
        return carps;
    }

    async carp(name = "carp0"): Promise<CarpStatus> {
        const found = (await this.carps()).find((carp) => carp.name === name);
        assert.ok(found, `${this.host.name} has no ${name}`);
        return found;
    }

    async state(name = "carp0"): Promise<VhostState> {
        return (await this.carp(name)).state;
    }

    /** T_down of the defaults is 3 s; the rest is room for a busy machine. */
    async until(state: VhostState, deadlineMs = 8000, name = "carp0"): Promise<void> {
        await waitFor(
            `${name} of ${this.host.name} to be ${state}`,
            deadlineMs,
            async () => ((await this.state(name)) === state ? true : undefined),
            () => this.log(),
        );
    }

    async statistics(): Promise<StatisticsStatus> {
        const output = await this.carpctl("show", "statistics", "--json");
        assert.equal(output.code, 0, output.stderr);
        const decoded = decodeStatistics(JSON.parse(output.stdout));
        assert.ok(decoded, `not a statistics object: ${output.stdout}`);
        return decoded;
    }

    /** One counter of a vhid, or of the carpdev when `name` is an interface of the host. */
    async counter(which: string, name = "carp0"): Promise<number> {
        const {carp, carpdevs} = await this.statistics();
        const counters =
            carp.find((entry) => entry.name === name)?.counters ??
            carpdevs.find((entry) => entry.carpdev === name)?.counters;
        const value = counters?.[which];
        assert.ok(value !== undefined, `no counter ${which} of ${name}`);
        return value;
    }

    carpctl(...words: string[]): Promise<Output> {
        return carpctl(this.runDir, ...words);
    }

    /** carpctl, which has to succeed. */
    async command(...words: string[]): Promise<string> {
        const output = await this.carpctl(...words);
        assert.equal(output.code, 0, `carpctl ${words.join(" ")}: ${output.stderr}`);
        return output.stdout;
    }

    reload(): void {
        process.kill(this.process.pid, "SIGHUP");
    }

    /** Resolves once the log has this text `times` times. */
    async said(text: string, times = 1, deadlineMs = 8000): Promise<void> {
        await waitFor(
            `the log of ${this.host.name} to say "${text}"`,
            deadlineMs,
            () => (this.log().split(text).length > times ? true : undefined),
            () => this.log(),
        );
    }

    /** SIGTERM; has to end with exit code 0. */
    async stop(): Promise<void> {
        const end = await this.process.kill("SIGTERM", 15_000);
        assert.equal(end, "exit 0", this.log());
    }

    changes(name = "carp0"): readonly StateChange[] {
        const line = /^(\S+) (\S+): \d+@\S+: (\w+) -> (\w+) \((.*)\)$/gm;
        return [...this.log().matchAll(line)]
            .map(([, at = "", who = "", from = "", to = "", cause = ""]) => ({
                atMs: Date.parse(at),
                name: who,
                from,
                to,
                cause,
            }))
            .filter((change) => change.name === name);
    }

    /** The macvlans of this host. */
    macvlans(): readonly string[] {
        return [
            ...this.host.ip("-o", "link", "show", "type", "macvlan").matchAll(/^\d+: ([^:@]+)/gm),
        ].map(([, name]) => name ?? "");
    }
}

/** The network of a test file. */
export class Testbed {
    readonly lab: Lab;
    #scenes = 0;

    constructor() {
        this.lab = new Lab("/run/test");
    }

    /** Runs `body` in a corner of its own, whose hosts are switched off afterwards. */
    scene(body: (scene: Scene) => Promise<void>): (test?: TestContext) => Promise<void> {
        return async (test) => {
            this.#scenes += 1;
            const scene = new Scene(this.lab, `t${this.#scenes}`, test);
            try {
                await body(scene);
            } finally {
                await scene.end();
            }
        };
    }

    /** After the last test: takes everything down and looks whether anything is left. */
    async end(): Promise<void> {
        await this.lab.destroy();
        assert.deepEqual(readdirSync("/run/netns"), [], "namespaces are left");
        await waitFor(
            "every process to be gone",
            5000,
            () => (strangers().length === 0 ? true : undefined),
            () => strangers().join("; "),
        );
    }
}

/** The other processes of our PID namespace, in which only the test should be left. */
function strangers(): readonly string[] {
    return readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
        .flatMap((pid) => {
            try {
                const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
                return words === "" ? [] : [`${pid} ${words}`];
            } catch {
                return []; // it ended meanwhile
            }
        });
}

export class Scene {
    readonly #lab: Lab;
    readonly #prefix: string;
    readonly #hosts: Host[] = [];
    readonly #agents = new Map<Host, Agent>();
    readonly #test: TestContext | undefined;
    readonly wire: Host;

    constructor(lab: Lab, prefix: string, test: TestContext | undefined) {
        this.#lab = lab;
        this.#prefix = prefix;
        this.#test = test;
        this.wire = lab.wireHost();
    }

    /** Marks the test as skipped; the body then has to return. */
    skip(reason: string): void {
        this.#test?.skip(reason);
    }

    segment(name = "lan"): string {
        const full = `${this.#prefix}${name}`;
        this.#lab.segment(full);
        return full;
    }

    host(name: string, options: {readonly forward?: boolean} = {}): Host {
        const host = this.#lab.host(`${this.#prefix}${name}`, options);
        this.#hosts.push(host);
        return host;
    }

    /** A client on one segment. */
    client(segment: string, addresses: readonly string[], name = "c"): Host {
        const host = this.host(name);
        host.connect(segment, {ifname: "eth0", addresses});
        return host;
    }

    /** A router with eth1 on one segment, not started. */
    router(
        name: string,
        segment: string,
        addresses: readonly string[],
        config: RouterConfig,
    ): Router {
        const host = this.host(name, {forward: true});
        host.connect(segment, {ifname: "eth1", addresses});
        const router = new Router(host);
        router.configure(config);
        return router;
    }

    agent(host: Host): Agent {
        const known = this.#agents.get(host);
        if (known !== undefined) return known;
        const agent = new Agent(host);
        this.#agents.set(host, agent);
        return agent;
    }

    /** Everything that passes a segment. */
    get switches(): Agent {
        return this.agent(this.wire);
    }

    async end(): Promise<void> {
        // A test may have switched one off itself.
        const on = this.#hosts.filter((host) => existsSync(`/run/netns/${host.name}`));
        await Promise.all(on.map((host) => host.powerOff()));
        for (const host of this.#hosts) this.#lab.hosts.delete(host.name);
    }
}

/** The ordinary pair: vhid 1, A with advskew 0, B with 100. */
export function pairBlock(advskew: number, more: Table = {}): Table {
    return {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        advskew,
        pass: "mekmitasdigoat",
        addresses: ["192.168.1.1/24"],
        ...more,
    };
}

export interface Pair {
    readonly segment: string;
    readonly a: Router;
    readonly b: Router;
    readonly client: Host;
}

/** Two routers 192.168.1.2 and .3 and a client .9 on one segment; neither router runs yet. */
export function buildPair(
    scene: Scene,
    options: {
        readonly preempt?: boolean;
        readonly limitMs?: number;
        readonly a?: Table;
        readonly b?: Table;
    } = {},
): Pair {
    const segment = scene.segment();
    const common: Table = {
        preempt: options.preempt ?? true,
        "handover-limit-ms": options.limitMs ?? 2000,
    };
    const make = (name: string, number: number, skew: number, more: Table = {}) =>
        scene.router(name, segment, [`192.168.1.${number}/24`, `2001:db8::${number}/64`], {
            options: common,
            carp: [pairBlock(skew, more)],
        });
    const a = make("a", 2, 0, options.a);
    const b = make("b", 3, 100, options.b);
    const client = scene.client(segment, ["192.168.1.9/24", "2001:db8::9/64"]);
    return {segment, a, b, client};
}

/** Both started; A is MASTER, B BACKUP. */
export async function runPair(
    scene: Scene,
    options: Parameters<typeof buildPair>[1] = {},
): Promise<Pair> {
    const pair = buildPair(scene, options);
    if (options.preempt === false) {
        // Whoever is MASTER first stays it: a B that happens to start 0.4 s before A would.
        await pair.a.start();
        await pair.a.until("MASTER");
        await pair.b.start();
    } else {
        await Promise.all([pair.a.start(), pair.b.start()]);
        await pair.a.until("MASTER");
    }
    await waitFor("B to have heard A", 3000, async () => {
        const {state, master} = await pair.b.carp();
        return state === "BACKUP" && master !== null ? true : undefined;
    });
    return pair;
}

/** The cable of a router's eth1. */
export function cableOf(router: Router): Cable {
    return router.host.cable("eth1");
}
