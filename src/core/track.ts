/**
 * The rise and fall of one check, and the sentences about it. Pure; main thread.
 *
 * Nothing here knows how a check is done (src/io/track-checks.ts) or when (src/app/conditions.ts).
 */
import type {TrackCheck, TrackConfig} from "./config.ts";
import {durationText, octetsText} from "./config-units.ts";
import type {LinkTrackSnapshot} from "./engine.ts";
import type {TrackStatus} from "./status.ts";

/**
 * What one run of a check found. "unknown": this machine cannot say (no temperature sensor), which
 * is neither good nor bad.
 */
export type Verdict = "good" | "bad" | "unknown";

export interface CheckResult {
    readonly verdict: Verdict;
    /** One line: "answered in 1.2 ms", "exit status 1: no route". */
    readonly text: string;
}

export interface TrackPolicy {
    /** Good results in a row that make it good, 1 or more. */
    readonly rise: number;
    /** Bad results in a row that make it failing, 1 or more. */
    readonly fall: number;
}

/** Where a track stands. Only "failing" demotes. */
export interface TrackProgress {
    readonly state: TrackStatus["state"];
    /** Monotonic microseconds of the last change of `state`. */
    readonly since: bigint;
    /** The results in a row that end with the last one: their verdict and number. */
    readonly streak: {readonly verdict: Verdict; readonly count: number};
    /** Text of the last result. */
    readonly last: string;
}

export function newTrack(at: bigint): TrackProgress {
    return {
        state: "starting",
        since: at,
        streak: {verdict: "unknown", count: 0},
        last: "not checked yet",
    };
}

/**
 * The state follows a verdict when enough of them came in a row: `rise` good ones, `fall` bad ones.
 * `fall` unknown ones lead back to "starting": a sensor that vanished says nothing any more, and
 * must not keep a host demoted for ever.
 */
export function feed(
    track: TrackProgress,
    policy: TrackPolicy,
    result: CheckResult,
    at: bigint,
): TrackProgress {
    const {verdict, text} = result;
    const inRow = track.streak.verdict === verdict ? track.streak.count + 1 : 1;
    // No longer than what counts: it never overflows and `next` never counts below one.
    const enough = verdict === "good" ? policy.rise : policy.fall;
    const streak = {verdict, count: Math.min(inRow, enough)};
    const to = streak.count >= enough ? stateAfter[verdict] : track.state;
    return {state: to, since: to === track.state ? track.since : at, streak, last: text};
}

const stateAfter = {good: "good", bad: "failing", unknown: "starting"} as const;

/** The check itself was changed: the state stays until the new one has said enough. */
export function restartStreak(track: TrackProgress): TrackProgress {
    const streak = {verdict: "unknown", count: 0} as const;
    return {...track, streak, last: "not checked since it was changed"};
}

// ---- sentences ----

/** "ping 192.0.2.1 every 1s". */
export function whatOf(track: TrackConfig): string {
    const {check, intervalMs} = track;
    if (check.kind === "interface") return `link of ${check.interface}`;
    return `${checkWords(check)} every ${durationText(intervalMs)}`;
}

function checkWords(check: Exclude<TrackCheck, {kind: "interface"}>): string {
    switch (check.kind) {
        case "command":
            return `command ${check.command.join(" ")}`;
        case "file":
            return `file ${check.path} ${check.exists ? "exists" : "does not exist"}`;
        case "ping":
            return `ping ${check.address}`;
        case "unit":
            return `unit ${check.unit} is active`;
        case "memory":
            return `at least ${octetsText(check.leastOctets)} of memory available`;
        case "temperature":
            return `at most ${check.mostCelsius} degrees Celsius`;
    }
}

/** One sentence: what would change the state. */
export function trackNext(track: TrackProgress, policy: TrackPolicy): string {
    const {rise, fall} = policy;
    const {verdict, count} = track.streak;
    const left = (wanted: Verdict, enough: number): string => {
        const done = verdict === wanted ? Math.min(count, enough - 1) : 0;
        const more = done === 0 ? "" : "more ";
        const number = enough - done;
        const row = number === 1 ? "" : " in a row";
        return `${number} ${more}${wanted} check${number === 1 ? "" : "s"}${row}`;
    };
    switch (track.state) {
        case "good":
            return `failing after ${left("bad", fall)}`;
        case "failing":
            return `good again after ${left("good", rise)}`;
        case "starting":
            return `counts as good; failing after ${left("bad", fall)}`;
    }
}

/** What the status needs beside the configuration. */
export interface TrackView {
    readonly progress: TrackProgress;
    readonly isoOf: (at: bigint) => string;
}

export function trackStatus(config: TrackConfig, view: TrackView): TrackStatus {
    const {progress, isoOf} = view;
    return {
        name: config.name,
        what: whatOf(config),
        state: progress.state,
        since: isoOf(progress.since),
        demotion: progress.state === "failing" ? config.demotion : 0,
        last: progress.last,
        next: trackNext(progress, config),
    };
}

/**
 * A tracked interface as the engine sees it. `demoting`: the engine holds its reason now; it lets
 * go of it link-up-delay after the link came back.
 */
export function linkTrackStatus(
    config: TrackConfig,
    link: LinkTrackSnapshot | undefined,
    view: {readonly demoting: boolean; readonly isoOf: (at: bigint) => string},
): TrackStatus {
    const {demoting, isoOf} = view;
    const up = link?.present === true && link.adminUp && link.carrier;
    const base = {name: config.name, what: whatOf(config)};
    if (link === undefined) {
        const last = "not watched yet";
        return {...base, state: "starting", since: "", demotion: 0, last, next: "being applied"};
    }
    const again = up ? "has been up for link-up-delay" : "comes up";
    return {
        ...base,
        state: demoting ? "failing" : "good",
        since: isoOf(link.since),
        demotion: demoting ? config.demotion : 0,
        last: linkWords(link),
        next: demoting
            ? `good again when the link ${again}`
            : "failing as soon as the link goes down",
    };
}

function linkWords(link: LinkTrackSnapshot): string {
    if (!link.present) return "interface is gone";
    if (!link.adminUp) return "interface is down (not set up)";
    return link.carrier ? "link up" : "link down (no carrier)";
}
