/**
 * The control API as a table: request -> what to do, and how failures are said. Pure; main thread.
 *
 * src/io/control-server.ts carries it over HTTP on a unix socket, src/app/control-api.ts does what
 * a plan says. Nothing here trusts the client.
 */
import {longestUntilSeconds} from "./cli-values.ts";
import {demotionLevels, expectedReason, levelProblem, operatorReason} from "./demotion-reasons.ts";
import type {AdminAction} from "./engine.ts";
import type {LogFields, LogLevel} from "./log.ts";

/** Largest body that the server reads, octets. */
const bodyLimit = 65_536;
/** Of a request that carries whole files: a firewall's configuration has some megabytes. */
const fileBodyLimit = 4_194_304;
const pathsOfFiles = ["/v1/import", "/v1/configuration/load"];

export function bodyLimitOf(path: string): number {
    return pathsOfFiles.includes(path) ? fileBodyLimit : bodyLimit;
}

export interface ApiRequest {
    readonly method: string;
    /** Path without the query, still percent-encoded. */
    readonly path: string;
    readonly body: string;
}

export interface ApiReply {
    readonly status: number;
    readonly body: unknown;
    /** Methods of the path, with status 405. */
    readonly allow?: string;
}

export interface ApiErrorBody {
    readonly error: {
        /** Stable, for programs. */
        readonly code: string;
        readonly message: string;
        /** What would have been right: words, names or a sentence. */
        readonly expected: string;
    };
}

export type Resource =
    | "carp"
    | "interfaces"
    | "statistics"
    | "demotion"
    | "balance"
    | "tracks"
    | "maintenance"
    | "log"
    | "version"
    | "host";

export type Plan =
    | {readonly kind: "read"; readonly resource: Resource}
    | {readonly kind: "readCarp"; readonly name: string}
    | {readonly kind: "admin"; readonly name: string; readonly action: AdminAction}
    | {readonly kind: "balanceWhich"; readonly client: string; readonly address: string}
    | {readonly kind: "maintenance"; readonly on: boolean; readonly untilSeconds: number | null}
    /** `reason` is the full name. `add`: the level is added to the one that is set. */
    | {
          readonly kind: "demote";
          readonly reason: string;
          readonly level: number;
          readonly add: boolean;
          readonly group: string;
      }
    /** null: every reason of the operator. */
    | {readonly kind: "undemote"; readonly reason: string | null}
    | {readonly kind: "reload"}
    | {readonly kind: "events"}
    | {readonly kind: "reply"; readonly reply: ApiReply};

/** One element of `GET /v1/log` and of the event stream. Fields of the kind stand beside these. */
export interface WatchEvent {
    readonly kind: string;
    /** ISO 8601. */
    readonly time: string;
    readonly level: LogLevel;
    /** The log line of this event. */
    readonly line: string;
    readonly fields: LogFields;
}

export const adminActions = ["up", "down", "master", "backup"] as const satisfies AdminAction[];

export function failure(
    status: number,
    code: string,
    message: string,
    expected: string,
): ApiReply & {readonly body: ApiErrorBody} {
    return {status, body: {error: {code, message, expected}}};
}

export function unknownCarp(name: string, names: readonly string[]): ApiReply {
    const expected = names.length === 0 ? "no carp interface is configured" : names.join(", ");
    return failure(404, "UNKNOWN_CARP", `no carp interface is named ${quote(name)}`, expected);
}

/** JSON quoting keeps what a client sent on one line; long input is cut. */
function quote(text: string): string {
    return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}...` : text);
}

type Handler = (argument: string, body: string) => Plan;

interface Route {
    /** Path segments; ":name" stands for one segment of the client's choice. */
    readonly path: readonly string[];
    readonly methods: Readonly<Record<string, Handler>>;
}

const read =
    (resource: Resource): Handler =>
    () => ({kind: "read", resource});

/** Every request that the daemon answers. */
export const routes: readonly Route[] = [
    {path: ["v1", "carp"], methods: {GET: read("carp")}},
    {path: ["v1", "carp", ":name"], methods: {GET: (name) => ({kind: "readCarp", name})}},
    {path: ["v1", "carp", ":name", "state"], methods: {POST: stateHandler}},
    {path: ["v1", "interfaces"], methods: {GET: read("interfaces")}},
    {path: ["v1", "statistics"], methods: {GET: read("statistics")}},
    {
        path: ["v1", "demotion"],
        methods: {
            GET: read("demotion"),
            POST: (_name, body) => demoteHandler(body),
            DELETE: () => ({kind: "undemote", reason: null}),
        },
    },
    {path: ["v1", "demotion", ":name"], methods: {DELETE: undemoteHandler}},
    {path: ["v1", "balance"], methods: {GET: read("balance")}},
    {path: ["v1", "balance", "which"], methods: {POST: (_name, body) => whichHandler(body)}},
    {path: ["v1", "tracks"], methods: {GET: read("tracks")}},
    {
        path: ["v1", "maintenance"],
        methods: {GET: read("maintenance"), POST: (_name, body) => maintenanceHandler(body)},
    },
    {path: ["v1", "host"], methods: {GET: read("host")}},
    {path: ["v1", "log"], methods: {GET: read("log")}},
    {path: ["v1", "version"], methods: {GET: read("version")}},
    {path: ["v1", "events"], methods: {GET: () => ({kind: "events"})}},
    {path: ["v1", "reload"], methods: {POST: () => ({kind: "reload"})}},
];

/** What a request asks for; failures are plans that answer at once. */
export function plan(request: ApiRequest): Plan {
    const segments = splitPath(request.path);
    for (const route of segments === null ? [] : routes) {
        const matched = matchPath(route.path, segments ?? []);
        if (matched === null) continue;
        const methods = new Map(Object.entries(route.methods));
        const handler = methods.get(request.method);
        if (handler !== undefined) return handler(matched.argument, request.body);
        const allow = [...methods.keys()].join(", ");
        const message = `${quote(request.path)} does not take ${quote(request.method)}`;
        return {kind: "reply", reply: {...failure(405, "WRONG_METHOD", message, allow), allow}};
    }
    const known = routes.map((route) => `/${route.path.join("/")}`).join(", ");
    const message = `there is nothing at ${quote(request.path)}`;
    return {kind: "reply", reply: failure(404, "UNKNOWN_PATH", message, known)};
}

export function splitPath(path: string): string[] | null {
    if (!path.startsWith("/")) return null;
    try {
        return path.slice(1).split("/").map(decodeURIComponent);
    } catch (error) {
        // decodeURIComponent refuses "%zz"; no path of ours looks like that.
        if (error instanceof URIError) return null;
        throw error;
    }
}

export function matchPath(
    pattern: readonly string[],
    segments: readonly string[],
): {argument: string} | null {
    if (pattern.length !== segments.length) return null;
    let argument = "";
    for (const [i, expected] of pattern.entries()) {
        const segment = segments[i] ?? "";
        if (expected.startsWith(":")) argument = segment;
        else if (expected !== segment) return null;
    }
    return {argument};
}

/** The members of a body, or what is wrong with it. `keys`: all that it may have. */
function members(body: string, keys: readonly string[]): Map<string, unknown> | string {
    const parsed = parseJson(body);
    if (parsed === undefined) return "the body is not JSON";
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
        return "the body is not a JSON object";
    }
    const unknown = Object.keys(parsed).find((key) => !keys.includes(key));
    if (unknown !== undefined) return `unknown key ${quote(unknown)}`;
    return new Map<string, unknown>(Object.entries(parsed));
}

const badBody = (message: string, expected: string): Plan => ({
    kind: "reply",
    reply: failure(400, "BAD_BODY", message, expected),
});

function stateHandler(name: string, body: string): Plan {
    const expected = `{"state": ${adminActions.map((action) => `"${action}"`).join(" | ")}}`;
    const given = members(body, ["state"]);
    if (typeof given === "string") return badBody(given, expected);
    const action = adminActions.find((known) => known === given.get("state"));
    if (action === undefined) {
        return badBody(`state must be one of ${adminActions.join(", ")}`, expected);
    }
    return {kind: "admin", name, action};
}

/** The member `key` where it is a string, "" where it is missing; undefined for anything else. */
function textOf(given: ReadonlyMap<string, unknown>, key: string): string | undefined {
    const value = given.has(key) ? given.get(key) : "";
    return typeof value === "string" ? value : undefined;
}

function demoteHandler(body: string): Plan {
    const {least, most} = demotionLevels;
    const expected =
        `{"reason": NAME, "level": ${least}..${most}, "group": GROUP} or ` +
        `{"reason": NAME, "add": ${least}..${most}}; reason and group may be missing`;
    const given = members(body, ["reason", "level", "add", "group"]);
    if (typeof given === "string") return badBody(given, expected);
    const add = given.has("add");
    if (add === given.has("level")) {
        return badBody("the body has either level or add", expected);
    }
    const level = given.get(add ? "add" : "level");
    if (typeof level !== "number") return badBody("the demotion is not a number", expected);
    const problem = levelProblem(level);
    if (problem !== "") return badBody(problem, expected);
    const group = textOf(given, "group");
    if (group === undefined) return badBody("group is not a string", expected);
    if (add && group !== "") return badBody("add does not take a group", expected);
    const name = textOf(given, "reason");
    if (name === undefined) return badBody("reason is not a string", expected);
    const reason = operatorReason(name);
    if (!reason.ok) return badReason(reason.error);
    // -0 is a number of JSON too.
    return {kind: "demote", reason: reason.value, level: level + 0, add, group};
}

function badReason(message: string): Plan {
    return {kind: "reply", reply: failure(400, "BAD_REASON", message, expectedReason)};
}

function undemoteHandler(name: string): Plan {
    if (name === "") return badReason("the demotion reason is empty");
    const reason = operatorReason(name);
    return reason.ok ? {kind: "undemote", reason: reason.value} : badReason(reason.error);
}

function whichHandler(body: string): Plan {
    const expected = '{"client": IP address or MAC, "address": VIP}; address may be missing';
    const given = members(body, ["client", "address"]);
    if (typeof given === "string") return badBody(given, expected);
    const client = textOf(given, "client");
    if (client === undefined || client === "") return badBody("client is missing", expected);
    const address = textOf(given, "address");
    if (address === undefined) return badBody("address is not a string", expected);
    return {kind: "balanceWhich", client, address};
}

function maintenanceHandler(body: string): Plan {
    const expected = `{"on": true, "until": 1..${longestUntilSeconds} seconds or null} or {"on": false}`;
    const given = members(body, ["on", "until"]);
    if (typeof given === "string") return badBody(given, expected);
    const on = given.get("on");
    if (typeof on !== "boolean") return badBody("on must be true or false", expected);
    const until = given.get("until") ?? null;
    if (until === null) return {kind: "maintenance", on, untilSeconds: null};
    const fits =
        typeof until === "number" &&
        Number.isInteger(until) &&
        until >= 1 &&
        until <= longestUntilSeconds;
    if (!fits) return badBody("until is no number of seconds in its range", expected);
    if (!on) return badBody("until goes with on: true only", expected);
    return {kind: "maintenance", on, untilSeconds: until};
}

/** undefined: not JSON. */
export function parseJson(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch (error) {
        if (error instanceof SyntaxError) return undefined;
        throw error;
    }
}

/** The error object of a reply that is one; null for anything else. */
export function errorOf(body: unknown): ApiErrorBody["error"] | null {
    if (typeof body !== "object" || body === null || !("error" in body)) return null;
    const {error} = body;
    if (typeof error !== "object" || error === null) return null;
    const text = (key: string): string => {
        const value: unknown = Reflect.get(error, key);
        return typeof value === "string" ? value : "";
    };
    return {code: text("code"), message: text("message"), expected: text("expected")};
}
