/**
 * Why a vhid changed its state: what was known right after the change, as fields and as sentences.
 * Pure; src/app/transition-records.ts keeps the records, `show why` prints them.
 */
import {advertisementIntervalUs, formatDuration, formatInterval} from "./duration.ts";
import {type Cause, causes, type EngineSnapshot, type VhostState} from "./engine.ts";
import {isoOf} from "./status-fold.ts";

/** The parts of a snapshot whose growth is told: counters, and how late the engine was. */
export interface CounterMark {
    /** Microseconds of CLOCK_MONOTONIC. */
    readonly at: bigint;
    readonly vhost: Readonly<Record<string, number>>;
    readonly carpdev: Readonly<Record<string, number>>;
    readonly lateMaxUs: number;
}

export interface HeardAdvertisement {
    readonly address: string;
    readonly advbase: number;
    readonly advskew: number;
    readonly demotion: number;
    /** Age at the change, microseconds. */
    readonly ageUs: bigint;
}

/** One change of one vhid. All instants: microseconds of CLOCK_MONOTONIC. */
export interface TransitionRecord {
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    readonly at: bigint;
    readonly from: VhostState;
    readonly to: VhostState;
    readonly cause: Cause;
    /** Whose advertisement caused it; "" for none. */
    readonly peer: string;
    readonly advbase: number;
    readonly advskew: number;
    readonly effectiveAdvskew: number;
    /** The last one that was heard up to the change; null: none. */
    readonly heard: HeardAdvertisement | null;
    readonly mark: CounterMark;
    /** Of the change before; null: this is the first one. */
    readonly before: CounterMark | null;
    readonly scheduler: string;
    readonly realtime: boolean;
    readonly links: readonly {readonly carpdev: string; readonly link: string}[];
    readonly demotion: number;
    readonly reasons: readonly {readonly reason: string; readonly level: number}[];
    /** Alarms of this vhid since the change before: "second master from 192.168.1.3". */
    readonly alarms: readonly string[];
}

/** What `show why` answers for a vhid. Keys are API and only ever added. */
export interface WhyStatus {
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    /** ISO 8601. */
    readonly at: string;
    readonly from: VhostState;
    readonly to: VhostState;
    readonly cause: Cause;
    readonly peer: string;
    /** Sentences for people, one for each line. */
    readonly explain: readonly string[];
    readonly heard: {
        readonly address: string;
        readonly advbase: number;
        readonly advskew: number;
        readonly intervalMs: number;
        readonly ageMs: number;
    } | null;
    readonly own: {
        readonly advbase: number;
        readonly advskew: number;
        readonly effectiveAdvskew: number;
        readonly intervalMs: number;
    };
    /** ISO 8601 time of the change before; "" when this is the first since carpd started. */
    readonly before: string;
    /** What grew since the change before and should not have: drops, bad advertisements. */
    readonly drops: Readonly<Record<string, number>>;
    readonly lateness: {
        readonly maxUs: number;
        /** The greatest lateness since the start happened since the change before. */
        readonly grew: boolean;
        readonly scheduler: string;
        readonly realtime: boolean;
    };
    readonly links: readonly {readonly carpdev: string; readonly link: string}[];
    readonly demotion: {
        readonly total: number;
        readonly reasons: readonly {readonly reason: string; readonly level: number}[];
    };
    readonly alarms: readonly string[];
}

/** A change as the log's event tells it. */
export type TransitionEvent = Pick<
    TransitionRecord,
    "name" | "carpdev" | "vhid" | "at" | "from" | "to" | "cause" | "peer"
>;

/** "" is no cause of the engine's. */
export function causeOf(text: string): Cause {
    return causes.find((cause) => cause === text) ?? "none";
}

/** The log's milliseconds and what the two clocks' difference jitters by, microseconds. */
const roundingUs = 5000n;

/**
 * What is kept of a change. `snapshot` was taken right after it; null when the vhid is not in it
 * any more.
 */
export function transitionRecord(
    event: TransitionEvent,
    snapshot: EngineSnapshot,
    known: {readonly before: CounterMark | null; readonly alarms: readonly string[]},
): TransitionRecord | null {
    const vhost = snapshot.vhosts.find(({name}) => name === event.name);
    if (vhost === undefined) return null;
    const device = snapshot.carpdevs.find(({carpdev}) => carpdev === event.carpdev);
    // The engine's instant is exact where the log's has milliseconds; a later change has its own.
    const apart = vhost.since - event.at;
    const isThis = vhost.state === event.to && apart > -roundingUs && apart < roundingUs;
    const at = isThis ? vhost.since : event.at;
    const {scheduling} = snapshot;
    return {
        ...event,
        at,
        advbase: vhost.advbase,
        advskew: vhost.advskew,
        effectiveAdvskew: vhost.effectiveAdvskew,
        heard: lastHeard(vhost.peers, event.peer, at),
        mark: {
            at,
            vhost: vhost.counters,
            carpdev: device?.counters ?? {},
            lateMaxUs: scheduling.lateMaxUs,
        },
        before: known.before,
        scheduler: scheduling.scheduler,
        realtime: scheduling.realtime,
        links: snapshot.carpdevs.map((each) => ({carpdev: each.carpdev, link: linkText(each)})),
        demotion: vhost.demotion,
        reasons: snapshot.demotionReasons.map(({reason, level}) => ({reason, level})),
        alarms: known.alarms,
    };
}

type Peers = EngineSnapshot["vhosts"][number]["peers"];

/** The peer that caused it; without one, whoever was heard last before it. */
function lastHeard(peers: Peers, peer: string, at: bigint): HeardAdvertisement | null {
    const [latest] = peers
        .filter(({lastHeardAt}) => lastHeardAt <= at)
        .sort((a, b) => Number(b.lastHeardAt - a.lastHeardAt));
    const found = peers.find(({address}) => address === peer) ?? latest;
    if (found === undefined) return null;
    const {address, advbase, advskew, demotion, lastHeardAt} = found;
    // It may have been heard again between the change and the snapshot.
    const ageUs = lastHeardAt > at ? 0n : at - lastHeardAt;
    return {address, advbase, advskew, demotion, ageUs};
}

function linkText(link: {present: boolean; adminUp: boolean; carrier: boolean}): string {
    if (!link.present) return "absent";
    if (!link.adminUp) return "down";
    return link.carrier ? "up" : "no carrier";
}

/** Counters that grow only when something is wrong, with what they mean. */
const bad: ReadonlyMap<string, string> = new Map([
    ["badlen", "packets with a bad length"],
    ["badsum", "packets with a bad checksum"],
    ["badauth", "advertisements with a wrong password or address set"],
    ["badttl", "advertisements whose TTL was not 255"],
    ["badver", "advertisements of another version"],
    ["badaddrs", "advertisements from hosts that are no configured peer"],
    ["replayed", "replayed advertisements"],
    ["self", "own frames that came back"],
    ["foreignVrrp", "VRRP packets"],
    ["oerrors", "advertisements that could not be sent"],
    ["noSource", "advertisements not sent for want of an address"],
    ["stalls", "times that our own advertisements were late"],
    ["secondMaster", "advertisements of a second master"],
    ["transmitDropped", "answers dropped from a full queue"],
]);

function grown(record: TransitionRecord): Record<string, number> {
    const {mark, before} = record;
    const drops: Record<string, number> = {};
    for (const key of bad.keys()) {
        const now = mark.vhost[key] ?? mark.carpdev[key] ?? 0;
        const then = before?.vhost[key] ?? before?.carpdev[key] ?? 0;
        if (now > then) drops[key] = now - then;
    }
    return drops;
}

export function whyOf(record: TransitionRecord, wallOffsetUs: bigint): WhyStatus {
    const {heard, before, mark} = record;
    const {name, carpdev, vhid, from, to, cause, peer} = record;
    const interval = (advbase: number, advskew: number): number =>
        Number(advertisementIntervalUs(advbase, advskew)) / 1000;
    const {advbase, advskew, effectiveAdvskew} = record;
    return {
        name,
        carpdev,
        vhid,
        at: isoOf(record.at, wallOffsetUs),
        from,
        to,
        cause,
        peer,
        explain: explain(record),
        heard:
            heard === null
                ? null
                : {
                      address: heard.address,
                      advbase: heard.advbase,
                      advskew: heard.advskew,
                      intervalMs: interval(heard.advbase, heard.advskew),
                      ageMs: Number(heard.ageUs) / 1000,
                  },
        own: {advbase, advskew, effectiveAdvskew, intervalMs: interval(advbase, effectiveAdvskew)},
        before: before === null ? "" : isoOf(before.at, wallOffsetUs),
        drops: grown(record),
        lateness: {
            maxUs: mark.lateMaxUs,
            grew: mark.lateMaxUs > (before?.lateMaxUs ?? 0),
            scheduler: record.scheduler,
            realtime: record.realtime,
        },
        links: record.links,
        demotion: {total: record.demotion, reasons: record.reasons},
        alarms: record.alarms,
    };
}

/** The sentences, the most important first; at least one. */
export function explain(record: TransitionRecord): string[] {
    const {name, from, to} = record;
    const sentences = [`${name} went from ${from} to ${to}: ${because(record)}.`];
    const heard = heardSentence(record);
    if (heard !== "") sentences.push(heard);
    if (record.demotion !== 0) {
        const reasons = record.reasons.map(({reason, level}) => `${reason} ${level}`).join(", ");
        sentences.push(`It was demoted by ${record.demotion} (${reasons}).`);
    }
    const down = record.links.filter(({link}) => link !== "up");
    if (down.length > 0) {
        const list = down.map(({carpdev, link}) => `${carpdev} ${link}`).join(", ");
        sentences.push(`Links at that time: ${list}.`);
    }
    const drops = Object.entries(grown(record)).map(([key, n]) => `${n} ${bad.get(key) ?? key}`);
    if (drops.length > 0) {
        const since = record.before === null ? "since the start" : "since the change before";
        sentences.push(`Seen ${since}: ${drops.join(", ")}.`);
    }
    if (record.alarms.length > 0) sentences.push(`Alarms: ${record.alarms.join(", ")}.`);
    const late = lateSentence(record);
    if (late !== "") sentences.push(late);
    return sentences;
}

function because(record: TransitionRecord): string {
    const {cause, carpdev, heard} = record;
    const peer = record.peer === "" ? "another host" : record.peer;
    const link = record.links.find((each) => each.carpdev === carpdev)?.link ?? "unknown";
    switch (cause) {
        case "none":
            return "the cause is not known, because events were lost";
        case "initialization complete":
            return `${carpdev} was ready, and it began to listen for a master`;
        case "master timed out":
            return heard === null
                ? "no master was heard at all"
                : `${heard.address} was not heard any more`;
        case "master will time out":
            return `${peer} said farewell: it handed over`;
        case "preempting a slower master":
            return `${peer} advertised less often than this host, and preempt is on`;
        case "more frequent advertisement received":
            return `${peer} advertises more often`;
        case "equal advertisement from a lower address":
            return `${peer} advertises as often, and its address is the lower one`;
        case "peer keeps its claim at equal interval":
            return `${peer} advertises as often and keeps its claim`;
        case "less demoted advertisement received":
            return `${peer} is less demoted`;
        case "master is more demoted":
            return `${peer} is more demoted than this host`;
        case "hardware interface down":
            return `${carpdev} lost its link (${link})`;
        case "hardware interface up":
            return `${carpdev} has a link again`;
        case "user requested via ifconfig":
            return "somebody asked for it";
        case "interface administratively down":
            return "it was set down";
        case "handed over":
            return "this host handed over, as it was asked to";
        case "own advertisements were late":
            return "this host could not send its advertisements in time and stepped down";
        case "no address configured":
            return "it has no address to share";
        case "configuration removed":
            return "it was removed from the configuration";
        case "virtual interface failed":
            return "its virtual interface could not be made or was taken away";
        case "its master failed with its group":
            return `${peer} failed on another interface of the same group`;
    }
}

/** What was heard last and how often the two advertise; "" where no peer was heard. */
function heardSentence(record: TransitionRecord): string {
    const {heard, advbase, effectiveAdvskew} = record;
    const own = formatInterval(advertisementIntervalUs(advbase, effectiveAdvskew));
    if (heard === null) {
        return record.cause === "master timed out"
            ? `This host listened for 3 * advbase + advskew/256 s; it advertises every ${own}.`
            : "";
    }
    const theirs = formatInterval(advertisementIntervalUs(heard.advbase, heard.advskew));
    const age =
        heard.ageUs === 0n ? "at that moment" : `${formatDuration(heard.ageUs)} before that`;
    const demoted = heard.demotion === 0 ? "" : `, demotion ${heard.demotion}`;
    return (
        `The last advertisement came from ${heard.address} ${age}: every ${theirs} ` +
        `(advbase ${heard.advbase}, advskew ${heard.advskew}${demoted}), ours every ${own} ` +
        `(advbase ${advbase}, advskew ${effectiveAdvskew}).`
    );
}

/** Lateness that matters in an election, microseconds: a quarter of the usual spacing of advskew. */
const noticeableLateUs = 100_000;

function lateSentence({mark, before, realtime, scheduler}: TransitionRecord): string {
    const grew = mark.lateMaxUs > (before?.lateMaxUs ?? 0);
    if (!grew || mark.lateMaxUs < noticeableLateUs) return "";
    const late = formatDuration(BigInt(Math.round(mark.lateMaxUs)));
    const how = realtime ? "" : ` (${scheduler})`;
    return `This host was late by up to ${late}${how}.`;
}
