/** Results of slow stages, named by a hash of everything that went into them. */
import {createHash} from "node:crypto";
import {
    existsSync,
    mkdirSync,
    readdirSync,
    renameSync,
    rmSync,
    statSync,
    utimesSync,
} from "node:fs";
import {join} from "node:path";

/** How many results of one stage are kept; each base system is some 450 MB. */
const kept = 2;

export function hashOf(parts: readonly string[]): string {
    const hash = createHash("sha256");
    // The length keeps ["ab", "c"] and ["a", "bc"] apart.
    for (const part of parts) hash.update(`${part.length}:${part}`);
    return hash.digest("hex").slice(0, 16);
}

export interface Cached {
    readonly path: string;
    readonly hit: boolean;
}

export class Cache {
    private readonly folder: string;

    constructor(folder: string) {
        this.folder = folder;
        mkdirSync(folder, {recursive: true});
    }

    /** The newest result of a stage, whatever went into it; null when there is none. */
    newest(stage: string, suffix: string): string | null {
        return this.results(stage, suffix)[0] ?? null;
    }

    /** A result made of these inputs less than `ageMs` ago. */
    find(stage: string, suffix: string, inputs: readonly string[], ageMs: number): string | null {
        const path = join(this.folder, `${stage}-${hashOf(inputs)}${suffix}`);
        if (!existsSync(path)) return null;
        // Being used renews the time of change; the file's birth stays.
        const {birthtimeMs} = statSync(path);
        return Date.now() - birthtimeMs < ageMs ? path : null;
    }

    /** `build` writes the file it is given; a failed build leaves nothing behind. */
    async keep(
        stage: string,
        suffix: string,
        inputs: readonly string[],
        build: (path: string) => Promise<void>,
        refresh = false,
    ): Promise<Cached> {
        const path = join(this.folder, `${stage}-${hashOf(inputs)}${suffix}`);
        if (existsSync(path) && !refresh) {
            const now = new Date();
            utimesSync(path, now, now);
            return {path, hit: true};
        }
        const unfinished = join(this.folder, `unfinished-${process.pid}${suffix}`);
        try {
            await build(unfinished);
            renameSync(unfinished, path);
        } finally {
            rmSync(unfinished, {recursive: true, force: true});
        }
        for (const old of this.results(stage, suffix).slice(kept)) rmSync(old, {force: true});
        return {path, hit: false};
    }

    private results(stage: string, suffix: string): readonly string[] {
        const form = new RegExp(`^${stage}-[0-9a-f]{16}${suffix.replaceAll(".", "\\.")}$`, "u");
        return readdirSync(this.folder)
            .filter((name) => form.test(name))
            .map((name) => join(this.folder, name))
            .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    }
}
