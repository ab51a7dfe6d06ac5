/** Reads this machine's apt configuration for mirror.ts, and asks a mirror how new it is. */
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {
    type AptSource,
    deb822Sources,
    debianMirrors,
    listsName,
    type Mirrors,
    oneLineSources,
    securityBeside,
} from "./mirror.ts";
import {BuildProblem} from "./problem.ts";
import {run} from "./tools.ts";

const aptFolder = "/etc/apt";
const listsFolder = "/var/lib/apt/lists";
export const suite = "trixie";

function configuredSources(): readonly AptSource[] {
    const parts = join(aptFolder, "sources.list.d");
    const files = [
        join(aptFolder, "sources.list"),
        ...(existsSync(parts)
            ? readdirSync(parts)
                  .sort()
                  .map((name) => join(parts, name))
            : []),
    ].filter((path) => existsSync(path));
    return files.flatMap((path) => {
        if (path.endsWith(".list")) return oneLineSources(readFileSync(path, "utf8"));
        if (path.endsWith(".sources")) return deb822Sources(readFileSync(path, "utf8"));
        return [];
    });
}

function knownOrigin(uri: string, ofSuite: string): string {
    for (const kind of ["InRelease", "Release"]) {
        const path = join(listsFolder, `${listsName(uri, ofSuite)}_${kind}`);
        if (!existsSync(path)) continue;
        return /^Origin:\s*(.+)$/mu.exec(readFileSync(path, "utf8"))?.[1]?.trim() ?? "";
    }
    return "";
}

/** `asked`: from the command line, "" for none. */
export function findMirrors(asked: string): Mirrors {
    if (asked !== "") return {archive: asked, security: securityBeside(asked)};
    const found = debianMirrors(configuredSources(), knownOrigin);
    if (found !== null) return found;
    throw new BuildProblem(
        "this machine's apt configuration names no Debian mirror; give one with --mirror URL",
    );
}

/** The three suites that an installed Debian follows, as apt lines. */
export function aptLines({archive, security}: Mirrors): readonly string[] {
    return [
        `deb ${archive} ${suite} main`,
        `deb ${archive} ${suite}-updates main`,
        `deb ${security} ${suite}-security main`,
    ];
}

async function fetchFile(url: string, target: string): Promise<void> {
    const helper = "/usr/lib/apt/apt-helper";
    try {
        await run(helper, ["-oAcquire::Retries=5", "download-file", url, target]);
    } catch (error) {
        if (!(error instanceof BuildProblem)) throw error;
        const why = /^E: Failed to fetch \S+\s+(.+)$/mu.exec(error.message)?.[1] ?? error.message;
        throw new BuildProblem(
            `the Debian mirror cannot be read: ${url}: ${why.trim()}\n` +
                "--mirror URL takes another one, --offline what is in the cache",
        );
    }
}

/**
 * The dates of the three Release files: they change when any package does. Fetched with apt's own
 * program, so that the proxy and the certificates of this machine's apt are used.
 */
export async function archiveDates(mirrors: Mirrors): Promise<readonly string[]> {
    const folder = mkdtempSync(join(tmpdir(), "carpd-image-"));
    try {
        const dates: string[] = [];
        for (const line of aptLines(mirrors)) {
            const [, uri = "", ofSuite = ""] = line.split(" ");
            const target = join(folder, `${ofSuite}.InRelease`);
            const url = `${uri}/dists/${ofSuite}/InRelease`;
            await fetchFile(url, target);
            const date = /^Date:\s*(.+)$/mu.exec(readFileSync(target, "utf8"))?.[1];
            if (date === undefined) throw new BuildProblem(`${url} is not a Release file`);
            dates.push(date.trim());
        }
        return dates;
    } finally {
        rmSync(folder, {recursive: true, force: true});
    }
}
