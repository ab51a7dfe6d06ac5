/**
 * The configuration as the console and carpctl handle it: one candidate, its commits, the history.
 * Main thread.
 *
 * The running configuration is the text of carpd.toml that the daemon read last. `configure` opens
 * a candidate of it; who holds the candidate holds it until `close`, the end of the session, or half
 * an hour without a word. Anybody may look.
 *
 * A candidate that began before somebody else changed the running configuration is not committed:
 * it would undo that change unseen. `compare` shows it against what runs now; `discard` begins anew
 * and `commit force` overwrites.
 */
import {
    Candidate,
    editLine,
    editText,
    holderText,
    mergeLines,
    type Refusal,
    refused,
    replaceText,
} from "../core/candidate.ts";
import type {ConfigText} from "../core/config-draft.ts";
import {type ConfigurationForm, shownConfiguration} from "../core/configuration-text.ts";
import type {Session} from "../core/control-session.ts";
import type {Edit} from "../core/edit.ts";
import {note} from "../core/log.ts";
import {ok, type Result} from "../core/result.ts";
import {compareConfig} from "../core/text-diff.ts";
import {type CommitPorts, type Committed, Committer} from "./configuration-commit.ts";
import type {HistoryEntry} from "./ports.ts";

type Answer<T> = Promise<Result<T, Refusal>>;

/** A number: N commits ago; 0 is the last one. */
export type ConfigurationSource = "running" | "candidate" | number;

/** A session that is silent for so long loses the candidate. */
export const idleMs = 30 * 60_000;

export interface CandidateView {
    readonly holder: string;
    /** ISO 8601 */
    readonly since: string;
    /** Without passwords. */
    readonly text: string;
}

export interface CommitOptions {
    /** null: for good. */
    readonly confirmedMinutes: number | null;
    readonly remark: string;
    /** Overwrites what others changed since, in the file or in the running configuration. */
    readonly force: boolean;
}

export interface HistoryLine {
    readonly number: number;
    /** ISO 8601 */
    readonly time: string;
    readonly user: string;
    readonly origin: string;
    readonly remark: string;
    readonly changes: readonly string[];
}

export class Configuration {
    readonly #ports: CommitPorts;
    readonly #committer: Committer;
    #candidate: Candidate | null = null;
    #cancelIdle: () => void = () => undefined;

    /** `texts`: what the daemon was started with, carpd.toml first. */
    constructor(ports: CommitPorts, texts: readonly ConfigText[]) {
        this.#ports = ports;
        this.#committer = new Committer(ports, texts);
    }

    /** Ends the timers. What waits for confirmation goes back with the next start. */
    stop(): void {
        this.#cancelIdle();
        this.#committer.stop();
    }

    /** carpd.toml as it was read for what runs now, passwords included. */
    get runningText(): string {
        return this.#committer.text;
    }

    /** ISO 8601: until when a commit waits for its confirmation; "" when none does. */
    get confirmBy(): string {
        return this.#committer.confirmBy;
    }

    // ---- looking ----

    async show(
        source: ConfigurationSource,
        form: ConfigurationForm,
        secrets: boolean,
    ): Answer<string> {
        const found = await this.#textOf(source);
        if (!found.ok) return found;
        // The drop-ins of former times are not kept.
        const dropIns = typeof source === "number" ? [] : this.#committer.dropIns;
        const shown = shownConfiguration(found.value, dropIns, form, secrets);
        if (shown.ok) return shown;
        const {message, expected} = shown.error;
        return refused("BAD_CONFIG", message, expected);
    }

    /** From there to the candidate, or to the running configuration while there is no candidate. */
    async compare(from: "running" | number): Answer<string> {
        const before = await this.#textOf(from);
        if (!before.ok) return before;
        return ok(compareConfig(before.value, this.#candidate?.text ?? this.#committer.text));
    }

    async history(): Promise<readonly HistoryLine[]> {
        const entries = await this.#ports.store.history();
        return entries.map(({timeMs, user, origin, remark, changes}, number) => {
            const time = new Date(timeMs).toISOString();
            return {number, time, user, origin, remark, changes};
        });
    }

    /** `ok`: it could be committed. The text is what is wrong with it, or its warnings. */
    async validate(): Answer<{ok: boolean; text: string}> {
        const candidate = this.#candidate;
        if (candidate === null) return noCandidate();
        const checked = await this.#committer.check(candidate.text);
        return ok(
            checked.ok
                ? {ok: true, text: checked.value.warnings}
                : {ok: false, text: checked.error.text},
        );
    }

    /** The content of the file, passwords included. */
    async save(session: Session): Answer<string> {
        const own = this.#candidate?.heldBy(session) === true ? this.#candidate : null;
        return ok(own?.text ?? this.#committer.text);
    }

    // ---- the candidate ----

    open(session: Session): Result<CandidateView, Refusal> {
        const held = this.#candidate;
        if (held !== null && !held.heldBy(session)) return heldByOther(held);
        const candidate = held ?? new Candidate(session, this.#nowMs(), this.#committer.text);
        this.#candidate = candidate;
        this.#armIdle();
        const {holder, sinceMs} = candidate;
        const text = shownConfiguration(candidate.text, [], "toml", false);
        return ok({
            holder: `${holder.user} from ${holder.origin}`,
            since: new Date(sinceMs).toISOString(),
            text: text.ok ? text.value : "",
        });
    }

    edit(session: Session, line: string, context: readonly string[]): Result<boolean, Refusal> {
        return this.#change(session, (text, dropIns) => editLine(text, line, context, dropIns));
    }

    /** TOML in place of all there is, or with `merge` lines as `edit` takes them. */
    load(session: Session, loaded: string, merge: boolean): Result<boolean, Refusal> {
        return this.#change(session, (text, dropIns) =>
            merge ? mergeLines(text, loaded, dropIns) : replaceText(text, loaded),
        );
    }

    async rollback(session: Session, number: number): Answer<boolean> {
        const found = await this.#entry(number);
        if (!found.ok) return found;
        return this.#change(session, () => ok(found.value.text));
    }

    discard(session: Session): Result<void, Refusal> {
        const own = this.#own(session);
        if (!own.ok) return own;
        own.value.restart(this.#committer.text);
        return ok(undefined);
    }

    close(session: Session): Result<void, Refusal> {
        const own = this.#own(session);
        if (!own.ok) return own;
        this.#drop("closed");
        return ok(undefined);
    }

    /** The session logged out, or its line dropped. */
    sessionEnded(session: Session): void {
        if (this.#candidate?.heldBy(session) === true) this.#drop("the session ended");
    }

    // ---- commits ----

    commit(session: Session, options: CommitOptions): Answer<Committed> {
        return this.#committer.inTurn(async () => {
            const own = this.#own(session);
            if (!own.ok) return own;
            const candidate = own.value;
            if (candidate.base !== this.#committer.text && !options.force) return this.#outOfDate();
            const {text} = candidate;
            const committed = await this.#committer.commit({
                text,
                by: session,
                remark: options.remark,
                force: options.force,
                confirm: options.confirmedMinutes ?? "final",
            });
            // Edits that came while this one was on its way are not lost: the base is what runs.
            if (committed.ok) candidate.committed(this.#committer.text);
            return committed;
        });
    }

    confirm(session: Session): Answer<void> {
        return this.#committer.inTurn(() => this.#committer.confirm(session));
    }

    /**
     * A commit of its own, beside any candidate, which is then out of date: what the BSDs' commands
     * do. It confirms nothing: while a commit waits for its confirmation, this one waits with it.
     */
    commitEdits(edits: readonly Edit[], session: Session, remark: string): Answer<Committed> {
        return this.#committer.inTurn(async () => {
            const {text: running, dropIns} = this.#committer;
            const edited = editText(running, edits, dropIns);
            if (!edited.ok) return edited;
            const text = edited.value;
            return await this.#committer.commit({
                text,
                by: session,
                remark,
                force: false,
                confirm: "kept",
            });
        });
    }

    // ---- inside ----

    #nowMs(): number {
        return Number(this.#ports.clock.wallUs() / 1000n);
    }

    async #textOf(source: ConfigurationSource): Answer<string> {
        if (source === "running") return ok(this.#committer.text);
        if (source === "candidate") {
            return this.#candidate === null ? noCandidate() : ok(this.#candidate.text);
        }
        const found = await this.#entry(source);
        return found.ok ? ok(found.value.text) : found;
    }

    async #entry(number: number): Answer<HistoryEntry> {
        const entries = await this.#ports.store.history();
        const found = entries[number];
        if (found !== undefined) return ok(found);
        const known =
            entries.length === 0 ? "nothing was committed yet" : `0..${entries.length - 1}`;
        return refused("UNKNOWN_COMMIT", `there is no commit ${number} to go back to`, known);
    }

    /** The candidate of this session, which thereby shows that it is alive. */
    #own(session: Session): Result<Candidate, Refusal> {
        const candidate = this.#candidate;
        if (candidate === null) return noCandidate();
        if (!candidate.heldBy(session)) return heldByOther(candidate);
        this.#armIdle();
        return ok(candidate);
    }

    #change(
        session: Session,
        change: (text: string, dropIns: readonly ConfigText[]) => Result<string, Refusal>,
    ): Result<boolean, Refusal> {
        const own = this.#own(session);
        if (!own.ok) return own;
        return own.value.update(change(own.value.text, this.#committer.dropIns));
    }

    #outOfDate(): Result<never, Refusal> {
        const {user, origin, atMs} = this.#committer.last;
        const when = new Date(atMs).toISOString();
        return refused(
            "OUT_OF_DATE",
            `the running configuration changed since you began (${user} from ${origin}, ${when})`,
            "compare, then discard to begin anew, or commit force, which undoes that change",
        );
    }

    #armIdle(): void {
        this.#cancelIdle();
        this.#cancelIdle = this.#ports.clock.after(idleMs, () => {
            this.#drop(`nothing was heard for ${idleMs / 60_000} minutes`);
        });
    }

    #drop(why: string): void {
        this.#cancelIdle();
        this.#cancelIdle = () => undefined;
        const candidate = this.#candidate;
        this.#candidate = null;
        if (candidate?.edited !== true) return;
        const {user, origin} = candidate.holder;
        const text = `candidate of ${holderText(candidate)}: ${why}, its edits are discarded`;
        const record = note("notice", "configuration", text, {user, origin});
        this.#ports.running.announce("configuration", record);
    }
}

function noCandidate(): Result<never, Refusal> {
    return refused("NO_CANDIDATE", "no candidate configuration is open", "configure");
}

function heldByOther(candidate: Candidate): Result<never, Refusal> {
    const message = `the candidate configuration is held by ${holderText(candidate)}`;
    return refused(
        "CANDIDATE_HELD",
        message,
        "their commit, discard or end; show and compare work",
    );
}
