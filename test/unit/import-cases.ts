/** The folders of import-fixtures: each holds the files of one host, and what they are read as. */
import {readdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {
    type ImportFile,
    type ImportOptions,
    importConfiguration,
} from "../../src/core/import/import.ts";

export const fixtures = join(import.meta.dirname, "../../../test/unit/import-fixtures");

export const folders = readdirSync(fixtures).sort();

/** In the order of their names; `expected` is the outcome and not input. */
export function filesOf(folder: string): ImportFile[] {
    return readdirSync(join(fixtures, folder))
        .filter((name) => name !== "expected")
        .sort()
        .map((name) => ({name, text: readFileSync(join(fixtures, folder, name), "utf8")}));
}

/** Notes as comments, then the text; or the printed errors. */
export function outcome(
    files: readonly ImportFile[],
    options: ImportOptions = {map: new Map()},
): string {
    const imported = importConfiguration(files, options);
    if (!imported.ok) {
        return `${formatDiagnostics(imported.error)}\n`;
    }
    const {notes, toml} = imported.value;
    return [...notes.map(({file, line, text}) => `# ${file}:${line}: ${text}`), toml].join("\n");
}
