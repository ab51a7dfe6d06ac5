/**
 * Own addresses typed as a BSD's command at the prompt of an appliance: one line goes into the file,
 * the history and the host, and what could not be done is printed below it.
 */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {type TestContext, test} from "node:test";
import {BsdCommands} from "../../src/app/bsd-commands.ts";
import {Asker} from "../../src/app/shell/asker.ts";
import {operate} from "../../src/app/shell/operations.ts";
import {ok} from "../../src/core/result.ts";
import {plain} from "../../src/core/show.ts";
import {systemFs} from "../../src/io/config-writer.ts";
import {twoSegments} from "./bsd-fixtures.ts";
import {ManualClock, temporaryFolder} from "./condition-fixtures.ts";
import {admin, fileText, makeFolder, startRig} from "./configuration-rig.ts";
import {FakeRoot} from "./network-applier-rig.ts";

async function prompt(t: TestContext) {
    const folder = temporaryFolder(t);
    makeFolder(`${folder}/etc`, fileText(0));
    const root = new FakeRoot(`${folder}/root`);
    const network = {present: true, apply: root.applier.apply.bind(root.applier)};
    const {rig} = await startRig(`${folder}/etc`, systemFs, new ManualClock(), network);
    t.after(() => {
        rig.configuration.stop();
        return rig.daemon.conditions.stop();
    });
    const bsd = new BsdCommands(rig.daemon, {
        log: {write: (record) => rig.records.push(record)},
        configuration: rig.configuration,
        hostInterfaces: () => twoSegments,
        appliance: () => true,
        hostname: () => root.read("proc/sys/kernel/hostname").trim(),
    });
    const type = async (line: string): Promise<{out: string; complaint: string}> => {
        let [out, complaint] = ["", ""];
        const complain = (text: string): void => {
            complaint += text;
        };
        const client = {
            request: async () => ok(await bsd.run(line, admin)),
            events: async () => ok(null),
        };
        const asker = new Asker({client, socket: "", version: "", prefix: "", complain});
        await operate(
            {action: "bsd", values: {line}, words: []},
            {
                asker,
                out: (text) => {
                    out += text;
                },
                complain,
                paint: plain,
                nowMs: () => 0,
                json: false,
                signal: new AbortController().signal,
            },
        );
        return {out, complaint};
    };
    return {rig, root, type, file: () => readFileSync(`${folder}/etc/carpd.toml`, "utf8")};
}

test("a line is a commit: file, history and host", async (t) => {
    const {rig, root, type, file} = await prompt(t);
    const nothing = {out: "", complaint: ""};
    assert.deepEqual(await type("ifconfig eth1 inet 192.168.1.2/24; hostname r1"), nothing);
    assert.match(file(), /\[\[interface\]\]\nname = "eth1"\naddresses = \["192\.168\.1\.2\/24"\]/u);
    assert.deepEqual(root.addresses.get("eth1"), ["192.168.1.2/24"]);
    assert.deepEqual(await type("hostname"), {out: "r1\n", complaint: ""});
    assert.equal((await rig.configuration.history())[0]?.remark.includes("hostname r1"), true);
    const wrong = await type("ifconfig eth1 192.168.1.1/24");
    assert.match(wrong.complaint, /192\.168\.1\.1 is a virtual address of carp0/u);
    assert.deepEqual(root.addresses.get("eth1"), ["192.168.1.2/24"]);
});

test("what could not be done is printed", async (t) => {
    const {root, type} = await prompt(t);
    root.broken.set("nft", "nft: exit status 1: no");
    const {out, complaint} = await type("ifconfig eth1 192.168.1.2/24");
    assert.equal(out, "");
    assert.equal(complaint, "firewall, the former rules stay: nft: exit status 1: no\n");
});
