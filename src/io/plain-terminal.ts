/**
 * A script in place of a person: lines from a pipe or a file, no prompts, no pages, no history.
 * carpctl's only thread.
 */
import {createInterface, type Interface} from "node:readline";
import type {Readable, Writable} from "node:stream";
import type {LineRequest, Terminal, Typed} from "../app/shell/terminal.ts";

/** Octets of a pasted text. */
const pastedLimit = 1024 * 1024;

export class PlainTerminal implements Terminal {
    readonly interactive = false;
    readonly columns = 80;
    readonly rows = 0;
    readonly #output: Writable;
    readonly #readline: Interface;
    readonly #lines: AsyncIterator<string>;
    readonly #abort = new AbortController();
    #gone = false;

    constructor(input: Readable, output: Writable) {
        this.#output = output;
        this.#readline = createInterface({input, crlfDelay: Number.POSITIVE_INFINITY});
        this.#lines = this.#readline[Symbol.asyncIterator]();
        output.on("error", () => {
            this.#gone = true;
            this.#abort.abort();
        });
    }

    get gone(): boolean {
        return this.#gone;
    }

    measure(): Promise<void> {
        return Promise.resolve();
    }

    setSize(): void {
        // Nothing is shown page by page.
    }

    async readLine(_request: LineRequest): Promise<Typed> {
        const next = this.#gone ? {done: true as const} : await this.#lines.next();
        return next.done === true ? {kind: "gone"} : {kind: "line", line: next.value};
    }

    async readPasted(endWord: string): Promise<string | null> {
        let text = "";
        for (;;) {
            const next = await this.#lines.next();
            if (next.done === true || next.value.trim() === endWord) break;
            if (text.length <= pastedLimit) text += `${next.value}\n`;
        }
        return text.length > pastedLimit ? null : text;
    }

    readKey(): Promise<string> {
        return Promise.resolve("");
    }

    /** A pipe that is full holds the script up, as it does every program. */
    async print(text: string): Promise<void> {
        if (this.#gone || this.#output.write(text)) return;
        await new Promise<void>((resolve) => {
            this.#output.once("drain", resolve);
            this.#abort.signal.addEventListener("abort", () => resolve(), {once: true});
        });
    }

    notify(): void {
        // A script's output is that of its commands.
    }

    during<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
        return run(this.#abort.signal);
    }

    expire(): void {
        this.#gone = true;
        this.#readline.close();
    }

    setHistory(): void {
        // It has none.
    }

    history(): readonly string[] {
        return [];
    }

    close(): void {
        this.#readline.close();
    }
}
