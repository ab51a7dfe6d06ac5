/**
 * What the LEDs of a guest did, from the record that led-recorder writes there: which patterns they
 * showed, with measured lengths. Pure.
 *
 * The lengths are those of an emulated processor: a change is seen some milliseconds late, one by
 * one differently. So a pattern is judged by the median length of each of its phases and by the
 * number of changes, never by a single change.
 */

export interface Edge {
    /** Seconds of the guest's monotonic clock. */
    readonly at: number;
    readonly led: string;
    /** 0..255. */
    readonly brightness: number;
}

/** What a LED is expected to do. `cycle` is in milliseconds: on, off, on, off, ... and again. */
export type Shape =
    | {readonly kind: "steady"; readonly on: boolean}
    | {readonly kind: "cycle"; readonly ms: readonly number[]};

export const on: Shape = {kind: "steady", on: true};
export const off: Shape = {kind: "steady", on: false};
export function cycle(...ms: readonly number[]): Shape {
    return {kind: "cycle", ms};
}

export interface Judgement {
    readonly fits: boolean;
    /** What was measured: "on", "100/100 (99/101, 20 changes)". */
    readonly text: string;
}

/** The lines "SECONDS NAME BRIGHTNESS"; a line that is only half written is left out. */
export function parseEdges(text: string): readonly Edge[] {
    return [...text.matchAll(/^(\d+\.\d{6}) (\S+) (\d+)\r?$/gmu)].map(
        ([, at, led = "", value]) => ({
            at: Number(at),
            led,
            brightness: Number(value),
        }),
    );
}

interface Phase {
    readonly on: boolean;
    readonly fromS: number;
    readonly toS: number;
}

/** What one LED did between two times: phases that join, the first and the last cut by the window. */
function phasesOf(edges: readonly Edge[], led: string, fromS: number, toS: number): Phase[] {
    const own = edges.filter((edge) => edge.led === led && edge.at < toS);
    const phases: Phase[] = [];
    for (const [i, edge] of own.entries()) {
        const end = own[i + 1]?.at ?? toS;
        if (end <= fromS) continue;
        const lit = edge.brightness > 0;
        const last = phases.at(-1);
        const begin = Math.max(edge.at, fromS);
        if (last?.on === lit) phases[phases.length - 1] = {...last, toS: end};
        else phases.push({on: lit, fromS: begin, toS: end});
    }
    return phases;
}

/** The allowance for one phase of an emulated machine, milliseconds. */
function allowance(ms: number): number {
    return 20 + ms / 10;
}

/** Whether the LED showed that shape in the window, and what it showed. */
export function judge(
    edges: readonly Edge[],
    led: string,
    shape: Shape,
    fromS: number,
    toS: number,
): Judgement {
    const phases = phasesOf(edges, led, fromS, toS);
    const [first] = phases;
    if (first === undefined) return {fits: false, text: "no such LED"};
    const changes = phases.length - 1;
    if (changes === 0) {
        const fits = shape.kind === "steady" && shape.on === first.on;
        return {fits, text: first.on ? "on" : "off"};
    }
    // Of the phases at both ends the window shows only a part.
    const whole = phases.slice(1, -1);
    const lengths = whole.map((phase) => Math.round((phase.toS - phase.fromS) * 1000));
    if (shape.kind === "steady") {
        return {fits: false, text: `${changes} changes: ${lengths.slice(0, 12).join(" ")} ms`};
    }
    const medians = aligned(whole, lengths, shape.ms);
    const period = shape.ms.reduce((sum, ms) => sum + ms, 0);
    const wanted = ((toS - fromS) * 1000 * shape.ms.length) / period;
    const close = shape.ms.every(
        (ms, i) => Math.abs((medians[i] ?? Number.NaN) - ms) <= allowance(ms),
    );
    const enough = Math.abs(changes - wanted) <= 1 + wanted * 0.2;
    const shown = medians.length === 0 ? lengths.slice(0, 12).join(" ") : medians.join("/");
    const expected = shape.ms.join("/");
    return {
        fits: close && enough,
        text: `${expected}: ${shown} ms, ${changes} of ${Math.round(wanted)} changes`,
    };
}

/**
 * The median length of each phase of the cycle, with the measured row turned so that it fits best;
 * empty when no two cycles were seen whole.
 */
function aligned(
    phases: readonly Phase[],
    lengths: readonly number[],
    ms: readonly number[],
): readonly number[] {
    if (phases.length < 2 * ms.length - 1) return [];
    let best: readonly number[] = [];
    let least = Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < ms.length; turn += 1) {
        // A cycle begins with light.
        if ((turn % 2 === 0) !== (phases[0]?.on ?? true)) continue;
        const medians = ms.map((_, i) =>
            median(lengths.filter((_length, k) => (k + turn) % ms.length === i)),
        );
        const error = ms.reduce((sum, want, i) => sum + Math.abs(want - (medians[i] ?? 0)), 0);
        if (error < least) [least, best] = [error, medians];
    }
    return best;
}

function median(numbers: readonly number[]): number {
    const sorted = numbers.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Brightnesses between dark and full: a pattern that fades where it should switch. */
export function halfLit(edges: readonly Edge[], fromS: number): readonly Edge[] {
    return edges.filter((edge) => edge.at >= fromS && edge.brightness > 0 && edge.brightness < 255);
}

/** When a LED last changed to dark (or to light), seconds; undefined: it is not so now. */
export function since(edges: readonly Edge[], led: string, lit: boolean): number | undefined {
    const own = edges.filter((edge) => edge.led === led);
    const lastOther = own.findLastIndex((edge) => edge.brightness > 0 !== lit);
    return own[lastOther + 1]?.at;
}
