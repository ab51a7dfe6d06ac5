/**
 * The public status: what `carpctl show carp --json` prints. Keys are API and only ever added.
 */
import type {Cause, VhostState} from "./engine.ts";

export interface MasterStatus {
    readonly address: string;
    readonly advbase: number;
    readonly advskew: number;
    readonly lastHeardMs: number;
}

export interface CarpStatus {
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    readonly state: VhostState;
    readonly handingOver: boolean;
    readonly enabled: boolean;
    readonly advbase: number;
    readonly advskew: number;
    /** What goes on the wire: min(advskew + demotion, 240) while demoted. */
    readonly effectiveAdvskew: number;
    /** The interface group that it fails over with. */
    readonly group: string;
    /** The sum of the demotion reasons that hold for its group. */
    readonly demotion: number;
    /** VIPs with prefix length. */
    readonly addresses: readonly string[];
    readonly virtualMac: string;
    /** ISO 8601 time of the last state change. */
    readonly since: string;
    readonly cause: Cause;
    /** The host that is MASTER elsewhere, as far as this one has heard. */
    readonly master: MasterStatus | null;
    /** One sentence: what happens next and when. */
    readonly next: string;
    readonly preempt: boolean;
    readonly peers: readonly string[];
    readonly transitions: number;
}

export interface InterfaceStatus {
    readonly carpdev: string;
    readonly ifindex: number;
    readonly present: boolean;
    readonly adminUp: boolean;
    readonly carrier: boolean;
    /** ISO 8601 time at which a link that came back is used (link-up-delay); "" when it is or down. */
    readonly usedAt: string;
    readonly mac: string;
    readonly addresses: readonly string[];
    readonly vhids: readonly number[];
}

export interface StatisticsStatus {
    readonly carp: readonly {
        readonly name: string;
        readonly counters: Readonly<Record<string, number>>;
    }[];
    readonly carpdevs: readonly {
        readonly carpdev: string;
        readonly counters: Readonly<Record<string, number>>;
    }[];
    readonly scheduling: Readonly<Record<string, string | number | boolean>>;
}

/** Maintenance mode: demotes by 240 until it is switched off, also over a restart. */
export interface MaintenanceStatus {
    readonly on: boolean;
    /** ISO 8601; "" while off. */
    readonly since: string;
    /** ISO 8601; "" while off or without an end. */
    readonly until: string;
}

/** A `[[track]]` block at work. */
export interface TrackStatus {
    readonly name: string;
    /** What is watched, in words: "ping 192.0.2.1 every 1s". */
    readonly what: string;
    /** "starting": not enough checks yet to say; counts as good. */
    readonly state: "good" | "failing" | "starting";
    /** ISO 8601 time of the last change of `state`. */
    readonly since: string;
    /** Added to advskew now: 0 unless failing. */
    readonly demotion: number;
    /** What the last check said: "answered in 1 ms", "exit status 1: no route". */
    readonly last: string;
    /** One sentence: what would change the state. */
    readonly next: string;
}

export interface BalanceMember {
    readonly index: number;
    readonly name: string;
    readonly vhid: number;
    readonly state: VhostState;
    /** "this host", the address of the host that is MASTER of this vhid, or "" when none is known. */
    readonly master: string;
    /** Questions that selected this index; null where the kernel drops them, not MASTER here. */
    readonly requests: number | null;
    readonly answers: number;
}

/** Vhids of one carpdev that share one VIP. */
export interface BalanceStatus {
    readonly carpdev: string;
    readonly address: string;
    /** "source-ip" or "sender-mac"; always "source-ip" for IPv6. */
    readonly hash: string;
    readonly members: readonly BalanceMember[];
}

/** Who answers a given client for a shared VIP. */
export interface BalanceAnswer {
    readonly carpdev: string;
    readonly address: string;
    /** The client's address or MAC. */
    readonly client: string;
    readonly index: number;
    readonly members: number;
    readonly name: string;
    readonly vhid: number;
    /** As in BalanceMember. */
    readonly master: string;
    readonly virtualMac: string;
    /** The arithmetic in words: "3232235876 mod 2 = 0". */
    readonly why: string;
}
