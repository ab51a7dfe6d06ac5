/**
 * The front panel in the control API, and the words that show it: bodies, who may say what, what an
 * operator reads. The programs together are in test/netns/panel.test.ts.
 */
import assert from "node:assert/strict";
import {describe, type TestContext, test} from "node:test";
import {panelRoutes} from "../../src/app/panel-routes.ts";
import {PanelState} from "../../src/app/panel-state.ts";
import {noAppliance} from "../../src/core/appliance/status.ts";
import type {Board} from "../../src/core/board.ts";
import {errorOf} from "../../src/core/control-protocol.ts";
import type {Session} from "../../src/core/control-session.ts";
import {ledsOf} from "../../src/core/leds.ts";
import {panelUsage, parsePanelArguments} from "../../src/core/panel-options.ts";
import {decodePanel} from "../../src/core/panel-status.ts";
import {showButtons, showLeds} from "../../src/core/panel-view.ts";
import {err, ok, type Result} from "../../src/core/result.ts";
import {accessStand, consoleUid, panelUid, password} from "./access-stand.ts";
import {ManualClock} from "./condition-fixtures.ts";
import {stand} from "./control-stand.ts";

const board: Board = {
    id: "testbox",
    name: "A box for tests",
    arch: "any",
    match: {kind: "never"},
    console: null,
    serial: [],
    nics: [],
    leds: new Map([
        ["role", {name: "x:green:role", kind: "single", colors: ["green"], label: "MASTER"}],
        ["fault", {name: "x:red:fault", kind: "single", colors: ["red"], label: ""}],
    ]),
    buttons: new Map([
        ["reset", {input: "gpio-keys", code: "KEY_RESTART", holdSec: 10, label: "RST"}],
    ]),
    watchdog: null,
    storage: {media: ["sd"], minMiB: 512},
    boot: {method: "none", dtb: "", cmdline: []},
    modules: [],
};

const sessions: Readonly<Record<string, Session>> = {
    admin: {id: "1", user: "root", role: "admin", origin: "test"},
    operator: {id: "2", user: "kim", role: "operator", origin: "ttyS0"},
    // The name alone makes nobody the panel.
    namesake: {id: "3", user: "carp-panel", role: "operator", origin: "panel"},
    panel: {id: "4", user: "carp-panel", role: "operator", origin: "panel"},
};

interface Panel {
    readonly clock: ManualClock;
    readonly resets: number[];
    resetWith: Result<void, string>;
    readonly said: () => string[];
    /** The status and the code of a refusal. */
    readonly ask: (who: string, method: string, path: string, body?: unknown) => Promise<string>;
    readonly view: () => Promise<unknown>;
}

async function panelStand(t: TestContext, machine: Board | null = board): Promise<Panel> {
    let who = "admin";
    const clock = new ManualClock();
    const control = await stand(t, {
        identify: () => ok(sessions[who] ?? assert.fail(who)),
        extend: (daemon) => {
            const ports = {
                clock,
                board: machine,
                appliance: () => noAppliance,
                commitUnconfirmed: () => "",
                factoryReset: async () => {
                    made.resets.push(1);
                    return made.resetWith;
                },
            };
            const state = new PanelState(daemon, ports);
            return panelRoutes(state, (session) => session === sessions.panel);
        },
    });
    const made: Panel = {
        clock,
        resets: [],
        resetWith: ok(undefined),
        said: () => control.daemon.history.list().map(({line}) => line),
        ask: async (name, method, path, body) => {
            who = name;
            const reply = await control.client.request(method, path, body);
            assert.ok(reply.ok);
            return `${reply.value.status} ${errorOf(reply.value.body)?.code ?? ""}`.trim();
        },
        view: async () => {
            const reply = await control.client.request("GET", "/v1/panel");
            return reply.ok ? reply.value.body : null;
        },
    };
    return made;
}

describe("the panel over the control socket", () => {
    test("who may report and press", async (t) => {
        const {ask} = await panelStand(t);
        for (const who of Object.keys(sessions)) {
            assert.equal(await ask(who, "GET", "/v1/panel"), "200");
            assert.equal(await ask(who, "POST", "/v1/identify", {seconds: 0}), "200");
            const may = who === "panel" || who === "admin" ? "200" : "403 FORBIDDEN";
            assert.equal(await ask(who, "POST", "/v1/panel/report", {leds: []}), may, who);
            assert.equal(await ask(who, "POST", "/v1/panel/button", {press: "short"}), may, who);
        }
    });

    test("bodies that are none", async (t) => {
        const {ask, resets} = await panelStand(t);
        const bad = "400 BAD_BODY";
        for (const body of [
            undefined,
            {},
            {leds: 1},
            {leds: [1]},
            {leds: [{name: "x"}]},
            [],
            "x",
        ]) {
            assert.equal(await ask("panel", "POST", "/v1/panel/report", body), bad);
        }
        const many = Array.from({length: 65}, () => ({name: "x", problem: "y"}));
        assert.equal(await ask("panel", "POST", "/v1/panel/report", {leds: many}), bad);
        for (const body of [{press: "long"}, {press: 1}, {press: "reset", more: 1}, null]) {
            assert.equal(await ask("panel", "POST", "/v1/panel/button", body), bad);
        }
        for (const seconds of [-1, 1.5, 3601, "30", null]) {
            assert.equal(await ask("admin", "POST", "/v1/identify", {seconds}), bad);
        }
        assert.equal(await ask("admin", "POST", "/v1/panel"), "405 WRONG_METHOD");
        assert.deepEqual(resets, []);
    });

    test("a reset is carried out only while it is armed", async (t) => {
        const made = await panelStand(t);
        const press = (what: string) =>
            made.ask("panel", "POST", "/v1/panel/button", {press: what});
        assert.equal(await press("reset"), "409 NOT_DONE");
        assert.equal(await press("armed"), "200");
        assert.equal(await press("disarmed"), "200");
        assert.equal(await press("reset"), "409 NOT_DONE");
        assert.equal(await press("armed"), "200");
        await made.clock.advance(36_000);
        assert.equal(await press("reset"), "409 NOT_DONE", "too late");
        assert.deepEqual(made.resets, []);
        await press("armed");
        assert.equal(decodePanel(await made.view())?.resetArmed, true);
        assert.equal(await press("reset"), "200");
        assert.deepEqual(made.resets, [1]);
        assert.equal(await press("reset"), "409 NOT_DONE", "once");
        await press("armed");
        made.resetWith = err("no data partition");
        assert.equal(await press("reset"), "409 NOT_DONE");
        assert.match(made.said().join("\n"), /no factory reset: no data partition/);
    });

    test("a short press tells every carp interface's state, and no secret", async (t) => {
        const {ask, said} = await panelStand(t);
        await ask("panel", "POST", "/v1/panel/button", {press: "short"});
        assert.deepEqual(
            said().filter((line) => line.startsWith("button")),
            ["button: carp0 (vhid 1 on eth1) is MASTER"],
        );
        assert.equal(await ask("operator", "GET", "/v1/panel/pressed"), "200");
    });

    test("identify ends by itself", async (t) => {
        const {ask, view, clock} = await panelStand(t);
        const flashing = async () => decodePanel(await view())?.identify;
        await ask("operator", "POST", "/v1/identify", {seconds: 30});
        assert.equal(await flashing(), true);
        await clock.advance(29_000);
        assert.equal(await flashing(), true);
        await clock.advance(2000);
        assert.equal(await flashing(), false);
        await ask("operator", "POST", "/v1/identify", {seconds: 30});
        await ask("operator", "POST", "/v1/identify", {seconds: 0});
        assert.equal(await flashing(), false);
    });

    test("what carp-panel reports is said once, and shown", async (t) => {
        const {ask, view, said, clock} = await panelStand(t);
        const report = (leds: unknown) => ask("panel", "POST", "/v1/panel/report", {leds});
        assert.match(showLeds(await view()) ?? "", /carp-panel does not run/);
        const hung = [{name: "x:red:fault", problem: "its driver hangs\u001b[2J"}];
        await report(hung);
        await report(hung);
        const text = showLeds(await view()) ?? "";
        assert.match(text, /NOT SHOWN: its driver hangs/);
        assert.doesNotMatch(text, /carp-panel does not run/);
        await report([]);
        assert.deepEqual(
            said().map((line) => line.slice(0, 32)),
            ["LED x:red:fault: its driver hang", "LED x:red:fault: works again"],
        );
        await clock.advance(13_000);
        assert.match(showButtons(await view()) ?? "", /nobody reads these buttons/);
    });

    test("a machine that no manifest describes", async (t) => {
        const {view} = await panelStand(t, null);
        const body = await view();
        assert.equal(showLeds(body), "this board is not known to carpd: it has no LEDs\n");
        assert.equal(showButtons(body), "this board is not known to carpd: it has no buttons\n");
    });
});

describe("what is printed", () => {
    test("LEDs and buttons", () => {
        const status = {status: {ready: true, vhids: []}};
        const decoded = decodePanel(status);
        assert.ok(decoded);
        const leds = ledsOf(decoded, board).map((plan) => ({...plan, label: "", problem: ""}));
        const none = {
            board: {id: "a", name: "A"},
            status: decoded,
            leds: [],
            buttons: [],
            served: true,
        };
        assert.equal(showLeds(none), "A (a) has no LEDs\n");
        assert.equal(showButtons(none), "A (a) has no buttons\n");
        assert.equal(
            showLeds({...none, leds}),
            [
                "A (a)",
                "role   LED           colour  pattern",
                "role   x:green:role  green   on 100, off 1900 ms",
                "\tno carp interface is configured",
                "fault  x:red:fault   red     off",
                "\tno fault",
                "",
            ].join("\n"),
        );
        for (const body of [null, 1, {}, {leds: [], buttons: 1}, {leds: [1], buttons: []}]) {
            assert.equal(showLeds(body), null);
            assert.equal(showButtons(body), null);
        }
    });

    test("the arguments of carp-panel", () => {
        const read = (...args: string[]) => {
            const parsed = parsePanelArguments(args, "/run/carpd");
            return parsed.ok ? parsed.value : parsed.error.message;
        };
        assert.deepEqual(read(), {
            kind: "run",
            options: {
                mode: "run",
                runDir: "/run/carpd",
                boardDir: "",
                sysRoot: "/sys/class/leds",
                inputDir: "/dev/input",
            },
        });
        assert.match(JSON.stringify(read("--fault", "--sys-root=/tmp/x")), /"mode":"fault".*tmp/);
        assert.equal(read("--fault", "--off"), "only one thing can be shown");
        assert.match(String(read("--falt")), /unknown option/);
        assert.match(String(read("now")), /is not an option/);
        assert.deepEqual(read("--help"), {kind: "help"});
        assert.deepEqual(read("--version"), {kind: "version"});
        for (const line of panelUsage().split("\n")) assert.ok(line.length <= 100, line);
    });
});

test("carp-panel's user gets the panel without a log-in, and nothing else", async (t) => {
    const made = await accessStand(t);
    made.peer = {uid: panelUid, gid: panelUid, pid: process.pid};
    for (const path of [
        "/v1/carp",
        "/v1/host",
        "/v1/events",
        "/v1/session",
        "/v1/login",
        "/v1/identify",
    ]) {
        const {status, code} = await made.ask("GET", path);
        assert.deepEqual([status, code], [403, "FORBIDDEN"], path);
    }
    // There are no such routes in this stand: it was let through to look for them.
    for (const path of ["/v1/panel", "/v1/panel/report", "/v1/panel/button"]) {
        assert.equal((await made.ask("GET", path)).status, 404, path);
    }
    const login = await made.ask("POST", "/v1/login", {user: "admin", password, origin: "ttyS0"});
    assert.equal(login.status, 403);
    made.peer = {uid: consoleUid, gid: consoleUid, pid: process.pid};
    assert.equal((await made.ask("GET", "/v1/panel")).status, 401);
    assert.equal((await made.ask("GET", "/v1/panel/pressed")).status, 404, "let through");
});
