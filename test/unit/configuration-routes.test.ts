/** The configuration in the control API: roles, bodies, statuses. */
import assert from "node:assert/strict";
import {type TestContext, test} from "node:test";
import {configurationRoutes} from "../../src/app/configuration-routes.ts";
import {ControlApi} from "../../src/app/control-api.ts";
import type {Session} from "../../src/core/control-session.ts";
import {temporaryFolder} from "./condition-fixtures.ts";
import {admin, makeFolder, other, startRig, viewer} from "./configuration-rig.ts";

type Ask = (
    session: Session,
    name: string,
    body?: unknown,
) => Promise<{status: number; body: Record<string, unknown>; code: string}>;

async function stand(t: TestContext): Promise<Ask> {
    const folder = temporaryFolder(t);
    makeFolder(folder);
    const {rig} = await startRig(folder);
    t.after(() => rig.configuration.stop());
    const noBalance = () => {
        throw new Error("no balance here");
    };
    const routes = configurationRoutes(rig.configuration);
    const api = new ControlApi(rig.daemon, () => ({}), noBalance, routes);
    return async (session, name, body) => {
        const history = name === "history";
        const path = history ? "/v1/history" : `/v1/configuration/${name}`;
        const text = body === undefined ? "" : JSON.stringify(body);
        const method = history ? "GET" : "POST";
        const reply = await api.answer({method, path, body: text}, session);
        assert.ok(reply !== "stream");
        const answer: unknown = JSON.parse(JSON.stringify(reply.body));
        assert.ok(typeof answer === "object" && answer !== null);
        const error: unknown = Reflect.get(answer, "error");
        const code =
            typeof error === "object" && error !== null ? String(Reflect.get(error, "code")) : "";
        return {status: reply.status, body: {...answer}, code};
    };
}

test("from open to history", async (t) => {
    const ask = await stand(t);
    const opened = await ask(admin, "open");
    assert.equal(opened.status, 200);
    assert.deepEqual(Object.keys(opened.body), ["holder", "since", "text"]);
    assert.equal((await ask(other, "open")).code, "CANDIDATE_HELD");
    const edit = {line: "set advskew 9", context: ["carp", "carp0"]};
    assert.deepEqual((await ask(admin, "edit", edit)).body, {changed: true});
    assert.match(String((await ask(viewer, "compare")).body.text), /^\+advskew = 9$/m);
    assert.deepEqual((await ask(admin, "validate")).body, {ok: true, text: ""});
    const commit = {confirmedMinutes: 5, remark: "by test"};
    const {body} = await ask(admin, "commit", commit);
    assert.deepEqual(body.changes, ["carp0: advskew 0 -> 9"]);
    assert.ok(Date.parse(String(body.confirmBy)) > 0);
    assert.equal((await ask(admin, "confirm")).status, 200);
    assert.equal((await ask(admin, "confirm")).code, "NOT_WAITING");
    assert.deepEqual((await ask(admin, "rollback", {number: 1})).body, {changed: true});
    assert.equal((await ask(admin, "rollback", {number: 9})).status, 404);
    assert.match(String((await ask(admin, "save")).body.text), /pass = "mekmitasdigoat"/);
    assert.equal((await ask(admin, "discard")).status, 200);
    const load = {text: "set options preempt true", merge: true};
    assert.deepEqual((await ask(admin, "load", load)).body, {changed: true});
    assert.equal((await ask(admin, "close")).status, 200);
    assert.equal((await ask(admin, "commit")).code, "NO_CANDIDATE");
    const history = Object.values((await ask(viewer, "history")).body);
    assert.equal(history.length, 2);
    const [newest] = history;
    assert.ok(typeof newest === "object" && newest !== null);
    assert.deepEqual(
        ["number", "user", "origin", "remark", "changes"].map((key) => Reflect.get(newest, key)),
        [0, "admin", "ttyS0", "by test", ["carp0: advskew 0 -> 9"]],
    );
});

test("an operator looks, without passwords; everything else is the administrator's", async (t) => {
    const ask = await stand(t);
    for (const form of ["toml", "commands"]) {
        for (const source of ["running", "candidate", 0]) {
            const shown = await ask(viewer, "show", {source, form});
            assert.doesNotMatch(JSON.stringify(shown.body), /mekmitasdigoat/);
            assert.equal(shown.status, source === "running" ? 200 : source === 0 ? 404 : 409);
        }
    }
    assert.equal((await ask(viewer, "show", {secrets: true})).status, 403);
    assert.match(String((await ask(admin, "show", {secrets: true})).body.text), /mekmitasdigoat/);
    for (const name of [
        ...["open", "edit", "validate", "commit", "confirm", "rollback", "load", "save"],
        ...["discard", "close"],
    ]) {
        assert.equal((await ask(viewer, name, {})).status, 403, name);
    }
});

test("bodies are taken as they are meant, or not at all", async (t) => {
    const ask = await stand(t);
    await ask(admin, "open");
    const wrong: readonly [string, unknown][] = [
        ["show", {source: "disk"}],
        ["show", {source: -1}],
        ["show", {form: "xml"}],
        ["show", {secrets: 1}],
        ["show", {sources: "running"}],
        ["show", []],
        ["show", "running"],
        ["edit", {line: 5}],
        ["edit", {line: "set", context: "carp"}],
        ["edit", {line: "set", context: [1]}],
        ["edit", {line: "set", context: ["a", "b", "c", "d"]}],
        ["compare", {with: "candidate"}],
        ["compare", {with: 0.5}],
        ["commit", {confirmedMinutes: 0}],
        ["commit", {confirmedMinutes: 121}],
        ["commit", {confirmedMinutes: "10"}],
        ["commit", {remark: "two\nlines"}],
        ["commit", {remark: "x".repeat(201)}],
        ["commit", {force: "yes"}],
        ["rollback", {number: "1"}],
        ["load", {text: null}],
        ["load", {text: "", merge: 0}],
        ["open", {now: true}],
        ["discard", {a: 1}],
    ];
    for (const [name, body] of wrong) {
        const {status, code} = await ask(admin, name, body);
        assert.deepEqual([status, code], [400, "BAD_BODY"], `${name} ${JSON.stringify(body)}`);
    }
    assert.equal((await ask(admin, "edit", {line: "set carp carp0 vhit 4"})).status, 422);
    assert.equal((await ask(admin, "edit", {line: 'set "carp'})).status, 422);
    const large = "#".repeat(1024 * 1024 + 1);
    assert.equal((await ask(admin, "load", {text: large})).code, "TOO_LARGE");
});
