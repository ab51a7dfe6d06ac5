/**
 * The other programs that a build runs: which ones, from which Debian package, and how they are
 * started. Output is kept and shown only when a program fails.
 */
import {spawn} from "node:child_process";
import {accessSync, constants, statfsSync} from "node:fs";
import {join} from "node:path";
import type {Arch} from "./options.ts";
import {BuildProblem} from "./problem.ts";

/** sbin is not in everybody's PATH, and half of the tools live there. */
const folders = [
    ...new Set([...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"]),
];

/** Program or file -> Debian package. */
const needed: readonly (readonly [string, string])[] = [
    ["mmdebstrap", "mmdebstrap"],
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"],
    ["mksquashfs", "squashfs-tools"],
    ["sfdisk", "fdisk"],
    ["mcopy", "mtools"],
    ["mkfs.vfat", "dosfstools"],
    ["mke2fs", "e2fsprogs"],
    ["zstd", "zstd"],
    ["cpio", "cpio"],
    ["xz", "xz-utils"],
    ["depmod", "kmod"],
    ["modprobe", "kmod"],
    ["grub-mkimage", "grub-common"],
    ["rauc", "rauc"],
    ["openssl", "openssl"],
    ["strip", "binutils"],
    ["systemctl", "systemd"],
    ["systemd-sysusers", "systemd"],
    ["tar", "tar"],
];
const neededFor: Readonly<Record<Arch, readonly (readonly [string, string])[]>> = {
    amd64: [
        ["/usr/lib/grub/i386-pc/kernel.img", "grub-pc-bin"],
        ["/usr/lib/grub/x86_64-efi/kernel.img", "grub-efi-amd64-bin"],
    ],
    arm64: [
        ["aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu"],
        ["aarch64-linux-gnu-strip", "binutils-aarch64-linux-gnu"],
        ["dpkg-deb", "dpkg"],
        ["make", "make"],
    ],
};

function readable(path: string, mode: number): boolean {
    try {
        accessSync(path, mode);
        return true;
    } catch (error) {
        // Any reason counts as "not there": the message names the package either way.
        return error === undefined;
    }
}

function present(tool: string): boolean {
    if (tool.startsWith("/")) return readable(tool, constants.R_OK);
    return folders.some((folder) => readable(join(folder, tool), constants.X_OK));
}

/** One complaint for all that is missing. */
export function requireTools(arch: Arch): void {
    const missing = [...needed, ...neededFor[arch]].filter(([tool]) => !present(tool));
    if (missing.length === 0) return;
    const packages = [...new Set(missing.map(([, name]) => name))].sort();
    throw new BuildProblem(
        `not found: ${missing.map(([tool]) => tool).join(", ")}\n` +
            `on Debian: apt-get install ${packages.join(" ")}`,
    );
}

/** Refuses to begin what a full disk would end half-way. `bytes`: about what is going to be written. */
export function requireSpace(folder: string, bytes: number): void {
    const {bavail, bsize} = statfsSync(folder);
    const free = bavail * bsize;
    if (free >= bytes) return;
    const mib = (size: number): string => `${Math.round(size / 1024 / 1024)} MiB`;
    throw new BuildProblem(
        `${folder} has ${mib(free)} free, a build needs about ${mib(bytes)}; nothing was written`,
    );
}

export interface RunOptions {
    readonly cwd?: string;
    /** Added to this process's own; undefined takes one away. */
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly input?: string | Buffer;
    /** Exit codes that are fine; default [0]. */
    readonly accept?: readonly number[];
}

/** Runs a program to its end and returns what it printed on its standard output. */
export function run(
    program: string,
    args: readonly string[],
    options: RunOptions = {},
): Promise<string> {
    return new Promise((resolve, reject) => {
        const child = spawn(program, [...args], {
            cwd: options.cwd,
            env: {...process.env, PATH: folders.join(":"), LC_ALL: "C.UTF-8", ...options.env},
            stdio: ["pipe", "pipe", "pipe"],
        });
        const output: Buffer[] = [];
        const complaints: Buffer[] = [];
        child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
        child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
        // A program that does not read its input closes the pipe early; its exit code tells the rest.
        child.stdin.on("error", () => undefined);
        child.stdin.end(options.input ?? "");
        child.on("error", (error) => {
            reject(new BuildProblem(`cannot run ${program}: ${error.message}`));
        });
        child.on("close", (code, signal) => {
            const text = Buffer.concat(output).toString("utf8");
            if (code !== null && (options.accept ?? [0]).includes(code)) {
                resolve(text);
                return;
            }
            reject(failure(program, args, code, signal, `${text}\n${Buffer.concat(complaints)}`));
        });
    });
}

function failure(
    program: string,
    args: readonly string[],
    code: number | null,
    signal: string | null,
    said: string,
): BuildProblem {
    if (/No space left on device/iu.test(said)) {
        return new BuildProblem(`no space left on the disk while ${program} was writing`);
    }
    const tail = said.trim().split("\n").slice(-25).join("\n");
    const how = code === null ? `was ended by ${signal}` : `failed with exit code ${code}`;
    return new BuildProblem(`${program} ${args[0] ?? ""} ${how}\n${tail}`);
}
