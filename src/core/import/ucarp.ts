/**
 * UCarp as it is started: command lines in scripts, systemd units, crontabs. Also what both its
 * importers share: its options as a vhid of carpd's. Pure.
 */
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {shown} from "./collector.ts";
import {type ShellCommand, shellCommands, wordText} from "./shell-words.ts";
import {readUcarpOptions, type UcarpOption} from "./ucarp-options.ts";

interface LogicalLine {
    readonly line: number;
    readonly text: string;
}

/** Lines with those joined that end in a backslash. */
export function logicalLines(text: string): LogicalLine[] {
    const lines: LogicalLine[] = [];
    let parts: string[] = [];
    let first = 1;
    for (const [index, line] of text.split("\n").entries()) {
        if (parts.length === 0) {
            first = index + 1;
        }
        const goesOn = line.endsWith("\\");
        parts.push(goesOn ? line.slice(0, -1) : line);
        if (!goesOn) {
            lines.push({line: first, text: parts.join(" ")});
            parts = [];
        }
    }
    if (parts.length > 0) {
        lines.push({line: first, text: parts.join(" ")});
    }
    return lines;
}

export function importUcarp(file: string, text: string, collector: Collector): void {
    const variables = new Map<string, string>();
    for (const {line, text: written} of logicalLines(text)) {
        const place = {file, line};
        if (/^\s*EnvironmentFile\s*=/u.test(written)) {
            collector.note(place, "EnvironmentFile: its variables are not known here");
        }
        // systemd: Environment="A=1" "B=2" sets what the shell's own words set.
        const shell = written.replace(/^\s*Environment\s*=\s*(["']?)/u, "$1");
        // Lines of other things may hold a lone apostrophe: those of UCarp must close theirs.
        for (const command of commandsOf({line, text: shell}, variables, collector, file)) {
            readCommand(command, place, collector);
        }
        if (shell !== written) {
            setQuotedVariables(shell, variables);
        }
    }
}

function commandsOf(
    {line, text}: LogicalLine,
    variables: Map<string, string>,
    collector: Collector,
    file: string,
): ShellCommand[] {
    const commands: ShellCommand[] = [];
    const reader = shellCommands(text, variables, line);
    for (let step = reader.next(); ; step = reader.next()) {
        if (step.done === true) {
            if (step.value !== undefined && /(?:^|[\s/=])ucarp\s/u.test(text)) {
                collector.refuse({file, line}, "a quote is not closed on this line: left out");
                return [];
            }
            return commands;
        }
        commands.push(step.value);
    }
}

/** `"A=1"`: the quotes are around the whole assignment, which is none in a shell. */
function setQuotedVariables(text: string, variables: Map<string, string>): void {
    for (const match of text.matchAll(/(["'])([A-Za-z_]\w*)=([^"'$`\\]*)\1/gu)) {
        variables.set(match[2] ?? "", match[3] ?? "");
    }
}

function readCommand({words}: ShellCommand, place: ImportPlace, collector: Collector): void {
    // ExecStart=/usr/sbin/ucarp is an assignment to the shell; systemd allows -@+!: before a path.
    const at = words.findIndex(({text}) => /^(?:[-@+!:]*\/\S*\/|[-@+!:]*)ucarp$/u.test(text));
    let rest = at < 0 ? [] : words.slice(at + 1);
    if (rest[0]?.text === "--") {
        rest = rest.slice(1);
    }
    if (rest[0]?.text.startsWith("-") !== true) {
        return;
    }
    const unknown = rest.find((word) => word.unknown !== "");
    if (unknown !== undefined) {
        collector.note(
            place,
            `${shown(unknown.unknown)} is known to a shell only: nothing is put there`,
        );
    }
    const {given, problems} = readUcarpOptions(rest.map(wordText));
    for (const problem of problems) {
        collector.note(place, `${problem}: it is left out`);
    }
    importUcarpOptions(given, place, collector, 32);
}

const readOver: ReadonlyMap<UcarpOption, string> = new Map([
    ["nomcast", "-M (broadcast) is not spoken: adverts go by multicast, or to peers"],
    ["mcast", "another multicast group is not spoken: adverts go to 224.0.0.18"],
    [
        "ignoreifstate",
        "-S is left out: a vhid without link is INIT, ifdown-demotion = 0 spares the others",
    ],
    ["neutral", "-n has no counterpart: downscript runs on leaving MASTER only"],
    ["facility", "-f is left out: carpd logs to its standard output or the journal"],
]);

/** What UCarp's options say. Its -a has no prefix length: `prefixLength` is written. */
export function importUcarpOptions(
    given: ReadonlyMap<UcarpOption, string>,
    place: ImportPlace,
    collector: Collector,
    prefixLength: number,
): VhidDraft | undefined {
    const device = given.get("interface") ?? "";
    const vhid = given.get("vhid") ?? "";
    if (device === "" || vhid === "") {
        const missing = device === "" ? "no interface (-i)" : "no vhid (-v)";
        collector.refuse(place, `ucarp with ${missing}: it is left out`);
        return undefined;
    }
    const carpdev = collector.interfaceName(place, device, false);
    const draft = collector.newVhid(place, carpdev, vhid);
    if (draft === undefined) {
        return undefined;
    }
    const addr = given.get("addr");
    if (addr === undefined || addr === "") {
        collector.note(place, "ucarp without an address (-a)");
    } else {
        collector.addVip(draft, place, `${addr}/${prefixLength}`);
        if (prefixLength === 32 && given.get("upscript") !== undefined) {
            collector.noteOnce(
                place,
                "addresses get /32: UCarp knows no netmask, its up script does; write the one that is in there",
            );
        }
    }
    readNumbers(given, draft, place, collector);
    readPassword(given, draft, place, collector);
    readScripts(given, draft, place, collector);
    for (const [option, text] of readOver) {
        if (given.has(option)) {
            collector.note(place, text);
        }
    }
    collector.noteOnce(
        place,
        'UCarp answers with the interface\'s own MAC, carpd with the virtual one; mac = "physical" keeps it as it was',
    );
    readPreempt(given.has("preempt"), place, collector);
    return draft;
}

function readPreempt(preempt: boolean, place: ImportPlace, collector: Collector): void {
    const before = collector.options.preempt;
    collector.options.preempt = preempt || before === true;
    if (before !== undefined && before !== preempt) {
        collector.noteOnce(
            place,
            "some have -P and some not; preempt is one option for all vhids here: true",
        );
    }
}

function readNumbers(
    given: ReadonlyMap<UcarpOption, string>,
    draft: VhidDraft,
    place: ImportPlace,
    collector: Collector,
): void {
    const advbase = given.get("advbase");
    const advskew = given.get("advskew");
    const ratio = given.get("deadratio");
    if (advbase !== undefined) {
        draft.advbase = collector.integer(place, "advbase", advbase, 0, 255) ?? draft.advbase;
    }
    if (advskew === "255") {
        draft.advskew = 254;
        collector.note(place, "advskew 255 is not one: 254, the largest, is written");
    } else if (advskew !== undefined) {
        draft.advskew = collector.integer(place, "advskew", advskew, 0, 254) ?? draft.advskew;
    }
    if (ratio !== undefined && ratio !== "3") {
        collector.note(place, `-r ${shown(ratio)} is left out: a master is down after 3 intervals`);
    }
}

function readPassword(
    given: ReadonlyMap<UcarpOption, string>,
    draft: VhidDraft,
    place: ImportPlace,
    collector: Collector,
): void {
    const pass = given.get("pass");
    const passFile = given.get("passfile");
    if (pass !== undefined && pass !== "") {
        collector.setPass(draft, place, pass);
    } else if (passFile?.startsWith("/")) {
        draft.passFile = passFile;
    } else if (passFile !== undefined) {
        collector.note(place, `passfile ${shown(passFile)} is not an absolute path: left out`);
    }
}

function readScripts(
    given: ReadonlyMap<UcarpOption, string>,
    draft: VhidDraft,
    place: ImportPlace,
    collector: Collector,
): void {
    for (const option of ["upscript", "downscript"] as const) {
        const script = given.get(option);
        if (script !== undefined && script !== "") {
            draft[option] = collector.script(place, option, script);
        }
    }
    if (draft.upscript !== "" || draft.downscript !== "") {
        collector.noteOnce(
            place,
            "up and down scripts are kept: take out of them what adds and removes the address, carpd does that",
        );
    }
    const xparam = given.get("xparam");
    if (xparam === undefined) {
        return;
    }
    if (/\p{Cc}/u.test(xparam) || new TextEncoder().encode(xparam).length > 256) {
        collector.note(place, "xparam is too long or holds control characters: it is left out");
    } else {
        draft.xparam = xparam;
    }
}
