/** The configuration over updates and fall-backs, with real files; cuts at every step. */
import assert from "node:assert/strict";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readdirSync,
    readFileSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import {KeptConfiguration} from "../../src/io/appliance/kept-configuration.ts";

function box(t: TestContext) {
    const data = mkdtempSync(join(tmpdir(), "carpd-kept-"));
    t.after(() => rmSync(data, {recursive: true, force: true}));
    const config = join(data, "config");
    mkdirSync(join(config, "carpd.d"), {recursive: true});
    const path = (name: string) => join(config, name);
    return {
        data,
        config,
        kept: new KeptConfiguration({config, data}),
        write: (name: string, text: string, mode = 0o640) =>
            writeFileSync(path(name), text, {mode}),
        read: (name: string) => (existsSync(path(name)) ? readFileSync(path(name), "utf8") : null),
        mode: (name: string) => statSync(path(name)).mode & 0o777,
        path,
    };
}

test("a new box is marked, and nothing is copied", async (t) => {
    const {kept, write, read, data} = box(t);
    write("carpd.toml", "one");
    assert.equal((await kept.prepare(1)).kind, "mark");
    assert.equal((await kept.prepare(1)).kind, "nothing");
    assert.equal(read(".schema"), "1\n");
    assert.equal(existsSync(join(data, "config-kept")), false);
});

test("update, fall-back and update again", async (t) => {
    const {kept, write, read, mode, path} = box(t);
    write("carpd.toml", "old");
    write("carpd.d/10-a.toml", "old a");
    writeFileSync(path("secret.pass"), "key");
    await kept.prepare(1);
    // The new release takes over, and its operator commits what only it can read.
    assert.deepEqual(await kept.prepare(2), {kind: "takeOver", keepAs: 1});
    write("carpd.toml", "new");
    write("carpd.d/20-b.toml", "new b");
    rmSync(path("carpd.d/10-a.toml"));
    // It fails three times; the older slot starts.
    const plan = await kept.prepare(1);
    assert.deepEqual([plan.kind, read(".schema")], ["restore", "1\n"]);
    assert.equal(read("carpd.toml"), "old");
    assert.equal(mode("carpd.toml"), 0o640);
    assert.equal(read("carpd.d/10-a.toml"), "old a");
    assert.equal(read("carpd.d/20-b.toml"), null);
    assert.equal(read("carpd.toml.schema-2"), "new");
    assert.equal(read("carpd.d/20-b.toml.schema-2"), "new b");
    assert.equal(read("secret.pass"), "key");
    assert.match(await kept.note(), /schema 2\): it is set aside as carpd\.toml\.schema-2/u);
    // The next boot of the same slot: the note stays until somebody commits.
    assert.equal((await kept.prepare(1)).kind, "nothing");
    assert.notEqual(await kept.note(), "");
    write("carpd.toml", "old and more");
    assert.equal(await kept.note(), "");
    // The mended release comes and goes on with what the older one had.
    await kept.prepare(2);
    assert.deepEqual([read("carpd.toml"), await kept.note()], ["old and more", ""]);
});

test("nothing to go back to: the files stay, and the box says so", async (t) => {
    const {kept, write, read} = box(t);
    write("carpd.toml", "new");
    await kept.prepare(5);
    assert.deepEqual(await kept.prepare(4), {kind: "tooNew", written: 5});
    assert.equal(read("carpd.toml"), "new");
    assert.match(await kept.note(), /no older one was kept/u);
});

test("a restoration that was cut off anywhere is completed, and the newer files survive", async (t) => {
    // Each file that a restoration leaves, in its order; a cut is the state before one of them.
    const whole = box(t);
    const prepare = async ({kept, write}: ReturnType<typeof box>) => {
        write("carpd.toml", "old");
        await kept.prepare(1);
        await kept.prepare(2);
        write("carpd.toml", "new");
    };
    await prepare(whole);
    await whole.kept.prepare(1);
    const cuts: ((at: ReturnType<typeof box>) => void)[] = [
        // Set aside, and the word about it not written.
        (at) => at.write("carpd.toml.schema-2", "new"),
        // The word is written, nothing restored.
        (at) => {
            at.write("carpd.toml.schema-2", "new");
            at.write(".schema-restoring", "2\n");
        },
        // Restored, and the marker still the newer one's.
        (at) => {
            at.write("carpd.toml.schema-2", "new");
            at.write(".schema-restoring", "2\n");
            at.write("carpd.toml", "old");
        },
        // A half copy of a file.
        (at) => {
            at.write("carpd.toml.schema-2", "new");
            at.write(".schema-restoring", "2\n");
            at.write("carpd.toml.tmp", "ol");
        },
    ];
    for (const cut of cuts) {
        const at = box(t);
        await prepare(at);
        cut(at);
        assert.equal((await at.kept.prepare(1)).kind, "restore");
        const files = readdirSync(at.config).sort();
        assert.deepEqual(files, readdirSync(whole.config).sort());
        assert.deepEqual(
            [at.read("carpd.toml"), at.read("carpd.toml.schema-2"), at.read(".schema")],
            ["old", "new", "1\n"],
        );
    }
});
