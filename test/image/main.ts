/**
 * Tests of the image: builds it, boots it in virtual machines, and does to it what happens to a
 * router in its life.
 *
 *     node dist/test/image/main.js [--long] [--arch ARCH] [--no-build] [--verbose] [--seed N] [CASE ...]
 *
 * Without a name: the short form, or with --long everything. The machines, their network and all
 * that this program starts live in namespaces that end with it, however it ends; the work folder is
 * removed. Transcripts of all serial ports stay in build-test/logs/image. The last line is
 * `N passed, N failed, N skipped`. Exit code 1: something failed; 64: usage.
 */
import {existsSync, mkdirSync, readdirSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {parseArgs} from "node:util";
import {enterNamespaces} from "../../src/io/lab/launch.ts";
import {inCi} from "../support/tools.ts";
import {Bench} from "./bench.ts";
import {type ImageCase, Skipped} from "./case.ts";
import {cases} from "./cases/all.ts";
import {type Arch, buildImage, builtImage} from "./image.ts";
import {makeSegments} from "./network.ts";
import {installTools} from "./tools.ts";

interface Options {
    readonly long: boolean;
    readonly arch: Arch;
    readonly build: boolean;
    readonly verbose: boolean;
    readonly seed: number;
    readonly wanted: readonly ImageCase[];
}

const logs = "build-test/logs/image";
/** Names the work folder to the program inside the namespaces. */
const folderVariable = "CARPD_IMAGE_TEST_FOLDER";
const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const folderName = /^carpd-image-(\d+)$/u;

function say(line: string): void {
    process.stdout.write(`${line}\n`);
}

function usage(message: string): never {
    const names = cases.map((one) => `    ${one.name} (${one.form})`).join("\n");
    process.stderr.write(`${message}\ncases:\n${names}\n`);
    process.exit(64);
}

function readOptions(): Options {
    const {values, positionals} = parseArgs({
        allowPositionals: true,
        options: {
            long: {type: "boolean", default: false},
            arch: {type: "string", default: "amd64"},
            "no-build": {type: "boolean", default: false},
            verbose: {type: "boolean", default: false},
            seed: {type: "string"},
        },
    });
    const {arch, long} = values;
    if (arch !== "amd64" && arch !== "arm64") usage("--arch wants amd64 or arm64");
    const seed = values.seed === undefined ? 1 + (Date.now() % 1_000_000) : Number(values.seed);
    if (!Number.isSafeInteger(seed) || seed < 1) usage("--seed wants a positive number");
    for (const name of positionals) {
        if (!cases.some((one) => one.name === name)) usage(`there is no case ${name}`);
    }
    const wanted = cases.filter((one) =>
        positionals.length === 0 ? long || one.form === "short" : positionals.includes(one.name),
    );
    return {
        long: long || wanted.some((one) => one.form === "long"),
        arch,
        build: !values["no-build"],
        verbose: values.verbose,
        seed,
        wanted,
    };
}

/** Work folders of runs that were killed before they could remove theirs. */
function removeLeftovers(): void {
    for (const name of readdirSync(tmpdir())) {
        const pid = folderName.exec(name)?.[1];
        if (pid !== undefined && !existsSync(`/proc/${pid}`)) {
            rmSync(join(tmpdir(), name), {recursive: true, force: true});
        }
    }
}

function skipAll(options: Options, reason: string): void {
    for (const one of options.wanted) say(`skipped: ${one.name}: ${reason}`);
    say(`0 passed, 0 failed, ${options.wanted.length} skipped`);
}

/** Outside the namespaces: tools and image, which need the machine's own network and root. */
async function prepare(options: Options): Promise<boolean> {
    const stop = (): never => process.exit(130);
    for (const signal of stopSignals) process.on(signal, stop);
    const missing = await installTools(options.long, say);
    if (missing !== undefined) {
        if (inCi) say(`image: ${missing}`);
        if (inCi) say("0 passed, 1 failed, 0 skipped");
        else skipAll(options, missing);
        process.exitCode = inCi ? 1 : 0;
        return false;
    }
    if (options.build) {
        const begin = performance.now();
        const failure = await buildImage(options.arch, options.verbose);
        const seconds = ((performance.now() - begin) / 1000).toFixed(1);
        say(`image of ${options.arch}${failure === undefined ? "" : " FAILED"}: ${seconds} s`);
        if (failure !== undefined) {
            say(failure);
            say("0 passed, 1 failed, 0 skipped");
            process.exitCode = 1;
            return false;
        }
    }
    removeLeftovers();
    const folder = join(tmpdir(), `carpd-image-${process.pid}`);
    mkdirSync(folder, {mode: 0o700});
    process.env[folderVariable] = folder;
    process.on("exit", () => rmSync(folder, {recursive: true, force: true}));
    // From here on it is the launcher of the namespaces that hears them.
    for (const signal of stopSignals) process.off(signal, stop);
    return true;
}

async function runCase(bench: Bench, one: ImageCase): Promise<"passed" | "failed" | Skipped> {
    const begin = performance.now();
    const seconds = (): string => `${((performance.now() - begin) / 1000).toFixed(1)} s`;
    say(one.name);
    try {
        await one.run(bench);
        say(`ok ${one.name} (${seconds()})`);
        return "passed";
    } catch (error) {
        if (error instanceof Skipped) {
            say(`skipped: ${one.name}: ${error.message}`);
            return error;
        }
        say(`not ok ${one.name} (${seconds()})`);
        say(error instanceof Error ? (error.stack ?? error.message) : String(error));
        for (const path of bench.transcripts()) say(`    transcript: ${path}`);
        return "failed";
    } finally {
        await bench.powerOff();
    }
}

/** Inside: one case after the other. */
async function runAll(options: Options, folder: string): Promise<void> {
    const image = await builtImage(options.arch, folder);
    if (typeof image === "string") {
        say(image);
        say("0 passed, 1 failed, 0 skipped");
        process.exitCode = 1;
        return;
    }
    makeSegments();
    rmSync(logs, {recursive: true, force: true});
    const folders = {work: folder, logs};
    const bench = new Bench(image, folders, options.seed, {line: say});
    say(`seed ${options.seed}`);
    const counts = {passed: 0, failed: 0, skipped: 0};
    const results: string[] = [];
    for (const one of options.wanted) {
        const result = await runCase(bench, one);
        const kind = result instanceof Skipped ? "skipped" : result;
        counts[kind] += 1;
        results.push(`${kind} ${one.name}`);
    }
    await bench.end();
    writeFileSync(join(logs, "results.txt"), `${results.join("\n")}\n`);
    say(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
    process.exitCode = counts.failed > 0 ? 1 : 0;
}

async function main(): Promise<void> {
    process.chdir(join(import.meta.dirname, "../../.."));
    const options = readOptions();
    const inside = process.env[folderVariable];
    if (inside === undefined && !(await prepare(options))) return;
    const entry = await enterNamespaces();
    if (entry.kind === "refused") {
        skipAll(options, `namespaces are refused here: ${entry.refusal.reason}`);
        process.exitCode = inCi ? 1 : 0;
        return;
    }
    await runAll(options, inside ?? "");
    // Sockets of machines that are off may still be closing.
    process.exit();
}

await main();
