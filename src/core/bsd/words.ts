/**
 * A typed line to commands and words, as a BSD's shell reads it: quotes, backslashes, comments,
 * `&&`, `;`, lines that go on after a backslash. There is no shell behind it: what only a shell can
 * do is refused, not taken literally. Pure.
 */
import {didYouMean, type Span} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";

/** A word with its quotes removed, and where it stands in the text, quotes included. */
export interface Word extends Span {
    readonly text: string;
}

/** What is wrong and where; run.ts makes the printed refusal of it. */
export interface Refuse {
    readonly at: Span;
    readonly message: string;
    readonly expected?: string;
    readonly hint?: string;
}

export type Command = readonly [Word, ...Word[]];

const longestLine = 4096;
/** What a copied example has before its commands. */
const prompt = /^[ \t]*[#$%](?:[ \t]+|(?=\n|$))/u;
const shellOnly = "|<>&`$";

export function refuse(at: Span, message: string, expected = "", hint = ""): Result<never, Refuse> {
    return err({at, message, expected, hint});
}

/** A word as a message may show it: short, in quotes where it would not be seen otherwise. */
export function shown(text: string): string {
    const hidden = text.replace(/^((?:pas|key|sec)[^=]*=).+$/iu, "$1****");
    const short = hidden.length > 40 ? `${hidden.slice(0, 40)}...` : hidden;
    return /^[\x21-\x7e]+$/u.test(short) ? short : JSON.stringify(short);
}

/** Whether the line ends with a backslash, so that the next one belongs to it. */
export function isContinued(text: string): boolean {
    const backslashes = /\\+$/u.exec(text.replace(/\r?\n$/u, ""))?.[0].length ?? 0;
    return backslashes % 2 === 1;
}

/** The passwords' places in a text, whether the line makes sense or not. */
export function secretSpans(text: string): Span[] {
    const spans: Span[] = [];
    let wasPass = false;
    const words = /(?:"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?|\\[\s\S]|\\$|[^\s;"'\\])+/gu;
    for (const match of text.matchAll(words)) {
        // What a backslash joins, two lines too, is one word.
        const word = match[0].replaceAll(/\\\r?\n?|["'\\]/gu, "");
        const start = match.index;
        const end = start + match[0].length;
        const equals = match[0].indexOf("=");
        if (word === "") {
            continue;
        }
        if (wasPass) {
            spans.push({start, end});
        } else if (equals > 0 && isPassword(word.slice(0, word.indexOf("=")))) {
            spans.push({start: start + equals + 1, end});
        }
        wasPass = !wasPass && isPassword(word);
    }
    return spans;
}

/** The line with asterisks for its passwords: for a history, a log, a message. */
export function hideBsdSecrets(text: string): string {
    let hidden = "";
    let done = 0;
    for (const {start, end} of secretSpans(text)) {
        hidden += `${text.slice(done, start)}****`;
        done = end;
    }
    return hidden + text.slice(done);
}

/** "pass", and what may have been meant to be it. */
function isPassword(word: string): boolean {
    return /^(?:pass|key|secret)/iu.test(word) || didYouMean(word, ["pass"]) !== "";
}

/** Reads a text, which may have several lines, into its commands. */
export function readCommands(text: string): Result<readonly Command[], Refuse> {
    if (text.length > longestLine) {
        return refuse(
            {start: longestLine, end: longestLine + 1},
            `the line has ${text.length} characters`,
            `at most ${longestLine}`,
        );
    }
    const reader = new Reader(text);
    const problem = reader.read();
    return problem === undefined ? ok(reader.commands) : err(problem);
}

class Reader {
    readonly commands: Command[] = [];
    readonly #text: string;
    #at = 0;
    #words: Word[] = [];
    /** The `&&` that waits for its right side. */
    #joiner: Span | undefined;

    constructor(text: string) {
        this.#text = text;
    }

    read(): Refuse | undefined {
        this.#skipPrompt();
        while (this.#at < this.#text.length) {
            const problem = this.#step();
            if (problem !== undefined) {
                return problem;
            }
        }
        this.#endCommand();
        return this.#joiner === undefined
            ? undefined
            : {at: this.#joiner, message: "nothing comes after &&", expected: "a command"};
    }

    #skipPrompt(): void {
        this.#at += prompt.exec(this.#text.slice(this.#at))?.[0].length ?? 0;
    }

    #endCommand(): void {
        const [first, ...rest] = this.#words;
        if (first !== undefined) {
            this.commands.push([first, ...rest]);
            this.#joiner = undefined;
        }
        this.#words = [];
    }

    #step(): Refuse | undefined {
        const rest = this.#text.slice(this.#at);
        const blank = /^(?:[ \t]|\\\r?\n)+/u.exec(rest)?.[0];
        const newline = /^\r?\n/u.exec(rest)?.[0];
        if (blank !== undefined) {
            this.#at += blank.length;
        } else if (newline !== undefined) {
            this.#at += newline.length;
            this.#endCommand();
            this.#skipPrompt();
        } else if (rest.startsWith("#")) {
            this.#at += /^[^\r\n]*/u.exec(rest)?.[0].length ?? 0;
        } else if (rest.startsWith(";") || rest.startsWith("&&")) {
            return this.#separator(rest.startsWith(";") ? ";" : "&&");
        } else {
            return this.#word();
        }
        return undefined;
    }

    #separator(separator: ";" | "&&"): Refuse | undefined {
        const at = {start: this.#at, end: this.#at + separator.length};
        if (this.#words.length === 0) {
            return {at, message: `nothing comes before ${separator}`, expected: "a command"};
        }
        this.#at = at.end;
        this.#endCommand();
        this.#joiner = separator === "&&" ? at : undefined;
        return undefined;
    }

    #word(): Refuse | undefined {
        const start = this.#at;
        let word = "";
        while (this.#at < this.#text.length) {
            const rest = this.#text.slice(this.#at);
            if (/^(?:[ \t;]|\r?\n|&&)/u.test(rest)) {
                break;
            }
            const piece = readPiece(rest, this.#at);
            if (!piece.ok) {
                return piece.error;
            }
            word += piece.value.text;
            this.#at += piece.value.length;
        }
        this.#words.push({text: word, start, end: this.#at});
        return undefined;
    }
}

interface Piece {
    readonly text: string;
    /** What it takes of the line. */
    readonly length: number;
}

/** A part of a word: something quoted, something escaped or one character. */
function readPiece(rest: string, at: number): Result<Piece, Refuse> {
    const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
    const here = {start: at, end: at + character.length};
    if (character === "'" || character === '"') {
        return readQuoted(rest, at);
    }
    if (character === "\\") {
        const next = rest.codePointAt(1);
        if (next === undefined) {
            return refuse(here, "the line goes on after the backslash", "the rest of it");
        }
        if (/^\\\r?\n/u.test(rest)) {
            return ok({text: "", length: rest.startsWith("\\\r\n") ? 3 : 2});
        }
        const escaped = String.fromCodePoint(next);
        return ok({text: escaped, length: 1 + escaped.length});
    }
    if (shellOnly.includes(character)) {
        const what = `${character} needs a shell, and there is none here`;
        return refuse(here, what, "one command, or several with && or ; between them", quoteHint);
    }
    if (/[\p{Cc}\p{Cs}]/u.test(character)) {
        return refuse(here, "the line contains a control character", "printable text");
    }
    // They come with text that was copied from a page, and look like a blank.
    if (/[\s\p{Cf}]/u.test(character)) {
        const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
        return refuse(here, `the line contains U+${code}, which is no blank`, "a blank");
    }
    return ok({text: character, length: character.length});
}

const quoteHint = "as part of a password, put the word in '...'";

function readQuoted(rest: string, at: number): Result<Piece, Refuse> {
    const single = /^'([^']*)'/u.exec(rest);
    const double = /^"((?:[^"\\]|\\[\s\S])*)"/u.exec(rest);
    const [whole, inner = ""] = single ?? double ?? [];
    if (whole === undefined) {
        return refuse({start: at, end: at + 1}, "the quote is not closed", `${rest.charAt(0)}`);
    }
    const span = {start: at, end: at + whole.length};
    if (/[\p{Cc}\p{Cs}]/u.test(inner.replaceAll(/\\\r?\n/gu, ""))) {
        return refuse(span, "the quotes contain a control character", "printable text");
    }
    if (single !== null) {
        return ok({text: inner, length: whole.length});
    }
    if (/(?<!\\)(?:\\\\)*[$`]/u.test(inner)) {
        return refuse(span, "$ and ` in double quotes need a shell", "the word in '...'");
    }
    const text = inner.replaceAll(/\\(?:\r?\n|([$`"\\]))/gu, "$1");
    return ok({text, length: whole.length});
}
