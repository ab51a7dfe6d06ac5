/**
 * What carpd knows for the front panel: the host's state, the armed reset, who is looking for this
 * box, and what carp-panel says of its LEDs. Main thread of carpd.
 */
import type {ApplianceStatus} from "../core/appliance/status.ts";
import type {Board} from "../core/board.ts";
import {armedMs, type Press} from "../core/buttons.ts";
import type {Config} from "../core/config.ts";
import {alarms, type EngineSnapshot} from "../core/engine.ts";
import {ledsOf} from "../core/leds.ts";
import {type LogRecord, note} from "../core/log.ts";
import {alarmShownMs, foldPanel, type PanelStatus, type RecentAlarm} from "../core/panel-status.ts";
import {buttonsOf, type LedView, type PanelView} from "../core/panel-view.ts";
import type {Result} from "../core/result.ts";
import type {Clock} from "./ports.ts";
import type {History} from "./transitions.ts";

/** What it needs of the running daemon; `Daemon` is one. */
export interface PanelDaemon {
    readonly config: Config;
    readonly stopping: boolean;
    /** Why everything stays in INIT; "". */
    readonly hold: string;
    readonly history: History;
    snapshot(): Promise<EngineSnapshot>;
    announce(kind: string, record: LogRecord): void;
}

export interface PanelStatePorts {
    readonly clock: Clock;
    /** null: no manifest fits this machine. */
    readonly board: Board | null;
    readonly appliance: () => ApplianceStatus;
    /** ISO 8601: until when a commit waits for its confirmation; "" when none does. */
    readonly commitUnconfirmed: () => string;
    /** Erases the configuration; the error is a sentence. */
    readonly factoryReset: () => Promise<Result<void, string>>;
}

export interface PressedState {
    /** Short presses since carpd started. */
    readonly count: number;
    /** What the last one told. */
    readonly lines: readonly string[];
}

export interface LedReport {
    readonly name: string;
    readonly problem: string;
}

/** carp-panel speaks every 5 s. */
const servedUs = 12_000_000n;
/** The panel's half minute, and what its word takes to get here. */
const armedUs = BigInt(armedMs + 5000) * 1000n;

export class PanelState {
    readonly #daemon: PanelDaemon;
    readonly #ports: PanelStatePorts;
    #identifyUntil: bigint | null = null;
    #armedAt: bigint | null = null;
    #report: readonly LedReport[] = [];
    #reportedAt: bigint | null = null;
    #pressed: PressedState = {count: 0, lines: []};

    constructor(daemon: PanelDaemon, ports: PanelStatePorts) {
        this.#daemon = daemon;
        this.#ports = ports;
    }

    /** The last short press of the button, for consoles where nobody is logged in. */
    get pressed(): PressedState {
        return this.#pressed;
    }

    async status(): Promise<PanelStatus> {
        const daemon = this.#daemon;
        const {appliance, commitUnconfirmed} = this.#ports;
        const snapshot = await daemon.snapshot();
        return foldPanel({
            ready: !daemon.stopping,
            hold: daemon.hold,
            snapshot,
            preempt: daemon.config.options.preempt,
            alarms: this.#alarms(),
            commitUnconfirmed: commitUnconfirmed(),
            appliance: appliance(),
            resetArmed: this.#armed(),
            identify: this.#identifyUntil !== null && this.#now() < this.#identifyUntil,
        });
    }

    async view(): Promise<PanelView> {
        const status = await this.status();
        const {board} = this.#ports;
        const served = this.#reportedAt !== null && this.#now() - this.#reportedAt < servedUs;
        if (board === null) return {board: null, status, leds: [], buttons: [], served};
        const leds = ledsOf(status, board).map((plan): LedView => {
            const problem = this.#report.find(({name}) => name === plan.name)?.problem ?? "";
            return {...plan, label: board.leds.get(plan.role)?.label ?? "", problem};
        });
        const buttons = buttonsOf(board, status.resetArmed);
        return {board: {id: board.id, name: board.name}, status, leds, buttons, served};
    }

    /** What could not be shown; an LED that is not named is well. */
    report(leds: readonly LedReport[]): void {
        for (const {name, problem} of leds) {
            const before = this.#report.find((known) => known.name === name)?.problem;
            if (before !== problem) this.#say("warning", `LED ${name}: ${problem}`, {name});
        }
        for (const {name} of this.#report) {
            if (leds.some((now) => now.name === name)) continue;
            this.#say("info", `LED ${name}: works again`, {name});
        }
        this.#report = leds;
        this.#reportedAt = this.#now();
    }

    /** `seconds` 0: no more. */
    identify(seconds: number, user: string): void {
        this.#identifyUntil = seconds === 0 ? null : this.#now() + BigInt(seconds) * 1_000_000n;
        const text =
            seconds === 0 ? "identify: ended" : `identify: all LEDs flash for ${seconds} s`;
        this.#say("info", `${text} (${user})`, {seconds, user});
    }

    /** The error says why it was not done. */
    async press(press: Press): Promise<Result<void, string>> {
        const done = {ok: true, value: undefined} as const;
        switch (press) {
            case "short":
                await this.#tellState();
                return done;
            case "armed":
                this.#armedAt = this.#now();
                this.#say(
                    "warning",
                    "reset button: held; a short press within 30 s erases the configuration",
                );
                return done;
            case "disarmed":
                this.#armedAt = null;
                this.#say("notice", "reset button: disarmed, nothing was erased");
                return done;
            case "reset":
                return this.#reset();
        }
    }

    async #reset(): Promise<Result<void, string>> {
        if (!this.#armed()) return {ok: false, error: "the reset was not armed"};
        this.#armedAt = null;
        this.#say("warning", "reset button: factory reset");
        const result = await this.#ports.factoryReset();
        if (!result.ok) this.#say("error", `reset button: no factory reset: ${result.error}`);
        return result;
    }

    /** On every console where somebody watches, and in the log. No addresses, no passwords. */
    async #tellState(): Promise<void> {
        const {vhosts, demotionReasons} = await this.#daemon.snapshot();
        const reasons = demotionReasons.map(({reason}) => reason).join(", ");
        const demoted = reasons === "" ? "" : `, demoted by ${reasons}`;
        const lines = vhosts.map(({name, carpdev, vhid, state, enabled, demotion}) => {
            const down = enabled ? "" : " (down)";
            const why = demotion > 0 ? demoted : "";
            return `button: ${name} (vhid ${vhid} on ${carpdev}) is ${state}${down}${why}`;
        });
        if (lines.length === 0) lines.push("button: no carp interface is configured");
        this.#pressed = {count: this.#pressed.count + 1, lines};
        for (const line of lines) this.#say("notice", line);
    }

    #armed(): boolean {
        return this.#armedAt !== null && this.#now() - this.#armedAt < armedUs;
    }

    #alarms(): RecentAlarm[] {
        const since = Number(this.#ports.clock.wallUs() / 1000n) - alarmShownMs;
        return this.#daemon.history.list().flatMap(({kind, time, fields}) => {
            if (kind !== "alarm" || Date.parse(time) < since) return [];
            const {vhid, carpdev, peer} = fields;
            const alarm = alarms.find((known) => known === fields.alarm);
            if (alarm === undefined || typeof vhid !== "number") return [];
            return [{vhid, carpdev: String(carpdev), alarm, peer: String(peer ?? "")}];
        });
    }

    #now(): bigint {
        return this.#ports.clock.monotonicUs();
    }

    #say(level: LogRecord["level"], text: string, fields: LogRecord["fields"] = {}): void {
        this.#daemon.announce("panel", note(level, "panel", text, fields));
    }
}
