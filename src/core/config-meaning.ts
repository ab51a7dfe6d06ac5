/**
 * What carpd.toml means, for those who edit it: its tables by key and the names of its blocks. Pure.
 *
 * Unlike config-parse.ts this takes any TOML, so that a file with a wrong value can be mended.
 */
import {type BlockKind, blockKinds, isTableKind, tableKinds} from "./config-layout.ts";
import type {Step, Target} from "./config-splice.ts";
import {plainValue, readToml} from "./config-tree.ts";
import {SourceText} from "./diagnostic.ts";
import type {EditRefusal} from "./edit.ts";
import {err, ok, type Result} from "./result.ts";

export type Table = Map<string, unknown>;
export type Answer<T> = Result<T, EditRefusal>;

export function refuse(message: string, expected: string): Answer<never> {
    return err({message, expected});
}

/** The meaning of a file: its tables by key, blocks in their order. */
export interface Meaning {
    readonly options: Table;
    readonly system: Table;
    readonly carp: Table[];
    readonly track: Table[];
    readonly interface: Table[];
    /** Top-level keys that the schema does not know. */
    readonly rest: Table;
}

function isTable(value: unknown): value is Table {
    return value instanceof Map;
}

export function readMeaning(text: string): Answer<Meaning> {
    return shallow(() => readTables(text));
}

/** What is nested so deeply that walking through it ends in a RangeError is refused. */
export function shallow<T>(walk: () => Answer<T>): Answer<T> {
    try {
        return walk();
    } catch (error) {
        if (error instanceof RangeError) {
            return refuse("a value is nested too deeply", "a carpd.toml");
        }
        throw error;
    }
}

function readTables(text: string): Answer<Meaning> {
    const tree = readToml(new SourceText("carpd.toml", text));
    if (!tree.ok) {
        const {line, col, message, expected} = tree.error;
        return refuse(`carpd.toml:${line}:${col}: ${message}`, expected);
    }
    const rest = plainValue(tree.value);
    if (!isTable(rest)) {
        return refuse("the file is no table", "a TOML 1.0 file");
    }
    const tables = {options: new Map<string, unknown>(), system: new Map<string, unknown>()};
    for (const kind of tableKinds) {
        const table = rest.get(kind) ?? tables[kind];
        if (!isTable(table)) {
            return refuse(`${kind} is not a table in this file`, `[${kind}]`);
        }
        tables[kind] = table;
        rest.delete(kind);
    }
    const blocks: Record<BlockKind, Table[]> = {carp: [], track: [], interface: []};
    for (const kind of blockKinds) {
        const list = rest.get(kind) ?? [];
        if (!Array.isArray(list) || !list.every(isTable)) {
            return refuse(`${kind} is not an array of tables in this file`, `[[${kind}]]`);
        }
        blocks[kind] = list;
        rest.delete(kind);
    }
    return ok({...tables, ...blocks, rest});
}

export function sameValue(a: unknown, b: unknown): boolean {
    if (isTable(a) && isTable(b)) {
        return (
            a.size === b.size &&
            [...a].every(([key, value]) => b.has(key) && sameValue(value, b.get(key)))
        );
    }
    if (Array.isArray(a) && Array.isArray(b)) {
        return a.length === b.length && a.every((value, i) => sameValue(value, b[i]));
    }
    if (a instanceof Date && b instanceof Date) {
        return Object.is(a.getTime(), b.getTime());
    }
    return Object.is(a, b);
}

export function sameMeaning(a: Meaning, b: Meaning): boolean {
    return (
        [...tableKinds, ...blockKinds].every((kind) => sameValue(a[kind], b[kind])) &&
        sameValue(a.rest, b.rest)
    );
}

export function tableAt(meaning: Meaning, {kind, index}: Target): Table | undefined {
    return isTableKind(kind) ? meaning[kind] : meaning[kind][index];
}

/** What a step does to the meaning; a comment does nothing. */
export function applyToMeaning(meaning: Meaning, step: Step): void {
    switch (step.does) {
        case "value":
            tableAt(meaning, step.at)?.set(step.key, step.value);
            break;
        case "unset":
            tableAt(meaning, step.at)?.delete(step.key);
            break;
        case "make":
            meaning[step.kind].push(new Map(step.entries));
            break;
        case "remove":
            meaning[step.kind].splice(step.index, 1);
            break;
        case "comment":
            break;
    }
}

// ---- names ----

/** What a block is called; undefined for a track without a name and a name that is no string. */
export function nameOf(kind: BlockKind, table: Table, index: number): string | undefined {
    const name = table.get("name");
    if (typeof name === "string") {
        return name;
    }
    return kind === "carp" && name === undefined ? `carp${index}` : undefined;
}

/** The names of the blocks of a text in their order; [] for a text that cannot be read. */
export function blockNames(text: string, kind: BlockKind): string[] {
    const meaning = readMeaning(text);
    return meaning.ok
        ? meaning.value[kind].flatMap((table, index) => nameOf(kind, table, index) ?? [])
        : [];
}

export function namesOf(meaning: Meaning, kind: BlockKind): (string | undefined)[] {
    return meaning[kind].map((table, index) => nameOf(kind, table, index));
}

/** The place of the block that is called so; undefined when there is none. */
export function findBlock(
    meaning: Meaning,
    kind: BlockKind,
    name: string,
): Answer<number | undefined> {
    const names = namesOf(meaning, kind);
    const index = names.indexOf(name);
    if (index !== names.lastIndexOf(name)) {
        return refuse(`two [[${kind}]] blocks are called ${name}`, "each name once in the file");
    }
    return ok(index < 0 ? undefined : index);
}
