/** sysctl for the variables of carp(4), with FreeBSD's answers. Pure. */
import {demotionLevels} from "../demotion-reasons.ts";
import {didYouMean} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";
import type {Working} from "./draft.ts";
import {type Command, type Refuse, refuse, shown, type Word} from "./words.ts";

const prefix = "net.inet.carp";

interface Variable {
    readonly least: number;
    readonly most: number;
    readonly read: (working: Working) => number;
    /** Gives what is wrong, if anything is. */
    readonly write: (working: Working, value: number) => Omit<Refuse, "at"> | undefined;
}

function variable(
    least: number,
    most: number,
    read: (working: Working) => number,
    write: (working: Working, value: number) => void,
): Variable {
    const done = (working: Working, value: number): undefined => {
        write(working, value);
        return undefined;
    };
    return {least, most, read, write: done};
}

const variables: ReadonlyMap<string, Variable> = new Map([
    [
        "allow",
        {
            least: 0,
            most: 1,
            read: () => 1,
            write: (_working, value) =>
                value === 1
                    ? undefined
                    : {
                          message: `${prefix}.allow is always 1: nothing may drop every vhid at once`,
                          expected: "1",
                          hint: "to leave gently: maintenance on; one interface: ifconfig carp0 down",
                      },
        },
    ],
    [
        "preempt",
        variable(
            0,
            1,
            ({options}) => Number(options.preempt),
            ({options}, value) => {
                options.preempt = value === 1;
            },
        ),
    ],
    [
        "arpbalance",
        {
            least: 0,
            most: 1,
            read: ({options}) => Number(options.arpbalance),
            write: setArpbalance,
        },
    ],
    [
        "demotion",
        variable(
            demotionLevels.least,
            demotionLevels.most,
            ({demotion}) => demotion.get("") ?? 0,
            // FreeBSD adds what is written.
            (working, value) => working.demote(value, ""),
        ),
    ],
    [
        "ifdown_demotion_factor",
        variable(
            0,
            255,
            ({options}) => options.ifdownDemotion,
            ({options}, value) => {
                options.ifdownDemotion = value;
            },
        ),
    ],
    [
        "senderr_demotion_factor",
        variable(
            0,
            255,
            ({options}) => options.senderrDemotion,
            ({options}, value) => {
                options.senderrDemotion = value;
            },
        ),
    ],
]);

export const sysctlVariables: readonly string[] = [...variables.keys()].map(
    (leaf) => `${prefix}.${leaf}`,
);

/** Variables of some BSD that this program does not have, with what there is instead. */
const unsupported: ReadonlyMap<string, string> = new Map([
    ["log", "`show log` has every state change"],
    ["stats", "`show statistics`"],
    ["suppress_preempt", `${prefix}.demotion`],
    ["dscp", "advertisements have the DSCP of the BSDs"],
]);

function setArpbalance(working: Working, value: number): Omit<Refuse, "at"> | undefined {
    const owners = new Map<string, string>();
    // While it is off, nothing is shared and what would be waits.
    const isEnd = working.options.arpbalance && value === 0;
    const drafts = [...working.drafts.values()].filter(({complete}) => isEnd && complete);
    for (const {name, carpdev, addresses} of drafts) {
        for (const {address} of addresses) {
            const key = `${address} ${carpdev}`;
            const other = owners.get(key);
            if (other !== undefined) {
                return {
                    message: `${other} and ${name} share ${address}, which needs ARP balancing`,
                    expected: "1",
                    hint: `first ifconfig ${name} ${address} delete`,
                };
            }
            owners.set(key, name);
        }
    }
    working.options.arpbalance = value === 1;
    working.settle();
    return undefined;
}

interface Flags {
    readonly valueOnly: boolean;
    readonly all: boolean;
    readonly names: readonly Word[];
}

function readFlags(words: readonly Word[]): Result<Flags, Refuse> {
    let valueOnly = false;
    let all = false;
    let at = 0;
    for (; words[at]?.text.startsWith("-"); at += 1) {
        const word = words[at];
        if (word === undefined || !/^-[wna]+$/u.test(word.text)) {
            return refuse(
                word ?? {start: 0, end: 1},
                `unknown option ${shown(word?.text ?? "")}`,
                "-w, -n or -a",
            );
        }
        valueOnly ||= word.text.includes("n");
        all ||= word.text.includes("a");
    }
    return ok({valueOnly, all, names: words.slice(at)});
}

export function runSysctl(working: Working, [command, ...words]: Command): Result<string, Refuse> {
    const flags = readFlags(words);
    if (!flags.ok) {
        return flags;
    }
    const {valueOnly, all, names} = flags.value;
    if (names.length === 0 && !all) {
        return refuse(command, "no variable is named", `${prefix}.preempt=1, or ${prefix}`);
    }
    let output = "";
    const wanted = all ? [{text: prefix, start: command.start, end: command.end}] : names;
    for (const word of wanted) {
        const done = runOne(working, word, valueOnly);
        if (!done.ok) {
            return done;
        }
        output += done.value;
    }
    return ok(output);
}

function runOne(working: Working, word: Word, valueOnly: boolean): Result<string, Refuse> {
    const equals = word.text.indexOf("=");
    const name = equals < 0 ? word.text : word.text.slice(0, equals);
    const print = (leaf: string, value: string): string =>
        valueOnly ? `${value}\n` : `${prefix}.${leaf}: ${value}\n`;
    if (equals < 0 && (name === prefix || name === `${prefix}.`)) {
        const lines = [...variables].map(([leaf, {read}]) => print(leaf, `${read(working)}`));
        return ok(lines.join(""));
    }
    const leaf = name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : "";
    const found = variables.get(leaf);
    if (found === undefined) {
        return err(
            unknown({...word, end: equals < 0 ? word.end : word.start + equals}, name, leaf),
        );
    }
    const before = found.read(working);
    if (equals < 0) {
        return ok(print(leaf, `${before}`));
    }
    const text = word.text.slice(equals + 1);
    const value = /^-?\d{1,9}$/u.test(text) ? Number(text) + 0 : Number.NaN;
    const at = {start: Math.min(word.start + equals + 1, word.end - 1), end: word.end};
    if (!(value >= found.least && value <= found.most)) {
        const {least, most} = found;
        return refuse(
            at,
            `${leaf} must be ${least}..${most}, not ${text === "" ? "empty" : shown(text)}`,
            `a number from ${least} to ${most}`,
            text === "" ? "no blanks around =" : "",
        );
    }
    const wrong = found.write(working, value);
    return wrong === undefined
        ? ok(print(leaf, `${before} -> ${found.read(working)}`))
        : err({at, ...wrong});
}

function unknown(at: Refuse["at"], name: string, leaf: string): Refuse {
    const instead = unsupported.get(leaf);
    if (instead !== undefined) {
        return {at, message: `${name} is not used here`, expected: instead};
    }
    // The nearest is looked for with hyphens, as all keys of the configuration have them.
    const leaves = [...variables.keys()].map((key) => key.replaceAll("_", "-"));
    const last = name.slice(name.lastIndexOf(".") + 1);
    const hint = didYouMean(last, leaves).replaceAll("-", "_");
    return {
        at,
        message: `unknown variable ${shown(name)}`,
        expected: `${prefix}.${[...variables.keys()].join(", .")}`,
        hint: hint.replace("did you mean ", `did you mean ${prefix}.`),
    };
}
