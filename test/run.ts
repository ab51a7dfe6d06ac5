/**
 * Runs the tests: all stages, or those that are named.
 *
 *     node dist/test/run.js [--verbose] [--seconds N] [--seed N] [STAGE ...]
 *
 * STAGE is one of format, tidy, lint, unit, asan, tsan, sim, netns, interop, fuzz, image (virtual
 * machines, ten minutes: only by name and in CI), or `check` (the first three), `native` (asan,
 * tsan). The last line counts everything. Exit code 1: something failed, a stage ran nothing, or,
 * in CI, something was skipped for a reason that is not the kernel's; 64: usage.
 */
import {mkdirSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {parseArgs} from "node:util";
import {type Count, sum, total} from "./support/count.ts";
import {type Context, type Stage, stages} from "./support/stages.ts";
import {inCi, installMissing} from "./support/tools.ts";

/** Reasons that no package and no privilege can change. */
const allowedInCi = [/^kernel: /];
const shownLines = 400;

function usage(message: string): never {
    const names = stages.map((stage) => stage.name).join(", ");
    process.stderr.write(`${message}\nstages: ${names}, check, native\n`);
    process.exit(64);
}

function say(text: string): void {
    process.stdout.write(`${text}\n`);
}

function counted(count: Count): string {
    return `${count.passed} passed, ${count.failed} failed, ${count.skips.length} skipped`;
}

function showLog(stage: Stage, log: string): void {
    const path = `build-test/logs/${stage.name}.log`;
    const lines = log.trimEnd().split("\n");
    const shown = lines.slice(-shownLines);
    if (shown.length < lines.length) say(`(the last ${shown.length} lines of ${path})`);
    say(shown.map((line) => `    ${line}`).join("\n"));
}

async function runStage(stage: Stage, context: Context): Promise<Count> {
    const begin = performance.now();
    let count = await stage.run(context);
    if (total(count) === 0) {
        context.log.push("no test ran in this stage\n");
        count = {...count, failed: 1};
    }
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    const log = context.log.join("");
    mkdirSync("build-test/logs", {recursive: true});
    writeFileSync(`build-test/logs/${stage.name}.log`, log);
    say(`${stage.name.padEnd(8)} ${counted(count).padEnd(40)} ${seconds.padStart(7)} s`);
    if (count.failed > 0 && !context.verbose) showLog(stage, log);
    return count;
}

function positive(name: string, text: string | undefined): number | undefined {
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!Number.isInteger(value) || value <= 0) usage(`--${name} wants a positive number`);
    return value;
}

async function main(): Promise<void> {
    process.chdir(join(import.meta.dirname, "../.."));
    const {values, positionals} = parseArgs({
        allowPositionals: true,
        options: {
            verbose: {type: "boolean", default: false},
            seconds: {type: "string"},
            seed: {type: "string"},
        },
    });
    const seconds = positive("seconds", values.seconds);
    const seed = positive("seed", values.seed) ?? 1 + (Date.now() % 1_000_000);
    for (const name of positionals) {
        if (!stages.some((stage) => stage.name === name || stage.groups.includes(name))) {
            usage(`there is no stage ${name}`);
        }
    }
    const isNamed = (stage: Stage) =>
        positionals.includes(stage.name) ||
        stage.groups.some((group) => positionals.includes(group));
    const wanted = stages.filter((stage) => positionals.length === 0 || isNamed(stage));
    for (const line of await installMissing()) say(line);
    const counts: Count[] = [];
    for (const stage of wanted) {
        const context = {verbose: values.verbose, named: isNamed(stage), seconds, seed, log: []};
        counts.push(await runStage(stage, context));
    }
    const all = sum(counts);
    const refused = all.skips.filter(
        ({reason}) => inCi && !allowedInCi.some((allowed) => allowed.test(reason)),
    );
    for (const skip of all.skips) {
        const note = refused.includes(skip) ? " (must not be skipped in CI)" : "";
        say(`skipped: ${skip.name}: ${skip.reason}${note}`);
    }
    say(counted(all));
    process.exitCode = all.failed > 0 || refused.length > 0 ? 1 : 0;
}

await main();
