/** The words of an appliance: what they mean, what they ask, what a person sees. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import {operateAppliance} from "../../src/app/shell/appliance.ts";
import {Asker, type Client, Stop} from "../../src/app/shell/asker.ts";
import {type InstallStatus, idleInstall} from "../../src/core/appliance/status.ts";
import {parseCarpctlArguments, resolve, tableFor} from "../../src/core/cli-resolve.ts";
import {cliTable} from "../../src/core/cli-table.ts";
import {errorOf} from "../../src/core/control-protocol.ts";
import {handOverLimitMs, masterRefusal, mastersIn, successorsOf} from "../../src/core/hand-over.ts";
import {ok} from "../../src/core/result.ts";
import {peer, vhost} from "./engine-fixtures.ts";

const table = tableFor(cliTable, "carpctl");

function command(line: string) {
    const args = parseCarpctlArguments(line.split(" "), table);
    assert.ok(typeof args !== "string", String(args));
    const resolved = resolve(table, args.words);
    assert.ok(resolved.ok, resolved.ok ? "" : resolved.message);
    return resolved.command;
}

describe("words", () => {
    it("are read with and without dashes", () => {
        const cases: readonly [string, string, object][] = [
            ["show images", "show-images", {}],
            ["system install-image usb", "install-image", {source: "usb"}],
            [
                "system install-image /x.raucb force",
                "install-image",
                {source: "/x.raucb", force: true},
            ],
            [
                "system install-image /x.raucb --force",
                "install-image",
                {source: "/x.raucb", force: true},
            ],
            ["system rollback", "rollback", {}],
            ["reboot", "reboot", {}],
            ["system reboot hand-over", "reboot", {handOver: true}],
            ["reboot --hand-over", "reboot", {handOver: true}],
            ["--force power-off", "power-off", {force: true}],
            ["factory-reset", "factory-reset", {}],
            ["factory-reset confirm erase everything", "factory-reset", {line: "erase everything"}],
        ];
        for (const [line, action, values] of cases) {
            const read = command(line);
            assert.deepEqual([read.action, {...read.values}], [action, values], line);
        }
        assert.ok(!resolve(table, ["reboot", "now"]).ok);
        assert.ok(!resolve(table, ["system", "install-image"]).ok);
    });
});

/** Answers one after the other; what was asked. */
function talk(answers: readonly unknown[], typed: string | null = null) {
    const asked: string[] = [];
    const left = [...answers];
    let [out, rows] = ["", ""];
    const client: Client = {
        request: async (method, path, body) => {
            asked.push(`${method} ${path}${body === undefined ? "" : ` ${JSON.stringify(body)}`}`);
            return ok({status: 200, body: left.shift()});
        },
        events: async () => ok(null),
    };
    const say = (text: string): void => {
        out += text;
    };
    const abort = new AbortController();
    return {
        asked,
        abort,
        ports: {
            asker: new Asker({client, socket: "s", version: "1", prefix: "", complain: say}),
            out: say,
            json: false,
            signal: abort.signal,
            row: {
                columns: 80,
                draw: (text: string) => {
                    rows += `<${text}>`;
                },
            },
            question: async (prompt: string) => {
                say(prompt);
                return typed;
            },
        },
        said: () => out,
        rows: () => rows,
    };
}

const writing = (percent: number): InstallStatus => ({
    ...idleInstall,
    phase: "writing",
    percent,
    message: "Copying image",
    done: false,
});

describe("what a person sees", () => {
    it("a bar while it is written, and then one sentence", async () => {
        const done = {...idleInstall, phase: "installed", percent: 100, message: "0.4.0 is in"};
        const t = talk([writing(10), writing(10), writing(60), done]);
        assert.equal(await operateAppliance(command("system install-image usb"), t.ports), null);
        assert.match(
            t.rows(),
            /^<\[#{3} {27}\] {2}10% copying image><\[#{18} {12}\] {2}60% .*><>$/u,
        );
        assert.equal(t.said(), "0.4.0 is in\n");
        assert.equal(t.asked[0], 'POST /v1/images/install {"source":"usb","force":false}');
    });

    it("^C ends the looking, not the installing", async () => {
        const t = talk([writing(10)]);
        t.abort.abort();
        const stop = await operateAppliance(command("system install-image usb"), t.ports);
        assert.ok(stop instanceof Stop && stop.code === 0);
        assert.equal(t.said(), "the installation goes on: show images\n");
    });

    it("a factory reset needs the very words", async () => {
        for (const typed of ["", "yes", "Erase Everything", "erase  everything", null]) {
            const t = talk([], typed);
            const stop = await operateAppliance(command("factory-reset"), t.ports);
            assert.ok(stop instanceof Stop, String(typed));
            assert.deepEqual(t.asked, []);
        }
        const t = talk([{text: "going\n"}], "erase everything");
        assert.equal(await operateAppliance(command("factory-reset"), t.ports), null);
        assert.deepEqual(t.asked, ['POST /v1/factory-reset {"confirm":"erase everything"}']);
        assert.match(t.said(), /^This erases .*\nType "erase everything" to go on: going\n$/u);
    });
});

describe("hand-over", () => {
    it("counts who is MASTER and takes part", () => {
        const all = [
            vhost({name: "a", state: "MASTER"}),
            vhost({name: "b", state: "BACKUP"}),
            vhost({name: "c", state: "MASTER", enabled: false}),
        ];
        assert.deepEqual(
            mastersIn(all).map(({name}) => name),
            ["a"],
        );
        const refusal = masterRefusal("power-off", mastersIn(all));
        assert.match(
            errorOf(refusal.body)?.expected ?? "",
            /^`power-off hand-over`.*`power-off force`$/u,
        );
    });

    it("waits as long as a slow successor needs, within what a client waits", () => {
        assert.equal(handOverLimitMs([]), 10_000);
        assert.equal(handOverLimitMs([vhost({advbase: 4})]), 16_000);
        assert.equal(handOverLimitMs([vhost({advbase: 255})]), 20_000);
    });

    it("is over when another host was heard, and not before", () => {
        const master = peer({address: "192.168.1.3"});
        const now = successorsOf(
            ["still", "silent", "leaving", "gone", "removed"],
            [
                vhost({name: "still", state: "MASTER"}),
                vhost({name: "silent", state: "BACKUP", master: null}),
                vhost({name: "leaving", state: "BACKUP", handingOver: true, master}),
                vhost({name: "gone", state: "BACKUP", handingOver: false, master}),
            ],
        );
        assert.deepEqual(
            now.map(({successor}) => successor),
            [null, null, null, "192.168.1.3", "nobody"],
        );
    });
});
