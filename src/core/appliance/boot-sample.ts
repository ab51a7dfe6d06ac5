/**
 * Answers of carpd's control API read as one sample for the judgement of a boot. Pure.
 */
import * as v from "valibot";
import type {BootSample} from "./boot-judge.ts";

const carps = v.array(
    v.object({
        name: v.string(),
        carpdev: v.string(),
        enabled: v.boolean(),
        advbase: v.number(),
    }),
);
const interfaces = v.array(
    v.object({carpdev: v.string(), present: v.boolean(), carrier: v.boolean()}),
);
const counters = v.record(v.string(), v.number());
const statistics = v.object({carp: v.array(v.object({name: v.string(), counters}))});
const host = v.object({hold: v.optional(v.string(), "")});

export interface BootAnswers {
    readonly carp: unknown;
    readonly interfaces: unknown;
    readonly statistics: unknown;
    readonly host: unknown;
}

/** null: that was not carpd. */
export function sampleOf(atMs: number, answers: BootAnswers): BootSample | null {
    const list = v.safeParse(carps, answers.carp);
    const devices = v.safeParse(interfaces, answers.interfaces);
    const counted = v.safeParse(statistics, answers.statistics);
    const own = v.safeParse(host, answers.host);
    if (!list.success || !devices.success || !counted.success || !own.success) return null;
    return {
        atMs,
        hold: own.output.hold,
        vhids: list.output.map((carp) => {
            const found = counted.output.carp.find(({name}) => name === carp.name)?.counters ?? {};
            const frames = ["accepted", "opackets", "opackets6"].reduce(
                (sum, key) => sum + (found[key] ?? 0),
                0,
            );
            return {...carp, frames};
        }),
        linksUp: devices.output
            .filter(({present, carrier}) => present && carrier)
            .map(({carpdev}) => carpdev),
    };
}
