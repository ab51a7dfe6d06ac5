/**
 * The arguments of carp-system. Every path has the image's as its default; the others are for tests
 * and for images laid out in another way. Pure.
 */
import {
    formatUsageError,
    type OptionRule,
    optionRows,
    readOptions,
    type UsageError,
} from "../cli-options.ts";
import {err, ok, type Result} from "../result.ts";

export interface SystemOptions {
    /** true: decide about the configuration's schema and end (before carpd starts). */
    readonly beforeCarpd: boolean;
    readonly socket: string;
    /** carpd's run directory. */
    readonly runDir: string;
    readonly configDir: string;
    /** The data partition. */
    readonly data: string;
    /** What the initramfs left. */
    readonly bootDir: string;
    readonly release: string;
    readonly commandLine: string;
    readonly raucConfig: string;
    readonly rauc: string;
    readonly systemctl: string;
    /** Who, beside root, may speak here. */
    readonly user: string;
}

export type SystemCommand =
    | {readonly kind: "run"; readonly options: SystemOptions}
    | {readonly kind: "help"}
    | {readonly kind: "version"};

const rules: readonly OptionRule[] = [
    {
        name: "before-carpd",
        help: "bring the configuration to this release's schema, and exit",
    },
    {name: "socket", argument: "PATH", help: "its own socket (default /run/carp-system/socket)"},
    {name: "run-dir", argument: "DIR", help: "carpd's run directory (default /run/carpd)"},
    {name: "config-dir", argument: "DIR", help: "the configuration (default /etc/carpd)"},
    {name: "data", argument: "DIR", help: "the data partition (default /data)"},
    {
        name: "release",
        argument: "FILE",
        help: "what this image is (default /usr/lib/carpd/release.json)",
    },
    {
        name: "boot-dir",
        argument: "DIR",
        help: "what the initramfs left (default /run/carpd-boot)",
    },
    {name: "command-line", argument: "FILE", help: "of the kernel (default /proc/cmdline)"},
    {name: "rauc-config", argument: "FILE", help: "(default /etc/rauc/system.conf)"},
    {name: "rauc", argument: "FILE", help: "the program rauc (default /usr/bin/rauc)"},
    {
        name: "systemctl",
        argument: "FILE",
        help: "the program systemctl (default /usr/bin/systemctl)",
    },
    {name: "user", argument: "NAME", help: "who may speak to it beside root (default carpd)"},
    {name: "version", help: "print the version and exit"},
    {name: "help", help: "print this and exit"},
];

export function systemUsage(): string {
    const usage = "usage: carp-system [--before-carpd] [OPTION...]";
    return [usage, "", ...optionRows(rules, 24)].join("\n");
}

/** The error is what to print, without a final newline. */
export function parseSystemArguments(args: readonly string[]): Result<SystemCommand, string> {
    const refuse = (error: UsageError): Result<never, string> =>
        err(formatUsageError("carp-system", error));
    const read = readOptions(args, rules);
    if (!read.ok) return refuse(read.error);
    const {values, switches, words} = read.value;
    if (switches.has("help")) return ok({kind: "help"});
    if (switches.has("version")) return ok({kind: "version"});
    const [word] = words;
    if (word !== undefined) {
        const message = `${JSON.stringify(word.slice(0, 60))} is not an option`;
        return refuse({message, expected: "options only", hint: ""});
    }
    return ok({
        kind: "run",
        options: {
            beforeCarpd: switches.has("before-carpd"),
            socket: values.get("socket") ?? "/run/carp-system/socket",
            runDir: values.get("run-dir") ?? "/run/carpd",
            configDir: values.get("config-dir") ?? "/etc/carpd",
            data: values.get("data") ?? "/data",
            bootDir: values.get("boot-dir") ?? "/run/carpd-boot",
            release: values.get("release") ?? "/usr/lib/carpd/release.json",
            commandLine: values.get("command-line") ?? "/proc/cmdline",
            raucConfig: values.get("rauc-config") ?? "/etc/rauc/system.conf",
            rauc: values.get("rauc") ?? "/usr/bin/rauc",
            systemctl: values.get("systemctl") ?? "/usr/bin/systemctl",
            user: values.get("user") ?? "carpd",
        },
    });
}
