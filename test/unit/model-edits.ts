/**
 * What a configuration file means, read with another TOML reader than the product's editor, and
 * random `set`, `delete`, `rename`, `copy` and `comment` lines with what each should do to it.
 */
import {parse} from "@decimalturn/toml-patch";
import type {Dice} from "./seeded.ts";

type Values = Map<string, unknown>;

interface Block {
    /** undefined: carpN after its place. */
    name: string | undefined;
    readonly values: Values;
}

export interface Tree {
    readonly options: Values;
    readonly carp: Block[];
    /** Tables that no configuration has. */
    readonly rest: string;
}

export interface TypedLine {
    readonly line: string;
    readonly context: readonly string[];
    /** Does to the tree what the line should do; false: it is to be refused. */
    readonly apply: (tree: Tree) => boolean;
}

/** The beginning of every password that is made here: no operator may ever read it. */
export const secretMark = "hush-";

function members(value: unknown): [string, unknown][] {
    return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

export function readTree(text: string): Tree {
    const {options, carp, ...rest}: {options?: unknown; carp?: unknown} = parse(text);
    const blocks: unknown[] = Array.isArray(carp) ? carp : [];
    return {
        options: new Map(members(options)),
        carp: blocks.map((block) => {
            const values = new Map(members(block));
            const name = values.get("name");
            values.delete("name");
            return {name: typeof name === "string" ? name : undefined, values};
        }),
        rest: JSON.stringify(rest),
    };
}

const nameAt = ({name}: Block, index: number): string => name ?? `carp${index}`;

export function namesIn(tree: Tree): string[] {
    return tree.carp.map(nameAt);
}

function find(tree: Tree, name: string): Block | undefined {
    return tree.carp.find((block, index) => nameAt(block, index) === name);
}

function made(tree: Tree, name: string): Values {
    const found = find(tree, name);
    if (found !== undefined) return found.values;
    const values: Values = new Map();
    tree.carp.push({name, values});
    return values;
}

function strings(value: unknown): string[] {
    return Array.isArray(value) ? value.map(String) : [];
}

/** Without what says no more than the defaults do. */
export function meant(tree: Tree): unknown {
    const defaults: Readonly<Record<string, unknown>> = {
        advskew: 0,
        enabled: true,
        preempt: false,
        "ifdown-demotion": 240,
    };
    const plain = (values: Values) =>
        Object.fromEntries([...values].filter(([key, value]) => defaults[key] !== value));
    const carp = tree.carp.map((block, i) => ({...plain(block.values), name: nameAt(block, i)}));
    return {options: plain(tree.options), carp, rest: tree.rest};
}

// ---- lines ----

const names = ["carp0", "carp1", "carp2", "lan", "dmz"];
const addresses = ["192.168.1.1/24", "192.168.1.7/24", "192.168.2.1/24", "2001:db8:1::5/64"];

interface Typed {
    readonly typed: string;
    /** undefined: the editor refuses it, as it is no value of this kind. */
    readonly value: unknown;
}

function integer({below, pick}: Dice, good: readonly number[], bad: number): Typed {
    switch (below(12)) {
        case 0:
            return {typed: pick(["many", "1.5", "0x10", "''", "7 7"]), value: undefined};
        case 1:
            // Only the commit says that this is out of range.
            return {typed: String(bad), value: bad};
        default: {
            const value = pick(good);
            return {typed: String(value), value};
        }
    }
}

function flag({oneIn, pick}: Dice): Typed {
    if (oneIn(10)) return {typed: pick(["yes", "True", "1"]), value: undefined};
    const value = pick([true, false]);
    return {typed: String(value), value};
}

function carpValue(roll: Dice): Typed & {key: string} {
    const {below, oneIn, pick} = roll;
    switch (below(6)) {
        case 0:
            return {key: "vhid", ...integer(roll, [1, 2, 3, 4], 256)};
        case 1:
            return {key: "enabled", ...flag(roll)};
        case 2: {
            const typed = pick(["eth1", "eth1", "eth2", "eth/3"]);
            return {key: "carpdev", typed, value: typed};
        }
        case 3: {
            if (oneIn(8)) return {key: "pass", typed: "****", value: undefined};
            const word = `${secretMark}${below(1000)}`;
            const value = pick([word, word, `${word} "q"`]);
            return {key: "pass", typed: JSON.stringify(value), value};
        }
        default:
            return {key: "advskew", ...integer(roll, [0, 1, 50, 100, 254], 255)};
    }
}

function set(roll: Dice, name: string): Omit<TypedLine, "context"> {
    const {key, typed, value} = carpValue(roll);
    return {
        line: `set ${key} ${typed}`,
        apply: (tree) => {
            if (value === undefined) return false;
            made(tree, name).set(key, value);
            return true;
        },
    };
}

function element({pick}: Dice, name: string): Omit<TypedLine, "context"> {
    const value = pick(addresses);
    return {
        line: `set addresses ${value}`,
        apply: (tree) => {
            const values = made(tree, name);
            const list = strings(values.get("addresses"));
            if (!list.includes(value)) values.set("addresses", [...list, value]);
            return true;
        },
    };
}

function drop({oneIn, pick}: Dice, name: string): Omit<TypedLine, "context"> {
    const value = pick(addresses);
    const word = oneIn(2) ? value : (value.split("/")[0] ?? "");
    return {
        line: `delete addresses ${word}`,
        apply: (tree) => {
            const values = find(tree, name)?.values;
            const list = strings(values?.get("addresses"));
            if (values === undefined || !list.includes(value)) return false;
            const left = list.filter((one) => one !== value);
            values.set("addresses", left);
            return true;
        },
    };
}

function unset({pick}: Dice, name: string): Omit<TypedLine, "context"> {
    const key = pick(["advskew", "enabled", "pass", "addresses", "vhid", "carpdev", "group"]);
    return {
        line: `delete ${key}`,
        apply: (tree) => find(tree, name)?.values.delete(key) ?? false,
    };
}

function remove(name: string): Omit<TypedLine, "context"> {
    return {
        line: "delete",
        apply: (tree) => {
            const index = namesIn(tree).indexOf(name);
            if (index < 0) return false;
            // Those below keep the names that they have had by their places.
            for (const [i, block] of tree.carp.entries()) {
                if (i > index) block.name = nameAt(block, i);
            }
            tree.carp.splice(index, 1);
            return true;
        },
    };
}

function rename({oneIn, pick}: Dice, name: string): Omit<TypedLine, "context"> {
    const to = pick(names);
    const bySet = oneIn(2);
    return {
        line: bySet ? `set name ${to}` : `rename to ${to}`,
        apply: (tree) => {
            if (bySet && to === name) made(tree, name);
            const block = find(tree, name);
            if (block === undefined || (to !== name && find(tree, to) !== undefined)) return false;
            if (to !== name) block.name = to;
            return true;
        },
    };
}

function copy({pick}: Dice, name: string): Omit<TypedLine, "context"> {
    const to = pick(names);
    return {
        line: `copy to ${to}`,
        apply: (tree) => {
            const block = find(tree, name);
            if (block === undefined || find(tree, to) !== undefined) return false;
            tree.carp.push({name: to, values: new Map(block.values)});
            return true;
        },
    };
}

function comment({pick}: Dice, name: string): Omit<TypedLine, "context"> {
    const key = pick(["", "advskew ", "carpdev "]);
    const text = pick(["the rack", '""', '"# [[carp]] \\"x"', '"\\u0007"', "'a = 1'"]);
    return {
        line: `comment ${key}${text}`,
        apply: (tree) => {
            const block = find(tree, name);
            if (block === undefined || text === '"\\u0007"') return false;
            return key === "" || block.values.has(key.trim());
        },
    };
}

function option(roll: Dice): TypedLine {
    const key = roll.pick(["preempt", "ifdown-demotion"]);
    if (roll.oneIn(4)) {
        const apply = (tree: Tree) => tree.options.delete(key);
        return {line: `delete ${key}`, context: ["options"], apply};
    }
    const {typed, value} = key === "preempt" ? flag(roll) : integer(roll, [0, 100, 240], 300);
    return {
        line: `set ${key} ${typed}`,
        context: ["options"],
        apply: (tree) => {
            if (value === undefined) return false;
            tree.options.set(key, value);
            return true;
        },
    };
}

function nonsense({pick}: Dice): TypedLine {
    const line = pick([
        ...["", "set", "sett carp carp0 vhid 1", "set carp", "set carp carp0 vhit 1", 'set "carp'],
        ...["delete options", "delete carp nobody", "rename options to x", "set carp carp0 vhid"],
        ...[
            "copy carp carp0 to ''",
            "comment carp carp0",
            "commit",
            "\u0000\u001b[2J",
            "set 'a' b",
        ],
    ]);
    return {line, context: [], apply: () => false};
}

/** With a context as `edit` leaves it, or with the whole path in the line. */
export function randomLine(roll: Dice): TypedLine {
    const {below, oneIn, pick} = roll;
    if (oneIn(15)) return nonsense(roll);
    if (oneIn(8)) return option(roll);
    const name = pick(names);
    const kinds = [set, set, set, set, element, drop, unset, rename, copy, comment] as const;
    const typed = oneIn(14) ? remove(name) : pick(kinds)(roll, name);
    const context = ["carp", name];
    if (below(3) === 0) return {...typed, context};
    const [verb = "", ...words] = typed.line.split(" ");
    return {...typed, line: [verb, ...context, ...words].join(" "), context: []};
}

/** A whole file as somebody might load it; some are no configuration, some no TOML. */
export function randomFile({below, oneIn, pick}: Dice): {text: string; toml: boolean} {
    if (oneIn(8)) return {text: pick(["[[carp", "a = ", "pass = ****\n", "\u0000"]), toml: false};
    const lines = ["# loaded", ...(oneIn(3) ? ["[options]", "preempt = true"] : [])];
    for (let i = below(4); i > 0; i -= 1) {
        // No name that a place gives: two blocks of one name cannot be told apart.
        const name = oneIn(3) ? [] : [`name = "${pick(["lan", "dmz"])}${i}"`];
        lines.push("", `[[carp]]  # block ${i}`, ...name, `carpdev = "eth${1 + below(2)}"`);
        lines.push(`vhid = ${i}`, `pass = '${secretMark}${below(1000)}' # not theirs`);
        if (!oneIn(3)) lines.push(`addresses = [`, `    "192.168.${i}.9/24", # the gateway`, `]`);
    }
    if (oneIn(10)) lines.push("[nonsense]", "a = 1");
    return {text: `${lines.join("\n")}\n`, toml: true};
}
