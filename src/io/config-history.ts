/**
 * What was committed, and what waits for its confirmation: small files in the state directory.
 * Main thread.
 *
 *     history/00000042.toml   one commit: a first line with the metadata, then the text
 *     history/pending.toml    the commit under way; it becomes the one above when it is done
 *     unconfirmed.toml        the configuration to go back to, while `commit confirmed` waits
 *
 * The first line is a comment of TOML, so each of these files can be copied to carpd.toml by hand.
 * They hold passwords: mode 0600 in a folder of mode 0700. A checksum tells a damaged one.
 */
import {createHash} from "node:crypto";
import {readdir, readFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import type {ConfigStore, HistoryEntry, StoredText, Unconfirmed} from "../app/ports.ts";
import {parseJson} from "../core/control-protocol.ts";
import {err, type Result} from "../core/result.ts";
import {attempt, ConfigFile, type DurableFs, replaceDurably, systemFs} from "./config-writer.ts";
import {codeOf} from "./system-error.ts";

/** Commits that are kept, the newest included. */
export const historyLength = 20;

const entryName = /^(\d{8})\.toml$/u;
const firstLine = /^# carpd (\{.*\})$/u;

type Meta = Readonly<Record<string, string | number | boolean | readonly string[]>>;

function digest(meta: string, text: string): string {
    return createHash("sha256").update(`${meta}\n${text}`).digest("hex");
}

function packed(meta: Meta, text: string): string {
    const sha256 = digest(JSON.stringify(meta), text);
    return `# carpd ${JSON.stringify({...meta, sha256})}\n${text}`;
}

/** null: damaged, whatever is wrong with it. */
function unpacked(content: string): {meta: ReadonlyMap<string, unknown>; text: string} | null {
    const end = content.indexOf("\n");
    const parsed = parseJson(firstLine.exec(content.slice(0, Math.max(end, 0)))?.[1] ?? "");
    if (typeof parsed !== "object" || parsed === null) return null;
    const {sha256, ...meta}: {sha256?: unknown} = parsed;
    const text = content.slice(end + 1);
    if (sha256 !== digest(JSON.stringify(meta), text)) return null;
    return {meta: new Map<string, unknown>(Object.entries(meta)), text};
}

function textOf(meta: ReadonlyMap<string, unknown>, key: string): string {
    const value = meta.get(key);
    return typeof value === "string" ? value : "";
}

function numberOf(meta: ReadonlyMap<string, unknown>, key: string): number {
    const value = meta.get(key);
    return typeof value === "number" && Number.isSafeInteger(value) ? value : 0;
}

function toEntry(content: string): HistoryEntry | null {
    const read = unpacked(content);
    if (read === null) return null;
    const {meta, text} = read;
    const changes = meta.get("changes");
    return {
        sequence: numberOf(meta, "sequence"),
        timeMs: numberOf(meta, "timeMs"),
        user: textOf(meta, "user"),
        origin: textOf(meta, "origin"),
        remark: textOf(meta, "remark"),
        changes: Array.isArray(changes) ? changes.map(String) : [],
        found: meta.get("found") === true,
        text,
    };
}

/** The content; null: there is none. A file that cannot be read counts as damaged: "". */
async function contentOf(path: string): Promise<string | null> {
    try {
        return await readFile(path, "utf8");
    } catch (error) {
        return codeOf(error) === "ENOENT" ? null : "";
    }
}

/** Implements ConfigStore of src/app/ports.ts. */
export class FileConfigStore implements ConfigStore {
    readonly path: string;
    readonly #file: ConfigFile;
    readonly #fs: DurableFs;
    readonly #folder: string;
    readonly #pending: string;
    readonly #unconfirmed: string;

    constructor(configFile: string, stateDir: string, fs: DurableFs = systemFs) {
        this.path = configFile;
        this.#fs = fs;
        this.#file = new ConfigFile(configFile, fs);
        this.#folder = join(stateDir, "history");
        this.#pending = join(this.#folder, "pending.toml");
        this.#unconfirmed = join(stateDir, "unconfirmed.toml");
    }

    read(): Promise<StoredText> {
        return this.#file.read();
    }

    write(text: string): Promise<Result<void, string>> {
        return this.#file.write(text);
    }

    async history(): Promise<readonly HistoryEntry[]> {
        const entries: HistoryEntry[] = [];
        for (const name of (await this.#names()).reverse()) {
            const entry = toEntry((await contentOf(join(this.#folder, name))) ?? "");
            if (entry !== null) entries.push(entry);
        }
        return entries;
    }

    async nextSequence(): Promise<number> {
        const last = (await this.#names()).at(-1);
        return last === undefined ? 1 : Number.parseInt(last, 10) + 1;
    }

    async pending(): Promise<HistoryEntry | null> {
        return toEntry((await contentOf(this.#pending)) ?? "");
    }

    async hasPending(): Promise<boolean> {
        return (await contentOf(this.#pending)) !== null;
    }

    begin(entry: HistoryEntry): Promise<Result<void, string>> {
        const {text, ...meta} = entry;
        return attempt(`cannot write the history in ${this.#folder}`, async () => {
            await this.#makeFolder();
            await replaceDurably(this.#fs, this.#pending, packed(meta, text), null);
        });
    }

    async finish(): Promise<Result<void, string>> {
        const entry = await this.pending();
        if (entry === null) return err(`${this.#pending} is missing or damaged`);
        return attempt(`cannot write the history in ${this.#folder}`, async () => {
            const name = `${String(entry.sequence).padStart(8, "0")}.toml`;
            await this.#fs.rename(this.#pending, join(this.#folder, name));
            const names = await this.#names();
            for (const old of names.slice(0, -historyLength)) {
                await this.#fs.remove(join(this.#folder, old));
            }
            await this.#fs.syncFolder(this.#folder);
        });
    }

    abandon(): Promise<Result<void, string>> {
        return attempt(`cannot tidy up ${this.#folder}`, async () => {
            if (!(await this.hasPending())) return;
            await this.#fs.remove(this.#pending);
            await this.#fs.syncFolder(this.#folder);
        });
    }

    async unconfirmed(): Promise<Unconfirmed | "damaged" | null> {
        const content = await contentOf(this.#unconfirmed);
        if (content === null) return null;
        const read = unpacked(content);
        if (read === null) return "damaged";
        const {meta, text} = read;
        return {
            sequence: numberOf(meta, "sequence"),
            untilMs: numberOf(meta, "untilMs"),
            user: textOf(meta, "user"),
            origin: textOf(meta, "origin"),
            text,
        };
    }

    setUnconfirmed(commit: Unconfirmed | null): Promise<Result<void, string>> {
        return attempt(`cannot write ${this.#unconfirmed}`, async () => {
            if (commit === null) {
                await this.#fs.remove(this.#unconfirmed);
                await this.#fs.syncFolder(dirname(this.#unconfirmed));
                return;
            }
            await this.#makeFolder();
            const {text, ...meta} = commit;
            await replaceDurably(this.#fs, this.#unconfirmed, packed(meta, text), null);
        });
    }

    /** Of commits, oldest first, damaged ones too. */
    async #names(): Promise<string[]> {
        try {
            return (await readdir(this.#folder)).filter((name) => entryName.test(name)).sort();
        } catch {
            // Missing, or not to be read: nothing to go back to. Writing there tells what is wrong.
            return [];
        }
    }

    /** The state directory and the folder, both in their parents for good. */
    async #makeFolder(): Promise<void> {
        if (!(await this.#fs.makeFolder(this.#folder))) return;
        const stateDir = dirname(this.#folder);
        await this.#fs.syncFolder(stateDir);
        await this.#fs.syncFolder(dirname(stateDir));
    }
}
