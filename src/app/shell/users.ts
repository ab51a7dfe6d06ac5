/**
 * The words about those who may log in: `user`, `password`, `show users`. Thread of the program.
 *
 * Passwords are asked for and never stand in a line, so that none can get into a history.
 */
import type {Command} from "../../core/cli-resolve.ts";
import {exitCodes} from "../../core/exit-codes.ts";
import {type Asker, Stop, textOf} from "./asker.ts";

export interface UsersPorts {
    readonly asker: Asker;
    readonly out: (text: string) => void;
    /** What was typed without an echo; null: broken off. */
    readonly secret: (prompt: string) => Promise<string | null>;
}

/** null: done; undefined: not a word of this file. */
export function changeUsers(
    {action, values}: Command,
    ports: UsersPorts,
): Promise<Stop | null> | undefined {
    const {name = ""} = values;
    switch (action) {
        case "user-set":
            return setUser(ports, name, values.role ?? "operator");
        case "user-delete":
            return deleteUser(ports, name);
        case "password":
            return ownPassword(ports);
        default:
            return undefined;
    }
}

async function setUser(ports: UsersPorts, name: string, role: string): Promise<Stop | null> {
    const password = await twice(ports, `new password of ${name}: `);
    if (password instanceof Stop) return password;
    const answer = await ports.asker.ask("POST", "users", {name, role, password});
    if (answer instanceof Stop) return answer;
    ports.out(`${name} may log in as ${role}\n`);
    return null;
}

async function deleteUser({asker, out}: UsersPorts, name: string): Promise<Stop | null> {
    const answer = await asker.ask("DELETE", `users/${encodeURIComponent(name)}`);
    if (answer instanceof Stop) return answer;
    out(`${name} may not log in any more\n`);
    return null;
}

async function ownPassword(ports: UsersPorts): Promise<Stop | null> {
    const {asker, secret, out} = ports;
    const session = await asker.ask("GET", "session");
    if (session instanceof Stop) return session;
    const name = textOf(session.value, "user");
    if (name === null) return asker.notUnderstood();
    const oldPassword = await secret("old password: ");
    if (oldPassword === null) return asker.complain("nothing was changed", exitCodes.usage);
    const password = await twice(ports, "new password: ");
    if (password instanceof Stop) return password;
    const answer = await asker.ask("POST", "users", {name, password, oldPassword});
    if (answer instanceof Stop) return answer;
    out("the password was changed\n");
    return null;
}

async function twice({asker, secret}: UsersPorts, prompt: string): Promise<string | Stop> {
    const password = await secret(prompt);
    const again = password === null ? null : await secret("the same again: ");
    if (password === null || again === null) {
        return asker.complain("nothing was changed", exitCodes.usage);
    }
    if (password !== again) return asker.complain("the two differ", exitCodes.usage);
    return password;
}
