/**
 * What an operator asks and orders beside the state itself: why, peers, system, doctor, ping,
 * power, import, the other host's configuration. Main thread; src/app/operations-routes.ts carries
 * it over the control socket.
 */
import type {Config} from "../core/config.ts";
import type {ApiReply} from "../core/control-protocol.ts";
import {failure, unknownCarp} from "../core/control-protocol.ts";
import type {Session} from "../core/control-session.ts";
import {type DoctorReport, diagnose, type HeardAlarm, type HostFacts} from "../core/doctor.ts";
import {alarms} from "../core/engine.ts";
import {type Log, note} from "../core/log.ts";
import {foldPeers, type PeerStatus} from "../core/peers.ts";
import {type Echo, pingText} from "../core/ping.ts";
import {ok, type Result} from "../core/result.ts";
import type {MaintenanceStatus} from "../core/status.ts";
import type {SystemStatus} from "../core/system-status.ts";
import {type WhyStatus, whyOf} from "../core/why.ts";
import {type HandingDaemon, HandOver} from "./hand-over.ts";
import type {Clock} from "./ports.ts";
import {TransitionRecords} from "./transition-records.ts";
import type {History} from "./transitions.ts";

/** What it needs of the running daemon; `Daemon` is one. */
export interface OperatedDaemon extends HandingDaemon {
    readonly config: Config;
    readonly version: string;
    readonly stopping: boolean;
    readonly history: History;
    readonly conditions: HandingDaemon["conditions"] & {maintenance(): MaintenanceStatus};
    wallOffsetUs(): bigint;
}

export type PowerAction = "reboot" | "power-off";

export interface PowerOrder {
    readonly action: PowerAction;
    /** Waits until another host has taken over every MASTER. */
    readonly handOver: boolean;
    /** Goes down as MASTER, too. */
    readonly force: boolean;
}

export interface OperationsPorts {
    readonly clock: Clock;
    readonly log: Log;
    readSystem(version: string): Promise<SystemStatus>;
    readFacts(carpdevs: readonly {carpdev: string; ifindex: number}[]): HostFacts;
    ping(address: string, count: number): Promise<Result<readonly Echo[], string>>;
    power(action: PowerAction, force: boolean): Promise<Result<void, string>>;
}

export interface OperationsOptions {
    /** How long the doctor listens, milliseconds. */
    readonly listenMs: number;
}

/** Two advertisements of the slowest usual host, and some. */
export const usualOptions: OperationsOptions = {listenMs: 5000};
/** Alarms that are raised once in 10 s may have come shortly before (engine.ts), milliseconds. */
const alarmMemoryMs = 10_000;
/** A second order is refused for so long, milliseconds. */
const powerMs = 60_000;
/** Pings at the same time: each has a thread. */
const mostPingsAtOnce = 4;

export class Operations {
    readonly #daemon: OperatedDaemon;
    readonly #ports: OperationsPorts;
    readonly #options: OperationsOptions;
    readonly #records: TransitionRecords;
    #pings = 0;
    /** One doctor for all who ask while it listens. */
    #doctor: Promise<DoctorReport> | null = null;
    #system: Promise<SystemStatus> | null = null;
    #powering = false;

    /** To be made before the daemon starts, so that it hears of the first change. */
    constructor(
        daemon: OperatedDaemon,
        ports: OperationsPorts,
        options: OperationsOptions = usualOptions,
    ) {
        this.#daemon = daemon;
        this.#ports = ports;
        this.#options = options;
        const failed = (error: unknown): void => {
            // The engine's last changes are those of the hand-over, and nobody will ask.
            if (daemon.stopping) return;
            const reason = error instanceof Error ? error.message : String(error);
            const text = `no record of a state change for \`show why\`: ${reason}`;
            ports.log.write(note("warning", "why", text));
        };
        this.#records = new TransitionRecords(daemon, failed);
        daemon.history.subscribe((event) => this.#records.heard(event));
    }

    /** The last change of each vhid; of one, all that is kept, the newest first. */
    async why(name: string | null): Promise<ApiReply> {
        await this.#records.settled();
        const names = this.#daemon.config.carp.map((carp) => carp.name);
        if (name !== null && !names.includes(name)) return unknownCarp(name, names);
        const last = this.#records.last(names);
        const records = name === null ? last : [...this.#records.all(name)].reverse();
        const offset = this.#daemon.wallOffsetUs();
        const body: WhyStatus[] = records.map((record) => whyOf(record, offset));
        return {status: 200, body};
    }

    async peers(): Promise<PeerStatus[]> {
        const snapshot = await this.#daemon.snapshot();
        const {config} = this.#daemon;
        return foldPeers({snapshot, config, wallOffsetUs: this.#daemon.wallOffsetUs()});
    }

    /** One question to the helper process for all who ask meanwhile. */
    system(): Promise<SystemStatus> {
        this.#system ??= this.#ports.readSystem(this.#daemon.version).finally(() => {
            this.#system = null;
        });
        return this.#system;
    }

    doctor(): Promise<DoctorReport> {
        this.#doctor ??= this.#listen().finally(() => {
            this.#doctor = null;
        });
        return this.#doctor;
    }

    async #listen(): Promise<DoctorReport> {
        const {listenMs} = this.#options;
        const before = await this.#daemon.snapshot();
        const factsBefore = this.#ports.readFacts(before.carpdevs);
        await new Promise<void>((resolve) => {
            this.#ports.clock.after(listenMs, resolve);
        });
        const after = await this.#daemon.snapshot();
        const wallMs = Number(this.#ports.clock.wallUs() / 1000n);
        return diagnose({
            seconds: listenMs / 1000,
            config: this.#daemon.config,
            before,
            after,
            factsBefore,
            facts: this.#ports.readFacts(after.carpdevs),
            alarms: this.#alarmsSince(wallMs - listenMs - alarmMemoryMs),
            maintenance: this.#daemon.conditions.maintenance(),
        });
    }

    #alarmsSince(wallMs: number): HeardAlarm[] {
        return this.#daemon.history.list().flatMap(({kind, time, fields}) => {
            if (kind !== "alarm" || Date.parse(time) < wallMs) return [];
            const {carpdev, vhid, peer} = fields;
            const alarm = alarms.find((known) => known === fields.alarm);
            if (typeof carpdev !== "string" || typeof vhid !== "number") return [];
            if (alarm === undefined) return [];
            return [{carpdev, vhid, alarm, peer: typeof peer === "string" ? peer : ""}];
        });
    }

    async ping(address: string, count: number): Promise<ApiReply> {
        if (this.#pings >= mostPingsAtOnce) {
            const message = `${mostPingsAtOnce} pings are under way already`;
            return failure(503, "BUSY", message, "ask again in a few seconds");
        }
        this.#pings++;
        try {
            const echoes = await this.#ports.ping(address, count);
            if (!echoes.ok) return failure(409, "PING_FAILED", echoes.error, "another address");
            return {status: 200, body: {text: pingText(address, echoes.value)}};
        } finally {
            this.#pings--;
        }
    }

    /**
     * The service manager stops carpd on the way, which hands over every MASTER, but looks back at
     * nobody: that somebody else has taken over is seen to here.
     */
    async power(order: PowerOrder, session: Session): Promise<ApiReply> {
        if (this.#powering) {
            return failure(409, "BUSY", "the machine is going down already", "patience");
        }
        this.#powering = true;
        const reply = await this.#goDown(order, session).catch((error: unknown) => {
            this.#powering = false;
            throw error;
        });
        if (reply.status !== 200) this.#powering = false;
        return reply;
    }

    async #goDown({action, handOver, force}: PowerOrder, session: Session): Promise<ApiReply> {
        const {user, origin} = session;
        const {clock, log} = this.#ports;
        const handing = new HandOver(this.#daemon, clock);
        const refusal = handOver || force ? null : await handing.refusal(action);
        if (refusal !== null) return refusal;
        log.write(note("notice", "power", `${action} by ${user} from ${origin}`, {user, origin}));
        const handed = handOver ? await handing.run(action) : ok("");
        if (!handed.ok) return handed.error;
        if (handed.value !== "") log.write(note("notice", "power", `handed over: ${handed.value}`));
        const done = await this.#ports.power(action, force);
        if (!done.ok) {
            if (handOver) await handing.undo();
            log.write(note("error", "power", `${action} failed: ${done.error}`));
            return failure(500, "POWER_FAILED", done.error, "systemd, and the right to ask it");
        }
        // Somebody may have cancelled it.
        clock.after(powerMs, () => {
            this.#powering = false;
        });
        const handover = handed.value === "" ? "handing over" : handed.value;
        return {status: 200, body: {text: `${action}: ${handover}, going down\n`}};
    }
}
