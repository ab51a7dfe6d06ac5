/** Hooks as processes: real programs in a folder that the test made. */
import assert from "node:assert/strict";
import {
    chmodSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    writeFileSync,
} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, test} from "node:test";
import {Hooks} from "../../src/app/hooks.ts";
import type {CarpConfig} from "../../src/core/config.ts";
import {defaultOptions} from "../../src/core/config.ts";
import type {VhostState} from "../../src/core/engine.ts";
import {mostLines} from "../../src/core/hook-output.ts";
import {type HookRun, hookRun, type ToldChange} from "../../src/core/hooks.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {DirectoryHookRunner} from "../../src/io/hook-runner.ts";
import {carpConfig, config, until} from "./engine-fixtures.ts";

const folders: string[] = [];
after(() => {
    for (const folder of folders) rmSync(folder, {recursive: true, force: true});
});

const never = new AbortController().signal;

class Bench {
    readonly directory = mkdtempSync(join(tmpdir(), "carpd-hooks-"));
    readonly records: LogRecord[] = [];
    readonly runner: DirectoryHookRunner;

    constructor(withFolder = true) {
        folders.push(this.directory);
        chmodSync(this.directory, 0o755);
        if (withFolder) mkdirSync(join(this.directory, "hooks.d"));
        const log = {write: (record: LogRecord) => this.records.push(record)};
        this.runner = new DirectoryHookRunner(this.directory, log);
    }

    path(name: string): string {
        return join(this.directory, name);
    }

    /** A script of sh; $OUT is a file of the test. */
    write(name: string, body: string, mode = 0o755): string {
        const path = this.path(name);
        writeFileSync(path, `#!/bin/sh\nOUT=${this.path("out")}\n${body}\n`);
        // Not by writeFileSync: the umask would take the bits that a test is about.
        chmodSync(path, mode);
        return path;
    }

    hook(name: string, body: string, mode = 0o755): void {
        this.write(`hooks.d/${name}`, body, mode);
    }

    out(): readonly string[] {
        const path = this.path("out");
        return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
    }

    texts(level?: string): readonly string[] {
        return this.records
            .filter((record) => level === undefined || record.level === level)
            .map((record) => record.text.replaceAll(this.directory, "DIR"));
    }

    run(to: VhostState, of: Partial<CarpConfig> = {}, limitMs = 5000): HookRun {
        const change: ToldChange = {
            name: "carp0",
            carpdev: "eth1",
            vhid: 1,
            from: "BACKUP",
            to,
            cause: "master timed out",
            peer: "192.168.1.3",
            demotion: 0,
        };
        const scripts = to === "MASTER" ? (["up"] as const) : (["down"] as const);
        const job = {key: "1@eth1", change, dropped: 0, scripts};
        return hookRun(job, carpConfig({group: "lan", ...of}), limitMs);
    }
}

/** proc(5): the process is there and not a zombie. */
function lives(pid: string): boolean {
    try {
        return !/\) [ZX] /u.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
        return false; // no such process
    }
}

test("hooks get their arguments and environment, in C order, then the script", async () => {
    process.env.NOTIFY_SOCKET = "/run/secret";
    const bench = new Bench();
    for (const name of ["b", "10-x", "B", "9_y"]) {
        bench.hook(name, `echo "${name} $# $1 $2 $CARP_PEER" >> $OUT`);
    }
    bench.hook("z", "env | sort >> $OUT; pwd >> $OUT; readlink /proc/self/fd/0 >> $OUT; cat");
    const script = bench.write("up.sh", 'echo "up $# $1 $2 $3" >> $OUT');
    await bench.runner.run(bench.run("MASTER", {upscript: script, xparam: "a b"}), never);
    const out = bench.out();
    assert.deepEqual(
        out.slice(0, 4),
        ["10-x", "9_y", "B", "b"].map((name) => `${name} 2 1@eth1 MASTER 192.168.1.3`),
    );
    assert.deepEqual(out.slice(-3), ["/", "/dev/null", "up 3 eth1 192.168.1.1 a b"]);
    const names = out.slice(4, -3).map((line) => line.split("=")[0]);
    // PWD, OLDPWD, SHLVL and _ are the shell's own.
    const own = names.filter((name) => !/^(PWD|OLDPWD|SHLVL|_)$/u.test(name ?? ""));
    assert.deepEqual(own, [
        ...["CARP_ADDRESSES", "CARP_CARPDEV", "CARP_CAUSE", "CARP_DEMOTION", "CARP_FROM"],
        ...["CARP_GROUP", "CARP_NAME", "CARP_PEER", "CARP_STATE", "CARP_VHID", "HOME", "PATH"],
    ]);
    assert.deepEqual(bench.texts(), []);
});

test("no folder, and what is not run, said once", async () => {
    const none = new Bench(false);
    const down = none.write("down.sh", 'echo "down $*" >> $OUT');
    await none.runner.run(none.run("BACKUP", {downscript: down}), never);
    assert.deepEqual([none.out(), none.texts()], [["down eth1 192.168.1.1"], []]);

    const bench = new Bench();
    bench.hook("10-open", "echo open >> $OUT", 0o777);
    bench.hook("README", "echo readme >> $OUT", 0o644);
    bench.hook("20-good.sh", "echo dot >> $OUT");
    bench.hook(".hidden", "echo hidden >> $OUT");
    bench.hook("30-good", "echo good >> $OUT");
    mkdirSync(bench.path("hooks.d/lib"));
    const lines = [
        "warning DIR/hooks.d/10-open is not run: everybody may write to it (chmod o-w)",
        "info DIR/hooks.d/20-good.sh is not run: its name may hold letters, digits, - and _ only",
        "info DIR/hooks.d/README is not run: not executable (chmod +x)",
        "info DIR/hooks.d/lib is not run: it is a directory",
    ];
    const said = () => bench.records.map((r, i) => `${r.level} ${bench.texts()[i]}`);
    await bench.runner.run(bench.run("MASTER"), never);
    await bench.runner.run(bench.run("BACKUP"), never);
    assert.deepEqual([bench.out(), said()], [["good", "good"], lines]);

    chmodSync(bench.path("hooks.d"), 0o777);
    const missing = {upscript: bench.path("nowhere")};
    await bench.runner.run(bench.run("MASTER", missing), never);
    assert.deepEqual(said().slice(4), [
        "warning DIR/hooks.d is not run: everybody may write to it (chmod o-w)",
        "warning carp0: DIR/nowhere is not run: ENOENT",
    ]);
    assert.equal(bench.out().length, 2);
});

test("output, exit status, signals and broken programs end in the log", async () => {
    const bench = new Bench();
    bench.hook("1", "echo hello; echo; echo world >&2; exit 3");
    bench.hook("2", "kill -9 $$");
    bench.hook("3", "exit 0");
    writeFileSync(bench.path("hooks.d/4"), "#!/no/such/interpreter\n", {mode: 0o755});
    // As execvp(3) does: without "#!" it is sh's.
    writeFileSync(bench.path("hooks.d/5"), "echo no interpreter named\n", {mode: 0o755});
    bench.hook("6", "printf last");
    await bench.runner.run(bench.run("MASTER"), never);
    const prefix = "carp0: 1@eth1 MASTER: ";
    assert.deepEqual(bench.texts("info").toSorted(), [
        `${prefix}1: hello`,
        `${prefix}1: world`,
        `${prefix}5: no interpreter named`,
        `${prefix}6: last`,
    ]);
    assert.deepEqual(bench.texts("warning"), [
        `${prefix}1: exit status 3`,
        `${prefix}2: ended by SIGKILL`,
        `${prefix}4: cannot be run: ENOENT`,
    ]);
    assert.deepEqual(bench.records[0]?.fields, {
        ...{name: "carp0", carpdev: "eth1", vhid: 1, state: "MASTER", hook: "1"},
    });
});

test("a flood is cut with a note and neither stops its writer nor the daemon", async () => {
    const bench = new Bench();
    bench.hook("1", "yes 0123456789 | head -c 3000000; echo after >> $OUT");
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    try {
        await bench.runner.run(bench.run("MASTER"), never);
    } finally {
        clearInterval(timer);
    }
    assert.deepEqual(bench.out(), ["after"]);
    assert.equal(bench.texts().length, mostLines + 1);
    assert.match(bench.texts().at(-1) ?? "", /more output was dropped/);
    assert.ok(turns > 10, `the event loop turned only ${turns} times`);
});

test("at the limit the whole group goes, however deaf, and the next hook runs", async () => {
    const bench = new Bench();
    bench.hook(
        "1",
        `trap '' TERM
(trap '' TERM; echo $$ >> $OUT; sh -c 'echo $$ >> "$0"; exec sleep 60' $OUT) &
sleep 60 & echo $! >> $OUT
while :; do wait; done`,
    );
    bench.hook("2", "echo second >> $OUT");
    const began = performance.now();
    await bench.runner.run(bench.run("MASTER", {}, 300), never);
    const took = performance.now() - began;
    assert.ok(took >= 1300, `SIGKILL came before its time: ${took} ms`);
    assert.equal(bench.out().at(-1), "second");
    const pids = bench.out().slice(0, -1);
    assert.equal(pids.length, 3);
    assert.deepEqual(pids.filter(lives), []);
    assert.deepEqual(bench.texts(), [
        "carp0: 1@eth1 MASTER: 1: killed: it ran longer than 300 ms (hook-timeout)",
    ]);
});

test("a process that a hook leaves behind lives on and holds nothing up", async () => {
    const bench = new Bench();
    bench.hook("1", "sleep 60 & echo $! >> $OUT");
    const began = performance.now();
    await bench.runner.run(bench.run("MASTER"), never);
    assert.ok(performance.now() - began < 3000);
    const [pid = ""] = bench.out();
    assert.ok(lives(pid));
    process.kill(Number(pid), "SIGKILL");
    assert.deepEqual(bench.texts(), []);
});

test("one vhid's programs never overlap, the latest state is last, stop waits for it", async () => {
    const bench = new Bench();
    bench.hook("1", 'echo "begin $1 $2" >> $OUT; sleep 0.05; echo "end $1 $2" >> $OUT');
    const clock = {
        monotonicUs: () => process.hrtime.bigint() / 1000n,
        wallUs: () => 0n,
        after: (ms: number, run: () => void) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
        },
    };
    const log = {write: (record: LogRecord) => bench.records.push(record)};
    const hooks = new Hooks({runner: bench.runner, clock, log}, config());
    const states: readonly VhostState[] = ["BACKUP", "MASTER", "BACKUP", "MASTER", "INIT"];
    for (const to of states) {
        for (const vhid of [1, 2]) {
            const {name, carpdev} = {name: `carp${vhid}`, carpdev: "eth1"};
            const cause = "master timed out";
            hooks.stateChanged({name, carpdev, vhid, from: "INIT", to, cause, peer: ""}, 0);
        }
        if (to === "MASTER") await until(() => bench.out().length >= 2, "the first begins");
    }
    await hooks.stop();
    for (const vhid of [1, 2]) {
        const lines = bench.out().filter((line) => line.includes(` ${vhid}@eth1 `));
        assert.equal(lines.at(-1), `end ${vhid}@eth1 INIT`);
        lines.forEach((line, i) => {
            const other = lines[i + 1] ?? "";
            if (i % 2 === 0) assert.equal(other, line.replace("begin", "end"), "two at once");
        });
    }
    assert.ok(bench.records.some((record) => record.msg === "hook dropped"));
});

test("stop kills a hook that does not end, and is not held up by it", async () => {
    const bench = new Bench();
    bench.hook("1", "echo $$ >> $OUT; exec sleep 60");
    bench.hook("2", "echo never >> $OUT");
    const clock = {
        monotonicUs: () => 0n,
        wallUs: () => 0n,
        after: (ms: number, run: () => void) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
        },
    };
    const log = {write: (record: LogRecord) => bench.records.push(record)};
    const options = {...defaultOptions, hookTimeoutMs: 400};
    const hooks = new Hooks({runner: bench.runner, clock, log}, config({options}));
    const of = {name: "carp0", carpdev: "eth1", vhid: 1, from: "INIT", peer: ""} as const;
    hooks.stateChanged({...of, to: "BACKUP", cause: "master timed out"}, 0);
    await until(() => bench.out().length === 1, "the hook runs");
    hooks.reconfigure(config({options: {...options, hookTimeoutMs: 100}}));
    hooks.stateChanged({...of, to: "INIT", cause: "configuration removed"}, 0);
    const began = performance.now();
    await hooks.stop();
    assert.ok(performance.now() - began < 3000);
    const [pid = "", ...more] = bench.out();
    assert.deepEqual([lives(pid), more], [false, []]);
    const texts = bench.texts("warning").toSorted();
    assert.match(texts[0] ?? "", /: 1: killed: the daemon ends$/);
    assert.match(texts[1] ?? "", /: 2: not run: the daemon ends$/);
    assert.match(texts[2] ?? "", /^carp0: hooks were not told INIT/);
});
