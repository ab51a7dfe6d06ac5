/**
 * Commits: the new configuration on the disk and in the engine, or the old one in both. Main thread.
 *
 * The order of the steps decides what a crash leaves. `commit confirmed` first stores what to go
 * back to. Then the history gets the commit as "under way", then carpd.toml is replaced, then the
 * engine applies it, and only then the history has it. The next start (configuration-recovery.ts)
 * tells from the files how far it came.
 */
import {type Refusal, refused} from "../core/candidate.ts";
import type {Config} from "../core/config.ts";
import {diffConfig} from "../core/config-diff.ts";
import type {ConfigText} from "../core/config-draft.ts";
import type {Session} from "../core/control-session.ts";
import {exitCodes} from "../core/exit-codes.ts";
import {type LogLevel, type LogRecord, note} from "../core/log.ts";
import {newWarnings} from "../core/new-warnings.ts";
import {ok, type Result} from "../core/result.ts";
import type {
    Clock,
    ConfigSource,
    ConfigStore,
    Failure,
    HistoryEntry,
    LoadedConfiguration,
    Unconfirmed,
} from "./ports.ts";

/** What runs; `Daemon` is one. */
export interface Running {
    readonly config: Config;
    /**
     * Checks and applies a text in place of carpd.toml's; the old configuration stays on failure.
     * The value: what of the host's own network could not be done, a sentence each.
     */
    apply(text: string): Promise<Result<readonly string[], Failure>>;
    whenConfigured(listener: (loaded: LoadedConfiguration) => void): void;
    announce(kind: string, record: LogRecord): void;
}

export interface CommitPorts {
    readonly store: ConfigStore;
    readonly source: ConfigSource;
    readonly running: Running;
    readonly clock: Clock;
}

/** Who changed the running configuration last. */
export interface LastChange {
    readonly user: string;
    readonly origin: string;
    readonly atMs: number;
}

export interface CommitRequest {
    readonly text: string;
    readonly by: Session;
    readonly remark: string;
    /** Overwrites a file that was changed by hand. */
    readonly force: boolean;
    /**
     * "final": also what waited for confirmation is confirmed. A number: goes back by itself after
     * so many minutes. "kept": what waits goes on waiting, and this with it.
     */
    readonly confirm: "final" | "kept" | number;
}

export interface Committed {
    /** In words; empty: only comments or layout, or nothing. */
    readonly changes: readonly string[];
    /** Printable, "" when there are none. */
    readonly warnings: string;
    /** ISO 8601; "" when nothing waits for confirmation. */
    readonly confirmBy: string;
}

/** How long a revert that failed waits for its next try. */
const retryMs = 60_000;

function wallMs(clock: Clock): number {
    return Number(clock.wallUs() / 1000n);
}

/** What was under way when a crash came, or when a step failed: done if carpd.toml has it. */
export async function settlePending(store: ConfigStore): Promise<Result<void, string>> {
    if (!(await store.hasPending())) return ok(undefined);
    const [pending, file] = [await store.pending(), await store.read()];
    const done = pending !== null && file.kind === "text" && file.text === pending.text;
    return done ? await store.finish() : await store.abandon();
}

export class Committer {
    readonly #ports: CommitPorts;
    #texts: readonly ConfigText[];
    #last: LastChange;
    #waiting: Unconfirmed | null = null;
    /** What the last apply could not do, a sentence each. */
    #remarks: readonly string[] = [];
    #cancelTimer: () => void = () => undefined;
    #work: Promise<unknown> = Promise.resolve();

    /** `texts`: what `running` was started with. */
    constructor(ports: CommitPorts, texts: readonly ConfigText[]) {
        this.#ports = ports;
        this.#texts = texts;
        this.#last = {user: "carpd", origin: "start", atMs: wallMs(ports.clock)};
        ports.running.whenConfigured((loaded) => {
            const before = this.text;
            this.#texts = loaded.texts;
            // A commit says right afterwards that it was the one.
            if (before !== this.text) this.#changedBy("carpd.toml", "reload");
        });
    }

    /** What carpd.toml held when it was read for what runs now. */
    get text(): string {
        return this.#texts[0]?.text ?? "";
    }

    get dropIns(): readonly ConfigText[] {
        return this.#texts.slice(1);
    }

    get last(): LastChange {
        return this.#last;
    }

    /** What waits for its confirmation. */
    get waiting(): Unconfirmed | null {
        return this.#waiting;
    }

    stop(): void {
        this.#cancelTimer();
    }

    /** The same checks as `carpd --check`; nothing is touched. */
    check(text: string): Promise<Result<LoadedConfiguration, Failure>> {
        const {source, running} = this.#ports;
        return source.load(
            running.config.carp.map((carp) => carp.carpdev),
            text,
        );
    }

    /** One after the other: a commit, a confirmation and a revert never meet. */
    inTurn<T>(work: () => Promise<T>): Promise<T> {
        const run = this.#work.then(work);
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }

    /** To be called in turn. */
    async commit(request: CommitRequest): Promise<Result<Committed, Refusal>> {
        const {store, running} = this.#ports;
        const file = await store.read();
        const asRead = file.kind === "text" && file.text === this.text;
        if (!asRead && !request.force) return this.#fileChanged(file.kind);
        if (asRead && request.text === this.text) return await this.#unchanged(request);

        const checked = await this.check(request.text);
        if (!checked.ok) return refused("BAD_CONFIG", checked.error.text, "a valid configuration");
        const changes = diffConfig(running.config, checked.value.config);
        const unheard = await this.#unheard(checked.value.warnings);
        const former = file.kind === "text" ? file.text : this.text;
        const {by, remark, text} = request;
        const entry = {user: by.user, origin: by.origin, remark, changes, found: false, text};
        const written = await this.#write(entry, former, this.#nextWaiting(request));
        if (!written.ok) return written;
        const finished = await this.#finish(written.value);
        const warnings = [unheard, ...finished, ...this.#remarks];
        for (const line of this.#remarks) this.#say("warning", line);

        this.#changedBy(by.user, by.origin);
        const {confirmBy} = this;
        const what = changes.join("; ") || "comments and layout only";
        const until = confirmBy === "" ? "" : `, to be confirmed until ${confirmBy}`;
        const words = remark === "" ? "" : ` (${remark})`;
        this.#say("info", `commit by ${by.user} from ${by.origin}: ${what}${words}${until}`, {
            user: by.user,
            origin: by.origin,
            remark,
            changes,
            confirmBy,
        });
        return ok({
            changes,
            warnings: warnings.filter((line) => line !== "").join("\n"),
            confirmBy,
        });
    }

    /** Of these warnings, those that the running configuration does not have. */
    async #unheard(warnings: string): Promise<string> {
        if (warnings === "") return "";
        const running = await this.check(this.text);
        return newWarnings(running.ok ? running.value.warnings : "", warnings);
    }

    /** To be called in turn. */
    async confirm(by: Session): Promise<Result<void, Refusal>> {
        if (this.#waiting === null) {
            return refused(
                "NOT_WAITING",
                "no commit waits for its confirmation",
                "commit confirmed",
            );
        }
        const cleared = await this.#ports.store.setUnconfirmed(null);
        if (!cleared.ok) {
            return refused("STORE_FAILED", `not confirmed: ${cleared.error}`, "a writable disk");
        }
        this.#wait(null);
        const {user, origin} = by;
        this.#say("info", `commit confirmed by ${user} from ${origin}`, {user, origin});
        return ok(undefined);
    }

    #fileChanged(kind: "text" | "missing" | "unreadable"): Result<never, Refusal> {
        const {path} = this.#ports.store;
        const what = {
            text: `${path} was changed by hand since carpd read it`,
            missing: `${path} is gone`,
            unreadable: `${path} cannot be read`,
        }[kind];
        const expected = "reload, which takes the file over, or commit force, which overwrites it";
        return refused("FILE_CHANGED", what, expected);
    }

    /** There is nothing to write: what waits is confirmed, or waits longer. */
    async #unchanged({by, confirm}: CommitRequest): Promise<Result<Committed, Refusal>> {
        const {store, clock} = this.#ports;
        const nothing = {changes: [], warnings: ""};
        if (this.#waiting === null) return ok({...nothing, confirmBy: ""});
        if (confirm === "final") {
            const confirmed = await this.confirm(by);
            return confirmed.ok ? ok({...nothing, confirmBy: ""}) : confirmed;
        }
        if (typeof confirm === "number") {
            const longer = {...this.#waiting, untilMs: wallMs(clock) + confirm * 60_000};
            const set = await store.setUnconfirmed(longer);
            if (!set.ok) return refused("STORE_FAILED", set.error, "a writable disk");
            this.#wait(longer);
        }
        return ok({...nothing, confirmBy: this.confirmBy});
    }

    /** What waits once this commit is done. It is never an unconfirmed one that is gone back to. */
    #nextWaiting({by, confirm}: CommitRequest): Omit<Unconfirmed, "sequence"> | null {
        if (confirm === "final" || (confirm === "kept" && this.#waiting === null)) return null;
        const text = this.#waiting?.text ?? this.text;
        const untilMs =
            confirm === "kept"
                ? (this.#waiting?.untilMs ?? 0)
                : wallMs(this.#ports.clock) + confirm * 60_000;
        return {untilMs, user: by.user, origin: by.origin, text};
    }

    /**
     * Disk and engine, or neither. `former` is what carpd.toml holds now; it and the running
     * configuration are in the history before they are overwritten.
     */
    async #write(
        what: Omit<HistoryEntry, "sequence" | "timeMs">,
        former: string,
        next: Omit<Unconfirmed, "sequence"> | null,
    ): Promise<Result<Unconfirmed | null, Refusal>> {
        const {store, running} = this.#ports;
        const failed = (text: string) => refused("STORE_FAILED", text, "a writable disk with room");
        const kept = await this.#keepFound([former, this.text]);
        if (!kept.ok) return failed(await this.#undone(kept.error, {}));
        const sequence = await store.nextSequence();
        const waiting = next === null ? null : {...next, sequence};
        if (waiting !== null) {
            const set = await store.setUnconfirmed(waiting);
            if (!set.ok) return failed(await this.#undone(set.error, {marked: true}));
        }
        const marked = waiting !== null;
        const begun = await store.begin({...what, sequence, timeMs: wallMs(this.#ports.clock)});
        if (!begun.ok) return failed(await this.#undone(begun.error, {marked}));
        const written = await store.write(what.text);
        // An fsync that failed after the rename leaves the new file in its place.
        if (!written.ok) return failed(await this.#undone(written.error, {marked, former}));
        const applied = await running.apply(what.text);
        if (applied.ok) {
            this.#remarks = applied.value;
            return ok(waiting);
        }
        const {text, exitCode} = applied.error;
        const code = exitCode === exitCodes.config ? "BAD_CONFIG" : "APPLY_FAILED";
        const message = await this.#undone(text, {marked, former});
        return refused(code, message, "the configuration before it stays in force");
    }

    /** The steps backwards. The result is `problem` with what could not be undone. */
    async #undone(problem: string, done: {marked?: boolean; former?: string}): Promise<string> {
        const {store} = this.#ports;
        const {marked = false, former} = done;
        const steps: Result<void, string>[] = [];
        if (former !== undefined) {
            const file = await store.read();
            const same = file.kind === "text" && file.text === former;
            if (!same) steps.push(await store.write(former));
        }
        steps.push(await settlePending(store));
        if (marked) steps.push(await store.setUnconfirmed(this.#waiting));
        const bad = steps.flatMap((step) => (step.ok ? [] : [step.error]));
        const text = bad.length === 0 ? problem : `${problem}; going back: ${bad.join("; ")}`;
        this.#say("error", `commit failed: ${text}`);
        return text;
    }

    /** The last steps of a commit that is in force: what fails here is a warning. */
    async #finish(waiting: Unconfirmed | null): Promise<string[]> {
        const {store} = this.#ports;
        const steps = [await store.finish()];
        if (waiting === null && this.#waiting !== null) {
            steps.push(await store.setUnconfirmed(null));
        }
        this.#wait(waiting);
        const bad = steps.flatMap((step) => (step.ok ? [] : [`committed, but ${step.error}`]));
        for (const text of bad) this.#say("error", text);
        return bad;
    }

    /** Texts that no commit made: of the handwritten file, and of the time before the first one. */
    async #keepFound(texts: readonly string[]): Promise<Result<void, string>> {
        const {store, clock} = this.#ports;
        const settled = await settlePending(store);
        if (!settled.ok) return settled;
        for (const text of texts) {
            const [newest] = await store.history();
            if (newest?.text === text) continue;
            const begun = await store.begin({
                sequence: await store.nextSequence(),
                timeMs: wallMs(clock),
                user: "",
                origin: store.path,
                remark: "found in the file",
                changes: [],
                found: true,
                text,
            });
            if (!begun.ok) return begun;
            const done = await store.finish();
            if (!done.ok) return done;
        }
        return ok(undefined);
    }

    #wait(waiting: Unconfirmed | null, delayMs?: number): void {
        const {clock} = this.#ports;
        this.#cancelTimer();
        this.#cancelTimer = () => undefined;
        this.#waiting = waiting;
        if (waiting === null) return;
        const ms = delayMs ?? Math.max(waiting.untilMs - wallMs(clock), 0);
        this.#cancelTimer = clock.after(ms, () => {
            this.inTurn(() => this.#revert(waiting)).catch((error: unknown) => {
                this.#say("error", `going back failed: ${String(error)}`);
            });
        });
    }

    /** Nobody confirmed. What cannot be done now is tried again; a restart goes back as well. */
    async #revert(waiting: Unconfirmed): Promise<void> {
        // Confirmed or prolonged while this stood in the queue.
        if (this.#waiting !== waiting) return;
        const {store, running} = this.#ports;
        const {user, origin, text} = waiting;
        const who = `the commit by ${user} from ${origin} was not confirmed`;
        const file = await store.read();
        const checked = await this.check(text);
        const changes = checked.ok ? diffConfig(running.config, checked.value.config) : [];
        const former = file.kind === "text" ? file.text : this.text;
        const entry = {user: "carpd", origin: "revert", remark: who, changes, found: false, text};
        let problem = "";
        const written = await this.#store(entry, former);
        if (!written.ok) problem = written.error;
        // The engine goes back also when the disk cannot.
        const applied = await running.apply(text);
        if (!applied.ok) problem = [problem, applied.error.text].filter(Boolean).join("; ");
        if (problem === "") {
            const cleared = await store.setUnconfirmed(null);
            if (!cleared.ok) problem = cleared.error;
        }
        if (applied.ok) this.#changedBy("carpd", "revert");
        for (const line of applied.ok ? applied.value : []) this.#say("warning", line);
        const what = changes.join("; ") || "no difference";
        const fields = {user, origin, changes};
        if (problem === "") {
            this.#wait(null);
            this.#say(
                "notice",
                `${who}: went back to the configuration before it: ${what}`,
                fields,
            );
        } else {
            this.#wait(waiting, retryMs);
            this.#say("error", `${who}; going back is tried again: ${problem}`, fields);
        }
    }

    async #store(
        what: Omit<HistoryEntry, "sequence" | "timeMs">,
        former: string,
    ): Promise<Result<void, string>> {
        const {store, clock} = this.#ports;
        if (former === what.text && (await store.history())[0]?.text === what.text) {
            return ok(undefined);
        }
        const kept = await this.#keepFound([former]);
        if (!kept.ok) return kept;
        const sequence = await store.nextSequence();
        const begun = await store.begin({...what, sequence, timeMs: wallMs(clock)});
        if (!begun.ok) return begun;
        const written = await store.write(what.text);
        return written.ok ? await store.finish() : written;
    }

    /** ISO 8601; "" when nothing waits. */
    get confirmBy(): string {
        return this.#waiting === null ? "" : new Date(this.#waiting.untilMs).toISOString();
    }

    #changedBy(user: string, origin: string): void {
        this.#last = {user, origin, atMs: wallMs(this.#ports.clock)};
    }

    #say(level: LogLevel, text: string, fields: LogRecord["fields"] = {}): void {
        this.#ports.running.announce("configuration", note(level, "configuration", text, fields));
    }
}
