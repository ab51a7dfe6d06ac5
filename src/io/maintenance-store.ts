/**
 * Maintenance mode on the disk: `maintenance.json` in the state directory exists while it is on.
 * Main thread.
 */
import {readFile} from "node:fs/promises";
import {join} from "node:path";
import type {LoadedMaintenance, MaintenanceRecord} from "../app/ports.ts";
import {err, ok, type Result} from "../core/result.ts";
import {removeDurably, writeDurably} from "./durable-file.ts";
import {codeOf} from "./system-error.ts";

const fileName = "maintenance.json";
/** The last instant that a Date can show, milliseconds since 1970 (ECMA-262). */
const latestMs = 8.64e15;

/** Implements MaintenanceStore of src/app/ports.ts. */
export class FileMaintenanceStore {
    readonly #file: string;

    constructor(stateDir: string) {
        this.#file = join(stateDir, fileName);
    }

    /**
     * A file that cannot be read or understood counts as off, with a warning: a host that nobody
     * can reach must not stay out of service because of a torn file.
     */
    async load(): Promise<LoadedMaintenance> {
        try {
            const parsed: unknown = JSON.parse(await readFile(this.#file, "utf8"));
            const record = maintenanceOf(parsed);
            if (record !== null) return {record, warning: ""};
            return {record: null, warning: this.#damaged("holds something else")};
        } catch (error) {
            if (error instanceof SyntaxError) {
                return {record: null, warning: this.#damaged("is torn or is not JSON")};
            }
            if (codeOf(error) === "ENOENT") return {record: null, warning: ""};
            return {record: null, warning: this.#damaged(`cannot be read: ${codeOf(error)}`)};
        }
    }

    /** null: off. The error is a sentence. */
    async save(record: MaintenanceRecord | null): Promise<Result<void, string>> {
        try {
            if (record === null) {
                await removeDurably(this.#file);
            } else {
                await writeDurably(this.#file, `${JSON.stringify(record)}\n`, false);
            }
            return ok(undefined);
        } catch (error) {
            return err(`cannot store maintenance mode in ${this.#file}: ${codeOf(error)}`);
        }
    }

    #damaged(what: string): string {
        return (
            `${this.#file} ${what}: maintenance mode was on once, and is taken as off; ` +
            `"carpctl maintenance on" sets it again`
        );
    }
}

function maintenanceOf(parsed: unknown): MaintenanceRecord | null {
    if (typeof parsed !== "object" || parsed === null) return null;
    if (!("sinceMs" in parsed) || !isInstant(parsed.sinceMs)) return null;
    if (!("untilMs" in parsed)) return null;
    if (parsed.untilMs !== null && !isInstant(parsed.untilMs)) return null;
    return {sinceMs: parsed.sinceMs, untilMs: parsed.untilMs};
}

function isInstant(value: unknown): value is number {
    return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= latestMs;
}
