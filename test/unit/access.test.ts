/** Who gets in on the control socket: user ids, the first log-in, guessing, sessions. */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {err, ok} from "../../src/core/result.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {PasswdFile} from "../../src/io/passwd-file.ts";
import {accessStand, consoleUid, memberUid, password} from "./access-stand.ts";
import {temporaryFolder} from "./condition-fixtures.ts";
import {until} from "./engine-fixtures.ts";

const member = {uid: memberUid, gid: memberUid, pid: process.pid};
const console_ = {uid: consoleUid, gid: consoleUid, pid: process.pid};
const root = {uid: 0, gid: 0, pid: process.pid};

test("root and members are administrators, the console's user is nobody", async (t) => {
    const s = await accessStand(t);
    assert.equal(await s.status("GET", "/v1/carp"), "401 LOGIN_NEEDED");
    for (const path of [
        "/v1/carp",
        "/v1/events",
        "/v1/log",
        "/v1/users",
        "/v1/none",
        "/v1/%6cogin",
    ]) {
        assert.equal(await s.status("GET", path), "401 LOGIN_NEEDED", path);
    }
    assert.equal(await s.status("POST", "/v1/reload"), "401 LOGIN_NEEDED");
    assert.equal(await s.status("POST", "/v1/logout"), "401 LOGIN_NEEDED");
    const nobody = {user: null, role: null, origin: null, idleLimitSeconds: 300, first: true};
    assert.deepEqual((await s.ask("GET", "/v1/session")).body, nobody);

    s.peer = root;
    const local = {role: "admin", origin: "control socket", idleLimitSeconds: null, first: true};
    assert.deepEqual((await s.ask("GET", "/v1/session")).body, {user: "root", ...local});
    assert.equal(await s.status("GET", "/v1/carp"), "200");
    s.peer = member;
    assert.deepEqual((await s.ask("GET", "/v1/session")).body, {user: "uid 1000", ...local});
    assert.equal(await s.status("GET", "/v1/users"), "200");
    s.peer = null;
    assert.equal(await s.status("GET", "/v1/carp"), "403 UNKNOWN_PEER");

    // Without such a user there is no console; when nobody knows, nobody is taken for a member.
    s.peer = console_;
    s.console = ok(null);
    assert.equal(await s.status("GET", "/v1/carp"), "200");
    s.console = err("passwd cannot be read: EIO");
    assert.equal(await s.status("GET", "/v1/carp"), "403 UNKNOWN_CONSOLE_USER");
    s.peer = {...member, uid: 4242};
    assert.equal(await s.status("GET", "/v1/carp"), "200");
    assert.deepEqual(s.control.bugs, []);
});

test("the kernel says who connects", {skip: process.getuid?.() !== 0}, async (t) => {
    const s = await accessStand(t);
    s.peer = "kernel";
    assert.equal(await s.status("GET", "/v1/carp"), "200");
    s.console = ok(65_533);
    chmodSync(s.control.folder, 0o755);
    chmodSync(s.control.socket, 0o666);
    const asUid = (uid: number): Promise<string> =>
        new Promise((resolve, reject) => {
            const script =
                `require("node:http").get({socketPath: ${JSON.stringify(s.control.socket)}, ` +
                'path: "/v1/version"}, (r) => {console.log(r.statusCode); r.resume();})';
            const child = spawn(process.execPath, ["-e", script], {uid, gid: uid, cwd: "/"});
            let out = "";
            child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
            child.on("error", reject);
            child.on("close", () => resolve(out.trim()));
        });
    assert.equal(await asUid(65_533), "401");
    assert.equal(await asUid(65_532), "200");
    // What a process held is freed when it is gone.
    await s.clock.advance(5000);
    assert.deepEqual(
        s.ended.map(({user}) => user),
        ["uid 65532"],
    );
});

test("the first log-in makes the administrator, once, and only on the console", async (t) => {
    const s = await accessStand(t);
    const first = (text: string) =>
        s.status("POST", "/v1/login/first", {password: text, origin: "ttyS0"});
    assert.deepEqual((await s.login("admin", "")).body, {first: true});
    assert.deepEqual((await s.login("admin", "admin")).body, {first: true});
    s.peer = member;
    assert.equal(await first(password), "403 FORBIDDEN");
    s.peer = console_;
    for (const bad of ["", "short", "a\tb345678", "x".repeat(129)]) {
        assert.equal(await first(bad), "400 BAD_PASSWORD");
    }
    assert.equal(existsSync(join(s.stateDir, "users.json")), false);
    // Two at once: one of them.
    const both = await Promise.all([first(password), first("another one")]);
    assert.deepEqual(both.sort(), ["200", "409 NOT_FIRST"]);
    assert.equal(statSync(join(s.stateDir, "users.json")).mode & 0o777, 0o600);
    s.peer = root;
    assert.equal(await first("yet another"), "409 NOT_FIRST");
    s.peer = console_;
    assert.match(s.audit().join("\n"), /^first password: admin was made on ttyS0\nlog-in: admin/u);
    assert.equal(await s.status("GET", "/v1/users"), "401 LOGIN_NEEDED");
    assert.deepEqual(s.control.bugs, []);
});

test("a log-in, its session, its end", async (t) => {
    const s = await accessStand(t);
    const firstToken = await s.first();
    assert.match(firstToken, /^[A-Za-z0-9_-]{43}$/u);
    const {token, body} = await s.login("admin", password, "ttyUSB0");
    assert.deepEqual(body, {token, role: "admin", user: "admin"});
    assert.notEqual(token, firstToken);
    const session = {user: "admin", role: "admin", origin: "ttyUSB0", idleLimitSeconds: 300};
    const shown = await s.ask("GET", "/v1/session", undefined, token);
    assert.deepEqual(shown.body, {...session, first: false});
    assert.equal(await s.status("GET", "/v1/carp", undefined, token), "200");

    // The token is good for its process' user only, and nothing else is a token.
    s.peer = root;
    assert.equal(await s.status("GET", "/v1/carp", undefined, token), "401 NO_SESSION");
    s.peer = console_;
    const wrong = `${token.slice(1)}A`;
    assert.equal(await s.status("GET", "/v1/carp", undefined, wrong), "401 NO_SESSION");
    assert.equal(await s.status("GET", "/v1/login", undefined, "x"), "401 BAD_TOKEN");

    assert.equal(await s.status("POST", "/v1/logout", undefined, token), "200");
    assert.equal(await s.status("GET", "/v1/carp", undefined, token), "401 NO_SESSION");
    assert.equal(await s.status("POST", "/v1/logout", undefined, token), "401 NO_SESSION");
    assert.deepEqual(
        s.ended.map(({origin}) => origin),
        ["ttyUSB0"],
    );
    assert.equal(await s.status("GET", "/v1/carp", undefined, firstToken), "200");
    assert.equal(s.audit().at(-1), "log-out: admin on ttyUSB0");
    s.peer = root;
    assert.equal(await s.status("POST", "/v1/logout"), "409 NOT_LOGGED_IN");
    assert.ok(!JSON.stringify(s.log).includes(password));
});

test("an idle session ends after 5 minutes, and its events with it", {
    timeout: 30_000,
}, async (t) => {
    const s = await accessStand(t);
    const token = await s.first();
    const client = new ControlClient(s.control.socket);
    client.token = token;
    const stream = client.events("/v1/events", () => undefined, new AbortController().signal);
    await until(() => s.control.server.streams === 1, "the stream is open");
    await s.clock.advance(299_000);
    // To ask whether one is logged in is no activity, nor is a stream.
    assert.equal(await s.status("GET", "/v1/session", undefined, token), "200");
    assert.equal(s.control.server.streams, 1);
    await s.clock.advance(6000);
    assert.deepEqual(await stream, {ok: false, error: {code: "CLOSED"}});
    assert.equal(await s.status("GET", "/v1/session", undefined, token), "401 NO_SESSION");
    assert.equal(s.audit().at(-1), "log-out: admin on ttyS0, idle for 5 min");
    assert.equal(s.ended.length, 1);

    const busy = (await s.login("admin", password)).token;
    for (let i = 0; i < 12 * 15; i++) {
        assert.equal(await s.status("GET", "/v1/version", undefined, busy), "200");
        await s.clock.advance(240_000);
    }
    assert.equal(await s.status("GET", "/v1/version", undefined, busy), "401 NO_SESSION");
    assert.equal(s.audit().at(-1), "log-out: admin on ttyS0, 12 h are over");
});

test("guessing: doubled delay, lock, no waiting, no difference between users", async (t) => {
    const s = await accessStand(t);
    await s.first();
    const delays = new Map<string, number[]>();
    for (const user of ["admin", "nobody"]) {
        for (let i = 0; i < 10; i++) {
            const {status, code, retryAfter} = await s.login(user, `guess ${i}`);
            assert.equal(`${status} ${code}`, "401 WRONG_LOGIN");
            delays.set(user, [...(delays.get(user) ?? []), retryAfter]);
            const again = await s.login(user, password);
            assert.equal(again.status, 429);
            assert.equal(again.retryAfter, retryAfter);
            assert.equal(again.code, i === 9 ? "LOCKED" : "TOO_SOON");
            if (i < 9) await s.clock.advance(retryAfter * 1000);
        }
        // Each guess is as much work, whoever is guessed; a refused one is none.
        assert.equal(s.hasher.hashes, user === "admin" ? 11 : 21);
        await s.clock.advance(1000);
    }
    assert.deepEqual(delays.get("admin"), [1, 2, 4, 8, 16, 32, 60, 60, 60, 900]);
    assert.deepEqual(delays.get("nobody"), delays.get("admin"));
    // The port is locked for admin, another port and the daemon's other work are not.
    assert.equal((await s.login("admin", password, "ttyUSB0")).status, 200);
    s.peer = root;
    assert.equal(await s.status("GET", "/v1/carp"), "200");
    s.peer = console_;
    await s.clock.advance(900_000);
    assert.equal((await s.login("admin", password)).status, 200);
    const text = JSON.stringify(s.log);
    assert.match(text, /log-in locked: admin on ttyS0 for 15 min/u);
    assert.match(text, /log-in failed: an unknown user on ttyS0, 3 in a row/u);
    // What is typed as a name may be a password.
    assert.ok(!text.includes("nobody") && !text.includes("guess"));
});

test("parallel guesses: one is examined, and carpd does its work meanwhile", async (t) => {
    const s = await accessStand(t);
    const token = await s.first();
    const before = s.hasher.hashes;
    const many = Array.from({length: 30}, (_, i) => s.login("admin", `guess ${i}`));
    const state = s.status("GET", "/v1/carp", undefined, token);
    const answers = await Promise.all(many);
    assert.equal(await state, "200");
    assert.equal(answers.filter(({status}) => status === 401).length, 1);
    assert.equal(answers.filter(({status}) => status === 429).length, 29);
    assert.equal(s.hasher.hashes - before, 1);

    await s.clock.advance(1000);
    const ports = Array.from({length: 30}, (_, i) => s.login("admin", "a guess", `tty${i}`));
    const tried = (await Promise.all(ports)).filter(({status}) => status === 401).length;
    assert.ok(tried >= 1 && tried <= 8, `${tried}`);
    assert.equal(s.hasher.most, 1);
    assert.deepEqual(s.control.bugs, []);
});

test("a restart keeps the users and loses the sessions", async (t) => {
    const stateDir = temporaryFolder(t);
    const before = await accessStand(t, stateDir);
    const token = await before.first();
    const text = readFileSync(join(stateDir, "users.json"), "utf8");
    assert.ok(!text.includes(password));
    const after = await accessStand(t, stateDir);
    assert.equal(await after.status("GET", "/v1/carp", undefined, token), "401 NO_SESSION");
    assert.equal((await after.login("admin", password)).status, 200);
    assert.equal((await after.login("admin", "wrong one")).status, 401);
});

test("a torn users.json: no log-in, no first password, an alarm, and root gets in", async (t) => {
    const stateDir = temporaryFolder(t);
    await (await accessStand(t, stateDir)).first();
    const file = join(stateDir, "users.json");
    const whole = readFileSync(file, "utf8");
    for (const length of [0, 1, 100, whole.length - 3]) {
        writeFileSync(file, whole.slice(0, length));
        const s = await accessStand(t, stateDir);
        const alarms = () => s.log.filter(({level}) => level === "error").map((r) => r.text);
        assert.equal(alarms().length, 1);
        assert.match(alarms()[0] ?? "", /users\.json is torn or is not JSON: nobody can log in/u);
        const first = {password: "another one", origin: "ttyS0"};
        assert.equal(await s.status("POST", "/v1/login/first", first), "503 USERS_DAMAGED");
        const {status, code} = await s.login("admin", password);
        assert.equal(`${status} ${code}`, "503 USERS_DAMAGED");
        assert.equal(readFileSync(file, "utf8"), whole.slice(0, length));
        assert.equal(alarms().length, 1);
        s.peer = root;
        assert.equal(await s.status("GET", "/v1/carp"), "200");
        const made = {name: "admin", role: "admin", password: "another one"};
        assert.equal(await s.status("POST", "/v1/users", made), "503 USERS_DAMAGED");
        // Root repairs it without a restart.
        writeFileSync(file, whole);
        s.peer = console_;
        assert.equal((await s.login("admin", password)).status, 200);
        rmSync(file);
        assert.deepEqual((await s.login("admin", password)).body, {first: true});
        writeFileSync(file, whole);
    }
});

test("what a body may not be", async (t) => {
    const s = await accessStand(t);
    await s.first();
    const good = {user: "admin", password, origin: "ttyS0"};
    const bad: unknown[] = [
        undefined,
        null,
        [],
        "x",
        {},
        {...good, more: ""},
        {...good, user: 1},
        {...good, password: null},
        {...good, origin: "tty S0"},
        {...good, origin: "tty\u001b[2J"},
        {...good, origin: ""},
        {...good, user: "x".repeat(65)},
        {...good, password: "x".repeat(1025)},
        {user: "admin", password},
    ];
    const before = s.hasher.hashes;
    for (const body of bad) {
        assert.equal(await s.status("POST", "/v1/login", body), "400 BAD_BODY");
        assert.equal(await s.status("POST", "/v1/login/first", body), "400 BAD_BODY");
    }
    assert.equal(s.hasher.hashes, before);
    assert.equal(await s.status("PUT", "/v1/login", good), "405 WRONG_METHOD");
    assert.equal((await s.login("admin", password)).status, 200);
});

test("/etc/passwd: names, a changed file, no file", (t) => {
    const path = join(temporaryFolder(t), "passwd");
    const passwd = new PasswdFile(path);
    const missing = passwd.uidOf("root");
    assert.ok(!missing.ok && missing.error.endsWith("ENOENT"));
    writeFileSync(path, "root:x:0:0::/:/bin/sh\nbad\nodd:x:-1:0::/:\n:x:5:5::/:\n");
    assert.deepEqual(passwd.uidOf("root"), ok(0));
    assert.deepEqual(passwd.uidOf("carp-console"), ok(null));
    assert.deepEqual(passwd.uidOf("odd"), ok(null));
    writeFileSync(path, "carp-console:x:990:990::/:/bin/false\n", {flag: "a"});
    assert.deepEqual(passwd.uidOf("carp-console"), ok(990));
    assert.deepEqual(new PasswdFile().uidOf("root"), ok(0));
});
