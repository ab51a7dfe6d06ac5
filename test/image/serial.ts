/**
 * One serial cable to a guest: what is typed goes in, what comes is kept, in memory for waiting and
 * in a file as transcript. The transcript is as it came but for colours and cursor movements.
 */
import {appendFileSync, mkdirSync} from "node:fs";
import type {Socket} from "node:net";
import {dirname} from "node:path";
import {StringDecoder} from "node:string_decoder";
import {HarnessError} from "../../src/io/lab/namespaces.ts";

/** CSI sequences, OSC strings, two-character escapes, and what a terminal does not show. */
const escapes =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
    /\u001b\[[0-9;?<=>!]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\|(?=\u001b))|\u001b[ -Z\\^-~]|[\u0000\u0007\u000f]/gu;

export function withoutEscapes(text: string): string {
    return text.replaceAll(escapes, "");
}

export class SerialPort {
    /** All that came, escape sequences included. */
    raw = "";
    /** The same without them; offsets of `expect` are offsets in here. */
    text = "";
    readonly name: string;
    readonly transcript: string;
    readonly #socket: Socket;
    readonly #decoder = new StringDecoder("utf8");
    #partial = "";
    #waiting: (() => void)[] = [];
    #closed = false;

    constructor(name: string, socket: Socket, transcript: string) {
        this.name = name;
        this.transcript = transcript;
        this.#socket = socket;
        mkdirSync(dirname(transcript), {recursive: true});
        socket.on("data", (chunk: Buffer) => this.#take(this.#decoder.write(chunk)));
        // The power was cut: whoever waits hears it.
        socket.on("error", () => undefined);
        socket.on("close", () => {
            this.#closed = true;
            this.#wake();
        });
    }

    type(text: string): void {
        if (!this.#socket.destroyed) this.#socket.write(text);
    }

    close(): void {
        this.#socket.destroy();
    }

    /** Waits for a text from `from` on; gives what came up to and with it. */
    async expect(what: string | RegExp, deadlineMs: number, from = 0): Promise<string> {
        const end = performance.now() + deadlineMs;
        for (;;) {
            const rest = this.text.slice(from);
            const length = lengthUpTo(rest, what);
            if (length !== undefined) return rest.slice(0, length);
            const left = end - performance.now();
            if (left <= 0 || this.#closed) {
                const why = this.#closed ? "the cable is dead" : `waited ${deadlineMs} ms`;
                throw new HarnessError(
                    "DEADLINE",
                    `${this.name}: ${why}; wanted ${String(what)}; read: ${JSON.stringify(rest.slice(-1500))}`,
                );
            }
            await this.#more(left);
        }
    }

    #more(limitMs: number): Promise<void> {
        return new Promise((resolve) => {
            const timer = setTimeout(resolve, limitMs);
            this.#waiting.push(() => {
                clearTimeout(timer);
                resolve();
            });
        });
    }

    #wake(): void {
        for (const wake of this.#waiting.splice(0)) wake();
    }

    #take(chunk: string): void {
        this.raw += chunk;
        const all = this.#partial + chunk;
        // An escape sequence that is still coming is looked at when all of it is there.
        const cut = all.lastIndexOf("\u001b");
        const open = cut >= 0 && all.length - cut < 24 && !endsSequence(all.slice(cut));
        const ready = open ? all.slice(0, cut) : all;
        this.#partial = open ? all.slice(cut) : "";
        const plain = withoutEscapes(ready);
        this.text += plain;
        appendFileSync(this.transcript, plain.replaceAll("\r\n", "\n"));
        this.#wake();
    }
}

/** Whether a text that begins with an escape sequence holds all of it. */
function endsSequence(text: string): boolean {
    return !withoutEscapes(text).startsWith("\u001b");
}

function lengthUpTo(text: string, what: string | RegExp): number | undefined {
    if (typeof what === "string") {
        const at = text.indexOf(what);
        return at < 0 ? undefined : at + what.length;
    }
    const found = what.exec(text);
    return found === null ? undefined : found.index + found[0].length;
}
