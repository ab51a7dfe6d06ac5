/** The lab's picture, its command line, its protocol with agents, its scenario files. */
import assert from "node:assert/strict";
import {join} from "node:path";
import {test} from "node:test";
import {Agent, type Prober} from "../../src/app/lab/agent.ts";
import {parseLabOptions} from "../../src/app/lab/options.ts";
import {parseReply, parseRequest} from "../../src/core/lab/agent-protocol.ts";
import type {ProbeSample} from "../../src/core/lab/arithmetic.ts";
import {type RunReport, renderReport} from "../../src/core/lab/report.ts";
import {balance, handbook, preempt as together, twoRouters} from "../../src/core/lab/scenario.ts";
import {type PanelView, renderScreen, statusLight} from "../../src/core/lab/screen.ts";
import {colourPainter, fit, plainPainter, widthOf, wrap} from "../../src/core/lab/text.ts";
import type {CarpStatus} from "../../src/core/status.ts";
import {loadConfig} from "../../src/io/config-files.ts";
import {projectRoot} from "../../src/io/version.ts";

function carp(name: string, state: CarpStatus["state"], demotion: number): CarpStatus {
    return {
        name,
        carpdev: "eth1",
        vhid: 1,
        state,
        handingOver: false,
        enabled: true,
        advbase: 1,
        advskew: 0,
        effectiveAdvskew: demotion,
        group: "carp",
        demotion,
        addresses: ["192.168.1.1/24"],
        virtualMac: "00:00:5e:00:01:01",
        since: "2026-01-01T00:00:00.000Z",
        cause: "none",
        master: null,
        next: "",
        preempt: true,
        peers: [],
        transitions: 0,
    };
}

function panel(name: string, carps: readonly CarpStatus[] | null, powered = true): PanelView {
    return {name, powered, carp: carps, ports: [{ifname: "eth1", carrier: powered}]};
}

const view = {
    title: "carpd lab",
    elapsedS: 12.34,
    panels: [
        panel("hosta", [carp("carp0", "MASTER", 0)]),
        panel("hostb", [carp("carp0", "BACKUP", 240), carp("carp1", "INIT", 240)]),
        panel("provider", null),
        panel("spare", null, false),
    ],
    strips: [
        {
            name: "client > VIP",
            slots: [
                {slot: 98, sent: 10, answered: 10},
                {slot: 99, sent: 10, answered: 3},
                {slot: 100, sent: 10, answered: 0},
            ],
        },
    ],
    lastSlot: 100,
    lookAt: "look ".repeat(40),
    happenings: Array.from({length: 50}, (_, i) => `happening ${i}`),
};

test("a frame is at most 23 lines of exactly 80 columns, with colours and without", () => {
    for (const paint of [plainPainter, colourPainter]) {
        const lines = renderScreen(paint, view, 80, 24);
        assert.ok(lines.length <= 23);
        assert.deepEqual(
            lines.map((line) => widthOf(line)),
            lines.map(() => 80),
        );
    }
});

test("a small screen is not overrun", () => {
    const lines = renderScreen(colourPainter, view, 40, 10);
    assert.equal(lines.length, 9);
    assert.ok(lines.every((line) => widthOf(line) === 40));
});

test("the frame says states in words, the newest happening and the strip's end", () => {
    const text = renderScreen(plainPainter, view, 80, 24).join("\n");
    for (const word of [
        "MASTER",
        "BACKUP",
        "INIT",
        "demoted by 240",
        "carpd is dead",
        "no power",
    ]) {
        assert.ok(text.includes(word), `no ${word} in\n${text}`);
    }
    assert.match(text, /client > VIP.* ▮▯·\s*$/mu);
    assert.ok(renderScreen(plainPainter, view, 80, 40).join("\n").includes("happening 49"));
});

test("without colours there are no escape sequences", () => {
    assert.ok(!renderScreen(plainPainter, view, 80, 24).join("").includes("\u001b"));
});

test("the status LED tells dead from dark from demoted", () => {
    const colours = view.panels.map((shown) => statusLight(shown).colour);
    assert.deepEqual(colours, ["green", "amber", "red", "dim"]);
});

test("text is fitted by what is seen of it", () => {
    assert.equal(fit("abc", 5), "abc  ");
    assert.equal(fit("abcdef", 3), "abc");
    assert.equal(widthOf(fit(colourPainter("red", "abcdef"), 4)), 4);
    assert.ok(fit(colourPainter("red", "abcdef"), 4).endsWith("\u001b[0m"));
    assert.deepEqual(wrap("aa bb cccccc", 5), ["aa bb", "ccccc", "c"]);
});

test("the closing table fits 80 columns and names what failed", () => {
    const mac = "00:00:5e:00:01:01";
    const report: RunReport = {
        scenario: "two-routers",
        network: "namespaces",
        ok: false,
        tookS: 20,
        error: "no election",
        steps: [
            {
                id: "a",
                title: "carpd of A back, preempts",
                claims: [
                    {text: "lost pings", ok: false, measured: "1 of 9 lost", allowed: "0 lost"},
                ],
                measurements: {},
                row: {
                    event: "carpd of A back, preempts",
                    measured: "3.391 s",
                    arithmetic: "3.391 s (3+100/256)",
                    lost: "1684 of 2210",
                    macBefore: mac,
                    macAfter: mac,
                },
            },
        ],
    };
    const lines = renderReport(plainPainter, report);
    const table = lines.slice(
        0,
        lines.findIndex((line) => line.startsWith("Not everything")),
    );
    assert.ok(table.every((line) => line.length <= 80));
    const text = lines.join("\n");
    assert.match(text, /NOT OK virtual MAC/u);
    assert.match(text, /lost pings: 1 of 9 lost, allowed: 0 lost/u);
    assert.match(text, /the story stopped: no election/u);
});

test("wrong arguments are one line", () => {
    for (const argv of [["--scenario", "x"], ["--bogus"], ["extra"], ["--pcap"], ["--pcap="]]) {
        const parsed = parseLabOptions(argv);
        assert.equal(parsed.ok, false, argv.join(" "));
        if (!parsed.ok) assert.ok(!parsed.error.includes("\n"), parsed.error);
    }
    const parsed = parseLabOptions(["--scenario", "handbook", "--fast", "--json", "--pcap", "d"]);
    assert.deepEqual(parsed.ok && parsed.value, {
        scenario: "handbook",
        fast: true,
        keep: false,
        pcap: "d",
        simulate: false,
        json: true,
        help: false,
        agent: false,
    });
});

test("lines that are not of the agents' protocol are nothing", () => {
    for (const line of ["", "nonsense", "null", "3", "[]", '{"kind":"x","op":"y"}']) {
        assert.equal(parseReply(line), null);
        assert.equal(parseRequest(line), null);
    }
    assert.deepEqual(parseRequest('{"id":1,"op":"lap"}'), {id: 1, op: "lap"});
});

test("a lap leaves out pings that may still be answered, and the next one starts at once", () => {
    const stopped: number[] = [];
    let started = 0;
    const laps: ProbeSample[][] = [
        [
            {sequence: 0, sentAtUs: 0, receivedAtUs: 100},
            {sequence: 1, sentAtUs: 500_000, receivedAtUs: null},
            {sequence: 2, sentAtUs: 990_000, receivedAtUs: null},
        ],
        [],
    ];
    const startProber = (): Prober => {
        const lap = started++;
        return {
            results: (first = 0) => (laps[lap] ?? []).filter(({sequence}) => sequence >= first),
            stop: () => stopped.push(lap),
        };
    };
    const agent = new Agent({
        startProber,
        startCapture: () => ({frames: () => 0, stop: () => undefined}),
        now: () => 1_000_000,
    });
    const probes = [{name: "p", address: "192.0.2.1"}];
    agent.handle({id: 1, op: "probes", probes, intervalUs: 1000, live: false});
    const reply = agent.handle({id: 2, op: "lap"});
    assert.equal(reply.kind, "done");
    if (reply.kind !== "done") return;
    assert.deepEqual(reply.summaries, [
        {
            name: "p",
            summary: {
                sent: 2,
                answered: 1,
                lost: 1,
                gap: null,
                lostFromUs: 500_000,
                lostToUs: 500_000,
            },
        },
    ]);
    assert.equal(started, 2);
    assert.deepEqual(stopped, [0]);
});

test("every host of a scenario has a configuration file that says what the story needs", () => {
    for (const [spec, preempt] of [
        [twoRouters, true],
        [handbook("preempt"), true],
        [handbook("no-preempt"), false],
        [together("fast"), true],
        [together("plain"), true],
        [balance, true],
    ] as const) {
        for (const host of spec.hosts) {
            if (host.config === null) continue;
            const path = join(projectRoot(), "board/sim/scenarios", host.config);
            const parsed = loadConfig(path);
            assert.ok(parsed.ok, path);
            if (!parsed.ok) continue;
            const {config} = parsed.value;
            assert.equal(config.options.preempt, preempt, path);
            const ifnames = host.links.map(({ifname}) => ifname);
            for (const {carpdev} of config.carp) assert.ok(ifnames.includes(carpdev), path);
        }
    }
});
