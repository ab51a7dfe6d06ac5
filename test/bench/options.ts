/** The command line of the benchmark and how much of each measurement is done. Pure. */
import {parseArgs} from "node:util";
import {err, ok, type Result} from "../../src/core/result.ts";

export const measurementNames = [
    "takeover",
    "subsecond",
    "group",
    "handover",
    "split",
    "adverts",
    "arp",
    "forwarding",
    "resources",
    "hmac",
    "ucarp",
] as const;
export type MeasurementName = (typeof measurementNames)[number];

/** How much is done. Repetitions are pairs * rounds: pairs run at the same time. */
export interface Effort {
    readonly takeover: {readonly pairs: number; readonly rounds: number};
    readonly group: {readonly pairs: number; readonly rounds: number};
    readonly handover: {readonly pairs: number; readonly rounds: number};
    readonly ucarp: {readonly pairs: number; readonly rounds: number};
    /** Each round: `questions` one at a time, then as many as are answered in `floodMs`. */
    readonly arp: {readonly rounds: number; readonly questions: number; readonly floodMs: number};
    /** Each round once without and once with carpd; every kind of traffic for `milliseconds`. */
    readonly forwarding: {readonly rounds: number; readonly milliseconds: number};
    readonly advertSeconds: number;
    readonly cpuSeconds: number;
}

export const fullEffort: Effort = {
    takeover: {pairs: 5, rounds: 10},
    group: {pairs: 5, rounds: 10},
    handover: {pairs: 5, rounds: 2},
    ucarp: {pairs: 5, rounds: 2},
    arp: {rounds: 10, questions: 400, floodMs: 300},
    forwarding: {rounds: 8, milliseconds: 400},
    advertSeconds: 60,
    cpuSeconds: 20,
};

export const quickEffort: Effort = {
    takeover: {pairs: 5, rounds: 1},
    group: {pairs: 2, rounds: 2},
    handover: {pairs: 3, rounds: 1},
    ucarp: {pairs: 3, rounds: 1},
    arp: {rounds: 2, questions: 200, floodMs: 200},
    forwarding: {rounds: 2, milliseconds: 300},
    advertSeconds: 15,
    cpuSeconds: 5,
};

export interface BenchOptions {
    readonly only: readonly MeasurementName[];
    readonly quick: boolean;
    readonly json: boolean;
    readonly help: boolean;
}

export const benchHelp = `usage: npm run bench -- [options]

Measures carpd on networks in namespaces of its own; nothing is left behind. About a quarter of
an hour, on a machine that should do nothing else meanwhile.

  --only NAME[,NAME]  of: ${measurementNames.join(", ")}
  --quick             few repetitions, about three minutes: a smoke test, not a result
  --json              one JSON document on standard output
  --help              this text

  takeover   from the last advert of a killed MASTER to the first answered ping, advbase 1
  subsecond  the same with advbase 0 (adverts every 1/256 s)
  group      a cable of a pair on two segments is cut, with and without fast-takeover
  handover   pings lost when a MASTER is stopped, is told to go down, comes back
  split      pings lost when a cut network becomes one again
  adverts    how regular adverts are, on an idle and on a busy machine
  arp        answers a second and their latency, beside the kernel's own
  forwarding a router's throughput with and without carpd on it
  resources  memory and CPU with 1, 64 and 255 vhids
  hmac       what it costs to check an advert
  ucarp      ucarp and carpd side by side: power loss, stop, fail-back

Exit codes: 0 everything was measured, 1 something was not, 64 wrong arguments.
`;

function isName(name: string): name is MeasurementName {
    return measurementNames.some((known) => known === name);
}

/** The error is one line that says what would have been right. */
export function parseBenchOptions(argv: readonly string[]): Result<BenchOptions, string> {
    try {
        const {values} = parseArgs({
            args: [...argv],
            options: {
                only: {type: "string", multiple: true, default: []},
                quick: {type: "boolean", default: false},
                json: {type: "boolean", default: false},
                help: {type: "boolean", short: "h", default: false},
            },
        });
        const asked = values.only.flatMap((list) => list.split(","));
        const only: MeasurementName[] = [];
        for (const name of asked) {
            if (!isName(name)) {
                const known = measurementNames.join(", ");
                return err(`--only: expected some of ${known}, not ${JSON.stringify(name)}`);
            }
            only.push(name);
        }
        const {quick, json, help} = values;
        return ok({only: only.length === 0 ? measurementNames : only, quick, json, help});
    } catch (error) {
        // parseArgs throws for an unknown or incomplete option; its first sentence names it.
        if (!(error instanceof TypeError)) throw error;
        return err(error.message.split(". ")[0] ?? error.message);
    }
}
