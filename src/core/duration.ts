/**
 * Lengths of time for people, and CARP's intervals. Pure. All arguments are microseconds.
 */

/** "12 ms", "0.4 s", "93 s", "4 min", "3 h", "12 days"; negative counts as 0. */
export function formatDuration(us: bigint): string {
    const ms = Number(us) / 1000;
    if (ms <= 0) return "0 s";
    if (ms < 10) return `${ms.toFixed(1)} ms`;
    if (ms < 100) return `${ms.toFixed(0)} ms`;
    const seconds = ms / 1000;
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
    if (seconds < 120) return `${seconds.toFixed(0)} s`;
    const minutes = seconds / 60;
    if (minutes < 120) return `${minutes.toFixed(0)} min`;
    const hours = minutes / 60;
    if (hours < 48) return `${hours.toFixed(0)} h`;
    return `${(hours / 24).toFixed(0)} days`;
}

/** An advertisement interval: "1.00 s", "15.6 ms". */
export function formatInterval(us: bigint): string {
    const ms = Number(us) / 1000;
    return ms < 100 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** advbase + advskew/256 s; advbase 0 with advskew 0 counts as 1/256 s, as the engine does it. */
export function advertisementIntervalUs(advbase: number, advskew: number): bigint {
    const skew = advbase === 0 && advskew === 0 ? 1 : advskew;
    return BigInt(advbase) * 1_000_000n + (BigInt(skew) * 1_000_000n) / 256n;
}
