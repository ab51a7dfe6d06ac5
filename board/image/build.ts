/** One build from beginning to end: base, root, kernel, slot images, disk, bundle, lists. */
import {createHash} from "node:crypto";
import {
    copyFileSync,
    createReadStream,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import {basename, join} from "node:path";
import {productionPackages} from "../program-tree.ts";
import {arm64Grub, arm64Native, buildArm64Base} from "./arm64.ts";
import {buildBase} from "./base.ts";
import {buildBundle} from "./bundle.ts";
import {Cache} from "./cache.ts";
import {buildDisk} from "./disk.ts";
import {buildInitramfs} from "./initramfs.ts";
import {developmentKeys, requireKeys} from "./keys.ts";
import {layoutOf, mebibyte, tooLarge} from "./layout.ts";
import {lock} from "./lock.ts";
import type {ImageOptions} from "./options.ts";
import {BuildProblem} from "./problem.ts";
import {packageVersion, releaseOf, sourceEpoch} from "./release.ts";
import {furnish, kernelVersion} from "./rootfs.ts";
import {cycloneDx, debianPackages, packageList} from "./sbom.ts";
import {bootCompression, rootCompression, squash} from "./squash.ts";
import {type Screen, Stages} from "./stages.ts";
import {requireSpace, requireTools, run} from "./tools.ts";
import {buildTestLeds} from "./uleds.ts";

/** Unpacked tree, slot images, disk image and bundle at the same time. */
const neededBytes = 3000 * mebibyte;
const plannedStages = 8;

/** What a build left behind, by kind. */
export interface Products {
    readonly boot: string;
    readonly root: string;
    readonly disk: string;
    readonly bundle: string;
    readonly folder: string;
}

async function sha256(path: string): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    return hash.digest("hex");
}

/** SHA256SUMS covers everything in the folder that is handed out, also of earlier builds. */
async function writeSums(folder: string): Promise<void> {
    const names = readdirSync(folder)
        .filter((name) => /^carpd-.*\.(?:img\.zst|raucb|cdx\.json|packages)$/u.test(name))
        .sort();
    const lines: string[] = [];
    for (const name of names) lines.push(`${await sha256(join(folder, name))}  ${name}\n`);
    writeFileSync(join(folder, "SHA256SUMS"), lines.join(""));
}

/** The LEDs of the emulated board (uleds.ts), for the test variant alone; "": none. */
function testLeds(project: string, tree: string, {arch, test, mirror}: ImageOptions): string {
    if (!test || arch !== "amd64") return "";
    const kernel = kernelVersion(tree);
    const scratch = join(project, "build-image");
    const folder = join(scratch, "uleds", kernel);
    buildTestLeds({kernel, mirror, cache: join(scratch, "cache")}, folder);
    return folder;
}

export async function build(
    project: string,
    options: ImageOptions,
    screen: Screen,
): Promise<Products> {
    if (process.getuid?.() !== 0) {
        throw new BuildProblem("an image holds files of several owners: run this as root");
    }
    requireTools(options.arch);
    if (options.keys !== null) requireKeys(options.keys);
    const {arch, test} = options;
    const scratch = join(project, "build-image");
    const out = options.out === "" ? scratch : options.out;
    const work = join(scratch, `work-${arch}${test ? "-test" : ""}`);
    for (const folder of [scratch, out]) mkdirSync(folder, {recursive: true});
    requireSpace(scratch, neededBytes);
    requireSpace(out, 1000 * mebibyte);
    const unlock = lock(`${work}.lock`);
    try {
        rmSync(work, {recursive: true, force: true});
        mkdirSync(work, {recursive: true});
        return await buildIn(work, {project, scratch, out}, options, screen);
    } finally {
        unlock();
    }
}

interface Folders {
    readonly project: string;
    readonly scratch: string;
    readonly out: string;
}

async function buildIn(
    work: string,
    {project, scratch, out}: Folders,
    options: ImageOptions,
    screen: Screen,
): Promise<Products> {
    const {arch, release: isRelease, test} = options;
    const cache = new Cache(join(scratch, "cache"));
    const layout = layoutOf();
    const stages = new Stages(screen, plannedStages);
    const version = options.version === "" ? packageVersion(project) : options.version;
    const epoch = await sourceEpoch(project, process.env.SOURCE_DATE_EPOCH);
    const keys = options.keys ?? (await developmentKeys(join(scratch, "keys")));
    const tree = join(work, "root");

    const base = await stages.run("base system", async (remarks) => {
        const amd64 = await buildBase(options, cache, remarks);
        return arch === "amd64" ? amd64 : buildArm64Base(options, amd64, cache, remarks);
    });
    const dpkgStatus = await stages.run("unpack", async () => {
        mkdirSync(tree);
        await run("tar", ["-C", tree, "--numeric-owner", "-xf", base]);
        return readFileSync(join(tree, "var/lib/dpkg/status"), "utf8");
    });
    const debian = debianPackages(dpkgStatus);
    const npm = productionPackages(project);
    const list = packageList(debian, npm);
    const release = releaseOf(version, arch, epoch, [list, test ? "test" : ""]);
    const kernel = await stages.run("root file system", async (remarks) => {
        const native =
            arch === "amd64"
                ? join(project, "build/Release")
                : await arm64Native(project, join(scratch, "native-arm64"));
        const uleds = testLeds(project, tree, options);
        // Kernel and initramfs go to the boot partition of the slot.
        const bootFolder = join(work, "boot");
        mkdirSync(bootFolder);
        const version = kernelVersion(tree);
        copyFileSync(join(tree, "boot", `vmlinuz-${version}`), join(bootFolder, "vmlinuz"));
        await furnish(tree, {
            project,
            arch,
            test,
            release,
            native,
            keyring: keys.keyring,
            uleds,
        });
        remarks.note(`${debian.length} + ${npm.length} packages, kernel ${version}`);
        return version;
    });
    const bootFolder = join(work, "boot");
    await stages.run("initramfs", async (remarks) => {
        const target = join(bootFolder, "initrd.img");
        await buildInitramfs({project, tree, kernel, epoch, work: join(work, "initramfs"), target});
        remarks.note(`${(statSync(target).size / mebibyte).toFixed(1)} MiB`);
    });
    const images = {boot: join(work, "boot.img"), root: join(work, "root.img")};
    await stages.run("slot images", async (remarks) => {
        const line = readFileSync(join(project, "board/image/boot/slot.cfg"), "utf8");
        // An emulator on a busy machine fails the kernel's test of the timer interrupt now and then.
        const extra = test ? "no_timer_check " : "";
        writeFileSync(join(bootFolder, "slot.cfg"), line.replace("@EXTRA@", extra));
        const bootBytes = await squash(bootFolder, images.boot, epoch, bootCompression);
        const rootBytes = await squash(tree, images.root, epoch, rootCompression(isRelease));
        const complaints = [
            tooLarge(layout, "boot-a", "the kernel image", bootBytes),
            tooLarge(layout, "root-a", "the root image", rootBytes),
        ].filter((complaint) => complaint !== "");
        if (complaints.length !== 0) throw new BuildProblem(complaints.join("\n"));
        const mib = (bytes: number): string => `${(bytes / mebibyte).toFixed(0)} MiB`;
        remarks.note(`boot ${mib(bootBytes)}, root ${mib(rootBytes)}`);
    });
    // Only now that everything fits is anything handed out.
    const name = `carpd-${version}-${arch}${test ? "-test" : ""}`;
    const disk = join(out, `${name}.img`);
    const bundle = join(out, `${name}.raucb`);
    await stages.run("disk image", async () => {
        const target = join(work, "disk.img");
        const grubFolder = arch === "amd64" ? "" : await arm64Grub(base, work);
        await buildDisk({project, arch, layout, ...images, epoch, grubFolder, work, target});
        renameAcross(target, disk);
    });
    await stages.run("update bundle", async () => {
        await buildBundle(release, keys, images, work, join(work, "update.raucb"));
        renameAcross(join(work, "update.raucb"), bundle);
    });
    await stages.run("compress and list", async () => {
        const level = isRelease ? "-15" : "-1";
        await run("zstd", ["-q", "-f", level, "-T0", disk, "-o", `${disk}.zst`]);
        if (isRelease) rmSync(disk);
        writeFileSync(join(out, `${name}.cdx.json`), cycloneDx(release, arch, debian, npm));
        writeFileSync(join(out, `${name}.packages`), list);
        await writeSums(out);
    });
    rmSync(tree, {recursive: true, force: true});
    stages.finish();
    screen.write(
        `${[`${basename(disk)}.zst`, basename(bundle), `${name}.cdx.json`, "SHA256SUMS"]
            .map((file) => join(out, file))
            .join("\n")}\n`,
    );
    return {...images, disk, bundle, folder: out};
}

/** The results may go to another file system. */
function renameAcross(from: string, to: string): void {
    rmSync(to, {force: true});
    try {
        renameSync(from, to);
    } catch (error) {
        if (!(error instanceof Error) || !("code" in error) || error.code !== "EXDEV") throw error;
        copyFileSync(from, to);
        rmSync(from);
    }
}
