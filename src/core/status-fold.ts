/**
 * Engine snapshot + configuration -> the public status. Pure; main thread.
 *
 * The engine counts microseconds of CLOCK_MONOTONIC; people want wall time. The caller hands in the
 * difference of the two clocks at this moment, so that a stepped wall clock shows at once.
 */
import type {Config} from "./config.ts";
import {isOperators, onWire, whatClears} from "./demotion-reasons.ts";
import type {DemotionSnapshot, EngineSnapshot, PeerSnapshot, VhostSnapshot} from "./engine.ts";
import {nextOf} from "./next.ts";
import type {
    CarpStatus,
    InterfaceStatus,
    MaintenanceStatus,
    MasterStatus,
    StatisticsStatus,
} from "./status.ts";

/** What `show demotion` prints. */
export interface DemotionStatus {
    /** Sum of all reasons, not clamped. */
    readonly total: number;
    /** 0..240: what the sum makes of itself on the wire. */
    readonly onWire: number;
    /** The same for the vhids of each group; reasons may hold for some groups only. */
    readonly groups: readonly {
        readonly group: string;
        readonly total: number;
        readonly onWire: number;
    }[];
    readonly reasons: readonly {
        readonly reason: string;
        readonly level: number;
        /** The groups that it holds for, ", " between; "" for every group. */
        readonly groups: string;
        /** ISO 8601 time at which this reason appeared. */
        readonly since: string;
        /** What ends it, in words. */
        readonly clears: string;
    }[];
}

/** What a change of the operator's reasons did. */
export interface DemotionChange {
    /** The sum of all reasons before and after. */
    readonly before: number;
    readonly total: number;
    /** The operator's reasons that hold now. */
    readonly reasons: readonly {readonly reason: string; readonly level: number}[];
    /** The operator's reasons that held before and do not any more. */
    readonly cleared: readonly string[];
}

/** The operator's part of two snapshots, before and after a change. */
export function foldDemotionChange(before: EngineSnapshot, after: EngineSnapshot): DemotionChange {
    const operators = ({demotionReasons}: EngineSnapshot) =>
        demotionReasons.filter(({reason}) => isOperators(reason));
    const reasons = operators(after).map(({reason, level}) => ({reason, level}));
    return {
        before: before.demotion,
        total: after.demotion,
        reasons,
        cleared: operators(before)
            .map(({reason}) => reason)
            .filter((reason) => !reasons.some((held) => held.reason === reason)),
    };
}

/** The first line of `show carp`: what concerns the whole host. */
export interface HostStatus {
    readonly version: string;
    /** Why every vhid is kept in INIT (`carpd --hold`); "" in ordinary times. */
    readonly hold: string;
    readonly maintenance: MaintenanceStatus;
    /** ISO 8601 time since which the host demotes itself after its start; "" when it does not. */
    readonly bootHoldSince: string;
    readonly preempt: boolean;
    readonly arpbalance: boolean;
    readonly demotion: number;
    /** "SCHED_FIFO 50", or what was refused and why. */
    readonly scheduler: string;
    readonly realtime: boolean;
    readonly memory: string;
    readonly memoryLocked: boolean;
}

export interface FoldInput {
    readonly snapshot: EngineSnapshot;
    readonly config: Config;
    /** Wall clock minus monotonic clock, microseconds. */
    readonly wallOffsetUs: bigint;
    /** Why the whole host is kept in INIT; absent or "" in ordinary times. */
    readonly hold?: string;
}

/** ISO 8601 with milliseconds for a monotonic instant in microseconds. */
export function isoOf(at: bigint, wallOffsetUs: bigint): string {
    return new Date(Number((at + wallOffsetUs) / 1000n)).toISOString();
}

export function foldCarp(input: FoldInput): CarpStatus[] {
    return input.snapshot.vhosts.map((vhost) => carpStatus(vhost, input));
}

function carpStatus(vhost: VhostSnapshot, input: FoldInput): CarpStatus {
    const {snapshot, config, wallOffsetUs, hold = ""} = input;
    const {preempt, handoverLimitMs} = config.options;
    const next = nextOf(vhost, {
        at: snapshot.at,
        preempt,
        handoverLimitMs,
        reasons: snapshot.demotionReasons,
        carpdev: snapshot.carpdevs.find((device) => device.carpdev === vhost.carpdev),
        hold,
    });
    const configured = config.carp.find((carp) => carp.name === vhost.name);
    return {
        name: vhost.name,
        carpdev: vhost.carpdev,
        vhid: vhost.vhid,
        state: vhost.state,
        handingOver: vhost.handingOver,
        // Held, all are set down in the engine; what was configured is told by the configuration.
        enabled: hold === "" ? vhost.enabled : (configured?.enabled ?? false),
        advbase: vhost.advbase,
        advskew: vhost.advskew,
        effectiveAdvskew: vhost.effectiveAdvskew,
        group: vhost.group,
        demotion: vhost.demotion,
        addresses: vhost.addresses.map((vip) => `${vip.address}/${vip.prefixLength}`),
        virtualMac: vhost.virtualMac,
        since: isoOf(vhost.since, wallOffsetUs),
        cause: vhost.cause,
        master: vhost.master === null ? null : masterStatus(vhost.master, snapshot.at),
        next,
        preempt,
        peers: configured?.peers ?? [],
        transitions: vhost.transitions,
    };
}

function masterStatus(peer: PeerSnapshot, at: bigint): MasterStatus {
    const elapsedUs = at > peer.lastHeardAt ? at - peer.lastHeardAt : 0n;
    return {
        address: peer.address,
        advbase: peer.advbase,
        advskew: peer.advskew,
        lastHeardMs: Math.round(Number(elapsedUs) / 1000),
    };
}

export function foldInterfaces({snapshot, wallOffsetUs}: FoldInput): InterfaceStatus[] {
    return snapshot.carpdevs.map((device) => ({
        carpdev: device.carpdev,
        ifindex: device.ifindex,
        present: device.present,
        adminUp: device.adminUp,
        carrier: device.carrier,
        usedAt: device.upAt === null ? "" : isoOf(device.upAt, wallOffsetUs),
        mac: device.mac,
        addresses: device.addresses,
        vhids: snapshot.vhosts
            .filter((vhost) => vhost.carpdev === device.carpdev)
            .map((vhost) => vhost.vhid)
            .sort((a, b) => a - b),
    }));
}

/** `extra` are the daemon's own counters (dropped log lines, slow clients...). */
export function foldStatistics(
    snapshot: EngineSnapshot,
    extra: Readonly<Record<string, number>> = {},
): StatisticsStatus {
    return {
        carp: snapshot.vhosts.map(({name, counters}) => ({name, counters})),
        carpdevs: snapshot.carpdevs.map(({carpdev, counters}) => ({carpdev, counters})),
        scheduling: {...snapshot.scheduling, ...extra},
    };
}

export function foldDemotion(input: FoldInput, maintenance: MaintenanceStatus): DemotionStatus {
    const {snapshot, config, wallOffsetUs} = input;
    const sums = new Map(snapshot.vhosts.map(({group, demotion}) => [group, demotion]));
    const toStatus = ({reason, level, groups, since}: DemotionSnapshot) => ({
        reason,
        level,
        groups,
        since: isoOf(since, wallOffsetUs),
        clears: whatClears(reason, config, maintenance),
    });
    return {
        total: snapshot.demotion,
        onWire: onWire(snapshot.demotion),
        groups: [...sums].map(([group, total]) => ({group, total, onWire: onWire(total)})),
        reasons: snapshot.demotionReasons.map(toStatus),
    };
}

export function foldHost(
    input: FoldInput,
    version: string,
    maintenance: MaintenanceStatus,
): HostStatus {
    const {scheduler, realtime, memory, memoryLocked} = input.snapshot.scheduling;
    const {preempt, arpbalance} = input.config.options;
    const {demotion, demotionReasons} = input.snapshot;
    const boot = demotionReasons.find(({reason}) => reason === "boot");
    const bootHoldSince = boot === undefined ? "" : isoOf(boot.since, input.wallOffsetUs);
    return {
        version,
        hold: input.hold ?? "",
        maintenance,
        bootHoldSince,
        preempt,
        arpbalance,
        demotion,
        scheduler,
        realtime,
        memory,
        memoryLocked,
    };
}

/** The text behind systemd's STATUS=: "1 MASTER, 2 BACKUP, demotion 0". */
export function summaryLine(states: Iterable<string>, demotion: number): string {
    const counts = new Map<string, number>();
    for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
    const parts = ["MASTER", "BACKUP", "INIT"]
        .filter((state) => counts.has(state))
        .map((state) => `${counts.get(state)} ${state}`);
    return `${parts.length === 0 ? "no carp interface" : parts.join(", ")}, demotion ${demotion}`;
}
