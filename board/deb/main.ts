/**
 * `npm run deb`: the Debian package of the daemon, carpctl, the console and the front panel.
 *
 *     npm run deb -- [--arch amd64|arm64] [--version X] [--native DIR] [--out DIR]
 */
import {execFileSync, spawnSync} from "node:child_process";
import {readFileSync, statSync} from "node:fs";
import {join, resolve} from "node:path";
import {parseArgs} from "node:util";
import type {Architecture} from "../program-tree.ts";
import {buildPackage} from "./package.ts";

const usage = `usage: npm run deb -- [options]

  --arch amd64|arm64   processor of the target (default: this machine's)
  --native DIR         carp.node and carp-janitor for that processor (default build/Release)
  --version X          version of the package (default: package.json)
  --out DIR            where the package is written (default build-image)
  --help
`;

/** dist/board/deb/main.js lies three folders below the project. */
const project = resolve(import.meta.dirname, "../../..");
const here: Architecture = process.arch === "arm64" ? "arm64" : "amd64";

/** SOURCE_DATE_EPOCH, else the last commit, else that of the changelog: never now. */
function sourceEpoch(): number {
    const given = Number(process.env.SOURCE_DATE_EPOCH ?? "");
    if (Number.isInteger(given) && given > 0) return given;
    const git = spawnSync("git", ["log", "-1", "--format=%ct"], {cwd: project, encoding: "utf8"});
    const committed = Number(git.stdout?.trim() ?? "");
    if (git.status === 0 && committed > 0) return committed;
    return Math.floor(statSync(join(project, "CHANGELOG.md")).mtimeMs / 1000);
}

function projectVersion(): string {
    const read: unknown = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
    const found: unknown =
        typeof read === "object" && read !== null ? Reflect.get(read, "version") : "";
    return typeof found === "string" ? found : "";
}

function fail(message: string): number {
    process.stderr.write(`deb: ${message}\n\n${usage}`);
    return 2;
}

function main(args: string[]): number {
    const string = {type: "string"} as const;
    const options = {arch: string, native: string, version: string, out: string} as const;
    let values: Partial<Record<keyof typeof options, string>> & {help?: boolean};
    try {
        ({values} = parseArgs({args, options: {...options, help: {type: "boolean"}}}));
    } catch (error) {
        return fail(error instanceof Error ? error.message : String(error));
    }
    if (values.help === true) {
        process.stdout.write(usage);
        return 0;
    }
    const {arch = here, version = projectVersion(), native} = values;
    if (arch !== "amd64" && arch !== "arm64") return fail(`--arch ${arch}: amd64 or arm64`);
    if (arch !== here && native === undefined) {
        return fail(`--arch ${arch} needs --native: build/Release is made for ${here}`);
    }
    if (!/^\d[0-9A-Za-z.+~]*$/u.test(version)) return fail(`--version ${version}: as in 0.3.0`);
    const found = spawnSync("dpkg-deb", ["--version"], {stdio: "ignore"});
    if (found.error !== undefined) return fail("dpkg-deb is not installed");
    const file = buildPackage({
        project,
        arch,
        version,
        output: resolve(values.out ?? join(project, "build-image")),
        epoch: sourceEpoch(),
        ...(native === undefined ? {} : {native: resolve(native)}),
    });
    const size = (statSync(file).size / 1024 / 1024).toFixed(1);
    process.stdout.write(`${file}  ${size} MiB\n`);
    process.stdout.write(
        execFileSync("dpkg-deb", ["--field", file, "Depends"], {encoding: "utf8"}),
    );
    return 0;
}

process.exitCode = main(process.argv.slice(2));
