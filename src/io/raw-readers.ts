/**
 * Input that is not edited by readline: a password, a pasted text, one key of the pager. Thread of
 * the program.
 */
import type {Typed} from "../app/shell/terminal.ts";
import type {Key} from "../core/shell/keys.ts";
import {maskSecrets} from "../core/shell/mask.ts";

/** Characters of a password. */
const secretLimit = 1024;
/** Characters of a pasted text. */
export const pastedLimit = 1024 * 1024;

/** Characters of a line that are echoed. */
const longestShown = 1024;
/** What is kept of a line beyond that, to see the end. */
const longestEndWord = 64;

export interface RawReader {
    /** true: this was the last key that it wants. */
    key(key: Key): boolean;
    /** The terminal is gone. */
    gone(): void;
}

export class SecretReader implements RawReader {
    readonly #done: (typed: Typed) => void;
    readonly #write: (text: string) => void;
    #text = "";

    constructor(done: (typed: Typed) => void, write: (text: string) => void) {
        this.#done = done;
        this.#write = write;
    }

    key(key: Key): boolean {
        switch (key.kind) {
            case "text":
                if (this.#text.length + key.text.length <= secretLimit) this.#text += key.text;
                return false;
            case "backspace":
                this.#text = [...this.#text].slice(0, -1).join("");
                return false;
            case "clear-line":
                this.#text = "";
                return false;
            case "enter":
                return this.#end({kind: "line", line: this.#text});
            case "interrupt":
                return this.#end({kind: "interrupt"});
            case "end":
                return this.#text === "" && this.#end({kind: "end"});
            default:
                return false;
        }
    }

    gone(): void {
        this.#done({kind: "gone"});
    }

    #end(typed: Typed): true {
        this.#write("\n");
        this.#done(typed);
        return true;
    }
}

export class PastedReader implements RawReader {
    readonly #endWord: string;
    readonly #done: (text: string | null) => void;
    readonly #write: (text: string) => void;
    readonly #lines: string[] = [];
    #line = "";
    #size = 0;

    constructor(
        endWord: string,
        done: (text: string | null) => void,
        write: (text: string) => void,
    ) {
        this.#endWord = endWord;
        this.#done = done;
        this.#write = write;
    }

    key(key: Key): boolean {
        switch (key.kind) {
            case "text":
            case "tab": {
                const text = key.kind === "tab" ? "\t" : key.text;
                this.#size += text.length;
                // Read to its end in any case, so that the rest of a paste does not become commands.
                const line = this.#line + text;
                this.#line = this.#size <= pastedLimit ? line : line.slice(0, longestEndWord);
                // Of a line that is longer than any there is nothing more to see.
                if (line.length <= longestShown) this.#write(maskSecrets(line).slice(-text.length));
                return false;
            }
            case "backspace":
                if (this.#line !== "") this.#write("\b \b");
                this.#line = [...this.#line].slice(0, -1).join("");
                return false;
            case "enter":
                this.#write("\n");
                if (this.#line.trim() === this.#endWord) return this.#end();
                this.#size++;
                if (this.#size <= pastedLimit) this.#lines.push(this.#line);
                this.#line = "";
                return false;
            case "end":
                this.#write("\n");
                if (this.#line !== "") this.#lines.push(this.#line);
                return this.#end();
            case "interrupt":
                this.#write("^C\n");
                this.#done(null);
                return true;
            default:
                return false;
        }
    }

    gone(): void {
        this.#done(null);
    }

    #end(): true {
        const text = this.#lines.map((line) => `${line}\n`).join("");
        this.#done(this.#size > pastedLimit ? null : text);
        return true;
    }
}

/** One key; what came with it in one text goes back. */
export class KeyOnce implements RawReader {
    readonly #done: (key: string) => void;
    readonly #back: (key: Key) => void;

    constructor(done: (key: string) => void, back: (key: Key) => void) {
        this.#done = done;
        this.#back = back;
    }

    key(key: Key): boolean {
        switch (key.kind) {
            case "text": {
                const [first = "", ...rest] = key.text;
                if (rest.length > 0) this.#back({...key, text: rest.join("")});
                this.#done(first);
                return true;
            }
            case "enter":
                this.#done("\r");
                return true;
            case "interrupt":
            case "end":
                this.#done("\u0003");
                return true;
            default:
                return false;
        }
    }

    gone(): void {
        this.#done("");
    }
}
