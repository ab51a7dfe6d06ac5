#!/usr/bin/env node
/**
 * carp-console: the composition root of the console on a serial port, or on its standard input for
 * getty and ssh. It needs no capability and no file but its history; carpd decides everything.
 */
import {hostname} from "node:os";
import {basename} from "node:path";
import type {Readable, Writable} from "node:stream";
import {Console, type ConsolePorts, idleLimitMs} from "./app/shell/console.ts";
import {formatUsageError} from "./core/cli-options.ts";
import {exitCodes} from "./core/exit-codes.ts";
import {printable} from "./core/log.ts";
import {consoleUsage, parseConsoleArguments} from "./core/shell/console-options.ts";
import {plain} from "./core/show.ts";
import {ControlClient} from "./io/control-client.ts";
import {HistoryFiles} from "./io/history-files.ts";
import {LineEditor} from "./io/line-editor.ts";
import {directoryFrom} from "./io/run-dir.ts";
import {baudRates, runSerialConsole} from "./io/serial-console.ts";
import {rawTerminal} from "./io/standard-terminal.ts";
import {version} from "./io/version.ts";

const {env, stdin, stdout, stderr} = process;
const log = (text: string): void => {
    stderr.write(`carp-console: ${printable(text)}\n`);
};

/** A port as log lines and the daemon take it: "ttyS0", "pts/3". */
function originOf(path: string): string {
    const short = path.startsWith("/dev/") ? path.slice("/dev/".length) : basename(path);
    const name = short.replaceAll(/[^\w.:/-]/gu, "");
    return /^[A-Za-z0-9]/u.test(name) ? name.slice(0, 64) : "terminal";
}

/** Serves one terminal until it is gone, or with `once` until the first log-out. */
async function talk(
    input: Readable,
    output: Writable,
    ports: ConsolePorts,
    once: boolean,
    size?: {readonly columns: number; readonly rows: number},
): Promise<void> {
    let served: Console | null = null;
    const editor = new LineEditor({
        input,
        output,
        activity: () => served?.activity(),
        ...(size === undefined ? {} : {size}),
    });
    served = new Console(editor, ports);
    await served.run(once);
    editor.close();
}

const read = parseConsoleArguments(process.argv.slice(2), baudRates, {
    runDir: directoryFrom(env.RUNTIME_DIRECTORY, "/run/carpd"),
    history: directoryFrom(env.STATE_DIRECTORY, ""),
});

const abort = new AbortController();
process.once("SIGTERM", () => abort.abort());
process.once("SIGHUP", () => abort.abort());

if (!read.ok) {
    stderr.write(`${formatUsageError("carp-console", read.error)}\n`);
    process.exitCode = exitCodes.usage;
} else if (read.value.kind === "help") stdout.write(`${consoleUsage()}\n`);
else if (read.value.kind === "version") stdout.write(`carp-console ${version()}\n`);
else {
    const {options} = read.value;
    const socket = `${options.runDir}/control.sock`;
    const history = new HistoryFiles(options.history, log);
    const ports = (origin: string): ConsolePorts => ({
        client: new ControlClient(socket),
        socket,
        version: version(),
        host: hostname(),
        origin,
        paint: plain,
        nowMs: () => Date.now(),
        after: (ms, run) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
        },
        history,
        idleMs: idleLimitMs,
    });
    if (options.port === null) {
        const raw = rawTerminal(stdin, stdout);
        const origin = originOf(env.SSH_TTY ?? env.TTY ?? "");
        await talk(stdin, stdout, ports(origin), true, raw.size);
        raw.restore();
        process.exit(exitCodes.ok);
    }
    const {port: path, baudRate} = options;
    const origin = originOf(path);
    await runSerialConsole({
        path,
        baudRate,
        log,
        signal: abort.signal,
        serve: (port) => talk(port, port, ports(origin), false),
    });
}
