/**
 * What the supervisor needs from the outside. The adapters are in src/io, the programs join them.
 */
import type {NetworkPlan} from "../core/appliance/network-plan.ts";
import type {Config, TrackCheck} from "../core/config.ts";
import type {ConfigText} from "../core/config-draft.ts";
import type {ExitCode} from "../core/exit-codes.ts";
import type {HookRun} from "../core/hooks.ts";
import type {Result} from "../core/result.ts";
import type {CheckResult} from "../core/track.ts";

/** What went wrong, printable, and the exit code where that ends the program. */
export interface Failure {
    readonly text: string;
    readonly exitCode: ExitCode;
}

export interface Clock {
    /** CLOCK_MONOTONIC, microseconds: the clock of the engine's instants. */
    monotonicUs(): bigint;
    /** Wall clock, microseconds since 1970. */
    wallUs(): bigint;
    /** Calls `run` once after `ms` milliseconds; the result cancels it. Keeps no process alive. */
    after(ms: number, run: () => void): () => void;
}

/** The service manager (sd_notify(3)); without one every call does nothing. */
export interface Notifier {
    ready(): void;
    /** The one-line status that `systemctl status` shows. */
    status(text: string): void;
    /** `atUs`: CLOCK_MONOTONIC, as Type=notify-reload wants it. */
    reloading(atUs: bigint): void;
    /** `limitMs`: the longest that it may take. */
    stopping(limitMs?: number): void;
    watchdog(): void;
    /** Time between two watchdog calls, milliseconds; null: no watchdog is asked for. */
    readonly watchdogIntervalMs: number | null;
}

/** Who gives an appliance its addresses, firewall and ssh (carp-system). */
export interface NetworkPort {
    /** false: an ordinary host, which looks after its own network. */
    readonly present: boolean;
    /** The value lists what could not be done, a sentence each. */
    apply(plan: NetworkPlan): Promise<Result<readonly string[], string>>;
}

/** Where the counter's upper 32 bits outlive a restart (src/io/epoch-store.ts). */
export interface EpochStore {
    /**
     * The epoch for new vhids: above every epoch that was used or heard, already on the disk when
     * this resolves. Fails with a sentence when it cannot be stored.
     */
    advance(): Promise<Result<EpochGrant, string>>;
    /** An epoch was heard or used. Stores at most the highest, in the background. */
    heard(epoch: number): void;
    /** Resolves when nothing is left to be written. */
    settled(): Promise<void>;
}

export interface EpochGrant {
    /** 1..2^32-1 */
    readonly epoch: number;
    /** "" or what was wrong with the stored copies. */
    readonly warning: string;
}

/** What a `[[track]]` block can watch outside the engine. */
export type OutsideCheck = Exclude<TrackCheck, {kind: "interface"}>;

/** One check, ready to be run again and again (src/io/track-checks.ts). */
export interface CheckRunner {
    /**
     * Runs it once and never rejects: what hangs, crashes or floods is a bad result, at the latest
     * when the time limit has passed. To be called again only after it has resolved.
     */
    run(): Promise<CheckResult>;
    /** Kills what runs; a run under way resolves. */
    close(): Promise<void>;
}

export interface TrackChecks {
    /** `limitMs`: how long one run may take. */
    open(check: OutsideCheck, limitMs: number): CheckRunner;
    /** Closes every runner and the helper process; resolves within two seconds. */
    stop(): Promise<void>;
}

/** Maintenance mode that is on. Wall clock, milliseconds since 1970: it outlives a restart. */
export interface MaintenanceRecord {
    readonly sinceMs: number;
    /** null: until it is switched off. */
    readonly untilMs: number | null;
}

export interface LoadedMaintenance {
    /** null: off. */
    readonly record: MaintenanceRecord | null;
    /** "" or what was wrong with the stored copy. */
    readonly warning: string;
}

/** Where maintenance mode outlives a restart (src/io/maintenance-store.ts). */
export interface MaintenanceStore {
    load(): Promise<LoadedMaintenance>;
    /** null: off. Fails with a sentence when it cannot be stored. */
    save(record: MaintenanceRecord | null): Promise<Result<void, string>>;
}

/** Runs the programs of one change of one vhid (src/io/hook-runner.ts). */
export interface HookRunner {
    /**
     * One program after the other, each with its time limit; resolves when the last has ended.
     * `cancel` kills the one that runs and skips the rest. What fails is logged, never thrown.
     */
    run(run: HookRun, cancel: AbortSignal): Promise<void>;
}

export interface LoadedConfiguration {
    readonly config: Config;
    /** Printable, "" when there are none. */
    readonly warnings: string;
    /** What it was read from: carpd.toml first, then its drop-ins. */
    readonly texts: readonly ConfigText[];
}

export interface ConfigSource {
    /**
     * Reads and checks everything anew. The error is printable text with positions. A carpdev that
     * runs already may be absent for the moment (a pulled USB adapter); any other must exist.
     * `text` stands for what carpd.toml holds, which is then not read.
     */
    load(
        mayBeAbsent: readonly string[],
        text?: string,
    ): Promise<Result<LoadedConfiguration, Failure>>;
}

/** carpd.toml as it is on the disk. */
export type StoredText =
    | {readonly kind: "text"; readonly text: string}
    | {readonly kind: "missing"}
    /** `reason`: the system's code. */
    | {readonly kind: "unreadable"; readonly reason: string};

/** One commit. */
export interface HistoryEntry {
    /** Rises with each commit and is never used again. */
    readonly sequence: number;
    /** Wall clock, milliseconds since 1970. */
    readonly timeMs: number;
    readonly user: string;
    readonly origin: string;
    readonly remark: string;
    /** In words, as diffConfig() has them. */
    readonly changes: readonly string[];
    /** Not committed: written by hand, and kept here before a commit replaced it. */
    readonly found: boolean;
    readonly text: string;
}

/** A `commit confirmed` that waits. */
export interface Unconfirmed {
    /** Of the commit that waits. */
    readonly sequence: number;
    /** Wall clock, milliseconds since 1970. */
    readonly untilMs: number;
    /** Who committed. */
    readonly user: string;
    readonly origin: string;
    /** What to go back to. */
    readonly text: string;
}

/**
 * The configuration on the disk (src/io/config-history.ts). Each step is on the disk for good when
 * it resolves; errors are sentences. A crash leaves what was there before a step or after it.
 */
export interface ConfigStore {
    /** The name of carpd.toml, as it is shown. */
    readonly path: string;
    read(): Promise<StoredText>;
    /** Keeps owner and mode. */
    write(text: string): Promise<Result<void, string>>;
    /** The newest first; damaged ones are left out. */
    history(): Promise<readonly HistoryEntry[]>;
    nextSequence(): Promise<number>;
    /** The commit under way; null: there is none, or it is damaged. */
    pending(): Promise<HistoryEntry | null>;
    /** Also when it is damaged. */
    hasPending(): Promise<boolean>;
    /** Writes the commit under way. */
    begin(entry: HistoryEntry): Promise<Result<void, string>>;
    /** The commit under way becomes the newest of the history, whose oldest goes. */
    finish(): Promise<Result<void, string>>;
    /** The commit under way is forgotten. */
    abandon(): Promise<Result<void, string>>;
    unconfirmed(): Promise<Unconfirmed | "damaged" | null>;
    setUnconfirmed(commit: Unconfirmed | null): Promise<Result<void, string>>;
}
