/** The control socket: a real unix socket, good clients, bad clients, and carpctl itself. */
import assert from "node:assert/strict";
import {statSync, writeFileSync} from "node:fs";
import {connect, type Socket} from "node:net";
import {join} from "node:path";
import {test} from "node:test";
import {errorOf} from "../../src/core/control-protocol.ts";
import {EngineError} from "../../src/core/engine.ts";
import type {ControlClient} from "../../src/io/control-client.ts";
import {claimRunDir, directoryFrom} from "../../src/io/run-dir.ts";
import {carpctlIn, folder, stand} from "./control-stand.ts";
import {now, type ScriptedEngine, snapshot, until, vhost} from "./engine-fixtures.ts";

async function status(
    client: ControlClient,
    method: string,
    path: string,
    body?: unknown,
): Promise<string> {
    const result = await client.request(method, path, body);
    assert.ok(result.ok, result.ok ? "" : result.error.code);
    return `${result.value.status} ${errorOf(result.value.body)?.code ?? ""}`.trim();
}

/** Connects, sends, and collects what comes until the end. */
function raw(socket: string, octets: string | Uint8Array): Promise<string> {
    return new Promise((resolve) => {
        let text = "";
        const connection = connect(socket, () => connection.end(octets));
        connection.on("data", (chunk: Buffer) => {
            text += chunk.toString("latin1");
        });
        connection.on("error", () => connection.destroy());
        connection.on("close", () => resolve(text));
    });
}

test("the socket is 0660 and goes away", async (t) => {
    const s = await stand(t);
    assert.equal(statSync(s.socket).mode & 0o777, 0o660);
    await s.server.close();
    assert.throws(() => statSync(s.socket), /ENOENT/);
});

test("reading, and the errors of reading", async (t) => {
    const {client} = await stand(t);
    for (const path of [
        "carp",
        "carp/carp0",
        "interfaces",
        "statistics",
        "demotion",
        "balance",
        "tracks",
        "maintenance",
        "log",
        "version",
        "host",
    ]) {
        assert.equal(await status(client, "GET", `/v1/${path}`), "200", path);
    }
    assert.equal(await status(client, "GET", "/v1/carp?x=1"), "200");
    assert.equal(await status(client, "GET", "/v1/carp/carp9"), "404 UNKNOWN_CARP");
    assert.equal(await status(client, "GET", "/nothing"), "404 UNKNOWN_PATH");
    assert.equal(await status(client, "DELETE", "/v1/carp"), "405 WRONG_METHOD");
    assert.equal(await status(client, "POST", "/v1/reload"), "422 BAD_CONFIG");
    const list = await client.request("GET", "/v1/carp");
    assert.ok(list.ok && Array.isArray(list.value.body) && list.value.body.length === 1);
});

test("state changes answer when the engine is done, and its refusals are told", async (t) => {
    const s = await stand(t);
    let release: () => void = () => undefined;
    s.engine.onAdmin = () => new Promise((resolve) => (release = resolve));
    const down = status(s.client, "POST", "/v1/carp/carp0/state", {state: "down"});
    await until(() => s.engine.calls.includes("admin carp0 down"), "the engine was told");
    // A hand-over under way holds up nobody else.
    assert.equal(await status(s.client, "GET", "/v1/carp"), "200");
    release();
    assert.equal(await down, "200");
    s.engine.onAdmin = () =>
        Promise.reject(new EngineError("ENGINE_QUEUE_FULL", "admin", "carp0", 0, "x"));
    assert.equal(
        await status(s.client, "POST", "/v1/carp/carp0/state", {state: "up"}),
        "409 ENGINE_QUEUE_FULL",
    );
    assert.equal(
        await status(s.client, "POST", "/v1/carp/carp1/state", {state: "up"}),
        "404 UNKNOWN_CARP",
    );
    assert.equal(
        await status(s.client, "POST", "/v1/carp/carp0/state", {state: "off"}),
        "400 BAD_BODY",
    );
    const large = {state: "x".repeat(70_000)};
    assert.equal(
        await status(s.client, "POST", "/v1/carp/carp0/state", large),
        "413 BODY_TOO_LARGE",
    );
    assert.deepEqual(s.bugs, []);
});

test("an engine that is silent gives 503, not a hanging client", {timeout: 20_000}, async (t) => {
    const s = await stand(t);
    s.engine.onSnapshot = () => new Promise(() => undefined);
    assert.equal(await status(s.client, "GET", "/v1/carp"), "503 ENGINE_SILENT");
    assert.equal(await status(s.client, "GET", "/v1/version"), "200");
    const {code, complaint} = await s.carpctl("show carp");
    assert.equal(code, 69);
    assert.match(complaint, /the engine did not answer/);
});

test("a hundred garbage requests leave the daemon unmoved", {timeout: 60_000}, async (t) => {
    const s = await stand(t);
    const shapes: ((i: number) => string | Uint8Array)[] = [
        (i) => Buffer.from(Array.from({length: 200}, (_, j) => (i * 31 + j * 7) % 256)),
        () => "GET /v1/carp HTTP/9.9\r\n\r\n",
        () => `GET /${"a".repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
        () => "POST /v1/carp/carp0/state HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n{",
        () => "POST /v1/reload HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        () => "",
        () => "\r\n\r\n\r\n",
        () => `GET /v1/%${"%".repeat(50)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
        () => `GET /v1/carp HTTP/1.1\r\nhost: x\r\n${"x: y\r\n".repeat(3000)}\r\n`,
        () =>
            "GET /v1/events HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ];
    const answers: string[] = [];
    for (let i = 0; i < 100; i += 10) {
        const batch = shapes.map((shape, j) => raw(s.socket, shape(i + j)));
        // A stream answers for ever: it is enough that it was opened.
        batch.pop();
        answers.push(...(await Promise.all(batch)));
    }
    assert.ok(answers.some((text) => text.includes("400 Bad Request")));
    assert.equal(await status(s.client, "GET", "/v1/carp"), "200");
    assert.deepEqual(s.bugs, []);
});

test("idle connections are limited, and a command gets in afterwards", {
    timeout: 20_000,
}, async (t) => {
    const s = await stand(t);
    const open: Socket[] = [];
    let refused = 0;
    for (let i = 0; i < 80; i++) {
        const connection = connect(s.socket);
        connection.on("close", () => refused++);
        connection.on("error", () => connection.destroy());
        open.push(connection);
    }
    await until(() => refused >= 16, "the connections over the limit are closed");
    for (const connection of open) connection.destroy();
    await until(() => refused === 80, "all are closed");
    assert.equal(await status(s.client, "GET", "/v1/version"), "200");
});

function emit(engine: ScriptedEngine, i: number): void {
    engine.emit({
        kind: "vhostState",
        at: now + BigInt(i),
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        from: "BACKUP",
        to: "MASTER",
        cause: "master timed out",
        peer: "",
    });
}

test("watchers get every event; one that does not read is dropped and counted", {
    timeout: 30_000,
}, async (t) => {
    const s = await stand(t, {streamLimit: 65_536});
    const abort = new AbortController();
    const lines: string[] = [];
    const watching = carpctlIn(s.folder, "watch --json", abort.signal, (text) => lines.push(text));
    const slow = connect(s.socket, () => {
        slow.write("GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n");
        slow.pause();
    });
    slow.on("error", () => slow.destroy());
    t.after(() => slow.destroy());
    await until(() => s.server.streams === 2, "both watch");
    let sent = 0;
    while (s.server.slowClients === 0 && sent < 20_000) {
        emit(s.engine, ++sent);
        // The good watcher keeps up because it is given the time to read.
        await until(() => lines.length === sent, "the good watcher has the event");
    }
    assert.equal(s.server.slowClients, 1);
    assert.equal(s.server.streams, 1);
    emit(s.engine, ++sent);
    await until(() => lines.length === sent, "the good watcher still watches");
    const parsed: unknown = JSON.parse(lines[0] ?? "");
    assert.ok(typeof parsed === "object" && parsed !== null && "line" in parsed);
    assert.equal(parsed.line, "carp0: 1@eth1: BACKUP -> MASTER (master timed out)");
    abort.abort();
    assert.equal((await watching).code, 0);
    await until(() => s.server.streams === 0, "nobody watches");
});

test("watch ends with 69 when the daemon goes; watchers never take all connections", async (t) => {
    const s = await stand(t);
    const watching = Array.from({length: 32}, () => carpctlIn(s.folder, "watch"));
    await until(() => s.server.streams === 32, "32 watch");
    const extra = await s.carpctl("watch");
    assert.equal(extra.code, 69);
    assert.match(extra.complaint, /TOO_MANY_WATCHERS/);
    assert.equal((await s.carpctl("show carp")).code, 0);
    await s.server.close();
    for (const {code} of await Promise.all(watching)) assert.equal(code, 69);
});

test("carpctl show carp, for people and for programs", async (t) => {
    const s = await stand(t);
    const text = await s.carpctl("sh ca");
    assert.equal(
        text.out,
        [
            "preempt off, demotion 0, SCHED_FIFO 50, memory locked",
            "carp0: MASTER carpdev eth1 vhid 1 advbase 1 advskew 0",
            "\tinet 192.168.1.1/24",
            "\tlladdr 00:00:5e:00:01:01",
            "\tsince 1970-01-01T00:15:40.000Z (60 s): master timed out",
            "\tnext: sends the next advertisement in 0.4 s; would yield to any host that advertises more often than every 1.00 s",
            "",
        ].join("\n"),
    );
    const json: unknown = JSON.parse((await s.carpctl("show carp --json")).out);
    assert.ok(Array.isArray(json) && json.length === 1);
    for (const line of [
        "show",
        "show interfaces",
        "show statistics",
        "show demotion",
        "show balance",
        "show tracks",
        "show log",
        "maintenance",
        "sysctl net.inet.carp.demotion",
    ]) {
        const shown = await s.carpctl(line);
        assert.equal(shown.code, 0, shown.complaint);
        assert.equal((await s.carpctl(`${line} --json`)).code, 0, line);
    }
    assert.match(
        (await s.carpctl("show interfaces")).out,
        /^eth1 {2}up {2}02:00:00:00:00:02 {2}vhid 1 {2}192/,
    );
    s.engine.current = snapshot({vhosts: [vhost({state: "BACKUP", enabled: true})]});
    assert.match((await s.carpctl("carp0 backup")).out, /^carp0: BACKUP, /);
    assert.equal(s.engine.calls.filter((call) => call === "admin carp0 backup").length, 1);
});

test("carpctl's exit codes", async (t) => {
    const s = await stand(t);
    assert.equal((await s.carpctl("--help")).code, 0);
    assert.match((await s.carpctl("--version")).out, /^carpctl 0\.1\.0\n$/);
    assert.equal((await s.carpctl("")).code, 64);
    const slip = await s.carpctl("shwo carp");
    assert.deepEqual([slip.code, slip.out], [64, ""]);
    assert.match(slip.complaint, /did you mean show\?/);
    const unknown = await s.carpctl("carp7 down");
    assert.equal(unknown.code, 66);
    assert.equal(
        unknown.complaint,
        'carpctl: no carp interface is named "carp7"; there is: carp0\n',
    );
    const reload = await s.carpctl("reload");
    assert.equal(reload.code, 78);
    assert.match(reload.complaint, /carpd\.toml:1:1: no such key/);
    await s.server.close();
    const gone = await s.carpctl("show carp");
    assert.equal(gone.code, 69);
    assert.equal(gone.complaint, `carpctl: no carpd is running (${s.socket}: ENOENT)\n`);
    const file = join(s.folder, "control.sock");
    writeFileSync(file, "");
    assert.equal((await s.carpctl("show carp")).code, 69);
});

test("run directory: one daemon, stale sockets go, and sentences for what fails", (t) => {
    const path = join(folder(t), "run");
    const first = claimRunDir(path, () => true);
    assert.ok(first.ok);
    assert.equal(statSync(path).mode & 0o777, 0o755);
    writeFileSync(first.value.socket, "stale");
    const second = claimRunDir(path, () => false);
    assert.equal(second.ok ? 0 : second.error.exitCode, 69);
    assert.match(second.ok ? "" : second.error.text, /another carpd runs/);
    assert.ok(statSync(first.value.socket).isFile(), "only the holder of the lock removes it");
    assert.ok(claimRunDir(path, () => true).ok);
    assert.throws(() => statSync(first.value.socket), /ENOENT/);
    writeFileSync(join(path, "file"), "");
    const bad = claimRunDir(join(path, "file", "x"), () => true);
    assert.equal(bad.ok ? 0 : bad.error.exitCode, 73);
    assert.equal(directoryFrom(undefined, "/run/carpd"), "/run/carpd");
    assert.equal(directoryFrom("/run/a:/run/b", "/x"), "/run/a");
});
