/**
 * The typed configuration: what a valid carpd.toml means, with every default filled in.
 *
 * Made by config-schema.ts from text; compared by config-diff.ts; given to the engine by app/.
 */

/** One virtual IP address with its prefix length, in canonical text: "192.168.1.1/24". */
export interface Vip {
    readonly family: 4 | 6;
    /** Canonical address text without prefix, RFC 5952 form for IPv6. */
    readonly address: string;
    /** 0..32 or 0..128. The prefix never enters the digest (spec 2.5). */
    readonly prefixLength: number;
}

export type MacMode = "virtual" | "physical";

/** Whose demotion rules are spoken: skew demotion (FreeBSD) or the demote octet (OpenBSD). */
export type Profile = "freebsd" | "openbsd";

/** What selects the vhid that answers for a shared VIP: FreeBSD 9.1's rule, or NetBSD's keyed one. */
export type BalanceHash = "source-ip" | "sender-mac";

/**
 * The order in which vhids that share a VIP are counted: ascending or descending vhid, or their
 * order in the configuration, first to last or last to first.
 */
export type BalanceOrder = "vhid" | "vhid-descending" | "configured" | "configured-reversed";

/** A password. It has no printer: inspecting or serialising it shows "****". */
export class Secret {
    readonly #octets: Uint8Array;
    constructor(octets: Uint8Array) {
        this.#octets = octets;
    }
    /** 0..19 octets; 0 means the empty key (20 zero octets on a BSD). */
    reveal(): Uint8Array {
        return this.#octets;
    }
    equals(other: Secret): boolean {
        const a = this.#octets;
        const b = other.#octets;
        return a.length === b.length && a.every((octet, i) => octet === b[i]);
    }
    toString(): string {
        return "****";
    }
    toJSON(): string {
        return "****";
    }
    [Symbol.for("nodejs.util.inspect.custom")](): string {
        return "Secret(****)";
    }
}

/** One `[[carp]]` block: a vhid on a carpdev. */
export interface CarpConfig {
    /** Interface name of the macvlan, at most 15 octets; default carpN in order. */
    readonly name: string;
    readonly carpdev: string;
    /** 1..255, unique per carpdev. */
    readonly vhid: number;
    /** Seconds, 0..255. advbase 0 counts only advskew/256 s (OpenBSD sub-second). */
    readonly advbase: number;
    /** 0..254, in 1/256 s. */
    readonly advskew: number;
    readonly pass: Secret;
    readonly addresses: readonly Vip[];
    /** Unicast peers; empty: multicast. Canonical addresses without prefix. */
    readonly peers: readonly string[];
    readonly mac: MacMode;
    readonly profile: Profile;
    /** false: administratively down from the start (`ifconfig carp0 down`). */
    readonly enabled: boolean;
    /** The vhids of one group fail over and are demoted together; default "carp". 1..15 octets. */
    readonly group: string;
    /** Run on becoming MASTER, as ucarp runs its upscript: IFNAME VIP [XPARAM]. "" for none. */
    readonly upscript: string;
    /** Run on leaving MASTER. "" for none. */
    readonly downscript: string;
    /** ucarp's -x: the third argument of the scripts; "" for none. */
    readonly xparam: string;
}

/** What a `[[track]]` block watches. */
export type TrackCheck =
    /** The link of an interface that carries no vhid. Done by the engine. */
    | {readonly kind: "interface"; readonly interface: string}
    /** Exit status 0 within the timeout. No shell: the program and its arguments. */
    | {readonly kind: "command"; readonly command: readonly string[]}
    /** The file exists (`exists` true) or does not. */
    | {readonly kind: "file"; readonly path: string; readonly exists: boolean}
    /** ICMP echo to an address; canonical text. */
    | {readonly kind: "ping"; readonly address: string}
    /** A systemd unit is active. */
    | {readonly kind: "unit"; readonly unit: string}
    /** At least this much memory is available, octets. */
    | {readonly kind: "memory"; readonly leastOctets: number}
    /** The processor is not hotter, degrees Celsius. */
    | {readonly kind: "temperature"; readonly mostCelsius: number};

/** One `[[track]]` block: a condition that demotes this host while it fails. */
export interface TrackConfig {
    /** 1..24 octets, unique; the reason of demotion is "track:NAME". */
    readonly name: string;
    readonly check: TrackCheck;
    /** Time from one check's start to the next, milliseconds, 100..3600000; default 1000. */
    readonly intervalMs: number;
    /** A check that takes longer has failed, milliseconds, at most intervalMs; default intervalMs. */
    readonly timeoutMs: number;
    /** Good checks in a row that end the failure, 1..100; default 2. */
    readonly rise: number;
    /** Bad checks in a row that begin it, 1..100; default 3. */
    readonly fall: number;
    /** Added to advskew while it fails, 1..240; default 240. */
    readonly demotion: number;
    /** The group that it demotes, "" (default) for every vhid. */
    readonly group: string;
}

export interface Options {
    /** net.inet.carp.preempt, default false. */
    readonly preempt: boolean;
    /** net.inet.carp.arpbalance, default false. */
    readonly arpbalance: boolean;
    /** default "source-ip" */
    readonly arpbalanceHash: BalanceHash;
    /** default "vhid" */
    readonly arpbalanceOrder: BalanceOrder;
    /** Fast group take-over, acts only with preempt; default true. */
    readonly fastTakeover: boolean;
    /** Added to advskew while a carpdev is down: net.inet.carp.ifdown_demotion_factor, 0..255. */
    readonly ifdownDemotion: number;
    /** Added after three failed sends: net.inet.carp.senderr_demotion_factor, 0..255. */
    readonly senderrDemotion: number;
    /** Longest time a planned hand-over waits for the successor, milliseconds, 0..10000. */
    readonly handoverLimitMs: number;
    /** A link that came back is used after this time (spanning tree), milliseconds, 0..3600000. */
    readonly linkUpDelayMs: number;
    /** How long the daemon demotes itself after its start, milliseconds, 0..86400000. */
    readonly bootDelayMs: number;
    /** Must succeed before the boot demotion ends; empty: none. No shell. */
    readonly bootCommand: readonly string[];
    /** A try of bootCommand that takes longer has failed and is killed, milliseconds. */
    readonly bootCommandTimeoutMs: number;
    /** A hook or script that runs longer is killed, milliseconds, 100..600000; default 10000. */
    readonly hookTimeoutMs: number;
}

/** `[system]`: what an appliance is beside its vhids. Nothing applies it on another host. */
export interface SystemConfig {
    /** "" for the image's own. */
    readonly hostname: string;
    /** Whether sshd runs; who may reach it says `allow`. Default false. */
    readonly ssh: boolean;
    /** Lines for authorized_keys. */
    readonly sshKeys: readonly string[];
    /** What the firewall lets in, canonical text (allow.ts): "ssh", "lan0:tcp/8080". */
    readonly allow: readonly string[];
    /** At most 3, canonical addresses. */
    readonly nameservers: readonly string[];
    /** Whether it routes; default true. */
    readonly forwarding: boolean;
}

/** One `[[interface]]` block: the host's own addresses on an interface. Applied as `SystemConfig`. */
export interface InterfaceConfig {
    /** 1..15 octets, unique, no vhid's. */
    readonly name: string;
    /** The host's own, never virtual ones. */
    readonly addresses: readonly Vip[];
    readonly dhcp: boolean;
    /** The default router, canonical address; "" for none. One a family in all blocks. */
    readonly gateway: string;
    readonly gateway6: string;
    /** Octets; 0: as the driver has it. */
    readonly mtu: number;
}

export interface Config {
    readonly options: Options;
    readonly carp: readonly CarpConfig[];
    /** At most 32. */
    readonly tracks: readonly TrackConfig[];
    readonly system: SystemConfig;
    readonly interfaces: readonly InterfaceConfig[];
}

export const defaultOptions: Options = {
    preempt: false,
    arpbalance: false,
    arpbalanceHash: "source-ip",
    arpbalanceOrder: "vhid",
    fastTakeover: true,
    ifdownDemotion: 240,
    senderrDemotion: 240,
    handoverLimitMs: 2000,
    linkUpDelayMs: 0,
    bootDelayMs: 0,
    bootCommand: [],
    bootCommandTimeoutMs: 30_000,
    hookTimeoutMs: 10_000,
};

export const defaultSystem: SystemConfig = {
    hostname: "",
    ssh: false,
    sshKeys: [],
    allow: [],
    nameservers: [],
    forwarding: true,
};
