/** The command line of the lab. Pure. */
import {parseArgs} from "node:util";
import {type ScenarioName, scenarioNames} from "../../core/lab/scenario.ts";
import {err, ok, type Result} from "../../core/result.ts";

export interface LabOptions {
    readonly scenario: ScenarioName;
    readonly fast: boolean;
    readonly keep: boolean;
    /** Folder for captures; null: none. */
    readonly pcap: string | null;
    /** No namespaces: the same core on a network in memory. */
    readonly simulate: boolean;
    readonly json: boolean;
    readonly help: boolean;
    /** Internal: be the hand of a lab inside one host. */
    readonly agent: boolean;
}

export const labHelp = `usage: npm start -- [options]

Builds a network in namespaces of its own, runs carpd on its hosts, pulls a cable, kills a
daemon, and compares what happened with the protocol's arithmetic. Nothing is left behind.

  --scenario NAME  two-routers (default): two routers share addresses on two segments
                   handbook: two servers and a third host that stands in for either
                   preempt: all addresses of a host move together, for a cable, for maintenance,
                   for a tracked uplink; with fast take-over and without
                   balance: two hosts share one address, each answers its half of eight clients
  --fast           no time to read between the steps, no redrawing; for machines
  --keep           leave the network running at the end, say how to enter it, stop at ^C
  --pcap DIR       write every frame of every segment to DIR/*.pcap
  --simulate       no namespaces and no kernel: the same story with the same core on a network
                   in memory, on virtual time; chosen by itself where namespaces are refused.
                   In step with the clock for people, with --fast as fast as it can be computed
  --json           one JSON document on standard output at the end; the story on standard error
  --help           this text

Exit codes: 0 everything that was claimed happened, 1 something did not, 64 wrong arguments,
130 interrupted. NO_COLOR is honoured.
`;

function isScenario(name: string): name is ScenarioName {
    return scenarioNames.some((known) => known === name);
}

/** The error is one line that says what would have been right. */
export function parseLabOptions(argv: readonly string[]): Result<LabOptions, string> {
    try {
        const {values} = parseArgs({
            args: [...argv],
            options: {
                scenario: {type: "string", default: "two-routers"},
                fast: {type: "boolean", default: false},
                keep: {type: "boolean", default: false},
                pcap: {type: "string"},
                simulate: {type: "boolean", default: false},
                json: {type: "boolean", default: false},
                help: {type: "boolean", short: "h", default: false},
                agent: {type: "boolean", default: false},
            },
        });
        const {scenario, fast, keep, json, help, agent, simulate} = values;
        if (!isScenario(scenario)) {
            const known = `${scenarioNames.slice(0, -1).join(", ")} or ${scenarioNames.at(-1)}`;
            return err(`--scenario: expected ${known}, not ${JSON.stringify(scenario)}`);
        }
        if (values.pcap === "") return err("--pcap: expected a folder");
        if (simulate && keep) {
            return err("--keep: a simulated network ends with the program; leave out one of both");
        }
        const pcap = values.pcap ?? null;
        return ok({scenario, fast, keep, pcap, simulate, json, help, agent});
    } catch (error) {
        // parseArgs throws for an unknown or incomplete option; its first sentence names it.
        if (!(error instanceof TypeError)) throw error;
        return err(error.message.split(". ")[0] ?? error.message);
    }
}
