/** The arguments of carp-panel. Pure. */
import {type OptionRule, optionRows, readOptions, type UsageError} from "./cli-options.ts";
import {err, ok, type Result} from "./result.ts";

/**
 * "run": until a signal; the others show one thing and end. "stopped": for carp-panel's own
 * ExecStopPost, a fault unless it was stopped in order.
 */
export type PanelMode = "run" | "fault" | "boot" | "off" | "stopped";

export interface PanelOptions {
    readonly mode: PanelMode;
    readonly runDir: string;
    /** "": that of this installation. */
    readonly boardDir: string;
    readonly sysRoot: string;
    readonly inputDir: string;
}

export type PanelCommand =
    | {readonly kind: "run"; readonly options: PanelOptions}
    | {readonly kind: "help"}
    | {readonly kind: "version"};

const rules: readonly OptionRule[] = [
    {name: "fault", help: "show a fault, and end: for ExecStopPost"},
    {name: "boot", help: "show that the box is starting, and end"},
    {name: "off", help: "put every LED out, and end"},
    {name: "stopped", help: "fault, or off where $SERVICE_RESULT is success, and end"},
    {name: "run-dir", argument: "DIR", help: "where control.sock is (default /run/carpd)"},
    {name: "board-dir", argument: "DIR", help: "the manifests of boards (default: its own)"},
    {name: "sys-root", argument: "DIR", help: "the LEDs (default /sys/class/leds)"},
    {name: "input-dir", argument: "DIR", help: "the input devices (default /dev/input)"},
    {name: "version", help: "print the version and exit"},
    {name: "help", help: "print this and exit"},
];
const oneShots = ["fault", "boot", "off", "stopped"] as const;

export function panelUsage(): string {
    const usage = "usage: carp-panel [--fault | --boot | --off | --stopped] [--run-dir DIR]";
    return [
        usage,
        "                  [--board-dir DIR] [--sys-root DIR] [--input-dir DIR]",
        "",
        ...optionRows(rules, 22),
    ].join("\n");
}

/** `args` without the program's own name. */
export function parsePanelArguments(
    args: readonly string[],
    runDir: string,
): Result<PanelCommand, UsageError> {
    const read = readOptions(args, rules);
    if (!read.ok) return read;
    const {values, switches, words} = read.value;
    const wrong = (message: string, expected: string): Result<never, UsageError> =>
        err({message, expected, hint: ""});
    if (switches.has("help")) return ok({kind: "help"});
    if (switches.has("version")) return ok({kind: "version"});
    const [word] = words;
    if (word !== undefined) {
        return wrong(`${JSON.stringify(word)} is not an option`, "options only");
    }
    const shown = oneShots.filter((mode) => switches.has(mode));
    if (shown.length > 1)
        return wrong("only one thing can be shown", "one of --fault, --boot, --off, --stopped");
    return ok({
        kind: "run",
        options: {
            mode: shown[0] ?? "run",
            runDir: values.get("run-dir") ?? runDir,
            boardDir: values.get("board-dir") ?? "",
            sysRoot: values.get("sys-root") ?? "/sys/class/leds",
            inputDir: values.get("input-dir") ?? "/dev/input",
        },
    });
}
