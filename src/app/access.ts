/**
 * Who may do what on the control socket: processes by their user id, users of the console by log-in
 * and token. Main thread; nothing here waits but for scrypt and the disk.
 *
 * Root and the members of the socket's group are administrators, as the file's permission says. The
 * console's own system user gets nothing without a log-in, so that whoever takes over the process
 * that reads a serial line holds no more than a password prompt.
 */
import {type ApiReply, failure} from "../core/control-protocol.ts";
import type {Session} from "../core/control-session.ts";
import type {LogFields, LogLevel} from "../core/log.ts";
import {note} from "../core/log.ts";
import {type GuessRefusal, LoginGuard} from "../core/login-guard.ts";
import {err, ok, type Result} from "../core/result.ts";
import {type EndedSession, SessionTable, sessionLimits} from "../core/session-table.ts";
import {
    expectedPassword,
    firstUser,
    normalisePassword,
    passwordProblem,
    type UserRecord,
} from "../core/users.ts";
import {type AccessPorts, type Peer, Turns} from "./access-ports.ts";
import {LocalSessions} from "./local-sessions.ts";

export interface LoginRequest {
    readonly user: string;
    readonly password: string;
    /** The port: "ttyS0". */
    readonly origin: string;
}

/** What identify() knew of a session that it gave out. */
interface Caller {
    readonly uid: number;
    /**
     * "login": by a token; "local": by its user id; "nobody": the console before the log-in;
     * "panel": carp-panel.
     */
    readonly kind: "login" | "local" | "nobody" | "panel";
}

/** What the console may ask before the log-in, compared before anything is decoded. */
const openPaths = ["/v1/login", "/v1/login/first", "/v1/session", "/v1/panel/pressed"];
/** What carp-panel may ask, who never logs in. */
const panelPaths = ["/v1/panel", "/v1/panel/report", "/v1/panel/button"];
const bearer = /^Bearer ([A-Za-z0-9_-]{43})$/u;
const sweepMs = 5000;
/** Guesses of all origins and new passwords that may wait for scrypt. */
const scryptQueue = 8;
/** The connections of the control server are fewer. */
const changeQueue = 64;

export class Access {
    readonly #ports: AccessPorts;
    readonly #guard = new LoginGuard();
    readonly #table = new SessionTable();
    readonly #locals: LocalSessions;
    readonly #callers = new WeakMap<Session, Caller>();
    readonly #listeners: ((session: Session) => void)[] = [];
    /** One at a time: guessing costs at most one thread of the pool and 32 MiB. */
    readonly #scrypt = new Turns(scryptQueue);
    /** Changes of the list of users, and the end of each log-in, which reads it once more. */
    readonly #changes = new Turns(changeQueue);
    #alarm = "";
    #disarm: (() => void) | null = null;

    constructor(ports: AccessPorts) {
        this.#ports = ports;
        this.#locals = new LocalSessions(ports.processAlive);
    }

    /** Reads the list of users once, so that a damaged one is known before somebody needs it. */
    async start(): Promise<void> {
        await this.load();
    }

    stop(): void {
        this.#disarm?.();
        this.#disarm = null;
    }

    /** Called when a session is over, whatever ended it; what it held is to be freed. */
    onEnd(listener: (session: Session) => void): void {
        this.#listeners.push(listener);
    }

    // ---- who asks ----

    /** `peer`: null when the kernel does not say. `path`: of the request, as it came. */
    identify(peer: Peer | null, authorization: string, path: string): Result<Session, ApiReply> {
        if (peer === null) {
            const message = "the kernel does not say who is at the other end of this connection";
            return err(failure(403, "UNKNOWN_PEER", message, "a local process"));
        }
        if (authorization !== "") return this.#byToken(peer, authorization, path);
        if (peer.uid === 0) return ok(this.#local(peer));
        const panelUid = this.#ports.panelUid();
        if (panelUid.ok && peer.uid === panelUid.value && peer.uid !== this.#ports.ownUid) {
            return this.#panel(peer, path);
        }
        const consoleUid = this.#ports.consoleUid();
        // A caller who may be the console's user is not taken for a member of the group.
        if (!consoleUid.ok) {
            if (peer.uid === this.#ports.ownUid) return ok(this.#local(peer));
            const message = `which user the console has is not known: ${consoleUid.error}`;
            return err(failure(403, "UNKNOWN_CONSOLE_USER", message, "root"));
        }
        if (peer.uid !== consoleUid.value) return ok(this.#local(peer));
        if (!openPaths.includes(path)) {
            const message = "nobody is logged in";
            return err(failure(401, "LOGIN_NEEDED", message, "POST /v1/login, then its token"));
        }
        const id = `console ${peer.pid}`;
        const session: Session = {id, user: "", role: "operator", origin: "console"};
        this.#callers.set(session, {uid: peer.uid, kind: "nobody"});
        return ok(session);
    }

    /** The program behind the LEDs and buttons: it may look at the panel and speak for it. */
    #panel(peer: Peer, path: string): Result<Session, ApiReply> {
        if (!panelPaths.includes(path)) {
            const message = "carp-panel may ask for the panel only";
            return err(failure(403, "FORBIDDEN", message, panelPaths.join(", ")));
        }
        const id = `panel ${peer.pid}`;
        const session: Session = {id, user: "carp-panel", role: "operator", origin: "panel"};
        this.#callers.set(session, {uid: peer.uid, kind: "panel"});
        return ok(session);
    }

    #byToken(peer: Peer, authorization: string, path: string): Result<Session, ApiReply> {
        const token = bearer.exec(authorization)?.[1];
        if (token === undefined) {
            const message = "the authorization header is none of ours";
            return err(failure(401, "BAD_TOKEN", message, "Authorization: Bearer TOKEN"));
        }
        const now = this.#now();
        this.#tell(this.#table.expire(now));
        // Asking whether one is still logged in does not keep one logged in.
        const session = this.#table.find(token, peer.uid, now, path !== "/v1/session");
        return session !== null ? ok(session) : err(sessionOver());
    }

    /** Whether the session is carp-panel's. */
    isPanel(session: Session): boolean {
        return this.#callers.get(session)?.kind === "panel";
    }

    #local(peer: Peer): Session {
        const {session, ended} = this.#locals.of(peer);
        this.#callers.set(session, {uid: peer.uid, kind: "local"});
        this.#tell(ended);
        this.#arm();
        return session;
    }

    /** Whether the session was made by a log-in. */
    isLogin(session: Session): boolean {
        return this.#callers.get(session)?.kind === "login";
    }

    // ---- log-in and log-out ----

    async login(session: Session, {user, password, origin}: LoginRequest): Promise<ApiReply> {
        const caller = this.#callers.get(session);
        if (caller === undefined) return notIdentified();
        const users = await this.load();
        if (!users.ok) return users.error;
        if (users.value.length === 0) return {status: 200, body: {first: true}};
        const examined = await this.guess(users.value, {user, password, origin});
        if (!examined.ok) return examined.error;
        return this.inTurn(session, async () => {
            // The user may have been changed while scrypt ran.
            const now = await this.load();
            if (!now.ok) return now.error;
            const same = now.value.some((known) => sameUser(known, examined.value));
            return same ? this.#open(caller.uid, examined.value, origin) : wrongLogin(1);
        });
    }

    /** The first log-in of all: sets the administrator's password. */
    async loginFirst(session: Session, password: string, origin: string): Promise<ApiReply> {
        const caller = this.#callers.get(session);
        if (caller === undefined) return notIdentified();
        const {uid} = caller;
        const consoleUid = this.#ports.consoleUid();
        const may =
            uid === 0 || uid === this.#ports.ownUid || (consoleUid.ok && uid === consoleUid.value);
        if (!may) {
            const message = "the first password is set on the console";
            return failure(403, "FORBIDDEN", message, "the console or root");
        }
        return this.inTurn(session, async () => {
            const users = await this.load();
            if (!users.ok) return users.error;
            if (users.value.length > 0) {
                const message = "there is an administrator already";
                return failure(409, "NOT_FIRST", message, "POST /v1/login");
            }
            const hash = await this.newHash(password, firstUser);
            if (!hash.ok) return hash.error;
            const admin: UserRecord = {name: firstUser, role: "admin", password: hash.value};
            const saved = await this.save([admin]);
            if (!saved.ok) return saved.error;
            this.audit("notice", `first password: ${firstUser} was made on ${origin}`, {
                user: firstUser,
                origin,
                uid,
            });
            return this.#open(uid, admin, origin);
        });
    }

    logout(session: Session): ApiReply {
        const ended = this.#table.close(({id}) => id === session.id, "log-out");
        this.#tell(ended);
        if (ended.length > 0) return {status: 200, body: {}};
        return failure(409, "NOT_LOGGED_IN", "this is no session of a log-in", "a token");
    }

    /** `GET /v1/session`. */
    async describe(session: Session): Promise<ApiReply> {
        const users = await this.#ports.store.load();
        const first = users.ok && users.value.length === 0;
        const kind = this.#callers.get(session)?.kind;
        const {user, role, origin} = session;
        const who =
            kind === "nobody" ? {user: null, role: null, origin: null} : {user, role, origin};
        const idleLimitSeconds = kind === "local" ? null : sessionLimits.idleSeconds;
        return {status: 200, body: {...who, idleLimitSeconds, first}};
    }

    /** Examines one password as a guess: at once refused, wrong, or the user. */
    async guess(
        users: readonly UserRecord[],
        {user, password, origin}: LoginRequest,
    ): Promise<Result<UserRecord, ApiReply>> {
        const refused = this.#guard.begin(origin, user, this.#now());
        if (refused !== null) return err(tooSoon(refused.why, refused.retryAfter));
        const known = users.find(({name}) => name === user);
        let right: boolean | null = null;
        try {
            const work = () =>
                this.#ports.hasher.verify(normalisePassword(password), known?.password ?? null);
            right = await this.#scrypt.run(work);
        } finally {
            if (right === null) this.#guard.dropped(origin);
        }
        if (right === null) return err(tooSoon("busy", 1));
        if (right && known !== undefined) {
            this.#guard.passed(origin, user);
            return ok(known);
        }
        const {failures, locked, retryAfter} = this.#guard.failed(origin, user, this.#now());
        // An unknown name may be a password that was typed too early.
        const who = known?.name ?? "an unknown user";
        const fields = {user: known?.name ?? "", origin, failures};
        this.audit("warning", `log-in failed: ${who} on ${origin}, ${failures} in a row`, fields);
        if (locked) {
            const text = `log-in locked: ${who} on ${origin} for ${retryAfter / 60} min`;
            this.audit("warning", text, fields);
        }
        return err(wrongLogin(retryAfter));
    }

    #open(uid: number, {name: user, role}: UserRecord, origin: string): ApiReply {
        const token = this.#ports.newToken();
        const {session, ended} = this.#table.open(token, {user, role, origin, uid}, this.#now());
        this.#callers.set(session, {uid, kind: "login"});
        this.#tell(ended);
        this.#arm();
        this.audit("notice", `log-in: ${user} (${role}) on ${origin}`, {user, role, origin, uid});
        return {status: 200, body: {token, role, user}};
    }

    // ---- for the changes of users (user-changes.ts) ----

    /** The users as they stand on the disk; a damaged file is an alarm in the log, once. */
    async load(): Promise<Result<readonly UserRecord[], ApiReply>> {
        const users = await this.#ports.store.load();
        const problem = users.ok ? "" : users.error;
        if (problem !== "" && problem !== this.#alarm) {
            const text =
                `${problem}: nobody can log in on the console; root can still use carpctl, and ` +
                "removing the file lets the console set a new first password";
            this.#ports.log.write(note("error", "users", text));
        }
        this.#alarm = problem;
        if (users.ok) return users;
        const message = "the list of users is damaged; see the log of carpd";
        return err(failure(503, "USERS_DAMAGED", message, "root repairs or removes the file"));
    }

    async save(users: readonly UserRecord[]): Promise<Result<void, ApiReply>> {
        const saved = await this.#ports.store.save(users);
        if (saved.ok) return saved;
        this.#ports.log.write(note("error", "users", saved.error));
        return err(failure(500, "CANNOT_STORE", saved.error, "a disk that can be written"));
    }

    async newHash(
        password: string,
        name: string,
    ): Promise<Result<UserRecord["password"], ApiReply>> {
        const normal = normalisePassword(password);
        const problem = passwordProblem(normal, name);
        if (problem !== "") return err(failure(400, "BAD_PASSWORD", problem, expectedPassword));
        const hash = await this.#scrypt.run(() => this.#ports.hasher.hash(normal));
        return hash === null ? err(tooSoon("busy", 1)) : ok(hash);
    }

    /** One change of the users after the other; none by a session that the one before has ended. */
    async inTurn(session: Session, change: () => Promise<ApiReply>): Promise<ApiReply> {
        const run = this.#changes.run(async () => {
            const over = this.isLogin(session) && !this.#table.list().includes(session);
            return over ? sessionOver() : await change();
        });
        return (await run) ?? tooSoon("busy", 1);
    }

    /** A user's sessions end with what they were based on; `but`: the one that made the change. */
    endSessionsOf(user: string, but: Session | null): void {
        const which = (session: Session): boolean => session.user === user && session !== but;
        this.#tell(this.#table.close(which, "the user was changed"));
    }

    forgive(user: string): void {
        this.#guard.forgive(user);
    }

    sessionsOf(user: string): number {
        this.#tell(this.#table.expire(this.#now()));
        return this.#table.list().filter((session) => session.user === user).length;
    }

    /** A line about who got in and who did not. */
    audit(level: LogLevel, text: string, fields: LogFields): void {
        this.#ports.log.write(note(level, "audit", text, fields));
    }

    // ---- the end of sessions ----

    #now(): bigint {
        return this.#ports.clock.monotonicUs();
    }

    #arm(): void {
        if (this.#disarm !== null || this.#table.size + this.#locals.size === 0) return;
        this.#disarm = this.#ports.clock.after(sweepMs, () => {
            this.#disarm = null;
            this.#tell([...this.#table.expire(this.#now()), ...this.#locals.sweep()]);
            this.#arm();
        });
    }

    #tell(ended: readonly EndedSession[]): void {
        for (const {session, why} of ended) {
            const {user, origin} = session;
            if (this.isLogin(session)) {
                const text =
                    why === "log-out"
                        ? `log-out: ${user} on ${origin}`
                        : `log-out: ${user} on ${origin}, ${why}`;
                this.audit("notice", text, {user, origin, why});
            }
            for (const listener of this.#listeners) listener(session);
        }
    }
}

function sameUser(a: UserRecord, b: UserRecord): boolean {
    return a.name === b.name && a.role === b.role && a.password.key === b.password.key;
}

function wrongLogin(retryAfter: number): ApiReply {
    const message = "the user name or the password is wrong";
    const expected = "a user and its password";
    return withRetry(failure(401, "WRONG_LOGIN", message, expected), retryAfter);
}

const refusals = {
    locked: {code: "LOCKED", message: "locked after too many wrong log-ins"},
    delay: {code: "TOO_SOON", message: "the last log-in was wrong a moment ago"},
    busy: {code: "BUSY", message: "other log-ins are being examined"},
} as const satisfies Record<GuessRefusal["why"], {code: string; message: string}>;

function tooSoon(why: GuessRefusal["why"], retryAfter: number): ApiReply {
    const {code, message} = refusals[why];
    const expected = `another try after ${retryAfter} s`;
    return withRetry(failure(429, code, message, expected), retryAfter);
}

function withRetry(reply: ReturnType<typeof failure>, retryAfter: number): ApiReply {
    return {...reply, body: {...reply.body, retryAfter}};
}

function sessionOver(): ApiReply {
    return failure(401, "NO_SESSION", "this session is over", "a new log-in: POST /v1/login");
}

function notIdentified(): ApiReply {
    return failure(403, "UNKNOWN_PEER", "this connection was not identified", "a local process");
}
