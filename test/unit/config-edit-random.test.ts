/**
 * Random edits of random configuration files: the values are what a simple model says, every
 * comment that no edit removed is there once and in its order, edits that change nothing change
 * no byte.
 *
 * The files are full of comments, each with a number and an owner. The result is read with another
 * TOML reader than the one that `applyEdits` checks itself with.
 */
import assert from "node:assert/strict";
import {test} from "node:test";
import {parse} from "@decimalturn/toml-patch";
import {applyEdits} from "../../src/core/config-edit.ts";
import type {Edit, EditValue} from "../../src/core/edit.ts";

type Kind = "carp" | "track";
type Values = Map<string, EditValue>;

interface Block {
    /** undefined: carpN. */
    name: string | undefined;
    readonly values: Values;
}

interface Model {
    readonly options: Values;
    readonly carp: Block[];
    readonly track: Block[];
}

/** What takes a comment with it when it goes. */
interface Note {
    readonly id: number;
    readonly owner: Values | undefined;
    readonly key: string;
    readonly element: string;
}

/** mulberry32: small, seeded, good enough for tests. */
function random(seed: number): (below: number) => number {
    let state = seed >>> 0;
    return (below) => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
    };
}

function pick<T>(below: (n: number) => number, list: readonly T[]): T {
    const item = list[below(list.length)];
    assert.ok(item !== undefined);
    return item;
}

const texts = [
    "eth1",
    "eth 2",
    'a"b',
    "it's",
    "ünï",
    "x#y",
    "",
    "back\\slash",
    "t\tb",
    "a]b",
    "[[carp]]",
];
const numbers = [0, 1, 5, 100, 254, 255];
const addresses = [
    "192.0.2.1/24",
    "192.0.2.2/24",
    "2001:db8::1/64",
    "10.0.0.9/8",
    "2001:db8::2/64",
];
const arrayKeys = ["addresses", "peers"];
const keys: Readonly<Record<string, readonly string[]>> = {
    options: ["preempt", "ifdown-demotion", "hook-timeout", "arpbalance", "link-up-delay"],
    carp: [
        "carpdev",
        "vhid",
        "advskew",
        "pass",
        "addresses",
        "peers",
        "enabled",
        "xparam",
        "group",
    ],
    track: ["ping", "interval", "rise", "fall", "group", "file"],
};

function valueFor(key: string, below: (n: number) => number): EditValue {
    if (["preempt", "arpbalance", "enabled"].includes(key)) return below(2) === 0;
    if (["vhid", "advskew", "ifdown-demotion", "rise", "fall"].includes(key)) {
        return pick(below, numbers);
    }
    if (["hook-timeout", "link-up-delay", "interval"].includes(key)) {
        return below(2) === 0 ? pick(below, ["5s", "500ms"]) : pick(below, numbers);
    }
    if (arrayKeys.includes(key)) return addresses.filter(() => below(2) === 0);
    return pick(below, texts);
}

// ---- random files ----

class Writer {
    readonly notes: Note[] = [];
    readonly lines: string[] = [];
    readonly below: (n: number) => number;
    #first = true;

    constructor(below: (n: number) => number) {
        this.below = below;
    }

    note(owner: Values | undefined, key = "", element = ""): string {
        const id = this.notes.length;
        this.notes.push({id, owner, key, element});
        return `#${pick(this.below, [" ", "", "  ", "! "])}note-${id}.`;
    }

    /** A value in one of its spellings. */
    scalar(value: EditValue): string {
        if (typeof value === "string") {
            if (this.below(3) === 0 && !/['\t]/.test(value)) return `'${value}'`;
            if (this.below(6) === 0 && !/['\t]/.test(value)) return `'''${value}'''`;
            return JSON.stringify(value);
        }
        return typeof value === "number" && this.below(3) === 0
            ? `0x${value.toString(16)}`
            : String(value);
    }

    array(list: readonly string[], owner: Values, key: string, indent: string): string {
        if (this.below(2) === 0) {
            const comma = list.length > 0 && this.below(3) === 0 ? "," : "";
            return `[${list.map((element) => this.scalar(element)).join(", ")}${comma}]`;
        }
        const lines = ["["];
        for (const [i, element] of list.entries()) {
            if (this.below(3) === 0) lines.push(`${indent}    ${this.note(owner, key)}`);
            const comma = i < list.length - 1 || this.below(2) === 0 ? "," : "";
            const note = this.below(2) === 0 ? ` ${this.note(owner, key, element)}` : "";
            lines.push(`${indent}    ${this.scalar(element)}${comma}${note}`);
        }
        if (this.below(3) === 0) lines.push(`${indent}    ${this.note(owner, key)}`);
        return [...lines, `${indent}]`].join("\n");
    }

    entry(owner: Values, key: string, value: EditValue, indent: string, prefix = ""): void {
        if (this.below(4) === 0) this.lines.push(`${indent}${this.note(owner)}`);
        const equals = pick(this.below, [" = ", "=", "   = "]);
        const text =
            typeof value === "object" ? this.array(value, owner, key, indent) : this.scalar(value);
        const note = this.below(3) === 0 ? ` ${this.note(owner, key, "\n")}` : "";
        this.lines.push(`${indent}${prefix}${key}${equals}${text}${note}`);
    }

    section(header: string, values: Values, name: string | undefined): void {
        const headsFile = this.#first;
        this.#first = false;
        if (!headsFile || this.below(2) === 0) {
            for (let blanks = this.below(3); blanks > 0; blanks -= 1) this.lines.push("");
            if (this.below(2) === 0) this.lines.push("", this.note(undefined), "");
        }
        // A comment at the very top belongs to the file.
        const owner = this.lines.length === 0 ? undefined : values;
        if (this.below(2) === 0) this.lines.push(this.note(owner));
        const indent = pick(this.below, ["", "", "  "]);
        this.lines.push(header + (this.below(3) === 0 ? ` ${this.note(values)}` : ""));
        if (name !== undefined) this.entry(values, "name", name, indent);
        for (const [key, value] of values) this.entry(values, key, value, indent);
        if (this.below(4) === 0) {
            this.lines.push(`${indent}${this.note(values)}`);
            // Without it the comment would be above the next header.
            this.lines.push("");
        }
    }
}

function randomValues(kind: string, below: (n: number) => number): Values {
    return new Map(
        (keys[kind] ?? []).filter(() => below(2) === 0).map((key) => [key, valueFor(key, below)]),
    );
}

function randomFile(below: (n: number) => number): {text: string; model: Model; notes: Note[]} {
    const writer = new Writer(below);
    const model: Model = {options: randomValues("options", below), carp: [], track: []};
    const place = below(4);
    if (place === 0) model.options.clear();
    if (place === 1) {
        for (const [key, value] of model.options) {
            writer.entry(model.options, key, value, "", "options.");
        }
        writer.lines.push("");
    }
    if (place === 2) writer.section("[options]", model.options, undefined);
    for (let i = below(5); i > 0; i -= 1) {
        const name = below(2) === 0 ? `lan${i}` : undefined;
        const block = {name, values: randomValues("carp", below)};
        model.carp.push(block);
        writer.section(pick(below, ["[[carp]]", "[[ carp ]]"]), block.values, name);
    }
    for (let i = below(3); i > 0; i -= 1) {
        const block = {name: `t${i}`, values: randomValues("track", below)};
        model.track.push(block);
        writer.section("[[track]]", block.values, block.name);
    }
    if (place === 3) writer.section("[options]", model.options, undefined);
    if (below(2) === 0) writer.lines.push("", writer.note(undefined));
    const newline = below(3) === 0 ? "\r\n" : "\n";
    const end = below(4) === 0 ? "" : "\n";
    const text = (writer.lines.join("\n") + end).replaceAll("\n", newline);
    return {text, model, notes: writer.notes};
}

// ---- the model ----

const nameAt = (block: Block, index: number): string => block.name ?? `carp${index}`;

interface Tried {
    readonly edit: Edit;
    /** Does to the model what the edit should do; undefined: it must be refused. */
    readonly apply: (() => void) | undefined;
    /** Notes that go with it. */
    readonly gone: (note: Note) => boolean;
}

const none = (): boolean => false;

function blockEdit(below: (n: number) => number, model: Model): Tried {
    const kind: Kind = below(3) === 0 ? "track" : "carp";
    const list = model[kind];
    const index = list.length === 0 ? 0 : below(list.length);
    const block = list[index];
    const fresh = `n${below(1000)}`;
    const taken = list.some((other, i) => nameAt(other, i) === fresh);
    if (block === undefined) {
        const absent = `${kind}9`;
        const edit: Edit = {
            op: pick(below, ["rename", "copy"] as const),
            path: [kind, absent],
            to: "x",
        };
        return {edit, apply: undefined, gone: none};
    }
    const path = [kind, nameAt(block, index)];
    switch (below(3)) {
        case 0:
            return {
                edit: {op: "rename", path, to: fresh},
                apply: taken
                    ? undefined
                    : () => {
                          block.name = fresh;
                      },
                gone: none,
            };
        case 1: {
            const copy = {name: fresh, values: new Map(block.values)};
            return {
                edit: {op: "copy", path, to: fresh},
                apply: taken ? undefined : () => void list.push(copy),
                gone: none,
            };
        }
        default:
            return {
                edit: {op: "delete", path},
                apply: () => {
                    for (const [i, other] of list.entries()) other.name = nameAt(other, i);
                    list.splice(index, 1);
                    // Those above the removed one keep their default names, named or not.
                },
                gone: (note) => note.owner === block.values,
            };
    }
}

function keyEdit(below: (n: number) => number, model: Model): Tried {
    const kind = pick(below, ["options", "carp", "carp", "track"] as const);
    const key = pick(below, keys[kind] ?? []);
    let values = model.options;
    let path = ["options", key];
    let make = (): void => undefined;
    if (kind !== "options") {
        const list = model[kind];
        const index = below(list.length + 1);
        const old = list[index];
        const made: Block = old ?? {name: `new${below(100000)}`, values: new Map()};
        values = made.values;
        path = [kind, nameAt(made, index), key];
        if (old === undefined) make = () => void list.push(made);
    }
    const former = values.get(key);
    const set = (value: EditValue) => () => {
        make();
        values.set(key, value);
    };
    const lost =
        (elements: readonly string[], all: boolean) =>
        (note: Note): boolean =>
            note.owner === values &&
            note.key === key &&
            (all ? true : elements.includes(note.element));
    const op = below(arrayKeys.includes(key) ? 6 : 3);
    if (op === 0) {
        const absent = former === undefined;
        return {
            edit: {op: "delete", path},
            apply: absent ? undefined : () => void values.delete(key),
            gone: lost([], true),
        };
    }
    if (op <= 2) {
        const value = valueFor(key, below);
        const left = Array.isArray(former) && Array.isArray(value) ? value : [];
        const before: readonly string[] = typeof former === "object" ? former : [];
        return {
            edit: {op: "set", path, value},
            apply: set(value),
            gone: lost(
                before.filter((element) => !left.includes(element)),
                false,
            ),
        };
    }
    const list: readonly string[] = typeof former === "object" ? former : [];
    const value = pick(below, addresses);
    if (op <= 4) {
        const next = list.includes(value) ? list : [...list, value];
        return {edit: {op: "add", path, value}, apply: set(next), gone: none};
    }
    const left = list.filter((element) => element !== value);
    return {
        edit: {op: "drop", path, value},
        apply: left.length === list.length ? undefined : set(left),
        gone: lost([value], false),
    };
}

function plain(values: Values): Record<string, EditValue> {
    return Object.fromEntries(values);
}

/** The model as a TOML reader would see the file, each block with its name. */
function expected(model: Model): unknown {
    const named = (list: readonly Block[]) =>
        list.map((block, i) => ({name: nameAt(block, i), ...plain(block.values)}));
    return {options: plain(model.options), carp: named(model.carp), track: named(model.track)};
}

function seen(text: string): unknown {
    const read: {options?: object; carp?: object[]; track?: object[]} = parse(text);
    const carp = (read.carp ?? []).map((block, i) => ({name: `carp${i}`, ...block}));
    return {
        options: {...read.options},
        carp,
        track: (read.track ?? []).map((block) => ({...block})),
    };
}

function notesIn(text: string): number[] {
    return [...text.matchAll(/note-(\d+)\./g)].map((match) => Number(match[1]));
}

test("4,000 random edits keep values and comments", () => {
    let done = 0;
    let refused = 0;
    for (let seed = 1; done < 4000; seed += 1) {
        const below = random(seed);
        const {text: start, model, notes} = randomFile(below);
        let text = start;
        let alive = notes;
        assert.deepEqual(seen(text), expected(model), `seed ${seed}: the file of the test`);
        for (let round = 0; round < 12; round += 1) {
            const tried = below(4) === 0 ? blockEdit(below, model) : keyEdit(below, model);
            const before = JSON.stringify(expected(model));
            const result = applyEdits(text, [tried.edit]);
            const told = `seed ${seed} round ${round} ${JSON.stringify(tried.edit)}\n${text}\n----\n${result.ok ? result.value : result.error.message}`;
            if (tried.apply === undefined) {
                assert.ok(!result.ok, told);
                refused += 1;
                continue;
            }
            assert.ok(result.ok, told);
            tried.apply();
            assert.deepEqual(seen(result.value), expected(model), told);
            if (JSON.stringify(expected(model)) === before) {
                assert.equal(result.value, text, told);
            }
            const order = notesIn(result.value);
            assert.deepEqual(order, [...new Set(order)], told);
            const must = alive.filter((note) => !tried.gone(note)).map((note) => note.id);
            assert.deepEqual(
                order.filter((id) => must.includes(id)),
                must,
                told,
            );
            const crlf = result.value.split("\r\n").length;
            if (text.includes("\r\n")) assert.equal(crlf, result.value.split("\n").length, told);
            alive = alive.filter((note) => order.includes(note.id));
            text = result.value;
            done += 1;
        }
    }
    assert.ok(refused > 100, `only ${refused} refusals`);
});

test("random files: an empty list of edits and edits to the same values change no byte", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
        const below = random(seed);
        const {text, model} = randomFile(below);
        const edits: Edit[] = [];
        const say = (path: readonly string[], values: Values): void => {
            for (const [key, value] of values) {
                edits.push({op: "set", path: [...path, key], value});
                if (typeof value === "object") {
                    for (const element of value) {
                        edits.push({op: "add", path: [...path, key], value: element});
                    }
                }
            }
        };
        say(["options"], model.options);
        for (const kind of ["carp", "track"] as const) {
            for (const [i, block] of model[kind].entries()) {
                const path = [kind, nameAt(block, i)];
                say(path, block.values);
                edits.push({op: "rename", path, to: nameAt(block, i)});
                edits.push({op: "comment", path, text: ""});
            }
        }
        for (const list of [[], edits]) {
            const result = applyEdits(text, list);
            assert.ok(result.ok, result.ok ? "" : `${result.error.message}\n${text}`);
            assert.equal(result.value, text);
        }
    }
});

test("comments of ours come and go and leave the text as it was", () => {
    let tried = 0;
    for (let seed = 1; seed <= 200; seed += 1) {
        const below = random(seed);
        const {text, model} = randomFile(below);
        for (const kind of ["carp", "track"] as const) {
            for (const [i, block] of model[kind].entries()) {
                const path = [
                    kind,
                    nameAt(block, i),
                    ...[...block.values.keys()].slice(0, below(2)),
                ];
                const first = applyEdits(text, [{op: "comment", path, text: "first # text"}]);
                assert.ok(first.ok);
                assert.ok(first.value.includes("#: first # text"));
                assert.deepEqual(notesIn(first.value), notesIn(text));
                const second = applyEdits(first.value, [{op: "comment", path, text: "second"}]);
                assert.ok(second.ok);
                assert.equal(second.value, first.value.replace("first # text", "second"));
                const third = applyEdits(second.value, [{op: "comment", path, text: ""}]);
                assert.ok(third.ok);
                assert.equal(third.value, text);
                tried += 1;
            }
        }
    }
    assert.ok(tried > 200);
});
