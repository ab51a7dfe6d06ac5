/**
 * Does what the control protocol's plans say, with the running daemon. Main thread.
 */
import {type BalanceIndex, balanceAnswer, foldBalance} from "../core/balance.ts";
import {
    type ApiReply,
    type ApiRequest,
    failure,
    matchPath,
    type Plan,
    parseJson,
    plan,
    type Resource,
    splitPath,
    unknownCarp,
} from "../core/control-protocol.ts";
import {mayDo, type Role, type Session} from "../core/control-session.ts";
import {isOperators, levelProblem} from "../core/demotion-reasons.ts";
import type {AdminAction, DemotionSnapshot, EngineSnapshot} from "../core/engine.ts";
import {EngineError} from "../core/engine.ts";
import {exitCodes} from "../core/exit-codes.ts";
import {
    type FoldInput,
    foldCarp,
    foldDemotion,
    foldDemotionChange,
    foldHost,
    foldInterfaces,
    foldStatistics,
} from "../core/status-fold.ts";
import type {ExtensionRoute} from "./api-extension.ts";
import type {Daemon} from "./daemon.ts";
import {EngineSilent} from "./snapshot-reader.ts";

/** "stream": the caller keeps the connection and sends `daemon.history`'s events. */
export type ApiAnswer = ApiReply | "stream";

/** Counters of the adapters around the daemon, shown under `show statistics`. */
export type ExtraCounters = () => Readonly<Record<string, number>>;

export class ControlApi {
    readonly #daemon: Daemon;
    readonly #extra: ExtraCounters;
    readonly #balanceIndex: BalanceIndex;
    /** Changes of the operator's demotion, one after the other: each reads before it writes. */
    #demotions: Promise<unknown> = Promise.resolve();

    readonly #extensions: readonly ExtensionRoute[];

    /** `balanceIndex` is the engine's arithmetic (src/io/addon.ts). */
    constructor(
        daemon: Daemon,
        extra: ExtraCounters,
        balanceIndex: BalanceIndex,
        extensions: readonly ExtensionRoute[] = [],
    ) {
        this.#extensions = extensions;
        this.#daemon = daemon;
        this.#extra = extra;
        this.#balanceIndex = balanceIndex;
    }

    /** Never rejects for anything that a client or the engine did. */
    async answer(request: ApiRequest, session: Session): Promise<ApiAnswer> {
        try {
            const extended = await this.#extended(request, session);
            return extended ?? (await this.#execute(plan(request), session));
        } catch (error) {
            if (error instanceof EngineSilent) {
                return failure(503, "ENGINE_SILENT", error.message, "ask again later");
            }
            if (error instanceof EngineError) return refusal(error);
            throw error;
        }
    }

    /** null: no extension has this path. */
    async #extended(request: ApiRequest, session: Session): Promise<ApiReply | null> {
        const segments = splitPath(request.path);
        if (segments === null) return null;
        const allowed: string[] = [];
        for (const route of this.#extensions) {
            const matched = matchPath(route.path, segments);
            if (matched === null) continue;
            allowed.push(route.method);
            if (route.method !== request.method) continue;
            if (!mayDo(session, route.role)) return forbidden(session, route.role);
            const body = request.body === "" ? undefined : parseJson(request.body);
            if (request.body !== "" && body === undefined) {
                return failure(400, "BAD_BODY", "the body is not JSON", "JSON");
            }
            return await route.handle({argument: matched.argument, body, session});
        }
        if (allowed.length === 0) return null;
        const allow = allowed.join(", ");
        const message = `this path does not take ${request.method}`;
        return {...failure(405, "WRONG_METHOD", message, allow), allow};
    }

    async #execute(what: Plan, session: Session): Promise<ApiAnswer> {
        if (what.kind !== "reply" && !readsOnly(what) && !mayDo(session, "admin")) {
            return forbidden(session, "admin");
        }
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
            case "balanceWhich":
                return this.#balanceWhich(what.client, what.address);
            case "maintenance":
                return this.#maintenance(what.on, what.untilSeconds);
            case "demote":
                return this.#inTurn(() => this.#demote(what));
            case "undemote":
                return this.#inTurn(() => this.#undemote(what.reason));
            case "reload":
                return this.#reload();
        }
    }

    async #read(resource: Resource): Promise<unknown> {
        const {version, history, conditions} = this.#daemon;
        if (resource === "log") return history.list();
        if (resource === "version") return {version};
        if (resource === "maintenance") return conditions.maintenance();
        const input = this.#input(await this.#daemon.snapshot());
        switch (resource) {
            case "carp":
                return foldCarp(input);
            case "interfaces":
                return foldInterfaces(input);
            case "statistics":
                return foldStatistics(input.snapshot, this.#extra());
            case "demotion":
                return foldDemotion(input, conditions.maintenance());
            case "balance":
                return foldBalance(input);
            case "tracks":
                return conditions.tracks(input.snapshot, input.wallOffsetUs);
            case "host":
                return foldHost(input, version, conditions.maintenance());
        }
    }

    #input(snapshot: EngineSnapshot): FoldInput {
        const {config, hold} = this.#daemon;
        return {snapshot, config, wallOffsetUs: this.#daemon.wallOffsetUs(), hold};
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

    async #balanceWhich(client: string, address: string): Promise<ApiReply> {
        const input = this.#input(await this.#daemon.snapshot());
        const answer = balanceAnswer(input, client, address, this.#balanceIndex);
        return answer.ok ? {status: 200, body: answer.value} : answer.error;
    }

    async #maintenance(on: boolean, untilSeconds: number | null): Promise<ApiReply> {
        let untilWallMs: number | null = null;
        if (untilSeconds !== null) {
            const {snapshot, wallOffsetUs} = this.#input(await this.#daemon.snapshot());
            untilWallMs = Number((snapshot.at + wallOffsetUs) / 1000n) + untilSeconds * 1000;
        }
        const result = await this.#daemon.conditions.setMaintenance(on, untilWallMs);
        if (result.ok) return {status: 200, body: result.value};
        return failure(500, "MAINTENANCE_FAILED", result.error.text, "see the log of carpd");
    }

    #inTurn(run: () => Promise<ApiReply>): Promise<ApiReply> {
        const turn = this.#demotions.then(run);
        // The next one waits for this one, whatever became of it.
        this.#demotions = turn.then(
            () => undefined,
            () => undefined,
        );
        return turn;
    }

    async #demote(what: Extract<Plan, {kind: "demote"}>): Promise<ApiReply> {
        const {reason, add, group} = what;
        const groups = [...new Set(this.#daemon.config.carp.map((carp) => carp.group))];
        if (group !== "" && !groups.includes(group)) return unknownGroup(group, groups);
        const before = await this.#daemon.snapshot();
        const known = before.demotionReasons.find((other) => other.reason === reason);
        if (add && known !== undefined && known.groups !== "") return holdsForSome(known);
        const level = add ? what.level + (known?.level ?? 0) : what.level;
        const problem = levelProblem(level);
        if (problem !== "") return failure(409, "BAD_LEVEL", `${reason}: ${problem}`, "another N");
        await this.#daemon.conditions.demote(reason, level, group);
        return this.#demotionChange(before);
    }

    /** null: all that are the operator's. */
    async #undemote(reason: string | null): Promise<ApiReply> {
        const before = await this.#daemon.snapshot();
        const operators = before.demotionReasons
            .map((known) => known.reason)
            .filter((known) => isOperators(known));
        if (reason !== null && !operators.includes(reason)) return unknownReason(reason, operators);
        for (const name of reason === null ? operators : [reason]) {
            await this.#daemon.conditions.demote(name, 0, "");
        }
        return this.#demotionChange(before);
    }

    async #demotionChange(before: EngineSnapshot): Promise<ApiReply> {
        return {status: 200, body: foldDemotionChange(before, await this.#daemon.snapshot())};
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

function readsOnly(what: Plan): boolean {
    return ["events", "read", "readCarp", "balanceWhich"].includes(what.kind);
}

function forbidden(session: Session, needed: Role): ApiReply {
    const message = `${session.user} is ${session.role}: this needs the role ${needed}`;
    return failure(403, "FORBIDDEN", message, `the role ${needed}`);
}

function refusal(error: EngineError): ApiReply {
    const {code, op, target, message} = error;
    return failure(409, code, `${op} ${target}: ${message}`, "see the log of carpd");
}

function unknownGroup(group: string, groups: readonly string[]): ApiReply {
    const expected = groups.length === 0 ? "no carp interface is configured" : groups.join(", ");
    const message = `no carp interface is in group ${JSON.stringify(group.slice(0, 40))}`;
    return failure(404, "UNKNOWN_GROUP", message, expected);
}

function unknownReason(reason: string, set: readonly string[]): ApiReply {
    const expected = set.length === 0 ? "no reason of the operator" : set.join(", ");
    return failure(404, "UNKNOWN_REASON", `demotion reason "${reason}" is not set`, expected);
}

function holdsForSome({reason, groups}: DemotionSnapshot): ApiReply {
    const message = `reason "${reason}" holds for ${groups} only, and adding is for every group`;
    return failure(409, "OTHER_GROUP", message, "undemote it first");
}
