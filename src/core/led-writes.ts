/**
 * What an LED shall show -> the files of /sys/class/leds/NAME, in the order in which they have to
 * be written (Linux, drivers/leds and drivers/leds/trigger). Pure.
 *
 * The dead man: whatever says that this host is well is a finite pattern that ends dark, some 10 s
 * long, and carp-panel starts it again every 4 s. If it hangs or dies, the kernel lets it run out.
 *
 * What the kernel does with the files, as far as it decides the order:
 * - Writing `trigger` makes the attributes of that trigger, a moment later, and takes away those of
 *   the one before. It also puts the LED out.
 * - Writing 0 to `brightness` takes the trigger away; so it comes after "none", never behind another.
 * - Writing `pattern` begins with what is left of the repetitions: 0 when they have run out, no end
 *   when nothing was ever said. So `repeat` comes before it on a fresh trigger, and behind it again.
 *   Writing `repeat` alone begins the pattern anew: that is how it is kept alive.
 * - Two steps of the pattern with different levels are dimmed from one to the other; a step of no
 *   length at the same level between them makes it an edge.
 * - After the last repetition the level of the last step remains: each pattern ends with 0.
 */
import type {LedColour, LedPattern, LedPlan} from "./leds.ts";

/** From one renewal of the dead man's patterns to the next, milliseconds. All periods divide it. */
export const renewMs = 4000;
/** How long a pattern goes on without being renewed, at most, milliseconds. */
export const deadManMs = 10_000;

/** What the folder of an LED says of itself. */
export interface LedFacts {
    /** 1 or more. */
    readonly maxBrightness: number;
    /** The triggers that the kernel has; null: not known, every one may be tried. */
    readonly triggers: readonly string[] | null;
    /** multi_index of a multicolor LED: "red green blue"; empty for a single one. */
    readonly components: readonly string[];
}

export interface SysfsWrite {
    /** Below the LED's folder: "trigger", "delay_on". */
    readonly file: string;
    readonly text: string;
    /** Only right after the trigger was written. */
    readonly fresh?: boolean;
    /** Also where the text is the same as last time. */
    readonly always?: boolean;
}

export interface LedOrder {
    readonly writes: readonly SysfsWrite[];
    /** Starts the dead man's pattern again; null: it is none. */
    readonly renew: SysfsWrite | null;
    /** What this kernel cannot do of it, a sentence; "" for nothing. */
    readonly lack: string;
}

export function ledOrder(plan: LedPlan, facts: LedFacts): LedOrder {
    const colour = colourWrites(plan, facts);
    const order = patternOrder(plan, facts);
    return {...order, writes: [...colour, ...order.writes]};
}

const has = ({triggers}: LedFacts, name: string): boolean =>
    triggers === null || triggers.includes(name);

function patternOrder({pattern, deadMan, panic}: LedPlan, facts: LedFacts): LedOrder {
    if (pattern.kind === "off") {
        if (!panic || !has(facts, "panic")) return plain(level(0));
        // Before Linux 6.10 a trigger without a word on brightness leaves the LED as it was.
        const dark = level(0).map((write) => ({...write, fresh: true}));
        return plain([...dark, {file: "trigger", text: "panic"}]);
    }
    if (pattern.kind === "netdev") {
        if (!has(facts, "netdev")) return {...plain(level(0)), lack: lack("netdev", "no link")};
        // The device first: a driver that can do this by itself (a PHY) is asked with `link`.
        return plain([
            {file: "trigger", text: "netdev"},
            {file: "device_name", text: pattern.device},
            {file: "link", text: "1"},
        ]);
    }
    const stepped = deadMan || pattern.kind === "pattern";
    if (stepped && has(facts, "pattern")) return stepOrder(pattern, deadMan, facts);
    const without = stepped ? lack("pattern", "nothing that goes out by itself") : "";
    if (pattern.kind !== "on" && has(facts, "timer")) {
        const [onMs, offMs] = timesOf(pattern);
        const writes = [
            {file: "trigger", text: "timer"},
            {file: "delay_on", text: String(onMs)},
            {file: "delay_off", text: String(offMs)},
        ];
        return {...plain(writes), lack: without};
    }
    const still = pattern.kind === "on" ? without : lack("timer", "no flashing");
    return {...plain(level(facts.maxBrightness)), lack: still};
}

const plain = (writes: readonly SysfsWrite[]): LedOrder => ({writes, renew: null, lack: ""});

const level = (brightness: number): SysfsWrite[] => [
    {file: "trigger", text: "none"},
    {file: "brightness", text: String(brightness)},
];

const lack = (trigger: string, without: string): string =>
    `the kernel has no trigger ${trigger} (module ledtrig-${trigger}): ${without}`;

type Steps = readonly (readonly [lit: boolean, ms: number])[];

/** "on" has a step of darkness behind it, too short to be seen, for the time when it runs out. */
function stepsOf(pattern: LedPattern): Steps {
    switch (pattern.kind) {
        case "pattern":
            return pattern.steps;
        case "timer":
            return [
                [true, pattern.onMs],
                [false, pattern.offMs],
            ];
        default:
            return [
                [true, deadManMs],
                [false, 1],
            ];
    }
}

function stepOrder(pattern: LedPattern, deadMan: boolean, facts: LedFacts): LedOrder {
    const steps = stepsOf(pattern);
    const period = steps.reduce((sum, [, ms]) => sum + ms, 0);
    const text = steps
        .map(([lit, ms]) => {
            const bright = lit ? facts.maxBrightness : 0;
            return `${bright} ${ms} ${bright} 0`;
        })
        .join(" ");
    const times = deadMan ? String(Math.max(1, Math.floor(deadManMs / period))) : "-1";
    const renew = {file: "repeat", text: times, always: true};
    const writes = [
        {file: "trigger", text: "pattern"},
        {file: "repeat", text: times, fresh: true},
        {file: "pattern", text},
        renew,
    ];
    return {writes, renew: deadMan ? renew : null, lack: ""};
}

/** For a kernel without the pattern trigger: all light and all darkness of a period in one piece. */
function timesOf(pattern: LedPattern): readonly [onMs: number, offMs: number] {
    const sum = (which: boolean): number =>
        stepsOf(pattern)
            .filter(([lit]) => lit === which)
            .reduce((total, [, ms]) => total + ms, 0);
    return [sum(true), sum(false)];
}

/** Parts of full intensity; what is not named stays dark. */
const mixtures: Readonly<Record<LedColour, Readonly<Record<string, number>>>> = {
    green: {green: 1},
    red: {red: 1},
    amber: {amber: 1, red: 1, green: 0.4},
    blue: {blue: 1},
    white: {white: 1, red: 1, green: 1, blue: 1},
};
/** What stands for a colour that an LED cannot show. */
const nearest: Readonly<Record<LedColour, readonly LedColour[]>> = {
    green: ["green", "white", "amber"],
    red: ["red", "amber", "white"],
    amber: ["amber", "white", "red"],
    blue: ["blue", "white", "amber"],
    white: ["white", "amber"],
};

function colourWrites(plan: LedPlan, {components, maxBrightness}: LedFacts): SysfsWrite[] {
    if (components.length === 0 || plan.colour === "") return [];
    const wanted = nearestOf(plan.colour).find((colour) => mixable(colour, components));
    // The kernel multiplies the intensity by brightness / max_brightness.
    const part = (component: string): number => {
        if (wanted === undefined) return 1;
        if (wanted === "amber" && components.includes("amber"))
            return component === "amber" ? 1 : 0;
        if (wanted === "white" && components.includes("white"))
            return component === "white" ? 1 : 0;
        return mixtures[wanted][component] ?? 0;
    };
    const text = components
        .map((component) => String(Math.round(part(component) * maxBrightness)))
        .join(" ");
    return [{file: "multi_intensity", text}];
}

function nearestOf(colour: string): readonly LedColour[] {
    for (const [known, others] of Object.entries(nearest)) if (known === colour) return others;
    return [];
}

function mixable(colour: LedColour, components: readonly string[]): boolean {
    if (components.includes(colour)) return true;
    if (colour === "amber") return components.includes("red") && components.includes("green");
    return colour === "white" && ["red", "green", "blue"].every((one) => components.includes(one));
}

/** What stands in the files of one LED, as it was written last. */
export type WrittenFiles = ReadonlyMap<string, string>;

/** The writes of an order that are to be done, given what was written before; null: unknown. */
export function missingWrites(order: LedOrder, written: WrittenFiles | null): SysfsWrite[] {
    const trigger = order.writes.findLast(({file}) => file === "trigger")?.text;
    const fresh = written === null || written.get("trigger") !== trigger;
    const differs = ({file, text}: SysfsWrite): boolean =>
        // multi_intensity belongs to the LED and outlives its triggers.
        file === "multi_intensity"
            ? written?.get(file) !== text
            : fresh || written.get(file) !== text;
    const wanted = order.writes.filter((write) => differs(write) && (fresh || !write.fresh));
    if (wanted.length === 0) return [];
    return order.writes.filter((write) => wanted.includes(write) || (write.always ?? false));
}

/** The files after such a write: another trigger has other attributes. */
export function afterWrite(written: WrittenFiles | null, {file, text}: SysfsWrite): WrittenFiles {
    const kept = new Map(written ?? []);
    const intensity = kept.get("multi_intensity");
    if (file === "trigger") {
        kept.clear();
        if (intensity !== undefined) kept.set("multi_intensity", intensity);
    }
    return kept.set(file, text);
}

/** The chosen one of "none [timer] pattern", and all that there are. */
export function parseTriggers(text: string): {chosen: string; all: readonly string[] | null} {
    const words = text.trim().split(/\s+/u);
    const bracketed = words.find((word) => /^\[.+\]$/u.test(word));
    if (bracketed === undefined) return {chosen: words[0] ?? "", all: null};
    return {
        chosen: bracketed.slice(1, -1),
        all: words.map((word) => (word === bracketed ? word.slice(1, -1) : word)),
    };
}
