/**
 * Small files that are whole before or whole after a power cut. Main thread.
 */
import {link, mkdir, open, rename, rm, unlink} from "node:fs/promises";
import {dirname} from "node:path";
import {codeOf} from "./system-error.ts";

/**
 * Temporary file, fsync, rename, fsync of the directory, which is made when it is missing. With
 * `keepOld` the present file, which must exist, becomes `PATH.old`. Rejects with the system's error.
 */
export async function writeDurably(path: string, text: string, keepOld: boolean): Promise<void> {
    await mkdir(dirname(path), {recursive: true, mode: 0o755});
    const temporary = `${path}.tmp`;
    await rm(temporary, {force: true});
    const file = await open(temporary, "wx", 0o600);
    try {
        await file.writeFile(text);
        await file.sync();
    } finally {
        await file.close();
    }
    if (keepOld) {
        // A second name for the current file; at no instant is there no current file.
        const next = `${path}.old.tmp`;
        await rm(next, {force: true});
        await link(path, next);
        await rename(next, `${path}.old`);
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
}

/** The file is gone, also after a power cut; a missing one is no error. */
export async function removeDurably(path: string): Promise<void> {
    try {
        await unlink(path);
    } catch (error) {
        if (codeOf(error) === "ENOENT") return;
        throw error;
    }
    await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
    const folder = await open(path, "r");
    try {
        await folder.sync();
    } finally {
        await folder.close();
    }
}
