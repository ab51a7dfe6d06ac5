/** Random numbers that a seed repeats (xorshift32). */
export class Random {
    #state: number;

    constructor(seed: number) {
        this.#state = (seed ^ 0x9e3779b9) >>> 0 || 1;
    }

    /** From 0 up to, not including, 1. */
    next(): number {
        let x = this.#state;
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        this.#state = x >>> 0;
        return this.#state / 2 ** 32;
    }
}
