/**
 * The reasons of demotion that JavaScript sets: what is wanted, kept equal to what the engine has.
 * Main thread.
 *
 * A level, not an edge: whatever failed or was lost on the way is set again, so no reason sticks
 * and none is missing.
 */
import type {Engine} from "../core/engine.ts";
import {type Log, note} from "../core/log.ts";
import type {Clock} from "./ports.ts";

interface Level {
    readonly level: number;
    readonly group: string;
}

/** After a refusal by the engine, milliseconds. */
const retryMs = 5000;

export class Demotions {
    readonly #engine: Pick<Engine, "setDemotion">;
    readonly #clock: Clock;
    readonly #log: Log;
    readonly #wanted = new Map<string, Level>();
    readonly #applied = new Map<string, Level>();
    #work: Promise<unknown> = Promise.resolve();
    #cancelRetry: (() => void) | null = null;
    #stopped = false;

    constructor(engine: Pick<Engine, "setDemotion">, clock: Clock, log: Log) {
        this.#engine = engine;
        this.#clock = clock;
        this.#log = log;
    }

    /** Reasons that are wanted now and begin with `prefix`. */
    wanted(prefix: string): readonly {readonly reason: string; readonly group: string}[] {
        return [...this.#wanted]
            .filter(([reason, {level}]) => level !== 0 && reason.startsWith(prefix))
            .map(([reason, {group}]) => ({reason, group}));
    }

    /** For the next `reapply`. */
    want(reason: string, level: number, group: string): void {
        this.#wanted.set(reason, {level, group});
    }

    /** Resolves when the engine has it, or has refused it, which is logged and tried again. */
    set(reason: string, level: number, group: string): Promise<void> {
        this.want(reason, level, group);
        return this.#enqueue(() => this.#tryApply(reason));
    }

    /** Rejects when the engine refuses; then everything is as before. */
    setOrRefuse(reason: string, level: number, group: string): Promise<void> {
        return this.#enqueue(async () => {
            const before = this.#wanted.get(reason);
            this.#wanted.set(reason, {level, group});
            try {
                await this.#apply(reason);
            } catch (error) {
                if (before === undefined) {
                    this.#wanted.delete(reason);
                } else {
                    this.#wanted.set(reason, before);
                }
                throw error;
            }
        });
    }

    /** The engine takes this reason over: it is cleared there once more until `reapply` or `forget`. */
    release(reason: string): Promise<void> {
        return this.#enqueue(async () => {
            if (!this.#applied.delete(reason)) return;
            await this.#engine.setDemotion(reason, 0, "");
        });
    }

    /** No longer ours, without a word to the engine. */
    forget(reason: string): void {
        this.#wanted.delete(reason);
        this.#applied.delete(reason);
    }

    /** The engine's set may have changed: everything is set again. */
    reapply(): Promise<void> {
        return this.#enqueue(async () => {
            this.#applied.clear();
            for (const reason of [...this.#wanted.keys()]) await this.#tryApply(reason);
        });
    }

    /** Nothing more is sent to the engine. */
    stop(): void {
        this.#stopped = true;
        this.#cancelRetry?.();
    }

    #enqueue(job: () => Promise<void>): Promise<void> {
        const run = this.#work.then(job);
        // The next job runs whatever became of this one.
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }

    async #tryApply(reason: string): Promise<void> {
        try {
            await this.#apply(reason);
        } catch (error) {
            if (this.#stopped) return;
            const why = error instanceof Error ? error.message : String(error);
            const text = `demotion reason ${reason} could not be set, trying again: ${why}`;
            this.#log.write(note("error", "demotion failed", text, {reason}));
            this.#cancelRetry ??= this.#clock.after(retryMs, () => this.#retry());
        }
    }

    async #apply(reason: string): Promise<void> {
        const wanted = this.#wanted.get(reason);
        const applied = this.#applied.get(reason);
        if (wanted === undefined || this.#stopped) return;
        if (wanted.level === applied?.level && wanted.group === applied.group) return;
        await this.#engine.setDemotion(reason, wanted.level, wanted.group);
        this.#applied.set(reason, wanted);
        if (wanted.level !== 0 || this.#wanted.get(reason) !== wanted) return;
        this.forget(reason);
    }

    #retry(): void {
        this.#cancelRetry = null;
        const all = this.#enqueue(async () => {
            for (const reason of [...this.#wanted.keys()]) await this.#tryApply(reason);
        });
        all.catch((error: unknown) => {
            this.#log.write(note("error", "demotion failed", String(error)));
        });
    }
}
