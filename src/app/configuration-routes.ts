/**
 * The configuration in the control API: bodies to calls, refusals to answers. Main thread.
 *
 * A body may have no other keys than those named here. Whoever may look sees no passwords.
 */
import type {Refusal, RefusalCode} from "../core/candidate.ts";
import {type ApiReply, failure} from "../core/control-protocol.ts";
import {mayDo, type Role} from "../core/control-session.ts";
import type {Result} from "../core/result.ts";
import type {ExtensionCall, ExtensionRoute} from "./api-extension.ts";
import type {Configuration, ConfigurationSource} from "./configuration.ts";

const minutes = {least: 1, most: 120} as const;
/** The oldest commit that a request may name; fewer are kept. */
const oldestNumber = 999;
const longestRemark = 200;
const longestContext = 3;

const statuses: Readonly<Record<RefusalCode, number>> = {
    APPLY_FAILED: 500,
    BAD_CONFIG: 422,
    BAD_EDIT: 422,
    CANDIDATE_HELD: 409,
    FILE_CHANGED: 409,
    NOT_WAITING: 409,
    NO_CANDIDATE: 409,
    OUT_OF_DATE: 409,
    STORE_FAILED: 500,
    TOO_LARGE: 422,
    UNKNOWN_COMMIT: 404,
};

/** One value of a body, or undefined when it is none of what it has to be. */
type Reader<T> = (value: unknown) => T | undefined;
type Readers<T> = {readonly [K in keyof T]: Reader<T[K]>};

const text: Reader<string> = (value) => (typeof value === "string" ? value : undefined);
const flag: Reader<boolean> = (value) => (typeof value === "boolean" ? value : undefined);
const whole =
    (least: number, most: number): Reader<number> =>
    (value) =>
        typeof value === "number" && Number.isInteger(value) && value >= least && value <= most
            ? value
            : undefined;
const commitNumber = whole(0, oldestNumber);
const source: Reader<ConfigurationSource> = (value) =>
    value === "running" || value === "candidate" ? value : commitNumber(value);
const context: Reader<readonly string[]> = (value) =>
    Array.isArray(value) &&
    value.length <= longestContext &&
    value.every((one) => text(one) === one)
        ? value
        : undefined;
/** One printable line: it goes into the log and into a comment. */
const remark: Reader<string> = (value) =>
    typeof value === "string" && value.length <= longestRemark && !/[\p{Cc}\p{Cs}]/u.test(value)
        ? value
        : undefined;

/** What is there has to fit; what is missing has the value of `defaults`. */
function readBody<T extends object>(
    call: ExtensionCall,
    readers: Readers<T>,
    defaults: T,
): T | string {
    const body = call.body ?? {};
    if (typeof body !== "object" || Array.isArray(body)) return "the body is not a JSON object";
    const known = Object.keys(readers);
    const unknown = Object.keys(body).find((key) => !known.includes(key));
    if (unknown !== undefined) return `unknown key ${JSON.stringify(unknown.slice(0, 40))}`;
    const result: T = {...defaults};
    for (const key in readers) {
        if (!Object.hasOwn(body, key)) continue;
        const value = readers[key](Reflect.get(body, key));
        if (value === undefined) return `${key} is not what it has to be`;
        result[key] = value;
    }
    return result;
}

function reply<T>(result: Result<T, Refusal>, body: (value: T) => unknown): ApiReply {
    if (result.ok) return {status: 200, body: body(result.value)};
    const {code, message, expected} = result.error;
    return failure(statuses[code], code, message, expected);
}

interface Shape<T extends object> {
    readonly readers: Readers<T>;
    readonly defaults: NoInfer<T>;
    /** What the body has to be, for the one who got it wrong. */
    readonly expected: string;
}

const nothing: Shape<Record<never, never>> = {readers: {}, defaults: {}, expected: "{}"};

function post<T extends object>(
    name: string,
    role: Role,
    {readers, defaults, expected}: Shape<T>,
    handle: (given: T, call: ExtensionCall) => Promise<ApiReply>,
): ExtensionRoute {
    return {
        method: "POST",
        path: ["v1", "configuration", name],
        role,
        handle: async (call) => {
            const given = readBody(call, readers, defaults);
            return typeof given === "string"
                ? failure(400, "BAD_BODY", given, expected)
                : await handle(given, call);
        },
    };
}

function lookingRoutes(configuration: Configuration): ExtensionRoute[] {
    const form: Reader<"toml" | "commands"> = (value) =>
        value === "toml" || value === "commands" ? value : undefined;
    const from: Reader<"running" | number> = (value) =>
        value === "running" ? value : commitNumber(value);
    return [
        post(
            "show",
            "operator",
            {
                readers: {source, form, secrets: flag},
                defaults: {source: "running", form: "toml", secrets: false},
                expected:
                    '{"source": "running" | "candidate" | N, "form": "toml" | "commands", "secrets": true | false}',
            },
            async (given, {session}) => {
                if (given.secrets && !mayDo(session, "admin")) {
                    const message = `${session.user} is ${session.role}: passwords are for admins`;
                    return failure(403, "FORBIDDEN", message, "secrets: false");
                }
                const shown = await configuration.show(given.source, given.form, given.secrets);
                return reply(shown, (shownText) => ({text: shownText}));
            },
        ),
        post(
            "compare",
            "operator",
            {
                readers: {with: from},
                defaults: {with: "running"},
                expected: '{"with": "running" | N}',
            },
            async (given) =>
                reply(await configuration.compare(given.with), (diff) => ({text: diff})),
        ),
        {
            method: "GET",
            path: ["v1", "history"],
            role: "operator",
            handle: async () => ({status: 200, body: await configuration.history()}),
        },
    ];
}

function candidateRoutes(configuration: Configuration): ExtensionRoute[] {
    return [
        post("open", "admin", nothing, async (_given, {session}) =>
            reply(configuration.open(session), (view) => view),
        ),
        post(
            "edit",
            "admin",
            {
                readers: {line: text, context},
                defaults: {line: "", context: []},
                expected: '{"line": "set carp carp0 advskew 100", "context": []}',
            },
            async (given, {session}) =>
                reply(configuration.edit(session, given.line, given.context), (changed) => ({
                    changed,
                })),
        ),
        post("validate", "admin", nothing, async () =>
            reply(await configuration.validate(), (verdict) => verdict),
        ),
        post(
            "rollback",
            "admin",
            {
                readers: {number: commitNumber},
                defaults: {number: 0},
                expected: '{"number": N}, N commits ago',
            },
            async (given, {session}) =>
                reply(await configuration.rollback(session, given.number), (changed) => ({
                    changed,
                })),
        ),
        post(
            "load",
            "admin",
            {
                readers: {text, merge: flag},
                defaults: {text: "", merge: false},
                expected: '{"text": TEXT, "merge": true | false}',
            },
            async (given, {session}) =>
                reply(configuration.load(session, given.text, given.merge), (changed) => ({
                    changed,
                })),
        ),
        post("save", "admin", nothing, async (_given, {session}) =>
            reply(await configuration.save(session), (saved) => ({text: saved})),
        ),
        post("discard", "admin", nothing, async (_given, {session}) =>
            reply(configuration.discard(session), () => ({})),
        ),
        post("close", "admin", nothing, async (_given, {session}) =>
            reply(configuration.close(session), () => ({})),
        ),
    ];
}

function commitRoutes(configuration: Configuration): ExtensionRoute[] {
    const ofMinutes = whole(minutes.least, minutes.most);
    // null is a value here: for good.
    const confirmedMinutes: Reader<number | null> = (value) =>
        value === null ? null : ofMinutes(value);
    const defaults: {confirmedMinutes: number | null; remark: string; force: boolean} = {
        confirmedMinutes: null,
        remark: "",
        force: false,
    };
    const {least, most} = minutes;
    return [
        post(
            "commit",
            "admin",
            {
                readers: {confirmedMinutes, remark, force: flag},
                defaults,
                expected:
                    `{"confirmedMinutes": ${least}..${most} or null, ` +
                    `"remark": at most ${longestRemark} characters on one line, "force": true | false}`,
            },
            async (given, {session}) =>
                reply(await configuration.commit(session, given), (committed) => committed),
        ),
        post("confirm", "admin", nothing, async (_given, {session}) =>
            reply(await configuration.confirm(session), () => ({})),
        ),
    ];
}

export function configurationRoutes(configuration: Configuration): readonly ExtensionRoute[] {
    return [
        ...lookingRoutes(configuration),
        ...candidateRoutes(configuration),
        ...commitRoutes(configuration),
    ];
}
