/**
 * Making, changing and removing users of the console, and who may. Main thread.
 */
import {type ApiReply, failure} from "../core/control-protocol.ts";
import {mayDo, type Role, type Session} from "../core/control-session.ts";
import {
    expectedName,
    nameProblem,
    type UserRecord,
    type UserRefusal,
    withoutUser,
    withUser,
} from "../core/users.ts";
import type {Access} from "./access.ts";

/** null: not given. */
export interface UserChange {
    readonly name: string;
    readonly role: Role | null;
    readonly password: string | null;
    /** The caller's present password, with which everyone may set a new one for himself. */
    readonly oldPassword: string | null;
}

/** `GET /v1/users`. */
export async function listUsers(access: Access): Promise<ApiReply> {
    const users = await access.load();
    if (!users.ok) return users.error;
    const body = users.value.map(({name, role}) => ({
        name,
        role,
        sessions: access.sessionsOf(name),
    }));
    return {status: 200, body};
}

/** `POST /v1/users`. */
export async function changeUser(
    access: Access,
    session: Session,
    change: UserChange,
): Promise<ApiReply> {
    const {name, role, password, oldPassword} = change;
    const self = access.isLogin(session) && session.user === name;
    const ownPassword = self && role === null && password !== null;
    if (!ownPassword && !mayDo(session, "admin")) {
        const message = `${session.user} is ${session.role}: only its own password is its to change`;
        return failure(403, "FORBIDDEN", message, "the role admin");
    }
    if (nameProblem(name) !== "") return failure(400, "BAD_NAME", nameProblem(name), expectedName);
    if (self && password !== null) {
        // Whoever finds a console that was left open must not take it over for good.
        const old = await checkOld(access, session, oldPassword);
        if (old !== null) return old;
    } else if (oldPassword !== null) {
        const message = "oldPassword goes with a new password of one's own";
        return failure(400, "BAD_BODY", message, "no oldPassword");
    }
    return access.inTurn(session, async () => {
        const users = await access.load();
        if (!users.ok) return users.error;
        const before = users.value.find((user) => user.name === name);
        const made = await record(access, before, change);
        if ("status" in made) return made;
        const next = withUser(users.value, made);
        if (!next.ok) return refusal(next.error);
        const saved = await access.save(next.value);
        if (!saved.ok) return saved.error;
        tell(access, session, before, made, password !== null);
        return {status: 200, body: {name: made.name, role: made.role}};
    });
}

/** `DELETE /v1/users/:name`. */
export function removeUser(access: Access, session: Session, name: string): Promise<ApiReply> {
    return access.inTurn(session, async () => {
        const users = await access.load();
        if (!users.ok) return users.error;
        const next = withoutUser(users.value, name);
        if (!next.ok) return refusal(next.error);
        const saved = await access.save(next.value);
        if (!saved.ok) return saved.error;
        const {user: by, origin} = session;
        const text = `user removed: ${name} by ${by} on ${origin}`;
        access.audit("notice", text, {user: name, by, origin});
        access.endSessionsOf(name, null);
        return {status: 200, body: {name}};
    });
}

/** null: it is right. A wrong one counts as a wrong log-in. */
async function checkOld(
    access: Access,
    session: Session,
    password: string | null,
): Promise<ApiReply | null> {
    if (password === null) {
        const message = "a new password of one's own needs the present one";
        return failure(400, "OLD_PASSWORD_NEEDED", message, "oldPassword");
    }
    const users = await access.load();
    if (!users.ok) return users.error;
    const {user, origin} = session;
    const examined = await access.guess(users.value, {user, password, origin});
    return examined.ok ? null : examined.error;
}

async function record(
    access: Access,
    before: UserRecord | undefined,
    {name, role, password}: UserChange,
): Promise<UserRecord | ApiReply> {
    if (before === undefined && (role === null || password === null)) {
        const message = `there is no user ${name}, and a new one needs a role and a password`;
        return failure(404, "UNKNOWN_USER", message, "role and password");
    }
    const finalRole = role ?? before?.role ?? "operator";
    if (before !== undefined && password === null) {
        return {...before, role: finalRole};
    }
    const hash = await access.newHash(password ?? "", name);
    return hash.ok ? {name, role: finalRole, password: hash.value} : hash.error;
}

function tell(
    access: Access,
    session: Session,
    before: UserRecord | undefined,
    {name, role}: UserRecord,
    newPassword: boolean,
): void {
    const {user: by, origin} = session;
    const fields = {user: name, role, by, origin};
    if (before === undefined) {
        access.audit("notice", `user added: ${name} (${role}) by ${by} on ${origin}`, fields);
        return;
    }
    if (before.role !== role) {
        const text = `role changed: ${name} is ${role}, by ${by} on ${origin}`;
        access.audit("notice", text, fields);
    }
    if (newPassword) {
        access.audit("notice", `password changed: ${name} by ${by} on ${origin}`, fields);
        access.forgive(name);
    }
    if (before.role !== role) access.endSessionsOf(name, null);
    else if (newPassword) access.endSessionsOf(name, session);
}

function refusal({code, message, expected}: UserRefusal): ApiReply {
    return failure(code === "UNKNOWN_USER" ? 404 : 409, code, message, expected);
}
