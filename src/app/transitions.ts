/**
 * The last changes, for `show log`, and those who want to hear of new ones. Main thread.
 */
import type {WatchEvent} from "../core/control-protocol.ts";

export type Listener = (event: WatchEvent) => void;

export class History {
    readonly #limit: number;
    readonly #listeners = new Set<Listener>();
    #events: WatchEvent[] = [];

    /** Keeps the last `limit` events. */
    constructor(limit: number) {
        this.#limit = limit;
    }

    add(event: WatchEvent): void {
        this.#events.push(event);
        // Shifting an array of 200 costs less than a ring's arithmetic is worth.
        if (this.#events.length > this.#limit) this.#events.shift();
        for (const listener of this.#listeners) listener(event);
    }

    /** Oldest first. */
    list(): readonly WatchEvent[] {
        return [...this.#events];
    }

    /** The result ends the subscription. */
    subscribe(listener: Listener): () => void {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
    }
}
