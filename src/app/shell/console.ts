/**
 * The console: log-in, the shell, log-out, again, for as long as there is a terminal. Thread of the
 * program.
 *
 * Everything that matters is decided by carpd: who may log in, how long a wrong password costs, when
 * a session is over. This process holds a token while somebody is logged in, and nothing else.
 */
import {errorOf} from "../../core/control-protocol.ts";
import type {Paint} from "../../core/show.ts";
import {applianceAlarms} from "./appliance.ts";
import {type Client, textOf} from "./asker.ts";
import {Monitor} from "./monitor.ts";
import {PressedWatch} from "./pressed.ts";
import {Shell} from "./shell.ts";
import type {Terminal} from "./terminal.ts";

export interface ConsoleClient extends Client {
    token: string;
}

export interface HistoryStore {
    /** Newest first; empty where there is none. Never rejects. */
    load(user: string): Promise<readonly string[]>;
    save(user: string, lines: readonly string[]): Promise<void>;
}

export interface ConsolePorts {
    readonly client: ConsoleClient;
    readonly socket: string;
    readonly version: string;
    readonly host: string;
    /** The port's name in log and history: "ttyS0". */
    readonly origin: string;
    readonly paint: Paint;
    readonly nowMs: () => number;
    /** The result cancels. */
    readonly after: (ms: number, run: () => void) => () => void;
    readonly history: HistoryStore;
    /** Log-out after so long without a line. Milliseconds. */
    readonly idleMs: number;
}

export const idleLimitMs = 5 * 60_000;
/** The daemon says how long to wait; a prompt that is dead for longer looks like a fault. */
const longestWaitS = 30;
const firstUser = "admin";

/** What became of one try to log in. */
type Login =
    | {readonly kind: "in"; readonly user: string}
    | {readonly kind: "again"}
    | {readonly kind: "gone"};

export class Console {
    readonly #ports: ConsolePorts;
    readonly #terminal: Terminal;
    #cancelIdle: () => void = () => undefined;
    #shell: Shell | null = null;
    readonly #pressed: PressedWatch;

    constructor(terminal: Terminal, ports: ConsolePorts) {
        this.#terminal = terminal;
        this.#ports = ports;
        const {client, after} = ports;
        const notify = (text: string): void => terminal.notify(text);
        this.#pressed = new PressedWatch({client, after, notify});
    }

    /** Somebody is there: the idle time begins anew. */
    activity(): void {
        if (this.#shell === null) return;
        this.#cancelIdle();
        const {after, idleMs} = this.#ports;
        this.#cancelIdle = after(idleMs, () => this.#end("logged out: idle for too long"));
    }

    /** Resolves when the terminal is gone, with `once` after the first session. */
    async run(once: boolean): Promise<void> {
        let login: Login = {kind: "again"};
        do {
            this.#pressed.start();
            login = await this.#login();
            this.#pressed.stop();
            if (login.kind === "in") {
                this.#pressed.forget();
                await this.#session(login.user);
                if (once) return;
            }
        } while (login.kind !== "gone");
    }

    // ---- log-in ----

    async #login(): Promise<Login> {
        const {host, version, origin, client} = this.#ports;
        const terminal = this.#terminal;
        client.token = "";
        await terminal.print(`\n${host} carpd ${version} ${origin}\n`);
        const typed = await terminal.readLine({prompt: "login: ", history: false});
        if (typed.kind === "gone") return {kind: "gone"};
        if (typed.kind !== "line" || typed.line.trim() === "") return {kind: "again"};
        const user = typed.line.trim();
        const session = await client.request("GET", "/v1/session");
        if (!session.ok) {
            await terminal.print(`carpd does not answer (${session.error.code})\n`);
            return {kind: "again"};
        }
        if (flag(session.value.body, "first")) return this.#first(user);
        const password = await this.#secret("password: ");
        if (password === null) return {kind: "again"};
        return this.#enter("login", {user, password, origin});
    }

    /** No password exists yet: whoever sits at the console gives the administrator's. */
    async #first(user: string): Promise<Login> {
        const terminal = this.#terminal;
        if (user !== firstUser) {
            await terminal.print(
                `There is no user yet: log in as ${firstUser} to set a password.\n`,
            );
            return {kind: "again"};
        }
        await terminal.print(`There is no password yet. Choose the password of ${firstUser}.\n`);
        const password = await this.#secret("new password: ");
        if (password === null) return {kind: "again"};
        const again = await this.#secret("the same again: ");
        if (again !== password) {
            await terminal.print("the two differ\n");
            return {kind: "again"};
        }
        return this.#enter("login/first", {password, origin: this.#ports.origin});
    }

    async #secret(prompt: string): Promise<string | null> {
        const typed = await this.#terminal.readLine({prompt, echo: false, history: false});
        return typed.kind === "line" ? typed.line : null;
    }

    async #enter(path: string, body: object): Promise<Login> {
        const {client} = this.#ports;
        const reply = await client.request("POST", `/v1/${path}`, body);
        if (!reply.ok) {
            await this.#terminal.print(`carpd does not answer (${reply.error.code})\n`);
            return {kind: "again"};
        }
        const token = textOf(reply.value.body, "token");
        if (reply.value.status === 200 && token !== null) {
            client.token = token;
            return {kind: "in", user: textOf(reply.value.body, "user") ?? firstUser};
        }
        const error = errorOf(reply.value.body);
        const seconds = retryAfter(reply.value.body);
        const text = error === null ? "log in again" : `${error.message}; ${error.expected}`;
        const late = error === null ? text : `${error.message}; ${whenAgain(seconds)}`;
        await this.#terminal.print(`${seconds > 0 ? late : text}\n`);
        await this.#wait(Math.min(seconds, longestWaitS));
        return {kind: "again"};
    }

    async #wait(seconds: number): Promise<void> {
        if (seconds <= 0) return;
        await this.#terminal.during(
            (signal) =>
                new Promise<void>((resolve) => {
                    const cancel = this.#ports.after(seconds * 1000, resolve);
                    // Only the end of the terminal shortens it: ^C would be a way around.
                    const stop = (): void => {
                        if (!this.#terminal.gone) return;
                        cancel();
                        resolve();
                    };
                    signal.addEventListener("abort", stop);
                    if (signal.aborted) stop();
                }),
        );
    }

    // ---- the session ----

    async #session(user: string): Promise<void> {
        const {client, socket, version, host, paint, nowMs, after, history} = this.#ports;
        const terminal = this.#terminal;
        await terminal.measure();
        terminal.setHistory(await history.load(user));
        const monitor = new Monitor({
            client,
            after,
            notify: (text) => terminal.notify(text),
            over: () => this.#end("logged out: carpd has ended this session"),
        });
        const shell = new Shell({
            terminal,
            client,
            socket,
            version,
            host,
            paint,
            nowMs,
            files: null,
            monitor: (on) => monitor.set(on),
        });
        this.#shell = shell;
        await terminal.print(await applianceAlarms(client));
        this.activity();
        monitor.set(true);
        try {
            await shell.run(false);
        } finally {
            monitor.set(false);
            this.#cancelIdle();
            this.#shell = null;
            const lines = [...terminal.history()];
            terminal.setHistory([]);
            // Frees the candidate, if this session held it. Without an answer it ends by itself.
            await client.request("POST", "/v1/logout");
            client.token = "";
            await history.save(user, lines);
        }
    }

    #end(text: string): void {
        if (this.#shell === null) return;
        this.#terminal.notify(`${text}\n`);
        this.#shell.end();
    }
}

function flag(body: unknown, key: string): boolean {
    return typeof body === "object" && body !== null && Reflect.get(body, key) === true;
}

/** Seconds. */
function retryAfter(body: unknown): number {
    if (typeof body !== "object" || body === null) return 0;
    const value: unknown = Reflect.get(body, "retryAfter");
    return typeof value === "number" && value > 0 ? value : 0;
}

function whenAgain(seconds: number): string {
    const time = seconds < 120 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
    return `the next try is possible in ${time}`;
}
