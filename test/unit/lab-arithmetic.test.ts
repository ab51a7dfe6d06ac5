/** The lab's numbers and verdicts. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {
    advertisementIntervalUs,
    durationText,
    masterDownUs,
    type ProbeSample,
    stripOf,
    summarize,
} from "../../src/core/lab/arithmetic.ts";
import {
    atMostClaim,
    equalClaim,
    failures,
    lossClaim,
    type StepResult,
    timeClaim,
    virtualMac,
} from "../../src/core/lab/claims.ts";
import {reportOf} from "../../src/core/lab/report.ts";

test("intervals and waits are those of the protocol's table", () => {
    const table: [number, number, number, number][] = [
        [1, 0, 1_000_000, 3_000_000],
        [1, 100, 1_390_625, 3_390_625],
        [1, 240, 1_937_500, 3_937_500],
        [1, 254, 1_992_187, 3_992_187],
        [2, 128, 2_500_000, 6_500_000],
        [255, 254, 255_992_187, 765_992_187],
        [0, 4, 15_625, 46_875],
    ];
    for (const [advbase, advskew, interval, down] of table) {
        assert.equal(advertisementIntervalUs(advbase, advskew), interval);
        assert.equal(masterDownUs(advbase, advskew), down);
    }
});

const answered = (
    sequence: number,
    sentAtUs: number,
    receivedAtUs: number | null,
): ProbeSample => ({
    sequence,
    sentAtUs,
    receivedAtUs,
});

test("the longest silence is between answers, however late those were sent", () => {
    const summary = summarize([
        answered(0, 0, 100),
        answered(1, 1000, 1100),
        answered(2, 2000, null),
        // Queued while the neighbour was looked for, and answered with the next one.
        answered(3, 3000, 9100),
        answered(4, 9000, 9150),
    ]);
    assert.deepEqual(summary, {
        sent: 5,
        answered: 4,
        lost: 1,
        gap: {fromUs: 1100, toUs: 9100, lengthUs: 8000},
        lostFromUs: 2000,
        lostToUs: 2000,
    });
});

test("no silence is told of fewer than two answers", () => {
    assert.equal(summarize([]).gap, null);
    assert.equal(summarize([answered(0, 0, 5), answered(1, 10, null)]).gap, null);
});

test("losses and answers add up, and the order of the pings does not matter", () => {
    const samples = fc.array(
        fc.record({
            sequence: fc.nat(10_000),
            sentAtUs: fc.nat(10_000_000),
            receivedAtUs: fc.option(fc.nat(10_000_000)),
        }),
    );
    fc.assert(
        fc.property(samples, (list) => {
            const summary = summarize(list);
            assert.equal(summary.answered + summary.lost, list.length);
            assert.deepEqual(summarize([...list].reverse()), summary);
            const strip = stripOf(list, 100_000);
            const total = strip.reduce((sum, slot) => sum + slot.answered, 0);
            assert.equal(total, summary.answered);
        }),
    );
});

test("durations are said in what an eye can use", () => {
    assert.equal(durationText(3_390_625), "3.391 s");
    assert.equal(durationText(250_000), "250 ms");
    assert.equal(durationText(4_210), "4.2 ms");
});

test("a time must be within its allowance on both sides", () => {
    const allowance = {earlyUs: 10, lateUs: 100};
    const verdict = (us: number | null) => timeClaim("x", us, 1000, allowance).ok;
    assert.deepEqual([989, 990, 1100, 1101, null].map(verdict), [false, true, true, false, false]);
});

test("what was not measured is not true", () => {
    assert.equal(atMostClaim("x", null, 5).ok, false);
    assert.equal(lossClaim("x", {sent: 0, lost: 0}, 0).ok, false);
    assert.equal(lossClaim("x", {sent: 10, lost: 0}, 0).ok, true);
    assert.equal(lossClaim("x", {sent: 10, lost: 1}, 0).ok, false);
});

test("a report is good only with steps, without failures and to its end", () => {
    const step = (ok: boolean): StepResult => ({
        id: "s",
        title: "step",
        claims: [equalClaim("state", ok ? "MASTER" : "INIT", "MASTER")],
        measurements: {},
        row: null,
    });
    assert.equal(reportOf("s", "namespaces", 1, [], null).ok, false);
    assert.equal(reportOf("s", "namespaces", 1, [step(true)], null).ok, true);
    assert.equal(reportOf("s", "namespaces", 1, [step(true)], "stopped").ok, false);
    assert.equal(reportOf("s", "namespaces", 1, [step(true), step(false)], null).ok, false);
    assert.deepEqual(failures([step(false)]), ["step: state: INIT, allowed: MASTER"]);
});

test("the virtual MAC ends in the vhid", () => {
    assert.equal(virtualMac(1), "00:00:5e:00:01:01");
    assert.equal(virtualMac(255), "00:00:5e:00:01:ff");
});
