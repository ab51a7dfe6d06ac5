/** BSD command lines on a real folder with a real supervisor: commits, acts, demotions, roles. */
import assert from "node:assert/strict";
import {mkdtempSync, readFileSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {describe, it, type TestContext} from "node:test";
import {BsdCommands, joinInterfaces, passFileBlocks} from "../../src/app/bsd-commands.ts";
import type {Session} from "../../src/core/control-session.ts";
import {EngineError} from "../../src/core/engine.ts";
import {decodeBsd} from "../../src/core/show-operations.ts";
import {twoSegments} from "./bsd-fixtures.ts";
import {
    admin,
    type ConfigurationRig,
    fileText,
    makeFolder,
    startRig,
    viewer,
} from "./configuration-rig.ts";
import {carpdev, snapshot} from "./engine-fixtures.ts";

interface Prompt {
    readonly rig: ConfigurationRig;
    readonly file: () => string;
    readonly status: (line: string, session?: Session) => Promise<number>;
    readonly type: (line: string, session?: Session) => Promise<{output: string; error: string}>;
}

async function prompt(t: TestContext, text = fileText(0)): Promise<Prompt> {
    const folder = mkdtempSync(join(tmpdir(), "carpd-bsd-"));
    t.after(() => rmSync(folder, {recursive: true, force: true}));
    makeFolder(folder, text);
    const {rig} = await startRig(folder);
    t.after(async () => {
        rig.configuration.stop();
        await rig.daemon.conditions.stop();
    });
    const commands = new BsdCommands(rig.daemon, {
        log: {write: (record) => rig.records.push(record)},
        configuration: rig.configuration,
        hostInterfaces: () => twoSegments,
    });
    return {
        rig,
        file: () => readFileSync(join(folder, "carpd.toml"), "utf8"),
        status: async (line, session = admin) => (await commands.run(line, session)).status,
        type: async (line, session = admin) => {
            const reply = await commands.run(line, session);
            assert.equal(reply.status, 200, JSON.stringify(reply.body));
            const body = decodeBsd(reply.body);
            assert.ok(body);
            return body;
        },
    };
}

const nothing = {output: "", error: "", warnings: ""};

describe("BSD commands in the daemon", () => {
    it("build an interface line by line from an empty file, committed when it is complete", async (t) => {
        const {rig, file, type} = await prompt(t, "");
        assert.deepEqual(await type("ifconfig carp0 create"), nothing);
        assert.equal(file(), "", "an incomplete interface is not in the configuration");
        const line =
            "# ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.1 \\\nnetmask 255.255.255.0";
        assert.deepEqual(await type(line), nothing);
        const [carp] = rig.daemon.config.carp;
        assert.deepEqual([carp?.name, carp?.carpdev, carp?.vhid], ["carp0", "eth1", 1]);
        assert.match(file(), /addresses = \["192\.168\.1\.1\/24"\]/);
        const looked = await type("ifconfig carp0");
        assert.match(looked.output, /carp: MASTER vhid 1 advbase 1 advskew 0\n/);
        assert.deepEqual(await type("ifconfig carp0 destroy"), nothing);
        assert.deepEqual(rig.daemon.config.carp, []);
    });

    it("keep comments, and write history and audit lines without the password", async (t) => {
        const {rig, file, type} = await prompt(t);
        assert.deepEqual(await type("# ifconfig carp0 advskew 50 \\\n pass verysecret"), nothing);
        assert.match(file(), /# the LAN gateway/);
        assert.match(file(), /advskew = 50/);
        assert.match(file(), /verysecret/);
        const audit = rig.records.filter(({msg}) => msg === "bsd command");
        assert.deepEqual(
            audit.map(({text}) => text),
            ["command by admin from ttyS0: ifconfig carp0 advskew 50 pass ****"],
        );
        const [entry] = await rig.configuration.history();
        assert.deepEqual(
            [entry?.user, entry?.remark],
            ["admin", "ifconfig carp0 advskew 50 pass ****"],
        );
        assert.doesNotMatch(JSON.stringify(rig.records), /verysecret/);
    });

    it("change sysctls, and add to the operator's demotion within its limits", async (t) => {
        const {rig, type} = await prompt(t);
        const preempt = await type("sysctl -w net.inet.carp.preempt=1");
        assert.deepEqual(preempt, {
            output: "net.inet.carp.preempt: 0 -> 1\n",
            error: "",
            warnings: "",
        });
        assert.equal(rig.daemon.config.options.preempt, true);
        const more = await type("sysctl net.inet.carp.demotion=200");
        assert.deepEqual(more, {
            output: "net.inet.carp.demotion: 0 -> 200\n",
            error: "",
            warnings: "",
        });
        await type("sysctl net.inet.carp.demotion=200");
        const {demotionReasons} = rig.engine.current;
        assert.deepEqual(
            demotionReasons.map(({reason, level}) => [reason, level]),
            [["operator", 240]],
        );
        await type("sysctl net.inet.carp.demotion=-240");
        assert.deepEqual(rig.engine.current.demotionReasons, []);
        assert.deepEqual(await type("ifconfig -g carp carpdemote 50"), nothing);
        assert.deepEqual(
            rig.engine.current.demotionReasons.map(({reason, level, groups}) => [
                reason,
                level,
                groups,
            ]),
            [["operator:carp", 50, "carp"]],
        );
        assert.match((await type("ifconfig -g carp")).output, /carp demote count 50\n$/);
    });

    it("set interfaces down and up in the typed order", async (t) => {
        const {rig, type} = await prompt(t);
        assert.deepEqual(await type("ifconfig carp0 down && ifconfig carp0 up"), nothing);
        const acts = rig.engine.calls.filter((call) => call.startsWith("admin"));
        assert.deepEqual(acts, ["admin carp0 down", "admin carp0 up"]);
    });

    it("say with a caret what was wrong, and do nothing of the line", async (t) => {
        const {rig, file, type} = await prompt(t);
        const before = file();
        const refused = await type("ifconfig carp0 down; ifconfig carp0 advskew 300");
        assert.equal(refused.output, "");
        assert.match(refused.error, /^ifconfig: advskew must be 0\.\.254, not 300\n.*\n +\^\^\^ /);
        assert.equal(file(), before);
        assert.ok(!rig.engine.calls.some((call) => call.startsWith("admin")));
        assert.ok(!rig.records.some(({msg}) => msg === "bsd command"));
    });

    it("keep nothing that was pending when the commit was refused", async (t) => {
        const {rig, type} = await prompt(t);
        rig.engine.onConfigure = () =>
            Promise.reject(new EngineError("ENGINE_FULL", "configure", "carp0", 0, "no room"));
        const failed = await type("ifconfig carp1 create && ifconfig carp0 advskew 9");
        assert.match(failed.error, /no room/);
        rig.engine.onConfigure = () => Promise.resolve();
        assert.equal(rig.daemon.config.carp[0]?.advskew, 0);
        assert.match((await type("ifconfig carp1")).error, /carp1/);
    });

    it("let an operator look and do nothing else", async (t) => {
        const {rig, file, type, status} = await prompt(t);
        const before = file();
        assert.match((await type("ifconfig carp0", viewer)).output, /^carp0: flags=/);
        assert.match((await type("# ifconfig -a", viewer)).output, /carp0/);
        const value = await type("sysctl -n net.inet.carp.preempt", viewer);
        assert.deepEqual(value, {output: "0\n", error: "", warnings: ""});
        const forbidden = [
            "ifconfig carp1 create",
            "ifconfig carp0 down",
            "ifconfig carp0; ifconfig carp0 down",
            "ifconfig carp0 && ifconfig carp0 down",
            "ifconfig carp0\nifconfig carp0 down",
            "sysctl net.inet.carp.preempt=1",
            "ifconfig -g carp carpdemote",
            "ifconfig carp0 destroy",
            "ifconfig carp create",
        ];
        for (const line of forbidden) assert.equal(await status(line, viewer), 403, line);
        assert.equal(file(), before);
        assert.ok(!rig.engine.calls.some((call) => /^(?:admin|demotion)/.test(call)));
        assert.match((await type("ifconfig carp1", viewer)).error, /carp1/, "nothing is pending");
    });

    it("are done one after the other, however they come", async (t) => {
        const {rig, type} = await prompt(t);
        const skews = [10, 20, 30, 40];
        const answers = await Promise.all(
            skews.map((skew) => type(`ifconfig carp0 advskew ${skew}`)),
        );
        assert.deepEqual(
            answers,
            skews.map(() => nothing),
        );
        assert.equal(rig.daemon.config.carp[0]?.advskew, 40);
    });

    it("refuse a commit while the file was changed by hand, with what to do", async (t) => {
        const {rig, type} = await prompt(t);
        await rig.store.write(fileText(77));
        const refused = await type("ifconfig carp0 advskew 5");
        assert.match(refused.error, /was changed by hand.*\nexpected reload/);
    });
});

describe("the world of the BSD commands", () => {
    it("has the engine's addresses of a carpdev without a link", () => {
        const dead = {name: "eth1", addresses: [], mac: "", up: false};
        const of = snapshot({carpdevs: [carpdev(), carpdev({carpdev: "eth2", present: false})]});
        assert.deepEqual(joinInterfaces([dead], of), [
            {name: "eth1", addresses: ["192.168.1.2/24"], mac: "02:00:00:00:00:02", up: true},
        ]);
        assert.deepEqual(
            joinInterfaces([], of).map(({name}) => name),
            ["eth1"],
        );
    });

    it("knows the blocks with pass-file by name or place", () => {
        const text =
            '[[carp]]\nvhid = 1\n[[carp]]\npass-file = "k"\n[[carp]]\nname = "x"\npass-file = "k"\n';
        assert.deepEqual([...passFileBlocks(text)], ["carp1", "x"]);
        assert.deepEqual([...passFileBlocks("[[")], []);
    });
});
