/**
 * Carries out what schema-migration.ts decides: copies of the configuration in
 * /data/config-kept/SCHEMA, the marker /data/config/.schema, files set aside. Main thread; runs
 * before carpd. Each step is whole before or whole after a power cut, and all may be repeated.
 */
import {
    chmod,
    chown,
    copyFile,
    mkdir,
    open,
    readdir,
    readFile,
    rename,
    rm,
    stat,
} from "node:fs/promises";
import {dirname, join} from "node:path";
import {
    asideName,
    isConfigurationFile,
    planSchema,
    type SchemaPlan,
    schemaSentence,
} from "../../core/appliance/schema-migration.ts";
import {removeDurably, writeDurably} from "../durable-file.ts";
import {unlessBug} from "./unless-bug.ts";

const mainFile = "carpd.toml";
/** Beside carpd.toml, and read too. */
const dropIns = "carpd.d";
const markerName = ".schema";
const restoringName = ".schema-restoring";
const noteName = ".schema-note";

export interface KeptFolders {
    /** carpd's configuration. */
    readonly config: string;
    /** The data partition. */
    readonly data: string;
}

export class KeptConfiguration {
    readonly #config: string;
    readonly #kept: string;

    constructor({config, data}: KeptFolders) {
        this.#config = config;
        this.#kept = join(data, "config-kept");
    }

    /** Brings the files to what a release of schema `own` can read. Rejects with the system's error. */
    async prepare(own: number): Promise<SchemaPlan> {
        const plan = planSchema({
            own,
            written: await numberIn(join(this.#config, markerName)),
            restoring: await numberIn(join(this.#config, restoringName)),
            kept: await this.#keptSchemas(),
        });
        switch (plan.kind) {
            case "nothing":
            case "tooNew":
                break;
            case "takeOver":
                await this.#keepAs(plan.keepAs);
                await this.#mark(own);
                await removeDurably(join(this.#config, noteName));
                break;
            case "mark":
                await this.#mark(own);
                break;
            case "restore":
                await this.#restore(plan);
                // Whatever release wrote the copy, this one reads it.
                await this.#mark(own);
                await removeDurably(join(this.#config, restoringName));
                break;
        }
        if (plan.kind === "tooNew" || plan.kind === "restore") await this.#takeNote(plan, own);
        return plan;
    }

    /** The sentence for the operator, until the configuration is changed; "" without one. */
    async note(): Promise<string> {
        const text = await textIn(join(this.#config, noteName));
        const newline = text.indexOf("\n");
        if (newline < 0) return "";
        const changed = text.slice(newline + 1).trim() !== (await this.#fingerprint());
        return changed ? "" : text.slice(0, newline);
    }

    async #takeNote(plan: SchemaPlan, own: number): Promise<void> {
        const text = `${schemaSentence(plan, own)}\n${await this.#fingerprint()}\n`;
        const path = join(this.#config, noteName);
        if ((await textIn(path)) !== text) await writeDurably(path, text, false);
    }

    /** Changes whenever somebody writes the main file. */
    async #fingerprint(): Promise<string> {
        try {
            const {size, mtimeMs, ino} = await stat(join(this.#config, mainFile));
            return [size, Math.floor(mtimeMs), ino].join(" ");
        } catch (error) {
            unlessBug(error);
            return "none";
        }
    }

    async #keptSchemas(): Promise<number[]> {
        const names = await namesIn(this.#kept);
        return names.filter((name) => /^\d{1,9}$/u.test(name)).map(Number);
    }

    #mark(schema: number): Promise<void> {
        return writeDurably(join(this.#config, markerName), `${schema}\n`, false);
    }

    /** The whole copy appears at once; an earlier one of the same schema makes way. */
    async #keepAs(schema: number): Promise<void> {
        const target = join(this.#kept, String(schema));
        const building = `${target}.new`;
        await rm(building, {recursive: true, force: true});
        await mkdir(join(building, dropIns), {recursive: true, mode: 0o700});
        for (const name of await this.#files(this.#config)) {
            await copyWhole(join(this.#config, name), join(building, name));
        }
        await rm(target, {recursive: true, force: true});
        await rename(building, target);
        await syncFolder(this.#kept);
    }

    async #restore(plan: Extract<SchemaPlan, {kind: "restore"}>): Promise<void> {
        const present = await this.#files(this.#config);
        if (plan.setAside) {
            for (const name of present) {
                const path = join(this.#config, name);
                await copyWhole(path, asideName(path, plan.aside));
            }
            await writeDurably(join(this.#config, restoringName), `${plan.aside}\n`, false);
        }
        const source = join(this.#kept, String(plan.from));
        const wanted = await this.#files(source);
        for (const name of wanted) {
            await mkdir(dirname(join(this.#config, name)), {recursive: true, mode: 0o755});
            await copyWhole(join(source, name), join(this.#config, name));
        }
        for (const name of present) {
            if (!wanted.includes(name)) await removeDurably(join(this.#config, name));
        }
    }

    /** "carpd.toml", "carpd.d/10-vips.toml" */
    async #files(folder: string): Promise<string[]> {
        const inside = await namesIn(join(folder, dropIns));
        const all = [...(await namesIn(folder)), ...inside.map((name) => join(dropIns, name))];
        const found: string[] = [];
        for (const name of all) {
            if (!isConfigurationFile(name.split("/").at(-1) ?? "")) continue;
            if ((await stat(join(folder, name))).isFile()) found.push(name);
        }
        return found;
    }
}

/** Content, mode and owner; by another name first, so that no half file is ever seen. */
async function copyWhole(from: string, to: string): Promise<void> {
    const temporary = `${to}.tmp`;
    await rm(temporary, {force: true});
    await copyFile(from, temporary);
    const {mode, uid, gid} = await stat(from);
    await chmod(temporary, mode & 0o777);
    await chown(temporary, uid, gid);
    const file = await open(temporary, "r");
    try {
        await file.sync();
    } finally {
        await file.close();
    }
    await rename(temporary, to);
    await syncFolder(dirname(to));
}

async function syncFolder(path: string): Promise<void> {
    const folder = await open(path, "r");
    try {
        await folder.sync();
    } finally {
        await folder.close();
    }
}

async function textIn(path: string): Promise<string> {
    try {
        return await readFile(path, "utf8");
    } catch (error) {
        unlessBug(error);
        return "";
    }
}

async function numberIn(path: string): Promise<number | null> {
    const text = (await textIn(path)).trim();
    return /^\d{1,9}$/u.test(text) ? Number(text) : null;
}

async function namesIn(path: string): Promise<string[]> {
    try {
        return await readdir(path);
    } catch (error) {
        unlessBug(error);
        return [];
    }
}
