/** The arguments of carp-console. Pure. */
import {type OptionRule, optionRows, readOptions, type UsageError} from "../cli-options.ts";
import {err, ok, type Result} from "../result.ts";

export interface ConsoleOptions {
    /** null: the standard input and output. */
    readonly port: string | null;
    readonly baudRate: number;
    readonly runDir: string;
    /** The folder of the histories; "": none are kept. */
    readonly history: string;
}

export type ConsoleCommand =
    | {readonly kind: "run"; readonly options: ConsoleOptions}
    | {readonly kind: "help"}
    | {readonly kind: "version"};

const defaultBaudRate = 115_200;

const rules: readonly OptionRule[] = [
    {name: "port", argument: "DEVICE", help: "the serial port: /dev/ttyS0"},
    {name: "baud", argument: "RATE", help: `its speed, 8N1 (default ${defaultBaudRate})`},
    {name: "stdin", help: "the standard input and output: below getty or ssh"},
    {name: "run-dir", argument: "DIR", help: "where control.sock is (default /run/carpd)"},
    {name: "history", argument: "DIR", help: "where the users' histories are kept"},
    {name: "version", help: "print the version and exit"},
    {name: "help", help: "print this and exit"},
];

export function consoleUsage(): string {
    const usage = "usage: carp-console --port DEVICE [--baud RATE] | --stdin";
    return [`${usage} [--run-dir DIR] [--history DIR]`, "", ...optionRows(rules, 22)].join("\n");
}

/** `args` without the program's own name. */
export function parseConsoleArguments(
    args: readonly string[],
    baudRates: readonly number[],
    defaults: {readonly runDir: string; readonly history: string},
): Result<ConsoleCommand, UsageError> {
    const read = readOptions(args, rules);
    if (!read.ok) return read;
    const {values, switches, words} = read.value;
    const wrong = (message: string, expected: string): Result<never, UsageError> =>
        err({message, expected, hint: ""});
    if (switches.has("help")) return ok({kind: "help"});
    if (switches.has("version")) return ok({kind: "version"});
    const [word] = words;
    if (word !== undefined)
        return wrong(`${JSON.stringify(word)} is not an option`, "options only");
    const port = values.get("port") ?? null;
    if ((port === null) !== switches.has("stdin")) {
        return wrong("either a port or the standard input", "--port DEVICE or --stdin");
    }
    const baudRate = Number(values.get("baud") ?? defaultBaudRate);
    if (!baudRates.includes(baudRate)) {
        const given = JSON.stringify(values.get("baud") ?? "");
        return wrong(`--baud cannot be ${given}`, baudRates.join(", "));
    }
    return ok({
        kind: "run",
        options: {
            port,
            baudRate,
            runDir: values.get("run-dir") ?? defaults.runDir,
            history: values.get("history") ?? defaults.history,
        },
    });
}
