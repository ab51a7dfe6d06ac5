/**
 * The upper half of the advertisement counter, kept over restarts. Main thread.
 *
 * A counter that never repeats makes a replayed advertisement recognisable. Each start and each
 * changed configuration takes an epoch above all that were used or heard, and stores it before the
 * first frame: one small write. The copy before the last is kept as `.old`.
 */
import {randomInt} from "node:crypto";
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import {err, ok, type Result} from "../core/result.ts";
import {writeDurably} from "./durable-file.ts";
import {codeOf} from "./system-error.ts";

const fileName = "counter-epoch";
const highestEpoch = 0xffff_ffff;
/** First epochs are small, so that 2^32 of them never run out. */
const firstEpochBelow = 65_536;
/** Added when only the older copy was readable: how far the lost one was ahead is not known. */
const marginAfterLoss = 256;
/** The medium has failed or is full. A router that does not start is worse than a repeated epoch. */
const failedMedium: ReadonlySet<string> = new Set(["EDQUOT", "EIO", "ENOSPC", "EROFS"]);

interface Stored {
    readonly epoch: number;
    readonly warning: string;
    /** The current file is whole and may become `.old`. */
    readonly whole: boolean;
}

export class FileEpochStore {
    readonly #file: string;
    readonly #warn: (text: string) => void;
    #stored: Stored | null = null;
    /** Highest epoch used or heard in this run. */
    #highest = 0;
    #work: Promise<unknown> = Promise.resolve();
    #writing = false;

    /** `warn` is told when a heard epoch cannot be stored. */
    constructor(stateDir: string, warn: (text: string) => void) {
        this.#file = join(stateDir, fileName);
        this.#warn = warn;
    }

    /** Implements EpochStore of src/app/ports.ts. */
    advance(): Promise<Result<{epoch: number; warning: string}, string>> {
        const run = this.#work.then(() => this.#advance());
        this.#work = run;
        return run;
    }

    heard(epoch: number): void {
        if (!isEpoch(epoch) || epoch <= this.#highest) return;
        this.#highest = epoch;
        if (this.#writing) return;
        this.#writing = true;
        this.#work = this.#work.then(() => this.#storeHeard());
    }

    async settled(): Promise<void> {
        let seen: Promise<unknown>;
        do {
            seen = this.#work;
            await seen;
        } while (seen !== this.#work);
    }

    async #advance(): Promise<Result<{epoch: number; warning: string}, string>> {
        try {
            const stored = this.#stored ?? (await this.#load());
            const epoch = Math.min(Math.max(stored.epoch, this.#highest) + 1, highestEpoch);
            this.#highest = epoch;
            await this.#write(epoch, stored.whole);
            const full = epoch === highestEpoch ? `${this.#file}: the last epoch is reached` : "";
            return ok({epoch, warning: stored.warning === "" ? full : stored.warning});
        } catch (error) {
            const code = codeOf(error);
            const what = `cannot store the counter epoch in ${this.#file}: ${code}`;
            return failedMedium.has(code) ? ok(this.#unstored(what)) : err(what);
        }
    }

    /**
     * Goes on without the disk. The next start reads what was stored last and may come to the same
     * epoch; a random step makes that unlikely.
     */
    #unstored(what: string): {epoch: number; warning: string} {
        const from = Math.max(this.#highest, this.#stored?.epoch ?? 0);
        this.#highest = Math.min(from + randomInt(1, marginAfterLoss), highestEpoch);
        const warning =
            `${what}; went on with one that is not kept: peers that check for replay may ` +
            "ignore this host after its next start until it has heard one of them";
        return {epoch: this.#highest, warning};
    }

    async #storeHeard(): Promise<void> {
        this.#writing = false;
        try {
            const stored = this.#stored ?? (await this.#load());
            if (this.#highest > stored.epoch) await this.#write(this.#highest, stored.whole);
        } catch (error) {
            this.#warn(`cannot store the counter epoch in ${this.#file}: ${codeOf(error)}`);
        }
    }

    async #load(): Promise<Stored> {
        const current = await readEpoch(this.#file);
        if (current.kind === "epoch") {
            return {epoch: current.epoch, warning: "", whole: true};
        }
        const old = await readEpoch(`${this.#file}.old`);
        if (old.kind === "epoch") {
            const warning = `${this.#file} is ${current.kind}: went on from the copy before it`;
            return {epoch: old.epoch + marginAfterLoss, warning, whole: false};
        }
        const epoch = randomInt(1, firstEpochBelow) - 1;
        if (current.kind === "missing" && old.kind === "missing") {
            return {epoch, warning: "", whole: false};
        }
        const warning =
            `${this.#file} is ${current.kind} and its old copy is ${old.kind}: began anew; ` +
            "peers that check for replay may ignore this host until it has heard one of them";
        return {epoch, warning, whole: false};
    }

    async #write(epoch: number, keepOld: boolean): Promise<void> {
        await writeDurably(this.#file, `${JSON.stringify({epoch})}\n`, keepOld);
        this.#stored = {epoch, warning: "", whole: true};
    }
}

function isEpoch(value: unknown): value is number {
    return (
        typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= highestEpoch
    );
}

type Read = {kind: "epoch"; epoch: number} | {kind: "missing"} | {kind: "damaged"};

async function readEpoch(path: string): Promise<Read> {
    try {
        const parsed: unknown = JSON.parse(await readFile(path, "utf8"));
        const epoch: unknown =
            typeof parsed === "object" && parsed !== null && "epoch" in parsed
                ? parsed.epoch
                : null;
        return isEpoch(epoch) ? {kind: "epoch", epoch} : {kind: "damaged"};
    } catch (error) {
        if (error instanceof SyntaxError) return {kind: "damaged"};
        if (codeOf(error) === "ENOENT") return {kind: "missing"};
        throw error;
    }
}
