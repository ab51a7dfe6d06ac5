/**
 * carpd.toml as `set` lines, the form in which a configuration is pasted and read aloud, and one
 * such line as edits. Pure.
 *
 *     set options preempt true
 *     set carp carp0 carpdev eth1
 *     set carp carp0 addresses 192.168.1.1/24
 *     set track gateway command /usr/local/sbin/check -4 "two words"
 *     comment carp carp0 "LAN gateway"
 *
 * An element of a list has a line of its own; a program is one line with its arguments. A line for a block alone makes it.
 */
import {
    asSection,
    isArray,
    type KeyInfo,
    keysOf,
    notAmong,
    sectionKinds,
    unknownKey,
    unknownSection,
} from "./config-keys.ts";
import {
    blockKinds,
    isTableKind,
    type Layout,
    ownCommentText,
    readLayout,
    type SectionKind,
    type SectionPlace,
    tableKinds,
} from "./config-layout.ts";
import {type Answer, nameOf, readMeaning, refuse} from "./config-meaning.ts";
import type {Edit, EditRefusal, EditValue} from "./edit.ts";
import {err, ok, type Result} from "./result.ts";

// ---- words ----

/**
 * A word as `splitWords` reads it back: bare where it can be, else in double quotes with the
 * escapes \" \\ and \uXXXX. A question mark is escaped too: typed at a console it asks for help.
 */
export function quoteWord(word: string): string {
    if (/^[^\s"'\\|#?;&\p{Cc}]+$/u.test(word)) {
        return word;
    }
    const escaped = word.replace(/["\\?\p{Cc}]/gu, (character) =>
        character === '"' || character === "\\"
            ? `\\${character}`
            : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    return `"${escaped}"`;
}

function unescaped(quoted: string): string | undefined {
    const wrong = /\\(?!["\\]|u[0-9a-fA-F]{4})/u;
    if (wrong.test(quoted.replaceAll(/\\["\\]/gu, ""))) {
        return undefined;
    }
    return quoted.replaceAll(/\\(?:(["\\])|u([0-9a-fA-F]{4}))/gu, (_, plain, code) =>
        typeof plain === "string" ? plain : String.fromCharCode(Number.parseInt(String(code), 16)),
    );
}

/**
 * The words of a line: apart by blanks; double quotes with the escapes of `quoteWord`, single
 * quotes without any. undefined: a quote has no end, or an escape is unknown.
 */
export function splitWords(line: string): string[] | undefined {
    const words: string[] = [];
    let rest = line.trimStart();
    while (rest !== "") {
        const [whole, bare, double, single] =
            /^(?:([^\s"']+)|"((?:[^"\\]|\\.)*)"|'([^']*)')(?=\s|$)/u.exec(rest) ?? [];
        const word = double === undefined ? (bare ?? single) : unescaped(double);
        if (whole === undefined || word === undefined) {
            return undefined;
        }
        words.push(word);
        rest = rest.slice(whole.length).trimStart();
    }
    return words;
}

// ---- a file as lines ----

export interface LineOptions {
    /** true: passwords are written out. Otherwise a line that starts with # says there is one. */
    readonly secrets: boolean;
}

/** The words of a value as they are typed: one list a line; undefined when none would be it. */
function typedValues(info: KeyInfo, value: unknown): string[][] | undefined {
    if (isArray(info)) {
        if (!Array.isArray(value) || !value.every((element) => typeof element === "string")) {
            return undefined;
        }
        const words: string[] = value;
        return info.kind === "program" ? [words] : words.map((word) => [word]);
    }
    switch (info.kind) {
        case "integer":
            return typeof value === "bigint" ? [[String(value)]] : undefined;
        case "boolean":
            return typeof value === "boolean" ? [[String(value)]] : undefined;
        case "quantity":
            // A string of digits has no unit: typed without quotes it would become a number.
            return typeof value === "bigint" || (typeof value === "string" && !/^\d*$/u.test(value))
                ? [[String(value)]]
                : undefined;
        default:
            return typeof value === "string" ? [[value]] : undefined;
    }
}

function sectionLines(
    path: readonly string[],
    section: SectionKind,
    table: ReadonlyMap<string, unknown>,
    options: LineOptions,
): Answer<string[]> {
    const lines: string[] = [];
    const say = (words: readonly string[]): void => {
        lines.push(["set", ...path, ...words].map(quoteWord).join(" "));
    };
    for (const key of table.keys()) {
        if (!keysOf(section).has(key)) {
            return err(unknownKey(section, key));
        }
    }
    for (const [key, info] of keysOf(section)) {
        if (!table.has(key) || (key === "name" && !isTableKind(section))) {
            continue;
        }
        const values = typedValues(info, table.get(key));
        if (values === undefined) {
            return refuse(`${path.join(" ")}: ${key} must be ${info.type}`, info.expected);
        }
        if (key === "pass" && !options.secrets) {
            lines.push(`# set ${[...path, key].map(quoteWord).join(" ")} is not shown`);
            continue;
        }
        for (const words of values) {
            // An empty program is what there is without the key.
            if (words.length > 0) {
                say([key, ...words]);
            }
        }
    }
    if (!isTableKind(section) && !lines.some((line) => line.startsWith("set"))) {
        say([]);
    }
    return ok(lines);
}

function commentLines(
    path: readonly string[],
    layout: Layout,
    place: SectionPlace | undefined,
): string[] {
    if (place === undefined || place.form === "inline") {
        return [];
    }
    const places: [string[], number][] = [...place.entries].map(([key, {span}]) => [
        [key],
        span.start,
    ]);
    if (place.form === "header" && path.length > 1) {
        places.unshift([[], place.span.start]);
    }
    return places.flatMap(([key, at]) => {
        const said = ownCommentText(layout, at);
        // The name is no line of its own here, so neither is what is said about it.
        return said === undefined || said === "" || key[0] === "name"
            ? []
            : [["comment", ...path, ...key, said].map(quoteWord).join(" ")];
    });
}

/**
 * The lines that make this file of an empty one: the same values and names in the same order, and
 * the comments that the console wrote. Those of a person are not in them.
 */
export function toLines(text: string, options: LineOptions = {secrets: false}): Answer<string[]> {
    const meaning = readMeaning(text);
    if (!meaning.ok) {
        return meaning;
    }
    const layout = readLayout(text);
    const [unknownTop] = meaning.value.rest.keys();
    if (unknownTop !== undefined) {
        return err(unknownSection(unknownTop));
    }
    const lines: string[] = [];
    for (const kind of tableKinds) {
        const own = sectionLines([kind], kind, meaning.value[kind], options);
        if (!own.ok) {
            return own;
        }
        lines.push(...own.value, ...commentLines([kind], layout, layout[kind]));
    }
    for (const kind of blockKinds) {
        for (const [index, table] of meaning.value[kind].entries()) {
            const name = nameOf(kind, table, index);
            if (name === undefined) {
                return refuse(`a [[${kind}]] block has no name`, 'name = "a name"');
            }
            const block = sectionLines([kind, name], kind, table, options);
            if (!block.ok) {
                return block;
            }
            lines.push(...block.value, ...commentLines([kind, name], layout, layout[kind][index]));
        }
    }
    return ok(lines);
}

// ---- a line as edits ----

export interface LineProblem extends EditRefusal {
    /** Which of the words is wrong, from 0; their number when one is missing. */
    readonly word: number;
}

export const verbs = ["set", "delete", "rename", "copy", "comment"] as const;

/** A value as typed, or why it is none: what is wrong with the words counts from 0. */
function readValue(info: KeyInfo, word: string): Result<EditValue, EditRefusal> {
    const wrong = `${info.key} must be ${info.type}`;
    switch (info.kind) {
        case "integer":
            return /^-?(?:0|[1-9][0-9]{0,14})$/u.test(word)
                ? ok(Number(word))
                : refuse(wrong, info.expected);
        case "boolean":
            return word === "true" || word === "false"
                ? ok(word === "true")
                : refuse(wrong, info.expected);
        case "quantity":
            return ok(/^(?:0|[1-9][0-9]{0,14})$/u.test(word) ? Number(word) : word);
        case "word":
            return info.words.includes(word) ? ok(word) : err(notAmong(wrong, word, info.words));
        default:
            return ok(word);
    }
}

/** A path with what follows it, and the place of each word in the typed line. */
interface Line {
    readonly section: SectionKind;
    /** Without a key. */
    readonly path: readonly string[];
    readonly rest: readonly string[];
    /** The place of `rest[0]`. */
    readonly at: number;
}

function problem({message, expected}: EditRefusal, word: number): Result<never, LineProblem> {
    return err({message, expected, word});
}

function readLine(words: readonly string[], context: readonly string[]): Result<Line, LineProblem> {
    const full = [...context, ...words.slice(1)];
    const place = (index: number): number => Math.max(index - context.length + 1, 0);
    const [first, ...more] = full;
    if (first === undefined) {
        return problem(
            {message: `${words[0]} what?`, expected: sectionKinds.join(", ")},
            words.length,
        );
    }
    const section = asSection(first);
    if (section === undefined) {
        return problem(unknownSection(first), place(0));
    }
    if (isTableKind(section)) {
        return ok({section, path: [section], rest: more, at: place(1)});
    }
    const [name, ...rest] = more;
    return name === undefined
        ? problem(
              {message: `which ${section} is missing`, expected: `the name of a ${section}`},
              words.length,
          )
        : ok({section, path: [section, name], rest, at: place(2)});
}

/** A key of ssh is pasted without quotes: its words are one element. */
function elementsIn(info: KeyInfo, values: readonly string[]): readonly string[] {
    return info.kind === "lines" ? [values.join(" ")] : values;
}

function setEdits({section, path, rest, at}: Line, end: number): Result<Edit[], LineProblem> {
    const [key, ...values] = rest;
    if (key === undefined) {
        const [, name] = path;
        // `set carp carp7` makes the block; what is there already stays.
        return name === undefined
            ? problem({message: "a key is missing", expected: `a key of [${section}]`}, end)
            : ok([{op: "set", path: [section, name, "name"], value: name}]);
    }
    const info = keysOf(section).get(key);
    if (info === undefined) {
        return problem(unknownKey(section, key), at);
    }
    const full = [...path, key];
    if (values.length === 0) {
        return problem({message: `${key} needs a value`, expected: info.expected}, end);
    }
    if (info.kind === "program") {
        return ok([{op: "set", path: full, value: values}]);
    }
    if (isArray(info)) {
        return ok(elementsIn(info, values).map((value) => ({op: "add", path: full, value})));
    }
    if (values.length > 1) {
        return problem(
            {message: `${key} takes one value`, expected: "quotes around a value with blanks"},
            at + 2,
        );
    }
    const value = readValue(info, values[0] ?? "");
    return value.ok
        ? ok([{op: "set", path: full, value: value.value}])
        : problem(value.error, at + 1);
}

function deleteEdits({section, path, rest, at}: Line, end: number): Result<Edit[], LineProblem> {
    const [key, ...values] = rest;
    if (key === undefined) {
        return path.length === 1
            ? problem({message: "a key is missing", expected: `a key of [${section}]`}, end)
            : ok([{op: "delete", path}]);
    }
    const info = keysOf(section).get(key);
    if (info === undefined) {
        return problem(unknownKey(section, key), at);
    }
    const full = [...path, key];
    if (values.length === 0) {
        return ok([{op: "delete", path: full}]);
    }
    return isArray(info)
        ? ok(elementsIn(info, values).map((value) => ({op: "drop", path: full, value})))
        : problem({message: `${key} is one value`, expected: "no more words"}, at + 1);
}

function toEdits(
    op: "rename" | "copy",
    {section, path, rest, at}: Line,
    end: number,
): Result<Edit[], LineProblem> {
    if (path.length === 1) {
        const verb = section === "options" ? "have" : "has";
        const message = `${section} ${verb} no name`;
        return problem({message, expected: "carp, track or interface"}, at - 1);
    }
    // The word `to` may be left out.
    const skipped = rest[0] === "to" ? 1 : 0;
    const to = rest[skipped];
    if (to === undefined) {
        return problem({message: "the new name is missing", expected: "to NAME"}, end);
    }
    return rest.length > skipped + 1
        ? problem({message: "more words than a name", expected: "no more words"}, at + skipped + 1)
        : ok([{op, path, to}]);
}

function commentEdits({section, path, rest, at}: Line, end: number): Result<Edit[], LineProblem> {
    const [key = "", ...more] = rest;
    const keyed = more.length > 0 && keysOf(section).has(key);
    const target = keyed ? [...path, key] : path;
    if (target.length === 1) {
        return rest.length > 1
            ? problem(unknownKey(section, key), at)
            : problem({message: "a key is missing", expected: "a key and a comment"}, end);
    }
    return rest.length === 0
        ? problem({message: "the comment is missing", expected: 'text, "" removes it'}, end)
        : ok([{op: "comment", path: target, text: (keyed ? more : rest).join(" ")}]);
}

/**
 * One line: `set PATH VALUE...`, `delete PATH [VALUE...]`, `rename PATH to NAME`, `copy PATH to
 * NAME`, `comment PATH TEXT`. `context` is put before the path, as `edit` leaves it: [],
 * ["options"] or ["carp", "carp0"]. Whether it can be done is said by `applyEdits`.
 */
export function parseLine(
    words: readonly string[],
    context: readonly string[],
): Result<Edit[], LineProblem> {
    const verb = verbs.find((known) => known === words[0]);
    if (verb === undefined) {
        const word = words[0] ?? "";
        return problem(notAmong(`${JSON.stringify(word)} is no edit`, word, verbs), 0);
    }
    const line = readLine(words, context);
    if (!line.ok) {
        return line;
    }
    switch (verb) {
        case "set":
            return setEdits(line.value, words.length);
        case "delete":
            return deleteEdits(line.value, words.length);
        case "rename":
        case "copy":
            return toEdits(verb, line.value, words.length);
        case "comment":
            return commentEdits(line.value, words.length);
    }
}
