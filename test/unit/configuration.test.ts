/** The candidate and its commits: who holds it, what is refused, what goes back by itself. */
import assert from "node:assert/strict";
import {
    chmodSync,
    mkdirSync,
    readFileSync,
    rmSync,
    statSync,
    unlinkSync,
    writeFileSync,
} from "node:fs";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import type {CommitOptions} from "../../src/app/configuration.ts";
import {EngineError} from "../../src/core/engine.ts";
import {settle, temporaryFolder} from "./condition-fixtures.ts";
import {
    admin,
    type ConfigurationRig,
    fileText,
    makeFolder,
    other,
    startRig,
    value,
} from "./configuration-rig.ts";
import {until} from "./engine-fixtures.ts";

const minute = 60_000;

interface Stand {
    readonly folder: string;
    readonly file: string;
    readonly rig: ConfigurationRig;
    readonly onDisk: () => string;
    readonly skew: () => number | undefined;
}

async function stand(t: TestContext, text = fileText(0), dropIn = ""): Promise<Stand> {
    const folder = temporaryFolder(t);
    makeFolder(folder, text);
    if (dropIn !== "") {
        mkdirSync(join(folder, "carpd.d"));
        writeFileSync(join(folder, "carpd.d/site.toml"), dropIn);
    }
    const {rig} = await startRig(folder);
    t.after(() => rig.configuration.stop());
    const file = join(folder, "carpd.toml");
    const onDisk = () => readFileSync(file, "utf8");
    const skew = () => rig.engine.configurations.at(-1)?.vhosts[0]?.advskew;
    return {folder, file, rig, onDisk, skew};
}

function options(change: Partial<CommitOptions> = {}): CommitOptions {
    return {confirmedMinutes: null, remark: "", force: false, ...change};
}

function code(result: {ok: true} | {ok: false; error: {code: string}}): string {
    return result.ok ? "" : result.error.code;
}

test("edit, compare, validate, commit: the file keeps its comments, the engine gets the rest", async (t) => {
    const {rig, file, onDisk, skew} = await stand(t);
    const {configuration} = rig;
    chmodSync(file, 0o604);
    const view = value(configuration.open(admin));
    assert.equal(view.holder, "admin from ttyS0");
    assert.doesNotMatch(view.text, /mekmitasdigoat/);
    assert.equal(value(configuration.edit(admin, "set advskew 100", ["carp", "carp0"])), true);
    assert.equal(value(configuration.edit(admin, "set carp carp0 advskew 100", [])), false);
    value(configuration.edit(admin, 'set carp carp0 pass "other word"', []));
    const diff = value(await configuration.compare("running"));
    assert.match(diff, /^-advskew = 0$/m);
    assert.match(diff, /^\+advskew = 100$/m);
    assert.doesNotMatch(diff, /mekmitasdigoat|other word/);
    assert.deepEqual(value(await configuration.validate()), {ok: true, text: ""});
    assert.equal(onDisk(), fileText(0), "nothing applies without a commit");
    assert.equal(skew(), 0);

    const committed = value(await configuration.commit(admin, options({remark: "ticket 7"})));
    assert.deepEqual(committed, {
        changes: ["carp0: advskew 0 -> 100", "carp0: pass changed"],
        warnings: "",
        confirmBy: "",
    });
    assert.equal(onDisk(), fileText(100).replace("mekmitasdigoat", "other word"));
    assert.equal(statSync(file).mode & 0o777, 0o604);
    assert.equal(skew(), 100);
    assert.equal(
        rig.said.at(-1),
        "commit by admin from ttyS0: carp0: advskew 0 -> 100; carp0: pass changed (ticket 7)",
    );
    assert.equal(rig.daemon.history.list().at(-1)?.kind, "configuration");
    // Still open, with nothing left to be committed.
    const calls = rig.engine.calls.length;
    assert.deepEqual(value(await configuration.commit(admin, options())).changes, []);
    assert.equal(rig.engine.calls.length, calls);
    // The file that was there before is in the history as well.
    assert.deepEqual(
        (await configuration.history()).map(({number, user, remark}) => [number, user, remark]),
        [
            [0, "admin", "ticket 7"],
            [1, "", "found in the file"],
        ],
    );
    // Only a comment: written, and no matter of the engine.
    value(configuration.edit(admin, 'comment carp carp0 "LAN"', []));
    assert.deepEqual(value(await configuration.commit(admin, options())).changes, []);
    assert.match(onDisk(), /#: LAN/);
    assert.equal(rig.engine.calls.filter((call) => call === "configure").length, 2);
});

test("one candidate: the second session is told who holds it, and may look", async (t) => {
    const {rig} = await stand(t);
    const {configuration, clock} = rig;
    assert.equal(code(configuration.edit(admin, "set options preempt true", [])), "NO_CANDIDATE");
    assert.equal(code(await configuration.commit(admin, options())), "NO_CANDIDATE");
    assert.equal(code(await configuration.validate()), "NO_CANDIDATE");
    value(configuration.open(admin));
    value(configuration.edit(admin, "set options preempt true", []));
    const refusal = configuration.open(other);
    const since = new Date(clock.wallMs).toISOString();
    assert.ok(!refusal.ok && refusal.error.code === "CANDIDATE_HELD");
    assert.match(refusal.error.message, new RegExp(`held by admin from ttyS0 since ${since}$`));
    assert.equal(
        code(configuration.edit(other, "set options preempt false", [])),
        "CANDIDATE_HELD",
    );
    assert.equal(code(configuration.discard(other)), "CANDIDATE_HELD");
    assert.equal(code(configuration.close(other)), "CANDIDATE_HELD");
    assert.equal(code(await configuration.commit(other, options())), "CANDIDATE_HELD");
    assert.match(value(await configuration.show("candidate", "commands", false)), /preempt true/);
    assert.match(value(await configuration.compare("running")), /^\+preempt = true$/m);
    // The same session comes back to what it has.
    assert.match(value(configuration.open(admin)).text, /preempt = true/);
    configuration.sessionEnded(other);
    configuration.sessionEnded(admin);
    assert.match(
        rig.said.at(-1) ?? "",
        /^candidate of admin from ttyS0 since .*: the session ended/,
    );
    assert.doesNotMatch(value(configuration.open(other)).text, /preempt/);
    value(configuration.close(other));
    assert.match(rig.said.at(-1) ?? "", /the session ended/, "no edits, nothing to tell");
});

test("half an hour of silence frees the candidate; each word of its holder is a sign of life", async (t) => {
    const {rig} = await stand(t);
    const {configuration, clock} = rig;
    value(configuration.open(admin));
    value(configuration.edit(admin, "set options preempt true", []));
    await clock.advance(29 * minute);
    value(configuration.edit(admin, "set options preempt true", []));
    await clock.advance(29 * minute);
    // Looking is not holding.
    value(await configuration.show("candidate", "toml", false));
    assert.equal(code(configuration.open(other)), "CANDIDATE_HELD");
    await clock.advance(minute);
    assert.match(
        rig.said.at(-1) ?? "",
        /nothing was heard for 30 minutes, its edits are discarded/,
    );
    value(configuration.open(other));
});

test("a commit is all or nothing: an invalid candidate and a refusing engine change nothing", async (t) => {
    const {rig, folder, onDisk, skew} = await stand(t);
    const {configuration, engine} = rig;
    value(configuration.open(admin));
    value(configuration.edit(admin, "set carp carp0 vhid 300", []));
    const verdict = value(await configuration.validate());
    assert.ok(!verdict.ok);
    assert.match(
        verdict.text,
        /carpd\.toml:4:8: vhid must be 1\.\.255, not 300\nvhid = 300\n {7}\^\^\^/,
    );
    const invalid = await configuration.commit(admin, options({confirmedMinutes: 5}));
    assert.equal(code(invalid), "BAD_CONFIG");
    value(configuration.discard(admin));
    assert.equal(value(await configuration.compare("running")), "");

    value(configuration.edit(admin, "set carp carp0 advskew 7", []));
    engine.onConfigure = (next) =>
        next.vhosts[0]?.advskew === 7
            ? Promise.reject(new EngineError("EBUSY", "link", "eth1", 16, "no"))
            : Promise.resolve();
    for (const confirmedMinutes of [null, 5]) {
        const refused = await configuration.commit(admin, options({confirmedMinutes}));
        assert.ok(!refused.ok && refused.error.code === "APPLY_FAILED");
        assert.match(refused.error.message, /EBUSY/);
        assert.equal(onDisk(), fileText(0));
        assert.equal(skew(), 0, "the engine went back");
        assert.match(rig.said.at(-1) ?? "", /^commit failed: .*EBUSY/);
        assert.equal(code(await configuration.confirm(admin)), "NOT_WAITING");
    }
    assert.deepEqual(
        (await configuration.history()).map(({remark}) => remark),
        ["found in the file"],
    );
    const {rig: next, records} = await startRig(folder);
    assert.equal(next.configuration.runningText, fileText(0));
    assert.deepEqual(records, []);
    // Nobody has to type it again.
    engine.onConfigure = () => Promise.resolve();
    value(await configuration.commit(admin, options()));
    assert.equal(onDisk(), fileText(7));
});

test("a file changed by hand: commit refuses, reload takes it over, force overwrites and keeps it", async (t) => {
    const {rig, file, onDisk} = await stand(t);
    const {configuration, daemon} = rig;
    value(configuration.open(admin));
    value(configuration.edit(admin, "set carp carp0 advskew 5", []));
    writeFileSync(file, fileText(33));
    const refused = await configuration.commit(admin, options());
    assert.ok(!refused.ok && refused.error.code === "FILE_CHANGED");
    assert.match(refused.error.expected, /reload.*or commit force/);
    assert.equal(onDisk(), fileText(33));
    assert.deepEqual(await daemon.reload(), {ok: true, value: ["carp0: advskew 0 -> 33"]});
    const outdated = await configuration.commit(admin, options());
    assert.ok(!outdated.ok && outdated.error.code === "OUT_OF_DATE");
    assert.match(outdated.error.message, /changed since you began \(carpd\.toml from reload, /);
    // The comparison shows what force would undo.
    assert.match(value(await configuration.compare("running")), /-advskew = 33\n\+advskew = 5/);
    writeFileSync(file, fileText(44));
    value(await configuration.commit(admin, options({force: true})));
    assert.equal(onDisk(), fileText(5));
    const history = await configuration.history();
    assert.deepEqual(
        history.map(({user}) => user),
        ["admin", "", ""],
    );
    assert.match(value(await configuration.show(1, "toml", false)), /advskew = 33/);
    assert.match(value(await configuration.show(2, "toml", false)), /advskew = 44/);
    // A file that is gone is no reason not to write it, once that is asked for.
    unlinkSync(file);
    value(configuration.edit(admin, "set carp carp0 advskew 6", []));
    assert.equal(code(await configuration.commit(admin, options())), "FILE_CHANGED");
    value(await configuration.commit(admin, options({force: true})));
    assert.equal(onDisk(), fileText(6));
});

test("commit confirmed goes back by itself; confirm, a commit and a longer time are told", async (t) => {
    const {rig, folder, onDisk, skew} = await stand(t);
    const {configuration, clock} = rig;
    value(configuration.open(admin));
    value(configuration.load(admin, fileText(10), false));
    const first = value(await configuration.commit(admin, options({confirmedMinutes: 10})));
    assert.equal(first.confirmBy, new Date(clock.wallMs + 10 * minute).toISOString());
    await clock.advance(10 * minute - 1);
    assert.equal(skew(), 10);
    await clock.advance(1);
    await until(() => rig.said.some((text) => text.includes("went back")), "the revert");
    assert.equal(skew(), 0);
    assert.equal(onDisk(), fileText(0));
    assert.match(
        rig.said.at(-1) ?? "",
        /^the commit by admin from ttyS0 was not confirmed: went back .*: carp0: advskew 10 -> 0$/,
    );
    assert.deepEqual(
        (await configuration.history()).map(({user, origin}) => `${user} ${origin}`).slice(0, 2),
        ["carpd revert", "admin ttyS0"],
    );
    assert.equal(code(await configuration.commit(admin, options())), "OUT_OF_DATE");

    // Confirmed in time, by confirm, by a commit of nothing, by another commit.
    const act: readonly (() => Promise<unknown>)[] = [
        async () => value(await configuration.confirm(other)),
        async () => value(await configuration.commit(admin, options())),
        async () => {
            value(configuration.load(admin, fileText(30), false));
            value(await configuration.commit(admin, options()));
        },
    ];
    for (const [i, confirm] of act.entries()) {
        value(configuration.discard(admin));
        value(configuration.load(admin, fileText(20 + i), false));
        value(await configuration.commit(admin, options({confirmedMinutes: 1})));
        await confirm();
        assert.equal(code(await configuration.confirm(admin)), "NOT_WAITING");
        const there = onDisk();
        await clock.advance(5 * minute);
        await settle();
        assert.equal(onDisk(), there);
        assert.equal((await startRig(folder)).rig.configuration.runningText, there);
    }
    // A second commit confirmed never goes back to the first, which nobody confirmed.
    assert.equal(onDisk(), fileText(30));
    for (const skewNow of [40, 50]) {
        value(configuration.load(admin, fileText(skewNow), false));
        value(await configuration.commit(admin, options({confirmedMinutes: 2})));
        await clock.advance(minute);
    }
    // The time of a commit without changes counts from now.
    value(await configuration.commit(admin, options({confirmedMinutes: 2})));
    await clock.advance(2 * minute - 1);
    assert.equal(onDisk(), fileText(50));
    await clock.advance(1);
    await until(() => onDisk() === fileText(30), "back before both");
});

test("a revert that the disk refuses: the engine goes back, the file follows when it can", async (t) => {
    const {rig, folder, file, onDisk, skew} = await stand(t);
    const {configuration, clock} = rig;
    value(configuration.open(admin));
    value(configuration.load(admin, fileText(10), false));
    value(await configuration.commit(admin, options({confirmedMinutes: 1})));
    // A folder in the way of the temporary file, which rm without recursion does not remove.
    mkdirSync(join(`${file}.tmp`, "x"), {recursive: true});
    await clock.advance(minute);
    await until(() => rig.said.some((text) => text.includes("tried again")), "the failure is told");
    assert.equal(skew(), 0, "the engine is back");
    assert.equal(onDisk(), fileText(10));
    rmSync(`${file}.tmp`, {recursive: true});
    await clock.advance(minute);
    await until(() => onDisk() === fileText(0), "the file is back");
    await until(() => rig.said.at(-1)?.includes("went back") === true, "and that is told");
    assert.deepEqual((await startRig(folder)).records, []);
});

test("one-shot edits: at once, beside a candidate, and waiting with what waits", async (t) => {
    const {rig, onDisk, skew} = await stand(t);
    const {configuration, clock} = rig;
    const edit = (advskew: number) =>
        configuration.commitEdits(
            [{op: "set", path: ["carp", "carp0", "advskew"], value: advskew}],
            other,
            `ifconfig carp0 advskew ${advskew}`,
        );
    value(configuration.open(admin));
    value(configuration.edit(admin, "set options preempt true", []));
    assert.deepEqual(value(await edit(3)).changes, ["carp0: advskew 0 -> 3"]);
    assert.equal(skew(), 3);
    assert.match(rig.said.at(-1) ?? "", /by bea from ssh: .* \(ifconfig carp0 advskew 3\)$/);
    const outdated = await configuration.commit(admin, options());
    assert.ok(!outdated.ok && outdated.error.code === "OUT_OF_DATE");
    assert.match(outdated.error.message, /\(bea from ssh, /);
    value(configuration.discard(admin));
    value(configuration.edit(admin, "set options preempt true", []));
    value(await configuration.commit(admin, options({confirmedMinutes: 5})));
    const {confirmBy} = value(await edit(4));
    assert.equal(confirmBy, new Date(clock.wallMs + 5 * minute).toISOString());
    await clock.advance(5 * minute);
    await until(() => onDisk() === fileText(3), "both are back");
    // Several at once come one after the other, and each is in the end.
    const edits = await Promise.all([5, 6, 7].map(edit));
    assert.ok(edits.every(({ok}) => ok));
    assert.equal(onDisk(), fileText(7));
    const wrong = await configuration.commitEdits(
        [{op: "set", path: ["carp", "carp0", "vhid"], value: 300}],
        other,
        "",
    );
    assert.equal(code(wrong), "BAD_CONFIG");
    assert.equal(onDisk(), fileText(7));
});

test("load, merge, rollback, save; passwords that were not shown do not come back as stars", async (t) => {
    const {rig} = await stand(t);
    const {configuration} = rig;
    value(configuration.open(admin));
    const shown = value(await configuration.show("running", "toml", false));
    assert.match(shown, /pass = "\*\*\*\*"/);
    const starred = configuration.load(admin, shown, false);
    assert.ok(!starred.ok && starred.error.code === "BAD_EDIT");
    assert.match(starred.error.message, /carp carp0 pass/);
    assert.equal(code(configuration.edit(admin, "set carp carp0 pass ****", [])), "BAD_EDIT");
    assert.equal(code(configuration.load(admin, "[[carp", false)), "BAD_EDIT");
    const merged = [
        "# a second one",
        "set options preempt true",
        "",
        "set carp carp7 carpdev eth1",
        "set carp carp7 vhid 7",
        "set carp carp7 addresses 192.168.1.7/24",
        "delete carp carp0 advskew",
    ];
    const bad = configuration.load(admin, [...merged, "set carp carp7 vhit 8"].join("\n"), true);
    assert.ok(!bad.ok);
    assert.match(bad.error.message, /^line 8: unknown key "vhit"/);
    const later = configuration.load(admin, [...merged, "delete carp nobody"].join("\n"), true);
    assert.ok(!later.ok);
    assert.match(later.error.message, /^line 8: there is no carp "nobody"/);
    assert.equal(value(await configuration.compare("running")), "", "a refused load did nothing");
    value(configuration.load(admin, merged.join("\n"), true));
    const {changes} = value(await configuration.commit(admin, options()));
    assert.deepEqual(changes, ["preempt false -> true", "carp7 added"]);
    // What is shown as commands makes the same configuration again.
    const lines = value(await configuration.show("running", "commands", true));
    value(configuration.load(admin, "", false));
    value(configuration.load(admin, lines, true));
    assert.deepEqual(value(await configuration.commit(admin, options())).changes, []);
    value(configuration.edit(admin, "delete carp carp7", []));
    value(await configuration.commit(admin, options()));
    assert.equal(value(await configuration.rollback(admin, 3)), true);
    assert.equal(value(await configuration.save(admin)), fileText(0));
    assert.notEqual(value(await configuration.save(other)), fileText(0), "the running one");
    value(await configuration.commit(admin, options()));
    const unknown = await configuration.rollback(admin, 77);
    assert.ok(!unknown.ok && unknown.error.code === "UNKNOWN_COMMIT");
    assert.equal(unknown.error.expected, "0..4");
});

test("drop-in files are shown and not edited", async (t) => {
    const dropIn = [
        "[options]",
        "preempt = true",
        "[[carp]]",
        'carpdev = "eth1"',
        "vhid = 2",
        'pass = "hidden words"',
        'addresses = ["192.168.1.2/24"]',
        "",
    ].join("\n");
    const {rig, onDisk} = await stand(t, fileText(0), dropIn);
    const {configuration} = rig;
    const shown = value(await configuration.show("running", "toml", false));
    assert.match(shown, /also read, not edited here: .*carpd\.d\/site\.toml/);
    assert.match(shown, /^# vhid = 2$/m);
    assert.doesNotMatch(shown, /hidden words/);
    value(configuration.open(admin));
    // The second block of all files, without a name of its own.
    for (const line of [
        "set carp carp1 advskew 5",
        "delete carp carp1",
        "set options preempt false",
        "copy carp carp0 to carp1",
        "rename carp carp0 to carp1",
    ]) {
        const refused = configuration.edit(admin, line, []);
        assert.ok(!refused.ok && refused.error.code === "BAD_EDIT", line);
        assert.match(refused.error.message, /is in .*carpd\.d\/site\.toml/, line);
    }
    value(configuration.edit(admin, "set carp carp0 advskew 5", []));
    value(await configuration.commit(admin, options()));
    assert.equal(onDisk(), fileText(5));
    assert.equal(rig.daemon.config.carp.length, 2);
});
