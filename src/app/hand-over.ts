/**
 * Hands over every MASTER and waits until other hosts have them, before this one goes down. Main
 * thread.
 */
import type {ApiReply} from "../core/control-protocol.ts";
import {failure} from "../core/control-protocol.ts";
import type {AdminAction, EngineError, EngineSnapshot} from "../core/engine.ts";
import {
    handOverLimitMs,
    masterRefusal,
    mastersIn,
    nobodyRefusal,
    successorsOf,
} from "../core/hand-over.ts";
import {err, ok, type Result} from "../core/result.ts";
import type {Clock} from "./ports.ts";

/** What it needs of the running daemon; `Daemon` is one. */
export interface HandingDaemon {
    readonly conditions: {demote(reason: string, level: number, group: string): Promise<void>};
    snapshot(): Promise<EngineSnapshot>;
    admin(name: string, action: AdminAction): Promise<Result<void, EngineError>>;
}

/** Holds until this host is down: what was handed over is not taken back. */
const reason = "operator:reboot";
const level = 240;
const lookMs = 100;

export class HandOver {
    readonly #daemon: HandingDaemon;
    readonly #clock: Clock;

    constructor(daemon: HandingDaemon, clock: Clock) {
        this.#daemon = daemon;
        this.#clock = clock;
    }

    /** null: nothing speaks against going down. */
    async refusal(action: string): Promise<ApiReply | null> {
        const masters = mastersIn((await this.#daemon.snapshot()).vhosts);
        return masters.length === 0 ? null : masterRefusal(action, masters);
    }

    /** "carp0 is with 192.168.1.3", "" when nothing was MASTER here. The error undid everything. */
    async run(action: string): Promise<Result<string, ApiReply>> {
        const {conditions} = this.#daemon;
        const masters = mastersIn((await this.#daemon.snapshot()).vhosts);
        // Also with nothing to give: nothing may come back in between.
        await conditions.demote(reason, level, "");
        const names = masters.map(({name}) => name);
        for (const name of names) {
            const done = await this.#daemon.admin(name, "backup");
            if (done.ok) continue;
            await this.undo();
            return err(failure(409, done.error.code, `${name}: ${done.error.message}`, ""));
        }
        const limitMs = handOverLimitMs(masters);
        const until = this.#clock.monotonicUs() + BigInt(limitMs) * 1000n;
        for (;;) {
            const now = successorsOf(names, (await this.#daemon.snapshot()).vhosts);
            const waiting = now.filter(({successor}) => successor === null);
            if (waiting.length === 0) {
                return ok(
                    now.map(({name, successor}) => `${name} is with ${successor}`).join(", "),
                );
            }
            if (this.#clock.monotonicUs() >= until) {
                await this.undo();
                const left = waiting.map(({name}) => name);
                return err(nobodyRefusal(action, left, limitMs));
            }
            await new Promise<void>((resolve) => {
                this.#clock.after(lookMs, resolve);
            });
        }
    }

    /** This host stays up after all. */
    undo(): Promise<void> {
        return this.#daemon.conditions.demote(reason, 0, "");
    }
}
