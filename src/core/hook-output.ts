/**
 * What a hook prints, as lines for the log, with an end. Pure; main thread.
 */

export const mostLines = 200;
export const mostOctets = 16_384;

/** The allowance of one program, shared by its standard output and its standard error. */
export class OutputBudget {
    #lines = mostLines;
    #octets = mostOctets;
    #cut = false;

    /** More was printed than is logged. */
    get cut(): boolean {
        return this.#cut;
    }

    /** How many of `octets` may still be used. */
    takeOctets(octets: number): number {
        const taken = Math.min(octets, this.#octets);
        this.#octets -= taken;
        if (taken < octets) this.#cut = true;
        return taken;
    }

    takeLine(): boolean {
        if (this.#lines === 0) {
            this.#cut = true;
            return false;
        }
        this.#lines--;
        return true;
    }
}

/** One stream, cut into lines. A character may be split between two chunks; a line may be too. */
export class OutputLines {
    readonly #budget: OutputBudget;
    readonly #decoder = new TextDecoder();
    #rest = "";

    constructor(budget: OutputBudget) {
        this.#budget = budget;
    }

    /** The lines that are whole now, without their ends and without empty ones. */
    push(chunk: Uint8Array): readonly string[] {
        const taken = this.#budget.takeOctets(chunk.length);
        if (taken === 0) return [];
        const text = this.#rest + this.#decoder.decode(chunk.subarray(0, taken), {stream: true});
        const lines = text.split("\n");
        this.#rest = lines.pop() ?? "";
        return this.#granted(lines);
    }

    /** What was printed without a line feed behind it. */
    end(): readonly string[] {
        const text = this.#rest + this.#decoder.decode();
        this.#rest = "";
        return this.#granted([text]);
    }

    #granted(lines: readonly string[]): readonly string[] {
        return lines
            .map((line) => line.replace(/\s+$/u, ""))
            .filter((line) => line !== "" && this.#budget.takeLine());
    }
}
