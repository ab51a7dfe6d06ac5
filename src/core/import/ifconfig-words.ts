/**
 * The arguments of the BSDs' ifconfig as they stand in rc.conf, hostname.if and ifconfig.if: what
 * they say about addresses and CARP. Pure.
 */
import {parseAddress} from "../address.ts";
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {shown} from "./collector.ts";
import {netmaskLength, type Subnets} from "./subnets.ts";

export interface IfconfigAddress {
    /** Canonical. */
    readonly address: string;
    readonly family: 4 | 6;
    /** undefined: not said. */
    prefixLength: number | undefined;
}

export interface IfconfigWords {
    readonly addresses: IfconfigAddress[];
    /** The values of words with one argument, by word. */
    readonly values: Map<string, string>;
    readonly peers: string[];
    readonly groups: string[];
    /** undefined: not said. */
    up: boolean | undefined;
    /** Words that nobody here knows. */
    readonly unknown: string[];
    /** Words whose argument is missing. */
    readonly incomplete: string[];
}

export interface IfconfigForm {
    /** OpenBSD's hostname.if: `inet ADDRESS MASK BROADCAST`, `inet6 ADDRESS LENGTH`. */
    readonly positional: boolean;
}

const withArgument = new Set([
    ..."vhid advbase advskew pass carpdev state lladdr ether link mtu media mediaopt mode metric".split(
        " ",
    ),
    ..."description descr name fib vnetid parent vlan vlandev rdomain rtlabel priority".split(" "),
    ..."carpnodes balancing carpver vrrpprio vrrpinterval syncdev syncpeer".split(" "),
]);
const peerWords = new Set(["peer", "peer6", "carppeer"]);
const plainWords = new Set(
    "inet inet6 -inet -inet6 alias add create mcast mcast6 autoconf temporary arp -arp auto".split(
        " ",
    ),
);

export function readIfconfigWords(words: readonly string[], form: IfconfigForm): IfconfigWords {
    const read: IfconfigWords = {
        addresses: [],
        values: new Map(),
        peers: [],
        groups: [],
        up: undefined,
        unknown: [],
        incomplete: [],
    };
    let at = 0;
    /** Only the first of several unknown words is told: behind a misspelt `pass` is a password. */
    let unknownBefore = false;
    /** The next word, taken as an argument. */
    const argument = (word: string): string | undefined => {
        const value = words[at];
        at += 1;
        if (value === undefined) {
            read.incomplete.push(word);
        }
        return value;
    };
    while (at < words.length) {
        const word = words[at] ?? "";
        at += 1;
        const afterUnknown = unknownBefore;
        unknownBefore = false;
        if (word === "netmask" || word === "prefixlen") {
            setPrefix(read, word, argument(word));
        } else if (word === "broadcast") {
            argument(word);
        } else if (peerWords.has(word)) {
            pushIfAny(read.peers, argument(word));
        } else if (word === "group" || word === "-group") {
            const group = argument(word);
            pushIfAny(read.groups, word === "group" ? group : undefined);
        } else if (withArgument.has(word)) {
            const value = argument(word);
            if (value !== undefined) {
                read.values.set(word, value);
            }
        } else if (word === "up" || word === "down") {
            read.up = word === "up";
        } else if (!plainWords.has(word)) {
            if (readAddressWord(read, word)) {
                at += form.positional ? takePositions(read, words, at) : 0;
            } else {
                unknownBefore = true;
                pushIfAny(read.unknown, afterUnknown ? undefined : word);
            }
        }
    }
    return read;
}

function pushIfAny(list: string[], value: string | undefined): void {
    if (value !== undefined) {
        list.push(value);
    }
}

function setPrefix(read: IfconfigWords, word: string, text: string | undefined): void {
    const last = read.addresses.at(-1);
    if (text === undefined) {
        return;
    }
    const length = word === "netmask" ? netmaskLength(text) : prefixNumber(text);
    if (last === undefined || length === undefined) {
        read.unknown.push(`${word} ${text}`);
    } else {
        last.prefixLength = length;
    }
}

function prefixNumber(text: string): number | undefined {
    return /^[0-9]{1,3}$/u.test(text) && Number(text) <= 128 ? Number(text) : undefined;
}

/** true when the word is an address, with or without prefix length and zone. */
function readAddressWord(read: IfconfigWords, word: string): boolean {
    if (!/[.:]/u.test(word)) {
        return false;
    }
    const [bare = "", prefix, ...rest] = word.split("/");
    const parsed = parseAddress(bare.replace(/%[\w.-]+$/u, ""));
    const prefixLength = prefix === undefined ? undefined : prefixNumber(prefix);
    if (!parsed.ok || rest.length > 0 || (prefix !== undefined && prefixLength === undefined)) {
        return false;
    }
    read.addresses.push({...parsed.value, prefixLength});
    return true;
}

/** Mask and broadcast behind an address; how many words they are. */
function takePositions(read: IfconfigWords, words: readonly string[], at: number): number {
    const last = read.addresses.at(-1);
    const first = words[at] ?? "";
    if (last === undefined) {
        return 0;
    }
    if (last.family === 6) {
        const length = prefixNumber(first);
        last.prefixLength ??= length;
        return length === undefined ? 0 : 1;
    }
    const length = netmaskLength(first);
    last.prefixLength ??= length;
    const broadcast = words[at + (length === undefined ? 0 : 1)] ?? "";
    const isBroadcast =
        broadcast === "NONE" || (length !== undefined && parseAddress(broadcast).ok);
    return (length === undefined ? 0 : 1) + (isBroadcast ? 1 : 0);
}

/** Puts what the words say into a vhid. `subnets` supplies a prefix length that is not written. */
export function applyIfconfigWords(
    read: IfconfigWords,
    draft: VhidDraft,
    collector: Collector,
    place: ImportPlace,
    subnets: Subnets,
): void {
    for (const {address, family, prefixLength} of read.addresses) {
        collector.addVip(
            draft,
            place,
            `${address}/${prefixLength ?? guessedPrefix(address, family, collector, place, subnets)}`,
        );
    }
    const advbase = read.values.get("advbase");
    const advskew = read.values.get("advskew");
    const pass = read.values.get("pass");
    if (advbase !== undefined) {
        draft.advbase = collector.integer(place, "advbase", advbase, 0, 255) ?? draft.advbase;
    }
    if (advskew !== undefined) {
        draft.advskew = collector.integer(place, "advskew", advskew, 0, 254) ?? draft.advskew;
    }
    if (pass !== undefined) {
        collector.setPass(draft, place, pass);
    }
    for (const peer of read.peers) {
        collector.addPeer(draft, place, peer);
    }
    for (const group of read.groups.filter((name) => name !== "carp")) {
        draft.group = collector.groupName(place, group);
    }
    if (read.groups.length > 1) {
        collector.note(place, `several groups; a vhid has one here: ${draft.group || "carp"}`);
    }
    if (read.up !== undefined) {
        draft.enabled = read.up;
    }
    noteOthers(read, draft, collector, place);
}

function guessedPrefix(
    address: string,
    family: 4 | 6,
    collector: Collector,
    place: ImportPlace,
    subnets: Subnets,
): number {
    const found = subnets.find(address)?.prefixLength;
    const length = found ?? (family === 6 ? 64 : 32);
    const from = found === undefined ? "" : ", as its interface has it";
    collector.note(place, `${address} has no netmask: /${length} is written${from}`);
    return length;
}

const knownWords = ["vhid", "advbase", "advskew", "pass", "carpdev", "description", "descr"];

function noteOthers(
    read: IfconfigWords,
    draft: VhidDraft,
    collector: Collector,
    place: ImportPlace,
): void {
    for (const [word, value] of read.values) {
        if (word === "state") {
            collector.note(place, "state is not configuration: advskew says who is MASTER");
        } else if (word === "carpver") {
            const isCarp = value === "2";
            if (!isCarp) {
                collector.note(
                    place,
                    `carpver ${shown(value)} is VRRP, another wire: CARP is written`,
                );
            }
        } else if (word === "lladdr") {
            collector.note(
                place,
                "lladdr is left out: carpd uses the virtual MAC; with another one OpenBSD's digest differs",
            );
        } else if (word === "carpnodes" || word === "balancing") {
            collector.note(place, `${word} is OpenBSD's own load balancing: it is left out`);
        } else if (!knownWords.includes(word)) {
            collector.note(place, `${word} ${shown(value)} has no counterpart: it is left out`);
        }
    }
    for (const word of read.incomplete) {
        collector.note(place, `${word} has no value: it is left out`);
    }
    for (const word of read.unknown) {
        collector.note(place, `${shown(word)} is not understood in vhid ${draft.vhid}: left out`);
    }
}
