/**
 * What is different for arm64. Running the packages' installation scripts under an emulator takes
 * ten minutes; instead the packages are only unpacked, and what the scripts would have made is taken
 * from the amd64 base, where they ran.
 */
import {
    chmodSync,
    chownSync,
    cpSync,
    existsSync,
    lchownSync,
    lstatSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    rmSync,
    type Stats,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {dirname, join} from "node:path";
import type {Cache} from "./cache.ts";
import {aptLines, findMirrors, suite} from "./mirror-files.ts";
import type {ImageOptions} from "./options.ts";
import {kernelPackage} from "./packages.ts";
import {debianPackages} from "./sbom.ts";
import type {Remarks} from "./stages.ts";
import {run} from "./tools.ts";

const revision = "1";
const loaderPackage = "grub-efi-arm64-bin";
/** Below this lie GRUB's modules; rootfs.ts throws them out of the image. */
const loaderFolder = "usr/lib/grub/arm64-efi";

/** Belong to one processor, to the packaging system, or to nobody. */
const notTaken =
    /^(?:proc|sys|dev|run|tmp|boot|lib64|var\/cache|var\/log|var\/lib\/dpkg|var\/lib\/apt|usr\/lib\/modules|usr\/lib64|etc\/ld\.so\.cache)(?:\/|$)|x86_64/u;

/** Everything that the packages of a tree list as theirs. */
function ownedPaths(tree: string): ReadonlySet<string> {
    const info = join(tree, "var/lib/dpkg/info");
    const owned = new Set<string>();
    for (const name of readdirSync(info)) {
        if (!name.endsWith(".list")) continue;
        for (const path of readFileSync(join(info, name), "utf8").split("\n")) {
            owned.add(path.slice(1));
        }
    }
    return owned;
}

function sameRights(a: Stats, b: Stats): boolean {
    return a.uid === b.uid && a.gid === b.gid && a.mode === b.mode;
}

/** Adds to `tree` what installation scripts made in `model`, and their changes of owner and mode. */
function takeOver(model: string, tree: string): void {
    const owned = ownedPaths(model);
    const walk = (folder: string): void => {
        for (const entry of readdirSync(join(model, folder), {withFileTypes: true})) {
            const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
            if (notTaken.test(path)) continue;
            const from = join(model, path);
            const to = join(tree, path);
            const there = lstatSync(to, {throwIfNoEntry: false});
            const stat = lstatSync(from);
            if (there === undefined) {
                // A package of the other processor alone: its files are of no use here.
                if (owned.has(path)) continue;
                if (entry.isDirectory()) mkdirSync(to);
                else cpSync(from, to, {verbatimSymlinks: true, preserveTimestamps: true});
                lchownSync(to, stat.uid, stat.gid);
                if (!entry.isSymbolicLink()) chmodSync(to, stat.mode);
            } else if (!entry.isSymbolicLink() && !sameRights(stat, there)) {
                chownSync(to, stat.uid, stat.gid);
                chmodSync(to, stat.mode);
            }
            if (entry.isDirectory()) walk(path);
        }
    };
    walk("");
}

/** The packages are not installed, so their list is made from the archives. */
async function writeStatus(tree: string): Promise<void> {
    const archives = join(tree, "var/cache/apt/archives");
    const stanzas: string[] = [];
    for (const name of readdirSync(archives).sort()) {
        if (!name.endsWith(".deb") || name.startsWith(loaderPackage)) continue;
        const control = await run("dpkg-deb", ["--field", join(archives, name)]);
        stanzas.push(control.trim().replace(/\n/u, "\nStatus: install ok installed\n"));
    }
    mkdirSync(join(tree, "var/lib/dpkg"), {recursive: true});
    writeFileSync(join(tree, "var/lib/dpkg/status"), `${stanzas.join("\n\n")}\n`);
}

async function unpackAndMerge(
    mirror: string,
    amd64: string,
    names: readonly string[],
    target: string,
): Promise<void> {
    const tree = `${target}.tree`;
    const model = `${target}.model`;
    try {
        await run("mmdebstrap", [
            "--mode=root",
            "--variant=extract",
            "--format=directory",
            "--architectures=arm64",
            "--skip=cleanup/apt/cache,check/qemu",
            `--include=${[...names, kernelPackage.arm64, loaderPackage].join(",")}`,
            "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
            '--aptopt=APT::Install-Recommends "false"',
            '--aptopt=Acquire::Retries "5"',
            suite,
            tree,
            ...aptLines(findMirrors(mirror)),
        ]);
        await writeStatus(tree);
        mkdirSync(model);
        await run("tar", ["-C", model, "--numeric-owner", "-xf", amd64]);
        takeOver(model, tree);
        rmSync(join(tree, "var/cache/apt"), {recursive: true, force: true});
        await run("tar", [
            ...["-C", tree, "--numeric-owner", "--sort=name", "--mtime=@0", "-cf", target, "."],
        ]);
    } finally {
        for (const folder of [tree, model]) rmSync(folder, {recursive: true, force: true});
    }
}

/** `amd64`: the configured base of the same day. */
export async function buildArm64Base(
    options: ImageOptions,
    amd64: string,
    cache: Cache,
    remarks: Remarks,
): Promise<string> {
    const status = await run("tar", ["-xOf", amd64, "./var/lib/dpkg/status"]);
    const names = debianPackages(status)
        .map(({name}) => name)
        .filter((name) => !name.startsWith("linux-image-"));
    // The name of the amd64 base holds the hash of what it is made from.
    const {path, hit} = await cache.keep(
        "base-arm64",
        ".tar",
        [revision, amd64, ...names, loaderPackage],
        (target) => unpackAndMerge(options.mirror, amd64, names, target),
        options.refresh,
    );
    remarks.note(hit ? "from the cache" : "unpacked, and configured by the amd64 base");
    return path;
}

/** GRUB's arm64 modules, taken out of the base. */
export async function arm64Grub(base: string, work: string): Promise<string> {
    const folder = join(work, "grub-arm64");
    mkdirSync(folder);
    await run("tar", ["-C", folder, "-xf", base, `./${loaderFolder}`]);
    return join(folder, loaderFolder);
}

/** Compiles addon and janitor with the cross compiler, in a folder beside the machine's own build. */
export async function arm64Native(project: string, folder: string): Promise<string> {
    mkdirSync(folder, {recursive: true});
    for (const name of ["native", "binding.gyp", "package.json"]) {
        // With their times, so that make sees what is new.
        cpSync(join(project, name), join(folder, name), {
            recursive: true,
            preserveTimestamps: true,
        });
    }
    const modules = join(folder, "node_modules");
    if (!existsSync(modules)) symlinkSync(join(project, "node_modules"), modules);
    const prefix = "aarch64-linux-gnu";
    const configured = existsSync(join(folder, "build/Makefile"));
    await run(
        process.execPath,
        [
            join(project, "node_modules/node-gyp/bin/node-gyp.js"),
            configured ? "build" : "rebuild",
            "--arch=arm64",
            // Node's headers are the same for every processor.
            `--nodedir=${join(dirname(process.execPath), "..")}`,
        ],
        {
            cwd: folder,
            env: {
                CC: `${prefix}-gcc`,
                CXX: `${prefix}-g++`,
                LINK: `${prefix}-g++`,
                AR: `${prefix}-ar`,
            },
        },
    );
    return join(folder, "build/Release");
}
