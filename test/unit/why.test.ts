/** Why a vhid changed its state: records from snapshots, sentences from records. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import {TransitionRecords} from "../../src/app/transition-records.ts";
import type {WatchEvent} from "../../src/core/control-protocol.ts";
import {causes, type EngineSnapshot} from "../../src/core/engine.ts";
import {showWhy} from "../../src/core/show-operations.ts";
import {isoOf} from "../../src/core/status-fold.ts";
import {
    explain,
    type TransitionEvent,
    type TransitionRecord,
    transitionRecord,
    whyOf,
} from "../../src/core/why.ts";
import {carpdev, now, peer, second, snapshot, vhost, withDemotion} from "./engine-fixtures.ts";

const at = now - 100_000n;

function event(change: Partial<TransitionEvent> = {}): TransitionEvent {
    return {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        at,
        from: "BACKUP",
        to: "MASTER",
        cause: "master timed out",
        peer: "",
        ...change,
    };
}

function record(
    of: EngineSnapshot,
    change: Partial<TransitionEvent> = {},
    before: TransitionRecord["before"] = null,
): TransitionRecord {
    const made = transitionRecord(event(change), of, {before, alarms: []});
    assert.ok(made !== null);
    return made;
}

describe("why", () => {
    it("names the peer that went silent, since when, and both intervals", () => {
        const silent = peer({lastHeardAt: at - 3n * second, advskew: 0});
        const of = snapshot({vhosts: [vhost({since: at, peers: [silent], effectiveAdvskew: 100})]});
        const why = whyOf(record(of), 0n);
        assert.equal(why.heard?.address, "192.168.1.3");
        assert.equal(why.heard?.ageMs, 3000);
        assert.equal(why.heard?.intervalMs, 1000);
        assert.equal(why.own.intervalMs, 1390.625);
        assert.equal(why.at, isoOf(at, 0n));
        const text = why.explain.join("\n");
        assert.match(text, /^carp0 went from BACKUP to MASTER: 192\.168\.1\.3 was not heard/);
        assert.match(text, /last advertisement came from 192\.168\.1\.3 3\.0 s before that/);
        assert.match(text, /every 1\.00 s .*ours every 1\.39 s/);
    });

    it("says that nobody was heard at all", () => {
        const why = whyOf(record(snapshot({vhosts: [vhost({since: at})]})), 0n);
        assert.equal(why.heard, null);
        assert.match(why.explain[0] ?? "", /no master was heard at all/);
        assert.equal(why.before, "");
    });

    it("takes the causing peer even when it was heard again before the snapshot", () => {
        const cause = peer({address: "192.168.1.7", lastHeardAt: at + 50_000n});
        const earlier = peer({lastHeardAt: at - 10_000n});
        const of = snapshot({
            vhosts: [vhost({since: at, state: "BACKUP", peers: [earlier, cause]})],
        });
        const change = {
            from: "MASTER",
            to: "BACKUP",
            cause: "more frequent advertisement received",
            peer: "192.168.1.7",
        } as const;
        const {heard} = whyOf(record(of, change), 0n);
        assert.deepEqual([heard?.address, heard?.ageMs], ["192.168.1.7", 0]);
    });

    it("does not take a peer that was heard only afterwards for the one before", () => {
        const later = peer({lastHeardAt: at + 1n});
        const of = snapshot({vhosts: [vhost({since: at, peers: [later]})]});
        assert.equal(record(of).heard, null);
    });

    it("counts what grew since the change before, and nothing else", () => {
        const counters = {accepted: 900, badauth: 7, badttl: 2};
        const of = snapshot({
            vhosts: [vhost({since: at, counters})],
            carpdevs: [carpdev({counters: {ipackets: 5000, foreignVrrp: 4}})],
        });
        const before = {
            at: at - second,
            vhost: {accepted: 1, badauth: 5, badttl: 2},
            carpdev: {foreignVrrp: 1},
            lateMaxUs: 3,
        };
        const why = whyOf(record(of, {}, before), 0n);
        assert.deepEqual(why.drops, {badauth: 2, foreignVrrp: 3});
        assert.equal(why.lateness.grew, false);
        assert.match(why.explain.join("\n"), /change before: 2 advertisements with a wrong/);
        const first = whyOf(record(of), 0n);
        assert.deepEqual(first.drops, {badauth: 7, badttl: 2, foreignVrrp: 4});
    });

    it("tells demotion, links and lateness of that time", () => {
        const base = snapshot({
            vhosts: [vhost({since: at})],
            carpdevs: [carpdev({carrier: false}), carpdev({carpdev: "eth2"})],
        });
        const of = withDemotion(
            {...base, scheduling: {...base.scheduling, lateMaxUs: 450_000, realtime: false}},
            [{reason: "link:eth1", level: 240, since: at, groups: ""}],
        );
        const text = explain(record(of, {cause: "hardware interface down", to: "INIT"})).join("\n");
        assert.match(text, /eth1 lost its link \(no carrier\)/);
        assert.match(text, /demoted by 240 \(link:eth1 240\)/);
        assert.match(text, /Links at that time: eth1 no carrier\./);
        assert.match(text, /late by up to 0\.5 s/);
    });

    it("has a sentence of its own for each cause", () => {
        const of = snapshot({vhosts: [vhost({since: at, peers: [peer({lastHeardAt: at})]})]});
        const sentences = causes.map((cause) => explain(record(of, {cause, peer: "10.0.0.1"}))[0]);
        assert.equal(new Set(sentences).size, causes.length);
        for (const sentence of sentences) assert.match(sentence ?? "", /: .+\.$/);
    });

    it("has no record of a vhid that is gone", () => {
        const made = transitionRecord(event({name: "carp9"}), snapshot(), {
            before: null,
            alarms: [],
        });
        assert.equal(made, null);
    });

    it("is printed from what came over the socket, or refused", () => {
        const why = whyOf(record(snapshot({vhosts: [vhost({since: at})]})), 0n);
        const text = showWhy(JSON.parse(JSON.stringify([why])), Number(now / 1000n));
        assert.match(text ?? "", /^carp0 \(vhid 1 on eth1\), .* \(0\.1 s ago\)\n\tcarp0 went/);
        assert.equal(showWhy([], 0), "no state change since carpd started\n");
        assert.equal(showWhy([{...why, explain: [1]}], 0), null);
        assert.equal(showWhy({}, 0), null);
    });
});

function stateEvent(to: string, atUs: bigint, more: object = {}): WatchEvent {
    const fields = {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        from: "BACKUP",
        to,
        cause: "master timed out",
        ...more,
    };
    return {kind: "vhostState", time: isoOf(atUs, 0n), level: "notice", line: "", fields};
}

function alarmEvent(peerAddress: string): WatchEvent {
    const fields = {carpdev: "eth1", vhid: 1, alarm: "second master", count: 1, peer: peerAddress};
    return {kind: "alarm", time: isoOf(at, 0n), level: "error", line: "", fields};
}

describe("transition records", () => {
    it("keep the last eight, each with the marks of the one before and its alarms", async () => {
        let badauth = 0;
        const failures: unknown[] = [];
        const source = {
            snapshot: async () => {
                badauth += 1;
                return snapshot({vhosts: [vhost({since: at, counters: {badauth}})]});
            },
            wallOffsetUs: () => 0n,
        };
        const records = new TransitionRecords(source, (error) => failures.push(error));
        records.heard(alarmEvent("192.168.1.3"));
        records.heard(alarmEvent("192.168.1.3"));
        for (let i = 0; i < 12; i++) records.heard(stateEvent("MASTER", at + BigInt(i)));
        await records.settled();
        const all = records.all("carp0");
        assert.equal(all.length, 8);
        assert.deepEqual(
            all.map((each) => whyOf(each, 0n).drops.badauth),
            Array.from({length: 8}, () => 1),
        );
        assert.deepEqual(all.at(-1)?.alarms, []);
        assert.deepEqual(failures, []);
        assert.equal(records.last(["carp0"]).length, 1);
        assert.deepEqual(records.last(["carp1"]), []);
        assert.deepEqual(records.all("carp0"), [], "a vhid that is gone is forgotten");
    });

    it("tell the alarms since the change before", async () => {
        const source = {
            snapshot: async () => snapshot({vhosts: [vhost({since: at})]}),
            wallOffsetUs: () => 0n,
        };
        const records = new TransitionRecords(source, assert.ifError);
        records.heard(alarmEvent("192.168.1.3"));
        records.heard(alarmEvent("192.168.1.3"));
        records.heard(stateEvent("MASTER", at));
        await records.settled();
        assert.deepEqual(records.all("carp0")[0]?.alarms, ["second master from 192.168.1.3"]);
    });

    it("go on after an engine that did not answer, and ignore what is no change", async () => {
        const failures: unknown[] = [];
        let silent = true;
        const source = {
            snapshot: async () => {
                if (silent) throw new Error("the engine did not answer");
                return snapshot({vhosts: [vhost({since: at})]});
            },
            wallOffsetUs: () => 0n,
        };
        const records = new TransitionRecords(source, (error) => failures.push(error));
        records.heard(stateEvent("MASTER", at));
        await records.settled();
        silent = false;
        records.heard(stateEvent("nonsense", at));
        records.heard({...stateEvent("MASTER", at), kind: "link"});
        records.heard(stateEvent("MASTER", at));
        await records.settled();
        assert.equal(failures.length, 1);
        assert.equal(records.all("carp0").length, 1);
    });
});
