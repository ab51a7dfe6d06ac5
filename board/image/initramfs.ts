/**
 * The initramfs: busybox, the modules that a boot disk may need, and board/image/boot/init. A tenth
 * of the size of the distribution's own, which is most of what a boot loader reads.
 */
import {
    chmodSync,
    copyFileSync,
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {basename, dirname, join} from "node:path";
import {settleTimes} from "../program-tree.ts";
import {imageDiskGuid} from "./layout.ts";
import {bootModules, requiredBootModules} from "./packages.ts";
import {BuildProblem} from "./problem.ts";
import {run} from "./tools.ts";

/** modules.dep: file -> what has to be loaded before it. Pure. */
export function moduleFiles(
    dependencies: string,
    builtin: string,
    wanted: readonly string[],
    required: readonly string[],
): readonly string[] {
    const bare = (path: string): string =>
        basename(path)
            .replace(/\.ko(?:\.[a-z0-9]+)?$/u, "")
            .replaceAll("-", "_");
    const files = new Map<string, readonly string[]>();
    for (const line of dependencies.split("\n")) {
        const [file = "", needs = ""] = line.split(":");
        if (file !== "") files.set(bare(file), [file, ...needs.split(" ").filter(Boolean)]);
    }
    const inKernel = new Set(builtin.split("\n").filter(Boolean).map(bare));
    for (const name of required) {
        if (!files.has(name) && !inKernel.has(name)) {
            throw new BuildProblem(`the kernel has no module ${name}, without which nothing boots`);
        }
    }
    return [...new Set(wanted.flatMap((name) => files.get(name) ?? []))].sort();
}

/** All paths below a folder, sorted, relative to it. */
function pathsBelow(folder: string, prefix = ""): readonly string[] {
    return readdirSync(join(folder, prefix), {withFileTypes: true})
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .flatMap((entry) => {
            const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
            return entry.isDirectory() ? [path, ...pathsBelow(folder, path)] : [path];
        });
}

export interface InitramfsOptions {
    readonly project: string;
    readonly tree: string;
    readonly kernel: string;
    readonly epoch: number;
    /** Scratch folder. */
    readonly work: string;
    readonly target: string;
}

export async function buildInitramfs(options: InitramfsOptions): Promise<void> {
    const {tree, kernel, work, target} = options;
    rmSync(work, {recursive: true, force: true});
    for (const path of ["bin", "dev", "proc", "sys", "run", "sysroot"]) {
        mkdirSync(join(work, path), {recursive: true});
    }
    copyFileSync(join(tree, "usr/bin/busybox"), join(work, "bin/busybox"));
    symlinkSync("busybox", join(work, "bin/sh"));
    // Where the kernel looks for modprobe.
    symlinkSync("bin", join(work, "sbin"));
    const init = readFileSync(join(options.project, "board/image/boot/init"), "utf8");
    writeFileSync(join(work, "init"), init.replaceAll("@IMAGE_DISK_GUID@", imageDiskGuid));
    chmodSync(join(work, "init"), 0o755);

    const source = join(tree, "usr/lib/modules", kernel);
    const modules = join(work, "lib/modules", kernel);
    const list = (name: string): string => readFileSync(join(source, name), "utf8");
    const builtin = list("modules.builtin");
    const files = moduleFiles(list("modules.dep"), builtin, bootModules, requiredBootModules);
    const packed: string[] = [];
    for (const file of files) {
        const copy = join(modules, file);
        mkdirSync(dirname(copy), {recursive: true});
        copyFileSync(join(source, file), copy);
        if (copy.endsWith(".xz")) packed.push(copy);
    }
    // Together they compress better plain, and busybox need not know xz.
    if (packed.length !== 0) await run("xz", ["-d", ...packed]);
    for (const name of ["modules.builtin", "modules.builtin.modinfo", "modules.order"]) {
        if (existsSync(join(source, name))) copyFileSync(join(source, name), join(modules, name));
    }
    await run("depmod", ["-b", work, kernel]);
    for (const name of readdirSync(modules)) {
        // The binary indices are for kmod; busybox reads the text.
        if (/\.bin$|^modules\.(?:devname|softdep|order|builtin)/u.test(name)) {
            rmSync(join(modules, name));
        }
    }
    settleTimes(work, options.epoch);
    const archive = `${work}.cpio`;
    await run(
        "cpio",
        ["--create", "--format=newc", "--reproducible", "--owner=0:0", "--quiet", "-F", archive],
        {cwd: work, input: `${pathsBelow(work).join("\n")}\n`},
    );
    await run("zstd", ["-q", "-f", "-15", "-T1", archive, "-o", target]);
    rmSync(archive);
}
