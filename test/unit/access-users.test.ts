/** Making, changing and removing users through the control socket, and who may. */
import assert from "node:assert/strict";
import {mkdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {accessStand, consoleUid, password} from "./access-stand.ts";
import {temporaryFolder} from "./condition-fixtures.ts";

const root = {uid: 0, gid: 0, pid: process.pid};
const console_ = {uid: consoleUid, gid: consoleUid, pid: process.pid};
const ops = {name: "ops", role: "operator", password: "operator pw"};

test("an administrator makes an operator, who may look and change his password", async (t) => {
    const s = await accessStand(t);
    const admin = await s.first();
    const users = (body: unknown, token: string) => s.status("POST", "/v1/users", body, token);
    assert.equal(await users(ops, admin), "200");
    const {token, body} = await s.login("ops", "operator pw");
    assert.deepEqual(body, {token, role: "operator", user: "ops"});
    assert.equal(await s.status("GET", "/v1/carp", undefined, token), "200");
    assert.equal(await s.status("POST", "/v1/reload", undefined, token), "403 FORBIDDEN");
    assert.equal(await s.status("GET", "/v1/users", undefined, token), "403 FORBIDDEN");
    assert.equal(await s.status("DELETE", "/v1/users/admin", undefined, token), "403 FORBIDDEN");
    assert.equal(await users({...ops, name: "more"}, token), "403 FORBIDDEN");
    assert.equal(await users({name: "ops", role: "admin"}, token), "403 FORBIDDEN");
    assert.equal(
        await users({...ops, role: "admin", oldPassword: "operator pw"}, token),
        "403 FORBIDDEN",
    );
    assert.equal(await users({name: "admin", password: "taken over"}, token), "403 FORBIDDEN");

    const own = {name: "ops", password: "my own word"};
    assert.equal(await users(own, token), "400 OLD_PASSWORD_NEEDED");
    assert.equal(await users({...own, oldPassword: "wrong one"}, token), "401 WRONG_LOGIN");
    assert.equal(await users({...own, oldPassword: "operator pw"}, token), "429 TOO_SOON");
    await s.clock.advance(1000);
    const other = (await s.login("ops", "operator pw", "ttyS1")).token;
    assert.equal(await users({...own, oldPassword: "operator pw"}, token), "200");
    // Every other session of his is over, this one is not.
    assert.equal(await s.status("GET", "/v1/carp", undefined, other), "401 NO_SESSION");
    assert.equal(await s.status("GET", "/v1/carp", undefined, token), "200");
    assert.equal((await s.login("ops", "operator pw", "ttyS2")).status, 401);
    assert.equal((await s.login("ops", "my own word", "ttyS3")).status, 200);
    const listed = await s.ask("GET", "/v1/users", undefined, admin);
    assert.deepEqual(listed.body, [
        {name: "admin", role: "admin", sessions: 1},
        {name: "ops", role: "operator", sessions: 2},
    ]);
    const lines = s.audit().join("\n");
    assert.match(lines, /^user added: ops \(operator\) by admin on ttyS0$/mu);
    assert.match(lines, /^password changed: ops by ops on ttyS0$/mu);
    for (const secret of [password, "operator pw", "my own word", "wrong one"]) {
        assert.ok(!JSON.stringify(s.log).includes(secret), secret);
    }
    assert.deepEqual(s.control.bugs, []);
});

test("a console left open does not give away the administrator's password", async (t) => {
    const s = await accessStand(t);
    const admin = await s.first();
    const change = {name: "admin", password: "taken over"};
    assert.equal(await s.status("POST", "/v1/users", change, admin), "400 OLD_PASSWORD_NEEDED");
    for (let i = 0; i < 10; i++) {
        const tried = {...change, oldPassword: `guess ${i}`};
        const {status, retryAfter} = await s.ask("POST", "/v1/users", tried, admin);
        assert.equal(status, 401);
        await s.status("GET", "/v1/version", undefined, admin);
        if (i < 9) await s.clock.advance(retryAfter * 1000);
    }
    const right = {...change, oldPassword: password};
    assert.equal(await s.status("POST", "/v1/users", right, admin), "429 LOCKED");
    // Root needs no old one, and a new password unlocks.
    s.peer = root;
    assert.equal(
        await s.status("POST", "/v1/users", {...change, oldPassword: "x"}),
        "400 BAD_BODY",
    );
    assert.equal(
        await s.status("POST", "/v1/users", {name: "admin", password: "set by root"}),
        "200",
    );
    s.peer = console_;
    assert.equal(await s.status("GET", "/v1/carp", undefined, admin), "401 NO_SESSION");
    await s.clock.advance(1000);
    assert.equal((await s.login("admin", "set by root")).status, 200);
});

test("the last administrator stays, and a change of role ends the sessions", async (t) => {
    const s = await accessStand(t);
    const admin = await s.first();
    const users = (body: unknown) => s.status("POST", "/v1/users", body, admin);
    assert.equal(await users({name: "admin", role: "operator"}), "409 LAST_ADMIN");
    assert.equal(await s.status("DELETE", "/v1/users/admin", undefined, admin), "409 LAST_ADMIN");
    assert.equal(await s.status("DELETE", "/v1/users/none", undefined, admin), "404 UNKNOWN_USER");
    assert.equal(await users({name: "none", role: "admin"}), "404 UNKNOWN_USER");
    assert.equal(await users({...ops, name: "Bad Name"}), "400 BAD_NAME");
    assert.equal(await users({...ops, name: "root"}), "400 BAD_NAME");
    assert.equal(await users({...ops, password: "short"}), "400 BAD_PASSWORD");
    assert.equal(await users({...ops, password: "ops"}), "400 BAD_PASSWORD");
    assert.equal(await users({...ops, role: "boss"}), "400 BAD_BODY");
    assert.equal(await users({name: "ops"}), "400 BAD_BODY");
    assert.equal(await users({...ops, oldPassword: "x"}), "400 BAD_BODY");

    assert.equal(await users(ops), "200");
    const {token} = await s.login("ops", "operator pw");
    assert.equal(await users({name: "ops", role: "admin"}), "200");
    assert.equal(await s.status("GET", "/v1/carp", undefined, token), "401 NO_SESSION");
    const again = (await s.login("ops", "operator pw")).token;
    assert.equal(await s.status("DELETE", "/v1/users/admin", undefined, again), "200");
    assert.equal(await s.status("GET", "/v1/carp", undefined, admin), "401 NO_SESSION");
    assert.equal((await s.login("admin", password)).status, 401);
    assert.equal(
        s.audit().filter((line) => line.startsWith("user removed: admin by ops")).length,
        1,
    );
    assert.deepEqual(s.control.bugs, []);
});

test("a log-in under way does not outlive the user it is for", async (t) => {
    const s = await accessStand(t);
    const admin = await s.first();
    for (let i = 0; i < 10; i++) {
        assert.equal(await s.status("POST", "/v1/users", ops, admin), "200");
        const [{token}] = await Promise.all([
            s.login("ops", "operator pw", `tty${i % 4}`),
            s.status("DELETE", "/v1/users/ops", undefined, admin),
        ]);
        if (token !== "") {
            assert.equal(await s.status("GET", "/v1/carp", undefined, token), "401 NO_SESSION");
        }
        await s.clock.advance(2000);
    }
});

test("a disk that cannot be written: the old users hold", async (t) => {
    const stateDir = temporaryFolder(t);
    const s = await accessStand(t, stateDir);
    const admin = await s.first();
    const before = readFileSync(join(stateDir, "users.json"), "utf8");
    // The temporary file cannot be made where a folder stands.
    mkdirSync(join(stateDir, "users.json.tmp", "x"), {recursive: true});
    assert.equal(await s.status("POST", "/v1/users", ops, admin), "500 CANNOT_STORE");
    assert.equal(await s.status("DELETE", "/v1/users/ops", undefined, admin), "404 UNKNOWN_USER");
    assert.equal(readFileSync(join(stateDir, "users.json"), "utf8"), before);
    assert.equal((await s.login("ops", "operator pw")).status, 401);
    assert.equal((await s.login("admin", password, "ttyS1")).status, 200);
    assert.ok(s.log.some(({text}) => /cannot store the users/u.test(text)));
});
