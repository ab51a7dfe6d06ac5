/**
 * Replaces files so that they are whole before or whole after a power cut, with the owner and the
 * mode that they had. Main thread.
 *
 * Every call that changes the disk goes through `DurableFs`, so that a test can end the process
 * after each of them.
 */
import {mkdir, open, readFile, realpath, rename, rm, stat} from "node:fs/promises";
import {basename, dirname, join} from "node:path";
import type {StoredText} from "../app/ports.ts";
import {err, ok, type Result} from "../core/result.ts";
import {codeOf} from "./system-error.ts";

/** Octets. */
const largestFile = 1024 * 1024;

export interface DurableFile {
    write(octets: Uint8Array): Promise<void>;
    /** chown(2), where this process may, and chmod(2). */
    give(owner: Access): Promise<void>;
    sync(): Promise<void>;
    close(): Promise<void>;
}

/** Who a file belongs to and who may open it. */
export interface Access {
    readonly uid: number;
    readonly gid: number;
    /** Permission bits. */
    readonly mode: number;
}

/** Calls that change the disk. All reject with the system's error. */
export interface DurableFs {
    /** With those above it; the result says whether anything was made. */
    makeFolder(path: string): Promise<boolean>;
    /** A new file, mode 0600; fails where there is one. */
    create(path: string): Promise<DurableFile>;
    rename(from: string, to: string): Promise<void>;
    /** A missing one is no error. */
    remove(path: string): Promise<void>;
    /** fsync(2) of a folder: what was made, renamed and removed in it. */
    syncFolder(path: string): Promise<void>;
}

export const systemFs: DurableFs = {
    makeFolder: async (path) => (await mkdir(path, {recursive: true, mode: 0o700})) !== undefined,
    create: async (path) => {
        const file = await open(path, "wx", 0o600);
        return {
            write: (octets) => file.writeFile(octets),
            give: async ({uid, gid, mode}) => {
                const own = await file.stat();
                if (own.uid !== uid || own.gid !== gid) {
                    try {
                        await file.chown(uid, gid);
                    } catch (error) {
                        // Not root: a file that root's editor left in our folder becomes ours.
                        if (codeOf(error) !== "EPERM") throw error;
                    }
                }
                await file.chmod(mode);
            },
            sync: () => file.sync(),
            close: () => file.close(),
        };
    },
    rename,
    remove: (path) => rm(path, {force: true}),
    syncFolder: async (path) => {
        const folder = await open(path, "r");
        try {
            await folder.sync();
        } finally {
            await folder.close();
        }
    },
};

/** null: as it is created, for us alone. */
export async function replaceDurably(
    fs: DurableFs,
    path: string,
    text: string,
    access: Access | null,
): Promise<void> {
    const temporary = `${path}.tmp`;
    // What an attempt left that a crash ended.
    await fs.remove(temporary);
    const file = await fs.create(temporary);
    try {
        try {
            await file.write(Buffer.from(text));
            if (access !== null) await file.give(access);
            await file.sync();
        } finally {
            await file.close();
        }
        await fs.rename(temporary, path);
    } catch (error) {
        // What went wrong is told; a second failure while tidying up would hide it.
        await fs.remove(temporary).catch(() => undefined);
        throw error;
    }
    await fs.syncFolder(dirname(path));
}

/** "cannot write PATH: ENOSPC" */
export async function attempt<T>(what: string, act: () => Promise<T>): Promise<Result<T, string>> {
    try {
        return ok(await act());
    } catch (error) {
        return err(`${what}: ${codeOf(error)}`);
    }
}

/** carpd.toml itself. A symbolic link stays one: what it leads to is replaced. */
export class ConfigFile {
    readonly path: string;
    readonly #fs: DurableFs;

    constructor(path: string, fs: DurableFs) {
        this.path = path;
        this.#fs = fs;
    }

    async read(): Promise<StoredText> {
        try {
            const status = await stat(this.path);
            // A FIFO would not end, and a larger file is no configuration (config-files.ts).
            if (!status.isFile()) return {kind: "unreadable", reason: "not a regular file"};
            if (status.size > largestFile) return {kind: "unreadable", reason: "too large"};
            // As loadConfig() does it: without a byte order mark.
            return {kind: "text", text: new TextDecoder().decode(await readFile(this.path))};
        } catch (error) {
            const reason = codeOf(error);
            return reason === "ENOENT" ? {kind: "missing"} : {kind: "unreadable", reason};
        }
    }

    write(text: string): Promise<Result<void, string>> {
        return attempt(`cannot write ${this.path}`, async () => {
            const {path, access} = await target(this.path);
            await replaceDurably(this.#fs, path, text, access);
        });
    }
}

async function target(path: string): Promise<{path: string; access: Access | null}> {
    try {
        const real = await realpath(path);
        const {uid, gid, mode} = await stat(real);
        return {path: real, access: {uid, gid, mode: mode & 0o7777}};
    } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
        return {path: join(await realpath(dirname(path)), basename(path)), access: null};
    }
}
