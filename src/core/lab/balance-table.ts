/**
 * ARP balancing seen from the wire: who asked, who answered, and what the arithmetic says about it.
 * Pure.
 *
 * The arithmetic is written down here a second time on purpose: a story that asked the engine for
 * it would only hear the engine agree with itself.
 */
import {addressOctets} from "../address.ts";
import type {Heard} from "./capture.ts";

/** One question for an address, with every answer that came before the same host asked again. */
export interface Asked {
    readonly asker: string;
    readonly atUs: number;
    readonly replies: readonly {readonly mac: string; readonly afterUs: number}[];
}

export interface Questions {
    readonly asked: readonly Asked[];
    /** Answers to somebody who had not asked. */
    readonly unasked: number;
    /** Gratuitous ARP and unsolicited neighbour advertisements for the address. */
    readonly announcements: number;
}

export function questionsFor(heard: readonly Heard[], address: string): Questions {
    const open = new Map<string, {mac: string; afterUs: number}[]>();
    const asked: Asked[] = [];
    const askedAtUs = new Map<string, number>();
    let unasked = 0;
    let announcements = 0;
    for (const frame of heard) {
        if (frame.kind === "advertisement" || frame.address !== address) continue;
        if (frame.kind === "announcement") {
            announcements += 1;
            continue;
        }
        if (frame.kind === "question") {
            const replies: {mac: string; afterUs: number}[] = [];
            open.set(frame.asker, replies);
            askedAtUs.set(frame.asker, frame.atUs);
            asked.push({asker: frame.asker, atUs: frame.atUs, replies});
            continue;
        }
        const replies = open.get(frame.asker);
        if (replies === undefined) unasked += 1;
        else {
            const afterUs = frame.atUs - (askedAtUs.get(frame.asker) ?? frame.atUs);
            replies.push({mac: frame.mac, afterUs});
        }
    }
    return {asked, unasked, announcements};
}

/** What an address counts as: IPv4 as a number, IPv6 as the XOR of its four 32-bit words. */
export function balanceNumber(address: string): number {
    const octets = addressOctets(address);
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    let number = 0;
    for (let at = 0; at < octets.length; at += 4) number ^= view.getUint32(at);
    // The operators of JavaScript are signed, the rule is not.
    return number >>> 0;
}

/** The place of the vhid, among `members` in ascending order, that answers `client`. */
export function balancePlace(client: string, members: number): number {
    return balanceNumber(client) % members;
}

/** One line of the table of who answered whom. */
export interface BalanceLine {
    readonly client: string;
    readonly place: number;
    readonly vhid: number;
    readonly mac: string;
    readonly host: string;
}

/** Fits 68 columns, for a line with the time before it. */
export function balanceTable(members: number, lines: readonly BalanceLine[]): readonly string[] {
    const row = (cells: readonly [string, string, string, string, string]) => {
        const widths = [21, 6, 5, 18, 0];
        return cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("");
    };
    return [
        row(["client", `mod ${members}`, "vhid", "answered by", "host"]),
        ...lines.map(({client, place, vhid, mac, host}) =>
            row([client, String(place), String(vhid), mac, host]),
        ),
    ];
}
