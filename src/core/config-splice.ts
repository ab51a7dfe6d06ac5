/**
 * Single changes of the text of carpd.toml, each as a replacement of as few characters as it takes.
 * Pure. Whether the result means what it should is checked by config-edit.ts, not here.
 *
 * The only user of toml-patch. It rewrites values well (quotes, number bases, inline tables), but
 * puts a new key below the comment of the next block and removes comments with what is below them.
 * So it is shown one value at a time, and lines are inserted and removed here.
 */
import {parse, patch, stringify, TomlFormat} from "@decimalturn/toml-patch";
import {parseTOML} from "toml-eslint-parser";
import {
    type BlockKind,
    commentMark,
    commentsAbove,
    type EntryPlace,
    indentOf,
    isBlankLine,
    isTableKind,
    type Layout,
    lastEntryEnd,
    lineStart,
    nextLine,
    ownComment,
    readLayout,
    type SectionKind,
    type SectionPlace,
    sectionEnd,
    type TableKind,
} from "./config-layout.ts";
import type {Span} from "./diagnostic.ts";
import type {EditRefusal} from "./edit.ts";
import {err, ok, type Result} from "./result.ts";

/** A value as config-tree.ts reads it. */
export type PlainValue = string | bigint | boolean | readonly string[];

/** `[options]`, `[system]`, or a block by its place among those of its kind in this file. */
export interface Target {
    readonly kind: SectionKind;
    readonly index: number;
}

export type Step =
    | {
          readonly does: "value";
          readonly at: Target;
          readonly key: string;
          readonly value: PlainValue;
      }
    | {readonly does: "unset"; readonly at: Target; readonly key: string}
    | {
          readonly does: "make";
          readonly kind: BlockKind;
          readonly entries: ReadonlyMap<string, PlainValue>;
      }
    | {readonly does: "remove"; readonly kind: BlockKind; readonly index: number}
    | {
          readonly does: "comment";
          readonly at: Target;
          /** undefined: above the header. */
          readonly key: string | undefined;
          readonly text: string;
      };

type Spliced = Result<string, EditRefusal>;

function refuse(message: string, expected: string): Spliced {
    return err({message, expected});
}

const byHand = "a change of the file with an editor";

function splice(text: string, {start, end}: Span, insert: string): string {
    return text.slice(0, start) + insert + text.slice(end);
}

const format = TomlFormat.default();
format.bracketSpacing = false;

/** A value in TOML, on one line. */
export function tomlText(value: PlainValue): string {
    return stringify({k: value}, format).slice("k = ".length).trimEnd();
}

function countComments(value: string): number {
    return parseTOML(`k = ${value}`, {tomlVersion: "1.0.0"}).comments.length;
}

/** `mayLose`: how many comments may go, those of an element that is removed. */
function spliceValue(
    text: string,
    span: Span,
    change: (value: unknown) => unknown,
    mayLose = 0,
): Spliced {
    const raw = text.slice(span.start, span.end);
    const newline = raw.includes("\r\n") ? "\r\n" : "\n";
    if (newline === "\r\n" && /[^\r]\n/u.test(raw)) {
        return refuse(
            "this value has line ends of both kinds, LF and CRLF",
            "one kind of line end",
        );
    }
    const before = `k = ${raw}${newline}`;
    const parsed: {readonly k?: unknown} = parse(before, {integersAsBigInt: true});
    const after = patch(before, {k: change(parsed.k)})
        .slice("k = ".length)
        .trimEnd();
    if (countComments(after) < countComments(raw) - mayLose) {
        return refuse("a comment inside this value would be lost", byHand);
    }
    return ok(splice(text, span, after));
}

function changeTable(value: unknown, key: string, to: PlainValue | undefined): unknown {
    const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
    const others = entries.filter(([name]) => name !== key);
    return Object.fromEntries(to === undefined ? others : [...others, [key, to]]);
}

// ---- arrays ----

/** An element that has its lines for itself: those lines, and the end of its comma if any. */
function elementLines(
    text: string,
    element: Span,
): {readonly lines: Span; readonly comma: number | undefined} | undefined {
    const start = lineStart(text, element.start);
    const end = nextLine(text, element.end);
    const [, comma] =
        /^[ \t]*(,?)[ \t]*(?:#[^\n]*)?\r?\n$/u.exec(text.slice(element.end, end)) ?? [];
    if (comma === undefined || text.slice(start, element.start).trim() !== "") {
        return undefined;
    }
    const at = text.indexOf(",", element.end);
    return {lines: {start, end}, comma: comma === "" ? undefined : at + 1};
}

function strings(value: unknown): string[] {
    return Array.isArray(value) ? value.filter((element) => typeof element === "string") : [];
}

/** Puts an element at its place in an array that has elements with lines of their own. */
function insertElement(
    text: string,
    {value, elements}: EntryPlace,
    index: number,
    added: string,
): Spliced {
    const before = elements[index - 1];
    const neighbour = before ?? elements[index];
    const place = neighbour === undefined ? undefined : elementLines(text, neighbour);
    if (neighbour === undefined || place === undefined) {
        return spliceValue(text, value, (list) => strings(list).toSpliced(index, 0, added));
    }
    // The first goes below the bracket: comments above the former first one speak of that.
    const at = before === undefined ? nextLine(text, value.start) : place.lines.end;
    const isLast = index === elements.length;
    const closing = isLast && place.comma === undefined ? "" : ",";
    const feed = text.slice(0, at).endsWith("\r\n") ? "\r\n" : "\n";
    const line = `${indentOf(text, neighbour.start)}${tomlText(added)}${closing}${feed}`;
    const inserted = splice(text, {start: at, end: at}, line);
    const end = {start: neighbour.end, end: neighbour.end};
    return ok(isLast && place.comma === undefined ? splice(inserted, end, ",") : inserted);
}

/** `moves`: it is put elsewhere again, so that its comment stays as a line of its own. */
function dropElement(
    text: string,
    {value, elements}: EntryPlace,
    index: number,
    moves: boolean,
): Spliced {
    const element = elements[index];
    const place = element === undefined ? undefined : elementLines(text, element);
    // The last one may go without a comma: that of the one before it may stay.
    if (
        element !== undefined &&
        place !== undefined &&
        (place.comma !== undefined || index === elements.length - 1)
    ) {
        const behind = text.slice(place.comma ?? element.end, place.lines.end).trimStart();
        const kept = moves && behind.startsWith("#");
        return ok(
            splice(text, place.lines, kept ? `${indentOf(text, element.start)}${behind}` : ""),
        );
    }
    const mayLose = moves ? 0 : 1;
    return spliceValue(text, value, (list) => strings(list).toSpliced(index, 1), mayLose);
}

/** The longest run of elements, in order, that both lists have: their places in either. */
function commonElements(a: readonly string[], b: readonly string[]): readonly [number, number][] {
    const longest: number[][] = Array.from({length: a.length + 1}, () => []);
    const at = (i: number, j: number): number => longest[i]?.[j] ?? 0;
    for (let i = a.length - 1; i >= 0; i -= 1) {
        const row = longest[i] ?? [];
        for (let j = b.length - 1; j >= 0; j -= 1) {
            row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
        }
    }
    const pairs: [number, number][] = [];
    for (let i = 0, j = 0; i < a.length && j < b.length; ) {
        if (a[i] === b[j]) {
            pairs.push([i, j]);
            i += 1;
            j += 1;
        } else if (at(i + 1, j) >= at(i, j + 1)) {
            i += 1;
        } else {
            j += 1;
        }
    }
    return pairs;
}

/** Drops and inserts single elements, so that the lines of all others stay as they are. */
function spliceArray(
    text: string,
    find: (layout: Layout) => EntryPlace | undefined,
    next: readonly string[],
): Spliced {
    const first = find(readLayout(text));
    const raw = first === undefined ? "[]" : text.slice(first.value.start, first.value.end);
    const parsed: {readonly k?: unknown} = parse(`k = ${raw}\n`, {integersAsBigInt: true});
    const before = strings(parsed.k);
    const common = commonElements(before, next);
    const stay = new Set(common.map(([index]) => index));
    const there = new Set(common.map(([, index]) => index));
    const drops = before.flatMap((element, index) =>
        stay.has(index)
            ? []
            : [
                  (now: string, at: EntryPlace) =>
                      dropElement(now, at, index, next.includes(element)),
              ],
    );
    const inserts = next.flatMap((element, index) =>
        there.has(index)
            ? []
            : [(now: string, at: EntryPlace) => insertElement(now, at, index, element)],
    );
    let current = text;
    // From the last one on, so that the places of the others stay right.
    for (const change of [...drops.reverse(), ...inserts]) {
        const entry = find(readLayout(current));
        if (entry === undefined) {
            return refuse("the array is gone", byHand);
        }
        const changed = change(current, entry);
        if (!changed.ok) {
            return changed;
        }
        current = changed.value;
    }
    return ok(current);
}

// ---- keys ----

function sectionOf(layout: Layout, {kind, index}: Target): SectionPlace | undefined {
    return isTableKind(kind) ? layout[kind] : layout[kind][index];
}

function lastEntry(place: SectionPlace): EntryPlace | undefined {
    return [...place.entries.values()].sort((a, b) => a.span.end - b.span.end).at(-1);
}

/** A line on its own at the start of a line, or behind a last line that has no end. */
function insertLine({text, newline}: Layout, at: number, line: string): string {
    const open = at > 0 && text[at - 1] !== "\n";
    return splice(text, {start: at, end: at}, `${open ? newline : ""}${line}${newline}`);
}

function insertKey(
    layout: Layout,
    at: Target,
    place: SectionPlace,
    key: string,
    value: PlainValue,
): Spliced {
    const {text} = layout;
    if (place.form === "inline") {
        return spliceValue(text, place.span, (table) => changeTable(table, key, value));
    }
    const prefix = place.form === "dotted" ? `${at.kind}.` : "";
    const first = key === "name";
    const model = first ? [...place.entries.values()][0] : lastEntry(place);
    const indent = indentOf(text, (model?.span ?? place.span).start);
    const line = first ? nextLine(text, place.span.end) : lastEntryEnd(layout, place);
    return ok(insertLine(layout, line, `${indent}${prefix}${key} = ${tomlText(value)}`));
}

function setValue(layout: Layout, at: Target, key: string, value: PlainValue): Spliced {
    const {text} = layout;
    const place = sectionOf(layout, at);
    if (place === undefined) {
        return isTableKind(at.kind)
            ? ok(makeTable(layout, at.kind, [`${key} = ${tomlText(value)}`]))
            : refuse(`there is no such [[${at.kind}]] block`, byHand);
    }
    const entry = place.entries.get(key);
    if (entry === undefined) {
        return insertKey(layout, at, place, key, value);
    }
    if (entry.composite) {
        return refuse(`${key} is written as a table here`, byHand);
    }
    if (typeof value !== "string" && typeof value !== "bigint" && typeof value !== "boolean") {
        if (text[entry.value.start] === "[") {
            const find = (now: Layout) => sectionOf(now, at)?.entries.get(key);
            return spliceArray(text, find, value);
        }
    }
    return spliceValue(text, entry.value, () => value);
}

function unset(layout: Layout, at: Target, key: string): Spliced {
    const {text} = layout;
    const place = sectionOf(layout, at);
    const entry = place?.entries.get(key);
    if (place === undefined || entry === undefined) {
        return refuse(`there is no ${key}`, byHand);
    }
    if (place.form === "inline") {
        return spliceValue(text, place.span, (table) => changeTable(table, key, undefined));
    }
    if (entry.composite) {
        return refuse(`${key} is written as a table here`, byHand);
    }
    const start = ownComment(layout, entry.span.start)?.start ?? lineStart(text, entry.span.start);
    const end = nextLine(text, entry.span.end);
    // A comment that stood above the last key must not slip on to the next header.
    const above = start > 0 && layout.commentLines.has(lineStart(text, start - 1));
    const meets = layout.headerLines.includes(end) || layout.commentLines.has(end);
    const apart = above && meets && entry === lastEntry(place);
    return ok(splice(text, {start, end}, apart ? layout.newline : ""));
}

// ---- blocks ----

/** Lines as a paragraph of their own at the start of a line, or at the end of the text. */
function insertParagraph({text, newline}: Layout, at: number, lines: readonly string[]): string {
    const open = at > 0 && text[at - 1] !== "\n";
    const apart = at === 0 || (!open && isBlankLine(text, lineStart(text, at - 1)));
    const above = (open ? newline : "") + (apart ? "" : newline);
    const below = at < text.length && !isBlankLine(text, at) ? newline : "";
    const block = lines.map((line) => line + newline).join("");
    return splice(text, {start: at, end: at}, above + block + below);
}

/** Above the first block; below everything, when the comment above that one heads the file. */
function makeTable(layout: Layout, kind: TableKind, lines: readonly string[]): string {
    const {text, headerLines} = layout;
    const [first] = headerLines;
    const above = first === undefined ? text.length : commentsAbove(layout, first);
    const at = above === 0 && above !== first ? text.length : above;
    return insertParagraph(layout, at, [`[${kind}]`, ...lines]);
}

function make(layout: Layout, kind: BlockKind, entries: ReadonlyMap<string, PlainValue>): Spliced {
    const array = layout.arrays[kind];
    if (array !== undefined) {
        return spliceValue(layout.text, array, (list) => [
            ...(Array.isArray(list) ? list : []),
            Object.fromEntries(entries),
        ]);
    }
    const last = layout[kind].at(-1);
    const at = last === undefined ? layout.text.length : sectionEnd(layout, last);
    const lines = [...entries].map(([key, value]) => `${key} = ${tomlText(value)}`);
    return ok(insertParagraph(layout, at, [`[[${kind}]]`, ...lines]));
}

/**
 * Removes a block with the comments in it and directly above it: they would speak of the next one.
 * Comments apart from it by a blank line stay, and so do those that head the file.
 */
function remove(layout: Layout, kind: BlockKind, index: number): Spliced {
    const {text} = layout;
    const place = layout[kind][index];
    const array = layout.arrays[kind];
    if (place === undefined) {
        return refuse(`there is no such [[${kind}]] block`, byHand);
    }
    if (array !== undefined) {
        const others = (list: unknown) =>
            Array.isArray(list) ? list.filter((_, i) => i !== index) : list;
        return spliceValue(text, array, others, 1);
    }
    const header = lineStart(text, place.span.start);
    let start = commentsAbove(layout, header);
    if (start === 0 && header > 0) {
        start = ownComment(layout, place.span.start)?.start ?? header;
    }
    let end = sectionEnd(layout, place);
    const blankAbove = (): boolean => start > 0 && isBlankLine(text, lineStart(text, start - 1));
    if (start === 0 || blankAbove()) {
        while (isBlankLine(text, end)) {
            end = nextLine(text, end);
        }
    }
    while (end === text.length && blankAbove()) {
        start = lineStart(text, start - 1);
    }
    return ok(splice(text, {start, end}, ""));
}

function comment(layout: Layout, at: Target, key: string | undefined, said: string): Spliced {
    const {text, newline} = layout;
    const place = sectionOf(layout, at);
    const span = key === undefined ? place?.span : place?.entries.get(key)?.span;
    if (place === undefined || span === undefined) {
        return refuse(
            `there is no ${key ?? "such block"} to comment`,
            "a key or block of the file",
        );
    }
    if (place.form === "inline" || (place.form === "dotted" && key === undefined)) {
        return refuse("this has no line of its own in the file", `a [[${at.kind}]] block of lines`);
    }
    const line = lineStart(text, span.start);
    const former = ownComment(layout, span.start) ?? {start: line, end: line};
    const written =
        said === "" ? "" : `${indentOf(text, span.start)}${commentMark}${said}${newline}`;
    return ok(splice(text, former, written));
}

/** Applies one step to a text that `readToml` accepts. */
export function spliceStep(text: string, step: Step): Spliced {
    const layout = readLayout(text);
    switch (step.does) {
        case "value":
            return setValue(layout, step.at, step.key, step.value);
        case "unset":
            return unset(layout, step.at, step.key);
        case "make":
            return make(layout, step.kind, step.entries);
        case "remove":
            return remove(layout, step.kind, step.index);
        case "comment":
            return comment(layout, step.at, step.key, step.text);
    }
}
