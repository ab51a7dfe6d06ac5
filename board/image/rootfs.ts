/**
 * From the base system to the appliance's root: throws out what a router has no use for, adds
 * carpd, its units and the overlay, and settles users and enabled units. The result is a folder.
 */
import {
    chmodSync,
    cpSync,
    existsSync,
    lstatSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {dirname, join} from "node:path";
import {stageProgram, stageUnits} from "../program-tree.ts";
import type {Arch} from "./options.ts";
import {pruned, prunedModules} from "./packages.ts";
import {BuildProblem} from "./problem.ts";
import type {Release} from "./release.ts";
import {run} from "./tools.ts";

export interface RootOptions {
    readonly project: string;
    readonly arch: Arch;
    readonly test: boolean;
    readonly release: Release;
    /** Holds carp.node and carp-janitor for `arch`. */
    readonly native: string;
    /** Certificates that the installed system accepts. */
    readonly keyring: string;
    /** What uleds.ts has built for the image's kernel, a folder; "" for none. */
    readonly uleds: string;
}

/** The one kernel in the tree, as /usr/lib/modules names it. */
export function kernelVersion(tree: string): string {
    const found = readdirSync(join(tree, "usr/lib/modules"));
    const [version] = found;
    if (version === undefined || found.length !== 1) {
        throw new BuildProblem(`expected one kernel in the base system, found: ${found.join(" ")}`);
    }
    return version;
}

function put(tree: string, path: string, text: string, mode = 0o644): void {
    const target = join(tree, path);
    mkdirSync(dirname(target), {recursive: true});
    rmSync(target, {force: true});
    writeFileSync(target, text);
    chmodSync(target, mode);
}

function prune(tree: string): void {
    for (const path of pruned) rmSync(join(tree, path), {recursive: true, force: true});
    const programs = ["usr/bin", "usr/sbin"].flatMap((folder) =>
        readdirSync(join(tree, folder)).map((name) => join(folder, name)),
    );
    for (const path of programs) {
        if (/\/grub-/u.test(path) && !path.endsWith("/grub-editenv")) rmSync(join(tree, path));
    }
    const docs = join(tree, "usr/share/doc");
    for (const name of readdirSync(docs)) {
        const folder = join(docs, name);
        if (!lstatSync(folder).isDirectory()) continue;
        for (const file of readdirSync(folder)) {
            if (file !== "copyright") rmSync(join(folder, file), {recursive: true});
        }
    }
    for (const name of readdirSync(join(tree, "etc/ssh"))) {
        if (name.startsWith("ssh_host_")) rmSync(join(tree, "etc/ssh", name));
    }
    for (const folder of ["var/cache", "var/log", "var/lib/systemd", "tmp", "run", "boot"]) {
        rmSync(join(tree, folder), {recursive: true, force: true});
        mkdirSync(join(tree, folder));
    }
    chmodSync(join(tree, "tmp"), 0o1777);
}

async function modules(tree: string, version: string, uleds: string): Promise<void> {
    const folder = join(tree, "usr/lib/modules", version);
    for (const path of prunedModules) {
        rmSync(join(folder, "kernel", path), {recursive: true, force: true});
    }
    if (uleds !== "") {
        mkdirSync(join(folder, "updates"), {recursive: true});
        cpSync(join(uleds, "uleds.ko"), join(folder, "updates/uleds.ko"));
    }
    await run("depmod", ["-b", join(tree, "usr"), version]);
}

/** The LEDs of the emulated board and the record of what they do. */
function emulatedPanel(tree: string, uleds: string): void {
    const folder = join(tree, "usr/lib/carpd-test");
    const units = join(tree, "usr/lib/systemd/system");
    const unit = "carpd-test-leds.service";
    mkdirSync(folder, {recursive: true});
    for (const name of ["led-recorder", "leds"]) cpSync(join(uleds, name), join(folder, name));
    cpSync(join(uleds, unit), join(units, unit));
    mkdirSync(join(units, "sysinit.target.wants"), {recursive: true});
    symlinkSync(`../${unit}`, join(units, "sysinit.target.wants", unit));
}

/** Copies an overlay folder: programs stay executable, everything else is plain. */
function overlay(source: string, tree: string): void {
    for (const entry of readdirSync(source, {withFileTypes: true})) {
        const from = join(source, entry.name);
        const to = join(tree, entry.name);
        if (entry.isDirectory()) {
            mkdirSync(to, {recursive: true});
            overlay(from, to);
        } else {
            rmSync(to, {force: true});
            cpSync(from, to, {verbatimSymlinks: true});
            if (entry.isFile()) chmodSync(to, lstatSync(from).mode & 0o100 ? 0o755 : 0o644);
        }
    }
}

/** Its port: the second one of a PC; on arm64, whose console is another driver's, the first. */
function testShell(tree: string, source: string, arch: Arch): void {
    overlay(source, tree);
    const preset = "usr/lib/systemd/system-preset/00-carpd-test.preset";
    const text = readFileSync(join(tree, preset), "utf8");
    put(tree, preset, text.replaceAll("@TTY@", arch === "amd64" ? "ttyS1" : "ttyS0"));
}

function identity(tree: string, {version, compatible, built}: Release, test: boolean): void {
    const base = readFileSync(join(tree, "usr/lib/os-release"), "utf8")
        .split("\n")
        .filter((line) => line !== "" && !/^(?:PRETTY_NAME|HOME_URL|SUPPORT_URL|BUG_)/u.test(line));
    const lines = [
        `PRETTY_NAME="carpd ${version}${test ? " (test variant)" : ""}"`,
        ...base,
        "IMAGE_ID=carpd",
        `IMAGE_VERSION=${version}`,
        `VARIANT_ID=${compatible}${test ? "-test" : ""}`,
    ];
    put(tree, "usr/lib/os-release", `${lines.join("\n")}\n`);
    put(tree, "etc/hostname", "carpd\n");
    put(
        tree,
        "etc/hosts",
        "127.0.0.1 localhost\n127.0.1.1 carpd\n::1 localhost ip6-localhost ip6-loopback\n",
    );
    put(tree, "etc/issue", `carpd ${version} \\n \\l\n`);
    put(tree, "etc/motd", "");
    put(
        tree,
        "etc/fstab",
        "# Mounted by the initramfs and by units; see /usr/lib/systemd/system.\n",
    );
    // Empty: the initramfs writes the one that the data partition keeps.
    put(tree, "etc/machine-id", "", 0o444);
    put(tree, "etc/resolv.conf", "");
    put(tree, "usr/lib/clock-epoch", `${built}\n`);
}

/** No password opens anything: every account's field is locked. */
function lockAccounts(tree: string, epoch: number): void {
    const path = join(tree, "etc/shadow");
    const day = Math.floor(epoch / 86400);
    const lines = readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
            const [name] = line.split(":");
            return `${name}:!*:${day}::::::`;
        });
    writeFileSync(path, `${lines.join("\n")}\n`);
}

/** Written over the tree of the base system. Returns the kernel's version. */
export async function furnish(tree: string, options: RootOptions): Promise<string> {
    const {project, arch, release, test} = options;
    const folder = join(project, "board/image");
    prune(tree);
    const version = kernelVersion(tree);
    await modules(tree, version, options.uleds);
    if (options.uleds !== "") emulatedPanel(tree, options.uleds);
    // What is enabled is said by our presets alone, not by the packages' installation scripts.
    rmSync(join(tree, "etc/systemd/system"), {recursive: true, force: true});
    overlay(join(folder, "root"), tree);
    if (test) testShell(tree, join(folder, "root-test"), arch);
    const commands = stageProgram(tree, {project, arch, native: options.native});
    stageUnits(tree, project, commands);
    identity(tree, release, test);
    put(tree, "usr/lib/carpd/release.json", `${JSON.stringify(release.file, null, 4)}\n`);
    const rauc = readFileSync(join(folder, "rauc/system.conf"), "utf8");
    put(tree, "etc/rauc/system.conf", rauc.replaceAll("@COMPATIBLE@", release.compatible));
    put(tree, "etc/rauc/keyring.pem", readFileSync(options.keyring, "utf8"));
    for (const path of ["data", "esp", "etc/carpd", "var/lib/carpd", "etc/systemd/network"]) {
        mkdirSync(join(tree, path), {recursive: true});
    }
    const env = {SOURCE_DATE_EPOCH: String(release.epoch)};
    await run("systemd-sysusers", [`--root=${tree}`], {env});
    lockAccounts(tree, release.epoch);
    await run("systemctl", [`--root=${tree}`, "preset-all"]);
    for (const name of ["passwd-", "group-", "shadow-", "gshadow-", ".pwd.lock"]) {
        rmSync(join(tree, "etc", name), {force: true});
    }
    rmSync(join(tree, "var/log/journal"), {recursive: true, force: true});
    // As new as /usr: otherwise every start would look for work that an update left behind.
    for (const path of ["etc/.updated", "var/.updated"]) put(tree, path, "");
    if (!existsSync(join(tree, "usr/lib/systemd/systemd"))) {
        throw new BuildProblem(
            "the base system has no systemd: its cache is damaged; use --refresh",
        );
    }
    return version;
}
