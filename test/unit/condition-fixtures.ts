/** What stands around tracking and maintenance in tests: clocks, a store in memory, scripted checks. */
import {mkdtempSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import type {TestContext} from "node:test";
import {Conditions} from "../../src/app/conditions.ts";
import type {
    CheckRunner,
    Clock,
    LoadedMaintenance,
    MaintenanceRecord,
    MaintenanceStore,
    OutsideCheck,
    TrackChecks,
} from "../../src/app/ports.ts";
import type {Config, TrackConfig} from "../../src/core/config.ts";
import {EngineError} from "../../src/core/engine.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {err, ok, type Result} from "../../src/core/result.ts";
import type {CheckResult} from "../../src/core/track.ts";

/** Real time, for checks that are real processes. Its timers keep the test alive. */
export const realClock: Clock = {
    monotonicUs: () => process.hrtime.bigint() / 1000n,
    wallUs: () => BigInt(Date.now()) * 1000n,
    after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
    },
};

/** Time that passes only when told; the wall clock can be stepped by itself. */
export class ManualClock implements Clock {
    #nowUs = 1_000_000_000n;
    #wallUs = 1_800_000_000_000_000n;
    #timers: {readonly at: bigint; readonly run: () => void}[] = [];

    monotonicUs(): bigint {
        return this.#nowUs;
    }

    wallUs(): bigint {
        return this.#wallUs;
    }

    get wallMs(): number {
        return Number(this.#wallUs / 1000n);
    }

    after(ms: number, run: () => void): () => void {
        const timer = {at: this.#nowUs + BigInt(Math.round(ms * 1000)), run};
        this.#timers.push(timer);
        return () => {
            this.#timers = this.#timers.filter((other) => other !== timer);
        };
    }

    stepWall(ms: number): void {
        this.#wallUs += BigInt(ms) * 1000n;
    }

    /** Runs what falls due on the way, in order, and lets promises settle after each. */
    async advance(ms: number): Promise<void> {
        const end = this.#nowUs + BigInt(ms) * 1000n;
        for (;;) {
            await settle();
            const due = this.#timers
                .filter((timer) => timer.at <= end)
                .sort((a, b) => Number(a.at - b.at))[0];
            this.#moveTo(due?.at ?? end);
            if (due === undefined) return;
            this.#timers = this.#timers.filter((other) => other !== due);
            due.run();
        }
    }

    #moveTo(at: bigint): void {
        this.#wallUs += at - this.#nowUs;
        this.#nowUs = at;
    }
}

/** Until everything that hangs on promises alone has run. */
export async function settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class MemoryMaintenance implements MaintenanceStore {
    record: MaintenanceRecord | null = null;
    warning = "";
    /** "" or why nothing can be stored. */
    refusal = "";

    load(): Promise<LoadedMaintenance> {
        return Promise.resolve({record: this.record, warning: this.warning});
    }

    save(record: MaintenanceRecord | null): Promise<Result<void, string>> {
        if (this.refusal !== "") return Promise.resolve(err(this.refusal));
        this.record = record;
        return Promise.resolve(ok(undefined));
    }
}

/** Checks that answer at once with what the test set for their kind. */
export class ScriptedChecks implements TrackChecks {
    readonly answers = new Map<OutsideCheck["kind"], CheckResult>();
    readonly ran: OutsideCheck[] = [];
    openNow = 0;
    stopped = false;

    open(check: OutsideCheck): CheckRunner {
        this.openNow++;
        return {
            run: () => {
                this.ran.push(check);
                const answer = this.answers.get(check.kind);
                return Promise.resolve(answer ?? {verdict: "good", text: "fine"});
            },
            close: () => {
                this.openNow--;
                return Promise.resolve();
            },
        };
    }

    stop(): Promise<void> {
        this.stopped = true;
        return Promise.resolve();
    }
}

export function track(change: Partial<TrackConfig> = {}): TrackConfig {
    return {
        name: "uplink",
        check: {kind: "ping", address: "192.0.2.1"},
        intervalMs: 1000,
        timeoutMs: 1000,
        rise: 2,
        fall: 3,
        demotion: 240,
        group: "",
        ...change,
    };
}

/** The engine's set of reasons, and whatever else a test wants it to do. */
export class ReasonSet {
    readonly held = new Map<string, string>();
    readonly calls: string[] = [];
    refuse: (reason: string) => boolean = () => false;

    setDemotion(reason: string, level: number, group: string): Promise<void> {
        const text = group === "" ? `${level}` : `${level} ${group}`;
        this.calls.push(`${reason} ${text}`);
        if (this.refuse(reason)) {
            return Promise.reject(new EngineError("BUSY", "demote", reason, 0, "not now"));
        }
        if (level === 0) {
            this.held.delete(reason);
        } else {
            this.held.set(reason, text);
        }
        return Promise.resolve();
    }

    list(): string[] {
        return [...this.held].map(([reason, text]) => `${reason} ${text}`).sort();
    }
}

export class Rig<S extends MaintenanceStore, C extends TrackChecks> {
    readonly engine: ReasonSet;
    readonly records: LogRecord[] = [];
    readonly conditions: Conditions;
    readonly store: S;
    readonly checks: C;

    constructor(clock: Clock, store: S, checks: C, first: Config, engine = new ReasonSet()) {
        this.engine = engine;
        this.store = store;
        this.checks = checks;
        const log = {write: (record: LogRecord) => this.records.push(record)};
        const ports = {engine, clock, log, checks, maintenance: store};
        this.conditions = new Conditions(ports, first);
    }

    texts(msg: string): string[] {
        return this.records.filter((record) => record.msg === msg).map((record) => record.text);
    }

    /** As the daemon does it. */
    async reload(next: Config): Promise<void> {
        await this.conditions.release(next);
        await this.conditions.reconfigure(next);
    }
}

export interface Scripted {
    readonly clock: ManualClock;
    readonly rig: Rig<MemoryMaintenance, ScriptedChecks>;
}

export async function started(first: Config, store = new MemoryMaintenance()): Promise<Scripted> {
    const clock = new ManualClock();
    const rig = new Rig(clock, store, new ScriptedChecks(), first);
    await rig.conditions.start();
    await rig.conditions.reconfigure(first);
    await settle();
    return {clock, rig};
}

/** Gone when the test is over. */
export function temporaryFolder(t: TestContext): string {
    const path = mkdtempSync(join(tmpdir(), "carpd-conditions-"));
    t.after(() => rmSync(path, {recursive: true, force: true}));
    return path;
}
