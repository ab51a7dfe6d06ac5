/**
 * The users of the console: what a name and a password may be, the file that keeps them, and what
 * an administrator may change. Pure; src/io/users-store.ts reads, writes and hashes.
 */
import type {Role} from "./control-session.ts";
import {err, ok, type Result} from "./result.ts";

/** A password as scrypt (RFC 7914) left it. It appears in no message. */
export interface PasswordHash {
    readonly algorithm: "scrypt";
    /** CPU and memory cost, a power of 2. */
    readonly n: number;
    readonly r: number;
    readonly p: number;
    /** Both in base64. */
    readonly salt: string;
    readonly key: string;
}

export interface UserRecord {
    readonly name: string;
    readonly role: Role;
    readonly password: PasswordHash;
}

export const roles = ["operator", "admin"] as const satisfies Role[];

/** The user that the first log-in makes. */
export const firstUser = "admin";
/** Bounds the file and the table of failed log-ins. */
export const userLimit = 32;

export const passwordOctets = {least: 8, most: 128} as const;
export const expectedName = "1 to 32 of a-z, 0-9, _ and -, a letter or _ first; not root";
export const expectedPassword =
    `${passwordOctets.least} to ${passwordOctets.most} octets without control characters, ` +
    "not the user name";

/** As useradd(8) has them: safe in a log line, a path and a prompt. */
const nameShape = /^[a-z_][a-z0-9_-]{0,31}$/u;

/** "" or what is wrong. The name is not repeated: it may be a password typed at the wrong prompt. */
export function nameProblem(name: string): string {
    if (!nameShape.test(name)) return "this cannot be a user name";
    // Whoever is root on the socket is called so in log and history.
    return name === "root" ? "root is no user of the console" : "";
}

/** One form for what terminals and keyboards write in several (Unicode's NFC). */
export function normalisePassword(password: string): string {
    return password.normalize("NFC");
}

/** "" or what is wrong with a new password, which is normalised; it is not repeated. */
export function passwordProblem(password: string, name: string): string {
    const octets = new TextEncoder().encode(password).length;
    const {least, most} = passwordOctets;
    if (octets < least) return `the password has less than ${least} octets`;
    if (octets > most) return `the password has more than ${most} octets`;
    if (/\p{Cc}/u.test(password)) return "the password contains a control character";
    // Half a surrogate pair has no UTF-8: it would be the same as any other half.
    if (/\p{Cs}/u.test(password)) return "the password is not valid Unicode";
    const same = password.toLowerCase() === name.toLowerCase();
    return same ? "the password is the user name" : "";
}

// ---- the file ----

const fileVersion = 1;

export function printUsers(users: readonly UserRecord[]): string {
    return `${JSON.stringify({version: fileVersion, users}, null, 2)}\n`;
}

/**
 * Reads what printUsers wrote. The error says what is wrong; it holds nothing of the file. A file
 * without an administrator is refused: nobody could have left it so.
 */
export function parseUsers(text: string): Result<UserRecord[], string> {
    let parsed: unknown;
    try {
        parsed = JSON.parse(text);
    } catch (error) {
        if (error instanceof SyntaxError) return err("is torn or is not JSON");
        throw error;
    }
    const given = object(parsed, ["version", "users"]);
    if (given?.get("version") !== fileVersion) return err(`is not of version ${fileVersion}`);
    const list = given.get("users");
    if (!Array.isArray(list) || list.length > userLimit) return err("holds no list of users");
    const users: UserRecord[] = [];
    for (const entry of list) {
        const user = userOf(entry);
        if (user === null) return err("holds something that is no user");
        if (users.some(({name}) => name === user.name)) return err("names a user twice");
        users.push(user);
    }
    return users.some(isAdmin) ? ok(users) : err("holds no administrator");
}

function userOf(entry: unknown): UserRecord | null {
    const given = object(entry, ["name", "role", "password"]);
    if (given === null) return null;
    const name = given.get("name");
    const role = roles.find((known) => known === given.get("role"));
    const password = hashOf(given.get("password"));
    if (typeof name !== "string" || nameProblem(name) !== "") return null;
    return role === undefined || password === null ? null : {name, role, password};
}

/** Bounds of the parameters: what a changed file makes carpd compute stays below 256 MiB. */
const highestCost = {n: 2 ** 18, r: 8, p: 4} as const;
const base64Shape = /^[A-Za-z0-9+/]{16,128}={0,2}$/u;

function hashOf(entry: unknown): PasswordHash | null {
    const given = object(entry, ["algorithm", "n", "r", "p", "salt", "key"]);
    if (given?.get("algorithm") !== "scrypt") return null;
    const [n, r, p] = [given.get("n"), given.get("r"), given.get("p")];
    const [salt, key] = [given.get("salt"), given.get("key")];
    if (!isWhole(n, 2, highestCost.n) || !Number.isInteger(Math.log2(n))) return null;
    if (!isWhole(r, 1, highestCost.r) || !isWhole(p, 1, highestCost.p)) return null;
    if (typeof salt !== "string" || !base64Shape.test(salt)) return null;
    if (typeof key !== "string" || !base64Shape.test(key)) return null;
    return {algorithm: "scrypt", n, r, p, salt, key};
}

function isWhole(value: unknown, least: number, most: number): value is number {
    return typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
}

/** The members of an object that has exactly `keys`. */
function object(value: unknown, keys: readonly string[]): Map<string, unknown> | null {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const members = new Map<string, unknown>(Object.entries(value));
    return members.size === keys.length && keys.every((key) => members.has(key)) ? members : null;
}

// ---- changes ----

export interface UserRefusal {
    /** Stable: UNKNOWN_USER, LAST_ADMIN, TOO_MANY_USERS. */
    readonly code: string;
    readonly message: string;
    readonly expected: string;
}

export function isAdmin(user: UserRecord): boolean {
    return user.role === "admin";
}

/** The list with `user` in it, new or instead of the one of its name. */
export function withUser(
    users: readonly UserRecord[],
    user: UserRecord,
): Result<UserRecord[], UserRefusal> {
    const known = users.some(({name}) => name === user.name);
    const next = known
        ? users.map((old) => (old.name === user.name ? user : old))
        : [...users, user];
    if (next.length > userLimit) {
        const message = `there are ${userLimit} users already`;
        return err({code: "TOO_MANY_USERS", message, expected: "fewer users"});
    }
    return next.some(isAdmin) ? ok(next) : err(lastAdmin(user.name));
}

export function withoutUser(
    users: readonly UserRecord[],
    name: string,
): Result<UserRecord[], UserRefusal> {
    const next = users.filter((user) => user.name !== name);
    if (next.length === users.length) {
        const expected = users.map((user) => user.name).join(", ");
        return err({
            code: "UNKNOWN_USER",
            message: "there is no user of this name",
            expected: expected === "" ? "no user exists yet" : expected,
        });
    }
    return next.some(isAdmin) ? ok(next) : err(lastAdmin(name));
}

function lastAdmin(name: string): UserRefusal {
    const message = `${name} is the only administrator`;
    return {code: "LAST_ADMIN", message, expected: "another user with the role admin first"};
}
