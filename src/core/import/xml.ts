/**
 * A small reader for XML 1.0 as appliances write it: elements, text, CDATA, comments, the five
 * named entities and numeric ones. Attributes are read over. Not validating; a document type is
 * refused, and with it every entity that could grow. Depth and size are bounded. Pure.
 */
import {err, ok, type Result} from "../result.ts";

export interface XmlElement {
    readonly name: string;
    /** Of its start tag, from 1. */
    readonly line: number;
    readonly children: readonly XmlElement[];
    /** All character data directly in it, without blanks at both ends. */
    readonly text: string;
}

export interface XmlProblem {
    readonly line: number;
    readonly message: string;
}

/** UTF-16 units; more is not the configuration of a firewall. */
export const longestXml = 8 * 1024 * 1024;
export const deepestXml = 64;

const entities: ReadonlyMap<string, string> = new Map([
    ["amp", "&"],
    ["lt", "<"],
    ["gt", ">"],
    ["quot", '"'],
    ["apos", "'"],
]);
const nameStart = /[A-Za-z_\u0080-\uffff]/u;
const namePart = /[\w:.\u0080-\uffff-]/u;

interface Open {
    readonly name: string;
    readonly line: number;
    readonly children: XmlElement[];
    readonly text: string[];
}

class Problem extends Error {}

class Reader {
    readonly #text: string;
    #at = 0;
    /** The line that ends at `#lineEnd`; counted on as far as it is asked for. */
    #line = 1;
    #lineEnd: number;

    constructor(text: string) {
        this.#text = text;
        this.#lineEnd = this.#endOfLine(0);
    }

    line(): number {
        while (this.#lineEnd < this.#at) {
            this.#line += 1;
            this.#lineEnd = this.#endOfLine(this.#lineEnd + 1);
        }
        return this.#line;
    }

    #endOfLine(from: number): number {
        const end = this.#text.indexOf("\n", from);
        return end < 0 ? this.#text.length : end;
    }

    document(): XmlElement {
        const open: Open[] = [];
        let root: XmlElement | undefined;
        while (this.#at < this.#text.length) {
            const top = open.at(-1);
            if (!this.#starts("<")) {
                const text = this.#characters();
                if (top !== undefined) {
                    top.text.push(text);
                } else if (text.trim() !== "") {
                    throw new Problem("text outside of the root element");
                }
            } else if (this.#starts("<!--")) {
                this.#until("<!--", "-->");
            } else if (this.#starts("<![CDATA[")) {
                if (top === undefined) {
                    throw new Problem("CDATA outside of the root element");
                }
                top.text.push(this.#until("<![CDATA[", "]]>"));
            } else if (this.#starts("<?")) {
                this.#until("<?", "?>");
            } else if (this.#starts("<!")) {
                throw new Problem("a document type (<!DOCTYPE) is not accepted");
            } else if (this.#starts("</")) {
                root = this.#endTag(open) ?? root;
            } else {
                if (top === undefined && root !== undefined) {
                    throw new Problem("a second root element");
                }
                root = this.#startTag(open) ?? root;
            }
        }
        const unclosed = open.at(-1);
        if (unclosed !== undefined) {
            throw new Problem(`<${unclosed.name}> of line ${unclosed.line} is never closed`);
        }
        if (root === undefined) {
            throw new Problem("no element");
        }
        return root;
    }

    #starts(text: string): boolean {
        return this.#text.startsWith(text, this.#at);
    }

    /** What stands between two marks; goes past the second. */
    #until(opening: string, closing: string): string {
        const from = this.#at + opening.length;
        const end = this.#text.indexOf(closing, from);
        if (end < 0) {
            throw new Problem(`"${opening}" without "${closing}"`);
        }
        this.#at = end + closing.length;
        return this.#text.slice(from, end);
    }

    /** Text up to the next tag, entities replaced. */
    #characters(): string {
        const next = this.#text.indexOf("<", this.#at);
        const end = next < 0 ? this.#text.length : next;
        const raw = this.#text.slice(this.#at, end);
        let result = "";
        let from = 0;
        for (let at = raw.indexOf("&"); at >= 0; at = raw.indexOf("&", from)) {
            const stop = raw.indexOf(";", at);
            const body = stop < 0 || stop - at > 12 ? "" : raw.slice(at + 1, stop);
            const character = entities.get(body) ?? numericEntity(body);
            if (character === undefined) {
                this.#at += at;
                throw new Problem('"&" that begins no known entity');
            }
            result += raw.slice(from, at) + character;
            from = stop + 1;
        }
        this.#at = end;
        return result + raw.slice(from);
    }

    #name(): string {
        const from = this.#at;
        if (!nameStart.test(this.#text[from] ?? "")) {
            throw new Problem('"<" that begins no tag');
        }
        while (namePart.test(this.#text[this.#at] ?? "")) {
            this.#at += 1;
        }
        return this.#text.slice(from, this.#at);
    }

    #skipBlanks(): void {
        while (/[ \t\r\n]/u.test(this.#text[this.#at] ?? "")) {
            this.#at += 1;
        }
    }

    /** The element when it is an empty root. */
    #startTag(open: Open[]): XmlElement | undefined {
        const line = this.line();
        this.#at += 1;
        const name = this.#name();
        if (open.length === deepestXml) {
            throw new Problem(`elements are nested more than ${deepestXml} deep`);
        }
        open.push({name, line, children: [], text: []});
        for (;;) {
            this.#skipBlanks();
            if (this.#starts(">")) {
                this.#at += 1;
                return undefined;
            }
            if (this.#starts("/>")) {
                this.#at += 2;
                return close(open);
            }
            this.#attribute(name);
        }
    }

    #attribute(tag: string): void {
        if (!nameStart.test(this.#text[this.#at] ?? "")) {
            throw new Problem(`the tag <${tag}> is not closed`);
        }
        this.#name();
        this.#skipBlanks();
        if (!this.#starts("=")) {
            throw new Problem(`an attribute of <${tag}> has no value`);
        }
        this.#at += 1;
        this.#skipBlanks();
        const quote = this.#text[this.#at];
        if (quote !== '"' && quote !== "'") {
            throw new Problem(`an attribute of <${tag}> has no quotes`);
        }
        this.#until(quote, quote);
    }

    #endTag(open: Open[]): XmlElement | undefined {
        const top = open.at(-1);
        this.#at += 2;
        const name = this.#name();
        if (top === undefined || top.name !== name) {
            throw new Problem(
                top === undefined
                    ? `</${name}> closes nothing`
                    : `</${name}> where </${top.name}> of line ${top.line} is due`,
            );
        }
        this.#skipBlanks();
        if (!this.#starts(">")) {
            throw new Problem(`the tag </${name}> is not closed`);
        }
        this.#at += 1;
        return close(open);
    }
}

/** Takes the innermost element off and gives it to its parent; the root is returned. */
function close(open: Open[]): XmlElement | undefined {
    const last = open.pop();
    if (last === undefined) {
        return undefined;
    }
    const {name, line, children, text} = last;
    const element = {name, line, children, text: text.join("").trim()};
    const parent = open.at(-1);
    parent?.children.push(element);
    return parent === undefined ? element : undefined;
}

function numericEntity(body: string): string | undefined {
    const [, hex, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/u.exec(body) ?? [];
    const code = hex !== undefined ? Number.parseInt(hex, 16) : Number(decimal ?? "x");
    const isCharacter =
        code === 9 ||
        code === 10 ||
        code === 13 ||
        (code >= 0x20 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff));
    return isCharacter ? String.fromCodePoint(code) : undefined;
}

/** Reads a document; the result is its root element. */
export function readXml(text: string): Result<XmlElement, XmlProblem> {
    if (text.length > longestXml) {
        return err({line: 1, message: "the document is larger than 8 MiB"});
    }
    const reader = new Reader(text.replace(/^\ufeff/u, ""));
    try {
        return ok(reader.document());
    } catch (error) {
        if (error instanceof Problem) {
            return err({line: reader.line(), message: error.message});
        }
        throw error;
    }
}

/** The first child of a name, at the end of a path of names. */
export function childAt(element: XmlElement, ...path: readonly string[]): XmlElement | undefined {
    let at: XmlElement | undefined = element;
    for (const name of path) {
        at = at?.children.find((child) => child.name === name);
    }
    return at;
}

/** The text of a child, "" where there is none. */
export function childText(element: XmlElement, name: string): string {
    return childAt(element, name)?.text ?? "";
}
