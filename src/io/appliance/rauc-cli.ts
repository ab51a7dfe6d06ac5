/**
 * RAUC through its program: it talks to rauc.service over D-Bus and prints what goes on. Main
 * thread. Tried with 1.8; 1.13 prints the same lines and more of them.
 */
import type {Progress, Rauc} from "../../app/appliance/ports.ts";
import {
    type BundleInfo,
    type RaucStatus,
    readBundleInfo,
    readProgress,
    readRaucStatus,
    reasonIn,
    sentenceFor,
} from "../../core/appliance/rauc-output.ts";
import {err, ok, type Result} from "../../core/result.ts";
import {type LineOutcome, runLines} from "./line-runner.ts";

/** Milliseconds. The service may have to be started first. */
const lookLimitMs = 60_000;
/** A slow stick and a slow flash. */
const installLimitMs = 3_600_000;

export interface RaucOptions {
    readonly program: string;
    readonly config: string;
}

export class RaucCli implements Rauc {
    readonly #options: RaucOptions;

    constructor(options: RaucOptions) {
        this.#options = options;
    }

    async status(): Promise<Result<RaucStatus, string>> {
        const words = ["status", "--detailed", "--output-format=json"];
        const outcome = await this.#run(words, lookLimitMs);
        if (!outcome.ok) return failed(outcome);
        const status = readRaucStatus(outcome.output);
        return status === null ? err("the answer of rauc status was not understood") : ok(status);
    }

    async info(path: string): Promise<Result<BundleInfo, string>> {
        const words = ["info", "--output-format=json", path];
        const outcome = await this.#run(words, lookLimitMs);
        if (!outcome.ok) return failed(outcome);
        const info = readBundleInfo(outcome.output);
        return info === null ? err("the answer of rauc info was not understood") : ok(info);
    }

    async install(path: string, progress: Progress): Promise<Result<void, string>> {
        const words = ["install", asTheServiceSeesIt(path)];
        const outcome = await this.#run(words, installLimitMs, (line) => {
            const step = readProgress(line);
            // How a failure ends is no progress.
            if (step === null || step.message.endsWith("failed.")) return;
            progress(step.percent, step.message);
        });
        return outcome.ok ? ok(undefined) : failed(outcome);
    }

    markGood(): Promise<Result<void, string>> {
        return this.#mark("mark-good", "booted");
    }

    markOtherActive(): Promise<Result<void, string>> {
        return this.#mark("mark-active", "other");
    }

    async #mark(verb: string, slot: string): Promise<Result<void, string>> {
        const outcome = await this.#run(["status", verb, slot], lookLimitMs);
        return outcome.ok ? ok(undefined) : failed(outcome);
    }

    #run(
        words: readonly string[],
        limitMs: number,
        onLine?: (line: string) => void,
    ): Promise<LineOutcome> {
        const {program, config} = this.#options;
        const argv = [program, `--conf=${config}`, ...words];
        return runLines(argv, AbortSignal.timeout(limitMs), onLine);
    }
}

function failed({how, lines}: LineOutcome): Result<never, string> {
    const reason = reasonIn(lines);
    return err(sentenceFor(reason === "" ? how : reason));
}

/**
 * carp-system's unit has a mount namespace of its own; RAUC's service opens the bundle by its name
 * and must reach the same file, a stick that was mounted here included (proc_pid_root(5)).
 */
function asTheServiceSeesIt(path: string): string {
    return `/proc/${process.pid}/root${path}`;
}
