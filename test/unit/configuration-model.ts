/**
 * What the configuration has to do, without disk, server and engine: texts and who may change them.
 * The tests hold the real one against it after every step.
 */
import {idleMs} from "../../src/app/configuration.ts";
import type {Session} from "../../src/core/control-session.ts";
import {historyLength} from "../../src/io/config-history.ts";

export interface ModelEntry {
    readonly user: string;
    readonly origin: string;
    readonly remark: string;
    readonly text: string;
}

interface Waiting {
    readonly untilMs: number;
    readonly user: string;
    readonly origin: string;
    /** What it goes back to. */
    readonly text: string;
}

interface HeldCandidate {
    readonly holder: Session;
    base: string;
    text: string;
    heardMs: number;
}

/** "200", or the status with the code of the refusal. */
export type Expected = string;

const ok = "200";

export interface CommitWish {
    readonly confirmedMinutes: number | null;
    readonly remark: string;
    readonly force: boolean;
}

export class ConfigurationModel {
    readonly #path: string;
    readonly #valid: (text: string) => boolean;
    nowMs: number;
    running: string;
    /** What carpd.toml holds; another one than `running` only after it was changed by hand. */
    file: string;
    candidate: HeldCandidate | null = null;
    waiting: Waiting | null = null;
    history: ModelEntry[] = [];

    constructor(path: string, text: string, nowMs: number, valid: (text: string) => boolean) {
        this.#path = path;
        this.#valid = valid;
        this.running = text;
        this.file = text;
        this.nowMs = nowMs;
    }

    get confirmBy(): string {
        return this.waiting === null ? "" : new Date(this.waiting.untilMs).toISOString();
    }

    /** ok: this session may change the candidate, which hears of it. */
    own(session: Session): Expected {
        if (session.role !== "admin") return "403 FORBIDDEN";
        const {candidate} = this;
        if (candidate === null) return "409 NO_CANDIDATE";
        if (candidate.holder.id !== session.id) return "409 CANDIDATE_HELD";
        candidate.heardMs = this.nowMs;
        return ok;
    }

    open(session: Session): Expected {
        if (session.role !== "admin") return "403 FORBIDDEN";
        const {running, nowMs} = this;
        this.candidate ??= {holder: session, base: running, text: running, heardMs: nowMs};
        return this.own(session);
    }

    discard(session: Session): Expected {
        const may = this.own(session);
        if (may === ok && this.candidate !== null) {
            this.candidate.base = this.running;
            this.candidate.text = this.running;
        }
        return may;
    }

    close(session: Session): Expected {
        const may = this.own(session);
        if (may === ok) this.candidate = null;
        return may;
    }

    ended(session: Session): void {
        if (this.candidate?.holder.id === session.id) this.candidate = null;
    }

    rollback(session: Session, number: number): Expected {
        if (session.role !== "admin") return "403 FORBIDDEN";
        const entry = this.history[number];
        if (entry === undefined) return "404 UNKNOWN_COMMIT";
        const may = this.own(session);
        if (may === ok && this.candidate !== null) this.candidate.text = entry.text;
        return may;
    }

    confirm(session: Session): Expected {
        if (session.role !== "admin") return "403 FORBIDDEN";
        if (this.waiting === null) return "409 NOT_WAITING";
        this.waiting = null;
        return ok;
    }

    commit(session: Session, {confirmedMinutes, remark, force}: CommitWish): Expected {
        const may = this.own(session);
        const {candidate} = this;
        if (may !== ok || candidate === null) return may;
        if (candidate.base !== this.running && !force) return "409 OUT_OF_DATE";
        if (this.file !== this.running && !force) return "409 FILE_CHANGED";
        const {user, origin} = session;
        const {text} = candidate;
        const untilMs = this.nowMs + (confirmedMinutes ?? 0) * 60_000;
        if (this.file === this.running && text === this.running) {
            if (confirmedMinutes === null) this.waiting = null;
            else if (this.waiting !== null) this.waiting = {...this.waiting, untilMs};
        } else {
            if (!this.#valid(text)) return "422 BAD_CONFIG";
            const back = this.waiting?.text ?? this.running;
            this.#written({user, origin, remark, text});
            this.waiting = confirmedMinutes === null ? null : {untilMs, user, origin, text: back};
        }
        candidate.base = text;
        return ok;
    }

    /** A commit beside the candidate, that confirms nothing. */
    commitBeside({user, origin}: Session, remark: string, text: string): void {
        if (text === this.running) return;
        this.#written({user, origin, remark, text});
        if (this.waiting !== null) this.waiting = {...this.waiting, user, origin};
    }

    /** SIGHUP after an editor. */
    reload(): void {
        if (this.#valid(this.file)) this.running = this.file;
    }

    advance(ms: number): void {
        this.nowMs += ms;
        const {candidate, waiting} = this;
        if (candidate !== null && this.nowMs >= candidate.heardMs + idleMs) this.candidate = null;
        if (waiting === null || this.nowMs < waiting.untilMs) return;
        const nothing = this.file === waiting.text && this.history[0]?.text === waiting.text;
        if (nothing) this.running = this.file;
        else this.#written({...this.#back(waiting), origin: "revert"}, [this.file]);
        this.waiting = null;
    }

    /** carpd ends, in whatever way, and starts again. */
    restart(): void {
        const {waiting} = this;
        this.candidate = null;
        this.waiting = null;
        if (waiting !== null && this.file !== waiting.text) {
            const known = this.history.some(({text}) => text === this.file);
            this.#written({...this.#back(waiting), origin: "start"}, known ? [] : [this.file]);
        }
        this.running = this.file;
    }

    #back({user, origin, text}: Waiting): Omit<ModelEntry, "origin"> {
        const remark = `the commit by ${user} from ${origin} was not confirmed`;
        return {user: "carpd", remark, text};
    }

    /** `former`: what is kept first, when no commit made it. */
    #written(entry: ModelEntry, former: readonly string[] = [this.file, this.running]): void {
        for (const text of former) {
            if (this.history[0]?.text === text) continue;
            this.history.unshift({
                user: "",
                origin: this.#path,
                remark: "found in the file",
                text,
            });
        }
        this.history.unshift(entry);
        this.history = this.history.slice(0, historyLength);
        this.running = entry.text;
        this.file = entry.text;
    }
}
