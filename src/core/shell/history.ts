/**
 * Which lines a session remembers: never one that may hold a password, never a line twice, never
 * more than a bound. Pure.
 */
export const mostHistory = 200;

/**
 * `pass`, `passwd`, `password`, `secret` and `key` in any place, with what ever follows: a line
 * too few in the history is no harm.
 */
export function mayHoldSecret(line: string): boolean {
    return /pass|secret|passphrase|\bkey\b|\b-p\b|-p\b/iu.test(line);
}

/**
 * Lines that put something into force. They are written out each time: noise on the line that
 * happens to recall the last line and to end it must not commit.
 */
export function actsAtOnce(line: string): boolean {
    return /^\s*(com(m|mi|mit)?|conf(i|ir|irm)?|reb\w*|power-off)\b/iu.test(line);
}

/** The file of a history: oldest first, one line each. Newest first in memory. */
export function historyText(lines: readonly string[]): string {
    return lines
        .slice(0, mostHistory)
        .filter((line) => !mayHoldSecret(line) && !actsAtOnce(line) && !/[\r\n]/u.test(line))
        .reverse()
        .map((line) => `${line}\n`)
        .join("");
}

/** What a file gives back, newest first; foreign content is cleaned or left out. */
export function readHistory(text: string): string[] {
    return text
        .split("\n")
        .filter((line) => line !== "" && line.length <= 1024 && !/\p{Cc}/u.test(line))
        .filter((line) => !mayHoldSecret(line) && !actsAtOnce(line))
        .slice(-mostHistory)
        .reverse();
}

/** A user's name as a part of a file's name. null: not one that a file is made for. */
export function historyFileName(user: string): string | null {
    return /^[a-z_][a-z0-9_-]{0,31}$/u.test(user) ? `history-${user}` : null;
}
