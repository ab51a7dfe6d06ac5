/**
 * The console's histories, one small file for each user, in a folder of its own. Thread of the
 * program. A history that cannot be read or written is no reason to trouble anybody.
 */
import {mkdir, open, readFile, rename, stat} from "node:fs/promises";
import {join} from "node:path";
import type {HistoryStore} from "../app/shell/console.ts";
import {historyFileName, historyText, readHistory} from "../core/shell/history.ts";
import {codeOf} from "./system-error.ts";

/** 200 lines of 1024 octets are below it. */
const sizeLimit = 256 * 1024;

export class HistoryFiles implements HistoryStore {
    readonly #folder: string;
    readonly #warn: (text: string) => void;

    /** `folder` "": nothing is kept. */
    constructor(folder: string, warn: (text: string) => void) {
        this.#folder = folder;
        this.#warn = warn;
    }

    async load(user: string): Promise<readonly string[]> {
        const path = this.#path(user);
        if (path === null) return [];
        try {
            if ((await stat(path)).size > sizeLimit) return [];
            return readHistory(await readFile(path, "utf8"));
        } catch (error) {
            if (codeOf(error) !== "ENOENT") this.#warn(`${path}: ${codeOf(error)}`);
            return [];
        }
    }

    async save(user: string, lines: readonly string[]): Promise<void> {
        const path = this.#path(user);
        if (path === null) return;
        try {
            await mkdir(this.#folder, {recursive: true, mode: 0o700});
            const file = await open(`${path}.tmp`, "w", 0o600);
            try {
                await file.writeFile(historyText(lines));
            } finally {
                await file.close();
            }
            await rename(`${path}.tmp`, path);
        } catch (error) {
            this.#warn(`${path}: ${codeOf(error)}`);
        }
    }

    #path(user: string): string | null {
        const name = historyFileName(user);
        return this.#folder === "" || name === null ? null : join(this.#folder, name);
    }
}
