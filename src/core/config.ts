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
}

export interface Options {
    /** net.inet.carp.preempt, default false. */
    readonly preempt: boolean;
    /** net.inet.carp.arpbalance, default false. */
    readonly arpbalance: boolean;
    /** Fast group take-over, acts only with preempt; default true. */
    readonly fastTakeover: boolean;
    /** Added to advskew while a carpdev is down: net.inet.carp.ifdown_demotion_factor, 0..255. */
    readonly ifdownDemotion: number;
    /** Added after three failed sends: net.inet.carp.senderr_demotion_factor, 0..255. */
    readonly senderrDemotion: number;
    /** Longest time a planned hand-over waits for the successor, milliseconds, 0..10000. */
    readonly handoverLimitMs: number;
}

export interface Config {
    readonly options: Options;
    readonly carp: readonly CarpConfig[];
}

export const defaultOptions: Options = {
    preempt: false,
    arpbalance: false,
    fastTakeover: true,
    ifdownDemotion: 240,
    senderrDemotion: 240,
    handoverLimitMs: 2000,
};
