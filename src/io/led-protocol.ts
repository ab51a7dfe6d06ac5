/** What led-class.ts and its writing thread (led-worker.ts) tell each other. */

export interface LedStep {
    /** Below the folder. */
    readonly file: string;
    /** To be written; undefined: to be read. */
    readonly text?: string;
}

/** Steps on one LED, in order; the first that fails ends them. */
export interface LedJob {
    readonly id: number;
    readonly folder: string;
    readonly steps: readonly LedStep[];
}

export interface LedAnswer {
    readonly id: number;
    /** What was read, in order. */
    readonly read: readonly string[];
    /** How many steps were done. */
    readonly done: number;
    /** The system's code of the step that failed; "" when none did. */
    readonly error: string;
    /** That step's file. */
    readonly file: string;
}
