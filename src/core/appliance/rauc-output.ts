/**
 * What the program rauc prints (1.8 to 1.13): JSON of `info` and `status`, lines of progress, and
 * its reasons turned into sentences for an operator. Nothing is expected to be there. Pure.
 */
import * as v from "valibot";
import {type BootSlot, bootSlots} from "./boot-environment.ts";

export interface BundleInfo {
    readonly compatible: string;
    readonly version: string;
    /** What is to be written, by class of slot: "boot", "rootfs". */
    readonly images: readonly {readonly slotClass: string; readonly octets: number}[];
}

export interface InstalledSlot {
    readonly version: string;
    /** ISO time, "" when nothing was ever installed there. */
    readonly installed: string;
    /** "ok", "pending" or "failed" while or after an installation; "" without one. */
    readonly status: string;
    /** Block devices or files, by class of slot. */
    readonly devices: Readonly<Record<string, string>>;
}

export interface RaucStatus {
    readonly compatible: string;
    readonly slots: Readonly<Partial<Record<BootSlot, InstalledSlot>>>;
}

const text = v.fallback(v.string(), "");
const number = v.fallback(v.number(), 0);

const infoSchema = v.object({
    compatible: text,
    version: text,
    images: v.fallback(v.array(v.record(v.string(), v.object({size: number}))), []),
});

const slotSchema = v.object({
    class: text,
    device: text,
    bootname: text,
    parent: text,
    slot_status: v.fallback(
        v.object({
            bundle: v.fallback(v.object({version: text}), {version: ""}),
            installed: v.fallback(v.object({timestamp: text}), {timestamp: ""}),
            status: text,
        }),
        {bundle: {version: ""}, installed: {timestamp: ""}, status: ""},
    ),
});

const statusSchema = v.object({
    compatible: text,
    slots: v.fallback(v.array(v.record(v.string(), slotSchema)), []),
});

/** null: that was no JSON of `rauc info`. */
export function readBundleInfo(output: string): BundleInfo | null {
    const read = v.safeParse(infoSchema, jsonIn(output));
    if (!read.success || read.output.compatible === "") return null;
    const {compatible, version, images} = read.output;
    return {
        compatible,
        version,
        images: images.flatMap((image) =>
            Object.entries(image).map(([slotClass, {size}]) => ({slotClass, octets: size})),
        ),
    };
}

/** null: that was no JSON of `rauc status --detailed`. */
export function readRaucStatus(output: string): RaucStatus | null {
    const read = v.safeParse(statusSchema, jsonIn(output));
    if (!read.success) return null;
    const all = new Map(read.output.slots.flatMap((entry) => Object.entries(entry)));
    const bootNameOf = (name: string): string => {
        const slot = all.get(name);
        if (slot === undefined) return "";
        return slot.parent === "" ? slot.bootname : (all.get(slot.parent)?.bootname ?? "");
    };
    const slots: Partial<Record<BootSlot, InstalledSlot>> = {};
    for (const bootName of bootSlots) {
        const members = [...all].filter(([name]) => bootNameOf(name) === bootName);
        if (members.length === 0) continue;
        const states = members.map(([, slot]) => slot.slot_status);
        // The root file system is written last: what it says holds for the whole slot.
        const [, root] = members.find(([, slot]) => slot.class === "rootfs") ?? members[0] ?? [];
        const undone = states.find(({status}) => status !== "" && status !== "ok");
        slots[bootName] = {
            version: root?.slot_status.bundle.version ?? "",
            installed: root?.slot_status.installed.timestamp ?? "",
            status: undone?.status ?? root?.slot_status.status ?? "",
            devices: Object.fromEntries(members.map(([, slot]) => [slot.class, slot.device])),
        };
    }
    return {compatible: read.output.compatible, slots};
}

/** RAUC's messages may stand around the JSON. undefined: there is none. */
function jsonIn(output: string): unknown {
    const line = output.split("\n").findLast((candidate) => candidate.startsWith("{"));
    try {
        return JSON.parse(line ?? "");
    } catch (error) {
        if (error instanceof SyntaxError) return undefined;
        throw error;
    }
}

/** " 85% Copying image to boot.1"; null for any other line. */
export function readProgress(line: string): {percent: number; message: string} | null {
    const [, percent, message = ""] = /^\s*(\d{1,3})%\s+(.*\S)\s*$/u.exec(line) ?? [];
    return percent === undefined
        ? null
        : {percent: Math.min(100, Number.parseInt(percent, 10)), message};
}

/** The reason among everything that a failed rauc printed: "LastError:" first, else the last line. */
export function reasonIn(lines: readonly string[]): string {
    const said = lines
        .map((line) => line.replace(/^\(\w+:\d+\): /u, "").trim())
        .filter((line) => line !== "" && !/^rauc(-\w+)*-(Message|INFO|DEBUG)/u.test(line));
    const last = said.findLast((line) => line.startsWith("LastError:"));
    if (last !== undefined) return last.slice("LastError:".length).trim();
    const reason = said.findLast(
        (line) => !/^Installing .* failed$/u.test(line) && readProgress(line) === null,
    );
    return (reason ?? "").replace(/^rauc-\w+ \*\*: [\d:.]+: /u, "");
}

const sentences: readonly (readonly [RegExp, string])[] = [
    [
        /input\/output error|i\/o error|transport endpoint|no such device/iu,
        "the medium with the bundle could not be read to the end (was it pulled out?)",
    ],
    [/no space left/iu, "there is no space left"],
    [
        /not yet valid|certificate has expired/iu,
        "the bundle's certificate is not valid at this time: is this box's clock right?",
    ],
    [
        /signature verification failed|verify error|not signed|unable to get local issuer/iu,
        "the bundle is not signed with a key that this box trusts",
    ],
    [
        /invalid bundle format|exceeds bundle size|invalid identifier|not a valid bundle|failed to seek|bundle size|signature offset|wrong tag|asn1/iu,
        "that is no bundle, or one that was cut short",
    ],
    [/compatible/iu, "the bundle is for another kind of box"],
    [/failed mounting bundle|failed to mount/iu, "the bundle cannot be mounted"],
    [/larger than|too large|too small/iu, "an image of the bundle is too large for its slot"],
    [
        /could not connect|serviceunknown|name .* was not provided|failed to connect|cannot autolaunch|timeout was reached/iu,
        "the update service (rauc.service) does not answer",
    ],
    [/^no such file: /iu, "there is no such file"],
];

/** One sentence without a full stop for RAUC's reason, which stands behind it in brackets. */
export function sentenceFor(reason: string): string {
    const found = sentences.find(([rule]) => rule.test(reason));
    if (found === undefined) return reason === "" ? "rauc gave no reason" : reason;
    return reason === "" ? found[1] : `${found[1]} (${reason})`;
}
