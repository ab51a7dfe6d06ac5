/**
 * The partition table of the appliance, as numbers. Pure.
 *
 * Each slot has two partitions: GRUB reads gzip-squashfs only, so kernel and initramfs lie in a
 * small squashfs of their own beside the large zstd root. Sizes are fixed for the life of a
 * product: an update writes whole partitions and can never grow one.
 */
export const sectorBytes = 512;
export const mebibyte = 1024 * 1024;

/** Every image carries these until its first boot gives the disk identifiers of its own. */
export const imageDiskGuid = "c0a4bd00-7072-4f4f-8d00-000000000000";
/** FAT volume number of the ESP, as mkfs.vfat wants it. */
export const espVolumeId = "CA2BD001";

const linuxData = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const types = {
    biosBoot: "21686148-6449-6E6F-744E-656564454649",
    esp: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    // Not the types of the discoverable partitions specification: nothing may mount these by itself.
    linux: linuxData,
} as const;

export interface Partition {
    readonly number: number;
    /** PARTLABEL. */
    readonly name: string;
    readonly type: string;
    readonly guid: string;
    readonly startBytes: number;
    readonly sizeBytes: number;
}

export interface Layout {
    readonly diskBytes: number;
    readonly partitions: readonly Partition[];
}

const sizesMiB = [
    ["bios-boot", types.biosBoot, 1],
    ["esp", types.esp, 64],
    ["boot-a", types.linux, 48],
    ["root-a", types.linux, 256],
    ["boot-b", types.linux, 48],
    ["root-b", types.linux, 256],
    // Grown over the rest of the disk at first boot.
    ["data", types.linux, 64],
] as const;

/** 1 MiB in front and behind: alignment, and room for the two copies of the GPT. */
export function layoutOf(): Layout {
    let next = 1;
    const partitions = sizesMiB.map(([name, type, size], index) => {
        const number = index + 1;
        const start = next;
        next += size;
        return {
            number,
            name,
            type,
            guid: `${imageDiskGuid.slice(0, -2)}${number.toString().padStart(2, "0")}`,
            startBytes: start * mebibyte,
            sizeBytes: size * mebibyte,
        };
    });
    return {diskBytes: (next + 1) * mebibyte, partitions};
}

export function partition(layout: Layout, name: string): Partition {
    const found = layout.partitions.find((candidate) => candidate.name === name);
    if (found === undefined) throw new Error(`the layout has no partition ${name}`);
    return found;
}

/** The script that makes this table with sfdisk(8). */
export function sfdiskScript(layout: Layout): string {
    const lines = layout.partitions.map(
        ({startBytes, sizeBytes, type, guid, name}) =>
            `start=${startBytes / sectorBytes}, size=${sizeBytes / sectorBytes}, ` +
            `type=${type}, uuid=${guid.toUpperCase()}, name="${name}"`,
    );
    return [
        "label: gpt",
        `label-id: ${imageDiskGuid.toUpperCase()}`,
        `first-lba: 34`,
        ...lines,
        "",
    ].join("\n");
}

/** "" when the file fits; else what to tell the user. */
export function tooLarge(layout: Layout, name: string, file: string, bytes: number): string {
    const {sizeBytes} = partition(layout, name);
    if (bytes <= sizeBytes) return "";
    const mib = (size: number): string => (size / mebibyte).toFixed(1);
    return (
        `${file} is ${mib(bytes)} MiB and does not fit partition ${name} of ${mib(sizeBytes)} MiB ` +
        `(${mib(bytes - sizeBytes)} MiB too much); nothing was written`
    );
}
