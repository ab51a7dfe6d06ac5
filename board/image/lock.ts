/** One build at a time writes into a work folder. */
import {closeSync, openSync, readFileSync, rmSync, writeSync} from "node:fs";
import {BuildProblem} from "./problem.ts";

function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        // Not ours to signal is alive too.
        return error instanceof Error && "code" in error && error.code === "EPERM";
    }
}

/** Returns what gives the lock back. A lock whose owner is gone is taken over. */
export function lock(path: string): () => void {
    for (let attempt = 0; attempt < 2; attempt += 1) {
        try {
            const file = openSync(path, "wx");
            writeSync(file, `${process.pid}\n`);
            closeSync(file);
            return () => rmSync(path, {force: true});
        } catch (error) {
            if (!(error instanceof Error) || !("code" in error) || error.code !== "EEXIST") {
                throw error;
            }
            const owner = Number(readFileSync(path, "utf8").trim());
            if (owner > 0 && isAlive(owner)) {
                throw new BuildProblem(`another build of this image is running (process ${owner})`);
            }
            rmSync(path, {force: true});
        }
    }
    throw new BuildProblem(`${path} cannot be taken`);
}
