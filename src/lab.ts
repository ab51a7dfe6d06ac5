#!/usr/bin/env node
/**
 * The lab: the composition root. Outside it only starts itself again inside namespaces; inside it
 * builds the network, tells the story and reports. Where namespaces are refused, or with --simulate,
 * it stays outside and tells the story on a network in memory. With --agent it is a hand of the lab inside one
 * host. Main thread; pings and captures have their own, in the addon.
 */
import {accessSync, constants, existsSync, mkdirSync} from "node:fs";
import {constants as osConstants} from "node:os";
import {dirname, join, resolve} from "node:path";
import {createInterface} from "node:readline";
import {Agent} from "./app/lab/agent.ts";
import type {LabNetwork} from "./app/lab/network.ts";
import {type LabOptions, labHelp, parseLabOptions} from "./app/lab/options.ts";
import {runScenario} from "./app/lab/run.ts";
import {exitCodes} from "./core/exit-codes.ts";
import {parseRequest} from "./core/lab/agent-protocol.ts";
import {renderReport} from "./core/lab/report.ts";
import type {NetworkSpec} from "./core/lab/scenario.ts";
import {colourPainter, plainPainter} from "./core/lab/text.ts";
import {loadAddon} from "./io/addon.ts";
import {enterNamespaces, type Inside, type Refusal} from "./io/lab/launch.ts";
import {NamespaceNetwork} from "./io/lab/namespace-network.ts";
import {SimulatedNetwork} from "./io/lab/simulated-network.ts";
import {LineAudience, ScreenAudience} from "./io/lab/terminal.ts";
import {projectRoot} from "./io/version.ts";

const root = projectRoot();
const scenarios = join(root, "board/sim/scenarios");
const node = [process.execPath, ...process.execArgv];
const program = (name: string) => [...node, join(root, "dist/src", name)];

const monotonicUs = () => Number(process.hrtime.bigint() / 1000n);

/** Lines in, lines out, until standard input ends. */
async function runAgent(): Promise<number> {
    const {startProber, startCapture} = loadAddon();
    const agent = new Agent({startProber, startCapture, now: monotonicUs});
    const answer = (reply: unknown) => process.stdout.write(`${JSON.stringify(reply)}\n`);
    const timer = setInterval(() => {
        if (agent.live) answer(agent.strips());
    }, 100);
    for await (const line of createInterface({input: process.stdin})) {
        const request = parseRequest(line);
        if (request === null) continue;
        try {
            answer(agent.handle(request));
        } catch (error) {
            const message = error instanceof Error ? error.message : String(error);
            answer({kind: "failed", id: request.id, message});
        }
    }
    clearInterval(timer);
    agent.stop();
    return exitCodes.ok;
}

/** How a person looks around in a network that was kept. */
async function keepLines(inside: Inside, network: LabNetwork): Promise<readonly string[]> {
    const enter = await inside.entering();
    const hosts = network.spec.hosts.map(
        ({name}) => `  ${enter} ip netns exec ${name} ${process.env.SHELL ?? "sh"}`,
    );
    const daemons = network.spec.hosts
        .filter(({config}) => config !== null)
        .map(({name}) => {
            const run = network instanceof NamespaceNetwork ? network.runDirectory(name) : "";
            return `  ${enter} ${program("carpctl.js").join(" ")} --run-dir ${run} show carp`;
        });
    return [
        "",
        "The network keeps running until ^C. A shell on a host:",
        ...hosts,
        "The daemons:",
        ...daemons,
    ];
}

/** What a story is told on. */
interface Ground {
    /** null: nobody can be let in. */
    readonly inside: Inside | null;
    createNetwork(spec: NetworkSpec, part: string, live: boolean): Promise<LabNetwork>;
    /** Said before the story, and after it, where a redrawn screen cannot hide it. */
    readonly notes: readonly string[];
}

function pcapOf(options: LabOptions, part: string) {
    if (options.pcap === null) return null;
    return {folder: resolve(options.pcap), prefix: part === "" ? "" : `${part}-`};
}

/** Namespaces on this kernel, real carpd processes, real frames. */
function namespaceGround(options: LabOptions, inside: Inside): Ground {
    return {
        inside,
        notes: [],
        createNetwork: (spec, part, live) =>
            NamespaceNetwork.create({
                spec,
                scenarios,
                directory: join("/run/lab", part),
                carpd: program("carpd.js"),
                agent: [...program("lab.js"), "--agent"],
                live,
                pcap: pcapOf(options, part),
            }),
    };
}

/** The same core on a network in memory. */
function simulatedGround(options: LabOptions, refusal: Refusal | null): Ground {
    const {createSimulation, balanceIndex} = loadAddon();
    endOnSignals();
    let previous: LabNetwork | null = null;
    const refused =
        refusal === null
            ? []
            : [
                  `no network namespaces here: ${refusal.reason}`,
                  `this would allow them: ${refusal.remedy}`,
                  ...(options.keep ? ["--keep needs them: a simulated network just ends"] : []),
              ];
    return {
        inside: null,
        notes: [
            ...refused,
            "simulated: no kernel here; what follows is carpd's core on a network in memory, on virtual time. Not claimed: what needs a kernel, processes and real network cards",
        ],
        createNetwork: (spec, part, live) => {
            const network = new SimulatedNetwork({
                spec,
                scenarios,
                simulation: createSimulation(),
                balanceIndex,
                startAtUs: previous?.now() ?? 0,
                paced: !options.fast,
                live,
                pcap: pcapOf(options, part),
            });
            previous = network;
            return Promise.resolve(network);
        },
    };
}

/** Without namespaces there is no launcher that gives the terminal its cursor back. */
function endOnSignals(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        process.once(signal, () => {
            if (process.stdout.isTTY) process.stdout.write("\u001b[?25h");
            process.exit(128 + osConstants.signals[signal]);
        });
    }
}

async function runLab(options: LabOptions, ground: Ground): Promise<number> {
    const output = options.json ? process.stderr : process.stdout;
    const coloured =
        output.isTTY && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
    const paint = coloured ? colourPainter : plainPainter;
    const live = output.isTTY && !options.fast && !options.json && process.env.TERM !== "dumb";
    const screen = live ? new ScreenAudience(output, paint) : null;
    const notes = ground.notes.map((note) => `lab: ${note}\n`).join("");
    process.stderr.write(notes);
    const {report, kept, logs} = await runScenario({
        scenario: options.scenario,
        fast: options.fast,
        keep: options.keep && ground.inside !== null,
        audience: screen ?? new LineAudience(output, paint),
        createNetwork: (spec, part) => ground.createNetwork(spec, part, live),
    });
    screen?.end();
    output.write(`\n${renderReport(paint, report).join("\n")}\n`);
    for (const log of logs) output.write(`\nlast lines of carpd on ${log}\n`);
    if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    if (screen !== null) output.write(notes);
    if (kept !== null && ground.inside !== null) {
        output.write(`${(await keepLines(ground.inside, kept)).join("\n")}\n`);
        await ground.inside.untilInterrupted();
    }
    return report.ok ? 0 : 1;
}

/** Not mkdirSync's own `recursive`: Node 20 never returns from that where /proc refuses a name. */
function makeFolder(path: string): void {
    if (existsSync(path)) return;
    makeFolder(dirname(path));
    mkdirSync(path);
}

/** The folder for captures must be one that outlives the lab. Exit code, or undefined: fine. */
function preparePcap(folder: string): number | undefined {
    const path = resolve(folder);
    if (path === "/run" || path.startsWith("/run/")) {
        process.stderr.write("lab: --pcap: /run is the lab's own and vanishes with it\n");
        return exitCodes.usage;
    }
    try {
        makeFolder(path);
        accessSync(path, constants.W_OK);
        return undefined;
    } catch (error) {
        process.stderr.write(`lab: --pcap: ${error instanceof Error ? error.message : error}\n`);
        return exitCodes.cannotCreate;
    }
}

async function main(): Promise<number> {
    const parsed = parseLabOptions(process.argv.slice(2));
    if (!parsed.ok) {
        process.stderr.write(`lab: ${parsed.error} (see --help)\n`);
        return exitCodes.usage;
    }
    const options = parsed.value;
    if (options.help) {
        process.stdout.write(labHelp);
        return exitCodes.ok;
    }
    if (options.agent) {
        const code = await runAgent();
        // Nothing of it is worth waiting for once its captures are on the disk.
        process.exit(code);
    }
    const refused = options.pcap === null ? undefined : preparePcap(options.pcap);
    if (refused !== undefined) return refused;
    if (options.simulate) return await runLab(options, simulatedGround(options, null));
    const entry = await enterNamespaces();
    return entry.kind === "inside"
        ? await runLab(options, namespaceGround(options, entry.inside))
        : await runLab(options, simulatedGround(options, entry.refusal));
}

process.exitCode = await main();
if (process.exitCode !== 0) process.exit();
