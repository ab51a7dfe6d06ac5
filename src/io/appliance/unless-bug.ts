/** For files that may be absent or unreadable: what a system call said is swallowed, a bug is not. */
export function unlessBug(error: unknown): void {
    if (!(error instanceof Error && "code" in error)) throw error;
}
