/**
 * The words of ifconfig to what they ask for. Any order, as on the BSDs; what a word is about to be
 * done to is not known here. FreeBSD's, OpenBSD's and NetBSD's words are all taken.
 */
import {hostAddressProblem, parseAddress} from "../address.ts";
import {Secret, type Vip} from "../config.ts";
import {plainNameProblem} from "../config-check-values.ts";
import {mtuRange} from "../config-network-values.ts";
import {didYouMean} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";
import {
    type AddressParts,
    type AddressUse,
    type Family,
    type Given,
    makeAddress,
} from "./ifconfig-address.ts";
import {netmaskLength} from "./subnet.ts";
import {type Refuse, shown, type Word} from "./words.ts";

export interface IfconfigWords {
    create?: Word;
    destroy?: Word;
    vhid?: Given<number>;
    advbase?: Given<number>;
    advskew?: Given<number>;
    pass?: Given<Secret>;
    carpdev?: Given<string>;
    mtu?: Given<number>;
    group?: Given<string>;
    /** An address for unicast; null for multicast. */
    peers: Map<Family, Given<string | null>>;
    /** up, down and state, in the order in which they were written. */
    acts: Given<"up" | "down" | "master" | "backup">[];
    use?: Given<AddressUse>;
    address?: Given<Vip>;
    /** The class of the address said how long its prefix is. */
    lengthByClass: boolean;
}

interface Reading extends AddressParts {
    readonly result: IfconfigWords;
    /** Keywords that must not come twice, and the first place of each. */
    readonly seen: Map<string, Word>;
}

type Take = (reading: Reading, value: Word, keyword: Word) => Refuse | undefined;

interface Keyword {
    /** "" when no value follows; otherwise what one is. */
    readonly value: string;
    readonly take: Take;
    /** Words of one kind exclude each other; the keyword itself when left out. */
    readonly kind?: string;
    readonly again?: true;
}

function problem(at: Word, message: string, expected = "", hint = ""): Refuse {
    return {at, message, expected, hint};
}

function number(
    name: string,
    least: number,
    most: number,
    unit: string,
    set: (reading: Reading, given: Given<number>) => void,
): Keyword {
    const expected = `a number from ${least} to ${most}${unit}`;
    return {
        value: expected,
        take: (reading, word) => {
            const value = /^(?:0|[1-9]\d{0,8})$/u.test(word.text) ? Number(word.text) : -1;
            if (value < least || value > most) {
                return problem(
                    word,
                    `${name} must be ${least}..${most}, not ${shown(word.text)}`,
                    expected,
                );
            }
            set(reading, {value, word});
            return undefined;
        },
    };
}

function flag(take: (reading: Reading, keyword: Word) => void, kind?: string): Keyword {
    return {
        value: "",
        take: (reading, keyword) => {
            take(reading, keyword);
            return undefined;
        },
        ...(kind === undefined ? {} : {kind}),
    };
}

function act(action: "up" | "down"): Keyword {
    const keyword = flag(({result}, word) => result.acts.push({value: action, word}));
    return {...keyword, again: true};
}

function use(value: AddressUse): Keyword {
    return flag(({result}, word) => {
        result.use = {value, word};
    }, "alias");
}

const expectedPass = "a password of at most 19 octets";

function takePass({result}: Reading, word: Word): Refuse | undefined {
    const octets = new TextEncoder().encode(word.text);
    if (octets.length > 19) {
        const hint = "FreeBSD would silently use the first 19";
        return problem(word, `the password has ${octets.length} octets`, expectedPass, hint);
    }
    result.pass = {value: new Secret(octets), word};
    return undefined;
}

function takeCarpdev({result}: Reading, word: Word): Refuse | undefined {
    result.carpdev = {value: word.text, word};
    return undefined;
}

function takeGroup({result}: Reading, word: Word): Refuse | undefined {
    const wrong = plainNameProblem(word.text, 15);
    if (wrong !== undefined) {
        return problem(word, `group ${wrong}`, "1 to 15 letters, digits, - _ .");
    }
    // A BSD keeps names that end in a digit for interfaces.
    if (/\d$/u.test(word.text)) {
        return problem(word, "the name of a group cannot end in a digit", "such as lan");
    }
    result.group = {value: word.text, word};
    return undefined;
}

function takeState({result}: Reading, word: Word): Refuse | undefined {
    const value = word.text.toLowerCase();
    if (value !== "master" && value !== "backup") {
        const expected = "master or backup";
        const hint = didYouMean(value, ["master", "backup"]);
        return problem(word, `state must be ${expected}, not ${shown(word.text)}`, expected, hint);
    }
    result.acts.push({value, word});
    return undefined;
}

/** Where a BSD sends its advertisements when no peer is set. */
const multicast: Readonly<Record<Family, string>> = {4: "224.0.0.18", 6: "ff02::12"};

function peer(families: readonly Family[]): Keyword {
    const expected = `the IPv${families.join(" or IPv")} address of the other host`;
    return {
        value: expected,
        kind: `peer${families.at(-1) ?? ""}`,
        take: ({result}, word) => {
            const parsed = parseAddress(word.text, expected);
            if (!parsed.ok) {
                return problem(word, parsed.error.message, parsed.error.expected);
            }
            const {family, address} = parsed.value;
            if (!families.includes(family)) {
                const hint = family === 6 ? "peer6" : "peer";
                return problem(word, `${address} is IPv${family}`, expected, `${hint} ${address}`);
            }
            const group = address === multicast[family];
            const wrong = group ? undefined : hostAddressProblem(parsed.value);
            if (wrong !== undefined) {
                return problem(word, `${wrong}, not that of a peer`, expected);
            }
            result.peers.set(family, {value: group ? null : address, word});
            return undefined;
        },
    };
}

function noPeer(family: Family): Keyword {
    return flag(({result}, word) => {
        result.peers.set(family, {value: null, word});
    }, `peer${family}`);
}

function takeNetmask(reading: Reading, word: Word): Refuse | undefined {
    const value = netmaskLength(word.text);
    const expected = "such as 255.255.255.0, 0xffffff00 or /24";
    if (value === undefined) {
        const dotted = parseAddress(word.text);
        const isHole =
            (dotted.ok && dotted.value.family === 4) || /^0x[0-9a-f]{8}$/iu.test(word.text);
        const what = isHole ? "has ones behind zeros" : "is no netmask";
        return problem(word, `${shown(word.text)} ${what}`, expected);
    }
    reading.netmask = {value, word};
    return undefined;
}

function takeBroadcast(reading: Reading, word: Word): Refuse | undefined {
    const parsed = parseAddress(word.text);
    if (!parsed.ok || parsed.value.family !== 4) {
        return problem(word, `${shown(word.text)} is no broadcast address`, "an IPv4 address");
    }
    reading.broadcast = {value: parsed.value.address, word};
    return undefined;
}

function family(value: Family): Keyword {
    return flag((reading, word) => {
        reading.family = {value, word};
    }, "inet");
}

const create = flag(({result}, word) => {
    result.create = word;
}, "create");
const destroy = flag(({result}, word) => {
    result.destroy = word;
}, "create");
const carpdev: Keyword = {value: "the name of an interface", take: takeCarpdev, kind: "carpdev"};

const keywords: ReadonlyMap<string, Keyword> = new Map([
    ["create", create],
    ["plumb", create],
    ["destroy", destroy],
    ["unplumb", destroy],
    [
        "vhid",
        number("vhid", 1, 255, "", ({result}, given) => {
            result.vhid = given;
        }),
    ],
    [
        "advbase",
        number("advbase", 0, 255, " seconds", ({result}, given) => {
            result.advbase = given;
        }),
    ],
    [
        "advskew",
        number("advskew", 0, 254, " (1/256 s)", ({result}, given) => {
            result.advskew = given;
        }),
    ],
    ["pass", {value: expectedPass, take: takePass}],
    ["carpdev", carpdev],
    ["dev", carpdev],
    [
        "mtu",
        number("mtu", mtuRange.least, mtuRange.most, " octets", ({result}, given) => {
            result.mtu = given;
        }),
    ],
    ["group", {value: "the name of a group", take: takeGroup, kind: "group"}],
    ["-group", {value: "the name of a group", take: leaveGroup, kind: "group"}],
    ["state", {value: "master or backup", take: takeState}],
    ["peer", peer([4])],
    ["peer6", peer([6])],
    ["carppeer", peer([4, 6])],
    ["mcast", noPeer(4)],
    ["-carppeer", noPeer(4)],
    ["mcast6", noPeer(6)],
    ["inet", family(4)],
    ["inet6", family(6)],
    ["netmask", {value: "a netmask", take: takeNetmask}],
    [
        "prefixlen",
        number("prefixlen", 1, 128, "", (reading, given) => {
            reading.prefixlen = given;
        }),
    ],
    ["broadcast", {value: "an address", take: takeBroadcast}],
    ["alias", use("add")],
    ["add", use("add")],
    ["-alias", use("delete")],
    ["delete", use("delete")],
    ["remove", use("delete")],
    ["up", act("up")],
    ["down", act("down")],
    ["carpver", {value: "2", take: takeVersion}],
]);

/** A vhid is in one group; leaving it, it is in "carp" again, as every vhid is from the start. */
function leaveGroup({result}: Reading, word: Word): Refuse | undefined {
    result.group = {value: "", word};
    return undefined;
}

function takeVersion(_reading: Reading, word: Word): Refuse | undefined {
    return word.text === "2"
        ? undefined
        : problem(word, `carpver ${shown(word.text)} is VRRP, another protocol`, "2");
}

const vrrp = "belongs to VRRP (carpver 3), another protocol";
export const ofCarpdev = "is a setting of the carpdev, which carpd leaves alone";
const balancing = "is OpenBSD's balancing; here: sysctl net.inet.carp.arpbalance=1";
/** Words that a BSD has and this program does not, with the reason. */
const unsupported: ReadonlyMap<string, string> = new Map([
    ["vrrpprio", vrrp],
    ["vrrpinterval", vrrp],
    ["balancing", balancing],
    ["carpnodes", balancing],
    ["media", ofCarpdev],
    ["mediaopt", ofCarpdev],
    ["promisc", ofCarpdev],
    ["-promisc", ofCarpdev],
    ["arp", ofCarpdev],
    ["-arp", ofCarpdev],
    ["fib", ofCarpdev],
    ["rdomain", ofCarpdev],
    ["metric", "has no meaning on Linux"],
    ["lladdr", "cannot be set: the virtual MAC comes of the vhid"],
    ["ether", "cannot be set: the virtual MAC comes of the vhid"],
    ["link", "cannot be set: the virtual MAC comes of the vhid"],
    ["-carpdev", "cannot be: a vhid without carpdev advertises nowhere"],
    ["-vhid", "is not known: delete the address, or destroy the interface"],
    ["name", "is not known: `rename` in configuration mode gives another name"],
    ["description", "is not known: `comment` in configuration mode has its place"],
]);

export const ifconfigKeywords: readonly string[] = [...keywords.keys()];

export function readIfconfigWords(words: readonly Word[]): Result<IfconfigWords, Refuse> {
    const result: IfconfigWords = {peers: new Map(), acts: [], lengthByClass: false};
    const reading: Reading = {result, seen: new Map()};
    for (let at = 0; at < words.length; at += 1) {
        const word = words[at];
        if (word === undefined) {
            break;
        }
        const keyword = keywords.get(word.text);
        const takesValue = keyword !== undefined && keyword.value !== "";
        const wrong = takeWord(reading, word, keyword, takesValue ? words[at + 1] : word);
        if (wrong !== undefined) {
            return err(wrong);
        }
        at += takesValue ? 1 : 0;
    }
    const address = makeAddress(reading, result.use);
    if (!address.ok) {
        return address;
    }
    return ok(address.value === undefined ? result : {...result, ...address.value});
}

function takeWord(
    reading: Reading,
    word: Word,
    keyword: Keyword | undefined,
    value: Word | undefined,
): Refuse | undefined {
    if (keyword === undefined) {
        return takeOther(reading, word);
    }
    const kind = keyword.kind ?? word.text;
    const first = reading.seen.get(kind);
    if (first !== undefined && keyword.again !== true) {
        const what =
            first.text === word.text
                ? `${word.text} is given twice`
                : `${word.text} after ${first.text}`;
        return problem(word, what, "one of them");
    }
    reading.seen.set(kind, word);
    if (value === undefined) {
        return problem(word, `${word.text} has no value`, `${keyword.value} behind it`);
    }
    return keyword.take(reading, value, word);
}

/** An address, or nothing that is known. */
function takeOther(reading: Reading, word: Word): Refuse | undefined {
    const {text} = word;
    const reason = unsupported.get(text);
    if (reason !== undefined) {
        return problem(word, `${text} ${reason}`);
    }
    if (!/^[\da-f]*:|^\d[\d.]*(?:\/|$)/iu.test(text)) {
        const hint = didYouMean(text, [...keywords.keys()]);
        const expected = hint === "" ? "a word of ifconfig or an address" : "a word of ifconfig";
        return problem(word, `unknown word ${shown(text)}`, expected, hint);
    }
    if (reading.text !== undefined) {
        const isMask = netmaskLength(text) !== undefined;
        return problem(
            word,
            `a second address, ${shown(text)}`,
            isMask ? `netmask ${text}` : "one address in a command",
            isMask ? "" : "the next one: ifconfig carpN ADDRESS alias",
        );
    }
    reading.text = word;
    return undefined;
}
