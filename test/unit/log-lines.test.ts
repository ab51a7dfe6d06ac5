/** Engine events as log lines, and the lines' two forms. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {parseJson} from "../../src/core/control-protocol.ts";
import type {EngineEvent} from "../../src/core/engine.ts";
import {formatJson, formatText, note, printable} from "../../src/core/log.ts";
import {EventLines, startRecord} from "../../src/core/log-events.ts";
import {snapshot} from "./engine-fixtures.ts";

const iso = "2026-01-02T03:04:05.000Z";

function texts(...events: EngineEvent[]): string[] {
    const lines = new EventLines();
    return events.map((event) => lines.record(event)?.text ?? "");
}

const change = {
    kind: "vhostState",
    at: 1n,
    name: "carp0",
    carpdev: "eth1",
    vhid: 1,
    from: "BACKUP",
    to: "MASTER",
    cause: "master timed out",
    peer: "",
} as const;

test("a state change in the BSDs' words", () => {
    assert.deepEqual(texts(change), ["carp0: 1@eth1: BACKUP -> MASTER (master timed out)"]);
    const yielded = {
        ...change,
        from: "MASTER",
        to: "BACKUP",
        cause: "more frequent advertisement received",
        peer: "10.0.0.2",
    } as const;
    assert.deepEqual(texts(yielded), [
        "carp0: 1@eth1: MASTER -> BACKUP (more frequent advertisement received, 10.0.0.2)",
    ]);
    const group = {...change, cause: "its master failed with its group", peer: "10.0.0.2"} as const;
    assert.deepEqual(texts(group), [
        "carp0: 1@eth1: BACKUP -> MASTER (its master failed with its group, 10.0.0.2)",
    ]);
});

test("demotion, link, alarm and fault", () => {
    const at = 1n;
    assert.deepEqual(
        texts(
            {kind: "demotion", at, reason: "link:eth1", level: 240, total: 240, group: ""},
            {kind: "demotion", at, reason: "boot", level: 10, total: 250, group: ""},
            {kind: "demotion", at, reason: "link:eth1", level: 0, total: 10, group: ""},
            {kind: "demotion", at, reason: "track:dsl", level: 60, total: 70, group: "wan"},
            {kind: "demotion", at, reason: "track:dsl", level: 0, total: 10, group: "wan"},
        ),
        [
            "demoted by 240 to 240 (link:eth1)",
            "demoted by 10 to 250 (boot)",
            "demoted by -240 to 10 (link:eth1 cleared)",
            "demoted by 60 to 70 (track:dsl, group wan)",
            "demoted by -60 to 10 (track:dsl cleared, group wan)",
        ],
    );
    const link = {kind: "link", at, carpdev: "eth1"} as const;
    assert.deepEqual(
        texts(
            {...link, present: true, adminUp: true, carrier: true},
            {...link, present: true, adminUp: true, carrier: false},
            {...link, present: true, adminUp: false, carrier: false},
            {...link, present: false, adminUp: false, carrier: false},
        ),
        [
            "eth1: link up",
            "eth1: link down (no carrier)",
            "eth1: interface is down (not set up)",
            "eth1: interface is gone",
        ],
    );
    const [alarm, fault, lost] = texts(
        {
            kind: "alarm",
            at,
            carpdev: "eth1",
            vhid: 1,
            alarm: "second master",
            peer: "10.0.0.2",
            count: 3,
        },
        {
            kind: "fault",
            at,
            code: "SEND_FAILED",
            op: "send",
            target: "eth1",
            errno: 105,
            error: "ENOBUFS",
        },
        {kind: "eventsLost", at, count: 7},
    );
    assert.match(alarm ?? "", /^1@eth1: second master from 10\.0\.0\.2 \(3 times\): /);
    assert.equal(fault, "eth1: send failed: ENOBUFS (SEND_FAILED); the engine goes on");
    assert.equal(lost, "7 engine events were lost; the state was read again");
});

test("a JSON line keeps its level whatever the event carries", () => {
    const record = new EventLines().record({
        kind: "demotion",
        at: 1n,
        reason: "link:eth1",
        level: 240,
        total: 240,
        group: "",
    });
    assert.ok(record !== null);
    assert.deepEqual(parseJson(formatJson(record, iso)), {
        level: "notice",
        msg: "demotion",
        reason: "link:eth1",
        demotion: 240,
        total: 240,
        by: 240,
        text: "demoted by 240 to 240 (link:eth1)",
        time: iso,
    });
});

test("a demotion of one group names it", () => {
    const demotion = {kind: "demotion", at: 1n, reason: "operator", level: 10, total: 10} as const;
    const record = new EventLines().record({...demotion, group: "wan"});
    assert.deepEqual(record?.fields, {
        reason: "operator",
        demotion: 10,
        total: 10,
        by: 10,
        group: "wan",
    });
});

test("a hand-over says how long it took", () => {
    const step = {kind: "handover", name: "carp0"} as const;
    assert.deepEqual(
        texts(
            {...step, at: 1_000_000n, phase: "begin", peer: ""},
            {...step, at: 1_012_500n, phase: "successor", peer: "10.0.0.2"},
            {...step, at: 5_000_000n, phase: "begin", peer: ""},
            {...step, at: 7_000_000n, phase: "limit", peer: ""},
            {...step, at: 8_000_000n, phase: "cancelled", peer: ""},
        ),
        [
            "carp0: handing over: said farewell, forwarding until the successor is heard",
            "carp0: handed over to 10.0.0.2 after 13 ms",
            "carp0: handing over: said farewell, forwarding until the successor is heard",
            "carp0: let go without hearing a successor after 2.0 s",
            "carp0: hand-over cancelled",
        ],
    );
});

test("JSON is data with the sentence beside it", () => {
    const record = new EventLines().record(change);
    assert.ok(record);
    const line = formatJson(record, iso);
    assert.ok(line.endsWith("}\n"));
    assert.deepEqual(parseJson(line), {
        level: "notice",
        msg: "carp state",
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        from: "BACKUP",
        to: "MASTER",
        cause: "master timed out",
        text: "carp0: 1@eth1: BACKUP -> MASTER (master timed out)",
        time: iso,
    });
});

test("text: time stamps for people, priorities for journald, on every line", () => {
    const record = note("error", "x", "first\nsecond \u001b[2J\u009b");
    assert.equal(formatText(record, {journal: false, iso}), `${iso} first\n${iso} second ?[2J?\n`);
    assert.equal(formatText(record, {journal: true, iso}), "<3>first\n<3>second ?[2J?\n");
    assert.equal(printable("a\tb\u007f\u0000é"), "a\tb??é");
});

test("the start line says plainly what was refused", () => {
    const {scheduling} = snapshot();
    const good = startRecord("0.1.0", scheduling, 1);
    assert.equal(good.text, "carpd 0.1.0 started: 1 carp interface, SCHED_FIFO 50, memory locked");
    assert.equal(good.level, "info");
    const refused = {...scheduling, scheduler: "SCHED_FIFO refused (EPERM)", realtime: false};
    const bad = startRecord("0.1.0", refused, 2);
    assert.equal(bad.level, "warning");
    assert.match(bad.text, /2 carp interfaces, SCHED_FIFO refused \(EPERM\)/);
});
