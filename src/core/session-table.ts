/**
 * Who is logged in. Pure: tokens and time come from outside, microseconds of a clock that never goes
 * back. In memory only: a restart of carpd logs everyone out.
 */
import type {Role, Session} from "./control-session.ts";

export const sessionLimits = {
    sessions: 32,
    /** Without a request, seconds. */
    idleSeconds: 300,
    /** From the log-in, seconds: 12 h. */
    longestSeconds: 43_200,
} as const;

/** Why a session is over; the words stand in the log. */
export type SessionEnd =
    | "log-out"
    | "idle for 5 min"
    | "12 h are over"
    | "too many sessions"
    | "the user was changed"
    | "its process is gone";

export interface EndedSession {
    readonly session: Session;
    readonly why: SessionEnd;
}

interface Entry {
    readonly session: Session;
    /** User id of the process that logged in: nobody else can use the token. */
    readonly uid: number;
    readonly openedAt: bigint;
    usedAt: bigint;
}

export interface NewSession {
    readonly user: string;
    readonly role: Role;
    readonly origin: string;
    readonly uid: number;
}

const second = 1_000_000n;
const idleUs = BigInt(sessionLimits.idleSeconds) * second;
const longestUs = BigInt(sessionLimits.longestSeconds) * second;

export class SessionTable {
    /** By token; a token has 256 random bits, so that the time of a look-up tells nothing. */
    readonly #entries = new Map<string, Entry>();
    #count = 0;

    get size(): number {
        return this.#entries.size;
    }

    /** `ended`: the session that had to make room, the one without a request for the longest time. */
    open(
        token: string,
        {user, role, origin, uid}: NewSession,
        now: bigint,
    ): {session: Session; ended: EndedSession[]} {
        const ended: EndedSession[] = this.expire(now);
        while (this.#entries.size >= sessionLimits.sessions) {
            const [oldest] = [...this.#entries].sort(([, a], [, b]) =>
                a.usedAt < b.usedAt ? -1 : 1,
            );
            if (oldest === undefined) break;
            this.#entries.delete(oldest[0]);
            ended.push({session: oldest[1].session, why: "too many sessions"});
        }
        this.#count += 1;
        const session: Session = {id: `log-in ${this.#count}`, user, role, origin};
        this.#entries.set(token, {session, uid, openedAt: now, usedAt: now});
        return {session, ended};
    }

    /** `touch`: this request counts as activity. null: no such session, or not for this uid. */
    find(token: string, uid: number, now: bigint, touch: boolean): Session | null {
        const entry = this.#entries.get(token);
        if (entry === undefined || entry.uid !== uid || endOf(entry, now) !== null) return null;
        if (touch) entry.usedAt = now;
        return entry.session;
    }

    /** Takes out what is over. */
    expire(now: bigint): EndedSession[] {
        const ended: EndedSession[] = [];
        for (const [token, entry] of this.#entries) {
            const why = endOf(entry, now);
            if (why === null) continue;
            this.#entries.delete(token);
            ended.push({session: entry.session, why});
        }
        return ended;
    }

    /** Takes out every session that `which` selects. */
    close(which: (session: Session) => boolean, why: SessionEnd): EndedSession[] {
        const ended: EndedSession[] = [];
        for (const [token, {session}] of this.#entries) {
            if (!which(session)) continue;
            this.#entries.delete(token);
            ended.push({session, why});
        }
        return ended;
    }

    list(): Session[] {
        return [...this.#entries.values()].map(({session}) => session);
    }
}

function endOf({openedAt, usedAt}: Entry, now: bigint): SessionEnd | null {
    if (now - openedAt >= longestUs) return "12 h are over";
    return now - usedAt >= idleUs ? "idle for 5 min" : null;
}
