/**
 * The candidate configuration: the text that `configure` edits, who holds it, and why an edit or a
 * load is refused. Pure; main thread.
 *
 * There is one at a time. A candidate is the text of carpd.toml alone: blocks of drop-in files are
 * seen (their names are taken) and not edited.
 */
import type {ConfigText} from "./config-draft.ts";
import {applyEdits} from "./config-edit.ts";
import {blockKinds, isBlockKind, tableKinds} from "./config-layout.ts";
import {parseLine, splitWords} from "./config-lines.ts";
import {findBlock, nameOf, readMeaning} from "./config-meaning.ts";
import type {Session} from "./control-session.ts";
import type {Edit, EditRefusal} from "./edit.ts";
import {err, ok, type Result} from "./result.ts";

export type RefusalCode =
    | "APPLY_FAILED"
    | "BAD_CONFIG"
    | "BAD_EDIT"
    | "CANDIDATE_HELD"
    | "FILE_CHANGED"
    | "NOT_WAITING"
    | "NO_CANDIDATE"
    | "OUT_OF_DATE"
    | "STORE_FAILED"
    | "TOO_LARGE"
    | "UNKNOWN_COMMIT";

/** Why nothing was done. `code` is stable; the rest is for people, without passwords. */
export interface Refusal {
    readonly code: RefusalCode;
    readonly message: string;
    readonly expected: string;
}

export function refused(
    code: RefusalCode,
    message: string,
    expected: string,
): {readonly ok: false; readonly error: Refusal} {
    return err({code, message, expected});
}

/** What is read as carpd.toml at most (src/io/config-files.ts). UTF-16 units, so never more octets. */
const longestText = 1024 * 1024;
/** What a password looks like where it is not shown. */
const stars = "****";

type Changed = Result<string, Refusal>;

/** The path of the first pass that is only a shown one; "" when there is none. */
function starredPass(text: string): string {
    const meaning = readMeaning(text);
    if (!meaning.ok) return "";
    const index = meaning.value.carp.findIndex((table) => table.get("pass") === stars);
    const table = meaning.value.carp[index];
    return table === undefined ? "" : `carp ${nameOf("carp", table, index) ?? index} pass`;
}

/**
 * `before` may hold such a password already: somebody's password may be four asterisks, and only
 * what this change brings is refused.
 */
function accept(before: string, text: string): Changed {
    if (text.length > longestText) {
        return refused("TOO_LARGE", "the configuration is larger than 1 MiB", "a smaller one");
    }
    const starred = starredPass(text);
    if (starred !== "" && starredPass(before) === "") {
        const message = `${starred} is ${stars}, which stands for a password that was not shown`;
        return refused("BAD_EDIT", message, "the password itself, or a text shown with secrets");
    }
    return ok(text);
}

/** Names and option keys that drop-in files have, with the file. */
function takenByDropIns(text: string, dropIns: readonly ConfigText[]): ReadonlyMap<string, string> {
    const taken = new Map<string, string>();
    const main = readMeaning(text);
    // A block without a name is called after its place among the blocks of all files.
    let blocks = main.ok ? main.value.carp.length : 0;
    for (const {file, text: own} of dropIns) {
        const meaning = readMeaning(own);
        if (!meaning.ok) continue;
        for (const kind of tableKinds) {
            for (const key of meaning.value[kind].keys()) taken.set(`${kind} ${key}`, file);
        }
        for (const kind of blockKinds) {
            for (const [index, table] of meaning.value[kind].entries()) {
                const name = nameOf(kind, table, kind === "carp" ? blocks + index : index);
                if (name !== undefined) taken.set(`${kind} ${name}`, file);
            }
        }
        blocks += meaning.value.carp.length;
    }
    return taken;
}

/** undefined: no edit is about what lives in a drop-in file. */
function dropInRefusal(
    text: string,
    edits: readonly Edit[],
    dropIns: readonly ConfigText[],
): EditRefusal | undefined {
    if (dropIns.length === 0) return undefined;
    const taken = takenByDropIns(text, dropIns);
    const main = readMeaning(text);
    for (const edit of edits) {
        const [section = "", name = ""] = edit.path;
        const named = [name, ...(edit.op === "rename" || edit.op === "copy" ? [edit.to] : [])];
        for (const one of named) {
            const file = taken.get(`${section} ${one}`);
            if (file === undefined) continue;
            const own =
                main.ok && isBlockKind(section) ? findBlock(main.value, section, one) : undefined;
            if (own?.ok === true && own.value !== undefined) continue;
            return {
                message: `${section} ${one} is in ${file}, which is not edited here`,
                expected: "that file edited by hand, or its lines moved to carpd.toml",
            };
        }
    }
    return undefined;
}

/** The text with all edits in it, or nothing. */
export function editText(
    text: string,
    edits: readonly Edit[],
    dropIns: readonly ConfigText[],
): Changed {
    const elsewhere = dropInRefusal(text, edits, dropIns);
    if (elsewhere !== undefined) return refused("BAD_EDIT", elsewhere.message, elsewhere.expected);
    const edited = applyEdits(text, edits);
    return edited.ok
        ? accept(text, edited.value)
        : refused("BAD_EDIT", edited.error.message, edited.error.expected);
}

/** One `set`, `delete`, `rename`, `copy` or `comment` line; `context` as parseLine() has it. */
export function editLine(
    text: string,
    line: string,
    context: readonly string[],
    dropIns: readonly ConfigText[],
): Changed {
    const edits = lineEdits(line, context);
    return edits.ok ? editText(text, edits.value, dropIns) : edits;
}

function lineEdits(line: string, context: readonly string[]): Result<Edit[], Refusal> {
    const words = splitWords(line);
    if (words === undefined) {
        return refused("BAD_EDIT", "a quote has no end, or an escape is unknown", 'words, "a b"');
    }
    const edits = parseLine(words, context);
    return edits.ok ? edits : refused("BAD_EDIT", edits.error.message, edits.error.expected);
}

/** A text whose lines are edits; empty lines and those that begin with # are left out. */
export function mergeLines(text: string, lines: string, dropIns: readonly ConfigText[]): Changed {
    const numbered = lines
        .split(/\r?\n/u)
        .map((line, index) => ({line: line.trim(), number: index + 1}))
        .filter(({line}) => line !== "" && !line.startsWith("#"));
    const at = (number: number, {message, expected}: EditRefusal) =>
        refused("BAD_EDIT", `line ${number}: ${message}`, expected);
    const parsed: {readonly number: number; readonly edits: readonly Edit[]}[] = [];
    for (const {line, number} of numbered) {
        const edits = lineEdits(line, []);
        if (!edits.ok) return at(number, edits.error);
        parsed.push({number, edits: edits.value});
    }
    const all = parsed.flatMap(({edits}) => edits);
    const merged = editText(text, all, dropIns);
    if (merged.ok) return merged;
    // Once more line by line, to say which one it was.
    let current = text;
    for (const {number, edits} of parsed) {
        const next = editText(current, edits, dropIns);
        if (!next.ok) return at(number, next.error);
        current = next.value;
    }
    return merged;
}

/** A whole text in place of another: it has to be TOML, but need not be valid yet. */
export function replaceText(before: string, text: string): Changed {
    if (text.length > longestText) return accept(before, text);
    const meaning = readMeaning(text);
    return meaning.ok
        ? accept(before, text)
        : refused("BAD_EDIT", meaning.error.message, meaning.error.expected);
}

/** Who holds the candidate and what it is. `update` is the only way to change the text. */
export class Candidate {
    readonly holder: Session;
    /** Wall clock, milliseconds since 1970. */
    readonly sinceMs: number;
    /** The running text that it began with, or that it became. */
    #base: string;
    #text: string;

    constructor(holder: Session, sinceMs: number, running: string) {
        this.holder = holder;
        this.sinceMs = sinceMs;
        this.#base = running;
        this.#text = running;
    }

    get text(): string {
        return this.#text;
    }

    get base(): string {
        return this.#base;
    }

    /** Edits are in it that are not running. */
    get edited(): boolean {
        return this.#text !== this.#base;
    }

    heldBy(session: Session): boolean {
        return this.holder.id === session.id;
    }

    /** Whether the text is another one now. */
    update(changed: Changed): Result<boolean, Refusal> {
        if (!changed.ok) return changed;
        const differs = changed.value !== this.#text;
        this.#text = changed.value;
        return ok(differs);
    }

    /** This is what runs now; edits that came meanwhile stay. */
    committed(running: string): void {
        this.#base = running;
    }

    /** Begins anew from what runs now. */
    restart(running: string): void {
        this.#base = running;
        this.#text = running;
    }
}

/** "admin from ttyS0 since 2026-01-02T03:04:05.000Z" */
export function holderText({holder, sinceMs}: Candidate): string {
    return `${holder.user} from ${holder.origin} since ${new Date(sinceMs).toISOString()}`;
}
