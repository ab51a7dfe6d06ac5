/**
 * The run directory: made, locked by one daemon, and its socket owned by group carpd. Main thread.
 *
 * The lock is the kernel's (released when the process dies, however it dies); a pid in a file
 * would prove nothing. A stale socket is removed only by the holder of the lock.
 */
import {
    accessSync,
    chmodSync,
    chownSync,
    constants,
    mkdirSync,
    readFileSync,
    rmSync,
    statSync,
} from "node:fs";
import {join} from "node:path";
import {type ExitCode, exitCodes} from "../core/exit-codes.ts";
import {err, ok, type Result} from "../core/result.ts";
import {codeOf} from "./system-error.ts";

export interface RunDir {
    readonly path: string;
    readonly socket: string;
}

export interface RunDirFailure {
    readonly text: string;
    readonly exitCode: ExitCode;
}

export const socketName = "control.sock";
const lockName = "lock";

/** RUNTIME_DIRECTORY and STATE_DIRECTORY may hold several paths; the first is ours (systemd.exec(5)). */
export function directoryFrom(variable: string | undefined, fallback: string): string {
    const first = variable?.split(":")[0] ?? "";
    return first === "" ? fallback : first;
}

/**
 * Makes the directory (0755) and takes the lock for the life of this process.
 * `lockFile`: false when another process holds it.
 */
export function claimRunDir(
    path: string,
    lockFile: (path: string) => boolean,
): Result<RunDir, RunDirFailure> {
    try {
        mkdirSync(path, {recursive: true, mode: 0o755});
        accessSync(path, constants.W_OK | constants.X_OK);
    } catch (error) {
        const text = `cannot use the run directory ${path}: ${codeOf(error)}`;
        const denied = codeOf(error) === "EACCES" || codeOf(error) === "EPERM";
        return err({text, exitCode: denied ? exitCodes.noPermission : exitCodes.cannotCreate});
    }
    const socket = join(path, socketName);
    const lock = join(path, lockName);
    try {
        if (!lockFile(lock)) {
            const text = `another carpd runs with the run directory ${path} (${lock} is locked)`;
            return err({text, exitCode: exitCodes.unavailable});
        }
        rmSync(socket, {force: true});
    } catch (error) {
        const text = `cannot lock ${lock}: ${codeOf(error)}`;
        return err({text, exitCode: exitCodes.cannotCreate});
    }
    return ok({path, socket});
}

/**
 * Mode 0660, group `group` where it exists and we may give it away. The result says what could not
 * be done, "" when all was: the socket is then for its owner only, which is safe.
 */
export function openToGroup(socket: string, group: string, groupFile = "/etc/group"): string {
    chmodSync(socket, 0o660);
    const gid = groupId(group, groupFile);
    if (gid === null) return `there is no group ${group}: ${socket} is for this user only`;
    // Under the unit it is the process's own group, and chown() is not among what it may call.
    if (statSync(socket).gid === gid) return "";
    try {
        chownSync(socket, -1, gid);
        return "";
    } catch (error) {
        return `cannot give ${socket} to group ${group}: ${codeOf(error)}`;
    }
}

/** group(5): name:password:gid:members. */
function groupId(group: string, groupFile: string): number | null {
    let text = "";
    try {
        text = readFileSync(groupFile, "utf8");
    } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
    }
    const line = text.split("\n").find((entry) => entry.startsWith(`${group}:`));
    const gid = Number.parseInt(line?.split(":")[2] ?? "", 10);
    return Number.isInteger(gid) ? gid : null;
}
