/** What the benchmark's C++ programs and /proc/net/dev say, and ratios of paired runs. Pure. */
import {type Spread, spreadOf} from "./numbers.ts";

/** Whole numbers, 0 or more, on one line; at least `least` of them. */
function numbersOf(line: string, least: number): readonly number[] {
    const text = line.trim();
    const values = text.split(/\s+/).map(Number);
    const good = text !== "" && values.every((value) => Number.isSafeInteger(value) && value >= 0);
    if (!good || values.length < least) throw new Error(`expected numbers: ${line.slice(0, 80)}`);
    return values;
}

/** `[before, after]`, microseconds since 1970, of pull.cc. */
export function parsePull(text: string): {readonly beforeUs: number; readonly afterUs: number} {
    const [beforeUs = 0, afterUs = 0] = numbersOf(text, 2);
    return {beforeUs, afterUs};
}

export interface ArpTimes {
    readonly asked: number;
    /** Nanoseconds from question to answer; those without an answer are left out. */
    readonly ns: readonly number[];
}

/** Of arp_load.cc's "latency". */
export function parseArpTimes(text: string): ArpTimes {
    const [asked = 0, ...ns] = numbersOf(text, 1);
    return {asked, ns};
}

export interface ArpFlood {
    readonly asked: number;
    readonly answered: number;
    readonly perSecond: number;
}

/** Of arp_load.cc's "flood". Nothing answered is 0 a second. */
export function parseArpFlood(text: string): ArpFlood {
    const [asked = 0, answered = 0, ns = 0] = numbersOf(text, 3);
    return {asked, answered, perSecond: ns === 0 ? 0 : (answered / ns) * 1e9};
}

/** A line "amount nanoseconds" of ip_load.cc. */
export interface Transfer {
    readonly amount: number;
    readonly ns: number;
}

export function parseTransfer(line: string): Transfer {
    const [amount = 0, ns = 0] = numbersOf(line, 2);
    if (ns === 0) throw new Error(`took no time: ${line}`);
    return {amount, ns};
}

/** The sink's lines: "ready", then one for each stream. */
export function parseSink(log: string): readonly Transfer[] {
    // The last line may be half written.
    const lines = log.slice(0, log.lastIndexOf("\n") + 1).split("\n");
    return lines.filter((line) => line !== "" && line !== "ready").map(parseTransfer);
}

/** How many frames /proc/net/dev says that an interface received. */
export function receivedFrames(text: string, ifname: string): number {
    const line = text.split("\n").find((one) => one.trimStart().startsWith(`${ifname}:`));
    const value = Number(
        line
            ?.slice(line.indexOf(":") + 1)
            .trim()
            .split(/\s+/)[1],
    );
    if (!Number.isSafeInteger(value)) throw new Error(`/proc/net/dev has no ${ifname}`);
    return value;
}

/** Each run divided by the one that was measured beside it; pairs with a zero are left out. */
export function ratioSpread(runs: readonly number[], beside: readonly number[]): Spread | null {
    const ratios = runs.flatMap((value, i) => {
        const other = beside[i];
        return other === undefined || other === 0 || value === 0 ? [] : [value / other];
    });
    return spreadOf(ratios);
}

/** The share of `values` that are at most `limit`, per cent; null of nothing. */
export function shareWithin(values: readonly number[], limit: number): number | null {
    if (values.length === 0) return null;
    return (values.filter((value) => value <= limit).length / values.length) * 100;
}
