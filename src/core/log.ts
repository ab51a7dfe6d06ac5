/**
 * Log records and their two printed forms. Pure; main thread.
 *
 * A record is data first (level, a stable `msg`, fields) and carries the sentence that a person
 * reads. src/io/log-writer.ts decides where the printed line goes.
 */

/** error: a person must act; notice: a state changed; info: start-up and commits. */
export const logLevels = ["error", "warning", "notice", "info", "debug"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[]>> & {
    // Taken by the record itself.
    readonly level?: never;
    readonly msg?: never;
    readonly text?: never;
    readonly time?: never;
};

export interface LogRecord {
    readonly level: LogLevel;
    /** Stable words for machines: "carp state", "link", "demotion"... */
    readonly msg: string;
    /** The line for people; may hold several lines. */
    readonly text: string;
    readonly fields: LogFields;
}

/** Where records go. Never blocks, never throws. */
export interface Log {
    write(record: LogRecord): void;
}

export type LogFormat = "text" | "json";

/** syslog(3) priorities, which journald reads from a "<N>" prefix (sd-daemon(3)). */
const priorities: Readonly<Record<LogLevel, number>> = {
    error: 3,
    warning: 4,
    notice: 5,
    info: 6,
    debug: 7,
};

/**
 * Replaces control characters other than line feed and TAB, so that text which came from a file or
 * from the network cannot move the cursor of the terminal that shows it.
 */
export function printable(text: string): string {
    let out = "";
    for (const character of text) {
        const code = character.codePointAt(0) ?? 0;
        const control =
            (code < 0x20 && code !== 0x0a && code !== 0x09) || (code > 0x7e && code < 0xa0);
        out += control ? "?" : character;
    }
    return out;
}

/** One record as text; every line of it gets the prefix. Ends with a line feed. */
export function formatText(record: LogRecord, options: {journal: boolean; iso: string}): string {
    const prefix = options.journal ? `<${priorities[record.level]}>` : `${options.iso} `;
    return printable(record.text)
        .split("\n")
        .map((line) => `${prefix}${line}\n`)
        .join("");
}

/** One record as one line of JSON. Ends with a line feed. */
export function formatJson(record: LogRecord, iso: string): string {
    const {level, msg, text, fields} = record;
    return `${JSON.stringify({level, msg, ...fields, text, time: iso})}\n`;
}

/** Short form for the records that carry nothing but a sentence. */
export function note(
    level: LogLevel,
    msg: string,
    text: string,
    fields: LogFields = {},
): LogRecord {
    return {level, msg, text, fields};
}
