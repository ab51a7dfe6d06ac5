/** What a test of the image is. */
import type {Bench} from "./bench.ts";

export interface ImageCase {
    /** As it is called on the command line: "power-cut-commit". */
    readonly name: string;
    /** short: also in CI. */
    readonly form: "short" | "long";
    readonly run: (bench: Bench) => Promise<void>;
}

/** Thrown by a case that cannot be run here. */
export class Skipped extends Error {
    constructor(reason: string) {
        super(reason);
        this.name = "Skipped";
    }
}
