/** The version in package.json, found above the compiled file. */
import {existsSync, readFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";

/** The folder that holds package.json. */
export function projectRoot(): string {
    let folder = dirname(fileURLToPath(import.meta.url));
    while (!existsSync(join(folder, "package.json"))) {
        const parent = dirname(folder);
        if (parent === folder) throw new Error(`no package.json above ${import.meta.url}`);
        folder = parent;
    }
    return folder;
}

export function version(): string {
    const parsed: unknown = JSON.parse(readFileSync(join(projectRoot(), "package.json"), "utf8"));
    const found: unknown =
        typeof parsed === "object" && parsed !== null && "version" in parsed ? parsed.version : "";
    return typeof found === "string" ? found : "";
}
