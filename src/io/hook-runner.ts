/**
 * Runs the hooks of one change of state: the programs of hooks.d beside carpd.toml, then upscript
 * or downscript. Main thread.
 *
 * The folder is read at each run, so that a hook may be added without a reload. What is not run is
 * said once, not at each run: a world-writable file as a warning (whoever writes to it would run as
 * root), a file that is not executable or has a name with a dot as a remark.
 */
import {readdir, stat} from "node:fs/promises";
import {basename, join, resolve} from "node:path";
import type {HookRunner} from "../app/ports.ts";
import {mostLines, mostOctets} from "../core/hook-output.ts";
import {byOctets, type HookRun, isHookName, subjectOf} from "../core/hooks.ts";
import {type Log, type LogLevel, note} from "../core/log.ts";
import {type ProgramEnd, runProgram} from "./process-group.ts";
import {codeOf} from "./system-error.ts";

interface Step {
    readonly path: string;
    readonly args: readonly string[];
    /** For the log: the name in hooks.d, or the path of a script. */
    readonly label: string;
}

interface Refusal {
    readonly level: LogLevel;
    readonly text: string;
}

const writableByAll = 0o002;
const executable = 0o111;

/** Why the program is not run; null: it may be. */
async function refusal(path: string): Promise<Refusal | null> {
    try {
        const status = await stat(path);
        if (status.isDirectory()) return {level: "info", text: "it is a directory"};
        if (!status.isFile()) return {level: "warning", text: "not a regular file"};
        if ((status.mode & writableByAll) !== 0) {
            return {level: "warning", text: "everybody may write to it (chmod o-w)"};
        }
        if ((status.mode & executable) === 0) {
            return {level: "info", text: "not executable (chmod +x)"};
        }
        return null;
    } catch (error) {
        return {level: "warning", text: codeOf(error)};
    }
}

export class DirectoryHookRunner implements HookRunner {
    readonly #configDirectory: string;
    readonly #directory: string;
    readonly #log: Log;
    /** What the last run refused, so that it is said once. */
    #refused = new Set<string>();

    /** `configDirectory`: where carpd.toml is. */
    constructor(configDirectory: string, log: Log) {
        this.#configDirectory = configDirectory;
        this.#directory = join(configDirectory, "hooks.d");
        this.#log = log;
    }

    async run(run: HookRun, cancel: AbortSignal): Promise<void> {
        const steps = [...(await this.#hooks(run)), ...(await this.#scripts(run))];
        for (const step of steps) await this.#runStep(run, step, cancel);
    }

    /** In C order. A folder that is not there has none. */
    async #hooks(run: HookRun): Promise<readonly Step[]> {
        const refused = new Set<string>();
        const refuse = (path: string, {level, text}: Refusal): void => {
            const line = `${path} is not run: ${text}`;
            refused.add(line);
            if (!this.#refused.has(line)) this.#log.write(note(level, "hook", line, {hook: path}));
        };
        const steps: Step[] = [];
        for (const name of await this.#names(refuse)) {
            const path = join(this.#directory, name);
            const why = await refusal(path);
            if (why !== null) {
                refuse(path, why);
            } else if (!isHookName(name)) {
                const text = "its name may hold letters, digits, - and _ only";
                refuse(path, {level: "info", text});
            } else {
                steps.push({path, args: run.args, label: name});
            }
        }
        this.#refused = refused;
        return steps;
    }

    async #names(refuse: (path: string, why: Refusal) => void): Promise<readonly string[]> {
        const directory = this.#directory;
        try {
            const status = await stat(directory);
            if ((status.mode & writableByAll) !== 0) {
                const text = "everybody may write to it (chmod o-w)";
                refuse(directory, {level: "warning", text});
                return [];
            }
            const names = await readdir(directory);
            return names.filter((name) => !name.startsWith(".")).sort(byOctets);
        } catch (error) {
            if (codeOf(error) !== "ENOENT") {
                refuse(directory, {level: "warning", text: codeOf(error)});
            }
            return [];
        }
    }

    /** A script that the configuration names and that cannot be run is worth a line each time. */
    async #scripts(run: HookRun): Promise<readonly Step[]> {
        const steps: Step[] = [];
        for (const script of run.scripts) {
            const path = resolve(this.#configDirectory, script.path);
            const why = await refusal(path);
            if (why === null) {
                steps.push({path, args: script.args, label: path});
            } else {
                const text = `${run.name}: ${path} is not run: ${why.text}`;
                this.#log.write(note("warning", "hook", text, {hook: path, name: run.name}));
            }
        }
        return steps;
    }

    async #runStep(run: HookRun, step: Step, cancel: AbortSignal): Promise<void> {
        const {name, carpdev, vhid, state} = run;
        const fields = {name, carpdev, vhid, state, hook: step.label};
        const say = (level: LogLevel, text: string): void => {
            const prefix = `${name}: ${subjectOf(run)} ${state}: ${basename(step.path)}`;
            this.#log.write(note(level, "hook", `${prefix}: ${text}`, fields));
        };
        const end = await runProgram(
            {
                path: step.path,
                args: step.args,
                environment: run.environment,
                limitMs: run.limitMs,
                line: (text) => say("info", text),
            },
            cancel,
        );
        if (end.cut) {
            say(
                "info",
                `(more output was dropped: beyond ${mostLines} lines or ${mostOctets} octets)`,
            );
        }
        const trouble = troubleOf(end, run.limitMs);
        if (trouble !== "") say("warning", trouble);
        if (end.survived) say("error", "some of its processes cannot be killed");
    }
}

/** "" for exit status 0. */
function troubleOf(end: ProgramEnd, limitMs: number): string {
    switch (end.kind) {
        case "exited":
            return end.detail === "0" ? "" : `exit status ${end.detail}`;
        case "killed":
            return `ended by ${end.detail}`;
        case "failed":
            return `cannot be run: ${end.detail}`;
        case "late":
            return `killed: it ran longer than ${limitMs} ms (hook-timeout)`;
        case "cancelled":
            return `${end.detail === "not begun" ? "not run" : "killed"}: the daemon ends`;
    }
}
