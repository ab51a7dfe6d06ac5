/**
 * Sessions of processes that need no log-in: root and the members of the socket's group. One for
 * each process, so that what it holds can be freed when it is gone. Main thread.
 */
import type {Session} from "../core/control-session.ts";
import type {EndedSession} from "../core/session-table.ts";
import type {Peer} from "./access-ports.ts";

/** As many as the control server has connections. */
const limit = 64;

interface Entry {
    readonly session: Session;
    readonly pid: number;
}

export class LocalSessions {
    readonly #alive: (pid: number) => boolean;
    /** By user and process id, the one used last at the end. */
    readonly #entries = new Map<string, Entry>();
    #count = 0;

    constructor(alive: (pid: number) => boolean) {
        this.#alive = alive;
    }

    get size(): number {
        return this.#entries.size;
    }

    /** `ended`: what had to make room. */
    of({uid, pid}: Peer): {session: Session; ended: EndedSession[]} {
        const key = `${uid} ${pid}`;
        const known = this.#entries.get(key);
        const ended: EndedSession[] = [];
        if (known === undefined && this.#entries.size >= limit) ended.push(...this.sweep());
        const [oldest] = this.#entries;
        if (known === undefined && oldest !== undefined && this.#entries.size >= limit) {
            this.#entries.delete(oldest[0]);
            ended.push({session: oldest[1].session, why: "too many sessions"});
        }
        if (known === undefined) this.#count += 1;
        const entry = known ?? {pid, session: localSession(uid, this.#count)};
        this.#entries.delete(key);
        this.#entries.set(key, entry);
        return {session: entry.session, ended};
    }

    /** Takes out those whose process is gone. */
    sweep(): EndedSession[] {
        const ended: EndedSession[] = [];
        for (const [key, {session, pid}] of this.#entries) {
            // 0: a process of another pid namespace, of which nothing can be known.
            if (pid <= 0 || this.#alive(pid)) continue;
            this.#entries.delete(key);
            ended.push({session, why: "its process is gone"});
        }
        return ended;
    }
}

function localSession(uid: number, count: number): Session {
    const user = uid === 0 ? "root" : `uid ${uid}`;
    return {id: `local ${count}`, user, role: "admin", origin: "control socket"};
}
