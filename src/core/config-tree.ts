/**
 * TOML text to a tree in which every key and every value knows its place in the text.
 *
 * Integers stay bigint and floats number, so that 1 and 1.0 can be told apart; tables are maps,
 * so that no key is special.
 */
import {type AST, ParseError, parseTOML} from "toml-eslint-parser";
import type {Diagnostic, Remark, SourceText, Span} from "./diagnostic.ts";
import {err, ok, type Result} from "./result.ts";

export type TreeNode = TreeScalar | TreeArray | TreeTable;

export interface TreeScalar {
    readonly kind: "string" | "integer" | "float" | "boolean" | "date";
    readonly value: string | bigint | number | boolean | Date;
    readonly span: Span;
}

export interface TreeArray {
    readonly kind: "array";
    readonly elements: TreeNode[];
    readonly span: Span;
}

export interface TreeTable {
    readonly kind: "table";
    readonly entries: Map<string, TreeEntry>;
    /** The header `[[carp]]`, the braces, or the key that made the table. */
    readonly span: Span;
}

export interface TreeEntry {
    readonly key: string;
    readonly keySpan: Span;
    readonly node: TreeNode;
}

/** What a node is, in an operator's words: "an integer". */
export function describeNode(node: TreeNode): string {
    switch (node.kind) {
        case "string":
            return "a string";
        case "integer":
            return "an integer";
        case "float":
            return "a number with a fraction";
        case "boolean":
            return String(node.value);
        case "date":
            return "a date or time";
        case "array":
            return "an array";
        case "table":
            return "a table";
    }
}

/** The value without places, as the schema wants it. */
export function plainValue(node: TreeNode): unknown {
    switch (node.kind) {
        case "array":
            return node.elements.map(plainValue);
        case "table":
            return new Map([...node.entries].map(([key, entry]) => [key, plainValue(entry.node)]));
        default:
            return node.value;
    }
}

/** Reads one file. The parser stops at the first syntax error, so there is at most one. */
export function readToml(source: SourceText): Result<TreeTable, Diagnostic> {
    try {
        return ok(treeOf(parseTOML(source.text, {tomlVersion: "1.0.0"})));
    } catch (error) {
        // Whatever a parser throws on a text is about the text: a daemon that reloads must not die
        // of it. Deep nesting ends in a RangeError, in the parser or in the walk over its tree.
        return err(syntaxError(source, error));
    }
}

function treeOf(program: AST.TOMLProgram): TreeTable {
    const root: TreeTable = {kind: "table", entries: new Map(), span: {start: 0, end: 0}};
    for (const item of program.body[0].body) {
        if (item.type === "TOMLKeyValue") {
            addKeyValue(root, item);
        } else {
            addTable(root, item);
        }
    }
    return root;
}

function spanOf(node: {readonly range: readonly [number, number]}): Span {
    return {start: node.range[0], end: node.range[1]};
}

function keyName(key: AST.TOMLBare | AST.TOMLQuoted): string {
    return key.type === "TOMLBare" ? key.name : key.value;
}

/** The table under a key: the last one of an array of tables, a new one when there is none. */
function childTable(parent: TreeTable, key: string, keySpan: Span): TreeTable {
    const existing = parent.entries.get(key)?.node;
    const last = existing?.kind === "array" ? existing.elements.at(-1) : existing;
    if (last?.kind === "table") {
        return last;
    }
    const made: TreeTable = {kind: "table", entries: new Map(), span: keySpan};
    parent.entries.set(key, {key, keySpan, node: made});
    return made;
}

function addKeyValue(table: TreeTable, item: AST.TOMLKeyValue): void {
    const keys = item.key.keys;
    let target = table;
    for (const part of keys.slice(0, -1)) {
        target = childTable(target, keyName(part), spanOf(part));
    }
    const last = keys.at(-1);
    if (last !== undefined) {
        const key = keyName(last);
        target.entries.set(key, {key, keySpan: spanOf(last), node: readValue(item.value)});
    }
}

function addTable(root: TreeTable, item: AST.TOMLTable): void {
    const keys = item.key.keys;
    let parent = root;
    for (const part of keys.slice(0, -1)) {
        parent = childTable(parent, keyName(part), spanOf(part));
    }
    const last = keys.at(-1);
    if (last === undefined) {
        return;
    }
    const key = keyName(last);
    const brackets = item.kind === "array" ? 2 : 1;
    const span = {start: item.range[0], end: item.key.range[1] + brackets};
    const existing = parent.entries.get(key)?.node;
    let table: TreeTable;
    if (item.kind === "array") {
        table = {kind: "table", entries: new Map(), span};
        if (existing?.kind === "array") {
            existing.elements.push(table);
        } else {
            const node: TreeArray = {kind: "array", elements: [table], span};
            parent.entries.set(key, {key, keySpan: spanOf(last), node});
        }
    } else if (existing?.kind === "table") {
        table = existing;
    } else {
        table = {kind: "table", entries: new Map(), span};
        parent.entries.set(key, {key, keySpan: spanOf(last), node: table});
    }
    for (const entry of item.body) {
        addKeyValue(table, entry);
    }
}

function readValue(node: AST.TOMLContentNode): TreeNode {
    const span = spanOf(node);
    if (node.type === "TOMLArray") {
        return {kind: "array", elements: node.elements.map(readValue), span};
    }
    if (node.type === "TOMLInlineTable") {
        const table: TreeTable = {kind: "table", entries: new Map(), span};
        for (const entry of node.body) {
            addKeyValue(table, entry);
        }
        return table;
    }
    switch (node.kind) {
        case "string":
            return {kind: "string", value: node.value, span};
        case "integer":
            return {kind: "integer", value: node.bigint, span};
        case "float":
            return {kind: "float", value: node.value, span};
        case "boolean":
            return {kind: "boolean", value: node.value, span};
        default:
            return {kind: "date", value: node.value, span};
    }
}

/** The parser's messages, each with what an operator needs to hear instead. */
const syntaxRemarks: ReadonlyMap<string, Remark> = new Map<string, Remark>([
    [
        "Defining a key multiple times is invalid",
        {message: "this key or table is defined a second time", expected: "each key once"},
    ],
    [
        "Unspecified values are invalid",
        {message: "a value is missing", expected: 'a value, such as 1, true, "text" or ["text"]'},
    ],
    [
        "Unterminated string constant",
        {message: "the string has no end", expected: "the closing quote on the same line"},
    ],
    ["Unterminated array", {message: "the array has no end", expected: "]"}],
    ["Unterminated table-key", {message: "the table header has no end", expected: "]"}],
    ["Unterminated inline table", {message: "the inline table has no end", expected: "}"}],
    ["Expected equal (=) token", {message: "a key without a value", expected: "= and a value"}],
    ["Expected comma (,) token", {message: "a comma is missing", expected: ","}],
    ["Must be a newline", {message: "more text after the value", expected: "the end of the line"}],
    [
        "Leading zeros are not allowed",
        {message: "a number with a leading zero", expected: "a decimal number such as 10"},
    ],
    [
        "Unexpected token",
        {message: "this is not TOML", expected: "`key = value`, `[options]` or `[[carp]]`"},
    ],
    [
        "Unexpected character",
        {message: "this is not TOML", expected: "a value; text goes in double quotes"},
    ],
]);

function syntaxError(source: SourceText, error: unknown): Diagnostic {
    if (!(error instanceof ParseError)) {
        const reason = error instanceof RangeError ? "nested too deeply" : "not understood";
        return source.diagnostic(
            {start: 0, end: 0},
            {message: `TOML syntax: ${reason}`, expected: "a TOML 1.0 file"},
        );
    }
    const gap = missingValue(source.text, error);
    if (gap !== undefined) {
        return source.diagnostic(gap, {
            message: "a value is missing",
            expected: 'a value, such as 1, true, "text" or ["text"]',
        });
    }
    const remark = syntaxRemarks.get(error.message) ?? {
        message: `TOML syntax: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`,
        expected: "TOML 1.0",
    };
    return source.diagnostic(syntaxSpan(source.text, error), remark);
}

/**
 * The place behind `key =` when nothing follows it on its line. The parser looks on in the next
 * lines and complains about whatever it finds there.
 */
function missingValue(text: string, error: ParseError): Span | undefined {
    const end = text.slice(0, error.index).trimEnd().length;
    const passedLine = text.slice(end, error.index).includes("\n") || error.index >= text.length;
    return text[end - 1] === "=" && passedLine ? {start: end, end} : undefined;
}

/** The word at the parser's position. */
function syntaxSpan(text: string, error: ParseError): Span {
    let start = Math.min(error.index, text.length);
    if (start === text.length) {
        // What is missing at the end of the file is missing behind its last character.
        start = text.trimEnd().length;
    }
    const word = /^[\w-]+/u.exec(text.slice(start, start + 200))?.[0] ?? "";
    return {start, end: start + Math.max(word.length, 1)};
}
