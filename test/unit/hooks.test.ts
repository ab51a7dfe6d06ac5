/** Hooks: what runs when (the queue, by properties), and what is run (real programs, real files). */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {Hooks} from "../../src/app/hooks.ts";
import type {VhostState} from "../../src/core/engine.ts";
import {mostLines, mostOctets, OutputBudget, OutputLines} from "../../src/core/hook-output.ts";
import {
    byOctets,
    HookQueue,
    type HookRun,
    hookRun,
    isHookName,
    type ToldChange,
} from "../../src/core/hooks.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {carpConfig, config, until} from "./engine-fixtures.ts";

const states: readonly VhostState[] = ["INIT", "BACKUP", "MASTER"];

interface Told {
    readonly to: VhostState;
    readonly serial: number;
}

// ---- the queue ----

/** tell: a change of vhid n; end: the n-th of those that run ends. */
const steps = fc.array(
    fc.oneof(
        fc.record({kind: fc.constant("tell"), key: fc.nat(4), to: fc.constantFrom(...states)}),
        fc.record({kind: fc.constant("end"), key: fc.nat(7), to: fc.constant("INIT" as const)}),
    ),
    {maxLength: 200},
);

test("never two at once for one vhid, the latest always last, no change unaccounted for", () => {
    fc.assert(
        fc.property(steps, fc.integer({min: 1, max: 4}), (history, most) => {
            const queue = new HookQueue<Told>(most);
            const running: string[] = [];
            const lastTold = new Map<string, number>();
            const lastRun = new Map<string, number>();
            const scripts = new Map<string, string[]>();
            let told = 0;
            let accounted = 0;
            let replaced = 0;
            const begin = (): void => {
                for (let job = queue.next(); job !== null; job = queue.next()) {
                    assert.ok(!running.includes(job.key), "two at once for one vhid");
                    running.push(job.key);
                    assert.ok(running.length <= most);
                    const before = lastRun.get(job.key) ?? -1;
                    assert.ok(job.change.serial > before, "an older state after a newer one");
                    lastRun.set(job.key, job.change.serial);
                    accounted += 1 + job.dropped;
                    scripts.set(job.key, [...(scripts.get(job.key) ?? []), ...job.scripts]);
                }
            };
            const end = (index: number): void => {
                const [key] = running.splice(index % running.length, 1);
                if (key !== undefined) queue.done(key);
            };
            for (const {kind, key, to} of history) {
                if (kind === "tell") {
                    const name = `${key}@eth${key}`;
                    const idle = queue.idle;
                    if (queue.tell(name, {to, serial: told}) !== null) replaced++;
                    lastTold.set(name, told++);
                    begin();
                    if (idle) assert.equal(queue.running, 1, "lost while idle");
                } else if (running.length > 0) {
                    end(key);
                    begin();
                }
            }
            while (running.length > 0) {
                end(0);
                begin();
            }
            assert.ok(queue.idle);
            assert.deepEqual(lastRun, lastTold);
            assert.equal(accounted, told);
            assert.ok(replaced <= told);
            for (const order of scripts.values()) {
                order.forEach((script, i) => {
                    assert.equal(script, i % 2 === 0 ? "up" : "down", "scripts alternate");
                });
            }
        }),
    );
});

test("a vhid that changes often keeps its place in the line", () => {
    const queue = new HookQueue<Told>(1);
    queue.tell("1@a", {to: "BACKUP", serial: 0});
    assert.equal(queue.next()?.key, "1@a");
    queue.tell("2@a", {to: "BACKUP", serial: 1});
    queue.tell("3@a", {to: "BACKUP", serial: 2});
    assert.equal(queue.tell("2@a", {to: "MASTER", serial: 3})?.serial, 1);
    assert.equal(queue.next(), null);
    queue.done("1@a");
    const job = queue.next();
    assert.deepEqual(job, {
        key: "2@a",
        change: {to: "MASTER", serial: 3},
        dropped: 1,
        scripts: ["up"],
    });
});

test("upscript and downscript follow the level, whatever was dropped", () => {
    const queue = new HookQueue<Told>(8);
    const during = (...changes: VhostState[]): unknown => {
        for (const to of changes) queue.tell("1@a", {to, serial: 0});
        const job = queue.next();
        queue.done("1@a");
        return job?.scripts;
    };
    assert.deepEqual(during("BACKUP"), []);
    assert.deepEqual(during("MASTER", "BACKUP"), [], "was never told MASTER");
    assert.deepEqual(during("MASTER"), ["up"]);
    assert.ok(queue.holds("1@a"));
    assert.deepEqual(during("BACKUP", "MASTER"), ["down", "up"]);
    assert.deepEqual(during("BACKUP", "INIT"), ["down"], "the dropped BACKUP is not lost");
    assert.ok(!queue.holds("1@a"));
});

// ---- arguments and environment ----

function change(of: Partial<ToldChange> = {}): ToldChange {
    return {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        from: "BACKUP",
        to: "MASTER",
        cause: "master timed out",
        peer: "192.168.1.3",
        demotion: 240,
        ...of,
    };
}

const carp = carpConfig({
    addresses: [
        {family: 4, address: "192.168.1.1", prefixLength: 24},
        {family: 6, address: "2001:db8::1", prefixLength: 64},
    ],
    group: "lan",
    upscript: "/etc/carpd/up.sh",
    downscript: "/etc/carpd/down.sh",
    xparam: "10.0.0.254",
});

test("arguments and environment are OPNsense's and ours, and nothing of the daemon's", () => {
    const job = {key: "1@eth1", change: change(), dropped: 0, scripts: ["down", "up"] as const};
    const run = hookRun(job, carp, 5000);
    assert.deepEqual(run.args, ["1@eth1", "MASTER"]);
    assert.deepEqual(run.environment, {
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        HOME: "/root",
        CARP_NAME: "carp0",
        CARP_VHID: "1",
        CARP_CARPDEV: "eth1",
        CARP_STATE: "MASTER",
        CARP_FROM: "BACKUP",
        CARP_CAUSE: "master timed out",
        CARP_PEER: "192.168.1.3",
        CARP_ADDRESSES: "192.168.1.1/24 2001:db8::1/64",
        CARP_GROUP: "lan",
        CARP_DEMOTION: "240",
    });
    assert.deepEqual(run.scripts, [
        {path: "/etc/carpd/down.sh", args: ["eth1", "192.168.1.1", "10.0.0.254"]},
        {path: "/etc/carpd/up.sh", args: ["eth1", "192.168.1.1", "10.0.0.254"]},
    ]);
    const bare = hookRun({...job, scripts: ["up"]}, {...carp, xparam: ""}, 5000);
    assert.deepEqual(bare.scripts, [{path: "/etc/carpd/up.sh", args: ["eth1", "192.168.1.1"]}]);
    const gone = hookRun({...job, scripts: ["down"]}, null, 5000);
    assert.deepEqual([gone.scripts, gone.environment.CARP_ADDRESSES], [[], ""]);
});

test("names and their order are run-parts's", () => {
    const names = ["10-a", "B_2", "x"];
    assert.deepEqual(names.filter(isHookName), names);
    for (const name of ["", "a.sh", "a~", "a b", ".a", "ä", "a\n", "10-a.dpkg-old"]) {
        assert.ok(!isHookName(name), JSON.stringify(name));
    }
    assert.deepEqual(["a", "B", "10", "9", "_"].sort(byOctets), ["10", "9", "B", "_", "a"]);
});

// ---- output ----

test("output is cut into lines wherever the chunks end, and has an end", () => {
    const text = "one\n\nzw\u00f6lf\r\n\u{1f600} three  \nno end";
    const octets = new TextEncoder().encode(text);
    fc.assert(
        fc.property(fc.array(fc.nat(octets.length), {maxLength: 8}), (cuts) => {
            const lines = new OutputLines(new OutputBudget());
            const at = [0, ...cuts.sort((a, b) => a - b), octets.length];
            const out = at.flatMap((from, i) => lines.push(octets.subarray(from, at[i + 1])));
            assert.deepEqual(
                [...out, ...lines.end()],
                ["one", "zw\u00f6lf", "\u{1f600} three", "no end"],
            );
        }),
    );
    const budget = new OutputBudget();
    const long = new OutputLines(budget);
    const half = new OutputLines(budget);
    long.push(new Uint8Array(mostOctets - 2).fill(0x61));
    assert.deepEqual(half.push(new TextEncoder().encode("b\nc\nd\n")), ["b"]);
    assert.ok(budget.cut);
    assert.equal(long.end()[0]?.length, mostOctets - 2);

    const many = new OutputBudget();
    const told = new OutputLines(many).push(new TextEncoder().encode("x\n".repeat(mostLines + 1)));
    assert.deepEqual([told.length, many.cut], [mostLines, true]);
});

// ---- who is told what, with a runner that ends when the test says so ----

class Rig {
    readonly runs: HookRun[] = [];
    readonly records: LogRecord[] = [];
    readonly ends: (() => void)[] = [];
    cancelled = 0;
    fireLimit: () => void = () => assert.fail("no limit is armed");
    limitMs = 0;
    readonly hooks: Hooks;

    constructor(of = config({carp: [carp]})) {
        this.hooks = new Hooks(
            {
                runner: {
                    run: (run, cancel) => {
                        this.runs.push(run);
                        return new Promise((resolve) => {
                            this.ends.push(resolve);
                            cancel.addEventListener("abort", () => {
                                this.cancelled++;
                                resolve();
                            });
                        });
                    },
                },
                clock: {
                    monotonicUs: () => 0n,
                    wallUs: () => 0n,
                    after: (ms, run) => {
                        this.limitMs = ms;
                        this.fireLimit = run;
                        return () => {
                            this.limitMs = 0;
                        };
                    },
                },
                log: {write: (record) => this.records.push(record)},
            },
            of,
        );
    }

    told(): readonly string[] {
        return this.runs.map((run) => run.args.join(" "));
    }
}

test("at most eight run; the dropped are logged; stop tells the last state", async () => {
    const rig = new Rig();
    for (let vhid = 1; vhid <= 9; vhid++) rig.hooks.stateChanged(change({vhid}), 0);
    assert.equal(rig.runs.length, 8);
    rig.hooks.stateChanged(change({to: "BACKUP"}), 0);
    rig.hooks.stateChanged(change({to: "INIT"}), 0);
    assert.deepEqual(
        rig.records.map((record) => record.text),
        ["carp0: 1@eth1: hooks were not told BACKUP: INIT came while they ran"],
    );
    let stopped = false;
    const stopping = rig.hooks.stop().then(() => {
        stopped = true;
    });
    for (let i = 0; i < 10; i++) {
        await until(() => rig.ends.length > i, `run ${i} begins`);
        assert.ok(!stopped);
        rig.ends[i]?.();
    }
    await stopping;
    assert.deepEqual(rig.told().slice(8).sort(), ["1@eth1 INIT", "9@eth1 MASTER"]);
    assert.deepEqual([rig.cancelled, rig.limitMs], [0, 0]);
    await rig.hooks.stop();
});

test("stop kills what runs at the limit and says what was never told", async () => {
    const rig = new Rig();
    rig.hooks.stateChanged(change(), 0);
    rig.hooks.stateChanged(change({to: "INIT"}), 0);
    const stopping = rig.hooks.stop();
    assert.equal(rig.limitMs, 10_000);
    rig.fireLimit();
    await stopping;
    assert.equal(rig.cancelled, 1);
    assert.deepEqual(rig.told(), ["1@eth1 MASTER"]);
    assert.match(rig.records.at(-1)?.text ?? "", /not told INIT: the daemon ends/);
});

test("a removed vhid's last hook has its addresses, a new vhid's first one too", async () => {
    const rig = new Rig();
    rig.hooks.stateChanged(change(), 0);
    rig.ends[0]?.();
    const other = carpConfig({name: "carp7", vhid: 7, downscript: "/d7"});
    rig.hooks.reconfigure(config({carp: [other]}));
    rig.hooks.reconfigure(config({carp: [other]}));
    rig.hooks.stateChanged(change({name: "carp7", vhid: 7, from: "INIT", to: "BACKUP"}), 0);
    await until(() => rig.runs.length === 2, "the new one's run");
    assert.equal(rig.runs[1]?.environment.CARP_ADDRESSES, "192.168.1.1/24");
    rig.hooks.stateChanged(change({from: "MASTER", to: "INIT", cause: "configuration removed"}), 0);
    await until(() => rig.runs.length === 3, "the removed one's run");
    assert.equal(rig.runs[2]?.environment.CARP_GROUP, "lan");
    assert.deepEqual(
        rig.runs[2]?.scripts.map((script) => script.path),
        ["/etc/carpd/down.sh"],
    );
});
