/**
 * Runs the checks of `[[track]]` blocks. Main thread; what may hang runs elsewhere: programs in
 * their own process groups, stat(2) on libuv's threads, echo requests on the prober's thread,
 * systeminformation in the health helper.
 *
 * Every check has a time limit, and never runs twice at once: one that hangs for ever costs one
 * process or one thread, and is bad each time it is due.
 */
import {stat} from "node:fs/promises";
import type {CheckRunner, Clock, OutsideCheck, TrackChecks} from "../app/ports.ts";
import {durationText} from "../core/config-units.ts";
import type {CheckResult} from "../core/track.ts";
import type {ProbeResult} from "./addon.ts";
import {HealthClient, type Reading} from "./health-client.ts";
import {ProgramRunner} from "./program-run.ts";
import {Slots} from "./slots.ts";
import {codeOf} from "./system-error.ts";

/** Half of libuv's threads (4 unless told otherwise): hanging file systems leave the rest to us. */
const mostStats = 2;
/** A killed check that the kernel does not let go is not waited for, milliseconds. */
const closeLimitMs = 1000;
/** Pauses between two looks for an answer, milliseconds. The prober has its own clock. */
const firstLookMs = 1;
const longestLookMs = 50;

export interface ProbeStarter {
    startProber(options: {
        readonly address: string;
        readonly intervalUs: number;
        readonly capacity: number;
    }): {results(): ProbeResult[]; stop(): void};
}

export interface TrackCheckPorts {
    readonly clock: Clock;
    readonly probes: ProbeStarter;
    /** Path of the compiled src/health-helper.ts. */
    readonly healthHelper: string;
    /** Told when the health helper dies. */
    readonly warn: (text: string) => void;
}

/**
 * One run, to its real end: it resolves when nothing of it is left. `signal`: the time is over,
 * what can be killed is to be killed.
 */
type Attempt = (signal: AbortSignal) => Promise<CheckResult>;

export class SystemTrackChecks implements TrackChecks {
    readonly #ports: TrackCheckPorts;
    readonly #programs = new ProgramRunner();
    readonly #stats = new Slots(mostStats);
    readonly #open = new Set<LimitedRunner>();
    readonly health: HealthClient;

    constructor(ports: TrackCheckPorts) {
        this.#ports = ports;
        this.health = new HealthClient(ports.healthHelper, ports.clock, ports.warn);
    }

    open(check: OutsideCheck, limitMs: number): CheckRunner {
        const usesHealth = check.kind === "memory" || check.kind === "temperature";
        if (usesHealth) this.health.use();
        const closed = async (): Promise<void> => {
            this.#open.delete(runner);
            if (usesHealth) await this.health.release();
        };
        const runner = new LimitedRunner(this.#attempt(check), limitMs, this.#ports.clock, closed);
        this.#open.add(runner);
        return runner;
    }

    async stop(): Promise<void> {
        await Promise.all([...this.#open].map((runner) => runner.close()));
        await this.health.stop();
    }

    /** For the end of this process: kills without waiting. */
    killNow(): void {
        this.#programs.killAll();
        this.health.killNow();
    }

    #attempt(check: OutsideCheck): Attempt {
        switch (check.kind) {
            case "command":
                return (signal) => this.#command(check.command, signal);
            case "unit":
                return (signal) => this.#unit(check.unit, signal);
            case "file":
                return (signal) => this.#file(check.path, check.exists, signal);
            case "ping":
                return (signal) => this.#ping(check.address, signal);
            case "memory":
                return async () => memoryResult(await this.health.ask("memory"), check.leastOctets);
            case "temperature":
                return async () =>
                    temperatureResult(await this.health.ask("temperature"), check.mostCelsius);
        }
    }

    async #command(argv: readonly string[], signal: AbortSignal): Promise<CheckResult> {
        const {ok, how, line} = await this.#programs.run(argv, signal);
        return {verdict: ok ? "good" : "bad", text: line === "" ? how : `${how}: ${line}`};
    }

    async #unit(unit: string, signal: AbortSignal): Promise<CheckResult> {
        const argv = ["systemctl", "is-active", "--", unit];
        const {ok, how, line} = await this.#programs.run(argv, signal);
        return {verdict: ok ? "good" : "bad", text: line === "" ? how : line};
    }

    async #file(path: string, wanted: boolean, signal: AbortSignal): Promise<CheckResult> {
        const leave = await this.#stats.enter(signal);
        if (leave === null) return {verdict: "bad", text: "other file checks hang"};
        try {
            const exists = await fileExists(path);
            const text = exists ? "exists" : "does not exist";
            return {verdict: exists === wanted ? "good" : "bad", text};
        } catch (error) {
            return {verdict: "bad", text: `cannot be looked up: ${codeOf(error)}`};
        } finally {
            leave();
        }
    }

    async #ping(address: string, signal: AbortSignal): Promise<CheckResult> {
        // One probe: the second would follow after a second, and the capacity forbids it.
        const options = {address, intervalUs: 1_000_000, capacity: 1};
        let prober: ReturnType<ProbeStarter["startProber"]>;
        try {
            prober = this.#ports.probes.startProber(options);
        } catch (error) {
            return {verdict: "bad", text: `cannot ask ${address}: ${codeOf(error)}`};
        }
        try {
            let pauseMs = firstLookMs;
            while (!signal.aborted) {
                const probe = prober.results()[0];
                if (probe?.fate === "send failed") return {verdict: "bad", text: "cannot send"};
                if (probe !== undefined && probe.receivedAtUs !== null) {
                    const ms = (probe.receivedAtUs - probe.sentAtUs) / 1000;
                    return {verdict: "good", text: `answered in ${ms.toFixed(ms < 1 ? 2 : 1)} ms`};
                }
                await pause(this.#ports.clock, pauseMs);
                pauseMs = Math.min(pauseMs * 2, longestLookMs);
            }
            return {verdict: "bad", text: "no answer"};
        } finally {
            prober.stop();
        }
    }
}

/** Gives an attempt its time limit, and never starts a second one beside it. */
class LimitedRunner implements CheckRunner {
    readonly #attempt: Attempt;
    readonly #limitMs: number;
    readonly #clock: Clock;
    readonly #closed: () => Promise<void>;
    #under: {readonly end: Promise<CheckResult>; readonly abort: AbortController} | null = null;
    #closing: Promise<void> | null = null;
    #release: () => void = () => undefined;
    readonly #released = new Promise<undefined>((resolve) => {
        this.#release = () => resolve(undefined);
    });

    constructor(attempt: Attempt, limitMs: number, clock: Clock, closed: () => Promise<void>) {
        this.#attempt = attempt;
        this.#limitMs = limitMs;
        this.#clock = clock;
        this.#closed = closed;
    }

    async run(): Promise<CheckResult> {
        const began = this.#clock.monotonicUs();
        // Killed at its time limit, or not to be killed at all: the new run waits for its end.
        const former = this.#under;
        if (former !== null) {
            const ended = await within(this.#clock, this.#limitMs, [former.end, this.#released]);
            if (ended === undefined) return this.#late("an earlier run still hangs");
        }
        if (this.#closing !== null) return this.#late("");
        const {end, abort} = this.#begin();
        const leftMs = this.#limitMs - Number(this.#clock.monotonicUs() - began) / 1000;
        const result = await within(this.#clock, Math.max(0, leftMs), [end, this.#released]);
        if (result !== undefined) return result;
        abort.abort();
        return this.#late(`no answer within ${durationText(this.#limitMs)}`);
    }

    #late(text: string): CheckResult {
        return {verdict: "bad", text: this.#closing === null ? text : "stopped"};
    }

    close(): Promise<void> {
        this.#closing ??= this.#closeNow();
        return this.#closing;
    }

    async #closeNow(): Promise<void> {
        this.#release();
        const under = this.#under;
        if (under !== null) {
            under.abort.abort();
            await within(this.#clock, closeLimitMs, [under.end]);
        }
        await this.#closed();
    }

    #begin(): {end: Promise<CheckResult>; abort: AbortController} {
        const abort = new AbortController();
        const end = this.#guarded(abort.signal);
        this.#under = {end, abort};
        return {end, abort};
    }

    async #guarded(signal: AbortSignal): Promise<CheckResult> {
        try {
            return await this.#attempt(signal);
        } catch (error) {
            return {verdict: "bad", text: `failed: ${codeOf(error)}`};
        } finally {
            this.#under = null;
        }
    }
}

async function fileExists(path: string): Promise<boolean> {
    try {
        await stat(path);
        return true;
    } catch (error) {
        const code = codeOf(error);
        if (code === "ENOENT" || code === "ENOTDIR") return false;
        throw error;
    }
}

function memoryResult(reading: Reading, leastOctets: number): CheckResult {
    if (reading.kind === "error") return {verdict: "bad", text: reading.text};
    if (reading.kind === "none") return {verdict: "unknown", text: "no memory figure here"};
    const text = `${Math.floor(reading.number / 1024 ** 2)}M available`;
    return {verdict: reading.number >= leastOctets ? "good" : "bad", text};
}

function temperatureResult(reading: Reading, mostCelsius: number): CheckResult {
    if (reading.kind === "error") return {verdict: "bad", text: reading.text};
    if (reading.kind === "none") return {verdict: "unknown", text: "no temperature sensor here"};
    const text = `${reading.number.toFixed(1)} degrees Celsius`;
    return {verdict: reading.number <= mostCelsius ? "good" : "bad", text};
}

function pause(clock: Clock, ms: number): Promise<void> {
    return new Promise((resolve) => {
        clock.after(ms, resolve);
    });
}

/** The first of the promises, or undefined when the time is over. */
async function within<T>(
    clock: Clock,
    limitMs: number,
    promises: readonly Promise<T | undefined>[],
): Promise<T | undefined> {
    let cancel: () => void = () => undefined;
    const late = new Promise<undefined>((resolve) => {
        cancel = clock.after(limitMs, () => resolve(undefined));
    });
    try {
        return await Promise.race([...promises, late]);
    } finally {
        cancel();
    }
}
