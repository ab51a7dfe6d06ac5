/** The stages of `npm test`: what each one runs and how its result is counted. */
import {existsSync, mkdirSync, readdirSync, readFileSync} from "node:fs";
import {availableParallelism} from "node:os";
import {dirname, join, resolve} from "node:path";
import {runImageTests} from "../image/stage.ts";
import {type Outcome, run} from "./command.ts";
import {
    type Count,
    nativeCount,
    oneFailed,
    onePassed,
    oneSkipped,
    sum,
    tapCount,
    total,
} from "./count.ts";
import {hasLibcrypto, inCi, inPath} from "./tools.ts";

export interface Context {
    readonly verbose: boolean;
    /** The stage was asked for by name: fuzzing then takes its time. */
    readonly named: boolean;
    readonly seconds: number | undefined;
    readonly seed: number;
    /** What the stage has to say if it fails. */
    readonly log: string[];
}

export interface Stage {
    readonly name: string;
    /** Other words that select it. */
    readonly groups: readonly string[];
    readonly run: (context: Context) => Promise<Count>;
}

/** Everything is run from the top folder; compiled tests are in dist/. */
const dist = "dist/test";
const built = "build-test";
/** Tests of the source tree itself; the rest of test/unit tests the program. */
const tidyFiles = ["tidy", "engine-names", "lockfile"];

async function step(context: Context, argv: readonly string[], env = {}): Promise<Outcome> {
    context.log.push(`$ ${argv.join(" ")}\n`);
    const outcome = await run(argv, {show: context.verbose, env});
    context.log.push(outcome.output);
    if (outcome.code !== 0) context.log.push(`(exit ${outcome.code})\n`);
    return outcome;
}

async function check(context: Context, argv: readonly string[]): Promise<Count> {
    return (await step(context, argv)).code === 0 ? onePassed : oneFailed;
}

function nativeSources(folders: readonly string[], endings: readonly string[]): readonly string[] {
    return folders
        .filter((folder) => existsSync(folder))
        .flatMap((folder) =>
            readdirSync(folder, {recursive: true, encoding: "utf8"})
                .filter((name) => endings.some((ending) => name.endsWith(ending)))
                .map((name) => join(folder, name)),
        )
        .sort();
}

async function formatStage(context: Context): Promise<Count> {
    const counts = [await check(context, ["node_modules/.bin/biome", "ci", "."])];
    if (inPath("clang-format")) {
        const files = nativeSources(
            ["native", "test/native", "test/sim", "test/fuzz", "test/bench"],
            [".cc", ".h"],
        );
        counts.push(await check(context, ["clang-format", "--dry-run", "-Werror", ...files]));
    } else {
        counts.push(oneSkipped("clang-format", "clang-format is not installed"));
    }
    return sum(counts);
}

/** As many compilers as processors, and not more: each takes half a gigabyte. */
const jobs = `-j${Math.min(availableParallelism(), 8)}`;

async function lintStage(context: Context): Promise<Count> {
    if (!inPath("clang-tidy")) return oneSkipped("clang-tidy", "clang-tidy is not installed");
    return await check(context, ["make", jobs, "-k", "-f", "test/native/Makefile", "lint"]);
}

/** node --test with two reports: one to read, one to count. */
async function nodeTests(
    context: Context,
    name: string,
    files: readonly string[],
    flags: readonly string[] = [],
): Promise<Count> {
    if (files.length === 0) return {passed: 0, failed: 0, skips: []};
    mkdirSync(built, {recursive: true});
    const tapFile = `${built}/${name}.tap`;
    const outcome = await step(context, [
        process.execPath,
        "--enable-source-maps",
        "--test",
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        "--test-reporter=tap",
        `--test-reporter-destination=${tapFile}`,
        ...flags,
        ...files,
    ]);
    return tapCount(outcome.code, existsSync(tapFile) ? readFileSync(tapFile, "utf8") : "");
}

function testFiles(folder: string): readonly string[] {
    if (!existsSync(`${dist}/${folder}`)) return [];
    return (
        readdirSync(`${dist}/${folder}`)
            .filter((name) => name.endsWith(".test.js"))
            // A compiled file outlives its source until dist/ is made anew.
            .filter((name) => existsSync(`test/${folder}/${name.replace(/\.js$/, ".ts")}`))
            .sort()
            .map((name) => `${dist}/${folder}/${name}`)
    );
}

const isTidy = (file: string) => tidyFiles.some((name) => file.endsWith(`/${name}.test.js`));

/** Builds the programs of one goal of the Makefile and says which there are. */
async function programs(
    context: Context,
    goal: string,
    variables: readonly string[],
): Promise<readonly string[] | undefined> {
    const make = [
        "make",
        jobs,
        "-f",
        "test/native/Makefile",
        `NODE=${process.execPath}`,
        ...variables,
    ];
    if ((await step(context, [...make, goal])).code !== 0) return undefined;
    const list = await step(context, [...make, "-s", `list-${goal}`]);
    return list.output.split(/\s+/).filter((word) => word !== "");
}

/** How to run a program in namespaces of its own, or why that is not possible. */
async function unsharing(): Promise<
    {readonly argv: readonly string[]} | {readonly reason: string}
> {
    const argv = ["unshare", "-Urn", "--kill-child", "--fork"];
    const allowed = await run([...argv, "true"]);
    if (allowed.code === 0) return {argv};
    const said = allowed.output.trim().split("\n")[0] ?? "";
    return {reason: `namespaces are refused here: ${said}`};
}

async function runNative(context: Context, program: string): Promise<Count> {
    const name = program.split("/").at(-1) ?? program;
    let before: readonly string[] = [];
    if (name === "sys_netns") {
        const way = await unsharing();
        if ("reason" in way) return oneSkipped(name, way.reason);
        before = way.argv;
    }
    const env = {
        ASAN_OPTIONS: "detect_stack_use_after_return=1:strict_string_checks=1",
        // Built by the same goal; tests of the daemon's end need the real one.
        CARP_JANITOR: resolve(dirname(program), "carp_janitor"),
    };
    let outcome = await step(context, [...before, program], env);
    if (outcome.output.includes("ThreadSanitizer: unexpected memory mapping")) {
        // Kernels with many random address bits: without randomisation the mapping is as expected.
        outcome = await step(context, ["setarch", "-R", program], env);
    }
    return nativeCount(name, outcome.code, outcome.output);
}

async function nativeGoal(context: Context, goal: string, variant: string): Promise<Count> {
    if (!(await hasLibcrypto())) {
        return oneSkipped(`native ${goal}`, "the linker finds no libcrypto.so.3 (package libssl3)");
    }
    const list = await programs(context, goal, [`VARIANT=${variant}`]);
    if (list === undefined) return oneFailed;
    const counts: Count[] = [];
    for (const program of list) {
        const count = await runNative(context, program);
        // A program without a case that ran proves nothing.
        counts.push(total(count) === 0 ? oneFailed : count);
    }
    return sum(counts);
}

async function fuzzStage(context: Context): Promise<Count> {
    if (!(await hasLibcrypto())) {
        return oneSkipped("fuzz", "the linker finds no libcrypto.so.3 (package libssl3)");
    }
    const libFuzzer = context.named && inPath("clang++");
    const seconds = context.seconds ?? (context.named ? 60 : 5);
    const variables = ["VARIANT=asan", ...(libFuzzer ? ["CXX=clang++", "FUZZER=libfuzzer"] : [])];
    const list = await programs(context, "fuzz", variables);
    if (list === undefined) return oneFailed;
    const counts: Count[] = [];
    for (const program of list) {
        const name = program.split("/fuzz_").at(-1) ?? program;
        const corpus = `test/fuzz/corpus/${name}`;
        const found = `${built}/fuzz/${name}`;
        mkdirSync(found, {recursive: true});
        const argv = libFuzzer
            ? [
                  program,
                  `-max_total_time=${seconds}`,
                  `-seed=${context.seed}`,
                  `-artifact_prefix=${found}/`,
                  found,
                  corpus,
              ]
            : [
                  program,
                  ...["--seed", `${context.seed}`, "--seconds", `${seconds}`],
                  ...["--crash", `${found}/crash`, corpus],
              ];
        const outcome = await step(context, argv);
        counts.push(outcome.code === 0 ? onePassed : oneFailed);
    }
    return sum(counts);
}

/** The short form of test/image. It takes ten minutes, so only CI runs it without being asked. */
async function imageStage(context: Context): Promise<Count> {
    if (!inCi && !context.named) return oneSkipped("image", "ten minutes long: npm test image");
    const {count, output} = await runImageTests(context.verbose);
    context.log.push(output);
    return count;
}

/** One test at a time and a limit for each: what hangs is named instead of stopping everything. */
const sequential = ["--test-concurrency=1", "--test-timeout=300000"];

/** They mostly wait for the protocol's seconds, each in namespaces of its own. */
const byTwos = ["--test-concurrency=2", "--test-timeout=300000"];

/**
 * Tests of namespaces that judge milliseconds. Namespaces share the kernel's one lock for network
 * changes: while another test removes its own, a router here cannot remove its macvlan (measured:
 * 176 ms where alone it takes 2), so each of these has the machine to itself.
 */
const measured = ["election", "failover", "flood", "frames", "group", "lab"];

async function netnsStage(context: Context): Promise<Count> {
    const files = testFiles("netns");
    const alone = files.filter((file) =>
        measured.some((name) => file.endsWith(`/${name}.test.js`)),
    );
    const others = files.filter((file) => !alone.includes(file));
    if (alone.length !== measured.length) {
        context.log.push(
            `of the files ${measured.join(", ")} there are only ${alone.join(", ")}\n`,
        );
        return oneFailed;
    }
    return sum([
        await nodeTests(context, "netns-measured", alone, sequential),
        await nodeTests(context, "netns", others, byTwos),
    ]);
}

/** In this order: the quick ones first. */
export const stages: readonly Stage[] = [
    {name: "format", groups: ["check"], run: formatStage},
    {
        name: "tidy",
        groups: ["check"],
        run: async (context) => await nodeTests(context, "tidy", testFiles("unit").filter(isTidy)),
    },
    {name: "lint", groups: ["check"], run: lintStage},
    {
        name: "unit",
        groups: [],
        run: async (context) =>
            await nodeTests(
                context,
                "unit",
                testFiles("unit").filter((file) => !isTidy(file)),
                ["--test-timeout=120000"],
            ),
    },
    {
        name: "asan",
        groups: ["native"],
        run: async (context) => await nativeGoal(context, "native", "asan"),
    },
    {
        name: "tsan",
        groups: ["native"],
        run: async (context) => await nativeGoal(context, "tsan", "tsan"),
    },
    {name: "sim", groups: [], run: async (context) => await nativeGoal(context, "sim", "asan")},
    {name: "netns", groups: [], run: netnsStage},
    {
        name: "interop",
        groups: [],
        run: async (context) =>
            await nodeTests(context, "interop", testFiles("interop"), sequential),
    },
    {name: "fuzz", groups: [], run: fuzzStage},
    {name: "image", groups: [], run: imageStage},
];
