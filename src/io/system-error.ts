/** The stable code of a failed system call. */
import {getSystemErrorName} from "node:util";

/** "ENOENT", or the message of an error without a code. */
export function codeOf(error: unknown): string {
    if (error instanceof Error && "code" in error && typeof error.code === "string") {
        return error.code;
    }
    return error instanceof Error ? error.message : String(error);
}

/** "EPERM" for 1; an unknown number as text. */
export function errnoName(errno: number): string {
    try {
        return getSystemErrorName(-errno);
    } catch {
        return `errno ${errno}`; // node refuses numbers that its platform does not know
    }
}
