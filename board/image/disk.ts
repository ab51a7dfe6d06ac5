/** The disk image: table, EFI system partition, slot A, empty data. No loop device, no mount. */
import {
    closeSync,
    ftruncateSync,
    openSync,
    readSync,
    rmSync,
    writeFileSync,
    writeSync,
} from "node:fs";
import {join} from "node:path";
import {efiLoader, environmentBlock, installBios} from "./grub.ts";
import {espVolumeId, type Layout, partition, sfdiskScript} from "./layout.ts";
import type {Arch} from "./options.ts";
import {run} from "./tools.ts";

const chunkBytes = 1024 * 1024;

/** Copies a file to an offset of another one; runs of zeros stay holes. */
function place(source: string, disk: string, offset: number): void {
    const from = openSync(source, "r");
    const to = openSync(disk, "r+");
    try {
        const chunk = Buffer.alloc(chunkBytes);
        const zeros = Buffer.alloc(chunkBytes);
        for (let at = 0; ; ) {
            const length = readSync(from, chunk, 0, chunkBytes, at);
            if (length === 0) return;
            const part = chunk.subarray(0, length);
            if (!part.equals(zeros.subarray(0, length)))
                writeSync(to, part, 0, length, offset + at);
            at += length;
        }
    } finally {
        closeSync(from);
        closeSync(to);
    }
}

function emptyFile(path: string, bytes: number): void {
    rmSync(path, {force: true});
    const file = openSync(path, "w");
    ftruncateSync(file, bytes);
    closeSync(file);
}

export interface DiskOptions {
    readonly project: string;
    readonly arch: Arch;
    readonly layout: Layout;
    readonly boot: string;
    readonly root: string;
    readonly epoch: number;
    /** GRUB's modules for the EFI program; "" for this machine's own. */
    readonly grubFolder: string;
    readonly work: string;
    readonly target: string;
}

async function systemPartition(options: DiskOptions, target: string): Promise<void> {
    const {project, arch, layout, epoch, work} = options;
    const early = join(project, "board/image/boot/early.cfg");
    emptyFile(target, partition(layout, "esp").sizeBytes);
    const env = {SOURCE_DATE_EPOCH: String(epoch), MTOOLS_SKIP_CHECK: "1", TZ: "UTC"};
    await run("mkfs.vfat", ["--invariant", "-F", "32", "-n", "CARPD", "-i", espVolumeId, target], {
        env,
    });
    const loader = await efiLoader(arch, options.grubFolder, early, work);
    const files: readonly (readonly [string, string])[] = [
        [loader.path, `::/EFI/BOOT/${loader.name}`],
        [join(project, "board/image/boot/grub.cfg"), "::/grub/grub.cfg"],
        [join(work, "grubenv"), "::/grub/grubenv"],
        [join(work, "carpd-esp"), "::/grub/carpd-esp"],
    ];
    const first = {ORDER: "A B", A_OK: "1", A_TRY: "0", B_OK: "0", B_TRY: "0"};
    writeFileSync(join(work, "grubenv"), environmentBlock(first));
    writeFileSync(join(work, "carpd-esp"), "The boot loader of carpd lies here.\n");
    await run("mmd", ["-i", target, "::/EFI", "::/EFI/BOOT", "::/grub"], {env});
    for (const [source, name] of files) {
        await run("mcopy", ["-i", target, source, name], {env});
    }
}

export async function buildDisk(options: DiskOptions): Promise<void> {
    const {arch, layout, work, target, project} = options;
    emptyFile(target, layout.diskBytes);
    await run("sfdisk", ["--quiet", "--no-reread", "--no-tell-kernel", target], {
        input: sfdiskScript(layout),
    });
    const esp = join(work, "esp.img");
    await systemPartition(options, esp);
    for (const [name, file] of [
        ["esp", esp],
        ["boot-a", options.boot],
        ["root-a", options.root],
    ] as const) {
        place(file, target, partition(layout, name).startBytes);
    }
    if (arch === "amd64") {
        await installBios(target, layout, join(project, "board/image/boot/early.cfg"), work);
    }
    rmSync(esp);
    // The first start makes the data partition when it finds this part empty. Written, not left as
    // a hole: tools that copy only what is there would leave an older installation's data alive.
    const file = openSync(target, "r+");
    writeSync(file, Buffer.alloc(chunkBytes), 0, chunkBytes, partition(layout, "data").startBytes);
    closeSync(file);
}
