/**
 * The routes of log-in, sessions and users: what their bodies may hold. Main thread.
 *
 * Every route is open to the role operator where `Access` or `changeUser` decides by itself.
 */
import {type ApiReply, failure} from "../core/control-protocol.ts";
import {err, ok, type Result} from "../core/result.ts";
import {roles} from "../core/users.ts";
import type {Access} from "./access.ts";
import type {ExtensionCall, ExtensionRoute} from "./api-extension.ts";
import {changeUser, listUsers, removeUser} from "./user-changes.ts";

/** No user, port or password is longer; scrypt is not asked about more. UTF-16 units. */
const longestText = 1024;
const longestUser = 64;
/** A port's name as log lines and prompts can show it. */
const originShape = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}$/u;

export function accessRoutes(access: Access): ExtensionRoute[] {
    const operator = {role: "operator"} as const;
    const admin = {role: "admin"} as const;
    return [
        {...operator, method: "POST", path: ["v1", "login"], handle: (c) => login(access, c)},
        {
            ...operator,
            method: "POST",
            path: ["v1", "login", "first"],
            handle: (c) => loginFirst(access, c),
        },
        {
            ...operator,
            method: "POST",
            path: ["v1", "logout"],
            handle: async ({session, body}) =>
                noBody(body, "POST /v1/logout") ?? access.logout(session),
        },
        {
            ...operator,
            method: "GET",
            path: ["v1", "session"],
            handle: ({session}) => access.describe(session),
        },
        {...admin, method: "GET", path: ["v1", "users"], handle: () => listUsers(access)},
        {...operator, method: "POST", path: ["v1", "users"], handle: (c) => change(access, c)},
        {
            ...admin,
            method: "DELETE",
            path: ["v1", "users", ":name"],
            handle: async ({session, argument, body}) =>
                noBody(body, "DELETE /v1/users/NAME") ?? removeUser(access, session, argument),
        },
    ];
}

async function login(access: Access, {session, body}: ExtensionCall): Promise<ApiReply> {
    const expected = '{"user": NAME, "password": TEXT, "origin": PORT}';
    const given = texts(body, ["user", "password", "origin"], []);
    if (!given.ok) return badBody(given.error, expected);
    const {user = "", password = "", origin = ""} = given.value;
    if (user.length > longestUser) return badBody("user is too long", expected);
    if (!originShape.test(origin)) return badOrigin();
    return await access.login(session, {user, password, origin});
}

async function loginFirst(access: Access, {session, body}: ExtensionCall): Promise<ApiReply> {
    const given = texts(body, ["password", "origin"], []);
    if (!given.ok) return badBody(given.error, '{"password": TEXT, "origin": PORT}');
    const {password = "", origin = ""} = given.value;
    if (!originShape.test(origin)) return badOrigin();
    return await access.loginFirst(session, password, origin);
}

async function change(access: Access, {session, body}: ExtensionCall): Promise<ApiReply> {
    const expected =
        `{"name": NAME, "role": ${roles.map((role) => `"${role}"`).join(" | ")}, ` +
        '"password": TEXT, "oldPassword": TEXT}; a change may leave out what stays';
    const given = texts(body, ["name"], ["role", "password", "oldPassword"]);
    if (!given.ok) return badBody(given.error, expected);
    const {name = "", role, password = null, oldPassword = null} = given.value;
    const known = roles.find((one) => one === role) ?? null;
    if (role !== undefined && known === null) {
        return badBody(`role must be one of ${roles.join(", ")}`, expected);
    }
    if (known === null && password === null) return badBody("nothing is to be changed", expected);
    return await changeUser(access, session, {name, role: known, password, oldPassword});
}

/** The members of a body, all of them strings, or what is wrong with it; no value is repeated. */
function texts(
    body: unknown,
    needed: readonly string[],
    optional: readonly string[],
): Result<Record<string, string>, string> {
    if (body === undefined) return err("the body is missing");
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
        return err("the body is not a JSON object");
    }
    const found = new Map<string, string>();
    for (const [key, value] of Object.entries(body)) {
        if (!needed.includes(key) && !optional.includes(key)) {
            return err(`unknown key ${JSON.stringify(key.slice(0, 64))}`);
        }
        if (typeof value !== "string") return err(`${key} is not a string`);
        if (value.length > longestText) return err(`${key} is too long`);
        found.set(key, value);
    }
    const missing = needed.find((key) => !found.has(key));
    if (missing !== undefined) return err(`${missing} is missing`);
    return ok(Object.fromEntries(found));
}

/** null: there is none, as it should be. */
function noBody(body: unknown, what: string): ApiReply | null {
    return body === undefined ? null : badBody(`${what} takes no body`, "no body");
}

function badBody(message: string, expected: string): ApiReply {
    return failure(400, "BAD_BODY", message, expected);
}

function badOrigin(): ApiReply {
    return badBody("origin is no name of a port", 'a name such as "ttyS0"');
}
