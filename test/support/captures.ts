/** Reads test/vectors: the index and the classic pcap files. */
import {readFileSync} from "node:fs";

export interface VhostEntry {
    readonly vhid: number;
    readonly password: string;
    /** In the order in which they were configured. */
    readonly addresses: readonly string[];
    /** Advertisements of the file that verify with it. */
    readonly verified: number;
}

export interface DeliberateEntry {
    /** From 1. */
    readonly frame: number;
    /** "bad digest", "bad checksum", or a field that is unusual. */
    readonly oddities: readonly string[];
}

export interface CaptureEntry {
    readonly file: string;
    readonly implementation: string;
    readonly adverts: number;
    readonly vhosts: readonly VhostEntry[];
    readonly deliberate: readonly DeliberateEntry[];
}

export interface Captures {
    readonly totals: Readonly<Record<string, number>>;
    readonly captures: readonly CaptureEntry[];
}

/** The index is ours and its use checks every number in it; only its outline is checked here. */
export function readCaptures(path: string): Captures {
    const index: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof index !== "object" || index === null) throw new Error(`${path} is no index`);
    const {totals, captures} = index as {
        totals: Captures["totals"];
        captures: readonly (Omit<CaptureEntry, "deliberate"> & Partial<CaptureEntry>)[];
    };
    return {
        totals,
        captures: captures.map((entry) => ({...entry, deliberate: entry.deliberate ?? []})),
    };
}

/** The frames of a little-endian classic pcap of Ethernet. */
export function readPcap(path: string): readonly Uint8Array[] {
    const file = readFileSync(path);
    if (file.readUInt32LE(0) !== 0xa1b2c3d4 || file.readUInt32LE(20) !== 1) {
        throw new Error(`${path} is not a little-endian Ethernet pcap`);
    }
    const frames: Uint8Array[] = [];
    for (let at = 24; at < file.length; ) {
        const length = file.readUInt32LE(at + 8);
        frames.push(file.subarray(at + 16, at + 16 + length));
        at += 16 + length;
    }
    return frames;
}
