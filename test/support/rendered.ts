/** What stands on a terminal after some output: as much of a VT100 as readline and the shell use. */

interface Row {
    cells: string[];
    /** The next row goes on with it. */
    wrapped: boolean;
}

/** A sequence, a control character, or characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is read
const piece = /\u001b\[([\d;]*)([A-Za-z])|\u001b.|[\u0000-\u001f\u007f]|[^\u0000-\u001f\u007f]/gu;

class Rows {
    readonly #rows: Row[] = [{cells: [], wrapped: false}];
    #row = 0;
    #column = 0;
    readonly #columns: number;

    constructor(columns: number) {
        this.#columns = columns;
    }

    put(text: string): void {
        if (this.#column >= this.#columns) {
            this.#here.wrapped = true;
            this.control("\n");
            this.#column = 0;
        }
        const {cells} = this.#here;
        while (cells.length < this.#column) cells.push(" ");
        for (const character of text) {
            cells[this.#column] = character;
            this.#column++;
        }
    }

    control(text: string): void {
        if (text === "\r") this.#column = 0;
        if (text === "\b") this.#column = Math.max(0, this.#column - 1);
        if (text === "\t") this.put(" ".repeat(8 - (this.#column % 8)));
        if (text !== "\n") return;
        this.#row++;
        if (this.#row === this.#rows.length) this.#rows.push({cells: [], wrapped: false});
    }

    sequence(numbers: string, letter: string): void {
        const n = numbers === "" ? 1 : Number(numbers);
        if (letter === "A") this.#row = Math.max(0, this.#row - n);
        if (letter === "B") this.#row = Math.min(this.#rows.length - 1, this.#row + n);
        if (letter === "C") this.#column += n;
        if (letter === "D") this.#column = Math.max(0, this.#column - n);
        if (letter === "G") this.#column = n - 1;
        if (letter === "J" || letter === "K") this.#here.cells.length = this.#column;
        if (letter === "J") {
            this.#here.wrapped = false;
            this.#rows.length = this.#row + 1;
        }
    }

    get text(): string {
        const last = this.#rows.length - 1;
        return this.#rows
            .map(({cells, wrapped}, i) => `${cells.join("")}${wrapped || i === last ? "" : "\n"}`)
            .join("");
    }

    get #here(): Row {
        const row = this.#rows[this.#row];
        if (row === undefined) throw new RangeError(`no row ${this.#row}`);
        return row;
    }
}

/**
 * The rows, joined where the terminal wrapped them. Going to a place of the screen ("H") is left
 * out: it is only used to ask for the size.
 */
export function rendered(text: string, columns = 80): string {
    const rows = new Rows(columns);
    for (const [whole, numbers = "", letter] of text.matchAll(piece)) {
        if (letter !== undefined) rows.sequence(numbers, letter);
        else if (/^\P{Cc}$/u.test(whole)) rows.put(whole);
        else rows.control(whole);
    }
    return rows.text;
}
