/**
 * The arguments of carpd. One table feeds the reader, the proposals for misspelt options and the
 * help text. Pure: the program prints and exits.
 */
import {didYouMean} from "./diagnostic.ts";
import {err, ok, type Result} from "./result.ts";

/** One option `--name`, with a value when `argument` names one. */
export interface OptionRule {
    readonly name: string;
    /** "FILE"; absent for a switch. */
    readonly argument?: string;
    readonly help: string;
    /** The only values that are allowed. */
    readonly values?: readonly string[];
}

/** Ends in EX_USAGE (64). */
export interface UsageError {
    readonly message: string;
    readonly expected: string;
    readonly hint: string;
}

export interface ReadOptions {
    readonly values: ReadonlyMap<string, string>;
    readonly switches: ReadonlySet<string>;
    /** What is not an option, and everything behind `--`. */
    readonly words: readonly string[];
}

function usageError(message: string, expected: string, hint = ""): Result<never, UsageError> {
    return err({message, expected, hint});
}

function shorten(text: string): string {
    return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** The options with their help, one a line; the help begins in column `width`, counted from 0. */
export function optionRows(rules: readonly OptionRule[], width: number): readonly string[] {
    return rules.map(({name, argument, help}) => {
        const left = `  --${name}${argument === undefined ? "" : ` ${argument}`}`;
        return `${left.padEnd(width)}${help}`;
    });
}

/** Reads `--name value`, `--name=value` and switches by a table of rules. */
export function readOptions(
    args: readonly string[],
    rules: readonly OptionRule[],
): Result<ReadOptions, UsageError> {
    const values = new Map<string, string>();
    const switches = new Set<string>();
    const words: string[] = [];
    for (let i = 0; i < args.length; i += 1) {
        const arg = args[i] ?? "";
        if (arg === "--") {
            words.push(...args.slice(i + 1));
            break;
        }
        if (!arg.startsWith("-") || arg === "-") {
            words.push(arg);
            continue;
        }
        const equals = arg.indexOf("=");
        const written = equals < 0 ? arg : arg.slice(0, equals);
        const rule = rules.find((candidate) => `--${candidate.name}` === written);
        if (rule === undefined) {
            const known = rules.map((candidate) => `--${candidate.name}`);
            const hint = didYouMean(written, known);
            return usageError(`unknown option ${shorten(written)}`, known.join(", "), hint);
        }
        if (values.has(rule.name) || switches.has(rule.name)) {
            return usageError(`${written} is given twice`, "each option once");
        }
        if (rule.argument === undefined) {
            if (equals >= 0) {
                return usageError(`${written} takes no value`, written);
            }
            switches.add(rule.name);
            continue;
        }
        let value = arg.slice(equals + 1);
        if (equals < 0) {
            i += 1;
            const next = args[i];
            // "--config --check" is a forgotten name; a file of that name can be given with "=".
            value = next === undefined || next.startsWith("--") ? "" : next;
        }
        if (value === "") {
            return usageError(`${written} needs a value`, `${written} ${rule.argument}`);
        }
        if (rule.values !== undefined && !rule.values.includes(value)) {
            return usageError(
                `${written} cannot be ${shorten(value)}`,
                rule.values.join(" or "),
                didYouMean(value, rule.values),
            );
        }
        values.set(rule.name, value);
    }
    return ok({values, switches, words});
}

export type LogFormat = "text" | "json";

export interface CarpdOptions {
    readonly configFile: string;
    readonly runDir: string;
    readonly stateDir: string;
    /** true: check the configuration and exit, touch nothing. */
    readonly check: boolean;
    readonly logFormat: LogFormat;
    /** The system's user of carp-console: it gets nothing without a log-in. */
    readonly consoleUser: string;
    /** Why every vhid is to be kept in INIT; "" in ordinary times. */
    readonly hold: string;
    /** The system's user of carp-panel: it may see and serve the front panel, nothing else. */
    readonly panelUser: string;
    /** The folder of the board manifests; "": that of this installation. */
    readonly boardDir: string;
    /** carp-system's socket; there is none on a host that is no appliance. */
    readonly systemSocket: string;
}

export type CarpdCommand =
    | {readonly kind: "run"; readonly options: CarpdOptions}
    | {readonly kind: "help"}
    | {readonly kind: "version"};

/** What holds where an option is not given; the program takes it from its environment. */
export type CarpdDefaults = Pick<CarpdOptions, "configFile" | "runDir" | "stateDir">;

const installedDefaults: CarpdDefaults = {
    configFile: "/etc/carpd/carpd.toml",
    runDir: "/run/carpd",
    stateDir: "/var/lib/carpd",
};

const defaultConsoleUser = "carp-console";
const defaultPanelUser = "carp-panel";
const defaultSystemSocket = "/run/carp-system/socket";

const carpdRules: readonly OptionRule[] = [
    {
        name: "config",
        argument: "FILE",
        help: `the configuration (default ${installedDefaults.configFile}); carpd.d/*.toml beside it is read too`,
    },
    {
        name: "run-dir",
        argument: "DIR",
        help: `control socket (default ${installedDefaults.runDir})`,
    },
    {
        name: "state-dir",
        argument: "DIR",
        help: `what outlives a restart (default ${installedDefaults.stateDir})`,
    },
    {name: "check", help: "check the configuration, touch nothing, and exit"},
    {
        name: "log-format",
        argument: "text|json",
        values: ["text", "json"],
        help: "one line per event (default text)",
    },
    {
        name: "console-user",
        argument: "NAME",
        help: `the user that carp-console runs as (default ${defaultConsoleUser}); it must log in`,
    },
    {
        name: "hold",
        argument: "REASON",
        help: "keep every vhid in INIT and send nothing; the control socket and the console say why",
    },
    {
        name: "panel-user",
        argument: "NAME",
        help: `the user that carp-panel runs as (default ${defaultPanelUser})`,
    },
    {
        name: "system-socket",
        argument: "PATH",
        help: `carp-system's socket, on an appliance (default ${defaultSystemSocket})`,
    },
    {name: "board-dir", argument: "DIR", help: "the manifests of boards (default: its own)"},
    {name: "version", help: "print the version and exit"},
    {name: "help", help: "print this and exit"},
];

export function carpdUsage(): string {
    return [
        "usage: carpd [--config FILE] [--run-dir DIR] [--state-dir DIR] [--check] [--log-format text|json]",
        "             [--console-user NAME] [--panel-user NAME] [--board-dir DIR]",
        "             [--hold REASON] [--system-socket PATH]",
        "",
        ...optionRows(carpdRules, 26),
    ].join("\n");
}

/** `args` without the program's own name. */
export function parseCarpdArguments(
    args: readonly string[],
    defaults: CarpdDefaults = installedDefaults,
): Result<CarpdCommand, UsageError> {
    const read = readOptions(args, carpdRules);
    if (!read.ok) {
        return read;
    }
    const {values, switches, words} = read.value;
    if (switches.has("help")) {
        return ok({kind: "help"});
    }
    if (switches.has("version")) {
        return ok({kind: "version"});
    }
    const word = words[0];
    if (word !== undefined) {
        return usageError(`${shorten(word)} is not an option`, "options only");
    }
    return ok({
        kind: "run",
        options: {
            configFile: values.get("config") ?? defaults.configFile,
            runDir: values.get("run-dir") ?? defaults.runDir,
            stateDir: values.get("state-dir") ?? defaults.stateDir,
            check: switches.has("check"),
            logFormat: values.get("log-format") === "json" ? "json" : "text",
            consoleUser: values.get("console-user") ?? defaultConsoleUser,
            hold: (values.get("hold") ?? "").replaceAll(/\s+/gu, " ").trim(),
            panelUser: values.get("panel-user") ?? defaultPanelUser,
            boardDir: values.get("board-dir") ?? "",
            systemSocket: values.get("system-socket") ?? defaultSystemSocket,
        },
    });
}

/** "carpd: message, expected ..." and the hint, without a final newline. */
export function formatUsageError(program: string, error: UsageError): string {
    const lines = [`${program}: ${error.message}; expected ${error.expected}`];
    if (error.hint !== "") {
        lines.push(`hint: ${error.hint}`);
    }
    return lines.join("\n");
}
