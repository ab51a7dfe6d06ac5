/** Work that takes too long, and failed operations of the engine in the words of the log. Main thread. */
import {EngineError} from "../core/engine.ts";
import {exitCodeOf, exitCodes} from "../core/exit-codes.ts";
import type {Clock, Failure} from "./ports.ts";

/** Rejects when `work` takes longer. */
export async function withLimit<T>(clock: Clock, limitMs: number, work: Promise<T>): Promise<T> {
    let cancel: () => void = () => undefined;
    const late = new Promise<never>((_resolve, reject) => {
        cancel = clock.after(limitMs, () => {
            reject(new Error(`no end after ${limitMs} ms`));
        });
    });
    try {
        return await Promise.race([work, late]);
    } finally {
        cancel();
    }
}

/** One line for a failed engine operation. */
export function failureOf(what: string, error: unknown): Failure {
    const exitCode = exitCodeOf(error);
    if (error instanceof EngineError) {
        const help =
            exitCode === exitCodes.noPermission
                ? "; carpd needs CAP_NET_ADMIN and CAP_NET_RAW"
                : "";
        const {code, op, target, message} = error;
        return {text: `engine: ${what}: ${op} ${target}: ${code}: ${message}${help}`, exitCode};
    }
    const message = error instanceof Error ? error.message : String(error);
    return {text: `engine: ${what}: ${message}`, exitCode};
}
