/** Rise and fall of a check, and the sentences about it. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import type {TrackCheck} from "../../src/core/config.ts";
import {
    type CheckResult,
    feed,
    linkTrackStatus,
    newTrack,
    restartStreak,
    type TrackPolicy,
    type TrackProgress,
    trackNext,
    trackStatus,
    type Verdict,
    whatOf,
} from "../../src/core/track.ts";
import {track} from "./condition-fixtures.ts";

const policies = fc.record({
    rise: fc.integer({min: 1, max: 5}),
    fall: fc.integer({min: 1, max: 5}),
});
const histories = fc.array(fc.constantFrom<Verdict>("good", "bad", "unknown"), {maxLength: 60});

function result(verdict: Verdict, text: string = verdict): CheckResult {
    return {verdict, text};
}

function after(history: readonly Verdict[], policy: TrackPolicy): TrackProgress {
    return history.reduce<TrackProgress>(
        (progress, verdict, i) => feed(progress, policy, result(verdict), BigInt(i + 1)),
        newTrack(0n),
    );
}

/** The same said from the end: the latest run of enough equal verdicts decides. */
function decided(history: readonly Verdict[], policy: TrackPolicy): TrackProgress["state"] {
    for (let end = history.length; end > 0; end--) {
        const verdict = history[end - 1];
        const enough = verdict === "good" ? policy.rise : policy.fall;
        const last = history.slice(Math.max(0, end - enough), end);
        if (last.length < enough || last.some((other) => other !== verdict)) continue;
        return verdict === "good" ? "good" : verdict === "bad" ? "failing" : "starting";
    }
    return "starting";
}

test("the latest run of enough equal results decides the state", () => {
    fc.assert(
        fc.property(histories, policies, (history, policy) => {
            assert.equal(after(history, policy).state, decided(history, policy));
        }),
    );
});

test("the state changes only with its own verdict, and `since` with the state", () => {
    fc.assert(
        fc.property(histories, policies, (history, policy) => {
            let before = newTrack(0n);
            history.forEach((verdict, i) => {
                const at = BigInt(i + 1);
                const now = feed(before, policy, result(verdict), at);
                assert.equal(now.since, now.state === before.state ? before.since : at);
                if (now.state === "failing" && before.state !== "failing") {
                    assert.equal(verdict, "bad");
                    const last = history.slice(Math.max(0, i + 1 - policy.fall), i + 1);
                    assert.ok(last.length === policy.fall && last.every((v) => v === "bad"));
                }
                assert.equal(now.last, verdict);
                before = now;
            });
        }),
    );
});

test("`next` counts down to what really happens", () => {
    fc.assert(
        fc.property(histories, policies, (history, policy) => {
            const progress = after(history, policy);
            const wanted = progress.state === "failing" ? "good" : "bad";
            const [, number] = /after (\d+)/.exec(trackNext(progress, policy)) ?? [];
            const count = Number(number);
            assert.ok(count >= 1);
            const all = Array.from({length: count}, () => wanted as Verdict);
            assert.equal(after([...history, ...all.slice(1)], policy).state, progress.state);
            const to = wanted === "good" ? "good" : "failing";
            assert.equal(after([...history, ...all], policy).state, to);
        }),
    );
});

test("a changed check keeps the state and begins its streak anew", () => {
    const policy = {rise: 2, fall: 3};
    const failing = after(["bad", "bad", "bad", "good"], policy);
    const changed = restartStreak(failing);
    assert.equal(changed.state, "failing");
    assert.equal(changed.since, failing.since);
    assert.equal(feed(changed, policy, result("good"), 9n).state, "failing");
});

test("what is watched, in words", () => {
    const words: readonly [TrackCheck, string][] = [
        [{kind: "interface", interface: "eth2"}, "link of eth2"],
        [{kind: "command", command: ["/bin/x", "-y"]}, "command /bin/x -y every 1s"],
        [{kind: "file", path: "/run/a", exists: true}, "file /run/a exists every 1s"],
        [{kind: "file", path: "/run/a", exists: false}, "file /run/a does not exist every 1s"],
        [{kind: "ping", address: "2001:db8::1"}, "ping 2001:db8::1 every 1s"],
        [{kind: "unit", unit: "ssh.service"}, "unit ssh.service is active every 1s"],
        [
            {kind: "memory", leastOctets: 64 * 1024 ** 2},
            "at least 64M of memory available every 1s",
        ],
        [{kind: "temperature", mostCelsius: 90}, "at most 90 degrees Celsius every 1s"],
    ];
    for (const [check, text] of words) assert.equal(whatOf(track({check})), text);
    assert.equal(whatOf(track({intervalMs: 500})), "ping 192.0.2.1 every 500ms");
});

test("the status of a track: demotion only while it fails", () => {
    const isoOf = (at: bigint) => `t${at}`;
    const config = track();
    const at = (history: readonly Verdict[]) =>
        trackStatus(config, {progress: after(history, config), isoOf});
    const next = (history: readonly Verdict[]) => at(history).next;
    assert.deepEqual(at(["bad", "bad", "bad"]), {
        name: "uplink",
        what: "ping 192.0.2.1 every 1s",
        state: "failing",
        since: "t3",
        demotion: 240,
        last: "bad",
        next: "good again after 2 good checks in a row",
    });
    assert.equal(next([]), "counts as good; failing after 3 bad checks in a row");
    assert.equal(next(["good", "good", "bad"]), "failing after 2 more bad checks in a row");
    assert.equal(next(["bad", "bad", "bad", "good"]), "good again after 1 more good check");
    assert.equal(at(["good", "good"]).demotion, 0);
    assert.equal(at([]).last, "not checked yet");
});

test("the status of a tracked interface is the engine's", () => {
    const isoOf = (at: bigint) => `t${at}`;
    const config = track({check: {kind: "interface", interface: "eth2"}});
    const link = {
        reason: "track:uplink",
        interface: "eth2",
        present: true,
        adminUp: true,
        carrier: false,
        since: 7n,
    };
    const down = linkTrackStatus(config, link, {demoting: true, isoOf});
    assert.deepEqual(down, {
        name: "uplink",
        what: "link of eth2",
        state: "failing",
        since: "t7",
        demotion: 240,
        last: "link down (no carrier)",
        next: "good again when the link comes up",
    });
    const waiting = linkTrackStatus(config, {...link, carrier: true}, {demoting: true, isoOf});
    assert.equal(waiting.next, "good again when the link has been up for link-up-delay");
    const up = linkTrackStatus(config, {...link, carrier: true}, {demoting: false, isoOf});
    assert.equal(up.state, "good");
    assert.equal(up.demotion, 0);
    const gone = linkTrackStatus(config, {...link, present: false}, {demoting: true, isoOf});
    assert.equal(gone.last, "interface is gone");
    assert.equal(linkTrackStatus(config, undefined, {demoting: false, isoOf}).state, "starting");
});
