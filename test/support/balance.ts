/**
 * The set-up of carp(4)'s ARP balancing on real carpd processes: n hosts, n vhids, one address; and
 * questions for that address, ARP requests and neighbour solicitations, from senders as wanted. Use
 * it inside `inNamespace()` only.
 */
import assert from "node:assert/strict";
import {type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import {arpOf, type Frame, neighbourOf, virtualMac} from "./pcap.ts";
import {Recording, sendFrames} from "./raw.ts";
import {cableOf, pairBlock, type Router, type Scene, type Table} from "./routers.ts";

export const vip = "192.168.1.10";
export const vip6 = "2001:db8::10";
const broadcastMac = "ff:ff:ff:ff:ff:ff";

/** What all blocks have beside the usual, or the block of one index. */
type More = Table | ((index: number) => Table);

/** Host number `host` of `n`, from 0, prefers the vhid of its own number, then the one before it. */
export function sharedBlocks(host: number, n: number, more: More = {}): readonly Table[] {
    return Array.from({length: n}, (_, index) =>
        pairBlock(100 * ((host - index + n) % n), {
            name: `carp${index}`,
            vhid: index + 1,
            addresses: [`${vip}/24`],
            ...(typeof more === "function" ? more(index) : more),
        }),
    );
}

export interface Balanced {
    readonly segment: string;
    /** routers[i] is MASTER of vhid i + 1. */
    readonly routers: readonly Router[];
    readonly a: Router;
    readonly b: Router;
    /** 192.168.1.9. */
    readonly client: Host;
}

export interface BalanceOptions {
    /** 2 unless told. */
    readonly hosts?: number;
    readonly options?: Table;
    readonly more?: More;
    /** Blocks of the first host beside the shared ones. */
    readonly extra?: readonly Table[];
}

/** Hosts 192.168.1.2, .3 and so on; none runs yet. */
export function buildBalanced(scene: Scene, settings: BalanceOptions = {}): Balanced {
    const segment = scene.segment();
    const n = settings.hosts ?? 2;
    const routers = Array.from({length: n}, (_, i) =>
        scene.router(
            String.fromCharCode("a".charCodeAt(0) + i),
            segment,
            [`192.168.1.${i + 2}/24`, `2001:db8::${i + 2}/64`],
            {
                options: {preempt: true, arpbalance: true, ...settings.options},
                carp: [
                    ...sharedBlocks(i, n, settings.more),
                    ...(i === 0 ? (settings.extra ?? []) : []),
                ],
            },
        ),
    );
    const [a, b] = routers;
    assert.ok(a && b);
    const client = scene.client(segment, ["192.168.1.9/24", "2001:db8::9/64"], "cl");
    return {segment, routers, a, b, client};
}

/** Waits until each host is MASTER of its own vhid and has heard the masters of the others. */
export async function settled(routers: readonly Router[]): Promise<void> {
    for (const [i, router] of routers.entries()) {
        await waitFor(
            `${router.host.name} to be MASTER of vhid ${i + 1} only`,
            10_000,
            async () => {
                const carps = (await router.carps()).filter(({vhid}) => vhid <= routers.length);
                const right = carps.every(({vhid, state, master}) =>
                    vhid === i + 1 ? state === "MASTER" : state === "BACKUP" && master !== null,
                );
                return right ? true : undefined;
            },
            () => router.log(),
        );
    }
}

export async function runBalanced(scene: Scene, settings: BalanceOptions = {}): Promise<Balanced> {
    const balanced = buildBalanced(scene, settings);
    await Promise.all(balanced.routers.map((router) => router.start()));
    await settled(balanced.routers);
    return balanced;
}

// --- questions -------------------------------------------------------------------------------

function macOctets(mac: string): Buffer {
    return Buffer.from(mac.replaceAll(":", ""), "hex");
}

function ipv4Octets(address: string): Buffer {
    return Buffer.from(address.split(".").map(Number));
}

/** Also the way of the pcap reader: eight groups, no abbreviation. */
export function longIpv6(address: string): string {
    const [head = "", tail] = address.split("::");
    const left = head === "" ? [] : head.split(":");
    const right = tail === undefined || tail === "" ? [] : tail.split(":");
    const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
    const groups = [...left, ...Array<string>(zeros).fill("0"), ...right];
    assert.equal(groups.length, 8, address);
    return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}

function ipv6Octets(address: string): Buffer {
    const octets = Buffer.alloc(16);
    for (const [i, group] of longIpv6(address).split(":").entries()) {
        octets.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
    }
    return octets;
}

/** A made-up station for a sender, so that the switch knows where the answer belongs. */
function stationOf(octets: Buffer): string {
    return `02:00:${octets
        .subarray(-4)
        .toString("hex")
        .replace(/(..)(?=.)/g, "$1:")}`;
}

export interface ArpQuestion {
    readonly sender: string;
    readonly mac?: string;
    readonly target?: string;
    /** Ethernet destination; broadcast unless told. */
    readonly to?: string;
    /** Target hardware address; zero unless told. */
    readonly named?: string;
}

export function arpRequest(question: ArpQuestion): Buffer {
    const sender = ipv4Octets(question.sender);
    const mac = macOctets(question.mac ?? stationOf(sender));
    return Buffer.concat([
        macOctets(question.to ?? broadcastMac),
        mac,
        Buffer.from("08060001080006040001", "hex"),
        mac,
        sender,
        macOctets(question.named ?? "00:00:00:00:00:00"),
        ipv4Octets(question.target ?? vip),
    ]);
}

/** The checksum of ICMPv6 with its pseudo-header; the project's own is not used on purpose. */
function checksum6(source: Buffer, destination: Buffer, message: Buffer): number {
    const pseudo = Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58]);
    const all = Buffer.concat([source, destination, pseudo, message]);
    let sum = 0;
    for (let i = 0; i < all.length; i += 2) sum += all.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

export interface Solicitation {
    /** "::" for the detection of duplicates: without an option then. */
    readonly sender: string;
    readonly target?: string;
    /** A virtual MAC: sent there and to the address itself, as for checking a known neighbour. */
    readonly to?: string;
}

export function solicitation(question: Solicitation): Buffer {
    const source = ipv6Octets(question.sender);
    const target = ipv6Octets(question.target ?? vip6);
    const probe = question.sender === "::";
    const mac = macOctets(probe ? "02:00:00:00:00:aa" : stationOf(source));
    const group = Buffer.concat([
        ipv6Octets("ff02::1:ff00:0").subarray(0, 13),
        target.subarray(13),
    ]);
    const destination = question.to === undefined ? group : target;
    const option = probe ? Buffer.alloc(0) : Buffer.concat([Buffer.from([1, 1]), mac]);
    const message = Buffer.concat([Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]), target, option]);
    message.writeUInt16BE(checksum6(source, destination, message), 2);
    const ethernet =
        question.to === undefined
            ? Buffer.concat([Buffer.from([0x33, 0x33]), group.subarray(12)])
            : macOctets(question.to);
    return Buffer.concat([
        ethernet,
        mac,
        Buffer.from([0x86, 0xdd, 0x60, 0, 0, 0, 0, message.length, 58, 255]),
        source,
        destination,
        message,
    ]);
}

// --- answers ---------------------------------------------------------------------------------

/** An ARP reply or a neighbour advertisement. */
export interface Answer {
    readonly frame: Frame;
    /** Which router sent it: its number. */
    readonly host: number;
    /** The address that is said to be at `mac`. */
    readonly address: string;
    readonly mac: string;
    /** Whom it was sent to. */
    readonly asker: string;
}

export function answersIn(frames: readonly Frame[], host: number): readonly Answer[] {
    return frames.flatMap((frame) => {
        const arp = arpOf(frame);
        if (arp?.operation === 2) {
            return [{frame, host, address: arp.sender, mac: arp.senderMac, asker: arp.target}];
        }
        const neighbour = neighbourOf(frame);
        if (neighbour?.type !== 136) return [];
        const {target, mac, destination} = neighbour;
        return [{frame, host, address: target, mac, asker: destination}];
    });
}

/** What each of some routers sends, and questions to them. */
export class Listening {
    readonly #recordings: readonly Recording[];
    readonly #client: Host;
    readonly #vhids: readonly number[];
    #fences = 0;

    private constructor(recordings: readonly Recording[], client: Host, vhids: readonly number[]) {
        this.#recordings = recordings;
        this.#client = client;
        this.#vhids = vhids;
    }

    /** `vhids` that some host is MASTER of, together all hosts. */
    static async start(
        scene: Scene,
        {routers, client}: Balanced,
        vhids: readonly number[] = routers.map((_, i) => i + 1),
    ): Promise<Listening> {
        const recordings = await Promise.all(
            routers.map((router) => Recording.start(scene.wire, cableOf(router).port)),
        );
        return new Listening(recordings, client, vhids);
    }

    frames(): readonly (readonly Frame[])[] {
        return this.#recordings.map((recording) => recording.frames());
    }

    /**
     * Sends questions and returns all answers of all routers to them. A router answers in order:
     * when it has answered a last question that only it can answer, it has answered all.
     */
    async ask(questions: readonly Uint8Array[]): Promise<readonly Answer[]> {
        const before = this.frames().map((frames) => frames.length);
        const fresh = () =>
            this.frames().flatMap((frames, i) => answersIn(frames.slice(before[i]), i));
        const ipv6 = questions.some((frame) => frame[12] === 0x86);
        this.#fences += 1;
        const fences = this.#vhids.map((vhid) =>
            ipv6 ? this.#fence6(vhid - 1) : this.#fence4(vhid),
        );
        sendFrames(this.#client, "eth0", [...questions, ...fences.map(({frame}) => frame)]);
        const askers = new Set(fences.map(({asker}) => asker));
        await waitFor(
            "the last questions to be answered",
            5000,
            () => {
                const now = new Set(fresh().map(({asker}) => asker));
                return [...askers].every((asker) => now.has(asker)) ? true : undefined;
            },
            () => JSON.stringify(fresh().map(({asker}) => asker)),
        );
        return fresh().filter(({asker}) => !askers.has(asker));
    }

    /** A broadcast that names a virtual MAC: that vhid's MASTER answers, whatever the hash. */
    #fence4(vhid: number): {readonly frame: Buffer; readonly asker: string} {
        const asker = `192.168.9.${(16 * this.#fences + vhid) % 256}`;
        return {frame: arpRequest({sender: asker, named: virtualMac(vhid)}), asker};
    }

    #fence6(index: number): {readonly frame: Buffer; readonly asker: string} {
        const n = this.#vhids.length;
        const base = "2001:db8::9";
        for (let i = 100 * this.#fences; ; i += 1) {
            const sender = longIpv6(`${base}:${(0x100 + i).toString(16)}`);
            if (xorIndex(sender, n) === index)
                return {frame: solicitation({sender}), asker: sender};
        }
    }
}

/** The four words of an IPv6 address XORed, mod n, as REFERENCE.md says it. */
export function xorIndex(address: string, n: number): number {
    const octets = ipv6Octets(address);
    const word = (i: number) => BigInt(octets.readUInt32BE(4 * i));
    return Number((word(0) ^ word(1) ^ word(2) ^ word(3)) % BigInt(n));
}

/** Exactly one answer for each question, from the vhid and so from the host expected. */
export function assertAnswered(
    answers: readonly Answer[],
    expected: ReadonlyMap<string, number>,
): void {
    const table = (rows: Iterable<readonly [string, number]>) =>
        [...rows].map(([asker, vhid]) => `${asker} vhid ${vhid}`).sort();
    const given = answers.map(({asker, mac}) => {
        const vhid = /^00:00:5e:00:01:(..)$/.exec(mac)?.[1];
        return [asker, Number.parseInt(vhid ?? "0", 16)] as const;
    });
    assert.deepEqual(table(given), table(expected));
    for (const {asker, mac, frame} of answers) {
        assert.equal(frame.source, mac, `Ethernet source of the answer to ${asker}`);
    }
}
