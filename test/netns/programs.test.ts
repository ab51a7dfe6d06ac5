/** carpd and carpctl as a user meets them: exit codes, --check, JSON, the service manager. */
import assert from "node:assert/strict";
import {existsSync, mkdirSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {
    carpctl,
    carpdProgram,
    type Output,
    pairBlock,
    type Router,
    runPair,
    type Scene,
    Testbed,
    toToml,
} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** Runs carpd in a router's host to its end. */
function carpd(router: Router, ...words: string[]): Promise<Output> {
    return carpdUnder(router, [], ...words);
}

/** The same through another command, such as setpriv(1). */
async function carpdUnder(
    router: Router,
    before: readonly string[],
    ...words: string[]
): Promise<Output> {
    const {host} = router;
    const result = host.run([...before, process.execPath, carpdProgram, ...words]);
    return {code: result.status, stdout: result.stdout, stderr: result.stderr};
}

function lonely(scene: Scene): Router {
    return scene.router("a", scene.segment(), ["192.168.1.2/24"], {
        options: {"handover-limit-ms": 100},
        carp: [pairBlock(0)],
    });
}

const keys = {
    name: "string",
    carpdev: "string",
    vhid: "number",
    state: "string",
    advbase: "number",
    advskew: "number",
    effectiveAdvskew: "number",
    demotion: "number",
    addresses: "object",
    virtualMac: "string",
    since: "string",
    cause: "string",
    next: "string",
};

const listener = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

async function listen(router: Router, path: string): Promise<HostProcess> {
    const {host} = router;
    const process = host.spawn(["python3", "-c", listener, path], {logName: "notify"});
    await waitFor("the listener", 8000, () => (existsSync(path) ? true : undefined));
    return process;
}

describe("programs", {concurrency: 3}, () => {
    test("exit codes of carpd that does not start", async (scene) => {
        const a = lonely(scene);
        const dirs = ["--run-dir", a.runDir, "--state-dir", a.stateDir];
        const usage = await carpd(a, "--confg", a.configPath);
        assert.equal(usage.code, 64);
        assert.match(usage.stderr, /unknown option "--confg".*\n.*--config/s);
        const absent = await carpd(a, "--config", join(a.host.directory, "none.toml"), ...dirs);
        assert.equal(absent.code, 66, absent.stderr);
        const bad = join(a.host.directory, "bad.toml");
        writeFileSync(
            bad,
            '[[carp]]\ncarpdev = "eth1"\nvhid = 300\naddresses = ["192.168.1.1/24"]\n',
        );
        for (const more of [[], ["--check"]]) {
            const refused = await carpd(a, "--config", bad, ...dirs, ...more);
            assert.equal(refused.code, 78);
            assert.match(refused.stderr, /bad\.toml:3:8: .*vhid/);
            // Every line of the log may begin with its time.
            const [, line = "", caret = ""] = refused.stderr.split("\n");
            assert.match(line, /vhid = 300$/);
            assert.match(caret, /\^\^\^ expected an integer from 1 to 255/);
            assert.equal(caret.indexOf("^"), line.indexOf("300"), "the caret is below the value");
        }
        const noInterface = join(a.host.directory, "eth9.toml");
        writeFileSync(noInterface, toToml({carp: [pairBlock(0, {carpdev: "eth9"})]}));
        const missing = await carpd(a, "--config", noInterface, ...dirs, "--check");
        assert.equal(missing.code, 78);
        assert.match(missing.stderr, /eth9/);
        assert.ok(!existsSync(a.runDir), "no refused start has touched the run directory");
    });

    test("77 without the privilege, and nothing half made", async (scene) => {
        const a = lonely(scene);
        const bare = [
            "setpriv",
            "--bounding-set",
            "-net_admin,-net_raw",
            "--inh-caps",
            "-net_admin,-net_raw",
        ];
        const refused = await carpdUnder(a, bare, ...a.arguments);
        assert.equal(refused.code, 77, refused.stderr);
        assert.notEqual(refused.stderr, "");
        assert.deepEqual(a.macvlans(), []);
        assert.deepEqual(a.host.pids(), []);
    });

    test("--check and --help touch nothing", async (scene) => {
        const a = lonely(scene);
        const before = a.host.ip("-o", "link");
        const checked = await carpd(a, ...a.arguments, "--check");
        assert.equal(checked.code, 0, checked.stderr);
        assert.match(checked.stdout, /carpd\.toml/);
        const help = await carpd(a, "--help");
        assert.equal(help.code, 0);
        for (const option of ["--config", "--run-dir", "--state-dir", "--check", "--log-format"]) {
            assert.ok(help.stdout.includes(option), option);
        }
        assert.equal(a.host.ip("-o", "link"), before);
        assert.ok(!existsSync(a.runDir));
        // While a daemon runs it may be asked as well.
        await a.start();
        const beside = await carpd(a, ...a.arguments, "--check");
        assert.equal(beside.code, 0, beside.stderr);
        assert.equal((await a.carps()).length, 1);
    });

    test("carpctl: JSON, words, exit codes", async (scene) => {
        const {a, b} = await runPair(scene);
        for (const router of [a, b]) {
            const shown: unknown = JSON.parse(await router.command("show", "carp", "--json"));
            assert.ok(Array.isArray(shown) && shown.length === 1);
            const carp: Record<string, unknown> = shown[0];
            for (const [key, type] of Object.entries(keys))
                assert.equal(typeof carp[key], type, key);
            assert.ok("master" in carp);
            assert.ok(Math.abs(Date.now() - Date.parse(String(carp.since))) < 60_000);
        }
        const {master, next, virtualMac} = await b.carp();
        assert.ok(master);
        assert.deepEqual([master.address, master.advbase, master.advskew], ["192.168.1.2", 1, 0]);
        assert.ok(master.lastHeardMs >= 0 && master.lastHeardMs < 3400);
        assert.equal(virtualMac, "00:00:5e:00:01:01");
        assert.match(next, /\d/);
        assert.equal((await a.carp()).master, null);
        assert.match(
            await a.command("show", "carp"),
            /^carp0: MASTER carpdev eth1 vhid 1 advbase 1 advskew 0$/m,
        );
        assert.match(await a.command("show", "interfaces"), /eth1/);
        const interfaces: unknown = JSON.parse(await a.command("--json", "show", "interfaces"));
        assert.ok(Array.isArray(interfaces));
        assert.equal(Reflect.get(interfaces[0], "carrier"), true);
        assert.equal((await a.carpctl("show", "crap")).code, 64);
        assert.equal((await a.carpctl("carp0", "sideways")).code, 64);
        const unknown = await a.carpctl("carp9", "down");
        assert.ok(unknown.code !== 0 && unknown.stderr.includes("carp9"), unknown.stderr);
        const watch = a.host.spawn(
            [
                process.execPath,
                carpdProgram.replace("carpd.js", "carpctl.js"),
                "--run-dir",
                a.runDir,
                "watch",
            ],
            {logName: "watch"},
        );
        // It says nothing before the first change, so there may have to be several.
        await waitFor(
            "watch to tell a change",
            12_000,
            async () => {
                await a.command("carp0", "down");
                await a.command("carp0", "up");
                return /MASTER -> INIT/.test(watch.log()) ? true : undefined;
            },
            () => watch.log(),
        );
        await watch.kill("SIGINT");
        await a.until("MASTER");
    });

    test("carpctl without a daemon: 69 and a clear sentence", async (scene) => {
        const a = lonely(scene);
        mkdirSync(a.runDir);
        for (const runDir of [a.runDir, join(a.runDir, "nowhere")]) {
            const output = await carpctl(runDir, "show", "carp");
            assert.equal(output.code, 69);
            assert.match(output.stderr, /carpd/);
            assert.equal(output.stdout, "");
        }
        // A socket that a killed daemon left is no daemon.
        await a.start();
        await a.process.kill("SIGKILL");
        assert.ok(existsSync(join(a.runDir, "control.sock")));
        assert.equal((await a.carpctl("show", "carp")).code, 69);
        await a.start();
        assert.equal((await a.carpctl("show", "carp")).code, 0);
    });

    test("sd_notify: READY when the socket answers, STOPPING at the end", async (scene) => {
        const a = lonely(scene);
        const path = join(a.host.directory, "notify.sock");
        const heard = await listen(a, path);
        a.launch({NOTIFY_SOCKET: path});
        await waitFor(
            "READY=1",
            15_000,
            () => (heard.log().includes("READY=1") ? true : undefined),
            () => a.log(),
        );
        assert.equal((await a.carps()).length, 1, "ready means that it answers");
        await a.until("MASTER");
        await a.stop();
        await waitFor("STOPPING=1", 3000, () =>
            heard.log().includes("STOPPING=1") ? true : undefined,
        );
        const log = heard.log();
        assert.ok(log.indexOf("READY=1") < log.indexOf("STOPPING=1"));
        await heard.kill("SIGKILL");
    });

    test("--log-format json: one object a line, with the cause", async (scene) => {
        const a = lonely(scene);
        const argv = [process.execPath, carpdProgram, ...a.arguments, "--log-format", "json"];
        const process_ = a.host.spawn(argv, {logName: "json"});
        await waitFor(
            "MASTER in the log",
            15_000,
            () => (process_.log().includes("master timed out") ? true : undefined),
            () => process_.log(),
        );
        assert.equal(await process_.kill("SIGTERM"), "exit 0");
        for (const line of process_.log().trim().split("\n")) {
            const record: unknown = JSON.parse(line);
            assert.ok(typeof record === "object" && record !== null);
        }
    });

    after(async () => await bed?.end());
});
