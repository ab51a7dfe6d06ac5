/**
 * The configuration behind a real control socket, on a real folder, that can be started again as
 * after a crash; and the model that it is held against. For configuration-model.test.ts.
 */
import assert from "node:assert/strict";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import type {TestContext} from "node:test";
import {BsdCommands} from "../../src/app/bsd-commands.ts";
import {configurationRoutes} from "../../src/app/configuration-routes.ts";
import {ControlApi} from "../../src/app/control-api.ts";
import {Operations} from "../../src/app/operations.ts";
import {operationsRoutes} from "../../src/app/operations-routes.ts";
import {errorOf, failure} from "../../src/core/control-protocol.ts";
import type {Role, Session} from "../../src/core/control-session.ts";
import {err, ok} from "../../src/core/result.ts";
import {loadConfig} from "../../src/io/config-files.ts";
import {systemFs} from "../../src/io/config-writer.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {ControlServer} from "../../src/io/control-server.ts";
import {HealthClient} from "../../src/io/health-client.ts";
import {readHostFacts} from "../../src/io/host-facts.ts";
import {readSystem} from "../../src/io/system-info.ts";
import {twoSegments} from "./bsd-fixtures.ts";
import {ManualClock, realClock, temporaryFolder} from "./condition-fixtures.ts";
import {ConfigurationModel} from "./configuration-model.ts";
import {type ConfigurationRig, makeFolder, startRig} from "./configuration-rig.ts";
import {meant, readTree, secretMark} from "./model-edits.ts";

export interface Reply {
    readonly status: number;
    /** "200", "409 CANDIDATE_HELD". */
    readonly said: string;
    readonly body: unknown;
}

/** A member of a reply's body. */
export function member(reply: Reply, key: string): unknown {
    const {body} = reply;
    return typeof body === "object" && body !== null ? Reflect.get(body, key) : undefined;
}

function routeOf(name: string): {method: string; path: string} {
    return name === "history"
        ? {method: "GET", path: "/v1/history"}
        : {method: "POST", path: `/v1/configuration/${name}`};
}

const noBalance = (): never => {
    throw new Error("no balance here");
};

/** What runs inside carpd; another one after each start. */
interface Inside {
    readonly rig: ConfigurationRig;
    readonly api: ControlApi;
    readonly health: HealthClient;
}

const healthHelper = join(import.meta.dirname, "../../src/health-helper.js");

export class ModelStand {
    readonly clock: ManualClock;
    readonly model: ConfigurationModel;
    readonly bugs: unknown[] = [];
    readonly socket: string;
    readonly #folder: string;
    readonly #file: string;
    readonly #client: ControlClient;
    readonly #sessions = new Map<string, Session>();
    readonly #server: ControlServer;
    #inside: Inside;
    #logIns = 0;

    constructor(folder: string, inside: Inside, model: ConfigurationModel) {
        const socket = join(folder, "control.sock");
        this.socket = socket;
        this.#folder = folder;
        this.#file = join(folder, "carpd.toml");
        this.#inside = inside;
        this.model = model;
        this.clock = inside.rig.clock;
        this.#client = new ControlClient(socket);
        this.#server = new ControlServer({
            socket,
            opened: () => undefined,
            identify: (_socket, authorization) => {
                const session = this.#sessions.get(authorization.replace("Bearer ", ""));
                return session === undefined
                    ? err(failure(401, "NOT_LOGGED_IN", "nobody", "a log-in"))
                    : ok(session);
            },
            answer: (request, session) => this.#inside.api.answer(request, session),
            subscribe: (listener) => this.#inside.rig.daemon.history.subscribe(listener),
            failed: (error) => this.bugs.push(error),
        });
    }

    static async start(t: TestContext, text: string): Promise<ModelStand> {
        const folder = temporaryFolder(t);
        makeFolder(folder, text);
        const inside = await startInside(folder, new ManualClock());
        const file = join(folder, "carpd.toml");
        const valid = (candidate: string) => loadConfig(file, candidate).ok;
        const model = new ConfigurationModel(file, text, inside.rig.clock.wallMs, valid);
        const made = new ModelStand(folder, inside, model);
        await made.#server.listen();
        t.after(async () => {
            await made.#server.close();
            await stopInside(made.#inside);
        });
        return made;
    }

    logIn(user: string, role: Role, origin: string): Session {
        this.#logIns += 1;
        const session = {id: `session ${this.#logIns}`, user, role, origin};
        this.#sessions.set(session.id, session);
        return session;
    }

    logOut(session: Session): void {
        this.#sessions.delete(session.id);
        this.#inside.rig.configuration.sessionEnded(session);
        this.model.ended(session);
    }

    /** One request; what an operator reads has no password in it, whatever it says. */
    async ask(session: Session, name: string, body: unknown = {}): Promise<Reply> {
        const {method, path} = routeOf(name);
        return this.request(session, method, path, method === "GET" ? undefined : body);
    }

    /** The same past the socket, for the many looks between the steps. */
    async #look(session: Session, name: string, body: unknown = {}): Promise<Reply> {
        const request = {...routeOf(name), body: JSON.stringify(body)};
        const reply = await this.#inside.api.answer(request, session);
        assert.ok(reply !== "stream");
        return this.#reply(session, reply);
    }

    /** Any request. */
    async request(session: Session, method: string, path: string, body?: unknown): Promise<Reply> {
        this.#client.token = session.id;
        const reply = await this.#client.request(method, path, body);
        assert.ok(reply.ok, `${path}: ${reply.ok ? "" : reply.error.code}`);
        return this.#reply(session, reply.value);
    }

    /** For a shell, which has a connection of its own. */
    client(session: Session): ControlClient {
        const client = new ControlClient(this.socket);
        client.token = session.id;
        return client;
    }

    /** A line of the BSDs. */
    type(session: Session, line: string): Promise<Reply> {
        return this.request(session, "POST", "/v1/bsd", {line});
    }

    #reply(session: Session, {status, body}: {status: number; body: unknown}): Reply {
        if (session.role !== "admin") assert.ok(!JSON.stringify(body).includes(secretMark));
        const code = errorOf(body)?.code ?? "";
        return {status, said: `${status} ${code}`.trim(), body};
    }

    /** By hand, with an editor. */
    editFile(text: string): void {
        writeFileSync(this.#file, text);
        this.model.file = text;
    }

    async reload(): Promise<void> {
        const reloaded = await this.#inside.rig.daemon.reload();
        assert.equal(reloaded.ok, loadConfig(this.#file).ok);
        this.model.reload();
    }

    async advance(ms: number): Promise<void> {
        await this.clock.advance(ms);
        this.model.advance(ms);
        await this.#idle();
    }

    /** A revert is over when the commit behind it is: one by a session that holds nothing. */
    async #idle(): Promise<void> {
        const nobody = {id: "nobody", user: "", role: "admin", origin: ""} as const;
        const none = {confirmedMinutes: null, remark: "", force: false};
        assert.ok(!(await this.#inside.rig.configuration.commit(nobody, none)).ok);
    }

    /** Without a model: disk, history, engine and what is shown are of one text. */
    async settled(looking: Session): Promise<void> {
        await this.#idle();
        const text = this.fileText();
        const show = (source: unknown) => this.#look(looking, "show", {source, secrets: true});
        const [running, last] = [await show("running"), await show(0)];
        assert.equal(member(running, "text"), text);
        if (last.status === 200) assert.equal(member(last, "text"), text);
        this.model.running = text;
        this.#runs();
        this.#quiet();
    }

    /** With nothing told to the one that ends. */
    async restart(): Promise<void> {
        this.#quiet();
        await stopInside(this.#inside);
        this.#inside = await startInside(this.#folder, this.clock);
        this.model.restart();
    }

    /** The log holds no passwords and no failure. */
    #quiet(): void {
        const {records} = this.#inside.rig;
        assert.ok(!JSON.stringify(records).includes(secretMark), "a password in the log");
        assert.deepEqual(
            records.filter(({level}) => level === "error"),
            [],
        );
        assert.deepEqual(this.bugs, []);
    }

    /** Everything that can be seen is what the model says. `number`: a commit to look into. */
    async check(looking: Session, number: number): Promise<void> {
        const {model} = this;
        assert.equal(this.fileText(), model.file);
        const show = async (source: unknown): Promise<string> => {
            const shown = await this.#look(looking, "show", {source, secrets: true});
            return shown.said === "200" ? String(member(shown, "text")) : shown.said;
        };
        const ended = (text: string) => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
        const candidate = model.candidate?.text;
        const entry = model.history[number]?.text;
        const [running, edited, former, {body}] = await Promise.all([
            show("running"),
            show("candidate"),
            show(number),
            this.#look(looking, "history"),
        ]);
        assert.equal(running, ended(model.running));
        const none = "409 NO_CANDIDATE";
        assert.equal(edited, candidate === undefined ? none : ended(candidate));
        assert.equal(former, entry === undefined ? "404 UNKNOWN_COMMIT" : ended(entry));
        assert.ok(Array.isArray(body));
        const seen = ["user", "origin", "remark"] as const;
        assert.deepEqual(
            body.map((line: object) => seen.map((key): unknown => Reflect.get(line, key))),
            model.history.map((line) => seen.map((key) => line[key])),
        );
        this.#runs();
        this.#quiet();
    }

    /** The engine has what the running text means, read by somebody else. */
    #runs(): void {
        const {engine, daemon} = this.#inside.rig;
        const tree = readTree(this.model.running);
        const told = engine.configurations.at(-1);
        assert.deepEqual(
            told?.vhosts.map(({name, carpdev, vhid, advskew, enabled}) => ({
                name,
                carpdev,
                vhid,
                advskew,
                enabled,
            })),
            tree.carp.map(({name, values}, i) => ({
                name: name ?? `carp${i}`,
                carpdev: values.get("carpdev"),
                vhid: values.get("vhid"),
                advskew: values.get("advskew") ?? 0,
                enabled: values.get("enabled") ?? true,
            })),
        );
        assert.equal(told?.preempt, tree.options.get("preempt") ?? false);
        assert.equal(daemon.config.options.ifdownDemotion, told?.ifdownDemotion);
    }

    fileText(): string {
        return readFileSync(this.#file, "utf8");
    }

    /** What carpd.toml means at this moment. */
    meaning(): unknown {
        return meant(readTree(this.fileText()));
    }
}

async function startInside(folder: string, clock: ManualClock): Promise<Inside> {
    const {rig} = await startRig(folder, systemFs, clock);
    const {daemon, configuration} = rig;
    const log = {write: (record: (typeof rig.records)[number]) => rig.records.push(record)};
    const health = new HealthClient(healthHelper, realClock, () => undefined);
    const operations = new Operations(
        daemon,
        {
            clock: realClock,
            log,
            readSystem: (carpd) => readSystem(health, carpd),
            readFacts: readHostFacts,
            // No packets and no reboots from here.
            ping: () => Promise.resolve(ok([])),
            power: () => Promise.resolve(ok(undefined)),
        },
        {listenMs: 20},
    );
    const bsd = new BsdCommands(daemon, {log, configuration, hostInterfaces: () => twoSegments});
    const api = new ControlApi(daemon, () => ({}), noBalance, [
        ...configurationRoutes(configuration),
        ...operationsRoutes(operations, bsd, daemon),
    ]);
    return {rig, api, health};
}

async function stopInside({rig, health}: Inside): Promise<void> {
    rig.configuration.stop();
    await Promise.all([rig.daemon.conditions.stop(), health.stop()]);
}
