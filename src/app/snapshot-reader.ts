/**
 * Asks the engine for its state without ever piling up questions. Main thread.
 *
 * Any number of clients may ask at once; the engine is asked once for all that arrived before the
 * question went out. An engine that does not answer gives an error instead of a hanging client.
 */
import type {Engine, EngineSnapshot} from "../core/engine.ts";
import type {Clock} from "./ports.ts";

export class EngineSilent extends Error {
    constructor(limitMs: number) {
        super(`the engine did not answer within ${limitMs} ms`);
        this.name = "EngineSilent";
    }
}

export class SnapshotReader {
    readonly #engine: Engine;
    readonly #clock: Clock;
    readonly #limitMs: number;
    #asked: Promise<EngineSnapshot> | null = null;
    #waiting: Promise<EngineSnapshot> | null = null;

    constructor(engine: Engine, clock: Clock, limitMs: number) {
        this.#engine = engine;
        this.#clock = clock;
        this.#limitMs = limitMs;
    }

    /** A state that is not older than this call. Rejects with EngineSilent or the engine's error. */
    read(): Promise<EngineSnapshot> {
        if (this.#asked === null) {
            this.#asked = this.#ask().finally(() => {
                this.#asked = null;
            });
            return this.#asked;
        }
        // The question under way may have been answered already: share the one after it.
        this.#waiting ??= this.#after(this.#asked);
        return this.#waiting;
    }

    async #after(current: Promise<EngineSnapshot>): Promise<EngineSnapshot> {
        try {
            await current;
        } catch (error) {
            // Whoever asked the earlier question is told; this one has its own answer to wait for.
            if (!(error instanceof Error)) throw error;
        }
        this.#waiting = null;
        return this.read();
    }

    #ask(): Promise<EngineSnapshot> {
        return new Promise((resolve, reject) => {
            const cancel = this.#clock.after(this.#limitMs, () =>
                reject(new EngineSilent(this.#limitMs)),
            );
            const answer = this.#engine.snapshot();
            answer.then(resolve, reject).finally(cancel).catch(reject);
        });
    }
}
