/**
 * Builds the Debian package: stages the program, units, manual pages and completion, then packs them
 * with dpkg-deb. The same sources and the same date give the same bytes.
 */
import {execFileSync} from "node:child_process";
import {createHash} from "node:crypto";
import {
    chmodSync,
    copyFileSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import {tmpdir} from "node:os";
import {dirname, join} from "node:path";
import {gzipSync} from "node:zlib";
import {
    type Architecture,
    type InstalledPackage,
    libraryFolder,
    productionPackages,
    settleTimes,
    stageProgram,
    stageUnits,
} from "../program-tree.ts";
import {manualPages} from "./manuals.ts";
import {changelogFile, controlFile, postinst, postrm, prerm} from "./scripts.ts";

export interface PackageOptions {
    readonly project: string;
    readonly arch: Architecture;
    readonly version: string;
    /** Folder of the finished file. */
    readonly output: string;
    /** Seconds since 1970 for every file. */
    readonly epoch: number;
    /** carp.node and carp-janitor of `arch`; default build/Release of the project. */
    readonly native?: string;
}

function put(path: string, content: string | Buffer, mode = 0o644): void {
    mkdirSync(dirname(path), {recursive: true});
    writeFileSync(path, content);
    chmodSync(path, mode);
}

/** No name and no time inside: the same text gives the same octets. */
function compressed(text: string): Buffer {
    return gzipSync(text, {level: 9});
}

/** DEP-5; the licences themselves lie beside each package. */
function copyrightFile(project: string, packages: readonly InstalledPackage[]): string {
    const own = readFileSync(join(project, "LICENSE"), "utf8");
    const indented = own
        .trimEnd()
        .split("\n")
        .map((line) => (line.trim() === "" ? " ." : ` ${line}`));
    const blocks = packages.map(({name, version, license, path}) =>
        [
            `Files: ${libraryFolder}/${path}/*`,
            `Copyright: the authors of ${name} ${version}`,
            `License: ${license}`,
            ` The text is in /${libraryFolder}/${path}.`,
        ].join("\n"),
    );
    return [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        "Upstream-Name: carpd",
        "",
        "Files: *",
        "Copyright: the carpd authors",
        "License: BSD-2-Clause",
        ...indented,
        "",
        blocks.join("\n\n"),
        "",
    ].join("\n");
}

/** What carpctl itself prints for a shell. */
function completion(project: string, shell: string): string {
    const program = join(project, "dist/src/carpctl.js");
    return execFileSync(process.execPath, [program, "completion", shell], {encoding: "utf8"});
}

function stageDocuments(root: string, options: PackageOptions): void {
    const {project, version, epoch} = options;
    const date = new Date(epoch * 1000);
    const read = (name: string): string => readFileSync(join(project, name), "utf8");
    const pages = manualPages(read("REFERENCE.md"), version, date.toISOString().slice(0, 10));
    for (const [name, text] of pages) {
        put(join(root, "usr/share/man", `${name}.gz`), compressed(text));
    }
    const doc = join(root, "usr/share/doc/carpd");
    put(join(doc, "copyright"), copyrightFile(project, productionPackages(project)));
    const changelog = read("CHANGELOG.md");
    put(join(doc, "changelog.gz"), compressed(changelogFile(changelog, version, date)));
    put(join(doc, "NEWS.gz"), compressed(changelog));
    put(join(doc, "REFERENCE.md.gz"), compressed(read("REFERENCE.md")));
    const examples = [
        ["board/sim/scenarios/two-routers/router-a/carpd.toml", "router-a.toml"],
        ["board/sim/scenarios/two-routers/router-b/carpd.toml", "router-b.toml"],
    ] as const;
    for (const [source, name] of examples) put(join(doc, "examples", name), read(source));
    const conntrackd = join(project, "board/examples/conntrackd");
    for (const entry of readdirSync(conntrackd, {recursive: true, encoding: "utf8"}).sort()) {
        const source = join(conntrackd, entry);
        if (!statSync(source).isFile()) continue;
        const target = join(doc, "examples/conntrackd", entry);
        mkdirSync(dirname(target), {recursive: true});
        copyFileSync(source, target);
        chmodSync(target, 0o644);
    }
    const completions = [
        ["bash", "usr/share/bash-completion/completions/carpctl"],
        ["zsh", "usr/share/zsh/vendor-completions/_carpctl"],
        ["fish", "usr/share/fish/vendor_completions.d/carpctl.fish"],
    ] as const;
    for (const [shell, path] of completions) put(join(root, path), completion(project, shell));
}

interface Content {
    readonly files: readonly string[];
    readonly kib: number;
}

/** Every file below `root` but those of dpkg, sorted; folders count 1 KiB, as in Debian policy. */
function contentOf(root: string): Content {
    const files: string[] = [];
    let kib = 0;
    const walk = (prefix: string): void => {
        for (const entry of readdirSync(join(root, prefix), {withFileTypes: true})) {
            const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
            if (path === "DEBIAN") continue;
            if (entry.isDirectory()) {
                kib += 1;
                walk(path);
            } else {
                kib += Math.ceil(statSync(join(root, path)).size / 1024);
                files.push(path);
            }
        }
    };
    walk("");
    return {files: files.sort(), kib};
}

function setFolderModes(root: string): void {
    chmodSync(root, 0o755);
    for (const entry of readdirSync(root, {withFileTypes: true})) {
        if (entry.isDirectory()) setFolderModes(join(root, entry.name));
    }
}

function stageControl(root: string, {arch, version}: PackageOptions): void {
    const {files, kib} = contentOf(root);
    const sums = files.map((path) => {
        const digest = createHash("md5")
            .update(readFileSync(join(root, path)))
            .digest("hex");
        return `${digest}  ${path}\n`;
    });
    const control = join(root, "DEBIAN");
    put(join(control, "control"), controlFile({version, arch, installedSize: kib}));
    put(join(control, "md5sums"), sums.join(""));
    put(join(control, "postinst"), postinst, 0o755);
    put(join(control, "prerm"), prerm, 0o755);
    put(join(control, "postrm"), postrm, 0o755);
}

/** Returns the path of the finished package. Needs a built project and dpkg-deb. */
export function buildPackage(options: PackageOptions): string {
    const {project, arch, version, output, epoch, native} = options;
    const root = mkdtempSync(join(tmpdir(), "carpd-deb-"));
    try {
        const more = native === undefined ? {} : {native};
        const present = stageProgram(root, {project, arch, ...more});
        stageUnits(root, project, present);
        stageDocuments(root, options);
        setFolderModes(root);
        stageControl(root, options);
        settleTimes(root, epoch);
        mkdirSync(output, {recursive: true});
        const file = join(output, `carpd_${version}_${arch}.deb`);
        // One thread: how xz splits its blocks would depend on the number of processors.
        const flags = ["--root-owner-group", "-Zxz", "--threads-max=1"];
        execFileSync("dpkg-deb", [...flags, "--build", root, file], {
            env: {...process.env, SOURCE_DATE_EPOCH: String(epoch)},
            stdio: ["ignore", "ignore", "inherit"],
        });
        return file;
    } finally {
        rmSync(root, {recursive: true});
    }
}
