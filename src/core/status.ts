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
    /** The host-wide sum of demotion reasons. */
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
