/**
 * The control API as a table: request -> what to do, and how failures are said. Pure; main thread.
 *
 * src/io/control-server.ts carries it over HTTP on a unix socket, src/app/control-api.ts does what
 * a plan says. Nothing here trusts the client.
 */
import type {AdminAction} from "./engine.ts";
import type {LogFields, LogLevel} from "./log.ts";

/** Largest body that the server reads, octets. */
export const bodyLimit = 65_536;

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
    | "log"
    | "version"
    | "host";

export type Plan =
    | {readonly kind: "read"; readonly resource: Resource}
    | {readonly kind: "readCarp"; readonly name: string}
    | {readonly kind: "admin"; readonly name: string; readonly action: AdminAction}
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
    {path: ["v1", "demotion"], methods: {GET: read("demotion")}},
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

function splitPath(path: string): string[] | null {
    if (!path.startsWith("/")) return null;
    try {
        return path.slice(1).split("/").map(decodeURIComponent);
    } catch (error) {
        // decodeURIComponent refuses "%zz"; no path of ours looks like that.
        if (error instanceof URIError) return null;
        throw error;
    }
}

function matchPath(
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

function stateHandler(name: string, body: string): Plan {
    const expected = `{"state": ${adminActions.map((action) => `"${action}"`).join(" | ")}}`;
    const refuse = (message: string): Plan => ({
        kind: "reply",
        reply: failure(400, "BAD_BODY", message, expected),
    });
    const parsed = parseJson(body);
    if (parsed === undefined) return refuse("the body is not JSON");
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
        return refuse("the body is not a JSON object");
    }
    const keys = Object.keys(parsed);
    const unknown = keys.find((key) => key !== "state");
    if (unknown !== undefined) return refuse(`unknown key ${quote(unknown)}`);
    const state = "state" in parsed ? parsed.state : undefined;
    const action = adminActions.find((known) => known === state);
    if (action === undefined) return refuse(`state must be one of ${adminActions.join(", ")}`);
    return {kind: "admin", name, action};
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
