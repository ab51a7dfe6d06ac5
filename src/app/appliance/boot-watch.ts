/**
 * Marks the running slot good once carpd has proved itself, and gives a new release up that does
 * not. Main thread of carp-system.
 *
 * carp-system asks and decides, not carpd: a release whose carpd fails can then never confirm
 * itself. GRUB counts the starts; after three without a mark it takes the other slot.
 */
import {
    type BootSample,
    judgeBoot,
    patienceFor,
    restarted,
} from "../../core/appliance/boot-judge.ts";
import {type ApiReply, failure} from "../../core/control-protocol.ts";
import {note} from "../../core/log.ts";
import type {AppliancePorts} from "./ports.ts";
import type {Slots} from "./slots.ts";

/** Between two looks at carpd, milliseconds. */
const lookMs = 1000;
/** After RAUC refused the mark, milliseconds. */
const retryMs = 5000;
/** Looks that are kept: more than the proving time asks for. */
const mostSamples = 60;

export class BootWatch {
    readonly #ports: AppliancePorts;
    readonly #slots: Slots;
    readonly #beganMs: number;
    #samples: BootSample[] = [];
    #lastSample: BootSample | null = null;
    #marked = false;
    #gaveUp = false;
    #fault = "";
    #cancel: () => void = () => undefined;
    #stopped = false;

    constructor(ports: AppliancePorts, slots: Slots) {
        this.#ports = ports;
        this.#slots = slots;
        this.#beganMs = this.#nowMs();
    }

    /** What a person must look at; "" when nothing. */
    get fault(): string {
        return this.#fault;
    }

    get marked(): boolean {
        return this.#marked;
    }

    start(): void {
        if (this.#ports.slot !== "") this.#arm(0);
    }

    stop(): void {
        this.#stopped = true;
        this.#cancel();
    }

    /** What an operator orders: no more than the watch would do by itself, only told at once. */
    async markNow(): Promise<ApiReply> {
        if (this.#ports.slot === "") {
            return failure(409, "NO_SLOT", "this box was not started from a slot", "an image");
        }
        await this.#look();
        if (this.#marked) return {status: 200, body: {marked: true}};
        const {waitsFor} = judgeBoot(this.#samples);
        const message = this.#fault === "" ? waitsFor : this.#fault;
        return failure(409, "NOT_PROVED", message, "a carpd that has loaded its configuration");
    }

    #arm(ms: number): void {
        if (this.#stopped || this.#marked) return;
        this.#cancel();
        this.#cancel = this.#ports.clock.after(ms, () => {
            this.#look().then(
                () => this.#arm(this.#fault === "" ? lookMs : retryMs),
                (error: unknown) => {
                    this.#say("error", String(error));
                    this.#arm(retryMs);
                },
            );
        });
    }

    async #look(): Promise<void> {
        if (this.#marked) return;
        const sample = await this.#ports.lookAtCarpd();
        if (sample === null) {
            this.#samples = [];
        } else {
            if (restarted(this.#samples.at(-1), sample)) this.#samples = [];
            // The first one stays: how long carpd has answered counts from there.
            if (this.#samples.length >= mostSamples) this.#samples.splice(1, 1);
            this.#samples.push(sample);
            this.#lastSample = sample;
        }
        const {good, waitsFor} = judgeBoot(this.#samples);
        if (good) await this.#mark();
        // carpd that is held has failed again and again: waiting does not help.
        else if (
            (sample?.hold ?? "") !== "" ||
            this.#nowMs() - this.#beganMs > patienceFor(this.#lastSample)
        ) {
            await this.#giveUp(waitsFor);
        }
    }

    async #mark(): Promise<void> {
        const {rauc, slot, release} = this.#ports;
        const marked = await rauc.markGood();
        if (!marked.ok) {
            this.#complain(`slot ${slot} cannot be marked good: ${marked.error}`);
            return;
        }
        if (this.#marked) return;
        this.#marked = true;
        this.#fault = "";
        this.#say("notice", `slot ${slot} (${release.version}) is marked good`);
        await this.#slots.refresh();
        const problem = await this.#slots.remember();
        if (problem !== "") this.#say("error", problem);
    }

    /** A release that was good here before waits for better times; a new one makes way. */
    async #giveUp(waitsFor: string): Promise<void> {
        const {slot, release, power} = this.#ports;
        const what = `slot ${slot} (${release.version}) is not confirmed`;
        this.#complain(`${what}: ${waitsFor}`);
        if (this.#gaveUp) return;
        await this.#slots.refresh();
        if (this.#slots.provedBefore || !this.#slots.hasBetter) return;
        this.#gaveUp = true;
        this.#say(
            "error",
            `${what} and never was: rebooting, so that the other slot gets its turn`,
        );
        const done = await power("reboot");
        if (!done.ok) this.#say("error", done.error);
    }

    #complain(text: string): void {
        if (text !== this.#fault) this.#say("error", text);
        this.#fault = text;
    }

    #nowMs(): number {
        return Number(this.#ports.clock.monotonicUs() / 1000n);
    }

    #say(level: "notice" | "error", text: string): void {
        this.#ports.log.write(note(level, "slot", text));
    }
}
