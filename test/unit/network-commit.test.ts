/**
 * The host's own network in commits: sent with each, its warnings in the answer, and taken back with
 * the configuration when nobody confirms, by the real applier on a folder.
 */
import assert from "node:assert/strict";
import {type TestContext, test} from "node:test";
import type {NetworkPort} from "../../src/app/ports.ts";
import {err} from "../../src/core/result.ts";
import {systemFs} from "../../src/io/config-writer.ts";
import {ManualClock, settle, temporaryFolder} from "./condition-fixtures.ts";
import {admin, type ConfigurationRig, fileText, makeFolder, startRig} from "./configuration-rig.ts";
import {FakeRoot} from "./network-applier-rig.ts";

const own = '[[interface]]\nname = "lan0"\naddresses = ["192.168.1.2/24"]\n';

async function appliance(
    t: TestContext,
    port?: (root: FakeRoot) => NetworkPort,
): Promise<{rig: ConfigurationRig; root: FakeRoot}> {
    const folder = temporaryFolder(t);
    makeFolder(`${folder}/etc-carpd`, fileText(0, own));
    const root = new FakeRoot(`${folder}/root`);
    const network = port?.(root) ?? {
        present: true,
        apply: (plan) => root.applier.apply(plan),
    };
    const {rig} = await startRig(`${folder}/etc-carpd`, systemFs, new ManualClock(), network);
    await rig.daemon.applyNetwork();
    return {rig, root};
}

async function commit(rig: ConfigurationRig, lines: readonly string[], minutes: number | null) {
    const {configuration} = rig;
    assert.ok(configuration.open(admin).ok);
    for (const line of lines) {
        const edited = configuration.edit(admin, line, []);
        assert.ok(edited.ok, line);
    }
    const done = await configuration.commit(admin, {
        confirmedMinutes: minutes,
        remark: "",
        force: false,
    });
    assert.ok(configuration.close(admin).ok);
    return done;
}

const change = [
    "delete interface lan0 addresses 192.168.1.2/24",
    "set interface lan0 addresses 10.0.0.2/8",
    "set system hostname gone",
];

test("the start applies the plan, a commit the difference, and the engine is left alone", async (t) => {
    const {rig, root} = await appliance(t);
    assert.deepEqual(root.addresses.get("lan0"), ["192.168.1.2/24"]);
    const before = rig.daemon.config.carp;
    const done = await commit(rig, change, null);
    assert.ok(done.ok, JSON.stringify(done));
    assert.deepEqual(done.value.changes, [
        "hostname none -> gone",
        "interface lan0: address 192.168.1.2/24 removed",
        "interface lan0: address 10.0.0.2/8 added",
    ]);
    assert.deepEqual(root.addresses.get("lan0"), ["10.0.0.2/8"]);
    assert.deepEqual(rig.daemon.config.carp, before);
    await rig.daemon.stop();
});

test("nobody confirms: the address comes back", async (t) => {
    const {rig, root} = await appliance(t);
    const done = await commit(rig, change, 1);
    assert.ok(done.ok && done.value.confirmBy !== "");
    assert.deepEqual(root.addresses.get("lan0"), ["10.0.0.2/8"]);
    await rig.clock.advance(60_000);
    const wentBack = (): boolean => rig.said.some((line) => line.includes("was not confirmed"));
    const deadline = performance.now() + 10_000;
    while (!wentBack() && performance.now() < deadline) await settle();
    assert.deepEqual(root.addresses.get("lan0"), ["192.168.1.2/24"]);
    assert.equal(root.read("proc/sys/kernel/hostname"), "carpd");
    assert.ok(wentBack(), rig.said.join("\n"));
    await rig.daemon.stop();
});

test("what could not be done is in the answer and in the log, and is tried again", async (t) => {
    const {rig, root} = await appliance(t);
    root.broken.set("nft", "nft: exit status 1: no");
    const done = await commit(rig, change, null);
    assert.ok(done.ok);
    const sentence = "firewall, the former rules stay: nft: exit status 1: no";
    assert.equal(done.value.warnings, sentence);
    assert.ok(rig.said.includes(sentence));
    root.broken.clear();
    root.ran.length = 0;
    const next = await commit(rig, ["set carp carp0 advskew 7"], null);
    assert.ok(next.ok && next.value.warnings === "");
    assert.ok(root.ran.includes("nft -f /run/carpd-network/firewall.nft"));
    root.ran.length = 0;
    // Nothing of the network differs: nothing is done.
    assert.ok((await commit(rig, ["set carp carp0 advskew 8"], null)).ok);
    assert.deepEqual(root.ran, []);
    await rig.daemon.stop();
});

test("a helper that is gone, refuses or hangs is a warning", async (t) => {
    for (const [apply, expected] of [
        [() => Promise.resolve(err("no network plan: hostname")), /^network: no network plan/],
        [() => Promise.reject(new Error("ECONNREFUSED")), /^network: ECONNREFUSED/],
    ] as const) {
        const {rig} = await appliance(t, () => ({present: true, apply}));
        const done = await commit(rig, change, null);
        assert.ok(done.ok);
        assert.match(done.value.warnings, expected);
        await rig.daemon.stop();
    }
});

test("a helper that starts later than carpd is asked again", async (t) => {
    let reached = false;
    const {rig, root} = await appliance(t, (there) => ({
        present: true,
        apply: (plan) =>
            reached ? there.applier.apply(plan) : Promise.resolve(err("carp-system: ENOENT")),
    }));
    const said = (): readonly string[] =>
        rig.records.filter(({msg}) => msg === "network").map(({text}) => text);
    assert.deepEqual(said(), ["network: carp-system: ENOENT"]);
    await rig.clock.advance(5000);
    await settle();
    assert.equal(said().length, 1);
    reached = true;
    await rig.clock.advance(5000);
    const deadline = performance.now() + 10_000;
    while (said().length < 2 && performance.now() < deadline) await settle();
    assert.equal(said()[1], "the host's own network is applied now");
    assert.deepEqual(root.addresses.get("lan0"), ["192.168.1.2/24"]);
    await rig.daemon.stop();
});

test("on another host the sections are accepted, and a warning says who reads them", async (t) => {
    const absent: NetworkPort = {
        present: false,
        apply: () => Promise.reject(new Error("asked all the same")),
    };
    const {rig} = await appliance(t, () => absent);
    const done = await commit(rig, change, null);
    assert.ok(done.ok);
    assert.match(done.value.warnings, /not a carpd appliance, nothing applies them here/);
    const gone = await commit(rig, ["delete interface lan0", "delete system hostname"], null);
    assert.ok(gone.ok && gone.value.warnings === "");
    await rig.daemon.stop();
});
