/**
 * What ifconfig prints when it is asked: an interface in FreeBSD's form. A carp interface is shown
 * as FreeBSD shows one up to release 9, a carpdev with its vhids as from release 10 on.
 */
import {formatVip} from "../address.ts";
import type {VhostState} from "../engine.ts";
import {type Draft, hasAddress, type Working} from "./draft.ts";
import {broadcastOf, netmaskText, readInterfaceAddress} from "./subnet.ts";
import type {BsdInterface} from "./world.ts";

const usualMtu = 1500;
/** IFF_ bits of FreeBSD's net/if.h, in the order in which ifconfig names them. */
const flagBits = [
    ["UP", 0x1],
    ["BROADCAST", 0x2],
    ["LOOPBACK", 0x8],
    ["RUNNING", 0x40],
    ["SIMPLEX", 0x800],
    ["MULTICAST", 0x8000],
] as const;
type Flag = (typeof flagBits)[number][0];

function firstLine(name: string, flags: ReadonlySet<Flag>, mtu: number): string {
    const set = flagBits.filter(([flag]) => flags.has(flag));
    const bits = set.reduce((sum, [, bit]) => sum + bit, 0).toString(16);
    const names = set.map(([flag]) => flag).join(",");
    return `${name}: flags=${bits}<${names}> metric 0 mtu ${mtu}\n`;
}

/** INIT for what this line has just made, changed or set down: so it is until the engine says. */
function stateOf(working: Working, draft: Draft): VhostState {
    const {name, base, carpdev, vhid} = draft;
    const same = base !== null && base.carpdev === carpdev && base.vhid === vhid;
    const status = working.world.carps.find((carp) => carp.name === name);
    return same && draft.up && status !== undefined ? status.state : "INIT";
}

function carpLine(working: Working, draft: Draft): string {
    const {vhid, advbase, advskew} = draft;
    // As on the BSDs, which show nothing before there is a vhid.
    return vhid === null
        ? ""
        : `\tcarp: ${stateOf(working, draft)} vhid ${vhid} advbase ${advbase} advskew ${advskew}\n`;
}

function peerLine({peers}: Draft): string {
    if (peers.length === 0) {
        return "";
    }
    const words = peers.map((peer) => `${peer.includes(":") ? "peer6" : "peer"} ${peer}`);
    return `\t      ${words.join(" ")}\n`;
}

/** "inet 192.168.1.1 netmask 0xffffff00" without what stands before and behind it. */
function addressText(address: string, prefixLength: number): string {
    return address.includes(":")
        ? `inet6 ${address} prefixlen ${prefixLength}`
        : `inet ${address} netmask ${netmaskText(prefixLength)}`;
}

export function printCarp(working: Working, draft: Draft): string {
    const state = stateOf(working, draft);
    const parent = working.world.interfaces.find(({name}) => name === draft.carpdev);
    const flags = new Set<Flag>(["LOOPBACK"]);
    if (draft.up) {
        flags.add("UP");
    }
    if (state !== "INIT") {
        flags.add("RUNNING");
    }
    return [
        firstLine(draft.name, flags, parent?.mtu ?? usualMtu),
        ...draft.addresses.map((vip) => `\t${addressText(vip.address, vip.prefixLength)}\n`),
        carpLine(working, draft),
        peerLine(draft),
        `\tgroups: ${draft.group}\n`,
        draft.carpdev === null ? "" : `\tcarpdev: ${draft.carpdev}\n`,
        draft.waiting.length === 0 ? "" : `\t${waitingText(working, draft)}\n`,
    ].join("");
}

/** Which address waits, and for what. */
export function waitingText(working: Working, draft: Draft): string {
    const [vip] = draft.waiting;
    if (vip === undefined) {
        return "";
    }
    const owner = [...working.drafts.values()].find(
        (other) =>
            other !== draft &&
            other.carpdev === draft.carpdev &&
            other.addresses.some(({address}) => address === vip.address) &&
            !other.waiting.some(({address}) => address === vip.address),
    );
    const more = draft.waiting.length > 1 ? ` and ${draft.waiting.length - 1} more` : "";
    return `waiting: ${formatVip(vip)}${more}, an address of ${owner?.name ?? "another vhid"}; shared when net.inet.carp.arpbalance is 1`;
}

function vhidsOf(working: Working, name: string): Draft[] {
    return [...working.drafts.values()]
        .filter((draft) => draft.carpdev === name && draft.vhid !== null)
        .sort((a, b) => (a.vhid ?? 0) - (b.vhid ?? 0));
}

/** A line of an address of an interface that is no carp interface. */
function interfaceAddress(address: string, prefixLength: number): string {
    const broadcast =
        address.includes(":") || prefixLength > 30
            ? ""
            : ` broadcast ${broadcastOf(address, prefixLength)}`;
    return `\t${addressText(address, prefixLength)}${broadcast}`;
}

export function printInterface(working: Working, device: BsdInterface): string {
    const vhids = vhidsOf(working, device.name);
    const flags = new Set<Flag>(["BROADCAST", "SIMPLEX", "MULTICAST"]);
    if (device.up) {
        flags.add("UP").add("RUNNING");
    }
    const own = device.addresses.flatMap((text) => {
        const read = readInterfaceAddress(text);
        // Without a virtual MAC the addresses of a vhid are on the carpdev itself.
        const isShared = vhids.some((draft) => hasAddress(draft, read?.address.address ?? ""));
        return read === undefined || isShared
            ? []
            : `${interfaceAddress(read.address.address, read.prefixLength)}\n`;
    });
    const shared = vhids.flatMap((draft) =>
        draft.addresses
            .filter((vip) => !draft.waiting.includes(vip))
            .map(
                (vip) =>
                    `${interfaceAddress(vip.address, vip.prefixLength)} vhid ${draft.vhid ?? 0}\n`,
            ),
    );
    return [
        firstLine(device.name, flags, device.mtu ?? usualMtu),
        device.mac === "" ? "" : `\tether ${device.mac}\n`,
        ...own,
        ...shared,
        ...vhids.flatMap((draft) => [carpLine(working, draft), peerLine(draft)]),
    ].join("");
}

/** Carp interfaces and the interfaces that they are on: the others are no business of this program. */
export function printAll(working: Working): string {
    return [
        ...carpdevs(working).map((device) => printInterface(working, device)),
        ...[...working.drafts.values()].map((draft) => printCarp(working, draft)),
    ].join("");
}

export function printNames(working: Working): string {
    const names = [...carpdevs(working).map(({name}) => name), ...working.drafts.keys()];
    return `${names.join(" ")}\n`;
}

function carpdevs({world, drafts}: Working): BsdInterface[] {
    const used = new Set([...drafts.values()].map((draft) => draft.carpdev));
    return world.interfaces.filter(({name}) => used.has(name) && !drafts.has(name));
}
