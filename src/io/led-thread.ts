/**
 * Work on LEDs in a thread of its own, one job after the other. A job that does not come back in
 * time is given up: its thread is left behind with it, and a new one takes the next jobs.
 * carp-panel's main thread.
 */
import {join} from "node:path";
import {Worker} from "node:worker_threads";
import type {LedAnswer, LedJob, LedStep} from "./led-protocol.ts";

/** What has become of a job. */
export type JobEnd =
    | {readonly kind: "answer"; readonly answer: LedAnswer}
    /** The driver has not returned. `later` resolves if it does. */
    | {readonly kind: "hung"; readonly later: Promise<void>};

interface Waiting {
    readonly job: LedJob;
    readonly end: (end: JobEnd) => void;
}

/** A thread's own start is no driver's fault; on a small processor it takes seconds. */
const startMs = 30_000;

const workerFile = join(import.meta.dirname, "led-worker.js");

export class LedThread {
    readonly #limitMs: number;
    #worker: Worker | null = null;
    #queue: Waiting[] = [];
    #busy = false;
    #ids = 0;
    #left = 0;

    /** `limitMs`: how long a job may take. */
    constructor(limitMs: number) {
        this.#limitMs = limitMs;
    }

    /** Threads that were left behind and have not come back. */
    get left(): number {
        return this.#left;
    }

    run(folder: string, steps: readonly LedStep[]): Promise<JobEnd> {
        this.#ids += 1;
        const job = {id: this.#ids, folder, steps};
        return new Promise((end) => {
            this.#queue.push({job, end});
            this.#next();
        });
    }

    /** Ends the thread; what waits is not done any more. */
    async stop(): Promise<void> {
        this.#queue = [];
        const worker = this.#worker;
        this.#worker = null;
        if (worker !== null) await worker.terminate();
    }

    #next(): void {
        const waiting = this.#busy ? undefined : this.#queue.shift();
        if (waiting === undefined) return;
        const {job, end} = waiting;
        this.#busy = true;
        const over = (result: JobEnd): void => {
            end(result);
            this.#busy = false;
            this.#next();
        };
        const give = (worker: Worker): void => {
            this.#hear(worker, this.#limitMs, over);
            worker.postMessage(job);
        };
        if (this.#worker !== null) {
            give(this.#worker);
            return;
        }
        const worker = this.#start();
        this.#worker = worker;
        this.#hear(worker, startMs, (first) => {
            if (first.kind === "answer" && first.answer.error === "") give(worker);
            else over(first);
        });
    }

    #start(): Worker {
        const worker = new Worker(workerFile);
        // The panel's poll keeps the process alive, not this.
        worker.unref();
        return worker;
    }

    /** Waits for the thread's next answer. */
    #hear(worker: Worker, limitMs: number, end: (end: JobEnd) => void): void {
        const listen = (over: (answer: LedAnswer) => void): void => {
            worker.removeAllListeners();
            worker.once("message", over);
            worker.once("error", (error) => {
                const code = error instanceof Error ? error.message : String(error);
                if (this.#worker === worker) this.#worker = null;
                over({id: 0, read: [], done: 0, error: code, file: ""});
            });
        };
        const timer = setTimeout(() => {
            this.#worker = null;
            this.#left += 1;
            const later = new Promise<void>((resolve) => {
                listen(() => {
                    this.#left -= 1;
                    // Its place is taken.
                    worker.terminate().then(
                        () => resolve(),
                        () => resolve(),
                    );
                });
            });
            end({kind: "hung", later});
        }, limitMs);
        listen((answer) => {
            clearTimeout(timer);
            end({kind: "answer", answer});
        });
    }
}
