/**
 * What the protocol promises and what the lab measured, as numbers. Pure.
 *
 * Instants and durations are microseconds of one monotonic clock, as plain numbers: a number holds
 * 285 years of microseconds exactly.
 */

/** One answered or unanswered ping. */
export interface ProbeSample {
    readonly sequence: number;
    readonly sentAtUs: number;
    /** null: no answer (yet). */
    readonly receivedAtUs: number | null;
}

/** The longest silence between two answers. */
export interface Gap {
    /** When the last answer before the silence came. */
    readonly fromUs: number;
    /** When the first answer after it came. */
    readonly toUs: number;
    /** toUs - fromUs; about one ping interval when nothing was wrong. */
    readonly lengthUs: number;
}

export interface ProbeSummary {
    readonly sent: number;
    readonly answered: number;
    readonly lost: number;
    /** null with fewer than two answers. */
    readonly gap: Gap | null;
    /** When the first and the last of the lost pings were sent; null: none was lost. */
    readonly lostFromUs: number | null;
    readonly lostToUs: number | null;
}

/** us(skew) of the protocol: advskew counts 1/256 s and is cut to whole microseconds. */
export function skewUs(advskew: number): number {
    return Math.floor((advskew * 1_000_000) / 256);
}

/** How long a BACKUP waits after the last advertisement: 3 * advbase + advskew/256 s. */
export function masterDownUs(advbase: number, advskew: number): number {
    // advbase 0 counts only advskew/256 s, three of them (OpenBSD's sub-second adverts).
    return advbase === 0
        ? 3 * skewUs(Math.max(1, advskew))
        : 3 * advbase * 1_000_000 + skewUs(advskew);
}

/** How often a MASTER advertises: advbase + advskew/256 s. */
export function advertisementIntervalUs(advbase: number, advskew: number): number {
    return advbase * 1_000_000 + skewUs(advbase === 0 ? Math.max(1, advskew) : advskew);
}

/** Counts losses and finds the longest silence; the order of `samples` does not matter. */
export function summarize(samples: readonly ProbeSample[]): ProbeSummary {
    const answers = samples
        .map((sample) => sample.receivedAtUs)
        .filter((at): at is number => at !== null)
        .sort((a, b) => a - b);
    let gap: Gap | null = null;
    let previous: number | undefined;
    for (const at of answers) {
        if (previous !== undefined && (gap === null || at - previous > gap.lengthUs)) {
            gap = {fromUs: previous, toUs: at, lengthUs: at - previous};
        }
        previous = at;
    }
    let lostFromUs: number | null = null;
    let lostToUs: number | null = null;
    for (const {sentAtUs, receivedAtUs} of samples) {
        if (receivedAtUs !== null) continue;
        lostFromUs = Math.min(lostFromUs ?? sentAtUs, sentAtUs);
        lostToUs = Math.max(lostToUs ?? sentAtUs, sentAtUs);
    }
    return {
        sent: samples.length,
        answered: answers.length,
        lost: samples.length - answers.length,
        gap,
        lostFromUs,
        lostToUs,
    };
}

/** One slot of a ping strip: how many pings were sent in it and how many of those were answered. */
export interface StripSlot {
    /** Instant divided by the slot length, rounded down. */
    readonly slot: number;
    readonly sent: number;
    readonly answered: number;
}

/** Sorts pings by the slot in which they were sent, ascending. */
export function stripOf(samples: readonly ProbeSample[], slotUs: number): readonly StripSlot[] {
    const slots = new Map<number, {sent: number; answered: number}>();
    for (const sample of samples) {
        const slot = Math.floor(sample.sentAtUs / slotUs);
        const entry = slots.get(slot) ?? {sent: 0, answered: 0};
        entry.sent += 1;
        if (sample.receivedAtUs !== null) entry.answered += 1;
        slots.set(slot, entry);
    }
    return [...slots]
        .map(([slot, entry]) => ({slot, sent: entry.sent, answered: entry.answered}))
        .sort((a, b) => a.slot - b.slot);
}

/** "3.391 s", "4.2 ms", "0.5 ms": three figures are all that an eye can use. */
export function durationText(us: number): string {
    const magnitude = Math.abs(us);
    if (magnitude >= 1_000_000) return `${(us / 1_000_000).toFixed(3)} s`;
    if (magnitude >= 100_000) return `${(us / 1000).toFixed(0)} ms`;
    return `${(us / 1000).toFixed(1)} ms`;
}
