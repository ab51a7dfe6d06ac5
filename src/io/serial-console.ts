/**
 * A serial port that comes and goes: opens it, gives it to whoever talks on it, and opens it again
 * when it has vanished. carp-console's only thread.
 *
 * The list of ports is never asked for (it starts a program and ends this one where that is missing),
 * and the port is never left without a reader: a hang-up is not noticed otherwise.
 */
import {EventEmitter} from "node:events";
import {SerialPort} from "serialport";
import {codeOf} from "./system-error.ts";

/** Speeds that UARTs and their drivers know. */
export const baudRates = [
    9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600, 1_500_000,
] as const;

export interface SerialConsoleOptions {
    readonly path: string;
    readonly baudRate: number;
    /** Talks until the port is gone. Never rejects. */
    readonly serve: (port: SerialPort) => Promise<void>;
    /** One line for the journal. */
    readonly log: (text: string) => void;
    readonly signal: AbortSignal;
}

const firstRetryMs = 250;
const longestRetryMs = 15_000;
/** A port that lasts so long was a good one: the next try comes soon again. */
const goodMs = 10_000;

/** Ends with `signal`. */
export async function runSerialConsole(options: SerialConsoleOptions): Promise<void> {
    const {path, log, signal, serve} = options;
    let retryMs = firstRetryMs;
    let said = "";
    while (!signal.aborted) {
        const began = performance.now();
        const opened = await openPort(options);
        if (opened instanceof SerialPort) {
            log(`${path}: open`);
            said = "";
            await serve(opened);
            await closePort(opened);
            log(`${path}: closed`);
            if (performance.now() - began > goodMs) retryMs = firstRetryMs;
        } else if (opened !== said) {
            said = opened;
            log(`${path}: cannot be opened: ${opened}; trying again`);
        }
        if (!signal.aborted) await pause(retryMs, signal);
        retryMs = Math.min(longestRetryMs, retryMs * 2);
    }
}

/** The port, or why there is none. */
function openPort({path, baudRate, signal}: SerialConsoleOptions): Promise<SerialPort | string> {
    return new Promise((resolve) => {
        // hupcl: a terminal server at the other end must not see a hang-up at each restart.
        const port = new SerialPort({path, baudRate, autoOpen: false, hupcl: false});
        // It may fail at any time, also after it was closed.
        port.on("error", () => undefined);
        const stop = (): void => {
            if (port.isOpen) port.close();
        };
        signal.addEventListener("abort", stop, {once: true});
        port.once("close", () => signal.removeEventListener("abort", stop));
        port.open((error) => {
            if (error === null) {
                pollBothWays(port);
                resolve(port);
                return;
            }
            signal.removeEventListener("abort", stop);
            resolve(error.message === "" ? codeOf(error) : error.message);
        });
    });
}

/** libuv's flags, as the poller of serialport takes them. */
const pollFlags = {readable: 1, writable: 2} as const;

/**
 * serialport 13 asks libuv for one thing at a time: who begins to wait for "readable" takes the place
 * of who waits for "writable" (@serialport/bindings-cpp, Poller::poll). A text that waits for a slow
 * terminal would then stand still until the next key, and no key is seen while it waits. This asks
 * for everything that somebody waits for. Where the poller is another one, nothing is changed.
 */
function pollBothWays(port: SerialPort): void {
    const poller: unknown = port.port === undefined ? null : Reflect.get(port.port, "poller");
    if (!(poller instanceof EventEmitter)) return;
    const poll: unknown = Reflect.get(poller, "poll");
    if (typeof poll !== "function") return;
    let wanted = 0;
    for (const [event, flag] of Object.entries(pollFlags)) {
        poller.on(event, () => {
            wanted &= ~flag;
        });
    }
    const both = (flags: number): void => {
        wanted |= flags;
        Reflect.apply(poll, poller, [wanted]);
    };
    Reflect.set(poller, "poll", both);
}

function closePort(port: SerialPort): Promise<void> {
    return new Promise((resolve) => {
        if (!port.isOpen) resolve();
        else port.close(() => resolve());
    });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        const stop = (): void => {
            clearTimeout(timer);
            resolve();
        };
        signal.addEventListener("abort", stop, {once: true});
    });
}
