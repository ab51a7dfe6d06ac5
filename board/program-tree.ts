/**
 * What an installed carpd consists of: /usr/lib/carpd with the compiled programs, the production
 * packages of package-lock.json, the addon and the board manifests, and the commands in /usr/bin.
 * The Debian package and the image both stage it, so that both install the same files.
 *
 * Runs on the building machine. Everything written has fixed modes and one fixed time, so that two
 * builds of the same sources give the same bytes.
 */
import {execFileSync} from "node:child_process";
import {
    chmodSync,
    copyFileSync,
    existsSync,
    lutimesSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import {dirname, join} from "node:path";

export type Architecture = "amd64" | "arm64";

export interface ProgramTreeOptions {
    /** The folder of package.json: sources, dist/, node_modules/. */
    readonly project: string;
    readonly arch: Architecture;
    /** Holds carp.node and carp-janitor of `arch`; default `project`/build/Release. */
    readonly native?: string;
    /** The strip program of `arch`; "" leaves the symbols in. Default "strip" or the cross tool. */
    readonly strip?: string;
}

/** Where it lies on the target. */
export const libraryFolder = "usr/lib/carpd";

/** Programs of src/ that become commands; one that is not there (yet) is left out. */
export const programs: readonly string[] = [
    "carpd",
    "carpctl",
    "carp-console",
    "carp-panel",
    "carp-system",
    "carp-board-setup",
    "carp-crashloop",
];

/** Needed to compile the addon, and by nothing that runs. */
const buildPackages = new Set(["node-gyp", "node-addon-api"]);
/** The laboratory builds networks of its own and stays with the sources. */
const notInstalled = [/^lab\.js$/u, /^app\/lab\//u, /^io\/lab\//u];
/** What a package needs at run time, and its licence. */
const packageFiles = /(?:\.(?:c|m)?js|\.json|\.node)$|^(?:licen[cs]e|copying|notice)/iu;
const notPackageFiles = /(?:\.map|\.d\.[cm]?ts|\.test\.js)$|(?:^|\/)(?:tests?|examples?|docs?)\//u;
const npmArch: Readonly<Record<Architecture, string>> = {amd64: "x64", arm64: "arm64"};
const stripTools: Readonly<Record<Architecture, string>> = {
    amd64: process.arch === "x64" ? "strip" : "x86_64-linux-gnu-strip",
    arm64: process.arch === "arm64" ? "strip" : "aarch64-linux-gnu-strip",
};

interface LockedPackage {
    readonly version: string;
    readonly license: string;
    readonly dependencies: readonly string[];
    readonly optional: readonly string[];
}

/** One package that is installed, for lists of what is in the box. */
export interface InstalledPackage {
    readonly name: string;
    readonly version: string;
    readonly license: string;
    /** Relative to the folder of package.json. */
    readonly path: string;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
    return typeof value === "object" && value !== null ? {...value} : {};
}

function word(value: unknown): string {
    return typeof value === "string" ? value : "";
}

function readJson(path: string): Readonly<Record<string, unknown>> {
    return record(JSON.parse(readFileSync(path, "utf8")));
}

function lockedPackages(project: string): ReadonlyMap<string, LockedPackage> {
    const listed = record(readJson(join(project, "package-lock.json")).packages);
    return new Map(
        Object.entries(listed).map(([path, value]) => {
            const entry = record(value);
            const locked: LockedPackage = {
                version: word(entry.version),
                license: word(entry.license),
                dependencies: Object.keys(record(entry.dependencies)),
                optional: Object.keys(record(entry.optionalDependencies)),
            };
            return [path, locked] as const;
        }),
    );
}

/** Node's own way: beside the one that asks, then in each folder above it. */
function locate(
    locked: ReadonlyMap<string, LockedPackage>,
    asker: string,
    name: string,
): string | null {
    for (let folder = asker; ; ) {
        const path = folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
        if (locked.has(path)) return path;
        if (folder === "") return null;
        const above = folder.lastIndexOf("/node_modules/");
        folder = above < 0 ? "" : folder.slice(0, above);
    }
}

/** The packages that run, by the lock file: sorted by path. */
export function productionPackages(project: string): readonly InstalledPackage[] {
    const locked = lockedPackages(project);
    const found = new Map<string, InstalledPackage>();
    const waiting = [""];
    for (let asker = waiting.pop(); asker !== undefined; asker = waiting.pop()) {
        const entry = locked.get(asker);
        for (const name of entry?.dependencies ?? []) {
            if (buildPackages.has(name)) continue;
            const path = locate(locked, asker, name);
            if (path === null) {
                if (entry?.optional.includes(name) === true) continue;
                throw new Error(
                    `package-lock.json: ${asker} needs ${name}, which it does not list`,
                );
            }
            if (found.has(path)) continue;
            const {version, license} = locked.get(path) ?? {version: "", license: ""};
            found.set(path, {name, version, license, path});
            waiting.push(path);
        }
    }
    return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function put(target: string, content: string | Buffer, mode = 0o644): void {
    mkdirSync(dirname(target), {recursive: true});
    writeFileSync(target, content);
    chmodSync(target, mode);
}

function copy(source: string, target: string, mode = 0o644): void {
    mkdirSync(dirname(target), {recursive: true});
    // A program that runs cannot be written to, only replaced.
    rmSync(target, {force: true});
    copyFileSync(source, target);
    chmodSync(target, mode);
}

/** All files below a folder, sorted, relative to it; node_modules inside it are packages of their own. */
function filesBelow(folder: string): readonly string[] {
    const found: string[] = [];
    const walk = (prefix: string): void => {
        for (const entry of readdirSync(join(folder, prefix), {withFileTypes: true})) {
            const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
            if (entry.isDirectory()) {
                if (entry.name !== "node_modules") walk(path);
            } else if (entry.isFile()) found.push(path);
        }
    };
    walk("");
    return found.sort();
}

function stageProgramFiles(project: string, library: string): void {
    const compiled = join(project, "dist/src");
    for (const path of filesBelow(compiled)) {
        if (!path.endsWith(".js") || notInstalled.some((rule) => rule.test(path))) continue;
        // A compiled file outlives its source until dist/ is made anew.
        if (!existsSync(join(project, "src", path.replace(/\.js$/u, ".ts")))) continue;
        // The maps stay with the sources, so nothing may point at them.
        const text = readFileSync(join(compiled, path), "utf8");
        put(
            join(library, "dist/src", path),
            text.replace(/\n\/\/# sourceMappingURL=.*\n?$/u, "\n"),
        );
    }
    const {name, version, license, type} = readJson(join(project, "package.json"));
    const manifest = {name, version, license, type, private: true};
    put(join(library, "package.json"), `${JSON.stringify(manifest, null, 4)}\n`);
    copy(join(project, "LICENSE"), join(library, "LICENSE"));
}

function stagePackages(project: string, library: string, arch: Architecture): void {
    const binaries = `prebuilds/linux-${npmArch[arch]}/`;
    for (const {path} of productionPackages(project)) {
        for (const file of filesBelow(join(project, path))) {
            const name = file.slice(file.lastIndexOf("/") + 1);
            if (!packageFiles.test(name) || notPackageFiles.test(file)) continue;
            // Of the shipped binaries only those for this machine's processor and for glibc.
            if (file.startsWith("prebuilds/")) {
                if (!file.startsWith(binaries) || file.endsWith(".musl.node")) continue;
            }
            copy(join(project, path, file), join(library, path, file));
        }
    }
}

function stageNative(options: ProgramTreeOptions, library: string): void {
    const {project, arch} = options;
    const native = options.native ?? join(project, "build/Release");
    const strip = options.strip ?? stripTools[arch];
    for (const [name, mode] of [
        ["carp.node", 0o644],
        ["carp-janitor", 0o755],
    ] as const) {
        const target = join(library, "build/Release", name);
        copy(join(native, name), target, mode);
        // The addon's entry points are found by name: only what linking needed goes.
        const args = ["--strip-unneeded", "--enable-deterministic-archives", target];
        if (strip !== "") execFileSync(strip, args, {stdio: "inherit"});
    }
}

function stageBoards(project: string, library: string): void {
    const boards = join(project, "board");
    for (const id of readdirSync(boards).sort()) {
        const manifest = join(boards, id, "board.json");
        if (existsSync(manifest)) copy(manifest, join(library, "board", id, "board.json"));
    }
    const schema = join(boards, "schema.json");
    if (existsSync(schema)) copy(schema, join(library, "board/schema.json"));
}

/** `node`: from the distribution's package; never looked for in the PATH of whoever calls. */
function wrapper(program: string): string {
    return `#!/bin/sh\nexec /usr/bin/node /${libraryFolder}/dist/src/${program}.js "$@"\n`;
}

/**
 * Writes the tree below `root`: /usr/lib/carpd and /usr/bin. Returns the commands that are there.
 * Needs a built project (`npm run build`); modes are set here, owners by who packs the tree.
 */
export function stageProgram(root: string, options: ProgramTreeOptions): readonly string[] {
    const {project, arch} = options;
    const library = join(root, libraryFolder);
    stageProgramFiles(project, library);
    stagePackages(project, library, arch);
    stageNative(options, library);
    stageBoards(project, library);
    const present = programs.filter((name) => existsSync(join(library, "dist/src", `${name}.js`)));
    for (const program of present) put(join(root, "usr/bin", program), wrapper(program), 0o755);
    return present;
}

/** A file of board/systemd/ -> where it lies on the target. */
const unitFolders: readonly (readonly [RegExp, string])[] = [
    [/\.(?:service|target|socket|timer)$/u, "usr/lib/systemd/system"],
    [/\.preset$/u, "usr/lib/systemd/system-preset"],
    [/\.sysusers$/u, "usr/lib/sysusers.d"],
    [/\.tmpfiles$/u, "usr/lib/tmpfiles.d"],
    [/\.sysctl$/u, "usr/lib/sysctl.d"],
    [/\.modules$/u, "usr/lib/modules-load.d"],
    [/\.rules$/u, "usr/lib/udev/rules.d"],
];

/** Ends in .conf on the target: sysusers.d(5), tmpfiles.d(5) and the like want that. */
const renamed = /\.(?:sysusers|tmpfiles|sysctl|modules)$/u;

/**
 * Writes the units, users, tmpfiles and udev rules of board/systemd/ below `root`. Units whose
 * program is not among `present` (what stageProgram returned) are left out.
 */
export function stageUnits(root: string, project: string, present: readonly string[]): void {
    const folder = join(project, "board/systemd");
    for (const name of readdirSync(folder).sort()) {
        const target = unitFolders.find(([rule]) => rule.test(name))?.[1];
        if (target === undefined) continue;
        const text = readFileSync(join(folder, name), "utf8");
        const needed = /^ExecStart=\/usr\/bin\/(\S+)/mu.exec(text)?.[1];
        if (needed !== undefined && !present.includes(needed)) continue;
        put(join(root, target, name.replace(renamed, ".conf")), text);
    }
    // Shell programs that belong to units.
    const scripts = join(folder, "libexec");
    if (!existsSync(scripts)) return;
    for (const name of readdirSync(scripts).sort()) {
        copy(join(scripts, name), join(root, "usr/libexec/carpd", name), 0o755);
    }
}

/** Gives everything below `root` this time (seconds since 1970), folders last. */
export function settleTimes(root: string, epoch: number): void {
    for (const entry of readdirSync(root, {withFileTypes: true})) {
        const path = join(root, entry.name);
        if (entry.isDirectory()) settleTimes(path, epoch);
        else lutimesSync(path, epoch, epoch);
    }
    if (statSync(root).isDirectory()) lutimesSync(root, epoch, epoch);
}
