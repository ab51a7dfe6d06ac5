/**
 * Before carpd reads its configuration at start: commits that a crash interrupted are finished or
 * forgotten, one that nobody confirmed is taken back, and a torn carpd.toml is replaced by the last
 * good one. Main thread.
 *
 * A file counts as torn when it is missing, fails on the disk, is empty, holds a NUL, or is the
 * beginning of the last commit and no valid configuration. Anything else is what a person wrote: it
 * is read as it is, and its mistakes are told. Without a good copy nothing is made up.
 */
import {type LogRecord, note} from "../core/log.ts";
import type {Result} from "../core/result.ts";
import {settlePending} from "./configuration-commit.ts";
import type {ConfigSource, ConfigStore, HistoryEntry, StoredText, Unconfirmed} from "./ports.ts";

export interface Recovery {
    /** What was done, for the log; the first lines of a start. */
    readonly records: readonly LogRecord[];
    /** To be run in place of what carpd.toml holds; undefined: that itself. */
    readonly text?: string;
}

interface Found {
    readonly file: StoredText;
    readonly pending: boolean;
    readonly unconfirmed: Unconfirmed | "damaged" | null;
    /** The newest first. */
    readonly history: readonly HistoryEntry[];
    readonly torn: boolean;
}

/** What a damaged disk or file system answers; any other refusal is for a person to mend. */
const damage: readonly string[] = ["EIO", "EUCLEAN", "EBADMSG", "ENODATA"];

async function isTorn(
    file: StoredText,
    history: readonly HistoryEntry[],
    source: ConfigSource,
): Promise<boolean> {
    if (file.kind === "missing") return true;
    if (file.kind === "unreadable") return damage.includes(file.reason);
    // A character that was cut in half is read as U+FFFD.
    const text = file.text.replace(/\ufffd$/u, "");
    if (text.trim() === "" || text.includes("\0")) return true;
    const last = history[0]?.text ?? "";
    const beginning = text.length < last.length && last.startsWith(text);
    return beginning && !(await source.load([])).ok;
}

async function examine(store: ConfigStore, source: ConfigSource): Promise<Found> {
    const [file, history] = [await store.read(), await store.history()];
    return {
        file,
        pending: await store.hasPending(),
        unconfirmed: await store.unconfirmed(),
        history,
        torn: await isTorn(file, history, source),
    };
}

/** Whether `recover` has anything to do. Reads only. */
export async function needsRecovery(store: ConfigStore, source: ConfigSource): Promise<boolean> {
    const {pending, unconfirmed, torn, history} = await examine(store, source);
    return pending || unconfirmed !== null || (torn && history.length > 0);
}

/**
 * Puts the files in order. What the disk refuses is told and does not stop the start: `text` is
 * what has to run, whatever carpd.toml holds. To be called by the one who holds the run directory.
 */
export async function recover(
    store: ConfigStore,
    source: ConfigSource,
    nowMs: number,
): Promise<Recovery> {
    const records: LogRecord[] = [];
    const say = (level: "error" | "notice", text: string): void => {
        records.push(note(level, "configuration", text));
    };
    const done = (result: Result<void, string>): boolean => {
        if (!result.ok) say("error", result.error);
        return result.ok;
    };
    if (await store.hasPending()) done(await settlePending(store));
    const {file, unconfirmed, history, torn} = await examine(store, source);

    if (unconfirmed !== null) {
        const back = goBack(unconfirmed, file, history);
        if (back === null) {
            done(await store.setUnconfirmed(null));
            return {records};
        }
        const {who, text} = back;
        const sequence = await store.nextSequence();
        const entry = {sequence, timeMs: nowMs, user: "carpd", origin: "start", remark: who};
        // A file that somebody changed by hand meanwhile stays in the history.
        const kept =
            torn || file.kind !== "text" || history.some((known) => known.text === file.text)
                ? true
                : done(await keep(store, file.text, sequence, nowMs));
        const next = {...entry, sequence: sequence + 1, changes: [], found: false, text};
        const stored =
            kept &&
            done(await store.begin(next)) &&
            done(await store.write(text)) &&
            done(await store.finish()) &&
            done(await store.setUnconfirmed(null));
        const undone = stored ? "" : `; ${store.path} could not be put back`;
        say(
            "error",
            `${who} before carpd ended: went back to the configuration before it${undone}`,
        );
        return {records, text};
    }

    const [last] = history;
    if (torn && last !== undefined) {
        const what = {
            missing: "is missing",
            unreadable: `cannot be read${file.kind === "unreadable" ? `: ${file.reason}` : ""}`,
            text: "is torn",
        }[file.kind];
        const {text, timeMs, user, origin} = last;
        const from = user === "" ? origin : `${user} from ${origin}`;
        const restored = done(await store.write(text)) ? "" : "; it could not be put back";
        const when = new Date(timeMs).toISOString();
        say(
            "error",
            `${store.path} ${what}: went on with the commit of ${when} (${from})${restored}`,
        );
        return {records, text};
    }
    return {records};
}

/** null: there is nothing to take back. */
function goBack(
    unconfirmed: Unconfirmed | "damaged",
    file: StoredText,
    history: readonly HistoryEntry[],
): {who: string; text: string} | null {
    const current = file.kind === "text" ? file.text : undefined;
    if (unconfirmed === "damaged") {
        // What it was about can only be the last commit.
        const before = history.find(({text}) => text !== history[0]?.text);
        return before === undefined || history[0]?.text !== current
            ? null
            : {who: "the last commit was not confirmed (its mark is damaged)", text: before.text};
    }
    const {sequence, user, origin, text} = unconfirmed;
    // The crash came before the file was written, or after it was put back.
    if (current === text) return null;
    const [newest] = history;
    const committedSince =
        newest !== undefined &&
        !newest.found &&
        newest.sequence > sequence &&
        newest.text === current;
    // A commit after it is a confirmation; only the mark was still there.
    return committedSince
        ? null
        : {who: `the commit by ${user} from ${origin} was not confirmed`, text};
}

async function keep(
    store: ConfigStore,
    text: string,
    sequence: number,
    timeMs: number,
): Promise<Result<void, string>> {
    const begun = await store.begin({
        sequence,
        timeMs,
        user: "",
        origin: store.path,
        remark: "found in the file",
        changes: [],
        found: true,
        text,
    });
    return begun.ok ? await store.finish() : begun;
}
