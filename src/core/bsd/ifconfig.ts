/**
 * ifconfig, for carp interfaces: reads a command and does it to the drafts. The forms of FreeBSD up
 * to 9, OpenBSD and NetBSD name a carp interface; that of FreeBSD 10 and later names the carpdev and
 * a vhid.
 *
 * Where the BSDs leave a choice:
 * - An address without mask has the prefix of its class, as there, and a line of output says so.
 * - An IPv4 address without `alias` takes the place of the first one; an IPv6 address is added. With
 *   a carpdev's name it is added too: on FreeBSD it would take the place of the carpdev's own one.
 * - `ifconfig carp1 vhid ...` makes carp1 if need be, as on OpenBSD; without vhid it must exist.
 * - Without vhid an interface's own addresses are meant, which are carpd's on an appliance only.
 * - `up` and `down` act at once and last until the next start, as on a BSD; `up` also ends an
 *   `enabled = false`, and `down` in the lines before an interface is complete sets it.
 * - A vhid is in one group: `group lan` takes it out of "carp", `-group lan` puts it back there.
 * - An address that another vhid of the carpdev has already waits for net.inet.carp.arpbalance=1:
 *   that is the order of the commands in carp(4).
 */
import {formatVip} from "../address.ts";
import type {Vip} from "../config.ts";
import {defaultGroup} from "../config-check-values.ts";
import {demotionLevels} from "../demotion-reasons.ts";
import {didYouMean} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";
import {type Draft, hasAddress, type Working} from "./draft.ts";
import type {Given} from "./ifconfig-address.ts";
import {changeOwn} from "./ifconfig-own.ts";
import {printAll, printCarp, printInterface, printNames, waitingText} from "./ifconfig-print.ts";
import {type IfconfigWords, ofCarpdev, readIfconfigWords} from "./ifconfig-words.ts";
import {interfacesCovering} from "./subnet.ts";
import {type Command, type Refuse, refuse, shown, type Word} from "./words.ts";

type Output = Result<string, Refuse>;

const carpName = /^carp(?:0|[1-9]\d{0,4})$/u;
const expectedName = "carp0, carp1, ... or the interface that a vhid is on";

/** `words` without "ifconfig"; the output is what it prints. */
export function runIfconfig(working: Working, [command, ...words]: Command): Output {
    const [first, second] = words;
    if (first === undefined) {
        return ok(printAll(working));
    }
    if (first.text.startsWith("-")) {
        return runFlag(working, first, words.slice(1));
    }
    if (first.text === "carp" && (second?.text === "create" || second?.text === "plumb")) {
        const name = working.freeName();
        const output = change(working, working.create(name), first, words.slice(2));
        return output.ok ? ok(`${name}\n${output.value}`) : output;
    }
    return runNamed(working, first, words.slice(1), command);
}

function runFlag(working: Working, flag: Word, words: readonly Word[]): Output {
    const [next] = words;
    switch (flag.text) {
        case "-a":
        case "-l":
            if (next !== undefined) {
                return refuse(next, `${shown(next.text)} after ${flag.text}`, "nothing");
            }
            return ok(flag.text === "-a" ? printAll(working) : printNames(working));
        case "-g":
            return runGroup(working, flag, words);
        case "-k":
            return refuse(flag, "passwords are not shown here", "`show configuration secrets`");
        default:
            return refuse(flag, `unknown option ${shown(flag.text)}`, "-a, -l or -g GROUP");
    }
}

/** OpenBSD's `ifconfig -g GROUP [[-]carpdemote [N]]`. */
function runGroup(working: Working, flag: Word, words: readonly Word[]): Output {
    const [name, verb, count, excess] = words;
    if (name === undefined) {
        return refuse(flag, "-g has no value", "the name of a group, such as carp");
    }
    const group = name.text;
    const known = new Set([defaultGroup, ...[...working.drafts.values()].map((d) => d.group)]);
    if (!known.has(group)) {
        const hint = didYouMean(group, [...known]);
        return refuse(name, `no group ${shown(group)}`, [...known].join(", "), hint);
    }
    const sum = working.demotion.get(group) ?? 0;
    if (verb === undefined) {
        return ok(`${group}: carp demote count ${sum}\n`);
    }
    if (verb.text !== "carpdemote" && verb.text !== "-carpdemote") {
        const verbs = ["carpdemote", "-carpdemote"];
        const hint = didYouMean(verb.text, verbs);
        return refuse(verb, `unknown word ${shown(verb.text)}`, verbs.join(" or "), hint);
    }
    if (excess !== undefined) {
        return refuse(excess, `${shown(excess.text)} after the number`, "nothing");
    }
    const {most} = demotionLevels;
    const text = count?.text ?? "1";
    const level = /^\d{1,9}$/u.test(text) ? Number(text) : -1;
    if (level < 0 || level > most) {
        const message = `${verb.text} must be 0..${most}, not ${shown(text)}`;
        return refuse(count ?? verb, message, `a number from 0 to ${most}`);
    }
    // OpenBSD's counters never go below 0.
    if (verb.text === "-carpdemote" && level > sum) {
        const expected = sum > 0 ? `at most ${sum}` : "";
        return refuse(count ?? verb, `group ${group} is demoted by ${sum} only`, expected);
    }
    working.demote(verb.text === "carpdemote" ? level : -level, group);
    return ok("");
}

function runNamed(working: Working, name: Word, words: readonly Word[], command: Word): Output {
    const draft = working.drafts.get(name.text);
    const device = working.world.interfaces.find(
        (each) => each.name === name.text && !working.destroyed.has(each.name),
    );
    if (words.length === 0) {
        if (draft !== undefined) {
            return ok(printCarp(working, draft));
        }
        return device === undefined ? notThere(working, name) : ok(printInterface(working, device));
    }
    if (draft !== undefined) {
        return change(working, draft, name, words);
    }
    if (device !== undefined && !words.some(({text}) => text === "create" || text === "plumb")) {
        return changeOnCarpdev(working, name, words);
    }
    const make = words.find(({text}) => text === "create" || text === "plumb" || text === "vhid");
    if (make === undefined) {
        return notThere(working, name);
    }
    if (device !== undefined) {
        return refuse(name, `${name.text} exists and is no carp interface`, "a name that is free");
    }
    if (!carpName.test(name.text)) {
        // A carpdev's name that is not there is likelier than a carp interface's that is wrong.
        return make.text === "vhid"
            ? notThere(working, name)
            : refuse(name, `${command.text} creates carp interfaces only`, "carp0, carp1, ...");
    }
    return change(working, working.create(name.text), make, words);
}

function notThere(working: Working, name: Word): Output {
    const names = [...working.drafts.keys(), ...working.world.interfaces.map((each) => each.name)];
    const hint = didYouMean(name.text, names);
    const message = `interface ${shown(name.text)} does not exist`;
    const create = carpName.test(name.text) ? `ifconfig ${name.text} create` : "";
    return refuse(name, message, expectedName, hint === "" ? create : hint);
}

/**
 * Does the words to a draft. `made` is the word that made it: `create` itself, the vhid, or the name
 * of one that was there before.
 */
function change(working: Working, draft: Draft, made: Word, words: readonly Word[]): Output {
    const read = readIfconfigWords(words);
    if (!read.ok) {
        return read;
    }
    const request = read.value;
    const {create, destroy} = request;
    const keyword = mtuWord(words, request);
    if (keyword !== undefined) {
        return refuse(keyword, `mtu ${ofCarpdev}`);
    }
    if (create !== undefined && create !== made && made.text !== "vhid") {
        return refuse(create, `${draft.name} exists already`, "the words without create");
    }
    if (destroy !== undefined) {
        const excess = words.find((word) => word !== destroy);
        if (excess !== undefined) {
            return refuse(excess, `${shown(excess.text)} beside ${destroy.text}`, "nothing else");
        }
        working.destroy(draft);
        return ok("");
    }
    return apply(working, draft, request, request.use?.value ?? "first");
}

/** FreeBSD 10 and later: `ifconfig em0 vhid 1 ...`. */
function changeOnCarpdev(working: Working, name: Word, words: readonly Word[]): Output {
    const read = readIfconfigWords(words);
    if (!read.ok) {
        return read;
    }
    const request = read.value;
    const {vhid, address, use} = request;
    const deletes = use?.value === "delete";
    const drafts = [...working.drafts.values()].filter((each) => each.carpdev === name.text);
    const draft =
        vhid === undefined && deletes && address !== undefined
            ? drafts.find((each) => hasAddress(each, address.value.address))
            : drafts.find((each) => each.vhid === vhid?.value);
    for (const wrong of [request.destroy, request.carpdev?.word]) {
        if (wrong !== undefined) {
            return refuse(wrong, `${wrong.text} needs a carp interface`, "ifconfig carpN ...");
        }
    }
    if (vhid === undefined && draft === undefined && working.world.appliance === true) {
        return changeOwn(working, name, request);
    }
    const keyword = mtuWord(words, request);
    if (keyword !== undefined) {
        return refuse(keyword, `mtu ${ofCarpdev}`);
    }
    if (vhid === undefined && draft === undefined) {
        return refuse(
            words[0] ?? name,
            `${name.text} is no carp interface, and carpd does not change it`,
            "vhid N, for a vhid on it",
        );
    }
    if (draft === undefined && deletes) {
        return refuse(
            vhid?.word ?? name,
            `no vhid ${vhid?.value} on ${name.text}`,
            vhidList(drafts),
        );
    }
    // Up and down would be the carpdev's own, which is not carpd's.
    const link = request.acts.find(({value}) => value === "up" || value === "down");
    if (link !== undefined) {
        const hint = draft === undefined ? "" : `ifconfig ${draft.name} ${link.value}`;
        return refuse(link.word, `carpd does not set ${name.text} ${link.value}`, "", hint);
    }
    const target = draft ?? working.create(working.freeName());
    target.carpdev = name.text;
    const output = apply(working, target, request, use?.value ?? "add");
    // As there: a vhid goes with its last address.
    if (output.ok && deletes && target.addresses.length === 0) {
        working.destroy(target);
        working.settle();
    }
    return output;
}

/** The mtu is no matter of a vhid: the keyword, when there is one. */
function mtuWord(words: readonly Word[], {mtu}: IfconfigWords): Word | undefined {
    const at = mtu === undefined ? -1 : words.indexOf(mtu.word);
    return words[at - 1];
}

function vhidList(drafts: readonly Draft[]): string {
    const vhids = drafts.map(({vhid}) => String(vhid));
    return vhids.length === 0 ? "" : `one of ${vhids.join(", ")}`;
}

function apply(
    working: Working,
    draft: Draft,
    request: IfconfigWords,
    use: "first" | "add" | "delete",
): Output {
    const wrong =
        applyNumbers(draft, request) ??
        applyGroup(draft, request) ??
        applyAddress(draft, request, use) ??
        applyCarpdev(working, draft, request) ??
        checkVhid(working, draft, request);
    if (wrong !== undefined) {
        return err(wrong);
    }
    working.settle();
    applyActs(working, draft, request);
    const {address, lengthByClass} = request;
    return ok(
        [
            lengthByClass && address !== undefined
                ? `ifconfig: no netmask given, ${formatVip(address.value)} by the class of the address\n`
                : "",
            address !== undefined && draft.waiting.length > 0
                ? `${draft.name}: ${waitingText(working, draft)}\n`
                : "",
        ].join(""),
    );
}

function applyNumbers(draft: Draft, request: IfconfigWords): Refuse | undefined {
    const {vhid, advbase, advskew, pass} = request;
    draft.vhid = vhid?.value ?? draft.vhid;
    draft.advbase = advbase?.value ?? draft.advbase;
    draft.advskew = advskew?.value ?? draft.advskew;
    draft.pass = pass?.value ?? draft.pass;
    const given = advbase ?? advskew;
    if (given !== undefined && draft.advbase === 0 && draft.advskew === 0) {
        const message = "advbase and advskew cannot both be 0";
        return {at: given.word, message, expected: "advskew 1 or more beside advbase 0"};
    }
    return applyPeers(draft, request);
}

function applyPeers(draft: Draft, {peers}: IfconfigWords): Refuse | undefined {
    for (const [family, {value}] of peers) {
        const others = draft.peers.filter((peer) => peer.includes(":") !== (family === 6));
        draft.peers = value === null ? others : [...others, value];
    }
    return undefined;
}

function applyGroup(draft: Draft, {group}: IfconfigWords): Refuse | undefined {
    if (group?.value === "" && group.word.text !== draft.group) {
        const message = `${draft.name} is not in group ${shown(group.word.text)}`;
        return {at: group.word, message, expected: draft.group};
    }
    draft.group = group === undefined ? draft.group : group.value || defaultGroup;
    return undefined;
}

function applyAddress(
    draft: Draft,
    {address, use: word}: IfconfigWords,
    use: "first" | "add" | "delete",
): Refuse | undefined {
    if (use === "delete") {
        return deleteAddress(draft, address, word?.word);
    }
    if (address === undefined) {
        return undefined;
    }
    const vip = address.value;
    const old = draft.addresses.find((each) => each.address === vip.address);
    const first = draft.addresses.find((each) => each.family === 4);
    const replaced = old ?? (use === "first" && vip.family === 4 ? first : undefined);
    if (old !== undefined && old.prefixLength === vip.prefixLength) {
        return undefined;
    }
    draft.addresses =
        replaced === undefined
            ? [...draft.addresses, vip]
            : draft.addresses.map((each) => (each === replaced ? vip : each));
    return undefined;
}

/** Without an address it is the first IPv4 one, as on the BSDs. */
function deleteAddress(
    draft: Draft,
    address: Given<Vip> | undefined,
    word: Word | undefined,
): Refuse | undefined {
    const gone = draft.addresses.find((each) =>
        address === undefined ? each.family === 4 : each.address === address.value.address,
    );
    const at = address?.word ?? word;
    if (gone === undefined && at !== undefined) {
        const all = draft.addresses.map((each) => each.address).join(", ");
        const what = address === undefined ? "an IPv4 address" : address.value.address;
        const message = `${draft.name} does not have ${what}`;
        return {at, message, expected: all === "" ? "" : `one of ${all}`};
    }
    draft.addresses = draft.addresses.filter((each) => each !== gone);
    return undefined;
}

/** The one that is named, or else the one whose network has the address. */
function applyCarpdev(
    working: Working,
    draft: Draft,
    {carpdev, address}: IfconfigWords,
): Refuse | undefined {
    const devices = working.world.interfaces.filter(
        ({name}) => name !== "lo" && !working.drafts.has(name) && !working.destroyed.has(name),
    );
    const names = devices.map(({name}) => name);
    if (carpdev !== undefined) {
        draft.carpdev = carpdev.value;
        const list = names.length > 10 ? `${names.slice(0, 10).join(", ")}, ...` : names.join(", ");
        return names.includes(carpdev.value)
            ? undefined
            : {
                  at: carpdev.word,
                  message: `no interface ${shown(carpdev.value)} that could carry a vhid`,
                  expected: list === "" ? "an interface of this host" : `one of ${list}`,
                  hint: didYouMean(carpdev.value, names),
              };
    }
    if (address === undefined || draft.carpdev !== null) {
        return undefined;
    }
    const [found, ...more] = interfacesCovering(devices, address.value);
    draft.carpdev = found ?? null;
    if (found !== undefined && more.length === 0) {
        return undefined;
    }
    const message =
        found === undefined
            ? `no interface has an address in a network with ${address.value.address}`
            : `${[found, ...more].join(", ")} are in a network with ${address.value.address}`;
    const expected = `carpdev ${found ?? "IF"}, to say which one carries it`;
    return {at: address.word, message, expected};
}

function checkVhid(
    working: Working,
    draft: Draft,
    {vhid, carpdev, address}: IfconfigWords,
): Refuse | undefined {
    const at = (vhid ?? carpdev ?? address)?.word;
    const other = [...working.drafts.values()].find(
        (each) => each !== draft && each.vhid === draft.vhid && each.carpdev === draft.carpdev,
    );
    if (at === undefined || other === undefined || draft.vhid === null || draft.carpdev === null) {
        return undefined;
    }
    return {
        at,
        message: `vhid ${draft.vhid} on ${draft.carpdev} is already ${other.name}'s`,
        expected: "a vhid that is free there",
    };
}

/** What is not complete cannot act: it is INIT, where a BSD ignores `state` as well. */
function applyActs(working: Working, draft: Draft, {acts}: IfconfigWords): void {
    for (const {value} of acts) {
        const switches = value === "up" || value === "down";
        if (switches) {
            draft.up = value === "up";
        }
        if (switches && (value === "up" || draft.base === null)) {
            draft.enabled = value === "up";
        }
        const isNew = draft.base === null;
        if (draft.complete && !(isNew && switches)) {
            working.admin.push({name: draft.name, action: value});
        }
    }
}
