/**
 * A typed line: the command, and the filters behind `|`. Pure.
 *
 *     show log | match carp0 | count
 *
 * The command is kept as it was typed: edits and the BSDs' commands have quoting rules of their own,
 * and only a `|` outside of quotes ends them.
 */
import {splitWords} from "../config-lines.ts";
import {err, ok, type Result} from "../result.ts";

export type Filter =
    | {readonly kind: "match"; readonly expression: RegExp; readonly not: boolean}
    | {readonly kind: "count"}
    | {readonly kind: "no-more"}
    /** Configuration mode: the differences in place of the text; null: to what is running. */
    | {readonly kind: "compare"; readonly number: number | null};

export interface ShellLine {
    /** What stands before the first `|`. */
    readonly text: string;
    readonly words: readonly string[];
    readonly filters: readonly Filter[];
}

export interface FilterHelp {
    readonly token: string;
    readonly help: string;
}

export const filterHelp: readonly FilterHelp[] = [
    {token: "match", help: "only lines with this regular expression"},
    {token: "except", help: "only lines without it"},
    {token: "count", help: "how many lines it would be"},
    {token: "no-more", help: "without pages"},
    {token: "compare", help: "configuration mode: what differs"},
];

/** Whether a quote is open at the end of `text`, and which. */
export function openQuote(text: string): '"' | "'" | "" {
    let quote: '"' | "'" | "" = "";
    for (let i = 0; i < text.length; i++) {
        const c = text[i];
        if (quote === '"' && c === "\\") i++;
        else if (quote !== "") {
            if (c === quote) quote = "";
        } else if (c === '"' || c === "'") quote = c;
    }
    return quote;
}

/** Cuts at every `|` outside of quotes. */
export function splitPipes(line: string): string[] {
    const parts: string[] = [];
    let start = 0;
    for (let i = 0; i < line.length; i++) {
        if (line[i] !== "|" || openQuote(line.slice(start, i)) !== "") continue;
        parts.push(line.slice(start, i));
        start = i + 1;
    }
    parts.push(line.slice(start));
    return parts;
}

/** A regular expression of the operator: bounded, so that no line of ours takes long. */
const longestExpression = 100;

function expressionOf(text: string): RegExp | null {
    // Nested repetition can take exponential time: such a text is taken word for word.
    const grouped = text.includes("(") && repeats(text) > 0;
    const plain = text.length > longestExpression || grouped || repeats(text) > 2;
    const source = plain ? text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") : text;
    try {
        return new RegExp(source, "iu");
    } catch (error) {
        if (error instanceof SyntaxError) return null;
        throw error;
    }
}

function repeats(text: string): number {
    return [...text.matchAll(/[*+{?]/g)].length;
}

function readFilter(text: string): Result<Filter, string> {
    const words = splitWords(text) ?? [];
    const [typed = "", ...rest] = words;
    const named = filterHelp.filter(({token}) => typed !== "" && token.startsWith(typed));
    const exact = named.find(({token}) => token === typed);
    const name = exact?.token ?? (named.length === 1 ? named[0]?.token : undefined);
    const value = rest.join(" ");
    switch (name) {
        case "match":
        case "except": {
            if (value === "") return err(`| ${name} needs a regular expression`);
            const expression = expressionOf(value);
            if (expression === null) return err(`"${value}" is no regular expression`);
            return ok({kind: "match", expression, not: name === "except"});
        }
        case "count":
        case "no-more":
            return value === "" ? ok({kind: name}) : err(`| ${name} takes no further word`);
        case "compare":
            if (value === "") return ok({kind: "compare", number: null});
            return /^\d{1,4}$/.test(value)
                ? ok({kind: "compare", number: Number(value)})
                : err(`| compare takes a number of the history, not "${value}"`);
        default: {
            const all = filterHelp.map(({token}) => token).join(", ");
            return err(
                typed === "" ? `| needs one of ${all}` : `unknown | ${typed}; one of ${all}`,
            );
        }
    }
}

/** The error is a sentence. */
export function readLine(line: string): Result<ShellLine, string> {
    const [text = "", ...pipes] = splitPipes(line);
    const filters: Filter[] = [];
    for (const pipe of pipes) {
        const filter = readFilter(pipe);
        if (!filter.ok) return filter;
        filters.push(filter.value);
    }
    const words = splitWords(text);
    if (words === undefined) {
        return err(
            openQuote(text) === ""
                ? "a quoted word ends where the next begins: quotes go around a whole word"
                : "a quote has no end",
        );
    }
    return ok({text: text.trim(), words, filters});
}

/** What is left of a text; `compare` is not a filter of text. */
export function applyFilters(text: string, filters: readonly Filter[]): string {
    let lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    let count = false;
    for (const filter of filters) {
        if (filter.kind === "match") {
            lines = lines.filter((line) => filter.expression.test(line) !== filter.not);
        }
        if (filter.kind === "count") {
            lines = [`${lines.length} line${lines.length === 1 ? "" : "s"}`];
            count = true;
        }
    }
    return lines.length === 0 && !count ? "" : `${lines.join("\n")}\n`;
}
