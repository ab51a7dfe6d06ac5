/**
 * Where things stand in the text of carpd.toml: each block, each key, each comment line. Pure.
 *
 * config-tree.ts says what a text means; this says which characters mean it, so that an edit can
 * replace those and leave every other character alone. Offsets are UTF-16 units.
 */
import {type AST, parseTOML} from "toml-eslint-parser";
import type {Span} from "./diagnostic.ts";

/** Tables that come as often as one likes, each with a name. */
export type BlockKind = "carp" | "track" | "interface";
/** Tables that are there once. */
export type TableKind = "options" | "system";
export type SectionKind = TableKind | BlockKind;

export const blockKinds: readonly BlockKind[] = ["carp", "track", "interface"];
export const tableKinds: readonly TableKind[] = ["options", "system"];

export function isTableKind(kind: string): kind is TableKind {
    return kind === "options" || kind === "system";
}

export function isBlockKind(kind: string | undefined): kind is BlockKind {
    return kind === "carp" || kind === "track" || kind === "interface";
}

/** One `key = value`. */
export interface EntryPlace {
    /** From the key to the end of the value. */
    readonly span: Span;
    readonly value: Span;
    /** The key has parts, `a.b = 1`: nothing that the schema knows. */
    readonly composite: boolean;
    /** The elements, when the value is an array. */
    readonly elements: readonly Span[];
}

/** The places of one table: `[options]`, `[system]` or one block. */
export interface SectionPlace {
    /**
     * header: `[options]`, `[[carp]]` and lines below it. dotted: `options.preempt = true`.
     * inline: braces, in which nothing has a line of its own.
     */
    readonly form: "header" | "dotted" | "inline";
    /** The header, the braces, or the first dotted key. */
    readonly span: Span;
    readonly entries: Map<string, EntryPlace>;
}

export interface Layout {
    readonly text: string;
    /** As the first line of the file ends; "\n" for a text without line ends. */
    readonly newline: string;
    readonly options: SectionPlace | undefined;
    readonly system: SectionPlace | undefined;
    readonly carp: readonly SectionPlace[];
    readonly track: readonly SectionPlace[];
    readonly interface: readonly SectionPlace[];
    /** The array, where blocks are written as `carp = [{...}]`. */
    readonly arrays: Readonly<Record<BlockKind, Span | undefined>>;
    /** The starts of the lines that hold a table header, in order. */
    readonly headerLines: readonly number[];
    /** Comments that have a line of their own, by the start of that line. */
    readonly commentLines: ReadonlyMap<number, Span>;
    /** All comments, in order. */
    readonly comments: readonly Span[];
}

export function lineStart(text: string, at: number): number {
    return at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
}

/** Behind the line feed of the line that holds `at`; the length of the text on its last line. */
export function nextLine(text: string, at: number): number {
    const feed = text.indexOf("\n", at);
    return feed < 0 ? text.length : feed + 1;
}

export function indentOf(text: string, at: number): string {
    return /^[ \t]*/u.exec(text.slice(lineStart(text, at), at))?.[0] ?? "";
}

/** True for an empty or blank line that has an end; the nothing behind the last line is none. */
export function isBlankLine(text: string, start: number): boolean {
    return start < text.length && text.slice(start, nextLine(text, start)).trim() === "";
}

function spanOf(node: {readonly range: readonly [number, number]}): Span {
    return {start: node.range[0], end: node.range[1]};
}

function names(key: AST.TOMLKey): string[] {
    return key.keys.map((part) => (part.type === "TOMLBare" ? part.name : part.value));
}

function addEntry(section: SectionPlace, node: AST.TOMLKeyValue, depth: number): void {
    const [key, ...rest] = names(node.key).slice(depth);
    if (key === undefined) {
        return;
    }
    section.entries.set(key, {
        span: spanOf(node),
        value: spanOf(node.value),
        composite: rest.length > 0 || section.entries.has(key),
        elements: node.value.type === "TOMLArray" ? node.value.elements.map(spanOf) : [],
    });
}

function section(
    form: SectionPlace["form"],
    span: Span,
    entries: readonly AST.TOMLKeyValue[],
): SectionPlace {
    const made: SectionPlace = {form, span, entries: new Map()};
    for (const entry of entries) {
        addEntry(made, entry, 0);
    }
    return made;
}

function inlineBlocks(value: AST.TOMLContentNode): SectionPlace[] {
    const elements = value.type === "TOMLArray" ? value.elements : [];
    return elements.flatMap((element) =>
        element.type === "TOMLInlineTable"
            ? [section("inline", spanOf(element), element.body)]
            : [],
    );
}

/** For a text that `readToml` has accepted; throws as its parser does for any other. */
export function readLayout(text: string): Layout {
    const program = parseTOML(text, {tomlVersion: "1.0.0"});
    const tables: Record<TableKind, SectionPlace | undefined> = {
        options: undefined,
        system: undefined,
    };
    const blocks: Record<BlockKind, SectionPlace[]> = {carp: [], track: [], interface: []};
    const arrays: Record<BlockKind, Span | undefined> = {
        carp: undefined,
        track: undefined,
        interface: undefined,
    };
    const headerLines: number[] = [];
    for (const item of program.body[0].body) {
        const [top = "", ...rest] = names(item.key);
        if (item.type === "TOMLTable") {
            headerLines.push(lineStart(text, item.range[0]));
            const brackets = item.kind === "array" ? 2 : 1;
            const span = {start: item.range[0], end: item.key.range[1] + brackets};
            if (rest.length > 0) {
                continue;
            }
            if (isTableKind(top) && item.kind === "standard") {
                tables[top] = section("header", span, item.body);
            } else if (isBlockKind(top) && item.kind === "array") {
                blocks[top].push(section("header", span, item.body));
            }
        } else if (isTableKind(top)) {
            if (rest.length > 0) {
                const table = tables[top] ?? section("dotted", spanOf(item), []);
                tables[top] = table;
                addEntry(table, item, 1);
            } else if (item.value.type === "TOMLInlineTable") {
                tables[top] = section("inline", spanOf(item.value), item.value.body);
            }
        } else if (isBlockKind(top) && rest.length === 0) {
            arrays[top] = spanOf(item.value);
            blocks[top].push(...inlineBlocks(item.value));
        }
    }
    const comments = program.comments.map(spanOf);
    const own = comments.filter(({start}) =>
        /^\s*$/u.test(text.slice(lineStart(text, start), start)),
    );
    return {
        text,
        newline: /\r?\n/u.exec(text)?.[0] ?? "\n",
        ...tables,
        ...blocks,
        arrays,
        headerLines,
        commentLines: new Map(own.map((span) => [lineStart(text, span.start), span])),
        comments,
    };
}

/** The start of the run of comment lines directly above a line; the line itself without any. */
export function commentsAbove({text, commentLines}: Layout, line: number): number {
    let start = line;
    while (start > 0 && commentLines.has(lineStart(text, start - 1))) {
        start = lineStart(text, start - 1);
    }
    return start;
}

/** Behind the line of the last key of a section, or of its header. */
export function lastEntryEnd({text}: Layout, {span, entries, form}: SectionPlace): number {
    const ends = [...entries.values()].map((entry) => entry.span.end);
    return nextLine(text, Math.max(form === "header" ? span.end : 0, ...ends));
}

/**
 * Where a section ends: behind its last key and the comment lines directly below it, unless these
 * stand directly above the next header, whose they are then.
 */
export function sectionEnd(layout: Layout, place: SectionPlace): number {
    const end = lastEntryEnd(layout, place);
    let below = end;
    while (layout.commentLines.has(below)) {
        below = nextLine(layout.text, below);
    }
    return layout.headerLines.includes(below) ? end : below;
}

/**
 * Comments that the console wrote begin with `#:`, so that it never takes a person's for its own.
 * One belongs to the key or header directly below it.
 */
export const commentMark = "#: ";

/** Our comment line directly above the line that holds `at`; undefined when there is none. */
export function ownComment({text, commentLines}: Layout, at: number): Span | undefined {
    const line = lineStart(text, at);
    if (line === 0) {
        return undefined;
    }
    const above = lineStart(text, line - 1);
    const comment = commentLines.get(above);
    return comment !== undefined && text.startsWith(commentMark.trimEnd(), comment.start)
        ? {start: above, end: line}
        : undefined;
}

/** What our comment says. */
export function ownCommentText(layout: Layout, at: number): string | undefined {
    const line = ownComment(layout, at);
    return line === undefined
        ? undefined
        : layout.text.slice(line.start, line.end).trim().slice(commentMark.trimEnd().length).trim();
}
