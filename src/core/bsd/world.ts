/**
 * What the BSD commands know and what they give: the state that a line is read against, and the
 * edits and acts that it stands for. Plain data, no thread of its own; carpd holds it.
 */
import type {Config, Secret, Vip} from "../config.ts";
import type {Diagnostic} from "../diagnostic.ts";
import type {Edit} from "../edit.ts";
import type {AdminAction} from "../engine.ts";
import type {CarpStatus} from "../status.ts";

/** An interface of the host; those that carpd made may be among them. */
export interface BsdInterface {
    readonly name: string;
    /** With prefix length: "192.168.1.2/24". */
    readonly addresses: readonly string[];
    readonly mac: string;
    readonly up: boolean;
    /** Octets; 1500 where it is not known. */
    readonly mtu?: number;
}

/** The sums of demotion; a `DemotionStatus` is one. */
export interface BsdDemotion {
    readonly total: number;
    readonly groups: readonly {readonly group: string; readonly total: number}[];
}

/**
 * What has been typed of a carp interface but cannot be in the configuration yet.
 *
 * "new": `ifconfig carp0 create` and more lines, as long as its vhid or its carpdev is not known, or
 * all that is missing is ARP balancing, because an address of it is another vhid's. "waiting": a
 * configured interface was given such an address.
 */
export type PendingCarp =
    | {readonly kind: "new"; readonly settings: PendingSettings}
    | {readonly kind: "waiting"; readonly addresses: readonly Vip[]};

export interface PendingSettings {
    readonly carpdev: string | null;
    readonly vhid: number | null;
    readonly advbase: number;
    readonly advskew: number;
    readonly pass: Secret;
    readonly addresses: readonly Vip[];
    readonly peers: readonly string[];
    readonly group: string;
    readonly enabled: boolean;
}

/**
 * By interface name. The daemon has one, as a BSD's kernel would: it outlives a session, not the
 * daemon. Entries that the configuration has overtaken are dropped by the next line.
 */
export type BsdPending = ReadonlyMap<string, PendingCarp>;

export const nothingPending: BsdPending = new Map();

export interface BsdWorld {
    /** The running one. */
    readonly config: Config;
    readonly carps: readonly CarpStatus[];
    readonly interfaces: readonly BsdInterface[];
    readonly demotion: BsdDemotion;
    readonly pending: BsdPending;
    /** carpd gives this host its addresses, routes and name; not given: false. */
    readonly appliance?: boolean;
    /** What the host is called now. */
    readonly hostname?: string;
    /** Names of the blocks that have `pass-file`, which must go when `pass` comes. */
    readonly passFiles?: ReadonlySet<string>;
}

export interface BsdAdmin {
    readonly name: string;
    readonly action: AdminAction;
}

export interface BsdDemote {
    /** Added to the operator's reason; -240..240, not 0. */
    readonly add: number;
    /** "" for every vhid. */
    readonly group: string;
}

/** To be done in this order: commit `edits`, keep `pending`, then `admin` and `demotions`. */
export interface BsdOutcome {
    /** What the BSD prints; every line ends with a line feed. */
    readonly output: string;
    readonly edits: readonly Edit[];
    readonly admin: readonly BsdAdmin[];
    readonly demotions: readonly BsdDemote[];
    /** Takes the place of `BsdWorld.pending` once the edits are committed. */
    readonly pending: BsdPending;
}

/**
 * Why nothing of a line was done. `file` is the command ("ifconfig", "sysctl", "route", "hostname", or "bsd" for the line
 * itself), line and column are those of the word in what was typed. Passwords are blotted out.
 */
export type BsdRefusal = Diagnostic;
