/**
 * The kernel's LED class: shows plans by writing the files of /sys/class/leds that differ from what
 * was written last. carp-panel's main thread; the writing is done in another (led-thread.ts), so an
 * LED that hangs or is gone stops no other one and nothing else.
 */
import {
    afterWrite,
    type LedFacts,
    type LedOrder,
    ledOrder,
    missingWrites,
    parseTriggers,
    renewMs,
    type WrittenFiles,
} from "../core/led-writes.ts";
import type {LedPlan} from "../core/leds.ts";
import type {LedStep} from "./led-protocol.ts";
import {LedThread} from "./led-thread.ts";

export interface LedClassOptions {
    /** "/sys/class/leds" */
    readonly root: string;
    /** How long the writes to one LED may take, milliseconds. */
    readonly limitMs: number;
    /** From one renewal of the dead man's patterns to the next, milliseconds. */
    readonly renewMs: number;
}

export const usualLeds: LedClassOptions = {root: "/sys/class/leds", limitMs: 4000, renewMs};

/** They come a moment after their trigger, with their group a moment later (udev). */
const attributes = new Set(["repeat", "pattern", "delay_on", "delay_off", "device_name", "link"]);
const lateMs = 50;
const mostLate = 40;
/** From one try at an LED that is not there, or refuses, to the next, milliseconds. */
const retryMs = 2000;

/** What could not be shown. */
export interface LedProblem {
    readonly name: string;
    readonly problem: string;
}

interface Led {
    readonly name: string;
    plan: LedPlan;
    facts: LedFacts | null;
    /** null: not known. */
    written: WrittenFiles | null;
    problem: string;
    /** What the kernel lacks for the plan. */
    lack: string;
    /** Something runs for it now. */
    busy: boolean;
    /** The plan changed meanwhile, or the renewal is due. */
    again: boolean;
    renew: boolean;
    hung: boolean;
    /** Its next try has been arranged. */
    retrying: boolean;
}

export class LedClass {
    readonly #options: LedClassOptions;
    readonly #thread: LedThread;
    readonly #leds = new Map<string, Led>();
    readonly #timers = new Set<NodeJS.Timeout>();
    #renewal: NodeJS.Timeout | null = null;
    #changed: () => void = () => undefined;
    #idle: (() => void)[] = [];
    #stopped = false;

    constructor(options: LedClassOptions) {
        this.#options = options;
        this.#thread = new LedThread(options.limitMs);
    }

    /** Told when `problems` differs; one listener. */
    whenProblems(listener: () => void): void {
        this.#changed = listener;
    }

    problems(): LedProblem[] {
        return [...this.#leds.values()].flatMap(({name, problem, lack}) => {
            const text = problem === "" ? lack : problem;
            return text === "" ? [] : [{name, problem: text}];
        });
    }

    /** Threads that a driver keeps; while there is one, the process cannot end in order. */
    get hung(): number {
        return this.#thread.left;
    }

    /** Shows these from now on; returns at once. */
    show(plans: readonly LedPlan[]): void {
        this.#renewal ??= setInterval(() => this.#renewAll(), this.#options.renewMs);
        for (const plan of plans) {
            const led = this.#leds.get(plan.name) ?? newLed(plan);
            this.#leds.set(plan.name, led);
            const same = led.plan !== plan && samePlan(led.plan, plan);
            led.plan = plan;
            if (!same) this.#work(led);
        }
    }

    /** Resolves when every LED that answers shows its plan, or after `limitMs`. */
    async settled(limitMs: number): Promise<void> {
        if (!this.#working()) return;
        await new Promise<void>((resolve) => {
            this.#idle.push(resolve);
            this.#after(limitMs, resolve);
        });
    }

    /** Writes nothing any more. What is shown stays, or runs out. */
    async stop(): Promise<void> {
        this.#stopped = true;
        if (this.#renewal !== null) clearInterval(this.#renewal);
        for (const timer of this.#timers) clearTimeout(timer);
        this.#timers.clear();
        await this.#thread.stop();
    }

    #working(): boolean {
        return [...this.#leds.values()].some(({busy, hung}) => busy && !hung);
    }

    #renewAll(): void {
        for (const led of this.#leds.values()) {
            led.renew = true;
            this.#work(led);
        }
    }

    #after(ms: number, run: () => void): void {
        const timer = setTimeout(() => {
            this.#timers.delete(timer);
            run();
        }, ms);
        this.#timers.add(timer);
    }

    /** Brings the LED to its plan, one pass at a time. */
    #work(led: Led): void {
        led.again = true;
        if (this.#stopped || led.busy || led.hung) return;
        led.busy = true;
        this.#pass(led).then(
            () => this.#rest(led),
            (error: unknown) => {
                this.#say(led, error instanceof Error ? error.message : String(error));
                this.#rest(led);
            },
        );
    }

    #rest(led: Led): void {
        led.busy = false;
        if (this.#working()) return;
        for (const resolve of this.#idle.splice(0)) resolve();
    }

    async #pass(led: Led): Promise<void> {
        while (led.again && !this.#stopped) {
            led.again = false;
            const renew = led.renew;
            led.renew = false;
            if (!(await this.#passOnce(led, renew))) return;
        }
    }

    /** false: it is to be left alone until its timer or the next renewal. */
    async #passOnce(led: Led, renew: boolean): Promise<boolean> {
        if (renew && led.written !== null && !(await this.#compare(led, led.written))) return false;
        if (led.facts === null && !this.#learned(led, await this.#run(led, factFiles)))
            return false;
        if (led.facts === null) return false;
        const order = ledOrder(led.plan, led.facts);
        if (led.lack !== order.lack) {
            led.lack = order.lack;
            this.#changed();
        }
        const missing = missingWrites(order, led.written);
        const writes = missing.length === 0 && renew && order.renew ? [order.renew] : missing;
        return writes.length === 0 || (await this.#write(led, writes));
    }

    /**
     * What was chosen last must still be chosen: else somebody else has written, or the driver was
     * loaded anew. false: the LED cannot be read.
     */
    async #compare(led: Led, written: WrittenFiles): Promise<boolean> {
        const read = await this.#run(led, [{file: "trigger"}]);
        if (read === null) return false;
        if (parseTriggers(read[0] ?? "").chosen !== written.get("trigger")) led.written = null;
        return true;
    }

    #learned(led: Led, read: readonly string[] | null): boolean {
        if (read === null) return false;
        const [brightness = "", triggers = "", index = ""] = read;
        led.facts = {
            maxBrightness: Math.max(1, Number.parseInt(brightness, 10) || 1),
            triggers: parseTriggers(triggers).all,
            components: index.trim() === "" ? [] : index.trim().split(/\s+/u),
        };
        led.written = null;
        return true;
    }

    async #write(led: Led, writes: LedOrder["writes"]): Promise<boolean> {
        let rest = writes;
        for (let late = 0; ; late += 1) {
            const end = await this.#thread.run(this.#folder(led), rest.map(stepOf));
            if (end.kind === "hung") return this.#hang(led, end.later);
            const {done, error, file} = end.answer;
            for (const write of rest.slice(0, done)) led.written = afterWrite(led.written, write);
            if (error === "") {
                this.#say(led, "");
                return true;
            }
            rest = rest.slice(done);
            const comes = ["ENOENT", "EACCES", "EPERM"].includes(error) && attributes.has(file);
            // Whatever is to be done now begins with what is written already.
            if (comes && led.again && !this.#stopped) return true;
            if (!comes || late === mostLate || this.#stopped) {
                this.#fail(led, file, error);
                return led.again;
            }
            await new Promise<void>((resolve) => this.#after(lateMs, resolve));
        }
    }

    /** Reads files; null: it failed, and what is to be done about it has been done. */
    async #run(led: Led, steps: readonly LedStep[]): Promise<readonly string[] | null> {
        const end = await this.#thread.run(this.#folder(led), steps);
        if (end.kind === "hung") {
            this.#hang(led, end.later);
            return null;
        }
        const {error, file, read} = end.answer;
        // Only a multicolor LED has this one; the manifest may be wrong about that.
        if (error === "" || (error === "ENOENT" && file === "multi_index")) return read;
        this.#fail(led, file, error);
        return null;
    }

    #fail(led: Led, file: string, error: string): void {
        // Only its owner is missing: choosing the trigger anew would make its files anew, and udev
        // would have to give them away once more.
        const ownerless = (error === "EACCES" || error === "EPERM") && attributes.has(file);
        if (!ownerless) {
            led.facts = null;
            led.written = null;
        }
        const gone = (error === "ENOENT" || error === "ENODEV") && !attributes.has(file);
        const what = gone ? "there is no such LED" : `${file} cannot be written`;
        this.#say(led, `${what}: ${error}`);
        if (led.retrying) return;
        led.retrying = true;
        this.#after(retryMs, () => {
            led.retrying = false;
            this.#work(led);
        });
    }

    /** Nothing more for this one until its driver returns. */
    #hang(led: Led, later: Promise<void>): false {
        led.hung = true;
        led.facts = null;
        led.written = null;
        const seconds = this.#options.limitMs / 1000;
        this.#say(led, `its driver hangs: it has not returned within ${seconds} s`);
        later.then(
            () => {
                led.hung = false;
                this.#work(led);
            },
            (error: unknown) => this.#say(led, String(error)),
        );
        return false;
    }

    #say(led: Led, problem: string): void {
        if (led.problem === problem) return;
        led.problem = problem;
        this.#changed();
    }

    #folder({name}: Led): string {
        return `${this.#options.root}/${name}`;
    }
}

const factFiles: readonly LedStep[] = [
    {file: "max_brightness"},
    {file: "trigger"},
    {file: "multi_index"},
];

const stepOf = ({file, text}: LedOrder["writes"][number]): LedStep => ({file, text});

function newLed(plan: LedPlan): Led {
    return {
        name: plan.name,
        plan,
        facts: null,
        written: null,
        problem: "",
        lack: "",
        busy: false,
        again: false,
        renew: false,
        hung: false,
        retrying: false,
    };
}

/** The same to be written; the sentence may differ. */
function samePlan(a: LedPlan, b: LedPlan): boolean {
    const text = ({meaning: _, ...rest}: LedPlan): string => JSON.stringify(rest);
    return text(a) === text(b);
}
