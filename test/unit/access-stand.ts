/**
 * The log-in behind a real control socket, with real scrypt, a real file of users and a clock that
 * stands still until told. The kernel's word on who connects can be replaced: a test is one user.
 */
import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {join} from "node:path";
import type {TestContext} from "node:test";
import {Access} from "../../src/app/access.ts";
import type {PasswordHasher} from "../../src/app/access-ports.ts";
import {accessRoutes} from "../../src/app/access-routes.ts";
import {errorOf} from "../../src/core/control-protocol.ts";
import type {Session} from "../../src/core/control-session.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {ok, type Result} from "../../src/core/result.ts";
import {loadAddon, type PeerCredentials} from "../../src/io/addon.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {peerOf, processAlive} from "../../src/io/socket-peer.ts";
import {FileUserStore, ScryptHasher} from "../../src/io/users-store.ts";
import {ManualClock} from "./condition-fixtures.ts";
import {folder, type Stand, stand} from "./control-stand.ts";

export const consoleUid = 990;
export const panelUid = 991;
export const memberUid = 1000;
export const password = "correct horse";

/** Little work, so that ten guesses take no second. */
export class CountingHasher extends ScryptHasher {
    hashes = 0;
    running = 0;
    most = 0;

    constructor() {
        super({n: 1024, r: 8, p: 1});
    }

    override hash(text: string): ReturnType<PasswordHasher["hash"]> {
        return this.#count(super.hash(text));
    }

    override verify(...given: Parameters<PasswordHasher["verify"]>): Promise<boolean> {
        return this.#count(super.verify(...given));
    }

    async #count<T>(work: Promise<T>): Promise<T> {
        this.hashes++;
        this.running++;
        this.most = Math.max(this.most, this.running);
        try {
            return await work;
        } finally {
            this.running--;
        }
    }
}

export interface Answer {
    readonly status: number;
    /** "" without an error. */
    readonly code: string;
    readonly body: unknown;
    readonly retryAfter: number;
    readonly token: string;
}

export class AccessStand {
    readonly control: Stand;
    readonly access: Access;
    readonly clock: ManualClock;
    readonly hasher: CountingHasher;
    readonly log: readonly LogRecord[];
    readonly ended: readonly Session[];
    readonly stateDir: string;
    readonly #world: World;

    constructor(control: Stand, access: Access, world: World) {
        this.control = control;
        this.access = access;
        this.clock = world.clock;
        this.hasher = world.hasher;
        this.log = world.log;
        this.ended = world.ended;
        this.stateDir = world.stateDir;
        this.#world = world;
    }

    /** Who connects from now on; "kernel": as it is. */
    set peer(peer: World["peer"]) {
        this.#world.peer = peer;
    }

    set console(uid: World["console"]) {
        this.#world.console = uid;
    }

    async ask(method: string, path: string, body?: unknown, token = ""): Promise<Answer> {
        const client = new ControlClient(this.control.socket);
        client.token = token;
        const reply = await client.request(method, path, body);
        assert.ok(reply.ok, reply.ok ? "" : reply.error.code);
        const {status, body: answer} = reply.value;
        const member = (key: string): unknown =>
            typeof answer === "object" && answer !== null ? Reflect.get(answer, key) : undefined;
        return {
            status,
            code: errorOf(answer)?.code ?? "",
            body: answer,
            retryAfter: Number(member("retryAfter") ?? 0),
            token: String(member("token") ?? ""),
        };
    }

    /** "200", "401 WRONG_LOGIN". */
    async status(method: string, path: string, body?: unknown, token = ""): Promise<string> {
        const {status, code} = await this.ask(method, path, body, token);
        return `${status} ${code}`.trim();
    }

    login(user: string, text: string, origin = "ttyS0"): Promise<Answer> {
        return this.ask("POST", "/v1/login", {user, password: text, origin});
    }

    /** The administrator made, and logged in. */
    async first(): Promise<string> {
        const {token} = await this.ask("POST", "/v1/login/first", {password, origin: "ttyS0"});
        assert.notEqual(token, "");
        return token;
    }

    /** The lines of the audit. */
    audit(): string[] {
        return this.log.filter(({msg}) => msg === "audit").map(({text}) => text);
    }
}

interface World {
    readonly clock: ManualClock;
    readonly hasher: CountingHasher;
    readonly log: LogRecord[];
    readonly ended: Session[];
    readonly stateDir: string;
    peer: PeerCredentials | null | "kernel";
    console: Result<number | null, string>;
}

/** As carpd.ts puts it together. Connections are the console's at first. */
export async function accessStand(t: TestContext, given?: string): Promise<AccessStand> {
    const world: World = {
        clock: new ManualClock(),
        hasher: new CountingHasher(),
        log: [],
        ended: [],
        stateDir: given ?? join(folder(t), "state"),
        peer: {uid: consoleUid, gid: consoleUid, pid: process.pid},
        console: ok(consoleUid),
    };
    const access = new Access({
        clock: world.clock,
        log: {write: (record) => world.log.push(record)},
        store: new FileUserStore(world.stateDir),
        hasher: world.hasher,
        newToken: () => randomBytes(32).toString("base64url"),
        consoleUid: () => world.console,
        panelUid: () => ok(panelUid),
        ownUid: 4242,
        processAlive,
    });
    const {peerCredentials} = loadAddon();
    const control = await stand(t, {
        identify: (socket, authorization, path) => {
            const peer = world.peer === "kernel" ? peerOf(socket, peerCredentials) : world.peer;
            return access.identify(peer, authorization, path);
        },
        extensions: accessRoutes(access),
    });
    access.onEnd((session) => {
        world.ended.push(session);
        control.server.endStreams(session.id);
    });
    t.after(() => access.stop());
    await access.start();
    return new AccessStand(control, access, world);
}
