/** The fold from a snapshot to the public status, and the sentence about what comes next. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {defaultOptions} from "../../src/core/config.ts";
import {formatDuration, formatInterval} from "../../src/core/duration.ts";
import type {EngineSnapshot} from "../../src/core/engine.ts";
import {
    foldCarp,
    foldDemotion,
    foldDemotionChange,
    foldHost,
    foldInterfaces,
    foldStatistics,
    isoOf,
    summaryLine,
} from "../../src/core/status-fold.ts";
import {
    carpdev,
    config,
    now,
    peer,
    second,
    snapshot,
    vhost,
    withDemotion,
} from "./engine-fixtures.ts";

/** Monotonic 1000 s is 2026-01-02T03:04:05Z. */
const wallOffsetUs = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5)) * 1000n - now;
const preempt = config({options: {...defaultOptions, preempt: true}});

function next(change: Partial<EngineSnapshot>, configuration = config()): string {
    const [carp] = foldCarp({snapshot: snapshot(change), config: configuration, wallOffsetUs});
    assert.ok(carp);
    return carp.next;
}

test("MASTER: what it sends and to whom it would yield", () => {
    assert.equal(
        next({}),
        "sends the next advertisement in 0.4 s; " +
            "would yield to any host that advertises more often than every 1.00 s",
    );
    const quick = vhost({
        advbase: 0,
        advskew: 4,
        effectiveAdvskew: 4,
        nextAdvertisementAt: now - 5n,
    });
    assert.equal(
        next({vhosts: [quick]}),
        "sends the next advertisement now; " +
            "would yield to any host that advertises more often than every 15.6 ms",
    );
});

test("BACKUP that hears a master", () => {
    const backup = vhost({
        state: "BACKUP",
        advskew: 100,
        effectiveAdvskew: 100,
        nextAdvertisementAt: null,
        masterDownAt: now + 3_100_000n,
        master: peer(),
    });
    assert.equal(
        next({vhosts: [backup]}),
        "follows 192.168.1.3 (heard 0.4 s ago, advertises every 1.00 s); " +
            "becomes MASTER in 3.1 s unless it is heard again",
    );
});

test("BACKUP below a slower master: waits without preempt, takes over with it", () => {
    const backup = vhost({
        state: "BACKUP",
        nextAdvertisementAt: null,
        masterDownAt: now + 2n * second,
        master: peer({advskew: 128}),
    });
    assert.match(next({vhosts: [backup]}), /because preempt is off; becomes MASTER in 2\.0 s/);
    assert.match(
        next({vhosts: [backup]}, preempt),
        /^takes over from 192\.168\.1\.3 at its next advertisement, because it advertises only every 1\.50 s/,
    );
});

test("BACKUP that hears nobody", () => {
    const backup = vhost({
        state: "BACKUP",
        nextAdvertisementAt: null,
        masterDownAt: now + 3n * second,
    });
    assert.equal(
        next({vhosts: [backup]}),
        "has heard no master; becomes MASTER in 3.0 s unless one is heard",
    );
    assert.match(next({vhosts: [{...backup, masterDownAt: null}]}), /about to start listening/);
});

test("INIT says what is missing", () => {
    const init = vhost({
        state: "INIT",
        cause: "hardware interface down",
        nextAdvertisementAt: null,
    });
    const at = (device: Parameters<typeof carpdev>[0]) =>
        next({vhosts: [init], carpdevs: [carpdev(device)]});
    assert.equal(at({carrier: false}), "starts as BACKUP as soon as eth1 has a link");
    assert.match(at({adminUp: false, carrier: false}), /eth1 is set up \(`ip link set eth1 up`\)/);
    assert.match(at({present: false, adminUp: false, carrier: false}), /interface eth1 appears/);
    assert.match(next({vhosts: [init], carpdevs: []}), /interface eth1 appears/);
    assert.equal(
        at({upAt: now + 12n * second}),
        "starts as BACKUP in 12 s, when the link of eth1 has held for link-up-delay",
    );
    assert.equal(at({}), "is about to start as BACKUP");
    assert.match(
        next({vhosts: [{...init, enabled: false}]}),
        /until it is set up with `carpctl carp0 up`/,
    );
    assert.match(
        next({vhosts: [{...init, cause: "no address configured"}]}),
        /address is configured/,
    );
    assert.match(
        next({vhosts: [{...init, cause: "virtual interface failed"}]}),
        /make its interface/,
    );
    assert.match(next({vhosts: [{...init, cause: "configuration removed"}]}), /goes away/);
});

test("handing over and demoted", () => {
    assert.equal(
        next({vhosts: [vhost({handingOver: true})]}),
        "has said farewell and forwards until a successor is heard, for at most 2.0 s, then becomes BACKUP",
    );
    assert.match(next({vhosts: [vhost({handingOver: true, enabled: false})]}), /then goes down$/);
    const demoted = next({
        demotion: 300,
        demotionReasons: [
            {reason: "link:eth0", level: 240, since: now, groups: ""},
            {reason: "track:x", level: 0, since: now, groups: ""},
            {reason: "track:y", level: 60, since: now, groups: "wan, dmz"},
        ],
        vhosts: [vhost({effectiveAdvskew: 240, demotion: 240})],
    });
    assert.match(demoted, /every 1\.94 s; demoted by 240 \(link:eth0\), advertises advskew 240$/);
});

test("the status has every public key, and times are wall times", () => {
    const input = {
        snapshot: snapshot({vhosts: [vhost({state: "BACKUP", master: peer()})]}),
        config: config(),
        wallOffsetUs,
    };
    const [carp] = foldCarp(input);
    assert.ok(carp);
    const {next: _sentence, ...rest} = carp;
    assert.deepEqual(rest, {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        state: "BACKUP",
        handingOver: false,
        enabled: true,
        advbase: 1,
        advskew: 0,
        effectiveAdvskew: 0,
        group: "carp",
        demotion: 0,
        addresses: ["192.168.1.1/24"],
        virtualMac: "00:00:5e:00:01:01",
        since: "2026-01-02T03:03:05.000Z",
        cause: "master timed out",
        master: {address: "192.168.1.3", advbase: 1, advskew: 0, lastHeardMs: 400},
        preempt: false,
        peers: [],
        transitions: 2,
    });
});

test("interfaces, statistics, demotion and host", () => {
    const all = snapshot({
        demotion: 240,
        demotionReasons: [{reason: "link:eth0", level: 240, since: now - second, groups: ""}],
        vhosts: [
            vhost({name: "b", vhid: 9}),
            vhost({name: "a", vhid: 2}),
            vhost({carpdev: "eth7"}),
        ],
    });
    const input = {snapshot: all, config: config(), wallOffsetUs};
    const [device] = foldInterfaces(input);
    assert.deepEqual(device?.vhids, [2, 9]);
    assert.equal(device?.usedAt, "");
    const waiting = all.carpdevs.map((dev) => ({...dev, upAt: now + 30n * second}));
    const [held] = foldInterfaces({...input, snapshot: {...all, carpdevs: waiting}});
    assert.equal(held?.usedAt, isoOf(now + 30n * second, wallOffsetUs));
    const statistics = foldStatistics(all, {watchersDropped: 3});
    assert.deepEqual(statistics.carpdevs, [{carpdev: "eth1", counters: {received: 9}}]);
    assert.equal(statistics.scheduling.watchersDropped, 3);
    assert.equal(statistics.scheduling.scheduler, "SCHED_FIFO 50");
    assert.equal(foldHost(input, "1.2.3", off).version, "1.2.3");
    assert.equal(summaryLine(["MASTER", "BACKUP", "MASTER"], 0), "2 MASTER, 1 BACKUP, demotion 0");
    assert.equal(summaryLine([], 5), "no carp interface, demotion 5");
});

const off = {on: false, since: "", until: ""};

test("demotion: the sum of each group, and what ends every reason", () => {
    const names = [
        "link:eth1",
        "send:eth1",
        "track:ping",
        "track:dsl",
        "track:gone",
        "maintenance",
        "boot",
        "operator",
        "operator:upgrade",
    ];
    const reasons = names.map((reason) => ({
        reason,
        level: 100,
        since: now - second,
        groups: reason === "track:dsl" ? "wan" : "",
    }));
    const track = {
        intervalMs: 1000,
        timeoutMs: 1000,
        rise: 2,
        fall: 3,
        demotion: 100,
        group: "",
    };
    const input = {
        snapshot: withDemotion(
            snapshot({vhosts: [vhost(), vhost({group: "wan"}), vhost({group: "wan"})]}),
            reasons,
        ),
        config: config({
            options: {
                ...defaultOptions,
                linkUpDelayMs: 30_000,
                bootDelayMs: 90_000,
                bootCommand: ["/bin/true"],
            },
            tracks: [
                {...track, name: "ping", check: {kind: "ping", address: "192.0.2.1"}},
                {...track, name: "dsl", check: {kind: "interface", interface: "ppp0"}},
            ],
        }),
        wallOffsetUs,
    };
    const until = "2026-01-02T04:00:00.000Z";
    const demotion = foldDemotion(input, {on: true, since: "", until});
    assert.deepEqual([demotion.total, demotion.onWire], [900, 240]);
    assert.deepEqual(demotion.groups, [
        {group: "carp", total: 800, onWire: 240},
        {group: "wan", total: 900, onWire: 240},
    ]);
    assert.deepEqual(
        demotion.reasons.map(({clears}) => clears),
        [
            "when eth1 has a link again, for 30s",
            "after three frames in a row were sent on eth1",
            "when its check is good 2 times in a row",
            "when ppp0 has a link again, for 30s",
            "when its check is good again",
            `carpctl maintenance off, or at ${until}`,
            "after boot-delay (90s) and when boot-command has succeeded",
            "carpctl undemote operator",
            "carpctl undemote upgrade",
        ],
    );
    assert.deepEqual(demotion.reasons[3], {
        reason: "track:dsl",
        level: 100,
        groups: "wan",
        since: "2026-01-02T03:04:04.000Z",
        clears: "when ppp0 has a link again, for 30s",
    });
    assert.equal(foldHost(input, "1", off).bootHoldSince, "2026-01-02T03:04:04.000Z");
    const negative = withDemotion(snapshot(), [
        {reason: "operator", level: -20, since: now, groups: ""},
    ]);
    assert.equal(foldDemotion({...input, snapshot: negative}, off).onWire, 0);
    assert.deepEqual(foldDemotionChange(input.snapshot, negative), {
        before: 900,
        total: -20,
        reasons: [{reason: "operator", level: -20}],
        cleared: ["operator:upgrade"],
    });
});

test("durations and intervals", () => {
    const said = [-5n, 900n, 12_400n, 400_000n, 9_960_000n, 93n * second, 600n * second];
    assert.deepEqual(said.map(formatDuration), [
        "0 s",
        "0.9 ms",
        "12 ms",
        "0.4 s",
        "10 s",
        "93 s",
        "10 min",
    ]);
    assert.equal(formatDuration(3n * 3600n * second), "3 h");
    assert.equal(formatDuration(12n * 86_400n * second), "12 days");
    assert.equal(formatInterval(3906n), "3.9 ms");
});
