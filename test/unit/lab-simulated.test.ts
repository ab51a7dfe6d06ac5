/**
 * The lab without a kernel: the whole program with --simulate, and what it does where namespaces
 * are refused. On virtual time the arithmetic is met to the microsecond, on any machine.
 */
import assert from "node:assert/strict";
import {spawn, spawnSync} from "node:child_process";
import {once} from "node:events";
import {
    chmodSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import {parseLabOptions} from "../../src/app/lab/options.ts";
import {toEngineConfig} from "../../src/core/config-engine.ts";
import {masterDownUs} from "../../src/core/lab/arithmetic.ts";
import {handbook} from "../../src/core/lab/scenario.ts";
import {loadAddon} from "../../src/io/addon.ts";
import {loadConfig} from "../../src/io/config-files.ts";
import {SimulatedNetwork} from "../../src/io/lab/simulated-network.ts";
import {projectRoot} from "../../src/io/version.ts";

const root = projectRoot();
const scenarios = join(root, "board/sim/scenarios");
/** What the wires take there and back. */
const longestAnswerUs = 1000;

function folderOf(t: TestContext): string {
    const folder = mkdtempSync(join(tmpdir(), "carpd-lab-"));
    t.after(() => rmSync(folder, {recursive: true, force: true}));
    return folder;
}

function runLab(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const {status, stdout, stderr} = spawnSync(
        process.execPath,
        ["--enable-source-maps", join(root, "dist/src/lab.js"), ...argv],
        {encoding: "utf8", timeout: 60_000, env: {...process.env, ...env}},
    );
    return {status, stdout, stderr};
}

interface Step {
    readonly id: string;
    readonly claims: readonly {readonly text: string; readonly ok: boolean}[];
    readonly measurements: Readonly<Record<string, number | string | null>>;
}

interface Report {
    readonly network: string;
    readonly ok: boolean;
    readonly error: string | null;
    readonly steps: readonly Step[];
}

function reportOf(stdout: string): Report {
    return JSON.parse(stdout) as Report;
}

/** All measurements of a step whose names end so; at least one. */
function numbers(step: Step, suffix: string): readonly number[] {
    const found = Object.entries(step.measurements)
        .filter(([name]) => name.endsWith(suffix))
        .map(([name, value]) => {
            assert.equal(typeof value, "number", `${step.id}: ${name} is ${value}`);
            return Number(value);
        });
    assert.ok(found.length > 0, `${step.id} measured nothing that ends with ${suffix}`);
    return found;
}

/** Take-overs after a loss, with the number of vhids that move; and what loses no ping. */
const stories = {
    "two-routers": {
        steps: 7,
        pingIntervalUs: 2000,
        takeOvers: new Map([["daemon-killed", 2]]),
        lossless: ["cable-back", "daemon-back", "hand-over", "hand-back"],
        captures: ["lan.pcap", "wan.pcap"],
    },
    handbook: {
        steps: 7,
        pingIntervalUs: 2000,
        takeOvers: new Map([
            ["no-preempt-hosta-dies", 1],
            ["preempt-hosta-dies", 1],
        ]),
        lossless: ["no-preempt-hosta-returns", "no-preempt-hand-back", "preempt-hosta-returns"],
        captures: ["no-preempt-lan.pcap", "preempt-lan.pcap"],
    },
    preempt: {
        // Maintenance and a tracked uplink need a carpd.
        steps: 5,
        pingIntervalUs: 2000,
        takeOvers: new Map([["plain-cable-pulled", 1]]),
        lossless: ["fast-cable-back"],
        captures: ["fast", "plain"].flatMap((part) =>
            ["lan", "uplink", "wan"].map((segment) => `${part}-${segment}.pcap`),
        ),
    },
    balance: {
        steps: 6,
        pingIntervalUs: 10_000,
        takeOvers: new Map([["host-b-dies", 1]]),
        lossless: ["host-b-returns"],
        captures: ["lan.pcap"],
    },
} as const;

for (const [scenario, story] of Object.entries(stories)) {
    const {takeOvers, lossless, captures, pingIntervalUs} = story;
    test(`${scenario}: the arithmetic to the microsecond, nothing lost where nothing may be`, (t) => {
        const folder = folderOf(t);
        const argv = ["--simulate", "--fast", "--json", "--scenario", scenario];
        const {status, stdout, stderr} = runLab([...argv, "--pcap", folder]);
        assert.equal(status, 0, stderr);
        const report = reportOf(stdout);
        assert.equal(report.network, "simulation");
        assert.equal(report.ok, true);
        assert.equal(report.steps.length, story.steps);
        const step = (id: string) => {
            const found = report.steps.find((candidate) => candidate.id === id);
            assert.ok(found, `${id} is not in ${report.steps.map((s) => s.id).join(" ")}`);
            return found;
        };
        // All stories let a host of advskew 100 take over.
        const expectedUs = masterDownUs(1, 100);
        assert.equal(expectedUs, 3_390_625);
        for (const [id, vhids] of takeOvers) {
            const became = numbers(step(id), ": becameMasterUs");
            assert.deepEqual(became, Array(vhids).fill(expectedUs), id);
            // Seen by the pings: not before, and at most one ping later.
            const [seen = 0] = numbers(step(id), "takeOverUs");
            assert.ok(seen > expectedUs, `${id}: ${seen}`);
            assert.ok(seen <= expectedUs + pingIntervalUs + longestAnswerUs, `${id}: ${seen}`);
        }
        for (const id of lossless) {
            for (const lost of numbers(step(id), ": lost")) assert.equal(lost, 0, id);
            for (const sent of numbers(step(id), ": sent")) assert.ok(sent > 100, id);
        }
        assert.deepEqual(readdirSync(folder).sort(), captures);
        // What needs a kernel is not claimed, and the output says so.
        assert.match(stderr, /simulated: no kernel here/u);
        const claims = report.steps.flatMap((each) => each.claims.map(({text}) => text));
        assert.deepEqual(
            claims.filter((text) => /stops answering/u.test(text)),
            [],
        );
        // Virtual time: the same run again, to the octet, frames included.
        const again = folderOf(t);
        assert.equal(runLab([...argv, "--pcap", again]).stdout, stdout);
        for (const name of captures) {
            const capture = readFileSync(join(folder, name));
            // Nobody pings over an uplink.
            if (!name.includes("uplink")) assert.ok(capture.length > 100_000, `${name}: pings`);
            assert.ok(capture.equals(readFileSync(join(again, name))), name);
        }
    });
}

for (const [scenario, act] of [
    ["two-routers", "cable-pulled"],
    ["preempt", "fast-cable-pulled"],
] as const) {
    test(`${scenario}: the dead segment is taken over after 5 ms without an answer`, () => {
        const {stdout} = runLab(["--simulate", "--fast", "--json", "--scenario", scenario]);
        const pulled = reportOf(stdout).steps.find(({id}) => id === act);
        assert.ok(pulled);
        const [silentUs = 0] = numbers(pulled, "deadSegmentSilentUs");
        assert.ok(silentUs > 5000 && silentUs <= 10_000, `${silentUs}`);
        const [otherUs = 0] = numbers(pulled, "otherSegmentSilentUs");
        assert.ok(otherUs <= 2000 + longestAnswerUs, `${otherUs}`);
    });
}

test("balance: each client is answered by the vhid of its number, whoever is alive", () => {
    const {stdout} = runLab(["--simulate", "--fast", "--json", "--scenario", "balance"]);
    const asked = reportOf(stdout).steps.filter(({measurements}) => "questions" in measurements);
    assert.deepEqual(
        asked.map(({id}) => id),
        ["before", "after-death", "after-return"],
    );
    for (const {id, measurements} of asked) {
        assert.equal(measurements.questions, 16, id);
        for (let n = 1; n <= 8; n += 1) {
            // 192.168.1.101 is odd: index 1, vhid 2. 2001:db8:0:1::101 is odd XOR odd: vhid 1.
            const [v4, v6] = n % 2 === 1 ? ["02", "01"] : ["01", "02"];
            const mac = (vhid = "") => `00:00:5e:00:01:${vhid}`;
            assert.equal(measurements[`192.168.1.10${n}: answered by`], mac(v4), id);
            assert.equal(measurements[`2001:db8:0:1::10${n}: answered by`], mac(v6), id);
        }
    }
});

test("a kernel that refuses namespaces: its words, what would allow them, the same story", (t) => {
    const folder = folderOf(t);
    const unshare = join(folder, "unshare");
    writeFileSync(
        unshare,
        "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n",
    );
    chmodSync(unshare, 0o755);
    const env = {PATH: `${folder}:${process.env.PATH ?? ""}`};
    const {status, stdout, stderr} = runLab(["--fast", "--json"], env);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^lab: no network namespaces here: .*Operation not permitted$/mu);
    assert.match(stderr, /^lab: this would allow them: \S.*$/mu);
    assert.match(stderr, /simulated: no kernel here/u);
    const report = reportOf(stdout);
    assert.equal(report.network, "simulation");
    assert.equal(report.ok, true);
});

test("no unshare at all: the line names the package, and it is not coloured", (t) => {
    const folder = folderOf(t);
    const {status, stdout, stderr} = runLab(["--fast", "--keep"], {PATH: folder, NO_COLOR: "1"});
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^lab: this would allow them: apt-get install util-linux$/mu);
    assert.match(stderr, /--keep needs them/u);
    assert.match(stdout, /All \d+ claims were true \(simulation,/u);
    assert.ok(!`${stdout}${stderr}`.includes("\u001b"));
});

test("SIGINT ends a simulated story with 130", {timeout: 30_000}, async () => {
    const child = spawn(process.execPath, [join(root, "dist/src/lab.js"), "--simulate"], {
        stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = once(child, "exit");
    for await (const text of child.stdout) {
        if (String(text).includes("carpd runs on")) break;
    }
    child.kill("SIGINT");
    assert.deepEqual(await ended, [130, null]);
});

test("--simulate and --keep exclude each other", () => {
    const parsed = parseLabOptions(["--simulate", "--keep"]);
    assert.equal(parsed.ok, false);
    assert.match(parsed.ok ? "" : parsed.error, /^--keep: /u);
});

test("without --fast the simulated network keeps step with the clock", async () => {
    const before = performance.now();
    const network = new SimulatedNetwork({
        spec: handbook("preempt"),
        scenarios,
        simulation: loadAddon().createSimulation(),
        balanceIndex: loadAddon().balanceIndex,
        startAtUs: 5_000_000,
        paced: true,
        live: true,
        pcap: null,
    });
    assert.equal(network.now(), 5_000_000);
    await network.start("hosta");
    await network.startProbes();
    for (let i = 0; i < 10; i += 1) await network.pass(20);
    // A timer may fire up to 1 ms early.
    assert.ok(performance.now() - before >= 198);
    assert.equal(network.now(), 5_200_000);
    // Nobody answers yet: hosta listens for 3 s. The strip shows that they were sent.
    const strip = network.strips().get("client > 192.168.1.50") ?? [];
    assert.deepEqual(
        strip.filter(({slot}) => slot < 52).map(({sent, answered}) => ({sent, answered})),
        [
            {sent: 50, answered: 0},
            {sent: 50, answered: 0},
        ],
    );
    await network.close();
});

test("a configuration file that carpd would refuse is refused in its words", (t) => {
    const folder = folderOf(t);
    for (const host of ["hosta", "hostb", "provider"]) {
        const place = join(folder, "handbook/preempt", host);
        mkdirSync(place, {recursive: true});
        writeFileSync(join(place, "carpd.toml"), '[[carp]]\ncarpdev = "fxp0"\nvhid = 256\n');
    }
    const create = () =>
        new SimulatedNetwork({
            spec: handbook("preempt"),
            scenarios: folder,
            simulation: loadAddon().createSimulation(),
            balanceIndex: loadAddon().balanceIndex,
            startAtUs: 0,
            paced: false,
            live: false,
            pcap: null,
        });
    assert.throws(create, /carpd\.toml:3:8: .*\n.*vhid = 256\n/u);
});

test("the binding refuses what does not exist instead of breaking", () => {
    const simulation = loadAddon().createSimulation();
    const loaded = loadConfig(join(scenarios, "handbook/preempt/hosta/carpd.toml"));
    assert.ok(loaded.ok);
    const config = toEngineConfig(loaded.value.config, 0n);
    const segment = simulation.addSegment();
    const port = {
        name: "fxp0",
        segment,
        mac: "02:00:00:00:03:00",
        addresses: ["192.168.1.3/24"],
    };
    assert.throws(() => simulation.addHost(config, []), /carp0: the host has no fxp0/u);
    assert.throws(() => simulation.addHost(config, [{...port, segment: 7}]), TypeError);
    const host = simulation.addHost(config, [port]);
    assert.throws(() => simulation.boot(host + 1), RangeError);
    assert.throws(() => simulation.crash(host), /the host is off/u);
    assert.equal(simulation.snapshot(host), null);
    simulation.boot(host);
    assert.throws(() => simulation.boot(host), /runs already/u);
    assert.throws(() => simulation.admin(host, "carp9", "up"), /no carp9 on this host/u);
    assert.throws(() => simulation.setPlugged(host, "eth9", false), RangeError);
    assert.throws(() => simulation.ping(0, "192.168.1.50", 2000), /no such client/u);
    assert.throws(() => simulation.runFor(-1), RangeError);
    assert.throws(() => simulation.runFor(Number.NaN), RangeError);
    simulation.runFor(3_000_000);
    const vhost = simulation.snapshot(host)?.vhosts[0];
    assert.equal(vhost?.state, "MASTER");
    assert.equal(vhost?.since, 3_000_000n);
    const changes = simulation
        .events()
        .flatMap(({event}) => (event.kind === "vhostState" ? [`${event.from} ${event.to}`] : []));
    assert.deepEqual(changes, ["INIT BACKUP", "BACKUP MASTER"]);
    assert.deepEqual(simulation.events(), []);
    assert.deepEqual(simulation.violations(), []);
});
