/** A bounded number of places for work that may hang; whoever waits for one can give up. */

export class Slots {
    #free: number;
    readonly #waiting: (() => void)[] = [];

    /** `places`: 1 or more. */
    constructor(places: number) {
        this.#free = places;
    }

    /** Resolves with what gives the place back, to be called once; null: `signal` came first. */
    async enter(signal: AbortSignal): Promise<(() => void) | null> {
        if (signal.aborted) return null;
        if (this.#free > 0) {
            this.#free--;
        } else if (!(await this.#wait(signal))) {
            return null;
        }
        return () => this.#leave();
    }

    /** true: a place was handed over. */
    #wait(signal: AbortSignal): Promise<boolean> {
        return new Promise((resolve) => {
            const take = (): void => {
                signal.removeEventListener("abort", giveUp);
                resolve(true);
            };
            const giveUp = (): void => {
                this.#waiting.splice(this.#waiting.indexOf(take), 1);
                resolve(false);
            };
            this.#waiting.push(take);
            signal.addEventListener("abort", giveUp, {once: true});
        });
    }

    #leave(): void {
        const next = this.#waiting.shift();
        if (next === undefined) {
            this.#free++;
        } else {
            next();
        }
    }
}
