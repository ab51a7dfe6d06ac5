/**
 * JSON text (RFC 8259) to the tree of src/core/config-tree.ts, in which every key and every value
 * knows its place, so that what is wrong can be shown with file, line and caret. Pure.
 *
 * Stricter than JSON.parse: a key may stand once in an object, and null, which carpd's files have
 * no use for, is refused.
 */
import type {TreeArray, TreeEntry, TreeNode, TreeScalar, TreeTable} from "./config-tree.ts";
import type {Diagnostic, Remark, SourceText, Span} from "./diagnostic.ts";
import {err, ok, type Result} from "./result.ts";

/** Deeper is refused: the walk is recursive. */
const mostLevels = 32;

const space = /[ \t\r\n]*/uy;
const number = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/uy;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a string may not hold
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/uy;
const word = /[A-Za-z]+/uy;

/** Reads one file whose root is an object. Stops at the first syntax error. */
export function readJson(source: SourceText): Result<TreeTable, Diagnostic> {
    const reader = new Reader(source);
    const root = reader.root();
    return root === undefined ? err(reader.failure()) : ok(root);
}

class Reader {
    readonly #source: SourceText;
    readonly #text: string;
    #at = 0;
    #failure: Diagnostic | undefined;

    constructor(source: SourceText) {
        this.#source = source;
        this.#text = source.text;
    }

    root(): TreeTable | undefined {
        const node = this.#value(0);
        if (node === undefined) return undefined;
        if (node.kind !== "table") {
            return this.#fail(node.span, {message: "this is not an object", expected: "{ ... }"});
        }
        this.#skipSpace();
        return this.#at === this.#text.length
            ? node
            : this.#failHere("more text after the object", "the end of the file");
    }

    failure(): Diagnostic {
        return this.#failure ?? this.#source.diagnostic({start: 0, end: 0}, {message: "no JSON"});
    }

    #value(level: number): TreeNode | undefined {
        this.#skipSpace();
        switch (this.#text[this.#at]) {
            case "{":
                return this.#object(level);
            case "[":
                return this.#array(level);
            case '"':
                return this.#string();
            default:
                return this.#number() ?? this.#word();
        }
    }

    #object(level: number): TreeTable | undefined {
        const start = this.#at;
        const entries = new Map<string, TreeEntry>();
        const closed = this.#items(level, "}", () => {
            const key = this.#string();
            if (key === undefined) return false;
            if (entries.has(key.value)) {
                this.#fail(key.span, {
                    message: `the key ${JSON.stringify(key.value)} is here a second time`,
                    expected: "each key once",
                });
                return false;
            }
            this.#skipSpace();
            if (!this.#take(":")) {
                this.#failHere("a key without a value", ": and a value");
                return false;
            }
            const node = this.#value(level + 1);
            if (node === undefined) return false;
            entries.set(key.value, {key: key.value, keySpan: key.span, node});
            return true;
        });
        // The brace alone: an object may be many lines long.
        return closed ? {kind: "table", entries, span: {start, end: start + 1}} : undefined;
    }

    #array(level: number): TreeArray | undefined {
        const start = this.#at;
        const elements: TreeNode[] = [];
        const closed = this.#items(level, "]", () => {
            const node = this.#value(level + 1);
            if (node !== undefined) elements.push(node);
            return node !== undefined;
        });
        return closed ? {kind: "array", elements, span: {start, end: this.#at}} : undefined;
    }

    /** From the opening bracket to the closing one. */
    #items(level: number, close: "}" | "]", item: () => boolean): boolean {
        if (level >= mostLevels) {
            this.#failHere("nested too deeply", `at most ${mostLevels} levels`);
            return false;
        }
        this.#at += 1;
        this.#skipSpace();
        if (this.#take(close)) return true;
        for (;;) {
            this.#skipSpace();
            if (!item()) return false;
            this.#skipSpace();
            if (this.#take(close)) return true;
            if (!this.#take(",")) {
                this.#failHere("a comma or the end is missing", `, or ${close}`);
                return false;
            }
        }
    }

    #string(): (TreeScalar & {readonly value: string}) | undefined {
        const start = this.#at;
        const raw = this.#match(string);
        if (raw === undefined) {
            return this.#text[start] === '"'
                ? this.#failHere("the string is not a JSON string", "a closing quote on this line")
                : this.#failHere("something else than a string", "a string in double quotes");
        }
        const value: unknown = JSON.parse(raw);
        return {kind: "string", value: String(value), span: {start, end: this.#at}};
    }

    #number(): TreeScalar | undefined {
        const start = this.#at;
        const raw = this.#match(number);
        if (raw === undefined) return undefined;
        const span = {start, end: this.#at};
        return /[.eE]/u.test(raw)
            ? {kind: "float", value: Number(raw), span}
            : {kind: "integer", value: BigInt(raw), span};
    }

    #word(): TreeScalar | undefined {
        const start = this.#at;
        const raw = this.#match(word);
        const span = {start, end: this.#at};
        if (raw === "true" || raw === "false") {
            return {kind: "boolean", value: raw === "true", span};
        }
        this.#at = start;
        return raw === "null"
            ? this.#fail(span, {message: "null says nothing", expected: "a value, or no such key"})
            : this.#failHere("a value is missing or is not JSON", 'a value, such as 1 or "text"');
    }

    #skipSpace(): void {
        this.#match(space);
    }

    #take(character: string): boolean {
        if (this.#text[this.#at] !== character) return false;
        this.#at += 1;
        return true;
    }

    #match(pattern: RegExp): string | undefined {
        pattern.lastIndex = this.#at;
        const found = pattern.exec(this.#text)?.[0];
        if (found === undefined) return undefined;
        this.#at += found.length;
        return found;
    }

    /** Marks the word at hand, or the place behind the last character. */
    #failHere(message: string, expected: string): undefined {
        const ended = this.#at >= this.#text.length;
        const start = ended ? this.#text.trimEnd().length : this.#at;
        const length = /^[\w-]+/u.exec(this.#text.slice(start, start + 100))?.[0].length ?? 1;
        return this.#fail({start, end: start + length}, {message, expected});
    }

    #fail(span: Span, remark: Remark): undefined {
        this.#failure ??= this.#source.diagnostic(span, remark);
        return undefined;
    }
}
