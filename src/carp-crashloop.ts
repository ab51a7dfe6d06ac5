#!/usr/bin/env node
/**
 * carp-crashloop: the composition root of what follows when carpd.service has used up its restarts.
 * Runs as root, once, started by the service manager; with --clear each two minutes, to forget an
 * earlier crash loop when carpd has been well for long enough.
 */
import {execFileSync} from "node:child_process";
import {existsSync} from "node:fs";
import {decideCrashLoop, isWell, readUnit, type UnitFacts} from "./core/appliance/crash-loop.ts";
import {formatUsageError, type OptionRule, readOptions} from "./core/cli-options.ts";
import {exitCodes} from "./core/exit-codes.ts";
import {removeDurably, writeDurably} from "./io/durable-file.ts";
import {codeOf} from "./io/system-error.ts";
import {version} from "./io/version.ts";

const rules: readonly OptionRule[] = [
    {name: "clear", help: "forget an earlier crash loop, if carpd is well for ten minutes"},
    {
        name: "marker",
        argument: "FILE",
        help: "that it was rebooted (default /data/system/crash-reboot)",
    },
    {
        name: "release",
        argument: "FILE",
        help: "its presence makes an appliance (default /usr/lib/carpd/release.json)",
    },
    {name: "systemctl", argument: "FILE", help: "the program (default /usr/bin/systemctl)"},
    {name: "version", help: "print the version and exit"},
    {name: "help", help: "print this and exit"},
];

const unitName = "carpd.service";
const holdUnit = "carpd-hold.service";
/** systemctl answers in milliseconds, or the service manager is gone. */
const limitMs = 20_000;

interface Places {
    readonly marker: string;
    readonly release: string;
    readonly systemctl: string;
}

function systemctl(places: Places, ...args: readonly string[]): string {
    return execFileSync(places.systemctl, ["--no-ask-password", ...args], {
        encoding: "utf8",
        timeout: limitMs,
        stdio: ["ignore", "pipe", "pipe"],
    });
}

function unit(places: Places): UnitFacts {
    const properties = [
        "ActiveState",
        "Result",
        "ExecMainStatus",
        "ExecMainStartTimestampMonotonic",
    ];
    return readUnit(systemctl(places, "show", `--property=${properties.join(",")}`, unitName));
}

function say(text: string): void {
    process.stdout.write(`${text}\n`);
}

function hold(places: Places): void {
    systemctl(places, "--no-block", "start", holdUnit);
    // The next `systemctl restart carpd` is a person's, and must not be refused as one too many.
    systemctl(places, "reset-failed", unitName);
}

async function act(places: Places): Promise<void> {
    const facts = {
        unit: unit(places),
        appliance: existsSync(places.release),
        rebooted: existsSync(places.marker),
    };
    const {action, why} = decideCrashLoop(facts);
    say(why);
    if (action === "nothing") return;
    if (action === "hold") return hold(places);
    try {
        // Before the reboot: without it there would be no end to rebooting.
        await writeDurably(places.marker, `${new Date().toISOString()} ${why}\n`, false);
        systemctl(places, "--no-block", "reboot");
    } catch (error) {
        say(`cannot reboot (${codeOf(error)}): carpd is held in INIT`);
        hold(places);
    }
}

async function clear(places: Places): Promise<void> {
    if (!existsSync(places.marker)) return;
    const nowUs = Number(process.hrtime.bigint() / 1000n);
    if (!isWell(unit(places), nowUs)) return;
    await removeDurably(places.marker);
    say("carpd has been well for ten minutes: an earlier crash loop is forgotten");
}

function usage(): string {
    const rows = rules.map(({name, argument, help}) => {
        const left = `  --${name}${argument === undefined ? "" : ` ${argument}`}`;
        return `${left.padEnd(22)}${help}`;
    });
    return ["usage: carp-crashloop [--clear] [OPTION...]", "", ...rows, ""].join("\n");
}

async function main(): Promise<number> {
    const read = readOptions(process.argv.slice(2), rules);
    if (!read.ok) {
        process.stderr.write(`${formatUsageError("carp-crashloop", read.error)}\n`);
        return exitCodes.usage;
    }
    const {values, switches, words} = read.value;
    if (words.length > 0) {
        process.stderr.write(usage());
        return exitCodes.usage;
    }
    if (switches.has("help") || switches.has("version")) {
        say(switches.has("help") ? usage().trimEnd() : `carp-crashloop ${version()}`);
        return exitCodes.ok;
    }
    const places = {
        marker: values.get("marker") ?? "/data/system/crash-reboot",
        release: values.get("release") ?? "/usr/lib/carpd/release.json",
        systemctl: values.get("systemctl") ?? "/usr/bin/systemctl",
    };
    try {
        await (switches.has("clear") ? clear(places) : act(places));
        return exitCodes.ok;
    } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        process.stderr.write(`carp-crashloop: ${text.replaceAll(/\s*\n\s*/gu, " | ")}\n`);
        return exitCodes.software;
    }
}

process.exitCode = await main();
