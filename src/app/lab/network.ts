/**
 * The network that a story is told on. Main thread.
 *
 * Two things fit: namespaces on this kernel with real carpd processes, and the simulator with the
 * same core. A story uses nothing else, so it is the same story on both. Time is the network's:
 * on the simulator a story passes as fast as it can be computed.
 */
import type {ProbeSummary, StripSlot} from "../../core/lab/arithmetic.ts";
import type {Heard} from "../../core/lab/capture.ts";
import type {NetworkSpec} from "../../core/lab/scenario.ts";
import type {BalanceAnswer, BalanceStatus, CarpStatus} from "../../core/status.ts";

export interface HostView {
    readonly name: string;
    readonly powered: boolean;
    /** null: no carpd answers. */
    readonly carp: readonly CarpStatus[] | null;
    readonly ports: readonly {readonly ifname: string; readonly carrier: boolean}[];
}

export interface LabNetwork {
    /** Said in the report. */
    readonly kind: "namespaces" | "simulation";
    readonly spec: NetworkSpec;
    /** Microseconds on this network's monotonic clock, the clock of the pings. */
    now(): number;
    /** Lets time pass. */
    pass(ms: number): Promise<void>;

    /** Powers the host on if it is off, and starts its carpd; resolves when that answers. */
    start(host: string): Promise<void>;
    /** SIGKILL to carpd. */
    killDaemon(host: string): Promise<void>;
    /** All power gone at once. */
    powerOff(host: string): Promise<void>;
    pullCable(host: string, ifname: string): Promise<void>;
    plugCable(host: string, ifname: string): Promise<void>;
    /**
     * `carpctl maintenance on|off`; resolves when the daemon has written it down. Absent where there
     * is no daemon, only its core.
     */
    setMaintenance?(host: string, on: boolean): Promise<void>;
    /** `ifconfig NAME up|down`; resolves when the address has been let go. */
    admin(host: string, carp: string, action: "up" | "down"): Promise<void>;

    /** null: the host has no running carpd. */
    carp(host: string): Promise<readonly CarpStatus[] | null>;
    view(host: string): Promise<HostView>;
    /** `carpctl show demotion`: each reason that holds and its level. */
    demotion(
        host: string,
    ): Promise<readonly {readonly reason: string; readonly level: number}[] | null>;
    /** `carpctl show balance`. */
    balance(host: string): Promise<readonly BalanceStatus[] | null>;
    /** `carpctl balance which CLIENT VIP`. */
    balanceWhich(host: string, client: string, address: string): Promise<BalanceAnswer | null>;
    /**
     * When a vhid that is MASTER became it, on this network's clock; null: it is not. Absent where
     * that is not known to the microsecond, which is everywhere but on virtual time.
     */
    masterSinceUs?(host: string, carp: string): number | null;
    /** The MAC that `host` sends to for an address; null: it knows none. */
    neighbourMac(host: string, address: string): Promise<string | null>;

    /** Makes a host that pings an address ask again who has it. */
    ask(host: string, address: string): Promise<void>;
    /**
     * CARP, ARP and neighbour discovery on a segment since the last call, oldest first, their
     * instants on this network's clock. Nothing unless the spec says `listens`.
     */
    heard(segment: string): Promise<readonly Heard[]>;
    /** false: the kernel has no IPv6, and the hosts only have their IPv4 addresses. */
    readonly hasIpv6: boolean;

    /** Starts every ping of the spec. */
    startProbes(): Promise<void>;
    /** Ends the lap of every ping, begins the next, and tells what the ended one was like. */
    lap(): Promise<ReadonlyMap<string, ProbeSummary>>;
    /** What the newest pings were like, for the screen; by probe name. */
    strips(): ReadonlyMap<string, readonly StripSlot[]>;
    /** Length of a strip's slot. */
    readonly slotUs: number;

    /** The last lines that a host's carpd wrote; asked for when a story failed. */
    logTail(host: string): string;
    close(): Promise<void>;
}
