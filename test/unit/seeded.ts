/** Random choices that a seed repeats, for the tests that try what nobody thought of. */
import assert from "node:assert/strict";

export interface Dice {
    /** 0..n-1 */
    readonly below: (n: number) => number;
    readonly pick: <T>(list: readonly T[]) => T;
    /** True once in `n` times. */
    readonly oneIn: (n: number) => boolean;
    readonly octets: (length: number) => Uint8Array;
}

/** mulberry32: small, and even enough for this. */
export function dice(seed: number): Dice {
    let state = seed >>> 0;
    const below = (n: number): number => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
    };
    return {
        below,
        pick: (list) => {
            const index = below(list.length);
            const item = list[index];
            assert.ok(index in list && item !== undefined);
            return item;
        },
        oneIn: (n) => below(n) === 0,
        octets: (length) => Uint8Array.from({length}, () => below(256)),
    };
}

/** One of the words, each as often as its weight says. */
export function weighted<T extends string>(
    {below}: Dice,
    weights: Readonly<Record<T, number>>,
): string {
    const all = Object.entries<number>(weights);
    let left = below(all.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [word, weight] of all) {
        left -= weight;
        if (left < 0) return word;
    }
    throw new Error("no weights");
}
