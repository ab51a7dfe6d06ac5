/**
 * A configuration as it is shown: as TOML with its comments, or as `set` lines; without passwords
 * unless they are asked for. Pure.
 */
import type {ConfigText} from "./config-draft.ts";
import {toLines} from "./config-lines.ts";
import type {EditRefusal} from "./edit.ts";
import {ok, type Result} from "./result.ts";
import {redact} from "./text-diff.ts";

export type ConfigurationForm = "toml" | "commands";

function ended(text: string): string {
    return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** Drop-ins are shown as comments: the whole can be loaded again and means the file alone. */
function commented({file, text}: ConfigText, secrets: boolean): string {
    const lines = ended(secrets ? text : redact(text))
        .split("\n")
        .slice(0, -1);
    const shown = lines.map((line) => (line.trim() === "" ? "#\n" : `# ${line}\n`));
    return `\n# ---- also read, not edited here: ${file} ----\n${shown.join("")}`;
}

export function shownConfiguration(
    text: string,
    dropIns: readonly ConfigText[],
    form: ConfigurationForm,
    secrets: boolean,
): Result<string, EditRefusal> {
    const rest = dropIns.map((dropIn) => commented(dropIn, secrets)).join("");
    if (form === "toml") return ok(ended(secrets ? text : redact(text)) + rest);
    const lines = toLines(text, {secrets});
    return lines.ok ? ok(lines.value.map((line) => `${line}\n`).join("") + rest) : lines;
}
