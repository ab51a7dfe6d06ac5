/**
 * Exit codes of sysexits.h, and which failure ends in which. Pure.
 */
import {EngineError} from "./engine.ts";

export const exitCodes = {
    ok: 0,
    usage: 64,
    noInput: 66,
    unavailable: 69,
    software: 70,
    osError: 71,
    cannotCreate: 73,
    ioError: 74,
    noPermission: 77,
    config: 78,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Linux errno values, include/uapi/asm-generic/errno-base.h. */
const eperm = 1;
const eacces = 13;

/** The exit code for a failed engine operation. */
export function exitCodeOf(error: unknown): ExitCode {
    if (!(error instanceof EngineError)) return exitCodes.software;
    if (error.errno === eperm || error.errno === eacces) return exitCodes.noPermission;
    return error.errno === 0 ? exitCodes.software : exitCodes.osError;
}
