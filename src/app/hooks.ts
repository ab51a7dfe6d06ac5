/**
 * Tells the hooks what the vhids do. Main thread.
 *
 * The protocol is in the engine thread and does not wait for any of this. What runs when is decided
 * in src/core/hooks.ts, how it is run in the runner that is handed in.
 */
import type {CarpConfig, Config} from "../core/config.ts";
import {
    type HookJob,
    HookQueue,
    hookRun,
    type StateChange,
    subjectOf,
    type ToldChange,
} from "../core/hooks.ts";
import {type Log, note} from "../core/log.ts";
import type {Clock, HookRunner} from "./ports.ts";

export interface HooksPorts {
    readonly runner: HookRunner;
    readonly clock: Clock;
    readonly log: Log;
}

/** Each vhid runs one program at a time: this many programs run at most. */
export const mostRuns = 8;

export class Hooks {
    readonly #ports: HooksPorts;
    readonly #queue = new HookQueue<ToldChange>(mostRuns);
    readonly #cancel = new AbortController();
    #limitMs: number;
    /** By "VHID@CARPDEV": the configuration as it is. */
    #carps: ReadonlyMap<string, CarpConfig>;
    /** What was removed and may still have its last hooks to run. */
    #removed: ReadonlyMap<string, CarpConfig> = new Map();
    #whenIdle: () => void = () => undefined;

    constructor(ports: HooksPorts, config: Config) {
        this.#ports = ports;
        this.#limitMs = config.options.hookTimeoutMs;
        this.#carps = bySubject(config);
    }

    /** Returns at once. `demotion`: the host's, at the time of the change. */
    stateChanged(change: StateChange, demotion: number): void {
        if (this.#cancel.signal.aborted) return;
        const subject = subjectOf(change);
        const never = this.#queue.tell(subject, {...change, demotion});
        if (never !== null) {
            const {name, to} = never;
            const text = `${name}: ${subject}: hooks were not told ${to}: ${change.to} came while they ran`;
            const fields = {name, carpdev: change.carpdev, vhid: change.vhid, state: to};
            this.#ports.log.write(note("info", "hook dropped", text, fields));
        }
        this.#begin();
    }

    /**
     * To be called before the engine is given the configuration: the first change of a new vhid must
     * find its addresses, and the last one of a removed vhid still does.
     */
    reconfigure(config: Config): void {
        const next = bySubject(config);
        const held = [...this.#removed].filter(([subject]) => this.#queue.holds(subject));
        const removed = [...held, ...this.#carps].filter(([subject]) => !next.has(subject));
        this.#removed = new Map(removed);
        this.#carps = next;
        this.#limitMs = config.options.hookTimeoutMs;
    }

    /**
     * Ends when every hook has run, those of the last change included; after hook-timeout what still
     * runs is killed and what waits is dropped.
     */
    async stop(): Promise<void> {
        if (this.#queue.idle) return;
        const idle = new Promise<void>((resolve) => {
            this.#whenIdle = resolve;
        });
        const cancelLimit = this.#ports.clock.after(this.#limitMs, () => this.#giveUp());
        await idle;
        cancelLimit();
    }

    #giveUp(): void {
        for (const {name, to} of this.#queue.clear()) {
            const text = `${name}: hooks were not told ${to}: the daemon ends`;
            this.#ports.log.write(note("warning", "hook dropped", text, {name, state: to}));
        }
        this.#cancel.abort();
    }

    #begin(): void {
        for (let job = this.#queue.next(); job !== null; job = this.#queue.next()) {
            this.#run(job).catch((error: unknown) => {
                const text =
                    error instanceof Error ? (error.stack ?? error.message) : String(error);
                this.#ports.log.write(note("error", "hook", `hooks failed: ${text}`));
            });
        }
        if (this.#queue.idle) this.#whenIdle();
    }

    async #run(job: HookJob<ToldChange>): Promise<void> {
        try {
            const carp = this.#carps.get(job.key) ?? this.#removed.get(job.key) ?? null;
            const run = hookRun(job, carp, this.#limitMs);
            await this.#ports.runner.run(run, this.#cancel.signal);
        } finally {
            this.#queue.done(job.key);
            this.#begin();
        }
    }
}

function bySubject(config: Config): ReadonlyMap<string, CarpConfig> {
    return new Map(config.carp.map((carp) => [subjectOf(carp), carp]));
}
