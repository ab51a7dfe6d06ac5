/**
 * The supervisor: joins configuration, engine, log, service manager and control API. Main thread.
 *
 * It times nothing on the wire. Engine events become log lines and known states; whatever is shown
 * is folded from a snapshot, so a lost event costs a line and never a wrong answer.
 */
import type {Config} from "../core/config.ts";
import {diffConfig} from "../core/config-diff.ts";
import {toEngineConfig} from "../core/config-engine.ts";
import type {WatchEvent} from "../core/control-protocol.ts";
import {
    type AdminAction,
    type Engine,
    type EngineConfig,
    EngineError,
    type EngineEvent,
    type EngineSnapshot,
    type EngineStartOptions,
    type VhostState,
} from "../core/engine.ts";
import {type ExitCode, exitCodes} from "../core/exit-codes.ts";
import {stallOf} from "../core/heartbeat.ts";
import {type Log, type LogFields, type LogRecord, note} from "../core/log.ts";
import {countOf, EventLines, startRecord, stateRecord} from "../core/log-events.ts";
import {heldText} from "../core/next.ts";
import {err, ok, type Result} from "../core/result.ts";
import {isoOf, summaryLine} from "../core/status-fold.ts";
import {Conditions} from "./conditions.ts";
import {failureOf, withLimit} from "./engine-failure.ts";
import {Hooks} from "./hooks.ts";
import {NetworkSettings} from "./network-settings.ts";
import {nextCounter} from "./next-counter.ts";
import type {
    Clock,
    ConfigSource,
    EpochStore,
    Failure,
    HookRunner,
    LoadedConfiguration,
    MaintenanceStore,
    NetworkPort,
    Notifier,
    TrackChecks,
} from "./ports.ts";
import {SnapshotReader} from "./snapshot-reader.ts";
import {History} from "./transitions.ts";

export interface DaemonPorts {
    readonly engine: Engine;
    readonly clock: Clock;
    readonly log: Log;
    readonly notifier: Notifier;
    readonly epochs: EpochStore;
    readonly config: ConfigSource;
    readonly hooks: HookRunner;
    readonly checks: TrackChecks;
    readonly maintenance: MaintenanceStore;
    /** Not given: the host's own network is not carpd's. */
    readonly network?: NetworkPort;
}

export interface DaemonOptions {
    readonly version: string;
    readonly engine: EngineStartOptions;
    /** Why every vhid is kept in INIT for the whole run; "" in ordinary times. */
    readonly hold?: string;
}

/** Longest wait for an answer of the engine thread, milliseconds. */
const snapshotLimitMs = 2000;
/** Beyond the hand-over limit: removing interfaces and restoring sysctls takes a fraction of it. */
const stopMarginMs = 5000;
/** From a hook's limit to its end, whatever it does (src/io/process-group.ts). */
const hookMarginMs = 3000;
const historyLength = 200;

interface Applied {
    /** null: the engine has it already. */
    readonly changes: readonly string[] | null;
    readonly warnings: string;
    /** What of the host's own network could not be done, a sentence each. */
    readonly remarks: readonly string[];
}

interface Known {
    readonly state: VhostState;
    readonly since: bigint;
}

export class Daemon {
    readonly history = new History(historyLength);
    readonly version: string;
    readonly conditions: Conditions;
    readonly #ports: DaemonPorts;
    readonly #options: DaemonOptions;
    readonly #snapshots: SnapshotReader;
    readonly #lines = new EventLines();
    readonly #hooks: Hooks;
    readonly #network: NetworkSettings;
    readonly #known = new Map<string, Known>();
    /** Up to which instant a vhid's changes have been told from a snapshot. */
    readonly #told = new Map<string, bigint>();
    #config: Config;
    #demotion = 0;
    #started = false;
    /** A refused configuration could not be undone: engine and #config may differ. */
    #halfApplied = false;
    #work: Promise<unknown> = Promise.resolve();
    #reloadWaiting: Promise<Result<readonly string[], Failure>> | null = null;
    #stopping: Promise<ExitCode> | null = null;
    #cancelWatchdog: () => void = () => undefined;
    #tellConfigured: (loaded: LoadedConfiguration) => void = () => undefined;

    #wallOffset: bigint | null = null;

    /** `config` is what `start` brings up. */
    constructor(ports: DaemonPorts, options: DaemonOptions, config: Config) {
        this.#ports = ports;
        this.#options = options;
        this.#config = config;
        this.version = options.version;
        const {hooks: runner, clock, log} = ports;
        this.#hooks = new Hooks({runner, clock, log}, config);
        this.#network = new NetworkSettings(ports.network, clock, log);
        this.conditions = new Conditions(ports, config);
        this.#snapshots = new SnapshotReader(ports.engine, ports.clock, snapshotLimitMs);
    }

    get config(): Config {
        return this.#config;
    }

    /** Why every vhid is kept in INIT; "". */
    get hold(): string {
        return this.#options.hold ?? "";
    }

    get stopping(): boolean {
        return this.#stopping !== null;
    }

    /**
     * Wall clock minus monotonic clock, microseconds. The wall clock is read in whole milliseconds,
     * so a fresh reading jitters; only a step or a drift of more than 2 ms moves what is shown.
     */
    wallOffsetUs(): bigint {
        const now = this.#ports.clock.wallUs() - this.#ports.clock.monotonicUs();
        const difference = this.#wallOffset === null ? null : now - this.#wallOffset;
        if (difference === null || difference > 2000n || difference < -2000n)
            this.#wallOffset = now;
        return this.#wallOffset ?? now;
    }

    /** Not older than this call; rejects when the engine does not answer. */
    snapshot(): Promise<EngineSnapshot> {
        return this.#snapshots.read();
    }

    /**
     * Stores the epoch, starts the engine and gives it the configuration. Tells the service manager
     * only through `announceReady`, so that the control socket can be opened in between.
     */
    start(): Promise<Result<void, Failure>> {
        // A SIGHUP during the start waits until it is over.
        return this.#inTurn(() => this.#startNow());
    }

    async #startNow(): Promise<Result<void, Failure>> {
        const {engine, epochs, log} = this.#ports;
        const counter = await nextCounter(epochs, log);
        if (!counter.ok) return counter;
        // SIGTERM may have come while the epoch was written: then there is nothing to bring up.
        if (this.stopping) return ok(undefined);
        try {
            engine.start(this.#options.engine, (event) => this.#onEvent(event));
            this.#started = true;
            // Boot hold and maintenance come before the first vhid and its first advertisement.
            await this.conditions.start();
            await engine.configure(this.#engineConfig(counter.value));
            await this.conditions.reconfigure(this.#config);
            const snapshot = await this.snapshot();
            this.#learn(snapshot);
            const count = this.#config.carp.length;
            log.write(startRecord(this.version, snapshot.scheduling, count));
            if (this.hold !== "") log.write(note("error", "held", heldText(this.hold)));
        } catch (error) {
            if (this.stopping) return ok(undefined);
            const failure = failureOf("start", error);
            // What was made so far goes away again; how that ends is logged by stop().
            if (this.#started) await this.stop();
            return err(failure);
        }
        return ok(undefined);
    }

    announceReady(): void {
        this.#ports.notifier.ready();
        this.#showStatus();
        const interval = this.#ports.notifier.watchdogIntervalMs;
        if (interval !== null) this.#armWatchdog(interval);
    }

    /**
     * Reads the configuration again and applies what differs. The value lists what changed, in
     * words; empty: nothing. A failure has been logged and the old configuration runs on.
     */
    reload(): Promise<Result<readonly string[], Failure>> {
        if (this.#reloadWaiting !== null) return this.#reloadWaiting;
        const run = this.#inTurn(async () => {
            this.#reloadWaiting = null;
            const result = await this.#applyAndTell();
            const {log} = this.#ports;
            if (!result.ok) {
                const text = `configuration not reloaded, the old one stays:\n${result.error.text}`;
                log.write(note("error", "reload failed", text));
                return result;
            }
            const {changes, warnings, remarks} = result.value;
            for (const line of [warnings, ...remarks].filter(Boolean)) {
                log.write(note("warning", "configuration", line));
            }
            const words =
                changes === null
                    ? "unchanged"
                    : `reloaded: ${changes.join("; ") || "applied again"}`;
            const fields = changes === null ? {} : {changes};
            log.write(note("info", "reload", `configuration ${words}`, fields));
            return ok(changes ?? []);
        });
        this.#reloadWaiting = run;
        return run;
    }

    /**
     * The same with this text in place of what carpd.toml holds, and without a word in the log. The
     * value is what of the host's own network could not be done.
     */
    apply(text: string): Promise<Result<readonly string[], Failure>> {
        return this.#inTurn(async () => {
            const result = await this.#applyAndTell(text);
            return result.ok ? ok(result.value.remarks) : result;
        });
    }

    /** After the start: the host's own network. It may take seconds, and `start` waits for none. */
    applyNetwork(): Promise<void> {
        return this.#network.applyAndLog(this.#config);
    }

    /** Told of each configuration that runs from now on; one listener. */
    whenConfigured(listener: (loaded: LoadedConfiguration) => void): void {
        this.#tellConfigured = listener;
    }

    /** A line for the log and for everybody who watches. */
    announce(kind: string, record: LogRecord): void {
        this.#publish(kind, this.#ports.clock.monotonicUs(), record);
    }

    /** One after the other, whatever became of the one before. */
    #inTurn<T>(work: () => Promise<T>): Promise<T> {
        const run = this.#work.then(work);
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }

    /** Resolves when done; for "down" and "backup" that is when the address was let go. */
    async admin(name: string, action: AdminAction): Promise<Result<void, EngineError>> {
        if (this.hold !== "" && action !== "down") {
            return err(new EngineError("HELD", action, name, 0, heldText(this.hold)));
        }
        try {
            await this.#ports.engine.admin(name, action);
            return ok(undefined);
        } catch (error) {
            if (error instanceof EngineError) return err(error);
            throw error;
        }
    }

    /** Hands over and ends the engine. Every further call waits for the first. */
    stop(): Promise<ExitCode> {
        this.#stopping ??= this.#stopNow();
        return this.#stopping;
    }

    async #stopNow(): Promise<ExitCode> {
        const {engine, clock, notifier, log, epochs} = this.#ports;
        this.#cancelWatchdog();
        this.#network.stop();
        notifier.stopping(
            this.#config.options.handoverLimitMs + stopMarginMs + this.#hookLimitMs(),
        );
        log.write(note("info", "stopping", "stopping: handing over every MASTER"));
        const limitMs = this.#config.options.handoverLimitMs + stopMarginMs;
        const began = clock.monotonicUs();
        const checksEnded = this.conditions.stop();
        try {
            if (this.#started) await withLimit(clock, limitMs, engine.stop());
        } catch (error) {
            const {text, exitCode} = failureOf("stop", error);
            log.write(note("error", "stop failed", text));
            await Promise.all([this.#hooks.stop(), checksEnded]);
            return exitCode;
        }
        await epochs.settled();
        // The addresses are with the successor already: only this process waits for its hooks.
        await Promise.all([this.#hooks.stop(), checksEnded]);
        const durationMs = Number(clock.monotonicUs() - began) / 1000;
        const text = `stopped after ${durationMs.toFixed(0)} ms`;
        log.write(note("info", "stopped", text, {durationMs}));
        return exitCodes.ok;
    }

    /** Hooks are given SIGKILL three seconds after their limit at the latest. */
    #hookLimitMs(): number {
        return this.#config.options.hookTimeoutMs + hookMarginMs;
    }

    async #applyAndTell(text?: string): Promise<Result<Applied, Failure>> {
        const {clock, notifier} = this.#ports;
        if (this.stopping) {
            return err({text: "the daemon is stopping", exitCode: exitCodes.unavailable});
        }
        notifier.reloading(clock.monotonicUs());
        try {
            return await this.#applyConfiguration(text);
        } finally {
            notifier.ready();
            this.#showStatus();
        }
    }

    async #applyConfiguration(text?: string): Promise<Result<Applied, Failure>> {
        const {engine, epochs, config, log} = this.#ports;
        const carpdevs = this.#config.carp.map((carp) => carp.carpdev);
        const loaded = await config.load(carpdevs, text);
        if (!loaded.ok) return err(loaded.error);
        const {config: next, warnings} = loaded.value;
        const changes = diffConfig(this.#config, next);
        if (changes.length === 0 && !this.#halfApplied) {
            this.#tellConfigured(loaded.value);
            return ok({changes: null, warnings, remarks: []});
        }
        // A vhid that is removed and comes back under the same key must not repeat a counter.
        const counter = await nextCounter(epochs, log);
        if (!counter.ok) return counter;
        // The questions to the system and to the disk take time, and SIGTERM may have come meanwhile.
        if (this.stopping) {
            return err({text: "the daemon is stopping", exitCode: exitCodes.unavailable});
        }
        this.#hooks.reconfigure(next);
        try {
            await this.conditions.release(next);
            await engine.configure(this.#engineConfig(counter.value, next));
        } catch (error) {
            const failure = failureOf("configure", error);
            const undone = await this.#undo(counter.value);
            await this.conditions.reconfigure(this.#config);
            return err(undone === "" ? failure : {...failure, text: `${failure.text}; ${undone}`});
        }
        this.#halfApplied = false;
        this.#config = next;
        await this.conditions.reconfigure(next);
        this.#forgetRemoved(next);
        this.#tellConfigured(loaded.value);
        return ok({changes, warnings, remarks: await this.#network.apply(next)});
    }

    /** Held: every vhid is set down, so that nothing is sent for it and nothing answers. */
    #engineConfig(counter: bigint, config = this.#config): EngineConfig {
        const wanted = toEngineConfig(config, counter);
        if (this.hold === "") return wanted;
        return {...wanted, vhosts: wanted.vhosts.map((vhost) => ({...vhost, enabled: false}))};
    }

    /** All or nothing: back to what ran before. "" or what went wrong. */
    async #undo(counter: bigint): Promise<string> {
        this.#hooks.reconfigure(this.#config);
        try {
            await this.#ports.engine.configure(this.#engineConfig(counter));
            return "";
        } catch (error) {
            // The next reload applies its configuration whatever the difference says.
            this.#halfApplied = true;
            return `going back failed too: ${failureOf("configure", error).text}`;
        }
    }

    #onEvent(event: EngineEvent): void {
        if (event.kind === "counterEpoch") this.#ports.epochs.heard(event.epoch);
        if (event.kind === "demotion") this.#demotion = event.total;
        if (event.kind === "vhostState" && !this.#noteState(event)) return;
        if (event.kind === "vhostState") this.#hooks.stateChanged(event, this.#demotion);
        const record = this.#lines.record(event);
        if (record !== null) this.#publish(event.kind, event.at, record);
        if (event.kind === "eventsLost") {
            this.#resync().catch((error: unknown) => {
                const {text} = failureOf("snapshot", error);
                this.#ports.log.write(note("error", "resync failed", text));
            });
        }
        if (event.kind === "vhostState" || event.kind === "demotion") this.#showStatus();
    }

    /** false: a resync told this change, or a later one, already. */
    #noteState(event: Extract<EngineEvent, {kind: "vhostState"}>): boolean {
        const {name, at} = event;
        if (at <= (this.#told.get(name) ?? -1n)) return false;
        // A snapshot may have overtaken this event: what is known never goes back in time.
        if (at >= (this.#known.get(name)?.since ?? at)) {
            this.#known.set(name, {state: event.to, since: at});
        }
        return true;
    }

    /** Edges were lost: tell the differences between what was known and what is. */
    async #resync(): Promise<void> {
        const snapshot = await this.snapshot();
        this.#lines.resync(snapshot.demotion);
        for (const vhost of snapshot.vhosts) {
            const {name, carpdev, vhid, state, cause, since} = vhost;
            const from = this.#known.get(name)?.state ?? "INIT";
            if (from === state) continue;
            // The event itself may be on its way behind the lost ones; it is not told twice.
            this.#told.set(name, since);
            const change = {name, carpdev, vhid, from, to: state, cause, peer: ""};
            this.#publish("vhostState", since, stateRecord(change));
            this.#hooks.stateChanged(change, snapshot.demotion);
        }
        this.#learn(snapshot);
    }

    #learn(snapshot: EngineSnapshot): void {
        this.#demotion = snapshot.demotion;
        for (const {name, state, since} of snapshot.vhosts) this.#known.set(name, {state, since});
        this.#showStatus();
    }

    #forgetRemoved(config: Config): void {
        const names = new Set(config.carp.map((carp) => carp.name));
        for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    }

    #publish(kind: string, at: bigint, record: LogRecord): void {
        this.#ports.log.write(record);
        // "counter epoch" and the like are for debugging, not for those who watch.
        if (record.level === "debug") return;
        this.history.add(watchEvent(kind, isoOf(at, this.wallOffsetUs()), record));
    }

    #showStatus(): void {
        const states = [...this.#known.values()].map((known) => known.state);
        const held = this.hold === "" ? "" : `held in INIT (${this.hold}): `;
        this.#ports.notifier.status(`${held}${summaryLine(states, this.#demotion)}`);
    }

    /** The watchdog is fed only while the protocol loop turns: a stuck one gets carpd restarted. */
    #armWatchdog(intervalMs: number): void {
        let last: EngineSnapshot | null = null;
        const beat = async (): Promise<void> => {
            try {
                const snapshot = await this.snapshot();
                const stall = stallOf(last, snapshot);
                last = snapshot;
                if (stall !== "") this.#ports.log.write(note("error", "watchdog", stall));
                else if (!this.stopping) this.#ports.notifier.watchdog();
            } catch (error) {
                const {text} = failureOf("snapshot", error);
                this.#ports.log.write(note("error", "watchdog", text));
            }
            if (!this.stopping) arm();
        };
        const arm = (): void => {
            this.#cancelWatchdog = this.#ports.clock.after(intervalMs, () => {
                beat().catch((error: unknown) => {
                    this.#ports.log.write(note("error", "watchdog", String(error)));
                });
            });
        };
        arm();
    }
}

function watchEvent(kind: string, time: string, record: LogRecord): WatchEvent {
    const fields: LogFields = record.fields;
    return {kind, time, level: record.level, line: record.text, fields};
}

/** "2 carp interfaces" for the `--check` line. */
export function checkLine(file: string, config: Config): string {
    return `${file}: ok, ${countOf(config.carp.length, "carp interface")}`;
}
