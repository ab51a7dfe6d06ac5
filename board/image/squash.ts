/** Packs folders into squashfs images; the same folder gives the same bytes. */
import {rmSync, statSync} from "node:fs";
import {run} from "./tools.ts";

export async function squash(
    folder: string,
    target: string,
    epoch: number,
    compression: readonly string[],
): Promise<number> {
    rmSync(target, {force: true});
    const times = ["-mkfs-time", String(epoch), "-all-time", String(epoch)];
    await run(
        "mksquashfs",
        [folder, target, "-noappend", "-no-progress", "-no-xattrs", ...times, ...compression],
        // The tool refuses both the variable and the options at once.
        {env: {SOURCE_DATE_EPOCH: undefined}},
    );
    return statSync(target).size;
}

/** The root: the kernel reads it, so any compression will do. */
export function rootCompression(release: boolean): readonly string[] {
    return ["-comp", "zstd", "-Xcompression-level", release ? "15" : "3", "-b", "256K"];
}

/** Kernel and initramfs are compressed already, and GRUB knows no zstd: stored as they are. */
export const bootCompression: readonly string[] = ["-comp", "gzip", "-noI", "-noD", "-noF", "-noX"];
