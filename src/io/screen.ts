/**
 * The writing side of a terminal, with a bound on what waits for it: a console whose XOFF is never
 * taken back, or a pipe that nobody reads, must not fill the memory. Thread of the program.
 */
import {Writable} from "node:stream";
import {crlf} from "../core/shell/prompt.ts";

/** Above this, messages and echo are dropped and a long text waits. Octets. */
export const waitingLimit = 64 * 1024;
/** One write of a long text; at 9600 baud it takes 2 s. */
const pieceLength = 2048;
/** A text is cut off when the terminal has taken nothing for so long. */
export const stallMs = 10_000;
const pollMs = 100;

export class Screen {
    readonly #output: Writable;
    readonly #stallMs: number;
    /** What readline writes to: loses what does not fit, so that it never waits. */
    readonly echo: Writable & {columns?: number; rows?: number};
    /** true: readline's repainting is not shown. */
    muted = false;
    /** What readline writes -> what is shown of it: passwords are not. */
    disguise: (text: string) => string = (text) => text;
    #gone = false;
    #cut = 0;

    constructor(output: Writable, limitMs = stallMs) {
        this.#output = output;
        this.#stallMs = limitMs;
        this.echo = new Writable({
            decodeStrings: false,
            write: (chunk: unknown, _encoding, done) => {
                if (!this.muted) this.write(this.disguise(String(chunk)));
                done();
            },
        });
    }

    /** true: the terminal does not keep up. */
    get full(): boolean {
        return this.#output.writableLength > waitingLimit;
    }

    get gone(): boolean {
        return this.#gone;
    }

    close(): void {
        this.#gone = true;
    }

    /** Ends the texts that are on their way. */
    cut(): void {
        this.#cut++;
    }

    /** false: dropped. */
    write(text: string): boolean {
        if (this.#gone || this.full || !this.#output.writable) return false;
        this.#output.write(crlf(text));
        return true;
    }

    /** Gives the text in pieces as the terminal takes them. */
    async print(text: string): Promise<void> {
        const mine = this.#cut;
        const whole = crlf(text);
        for (let at = 0; at < whole.length; at += pieceLength) {
            if (this.full && !(await this.#room(mine))) {
                if (this.#gone) return;
                // Goes beyond the bound by this one line.
                this.#output.write("\r\n-- cut off: the terminal does not read --\r\n");
                return;
            }
            if (this.#gone || mine !== this.#cut || !this.#output.writable) return;
            this.#output.write(whole.slice(at, at + pieceLength));
        }
    }

    /** false: nothing was taken for too long, or nobody wants it any more. */
    async #room(mine: number): Promise<boolean> {
        let waiting = this.#output.writableLength;
        let since = performance.now();
        while (this.full) {
            await new Promise((resolve) => {
                setTimeout(resolve, pollMs);
            });
            if (this.#gone || mine !== this.#cut) return false;
            const now = this.#output.writableLength;
            if (now < waiting) since = performance.now();
            waiting = now;
            if (performance.now() - since > this.#stallMs) return false;
        }
        return true;
    }
}
