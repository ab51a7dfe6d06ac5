/** The table of the control API: what each request means, and what wrong ones are told. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {errorOf, plan, routes} from "../../src/core/control-protocol.ts";

function ask(method: string, path: string, body = ""): ReturnType<typeof plan> {
    return plan({method, path, body});
}

function refusal(method: string, path: string, body = ""): {status: number; code: string} {
    const result = ask(method, path, body);
    assert.ok(result.kind === "reply", `${method} ${path} was accepted`);
    const error = errorOf(result.reply.body);
    assert.ok(error !== null && error.message !== "" && error.expected !== "");
    return {status: result.reply.status, code: error.code};
}

test("each path has its plan", () => {
    assert.deepEqual(ask("GET", "/v1/carp"), {kind: "read", resource: "carp"});
    assert.deepEqual(ask("GET", "/v1/carp/carp%300"), {kind: "readCarp", name: "carp00"});
    assert.deepEqual(ask("GET", "/v1/events"), {kind: "events"});
    assert.deepEqual(ask("POST", "/v1/reload", "ignored"), {kind: "reload"});
    for (const action of ["up", "down", "master", "backup"]) {
        const body = JSON.stringify({state: action});
        const expected = {kind: "admin", name: "carp0", action};
        assert.deepEqual(ask("POST", "/v1/carp/carp0/state", body), expected);
    }
    for (const resource of [
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
        assert.deepEqual(ask("GET", `/v1/${resource}`), {kind: "read", resource});
    }
});

function posted(path: string, body: unknown): ReturnType<typeof plan> {
    return ask("POST", `/v1/${path}`, JSON.stringify(body));
}

test("plans for demotion, balance and maintenance", () => {
    const demote = {kind: "demote", reason: "operator", level: 5, add: false, group: ""};
    assert.deepEqual(posted("demotion", {level: 5}), demote);
    assert.deepEqual(posted("demotion", {reason: "", level: 5, group: ""}), demote);
    assert.deepEqual(posted("demotion", {reason: "x", level: -240, group: "wan"}), {
        ...demote,
        reason: "operator:x",
        level: -240,
        group: "wan",
    });
    assert.deepEqual(posted("demotion", {add: -7}), {...demote, level: -7, add: true});
    assert.deepEqual(ask("DELETE", "/v1/demotion"), {kind: "undemote", reason: null});
    for (const name of ["x", "operator:x", "operator%3Ax"]) {
        const plan = {kind: "undemote", reason: "operator:x"};
        assert.deepEqual(ask("DELETE", `/v1/demotion/${name}`), plan);
    }
    assert.deepEqual(posted("balance/which", {client: "10.0.0.1"}), {
        kind: "balanceWhich",
        client: "10.0.0.1",
        address: "",
    });
    const on = {kind: "maintenance", on: true, untilSeconds: null};
    assert.deepEqual(posted("maintenance", {on: true}), on);
    assert.deepEqual(posted("maintenance", {on: true, until: null}), on);
    assert.deepEqual(posted("maintenance", {on: true, until: 1800}), {...on, untilSeconds: 1800});
    assert.deepEqual(posted("maintenance", {on: false}), {...on, on: false});
});

test("bodies that demotion, balance and maintenance refuse", () => {
    const bad = {status: 400, code: "BAD_BODY"};
    const reject = (path: string, body: unknown): ReturnType<typeof refusal> =>
        refusal("POST", `/v1/${path}`, JSON.stringify(body));
    for (const body of [
        {},
        [],
        null,
        {level: 241},
        {level: -241},
        {level: 1.5},
        {level: "5"},
        {level: null},
        {level: 5, add: 5},
        {add: 300},
        {add: 5, group: "wan"},
        {level: 5, reason: 5},
        {level: 5, reason: null},
        {level: 5, group: 7},
        {level: 5, force: true},
    ]) {
        assert.deepEqual(reject("demotion", body), bad, JSON.stringify(body));
    }
    const reason = {status: 400, code: "BAD_REASON"};
    for (const name of ["link:eth1", "maintenance", "a b", "operator:", "\u001b[2J", "é"]) {
        assert.deepEqual(reject("demotion", {level: 5, reason: name}), reason, name);
    }
    assert.deepEqual(refusal("DELETE", "/v1/demotion/"), reason);
    assert.deepEqual(refusal("DELETE", "/v1/demotion/send%3Aeth1"), reason);
    for (const body of [{}, {client: ""}, {client: 1}, {client: "x", address: 1}, {vip: "x"}]) {
        assert.deepEqual(reject("balance/which", body), bad, JSON.stringify(body));
    }
    for (const body of [
        {},
        {on: 1},
        {on: "true"},
        {on: null},
        {on: true, until: 0},
        {on: true, until: -1},
        {on: true, until: 0.5},
        {on: true, until: "30m"},
        {on: true, until: 31_536_001},
        {on: false, until: 5},
        {until: 5},
    ]) {
        assert.deepEqual(reject("maintenance", body), bad, JSON.stringify(body));
    }
    const said = posted("demotion", {level: 300});
    assert.ok(said.kind === "reply");
    assert.equal(errorOf(said.reply.body)?.message, "demotion must be -240..240, not 300");
});

test("every path refuses other methods and says which it takes", () => {
    for (const route of routes) {
        const path = `/${route.path.join("/").replace(":name", "carp0")}`;
        const result = ask("PATCH", path);
        assert.ok(result.kind === "reply" && result.reply.status === 405, path);
        assert.equal(result.reply.allow, Object.keys(route.methods).join(", "));
    }
    // Names of Object.prototype are not methods.
    assert.equal(refusal("constructor", "/v1/carp").status, 405);
});

test("unknown paths", () => {
    for (const path of [
        "",
        "/",
        "/v1",
        "/v1/",
        "v1/carp",
        "/v1/carp/",
        "/v2/carp",
        "/v1/carp/a/b",
        "/v1/%zz",
        "/v1/__proto__",
        "/v1/carp/a/state/x",
    ]) {
        const result = ask("GET", path);
        // "/v1/carp/" names a carp interface with an empty name, which the daemon then does not find.
        if (path === "/v1/carp/") assert.deepEqual(result, {kind: "readCarp", name: ""});
        else assert.deepEqual(refusal("GET", path), {status: 404, code: "UNKNOWN_PATH"}, path);
    }
});

test("bad bodies", () => {
    for (const body of [
        "",
        "{",
        "null",
        "[]",
        '"down"',
        "1",
        "{}",
        '{"state":1}',
        '{"state":"DOWN"}',
        '{"state":"toString"}',
        '{"state":"down","force":true}',
        '{"__proto__":{"state":"down"}}',
        "[".repeat(60_000),
    ]) {
        const expected = {status: 400, code: "BAD_BODY"};
        assert.deepEqual(
            refusal("POST", "/v1/carp/carp0/state", body),
            expected,
            body.slice(0, 40),
        );
    }
});

test("what a client sent is quoted and cut in the answer", () => {
    const result = ask("GET", `/\u001b[2J${"a".repeat(5000)}`);
    assert.ok(result.kind === "reply");
    const error = errorOf(result.reply.body);
    assert.ok(error !== null);
    assert.ok(error.message.length < 200);
    assert.ok(!error.message.includes("\u001b"));
});
