/** Runs a scenario from its first host to its report. Main thread. */
import type {StepResult} from "../../core/lab/claims.ts";
import {type RunReport, reportOf} from "../../core/lab/report.ts";
import {
    balance,
    handbook,
    type NetworkSpec,
    preempt,
    type ScenarioName,
    twoRouters,
} from "../../core/lab/scenario.ts";
import {tellBalance} from "./balance.ts";
import {tellHandbook} from "./handbook.ts";
import type {LabNetwork} from "./network.ts";
import {tellPreempt} from "./preempt.ts";
import {type Audience, Story} from "./story.ts";
import {tellTwoRouters} from "./two-routers.ts";

export interface RunOptions {
    readonly scenario: ScenarioName;
    readonly fast: boolean;
    readonly keep: boolean;
    readonly audience: Audience;
    /** `part` names a network where a scenario has several; "" where it has one. */
    readonly createNetwork: (spec: NetworkSpec, part: string) => Promise<LabNetwork>;
}

export interface RunResult {
    readonly report: RunReport;
    /** Still running, for `--keep`; null otherwise. */
    readonly kept: LabNetwork | null;
    /** What the daemons wrote last, when something went wrong. */
    readonly logs: readonly string[];
}

interface Part {
    readonly name: string;
    readonly title: string;
    readonly spec: NetworkSpec;
    readonly tell: (story: Story) => Promise<void>;
}

/** Long enough to read two lines. */
const readingMs = 2600;

function partsOf(scenario: ScenarioName): readonly Part[] {
    switch (scenario) {
        case "two-routers":
            return [
                {name: "", title: "carpd lab: two routers", spec: twoRouters, tell: tellTwoRouters},
            ];
        case "handbook":
            return (["no-preempt", "preempt"] as const).map((variant) => ({
                name: variant,
                title: `carpd lab: the handbook's three hosts, ${variant}`,
                spec: handbook(variant),
                tell: (story) => tellHandbook(story, variant),
            }));
        case "preempt":
            return (["fast", "plain"] as const).map((variant) => ({
                name: variant,
                title: `carpd lab: all interfaces move together, ${variant} take-over`,
                spec: preempt(variant),
                tell: (story) => tellPreempt(story, variant),
            }));
        case "balance":
            return [
                {name: "", title: "carpd lab: ARP balancing", spec: balance, tell: tellBalance},
            ];
    }
}

/** What went wrong, and the errors behind it, in one line. */
function reasonOf(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    return error.cause === undefined ? error.message : `${error.message}: ${reasonOf(error.cause)}`;
}

function logsOf(network: LabNetwork): readonly string[] {
    return network.spec.hosts
        .map(({name}) => ({name, tail: network.logTail(name)}))
        .filter(({tail}) => tail !== "")
        .map(({name, tail}) => `${name}:\n${tail}`);
}

/** Why a network could not be taken down; null: it was. */
async function closed(network: LabNetwork): Promise<string | null> {
    try {
        await network.close();
        return null;
    } catch (error) {
        return `taking the network down: ${reasonOf(error)}`;
    }
}

/** Never rejects for what a story met: that is in the report. */
export async function runScenario(options: RunOptions): Promise<RunResult> {
    const steps: StepResult[] = [];
    const parts = partsOf(options.scenario);
    let kind = "none";
    let error: string | null = null;
    let logs: readonly string[] = [];
    let kept: LabNetwork | null = null;
    let startedAtUs: number | undefined;
    let tookS = 0;
    for (const [index, part] of parts.entries()) {
        let network: LabNetwork | null = null;
        try {
            network = await options.createNetwork(part.spec, part.name);
            kind = network.kind;
            startedAtUs ??= network.now();
            const story = new Story(network, {
                title: network.kind === "simulation" ? `${part.title} (simulated)` : part.title,
                audience: options.audience,
                readingMs: options.fast ? 0 : readingMs,
                tickMs: 100,
                steps,
                startedAtUs,
            });
            await part.tell(story);
        } catch (caught) {
            error = reasonOf(caught);
        }
        if (network === null) break;
        tookS = (network.now() - (startedAtUs ?? 0)) / 1_000_000;
        const good = error === null && steps.every(({claims}) => claims.every(({ok}) => ok));
        if (!good) logs = [...logs, ...logsOf(network)];
        if (options.keep && (index === parts.length - 1 || error !== null)) kept = network;
        else error = (await closed(network)) ?? error;
        if (error !== null) break;
    }
    return {report: reportOf(options.scenario, kind, tookS, steps, error), kept, logs};
}
