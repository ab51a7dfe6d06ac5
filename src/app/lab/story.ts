/**
 * Telling a story on a network: steps, waits, measurements, claims. Main thread.
 *
 * One thing happens at a time: every wait of a story goes through `pass`, which looks at the hosts
 * and draws on the way. So the same story runs on virtual time.
 */
import {durationText, type ProbeSummary} from "../../core/lab/arithmetic.ts";
import type {Claim, Measurements, StepResult, TableRow} from "../../core/lab/claims.ts";
import type {ProbeSpec} from "../../core/lab/scenario.ts";
import type {ScreenView} from "../../core/lab/screen.ts";
import type {CarpStatus} from "../../core/status.ts";
import type {HostView, LabNetwork} from "./network.ts";

/** Where a story is told. */
export interface Audience {
    /** What to look at, before it happens. */
    say(atS: number, sentence: string): void;
    /** One thing that happened. */
    happening(atS: number, line: string): void;
    /** Draws, where there is something to draw on. */
    draw(view: ScreenView): void;
}

export interface StoryOptions {
    readonly title: string;
    readonly audience: Audience;
    /** Time to read a sentence before its step; 0 for machines. */
    readonly readingMs: number;
    /** How often hosts are looked at: at most this long between two looks. */
    readonly tickMs: number;
    /** Steps of an earlier part of the same story are continued. */
    readonly steps: StepResult[];
    readonly startedAtUs: number;
}

/** The story cannot go on: something that had to happen did not. */
export class StoryError extends Error {
    constructor(message: string) {
        super(message);
        this.name = "StoryError";
    }
}

/** What a measured stretch of the story showed. */
export interface Measured {
    readonly pings: ReadonlyMap<string, ProbeSummary>;
    readonly startedAtUs: number;
}

export class Story {
    readonly network: LabNetwork;
    readonly #options: StoryOptions;
    #views: readonly HostView[] = [];
    #lookAt = "";
    readonly #happenings: string[] = [];

    constructor(network: LabNetwork, options: StoryOptions) {
        this.network = network;
        this.#options = options;
    }

    get elapsedS(): number {
        return (this.network.now() - this.#options.startedAtUs) / 1_000_000;
    }

    /** Says what to look at and gives people the time to read it. */
    async say(sentence: string): Promise<void> {
        this.#lookAt = sentence;
        this.#options.audience.say(this.elapsedS, sentence);
        await this.pass(this.#options.readingMs);
    }

    /** Says that something happened, now. */
    happened(line: string): void {
        this.#happenings.push(`${this.elapsedS.toFixed(2).padStart(7)} s  ${line}`);
        this.#options.audience.happening(this.elapsedS, line);
    }

    /** Lets time pass, looking at the hosts. */
    async pass(ms: number): Promise<void> {
        const end = this.network.now() + ms * 1000;
        for (;;) {
            await this.#look();
            const leftMs = (end - this.network.now()) / 1000;
            if (leftMs <= 0) return;
            await this.network.pass(Math.min(this.#options.tickMs, leftMs));
        }
    }

    /** Waits until `holds`; throws what was seen instead when the time is up. Returns the instant. */
    async until(what: string, deadlineMs: number, holds: () => boolean): Promise<number> {
        const end = this.network.now() + deadlineMs * 1000;
        for (;;) {
            await this.#look();
            const now = this.network.now();
            if (holds()) return now;
            if (now >= end) {
                throw new StoryError(`waited ${deadlineMs} ms for ${what}; seen: ${this.#seen()}`);
            }
            await this.network.pass(Math.min(20, this.#options.tickMs));
        }
    }

    /** The newest status of a vhid; undefined when its host does not answer. */
    status(host: string, carp: string): CarpStatus | undefined {
        const view = this.#views.find(({name}) => name === host);
        return view?.carp?.find(({name}) => name === carp);
    }

    isState(host: string, carp: string, state: CarpStatus["state"]): boolean {
        const status = this.status(host, carp);
        // A host that still answers for an address that it gives up is not there yet.
        return status?.state === state && !status.handingOver;
    }

    stateWord(host: string, carp: string): string {
        return this.status(host, carp)?.state ?? "no answer";
    }

    /**
     * When `host` last heard the masters of some vhids, on the clock of the pings; null: it
     * follows nobody. The daemon says it in whole milliseconds.
     */
    async lastHeardUs(host: string, carps: readonly string[]): Promise<readonly (number | null)[]> {
        const before = this.network.now();
        const list = await this.network.carp(host);
        const at = (before + this.network.now()) / 2;
        return carps.map((carp) => {
            const master = list?.find(({name}) => name === carp)?.master;
            return master === undefined || master === null ? null : at - master.lastHeardMs * 1000;
        });
    }

    /** Runs `act` between two laps of the pings, with quiet before and after it. */
    async measure(act: (startedAtUs: number) => Promise<void>): Promise<Measured> {
        await this.network.lap();
        await this.pass(300);
        const startedAtUs = this.network.now();
        await act(startedAtUs);
        // New pings must have had the time to be answered, or not.
        await this.pass(700);
        return {pings: await this.network.lap(), startedAtUs};
    }

    /** The MAC that a pinging host sends to, as text. */
    async mac(host: string, address: string): Promise<string> {
        return (await this.network.neighbourMac(host, address)) ?? "none";
    }

    record(step: {
        readonly id: string;
        readonly title: string;
        readonly claims: readonly Claim[];
        readonly measurements: Measurements;
        readonly row: TableRow | null;
    }): void {
        this.#options.steps.push(step);
        for (const claim of step.claims) {
            const verdict = claim.ok ? "ok" : "NOT OK";
            this.happened(`${verdict}: ${claim.text}: ${claim.measured} (${claim.allowed})`);
        }
    }

    /** Looks at every host, tells what changed, draws. */
    async #look(): Promise<void> {
        const names = this.network.spec.hosts.filter(({config}) => config !== null);
        const views = await Promise.all(names.map(({name}) => this.network.view(name)));
        for (const view of views) this.#tellChanges(view);
        this.#views = views;
        const strips = this.network.strips();
        const slotUs = this.network.slotUs;
        this.#options.audience.draw({
            title: this.#options.title,
            elapsedS: this.elapsedS,
            panels: views,
            strips: this.network.spec.probes
                .filter(({hidden}) => hidden !== true)
                .map(({name}) => ({name, slots: strips.get(name) ?? []})),
            // Younger pings may still be answered.
            lastSlot: Math.floor((this.network.now() - 400_000) / slotUs),
            lookAt: this.#lookAt,
            happenings: this.#happenings,
        });
    }

    #tellChanges(view: HostView): void {
        const before = this.#views.find(({name}) => name === view.name);
        for (const carp of view.carp ?? []) {
            const was = before?.carp?.find(({name}) => name === carp.name);
            if (was === undefined || was.transitions === carp.transitions) continue;
            this.happened(
                `${view.name} ${carp.name}: ${was.state} -> ${carp.state} (${carp.cause})`,
            );
        }
        const demotion = (host: HostView | undefined) => host?.carp?.[0]?.demotion;
        const [was, is] = [demotion(before), demotion(view)];
        if (was !== undefined && is !== undefined && was !== is) {
            this.happened(`${view.name}: demotion ${was} -> ${is}`);
        }
    }

    #seen(): string {
        return this.#views
            .map((view) => {
                const states = view.carp?.map(({name, state}) => `${name} ${state}`).join(" ");
                return `${view.name}: ${view.powered ? (states ?? "no carpd") : "no power"}`;
            })
            .join("; ");
    }
}

/** Summaries as `--json` shows them; instants count from the beginning of the act. */
export function measurementsOf({
    pings,
    startedAtUs,
}: Measured): Record<string, number | string | null> {
    const out: Record<string, number | string | null> = {startedAtUs: Math.round(startedAtUs)};
    const sinceStart = (at: number | null) => (at === null ? null : Math.round(at - startedAtUs));
    for (const [name, summary] of pings) {
        out[`${name}: lostFromUs`] = sinceStart(summary.lostFromUs);
        out[`${name}: lostToUs`] = sinceStart(summary.lostToUs);
        out[`${name}: sent`] = summary.sent;
        out[`${name}: lost`] = summary.lost;
        out[`${name}: longestSilenceUs`] = summary.gap?.lengthUs ?? null;
    }
    return out;
}

/** The pings of the spec, without those that need an IPv6 that is not there. */
export function runningProbes({spec, hasIpv6}: LabNetwork): readonly ProbeSpec[] {
    return spec.probes.filter(({address}) => hasIpv6 || !address.includes(":"));
}

/** Nothing was sent: no ping of that name ran. Claims about it then fail. */
export const noPings: ProbeSummary = {
    sent: 0,
    answered: 0,
    lost: 0,
    gap: null,
    lostFromUs: null,
    lostToUs: null,
};

export function silenceText(summary: ProbeSummary): string {
    return summary.gap === null ? "-" : durationText(summary.gap.lengthUs);
}
