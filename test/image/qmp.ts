/**
 * QEMU's machine protocol: one connection to one emulator. Commands are answered in order; events
 * are kept, so that nothing that happened before somebody waited for it is lost.
 */
import {existsSync} from "node:fs";
import {connect, type Socket} from "node:net";
import {waitFor} from "../../src/io/lab/namespaces.ts";

export interface QmpEvent {
    /** "RESET", "SHUTDOWN", "WATCHDOG", "DEVICE_DELETED" ... */
    readonly name: string;
    readonly data: object;
    /** performance.now() when it was read. */
    readonly atMs: number;
}

interface Waiting {
    readonly command: string;
    readonly done: (value: unknown) => void;
    readonly failed: (error: Error) => void;
}

function field(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function textField(value: unknown, key: string): string {
    const found = field(value, key);
    return typeof found === "string" ? found : "";
}

export class Qmp {
    readonly events: QmpEvent[] = [];
    readonly #socket: Socket;
    readonly #waiting: Waiting[] = [];
    #rest = "";
    #greeted = false;

    constructor(socket: Socket) {
        this.#socket = socket;
        socket.setEncoding("utf8");
        socket.on("data", (chunk) => this.#take(String(chunk)));
        // The emulator's end is seen by whoever waits for an answer.
        socket.on("error", () => undefined);
        socket.on("close", () => {
            for (const one of this.#waiting.splice(0)) {
                one.failed(new Error(`${one.command}: QEMU closed the connection`));
            }
        });
    }

    /** Connects to the socket of an emulator that is just starting, and agrees on the protocol. */
    static async open(path: string, alive: () => string | undefined): Promise<Qmp> {
        const socket = await connected(path, alive);
        const qmp = new Qmp(socket);
        await waitFor("QEMU's greeting", 20_000, () => (qmp.#greeted ? true : undefined));
        await qmp.execute("qmp_capabilities");
        return qmp;
    }

    /** The `return` of a command; throws with QEMU's own words. */
    execute(command: string, args: object = {}): Promise<unknown> {
        return new Promise((done, failed) => {
            if (this.#socket.destroyed) {
                failed(new Error(`${command}: QEMU is gone`));
                return;
            }
            this.#waiting.push({command, done, failed});
            this.#socket.write(`${JSON.stringify({execute: command, arguments: args})}\n`);
        });
    }

    /** A line of the human monitor; it prints what is wrong instead of failing. */
    async monitor(line: string): Promise<string> {
        const answer = await this.execute("human-monitor-command", {"command-line": line});
        return typeof answer === "string" ? answer.trim() : "";
    }

    /** Waits for an event that comes after the first `from` events. */
    async event(name: string, deadlineMs: number, from = 0): Promise<QmpEvent> {
        return await waitFor(
            `the event ${name} of QEMU`,
            deadlineMs,
            () => this.events.slice(from).find((event) => event.name === name),
            () =>
                this.events
                    .slice(from)
                    .map((event) => event.name)
                    .join(" "),
        );
    }

    close(): void {
        this.#socket.destroy();
    }

    #take(chunk: string): void {
        const lines = (this.#rest + chunk).split("\n");
        this.#rest = lines.pop() ?? "";
        for (const line of lines) {
            if (line.trim() !== "") this.#message(JSON.parse(line));
        }
    }

    #message(message: unknown): void {
        if (field(message, "QMP") !== undefined) {
            this.#greeted = true;
            return;
        }
        const name = textField(message, "event");
        if (name !== "") {
            const data = field(message, "data");
            const plain = typeof data === "object" && data !== null ? data : {};
            this.events.push({name, data: plain, atMs: performance.now()});
            return;
        }
        const first = this.#waiting.shift();
        const error = field(message, "error");
        if (error === undefined) first?.done(field(message, "return"));
        else first?.failed(new Error(`${first.command}: ${textField(error, "desc")}`));
    }
}

/** A connection to a socket that somebody is about to make. `alive`: why nobody will. */
export async function connected(path: string, alive: () => string | undefined): Promise<Socket> {
    return await waitFor(`the socket ${path}`, 20_000, async () => {
        const dead = alive();
        if (dead !== undefined) throw new Error(dead);
        if (!existsSync(path)) return undefined;
        return await new Promise<Socket | undefined>((resolve) => {
            const socket = connect(path);
            socket.once("connect", () => resolve(socket));
            socket.once("error", () => resolve(undefined));
        });
    });
}
