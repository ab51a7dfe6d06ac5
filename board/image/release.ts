/** What an image says of itself: release.json, and where its one point in time comes from. */
import {createHash} from "node:crypto";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import type {Arch} from "./options.ts";
import {BuildProblem} from "./problem.ts";
import {run} from "./tools.ts";

/** Raised when a configuration written by this release cannot be read by older ones. */
const configurationSchema = 1;

export interface Release {
    readonly version: string;
    readonly compatible: string;
    /** ISO 8601, UTC. */
    readonly built: string;
    readonly id: string;
    /** Seconds since 1970; every time in the image. */
    readonly epoch: number;
    readonly file: Readonly<Record<string, string | number>>;
}

/** SOURCE_DATE_EPOCH, else the time of the last commit. */
export async function sourceEpoch(project: string, given: string | undefined): Promise<number> {
    if (given !== undefined && given !== "") {
        if (!/^\d{1,10}$/u.test(given)) {
            throw new BuildProblem(`SOURCE_DATE_EPOCH=${given}: expected seconds since 1970`);
        }
        return Number(given);
    }
    try {
        return Number((await run("git", ["-C", project, "log", "-1", "--format=%ct"])).trim());
    } catch (error) {
        if (!(error instanceof BuildProblem)) throw error;
        throw new BuildProblem(
            "the time of this build is not known (no git history here); set SOURCE_DATE_EPOCH",
        );
    }
}

export function packageVersion(project: string): string {
    const parsed: unknown = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
    if (typeof parsed === "object" && parsed !== null && "version" in parsed) {
        if (typeof parsed.version === "string") return parsed.version;
    }
    throw new BuildProblem("package.json has no version");
}

/** `inputs`: what else tells one build of a version from another. */
export function releaseOf(
    version: string,
    arch: Arch,
    epoch: number,
    inputs: readonly string[],
): Release {
    const compatible = `carpd-${arch}`;
    const built = new Date(epoch * 1000).toISOString().replace(/\.\d+Z$/u, "Z");
    const hash = createHash("sha256");
    hash.update(JSON.stringify([version, compatible, built, ...inputs]));
    const id = hash.digest("hex").slice(0, 16);
    const file = {version, compatible, schema: configurationSchema, built, id};
    return {version, compatible, built, id, epoch, file};
}
