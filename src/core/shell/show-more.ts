/**
 * What `show history` and `show version` print, and what an import gives. Each takes the body of a
 * reply as it came and gives null where it is not what was expected. Pure.
 */
import {decodeImport} from "../show-operations.ts";

type Members = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Members {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(from: Members, key: string): string {
    const value = from[key];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function texts(from: Members, key: string): string[] {
    const value = from[key];
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

/** `GET /v1/history`, newest first. */
export function showHistory(body: unknown): string | null {
    if (!Array.isArray(body) || !body.every(isObject)) return null;
    if (body.length === 0) return "nothing was committed yet\n";
    return body
        .map((entry) => {
            const remark = text(entry, "remark");
            const [user, origin] = [text(entry, "user"), text(entry, "origin")];
            // What was found in the file has no user.
            const who = user === "" ? origin : `${user} on ${origin}`;
            const head = `${text(entry, "number").padStart(3)}  ${text(entry, "time")}  ${who}`;
            const changes = texts(entry, "changes").map((change) => `       ${change}\n`);
            return `${head}${remark === "" ? "" : `: ${remark}`}\n${changes.join("")}`;
        })
        .join("");
}

/** `GET /v1/users`. */
export function showUsers(body: unknown): string | null {
    if (!Array.isArray(body) || !body.every(isObject)) return null;
    if (body.length === 0) return "nobody: the first log-in on the console sets a password\n";
    return body
        .map(
            (user) =>
                `${text(user, "name")} ${text(user, "role")}, ${text(user, "sessions")} sessions\n`,
        )
        .join("");
}

export function showVersion(body: unknown): string | null {
    const version = isObject(body) ? text(body, "version") : "";
    return version === "" ? null : `carpd ${version}\n`;
}

/** What an import gives: the file, and what could not be taken over. */
export function importOf(body: unknown): {toml: string; notes: string} | null {
    const imported = decodeImport(body);
    if (imported === null) return null;
    const notes = imported.notes.map(({file, line, text: said}) => `${file}:${line}: ${said}\n`);
    return {toml: imported.toml, notes: notes.join("")};
}
