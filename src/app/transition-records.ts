/**
 * What was known at each of the last state changes, for `show why`. Main thread.
 *
 * A change is heard from the daemon's history; the snapshot right after it tells the rest. It costs
 * one question to the engine for all changes of one moment, after the change has happened.
 */
import type {WatchEvent} from "../core/control-protocol.ts";
import {type EngineSnapshot, type VhostState, vhostStates} from "../core/engine.ts";
import {
    type CounterMark,
    causeOf,
    type TransitionEvent,
    type TransitionRecord,
    transitionRecord,
} from "../core/why.ts";

/** Changes kept of each vhid. */
const kept = 8;
/** Alarms kept between two changes of a vhid: kinds and peers, not occurrences. */
const mostAlarms = 16;

export interface TransitionSource {
    snapshot(): Promise<EngineSnapshot>;
    wallOffsetUs(): bigint;
}

export class TransitionRecords {
    readonly #source: TransitionSource;
    readonly #failed: (error: unknown) => void;
    readonly #records = new Map<string, TransitionRecord[]>();
    readonly #alarms = new Map<string, Set<string>>();
    /** One after the other: each needs the mark of the one before. */
    #work: Promise<void> = Promise.resolve();

    /** `failed` is told when the engine did not answer: then a change has no record. */
    constructor(source: TransitionSource, failed: (error: unknown) => void) {
        this.#source = source;
        this.#failed = failed;
    }

    /** To be called with every event of the history. */
    heard(event: WatchEvent): void {
        if (event.kind === "alarm") this.#noteAlarm(event);
        if (event.kind !== "vhostState") return;
        const change = changeOf(event, this.#source.wallOffsetUs());
        if (change === null) return;
        const id = `${change.vhid}@${change.carpdev}`;
        const alarms = [...(this.#alarms.get(id) ?? [])];
        this.#alarms.delete(id);
        // Asked at once: what waits for the one before is only the keeping.
        const asked = this.#source.snapshot().then(
            (snapshot) => () => this.#keep(change, snapshot, alarms),
            (error: unknown) => () => this.#failed(error),
        );
        this.#work = this.#work.then(async () => (await asked)());
    }

    /** Resolves when every change that was heard has its record. */
    settled(): Promise<void> {
        return this.#work;
    }

    /** The last change of each vhid that is configured, or of the one that is named. */
    last(names: readonly string[]): TransitionRecord[] {
        for (const name of this.#records.keys()) {
            if (!names.includes(name)) this.#records.delete(name);
        }
        return names.flatMap((name) => this.#records.get(name)?.at(-1) ?? []);
    }

    /** Oldest first, at most eight. */
    all(name: string): readonly TransitionRecord[] {
        return this.#records.get(name) ?? [];
    }

    #keep(change: TransitionEvent, snapshot: EngineSnapshot, alarms: readonly string[]): void {
        const records = this.#records.get(change.name) ?? [];
        const before = this.#markBefore(change, records);
        const record = transitionRecord(change, snapshot, {before, alarms});
        if (record === null) return;
        this.#records.set(change.name, [...records, record].slice(-kept));
    }

    /** A vhid that moved to another carpdev or number has counters that began anew. */
    #markBefore(
        {carpdev, vhid}: TransitionEvent,
        records: readonly TransitionRecord[],
    ): CounterMark | null {
        const last = records.at(-1);
        return last?.carpdev === carpdev && last.vhid === vhid ? last.mark : null;
    }

    #noteAlarm({fields}: WatchEvent): void {
        const {carpdev, vhid, alarm, peer} = fields;
        if (typeof carpdev !== "string" || typeof vhid !== "number") return;
        if (typeof alarm !== "string") return;
        const id = `${vhid}@${carpdev}`;
        const known = this.#alarms.get(id) ?? new Set<string>();
        if (known.size < mostAlarms) {
            known.add(typeof peer === "string" && peer !== "" ? `${alarm} from ${peer}` : alarm);
        }
        this.#alarms.set(id, known);
    }
}

/** The parser of a history event; null for one that is not complete. */
function changeOf({fields, time}: WatchEvent, wallOffsetUs: bigint): TransitionEvent | null {
    const {name, carpdev, vhid, from, to, cause, peer} = fields;
    const fromState = stateOf(from);
    const toState = stateOf(to);
    if (typeof name !== "string" || typeof carpdev !== "string") return null;
    if (typeof vhid !== "number" || fromState === null || toState === null) return null;
    return {
        name,
        carpdev,
        vhid,
        at: BigInt(Date.parse(time)) * 1000n - wallOffsetUs,
        from: fromState,
        to: toState,
        cause: causeOf(typeof cause === "string" ? cause : ""),
        peer: typeof peer === "string" ? peer : "",
    };
}

function stateOf(value: unknown): VhostState | null {
    return vhostStates.find((state) => state === value) ?? null;
}
