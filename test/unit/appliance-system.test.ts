/**
 * carp-system's routes, installer and boot watch on a scripted outside: RAUC, carpd, the disk and
 * the clock do what a test says. The real RAUC is in test/interop/rauc.test.ts.
 */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import type {AppliancePorts} from "../../src/app/appliance/ports.ts";
import {ApplianceSystem} from "../../src/app/appliance/system-routes.ts";
import {readBootEnvironment} from "../../src/core/appliance/boot-environment.ts";
import type {BootSample} from "../../src/core/appliance/boot-judge.ts";
import type {SlotRecords} from "../../src/core/appliance/images.ts";
import type {InstallStatus, SlotName} from "../../src/core/appliance/status.ts";
import {
    readApplianceStatus,
    readImagesStatus,
    readInstallStatus,
} from "../../src/core/appliance/status-decode.ts";
import {type ApiReply, errorOf} from "../../src/core/control-protocol.ts";
import {err, ok, type Result} from "../../src/core/result.ts";

interface World {
    slot: SlotName;
    environment: string;
    records: SlotRecords;
    carpd: BootSample | null;
    bundle: {compatible: string; version: string};
    signed: boolean;
    written: Result<void, string>;
    marks: number;
    power: string[];
    resets: number;
    log: string[];
    nowMs: number;
}

/** Timers run when `advance` passes them; promises settle in between. */
class Bench {
    readonly world: World = {
        slot: "A",
        environment: "ORDER=A B\nA_OK=1\nA_TRY=1\nB_OK=1",
        records: {},
        carpd: null,
        bundle: {compatible: "carpd-amd64", version: "0.4.0"},
        signed: true,
        written: ok(undefined),
        marks: 0,
        power: [],
        resets: 0,
        log: [],
        nowMs: 0,
    };
    readonly #timers = new Set<{atMs: number; run: () => void}>();
    /** Lets an installation be watched while it writes. */
    release: () => void = () => undefined;
    hold = false;
    system: ApplianceSystem;

    constructor(change: Partial<World> = {}) {
        Object.assign(this.world, change);
        this.system = new ApplianceSystem(this.#ports());
    }

    #ports(): AppliancePorts {
        const {world} = this;
        return {
            clock: {
                monotonicUs: () => BigInt(world.nowMs) * 1000n,
                wallUs: () => 1_800_000_000_000_000n + BigInt(world.nowMs) * 1000n,
                after: (ms, run) => {
                    const timer = {atMs: world.nowMs + ms, run};
                    this.#timers.add(timer);
                    return () => this.#timers.delete(timer);
                },
            },
            log: {write: ({text}) => world.log.push(text)},
            rauc: {
                status: async () =>
                    ok({
                        compatible: "carpd-amd64",
                        slots: {
                            B: {version: "0.2.0", installed: "", status: "ok", devices: {}},
                        },
                    }),
                info: async () =>
                    world.signed ? ok({...world.bundle, images: []}) : err("not signed"),
                install: async (_path, progress) => {
                    progress(50, "Copying");
                    if (this.hold) {
                        await new Promise<void>((resolve) => {
                            this.release = resolve;
                        });
                    }
                    return world.written;
                },
                markGood: async () => {
                    world.marks++;
                    world.environment = world.environment.replace("A_TRY=1", "A_TRY=0");
                    return ok(undefined);
                },
                markOtherActive: async () => {
                    world.environment = world.environment.replace("ORDER=A B", "ORDER=B A");
                    return ok(undefined);
                },
            },
            bundles: {
                open: async (source) =>
                    source.kind === "usb"
                        ? err("there is no USB stick")
                        : ok({path: "/x", close: async () => undefined}),
            },
            release: {version: "0.3.0", compatible: "carpd-amd64", schema: 1, built: ""},
            slot: world.slot,
            bootFault: async () => "",
            schemaNote: async () => "",
            bootEnvironment: async () => readBootEnvironment(world.environment),
            loadRecords: async () => world.records,
            saveRecords: async (records) => {
                world.records = records;
                return ok(undefined);
            },
            deviceSizes: async () => ({}),
            lookAtCarpd: async () =>
                world.carpd === null ? null : {...world.carpd, atMs: world.nowMs},
            power: async (action) => {
                world.power.push(action);
                return ok(undefined);
            },
            armFactoryReset: async () => {
                world.resets++;
                return ok(undefined);
            },
            applyNetwork: async (plan) =>
                JSON.stringify(plan) === '{"hostname":"x"}' ? ok(["a warning"]) : err("no plan"),
        };
    }

    async settle(): Promise<void> {
        for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    }

    async advance(ms: number): Promise<void> {
        const until = this.world.nowMs + ms;
        for (;;) {
            await this.settle();
            const due = [...this.#timers]
                .filter(({atMs}) => atMs <= until)
                .sort((a, b) => a.atMs - b.atMs)[0];
            if (due === undefined) break;
            this.#timers.delete(due);
            this.world.nowMs = Math.max(this.world.nowMs, due.atMs);
            due.run();
        }
        this.world.nowMs = until;
        await this.settle();
    }

    async ask(method: string, path: string, body?: object): Promise<ApiReply> {
        const text = body === undefined ? "" : JSON.stringify(body);
        const reply = await this.system.answer({method, path: `/v1/${path}`, body: text});
        await this.settle();
        return reply;
    }

    async status() {
        const read = readApplianceStatus((await this.ask("GET", "status")).body);
        assert.ok(read !== null);
        return read;
    }

    async installed(): Promise<InstallStatus> {
        const read = readInstallStatus((await this.ask("GET", "install")).body);
        assert.ok(read !== null);
        return read;
    }

    carpd(frames: number, change: Partial<BootSample> = {}): void {
        this.world.carpd = {
            atMs: 0,
            hold: "",
            linksUp: ["eth1"],
            vhids: [{name: "carp0", carpdev: "eth1", enabled: true, advbase: 1, frames}],
            ...change,
        };
    }
}

const code = (reply: ApiReply) => errorOf(reply.body)?.code ?? reply.status;

describe("the mark that a slot is good", () => {
    it("comes 10 s after carpd began to answer, once, and is remembered", async () => {
        const bench = new Bench();
        await bench.system.start();
        await bench.advance(30_000);
        assert.equal(bench.world.marks, 0);
        assert.equal((await bench.status()).unconfirmed, true);
        bench.carpd(3);
        await bench.advance(9_000);
        assert.equal(bench.world.marks, 0);
        await bench.advance(3_000);
        assert.equal(bench.world.marks, 1);
        assert.deepEqual(
            await bench.status().then(({unconfirmed, fault}) => [unconfirmed, fault]),
            [false, ""],
        );
        await bench.advance(600_000);
        assert.equal(bench.world.marks, 1);
        const {version, schema} = bench.world.records.A ?? {};
        assert.deepEqual([version, schema], ["0.3.0", 1]);
    });

    it("does not come for a carpd that starts again and again", async () => {
        const bench = new Bench({environment: "ORDER=A B\nA_OK=1\nA_TRY=1\nB_OK=0"});
        await bench.system.start();
        for (let i = 0; i < 40; i++) {
            // Fewer frames than before: that is another carpd.
            bench.carpd(100 - i);
            await bench.advance(6_000);
        }
        assert.equal(bench.world.marks, 0);
        assert.deepEqual(bench.world.power, []);
        assert.match((await bench.status()).fault, /^slot A \(0\.3\.0\) is not confirmed: /u);
    });

    it("a new release that never proves itself makes way for the other slot", async () => {
        const bench = new Bench();
        bench.carpd(0);
        await bench.system.start();
        await bench.advance(170_000);
        assert.deepEqual(bench.world.power, []);
        await bench.advance(20_000);
        assert.deepEqual(bench.world.power, ["reboot"]);
        await bench.advance(600_000);
        assert.deepEqual(bench.world.power, ["reboot"]);
        assert.match((await bench.status()).fault, /carp0 has neither sent nor heard/u);
    });

    it("a new release whose carpd is held makes way at once", async () => {
        const bench = new Bench();
        bench.carpd(0, {hold: "crash loop"});
        await bench.system.start();
        await bench.advance(2000);
        assert.deepEqual(bench.world.power, ["reboot"]);
    });

    it("a release that was good here before is not given up", async () => {
        const record = {version: "0.3.0", schema: 1, good: "x", installed: ""};
        const bench = new Bench({records: {A: record}});
        bench.carpd(0, {hold: "crash loop"});
        await bench.system.start();
        await bench.advance(900_000);
        assert.deepEqual(bench.world.power, []);
        assert.notEqual((await bench.status()).fault, "");
    });

    it("an operator cannot force it", async () => {
        const bench = new Bench();
        await bench.system.start();
        const refused = await bench.ask("POST", "mark-good", {});
        assert.equal(code(refused), "NOT_PROVED");
        assert.match(errorOf(refused.body)?.message ?? "", /carpd does not answer/u);
    });
});

describe("installation", () => {
    it("goes through and says what comes next", async () => {
        const bench = new Bench();
        await bench.system.start();
        bench.hold = true;
        assert.equal((await bench.ask("POST", "install", {source: "/b.raucb"})).status, 200);
        const during = await bench.installed();
        assert.deepEqual([during.phase, during.percent, during.done], ["writing", 50, false]);
        assert.equal(code(await bench.ask("POST", "install", {source: "/c.raucb"})), "BUSY");
        assert.equal(code(await bench.ask("POST", "rollback", {})), "BUSY");
        assert.equal(code(await bench.ask("POST", "power", {action: "reboot"})), "BUSY");
        assert.deepEqual((await bench.status()).installing?.phase, "writing");
        bench.release();
        await bench.settle();
        const after = await bench.installed();
        assert.deepEqual([after.phase, after.percent, after.done], ["installed", 100, true]);
        assert.equal(after.message, "0.4.0 is installed in slot B: it runs after the next reboot");
    });

    const refusals: readonly [string, Partial<World>, string, boolean, RegExp][] = [
        ["a foreign signature", {signed: false}, "/b", true, /not signed/u],
        [
            "another kind of box",
            {bundle: {compatible: "carpd-arm64", version: "0.4.0"}},
            "/b",
            true,
            /the bundle is for carpd-arm64/u,
        ],
        [
            "an older version",
            {bundle: {compatible: "carpd-amd64", version: "0.2.9"}},
            "/b",
            false,
            /older than the running 0\.3\.0/u,
        ],
        ["no stick", {}, "usb", false, /there is no USB stick/u],
    ];
    for (const [what, change, source, force, rule] of refusals) {
        it(`refuses ${what} before anything is written`, async () => {
            const bench = new Bench({...change, written: err("was written")});
            await bench.system.start();
            await bench.ask("POST", "install", {source, force});
            const {phase, error, done} = await bench.installed();
            assert.deepEqual([phase, done], ["failed", true]);
            assert.match(error, rule);
            assert.match(
                error,
                /the running slot is untouched: this box goes on with slot A \(0\.3\.0\)$/u,
            );
        });
    }

    it("what was good in the other slot is forgotten before it is written", async () => {
        const record = {version: "0.4.0", schema: 1, good: "x", installed: ""};
        const own = {version: "0.3.0", schema: 1, good: "x", installed: ""};
        const bench = new Bench({records: {A: own, B: record}, signed: false});
        await bench.system.start();
        await bench.ask("POST", "install", {source: "/b"});
        assert.deepEqual(Object.keys(bench.world.records), ["A", "B"]);
        bench.world.signed = true;
        await bench.ask("POST", "install", {source: "/b"});
        assert.equal((await bench.installed()).phase, "installed");
        assert.deepEqual(bench.world.records, {A: own});
    });

    it("an older version goes in with force; the next try is free after a failure", async () => {
        const bench = new Bench({bundle: {compatible: "carpd-amd64", version: "0.2.9"}});
        await bench.system.start();
        await bench.ask("POST", "install", {source: "/b"});
        assert.equal((await bench.installed()).phase, "failed");
        await bench.ask("POST", "install", {source: "/b", force: true});
        assert.equal((await bench.installed()).phase, "installed");
    });

    it("wrong bodies and sources are refused at once", async () => {
        const bench = new Bench();
        await bench.system.start();
        assert.equal(code(await bench.ask("POST", "install", {source: 1})), "BAD_BODY");
        assert.equal(code(await bench.ask("POST", "install", {sauce: "x"})), "BAD_BODY");
        assert.equal(code(await bench.ask("POST", "install", {source: "x"})), "BAD_SOURCE");
        assert.equal(code(await bench.ask("DELETE", "install")), "WRONG_METHOD");
        assert.equal(code(await bench.ask("GET", "nothing")), "UNKNOWN_PATH");
        const noSlot = new Bench({slot: ""});
        await noSlot.system.start();
        assert.equal(code(await noSlot.ask("POST", "install", {source: "/x"})), "NO_SLOT");
        assert.equal(code(await noSlot.ask("POST", "rollback", {})), "NO_SLOT");
    });
});

describe("the other orders", () => {
    it("rollback: the other slot is next, unless it holds nothing", async () => {
        const bench = new Bench();
        await bench.system.start();
        const done = await bench.ask("POST", "rollback", {});
        assert.deepEqual(done.body, {
            text: "slot B (0.2.0) runs after the next reboot: system reboot\n",
        });
        const images = readImagesStatus((await bench.ask("GET", "images")).body);
        assert.deepEqual(
            images?.images.map(({next}) => next),
            [false, true],
        );
        assert.equal((await bench.status()).olderSlot, "");
        const alone = new Bench({environment: "ORDER=A B\nA_OK=1\nB_OK=0"});
        await alone.system.start();
        assert.equal(code(await alone.ask("POST", "rollback", {})), "NO_OTHER");
    });

    it("factory reset: only with the words, and then it reboots", async () => {
        const bench = new Bench();
        await bench.system.start();
        assert.equal(
            code(await bench.ask("POST", "factory-reset", {confirm: "yes"})),
            "NOT_CONFIRMED",
        );
        assert.equal(bench.world.resets, 0);
        await bench.ask("POST", "factory-reset", {confirm: "erase everything"});
        assert.deepEqual([bench.world.resets, bench.world.power], [1, ["reboot"]]);
    });

    it("power and the network's plan are handed on", async () => {
        const bench = new Bench();
        await bench.system.start();
        assert.equal(code(await bench.ask("POST", "power", {action: "halt"})), "BAD_BODY");
        assert.equal((await bench.ask("POST", "power", {action: "power-off"})).status, 200);
        assert.deepEqual(bench.world.power, ["power-off"]);
        const applied = await bench.ask("POST", "apply", {hostname: "x"});
        assert.deepEqual(applied.body, {warnings: ["a warning"]});
        assert.equal(code(await bench.ask("POST", "apply", {})), "NOT_APPLIED");
    });

    it("a box that fell back says so in its status", async () => {
        const bench = new Bench({environment: "ORDER=B A\nA_OK=1\nB_OK=1\nB_TRY=3"});
        await bench.system.start();
        assert.match((await bench.status()).olderSlot, /slot B \(0\.2\.0\) was started 3 times/u);
        assert.ok(
            bench.world.log.some((line) => line.startsWith("this box runs the older slot A")),
        );
    });
});
