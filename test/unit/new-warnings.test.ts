/** What a commit warns of. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {nothingShared} from "../../src/core/config-draft.ts";
import {newWarnings} from "../../src/core/new-warnings.ts";

const old = 'carpd.toml:3:1: warning: carp0: no password\n[[carp]]\n^ expected pass = "..."';
const moved = old.replace(":3:1:", ":17:1:");
const fresh = "carpd.toml:9:5: warning: advbase 200 is slow\nadvbase = 200\n    ^\nhint: 1";

test("what was there before is not said again, wherever it stands now", () => {
    assert.equal(newWarnings("", ""), "");
    assert.equal(newWarnings(old, ""), "");
    assert.equal(newWarnings("", old), old);
    assert.equal(newWarnings(old, moved), "");
    assert.equal(newWarnings(old, `${moved}\n${fresh}`), fresh);
    assert.equal(newWarnings(fresh, `${moved}\n${fresh}`), moved);
});

test("the same about another interface is new", () => {
    const other = old.replace("carp0", "carp1");
    assert.equal(newWarnings(old, `${moved}\n${other}`), other);
});

test("whoever removes the last vhid is not told that there is none", () => {
    assert.equal(newWarnings("", `carpd.toml:1:1: warning: ${nothingShared}\n\n^`), "");
});
