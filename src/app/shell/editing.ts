/**
 * Configuration mode: its words -> requests about the candidate, which carpd holds. What is kept
 * here is only where in it the operator stands. Thread of the program.
 */
import type {Command} from "../../core/cli-resolve.ts";
import {type Completion, completions} from "../../core/config-complete.ts";
import {isTableKind} from "../../core/config-layout.ts";
import {quoteWord, splitWords} from "../../core/config-lines.ts";
import {exitCodes} from "../../core/exit-codes.ts";
import type {Choice} from "../../core/shell/complete.ts";
import {importOf} from "../../core/shell/show-more.ts";
import {type Asker, Stop, textOf} from "./asker.ts";

/** Files of the caller; the console has none. The strings are the system's codes. */
export interface CallerFiles {
    readonly read: (path: string) => {readonly text: string} | {readonly code: string};
    /** null: written. */
    readonly write: (path: string, text: string) => string | null;
}

export interface EditingPorts {
    readonly asker: Asker;
    readonly out: (text: string) => void;
    readonly files: CallerFiles | null;
    /** A pasted text; null: it was broken off. */
    readonly paste: () => Promise<string | null>;
    /** A question to be answered with yes; true without a person. */
    readonly confirm: (question: string) => Promise<boolean>;
}

type Done = Promise<Stop | null>;

const blocksHelp = "options, system, carp NAME, track NAME or interface NAME";

export class Editing {
    readonly #ports: EditingPorts;
    #context: readonly string[] = [];

    constructor(ports: EditingPorts) {
        this.#ports = ports;
    }

    /** Where the operator stands: [], ["options"], ["carp", "carp0"]. */
    get context(): readonly string[] {
        return this.#context;
    }

    /** Takes the candidate; a refusal says who holds it. */
    async open(): Done {
        this.#context = [];
        const answer = await this.#post("open");
        return answer instanceof Stop ? answer : null;
    }

    /** Gives it back; false: the operator stays because of changes that are not committed. */
    async close(ask: boolean): Promise<boolean> {
        if (ask) {
            const diff = await this.#ports.asker.text("POST", "configuration/compare", {
                with: "running",
            });
            const changed = typeof diff === "string" && diff.trim() !== "";
            const question = "The candidate has changes that are not committed. Forget them?";
            if (changed && !(await this.#ports.confirm(question))) return false;
        }
        await this.#post("close");
        return true;
    }

    /** null: done, or not a word of this mode. `line`: as it was typed. */
    run({action, values}: Command, line: string): Done {
        switch (action) {
            case "edit-line":
                return this.#edit(line);
            case "edit-into":
                return this.#into(values.path ?? []);
            case "edit-up":
                this.#context = this.#context.length <= 2 ? [] : this.#context.slice(0, -1);
                return Promise.resolve(null);
            case "edit-top":
                this.#context = [];
                return Promise.resolve(null);
            case "edit-show":
                return this.#show(values.path ?? []);
            case "edit-compare":
                return this.compare(values.number ?? null);
            case "edit-discard":
                return this.#quiet("discard");
            case "edit-validate":
                return this.#validate();
            case "edit-commit": {
                const {confirmed = false, minutes = 10, remark = "", force = false} = values;
                return this.#commit({
                    confirmedMinutes: confirmed ? minutes : null,
                    remark,
                    ...(force ? {force} : {}),
                });
            }
            case "edit-confirm":
                return this.#quiet("confirm", {}, "confirmed\n");
            case "edit-rollback":
                return this.#loaded(this.#post("rollback", {number: values.number ?? 0}));
            case "edit-load-terminal":
                return this.#loadTerminal(values.merge === true);
            case "edit-load-file":
                return this.#loadFile(values.files?.[0] ?? "");
            case "edit-load-import":
                return this.#loadImport(values.kind);
            case "edit-save":
                return this.#save(null);
            case "edit-save-file":
                return this.#save(values.files?.[0] ?? "");
            default:
                return Promise.resolve(null);
        }
    }

    async compare(number: number | null): Done {
        const body = {with: number ?? "running"};
        const diff = await this.#ports.asker.text("POST", "configuration/compare", body);
        if (diff instanceof Stop) return diff;
        this.#ports.out(diff === "" ? "nothing differs\n" : withNewline(diff));
        return null;
    }

    /** What may stand where the last word of `words` is typed. */
    async choices(words: readonly string[]): Promise<Choice[]> {
        const body = {source: "candidate", form: "toml", secrets: false};
        const text = await this.#ports.asker.client.request("POST", "/v1/configuration/show", body);
        const known = text.ok && text.value.status === 200 ? textOf(text.value.body, "text") : null;
        return completions(words, this.#context, known ?? "").map(choiceOf);
    }

    /** The edit with sections and keys written out: `set ca carp0 vh 1`. */
    async #written(line: string): Promise<string> {
        const words = splitWords(line);
        if (words === undefined) return line;
        const whole: string[] = [];
        let changed = false;
        for (const word of words) {
            const found = whole.length === 0 ? [] : await this.choices([...whole, word]);
            const fixed = found.length > 0 && found.every((choice) => choice.word);
            const [only] = found;
            const longer = fixed && found.length === 1 && only !== undefined && only.token !== word;
            changed ||= longer;
            whole.push(longer ? only.token : word);
        }
        return changed ? whole.map(quoteWord).join(" ") : line;
    }

    async #edit(line: string): Done {
        const written = await this.#written(line);
        const answer = await this.#post("edit", {line: written, context: this.#context});
        return answer instanceof Stop ? answer : null;
    }

    async #into(words: readonly string[]): Done {
        const path: string[] = [...this.#context];
        for (const word of words) {
            const found = await this.choices(["edit", ...path.slice(this.#context.length), word]);
            const exact = found.find((choice) => choice.token === word);
            const [only] = found;
            const shortened = found.length === 1 && only?.word === true ? only.token : undefined;
            const fresh = found.some((choice) => !choice.word);
            const next = exact?.token ?? shortened ?? (fresh ? word : undefined);
            if (next === undefined) {
                const tokens = found.map((choice) => choice.token).join(", ");
                const expected = tokens === "" ? blocksHelp : tokens;
                return this.#wrong(`"${word}" is no block here; expected ${expected}`);
            }
            path.push(next);
        }
        const [section] = path;
        const depth = section !== undefined && isTableKind(section) ? 1 : 2;
        if (path.length !== depth) return this.#wrong(`expected ${blocksHelp}`);
        this.#context = path;
        return null;
    }

    async #show(path: readonly string[]): Done {
        const body = {source: "candidate", form: "commands", secrets: false};
        const text = await this.#ports.asker.text("POST", "configuration/show", body);
        if (text instanceof Stop) return text;
        const below = [...this.#context, ...path];
        const lines = text
            .split("\n")
            .filter((line) => line !== "")
            .filter((line) => {
                // A remark such as "# set carp carp0 pass is not shown" belongs to its block.
                const words = splitWords(line.replace(/^# /u, "")) ?? [];
                return below.every((word, i) => words[i + 1] === word);
            });
        if (path.length > 0 && lines.length === 0) {
            const said = `nothing is set below ${below.join(" ")}`;
            const hint = "; for what carpd knows: run show ...";
            return this.#ports.asker.complain(`${said}${hint}`, exitCodes.usage);
        }
        this.#ports.out(lines.map((line) => `${line}\n`).join(""));
        return null;
    }

    async #validate(): Done {
        const answer = await this.#post("validate");
        if (answer instanceof Stop) return answer;
        const text = textOf(answer.value, "text") ?? "";
        const valid = flagOf(answer.value, "ok");
        if (valid === false) {
            return this.#ports.asker.complain(text.trimEnd(), exitCodes.config, "BAD_CONFIG");
        }
        if (text !== "") this.#ports.out(withNewline(text));
        this.#ports.out("the candidate is valid\n");
        return null;
    }

    async #commit(body: object): Done {
        const answer = await this.#post("commit", body);
        if (answer instanceof Stop) return answer;
        const changes = listOf(answer.value, "changes");
        const warnings = textOf(answer.value, "warnings") ?? "";
        const confirmBy = textOf(answer.value, "confirmBy") ?? "";
        if (warnings !== "") this.#ports.out(withNewline(warnings));
        this.#ports.out(changes.map((change) => `${change}\n`).join(""));
        this.#ports.out(changes.length === 0 ? "committed: nothing changes\n" : "committed\n");
        if (confirmBy !== "") {
            this.#ports.out(`it is taken back at ${confirmBy} unless you type: confirm\n`);
        }
        return null;
    }

    async #loadTerminal(merge: boolean): Done {
        this.#ports.out("paste the text; ^D or a line with end ends it\n");
        const text = await this.#ports.paste();
        if (text === null) return this.#wrong("broken off: nothing was loaded");
        return this.#loaded(this.#post("load", {text, merge}));
    }

    async #loadFile(path: string): Done {
        const read = this.#ports.files?.read(path) ?? {code: "ENOSYS"};
        if (!("text" in read)) return this.#wrong(`${path}: ${read.code}`);
        return this.#loaded(this.#post("load", {text: read.text, merge: false}));
    }

    async #loadImport(kind: string | undefined): Done {
        this.#ports.out("paste the file; ^D or a line with end ends it\n");
        const text = await this.#ports.paste();
        if (text === null) return this.#wrong("broken off: nothing was loaded");
        const files = [{name: "pasted", text}];
        const answer = await this.#ports.asker.ask("POST", "import", {files, kind, map: {}});
        if (answer instanceof Stop) return answer;
        const imported = importOf(answer.value);
        if (imported === null) return this.#ports.asker.notUnderstood();
        this.#ports.out(imported.notes);
        return this.#loaded(this.#post("load", {text: imported.toml, merge: false}));
    }

    async #save(path: string | null): Done {
        const answer = await this.#post("save");
        if (answer instanceof Stop) return answer;
        const text = textOf(answer.value, "text");
        if (text === null) return this.#ports.asker.notUnderstood();
        if (path === null) {
            this.#ports.out(text);
            return null;
        }
        const problem = this.#ports.files?.write(path, text) ?? null;
        return problem === null ? null : this.#wrong(`${path}: ${problem}`);
    }

    async #loaded(request: ReturnType<Asker["ask"]>): Done {
        const answer = await request;
        if (answer instanceof Stop) return answer;
        const changed = flagOf(answer.value, "changed") !== false;
        this.#ports.out(
            changed
                ? "loaded into the candidate; compare shows it, commit applies it\n"
                : "the candidate is the same as before\n",
        );
        return null;
    }

    async #quiet(name: string, body: object = {}, text = ""): Done {
        const answer = await this.#post(name, body);
        if (answer instanceof Stop) return answer;
        this.#ports.out(text);
        return null;
    }

    #post(name: string, body: object = {}): ReturnType<Asker["ask"]> {
        return this.#ports.asker.ask("POST", `configuration/${name}`, body);
    }

    #wrong(text: string): Done {
        return Promise.resolve(this.#ports.asker.complain(text, exitCodes.usage));
    }
}

function choiceOf({token, help}: Completion): Choice {
    return {token, help, word: !token.startsWith("<")};
}

function withNewline(text: string): string {
    return text.endsWith("\n") ? text : `${text}\n`;
}

function memberOf(body: unknown, key: string): unknown {
    return typeof body === "object" && body !== null ? Reflect.get(body, key) : undefined;
}

function flagOf(body: unknown, key: string): boolean | null {
    const value = memberOf(body, key);
    return typeof value === "boolean" ? value : null;
}

function listOf(body: unknown, key: string): string[] {
    const value = memberOf(body, key);
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}
