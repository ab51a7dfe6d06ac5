/** Text for a terminal: colours that can be absent, widths that ignore them. Pure. */

export type Colour = "green" | "amber" | "red" | "dim" | "bold" | "none";

/** Paints or does not paint; chosen once by who knows the terminal. */
export type Painter = (colour: Colour, text: string) => string;

const codes: Readonly<Record<Exclude<Colour, "none">, string>> = {
    green: "32",
    amber: "33",
    red: "31",
    dim: "2",
    bold: "1",
};

export const colourPainter: Painter = (colour, text) =>
    colour === "none" || text === "" ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`;

export const plainPainter: Painter = (_colour, text) => text;

const escapeStart = "\u001b[";

/** Splits text into escape sequences (width 0) and characters (width 1 each). */
function* pieces(text: string): Generator<{readonly text: string; readonly width: 0 | 1}> {
    let at = 0;
    while (at < text.length) {
        if (text.startsWith(escapeStart, at)) {
            let end = at + escapeStart.length;
            while (end < text.length && !/[A-Za-z]/.test(text.charAt(end))) end += 1;
            yield {text: text.slice(at, end + 1), width: 0};
            at = end + 1;
        } else {
            const character = String.fromCodePoint(text.codePointAt(at) ?? 32);
            yield {text: character, width: 1};
            at += character.length;
        }
    }
}

/** Columns on the screen; the lab prints no double-width characters. */
export function widthOf(text: string): number {
    let width = 0;
    for (const piece of pieces(text)) width += piece.width;
    return width;
}

/** Exactly `width` columns: cut or filled with blanks. Colours are closed by whoever opened them. */
export function fit(text: string, width: number): string {
    let out = "";
    let used = 0;
    for (const piece of pieces(text)) {
        if (piece.width === 1) {
            if (used === width) continue;
            used += 1;
        }
        out += piece.text;
    }
    return out + " ".repeat(width - used);
}

/** Lines of at most `width` columns, broken between words; a longer word is broken inside. */
export function wrap(text: string, width: number): readonly string[] {
    const lines: string[] = [];
    let line = "";
    for (let word of text.split(/\s+/).filter((part) => part !== "")) {
        if (line !== "" && line.length + 1 + word.length > width) {
            lines.push(line);
            line = "";
        }
        while (word.length > width) {
            lines.push(word.slice(0, width));
            word = word.slice(width);
        }
        line = line === "" ? word : `${line} ${word}`;
    }
    if (line !== "") lines.push(line);
    return lines;
}
