/**
 * One `[[track]]` block at work: runs its check at its interval and keeps where it stands. Main
 * thread.
 */
import type {TrackConfig} from "../core/config.ts";
import {
    type CheckResult,
    feed,
    newTrack,
    restartStreak,
    type TrackProgress,
} from "../core/track.ts";
import type {CheckRunner, Clock, OutsideCheck, TrackChecks} from "./ports.ts";

/** A `[[track]]` block that is not the engine's. */
export interface OutsideTrack extends TrackConfig {
    readonly check: OutsideCheck;
}

export function isOutside(track: TrackConfig): track is OutsideTrack {
    return track.check.kind !== "interface";
}

export interface TrackRunPorts {
    readonly clock: Clock;
    readonly checks: TrackChecks;
    /** After each run of the check; `before` is where it stood until then. */
    readonly checked: (run: TrackRun, before: TrackProgress, result: CheckResult) => void;
    /** A bug in `checked` or below it. */
    readonly failed: (error: unknown) => void;
}

export class TrackRun {
    readonly #ports: TrackRunPorts;
    #config: OutsideTrack;
    #progress: TrackProgress;
    #runner: CheckRunner;
    #cancel: () => void = () => undefined;
    #stopped = false;

    constructor(ports: TrackRunPorts, config: OutsideTrack) {
        this.#ports = ports;
        this.#config = config;
        this.#progress = newTrack(ports.clock.monotonicUs());
        this.#runner = ports.checks.open(config.check, config.timeoutMs);
        this.#check(this.#runner);
    }

    get config(): OutsideTrack {
        return this.#config;
    }

    get progress(): TrackProgress {
        return this.#progress;
    }

    /**
     * Takes a changed block. State and streak stay, but a changed check begins its streak anew;
     * resolves when the former check is gone.
     */
    async change(config: OutsideTrack): Promise<void> {
        const before = this.#config;
        this.#config = config;
        const check = (of: OutsideTrack) => JSON.stringify(of.check);
        const sameCheck = check(before) === check(config);
        const sameTimes =
            before.timeoutMs === config.timeoutMs && before.intervalMs === config.intervalMs;
        if (sameCheck && sameTimes) return;
        if (!sameCheck) this.#progress = restartStreak(this.#progress);
        const former = this.#runner;
        this.#cancel();
        this.#runner = this.#ports.checks.open(config.check, config.timeoutMs);
        this.#check(this.#runner);
        await former.close();
    }

    /** Resolves when its check is gone. */
    async stop(): Promise<void> {
        this.#stopped = true;
        this.#cancel();
        await this.#runner.close();
    }

    #check(runner: CheckRunner): void {
        const {clock, checked, failed} = this.#ports;
        const began = clock.monotonicUs();
        const took = async (): Promise<void> => {
            const result = await runner.run();
            if (this.#stopped || runner !== this.#runner) return;
            const before = this.#progress;
            const at = clock.monotonicUs();
            this.#progress = feed(before, this.#config, result, at);
            // From start to start; never two at once.
            const leftMs = this.#config.intervalMs - Number(at - began) / 1000;
            this.#cancel = clock.after(Math.max(0, leftMs), () => this.#check(runner));
            checked(this, before, result);
        };
        took().catch(failed);
    }
}
