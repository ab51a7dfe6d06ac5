/**
 * Which words may come next in an edit of the configuration: for TAB and `?`. Pure.
 */
import {
    asSection,
    isArray,
    type KeyInfo,
    keysOf,
    sectionHelp,
    sectionKinds,
} from "./config-keys.ts";
import {type BlockKind, isTableKind, type SectionKind} from "./config-layout.ts";
import {type Meaning, namesOf, readMeaning} from "./config-meaning.ts";
import {type PlainValue, tomlText} from "./config-splice.ts";

export interface Completion {
    /** A word to type, or <what> to type, which TAB must not insert. */
    readonly token: string;
    readonly help: string;
}

const verbHelp: readonly Completion[] = [
    {token: "set", help: "set a key, or add an element to a list"},
    {token: "delete", help: "remove a block, a key or an element of a list"},
    {token: "edit", help: "go into a block"},
    {token: "rename", help: "give a block another name"},
    {token: "copy", help: "make a block like another"},
    {token: "comment", help: "write a comment above a block or a key"},
];

const nothing: Meaning = {
    options: new Map(),
    system: new Map(),
    carp: [],
    track: [],
    interface: [],
    rest: new Map(),
};

function blocks(meaning: Meaning, kind: BlockKind): Completion[] {
    return namesOf(meaning, kind).flatMap((name, index) => {
        const table = meaning[kind][index];
        const {carpdev, vhid} = Object.fromEntries(table ?? []);
        const help =
            kind === "carp" ? `vhid ${String(vhid ?? "?")} on ${String(carpdev ?? "?")}` : "";
        return name === undefined ? [] : [{token: name, help}];
    });
}

function tableOf(
    meaning: Meaning,
    section: SectionKind,
    name: string,
): ReadonlyMap<string, unknown> | undefined {
    return isTableKind(section)
        ? meaning[section]
        : meaning[section][namesOf(meaning, section).indexOf(name)];
}

function keys(infos: readonly KeyInfo[]): Completion[] {
    return infos.map(({key, help}) => ({token: key, help}));
}

function values(info: KeyInfo): Completion[] {
    const words = info.kind === "boolean" ? ["true", "false"] : info.words;
    return words.length > 0
        ? words.map((token) => ({token, help: ""}))
        : [{token: "<value>", help: info.expected}];
}

function isPlain(value: unknown): value is PlainValue {
    return typeof value === "string" || typeof value === "bigint" || typeof value === "boolean";
}

function elements(list: unknown): Completion[] {
    return (Array.isArray(list) ? list : []).flatMap((element) =>
        typeof element === "string" ? [{token: element, help: ""}] : [],
    );
}

/** `path` is what stands between the verb and the word that is being typed, with the context. */
function next(verb: string, path: readonly string[], meaning: Meaning): Completion[] {
    const [first, ...more] = path;
    if (first === undefined) {
        const named = verb === "rename" || verb === "copy";
        return sectionKinds
            .filter((kind) => !named || !isTableKind(kind))
            .map((kind) => ({token: kind, help: sectionHelp[kind]}));
    }
    const section = asSection(first);
    if (section === undefined) {
        return [];
    }
    if (!isTableKind(section) && more.length === 0) {
        const makes = verb === "set" || verb === "edit";
        const fresh = {token: "<name>", help: `a new ${section}`};
        return [...blocks(meaning, section), ...(makes ? [fresh] : [])];
    }
    const [name = "", ...rest] = isTableKind(section) ? ["", ...more] : more;
    const table = tableOf(meaning, section, name);
    const [key, ...typed] = rest;
    const info = key === undefined ? undefined : keysOf(section).get(key);
    const infos = [...keysOf(section).values()];
    // A name goes by rename only.
    const present = infos.filter((known) => table?.has(known.key) && known.key !== "name");
    switch (verb) {
        case "set":
            if (key === undefined) {
                return keys(infos.filter((known) => known.key !== "name"));
            }
            return info === undefined || (typed.length > 0 && !isArray(info)) ? [] : values(info);
        case "delete":
            if (key === undefined) {
                return keys(present);
            }
            return info !== undefined && isArray(info) ? elements(table?.get(info.key)) : [];
        case "rename":
        case "copy":
            if (key === undefined) {
                return [{token: "to", help: "the new name follows"}];
            }
            return key === "to" && typed.length === 0
                ? [{token: "<name>", help: "a new name"}]
                : [];
        case "comment": {
            const text = {token: "<text>", help: 'the comment; "" removes it'};
            if (key === undefined) {
                return [...keys(present), ...(isTableKind(section) ? [] : [text])];
            }
            return info !== undefined && typed.length === 0 ? [text] : [];
        }
        default:
            return [];
    }
}

/**
 * The words that may stand where the last of `words` is being typed ("" for a new one): those that
 * start with it, and descriptions in angle brackets. The first of `words` is the verb; `edit` is
 * completed too. `text` is the candidate file; of one that cannot be read no names are known.
 */
export function completions(
    words: readonly string[],
    context: readonly string[],
    text: string,
): Completion[] {
    const typing = words.at(-1) ?? "";
    const [verb, ...path] = words.slice(0, -1);
    const meaning = readMeaning(text);
    const all =
        verb === undefined
            ? verbHelp
            : next(verb, [...context, ...path], meaning.ok ? meaning.value : nothing);
    return all.filter(({token}) => token.startsWith("<") || token.startsWith(typing));
}

/** What a key is set to now, in TOML, to show beside its help; "" when it is not, or is secret. */
export function currentValue(path: readonly string[], text: string): string {
    const [first = "", ...rest] = path;
    const section = asSection(first);
    const meaning = readMeaning(text);
    if (section === undefined || !meaning.ok) {
        return "";
    }
    const [name = "", key = ""] = isTableKind(section) ? ["", ...rest] : rest;
    const value = tableOf(meaning.value, section, name)?.get(key);
    if (key === "pass") {
        return value === undefined ? "" : "****";
    }
    if (Array.isArray(value)) {
        return `[${value.filter(isPlain).map(tomlText).join(", ")}]`;
    }
    return isPlain(value) ? tomlText(value) : "";
}
