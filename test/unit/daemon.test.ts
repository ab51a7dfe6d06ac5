/** The supervisor with a scripted engine: order of things, reload, lost events, the end. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {Daemon} from "../../src/app/daemon.ts";
import type {
    ConfigSource,
    EpochStore,
    Failure,
    LoadedConfiguration,
    Notifier,
} from "../../src/app/ports.ts";
import {defaultOptions} from "../../src/core/config.ts";
import {EngineError, type EngineEvent} from "../../src/core/engine.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {err, ok, type Result} from "../../src/core/result.ts";
import {MemoryMaintenance, ScriptedChecks, track} from "./condition-fixtures.ts";
import {
    carpConfig,
    config,
    now,
    ScriptedEngine,
    snapshot,
    until,
    vhost,
} from "./engine-fixtures.ts";

/** Everything around a daemon, with a clock that runs only when told. */
class Rig {
    readonly engine = new ScriptedEngine();
    readonly order: string[] = [];
    readonly records: LogRecord[] = [];
    readonly heard: number[] = [];
    readonly hookRuns: string[] = [];
    readonly checks = new ScriptedChecks();
    readonly maintenance = new MemoryMaintenance();
    epoch = 41;
    epochError: string | null = null;
    loaded: Result<LoadedConfiguration, Failure> = ok({
        config: config(),
        warnings: "",
        texts: [],
    });
    #timers: {ms: number; run: () => void}[] = [];
    readonly daemon: Daemon;

    constructor(watchdogIntervalMs: number | null = null, first = config()) {
        const say = (text: string) => this.order.push(text);
        const notifier: Notifier = {
            watchdogIntervalMs,
            ready: () => say("READY"),
            status: (text) => say(`STATUS ${text}`),
            reloading: () => say("RELOADING"),
            stopping: () => say("STOPPING"),
            watchdog: () => say("WATCHDOG"),
        };
        const epochs: EpochStore = {
            advance: () => {
                this.epoch++;
                const {epoch, epochError} = this;
                return Promise.resolve(
                    epochError === null ? ok({epoch, warning: ""}) : err(epochError),
                );
            },
            heard: (epoch) => this.heard.push(epoch),
            settled: () => Promise.resolve(),
        };
        const source: ConfigSource = {load: async () => this.loaded};
        const clock = {
            monotonicUs: () => now,
            wallUs: () => now,
            after: (ms: number, run: () => void) => {
                const timer = {ms, run};
                this.#timers.push(timer);
                return () => {
                    this.#timers = this.#timers.filter((other) => other !== timer);
                };
            },
        };
        const log = {write: (record: LogRecord) => this.records.push(record)};
        this.daemon = new Daemon(
            {
                engine: this.engine,
                clock,
                log,
                notifier,
                epochs,
                config: source,
                hooks: {
                    run: async (run) => {
                        this.hookRuns.push(run.args.join(" "));
                    },
                },
                checks: this.checks,
                maintenance: this.maintenance,
            },
            {
                version: "0.1.0",
                engine: {
                    janitor: "/j",
                    owner: "o",
                    sysctlJournal: "/s",
                    realtimePriority: 50,
                    lockMemory: true,
                },
            },
            first,
        );
    }

    /** Runs every timer of this length that is armed now. */
    fire(ms: number): void {
        const due = this.#timers.filter((timer) => timer.ms === ms);
        this.#timers = this.#timers.filter((timer) => timer.ms !== ms);
        assert.ok(due.length > 0, `no timer of ${ms} ms is armed`);
        for (const timer of due) timer.run();
    }

    armed(ms: number): boolean {
        return this.#timers.some((timer) => timer.ms === ms);
    }

    texts(msg: string): string[] {
        return this.records.filter((record) => record.msg === msg).map((record) => record.text);
    }

    async started(): Promise<this> {
        const result = await this.daemon.start();
        assert.ok(result.ok, result.ok ? "" : result.error.text);
        this.daemon.announceReady();
        return this;
    }
}

function change(at: bigint, from: "INIT" | "BACKUP" | "MASTER", to: typeof from): EngineEvent {
    const who = {name: "carp0", carpdev: "eth1", vhid: 1} as const;
    return {kind: "vhostState", at, ...who, from, to, cause: "master timed out", peer: ""};
}

test("start: the stored epoch is the counter's upper half, then the engine, then READY", async () => {
    const rig = await new Rig().started();
    assert.deepEqual(rig.engine.calls.slice(0, 3), ["start", "configure", "snapshot"]);
    assert.equal(rig.engine.configurations[0]?.vhosts[0]?.counter, 42n << 32n);
    assert.deepEqual(rig.order.at(-2), "READY");
    assert.equal(rig.order.at(-1), "STATUS 1 MASTER, demotion 0");
    assert.match(
        rig.texts("started")[0] ?? "",
        /^carpd 0\.1\.0 started: 1 carp interface, SCHED_FIFO 50/,
    );
});

test("an epoch that cannot be stored, or a refused engine, ends the start", async () => {
    const noStore = new Rig();
    noStore.epochError = "cannot store it";
    assert.deepEqual(await noStore.daemon.start(), err({text: "cannot store it", exitCode: 74}));
    assert.deepEqual(noStore.engine.calls, []);

    const refused = new Rig();
    refused.engine.onConfigure = () =>
        Promise.reject(new EngineError("EPERM", "socket", "eth1", 1, "no"));
    const result = await refused.daemon.start();
    assert.ok(!result.ok);
    assert.equal(result.error.exitCode, 77);
    assert.match(result.error.text, /socket eth1: EPERM.*needs CAP_NET_ADMIN and CAP_NET_RAW/);
    assert.equal(refused.engine.calls.at(-1), "stop");

    const broken = new Rig();
    broken.engine.onConfigure = () => Promise.reject(new EngineError("EIO", "x", "y", 5, "no"));
    const other = await broken.daemon.start();
    assert.equal(other.ok ? 0 : other.error.exitCode, 71);
});

test("maintenance and boot hold are the engine's before the first vhid", async () => {
    const options = {...defaultOptions, bootDelayMs: 30_000};
    const rig = new Rig(null, config({options}));
    rig.maintenance.record = {sinceMs: 5, untilMs: null};
    await rig.started();
    assert.deepEqual(rig.engine.calls.slice(0, 4), [
        "start",
        "demotion maintenance 240",
        "demotion boot 240",
        "configure",
    ]);
    assert.ok(rig.daemon.conditions.maintenance().on);
});

test("tracks come and go with a reload, and are back when the engine refuses it", async () => {
    const rig = await new Rig().started();
    rig.loaded = ok({config: config({tracks: [track({fall: 1})]}), warnings: "", texts: []});
    rig.checks.answers.set("ping", {verdict: "bad", text: "no answer"});
    assert.ok((await rig.daemon.reload()).ok);
    const demoted = () => rig.engine.current.demotionReasons.map(({reason}) => reason);
    await until(() => demoted().includes("track:uplink"), "the check demotes");

    // The same name as a link of the engine's: cleared for it, then set again as it refuses.
    const link = track({check: {kind: "interface", interface: "eth9"}});
    rig.loaded = ok({config: config({tracks: [link]}), warnings: "", texts: []});
    rig.engine.onConfigure = (next) =>
        next.linkTracks.length > 0
            ? Promise.reject(new EngineError("ENODEV", "watch", "eth9", 19, "no"))
            : Promise.resolve();
    const from = rig.engine.calls.length;
    assert.ok(!(await rig.daemon.reload()).ok);
    assert.deepEqual(rig.engine.calls.slice(from), [
        "demotion track:uplink 0",
        "configure",
        "configure",
        "demotion track:uplink 240",
    ]);
    assert.deepEqual(demoted(), ["track:uplink"]);
    assert.equal(await rig.daemon.stop(), 0);
    assert.ok(rig.checks.stopped);
    assert.equal(rig.checks.openNow, 0);
});

test("events become log lines, history, status and stored epochs", async () => {
    const rig = await new Rig().started();
    const seen: string[] = [];
    const leave = rig.daemon.history.subscribe((event) => seen.push(event.line));
    rig.engine.emit(change(now + 5n, "MASTER", "BACKUP"));
    rig.engine.emit({kind: "counterEpoch", at: now, epoch: 77});
    leave();
    rig.engine.emit(change(now + 9n, "BACKUP", "MASTER"));
    assert.deepEqual(seen, ["carp0: 1@eth1: MASTER -> BACKUP (master timed out)"]);
    assert.deepEqual(rig.heard, [77]);
    assert.deepEqual(
        rig.daemon.history.list().map((event) => [event.kind, event.fields.to, event.time]),
        [
            ["vhostState", "BACKUP", "1970-01-01T00:16:40.000Z"],
            ["vhostState", "MASTER", "1970-01-01T00:16:40.000Z"],
        ],
    );
    assert.ok(rig.order.includes("STATUS 1 BACKUP, demotion 0"));
});

test("an event older than the first snapshot is told, and does not turn the state back", async () => {
    const rig = await new Rig().started();
    rig.engine.emit(change(now - 90_000_000n, "INIT", "BACKUP"));
    assert.equal(rig.texts("carp state").length, 1);
    assert.equal(rig.order.at(-1), "STATUS 1 MASTER, demotion 0");
});

test("history keeps the last 200", async () => {
    const rig = await new Rig().started();
    for (let i = 1n; i <= 250n; i++) rig.engine.emit(change(now + i, "BACKUP", "MASTER"));
    assert.equal(rig.daemon.history.list().length, 200);
});

test("after lost events the snapshot tells what changed, once", async () => {
    const rig = await new Rig().started();
    const since = now + 100n;
    rig.engine.current = snapshot({
        vhosts: [vhost({state: "BACKUP", since, cause: "handed over"})],
    });
    rig.engine.emit({kind: "eventsLost", at: now + 120n, count: 9});
    const line = "carp0: 1@eth1: MASTER -> BACKUP (handed over)";
    await until(() => rig.texts("carp state").includes(line), "the change is told");
    assert.equal(rig.texts("events lost").length, 1);
    // The event of that change comes late, behind the lost ones.
    rig.engine.emit(change(since, "MASTER", "BACKUP"));
    assert.equal(rig.texts("carp state").length, 1);
    rig.engine.emit(change(since + 50n, "BACKUP", "MASTER"));
    assert.equal(rig.texts("carp state").length, 2);
});

test("hooks are told events and what a resync finds, and stop waits for the last", async () => {
    const rig = await new Rig().started();
    rig.engine.emit(change(now + 5n, "MASTER", "BACKUP"));
    await until(() => rig.hookRuns.length === 1, "the event is told");
    const since = now + 100n;
    rig.engine.current = snapshot({vhosts: [vhost({since})]});
    rig.engine.emit({kind: "eventsLost", at: now + 120n, count: 1});
    await until(() => rig.hookRuns.length === 2, "the resync is told");
    rig.engine.onStop = async () => rig.engine.emit(change(now + 200n, "MASTER", "INIT"));
    assert.equal(await rig.daemon.stop(), 0);
    assert.deepEqual(rig.hookRuns, ["1@eth1 BACKUP", "1@eth1 MASTER", "1@eth1 INIT"]);
});

test("reload: unchanged, changed, bad", async () => {
    const rig = await new Rig().started();
    assert.deepEqual(await rig.daemon.reload(), ok([]));
    assert.deepEqual(rig.texts("reload"), ["configuration unchanged"]);
    assert.equal(rig.engine.configurations.length, 1);

    const next = config({carp: [carpConfig({advskew: 100})]});
    rig.loaded = ok({config: next, warnings: "", texts: []});
    assert.deepEqual(await rig.daemon.reload(), ok(["carp0: advskew 0 -> 100"]));
    assert.equal(rig.texts("reload")[1], "configuration reloaded: carp0: advskew 0 -> 100");
    assert.equal(rig.engine.configurations[1]?.vhosts[0]?.counter, 43n << 32n);
    assert.equal(rig.daemon.config, next);

    rig.loaded = err({text: "f:1:2: no\nx\n^", exitCode: 78});
    const bad = await rig.daemon.reload();
    assert.equal(bad.ok ? 0 : bad.error.exitCode, 78);
    assert.equal(rig.engine.configurations.length, 2);
    assert.equal(rig.daemon.config, next);
    assert.match(rig.texts("reload failed")[0] ?? "", /^configuration not reloaded.*\nf:1:2: no/);
    const shown = rig.order.filter((text) => text === "RELOADING" || text === "READY");
    assert.deepEqual(shown.slice(-4), ["RELOADING", "READY", "RELOADING", "READY"]);
});

test("a configuration that the engine refuses is undone", async () => {
    const rig = await new Rig().started();
    rig.loaded = ok({config: config({carp: [carpConfig({vhid: 9})]}), warnings: "", texts: []});
    rig.engine.onConfigure = (next) =>
        next.vhosts[0]?.vhid === 9
            ? Promise.reject(new EngineError("EEXIST", "create", "carp0", 17, "taken"))
            : Promise.resolve();
    const result = await rig.daemon.reload();
    assert.equal(result.ok ? 0 : result.error.exitCode, 71);
    assert.equal(rig.engine.configurations.at(-1)?.vhosts[0]?.vhid, 1);
    assert.equal(rig.daemon.config.carp[0]?.vhid, 1);
});

test("when going back fails too, the next reload applies even the same configuration", async () => {
    const rig = await new Rig().started();
    const running = rig.loaded;
    rig.loaded = ok({config: config({carp: [carpConfig({vhid: 9})]}), warnings: "", texts: []});
    rig.engine.onConfigure = () =>
        Promise.reject(new EngineError("EIO", "create", "carp0", 5, "x"));
    const result = await rig.daemon.reload();
    assert.match(result.ok ? "" : result.error.text, /going back failed too/);
    rig.engine.onConfigure = () => Promise.resolve();
    rig.loaded = running;
    const before = rig.engine.configurations.length;
    assert.ok((await rig.daemon.reload()).ok);
    assert.equal(rig.engine.configurations.length, before + 1);
    assert.ok((await rig.daemon.reload()).ok);
    assert.equal(rig.engine.configurations.length, before + 1);
});

test("reloads that come during a reload share one more", async () => {
    const rig = await new Rig().started();
    let loads = 0;
    let release: () => void = () => undefined;
    rig.engine.onConfigure = () => new Promise((resolve) => (release = resolve));
    const options = {...defaultOptions, preempt: true};
    rig.loaded = ok({config: config({options}), warnings: "", texts: []});
    const first = rig.daemon.reload();
    await until(() => rig.engine.configurations.length === 2, "the first reload runs");
    rig.loaded = {
        get ok(): true {
            loads++;
            return true;
        },
        value: {config: config({options}), warnings: "", texts: []},
    };
    const rest = [rig.daemon.reload(), rig.daemon.reload(), rig.daemon.reload()];
    release();
    assert.deepEqual(await first, ok(["preempt false -> true"]));
    assert.deepEqual(await Promise.all(rest), [ok([]), ok([]), ok([])]);
    assert.equal(loads, 1);
});

test("stop: once, told first, exit 0; a hanging engine ends in 70", async () => {
    const rig = await new Rig().started();
    const both = [rig.daemon.stop(), rig.daemon.stop()];
    assert.deepEqual(await Promise.all(both), [0, 0]);
    assert.equal(rig.engine.calls.filter((call) => call === "stop").length, 1);
    assert.ok(rig.order.includes("STOPPING"));
    const late = await rig.daemon.reload();
    assert.equal(late.ok ? 0 : late.error.exitCode, 69);

    const stuck = await new Rig().started();
    stuck.engine.onStop = () => new Promise(() => undefined);
    const ended = stuck.daemon.stop();
    stuck.fire(defaultOptions.handoverLimitMs + 5000);
    assert.equal(await ended, 70);
    assert.match(stuck.texts("stop failed")[0] ?? "", /no end after 7000 ms/);
});

test("a stop before the engine runs touches nothing", async () => {
    const rig = new Rig();
    const starting = rig.daemon.start();
    assert.equal(await rig.daemon.stop(), 0);
    assert.ok((await starting).ok);
    assert.deepEqual(rig.engine.calls, []);
});

test("the watchdog is fed only while the engine answers", async () => {
    const rig = await new Rig(500).started();
    rig.fire(500);
    await until(() => rig.order.includes("WATCHDOG"), "the first ping");
    await until(() => rig.armed(500), "the next ping is armed");
    rig.engine.onSnapshot = () => new Promise(() => undefined);
    rig.fire(500);
    rig.fire(2000);
    await until(() => rig.texts("watchdog").length === 1, "the silence is logged");
    assert.equal(rig.order.filter((text) => text === "WATCHDOG").length, 1);
});

test("the watchdog is not fed by an engine that answers and misses its appointments", async () => {
    const rig = await new Rig(500).started();
    const overdue = vhost({state: "MASTER", nextAdvertisementAt: now, masterDownAt: null});
    rig.engine.onSnapshot = async () => snapshot({at: now + 1_100_000n, vhosts: [overdue]});
    rig.fire(500);
    await until(() => rig.texts("watchdog").length === 1, "the stall is logged");
    assert.match(rig.texts("watchdog")[0] ?? "", /the next advertisement is due since/);
    assert.equal(rig.order.includes("WATCHDOG"), false);
    await until(() => rig.armed(500), "it goes on looking");
    rig.engine.onSnapshot = async () => snapshot({at: now + 1_200_000n});
    rig.fire(500);
    await until(() => rig.order.includes("WATCHDOG"), "it has caught up");
});

test("any number of questions cost the engine two", async () => {
    const rig = await new Rig().started();
    const before = rig.engine.calls.length;
    const answers = await Promise.all(Array.from({length: 100}, () => rig.daemon.snapshot()));
    assert.equal(answers.length, 100);
    assert.equal(rig.engine.calls.length - before, 2);
});
