/**
 * The boot hold: demoted by reason `boot` until boot-delay has passed and boot-command has
 * succeeded once. Main thread.
 */
import type {Options} from "../core/config.ts";
import {durationText} from "../core/config-units.ts";
import {formatDuration} from "../core/duration.ts";
import {type Log, note} from "../core/log.ts";
import type {Demotions} from "./demotions.ts";
import type {CheckRunner, Clock, TrackChecks} from "./ports.ts";

/** As high as it goes: advskew 240 on the wire. */
const level = 240;
/** From the end of a failed try to the next, milliseconds. */
const retryMs = 1000;

export type BootOptions = Pick<Options, "bootDelayMs" | "bootCommand" | "bootCommandTimeoutMs">;

export interface BootHoldPorts {
    readonly clock: Clock;
    readonly log: Log;
    readonly checks: TrackChecks;
}

export class BootHold {
    readonly #ports: BootHoldPorts;
    readonly #demotions: Demotions;
    #options: BootOptions;
    #beganAt: bigint | null = null;
    #delayOver = false;
    #commandDone = false;
    #cancelDelay: () => void = () => undefined;
    #cancelRetry: () => void = () => undefined;
    #runner: CheckRunner | null = null;
    #lastFailure = "";

    constructor(ports: BootHoldPorts, demotions: Demotions, options: BootOptions) {
        this.#ports = ports;
        this.#demotions = demotions;
        this.#options = options;
    }

    get holding(): boolean {
        return this.#beganAt !== null;
    }

    /** Resolves when the engine knows; the delay counts from here. */
    async start(): Promise<void> {
        const {bootDelayMs, bootCommand} = this.#options;
        if (bootDelayMs === 0 && bootCommand.length === 0) return;
        this.#beganAt = this.#ports.clock.monotonicUs();
        const waits = [
            ...(bootDelayMs === 0 ? [] : [`for ${durationText(bootDelayMs)}`]),
            ...(bootCommand.length === 0 ? [] : [`until \`${bootCommand.join(" ")}\` succeeds`]),
        ];
        this.#say("notice", `boot hold: demoted by ${level} ${waits.join(" and ")}`);
        await this.#demotions.set("boot", level, "");
        this.#armDelay();
        this.#startCommand();
    }

    /** A change while it holds counts at once: also the way out of a command that never succeeds. */
    reconfigure(options: BootOptions): void {
        const before = this.#options;
        this.#options = options;
        if (!this.holding) return;
        this.#delayOver = false;
        this.#armDelay();
        const command = (of: BootOptions) =>
            JSON.stringify([of.bootCommand, of.bootCommandTimeoutMs]);
        if (this.#commandDone || command(before) === command(options)) return;
        this.#closeCommand().catch((error: unknown) => this.#say("error", String(error)));
        this.#startCommand();
    }

    /** Kills the command; the demotion stays as it is. */
    async stop(): Promise<void> {
        this.#beganAt = null;
        this.#cancelDelay();
        await this.#closeCommand();
    }

    #armDelay(): void {
        this.#cancelDelay();
        if (this.#beganAt === null) return;
        const goneUs = this.#ports.clock.monotonicUs() - this.#beganAt;
        const leftMs = Math.max(0, this.#options.bootDelayMs - Number(goneUs / 1000n));
        if (leftMs === 0) {
            this.#delayOver = true;
            this.#endIfDone();
            return;
        }
        this.#cancelDelay = this.#ports.clock.after(leftMs, () => {
            this.#delayOver = true;
            this.#endIfDone();
        });
    }

    #startCommand(): void {
        const {bootCommand, bootCommandTimeoutMs} = this.#options;
        if (bootCommand.length === 0) {
            this.#commandDone = true;
            this.#endIfDone();
            return;
        }
        const check = {kind: "command", command: bootCommand} as const;
        const runner = this.#ports.checks.open(check, bootCommandTimeoutMs);
        this.#runner = runner;
        this.#try(runner);
    }

    #try(runner: CheckRunner): void {
        runner.run().then(
            ({verdict, text}) => {
                if (this.#runner !== runner) return;
                if (verdict === "good") {
                    this.#commandDone = true;
                    this.#closeCommand().catch((error: unknown) =>
                        this.#say("error", String(error)),
                    );
                    this.#endIfDone();
                    return;
                }
                if (text !== this.#lastFailure) {
                    this.#say("warning", `boot command failed, trying every second: ${text}`);
                }
                this.#lastFailure = text;
                this.#cancelRetry = this.#ports.clock.after(retryMs, () => this.#try(runner));
            },
            (error: unknown) => this.#say("error", `boot command: ${String(error)}`),
        );
    }

    async #closeCommand(): Promise<void> {
        this.#cancelRetry();
        const runner = this.#runner;
        this.#runner = null;
        await runner?.close();
    }

    #endIfDone(): void {
        if (this.#beganAt === null || !this.#delayOver || !this.#commandDone) return;
        const took = formatDuration(this.#ports.clock.monotonicUs() - this.#beganAt);
        this.#beganAt = null;
        this.#say("notice", `boot hold over after ${took}`);
        this.#demotions
            .set("boot", 0, "")
            .catch((error: unknown) => this.#say("error", String(error)));
    }

    #say(severity: "notice" | "warning" | "error", text: string): void {
        this.#ports.log.write(note(severity, "boot hold", text));
    }
}
