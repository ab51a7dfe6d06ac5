/**
 * The keys of the configuration: for each its valibot schema and the words for a wrong value.
 *
 * A table is read key by key, so that one bad value does not hide the errors of its neighbours.
 */
import * as v from "valibot";
import {mtuRange} from "./config-network-values.ts";
import {
    describeNode,
    plainValue,
    type TreeEntry,
    type TreeNode,
    type TreeTable,
} from "./config-tree.ts";
import {durationText, octetsText, parseDurationMs, parseOctets} from "./config-units.ts";
import {
    type Diagnostic,
    didYouMean,
    type Remark,
    type SourceText,
    type Span,
} from "./diagnostic.ts";

export interface Field<S extends v.GenericSchema> {
    readonly schema: S;
    /** "an integer": what the value must be, for a value of another type. */
    readonly type: string;
    readonly expected: string;
    /** Words that may be proposed for a misspelt value. */
    readonly words?: readonly string[];
}

type Fields = Readonly<Record<string, Field<v.GenericSchema>>>;

/** A value that passed its schema, with its places. */
export interface Located<T> {
    readonly value: T;
    readonly node: TreeNode;
    readonly keySpan: Span;
}

export type Read<F extends Fields> = {
    readonly [K in keyof F]?: Located<v.InferOutput<F[K]["schema"]>>;
};

function digits(value: bigint): string {
    const shown = String(value);
    return shown.length > 24 ? `${shown.slice(0, 20)}...` : shown;
}

function integer(least: number, most: number, unit = "") {
    return {
        schema: v.pipe(
            v.bigint(),
            v.minValue(BigInt(least), (issue) => `${least}..${most}, not ${digits(issue.input)}`),
            v.maxValue(BigInt(most), (issue) => `${least}..${most}, not ${digits(issue.input)}`),
            v.transform(Number),
        ),
        type: "an integer",
        expected: `an integer from ${least} to ${most}${unit}`,
    };
}

function word<const W extends readonly string[]>(words: W) {
    const quoted = words.map((w) => JSON.stringify(w));
    const list = `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
    return {schema: v.picklist(words), type: list, expected: list, words};
}

const bool = {schema: v.boolean(), type: "true or false", expected: "true or false"};
const text = {schema: v.string(), type: "a string", expected: "a string in quotes"};

function strings(example: string) {
    return {
        schema: v.array(v.string()),
        type: "an array of strings",
        expected: `an array of strings, such as [${example}]`,
    };
}

/** At most this much of a wrong value is shown. */
function shownText(value: string): string {
    return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value);
}

/**
 * A quantity that is written as a string with a unit or as a whole number of `bareUnit`s. The
 * words of an issue follow "KEY must be".
 */
function quantity(
    parse: (text: string) => number | undefined,
    bareUnit: number,
    least: number,
    most: number,
    show: (value: number) => string,
    noun: string,
) {
    return v.pipe(
        v.union([v.string(), v.bigint()]),
        v.rawTransform(({dataset, addIssue, NEVER}) => {
            const written = dataset.value;
            // Not exact for huge numbers, which are out of range all the same.
            const value = typeof written === "string" ? parse(written) : Number(written) * bareUnit;
            const shown = typeof written === "string" ? shownText(written) : digits(written);
            if (value === undefined) {
                addIssue({message: `${noun}, not ${shown}`});
                return NEVER;
            }
            if (value < least || value > most) {
                addIssue({message: `${show(least)}..${show(most)}, not ${shown}`});
                return NEVER;
            }
            return value;
        }),
    );
}

/** In milliseconds. */
function duration(leastMs: number, mostMs: number) {
    const range = `${durationText(leastMs)} to ${durationText(mostMs)}`;
    return {
        schema: quantity(parseDurationMs, 1000, leastMs, mostMs, durationText, "a duration"),
        type: "a duration",
        expected: `${range}: "500ms", "30s", "5m", "1h" or whole seconds`,
    };
}

/** In octets. */
const memory = {
    schema: quantity(parseOctets, 1, 1024, 16 * 1024 ** 4, octetsText, "an amount of memory"),
    type: "an amount of memory",
    expected: 'an amount of memory: "500K", "64M", "1G" or octets',
};

const program = '"/usr/local/sbin/check", "argument"';

export const optionFields = {
    preempt: bool,
    arpbalance: bool,
    "arpbalance-hash": word(["source-ip", "sender-mac"]),
    "arpbalance-order": word(["vhid", "vhid-descending", "configured", "configured-reversed"]),
    "fast-takeover": bool,
    "ifdown-demotion": integer(0, 255),
    "senderr-demotion": integer(0, 255),
    "handover-limit-ms": integer(0, 10000, " (milliseconds)"),
    "link-up-delay": duration(0, 3_600_000),
    "boot-delay": duration(0, 86_400_000),
    "boot-command": strings(program),
    "boot-command-timeout": duration(100, 3_600_000),
    "hook-timeout": duration(100, 600_000),
} as const satisfies Fields;

export const carpFields = {
    name: {...text, expected: 'an interface name, such as "carp0"'},
    carpdev: {...text, expected: 'an interface name, such as "eth1"'},
    vhid: integer(1, 255),
    advbase: integer(0, 255, " (seconds)"),
    advskew: integer(0, 254, " (1/256 s)"),
    pass: text,
    "pass-file": {...text, expected: 'a file name, such as "carp0.pass"'},
    addresses: strings('"192.168.1.1/24"'),
    peers: strings('"192.168.1.3"'),
    mac: word(["virtual", "physical"]),
    profile: word(["freebsd", "openbsd"]),
    enabled: bool,
    group: {...text, expected: 'a group of vhids, such as "carp"'},
    upscript: {...text, expected: 'an absolute path, such as "/etc/carpd/up.sh"'},
    downscript: {...text, expected: 'an absolute path, such as "/etc/carpd/down.sh"'},
    xparam: {...text, expected: "a string in quotes, the scripts' third argument"},
} as const satisfies Fields;

export const trackFields = {
    name: {...text, expected: 'a name, such as "uplink"'},
    interface: {...text, expected: 'an interface name, such as "wan0"'},
    command: strings(program),
    file: {...text, expected: 'an absolute path, such as "/run/ready"'},
    must: word(["exist", "not-exist"]),
    ping: {...text, expected: 'an address, such as "192.0.2.1"'},
    unit: {...text, expected: 'a systemd unit, such as "unbound.service"'},
    memory,
    temperature: integer(1, 150, " (degrees Celsius)"),
    interval: duration(100, 3_600_000),
    timeout: duration(1, 3_600_000),
    rise: integer(1, 100),
    fall: integer(1, 100),
    demotion: integer(1, 240),
    group: {...text, expected: 'a group of vhids, such as "carp"'},
} as const satisfies Fields;

export const systemFields = {
    hostname: {...text, expected: 'a host name, such as "r1"'},
    ssh: bool,
    "ssh-keys": strings('"ssh-ed25519 AAAA... me@desk"'),
    allow: strings('"ssh", "lan0:dns", "tcp/8080"'),
    nameservers: strings('"192.0.2.53"'),
    forwarding: bool,
} as const satisfies Fields;

export const interfaceFields = {
    name: {...text, expected: 'an interface name, such as "lan0"'},
    addresses: strings('"192.168.1.2/24"'),
    dhcp: bool,
    gateway: {...text, expected: 'an IPv4 address, such as "192.168.1.254"'},
    gateway6: {...text, expected: 'an IPv6 address, such as "2001:db8::fe"'},
    mtu: integer(mtuRange.least, mtuRange.most, " (octets)"),
} as const satisfies Fields;

export const topKeys = ["options", "carp", "track", "system", "interface"] as const;

export type OptionValues = Read<typeof optionFields>;
export type CarpValues = Read<typeof carpFields>;
export type TrackValues = Read<typeof trackFields>;
export type SystemValues = Read<typeof systemFields>;
export type InterfaceValues = Read<typeof interfaceFields>;

export type Report = (diagnostic: Diagnostic) => void;

/** `place` names the table in messages: "[options]", "[[carp]]". */
export function reportUnknownKey(
    source: SourceText,
    entry: TreeEntry,
    known: readonly string[],
    place: string,
    report: Report,
): void {
    const shown = entry.key.length > 40 ? `${entry.key.slice(0, 40)}...` : entry.key;
    const hint = didYouMean(entry.key, known);
    report(
        source.diagnostic(entry.keySpan, {
            message: `unknown key ${JSON.stringify(shown)} in ${place}`,
            expected: hint === "" ? `one of ${known.join(", ")}` : "a known key",
            hint,
        }),
    );
}

/** Reads every key of a table; what is wrong is reported and left out of the result. */
export function readTable<F extends Fields>(
    source: SourceText,
    table: TreeTable,
    fields: F,
    place: string,
    report: Report,
): Read<F> {
    const read = new Map<string, Located<unknown>>();
    for (const entry of table.entries.values()) {
        const field = Object.hasOwn(fields, entry.key) ? fields[entry.key] : undefined;
        if (field === undefined) {
            reportUnknownKey(source, entry, Object.keys(fields), place, report);
            continue;
        }
        const result = v.safeParse(field.schema, plainValue(entry.node));
        if (result.success) {
            read.set(entry.key, {value: result.output, node: entry.node, keySpan: entry.keySpan});
            continue;
        }
        for (const issue of result.issues) {
            const node = issueNode(entry.node, issue);
            report(source.diagnostic(node.span, issueRemark(entry, node, field, issue)));
        }
    }
    // Every value went through the schema of its own key: this is the parser's one assertion.
    return Object.fromEntries(read) as Read<F>;
}

/** The element that an issue is about, or the value itself. */
function issueNode(node: TreeNode, issue: v.BaseIssue<unknown>): TreeNode {
    const index = issue.path?.[0]?.key;
    if (node.kind === "array" && typeof index === "number") {
        return node.elements[index] ?? node;
    }
    return node;
}

function issueRemark(
    entry: TreeEntry,
    node: TreeNode,
    field: Field<v.GenericSchema>,
    issue: v.BaseIssue<unknown>,
): Remark {
    const {expected, words} = field;
    if (issue.kind !== "schema") {
        return {message: `${entry.key} must be ${issue.message}`, expected};
    }
    if (words !== undefined && node.kind === "string") {
        const value = String(node.value);
        return {
            message: `${entry.key} must be ${field.type}, not ${shownText(value)}`,
            expected,
            hint: didYouMean(value, words),
        };
    }
    const each = node === entry.node ? "" : "each element of ";
    const type = node === entry.node ? field.type : "a string";
    return {message: `${each}${entry.key} must be ${type}, not ${describeNode(node)}`, expected};
}
