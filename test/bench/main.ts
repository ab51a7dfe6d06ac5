/**
 * `npm run bench`: measures carpd on networks in namespaces of its own and prints what it found.
 * Not a test: nothing here is right or wrong, but every number can be had again.
 */
import {arch, availableParallelism, cpus, loadavg, release} from "node:os";
import {exitCodes} from "../../src/core/exit-codes.ts";
import {enterNamespaces} from "../../src/io/lab/launch.ts";
import {pairBlock, type Scene, Testbed} from "../support/routers.ts";
import {inPath} from "../support/tools.ts";
import {measureAdverts} from "./adverts.ts";
import {measureArp} from "./arp.ts";
import {
    measureBeside,
    measureHandover,
    measureSplit,
    measureSubSecond,
    measureTakeOver,
} from "./failover.ts";
import {measureForwarding} from "./forwarding.ts";
import {measureGroup} from "./group.ts";
import {measureHmac} from "./hmac.ts";
import {
    type BenchOptions,
    benchHelp,
    type Effort,
    fullEffort,
    type MeasurementName,
    parseBenchOptions,
    quickEffort,
} from "./options.ts";
import {measureResources} from "./resources.ts";
import {type Finding, type Machine, reportJson, reportText} from "./table.ts";

const started = performance.now();
const loadAtStart = loadavg()[0] ?? 0;
const cores = availableParallelism();

type Measure = (scene: Scene, effort: Effort, say: (line: string) => void) => Promise<Finding>;

const measurements: Readonly<Record<Exclude<MeasurementName, "hmac">, Measure>> = {
    takeover: measureTakeOver,
    subsecond: measureSubSecond,
    group: measureGroup,
    handover: measureHandover,
    split: measureSplit,
    adverts: (scene, effort, say) => measureAdverts(scene, effort, say, cores),
    arp: measureArp,
    forwarding: measureForwarding,
    resources: measureResources,
    ucarp: (scene, effort, say) => measureBeside(scene, effort, say, inPath("ucarp")),
};

/** Progress is for whoever waits, on standard error. */
function sayer(name: string): (line: string) => void {
    return (line) => {
        const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4);
        process.stderr.write(`${seconds} s  ${name}: ${line}\n`);
    };
}

function failure(name: string, why: string): Finding {
    return {name, title: "not measured", columns: [], rows: [], notes: [why], failed: true};
}

interface Rights {
    readonly scheduler: string;
    readonly memory: string;
}

/** What carpd says it was granted here. */
async function rightsOf(scene: Scene): Promise<Rights> {
    const router = scene.router("r", scene.segment(), ["192.168.1.2/24"], {carp: [pairBlock(0)]});
    await router.start();
    const {scheduling} = await router.statistics();
    return {scheduler: `${scheduling.scheduler}`, memory: `${scheduling.memory}`};
}

/** What fails becomes a finding: the other measurements may still be possible. */
async function attempt(name: string, body: () => Promise<Finding>): Promise<Finding> {
    sayer(name)("begins");
    try {
        return await body();
    } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        sayer(name)(why);
        return failure(name, why);
    }
}

async function inScene(
    bed: Testbed,
    name: Exclude<MeasurementName, "hmac">,
    effort: Effort,
): Promise<Finding> {
    let finding = failure(name, "nothing was measured");
    await bed.scene(async (scene) => {
        finding = await measurements[name](scene, effort, sayer(name));
    })();
    return finding;
}

function print(options: BenchOptions, rights: Rights, findings: readonly Finding[]): void {
    const machine: Machine = {
        kernel: `${release()} ${arch()}`,
        node: process.version,
        cores,
        cpu: cpus()[0]?.model ?? "unknown",
        loadAtStart,
        loadAtEnd: loadavg()[0] ?? 0,
        ...rights,
        seconds: (performance.now() - started) / 1000,
        quick: options.quick,
    };
    process.stdout.write((options.json ? reportJson : reportText)(machine, findings));
    process.exitCode = findings.some(({failed}) => failed) ? 1 : 0;
}

async function main(): Promise<void> {
    const parsed = parseBenchOptions(process.argv.slice(2));
    if (!parsed.ok) {
        process.stderr.write(`${parsed.error}\n\n${benchHelp}`);
        process.exitCode = exitCodes.usage;
        return;
    }
    const options = parsed.value;
    if (options.help) {
        process.stdout.write(benchHelp);
        return;
    }
    const effort = options.quick ? quickEffort : fullEffort;
    const entry = await enterNamespaces();
    const findings: Finding[] = [];
    if (entry.kind === "refused") {
        const {reason, remedy} = entry.refusal;
        const why = `namespaces are refused here: ${reason}; what would allow them: ${remedy}`;
        for (const name of options.only) {
            findings.push(name === "hmac" ? await attempt(name, measureHmac) : failure(name, why));
        }
        print(options, {scheduler: "not started", memory: "no namespaces"}, findings);
        return;
    }
    const bed = new Testbed();
    let rights: Rights = {scheduler: "not asked", memory: "not asked"};
    await bed.scene(async (scene) => {
        rights = await rightsOf(scene);
    })();
    for (const name of options.only) {
        const body = name === "hmac" ? measureHmac : () => inScene(bed, name, effort);
        findings.push(await attempt(name, body));
    }
    await bed.end();
    print(options, rights, findings);
}

await main();
