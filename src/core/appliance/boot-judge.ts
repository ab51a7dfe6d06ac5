/**
 * When a release has proved itself: the configuration is loaded and the protocol runs. Until then
 * its slot is not marked good, and GRUB counts its starts. Pure.
 */

/** One vhid as carpd's control API shows it. */
export interface VhidSample {
    readonly name: string;
    readonly carpdev: string;
    readonly enabled: boolean;
    /** Seconds. */
    readonly advbase: number;
    /** Advertisements sent and accepted since carpd's start. */
    readonly frames: number;
}

/** One answer of carpd: the engine's thread made it, so its loop has turned. */
export interface BootSample {
    /** Monotonic, milliseconds. */
    readonly atMs: number;
    /** Why carpd keeps every vhid in INIT; "" when it does not. */
    readonly hold: string;
    readonly vhids: readonly VhidSample[];
    /** carpdevs that are there and have carrier. */
    readonly linksUp: readonly string[];
}

export interface Verdict {
    readonly good: boolean;
    /** What it waits for; "" when good. */
    readonly waitsFor: string;
}

/** carpd has to answer for so long without a gap, milliseconds. */
export const provingMs = 10_000;
/** A release that has not proved itself after this time is given up, milliseconds. */
const patienceMs = 180_000;
/** The same for one whose carpd has not answered at all, milliseconds. */
const silenceMs = 90_000;
/** 3 advbase and a skew of less than one until a BACKUP is MASTER, and one to send. */
const intervalsToSpeak = 5;

/** `samples`: the answers since the last question without one, the oldest first. */
export function judgeBoot(samples: readonly BootSample[]): Verdict {
    const first = samples[0];
    const last = samples.at(-1);
    const wait = (waitsFor: string): Verdict => ({good: false, waitsFor});
    if (first === undefined || last === undefined) return wait("carpd does not answer");
    if (last.hold !== "") return wait(`carpd keeps every vhid in INIT: ${last.hold}`);
    // Counters that went back: this is another carpd than the one before.
    if (samples.some((sample, i) => restarted(samples[i - 1], sample))) {
        return wait("carpd was restarted");
    }
    const mute = last.vhids.find(
        ({enabled, carpdev, frames}) => enabled && last.linksUp.includes(carpdev) && frames === 0,
    );
    if (mute !== undefined) {
        return wait(`${mute.name} has neither sent nor heard an advertisement on ${mute.carpdev}`);
    }
    if (last.atMs - first.atMs < provingMs) {
        return wait(`carpd has to run for ${provingMs / 1000} s`);
    }
    return {good: true, waitsFor: ""};
}

export function restarted(before: BootSample | undefined, after: BootSample): boolean {
    if (before === undefined) return false;
    return before.vhids.some(({name, frames}) => {
        const now = after.vhids.find((vhid) => vhid.name === name);
        return now !== undefined && now.frames < frames;
    });
}

/**
 * How long a release may need, milliseconds: a vhid with a long advbase speaks late. `sample`: the
 * last answer of carpd; null: there was none.
 */
export function patienceFor(sample: BootSample | null): number {
    if (sample === null) return silenceMs;
    const slowest = Math.max(0, ...sample.vhids.map(({advbase}) => advbase));
    return Math.max(patienceMs, (slowest * intervalsToSpeak + provingMs / 1000) * 1000);
}
