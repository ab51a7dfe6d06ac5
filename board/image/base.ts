/** The base system: Debian's packages, unpacked and configured, as one tar. Slow, so cached. */
import {rmSync} from "node:fs";
import type {Cache} from "./cache.ts";
import type {Mirrors} from "./mirror.ts";
import {aptLines, archiveDates, findMirrors, suite} from "./mirror-files.ts";
import type {ImageOptions} from "./options.ts";
import {kernelPackage, packages} from "./packages.ts";
import {BuildProblem} from "./problem.ts";
import type {Remarks} from "./stages.ts";
import {run} from "./tools.ts";

/** To be raised when the way of building changes while the package list does not. */
const revision = "1";
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The newest of the three dates, in seconds since 1970: the base system's own SOURCE_DATE_EPOCH. */
export function archiveEpoch(dates: readonly string[]): number {
    return Math.max(...dates.map((date) => Math.floor(Date.parse(date) / 1000)));
}

async function bootstrap(mirrors: Mirrors, epoch: number, target: string): Promise<void> {
    const include = [...packages, kernelPackage.amd64].join(",");
    try {
        await run(
            "mmdebstrap",
            [
                "--mode=root",
                "--variant=minbase",
                "--format=tar",
                "--architectures=amd64",
                `--include=${include}`,
                `--keyring=${keyring}`,
                '--aptopt=APT::Install-Recommends "false"',
                '--aptopt=Acquire::Retries "5"',
                "--dpkgopt=path-exclude=/usr/share/man/*",
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                suite,
                target,
                ...aptLines(mirrors),
            ],
            // INITRD=No: no package of the kernel makes an initramfs that is thrown away again.
            {env: {SOURCE_DATE_EPOCH: String(epoch), INITRD: "No"}},
        );
    } catch (error) {
        rmSync(target, {force: true});
        throw error;
    }
}

/** A development build asks the archive for news once a day. */
const freshMs = 24 * 60 * 60 * 1000;

/** The base of amd64: fully configured by Debian's own scripts. */
export async function buildBase(
    options: ImageOptions,
    cache: Cache,
    remarks: Remarks,
): Promise<string> {
    if (options.offline) {
        const newest = cache.newest("base-amd64", ".tar");
        if (newest === null) {
            throw new BuildProblem("--offline: the cache holds no base system yet");
        }
        remarks.note("from the cache, not compared with the archive");
        return newest;
    }
    const inputs = [revision, suite, ...packages, kernelPackage.amd64];
    if (!options.release && !options.refresh) {
        const recent = cache.find("base-amd64", ".tar", inputs, freshMs);
        if (recent !== null) {
            remarks.note("from the cache");
            return recent;
        }
    }
    const mirrors = findMirrors(options.mirror);
    const dates = await archiveDates(mirrors);
    const {path, hit} = await cache.keep(
        "base-amd64",
        ".tar",
        options.release ? [...inputs, ...dates] : inputs,
        (target) => bootstrap(mirrors, archiveEpoch(dates), target),
        !options.release || options.refresh,
    );
    remarks.note(hit ? "from the cache, as new as the archive" : `from ${mirrors.archive}`);
    return path;
}
