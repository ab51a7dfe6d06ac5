/**
 * What the front panel has to know of this host, as one plain value: carpd folds it from a snapshot
 * of the engine (`foldPanel`), carp-panel gets it over the control socket (`decodePanel`), and
 * src/core/leds.ts makes lights of it. Pure.
 */
import type {ApplianceStatus} from "./appliance/status.ts";
import {advertisementIntervalUs} from "./duration.ts";
import type {VhostState} from "./engine.ts";
import {type Alarm, type EngineSnapshot, type VhostSnapshot, vhostStates} from "./engine.ts";

export interface PanelVhid {
    readonly name: string;
    readonly vhid: number;
    readonly state: VhostState;
    /** false: the operator has set it down; it lights nothing. */
    readonly enabled: boolean;
    /** The farewell is out, and this host forwards until the successor is heard. */
    readonly handingOver: boolean;
    /** Something adds to its advskew. */
    readonly demoted: boolean;
}

export interface PanelStatus {
    /** carpd runs and is not on its way out. */
    readonly ready: boolean;
    /** Why everything stays in INIT (`carpd --hold`); "" in ordinary times. */
    readonly hold: string;
    readonly vhids: readonly PanelVhid[];
    /** The names of the reasons that demote this host: "maintenance", "link:eth1". */
    readonly demotions: readonly string[];
    /** A sentence for each vhid that has two masters, as far as this host hears. */
    readonly splitBrain: readonly string[];
    /** A sentence for each vhid whose other host went silent. */
    readonly peerLost: readonly string[];
    /** ISO 8601: until when a commit waits for its confirmation; "" when none does. */
    readonly commitUnconfirmed: string;
    /** What is being written; "" when nothing is. */
    readonly installing: string;
    /** The running image has not been marked good yet. */
    readonly imageUnconfirmed: boolean;
    /** What a person must look at: a crash loop, the older slot; "" without. */
    readonly fault: string;
    /** The next short press of the reset button erases the configuration. */
    readonly resetArmed: boolean;
    /** All LEDs flash, so that somebody finds this box. */
    readonly identify: boolean;
    readonly links: readonly {readonly carpdev: string; readonly carrier: boolean}[];
}

/** An alarm of the engine that was raised a short while ago. */
export interface RecentAlarm {
    readonly vhid: number;
    readonly carpdev: string;
    readonly alarm: Alarm;
    readonly peer: string;
}

export interface PanelInput {
    readonly ready: boolean;
    readonly hold: string;
    readonly snapshot: EngineSnapshot;
    readonly preempt: boolean;
    readonly alarms: readonly RecentAlarm[];
    readonly commitUnconfirmed: string;
    readonly appliance: ApplianceStatus;
    readonly resetArmed: boolean;
    readonly identify: boolean;
}

/**
 * The engine raises an alarm again 10 s after the last one while its cause goes on (engine.ts);
 * this is how long one is shown, milliseconds.
 */
export const alarmShownMs = 15_000;

/**
 * A host that would not take over again by itself says nothing when it is back as BACKUP. Its
 * absence is told for so long, microseconds.
 */
const absenceShownUs = 600_000_000n;

/** Heard while this host is MASTER, each of these is the advertisement or answer of a second one. */
const secondMasters: readonly Alarm[] = [
    "second master",
    "wrong password or address set",
    "address in use by another host",
];

export function foldPanel(input: PanelInput): PanelStatus {
    const {snapshot, appliance} = input;
    const {vhosts, demotionReasons, carpdevs} = snapshot;
    const {installing} = appliance;
    return {
        ready: input.ready,
        hold: input.hold,
        vhids: vhosts.map((vhost) => ({
            name: vhost.name,
            vhid: vhost.vhid,
            state: vhost.state,
            enabled: vhost.enabled,
            handingOver: vhost.handingOver,
            demoted: vhost.demotion > 0,
        })),
        demotions: demotionReasons.filter(({level}) => level > 0).map(({reason}) => reason),
        splitBrain: vhosts.flatMap((vhost) => twoMasters(vhost, input.alarms)),
        peerLost: vhosts.flatMap((vhost) => lostPeer(vhost, snapshot.at, input.preempt)),
        commitUnconfirmed: input.commitUnconfirmed,
        installing: installing !== null && !installing.done ? installing.message || "update" : "",
        imageUnconfirmed: appliance.unconfirmed,
        fault: [appliance.fault, appliance.olderSlot].filter((text) => text !== "").join("; "),
        resetArmed: input.resetArmed,
        identify: input.identify,
        links: carpdevs.map(({carpdev, carrier}) => ({carpdev, carrier})),
    };
}

function twoMasters(vhost: VhostSnapshot, alarms: readonly RecentAlarm[]): string[] {
    if (vhost.state !== "MASTER") return [];
    const heard = alarms.find(
        ({vhid, carpdev, alarm}) =>
            vhid === vhost.vhid && carpdev === vhost.carpdev && secondMasters.includes(alarm),
    );
    if (heard === undefined) return [];
    const peer = heard.peer === "" ? "another host" : heard.peer;
    return [`two masters of ${vhost.name}: ${peer} too (${heard.alarm})`];
}

/**
 * A MASTER hears nothing from a BACKUP that is well, so only one thing can be known: this host took
 * over because the other one fell silent without a farewell, and it has not been heard since.
 */
function lostPeer(vhost: VhostSnapshot, at: bigint, preempt: boolean): string[] {
    const {name, state, cause, since} = vhost;
    const timedOut = cause === "master timed out" || cause === "its master failed with its group";
    if (state !== "MASTER" || !timedOut) return [];
    const peers = [...vhost.peers].sort((a, b) => (a.lastHeardAt < b.lastHeardAt ? 1 : -1));
    const [last] = peers;
    if (last === undefined || last.lastHeardAt > since) return [];
    const theirs = advertisementIntervalUs(last.advbase, last.advskew);
    const ours = advertisementIntervalUs(vhost.advbase, vhost.effectiveAdvskew);
    const wouldReturn = preempt && theirs < ours;
    if (!wouldReturn && at - since > absenceShownUs) return [];
    return [`${last.address} fell silent as MASTER of ${name} and was not heard since`];
}

// ---- over the control socket ----

function member(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function textOf(value: unknown, key: string): string {
    const text = member(value, key);
    return typeof text === "string" ? text : "";
}

function textsOf(value: unknown, key: string): string[] {
    const list = member(value, key);
    return Array.isArray(list) ? list.filter((one) => typeof one === "string") : [];
}

function vhidOf(value: unknown): PanelVhid[] {
    const state = vhostStates.find((known) => known === member(value, "state"));
    const vhid = member(value, "vhid");
    if (state === undefined || typeof vhid !== "number") return [];
    return [
        {
            name: textOf(value, "name"),
            vhid,
            state,
            enabled: member(value, "enabled") === true,
            handingOver: member(value, "handingOver") === true,
            demoted: member(value, "demoted") === true,
        },
    ];
}

/**
 * The status in the body of `GET /v1/panel`; null: it is none. A member that is missing counts as
 * nothing to be shown.
 */
export function decodePanel(body: unknown): PanelStatus | null {
    const status = member(body, "status");
    const vhids = member(status, "vhids");
    const ready = member(status, "ready");
    if (typeof ready !== "boolean" || !Array.isArray(vhids)) return null;
    const links = member(status, "links");
    return {
        ready,
        hold: textOf(status, "hold"),
        vhids: vhids.flatMap(vhidOf),
        demotions: textsOf(status, "demotions"),
        splitBrain: textsOf(status, "splitBrain"),
        peerLost: textsOf(status, "peerLost"),
        commitUnconfirmed: textOf(status, "commitUnconfirmed"),
        installing: textOf(status, "installing"),
        imageUnconfirmed: member(status, "imageUnconfirmed") === true,
        fault: textOf(status, "fault"),
        resetArmed: member(status, "resetArmed") === true,
        identify: member(status, "identify") === true,
        links: (Array.isArray(links) ? links : []).map((link: unknown) => ({
            carpdev: textOf(link, "carpdev"),
            carrier: member(link, "carrier") === true,
        })),
    };
}
