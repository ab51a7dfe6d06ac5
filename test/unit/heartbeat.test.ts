/** What counts as a protocol loop that turns. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {mostLateUs, stallOf} from "../../src/core/heartbeat.ts";
import {now, snapshot, vhost} from "./engine-fixtures.ts";

const second = 1_000_000n;

test("an engine that answers and keeps its appointments turns", () => {
    const early = snapshot({at: now});
    const later = snapshot({at: now + second});
    assert.equal(stallOf(null, early), "");
    assert.equal(stallOf(early, later), "");
    const idle = vhost({nextAdvertisementAt: null, masterDownAt: null});
    assert.equal(stallOf(early, snapshot({at: now + second, vhosts: [idle]})), "");
});

test("an answer from the past is none", () => {
    const before = snapshot({at: now});
    assert.match(stallOf(before, snapshot({at: now})), /has not moved/);
    assert.match(stallOf(before, snapshot({at: now - 1n})), /has not moved/);
});

test("an appointment that is missed by more than a second is a stall, and says which", () => {
    for (const key of ["nextAdvertisementAt", "masterDownAt"] as const) {
        const nothing = {nextAdvertisementAt: null, masterDownAt: null};
        const missed = (by: bigint) =>
            stallOf(null, snapshot({at: now, vhosts: [vhost({...nothing, [key]: now - by})]}));
        assert.equal(missed(0n), "");
        assert.equal(missed(mostLateUs), "");
        assert.match(missed(mostLateUs + 1n), /^carp0: .* is due since 1\.0 s$/, key);
    }
});
