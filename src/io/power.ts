/**
 * Restarting and switching off, through the service manager: it stops carpd first, which hands
 * over. Main thread.
 */
import {constants} from "node:fs";
import {access} from "node:fs/promises";
import {join} from "node:path";
import type {PowerAction} from "../app/operations.ts";
import {err, ok, type Result} from "../core/result.ts";
import {ProgramRunner} from "./program-run.ts";

const verbs: Readonly<Record<PowerAction, string>> = {reboot: "reboot", "power-off": "poweroff"};
/** The order is given with --no-block: the program itself has nothing to wait for, milliseconds. */
const limitMs = 10_000;

export class SystemPower {
    readonly #folders: readonly string[];
    readonly #runner = new ProgramRunner();

    /** `folders`: where systemctl is looked for. Never the PATH: this runs with privileges. */
    constructor(folders: readonly string[] = ["/usr/bin", "/bin"]) {
        this.#folders = folders;
    }

    /** Resolves when the service manager has taken the order; the error is a sentence. */
    async run(action: PowerAction): Promise<Result<void, string>> {
        const program = await this.#find();
        if (program === null) {
            const places = this.#folders.join(", ");
            return err(`there is no systemctl in ${places}: this system is not run by systemd`);
        }
        const argv = [program, "--no-block", "--no-ask-password", verbs[action]];
        const outcome = await this.#runner.run(argv, AbortSignal.timeout(limitMs));
        if (outcome.ok) return ok(undefined);
        const said = outcome.line === "" ? "" : `: ${outcome.line}`;
        return err(`${program} ${verbs[action]}: ${outcome.how}${said}`);
    }

    async #find(): Promise<string | null> {
        for (const folder of this.#folders) {
            const path = join(folder, "systemctl");
            try {
                await access(path, constants.X_OK);
                return path;
            } catch {
                // Not there, or not to be run: the next folder.
            }
        }
        return null;
    }
}
