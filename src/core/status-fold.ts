/**
 * Engine snapshot + configuration -> the public status. Pure; main thread.
 *
 * The engine counts microseconds of CLOCK_MONOTONIC; people want wall time. The caller hands in the
 * difference of the two clocks at this moment, so that a stepped wall clock shows at once.
 */
import type {Config} from "./config.ts";
import type {DemotionSnapshot, EngineSnapshot, PeerSnapshot, VhostSnapshot} from "./engine.ts";
import {nextOf} from "./next.ts";
import type {CarpStatus, InterfaceStatus, MasterStatus, StatisticsStatus} from "./status.ts";

/** What `show demotion` prints. */
export interface DemotionStatus {
    /** Sum of all reasons, not clamped. */
    readonly total: number;
    readonly reasons: readonly {
        readonly reason: string;
        readonly level: number;
        /** ISO 8601 time at which this reason appeared. */
        readonly since: string;
    }[];
}

/** The first line of `show carp`: what concerns the whole host. */
export interface HostStatus {
    readonly version: string;
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
}

/** ISO 8601 with milliseconds for a monotonic instant in microseconds. */
export function isoOf(at: bigint, wallOffsetUs: bigint): string {
    return new Date(Number((at + wallOffsetUs) / 1000n)).toISOString();
}

export function foldCarp(input: FoldInput): CarpStatus[] {
    return input.snapshot.vhosts.map((vhost) => carpStatus(vhost, input));
}

function carpStatus(vhost: VhostSnapshot, input: FoldInput): CarpStatus {
    const {snapshot, config, wallOffsetUs} = input;
    const {preempt, handoverLimitMs} = config.options;
    const next = nextOf(vhost, {
        at: snapshot.at,
        preempt,
        handoverLimitMs,
        demotion: snapshot.demotion,
        reasons: snapshot.demotionReasons,
        carpdev: snapshot.carpdevs.find((device) => device.carpdev === vhost.carpdev),
    });
    return {
        name: vhost.name,
        carpdev: vhost.carpdev,
        vhid: vhost.vhid,
        state: vhost.state,
        handingOver: vhost.handingOver,
        enabled: vhost.enabled,
        advbase: vhost.advbase,
        advskew: vhost.advskew,
        effectiveAdvskew: vhost.effectiveAdvskew,
        demotion: snapshot.demotion,
        addresses: vhost.addresses.map((vip) => `${vip.address}/${vip.prefixLength}`),
        virtualMac: vhost.virtualMac,
        since: isoOf(vhost.since, wallOffsetUs),
        cause: vhost.cause,
        master: vhost.master === null ? null : masterStatus(vhost.master, snapshot.at),
        next,
        preempt,
        peers: config.carp.find((carp) => carp.name === vhost.name)?.peers ?? [],
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

export function foldInterfaces(snapshot: EngineSnapshot): InterfaceStatus[] {
    return snapshot.carpdevs.map((device) => ({
        carpdev: device.carpdev,
        ifindex: device.ifindex,
        present: device.present,
        adminUp: device.adminUp,
        carrier: device.carrier,
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

export function foldDemotion(input: FoldInput): DemotionStatus {
    const toStatus = ({reason, level, since}: DemotionSnapshot) => ({
        reason,
        level,
        since: isoOf(since, input.wallOffsetUs),
    });
    return {
        total: input.snapshot.demotion,
        reasons: input.snapshot.demotionReasons.map(toStatus),
    };
}

export function foldHost(input: FoldInput, version: string): HostStatus {
    const {scheduler, realtime, memory, memoryLocked} = input.snapshot.scheduling;
    const {preempt, arpbalance} = input.config.options;
    const demotion = input.snapshot.demotion;
    return {version, preempt, arpbalance, demotion, scheduler, realtime, memory, memoryLocked};
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
