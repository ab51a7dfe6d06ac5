/**
 * What the shell needs of a terminal: implemented by src/io/line-editor.ts for people and by
 * src/io/plain-terminal.ts for scripts.
 */
import type {Choice} from "../../core/shell/complete.ts";

/** What the words of the typed line may be continued with. */
export interface Assist {
    readonly list: readonly Choice[];
    /** true: the line may end here. */
    readonly complete: boolean;
}

export type Typed =
    | {readonly kind: "line"; readonly line: string}
    /** ^D on an empty line, or the end of a script. */
    | {readonly kind: "end"}
    /** ^C */
    | {readonly kind: "interrupt"}
    /** The terminal is gone; nothing more comes. */
    | {readonly kind: "gone"};

export interface LineRequest {
    readonly prompt: string;
    /** For TAB and `?`: the words up to the cursor, the last one being typed. Never rejects. */
    readonly assist?: (typed: string) => Promise<Assist>;
    /** false: not a line for the history. */
    readonly history?: boolean;
    /** false: what is typed is not echoed. */
    readonly echo?: boolean;
    /** The lines that this one goes on from: a password may begin there. */
    readonly earlier?: string;
}

export interface Terminal {
    /** false: no person: no prompts, no pages, no questions. */
    readonly interactive: boolean;
    /** true: nothing more comes from it. */
    readonly gone: boolean;
    /** Columns of a row. */
    readonly columns: number;
    /** Rows of a page; 0: no pages. */
    readonly rows: number;
    /** Finds out the size, where the terminal can say it. */
    measure(): Promise<void>;
    setSize(size: {readonly rows?: number; readonly columns?: number}): void;
    readLine(request: LineRequest): Promise<Typed>;
    /**
     * Lines as they come, until ^D or a line that is `endWord`; null when cut off (^C, hang-up) or
     * when it is longer than 1 MiB.
     */
    readPasted(endWord: string): Promise<string | null>;
    /** One key, for the pager; "" when the terminal is gone. */
    readKey(): Promise<string>;
    /**
     * Shows a text. What the terminal does not take is cut off with a note; the memory that waits
     * for it is bounded. Resolves when it is on its way.
     */
    print(text: string): Promise<void>;
    /** A message above the prompt; dropped while the terminal does not read. */
    notify(text: string): void;
    /** Runs something that ^C, or the end of the terminal, aborts. */
    during<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T>;
    /** Ends what waits for input as ^D would, and what runs as ^C would. */
    expire(): void;
    /** Lines for the arrow keys, newest first. */
    setHistory(lines: readonly string[]): void;
    history(): readonly string[];
}
