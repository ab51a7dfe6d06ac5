/**
 * The host's own network as the configuration has it: made a plan and given to the appliance's
 * privileged helper. Main thread; a helper that does not answer is a warning and holds nothing up
 * for long. Nothing on the wire waits for it.
 */
import {type NetworkPlan, networkPlanOf, wantsAppliance} from "../core/appliance/network-plan.ts";
import type {Config} from "../core/config.ts";
import {type Log, note} from "../core/log.ts";
import type {Result} from "../core/result.ts";
import {withLimit} from "./engine-failure.ts";
import type {Clock, NetworkPort} from "./ports.ts";

/** Between two tries to reach the helper, which may still be starting, milliseconds. */
const retryMs = 5000;
/** The helper waits for addresses and for sshd, each a few seconds, milliseconds. */
const limitMs = 30_000;

const nothingApplies =
    "[system] and [[interface]]: this host is not a carpd appliance, nothing applies them here";

export class NetworkSettings {
    readonly #port: NetworkPort | undefined;
    readonly #clock: Clock;
    readonly #log: Log;
    /** What was applied without a warning; "" when that is not known. */
    #applied = "";
    /** What is to be: a retry that comes late must not undo a newer commit. */
    #wanted: NetworkPlan | null = null;
    #cancelRetry: () => void = () => undefined;
    #stopped = false;
    #work: Promise<unknown> = Promise.resolve();

    constructor(port: NetworkPort | undefined, clock: Clock, log: Log) {
        this.#port = port;
        this.#clock = clock;
        this.#log = log;
    }

    /**
     * What could not be done, a sentence each. Never rejects. A helper that was not reached is asked
     * again until it does what was asked last.
     */
    apply(config: Config): Promise<readonly string[]> {
        const port = this.#port;
        if (port?.present !== true) {
            return Promise.resolve(wantsAppliance(config) ? [nothingApplies] : []);
        }
        const plan = networkPlanOf(config);
        this.#wanted = plan;
        return this.#inTurn(() => this.#applyNow(port, plan));
    }

    /** After the start: what is to be said goes to the log. */
    async applyAndLog(config: Config): Promise<void> {
        this.#tell(await this.apply(config));
    }

    stop(): void {
        this.#stopped = true;
        this.#cancelRetry();
    }

    #inTurn<T>(work: () => Promise<T>): Promise<T> {
        const run = this.#work.then(work);
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }

    async #applyNow(port: NetworkPort, plan: NetworkPlan): Promise<readonly string[]> {
        this.#cancelRetry();
        const words = JSON.stringify(plan);
        if (words === this.#applied) return [];
        this.#applied = "";
        const answer = await this.#ask(port, plan);
        if (!answer.ok) {
            this.#retryLater(port);
            return [`network: ${answer.error}`];
        }
        if (answer.value.length === 0) this.#applied = words;
        return answer.value;
    }

    async #ask(port: NetworkPort, plan: NetworkPlan): Promise<Result<readonly string[], string>> {
        try {
            return await withLimit(this.#clock, limitMs, port.apply(plan));
        } catch (error) {
            return {ok: false, error: error instanceof Error ? error.message : String(error)};
        }
    }

    #retryLater(port: NetworkPort): void {
        if (this.#stopped) return;
        this.#cancelRetry = this.#clock.after(retryMs, () => {
            this.#inTurn(() => this.#retry(port)).catch((error: unknown) => {
                this.#tell([`network: ${String(error)}`]);
            });
        });
    }

    /** The first failure was told: only the end of it is news. */
    async #retry(port: NetworkPort): Promise<void> {
        const plan = this.#wanted;
        if (plan === null || JSON.stringify(plan) === this.#applied) return;
        const answer = await this.#ask(port, plan);
        if (!answer.ok) {
            this.#retryLater(port);
            return;
        }
        this.#log.write(note("info", "network", "the host's own network is applied now"));
        this.#tell(answer.value);
        if (answer.value.length === 0) this.#applied = JSON.stringify(plan);
    }

    #tell(warnings: readonly string[]): void {
        for (const line of warnings) this.#log.write(note("warning", "network", line));
    }
}
