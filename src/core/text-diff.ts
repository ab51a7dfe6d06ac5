/**
 * Differences of two configuration files, line by line, for `show | compare`; and files without
 * their passwords. Pure.
 */

import {parseTOML} from "toml-eslint-parser";
import {readToml, type TreeTable} from "./config-tree.ts";
import {SourceText, type Span} from "./diagnostic.ts";

// ---- differences ----

const contextLines = 2;
/** Cells of the table; larger ones are shown as one replacement. 4 M cells take 8 MB. */
const mostCells = 4_000_000;

interface DiffLine {
    readonly mark: " " | "-" | "+";
    /** The line in the text before (for " " and "-") or after (for "+"), from 0. */
    readonly line: number;
}

/** Without line ends; a last line feed ends the last line. */
function linesOf(text: string): string[] {
    const lines = text.split("\n");
    if (lines.at(-1) === "") {
        lines.pop();
    }
    return lines;
}

/** The longest common subsequence by its table; Uint16 is enough for what `mostCells` lets in. */
function compareMiddle(a: readonly string[], b: readonly string[], offset: number): DiffLine[] {
    const result: DiffLine[] = [];
    const width = b.length + 1;
    if ((a.length + 1) * width > mostCells) {
        a.forEach((_, i) => {
            result.push({mark: "-", line: offset + i});
        });
        b.forEach((_, j) => {
            result.push({mark: "+", line: offset + j});
        });
        return result;
    }
    const common = new Uint16Array((a.length + 1) * width);
    const at = (i: number, j: number): number => common[i * width + j] ?? 0;
    for (let i = a.length - 1; i >= 0; i -= 1) {
        for (let j = b.length - 1; j >= 0; j -= 1) {
            common[i * width + j] =
                a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
        }
    }
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
        if (i < a.length && j < b.length && a[i] === b[j]) {
            result.push({mark: " ", line: offset + i});
            i += 1;
            j += 1;
        } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) {
            result.push({mark: "-", line: offset + i});
            i += 1;
        } else {
            result.push({mark: "+", line: offset + j});
            j += 1;
        }
    }
    return result;
}

function compareLines(a: readonly string[], b: readonly string[]): DiffLine[] {
    let head = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) {
        head += 1;
    }
    let tail = 0;
    while (
        tail < a.length - head &&
        tail < b.length - head &&
        a[a.length - 1 - tail] === b[b.length - 1 - tail]
    ) {
        tail += 1;
    }
    const same = (from: number, to: number): DiffLine[] =>
        Array.from({length: to - from}, (_, i) => ({mark: " ", line: from + i}));
    return [
        ...same(0, head),
        ...compareMiddle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), head),
        ...same(a.length - tail, a.length),
    ];
}

/** Stretches of changes with their context; neighbours that would touch are one. */
function hunks(lines: readonly DiffLine[]): Span[] {
    const found: {start: number; end: number}[] = [];
    for (const [index, {mark}] of lines.entries()) {
        if (mark === " ") {
            continue;
        }
        const start = Math.max(index - contextLines, 0);
        const end = Math.min(index + contextLines + 1, lines.length);
        const last = found.at(-1);
        if (last !== undefined && start <= last.end) {
            last.end = end;
        } else {
            found.push({start, end});
        }
    }
    return found;
}

/** "12,3" of "@@ -12,3 +12,4 @@": first line and number of lines. */
function range(lines: readonly DiffLine[], {start, end}: Span, other: "-" | "+"): string {
    const before = lines.slice(0, start).filter(({mark}) => mark !== other).length;
    const count = lines.slice(start, end).filter(({mark}) => mark !== other).length;
    return `${count === 0 ? before : before + 1},${count}`;
}

function printDiff(
    before: readonly string[],
    after: readonly string[],
    shownBefore: readonly string[],
    shownAfter: readonly string[],
): string {
    const lines = compareLines(before, after);
    return hunks(lines)
        .map((hunk) => {
            const head = `@@ -${range(lines, hunk, "+")} +${range(lines, hunk, "-")} @@\n`;
            const body = lines.slice(hunk.start, hunk.end).map(({mark, line}) => {
                const text = (mark === "+" ? shownAfter : shownBefore)[line] ?? "";
                return `${mark}${text.replace(/\r$/u, "")}\n`;
            });
            return head + body.join("");
        })
        .join("");
}

/**
 * Unified form with two lines of context, without the file names; "" for texts with the same
 * lines. A last line without its line feed is the same line.
 */
export function diffText(before: string, after: string): string {
    const [a, b] = [linesOf(before), linesOf(after)];
    return printDiff(a, b, a, b);
}

/**
 * The difference of two configuration files without their passwords. A password that changed is
 * seen to have changed: the lines are compared as they are and shown as `redact` leaves them.
 */
export function compareConfig(before: string, after: string): string {
    return printDiff(
        linesOf(before),
        linesOf(after),
        linesOf(redact(before)),
        linesOf(redact(after)),
    );
}

// ---- passwords ----

/** Keys that look like a secret, misspelt ones too; config-draft.ts hides the same. */
const secretKey = /^(?:pass|secret|key)/iu;

function secretSpans(table: TreeTable): Span[] {
    return [...table.entries.values()].flatMap(({key, node}) => {
        if (secretKey.test(key) && key !== "pass-file") {
            return [node.span];
        }
        const children = node.kind === "array" ? node.elements : [node];
        return children.flatMap((child) => (child.kind === "table" ? secretSpans(child) : []));
    });
}

/** `pass = ...` on a line of a comment, or of a text that is no TOML: all that follows it. */
const secretOnLine =
    /((?<![\w-])["']?(?:pass(?!-file\b)|secret|key)[\w-]*["']?[ \t]*=[ \t]*)[^\r\n]*/giu;

/** A broken text: from the key to the end of its line, or of its multi-line string. */
function redactBroken(text: string): string {
    const strings =
        /((?<![\w-])["']?(?:pass(?!-file\b)|secret|key)[\w-]*["']?[ \t]*=[ \t]*)("""|''')[\s\S]*?(?:\2|$)/giu;
    const hidden = text.replaceAll(strings, (whole, key) => `${key}${stars(whole)}`);
    return hidden.replaceAll(secretOnLine, '$1"****"');
}

/** As many lines as what it stands for. */
function stars(secret: string): string {
    return `"****"${secret.replaceAll(/[^\r\n]/gu, "")}`;
}

/**
 * The text with "****" for each password, those in comments included. Every line keeps its number:
 * a password over several lines leaves empty ones. pass-file stays.
 */
export function redact(text: string): string {
    try {
        return redactTree(text);
    } catch (error) {
        // Nested so deeply that nothing can walk through it: no configuration.
        if (error instanceof RangeError) {
            return redactBroken(text);
        }
        throw error;
    }
}

function redactTree(text: string): string {
    const tree = readToml(new SourceText("carpd.toml", text));
    if (!tree.ok) {
        return redactBroken(text);
    }
    const comments = parseTOML(text, {tomlVersion: "1.0.0"}).comments.map(
        ({range: [start, end]}) => {
            const comment = text.slice(start, end);
            return {start, end, shown: comment.replaceAll(secretOnLine, '$1"****"')};
        },
    );
    const secrets = secretSpans(tree.value).map(({start, end}) => ({
        start,
        end,
        shown: stars(text.slice(start, end)),
    }));
    let result = "";
    let done = 0;
    for (const {start, end, shown} of [...comments, ...secrets].sort((a, b) => a.start - b.start)) {
        // A comment inside a hidden array is hidden with it.
        if (start >= done) {
            result += text.slice(done, start) + shown;
            done = end;
        }
    }
    return result + text.slice(done);
}
