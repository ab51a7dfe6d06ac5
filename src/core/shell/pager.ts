/**
 * Pages of a long text: how many rows are shown before the terminal waits, and what a key does.
 * Pure.
 */
export const moreText = "-- More --";

export type PagerKey = "page" | "row" | "all" | "quit";

/** less(1) and more(1), as far as routers know them. null: the key does nothing. */
export function pagerKey(key: string): PagerKey | null {
    switch (key) {
        case " ":
        case "f":
            return "page";
        case "\r":
        case "\n":
        case "j":
            return "row";
        case "G":
        case "c":
            return "all";
        case "q":
        case "Q":
        case "n":
        case "\u0003":
            return "quit";
        default:
            return null;
    }
}

/** Rows that a line takes on a terminal; a tab goes to the next multiple of 8. */
export function rowsOf(line: string, columns: number): number {
    let width = 0;
    let inSequence = false;
    for (const character of line) {
        if (character === "\u001b") inSequence = true;
        else if (inSequence) inSequence = character !== "m";
        else width += character === "\t" ? 8 - (width % 8) : 1;
    }
    return Math.max(1, Math.ceil(width / Math.max(1, columns)));
}

export class Pager {
    readonly #lines: readonly string[];
    readonly #columns: number;
    readonly #rows: number;
    #next = 0;

    /** `rows` 0: no pages. */
    constructor(text: string, rows: number, columns: number) {
        const lines = text.split("\n");
        if (lines.at(-1) === "") lines.pop();
        this.#lines = lines;
        this.#rows = rows;
        this.#columns = columns;
    }

    get done(): boolean {
        return this.#next >= this.#lines.length;
    }

    /** The text up to the next stop. One row is kept for `-- More --`, so at least one line goes. */
    advance(key: PagerKey): string {
        if (key === "quit") {
            this.#next = this.#lines.length;
            return "";
        }
        const page = Math.max(1, this.#rows - 1);
        let room = key === "row" ? 1 : key === "all" || this.#rows === 0 ? Infinity : page;
        const from = this.#next;
        while (!this.done) {
            const rows = rowsOf(this.#lines[this.#next] ?? "", this.#columns);
            if (rows > room && this.#next > from) break;
            room -= rows;
            this.#next++;
            if (room <= 0) break;
        }
        const shown = this.#lines.slice(from, this.#next);
        return shown.map((line) => `${line}\n`).join("");
    }
}
