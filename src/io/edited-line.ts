/**
 * The line that is being typed: node:readline, fed key by key, with its history. Thread of the
 * program. readline's own input is a stream that never gives anything.
 */
import {createInterface, type Interface, type Key as ReadlineKey} from "node:readline";
import {Readable} from "node:stream";
import {actsAtOnce, mayHoldSecret, mostHistory} from "../core/shell/history.ts";
import {maskSecrets} from "../core/shell/mask.ts";
import {clearTyped} from "../core/shell/prompt.ts";
import type {Screen} from "./screen.ts";

/** What the keys of terminals are called by readline. */
const editKeys: Readonly<Record<string, ReadlineKey>> = {
    "\u0001": {name: "home"},
    "\u0002": {name: "left"},
    "\u0005": {name: "end"},
    "\u0006": {name: "right"},
    "\u000b": {name: "k", ctrl: true},
    "\u000e": {name: "down"},
    "\u0010": {name: "up"},
    "\u0017": {name: "w", ctrl: true},
    "\u0019": {name: "y", ctrl: true},
    "\u001bb": {name: "left", ctrl: true},
    "\u001bf": {name: "right", ctrl: true},
    "\u001bd": {name: "delete", ctrl: true},
    "\u001b\u007f": {name: "w", ctrl: true},
    "\u001b[A": {name: "up"},
    "\u001b[B": {name: "down"},
    "\u001b[C": {name: "right"},
    "\u001b[D": {name: "left"},
    "\u001b[H": {name: "home"},
    "\u001b[F": {name: "end"},
    "\u001b[1~": {name: "home"},
    "\u001b[3~": {name: "delete"},
    "\u001b[4~": {name: "end"},
    "\u001b[7~": {name: "home"},
    "\u001b[8~": {name: "end"},
    "\u001b[1;5C": {name: "right", ctrl: true},
    "\u001b[1;5D": {name: "left", ctrl: true},
};

export class EditedLine {
    readonly #screen: Screen;
    readonly #entered: (line: string) => void;
    #readline: Interface;
    #history: string[] = [];
    #keep = true;
    #earlier = "";
    #closed = false;

    /** `entered`: Enter was pressed. */
    constructor(screen: Screen, entered: (line: string) => void) {
        this.#screen = screen;
        this.#entered = entered;
        this.#readline = this.#create();
        screen.disguise = (text) => this.#disguised(text);
    }

    get line(): string {
        return this.#readline.line;
    }

    /** What stands before the cursor. */
    get typed(): string {
        return this.#readline.line.slice(0, this.#readline.cursor);
    }

    get history(): readonly string[] {
        return this.#history;
    }

    /** Newest first. */
    set history(lines: readonly string[]) {
        this.#history = [...lines];
        this.#recreate();
    }

    /** `keep` false: the line does not go into the history. `earlier`: what it goes on from. */
    begin(prompt: string, keep: boolean, earlier: string): void {
        this.#keep = keep;
        this.#earlier = earlier;
        this.#readline.setPrompt(prompt);
        this.#readline.prompt();
    }

    prompt(): void {
        this.#readline.prompt();
    }

    insert(text: string): void {
        this.#readline.write(text);
    }

    key(key: ReadlineKey): void {
        this.#readline.write(null, key);
    }

    /** A sequence that is no key of ours does nothing. */
    sequence(sequence: string): void {
        const known = editKeys[sequence];
        if (known !== undefined) this.key(known);
    }

    /** Empties the line; what stands on the screen stays, with `mark` behind it. */
    forget(mark: string): void {
        this.key({name: "end"});
        this.#screen.write(mark);
        this.#silently(() => this.key({name: "u", ctrl: true}));
    }

    /** Text above the line, which then stands below it again. */
    aside(text: string): void {
        const rl = this.#readline;
        const {line, cursor} = rl;
        const {rows} = rl.getCursorPos();
        const long = rows > 0 || line.length + 40 > (this.#screen.echo.columns ?? 80);
        if (!long) {
            this.#screen.write(`${clearTyped(0)}${text}`);
            rl.prompt(true);
            return;
        }
        // readline repaints from where it believes the first row to be: the line is taken away and
        // typed again below the message.
        this.#screen.write(clearTyped(rows));
        this.#silently(() => {
            this.key({name: "end"});
            this.key({name: "u", ctrl: true});
        });
        this.#screen.write(text);
        rl.prompt();
        rl.write(line);
        for (let i = line.length; i > cursor; i--) this.key({name: "left"});
    }

    close(): void {
        this.#closed = true;
        this.#readline.close();
    }

    /** readline writes the whole line behind its prompt, or what was typed at its end. */
    #disguised(text: string): string {
        const {line} = this.#readline;
        const masked = maskSecrets(line, this.#earlier);
        if (masked === line || text === "") return text;
        const prompt = this.#readline.getPrompt();
        if (text === prompt + line) return prompt + masked;
        return line.endsWith(text) ? masked.slice(-text.length) : text;
    }

    #silently(run: () => void): void {
        this.#screen.muted = true;
        run();
        this.#screen.muted = false;
    }

    #create(): Interface {
        const rl = createInterface({
            input: new Readable({read: () => undefined}),
            output: this.#screen.echo,
            terminal: true,
            history: this.#history,
            historySize: mostHistory,
            removeHistoryDuplicates: true,
        });
        rl.on("history", (lines) => {
            const [newest = ""] = lines;
            if (!this.#keep || mayHoldSecret(newest) || actsAtOnce(newest)) lines.shift();
            this.#history = lines;
        });
        rl.on("line", this.#entered);
        rl.on("close", () => {
            // It has no reason of its own to end; if it does, the next line gets another one.
            if (!this.#closed && rl === this.#readline) this.#recreate();
        });
        return rl;
    }

    #recreate(): void {
        const old = this.#readline;
        this.#readline = this.#create();
        old.close();
    }
}
