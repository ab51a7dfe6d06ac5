/**
 * Everything outside the engine that demotes this host: tracked conditions, the boot hold,
 * maintenance mode, the operator. Main thread; it times nothing on the wire.
 */
import type {Config} from "../core/config.ts";
import {isOperators, levelProblem, operatorReason} from "../core/demotion-reasons.ts";
import {type Engine, EngineError, type EngineSnapshot} from "../core/engine.ts";
import {type Log, note} from "../core/log.ts";
import type {Result} from "../core/result.ts";
import type {MaintenanceStatus, TrackStatus} from "../core/status.ts";
import {isoOf} from "../core/status-fold.ts";
import {type CheckResult, linkTrackStatus, type TrackProgress, trackStatus} from "../core/track.ts";
import {BootHold} from "./boot-hold.ts";
import {Demotions} from "./demotions.ts";
import {Maintenance} from "./maintenance.ts";
import type {Clock, Failure, MaintenanceStore, TrackChecks} from "./ports.ts";
import {isOutside, type OutsideTrack, TrackRun} from "./track-run.ts";

/** The engine has 64 places for reasons: the links and tracks shall find one, too. */
const mostOperatorReasons = 16;

export interface ConditionsPorts {
    readonly engine: Pick<Engine, "setDemotion">;
    readonly clock: Clock;
    readonly log: Log;
    readonly checks: TrackChecks;
    readonly maintenance: MaintenanceStore;
}

export class Conditions {
    readonly #ports: ConditionsPorts;
    readonly #demotions: Demotions;
    readonly #maintenance: Maintenance;
    readonly #boot: BootHold;
    readonly #runs = new Map<string, TrackRun>();
    /** Tracks that were already said to be impossible on this machine. */
    readonly #impossible = new Set<string>();
    #config: Config;
    #stopping: Promise<void> | null = null;

    /** `config`: what the first `reconfigure` will bring up. */
    constructor(ports: ConditionsPorts, config: Config) {
        const {engine, clock, log, checks, maintenance} = ports;
        this.#ports = ports;
        this.#config = config;
        this.#demotions = new Demotions(engine, clock, log);
        this.#maintenance = new Maintenance({clock, log, store: maintenance}, this.#demotions);
        this.#boot = new BootHold({clock, log, checks}, this.#demotions, config.options);
    }

    /**
     * With a running engine that has no vhids yet: when this resolves, boot hold and maintenance
     * hold already for the first advertisement.
     */
    async start(): Promise<void> {
        await this.#maintenance.start();
        if (this.#stopping === null) await this.#boot.start();
    }

    /** Before the engine is given `next`: it finds the reasons cleared that become its own. */
    async release(next: Config): Promise<void> {
        for (const track of next.tracks) {
            if (!isOutside(track)) await this.#demotions.release(reasonOf(track.name));
        }
    }

    /**
     * After the engine was given `config`, at start, on reload, or given the former one back.
     * Tracks that did not change keep their state and streak; those that are gone demote no more.
     */
    async reconfigure(config: Config): Promise<void> {
        if (this.#stopping !== null) return;
        this.#config = config;
        this.#boot.reconfigure(config.options);
        const next = new Map(config.tracks.filter(isOutside).map((track) => [track.name, track]));
        for (const [name, run] of this.#runs) {
            if (!next.has(name)) this.#remove(name, run);
        }
        for (const track of next.values()) this.#apply(track);
        const groups = this.#groups();
        for (const {reason, group} of this.#demotions.wanted("operator")) {
            if (group === "" || groups.has(group)) continue;
            this.#say("notice", `${reason} cleared: group ${group} is gone`);
            this.#demotions.want(reason, 0, group);
        }
        await this.#demotions.reapply();
    }

    /** Kills every check and resolves when they are gone, within about three seconds; never rejects. */
    stop(): Promise<void> {
        this.#stopping ??= this.#stopNow();
        return this.#stopping;
    }

    /** In the order of the configuration. */
    tracks(snapshot: EngineSnapshot, wallOffsetUs: bigint): TrackStatus[] {
        const iso = (at: bigint) => isoOf(at, wallOffsetUs);
        return this.#config.tracks.flatMap((track) => {
            const reason = reasonOf(track.name);
            if (!isOutside(track)) {
                const link = snapshot.linkTracks.find((other) => other.reason === reason);
                const demoting = snapshot.demotionReasons.some((held) => held.reason === reason);
                return [linkTrackStatus(track, link, {demoting, isoOf: iso})];
            }
            const run = this.#runs.get(track.name);
            if (run === undefined) return [];
            return [trackStatus(track, {progress: run.progress, isoOf: iso})];
        });
    }

    maintenance(): MaintenanceStatus {
        return this.#maintenance.status();
    }

    /** `untilWallMs`: milliseconds since 1970, null for no end. */
    setMaintenance(
        on: boolean,
        untilWallMs: number | null,
    ): Promise<Result<MaintenanceStatus, Failure>> {
        return this.#maintenance.set(on, untilWallMs);
    }

    /**
     * `reason`: "operator" or "operator:NAME"; `level` -240..240, 0 clears it; `group`: "" for
     * every vhid. Rejects with an EngineError for what cannot be.
     */
    async demote(reason: string, level: number, group: string): Promise<void> {
        const refuse = (code: string, text: string): EngineError =>
            new EngineError(code, "demote", reason, 0, text);
        const name = operatorReason(reason);
        if (!isOperators(reason) || !name.ok) {
            throw refuse("BAD_REASON", name.ok ? "not an operator's reason" : name.error);
        }
        const problem = levelProblem(level);
        if (problem !== "") throw refuse("BAD_LEVEL", problem);
        if (group !== "" && !this.#groups().has(group)) {
            const known = [...this.#groups()].join(", ");
            throw refuse("UNKNOWN_GROUP", `there is no group ${group}; groups: ${known}`);
        }
        const held = this.#demotions.wanted("operator");
        const isNew = !held.some((other) => other.reason === reason);
        if (level !== 0 && isNew && held.length >= mostOperatorReasons) {
            const text = `${mostOperatorReasons} operator reasons are set already`;
            throw refuse("TOO_MANY_REASONS", text);
        }
        await this.#demotions.setOrRefuse(reason, level, group);
    }

    async #stopNow(): Promise<void> {
        this.#demotions.stop();
        try {
            const runs = [...this.#runs.values()].map((run) => run.stop());
            await Promise.all([...runs, this.#boot.stop(), this.#maintenance.stop()]);
            await this.#ports.checks.stop();
        } catch (error) {
            this.#bug(error);
        }
    }

    #groups(): ReadonlySet<string> {
        return new Set(this.#config.carp.map((carp) => carp.group));
    }

    #remove(name: string, run: TrackRun): void {
        this.#runs.delete(name);
        this.#impossible.delete(name);
        run.stop().catch((error: unknown) => this.#bug(error));
        const reason = reasonOf(name);
        if (this.#config.tracks.some((track) => track.name === name)) {
            // An interface track of that name: the reason is the engine's now.
            this.#demotions.forget(reason);
        } else {
            this.#demotions.want(reason, 0, run.config.group);
        }
    }

    #apply(track: OutsideTrack): void {
        const run = this.#runs.get(track.name);
        if (run !== undefined) {
            run.change(track).catch((error: unknown) => this.#bug(error));
            if (run.progress.state === "failing") {
                this.#demotions.want(reasonOf(track.name), track.demotion, track.group);
            }
            return;
        }
        const {clock, checks} = this.#ports;
        const ports = {
            clock,
            checks,
            checked: (which: TrackRun, before: TrackProgress, result: CheckResult) =>
                this.#checked(which, before, result),
            failed: (error: unknown) => this.#bug(error),
        };
        this.#runs.set(track.name, new TrackRun(ports, track));
    }

    #checked(run: TrackRun, before: TrackProgress, result: CheckResult): void {
        const {name, demotion, group} = run.config;
        const {state} = run.progress;
        this.#tellImpossible(name, before, result);
        if (state === before.state) return;
        const last = result.text;
        const fields = {track: name, state, demotion: state === "failing" ? demotion : 0, last};
        const say = (level: "notice" | "info", text: string): void =>
            this.#ports.log.write(note(level, "track", `track ${name}: ${text}`, fields));
        switch (state) {
            case "failing":
                say("notice", `failing, demoted by ${demotion}: ${last}`);
                this.#set(reasonOf(name), demotion, group);
                return;
            case "good":
                if (before.state === "starting") {
                    say("info", `good: ${last}`);
                } else {
                    say("notice", "good again");
                }
                break;
            case "starting":
                say("notice", `cannot be told any more, counts as good: ${last}`);
        }
        if (before.state === "failing") this.#set(reasonOf(name), 0, group);
    }

    /** A check that this machine can never answer is an error in the configuration: said once. */
    #tellImpossible(name: string, before: TrackProgress, result: CheckResult): void {
        if (result.verdict !== "unknown" || before.state !== "starting") return;
        if (this.#impossible.has(name)) return;
        this.#impossible.add(name);
        this.#say("error", `track ${name}: ${result.text}; it counts as good and never demotes`);
    }

    #set(reason: string, level: number, group: string): void {
        this.#demotions.set(reason, level, group).catch((error: unknown) => this.#bug(error));
    }

    #say(level: "error" | "notice", text: string): void {
        this.#ports.log.write(note(level, "track", text));
    }

    #bug(error: unknown): void {
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        this.#ports.log.write(note("error", "track", `tracking failed: ${text}`));
    }
}

function reasonOf(name: string): string {
    return `track:${name}`;
}
