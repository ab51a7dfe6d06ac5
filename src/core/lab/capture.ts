/**
 * Captures read while they grow: pcap records, and what CARP, ARP and neighbour discovery said in
 * them. Pure.
 *
 * Everything else in a capture (the pings, above all) is skipped. Frames come from a network that
 * the lab has built: nothing here judges checksums.
 */
import {Address6} from "ip-address";

export interface CapturedFrame {
    /** As the file has it: microseconds of whatever clock the capture was made with. */
    readonly atUs: number;
    readonly octets: Uint8Array;
}

/** A question and an answer of ARP or of neighbour discovery are the same to a story. */
export type Heard =
    | {
          readonly kind: "advertisement";
          readonly atUs: number;
          readonly source: string;
          readonly sourceMac: string;
          readonly vhid: number;
          readonly advbase: number;
          readonly advskew: number;
      }
    | {
          /** An ARP request or a neighbour solicitation of somebody who has an address. */
          readonly kind: "question";
          readonly atUs: number;
          readonly asker: string;
          readonly address: string;
      }
    | {
          readonly kind: "answer";
          readonly atUs: number;
          readonly asker: string;
          readonly address: string;
          readonly mac: string;
      }
    | {
          /** A gratuitous ARP or an unsolicited neighbour advertisement. */
          readonly kind: "announcement";
          readonly atUs: number;
          readonly address: string;
          readonly mac: string;
      };

const fileHeader = 24;
const recordHeader = 16;
/** The magic of pcap-savefile(5) with microseconds, as a little-endian reader sees it. */
const littleMagic = 0xa1b2c3d4;

const viewOf = (octets: Uint8Array) =>
    new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

/** Takes the octets of a classic pcap file in pieces of any size. */
export class PcapReader {
    #rest = new Uint8Array(0);
    /** undefined: the file's header has not come yet. */
    #littleEndian: boolean | undefined;

    /** The frames that are complete now. */
    push(piece: Uint8Array): readonly CapturedFrame[] {
        const octets = new Uint8Array(this.#rest.length + piece.length);
        octets.set(this.#rest);
        octets.set(piece, this.#rest.length);
        const view = viewOf(octets);
        let at = 0;
        if (this.#littleEndian === undefined && octets.length >= fileHeader) {
            this.#littleEndian = view.getUint32(0, true) === littleMagic;
            at = fileHeader;
        }
        const little = this.#littleEndian;
        const frames: CapturedFrame[] = [];
        while (little !== undefined && at + recordHeader <= octets.length) {
            const end = at + recordHeader + view.getUint32(at + 8, little);
            if (end > octets.length) break;
            const atUs = view.getUint32(at, little) * 1_000_000 + view.getUint32(at + 4, little);
            frames.push({atUs, octets: octets.subarray(at + recordHeader, end)});
            at = end;
        }
        this.#rest = octets.slice(at);
        return frames;
    }
}

function macText(octets: Uint8Array, at: number): string {
    return [...octets.subarray(at, at + 6)]
        .map((octet) => octet.toString(16).padStart(2, "0"))
        .join(":");
}

const ipv4Text = (octets: Uint8Array, at: number) => octets.subarray(at, at + 4).join(".");

function ipv6Text(octets: Uint8Array, at: number): string {
    return Address6.fromByteArray([...octets.subarray(at, at + 16)]).correctForm();
}

const etherTypes = {ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd};
const macsAndType = 14;
const carpProtocol = 112;
const icmp6 = 58;
/** Octets of an advertisement before its counter, all that is read here. */
const advertisementHead = 8;

/** null: nothing that a story listens to. */
export function hear({atUs, octets}: CapturedFrame): Heard | null {
    if (octets.length < macsAndType) return null;
    switch (viewOf(octets).getUint16(12)) {
        case etherTypes.arp:
            return hearArp(atUs, octets);
        case etherTypes.ipv4: {
            const header = ((octets[macsAndType] ?? 0) & 0x0f) * 4;
            if (octets[23] !== carpProtocol) return null;
            return hearCarp(atUs, octets, ipv4Text(octets, 26), macsAndType + header);
        }
        case etherTypes.ipv6: {
            const message = macsAndType + 40;
            if (octets[20] === icmp6) return hearNeighbour(atUs, octets, message);
            if (octets[20] !== carpProtocol) return null;
            return hearCarp(atUs, octets, ipv6Text(octets, 22), message);
        }
        default:
            return null;
    }
}

function hearCarp(atUs: number, octets: Uint8Array, source: string, at: number): Heard | null {
    const [version, vhid, advskew, , , advbase] = octets.subarray(at, at + advertisementHead);
    // 0x21: version 2, type 1. VRRP has other versions.
    if (version !== 0x21 || vhid === undefined || advskew === undefined || advbase === undefined) {
        return null;
    }
    const sourceMac = macText(octets, 6);
    return {kind: "advertisement", atUs, source, sourceMac, vhid, advbase, advskew};
}

function hearArp(atUs: number, octets: Uint8Array): Heard | null {
    if (octets.length < 42) return null;
    const operation = viewOf(octets).getUint16(20);
    const mac = macText(octets, 22);
    const sender = ipv4Text(octets, 28);
    const target = ipv4Text(octets, 38);
    if (sender === target) return {kind: "announcement", atUs, address: sender, mac};
    if (operation === 1) return {kind: "question", atUs, asker: sender, address: target};
    if (operation === 2) return {kind: "answer", atUs, asker: target, address: sender, mac};
    return null;
}

const solicitation = 135;
const neighbourAdvertisement = 136;
const solicitedFlag = 0x40;
const targetLinkLayer = 2;

function hearNeighbour(atUs: number, octets: Uint8Array, at: number): Heard | null {
    const type = octets[at];
    const options = at + 24;
    if (octets.length < options) return null;
    const address = ipv6Text(octets, at + 8);
    if (type === solicitation) {
        return {kind: "question", atUs, asker: ipv6Text(octets, 22), address};
    }
    if (type !== neighbourAdvertisement) return null;
    // Without the option the Ethernet source is what a reader has.
    const named = octets[options] === targetLinkLayer && octets.length >= options + 8;
    const mac = named ? macText(octets, options + 2) : macText(octets, 6);
    if (((octets[at + 4] ?? 0) & solicitedFlag) === 0) {
        return {kind: "announcement", atUs, address, mac};
    }
    return {kind: "answer", atUs, asker: ipv6Text(octets, 38), address, mac};
}
