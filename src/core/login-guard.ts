/**
 * How often a password may be guessed. Pure: the caller brings the time, microseconds of a clock
 * that never goes back, and is answered at once; nobody waits here.
 *
 * For each origin (a port) and user: the delay after a wrong guess doubles from one second, and ten
 * wrong ones lock the pair for 15 minutes. For each origin: one guess at a time and at most one a
 * second, whatever the names, which also bounds the table: no name can push another one out.
 * A name is treated the same whether there is such a user or not.
 */

export const guessLimits = {
    /** Wrong guesses of one origin and user that lock the pair. */
    failures: 10,
    lockSeconds: 900,
    /** Longest delay before the lock, seconds. */
    longestDelay: 60,
} as const;

/** More ports than a router has. */
const originLimit = 8;
const second = 1_000_000n;
const lockUs = BigInt(guessLimits.lockSeconds) * second;

interface Pair {
    failures: number;
    /** No guess before this instant. */
    notBefore: bigint;
    /** When nothing is known of this pair any more. */
    forgottenAt: bigint;
}

interface Origin {
    busy: boolean;
    notBefore: bigint;
    readonly pairs: Map<string, Pair>;
}

export interface GuessRefusal {
    /** "locked" after ten failures, "delay" after fewer, "busy" while another guess is examined. */
    readonly why: "locked" | "delay" | "busy";
    /** Whole seconds, 1 or more. */
    readonly retryAfter: number;
}

export interface GuessFailure {
    /** Of this origin and user in a row. */
    readonly failures: number;
    readonly locked: boolean;
    readonly retryAfter: number;
}

export class LoginGuard {
    readonly #origins = new Map<string, Origin>();

    /** null: the guess may be examined, and failed(), passed() or dropped() must follow. */
    begin(origin: string, user: string, now: bigint): GuessRefusal | null {
        const entry = this.#origin(origin, now);
        if (entry === null) return {why: "busy", retryAfter: guessLimits.longestDelay};
        if (entry.busy) return {why: "busy", retryAfter: 1};
        const pair = entry.pairs.get(user);
        const [own, shared] = [pair?.notBefore ?? 0n, entry.notBefore];
        const until = own > shared ? own : shared;
        if (until > now) {
            const locked = own > now && (pair?.failures ?? 0) >= guessLimits.failures;
            return {why: locked ? "locked" : "delay", retryAfter: secondsUntil(until, now)};
        }
        entry.busy = true;
        return null;
    }

    failed(origin: string, user: string, now: bigint): GuessFailure {
        const entry = this.#end(origin);
        // A lock that is over is forgotten when the next guess begins, so this counts anew then.
        const failures = (entry.pairs.get(user)?.failures ?? 0) + 1;
        const locked = failures >= guessLimits.failures;
        const {longestDelay, lockSeconds} = guessLimits;
        const delay = locked ? lockSeconds : Math.min(2 ** (failures - 1), longestDelay);
        const notBefore = now + BigInt(delay) * second;
        entry.pairs.set(user, {failures, notBefore, forgottenAt: now + lockUs});
        entry.notBefore = now + second;
        return {failures, locked, retryAfter: delay};
    }

    passed(origin: string, user: string): void {
        this.#end(origin).pairs.delete(user);
    }

    /** The guess was not examined after all (the system failed). */
    dropped(origin: string): void {
        this.#end(origin);
    }

    /** Nothing is held against this user any more: an administrator set a new password. */
    forgive(user: string): void {
        for (const {pairs} of this.#origins.values()) pairs.delete(user);
    }

    /** Pairs of origin and user that are remembered. */
    get size(): number {
        let count = 0;
        for (const {pairs} of this.#origins.values()) count += pairs.size;
        return count;
    }

    #end(origin: string): Origin {
        const entry = this.#origins.get(origin);
        if (entry?.busy !== true) throw new Error("a guess ended that did not begin");
        entry.busy = false;
        return entry;
    }

    /** null: too many origins have failed within the last minutes. */
    #origin(name: string, now: bigint): Origin | null {
        for (const [key, {busy, notBefore, pairs}] of this.#origins) {
            for (const [user, pair] of pairs) if (pair.forgottenAt <= now) pairs.delete(user);
            const idle = !busy && notBefore <= now && pairs.size === 0;
            if (idle && key !== name) this.#origins.delete(key);
        }
        const known = this.#origins.get(name);
        if (known !== undefined) return known;
        if (this.#origins.size >= originLimit) return null;
        const fresh = {busy: false, notBefore: 0n, pairs: new Map<string, Pair>()};
        this.#origins.set(name, fresh);
        return fresh;
    }
}

function secondsUntil(until: bigint, now: bigint): number {
    return Number((until - now + second - 1n) / second);
}
