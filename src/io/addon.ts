/**
 * The addon, loaded and typed. Importing this module loads nothing native: `--check` and `--help`
 * must work without it; loadAddon() does.
 */
import {createRequire} from "node:module";
import {join} from "node:path";
import type {Engine} from "../core/engine.ts";
import {EngineAdapter, type NativeEngine, type NativeStatus} from "./engine-adapter.ts";
import {adaptSimulation, type NativeSimulation, type Simulation} from "./simulation-adapter.ts";
import {errnoName} from "./system-error.ts";
import {projectRoot} from "./version.ts";

export interface ParsedAdvertisement {
    readonly kind: "advertisement";
    readonly vhid: number;
    readonly advskew: number;
    readonly advbase: number;
    readonly demotion: number;
    readonly counter: bigint;
    readonly digest: Uint8Array;
    readonly ethernetSource: string;
    readonly source: string;
    readonly destination: string;
    readonly ttl: number;
    readonly version: number;
    readonly type: number;
}

export interface RejectedFrame {
    readonly kind: "rejected";
    readonly reason: "not carp" | "bad length" | "bad checksum" | "foreign vrrp";
}

export interface DigestInput {
    /** At most 20 octets. */
    readonly key: Uint8Array;
    readonly vhid: number;
    /** With or without prefix length; the order does not matter. */
    readonly addresses: readonly string[];
    readonly counter: bigint;
}

export interface AdvertisementInput extends DigestInput {
    readonly form: "all" | "without-link-local";
    readonly advbase: number;
    readonly advskew: number;
    readonly demotion: number;
    readonly source: string;
    readonly destination: string;
    readonly ethernetSource: string;
}

export interface ProbeResult {
    readonly sequence: number;
    /** Microseconds of the monotonic clock. */
    readonly sentAtUs: number;
    /** Microseconds since 1970. */
    readonly sentRealtimeUs: number;
    /** null: not answered (yet). */
    readonly receivedAtUs: number | null;
    readonly fate: "waiting" | "answered" | "lost" | "send failed";
}

export interface ProberOptions {
    readonly address: string;
    /** 500 or more: at most 2,000 a second. */
    readonly intervalUs: number;
    /** Stops by itself after this many probes; default 200,000. */
    readonly capacity?: number;
    readonly ifname?: string;
}

export interface Prober {
    /** Probes of sequence `first` and later; may be called while it runs. */
    results(first?: number): ProbeResult[];
    stop(): void;
}

export interface CaptureOptions {
    readonly ifname: string;
    readonly path: string;
    /** Only CARP, ARP, IGMP, ICMP and ICMPv6. */
    readonly protocolsOnly?: boolean;
}

export interface Capture {
    frames(): number;
    lost(): number;
    /** Flushes and closes the file; throws if it could not be written. */
    stop(): void;
}

export interface PeerCredentials {
    readonly pid: number;
    readonly uid: number;
    readonly gid: number;
}

interface NativeLock {
    readonly error: NativeStatus | null;
    readonly holder: number;
    release(): void;
}

interface NativeProber {
    start(options: {
        address: string;
        perSecond: number;
        capacity: number;
        ifname: string;
    }): NativeStatus | null;
    results(first: number): ProbeResult[];
    stop(): void;
}

interface NativeCapture {
    start(options: {ifname: string; path: string; protocolsOnly: boolean}): NativeStatus | null;
    frames(): number;
    lost(): number;
    stop(): NativeStatus | null;
}

interface NativeAddon {
    readonly Engine: new () => NativeEngine;
    readonly Prober: new () => NativeProber;
    readonly Capture: new () => NativeCapture;
    readonly Simulation: new () => NativeSimulation;
    lockFile(path: string): NativeLock;
    notifyManager(socketPath: string, message: string): NativeStatus | null;
    peerCredentials(fd: number): PeerCredentials | null;
    parseAdvertisement(frame: Uint8Array): ParsedAdvertisement | RejectedFrame;
    signAdvertisement(input: DigestInput & {form: AdvertisementInput["form"]}): Uint8Array;
    verifyDigest(input: DigestInput & {digest: Uint8Array}): boolean;
    buildAdvertisement(input: AdvertisementInput): Uint8Array;
    balanceIndex(input: BalanceIndexInput): number;
}

/** Which of `members` answers `client`: an IPv4 or IPv6 address, or with "sender-mac" a MAC. */
export interface BalanceIndexInput {
    readonly hash: "source-ip" | "sender-mac";
    readonly client: string;
    readonly members: number;
    /** The password that the members share; means something with "sender-mac". */
    readonly key: Uint8Array;
}

export interface Addon {
    /** One a process: its thread, its virtual interfaces, its sysctls. */
    createEngine(): Engine;
    /** A network on virtual time with the engine's core; any number of them. */
    createSimulation(): Simulation;
    /** One datagram to $NOTIFY_SOCKET; false when there is none or it could not be sent. */
    sdNotify(state: string): boolean;
    /** False if another process holds it. The lock ends with the process, however it ends. */
    lockFile(path: string): boolean;
    /** Who connected to a Unix socket, by its descriptor. */
    peerCredentials(fd: number): PeerCredentials | null;
    /** Absolute path of the janitor's executable. */
    readonly janitor: string;
    startProber(options: ProberOptions): Prober;
    startCapture(options: CaptureOptions): Capture;
    parseAdvertisement(frame: Uint8Array): ParsedAdvertisement | RejectedFrame;
    signAdvertisement(input: DigestInput & {form: AdvertisementInput["form"]}): Uint8Array;
    verifyDigest(input: DigestInput & {digest: Uint8Array}): boolean;
    /** A whole Ethernet frame to the multicast group. */
    buildAdvertisement(input: AdvertisementInput): Uint8Array;
    /** The engine's own choice among vhids that share a VIP (native/wire/balance.h). */
    balanceIndex(input: BalanceIndexInput): number;
}

/** A refused system call as an Error that carries what node's own errors carry. */
export class SystemCallError extends Error {
    readonly errno: number;
    readonly op: string;
    readonly target: string;
    /** EAGAIN-like name where there is one, else E and the number. */
    readonly code: string;
    constructor(status: NativeStatus) {
        super(`${status.op} ${status.target}: ${errnoName(status.errno)}`);
        this.name = "SystemCallError";
        this.errno = status.errno;
        this.op = status.op;
        this.target = status.target;
        this.code = errnoName(status.errno);
    }
}

const EWOULDBLOCK = 11;

export function loadAddon(): Addon {
    const folder = join(projectRoot(), "build/Release");
    // The one place where something untyped becomes typed; native/binding is its other half.
    const native = createRequire(import.meta.url)(join(folder, "carp.node")) as NativeAddon;
    return {
        createEngine: () => new EngineAdapter(new native.Engine()),
        createSimulation: () => adaptSimulation(new native.Simulation()),
        janitor: join(folder, "carp-janitor"),
        sdNotify(state) {
            const path = process.env.NOTIFY_SOCKET;
            if (path === undefined || path === "") return false;
            return native.notifyManager(path, state) === null;
        },
        lockFile(path) {
            const lock = native.lockFile(path);
            if (lock.error === null) {
                heldLocks.push(lock);
                return true;
            }
            if (lock.error.errno === EWOULDBLOCK) return false;
            throw new SystemCallError(lock.error);
        },
        peerCredentials: (fd) => native.peerCredentials(fd),
        startProber(options) {
            const prober = new native.Prober();
            const failed = prober.start({
                address: options.address,
                perSecond: Math.max(1, Math.round(1_000_000 / options.intervalUs)),
                capacity: options.capacity ?? 200_000,
                ifname: options.ifname ?? "",
            });
            if (failed !== null) throw new SystemCallError(failed);
            return {
                results: (first = 0) => prober.results(first),
                stop: () => prober.stop(),
            };
        },
        startCapture(options) {
            const capture = new native.Capture();
            const failed = capture.start({
                ifname: options.ifname,
                path: options.path,
                protocolsOnly: options.protocolsOnly ?? false,
            });
            if (failed !== null) throw new SystemCallError(failed);
            return {
                frames: () => capture.frames(),
                lost: () => capture.lost(),
                stop() {
                    const error = capture.stop();
                    if (error !== null) throw new SystemCallError(error);
                },
            };
        },
        parseAdvertisement: (frame) => native.parseAdvertisement(frame),
        signAdvertisement: (input) => native.signAdvertisement(input),
        verifyDigest: (input) => native.verifyDigest(input),
        buildAdvertisement: (input) => native.buildAdvertisement(input),
        balanceIndex: (input) => native.balanceIndex(input),
    };
}

/** Locks live as long as the process: a collected object would let go of its file. */
const heldLocks: NativeLock[] = [];
