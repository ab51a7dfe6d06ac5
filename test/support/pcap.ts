/**
 * Captures as tests look at them: the file format of pcap-savefile(5), ARP and CARP by raw offsets.
 * Not the project's own decoder, on purpose.
 */
import {readFileSync} from "node:fs";

export interface Frame {
    /** Microseconds since 1970. */
    readonly atUs: number;
    readonly octets: Buffer;
    readonly destination: string;
    readonly source: string;
    readonly etherType: number;
}

export interface ArpPacket {
    /** 1 request, 2 reply. */
    readonly operation: number;
    readonly senderMac: string;
    readonly sender: string;
    readonly targetMac: string;
    readonly target: string;
}

/** A neighbour solicitation (type 135) or advertisement (136) of RFC 4861. */
export interface NeighbourPacket {
    readonly type: 135 | 136;
    readonly source: string;
    readonly destination: string;
    readonly target: string;
    readonly solicited: boolean;
    readonly override: boolean;
    /** The link-layer address of the first option; "" without options. */
    readonly mac: string;
}

export interface Advert {
    readonly frame: Frame;
    readonly atUs: number;
    readonly family: 4 | 6;
    readonly source: string;
    readonly destination: string;
    readonly ttl: number;
    readonly vhid: number;
    readonly advskew: number;
    readonly advbase: number;
    readonly demotion: number;
    readonly counter: bigint;
}

const etherIpv4 = 0x0800;
const etherArp = 0x0806;
const etherIpv6 = 0x86dd;
const protocolCarp = 112;
const fileHeader = 24;
const recordHeader = 16;

function macAt(octets: Buffer, at: number): string {
    return [...octets.subarray(at, at + 6)].map((o) => o.toString(16).padStart(2, "0")).join(":");
}

function ipv4At(octets: Buffer, at: number): string {
    return octets.subarray(at, at + 4).join(".");
}

/** All eight groups, without the abbreviation of RFC 5952. */
function ipv6At(octets: Buffer, at: number): string {
    return Array.from({length: 8}, (_, i) => octets.readUInt16BE(at + 2 * i).toString(16)).join(
        ":",
    );
}

/** Reads what is there; a record that is still being written is left out. */
export function readPcap(path: string): readonly Frame[] {
    const file = readFileSync(path);
    const frames: Frame[] = [];
    if (file.length < fileHeader) return frames;
    if (file.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error(`${path} is no pcap file of ours`);
    for (let at = fileHeader; at + recordHeader <= file.length; ) {
        const length = file.readUInt32LE(at + 8);
        const octets = file.subarray(at + recordHeader, at + recordHeader + length);
        if (octets.length === length && length >= 14) {
            frames.push({
                atUs: file.readUInt32LE(at) * 1_000_000 + file.readUInt32LE(at + 4),
                octets,
                destination: macAt(octets, 0),
                source: macAt(octets, 6),
                etherType: octets.readUInt16BE(12),
            });
        }
        at += recordHeader + length;
    }
    return frames;
}

export function arpOf({octets, etherType}: Frame): ArpPacket | undefined {
    if (etherType !== etherArp || octets.length < 42) return undefined;
    return {
        operation: octets.readUInt16BE(20),
        senderMac: macAt(octets, 22),
        sender: ipv4At(octets, 28),
        targetMac: macAt(octets, 32),
        target: ipv4At(octets, 38),
    };
}

export function neighbourOf({octets, etherType}: Frame): NeighbourPacket | undefined {
    if (etherType !== etherIpv6 || octets.length < 78 || octets[20] !== 58) return undefined;
    const type = octets[54];
    if (type !== 135 && type !== 136) return undefined;
    const flags = octets[58] ?? 0;
    return {
        type,
        source: ipv6At(octets, 22),
        destination: ipv6At(octets, 38),
        target: ipv6At(octets, 62),
        solicited: (flags & 0x40) !== 0,
        override: (flags & 0x20) !== 0,
        mac: octets.length >= 86 ? macAt(octets, 80) : "",
    };
}

export function advertOf(frame: Frame): Advert | undefined {
    const {octets, etherType, atUs} = frame;
    const family = etherType === etherIpv4 ? 4 : etherType === etherIpv6 ? 6 : undefined;
    if (family === undefined || octets.length < 70) return undefined;
    if (octets[family === 4 ? 23 : 20] !== protocolCarp) return undefined;
    const carp = family === 4 ? 14 + ((octets[14] ?? 0) & 15) * 4 : 54;
    if (octets.length < carp + 36) return undefined;
    return {
        frame,
        atUs,
        family,
        source: family === 4 ? ipv4At(octets, 26) : ipv6At(octets, 22),
        destination: family === 4 ? ipv4At(octets, 30) : ipv6At(octets, 38),
        ttl: octets[family === 4 ? 22 : 21] ?? 0,
        vhid: octets[carp + 1] ?? 0,
        advskew: octets[carp + 2] ?? 0,
        demotion: octets[carp + 4] ?? 0,
        advbase: octets[carp + 5] ?? 0,
        counter: octets.readBigUInt64BE(carp + 8),
    };
}

/** 255/255 is what a farewell says (spec 4.6). */
export function isFarewell(advert: Advert): boolean {
    return advert.advbase === 255 && advert.advskew === 255;
}

/** The adverts among frames, in order; `want` chooses by fields. */
export function advertsOf(
    frames: readonly Frame[],
    want: {readonly vhid?: number; readonly source?: string; readonly family?: 4 | 6} = {},
): readonly Advert[] {
    return frames.flatMap((frame) => {
        const advert = advertOf(frame);
        if (advert === undefined) return [];
        const {vhid, source, family} = want;
        const fits =
            (vhid === undefined || advert.vhid === vhid) &&
            (source === undefined || advert.source === source) &&
            (family === undefined || advert.family === family);
        return fits ? [advert] : [];
    });
}

export function virtualMac(vhid: number): string {
    return `00:00:5e:00:01:${vhid.toString(16).padStart(2, "0")}`;
}
