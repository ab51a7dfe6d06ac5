/**
 * Does what the control protocol's plans say, with the running daemon. Main thread.
 */
import {
    type ApiReply,
    type ApiRequest,
    failure,
    type Plan,
    plan,
    type Resource,
    unknownCarp,
} from "../core/control-protocol.ts";
import type {AdminAction, EngineSnapshot} from "../core/engine.ts";
import {EngineError} from "../core/engine.ts";
import {exitCodes} from "../core/exit-codes.ts";
import {
    type FoldInput,
    foldCarp,
    foldDemotion,
    foldHost,
    foldInterfaces,
    foldStatistics,
} from "../core/status-fold.ts";
import type {Daemon} from "./daemon.ts";
import {EngineSilent} from "./snapshot-reader.ts";

/** "stream": the caller keeps the connection and sends `daemon.history`'s events. */
export type ApiAnswer = ApiReply | "stream";

/** Counters of the adapters around the daemon, shown under `show statistics`. */
export type ExtraCounters = () => Readonly<Record<string, number>>;

export class ControlApi {
    readonly #daemon: Daemon;
    readonly #extra: ExtraCounters;

    constructor(daemon: Daemon, extra: ExtraCounters) {
        this.#daemon = daemon;
        this.#extra = extra;
    }

    /** Never rejects for anything that a client or the engine did. */
    async answer(request: ApiRequest): Promise<ApiAnswer> {
        try {
            return await this.#execute(plan(request));
        } catch (error) {
            if (error instanceof EngineSilent) {
                return failure(503, "ENGINE_SILENT", error.message, "ask again later");
            }
            if (error instanceof EngineError) return refusal(error);
            throw error;
        }
    }

    async #execute(what: Plan): Promise<ApiAnswer> {
        switch (what.kind) {
            case "reply":
                return what.reply;
            case "events":
                return "stream";
            case "read":
                return {status: 200, body: await this.#read(what.resource)};
            case "readCarp":
                return this.#readCarp(what.name);
            case "admin":
                return this.#admin(what.name, what.action);
            case "reload":
                return this.#reload();
        }
    }

    async #read(resource: Resource): Promise<unknown> {
        const {version, history} = this.#daemon;
        if (resource === "log") return history.list();
        if (resource === "version") return {version};
        const input = this.#input(await this.#daemon.snapshot());
        switch (resource) {
            case "carp":
                return foldCarp(input);
            case "interfaces":
                return foldInterfaces(input.snapshot);
            case "statistics":
                return foldStatistics(input.snapshot, this.#extra());
            case "demotion":
                return foldDemotion(input);
            case "host":
                return foldHost(input, version);
        }
    }

    #input(snapshot: EngineSnapshot): FoldInput {
        const {config} = this.#daemon;
        return {snapshot, config, wallOffsetUs: this.#daemon.wallOffsetUs()};
    }

    #names(): string[] {
        return this.#daemon.config.carp.map((carp) => carp.name);
    }

    async #readCarp(name: string): Promise<ApiReply> {
        const all = foldCarp(this.#input(await this.#daemon.snapshot()));
        const found = all.find((carp) => carp.name === name);
        return found === undefined ? unknownCarp(name, this.#names()) : {status: 200, body: found};
    }

    async #admin(name: string, action: AdminAction): Promise<ApiReply> {
        if (!this.#names().includes(name)) return unknownCarp(name, this.#names());
        const done = await this.#daemon.admin(name, action);
        return done.ok ? this.#readCarp(name) : refusal(done.error);
    }

    async #reload(): Promise<ApiReply> {
        const result = await this.#daemon.reload();
        if (result.ok) return {status: 200, body: {changes: result.value}};
        const {text, exitCode} = result.error;
        if (exitCode === exitCodes.config || exitCode === exitCodes.noInput) {
            const expected = "a valid configuration; the old one stays in force";
            return failure(422, "BAD_CONFIG", text, expected);
        }
        return failure(500, "RELOAD_FAILED", text, "see the log of carpd");
    }
}

function refusal(error: EngineError): ApiReply {
    const {code, op, target, message} = error;
    return failure(409, code, `${op} ${target}: ${message}`, "see the log of carpd");
}
