/**
 * Tracking, boot hold and the operator's demotions: what reaches the engine, and when.
 * The engine here keeps the set of reasons as the real one does; the last tests run real checks.
 */
import assert from "node:assert/strict";
import {readFileSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {type Config, defaultOptions, type Options} from "../../src/core/config.ts";
import {FileMaintenanceStore} from "../../src/io/maintenance-store.ts";
import {SystemTrackChecks} from "../../src/io/track-checks.ts";
import {
    ManualClock,
    MemoryMaintenance,
    Rig,
    realClock,
    ScriptedChecks,
    settle,
    started,
    temporaryFolder,
    track,
} from "./condition-fixtures.ts";
import {carpConfig, config, snapshot, until} from "./engine-fixtures.ts";

function withOptions(change: Partial<Options>): Config {
    return config({options: {...defaultOptions, ...change}});
}

const bad = {verdict: "bad", text: "exit status 1: no route"} as const;
const good = {verdict: "good", text: "answered in 1.0 ms"} as const;

// ---- tracks ----

test("a track counts as good until `fall` bad results, and recovers after `rise` good ones", async () => {
    const {clock, rig} = await started(config({tracks: [track({group: "carp"})]}));
    rig.checks.answers.set("ping", bad);
    await clock.advance(2000);
    assert.deepEqual(rig.engine.calls, []);
    await clock.advance(1000);
    assert.deepEqual(rig.engine.list(), ["track:uplink 240 carp"]);
    rig.checks.answers.set("ping", good);
    await clock.advance(1000);
    assert.deepEqual(rig.engine.list(), ["track:uplink 240 carp"]);
    await clock.advance(1000);
    assert.deepEqual(rig.engine.list(), []);
    assert.deepEqual(rig.texts("track"), [
        "track uplink: failing, demoted by 240: exit status 1: no route",
        "track uplink: good again",
    ]);
    assert.equal(rig.engine.calls.length, 2);
    // One at a start and one a second: from start to start.
    assert.equal(rig.checks.ran.length, 6);
});

test("the status of every track, in the order of the configuration", async () => {
    const tracks = [
        track(),
        track({name: "wan", check: {kind: "interface", interface: "eth2"}}),
        track({name: "flag", check: {kind: "file", path: "/run/x", exists: true}, demotion: 9}),
    ];
    const {clock, rig} = await started(config({tracks}));
    rig.checks.answers.set("file", {verdict: "bad", text: "does not exist"});
    await clock.advance(3000);
    const at = clock.monotonicUs();
    const link = {
        reason: "track:wan",
        interface: "eth2",
        present: true,
        adminUp: true,
        carrier: true,
        since: at,
    };
    const shown = rig.conditions.tracks(snapshot({at, linkTracks: [link]}), clock.wallUs() - at);
    assert.deepEqual(
        shown.map(({name, state, demotion, last}) => [name, state, demotion, last]),
        [
            ["uplink", "good", 0, "fine"],
            ["wan", "good", 0, "link up"],
            ["flag", "failing", 9, "does not exist"],
        ],
    );
    assert.equal(shown[1]?.since, new Date(clock.wallMs).toISOString());
});

test("a reload: unchanged tracks keep state and streak, removed ones let go", async () => {
    const two = [track(), track({name: "other"})];
    const {clock, rig} = await started(config({tracks: two}));
    rig.checks.answers.set("ping", bad);
    await clock.advance(2500);
    // Two bad ones each; the third decides, whatever is reloaded in between.
    await rig.reload(config({tracks: [...two, track({name: "third"})]}));
    await clock.advance(600);
    assert.deepEqual(rig.engine.list(), ["track:other 240", "track:uplink 240"]);
    assert.equal(rig.checks.openNow, 3);
    await rig.reload(config({tracks: [track({demotion: 100})]}));
    await settle();
    assert.deepEqual(rig.engine.list(), ["track:uplink 100"]);
    assert.equal(rig.checks.openNow, 1);
    // Another check under the same name: the state stays until the new one has said enough.
    const file = {kind: "file", path: "/run/x", exists: true} as const;
    await rig.reload(config({tracks: [track({check: file})]}));
    assert.deepEqual(rig.engine.list(), ["track:uplink 240"]);
    const [shown] = rig.conditions.tracks(snapshot(), 0n);
    assert.equal(shown?.state, "failing");
    await clock.advance(1100);
    assert.deepEqual(rig.engine.list(), []);
    assert.equal(rig.checks.openNow, 1);
    assert.equal(rig.checks.ran.at(-1)?.kind, "file");
});

test("a track that becomes an interface hands its reason to the engine, cleared", async () => {
    const {clock, rig} = await started(config({tracks: [track()]}));
    rig.checks.answers.set("ping", bad);
    await clock.advance(3000);
    assert.deepEqual(rig.engine.list(), ["track:uplink 240"]);
    const next = config({tracks: [track({check: {kind: "interface", interface: "eth2"}})]});
    await rig.conditions.release(next);
    assert.deepEqual(rig.engine.list(), []);
    // The engine refused the configuration: the daemon gives the former one back.
    await rig.conditions.reconfigure(config({tracks: [track()]}));
    assert.deepEqual(rig.engine.list(), ["track:uplink 240"]);
    await rig.conditions.release(next);
    // The engine sets it itself, for the link is down; nobody takes that away.
    await rig.engine.setDemotion("track:uplink", 240, "");
    await rig.conditions.reconfigure(next);
    await clock.advance(10_000);
    assert.deepEqual(rig.engine.list(), ["track:uplink 240"]);
});

test("a machine without a sensor: said once as an error, never demoted", async () => {
    const hot = track({name: "cpu", check: {kind: "temperature", mostCelsius: 90}});
    const {clock, rig} = await started(config({tracks: [hot]}));
    rig.checks.answers.set("temperature", {
        verdict: "unknown",
        text: "no temperature sensor here",
    });
    await clock.advance(20_000);
    assert.deepEqual(rig.engine.calls, []);
    const errors = rig.records.filter(({level}) => level === "error");
    assert.deepEqual(
        errors.map(({text}) => text),
        ["track cpu: no temperature sensor here; it counts as good and never demotes"],
    );
    const [shown] = rig.conditions.tracks(snapshot(), 0n);
    assert.equal(shown?.state, "starting");
    assert.equal(shown?.last, "no temperature sensor here");
});

test("an engine that refuses is asked again, and what is wanted then is what holds", async () => {
    const {clock, rig} = await started(config({tracks: [track()]}));
    rig.engine.refuse = () => true;
    rig.checks.answers.set("ping", bad);
    await clock.advance(3000);
    assert.deepEqual(rig.engine.list(), []);
    assert.match(rig.texts("demotion failed")[0] ?? "", /track:uplink could not be set.*not now/);
    rig.engine.refuse = () => false;
    await clock.advance(5000);
    assert.deepEqual(rig.engine.list(), ["track:uplink 240"]);
});

test("reasons are set again after a configuration", async () => {
    const {rig} = await started(config());
    await rig.conditions.demote("operator", 7, "");
    rig.engine.held.clear();
    await rig.conditions.reconfigure(config());
    assert.deepEqual(rig.engine.list(), ["operator 7"]);
});

test("after stop nothing is asked of the engine, and the checks are gone", async () => {
    const {clock, rig} = await started(config({tracks: [track()]}));
    await rig.conditions.stop();
    assert.ok(rig.checks.stopped);
    assert.equal(rig.checks.openNow, 0);
    const ran = rig.checks.ran.length;
    rig.checks.answers.set("ping", bad);
    await clock.advance(60_000);
    await rig.conditions.reconfigure(config({tracks: [track()]}));
    assert.equal(rig.checks.ran.length, ran);
    assert.deepEqual(rig.engine.calls, []);
});

// ---- boot hold ----

test("boot hold: before the configuration, for its delay", async () => {
    const clock = new ManualClock();
    const first = withOptions({bootDelayMs: 30_000});
    const rig = new Rig(clock, new MemoryMaintenance(), new ScriptedChecks(), first);
    await rig.conditions.start();
    assert.deepEqual(rig.engine.list(), ["boot 240"]);
    await rig.conditions.reconfigure(first);
    await clock.advance(29_999);
    assert.deepEqual(rig.engine.list(), ["boot 240"]);
    await clock.advance(1);
    assert.deepEqual(rig.engine.list(), []);
    assert.deepEqual(rig.texts("boot hold"), [
        "boot hold: demoted by 240 for 30s",
        "boot hold over after 30 s",
    ]);
});

test("boot hold: delay and command, whichever is later", async () => {
    const options = {bootDelayMs: 2000, bootCommand: ["/bin/sync-state"]};
    const slow = await started(withOptions(options));
    // Started with "fine": the command is done at once, the delay is not.
    assert.deepEqual(slow.rig.engine.list(), ["boot 240"]);
    await slow.clock.advance(2000);
    assert.deepEqual(slow.rig.engine.list(), []);

    const clock = new ManualClock();
    const checks = new ScriptedChecks();
    checks.answers.set("command", bad);
    const rig = new Rig(clock, new MemoryMaintenance(), checks, withOptions(options));
    await rig.conditions.start();
    await clock.advance(10_000);
    assert.deepEqual(rig.engine.list(), ["boot 240"]);
    assert.equal(checks.ran.length, 11);
    const failures = rig.texts("boot hold").filter((text) => text.includes("failed"));
    assert.deepEqual(failures, [
        "boot command failed, trying every second: exit status 1: no route",
    ]);
    checks.answers.set("command", good);
    await clock.advance(1000);
    assert.deepEqual(rig.engine.list(), []);
    assert.equal(checks.openNow, 0);
    await clock.advance(60_000);
    assert.equal(checks.ran.length, 12);
});

test("boot hold: a reload without the command is the way out of one that never succeeds", async () => {
    const clock = new ManualClock();
    const checks = new ScriptedChecks();
    checks.answers.set("command", bad);
    const first = withOptions({bootCommand: ["/bin/false"]});
    const rig = new Rig(clock, new MemoryMaintenance(), checks, first);
    await rig.conditions.start();
    await clock.advance(5000);
    assert.deepEqual(rig.engine.list(), ["boot 240"]);
    await rig.conditions.reconfigure(withOptions({bootDelayMs: 8000}));
    await clock.advance(2999);
    assert.deepEqual(rig.engine.list(), ["boot 240"]);
    await clock.advance(1);
    assert.deepEqual(rig.engine.list(), []);
    // Later changes of the options begin no new hold.
    await rig.conditions.reconfigure(withOptions({bootDelayMs: 80_000}));
    assert.deepEqual(rig.engine.list(), []);
});

// ---- the operator ----

test("an operator's demotion: set, changed, cleared; what cannot be is refused", async () => {
    const carp = [carpConfig(), carpConfig({name: "carp1", vhid: 2, group: "lan"})];
    const {rig} = await started(config({carp}));
    const {conditions, engine} = rig;
    await conditions.demote("operator", 10, "");
    await conditions.demote("operator:upgrade", -240, "lan");
    assert.deepEqual(engine.list(), ["operator 10", "operator:upgrade -240 lan"]);
    await conditions.demote("operator", 20, "");
    await conditions.demote("operator:upgrade", 0, "");
    assert.deepEqual(engine.list(), ["operator 20"]);
    const refusals: readonly [string, number, string, string][] = [
        ["operator:", 1, "", "BAD_REASON"],
        ["operator:a b", 1, "", "BAD_REASON"],
        [`operator:${"x".repeat(21)}`, 1, "", "BAD_REASON"],
        ["maintenance", 1, "", "BAD_REASON"],
        ["track:uplink", 1, "", "BAD_REASON"],
        ["upgrade", 1, "", "BAD_REASON"],
        ["operator", 241, "", "BAD_LEVEL"],
        ["operator", -241, "", "BAD_LEVEL"],
        ["operator", 1.5, "", "BAD_LEVEL"],
        ["operator", 1, "dmz", "UNKNOWN_GROUP"],
    ];
    for (const [reason, level, group, code] of refusals) {
        await assert.rejects(conditions.demote(reason, level, group), {code});
    }
    assert.deepEqual(engine.list(), ["operator 20"]);
    for (let i = 0; i < 15; i++) await conditions.demote(`operator:n${i}`, 1, "");
    const full = {code: "TOO_MANY_REASONS"};
    await assert.rejects(conditions.demote("operator:n15", 1, ""), full);
    await conditions.demote("operator:n3", 2, "");
    await conditions.demote("operator:n3", 0, "");
    await conditions.demote("operator:n15", 1, "");
    engine.refuse = () => true;
    await assert.rejects(conditions.demote("operator:n15", 9, ""), {code: "BUSY"});
    engine.refuse = () => false;
    await conditions.reconfigure(config({carp}));
    assert.equal(engine.held.get("operator:n15"), "1");
});

test("an operator's demotion of a group ends with the group", async () => {
    const carp = [carpConfig(), carpConfig({name: "carp1", vhid: 2, group: "lan"})];
    const {rig} = await started(config({carp}));
    await rig.conditions.demote("operator", 5, "lan");
    await rig.conditions.demote("operator:all", 5, "");
    await rig.reload(config());
    assert.deepEqual(rig.engine.list(), ["operator:all 5"]);
    assert.deepEqual(rig.texts("track"), ["operator cleared: group lan is gone"]);
});

// ---- with real checks ----

test("real checks: a file that comes and goes, a hanging command, a boot command", async (t) => {
    const at = temporaryFolder(t);
    const checks = new SystemTrackChecks({
        clock: realClock,
        probes: {
            startProber: () => {
                throw new Error("no ping here");
            },
        },
        healthHelper: join(import.meta.dirname, "../../src/health-helper.js"),
        warn: () => undefined,
    });
    const times = {intervalMs: 100, timeoutMs: 100, rise: 1, fall: 2} as const;
    const flag = join(at, "flag");
    // Succeeds at its third try.
    const boot = `echo x >> ${at}/tries; test $(wc -l < ${at}/tries) -ge 3`;
    const first = config({
        options: {...defaultOptions, bootCommand: ["/bin/sh", "-c", boot]},
        tracks: [
            track({...times, name: "flag", check: {kind: "file", path: flag, exists: false}}),
            track({...times, name: "hang", check: {kind: "command", command: ["sleep", "1000"]}}),
        ],
    });
    const rig = new Rig(realClock, new FileMaintenanceStore(at), checks, first);
    t.after(() => rig.conditions.stop());
    await rig.conditions.start();
    assert.deepEqual(rig.engine.list(), ["boot 240"]);
    await rig.conditions.reconfigure(first);
    await until(() => rig.engine.held.has("track:hang"), "the hanging command demotes");
    assert.ok(!rig.engine.held.has("track:flag"));
    writeFileSync(flag, "");
    await until(() => rig.engine.held.has("track:flag"), "the file demotes");
    rmSync(flag);
    await until(() => !rig.engine.held.has("track:flag"), "and no more");
    await until(() => !rig.engine.held.has("boot"), "the boot command succeeded", 10_000);
    assert.equal(readFileSync(join(at, "tries"), "utf8"), "x\nx\nx\n");
    assert.ok(rig.texts("track").includes("track flag: failing, demoted by 240: exists"));
    const began = performance.now();
    await rig.conditions.stop();
    assert.ok(performance.now() - began < 3000);
});
