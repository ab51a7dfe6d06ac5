/** Names, passwords, the file of users, and what an administrator may change. */
import assert from "node:assert/strict";
import {mkdirSync, readFileSync, statSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import fc from "fast-check";
import {
    nameProblem,
    normalisePassword,
    parseUsers,
    passwordProblem,
    printUsers,
    type UserRecord,
    userLimit,
    withoutUser,
    withUser,
} from "../../src/core/users.ts";
import {FileUserStore, ScryptHasher} from "../../src/io/users-store.ts";
import {temporaryFolder} from "./condition-fixtures.ts";

const fast = {n: 16, r: 8, p: 1};
const password = {
    algorithm: "scrypt",
    ...fast,
    salt: "AAAAAAAAAAAAAAAAAAAAAA==",
    key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
} as const;

function user(name: string, role: UserRecord["role"] = "admin"): UserRecord {
    return {name, role, password};
}

test("names", () => {
    for (const name of ["admin", "a", "_x", "net-ops_2", "a".repeat(32)]) {
        assert.equal(nameProblem(name), "", name);
    }
    const bad = ["", "Admin", "2x", "-a", "a b", "a\n", "ä", "a/b", "..", "a".repeat(33), "root"];
    for (const name of bad) assert.notEqual(nameProblem(name), "", name);
});

test("passwords: octets of UTF-8, no control characters, not the name", () => {
    assert.equal(passwordProblem("12345678", "admin"), "");
    assert.equal(passwordProblem("x".repeat(128), "admin"), "");
    assert.equal(passwordProblem("äöüß", "admin"), "");
    assert.equal(passwordProblem("correct horse", "admin"), "");
    const cases: [string, string, RegExp][] = [
        ["", "admin", /less than 8/u],
        ["1234567", "admin", /less than 8/u],
        ["x".repeat(129), "admin", /more than 128/u],
        ["ä".repeat(65), "admin", /more than 128/u],
        ["12345678\n", "admin", /control/u],
        ["1234\u00855678", "admin", /control/u],
        ["\u001b[A12345678", "admin", /control/u],
        ["12345678\ud800", "admin", /not valid Unicode/u],
        ["net-operator", "net-operator", /user name/u],
        ["NET-operator", "net-operator", /user name/u],
    ];
    for (const [given, name, wanted] of cases) assert.match(passwordProblem(given, name), wanted);
    assert.equal(normalisePassword("a\u0308bcdefgh"), "\u00e4bcdefgh");
});

test("what is printed is read again; anything else is refused, never an empty list", () => {
    const users = [user("admin"), user("ops", "operator")];
    const text = printUsers(users);
    assert.deepEqual(parseUsers(text), {ok: true, value: users});
    // A file that was torn anywhere.
    for (let length = 0; length < text.length - 2; length++) {
        assert.equal(parseUsers(text.slice(0, length)).ok, false, `${length} octets`);
    }
    const bad: unknown[] = [
        null,
        [],
        {version: 1, users: []},
        {version: 2, users},
        {version: 1, users, more: 1},
        {version: 1, users: [user("ops", "operator")]},
        {version: 1, users: [user("admin"), user("admin")]},
        {version: 1, users: [user("Admin")]},
        {version: 1, users: [{...user("admin"), role: "root"}]},
        {version: 1, users: [{...user("admin"), more: 1}]},
        {version: 1, users: [{...user("admin"), password: "12345678"}]},
        {version: 1, users: [{...user("admin"), password: {...password, n: 1000}}]},
        {version: 1, users: [{...user("admin"), password: {...password, n: 2 ** 30}}]},
        {version: 1, users: [{...user("admin"), password: {...password, r: 0}}]},
        {version: 1, users: [{...user("admin"), password: {...password, p: 1e9}}]},
        {version: 1, users: [{...user("admin"), password: {...password, key: ""}}]},
        {version: 1, users: [{...user("admin"), password: {...password, salt: "!!"}}]},
        {version: 1, users: Array.from({length: userLimit + 1}, (_, i) => user(`u${i}`))},
    ];
    for (const value of bad) {
        assert.equal(parseUsers(JSON.stringify(value)).ok, false, JSON.stringify(value));
    }
});

test("whatever is in the file, reading it gives a result", () => {
    fc.assert(
        fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
            assert.equal(parseUsers(text).ok, false);
        }),
    );
});

test("whatever is changed, an administrator is left and the file can be read", () => {
    const names = fc.constantFrom("admin", "a", "b", "c");
    const change = fc.record({name: names, role: fc.constantFrom("admin", "operator", null)});
    fc.assert(
        fc.property(fc.array(change, {maxLength: 40}), (changes) => {
            let users: readonly UserRecord[] = [user("admin")];
            for (const {name, role} of changes) {
                const next =
                    role === null ? withoutUser(users, name) : withUser(users, user(name, role));
                if (!next.ok) {
                    const known = users.some((one) => one.name === name);
                    assert.equal(next.error.code, known ? "LAST_ADMIN" : "UNKNOWN_USER");
                    continue;
                }
                users = next.value;
                assert.equal(
                    users.some((one) => one.name === name),
                    role !== null,
                );
            }
            assert.deepEqual(parseUsers(printUsers(users)), {ok: true, value: users});
        }),
    );
});

test("the number of users is bounded", () => {
    const users = Array.from({length: userLimit}, (_, i) => user(`u${i}`));
    const next = withUser(users, user("one-more"));
    assert.ok(!next.ok && next.error.code === "TOO_MANY_USERS");
    assert.ok(withUser(users, user("u3", "operator")).ok);
});

test("scrypt: RFC 7914's vector, records of other costs, nobody's password", async () => {
    const hasher = new ScryptHasher(fast);
    // RFC 7914, section 12: "pleaseletmein", "SodiumChloride", N = 16384, r = 8, p = 1.
    const key =
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2" +
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887";
    const vector = {
        algorithm: "scrypt",
        n: 16384,
        r: 8,
        p: 1,
        salt: Buffer.from("SodiumChloride").toString("base64"),
        key: Buffer.from(key, "hex").toString("base64"),
    } as const;
    assert.equal(await hasher.verify("pleaseletmein", vector), true);
    assert.equal(await hasher.verify("pleaseletmeout", vector), false);

    const [first, second] = [await hasher.hash("12345678"), await hasher.hash("12345678")];
    assert.notEqual(first.salt, second.salt);
    assert.notEqual(first.key, second.key);
    assert.equal(await hasher.verify("12345678", first), true);
    assert.equal(await new ScryptHasher().verify("12345678", second), true);
    assert.equal(await hasher.verify("12345678", null), false);
    const standard = await new ScryptHasher().hash("12345678");
    assert.deepEqual([standard.n, standard.r, standard.p], [32768, 8, 1]);
    assert.equal(await hasher.verify("12345678", standard), true);
});

test("the file is 0600, outlives the store, and a bad one is an error", async (t) => {
    const folder = temporaryFolder(t);
    const store = new FileUserStore(folder);
    const file = join(folder, "users.json");
    assert.deepEqual(await store.load(), {ok: true, value: []});
    assert.ok((await store.save([user("admin")])).ok);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(await new FileUserStore(folder).load(), {ok: true, value: [user("admin")]});

    writeFileSync(file, readFileSync(file, "utf8").slice(0, 40));
    const torn = await store.load();
    assert.ok(!torn.ok && /users\.json is torn/u.test(torn.error));
    writeFileSync(file, "");
    assert.equal((await store.load()).ok, false);

    mkdirSync(join(folder, "dir", "users.json"), {recursive: true});
    const folderInstead = new FileUserStore(join(folder, "dir"));
    assert.equal((await folderInstead.load()).ok, false);
    const refused = await folderInstead.save([user("admin")]);
    assert.ok(!refused.ok && /cannot store the users/u.test(refused.error));
});
