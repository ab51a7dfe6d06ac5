/**
 * What the lab and its agents say to each other: one JSON document a line. Pure.
 *
 * An agent is the lab's hand inside one host: it pings and captures there.
 */
import type {ProbeSummary, StripSlot} from "./arithmetic.ts";

/** Length of a slot of the live strips. */
export const slotUs = 100_000;

export type AgentRequest =
    | {
          readonly id: number;
          readonly op: "probes";
          readonly probes: readonly {readonly name: string; readonly address: string}[];
          readonly intervalUs: number;
          /** Send strips ten times a second; off when nobody looks. */
          readonly live: boolean;
      }
    | {readonly id: number; readonly op: "lap"}
    | {
          readonly id: number;
          readonly op: "capture";
          readonly ifname: string;
          readonly path: string;
      };

export type NamedSummaries = readonly {readonly name: string; readonly summary: ProbeSummary}[];

export type AgentReply =
    | {readonly kind: "done"; readonly id: number; readonly summaries: NamedSummaries}
    | {readonly kind: "failed"; readonly id: number; readonly message: string}
    | {
          readonly kind: "strips";
          readonly strips: readonly {
              readonly name: string;
              readonly slots: readonly StripSlot[];
          }[];
      };

/**
 * Both ends are the same program of the same version, so the shape is trusted once the line is a
 * JSON object of a known kind. null: not a line of this protocol.
 */
export function parseReply(line: string): AgentReply | null {
    const value = parseObject(line);
    const kind = value === null ? undefined : Reflect.get(value, "kind");
    return kind === "done" || kind === "failed" || kind === "strips" ? (value as AgentReply) : null;
}

export function parseRequest(line: string): AgentRequest | null {
    const value = parseObject(line);
    const op = value === null ? undefined : Reflect.get(value, "op");
    return op === "probes" || op === "lap" || op === "capture" ? (value as AgentRequest) : null;
}

function parseObject(line: string): object | null {
    try {
        const value: unknown = JSON.parse(line);
        return typeof value === "object" ? value : null;
    } catch (error) {
        if (error instanceof SyntaxError) return null;
        throw error;
    }
}
