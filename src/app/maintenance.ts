/**
 * Maintenance mode: demoted by reason `maintenance` until it is switched off or its end has come,
 * also over a restart. Main thread.
 *
 * Its end is a wall-clock time, for it counts while the daemon is down too.
 */
import {exitCodes} from "../core/exit-codes.ts";
import {type Log, note} from "../core/log.ts";
import {err, ok, type Result} from "../core/result.ts";
import type {MaintenanceStatus} from "../core/status.ts";
import type {Demotions} from "./demotions.ts";
import type {Clock, Failure, MaintenanceRecord, MaintenanceStore} from "./ports.ts";

/** As high as it goes: advskew 240 on the wire. */
const level = 240;
/** The wall clock may be stepped: it is looked at no less often, milliseconds. */
const lookMs = 60_000;
/** The last instant that a Date can show, milliseconds since 1970 (ECMA-262). */
const latestMs = 8.64e15;

export interface MaintenancePorts {
    readonly clock: Clock;
    readonly log: Log;
    readonly store: MaintenanceStore;
}

export class Maintenance {
    readonly #ports: MaintenancePorts;
    readonly #demotions: Demotions;
    #record: MaintenanceRecord | null = null;
    #cancel: () => void = () => undefined;
    #work: Promise<unknown> = Promise.resolve();

    constructor(ports: MaintenancePorts, demotions: Demotions) {
        this.#ports = ports;
        this.#demotions = demotions;
    }

    /** Resolves when the engine knows what was stored. */
    start(): Promise<void> {
        return this.#enqueue(async () => {
            const {record, warning} = await this.#ports.store.load();
            if (warning !== "") this.#say("warning", warning);
            if (record === null) return;
            this.#record = record;
            if (this.#isOver(record)) {
                await this.#end("its end came while carpd did not run");
                return;
            }
            this.#say("notice", `maintenance is still on${untilWords(record)}`);
            await this.#demotions.set("maintenance", level, "");
            this.#arm();
        });
    }

    stop(): Promise<void> {
        return this.#enqueue(() => {
            this.#cancel();
            return Promise.resolve();
        });
    }

    status(): MaintenanceStatus {
        const record = this.#record;
        if (record === null) return {on: false, since: "", until: ""};
        const until = record.untilMs === null ? "" : isoOf(record.untilMs);
        return {on: true, since: isoOf(record.sinceMs), until};
    }

    /** Stored before it holds. Switched on again it keeps its beginning and takes the new end. */
    set(on: boolean, untilMs: number | null): Promise<Result<MaintenanceStatus, Failure>> {
        return this.#enqueue(() => (on ? this.#switchOn(untilMs) : this.#switchOff()));
    }

    async #switchOn(untilMs: number | null): Promise<Result<MaintenanceStatus, Failure>> {
        const now = this.#nowMs();
        if (untilMs !== null && !(untilMs > now && untilMs <= latestMs)) {
            const text = "the end of maintenance must be in the future";
            return err({text, exitCode: exitCodes.usage});
        }
        const end = untilMs === null ? null : Math.round(untilMs);
        const record = {sinceMs: this.#record?.sinceMs ?? now, untilMs: end};
        const stored = await this.#ports.store.save(record);
        if (!stored.ok) return err({text: stored.error, exitCode: exitCodes.ioError});
        this.#record = record;
        this.#say("notice", `maintenance on${untilWords(record)}: demoted by ${level}`);
        await this.#demotions.set("maintenance", level, "");
        this.#arm();
        return ok(this.status());
    }

    async #switchOff(): Promise<Result<MaintenanceStatus, Failure>> {
        if (this.#record !== null) {
            const problem = await this.#end("");
            const text = `${problem}; off until a restart`;
            return problem === "" ? ok(this.status()) : err({text, exitCode: exitCodes.ioError});
        }
        // Off already: a file that could not be removed before, or was garbled, goes now.
        const stored = await this.#ports.store.save(null);
        return stored.ok
            ? ok(this.status())
            : err({text: stored.error, exitCode: exitCodes.ioError});
    }

    /** Off in any case; the value is what could not be stored. */
    async #end(why: string): Promise<string> {
        this.#cancel();
        this.#record = null;
        const stored = await this.#ports.store.save(null);
        if (!stored.ok) this.#say("error", stored.error);
        this.#say("notice", why === "" ? "maintenance off" : `maintenance off: ${why}`);
        await this.#demotions.set("maintenance", 0, "");
        return stored.ok ? "" : stored.error;
    }

    #arm(): void {
        this.#cancel();
        const until = this.#record?.untilMs ?? null;
        if (until === null) return;
        const wait = Math.min(Math.max(until - this.#nowMs(), 1), lookMs);
        this.#cancel = this.#ports.clock.after(wait, () => {
            this.#enqueue(() => this.#look()).catch((error: unknown) => {
                this.#say("error", String(error));
            });
        });
    }

    async #look(): Promise<void> {
        if (this.#record === null) return;
        if (this.#isOver(this.#record)) {
            await this.#end("its end has come");
        } else {
            this.#arm();
        }
    }

    #isOver(record: MaintenanceRecord): boolean {
        return record.untilMs !== null && record.untilMs <= this.#nowMs();
    }

    #nowMs(): number {
        return Number(this.#ports.clock.wallUs() / 1000n);
    }

    #say(severity: "notice" | "warning" | "error", text: string): void {
        this.#ports.log.write(note(severity, "maintenance", text));
    }

    #enqueue<T>(job: () => Promise<T>): Promise<T> {
        const run = this.#work.then(job);
        // The next job runs whatever became of this one.
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }
}

function isoOf(ms: number): string {
    return new Date(ms).toISOString();
}

function untilWords(record: MaintenanceRecord): string {
    return record.untilMs === null ? "" : ` until ${isoOf(record.untilMs)}`;
}
