/**
 * The lights of the front panel, row by row of the table, on panels with one to three LEDs, with
 * colours, with an LED for each vhid and each port; and what a snapshot of the engine means for it.
 */
import assert from "node:assert/strict";
import {describe, test} from "node:test";
import {noAppliance} from "../../src/core/appliance/status.ts";
import type {BoardLed, LedRole} from "../../src/core/board.ts";
import {type Daemonless, type LedPlan, ledsOf, type PanelBoard} from "../../src/core/leds.ts";
import {
    decodePanel,
    foldPanel,
    type PanelInput,
    type PanelStatus,
    type PanelVhid,
} from "../../src/core/panel-status.ts";
import {patternText} from "../../src/core/panel-view.ts";
import {snapshot as snapshotOf, vhost as vhostSnapshot} from "./engine-fixtures.ts";

const single = (name: string, color: string): BoardLed => ({
    name,
    kind: "single",
    colors: [color],
    label: "",
});
const rgb = (name: string): BoardLed => ({
    name,
    kind: "multicolor",
    colors: ["red", "green", "blue"],
    label: "",
});

const boardOf = (...leds: readonly (readonly [LedRole, BoardLed])[]): PanelBoard => ({
    leds: new Map(leds),
});
const three = boardOf(
    ["status", single("s", "green")],
    ["role", single("r", "green")],
    ["fault", single("f", "red")],
);
const two = boardOf(["status", single("s", "green")], ["role", single("r", "green")]);
const one = boardOf(["status", single("s", "green")]);
const oneRgb = boardOf(["role", rgb("x")]);

const vhid = (state: PanelVhid["state"], more: Partial<PanelVhid> = {}): PanelVhid => ({
    name: "carp0",
    vhid: 1,
    state,
    enabled: true,
    handingOver: false,
    demoted: false,
    ...more,
});
const quiet: PanelStatus = {
    ready: true,
    hold: "",
    vhids: [vhid("MASTER")],
    demotions: [],
    splitBrain: [],
    peerLost: [],
    commitUnconfirmed: "",
    installing: "",
    imageUnconfirmed: false,
    fault: "",
    resetArmed: false,
    identify: false,
    links: [],
};
const status = (more: Partial<PanelStatus>): PanelStatus => ({...quiet, ...more});
const inState = (state: PanelVhid["state"], more: Partial<PanelVhid> = {}): PanelStatus =>
    status({vhids: [vhid(state, more)]});

const flash = "on 100, off 100 ms";
const busy = "on 50, off 50 ms";
const slow = "on 1000, off 1000 ms";
const init = "on 200, off 200 ms";
const twoFlashes = "on 100, off 100, on 100, off 700 ms";
const twoGaps = "on 700, off 100, on 100, off 100 ms";
const some = "on 1500, off 500 ms";
const blip = "on 1900, off 100 ms";
const alarm = "on 100, off 100, on 100, off 100, on 100, off 500 ms";
const idle = "on 100, off 1900 ms";

function shown(what: PanelStatus | Daemonless, board: PanelBoard): Record<string, string> {
    const plans = ledsOf(what, board);
    return Object.fromEntries(plans.map(({role, pattern}) => [role, patternText(pattern)]));
}

/** State, then what status, role and fault show on a panel that has all three, and one LED alone. */
const table: readonly (readonly [
    name: string,
    what: PanelStatus | Daemonless,
    lights: readonly [status: string, role: string, fault: string],
    alone: string,
])[] = [
    ["booting", "booting", [flash, "off", "off"], flash],
    ["not ready", status({ready: false}), [flash, "off", "off"], flash],
    ["MASTER", inState("MASTER"), ["on", "on", "off"], "on"],
    ["BACKUP", inState("BACKUP"), ["on", slow, "off"], slow],
    ["INIT", inState("INIT"), ["on", init, "off"], init],
    [
        "demoted BACKUP",
        status({vhids: [vhid("BACKUP", {demoted: true})], demotions: ["maintenance"]}),
        ["on", twoFlashes, "off"],
        twoFlashes,
    ],
    [
        "demoted MASTER",
        status({vhids: [vhid("MASTER", {demoted: true})], demotions: ["link:eth1"]}),
        ["on", twoGaps, "off"],
        twoGaps,
    ],
    ["handing over", inState("MASTER", {handingOver: true}), ["on", twoGaps, "off"], twoGaps],
    [
        "MASTER of some",
        status({vhids: [vhid("MASTER"), vhid("BACKUP", {vhid: 2})]}),
        ["on", some, "off"],
        some,
    ],
    [
        "MASTER of all but one without a link",
        status({vhids: [vhid("MASTER"), vhid("INIT", {vhid: 2})]}),
        ["on", some, "off"],
        some,
    ],
    [
        "BACKUP and INIT",
        status({vhids: [vhid("BACKUP", {demoted: true}), vhid("INIT", {vhid: 2})]}),
        ["on", init, "off"],
        init,
    ],
    [
        "one set down does not count",
        status({vhids: [vhid("MASTER"), vhid("INIT", {vhid: 2, enabled: false})]}),
        ["on", "on", "off"],
        "on",
    ],
    ["all set down", inState("INIT", {enabled: false}), ["on", "off", "off"], idle],
    ["nothing configured", status({vhids: []}), ["on", "off", "off"], idle],
    ["two masters", status({splitBrain: ["two masters"]}), ["on", "on", flash], alarm],
    ["peer lost", status({peerLost: ["B is silent"]}), ["on", "on", "on"], alarm],
    ["appliance fault", status({fault: "crash loop"}), ["on", "on", "on"], alarm],
    [
        "held",
        status({hold: "crash loop", vhids: [vhid("INIT", {enabled: false})]}),
        ["on", "off", "on"],
        alarm,
    ],
    ["commit unconfirmed", status({commitUnconfirmed: "2026-01-01"}), [blip, "on", "off"], blip],
    ["image unconfirmed", status({imageUnconfirmed: true}), [blip, "on", "off"], blip],
    [
        "commit unconfirmed on a BACKUP",
        status({vhids: [vhid("BACKUP")], commitUnconfirmed: "2026-01-01"}),
        [blip, slow, "off"],
        slow,
    ],
    ["update being written", status({installing: "writing slot B"}), [busy, "off", "off"], busy],
    [
        "fault during an update",
        status({installing: "writing slot B", splitBrain: ["two"]}),
        [busy, "off", flash],
        alarm,
    ],
    ["reset armed", status({resetArmed: true}), [busy, "off", "off"], busy],
    [
        "reset armed on a box with a fault",
        status({resetArmed: true, fault: "crash loop"}),
        [busy, "off", "off"],
        busy,
    ],
    ["carpd dead", "dead", ["off", "off", "on"], alarm],
    ["switched off", "off", ["off", "off", "off"], "off"],
    ["identify", status({identify: true, fault: "x"}), [flash, flash, flash], flash],
];

describe("every row of the table", () => {
    for (const [name, what, [box, role, fault], alone] of table) {
        test(`${name}: three LEDs`, () => {
            assert.deepEqual(shown(what, three), {status: box, role, fault});
        });
        test(`${name}: one LED`, () => {
            assert.deepEqual(shown(what, one), {status: alone});
            const other = boardOf(["role", single("r", "green")]);
            assert.deepEqual(shown(what, other), {role: alone});
        });
        test(`${name}: two LEDs, the fault on status`, () => {
            const whole = fault === "off" || name === "identify";
            const onStatus = whole ? box : alarm;
            assert.deepEqual(shown(what, two), {status: onStatus, role});
        });
    }

    test("each says why in words", () => {
        for (const [name, what] of table) {
            for (const {meaning} of ledsOf(what, three)) assert.notEqual(meaning, "", name);
        }
        const [, role] = ledsOf(
            status({vhids: [vhid("BACKUP", {demoted: true})], demotions: ["link:eth1"]}),
            three,
        );
        assert.equal(role?.meaning, "BACKUP, demoted by link:eth1");
    });

    test("states that differ on three LEDs differ on one, but for confirmations", () => {
        const texts = new Map<string, string>();
        for (const [name, , lights, alone] of table) {
            const all = lights.join("|");
            if (alone === alarm || lights[0] === blip || name === "identify") continue;
            const before = texts.get(alone);
            assert.ok(before === undefined || before === all, `${name}: ${before} and ${all}`);
            texts.set(alone, all);
        }
    });
});

describe("panels of other kinds", () => {
    const colour = (what: PanelStatus | Daemonless): string => {
        const [plan] = ledsOf(what, oneRgb);
        return `${plan?.colour} ${patternText(plan?.pattern ?? {kind: "off"})}`;
    };

    test("a multicolor LED says it by colour", () => {
        assert.equal(colour(inState("MASTER")), "green on");
        assert.equal(colour(inState("BACKUP")), `amber ${slow}`);
        assert.equal(colour(inState("INIT")), `amber ${init}`);
        assert.equal(colour("dead"), "red on");
        assert.equal(colour(status({splitBrain: ["two"]})), `red ${flash}`);
        assert.equal(colour("booting"), `blue ${flash}`);
        assert.equal(colour(status({resetArmed: true})), `blue ${busy}`);
        assert.equal(colour("off"), " off");
    });

    test("role and fault without status", () => {
        const board = boardOf(["role", single("r", "green")], ["fault", single("f", "red")]);
        assert.deepEqual(shown("dead", board), {role: "off", fault: "on"});
        assert.deepEqual(shown("booting", board), {role: flash, fault: "off"});
        assert.deepEqual(shown(inState("MASTER"), board), {role: "on", fault: "off"});
        assert.deepEqual(shown(status({fault: "x"}), board), {role: "on", fault: "on"});
        assert.deepEqual(shown(status({vhids: []}), board), {role: idle, fault: "off"});
    });

    test("an LED for each vhid and each port", () => {
        const board = boardOf(
            ["vhid:1", single("a", "green")],
            ["vhid:2", single("b", "green")],
            ["vhid:3", single("c", "green")],
            ["port:lan0", single("p", "green")],
        );
        const what = status({
            vhids: [vhid("MASTER"), vhid("BACKUP", {vhid: 2, name: "carp1"})],
            links: [{carpdev: "lan0", carrier: false}],
        });
        const port = "link of lan0";
        const lit = {"vhid:1": "on", "vhid:2": slow, "vhid:3": "off", "port:lan0": port};
        assert.deepEqual(shown(what, board), lit);
        const dark = {"vhid:1": "off", "vhid:2": "off", "vhid:3": "off", "port:lan0": port};
        assert.deepEqual(shown("dead", board), dark);
        const plans = ledsOf(what, board);
        assert.equal(plans.at(-1)?.meaning, "the link of lan0, by the kernel: no link");
        assert.equal(plans[1]?.meaning, "BACKUP of vhid 2");
        const lost = {...what, identify: true};
        assert.deepEqual(new Set(Object.values(shown(lost, board))), new Set([flash]));
    });

    test("no LEDs at all", () => {
        assert.deepEqual(ledsOf(quiet, boardOf()), []);
    });
});

describe("what must not outlive the program", () => {
    const plan = (what: PanelStatus | Daemonless, role: LedRole): LedPlan | undefined =>
        ledsOf(what, three).find((one) => one.role === role);

    test("all that says the host is well goes out by itself", () => {
        for (const [name, what] of table) {
            if (typeof what === "string") continue;
            for (const {role, pattern, deadMan} of ledsOf(what, three)) {
                if (role === "fault" || pattern.kind === "off") continue;
                assert.ok(deadMan, `${name}: ${role}`);
            }
        }
    });

    test("a fault stays, and so does a boot that ends nowhere", () => {
        assert.equal(plan("dead", "fault")?.deadMan, false);
        assert.equal(plan(status({fault: "x"}), "fault")?.deadMan, false);
        assert.equal(plan("booting", "status")?.deadMan, false);
    });

    test("the kernel may blink the fault LED while it is dark, and no other", () => {
        assert.equal(plan(quiet, "fault")?.panic, true);
        assert.equal(plan(status({fault: "x"}), "fault")?.panic, false);
        assert.equal(plan("off", "role")?.panic, false);
        assert.equal(ledsOf("off", one)[0]?.panic, false);
    });
});

describe("from a snapshot to the panel", () => {
    const base = snapshotOf({at: 100_000_000n, vhosts: []});
    const input = (more: Partial<PanelInput>): PanelInput => ({
        ready: true,
        hold: "",
        snapshot: base,
        preempt: true,
        alarms: [],
        commitUnconfirmed: "",
        appliance: noAppliance,
        resetArmed: false,
        identify: false,
        ...more,
    });
    const peer = {
        address: "192.0.2.3",
        advbase: 1,
        advskew: 0,
        demotion: 0,
        lastHeardAt: 50_000_000n,
        heard: 9,
        counterClass: "rising",
    } as const;
    const master = vhostSnapshot({
        state: "MASTER",
        cause: "master timed out",
        since: 53_000_000n,
        advbase: 1,
        advskew: 100,
        effectiveAdvskew: 100,
        peers: [peer],
    });
    const lost = (more: Partial<PanelInput>) => foldPanel(input(more)).peerLost;

    test("a peer that fell silent as MASTER is told until it is heard again", () => {
        const snapshot = {...base, vhosts: [master]};
        assert.match(lost({snapshot}).join(), /192\.0\.2\.3 fell silent/);
        const again = {...master, peers: [{...peer, lastHeardAt: 54_000_000n}]};
        assert.deepEqual(lost({snapshot: {...base, vhosts: [again]}}), []);
        const planned = {...master, cause: "handed over" as const};
        assert.deepEqual(lost({snapshot: {...base, vhosts: [planned]}}), []);
        assert.deepEqual(lost({snapshot: {...base, vhosts: [{...master, peers: []}]}}), []);
    });

    test("one that would come back silently is told for ten minutes", () => {
        const later = {...base, at: 53_000_000n + 600_000_001n, vhosts: [master]};
        assert.equal(lost({snapshot: later}).length, 1);
        assert.equal(lost({snapshot: later, preempt: false}).length, 0);
        assert.equal(lost({snapshot: {...later, at: 600_000_000n}, preempt: false}).length, 1);
    });

    test("a second master is one while this host is MASTER", () => {
        const {carpdev, vhid: number} = master;
        const alarms = [
            {vhid: number, carpdev, alarm: "second master", peer: "192.0.2.3"} as const,
        ];
        const snapshot = {...base, vhosts: [master]};
        assert.match(foldPanel(input({snapshot, alarms})).splitBrain.join(), /192\.0\.2\.3 too/);
        const backup = {...base, vhosts: [{...master, state: "BACKUP" as const}]};
        assert.deepEqual(foldPanel(input({snapshot: backup, alarms})).splitBrain, []);
        const other = [{...alarms[0], alarm: "advbase differs", vhid: number, carpdev} as const];
        const quietAlarm = other.map((one) => ({...one, peer: ""}));
        assert.deepEqual(foldPanel(input({snapshot, alarms: quietAlarm})).splitBrain, []);
    });

    test("the appliance's word", () => {
        const installing = {
            phase: "writing",
            percent: 5,
            message: "writing slot B",
            error: "",
            done: false,
            source: "x",
            version: "2",
        } as const;
        const appliance = {
            ...noAppliance,
            present: true,
            installing,
            unconfirmed: true,
            fault: "restarted 5 times",
            olderSlot: "runs the older slot",
        };
        const folded = foldPanel(input({appliance}));
        assert.equal(folded.installing, "writing slot B");
        assert.equal(folded.imageUnconfirmed, true);
        assert.equal(folded.fault, "restarted 5 times; runs the older slot");
        const done = {...appliance, installing: {...installing, done: true}};
        assert.equal(foldPanel(input({appliance: done})).installing, "");
    });

    test("crosses the control socket whole", () => {
        const full = foldPanel(input({snapshot: {...base, vhosts: [master]}, identify: true}));
        assert.deepEqual(decodePanel(JSON.parse(JSON.stringify({status: full}))), full);
        for (const body of [null, {}, {status: 1}, {status: {ready: true}}, [], "x"]) {
            assert.equal(decodePanel(body), null);
        }
        const sparse = decodePanel({status: {ready: true, vhids: [{vhid: "1"}, null]}});
        assert.deepEqual(sparse, {...quiet, vhids: []});
    });
});
