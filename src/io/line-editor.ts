/**
 * A person's terminal on any byte stream: a serial port, a tty, a pipe of ssh. Thread of the program.
 *
 * node:readline edits the line and keeps the history. It never sees a byte of the terminal: the
 * bytes become keys first (src/core/shell/keys.ts), and the keys are given to readline one by one.
 * So noise can neither end it nor make its line long. While nobody waits for input, keys are kept
 * up to a bound: what is typed ahead belongs to the next prompt.
 */
import type {Readable, Writable} from "node:stream";
import type {Assist, LineRequest, Terminal, Typed} from "../app/shell/terminal.ts";
import {choicesText, commonPrefix} from "../core/shell/complete.ts";
import {type Key, KeyReader} from "../core/shell/keys.ts";
import {openQuote} from "../core/shell/line.ts";
import {EditedLine} from "./edited-line.ts";
import {KeyOnce, PastedReader, type RawReader, SecretReader} from "./raw-readers.ts";
import {Screen} from "./screen.ts";

/** Octets of a line. */
export const lineLimit = 1024;
/** Characters and keys that wait for the next prompt. */
const aheadLimit = 64 * 1024;
/** Messages that wait for the next prompt. */
const notesLimit = 100;
const positionMs = 300;
const bell = "\u0007";

export interface LineEditorOptions {
    readonly input: Readable;
    readonly output: Writable;
    /** Of a terminal whose size is known; else it can be asked for. */
    readonly size?: {readonly columns: number; readonly rows: number};
    /** A line was entered or a page turned: somebody is there. */
    readonly activity?: () => void;
    /** How long a text waits for a terminal that takes nothing. Milliseconds. */
    readonly stallMs?: number;
}

/** The reader of a line that readline edits. */
interface LineReader {
    readonly request: LineRequest;
    readonly done: (typed: Typed) => void;
    /** More came than a line may have: what stands there is not run. */
    overflow: boolean;
}

function sizeOf(key: Key): number {
    return key.kind === "text" ? key.text.length : 1;
}

function isLine(reader: LineReader | RawReader | null): reader is LineReader {
    return reader !== null && "request" in reader;
}

const inputEnds = ["end", "close", "error"] as const;
const outputEnds = ["close", "error"] as const;

export class LineEditor implements Terminal {
    readonly interactive = true;
    readonly #options: LineEditorOptions;
    readonly #screen: Screen;
    readonly #keys = new KeyReader();
    readonly #line: EditedLine;
    #columns = 80;
    #rows = 24;
    #reader: LineReader | RawReader | null = null;
    /** A question to the assistant is on its way; keys wait for it. */
    #assisting = false;
    /** An answer of an earlier round is not waited for any more. */
    #assistRound = 0;
    /** ^C that came while nobody read: it is for the page that is about to be asked about. */
    #interrupted = false;
    #lastTab = false;
    #ahead: Key[] = [];
    #aheadSize = 0;
    /** Too much was typed ahead: nothing more is kept. */
    #deaf = false;
    #notes: string[] = [];
    #dropped = 0;
    #abort: AbortController | null = null;
    #position: ((row: number, column: number) => void) | null = null;
    #gone = false;

    constructor(options: LineEditorOptions) {
        this.#options = options;
        this.#screen = new Screen(options.output, options.stallMs);
        this.#line = new EditedLine(this.#screen, (line) => this.#entered(line));
        const {input, output} = options;
        input.on("data", this.#onData);
        for (const event of inputEnds) input.on(event, this.#onGone);
        for (const event of outputEnds) output.on(event, this.#onGone);
        this.setSize(options.size ?? {columns: 80, rows: 24});
    }

    get columns(): number {
        return this.#columns;
    }

    get rows(): number {
        return this.#rows;
    }

    get gone(): boolean {
        return this.#gone;
    }

    setSize({rows, columns}: {readonly rows?: number; readonly columns?: number}): void {
        if (rows !== undefined) this.#rows = rows;
        if (columns === undefined) return;
        this.#columns = columns;
        this.#screen.echo.columns = columns;
        // readline paints its prompt anew, also where none is shown.
        this.#screen.muted = !isLine(this.#reader);
        this.#screen.echo.emit("resize");
        this.#screen.muted = false;
    }

    /** Asks the terminal how large it is: a serial line does not tell. 80x24 without an answer. */
    async measure(): Promise<void> {
        if (this.#options.size !== undefined || this.#gone) return;
        const answer = new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, positionMs);
            this.#position = (row, column) => {
                clearTimeout(timer);
                if (column >= 20 && column <= 500 && row >= 5 && row <= 500) {
                    this.setSize({columns: column, rows: row});
                }
                resolve();
            };
        });
        // Save, go to the far corner, ask where that is, return.
        this.#screen.write("\u001b[s\u001b[999;999H\u001b[6n\u001b[u");
        await answer;
        this.#position = null;
    }

    /** Gives the streams back; whoever waits is told that the terminal is gone. */
    close(): void {
        const {input, output} = this.#options;
        input.off("data", this.#onData);
        for (const event of inputEnds) input.off(event, this.#onGone);
        for (const event of outputEnds) output.off(event, this.#onGone);
        this.#onGone();
        this.#line.close();
    }

    setHistory(lines: readonly string[]): void {
        this.#line.history = lines;
    }

    history(): readonly string[] {
        return this.#line.history;
    }

    readLine(request: LineRequest): Promise<Typed> {
        this.#interrupted = false;
        return new Promise((done) => {
            this.#flushNotes();
            if (request.echo === false) {
                this.#screen.write(request.prompt);
                this.#read(new SecretReader(done, this.#write));
                return;
            }
            if (!this.#gone) {
                const {prompt, history, earlier = ""} = request;
                this.#line.begin(prompt, history !== false && earlier === "", earlier);
            }
            this.#read({request, done, overflow: false});
        });
    }

    readPasted(endWord: string): Promise<string | null> {
        return new Promise((done) => {
            this.#read(new PastedReader(endWord, done, this.#write));
        });
    }

    readKey(): Promise<string> {
        if (this.#interrupted) {
            this.#interrupted = false;
            return Promise.resolve("\u0003");
        }
        return new Promise((done) => {
            const back = (key: Key): void => {
                this.#ahead.unshift(key);
                this.#aheadSize += sizeOf(key);
            };
            this.#read(new KeyOnce(done, back));
        });
    }

    print(text: string): Promise<void> {
        return this.#screen.print(text);
    }

    notify(text: string): void {
        if (this.#gone) return;
        if (this.#screen.full) {
            this.#dropped++;
        } else if (isLine(this.#reader) && !this.#assisting) {
            this.#line.aside(text);
        } else if (this.#notes.length < notesLimit) {
            this.#notes.push(text);
        } else {
            this.#dropped++;
        }
    }

    async during<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
        const abort = new AbortController();
        if (this.#gone) abort.abort();
        this.#abort = abort;
        try {
            return await run(abort.signal);
        } finally {
            this.#abort = null;
        }
    }

    expire(): void {
        const reader = this.#reader;
        this.#reader = null;
        this.#forgetAhead();
        this.#screen.cut();
        this.#abort?.abort();
        if (isLine(reader)) {
            this.#line.forget("");
            this.#finish(reader, {kind: "end"});
        } else reader?.gone();
    }

    readonly #write = (text: string): void => {
        this.#screen.write(text);
    };

    // ---- who gets the keys ----

    #read(reader: LineReader | RawReader): void {
        if (this.#gone) {
            if (isLine(reader)) reader.done({kind: "gone"});
            else reader.gone();
            return;
        }
        this.#reader = reader;
        this.#drain();
    }

    readonly #onData = (chunk: unknown): void => {
        const bytes = chunk instanceof Uint8Array ? chunk : Buffer.from(String(chunk));
        for (const key of this.#keys.feed(bytes)) {
            if (key.kind === "position") this.#position?.(key.row, key.column);
            else this.#give(key);
        }
    };

    readonly #onGone = (): void => {
        if (this.#gone) return;
        this.#gone = true;
        this.#screen.close();
        this.#abort?.abort();
        this.#ahead = [];
        const reader = this.#reader;
        this.#reader = null;
        if (isLine(reader)) reader.done({kind: "gone"});
        else reader?.gone();
    };

    #give(key: Key): void {
        const reader = this.#reader;
        if (this.#assisting && key.kind === "interrupt" && isLine(reader)) {
            // The line is dropped with the question about it: what is typed next is a line of its own.
            this.#assisting = false;
            this.#assistRound++;
            this.#forgetAhead();
            this.#lineKey(reader, key);
            return;
        }
        if (reader === null || this.#assisting) {
            this.#later(key);
            return;
        }
        if (key.kind === "enter" || reader instanceof KeyOnce) this.#options.activity?.();
        if (isLine(reader)) {
            this.#lineKey(reader, key);
            return;
        }
        // Before the key: who waits for its answer may ask for the next one at once.
        this.#reader = null;
        if (!reader.key(key)) this.#reader = reader;
    }

    /** Keeps a key for the next prompt; after too many, none until the queue is empty again. */
    #later(key: Key): void {
        if (key.kind === "interrupt") {
            this.#interrupted = true;
            this.#forgetAhead();
            this.#screen.cut();
            this.#abort?.abort();
            return;
        }
        if (this.#deaf || this.#aheadSize + sizeOf(key) > aheadLimit) {
            if (!this.#deaf) this.#screen.write(bell);
            this.#deaf = true;
            return;
        }
        this.#ahead.push(key);
        this.#aheadSize += sizeOf(key);
    }

    #forgetAhead(): void {
        this.#ahead = [];
        this.#aheadSize = 0;
        this.#deaf = false;
    }

    #drain(): void {
        while (this.#reader !== null && !this.#assisting) {
            const key = this.#ahead.shift();
            if (key === undefined) break;
            this.#aheadSize -= sizeOf(key);
            this.#give(key);
        }
        if (this.#ahead.length > 0 || !this.#deaf) return;
        this.#forgetAhead();
        // The last line that was kept may be half of one: what follows must not become its end.
        if (isLine(this.#reader)) this.#reader.overflow = true;
        this.notify("typed too far ahead: the rest was dropped\n");
    }

    // ---- the line that is being typed ----

    #entered(line: string): void {
        const reader = this.#reader;
        if (!isLine(reader)) return;
        this.#reader = null;
        reader.done({kind: "line", line});
    }

    #lineKey(reader: LineReader, key: Key): void {
        const tabbed = this.#lastTab;
        this.#lastTab = key.kind === "tab";
        switch (key.kind) {
            case "text":
                this.#insert(reader, key.text, key.literal);
                break;
            case "edit":
                this.#line.sequence(key.sequence);
                break;
            case "backspace":
                this.#line.key({name: "backspace"});
                break;
            case "clear-line":
                this.#line.key({name: "u", ctrl: true});
                break;
            case "clear-screen":
                this.#line.key({name: "l", ctrl: true});
                break;
            case "tab":
                this.#assist(reader, tabbed ? "list" : "complete");
                break;
            case "end":
                if (this.#line.line === "") this.#finish(reader, {kind: "end"});
                else this.#line.key({name: "delete"});
                break;
            case "interrupt":
                this.#line.forget("^C");
                this.#finish(reader, {kind: "interrupt"});
                break;
            case "enter":
                this.#enter(reader);
                break;
            case "position":
                break;
        }
    }

    #enter(reader: LineReader): void {
        if (!reader.overflow) {
            this.#line.key({name: "return"});
            return;
        }
        // Half of a line must not be run.
        this.#line.forget("");
        reader.overflow = false;
        this.#screen.write(`\nnot run: a line has at most ${lineLimit} octets\n`);
        this.#line.prompt();
    }

    #finish(reader: LineReader, typed: Typed): void {
        this.#reader = null;
        this.#screen.write("\n");
        reader.done(typed);
    }

    #insert(reader: LineReader, text: string, literal: boolean): void {
        if (reader.overflow) return;
        const mark = literal ? -1 : text.indexOf("?");
        const plain = mark < 0 ? text : text.slice(0, mark);
        if (Buffer.byteLength(this.#line.line) + Buffer.byteLength(plain) > lineLimit) {
            reader.overflow = true;
            this.#screen.write(bell);
            return;
        }
        if (plain !== "") this.#line.insert(plain);
        if (mark < 0) return;
        const quoted = openQuote(this.#line.typed) !== "";
        if (quoted || reader.request.assist === undefined) this.#insert(reader, "?", true);
        else this.#assist(reader, "help");
        // Waits where the question is still on its way.
        if (mark + 1 < text.length) this.#give({kind: "text", text: text.slice(mark + 1), literal});
    }

    // ---- help and completion ----

    #assist(reader: LineReader, what: "complete" | "list" | "help"): void {
        const {assist} = reader.request;
        if (assist === undefined) return;
        const {typed} = this.#line;
        this.#assisting = true;
        const round = ++this.#assistRound;
        const answered = (found: Assist): void => {
            if (round === this.#assistRound) this.#assisted(reader, typed, what, found);
        };
        assist(typed).then(answered, () => answered({list: [], complete: false}));
    }

    #assisted(
        reader: LineReader,
        typed: string,
        what: "complete" | "list" | "help",
        {list, complete}: Assist,
    ): void {
        this.#assisting = false;
        if (!this.#gone && this.#reader === reader) {
            const [fragment = ""] = /[^\s|]*$/u.exec(typed) ?? [];
            const words = list.filter(({word}) => word).map(({token}) => token);
            const more = commonPrefix(words).slice(fragment.length);
            if (what === "help") {
                const text = choicesText(list, complete && fragment === "");
                this.#below(text === "" ? "  nothing fits here\n" : text);
            } else if (words.length === 1) this.#line.insert(`${more} `);
            else if (more !== "") this.#line.insert(more);
            else if (what === "list" && list.length > 0) this.#below(choicesText(list, false));
            else this.#screen.write(bell);
        }
        this.#drain();
    }

    /** Text under the line, which then stands below it again. */
    #below(text: string): void {
        this.#screen.write("\n");
        this.#line.aside(text);
    }

    #flushNotes(): void {
        const text = this.#notes.join("");
        this.#notes = [];
        if (text !== "") this.#screen.write(text);
        if (this.#dropped === 0 || this.#screen.full) return;
        this.#screen.write(`-- ${this.#dropped} messages were dropped --\n`);
        this.#dropped = 0;
    }
}
