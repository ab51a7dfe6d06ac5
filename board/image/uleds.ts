/**
 * What the test image needs to have LEDs on an emulated board: `uleds.ko` for exactly the kernel of
 * the image, and the program that makes LEDs with it (test/image/guest). Never part of a release.
 * Build program; called by the image builder, or alone:
 *
 *     node dist/board/image/uleds.js --out FOLDER [--kernel RELEASE] [--mirror URL]
 *
 * Debian builds no uleds (CONFIG_LEDS_USER is off), but its source package has the file, which is
 * compiled unchanged. The compiler is the one of the image's distribution in a tree that is only
 * unpacked, never configured: a third of the time of a whole debootstrap.
 */
import {spawnSync} from "node:child_process";
import {
    copyFileSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseArgs} from "node:util";
import {aptLines, findMirrors, suite} from "./mirror-files.ts";

/** The repository: this file runs from dist/board/image. */
const root = resolve(fileURLToPath(import.meta.url), "../../../..");
const defaultCache = join(root, "build-image/cache");
const guest = join(root, "test/image/guest");
/** Its LEDs are the ones that are made. */
const emulatedBoard = "qemu-x86_64";

/** The series that the distribution's packages are named after. */
const sourcePackage = "linux-source-6.12";
const compiler = "gcc-14";
/** What the kernel's makefiles call; an unpacked tree has no essential packages by itself. */
const tools = "make,dash,bash,coreutils,sed,grep,mawk,findutils,base-files,libc-bin";

export interface UledsRequest {
    /** Kernel release, as `uname -r` says it: "6.12.117+deb13-amd64"; undefined: the newest there is. */
    readonly kernel?: string;
    /** The mirror that is asked for; "": the one of this machine's apt configuration. */
    readonly mirror: string;
    /** Folder that keeps `uleds-RELEASE.ko`. */
    readonly cache: string;
}

/** The module for that kernel, built if the cache has none. Throws with the output of what failed. */
export function buildUleds(request: UledsRequest): {
    readonly kernel: string;
    readonly file: string;
} {
    const cached = (kernel: string): string => join(request.cache, `uleds-${kernel}.ko`);
    if (request.kernel !== undefined && existsSync(cached(request.kernel))) {
        return {kernel: request.kernel, file: cached(request.kernel)};
    }
    mkdirSync(request.cache, {recursive: true});
    const folder = mkdtempSync(join(request.cache, "uleds-"));
    try {
        const tree = join(folder, "root");
        unpack(request, tree);
        const kernel = request.kernel ?? onlyKernelOf(tree);
        compile(tree, kernel);
        copyFileSync(join(tree, "build/uleds.ko"), join(folder, "uleds.ko"));
        renameSync(join(folder, "uleds.ko"), cached(kernel));
        return {kernel, file: cached(kernel)};
    } finally {
        rmSync(folder, {recursive: true, force: true});
    }
}

/**
 * Puts everything into `out`: `uleds.ko`, `led-recorder` (static), `leds` (the names, for the unit)
 * and `carpd-test-leds.service`.
 */
export function buildTestLeds(request: UledsRequest, out: string): void {
    mkdirSync(out, {recursive: true});
    copyFileSync(buildUleds(request).file, join(out, "uleds.ko"));
    const recorder = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"];
    run("cc", [...recorder, join(out, "led-recorder"), join(guest, "led-recorder.c")]);
    writeFileSync(join(out, "leds"), `LEDS=${ledNames().join(" ")}\n`);
    const unit = "carpd-test-leds.service";
    copyFileSync(join(guest, unit), join(out, unit));
}

/** The LEDs of the emulated board, by their names under /sys/class/leds. */
function ledNames(): readonly string[] {
    const file = join(root, "board", emulatedBoard, "board.json");
    const board: unknown = JSON.parse(readFileSync(file, "utf8"));
    const leds = fieldOf(board, "leds");
    const names = Object.values(leds instanceof Object ? leds : {}).map((led: unknown) =>
        fieldOf(led, "name"),
    );
    if (names.length === 0) throw new Error(`${file}: has no LEDs`);
    return names.map((name) => {
        if (typeof name === "string" && /^[\w:-]+$/u.test(name)) return name;
        throw new Error(`${file}: the LED's name ${JSON.stringify(name)} cannot be made by uleds`);
    });
}

function fieldOf(value: unknown, key: string): unknown {
    return value instanceof Object ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined;
}

function unpack(request: UledsRequest, tree: string): void {
    // The meta package means the newest kernel, as it does in the image. The source of the same
    // version, or an older kernel's module would be made of a newer file.
    const version = /^(\d+\.\d+\.\d+)\+/u.exec(request.kernel ?? "")?.[1];
    const headers = request.kernel === undefined ? "amd64" : request.kernel;
    const source = version === undefined ? sourcePackage : `${sourcePackage}=${version}*`;
    run(
        "mmdebstrap",
        [
            "--variant=extract",
            "--mode=root",
            "--architectures=amd64",
            `--include=linux-headers-${headers},${source},${compiler},${tools}`,
            suite,
            tree,
            "-",
        ],
        `${aptLines(findMirrors(request.mirror)).join("\n")}\n`,
    );
}

function onlyKernelOf(tree: string): string {
    const kernels = readdirSync(join(tree, "usr/lib/modules"));
    const [kernel] = kernels;
    if (kernel === undefined || kernels.length > 1) {
        throw new Error(`one kernel's headers were expected, not ${kernels.join(", ") || "none"}`);
    }
    return kernel;
}

function compile(tree: string, kernel: string): void {
    // The one thing that configuring the packages would have done and the makefiles need.
    symlinkSync("mawk", join(tree, "usr/bin/awk"));
    symlinkSync(compiler, join(tree, "usr/bin/gcc"));
    const build = join(tree, "build");
    mkdirSync(build);
    writeFileSync(join(build, "Makefile"), "obj-m := uleds.o\n");
    // Stops at the first match, a third into the archive.
    const archive = join(tree, `usr/src/${sourcePackage}.tar.xz`);
    const file = `${sourcePackage}/drivers/leds/uleds.c`;
    run("tar", ["-xJf", archive, "--occurrence=1", "--strip-components=3", "-C", build, file]);
    run("chroot", [tree, "make", "-C", `/lib/modules/${kernel}/build`, "M=/build", "modules"]);
}

function run(program: string, args: readonly string[], input = ""): void {
    const result = spawnSync(program, args, {input, encoding: "utf8", maxBuffer: 1 << 26});
    if (result.error !== undefined) throw new Error(`${program}: ${result.error.message}`);
    if (result.status !== 0) {
        const output = `${result.stdout}${result.stderr}`;
        throw new Error(`${program} ended with ${result.status ?? result.signal}:\n${output}`);
    }
}

function main(): void {
    const {values} = parseArgs({
        options: {
            out: {type: "string"},
            kernel: {type: "string"},
            mirror: {type: "string", default: ""},
            cache: {type: "string", default: defaultCache},
        },
    });
    if (values.out === undefined) {
        throw new Error("usage: uleds.js --out FOLDER [--kernel RELEASE] [--mirror URL]");
    }
    const started = performance.now();
    const {mirror, cache, out} = values;
    const kernel = values.kernel === undefined ? {} : {kernel: values.kernel};
    buildTestLeds({...kernel, mirror, cache}, out);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${out}: uleds.ko, led-recorder (${seconds} s)\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
