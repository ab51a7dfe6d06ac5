/**
 * The parent's side of the health helper (src/health-helper.ts): one process for all questions,
 * started when somebody needs it, started again with back-off when it dies. Main thread.
 *
 * It never keeps carpd alive, and at most one question of a kind is under way however many ask.
 */
import {type ChildProcess, fork} from "node:child_process";
import type {Clock} from "../app/ports.ts";
import {type HardwareStatus, unknownHardware} from "../core/system-status.ts";
import {
    answerOf,
    type HealthAnswer,
    type HealthNumber,
    type HealthQuestion,
    type HealthValue,
} from "./health-protocol.ts";
import {childEnvironment, killGroup} from "./program-run.ts";
import {codeOf} from "./system-error.ts";

/** A question that is not answered after this: the helper hangs and is replaced, milliseconds. */
const hangsAfterMs = 10_000;
const firstPauseMs = 1000;
const longestPauseMs = 60_000;
/** Killed processes that the kernel does not let go are not waited for, milliseconds. */
const endLimitMs = 1000;

export type Reading =
    | {readonly kind: "number"; readonly number: number}
    /** This machine has no such sensor. */
    | {readonly kind: "none"}
    | {readonly kind: "error"; readonly text: string};

/** What the helper said, or why it said nothing. */
type Outcome = HealthAnswer | {readonly error: string};

interface Asked {
    readonly id: number;
    readonly outcome: Promise<Outcome>;
    readonly end: (outcome: Outcome) => void;
}

export class HealthClient {
    readonly #program: string;
    readonly #clock: Clock;
    readonly #warn: (text: string) => void;
    readonly #asked = new Map<HealthValue, Asked>();
    #child: ChildProcess | null = null;
    #users = 0;
    #lastId = 0;
    /** Deaths in a row without an answer in between. */
    #deaths = 0;
    #startAt = 0n;
    #lastWords = "";

    /** `program`: path of the compiled src/health-helper.ts. `warn` is told of each death. */
    constructor(program: string, clock: Clock, warn: (text: string) => void) {
        this.#program = program;
        this.#clock = clock;
        this.#warn = warn;
    }

    /** Process id while it runs. */
    get pid(): number | null {
        return this.#child?.pid ?? null;
    }

    /** Somebody is going to ask: it is better started now than when the first answer is due. */
    use(): void {
        this.#users++;
        this.#ensure();
    }

    /** The last one who leaves ends the helper. */
    async release(): Promise<void> {
        this.#users--;
        if (this.#users === 0) await this.stop();
    }

    /** Never rejects. May take as long as it likes: the caller has a time limit. */
    async ask(value: HealthNumber): Promise<Reading> {
        return readingOf(await this.#ask(value));
    }

    /** What is known within `limitMs` milliseconds; never rejects. */
    async hardware(limitMs: number): Promise<HardwareStatus> {
        this.use();
        let cancel: () => void = () => undefined;
        const late = new Promise<Outcome>((resolve) => {
            cancel = this.#clock.after(limitMs, () => resolve({error: "late"}));
        });
        try {
            const outcome = await Promise.race([this.#ask("hardware"), late]);
            return "hardware" in outcome ? outcome.hardware : unknownHardware;
        } finally {
            cancel();
            await this.release();
        }
    }

    #ask(value: HealthValue): Promise<Outcome> {
        const asked = this.#asked.get(value);
        if (asked !== undefined) return asked.outcome;
        const child = this.#ensure();
        if (child === null) {
            const text = `the health helper ${this.#lastWords} and is started again soon`;
            return Promise.resolve({error: text});
        }
        const id = ++this.#lastId;
        const {promise, resolve} = openPromise();
        const cancel = this.#clock.after(hangsAfterMs, () => killGroup(child.pid));
        const end = (outcome: Outcome): void => {
            cancel();
            resolve(outcome);
        };
        this.#asked.set(value, {id, outcome: promise, end});
        this.#send(child, {id, value});
        return promise;
    }

    /** Kills it with everything that it started. A later question starts it again. */
    async stop(): Promise<void> {
        const child = this.#child;
        if (child === null) return;
        this.#forget(child, "was stopped");
        const exit = new Promise<void>((resolve) => {
            const cancel = this.#clock.after(endLimitMs, resolve);
            child.once("exit", () => {
                cancel();
                resolve();
            });
        });
        killGroup(child.pid);
        await exit;
    }

    /** For the end of this process. */
    killNow(): void {
        killGroup(this.#child?.pid);
    }

    #ensure(): ChildProcess | null {
        if (this.#child !== null) return this.#child;
        if (this.#clock.monotonicUs() < this.#startAt) return null;
        try {
            return this.#start();
        } catch (error) {
            this.#pause(`cannot be started: ${codeOf(error)}`);
            return null;
        }
    }

    #start(): ChildProcess {
        const child = fork(this.#program, [], {
            cwd: "/",
            detached: true,
            env: childEnvironment(),
            // A leak ends there, not in the router's memory.
            execArgv: ["--max-old-space-size=64"],
            stdio: ["ignore", "ignore", "ignore", "ipc"],
        });
        this.#child = child;
        child.unref();
        child.channel?.unref();
        child.on("message", (message) => this.#answered(message));
        child.on("error", (error) => this.#died(child, `failed: ${codeOf(error)}`));
        child.on("exit", (code, signal) => {
            this.#died(child, signal === null ? `ended with ${code ?? 0}` : `died of ${signal}`);
        });
        return child;
    }

    #send(child: ChildProcess, question: HealthQuestion): void {
        child.send(question, (error) => {
            if (error !== null) this.#died(child, `failed: ${codeOf(error)}`);
        });
    }

    #answered(message: unknown): void {
        const answer = answerOf(message);
        if (answer === null) return;
        for (const [value, asked] of this.#asked) {
            if (asked.id !== answer.id) continue;
            this.#asked.delete(value);
            this.#deaths = 0;
            asked.end(answer);
        }
    }

    /** It ended, could not be started, or its channel broke and it is of no use. */
    #died(child: ChildProcess, how: string): void {
        // What it had started may still run.
        killGroup(child.pid);
        if (this.#child !== child) return;
        this.#forget(child, how);
        this.#pause(how);
    }

    #pause(how: string): void {
        this.#lastWords = how;
        const pauseMs = Math.min(firstPauseMs * 2 ** this.#deaths, longestPauseMs);
        this.#deaths++;
        this.#startAt = this.#clock.monotonicUs() + BigInt(pauseMs) * 1000n;
        this.#warn(`the health helper ${how}; it is started again after ${pauseMs / 1000} s`);
    }

    #forget(child: ChildProcess, how: string): void {
        if (this.#child === child) this.#child = null;
        const error = `the health helper ${how}`;
        for (const asked of this.#asked.values()) asked.end({error});
        this.#asked.clear();
    }
}

function readingOf(outcome: Outcome): Reading {
    if ("error" in outcome) return {kind: "error", text: outcome.error};
    if ("hardware" in outcome) return {kind: "error", text: "the health helper misunderstood"};
    return outcome.number === null ? {kind: "none"} : {kind: "number", number: outcome.number};
}

function openPromise(): {promise: Promise<Outcome>; resolve: (outcome: Outcome) => void} {
    let settle: (outcome: Outcome) => void = () => undefined;
    const promise = new Promise<Outcome>((resolve) => {
        settle = resolve;
    });
    return {promise, resolve: settle};
}
