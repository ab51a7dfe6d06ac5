/**
 * The keys of board/<id>/board.json: for each its valibot schema and the words for a wrong value.
 * board/schema.json says the same for editors; a test holds the two together. Pure.
 */
import * as v from "valibot";
import {archs, bootMethods, dmiFields, storageMedia} from "./board.ts";

/** Bits per second that a serial console may have: what termios(3) knows and boards use. */
export const baudRates = [
    9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600, 1000000, 1500000,
] as const;

/** Names of the kernel's LED colours (drivers/leds/led-core.c) that one light can have. */
export const ledColors = [
    "white",
    "red",
    "green",
    "blue",
    "amber",
    "violet",
    "yellow",
    "purple",
    "orange",
    "pink",
    "cyan",
    "lime",
] as const;

export const patterns = {
    id: /^[a-z0-9]+([_-][a-z0-9]+)*$/u,
    nic: /^[a-z][a-z0-9]{0,14}$/u,
    /** No blanks, no globs: it goes into a .link file as it is. */
    path: /^(pci|platform)-[0-9A-Za-z:._-]+$/u,
    tty: /^tty[A-Za-z]+[0-9]+$/u,
    /** A folder's name in sysfs. */
    led: /^[A-Za-z0-9][A-Za-z0-9:_.-]{0,62}$/u,
    module: /^[A-Za-z0-9_-]{1,63}$/u,
    code: /^(KEY|BTN)_[A-Z0-9_]+$/u,
    dtb: /^([A-Za-z0-9_-]+\/)*[A-Za-z0-9._-]+\.dtb$/u,
    word: /^[!-~]+$/u,
    /** 1 to 80 printable characters, no blank at either end. */
    text: /^[^\p{Cc}\s]([^\p{Cc}]{0,78}[^\p{Cc}\s])?$/u,
} as const;

/** The reasons below follow "KEY must be". */
function text(pattern: RegExp, expected: string) {
    return {
        schema: v.pipe(v.string(), v.regex(pattern, expected)),
        type: "a string",
        expected,
    };
}

function texts(pattern: RegExp, each: string, least = 0) {
    return {
        schema: v.pipe(
            v.array(v.pipe(v.string(), v.regex(pattern, `an array of ${each}`))),
            v.minLength(least, "an array that is not empty"),
            v.check((values) => isWithoutRepeats(values), "an array without repeats"),
        ),
        type: "an array of strings",
        expected: `an array of ${each}`,
    };
}

function isWithoutRepeats(values: readonly unknown[]): boolean {
    return new Set(values).size === values.length;
}

function words<const W extends readonly string[]>(known: W) {
    const list = known.map((word) => JSON.stringify(word)).join(", ");
    return {
        schema: v.picklist(known),
        type: `one of ${list}`,
        expected: `one of ${list}`,
        words: known,
    };
}

function wordSets<const W extends readonly string[]>(known: W) {
    const expected = `an array of ${known.map((word) => JSON.stringify(word)).join(", ")}`;
    return {
        schema: v.pipe(
            v.array(
                v.pipe(
                    v.string(),
                    v.rawTransform(({dataset, addIssue, NEVER}): W[number] => {
                        const word = known.find((each) => each === dataset.value);
                        if (word !== undefined) return word;
                        addIssue({message: expected});
                        return NEVER;
                    }),
                ),
            ),
            v.check((values) => isWithoutRepeats(values), "an array without repeats"),
        ),
        type: expected,
        expected,
    };
}

function integer(least: number, most: number, unit = "") {
    const range = `${least}..${most}`;
    return {
        schema: v.pipe(
            v.bigint(),
            v.minValue(BigInt(least), range),
            v.maxValue(BigInt(most), range),
            v.transform(Number),
        ),
        type: "an integer",
        expected: `an integer from ${least} to ${most}${unit}`,
    };
}

const baud = {
    schema: v.pipe(
        v.bigint(),
        v.transform(Number),
        v.check((rate) => baudRates.some((known) => known === rate), "a speed of a serial port"),
    ),
    type: "an integer",
    expected: `one of ${baudRates.join(", ")}`,
};

const label = text(patterns.text, "what stands beside it, at most 80 characters");

/** The keys of the file that hold one value each; the others are objects, read by themselves. */
export const topFields = {
    $schema: text(patterns.text, 'the path of the schema, "../schema.json"'),
    schema: integer(1, 1),
    id: text(patterns.id, 'the folder\'s name, such as "pcengines-apu2"'),
    name: text(patterns.text, "the machine's name, at most 80 characters"),
    arch: words(archs),
    modules: texts(patterns.module, "kernel modules"),
} as const;

export const topObjects = [
    "match",
    "console",
    "serial",
    "nics",
    "leds",
    "buttons",
    "watchdog",
    "storage",
    "boot",
] as const;
export type TopObject = (typeof topObjects)[number];

export const topRequired = [
    "schema",
    "id",
    "name",
    "arch",
    "match",
    "nics",
    "leds",
    "storage",
    "boot",
] as const;

const dmiValues = texts(patterns.text, "strings as the firmware says them", 1);

export const dmiTable = Object.fromEntries(dmiFields.map((field) => [field, dmiValues]));

/** A vendor's prefix and a name (Devicetree Specification 2.3.1). */
export const compatible = texts(/^[!-~]+,[!-~]+$/u, 'strings such as "vendor,board"', 1);

export const serialFields = {
    tty: text(patterns.tty, 'a serial port without /dev/, such as "ttyS0"'),
    baud,
    flow: words(["none", "rtscts"]),
    label,
} as const;

export const nicFields = {
    name: text(patterns.nic, 'a letter and at most 14 letters or digits, such as "lan0"'),
    label,
    paths: texts(patterns.path, 'udev\'s ID_PATHs, such as "pci-0000:02:00.0"'),
} as const;

export const ledFields = {
    name: text(patterns.led, "the folder's name in /sys/class/leds"),
    kind: words(["single", "multicolor"]),
    colors: wordSets(ledColors),
    label,
} as const;

export const buttonFields = {
    input: text(patterns.text, "the input device's name"),
    code: text(patterns.code, 'a key, such as "KEY_RESTART"'),
    holdSec: integer(1, 60, " (seconds)"),
    label,
} as const;

export const watchdogFields = {
    module: text(patterns.module, 'a kernel module, such as "iTCO_wdt"'),
    timeoutSec: integer(1, 600, " (seconds)"),
} as const;

export const storageFields = {
    media: wordSets(storageMedia),
    minMiB: integer(0, 1048576, " (MiB)"),
} as const;

export const bootFields = {
    method: words(bootMethods),
    dtb: text(patterns.dtb, 'a device tree, such as "rockchip/rk3568-nanopi-r5s.dtb"'),
    cmdline: texts(patterns.word, "words without blanks"),
} as const;
