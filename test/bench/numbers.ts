/**
 * The arithmetic of the benchmark: percentiles, intervals, take-over times, what /proc says. Pure.
 *
 * Instants are microseconds; those of captures and of answers are of the same wall clock.
 */

export interface Spread {
    readonly n: number;
    readonly min: number;
    readonly median: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
    readonly mean: number;
}

/** The smallest value that at least `percent` of all values do not exceed (nearest rank). */
export function percentile(values: readonly number[], percent: number): number {
    const sorted = [...values].sort((a, b) => a - b);
    const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
    const value = sorted[rank - 1];
    if (value === undefined) throw new RangeError("no percentile of nothing");
    return value;
}

/** null: there is nothing to describe. */
export function spreadOf(values: readonly number[]): Spread | null {
    if (values.length === 0) return null;
    return {
        n: values.length,
        min: percentile(values, 0),
        median: percentile(values, 50),
        p90: percentile(values, 90),
        p99: percentile(values, 99),
        max: percentile(values, 100),
        mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    };
}

export interface Regularity {
    /** How far each interval is from the nominal one, without sign. */
    readonly errors: readonly number[];
    /** Mean interval against the nominal one, in millionths; positive: too slow. */
    readonly driftPpm: number;
}

/** null with fewer than two instants. `atUs` in order. */
export function regularity(atUs: readonly number[], nominalUs: number): Regularity | null {
    const [first, last] = [atUs[0], atUs.at(-1)];
    if (first === undefined || last === undefined || atUs.length < 2) return null;
    const errors = atUs.slice(1).map((at, i) => Math.abs(at - (atUs[i] ?? at) - nominalUs));
    const mean = (last - first) / (atUs.length - 1);
    return {errors, driftPpm: ((mean - nominalUs) / nominalUs) * 1e6};
}

/** One ping: both instants of its sending, and its answer on the monotonic clock. */
export interface Ping {
    readonly sentAtUs: number;
    readonly sentRealtimeUs: number;
    readonly receivedAtUs: number | null;
}

export interface Losses {
    readonly sent: number;
    readonly lost: number;
    /** Longest time between two answers. */
    readonly silenceUs: number;
}

export function lossesOf(pings: readonly Ping[]): Losses {
    const answers = pings.flatMap(({receivedAtUs}) =>
        receivedAtUs === null ? [] : [receivedAtUs],
    );
    answers.sort((a, b) => a - b);
    const silenceUs = answers
        .slice(1)
        .reduce((longest, at, i) => Math.max(longest, at - (answers[i] ?? at)), 0);
    return {sent: pings.length, lost: pings.length - answers.length, silenceUs};
}

export interface TakeOverInput {
    /** When the old MASTER's adverts passed the new one's port, in order. */
    readonly advertsUs: readonly number[];
    /** When echo replies of the new MASTER passed its port, in order. */
    readonly repliesUs: readonly number[];
    readonly pings: readonly Ping[];
}

export interface TakeOver {
    /** From the last advert to the first answer that the client has from the new MASTER. */
    readonly tookUs: number;
    /** From the last advert to the new MASTER's first reply on the wire. */
    readonly replyUs: number;
}

/**
 * Who answered a ping cannot be told from the answer, both use the virtual MAC; but only the new
 * MASTER's replies pass its own port. The first answer that reached the client after the first of
 * them counts.
 */
export function takeOverOf({advertsUs, repliesUs, pings}: TakeOverInput): TakeOver | null {
    const lastUs = advertsUs.at(-1);
    if (lastUs === undefined) return null;
    const replyUs = repliesUs.find((at) => at > lastUs);
    if (replyUs === undefined) return null;
    const answers = pings
        .flatMap(({sentAtUs, sentRealtimeUs, receivedAtUs}) =>
            receivedAtUs === null ? [] : [sentRealtimeUs + receivedAtUs - sentAtUs],
        )
        .filter((at) => at >= replyUs);
    if (answers.length === 0) return null;
    // Not Math.min(...answers): a spread of some 10,000 arguments may not fit the stack.
    const answerUs = answers.reduce((least, at) => Math.min(least, at));
    return {tookUs: answerUs - lastUs, replyUs: replyUs - lastUs};
}

export interface Memory {
    /** Own pages and a share of those that others map too, octets. */
    readonly pss: number;
    /** Pages that nobody else maps, octets. */
    readonly own: number;
}

/** Reads /proc/PID/smaps_rollup. */
export function parseMemory(text: string): Memory {
    const octets = (name: string) => {
        const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text);
        if (found === null) throw new Error(`smaps_rollup has no ${name}`);
        return Number(found[1]) * 1024;
    };
    return {pss: octets("Pss"), own: octets("Private_Clean") + octets("Private_Dirty")};
}

/** utime + stime of /proc/PID/stat in clock ticks. The name before them may hold anything. */
export function parseCpuTicks(text: string): number {
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // Fields 14 and 15 of proc(5), of which the first two are cut off.
    const ticks = Number(fields[11]) + Number(fields[12]);
    if (!Number.isFinite(ticks)) throw new Error("stat has no utime and stime");
    return ticks;
}

export interface HmacTimes {
    readonly name: string;
    /** Nanoseconds a call, one number a round. */
    readonly ns: readonly number[];
}

/** Reads the lines of hmac.cc: "verify, 1 address: 512.3 510.9". */
export function parseHmac(text: string): readonly HmacTimes[] {
    return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
            const at = line.lastIndexOf(": ");
            const ns = line
                .slice(at + 2)
                .split(" ")
                .map(Number);
            if (at < 0 || ns.some((value) => !(value > 0))) throw new Error(`not a time: ${line}`);
            return {name: line.slice(0, at), ns};
        });
}
