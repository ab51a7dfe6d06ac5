/** Maintenance mode: what the engine is told, what outlives a restart, what ends it. */
import assert from "node:assert/strict";
import {existsSync, readFileSync, statSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {FileMaintenanceStore} from "../../src/io/maintenance-store.ts";
import {
    ManualClock,
    MemoryMaintenance,
    Rig,
    ScriptedChecks,
    settle,
    started,
    temporaryFolder,
} from "./condition-fixtures.ts";
import {config} from "./engine-fixtures.ts";

test("maintenance holds before the configuration and over a restart", async () => {
    const store = new MemoryMaintenance();
    const {clock, rig} = await started(config(), store);
    assert.deepEqual(rig.conditions.maintenance(), {on: false, since: "", until: ""});
    const on = await rig.conditions.setMaintenance(true, null);
    const since = new Date(clock.wallMs).toISOString();
    assert.deepEqual(on, {ok: true, value: {on: true, since, until: ""}});
    assert.deepEqual(rig.engine.list(), ["maintenance 240"]);

    const again = new Rig(clock, store, new ScriptedChecks(), config());
    await again.conditions.start();
    assert.deepEqual(again.engine.list(), ["maintenance 240"]);
    assert.equal(again.conditions.maintenance().since, since);
    const off = await again.conditions.setMaintenance(false, null);
    assert.ok(off.ok && !off.value.on);
    assert.deepEqual(again.engine.list(), []);
    assert.equal(store.record, null);
});

test("the end of maintenance: by the clock, by a stepped clock, while the daemon was down", async () => {
    const store = new MemoryMaintenance();
    const {clock, rig} = await started(config(), store);
    await rig.conditions.setMaintenance(true, clock.wallMs + 30 * 60_000);
    const {until: shown} = rig.conditions.maintenance();
    assert.equal(shown, new Date(clock.wallMs + 30 * 60_000).toISOString());
    await clock.advance(30 * 60_000 - 1);
    assert.deepEqual(rig.engine.list(), ["maintenance 240"]);
    await clock.advance(1);
    await settle();
    assert.deepEqual(rig.engine.list(), []);
    assert.equal(store.record, null);
    assert.equal(rig.texts("maintenance").at(-1), "maintenance off: its end has come");

    await rig.conditions.setMaintenance(true, clock.wallMs + 3_600_000);
    clock.stepWall(3_600_000);
    await clock.advance(60_000);
    await settle();
    assert.deepEqual(rig.engine.list(), []);

    store.record = {sinceMs: clock.wallMs - 9000, untilMs: clock.wallMs - 1};
    const later = new Rig(clock, store, new ScriptedChecks(), config());
    await later.conditions.start();
    assert.deepEqual(later.engine.list(), []);
    assert.equal(later.conditions.maintenance().on, false);
    assert.equal(store.record, null);
});

test("maintenance that cannot be stored, or ends in the past, is refused", async () => {
    const store = new MemoryMaintenance();
    const {clock, rig} = await started(config(), store);
    for (const end of [clock.wallMs, 0, -1, Number.NaN, 9e15]) {
        const past = await rig.conditions.setMaintenance(true, end);
        assert.equal(past.ok ? 0 : past.error.exitCode, 64);
    }
    store.refusal = "disk full";
    const refused = await rig.conditions.setMaintenance(true, null);
    assert.deepEqual(refused, {ok: false, error: {text: "disk full", exitCode: 74}});
    assert.deepEqual(rig.engine.list(), []);
    assert.equal(rig.conditions.maintenance().on, false);

    // Off always works here and now, and says what will come back.
    store.refusal = "";
    await rig.conditions.setMaintenance(true, null);
    store.refusal = "disk full";
    const off = await rig.conditions.setMaintenance(false, null);
    assert.match(off.ok ? "" : off.error.text, /disk full; off until a restart/);
    assert.deepEqual(rig.engine.list(), []);
    store.refusal = "";
    assert.ok((await rig.conditions.setMaintenance(false, null)).ok);
    assert.equal(store.record, null);
});

test("maintenance on the disk: whole, private, gone when off; garbled means off and a warning", async (t) => {
    const state = join(temporaryFolder(t), "state");
    const file = join(state, "maintenance.json");
    const store = new FileMaintenanceStore(state);
    assert.deepEqual(await store.load(), {record: null, warning: ""});
    assert.deepEqual(await store.save(null), {ok: true, value: undefined});
    const record = {sinceMs: 1_800_000_000_000, untilMs: null};
    assert.ok((await store.save(record)).ok);
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), record);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.ok(!existsSync(`${file}.tmp`));
    assert.deepEqual(await new FileMaintenanceStore(state).load(), {record, warning: ""});
    assert.ok((await store.save(null)).ok);
    assert.ok(!existsSync(file));
    for (const torn of [
        "",
        "{",
        "null",
        "[]",
        '{"sinceMs":1}',
        '{"sinceMs":"1","untilMs":null}',
        '{"sinceMs":1,"untilMs":1e99}',
        '{"sinceMs":-1,"untilMs":null}',
        "\0\0\0",
    ]) {
        writeFileSync(file, torn);
        const {record: found, warning} = await store.load();
        assert.equal(found, null);
        assert.match(warning, /maintenance\.json .*was on once, and is taken as off/, torn);
    }
    const clock = new ManualClock();
    const rig = new Rig(clock, store, new ScriptedChecks(), config());
    await rig.conditions.start();
    assert.deepEqual(rig.engine.list(), []);
    assert.match(rig.texts("maintenance")[0] ?? "", /taken as off/);
    assert.ok((await rig.conditions.setMaintenance(false, null)).ok);
    assert.ok(!existsSync(file));
    writeFileSync(join(state, "plain"), "");
    const refused = await new FileMaintenanceStore(join(state, "plain")).save(record);
    assert.match(refused.ok ? "" : refused.error, /^cannot store maintenance mode in .*: E/);
});
