/**
 * The boundary to the engine thread: plain data, one direction each.
 *
 * native/core/event.h and this file change together; test/unit/engine-names.test.ts compares the
 * names of both. Instants are microseconds of CLOCK_MONOTONIC, which is what
 * `process.hrtime.bigint() / 1000n` counts too.
 */
import type {BalanceHash, MacMode, Profile, Vip} from "./config.ts";

export const vhostStates = ["INIT", "BACKUP", "MASTER"] as const;
export type VhostState = (typeof vhostStates)[number];

/** Why a vhid changed its state, in FreeBSD's words where FreeBSD has one (spec 8.4). */
export const causes = [
    "none",
    "initialization complete",
    "master timed out",
    "master will time out",
    "preempting a slower master",
    "more frequent advertisement received",
    "equal advertisement from a lower address",
    "peer keeps its claim at equal interval",
    "less demoted advertisement received",
    "master is more demoted",
    "hardware interface down",
    "hardware interface up",
    "user requested via ifconfig",
    "interface administratively down",
    "handed over",
    "own advertisements were late",
    "no address configured",
    "configuration removed",
    "virtual interface failed",
    "its master failed with its group",
] as const;
export type Cause = (typeof causes)[number];

/** One vhid as the engine needs it. */
export interface EngineVhost {
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    readonly advbase: number;
    readonly advskew: number;
    /** 0..19 octets. Copied by the binding, never given back. */
    readonly key: Uint8Array;
    readonly addresses: readonly Vip[];
    readonly peers: readonly string[];
    readonly mac: MacMode;
    readonly profile: Profile;
    readonly enabled: boolean;
    /** The interface group that it fails over and is demoted with, 1..15 octets. */
    readonly group: string;
    /** 0..65535: where it stands among the vhids that share a VIP; equal ranks go by vhid. */
    readonly balanceRank: number;
    /** Used when the vhid is new: the first advertisement carries a value above this. */
    readonly counter: bigint;
}

/** An interface without vhids whose link demotes the host while it is down or missing. */
export interface EngineLinkTrack {
    /** "track:NAME", at most 31 octets. */
    readonly reason: string;
    readonly interface: string;
    /** 1..255 */
    readonly level: number;
    /** The group that it demotes, "" for all. */
    readonly group: string;
}

export interface EngineConfig {
    readonly preempt: boolean;
    readonly arpbalance: boolean;
    readonly balanceHash: BalanceHash;
    readonly fastTakeover: boolean;
    /** A link that came back is used after this time, 0..3600000 milliseconds. */
    readonly linkUpDelayMs: number;
    readonly ifdownDemotion: number;
    readonly senderrDemotion: number;
    readonly handoverLimitMs: number;
    readonly vhosts: readonly EngineVhost[];
    readonly linkTracks: readonly EngineLinkTrack[];
}

export interface EngineStartOptions {
    /** Path of the carp-janitor executable; it cleans up if this process is killed. */
    readonly janitor: string;
    /** Written to the ifalias of every interface that the engine makes, at most 200 octets. */
    readonly owner: string;
    /** Where original sysctl values are kept until they are restored. */
    readonly sysctlJournal: string;
    /** SCHED_FIFO priority 1..99; 0: do not ask for it. */
    readonly realtimePriority: number;
    readonly lockMemory: boolean;
}

export type AdminAction = "up" | "down" | "master" | "backup";

export type EngineEvent =
    | {
          readonly kind: "vhostState";
          readonly at: bigint;
          readonly name: string;
          readonly carpdev: string;
          readonly vhid: number;
          readonly from: VhostState;
          readonly to: VhostState;
          readonly cause: Cause;
          /** Source address of the advertisement that caused it; "" when none did. */
          readonly peer: string;
      }
    | {
          readonly kind: "handover";
          readonly at: bigint;
          readonly name: string;
          /** The farewell is out; forwarding goes on until the successor is heard. */
          readonly phase: "begin" | "successor" | "limit" | "cancelled";
          readonly peer: string;
      }
    | {
          readonly kind: "link";
          readonly at: bigint;
          readonly carpdev: string;
          readonly present: boolean;
          readonly adminUp: boolean;
          readonly carrier: boolean;
      }
    | {
          readonly kind: "demotion";
          readonly at: bigint;
          readonly reason: string;
          /** New level of this reason; 0: cleared. */
          readonly level: number;
          /** Sum over all reasons, not clamped. */
          readonly total: number;
          /** The one group that the reason holds for, "" for all or several. */
          readonly group: string;
      }
    | {
          /** Something wrong on the segment; at most one per kind, vhid and 10 s. */
          readonly kind: "alarm";
          readonly at: bigint;
          readonly carpdev: string;
          readonly vhid: number;
          readonly alarm: Alarm;
          readonly peer: string;
          readonly count: number;
      }
    | {
          /** The highest 32 bits of a counter grew: to be stored (src/io/epoch-store.ts). */
          readonly kind: "counterEpoch";
          readonly at: bigint;
          readonly epoch: number;
      }
    | {
          /** An error of the system; the engine goes on and tries again. */
          readonly kind: "fault";
          readonly at: bigint;
          readonly code: string;
          readonly op: string;
          readonly target: string;
          readonly errno: number;
          /** The name of errno: "ENODEV". */
          readonly error: string;
      }
    | {readonly kind: "eventsLost"; readonly at: bigint; readonly count: number};

export const alarms = [
    "second master",
    "wrong password or address set",
    "foreign vrrp on our vhid",
    "own frame came back",
    "address in use by another host",
    "advbase differs",
    "counter replayed",
] as const;
export type Alarm = (typeof alarms)[number];

export const peerClasses = ["new", "rising", "constant", "random", "rewound"] as const;
export type PeerClass = (typeof peerClasses)[number];

export interface PeerSnapshot {
    readonly address: string;
    readonly advbase: number;
    readonly advskew: number;
    readonly demotion: number;
    readonly lastHeardAt: bigint;
    readonly heard: number;
    readonly counterClass: PeerClass;
}

export interface VhostSnapshot {
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    readonly state: VhostState;
    readonly enabled: boolean;
    /** Farewell sent, still forwarding until the successor is heard. */
    readonly handingOver: boolean;
    readonly advbase: number;
    readonly advskew: number;
    readonly effectiveAdvskew: number;
    readonly group: string;
    /** The sum of demotion that holds for its group, not clamped. */
    readonly demotion: number;
    readonly since: bigint;
    readonly cause: Cause;
    readonly nextAdvertisementAt: bigint | null;
    readonly masterDownAt: bigint | null;
    /** The host whose advertisements this BACKUP follows; null as MASTER or when none was heard. */
    readonly master: PeerSnapshot | null;
    readonly peers: readonly PeerSnapshot[];
    readonly addresses: readonly Vip[];
    readonly virtualMac: string;
    /** Source address of our IPv4 and IPv6 advertisements, "" when the carpdev has none. */
    readonly source4: string;
    readonly source6: string;
    readonly transitions: number;
    readonly counters: Readonly<Record<string, number>>;
}

export interface CarpdevSnapshot {
    readonly carpdev: string;
    readonly ifindex: number;
    readonly present: boolean;
    readonly adminUp: boolean;
    readonly carrier: boolean;
    /** When the link, which is up again, is used (linkUpDelayMs); null: it is, or it is down. */
    readonly upAt: bigint | null;
    readonly mac: string;
    readonly addresses: readonly string[];
    readonly counters: Readonly<Record<string, number>>;
}

export interface DemotionSnapshot {
    readonly reason: string;
    readonly level: number;
    readonly since: bigint;
    /** The groups that it holds for, ", " between; "" for every group. */
    readonly groups: string;
}

/** One member of the vhids that share a VIP. */
export interface BalanceSnapshot {
    readonly carpdev: string;
    /** The shared address without prefix. */
    readonly address: string;
    /** 0..members-1 */
    readonly index: number;
    readonly members: number;
    readonly name: string;
    readonly vhid: number;
    /** Questions for this index that reached the engine; for an index that is not mastered here the
     * kernel drops them unseen. */
    readonly requests: number;
    readonly answers: number;
}

/** A tracked interface. */
export interface LinkTrackSnapshot {
    readonly reason: string;
    readonly interface: string;
    readonly present: boolean;
    readonly adminUp: boolean;
    readonly carrier: boolean;
    readonly since: bigint;
}

export interface SchedulingSnapshot {
    /** "SCHED_FIFO 50", or what was refused and why. */
    readonly scheduler: string;
    readonly realtime: boolean;
    readonly memory: string;
    readonly memoryLocked: boolean;
    /** Lateness of advertisements in microseconds since the start. */
    readonly lateCount: number;
    readonly lateMeanUs: number;
    readonly lateMaxUs: number;
    readonly lateP99Us: number;
}

export interface EngineSnapshot {
    readonly at: bigint;
    readonly demotion: number;
    readonly demotionReasons: readonly DemotionSnapshot[];
    readonly vhosts: readonly VhostSnapshot[];
    readonly carpdevs: readonly CarpdevSnapshot[];
    readonly balance: readonly BalanceSnapshot[];
    readonly linkTracks: readonly LinkTrackSnapshot[];
    readonly scheduling: SchedulingSnapshot;
}

/** A refused or failed engine operation. `code` is stable; the message may change. */
export class EngineError extends Error {
    readonly code: string;
    readonly op: string;
    readonly target: string;
    readonly errno: number;
    constructor(code: string, op: string, target: string, errno: number, message: string) {
        super(message);
        this.name = "EngineError";
        this.code = code;
        this.op = op;
        this.target = target;
        this.errno = errno;
    }
}

/** The engine as app/ sees it; src/io/addon.ts makes one from the addon. */
export interface Engine {
    start(options: EngineStartOptions, onEvent: (event: EngineEvent) => void): void;
    /** Makes the running set equal to `config`, touching only what differs. Resolves when applied. */
    configure(config: EngineConfig): Promise<void>;
    /** "down" and "backup" resolve when the address has been let go (EngineConfig.handoverLimitMs). */
    admin(name: string, action: AdminAction): Promise<void>;
    /**
     * Sets (level != 0) or clears (level 0) one reason of demotion, -255..255, for the vhids of
     * `group` or, with "", for all.
     */
    setDemotion(reason: string, level: number, group: string): Promise<void>;
    snapshot(): Promise<EngineSnapshot>;
    /** Hands over every MASTER, removes interfaces, restores sysctls, joins the thread. */
    stop(): Promise<void>;
}
