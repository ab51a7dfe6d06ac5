/** The arithmetic and the printing of the benchmark. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {
    parseArpFlood,
    parseArpTimes,
    parsePull,
    parseSink,
    parseTransfer,
    ratioSpread,
    receivedFrames,
    shareWithin,
} from "../bench/load-numbers.ts";
import {
    lossesOf,
    parseCpuTicks,
    parseHmac,
    parseMemory,
    percentile,
    regularity,
    spreadOf,
    takeOverOf,
} from "../bench/numbers.ts";
import {measurementNames, parseBenchOptions} from "../bench/options.ts";
import {
    type Finding,
    findingText,
    type Machine,
    machineText,
    reportJson,
    table,
} from "../bench/table.ts";

test("percentiles are of the nearest rank", () => {
    const hundred = Array.from({length: 100}, (_, i) => 100 - i);
    assert.deepEqual(
        [0, 1, 50, 90, 99, 100].map((percent) => percentile(hundred, percent)),
        [1, 1, 50, 90, 99, 100],
    );
    assert.equal(percentile([7], 50), 7);
    assert.equal(percentile([1, 2], 50), 1);
    assert.throws(() => percentile([], 50), RangeError);
});

test("a spread is in order, and at least that share of the values is not above it", () => {
    const values = fc.array(fc.integer({min: -1000, max: 1000}), {minLength: 1});
    fc.assert(
        fc.property(values, (list) => {
            const spread = spreadOf(list);
            assert.ok(spread);
            const {min, median, p90, p99, max} = spread;
            const steps = [min, median, p90, p99, max];
            assert.deepEqual(
                steps,
                [...steps].sort((a, b) => a - b),
            );
            const share = (limit: number) => list.filter((value) => value <= limit).length;
            assert.ok(share(median) >= list.length * 0.5 && share(p90) >= list.length * 0.9);
            assert.ok(list.includes(median) && list.includes(p99));
        }),
    );
    assert.equal(spreadOf([]), null);
    assert.equal(spreadOf([1, 2, 6])?.mean, 3);
});

test("regularity: errors without sign, drift with", () => {
    assert.deepEqual(regularity([0, 1_000_100, 1_999_900, 3_000_300], 1_000_000), {
        errors: [100, 200, 400],
        driftPpm: 100,
    });
    assert.equal(regularity([0, 999_990], 1_000_000)?.driftPpm, -10);
    assert.equal(regularity([5], 1_000_000), null);
});

const pingAt = (ms: number, tookUs: number | null) => ({
    sentAtUs: ms * 1000,
    sentRealtimeUs: 9_000_000 + ms * 1000,
    receivedAtUs: tookUs === null ? null : ms * 1000 + tookUs,
});

test("losses and the longest silence between two answers", () => {
    const pings = [pingAt(0, 100), pingAt(1, null), pingAt(2, null), pingAt(3, 150)];
    assert.deepEqual(lossesOf(pings), {sent: 4, lost: 2, silenceUs: 3050});
    assert.deepEqual(lossesOf([]), {sent: 0, lost: 0, silenceUs: 0});
});

test("a take-over ends with the first answer after the new MASTER's own first reply", () => {
    const input = {
        // The last advert; the dead host's kernel answers a little longer.
        advertsUs: [9_000_500],
        repliesUs: [8_999_000, 9_005_080, 9_006_080],
        pings: [pingAt(1, 100), pingAt(2, 100), pingAt(4, null), pingAt(5, 120), pingAt(6, 110)],
    };
    assert.deepEqual(takeOverOf(input), {tookUs: 4620, replyUs: 4580});
    assert.equal(takeOverOf({...input, repliesUs: [8_999_000]}), null, "no reply");
    assert.equal(takeOverOf({...input, advertsUs: []}), null, "no advert");
    assert.equal(takeOverOf({...input, pings: input.pings.slice(0, 2)}), null, "no answer");
});

test("what /proc says", () => {
    const rollup = [
        "55d0-7ffe ---p 00000000 00:00 0    [rollup]",
        "Rss:               60000 kB",
        "Pss:               30000 kB",
        "Pss_Dirty:         10000 kB",
        "Private_Clean:      4000 kB",
        "Private_Dirty:     16000 kB",
    ].join("\n");
    assert.deepEqual(parseMemory(rollup), {pss: 30_000 * 1024, own: 20_000 * 1024});
    assert.throws(() => parseMemory("Rss: 5 kB\n"), /Pss/);
    const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 10 20 30 40 123 45 6 7 20 0 9 0";
    assert.equal(parseCpuTicks(stat), 168);
    assert.throws(() => parseCpuTicks("42 (node) S 1"), /utime/);
});

test("the times of hmac.cc", () => {
    assert.deepEqual(parseHmac("verify, 1 address: 310.5 300\nsign: 120\n"), [
        {name: "verify, 1 address", ns: [310.5, 300]},
        {name: "sign", ns: [120]},
    ]);
    assert.throws(() => parseHmac("error\n"), /not a time/);
    assert.throws(() => parseHmac("sign: fast\n"), /not a time/);
});

test("what the programs that make traffic print", () => {
    assert.deepEqual(parsePull("1700000000000100 1700000000000350\n"), {
        beforeUs: 1_700_000_000_000_100,
        afterUs: 1_700_000_000_000_350,
    });
    assert.deepEqual(parseArpTimes("3 2500 61000\n"), {asked: 3, ns: [2500, 61_000]});
    assert.deepEqual(parseArpTimes("2\n"), {asked: 2, ns: []});
    assert.deepEqual(parseArpFlood("100 80 200000000\n"), {
        asked: 100,
        answered: 80,
        perSecond: 400,
    });
    assert.equal(parseArpFlood("64 0 0\n").perSecond, 0, "nobody answered");
    assert.deepEqual(parseTransfer("1250 1000\n"), {amount: 1250, ns: 1000});
    for (const wrong of ["", "\n", "eth0: No such device\n", "5\n", "1 -2 3\n", "1.5 2 3\n"]) {
        assert.throws(() => parseArpFlood(wrong), /expected numbers/, JSON.stringify(wrong));
    }
    assert.throws(() => parseTransfer("5 0\n"), /no time/);
});

test("the sink's log: whole lines only, one a stream", () => {
    assert.deepEqual(parseSink(""), []);
    assert.deepEqual(parseSink("ready\n"), []);
    assert.deepEqual(parseSink("ready\n500 20\n70"), [{amount: 500, ns: 20}]);
    assert.deepEqual(parseSink("ready\n500 20\n700 30\n").at(-1), {amount: 700, ns: 30});
});

test("frames received, by interface", () => {
    const text = [
        "Inter-|   Receive                                                |  Transmit",
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets",
        "    lo:       0       0    0    0    0     0          0         0        0       0",
        "  eth0: 1234567   12345    0    0    0     0          0         7     4321      43",
        " eth01:99       1    0    0    0     0          0         7     4321      43",
    ].join("\n");
    assert.equal(receivedFrames(text, "eth0"), 12_345);
    assert.equal(receivedFrames(text, "eth01"), 1, "no blank behind the colon");
    assert.equal(receivedFrames(text, "lo"), 0);
    assert.throws(() => receivedFrames(text, "eth2"), /eth2/);
});

test("ratios are of the same round, so that a drift of the machine cancels out", () => {
    const without = [100, 200, 400];
    const ratio = ratioSpread([90, 190, 360], without);
    assert.deepEqual([ratio?.min, ratio?.median, ratio?.max], [0.9, 0.9, 0.95]);
    assert.equal(ratioSpread([90, 180, 360], without.toReversed())?.max, 3.6, "not sorted");
    assert.equal(ratioSpread([5, 8], [0, 4])?.n, 1, "nothing passed beside it");
    assert.equal(ratioSpread([], []), null);
});

test("the share of values within a limit", () => {
    assert.equal(shareWithin([1, 10, 10.01, 3000], 10), 50);
    assert.equal(shareWithin([], 10), null);
});

const columns = [
    {key: "n", title: "n", digits: 0},
    {key: "medianMs", title: "median ms", digits: 2},
];
const finding: Finding = {
    name: "takeover",
    title: "later than T_down",
    columns,
    rows: [
        {label: "first answered ping", values: {n: 50, medianMs: 1.099}},
        {label: "none", values: {n: 0, medianMs: null}},
    ],
    notes: ["pings at 1 kHz"],
    failed: false,
};

test("a table aligns its columns and says what could not be measured", () => {
    assert.deepEqual(table(columns, finding.rows), [
        "                      n  median ms",
        "first answered ping  50       1.10",
        "none                  0          -",
    ]);
    assert.equal(
        findingText({...finding, rows: []}),
        "takeover: later than T_down\n  * pings at 1 kHz",
    );
});

const machine: Machine = {
    kernel: "6.1.0 x64",
    node: "v20.0.0",
    cores: 2,
    cpu: "a core",
    loadAtStart: 0.25,
    loadAtEnd: 0.5,
    scheduler: "SCHED_FIFO 50",
    memory: "locked 4096 KiB",
    seconds: 61.4,
    quick: true,
};

test("the machine tells its noise", () => {
    assert.deepEqual(machineText(machine).split("\n"), [
        "Linux 6.1.0 x64, node v20.0.0, 2 cores (a core)",
        "load average 0.25 before, 0.50 after",
        "carpd: SCHED_FIFO 50, locked 4096 KiB",
        "quick run, few repetitions, 61 s",
    ]);
    assert.match(machineText({...machine, loadAtStart: 3}), /a busy machine/);
});

test("the JSON has every number of the table, unrounded", () => {
    const read: unknown = JSON.parse(reportJson(machine, [finding]));
    assert.deepEqual(read, {
        machine,
        findings: [
            {
                name: "takeover",
                title: "later than T_down",
                columns: columns.map(({key, title}) => ({key, title})),
                rows: [
                    {label: "first answered ping", n: 50, medianMs: 1.099},
                    {label: "none", n: 0, medianMs: null},
                ],
                notes: ["pings at 1 kHz"],
                failed: false,
            },
        ],
    });
});

test("the options: names in one word or several, nothing unknown", () => {
    const none = parseBenchOptions([]);
    assert.deepEqual(none.ok && none.value, {
        only: measurementNames,
        quick: false,
        json: false,
        help: false,
    });
    const some = parseBenchOptions([
        "--quick",
        "--json",
        "--only",
        "hmac,group,arp",
        "--only=forwarding",
    ]);
    assert.deepEqual(some.ok && some.value.only, ["hmac", "group", "arp", "forwarding"]);
    for (const argv of [
        ["--only", "vrrp"],
        ["--only", ""],
        ["--only", "arp,"],
        ["--fast"],
        ["more"],
    ]) {
        const refused = parseBenchOptions(argv);
        assert.ok(!refused.ok && refused.error !== "", argv.join(" "));
    }
});
