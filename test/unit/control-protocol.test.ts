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
    for (const resource of ["interfaces", "statistics", "demotion", "log", "version", "host"]) {
        assert.deepEqual(ask("GET", `/v1/${resource}`), {kind: "read", resource});
    }
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
