/** The boot loaders: one core each for BIOS and EFI, with every module that grub.cfg uses inside. */
import {closeSync, openSync, readFileSync, writeSync} from "node:fs";
import {join} from "node:path";
import {type Layout, partition, sectorBytes} from "./layout.ts";
import type {Arch} from "./options.ts";
import {BuildProblem} from "./problem.ts";
import {run} from "./tools.ts";

const modules: readonly string[] = [
    ..."part_gpt fat squash4 normal configfile linux boot loadenv search search_fs_file".split(" "),
    ..."test regexp echo probe sleep reboot halt serial terminal minicmd ls cat".split(" "),
];

interface Loader {
    readonly format: string;
    readonly folder: string;
    readonly file: string;
    readonly extra: readonly string[];
}

const efi: Readonly<Record<Arch, Loader>> = {
    amd64: {
        format: "x86_64-efi",
        folder: "/usr/lib/grub/x86_64-efi",
        file: "BOOTX64.EFI",
        extra: ["efi_gop", "all_video"],
    },
    arm64: {format: "arm64-efi", folder: "", file: "BOOTAA64.EFI", extra: ["fdt"]},
};
const bios: Loader = {
    format: "i386-pc",
    folder: "/usr/lib/grub/i386-pc",
    file: "core.img",
    extra: ["biosdisk"],
};

/**
 * `early`: boot/early.cfg, which GRUB reads before it can do more than run plain commands: neither
 * conditions nor comments. It confirms that the disk that the firmware started is ours, and looks
 * for our mark elsewhere when it is not.
 */
async function core(loader: Loader, folder: string, early: string, target: string): Promise<void> {
    await run("grub-mkimage", [
        `--format=${loader.format}`,
        `--directory=${folder}`,
        `--output=${target}`,
        `--config=${early}`,
        // Without a disk in front: GRUB takes the one that the firmware started.
        "--prefix=(,gpt2)/grub",
        ...modules,
        ...loader.extra,
    ]);
}

/** Writes the EFI program; `folder` holds GRUB's modules, "" for where this machine has them. */
export async function efiLoader(
    arch: Arch,
    folder: string,
    early: string,
    work: string,
): Promise<{path: string; name: string}> {
    const loader = efi[arch];
    const path = join(work, loader.file);
    await core(loader, folder === "" ? loader.folder : folder, early, path);
    return {path, name: loader.file};
}

/** Where in the first sector GRUB keeps what its installer would fill in. */
const bootSector = {codeBytes: 440, coreSector: 0x5c, driveCheckJump: 0x66} as const;
/** The last block list entry of the core's first sector: sector, length, segment. */
const blockList = {sector: 0x1f4, length: 0x1fc, segment: 0x1fe} as const;
const loadSegment = 0x820;

/**
 * Does by hand what GRUB's BIOS installer does, which would need a block device: boot.img into the
 * first sector, core.img into the BIOS boot partition, and where to find each other into both.
 */
export function joinBios(
    bootImage: Buffer,
    coreImage: Buffer,
    startSector: number,
    room: number,
): {readonly boot: Buffer; readonly core: Buffer} {
    const sectors = Math.ceil(coreImage.length / sectorBytes);
    if (sectors * sectorBytes > room) {
        throw new BuildProblem("GRUB's BIOS core does not fit its partition");
    }
    // The partition table's bytes at the end of the sector stay as sfdisk wrote them.
    const boot = Buffer.from(bootImage.subarray(0, bootSector.codeBytes));
    boot.writeBigUInt64LE(BigInt(startSector), bootSector.coreSector);
    // Trust the drive number that the BIOS passes instead of assuming the first disk.
    boot.writeUInt16LE(0x9090, bootSector.driveCheckJump);
    const whole = Buffer.alloc(sectors * sectorBytes);
    coreImage.copy(whole);
    whole.writeBigUInt64LE(BigInt(startSector + 1), blockList.sector);
    whole.writeUInt16LE(sectors - 1, blockList.length);
    whole.writeUInt16LE(loadSegment, blockList.segment);
    return {boot, core: whole};
}

export async function installBios(
    disk: string,
    layout: Layout,
    early: string,
    work: string,
): Promise<void> {
    const target = join(work, bios.file);
    await core(bios, bios.folder, early, target);
    const {startBytes, sizeBytes} = partition(layout, "bios-boot");
    const joined = joinBios(
        readFileSync(join(bios.folder, "boot.img")),
        readFileSync(target),
        startBytes / sectorBytes,
        sizeBytes,
    );
    const file = openSync(disk, "r+");
    try {
        writeSync(file, joined.boot, 0, joined.boot.length, 0);
        writeSync(file, joined.core, 0, joined.core.length, startBytes);
    } finally {
        closeSync(file);
    }
}

/** An environment block: 1024 bytes, padded with "#". */
export function environmentBlock(variables: Readonly<Record<string, string>>): Buffer {
    const text = Object.entries(variables)
        .map(([name, value]) => `${name}=${value}\n`)
        .join("");
    return Buffer.from(`# GRUB Environment Block\n${text}`.padEnd(1024, "#"), "latin1");
}
