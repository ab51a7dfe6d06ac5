/**
 * Lengths of time and amounts of memory as they are written in the configuration: whole numbers
 * with a unit. Reading takes what an operator writes, writing gives the shortest exact form.
 */

const timeUnits: ReadonlyMap<string, number> = new Map([
    ["ms", 1],
    ["s", 1000],
    ["m", 60_000],
    ["h", 3_600_000],
]);

const memoryUnits: ReadonlyMap<string, number> = new Map([
    ["K", 1024],
    ["M", 1024 ** 2],
    ["G", 1024 ** 3],
]);

/** A whole number below 10^12 and one of the units; leading zeros are not guessed at. */
function readNumber(text: string, units: ReadonlyMap<string, number>): number | undefined {
    const [, digits, word = ""] = /^(0|[1-9][0-9]{0,11})([A-Za-z]{1,2})$/u.exec(text) ?? [];
    const unit = units.get(word);
    return digits === undefined || unit === undefined ? undefined : Number(digits) * unit;
}

/** "500ms", "30s", "5m", "1h" in milliseconds; undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
    return readNumber(text, timeUnits);
}

/** "500K", "64M", "1G" (of 1024) in octets; undefined for anything else. */
export function parseOctets(text: string): number | undefined {
    return readNumber(text, memoryUnits);
}

/** The largest unit that leaves a whole number; undefined when there is none. */
function shortest(value: number, units: ReadonlyMap<string, number>): string | undefined {
    const fitting = [...units].filter(([, size]) => value % size === 0).at(-1);
    return fitting === undefined ? undefined : `${value / fitting[1]}${fitting[0]}`;
}

/** "1h", "90s", "500ms", "0s": what `parseDurationMs` reads as the same. Whole milliseconds. */
export function durationText(ms: number): string {
    return ms === 0 ? "0s" : (shortest(ms, timeUnits) ?? `${ms}ms`);
}

/** "64M", or the bare number of octets where no unit fits. */
export function octetsText(octets: number): string {
    return (octets === 0 ? undefined : shortest(octets, memoryUnits)) ?? String(octets);
}
