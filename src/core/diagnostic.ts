/**
 * Diagnostics: what is wrong with a text, where, and what was expected instead.
 *
 * A diagnostic carries the line that it points at, so that it can be printed anywhere later.
 * Passwords are blotted out of that line before it gets in here.
 */

export type Severity = "error" | "warning";

/** A stretch of a text: offsets in UTF-16 units, `end` not included. */
export interface Span {
    readonly start: number;
    readonly end: number;
}

export interface Diagnostic {
    readonly severity: Severity;
    readonly file: string;
    /** From 1. */
    readonly line: number;
    /** From 1, counted in characters (code points); a tab is one. */
    readonly col: number;
    /** The column after the last one meant; always greater than `col`. */
    readonly endCol: number;
    readonly message: string;
    /** "an integer from 1 to 255"; "" when the message says it all. */
    readonly expected: string;
    /** A proposal, such as "did you mean advskew?"; "" when there is none. */
    readonly hint: string;
    /** The line itself, without its end. */
    readonly sourceLine: string;
}

/** What is said about a place; the place itself comes from a `SourceText`. */
export interface Remark {
    readonly message: string;
    readonly expected?: string;
    readonly hint?: string;
    readonly severity?: Severity;
}

/** Keys that look like a secret, misspelt ones too: `pass =`, `"password" =`, `passwd =`. */
const secretAssignment = /(?<![\w-])(["']?)(?:pass(?!-file\b)|secret|key)[\w-]*\1[ \t]*=[ \t]*/giu;

/** Replaces every character by an asterisk, so that columns stay what they were. */
function blot(text: string): string {
    return text.replace(/[^\r\n]/gu, "*");
}

/** Blots out what follows `pass =` on one line, as far as the string (or the line) goes. */
function blotAssignments(line: string): string {
    let result = "";
    let done = 0;
    for (const match of line.matchAll(secretAssignment)) {
        const from = match.index + match[0].length;
        if (from < done) {
            continue;
        }
        const quoted = /^(?:"(?:[^"\\]|\\.)*"|'[^']*')/u.exec(line.slice(from))?.[0];
        const to = quoted === undefined ? line.length : from + quoted.length;
        const secret = line.slice(from, to);
        const shown =
            quoted === undefined
                ? blot(secret)
                : secret.slice(0, 1) + blot(secret.slice(1, -1)) + secret.slice(-1);
        result += line.slice(done, from) + shown;
        done = to;
    }
    return result + line.slice(done);
}

/** A named text that knows its lines. */
export class SourceText {
    readonly file: string;
    readonly text: string;
    readonly #lineStarts: number[] = [0];
    #secrets: readonly Span[] = [];

    constructor(file: string, text: string) {
        this.file = file;
        this.text = text;
        for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
            this.#lineStarts.push(at + 1);
        }
    }

    /** Stretches that no printed line may show. */
    hide(secrets: readonly Span[]): void {
        this.#secrets = [...this.#secrets, ...secrets];
    }

    /** The line (from 1) that an offset is on. */
    lineAt(offset: number): number {
        let low = 0;
        let high = this.#lineStarts.length - 1;
        while (low < high) {
            const middle = (low + high + 1) >> 1;
            if ((this.#lineStarts[middle] ?? 0) <= offset) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low + 1;
    }

    diagnostic(span: Span, remark: Remark): Diagnostic {
        const start = Math.min(Math.max(span.start, 0), this.text.length);
        const line = this.lineAt(start);
        const lineStart = this.#lineStarts[line - 1] ?? 0;
        const lineEnd = this.#lineEnd(line);
        const end = Math.min(Math.max(span.end, start), lineEnd);
        const col = characters(this.text.slice(lineStart, start)) + 1;
        return {
            severity: remark.severity ?? "error",
            file: this.file,
            line,
            col,
            endCol: col + Math.max(characters(this.text.slice(start, end)), 1),
            message: remark.message,
            expected: remark.expected ?? "",
            hint: remark.hint ?? "",
            sourceLine: this.#shownLine(lineStart, lineEnd),
        };
    }

    #lineEnd(line: number): number {
        const next = this.#lineStarts[line];
        const end = next === undefined ? this.text.length : next - 1;
        return this.text[end - 1] === "\r" ? end - 1 : end;
    }

    #shownLine(start: number, end: number): string {
        const line = this.text.slice(start, end);
        const shown = [...line];
        for (const secret of this.#secrets) {
            const from = Math.max(secret.start - start, 0);
            const to = Math.min(secret.end - start, line.length);
            if (from < to) {
                const first = characters(line.slice(0, from));
                shown.fill("*", first, first + characters(line.slice(from, to)));
            }
        }
        return blotAssignments(shown.join(""));
    }
}

function characters(text: string): number {
    let count = 0;
    for (const _ of text) {
        count += 1;
    }
    return count;
}

/** Orders by file as given, then by position. */
export function sortDiagnostics(
    diagnostics: readonly Diagnostic[],
    files: readonly string[],
): Diagnostic[] {
    return [...diagnostics].sort(
        (a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.col - b.col,
    );
}

/** What a terminal would obey or cannot show: control characters and direction overrides. */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/u;
const zeroWidth = /[\p{Mn}\p{Me}\p{Cf}]/u;
/** Two columns wide on a terminal: the East Asian scripts, full-width forms and emoji. */
const doubleWidth =
    /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]/u;

/** Columns that a character takes on a terminal: 0, 1 or 2. */
function width(character: string): number {
    if (zeroWidth.test(character)) {
        return 0;
    }
    return doubleWidth.test(character) ? 2 : 1;
}

function printable(character: string): string {
    return character !== "\t" && unprintable.test(character) ? "?" : character;
}

/** Longer lines are cut around the caret; a configuration line seldom has so many characters. */
const longestLine = 160;
const contextBefore = 60;

/**
 * The printed form, several lines without a final newline:
 *
 *     carpd.toml:4:8: vhid must be 1..255, not 256
 *     vhid = 256
 *            ^^^ expected an integer from 1 to 255
 */
export function formatDiagnostic(diagnostic: Diagnostic): string {
    const {file, line, col, endCol, message, expected, hint, severity} = diagnostic;
    let shown = [...diagnostic.sourceLine].map(printable);
    let first = col - 1;
    let last = endCol - 1;
    if (shown.length > longestLine) {
        const from = Math.max(0, Math.min(first - contextBefore, shown.length - longestLine));
        shown = [
            ...(from > 0 ? ["..."] : []),
            ...shown.slice(from, from + longestLine),
            ...(from + longestLine < shown.length ? ["..."] : []),
        ];
        const shift = from - (from > 0 ? 1 : 0);
        first -= shift;
        last = Math.min(last - shift, shown.length);
    }
    const indent = shown.slice(0, first).map((c) => (c === "\t" ? c : " ".repeat(columns(c))));
    const marked = shown.slice(first, last).reduce((sum, c) => sum + columns(c), 0);
    const label = severity === "warning" ? "warning: " : "";
    const lines = [
        `${file}:${line}:${col}: ${label}${message}`,
        shown.join(""),
        `${indent.join("")}${"^".repeat(Math.max(marked, 1))}${expected === "" ? "" : ` expected ${expected}`}`,
    ];
    if (hint !== "") {
        lines.push(`hint: ${hint}`);
    }
    return lines.join("\n");
}

function columns(shown: string): number {
    return shown === "..." ? 3 : width(shown);
}

export function formatDiagnostics(diagnostics: readonly Diagnostic[]): string {
    return diagnostics.map(formatDiagnostic).join("\n");
}

/** Edits (insert, delete, replace, swap of neighbours) that make `b` of `a`. */
export function editDistance(a: string, b: string): number {
    let beforeLast: number[] = [];
    let last = Array.from({length: b.length + 1}, (_, i) => i);
    for (let i = 1; i <= a.length; i += 1) {
        const row = [i];
        for (let j = 1; j <= b.length; j += 1) {
            const cost = a[i - 1] === b[j - 1] ? 0 : 1;
            let best = Math.min(
                (last[j] ?? 0) + 1,
                (row[j - 1] ?? 0) + 1,
                (last[j - 1] ?? 0) + cost,
            );
            if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
                best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
            }
            row.push(best);
        }
        beforeLast = last;
        last = row;
    }
    return last[b.length] ?? 0;
}

/** "did you mean X?" for the nearest of the known words, "" when none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
    // No known word is longer than 40 letters, and the distance costs length times length.
    if (word.length > 40) {
        return "";
    }
    const folded = word.toLowerCase().replaceAll("_", "-");
    let best = "";
    let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
    for (const candidate of known) {
        const distance = editDistance(folded, candidate);
        if (distance < bestDistance && distance < candidate.length) {
            best = candidate;
            bestDistance = distance;
        }
    }
    return best === "" ? "" : `did you mean ${best}?`;
}
