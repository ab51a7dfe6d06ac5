/**
 * Writes log lines to stderr without ever waiting for its reader. Main thread.
 *
 * stderr may be a pipe that nobody reads or a terminal that was stopped with Control-S. The file
 * behind the descriptor is opened a second time as non-blocking (the flag of the inherited one
 * belongs to other processes too). Sockets (journald) cannot be opened again; for those node's own
 * stream is used, which is non-blocking on Linux. A full reader fills a bounded queue; beyond that
 * lines are dropped, counted, and the count is logged when there is room.
 */
import {constants, fstatSync, openSync, writeSync} from "node:fs";
import {formatJson, formatText, type LogFormat, type LogRecord, note} from "../core/log.ts";
import {codeOf} from "./system-error.ts";

/** Takes as many octets as it can at once and says how many; -1: the output is gone. */
export type Sink = (octets: Uint8Array) => number;

export interface LogWriterOptions {
    readonly format: LogFormat;
    /** stderr is connected to journald: priorities instead of time stamps. */
    readonly journal: boolean;
    readonly sink: Sink;
    /** Largest number of octets that wait for the reader. */
    readonly limit?: number;
    readonly now?: () => Date;
}

const defaultLimit = 262_144;
const retryMs = 50;

export class LogWriter {
    readonly #options: LogWriterOptions;
    readonly #limit: number;
    readonly #now: () => Date;
    #queue: Uint8Array[] = [];
    #queued = 0;
    #dropped = 0;
    #droppedTotal = 0;
    #timer: NodeJS.Timeout | null = null;

    constructor(options: LogWriterOptions) {
        this.#options = options;
        this.#limit = options.limit ?? defaultLimit;
        this.#now = options.now ?? (() => new Date());
    }

    /** Lines that were never written. */
    get dropped(): number {
        return this.#droppedTotal;
    }

    write(record: LogRecord): void {
        // Debugging lines are off: nothing in the configuration asks for them yet.
        if (record.level === "debug") return;
        const line = this.#encode(record);
        if (this.#queued + line.length > this.#limit) {
            this.#dropped++;
            this.#droppedTotal++;
            return;
        }
        this.#push(line);
        if (this.#timer === null) this.#drain();
    }

    /** Tries for `limitMs` to get rid of the queue; for the end of the program. */
    async flush(limitMs: number): Promise<void> {
        const end = performance.now() + limitMs;
        while (this.#queued > 0 && performance.now() < end) {
            this.#drain();
            if (this.#queued > 0) await new Promise((resolve) => setTimeout(resolve, 10));
        }
        if (this.#timer !== null) clearTimeout(this.#timer);
        this.#timer = null;
    }

    #encode(record: LogRecord): Uint8Array {
        const iso = this.#now().toISOString();
        const {format, journal} = this.#options;
        const text =
            format === "json" ? formatJson(record, iso) : formatText(record, {journal, iso});
        return Buffer.from(text);
    }

    #push(line: Uint8Array): void {
        this.#queue.push(line);
        this.#queued += line.length;
    }

    #drain(): void {
        while (this.#queue.length > 0) {
            const [line] = this.#queue;
            if (line === undefined) break;
            const taken = this.#options.sink(line);
            if (taken < 0) {
                // Nobody can read any more; the state of the host does not depend on it.
                this.#droppedTotal += this.#queue.length;
                this.#queue = [];
                this.#queued = 0;
                return;
            }
            this.#queued -= taken;
            if (taken < line.length) {
                this.#queue[0] = line.subarray(taken);
                this.#retryLater();
                return;
            }
            this.#queue.shift();
            if (this.#queue.length === 0 && this.#dropped > 0) this.#tellDropped();
        }
    }

    #tellDropped(): void {
        const count = this.#dropped;
        this.#dropped = 0;
        const text = `${count} log lines were dropped: the reader was too slow`;
        this.#push(this.#encode(note("warning", "log lines dropped", text, {count})));
    }

    #retryLater(): void {
        if (this.#timer !== null) return;
        this.#timer = setTimeout(() => {
            this.#timer = null;
            this.#drain();
        }, retryMs);
        this.#timer.unref();
    }
}

/** A non-blocking sink for an inherited descriptor (2: stderr). */
export function descriptorSink(descriptor: number): Sink {
    const own = reopen(descriptor);
    if (own === null) return streamSink(process.stderr);
    let gone = false;
    return (octets) => {
        if (gone) return -1;
        try {
            return writeSync(own, octets);
        } catch (error) {
            // Not closed: the number could come to mean another file.
            gone = codeOf(error) !== "EAGAIN";
            return gone ? -1 : 0;
        }
    };
}

function reopen(descriptor: number): number | null {
    const {O_WRONLY, O_NONBLOCK, O_APPEND, O_NOCTTY} = constants;
    try {
        // Regular files never block, and share their offset only through the inherited one.
        if (fstatSync(descriptor).isFile()) return descriptor;
        return openSync(`/proc/self/fd/${descriptor}`, O_WRONLY | O_NONBLOCK | O_APPEND | O_NOCTTY);
    } catch (error) {
        // ENXIO: a socket. EACCES: a terminal of another user. ENOENT: no /proc.
        if (codeOf(error) === "") throw error;
        return null;
    }
}

/** Node keeps what the reader did not take; more than 64 KiB of that counts as a full reader. */
function streamSink(stream: NodeJS.WriteStream): Sink {
    let gone = false;
    stream.on("error", () => {
        gone = true;
    });
    return (octets) => {
        if (gone) return -1;
        if (stream.writableLength > 65_536) return 0;
        stream.write(octets);
        return octets.length;
    };
}

/** JOURNAL_STREAM is "device:inode" of the journal's end (systemd.exec(5)). */
export function isJournal(descriptor: number, journalStream: string | undefined): boolean {
    if (journalStream === undefined || journalStream === "") return false;
    const {dev, ino} = fstatSync(descriptor, {bigint: true});
    return journalStream === `${dev}:${ino}`;
}
