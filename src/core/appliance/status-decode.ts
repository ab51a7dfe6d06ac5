/**
 * What carp-system says, read as something that another version may have said. Pure.
 */
import * as v from "valibot";
import type {ApplianceStatus, ImagesStatus, InstallStatus} from "./status.ts";

const install = v.object({
    phase: v.picklist(["idle", "fetching", "checking", "writing", "installed", "failed"]),
    percent: v.number(),
    message: v.string(),
    error: v.string(),
    done: v.boolean(),
    source: v.string(),
    version: v.string(),
});
const slot = v.picklist(["A", "B", ""]);
const status = v.object({
    present: v.boolean(),
    slot,
    version: v.string(),
    olderSlot: v.string(),
    unconfirmed: v.boolean(),
    installing: v.nullable(install),
    fault: v.string(),
});
const image = v.object({
    slot,
    running: v.boolean(),
    next: v.boolean(),
    version: v.string(),
    installed: v.string(),
    state: v.picklist(["good", "trying", "failed", "empty", "incomplete"]),
    tries: v.number(),
    schema: v.number(),
});
const images = v.object({
    compatible: v.string(),
    images: v.array(image),
    olderSlot: v.string(),
    install,
});

function read<T>(schema: v.GenericSchema<unknown, T>, body: unknown): T | null {
    const result = v.safeParse(schema, body);
    return result.success ? result.output : null;
}

/** null: not understood; so are the others. */
export function readApplianceStatus(body: unknown): ApplianceStatus | null {
    return read(status, body);
}

export function readInstallStatus(body: unknown): InstallStatus | null {
    return read(install, body);
}

export function readImagesStatus(body: unknown): ImagesStatus | null {
    return read(images, body);
}

/** `{"warnings": [...]}`; anything else has none. */
export function readWarnings(body: unknown): readonly string[] {
    return read(v.object({warnings: v.array(v.string())}), body)?.warnings ?? [];
}
