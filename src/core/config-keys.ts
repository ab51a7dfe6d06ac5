/**
 * The keys of carpd.toml as edits see them: which value each takes, found in the schema's tables,
 * and what it means in one line. Pure.
 */

import {isTableKind, type SectionKind} from "./config-layout.ts";
import {
    carpFields,
    interfaceFields,
    optionFields,
    systemFields,
    topKeys,
    trackFields,
} from "./config-schema.ts";
import {didYouMean} from "./diagnostic.ts";
import type {EditRefusal} from "./edit.ts";

export const sectionKinds: readonly SectionKind[] = topKeys;

/**
 * What a key takes. Addresses, peers (addresses without a prefix), words and lines are arrays whose
 * order carries no meaning, their elements are added and removed one by one; a line is an element
 * with blanks. A program is an array of a path and its arguments, set as a whole.
 */
export type ValueKind =
    | "integer"
    | "boolean"
    | "string"
    | "word"
    | "quantity"
    | "addresses"
    | "peers"
    | "words"
    | "lines"
    | "program";

export interface KeyInfo {
    readonly key: string;
    readonly kind: ValueKind;
    /** "an integer": for a value of another type. */
    readonly type: string;
    readonly expected: string;
    /** The words that may be written; empty for any other kind. */
    readonly words: readonly string[];
    readonly help: string;
}

const tables = {
    options: optionFields,
    carp: carpFields,
    track: trackFields,
    system: systemFields,
    interface: interfaceFields,
} as const;

type KeysOf<K extends SectionKind> = keyof (typeof tables)[K];

/** A key that is new in the schema does not compile until it is explained here. */
const help: {readonly [K in SectionKind]: Readonly<Record<KeysOf<K>, string>>} = {
    options: {
        preempt: "take over from a live but slower master; all interfaces fail over together",
        arpbalance: "vhids of one carpdev may share an address",
        "arpbalance-hash": "what selects the vhid that answers for a shared address",
        "arpbalance-order": "the order in which vhids that share an address are counted",
        "fast-takeover": "with preempt: all vhids of a group move together",
        "ifdown-demotion": "added to advskew while a carpdev is down, default 240",
        "senderr-demotion": "added to advskew after three failed sends, default 240",
        "handover-limit-ms": "how long a planned hand-over waits for the successor, default 2000",
        "link-up-delay": "a link that came back is used after this time, default 0",
        "boot-delay": "demoted by 240 for this time after the start, default 0",
        "boot-command": "must succeed as well before the boot demotion ends",
        "boot-command-timeout": "a try of boot-command that takes longer is killed, default 30s",
        "hook-timeout": "a hook or script that runs longer is killed, default 10s",
    },
    carp: {
        name: "the virtual interface, at most 15 octets, default carpN in order",
        carpdev: "the interface that the vhid runs on",
        vhid: "virtual host id, unique on the carpdev",
        advbase: "seconds between advertisements, default 1",
        advskew: "added to advbase in 1/256 s, default 0; lower is preferred",
        pass: "the password, at most 19 octets",
        "pass-file": "a file whose first line is the password",
        addresses: "the virtual IP addresses, each with its prefix length",
        peers: "unicast peers instead of multicast",
        mac: "physical for networks that drop foreign MACs, default virtual",
        profile: "demotion by advskew (freebsd, default) or by OpenBSD's demote octet",
        enabled: "false: down from the start",
        group: "vhids of one group fail over and are demoted together, default carp",
        upscript: "run on becoming MASTER, with ucarp's arguments",
        downscript: "run on leaving MASTER, with ucarp's arguments",
        xparam: "third argument of the scripts, ucarp's -x",
    },
    track: {
        name: "the reason of demotion is track:NAME",
        interface: "its link is up; for an uplink that carries no vhid",
        command: "the program ends with 0 within the timeout; no shell",
        file: "the file exists, or does not, as `must` says",
        must: "whether the file must be there",
        ping: "the address answers ICMP echo within the timeout",
        unit: "the systemd unit is active",
        memory: "at least this much memory is available",
        temperature: "the processor is not hotter",
        interval: "from one check to the next, default 1s",
        timeout: "a check that takes longer has failed, default the interval",
        rise: "good checks in a row that end a failure, default 2",
        fall: "bad checks in a row that begin it, default 3",
        demotion: "added to advskew while it fails, default 240",
        group: "only this group is demoted",
    },
    system: {
        hostname: "the name of this host",
        ssh: "whether sshd runs, for the keys below; default false",
        "ssh-keys": "who may log in, a line of a .pub file each",
        allow: "what the firewall lets in: ssh, dns, ntp, dhcp, tcp/N, udp/N; lan0:ssh on lan0",
        nameservers: "asked by this host itself, at most 3",
        forwarding: "whether this host routes, default true",
    },
    interface: {
        name: "an interface of this host",
        addresses: "its own addresses, each with its prefix length",
        dhcp: "whether it asks for an address, default false",
        gateway: "the default router, IPv4",
        gateway6: "the default router, IPv6",
        mtu: "octets of a frame's payload, default as the driver has it",
    },
};

export const sectionHelp: Readonly<Record<SectionKind, string>> = {
    options: "what holds for the whole host",
    carp: "a vhid on a carpdev",
    track: "a condition that demotes this host while it fails",
    system: "name, ssh and firewall of an appliance",
    interface: "own addresses of an appliance on an interface",
};

interface Field {
    readonly schema: {readonly type: string};
    readonly type: string;
    readonly expected: string;
    readonly words?: readonly string[];
}

/** Arrays by key; any other one is a program. */
const arrayKinds: ReadonlyMap<string, ValueKind> = new Map([
    ["addresses", "addresses"],
    ["peers", "peers"],
    ["nameservers", "peers"],
    ["allow", "words"],
    ["ssh-keys", "lines"],
]);

function kindOf(key: string, field: Field): ValueKind {
    switch (field.schema.type) {
        case "bigint":
            return "integer";
        case "boolean":
            return "boolean";
        case "picklist":
            return "word";
        case "union":
            return "quantity";
        case "array":
            return arrayKinds.get(key) ?? "program";
        default:
            return "string";
    }
}

function readKeys(section: SectionKind): ReadonlyMap<string, KeyInfo> {
    const fields: Readonly<Record<string, Field>> = tables[section];
    const texts: Readonly<Record<string, string>> = help[section];
    return new Map(
        Object.entries(fields).map(([key, field]) => [
            key,
            {
                key,
                kind: kindOf(key, field),
                type: field.type,
                expected: field.expected,
                words: field.words ?? [],
                help: texts[key] ?? "",
            },
        ]),
    );
}

const keys: Readonly<Record<SectionKind, ReadonlyMap<string, KeyInfo>>> = {
    options: readKeys("options"),
    carp: readKeys("carp"),
    track: readKeys("track"),
    system: readKeys("system"),
    interface: readKeys("interface"),
};

/** All keys of a section, in the schema's order. */
export function keysOf(section: SectionKind): ReadonlyMap<string, KeyInfo> {
    return keys[section];
}

export function isArray(info: KeyInfo): boolean {
    return ["addresses", "peers", "words", "lines", "program"].includes(info.kind);
}

export function asSection(word: string): SectionKind | undefined {
    return sectionKinds.find((kind) => kind === word);
}

function shown(word: string): string {
    return JSON.stringify(word.length > 40 ? `${word.slice(0, 40)}...` : word);
}

function unknown(message: string, word: string, known: readonly string[]): EditRefusal {
    const hint = didYouMean(word, known);
    return {message, expected: hint === "" ? `one of ${known.join(", ")}` : hint};
}

/** `expected` is "did you mean X?", or the list where nothing is near. */
export function unknownSection(word: string): EditRefusal {
    return unknown(`${shown(word)} is no part of the configuration`, word, sectionKinds);
}

export function unknownKey(section: SectionKind, word: string): EditRefusal {
    const place = isTableKind(section) ? `[${section}]` : `[[${section}]]`;
    return unknown(`unknown key ${shown(word)} in ${place}`, word, [...keys[section].keys()]);
}

/** A word that is no name of a block, a value that is none of the words: "did you mean carp0?" */
export function notAmong(message: string, word: string, known: readonly string[]): EditRefusal {
    return known.length === 0
        ? {message, expected: "there is none"}
        : unknown(message, word, known);
}
