/**
 * User ids of the system by name, from /etc/passwd. Main thread.
 */
import {readFileSync, statSync} from "node:fs";
import {err, ok, type Result} from "../core/result.ts";
import {codeOf} from "./system-error.ts";

/**
 * Read anew when the file has changed: a user that was added after the start counts. The name is
 * asked for with every request, and a name service behind a network must not stop carpd: passwd(5)
 * only.
 */
export class PasswdFile {
    readonly #path: string;
    #seen = "";
    #ids: ReadonlyMap<string, number> = new Map();

    constructor(path = "/etc/passwd") {
        this.#path = path;
    }

    /** null: there is no such user. The error says why nobody knows. */
    uidOf(name: string): Result<number | null, string> {
        try {
            const {ino, size, mtimeMs, ctimeMs} = statSync(this.#path);
            const version = [ino, size, mtimeMs, ctimeMs].join(" ");
            if (version !== this.#seen) {
                this.#ids = idsOf(readFileSync(this.#path, "utf8"));
                this.#seen = version;
            }
            return ok(this.#ids.get(name) ?? null);
        } catch (error) {
            return err(`${this.#path} cannot be read: ${codeOf(error)}`);
        }
    }
}

/** passwd(5): name:password:uid:gid:... The first line of a name holds. */
function idsOf(text: string): Map<string, number> {
    const ids = new Map<string, number>();
    for (const line of text.split("\n")) {
        const [name = "", , uid = ""] = line.split(":");
        if (/^\d{1,10}$/u.test(uid) && !ids.has(name)) ids.set(name, Number(uid));
    }
    return ids;
}
