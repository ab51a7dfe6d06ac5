/**
 * The BSDs' own commands: a typed line to the edits and acts that it stands for. Pure; carpd's main
 * thread calls it and does what the outcome says.
 *
 * A line may hold several commands, `&&` or `;` between them. It is done as a whole or not at all:
 * the first command that is refused ends it, and nothing of it is kept. Lines that end with a
 * backslash are given together with the next one (`isContinued`).
 */
import {type Diagnostic, didYouMean, formatDiagnostic, SourceText} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";
import {Working} from "./draft.ts";
import {runIfconfig} from "./ifconfig.ts";
import {ifconfigKeywords} from "./ifconfig-words.ts";
import {runHostname, runRoute} from "./route.ts";
import {runSysctl, sysctlVariables} from "./sysctl.ts";
import {
    type Command,
    type Refuse,
    readCommands,
    refuse,
    secretSpans,
    shown,
    type Word,
} from "./words.ts";
import type {BsdOutcome, BsdRefusal, BsdWorld} from "./world.ts";

type Run = (working: Working, command: Command) => Result<string, Refuse>;

const programs: ReadonlyMap<string, Run> = new Map([
    ["ifconfig", runIfconfig],
    ["sysctl", runSysctl],
    ["route", runRoute],
    ["hostname", runHostname],
]);
const raisers = new Set(["sudo", "doas"]);

/** The program's name without the folders that a BSD has it in. */
function programName(word: Word): string {
    return word.text.replace(/^(?:\/usr)?\/s?bin\//u, "");
}

/** The command without `sudo` and `doas`: who may do it has been decided by the role. */
function withoutRaiser(command: Command): Result<Command, Refuse> {
    const [first, second, ...rest] = command;
    if (!raisers.has(programName(first))) {
        return ok(command);
    }
    return second === undefined
        ? refuse(first, `${first.text} what?`, "a command behind it")
        : ok([second, ...rest]);
}

/** Whether a line begins like one of these commands, so that it is meant for this module. */
export function isBsdLine(line: string): boolean {
    const words = line.replace(/^[ \t]*[#$%][ \t]+/u, "").match(/[^\s;&]+/gu) ?? [];
    const first = words.find((word) => !raisers.has(word)) ?? "";
    return programs.has(programName({text: first, start: 0, end: 0}));
}

export function runBsdLine(line: string, world: BsdWorld): Result<BsdOutcome, BsdRefusal> {
    const commands = readCommands(line);
    if (!commands.ok) {
        return err(diagnose(line, "bsd", commands.error));
    }
    const working = new Working(world);
    let output = "";
    for (const typed of commands.value) {
        const command = withoutRaiser(typed);
        if (!command.ok) {
            return err(diagnose(line, "bsd", command.error));
        }
        const [word] = command.value;
        const name = programName(word);
        const run = programs.get(name);
        if (run === undefined) {
            const known = [...programs.keys()];
            const message = `unknown command ${shown(word.text)}`;
            const hint = didYouMean(name, known);
            return err(
                diagnose(line, "bsd", {at: word, message, expected: known.join(", "), hint}),
            );
        }
        const done = run(working, command.value);
        if (!done.ok) {
            return err(diagnose(line, name, done.error));
        }
        output += done.value;
    }
    return ok({
        output,
        edits: working.edits(),
        admin: working.admin.filter(({name}) => working.drafts.get(name)?.complete === true),
        demotions: working.demotions,
        pending: working.pending(),
    });
}

function diagnose(line: string, file: string, {at, message, expected, hint}: Refuse): Diagnostic {
    const source = new SourceText(file, line);
    source.hide(secretSpans(line));
    return source.diagnostic(at, {message, expected: expected ?? "", hint: hint ?? ""});
}

/**
 * The printed form, several lines without a final line feed:
 *
 *     ifconfig: advskew must be 0..254, not 300
 *     ifconfig carp0 vhid 1 advskew 300
 *                                   ^^^ expected a number from 0 to 254 (1/256 s)
 */
export function formatBsdRefusal(refusal: BsdRefusal): string {
    const [, ...rest] = formatDiagnostic(refusal).split("\n");
    return [`${refusal.file}: ${refusal.message}`, ...rest].join("\n");
}

/** What may be typed behind each command's name, for completion. */
export const bsdWords: Readonly<Record<string, readonly string[]>> = {
    ifconfig: ifconfigKeywords,
    sysctl: sysctlVariables,
    route: ["add", "change", "delete", "default"],
    hostname: [],
};

export {hideBsdSecrets, isContinued} from "./words.ts";
export {
    type BsdOutcome,
    type BsdPending,
    type BsdRefusal,
    type BsdWorld,
    nothingPending,
} from "./world.ts";
