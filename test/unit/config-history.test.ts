/**
 * The store of configurations under crashes: killed after each call of a commit, in the middle of
 * each write, without power after each call, with a disk that fails once. What is left is the old
 * configuration or the new one, and an unconfirmed one never stays.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {
    cpSync,
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    statSync,
    symlinkSync,
    writeFileSync,
} from "node:fs";
import {dirname, join} from "node:path";
import {test} from "node:test";
import {FileConfigStore, historyLength} from "../../src/io/config-history.ts";
import {temporaryFolder} from "./condition-fixtures.ts";
import {
    admin,
    failingFs,
    fileText,
    makeFolder,
    PowerFs,
    startRig,
    value,
} from "./configuration-rig.ts";

const program = join(import.meta.dirname, "../support/commit-program.js");
const before = fileText(0);
const after = fileText(100);

const fileOf = (folder: string): string => readFileSync(join(folder, "carpd.toml"), "utf8");
const storeOf = (folder: string) =>
    new FileConfigStore(join(folder, "carpd.toml"), join(folder, "state"));

/** What runs after the next start; the store has to be in order then. */
async function startedText(folder: string, what: string): Promise<string> {
    const {rig} = await startRig(folder);
    const running = rig.configuration.runningText;
    rig.configuration.stop();
    const store = storeOf(folder);
    assert.equal(fileOf(folder), running, `${what}: another text runs than the file has`);
    assert.equal(await store.unconfirmed(), null, `${what}: still unconfirmed`);
    assert.ok(!(await store.hasPending()), `${what}: still pending`);
    const [newest] = await store.history();
    if (newest !== undefined) assert.equal(newest.text, running, `${what}: the history`);
    return running;
}

function runProgram(root: string, origin: string, act: string, n: number, how: string) {
    const folder = join(root, `${act}-${how}-${n}`);
    cpSync(origin, folder, {recursive: true});
    const argv = [program, folder, act, String(n), how];
    const {signal, status, stdout, stderr} = spawnSync(process.execPath, argv);
    const what = `${act} ${how} ${n}: ${signal} ${status} ${stderr}`;
    assert.equal(n === 0 ? status : signal, n === 0 ? 0 : "SIGKILL", what);
    return {folder, calls: String(stdout)};
}

/** Kills the program after each of its calls but the first `from`; tells each remaining folder. */
async function killEverywhere(
    root: string,
    origin: string,
    act: string,
    look: (folder: string, what: string) => Promise<void>,
    from = 0,
): Promise<number> {
    const whole = runProgram(root, origin, act, 0, "whole");
    await look(whole.folder, act);
    const calls: unknown = JSON.parse(whole.calls);
    assert.ok(Array.isArray(calls));
    for (const [i, call] of calls.entries()) {
        if (i < from) continue;
        for (const how of String(call).startsWith("write ") ? ["whole", "half"] : ["whole"]) {
            const {folder} = runProgram(root, origin, act, i + 1, how);
            const what = `${act}, killed ${how} at ${String(call)}`;
            assert.ok([before, after].includes(fileOf(folder)), `${what}: a mix`);
            await look(folder, what);
        }
    }
    return calls.length;
}

test("killed after each call of a commit: the old configuration or the new one", async (t) => {
    const root = temporaryFolder(t);
    makeFolder(join(root, "origin"), before);
    const seen = new Set<string>();
    const kills = await killEverywhere(
        root,
        join(root, "origin"),
        "commit",
        async (folder, what) => {
            seen.add(await startedText(folder, what));
            assert.equal(statSync(join(folder, "carpd.toml")).mode & 0o777, 0o640, what);
        },
    );
    assert.deepEqual([...seen].sort(), [before, after].sort(), "both have to come up");
    assert.ok(kills > 20, `only ${kills} kills`);
});

test("killed after each call of commit confirmed and of its end: always back", async (t) => {
    const root = temporaryFolder(t);
    makeFolder(join(root, "origin"), before);
    const look = async (folder: string, what: string): Promise<void> => {
        assert.equal(await startedText(folder, what), before, what);
    };
    const origin = join(root, "origin");
    const calls = await killEverywhere(root, origin, "confirmed", look);
    // The calls of the commit are the first of both.
    assert.ok((await killEverywhere(root, origin, "revert", look, calls)) > calls + 5);
});

test("killed while the start takes back an unconfirmed commit: the next start does", async (t) => {
    const root = temporaryFolder(t);
    const origin = join(root, "origin");
    makeFolder(origin, before);
    const {rig} = await startRig(origin);
    value(rig.configuration.open(admin));
    value(rig.configuration.load(admin, after, false));
    const options = {confirmedMinutes: 10, remark: "", force: false};
    value(await rig.configuration.commit(admin, options));
    assert.equal(fileOf(origin), after);
    await killEverywhere(root, origin, "start", async (folder, what) => {
        assert.equal(await startedText(folder, what), before, what);
    });
});

test("power cut after each call: what was not synced is lost, and it is still old or new", async (t) => {
    const root = temporaryFolder(t);
    for (const confirmedMinutes of [null, 10]) {
        const folder = join(root, `power-${confirmedMinutes}`);
        makeFolder(folder, before);
        const power = new PowerFs();
        power.add(join(folder, "carpd.toml"), Buffer.from(before));
        const {rig} = await startRig(folder, power.fs);
        value(rig.configuration.open(admin));
        value(rig.configuration.load(admin, after, false));
        const options = {confirmedMinutes, remark: "", force: false};
        value(await rig.configuration.commit(admin, options));
        rig.configuration.stop();
        assert.ok(power.cuts.length > 20);
        const seen = new Set<string>();
        for (const [n, {call, remains}] of power.cuts.entries()) {
            for (const [i, files] of remains.entries()) {
                const left = join(root, `left-${confirmedMinutes}-${n}-${i}`);
                for (const [path, octets] of files) {
                    const target = path.replace(folder, left);
                    mkdirSync(dirname(target), {recursive: true});
                    writeFileSync(target, octets);
                }
                seen.add(await startedText(left, `power cut ${n} after ${call}, ${i}`));
            }
        }
        const expected = confirmedMinutes === null ? [before, after] : [before];
        assert.deepEqual([...seen].sort(), expected.sort());
        // Once it was told that it is committed, it is.
        const last = power.cuts.at(-1)?.remains[0]?.get(join(folder, "carpd.toml"));
        assert.equal(Buffer.from(last ?? []).toString(), after);
    }
});

test("a disk that fails at any one call: refused and old, or committed and new", async (t) => {
    const root = temporaryFolder(t);
    for (const confirmedMinutes of [null, 5]) {
        const calls: string[] = [];
        for (let n = 1; ; n++) {
            const folder = join(root, `fail-${confirmedMinutes}-${n}`);
            makeFolder(folder, before);
            const {fs, failed} = failingFs(n);
            const {rig} = await startRig(folder, fs);
            value(rig.configuration.open(admin));
            value(rig.configuration.load(admin, after, false));
            const options = {confirmedMinutes, remark: "", force: false};
            const done = await rig.configuration.commit(admin, options);
            if (failed() === "") {
                value(done);
                break;
            }
            calls.push(failed());
            const expected = done.ok ? after : before;
            const what = `${failed()}: ${done.ok ? "committed" : done.error.message}`;
            if (!done.ok) assert.equal(done.error.code, "STORE_FAILED", what);
            assert.equal(rig.configuration.runningText, expected, what);
            assert.equal(fileOf(folder), expected, what);
            const warned = done.ok && done.value.warnings.includes("EIO");
            if (done.ok && !warned) assert.match(failed(), /^remove|^syncFolder/, what);
            rig.configuration.stop();
            const next = confirmedMinutes === null ? expected : before;
            assert.equal(await startedText(folder, what), next, what);
        }
        assert.ok(calls.length > 20, `only ${calls.length} calls`);
    }
});

test("the history: twenty, numbered from the newest, private; damaged ones are left out", async (t) => {
    const folder = temporaryFolder(t);
    makeFolder(folder, before);
    const {rig} = await startRig(folder);
    const {configuration} = rig;
    value(configuration.open(admin));
    for (let skew = 1; skew <= historyLength + 4; skew++) {
        value(configuration.load(admin, fileText(skew), false));
        const options = {confirmedMinutes: null, remark: `number ${skew}`, force: false};
        const {changes} = value(await configuration.commit(admin, options));
        assert.deepEqual(changes, [`carp0: advskew ${skew - 1} -> ${skew}`]);
    }
    const history = await configuration.history();
    assert.equal(history.length, historyLength);
    assert.deepEqual(
        history.slice(0, 2).map(({number, user, origin, remark}) => [number, user, origin, remark]),
        [
            [0, "admin", "ttyS0", "number 24"],
            [1, "admin", "ttyS0", "number 23"],
        ],
    );
    const state = join(folder, "state");
    const names = readdirSync(join(state, "history")).sort();
    assert.equal(names.length, historyLength);
    for (const name of names) {
        assert.equal(statSync(join(state, "history", name)).mode & 0o777, 0o600);
    }
    assert.equal(statSync(join(state, "history")).mode & 0o777, 0o700);
    const newest = join(state, "history", names.at(-1) ?? "");
    const content = readFileSync(newest, "utf8");
    for (const torn of ["", content.slice(0, -1), content.slice(10), content.replace("24", "25")]) {
        writeFileSync(newest, torn);
        const [first] = await storeOf(folder).history();
        assert.equal(first?.remark, "number 23");
    }
    // Its number is not used a second time.
    assert.equal(await storeOf(folder).nextSequence(), Number.parseInt(names.at(-1) ?? "", 10) + 1);
});

test("a torn carpd.toml: the last good commit and an alarm; a mistake by hand stays one", async (t) => {
    const root = temporaryFolder(t);
    const folder = join(root, "origin");
    makeFolder(folder, before);
    const {rig} = await startRig(folder);
    value(rig.configuration.open(admin));
    value(rig.configuration.load(admin, after, false));
    const options = {confirmedMinutes: null, remark: "", force: false};
    value(await rig.configuration.commit(admin, options));
    const torn: readonly [string, string | null][] = [
        ["missing", null],
        ["empty", ""],
        ["blanks", "\n \n"],
        ["zeros", "\0".repeat(after.length)],
        ["cut", after.slice(0, after.indexOf("vhid"))],
        ["cut in a word", after.slice(0, 40)],
    ];
    for (const [name, text] of torn) {
        const copy = join(root, name);
        cpSync(folder, copy, {recursive: true});
        if (text === null) spawnSync("rm", [join(copy, "carpd.toml")]);
        else writeFileSync(join(copy, "carpd.toml"), text);
        const {rig: next, records} = await startRig(copy);
        assert.equal(next.configuration.runningText, after, name);
        assert.equal(fileOf(copy), after, name);
        const [record] = records;
        assert.ok(
            record?.level === "error" && record.text.includes("went on with the commit"),
            name,
        );
    }
    // The newest copy is damaged too: the one before it.
    const both = join(root, "both");
    cpSync(folder, both, {recursive: true});
    const names = readdirSync(join(both, "state/history")).sort();
    writeFileSync(join(both, "state/history", names.at(-1) ?? ""), "");
    writeFileSync(join(both, "carpd.toml"), "");
    assert.equal(await startedText(both, "both"), before);
    // Not a beginning of what was committed: somebody wrote it, and is told what is wrong.
    const wrong = join(root, "wrong");
    cpSync(folder, wrong, {recursive: true});
    writeFileSync(join(wrong, "carpd.toml"), after.replace("vhid = 1", "vhid = 300"));
    await assert.rejects(startRig(wrong), /vhid must be 1\.\.255/);
    assert.match(fileOf(wrong), /vhid = 300/);
    // A valid shorter file is what somebody wants.
    const shorter = join(root, "shorter");
    cpSync(folder, shorter, {recursive: true});
    writeFileSync(join(shorter, "carpd.toml"), "# the LAN gateway\n");
    assert.equal((await startRig(shorter)).rig.configuration.runningText, "# the LAN gateway\n");
    // Without a copy nothing is made up.
    const bare = join(root, "bare");
    makeFolder(bare, "[[carp");
    await assert.rejects(startRig(bare), /carpd\.toml:1:/);
});

test("a file that is a link stays one; a damaged mark of an unconfirmed commit goes back", async (t) => {
    const folder = temporaryFolder(t);
    makeFolder(join(folder, "real"), before);
    symlinkSync("real/carpd.toml", join(folder, "carpd.toml"));
    const {rig} = await startRig(folder);
    value(rig.configuration.open(admin));
    value(rig.configuration.load(admin, after, false));
    const options = {confirmedMinutes: 10, remark: "", force: false};
    value(await rig.configuration.commit(admin, options));
    assert.equal(fileOf(join(folder, "real")), after);
    const mark = join(folder, "state/unconfirmed.toml");
    assert.ok(existsSync(mark));
    writeFileSync(mark, readFileSync(mark, "utf8").slice(0, 50));
    assert.equal(await startedText(folder, "damaged mark"), before);
    assert.equal(fileOf(join(folder, "real")), before);
});
