/** The stored counter epoch: always rising, whatever became of the files. */
import assert from "node:assert/strict";
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import {FileEpochStore} from "../../src/io/epoch-store.ts";

function folder(t: TestContext): string {
    const path = mkdtempSync(join(tmpdir(), "carpd-epoch-"));
    t.after(() => rmSync(path, {recursive: true, force: true}));
    return path;
}

function stored(state: string, suffix = ""): number {
    const parsed: unknown = JSON.parse(readFileSync(join(state, `counter-epoch${suffix}`), "utf8"));
    assert.ok(typeof parsed === "object" && parsed !== null && "epoch" in parsed);
    assert.ok(typeof parsed.epoch === "number");
    return parsed.epoch;
}

async function boot(
    state: string,
): Promise<{epoch: number; warning: string; store: FileEpochStore}> {
    const store = new FileEpochStore(state, (text) => assert.fail(text));
    const grant = await store.advance();
    assert.ok(grant.ok, grant.ok ? "" : grant.error);
    return {...grant.value, store};
}

test("the first epoch is random and small, later ones rise by one and are on the disk", async (t) => {
    const state = join(folder(t), "made", "by-us");
    const first = await boot(state);
    assert.ok(first.epoch >= 1 && first.epoch <= 65_535);
    assert.equal(first.warning, "");
    assert.equal(stored(state), first.epoch);
    const again = await boot(state);
    assert.equal(again.epoch, first.epoch + 1);
    assert.equal(stored(state), first.epoch + 1);
    assert.equal(stored(state, ".old"), first.epoch);
    assert.ok(!existsSync(join(state, "counter-epoch.tmp")));
    const inRun = await again.store.advance();
    assert.ok(inRun.ok && inRun.value.epoch === first.epoch + 2);
});

test("first epochs differ", async (t) => {
    const epochs = new Set<number>();
    for (let i = 0; i < 8; i++) epochs.add((await boot(folder(t))).epoch);
    assert.ok(epochs.size > 1);
});

test("heard epochs: the highest one is stored, lower and impossible ones are not", async (t) => {
    const state = folder(t);
    const {epoch, store} = await boot(state);
    for (const heard of [epoch + 5, epoch + 900, epoch + 7, epoch - 1, Number.NaN, 2 ** 33, -3]) {
        store.heard(heard);
    }
    await store.settled();
    assert.equal(stored(state), epoch + 900);
    // One write for all of them: the copy before it is the one of the start.
    assert.equal(stored(state, ".old"), epoch);
    assert.equal((await boot(state)).epoch, epoch + 901);
});

for (const torn of [
    "",
    "{",
    '{"epoch":',
    '{"epoch":0}',
    '{"epoch":"7"}',
    '{"epoch":1.5}',
    "null",
    "\0\0\0",
]) {
    test(`a torn file falls back to the copy before it: ${JSON.stringify(torn)}`, async (t) => {
        const state = folder(t);
        await boot(state);
        const last = await boot(state);
        writeFileSync(join(state, "counter-epoch"), torn);
        const after = await boot(state);
        assert.ok(after.epoch > last.epoch);
        assert.match(after.warning, /counter-epoch is damaged: went on from the copy before it/);
        const next = await boot(state);
        assert.equal(next.epoch, after.epoch + 1);
        assert.equal(next.warning, "");
    });
}

test("a missing file with an old copy warns; both damaged begin anew with a warning", async (t) => {
    const state = folder(t);
    await boot(state);
    const last = await boot(state);
    rmSync(join(state, "counter-epoch"));
    const after = await boot(state);
    assert.ok(after.epoch > last.epoch);
    assert.match(after.warning, /is missing/);
    writeFileSync(join(state, "counter-epoch"), "x");
    writeFileSync(join(state, "counter-epoch.old"), "y");
    const anew = await boot(state);
    assert.match(anew.warning, /began anew/);
    assert.ok(anew.epoch >= 1 && anew.epoch <= 65_535);
});

test("leftovers of an interrupted write do no harm", async (t) => {
    const state = folder(t);
    const first = await boot(state);
    writeFileSync(join(state, "counter-epoch.tmp"), "half");
    writeFileSync(join(state, "counter-epoch.old.tmp"), "half");
    assert.equal((await boot(state)).epoch, first.epoch + 1);
});

test("the last epoch stays the last", async (t) => {
    const state = folder(t);
    writeFileSync(join(state, "counter-epoch"), '{"epoch":4294967295}');
    const {epoch, warning} = await boot(state);
    assert.equal(epoch, 4_294_967_295);
    assert.match(warning, /last epoch/);
});

test("a state directory that cannot be made is a sentence", async (t) => {
    const state = folder(t);
    writeFileSync(join(state, "file"), "");
    const grant = await new FileEpochStore(join(state, "file"), () => undefined).advance();
    assert.ok(!grant.ok);
    assert.match(grant.error, /^cannot store the counter epoch in .*: (ENOTDIR|EEXIST)$/);
});
