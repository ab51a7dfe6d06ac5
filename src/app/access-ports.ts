/**
 * What the log-in needs from the outside (src/io/users-store.ts, src/carpd.ts), and one thing after
 * the other. Main thread.
 */
import type {Log} from "../core/log.ts";
import type {Result} from "../core/result.ts";
import type {PasswordHash, UserRecord} from "../core/users.ts";
import type {Clock} from "./ports.ts";

export interface UserStore {
    /** [] when there is no file yet. The error says what is wrong with the file. */
    load(): Promise<Result<UserRecord[], string>>;
    /** On the disk when it resolves. The error is a sentence. */
    save(users: readonly UserRecord[]): Promise<Result<void, string>>;
}

/** Both reject with the system's error (no memory). */
export interface PasswordHasher {
    hash(password: string): Promise<PasswordHash>;
    /** null: takes as long and is false. */
    verify(password: string, hash: PasswordHash | null): Promise<boolean>;
}

/** The process at the other end of the control socket. */
export interface Peer {
    readonly uid: number;
    readonly pid: number;
}

export interface AccessPorts {
    readonly clock: Clock;
    readonly log: Log;
    readonly store: UserStore;
    readonly hasher: PasswordHasher;
    /** 32 random octets in base64url. */
    readonly newToken: () => string;
    /** The user id of the console's system user; null: there is no such user. */
    readonly consoleUid: () => Result<number | null, string>;
    /** The user id of carp-panel's system user; null: there is no such user. */
    readonly panelUid: () => Result<number | null, string>;
    /** The daemon's own user id. */
    readonly ownUid: number;
    readonly processAlive: (pid: number) => boolean;
}

/** Tasks one after the other; how many may wait is bounded where strangers can add some. */
export class Turns {
    readonly #limit: number;
    #last: Promise<unknown> = Promise.resolve();
    #waiting = 0;

    constructor(limit: number) {
        this.#limit = limit;
    }

    /** null: too many wait already; the task will not run. */
    run<T>(task: () => Promise<T>): Promise<T> | null {
        if (this.#waiting >= this.#limit) return null;
        this.#waiting += 1;
        const result = this.#last.then(task).finally(() => {
            this.#waiting -= 1;
        });
        // The next one does not care how this one ended; its caller does.
        this.#last = result.then(
            () => undefined,
            () => undefined,
        );
        return result;
    }
}
