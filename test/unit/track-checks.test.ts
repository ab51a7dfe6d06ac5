/**
 * The checks of `[[track]]` blocks, with real processes, real files and the real health helper.
 * Echo requests are tried in namespaces, where there is a network that belongs to the test.
 */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import type {CheckRunner, OutsideCheck} from "../../src/app/ports.ts";
import type {ProbeResult} from "../../src/io/addon.ts";
import {answerOf, questionOf} from "../../src/io/health-protocol.ts";
import {Slots} from "../../src/io/slots.ts";
import {type ProbeStarter, SystemTrackChecks} from "../../src/io/track-checks.ts";
import {realClock} from "./condition-fixtures.ts";
import {until} from "./engine-fixtures.ts";

const sources = join(import.meta.dirname, "../../src");
const noProbes: ProbeStarter = {
    startProber: () => {
        throw Object.assign(new Error("no network"), {code: "ENETUNREACH"});
    },
};

interface Bench {
    readonly checks: SystemTrackChecks;
    readonly warnings: string[];
    readonly path: (name: string) => string;
    readonly open: (check: OutsideCheck, limitMs?: number) => CheckRunner;
    /** A shell script as a check. */
    readonly shell: (script: string, limitMs?: number) => CheckRunner;
}

function bench(t: TestContext, probes = noProbes): Bench {
    const folder = mkdtempSync(join(tmpdir(), "carpd-track-"));
    const warnings: string[] = [];
    const checks = new SystemTrackChecks({
        clock: realClock,
        probes,
        healthHelper: join(sources, "health-helper.js"),
        warn: (text) => warnings.push(text),
    });
    t.after(async () => {
        await checks.stop();
        rmSync(folder, {recursive: true, force: true});
    });
    const open = (check: OutsideCheck, limitMs = 10_000) => checks.open(check, limitMs);
    return {
        checks,
        warnings,
        path: (name) => join(folder, name),
        open,
        shell: (script, limitMs) =>
            open({kind: "command", command: ["/bin/sh", "-c", script]}, limitMs),
    };
}

function pidIn(path: string): number {
    const pid = existsSync(path) ? Number(readFileSync(path, "utf8")) : 0;
    return Number.isInteger(pid) ? pid : 0;
}

/** Running, and not merely waiting to be collected by its parent. */
function alive(pid: number): boolean {
    try {
        const state = /\) ([A-Z])/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
        return state !== "Z" && state !== "X";
    } catch (error) {
        assert.match(String(error), /ENOENT|ESRCH/);
        return false;
    }
}

test("a command: exit status 0 is good, anything else is bad and says why", async (t) => {
    const {shell, open} = bench(t);
    assert.deepEqual(await shell("true").run(), {verdict: "good", text: "exit status 0"});
    assert.deepEqual(await shell("echo one; echo no route >&2; exit 1").run(), {
        verdict: "bad",
        text: "exit status 1: no route",
    });
    assert.deepEqual(await shell("kill -SEGV $$").run(), {
        verdict: "bad",
        text: "killed by SIGSEGV",
    });
    const missing = open({kind: "command", command: ["/no/such/program"]});
    assert.deepEqual(await missing.run(), {
        verdict: "bad",
        text: "cannot run /no/such/program: ENOENT",
    });
    const impossible = open({kind: "command", command: ["a\0b"]});
    assert.equal((await impossible.run()).verdict, "bad");
});

test("a command gets no input, and nothing of the service manager's", async (t) => {
    const {shell} = bench(t);
    process.env.NOTIFY_SOCKET = "/run/systemd/notify";
    t.after(() => {
        delete process.env.NOTIFY_SOCKET;
    });
    const script = 'read line && exit 1; test -z "$NOTIFY_SOCKET" || exit 2; test "$PWD" = /';
    assert.equal((await shell(script).run()).text, "exit status 0");
});

test("control characters of the output do not come through", async (t) => {
    const {shell} = bench(t);
    assert.equal((await shell("printf 'a\\033[2Jb'").run()).text, "exit status 0: a?[2Jb");
});

test("a command that hangs is bad after its time, and is killed with its children", async (t) => {
    const {shell, path} = bench(t);
    const script = `trap '' TERM; echo $$ > ${path("pid")}; sleep 1000 & echo $! > ${path("child")}; wait`;
    const runner = shell(script, 500);
    const began = performance.now();
    assert.deepEqual(await runner.run(), {verdict: "bad", text: "no answer within 500ms"});
    const took = performance.now() - began;
    assert.ok(took >= 490 && took < 3000, `took ${took} ms`);
    const pids = [pidIn(path("pid")), pidIn(path("child"))];
    assert.ok(pids.every((pid) => pid > 1));
    await until(() => !pids.some(alive), "both are gone");
    // Killed is over: the next run is a new one, and is no second result of the first.
    assert.equal((await runner.run()).text, "no answer within 500ms");
});

test("a command that leaves a child behind: its own exit counts, the child is killed", async (t) => {
    const {shell, path} = bench(t);
    const began = performance.now();
    const answer = await shell(`sleep 1000 & echo $! > ${path("child")}; echo done`).run();
    assert.deepEqual(answer, {verdict: "good", text: "exit status 0: done"});
    assert.ok(performance.now() - began < 5000);
    const child = pidIn(path("child"));
    assert.ok(child > 1);
    await until(() => !alive(child), "the child is gone");
});

test("a child that left the group cannot hold up the check by keeping its pipe", async (t) => {
    const {shell, path} = bench(t);
    const script = `setsid sh -c 'echo $$ > ${path("child")}; exec sleep 1000' &
        while ! test -s ${path("child")}; do :; done`;
    const began = performance.now();
    const {verdict} = await shell(script).run();
    const took = performance.now() - began;
    const child = pidIn(path("child"));
    assert.ok(alive(child), "it was to outlive the check");
    process.kill(child, "SIGKILL");
    assert.equal(verdict, "good");
    assert.ok(took < 5000);
});

test("a command that floods its output is killed and bad, long before its time", async (t) => {
    const {shell} = bench(t);
    const began = performance.now();
    const {verdict, text} = await shell("yes flood").run();
    assert.equal(verdict, "bad");
    assert.match(text, /^more than 65536 octets of output: killed: flo/);
    assert.ok(performance.now() - began < 5000);
});

test("a check is never run twice at once; close ends the run under way", async (t) => {
    const {shell, path, checks} = bench(t);
    const runner = shell(`echo $$ > ${path("pid")}; sleep 1000`, 60_000);
    const run = runner.run();
    await until(() => pidIn(path("pid")) > 0, "it runs");
    await checks.stop();
    assert.deepEqual(await run, {verdict: "bad", text: "stopped"});
    assert.ok(!alive(pidIn(path("pid"))));
    assert.deepEqual(await runner.run(), {verdict: "bad", text: "stopped"});
});

test("killNow leaves nothing running", async (t) => {
    const {shell, path, checks} = bench(t);
    const run = shell(`echo $$ > ${path("pid")}; sleep 1000`, 60_000).run();
    await until(() => pidIn(path("pid")) > 0, "it runs");
    checks.killNow();
    assert.deepEqual(await run, {verdict: "bad", text: "killed by SIGKILL"});
});

test("a file that comes and goes", async (t) => {
    const {open, path} = bench(t);
    const file = path("flag");
    const there = open({kind: "file", path: file, exists: true});
    const away = open({kind: "file", path: file, exists: false});
    assert.deepEqual(await there.run(), {verdict: "bad", text: "does not exist"});
    assert.deepEqual(await away.run(), {verdict: "good", text: "does not exist"});
    writeFileSync(file, "");
    assert.deepEqual(await there.run(), {verdict: "good", text: "exists"});
    assert.deepEqual(await away.run(), {verdict: "bad", text: "exists"});
    const below = open({kind: "file", path: join(file, "x"), exists: false});
    assert.equal((await below.run()).verdict, "good");
    rmSync(file);
    assert.equal((await there.run()).verdict, "bad");
    const long = open({kind: "file", path: `/${"x".repeat(5000)}`, exists: false});
    assert.deepEqual(await long.run(), {
        verdict: "bad",
        text: "cannot be looked up: ENAMETOOLONG",
    });
});

test("many file checks at once share two places and all answer", async (t) => {
    const {open, path} = bench(t);
    writeFileSync(path("flag"), "");
    const runners = Array.from({length: 40}, () =>
        open({kind: "file", path: path("flag"), exists: true}),
    );
    const answers = await Promise.all(runners.map((runner) => runner.run()));
    assert.ok(answers.every(({verdict}) => verdict === "good"));
});

test("places: at most so many inside, handed over in order, giving up leaves the queue", async () => {
    const slots = new Slots(2);
    const never = new AbortController().signal;
    const first = await slots.enter(never);
    const second = await slots.enter(never);
    assert.ok(first !== null && second !== null);
    const impatient = new AbortController();
    const third = slots.enter(impatient.signal);
    const order: string[] = [];
    const come = async (name: string): Promise<(() => void) | null> => {
        const leave = await slots.enter(never);
        order.push(name);
        return leave;
    };
    const fourth = come("fourth");
    impatient.abort();
    assert.equal(await third, null);
    assert.equal(await slots.enter(impatient.signal), null);
    assert.equal(order.length, 0);
    first();
    const leave = await fourth;
    // The place went to the one who waited: a newcomer waits.
    const fifth = come("fifth");
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(order, ["fourth"]);
    leave?.();
    second();
    await fifth;
    assert.deepEqual(order, ["fourth", "fifth"]);
    assert.ok((await slots.enter(never)) !== null);
});

test("a unit is asked of systemctl", async (t) => {
    const {open, path} = bench(t);
    const before = process.env.PATH;
    t.after(() => {
        process.env.PATH = before;
    });
    const script = `#!/bin/sh
[ "$1 $2" = "is-active --" ] || exit 9
[ "$3" = good.service ] && { echo active; exit 0; }
echo inactive; exit 3
`;
    writeFileSync(path("systemctl"), script);
    chmodSync(path("systemctl"), 0o755);
    process.env.PATH = `${path(".")}:${before}`;
    assert.deepEqual(await open({kind: "unit", unit: "good.service"}).run(), {
        verdict: "good",
        text: "active",
    });
    assert.deepEqual(await open({kind: "unit", unit: "bad.service"}).run(), {
        verdict: "bad",
        text: "inactive",
    });
    process.env.PATH = path("nothing");
    const {text} = await open({kind: "unit", unit: "good.service"}).run();
    assert.equal(text, "cannot run systemctl: ENOENT");
});

test("ping: one probe a run; answered, silent, refused", async (t) => {
    let running = 0;
    let fate: ProbeResult["fate"] = "answered";
    let looks = 0;
    const probes: ProbeStarter = {
        startProber: (options) => {
            assert.equal(options.capacity, 1);
            running++;
            return {
                results: () => {
                    looks++;
                    const answered = fate === "answered" && looks > 2;
                    const receivedAtUs = answered ? 2500 : null;
                    return looks === 1
                        ? []
                        : [{sequence: 0, sentAtUs: 1000, sentRealtimeUs: 0, receivedAtUs, fate}];
                },
                stop: () => running--,
            };
        },
    };
    const {open} = bench(t, probes);
    const ping = open({kind: "ping", address: "192.0.2.1"}, 200);
    assert.deepEqual(await ping.run(), {verdict: "good", text: "answered in 1.5 ms"});
    fate = "waiting";
    assert.deepEqual(await ping.run(), {verdict: "bad", text: "no answer within 200ms"});
    await until(() => running === 0, "the prober is stopped");
    fate = "send failed";
    assert.deepEqual(await ping.run(), {verdict: "bad", text: "cannot send"});
    assert.equal(running, 0);
    const refused = bench(t).open({kind: "ping", address: "192.0.2.1"});
    assert.deepEqual(await refused.run(), {
        verdict: "bad",
        text: "cannot ask 192.0.2.1: ENETUNREACH",
    });
});

test("memory and temperature come from one helper process", async (t) => {
    const {checks, open} = bench(t);
    assert.equal(checks.health.pid, null);
    const enough = open({kind: "memory", leastOctets: 1});
    const pid = checks.health.pid;
    const tooMuch = open({kind: "memory", leastOctets: 2 ** 60});
    const cool = open({kind: "temperature", mostCelsius: 1000});
    const answers = await Promise.all([enough.run(), tooMuch.run(), cool.run()]);
    assert.equal(answers[0]?.verdict, "good");
    assert.match(answers[0]?.text ?? "", /^\d+M available$/);
    assert.equal(answers[1]?.verdict, "bad");
    // Virtual machines have no sensor.
    const temperature = answers[2];
    if (temperature?.verdict === "unknown") {
        assert.equal(temperature.text, "no temperature sensor here");
    } else {
        assert.match(temperature?.text ?? "", /^\d+\.\d degrees Celsius$/);
    }
    assert.equal(checks.health.pid, pid);
    await enough.close();
    await tooMuch.close();
    assert.ok(alive(pid ?? 0));
    await cool.close();
    assert.equal(checks.health.pid, null);
    assert.ok(!alive(pid ?? 0));
});

test("a killed helper is bad once or twice, then another one answers", async (t) => {
    const {checks, open, warnings} = bench(t);
    const memory = open({kind: "memory", leastOctets: 1});
    assert.equal((await memory.run()).verdict, "good");
    const first = checks.health.pid;
    assert.ok(first !== null);
    process.kill(first, "SIGKILL");
    await until(() => checks.health.pid === null, "its death is seen");
    const {verdict, text} = await memory.run();
    assert.equal(verdict, "bad");
    assert.equal(text, "the health helper died of SIGKILL and is started again soon");
    assert.deepEqual(warnings, [
        "the health helper died of SIGKILL; it is started again after 1 s",
    ]);
    const end = performance.now() + 10_000;
    let answer = await memory.run();
    while (answer.verdict !== "good" && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        answer = await memory.run();
    }
    assert.equal(answer.verdict, "good");
    assert.notEqual(checks.health.pid, first);
});

test("a helper that stands still is bad each time, and good when it goes on", async (t) => {
    const {checks, open} = bench(t);
    const memory = open({kind: "memory", leastOctets: 1}, 2000);
    assert.equal((await memory.run()).verdict, "good");
    const {pid} = checks.health;
    assert.ok(pid !== null);
    process.kill(pid, "SIGSTOP");
    const quick = open({kind: "memory", leastOctets: 1}, 200);
    assert.equal((await quick.run()).text, "no answer within 200ms");
    assert.equal((await quick.run()).text, "an earlier run still hangs");
    process.kill(pid, "SIGCONT");
    assert.equal((await memory.run()).verdict, "good");
    assert.equal((await quick.run()).verdict, "good");
    assert.equal(checks.health.pid, pid);
});

test("the helper ends with its parent, however that ends", async (t) => {
    const {path} = bench(t);
    const program = `
        import {writeFileSync} from "node:fs";
        import {HealthClient} from ${JSON.stringify(join(sources, "io/health-client.js"))};
        const staying = setInterval(() => undefined, 1000);
        const clock = {
            monotonicUs: () => process.hrtime.bigint() / 1000n,
            wallUs: () => 0n,
            after: (ms, run) => { const t = setTimeout(run, ms); t.unref(); return () => clearTimeout(t); },
        };
        const helper = ${JSON.stringify(join(sources, "health-helper.js"))};
        const client = new HealthClient(helper, clock, () => undefined);
        client.use();
        await client.ask("memory");
        writeFileSync(process.argv[1], String(client.pid));
        if (process.argv[2] === "brief") clearInterval(staying);
    `;
    const start = (file: string, mode: string) =>
        spawn(process.execPath, ["--input-type=module", "-e", program, file, mode], {
            stdio: "inherit",
        });
    const parent = start(path("stay"), "stay");
    await until(() => pidIn(path("stay")) > 0, "the helper runs", 15_000);
    const helper = pidIn(path("stay"));
    assert.ok(alive(helper));
    parent.kill("SIGKILL");
    await until(() => !alive(helper), "the helper is gone");

    // It keeps nobody alive either: a parent with nothing else to do ends by itself.
    const brief = start(path("brief"), "brief");
    let code: number | null = -1;
    brief.on("exit", (status) => {
        code = status;
    });
    await until(() => code === 0, "the parent ended by itself", 15_000);
    const left = pidIn(path("brief"));
    await until(() => left > 0 && !alive(left), "its helper is gone");
});

test("messages of the helper's channel are taken only when they make sense", () => {
    assert.deepEqual(questionOf({id: 1, value: "memory"}), {id: 1, value: "memory"});
    for (const bad of [null, 7, {}, {id: "1", value: "memory"}, {id: 1, value: "x"}]) {
        assert.equal(questionOf(bad), null);
    }
    assert.deepEqual(answerOf({id: 1, number: null}), {id: 1, number: null});
    assert.deepEqual(answerOf({id: 1, number: 5}), {id: 1, number: 5});
    assert.deepEqual(answerOf({id: 1, error: "no"}), {id: 1, error: "no"});
    for (const bad of [null, "x", {}, {id: 1}, {id: 1, number: "5"}, {id: 1, number: Number.NaN}]) {
        assert.equal(answerOf(bad), null);
    }
});
