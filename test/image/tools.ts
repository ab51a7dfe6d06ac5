/**
 * What building and running images needs beside what the other tests need. Installed only where
 * test/support/tools.ts would install: as root in CI.
 */
import {existsSync} from "node:fs";
import {run} from "../support/command.ts";
import {inCi, inPath} from "../support/tools.ts";

/** Program or file -> Debian package. */
const packages: Readonly<Record<string, string>> = {
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
    "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd": "qemu-efi-aarch64",
    "/usr/lib/grub/i386-pc/kernel.img": "grub-pc-bin",
    "/usr/lib/grub/x86_64-efi/kernel.img": "grub-efi-amd64-bin",
    "aarch64-linux-gnu-g++": "g++-aarch64-linux-gnu",
    bridge: "iproute2",
    cpio: "cpio",
    dtc: "device-tree-compiler",
    "grub-mkimage": "grub-common",
    kmod: "kmod",
    "mkfs.vfat": "dosfstools",
    mke2fs: "e2fsprogs",
    mcopy: "mtools",
    mksquashfs: "squashfs-tools",
    mmdebstrap: "mmdebstrap",
    openssl: "openssl",
    ping: "iputils-ping",
    "qemu-img": "qemu-utils",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-x86_64": "qemu-system-x86",
    rauc: "rauc",
    sfdisk: "fdisk",
    xz: "xz-utils",
    zstd: "zstd",
};

/** What the short form does without. */
const onlyLong = new Set([
    "ovmf",
    "qemu-efi-aarch64",
    "g++-aarch64-linux-gnu",
    "qemu-system-arm",
    "device-tree-compiler",
]);

function missingPackages(long: boolean): readonly string[] {
    const names = Object.entries(packages)
        .filter(([what]) => !(what.startsWith("/") ? existsSync(what) : inPath(what)))
        .map(([, name]) => name)
        .filter((name) => long || !onlyLong.has(name));
    return [...new Set(names)];
}

/**
 * Makes the tools be there. Returns why they are not; undefined: they are. In CI that is a failure,
 * elsewhere a reason to skip.
 */
export async function installTools(
    long: boolean,
    say: (line: string) => void,
): Promise<string | undefined> {
    if (process.getuid?.() !== 0) return "the image tests need root (taps, building a root tree)";
    const missing = missingPackages(long);
    if (missing.length === 0) return undefined;
    const asked = inCi || process.env.CARP_TEST_INSTALL === "1";
    if (!asked || !inPath("apt-get")) return `missing here: apt-get install ${missing.join(" ")}`;
    const env = {DEBIAN_FRONTEND: "noninteractive"};
    await run(["apt-get", "update"], {env, deadlineMs: 300_000});
    const argv = ["apt-get", "install", "-y", "--no-install-recommends", ...missing];
    const result = await run(argv, {env, deadlineMs: 1_200_000});
    if (result.code === 0) {
        say(`installed ${missing.join(" ")}`);
        return undefined;
    }
    return `${argv.join(" ")}: ${result.output.trimEnd().split("\n").slice(-3).join(" | ")}`;
}
