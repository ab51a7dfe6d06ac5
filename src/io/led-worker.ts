/**
 * A thread that writes to LEDs, so that a driver which does not return stops this thread and nobody
 * else. src/io/led-class.ts starts it, waits for each answer for a while, and leaves it behind when
 * none comes. Plain blocking calls: the thread pool of the process has only four places.
 */
import {closeSync, constants, openSync, readFileSync, writeSync} from "node:fs";
import {parentPort} from "node:worker_threads";
import type {LedAnswer, LedJob} from "./led-protocol.ts";
import {codeOf} from "./system-error.ts";

parentPort?.on("message", (job: LedJob) => {
    parentPort?.postMessage(done(job));
});
// It is there: from now on an answer that does not come is a driver's doing.
parentPort?.postMessage(done({id: 0, folder: "", steps: []}));

function done({id, folder, steps}: LedJob): LedAnswer {
    const read: string[] = [];
    for (const [index, step] of steps.entries()) {
        try {
            if (step.text === undefined) read.push(readFileSync(`${folder}/${step.file}`, "utf8"));
            else write(`${folder}/${step.file}`, step.text);
        } catch (error) {
            return {id, read, done: index, error: codeOf(error), file: step.file};
        }
    }
    return {id, read, done: steps.length, error: "", file: ""};
}

/** Never makes a file: an attribute that is not there yet is an error. */
function write(path: string, text: string): void {
    const file = openSync(path, constants.O_WRONLY | constants.O_TRUNC);
    try {
        writeSync(file, `${text}\n`);
    } finally {
        closeSync(file);
    }
}
