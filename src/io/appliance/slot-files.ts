/**
 * The small files of the appliance: release.json, the kernel's command line, GRUB's environment
 * block, our records of the slots, the order of a factory reset. Main thread.
 */
import {readFileSync} from "node:fs";
import {open, readFile, realpath, stat} from "node:fs/promises";
import {basename, join} from "node:path";
import * as v from "valibot";
import {
    type BootEnvironment,
    blockOctets,
    blockTitle,
    readBootEnvironment,
    slotOfCommandLine,
    withBootVariable,
} from "../../core/appliance/boot-environment.ts";
import type {Release, SlotRecords} from "../../core/appliance/images.ts";
import type {SlotName} from "../../core/appliance/status.ts";
import {parseJson} from "../../core/control-protocol.ts";
import {printable} from "../../core/log.ts";
import {err, ok, type Result} from "../../core/result.ts";
import {writeDurably} from "../durable-file.ts";
import {codeOf} from "../system-error.ts";
import {unlessBug} from "./unless-bug.ts";

const releaseSchema = v.object({
    version: v.pipe(v.string(), v.nonEmpty()),
    compatible: v.pipe(v.string(), v.nonEmpty()),
    schema: v.pipe(v.number(), v.integer(), v.minValue(1)),
    built: v.optional(v.string(), ""),
});

/** The error is a sentence: without this file the host is no appliance. */
export function readRelease(path: string): Result<Release, string> {
    try {
        const read = v.safeParse(releaseSchema, parseJson(readFileSync(path, "utf8")));
        return read.success ? ok(read.output) : err(`${path} does not name a release`);
    } catch (error) {
        return err(`${path}: ${codeOf(error)}`);
    }
}

export function readSlot(commandLine: string): SlotName {
    try {
        return slotOfCommandLine(readFileSync(commandLine, "utf8"));
    } catch (error) {
        unlessBug(error);
        return "";
    }
}

/** Where RAUC's configuration says that GRUB's environment block is; "" where it does not. */
export function grubEnvironmentPath(raucConfig: string): string {
    try {
        const text = readFileSync(raucConfig, "utf8");
        return /^\s*grubenv\s*=\s*(\S.*?)\s*$/mu.exec(text)?.[1] ?? "";
    } catch (error) {
        unlessBug(error);
        return "";
    }
}

/** null: it cannot be read, or is none. The block is text: a title, KEY=VALUE lines, padding. */
export async function loadBootEnvironment(path: string): Promise<BootEnvironment | null> {
    if (path === "") return null;
    try {
        const text = await readFile(path, "utf8");
        return text.startsWith(blockTitle) ? readBootEnvironment(text) : null;
    } catch (error) {
        unlessBug(error);
        return null;
    }
}

const recordSchema = v.object({
    version: v.string(),
    schema: v.number(),
    good: v.string(),
    installed: v.string(),
});
const recordsSchema = v.object({A: v.optional(recordSchema), B: v.optional(recordSchema)});

export class SlotRecordFile {
    readonly #path: string;

    constructor(data: string) {
        this.#path = join(data, "system", "slots.json");
    }

    /** A damaged or missing file: nothing is known, which is what a new box knows. */
    async load(): Promise<SlotRecords> {
        try {
            const read = v.safeParse(recordsSchema, parseJson(await readFile(this.#path, "utf8")));
            if (!read.success) return {};
            const {A, B} = read.output;
            return {...(A === undefined ? {} : {A}), ...(B === undefined ? {} : {B})};
        } catch (error) {
            unlessBug(error);
            return {};
        }
    }

    async save(records: SlotRecords): Promise<Result<void, string>> {
        try {
            await writeDurably(this.#path, `${JSON.stringify(records)}\n`, false);
            return ok(undefined);
        } catch (error) {
            const full = codeOf(error) === "ENOSPC" ? ": the data partition is full" : "";
            return err(`cannot write ${this.#path}: ${codeOf(error)}${full}`);
        }
    }
}

/**
 * The next boot makes the data partition anew: grub.cfg puts FACTORY_RESET on the kernel's command
 * line and forgets it. Written in place, as GRUB does it: a power cut must not cost the counters.
 */
export async function armFactoryReset(path: string): Promise<Result<void, string>> {
    try {
        const file = await open(path, "r+");
        try {
            const before = (await file.readFile()).toString("latin1");
            const after = withBootVariable(before, "FACTORY_RESET", "1");
            if (after === null) return err(`${path} is no environment block of GRUB, or full`);
            await file.write(Buffer.from(after, "latin1"), 0, blockOctets, 0);
            await file.sync();
            return ok(undefined);
        } finally {
            await file.close();
        }
    } catch (error) {
        return err(`cannot write ${path}: ${codeOf(error)}`);
    }
}

/** What the initramfs has to complain about; "" when nothing. */
export async function bootFault(folder: string): Promise<string> {
    try {
        return printable((await readFile(join(folder, "fault"), "utf8")).trim());
    } catch (error) {
        unlessBug(error);
        return "";
    }
}

/** Octets, by class of slot. A block device's size is in sysfs, in sectors of 512. */
export async function deviceSizes(
    devices: Readonly<Record<string, string>>,
    sysfs = "/sys/class/block",
): Promise<Record<string, number>> {
    const sizes: Record<string, number> = {};
    for (const [slotClass, device] of Object.entries(devices)) {
        try {
            const real = await realpath(device);
            const info = await stat(real);
            const size = info.isBlockDevice()
                ? Number(await readFile(join(sysfs, basename(real), "size"), "utf8")) * 512
                : info.size;
            if (Number.isFinite(size) && size > 0) sizes[slotClass] = size;
        } catch (error) {
            // Unknown: RAUC looks too, only later.
            unlessBug(error);
        }
    }
    return sizes;
}
