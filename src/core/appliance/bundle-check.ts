/**
 * Whether a bundle with a good signature may be installed on this box; decided before anything is
 * written. Pure.
 */
import type {BundleInfo} from "./rauc-output.ts";
import {compareVersions} from "./versions.ts";

export interface BundleTarget {
    /** Of the running release. */
    readonly compatible: string;
    readonly version: string;
    /** Octets of the devices of the slot that would be written, by class; absent: unknown. */
    readonly sizes: Readonly<Record<string, number>>;
    /** The operator wants an older version. */
    readonly force: boolean;
}

/** "" or why not, one sentence without a full stop. */
export function bundleProblem(info: BundleInfo, target: BundleTarget): string {
    if (info.compatible !== target.compatible) {
        return `the bundle is for ${info.compatible}, and this box is a ${target.compatible}`;
    }
    if (info.version === "") return "the bundle names no version";
    if (!target.force && compareVersions(info.version, target.version) < 0) {
        return `version ${info.version} is older than the running ${target.version}; \`force\` installs it all the same`;
    }
    for (const {slotClass, octets} of info.images) {
        const room = target.sizes[slotClass];
        if (room === undefined || octets <= room) continue;
        return `the image ${slotClass} has ${mib(octets)} MiB, and its slot only ${mib(room)} MiB`;
    }
    return "";
}

function mib(octets: number): string {
    return (octets / 1_048_576).toFixed(1);
}
