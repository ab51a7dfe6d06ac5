/**
 * Words and assignments of shell text, as far as configuration files use the shell: quotes,
 * backslashes, comments, continued lines, separators, `$name`. Nothing is run. Pure.
 */

export interface ShellWord {
    /** Without quotes, variables filled in. */
    readonly text: string;
    /** The name before an unquoted `=`, "" for a plain word; `text` is then the value. */
    readonly name: string;
    /** `name+=value`. */
    readonly append: boolean;
    /** What only a shell could have filled in: "$(hostname)", "$1"; "" for nothing. */
    readonly unknown: string;
}

/** Words up to the end of the line or a separator. */
export interface ShellCommand {
    /** Where it starts, from 1. */
    readonly line: number;
    readonly words: readonly ShellWord[];
}

/** A quote that never ends. */
export interface OpenQuote {
    readonly line: number;
}

const separators = ";&|<>()";
const longestName = 200;

class Reader {
    readonly #text: string;
    readonly #variables: ReadonlyMap<string, string>;
    at = 0;
    line: number;
    openQuote: OpenQuote | undefined;
    /** Of the word under way. */
    #value = "";
    #name = "";
    #append = false;
    #unknown = "";
    #any = false;
    #quoted = false;

    constructor(text: string, variables: ReadonlyMap<string, string>, line: number) {
        this.#text = text;
        this.#variables = variables;
        this.line = line;
    }

    peek(offset = 0): string {
        return this.#text[this.at + offset] ?? "";
    }

    next(): string {
        const character = this.peek();
        this.at += 1;
        if (character === "\n") {
            this.line += 1;
        }
        return character;
    }

    skipComment(): void {
        const end = this.#text.indexOf("\n", this.at);
        this.at = end < 0 ? this.#text.length : end;
    }

    /** true while a word may go on with what comes. */
    inWord(): boolean {
        return this.#any;
    }

    takeWord(): ShellWord {
        const word = {
            text: this.#value,
            name: this.#name,
            append: this.#append,
            unknown: this.#unknown,
        };
        this.#value = "";
        this.#name = "";
        this.#append = false;
        this.#unknown = "";
        this.#any = false;
        this.#quoted = false;
        return word;
    }

    /** One character, escape, quoted stretch or variable of a word. */
    step(): void {
        const character = this.next();
        this.#any = true;
        if (character === "\\") {
            this.#quoted = true;
            this.#value += this.next();
        } else if (character === "'") {
            this.#readQuoted("'");
        } else if (character === '"') {
            this.#readQuoted('"');
        } else if (character === "$" || character === "`") {
            this.#expand(character);
        } else if (character === "=" && this.#isName()) {
            this.#append = this.#value.endsWith("+");
            this.#name = this.#append ? this.#value.slice(0, -1) : this.#value;
            this.#value = "";
        } else {
            this.#value += character;
        }
    }

    #isName(): boolean {
        // The length first: no name is longer, and each "=" of a word comes by here.
        const fits = !this.#quoted && this.#name === "" && this.#value.length <= longestName;
        return fits && /^[A-Za-z_]\w*\+?$/u.test(this.#value);
    }

    #readQuoted(quote: string): void {
        const line = this.line;
        this.#quoted = true;
        while (this.at < this.#text.length) {
            const character = this.next();
            if (character === quote) {
                return;
            }
            if (quote === '"' && character === "\\" && '\\"$`\n'.includes(this.peek())) {
                const escaped = this.next();
                this.#value += escaped === "\n" ? "" : escaped;
            } else if (quote === '"' && (character === "$" || character === "`")) {
                this.#expand(character);
            } else {
                this.#value += character;
            }
        }
        this.openQuote ??= {line};
    }

    #expand(opening: string): void {
        const rest = this.#text.slice(this.at, this.at + 200);
        const simple = /^(?:\{([A-Za-z_]\w*)(?::?-([^}$`"'\\]*))?\}|([A-Za-z_]\w*))/u.exec(rest);
        if (opening === "$" && simple !== null) {
            this.at += simple[0].length;
            const name = simple[1] ?? simple[3] ?? "";
            const value = this.#variables.get(name) ?? simple[2];
            this.#value += value ?? "";
            this.#unknown ||= value === undefined ? `$${name}` : "";
            return;
        }
        const other =
            opening === "`"
                ? /^[^`\n]*`/u.exec(rest)
                : /^(?:\([^)\n]*\)|\{[^}\n]*\}|[0-9@*#?!$-])/u.exec(rest);
        if (opening === "$" && other === null) {
            this.#value += "$";
            return;
        }
        this.at += other?.[0].length ?? 0;
        this.#unknown ||= opening + (other?.[0] ?? "");
    }
}

/**
 * Reads a text command by command. The variables that pure assignments set are known to the
 * commands after them; `variables` is changed. The generator returns an open quote, if any.
 */
export function* shellCommands(
    text: string,
    variables: Map<string, string>,
    firstLine = 1,
): Generator<ShellCommand, OpenQuote | undefined> {
    const reader = new Reader(text, variables, firstLine);
    let words: ShellWord[] = [];
    let line = firstLine;
    while (reader.at <= text.length) {
        const character = reader.peek();
        const ends = character === "" || character === "\n" || separators.includes(character);
        if (character === "\\" && (reader.peek(1) === "\n" || reader.peek(1) === "")) {
            reader.next();
            reader.next();
        } else if (character === " " || character === "\t" || character === "\r" || ends) {
            if (reader.inWord()) {
                words.push(reader.takeWord());
            }
            if (ends && words.length > 0) {
                remember(words, variables);
                yield {line, words};
                words = [];
            }
            reader.next();
        } else if (character === "#" && !reader.inWord()) {
            reader.skipComment();
        } else {
            if (words.length === 0 && !reader.inWord()) {
                line = reader.line;
            }
            reader.step();
        }
    }
    return reader.openQuote;
}

function remember(words: readonly ShellWord[], variables: Map<string, string>): void {
    if (words.every((word) => word.name !== "" && word.unknown === "")) {
        for (const {name, text, append} of words) {
            variables.set(name, append ? (variables.get(name) ?? "") + text : text);
        }
    }
}

/** The words of one line with quotes but without anything else of a shell; "#" begins a comment. */
export function quotedWords(text: string): string[] {
    const words: string[] = [];
    for (const match of text.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"']|["'])+/gu)) {
        if (match[0].startsWith("#")) {
            break;
        }
        words.push(match[0].replace(/"([^"]*)"|'([^']*)'/gu, "$1$2"));
    }
    return words;
}

/** As it was written, for words that are no assignments to their reader. */
export function wordText(word: ShellWord): string {
    return word.name === "" ? word.text : `${word.name}${word.append ? "+" : ""}=${word.text}`;
}
