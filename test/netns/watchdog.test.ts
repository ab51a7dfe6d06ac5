/**
 * The service manager's watchdog: it is fed while the engine's thread and JavaScript turn, and not a
 * moment longer. The manager here is a real notification socket; what it would do is systemd's part
 * (test/interop/deb.test.ts).
 */
import assert from "node:assert/strict";
import {existsSync, mkdirSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {run} from "../support/command.ts";
import {inNamespace} from "../support/netns.ts";
import {pairBlock, type Router, type Scene, Testbed} from "../support/routers.ts";
import {inPath} from "../support/tools.ts";

const skip = (await inNamespace()) || (inPath("g++") ? false : "g++ is not installed");
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** WatchdogSec= of the unit; carpd pings each third of it. */
const limitMs = 3500;

const listener = `
import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(int(time.monotonic() * 1000), s.recv(4096).decode().replace("\\n", " "), flush=True)
`;

/** Instants of the pings, milliseconds. */
function pings(heard: HostProcess): readonly number[] {
    return [...heard.log().matchAll(/^(\d+) WATCHDOG=1$/gm)].map(([, at]) => Number(at));
}

async function morePings(heard: HostProcess, count: number): Promise<void> {
    const before = pings(heard).length;
    await waitFor(
        `${count} pings`,
        20_000,
        () => (pings(heard).length >= before + count ? true : undefined),
        () => heard.log(),
    );
}

async function watched(scene: Scene): Promise<{a: Router; heard: HostProcess}> {
    const a = scene.router("a", scene.segment(), ["192.168.1.2/24"], {
        options: {"handover-limit-ms": 100},
        carp: [pairBlock(0)],
    });
    const path = join(a.host.directory, "notify.sock");
    const heard = a.host.spawn(["python3", "-c", listener, path], {logName: "notify"});
    await waitFor("the listener", 8000, () => (existsSync(path) ? true : undefined));
    await a.start({NOTIFY_SOCKET: path, WATCHDOG_USEC: String(limitMs * 1000)});
    await a.until("MASTER");
    await morePings(heard, 2);
    return {a, heard};
}

/** No ping for longer than the manager's limit. Returns how many there were before. */
async function silence(heard: HostProcess): Promise<void> {
    // A question that was answered before the stop may still be on its way to a ping.
    await waitFor("the last ping", 5000, async () => {
        const before = pings(heard).length;
        await new Promise((resolve) => setTimeout(resolve, limitMs / 2));
        return pings(heard).length === before ? true : undefined;
    });
    const before = pings(heard).length;
    await new Promise((resolve) => setTimeout(resolve, limitMs + 500));
    assert.equal(pings(heard).length, before, heard.log());
}

async function buildStopper(): Promise<string> {
    const root = projectRoot();
    mkdirSync(join(root, "build-test"), {recursive: true});
    const program = join(root, "build-test/stop_thread");
    const source = join(root, "test/support/stop_thread.cc");
    const flags = ["-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror"];
    const {code, output} = await run(["g++", ...flags, "-o", program, source]);
    assert.equal(code, 0, output);
    return program;
}

describe("the watchdog", {concurrency: 2}, () => {
    test("an engine thread that hangs is not fed, though JavaScript lives", async (scene) => {
        const stopper = await buildStopper();
        const {a, heard} = await watched(scene);
        const gaps = pings(heard).map((at, i, all) => at - (all[i - 1] ?? at));
        assert.ok(Math.max(...gaps) < limitMs, "fed in time while all is well");

        const argv = [stopper, String(a.process.pid), "carp-engine"];
        const stopped = a.host.spawn(argv, {logName: "stopper", pipes: true});
        await new Promise<void>((resolve, reject) => {
            stopped.child.stdout?.once("data", () => resolve());
            stopped.child.once("exit", () => reject(new Error(stopped.log())));
        });
        await silence(heard);
        // JavaScript is there: it says what is wrong, to whoever asks and in the log.
        const asked = await a.carpctl("show", "carp");
        assert.notEqual(asked.code, 0);
        assert.match(asked.stderr, /the engine did not answer within/);
        assert.match(a.log(), /the engine did not answer within/);
        stopped.child.stdin?.end();
        await morePings(heard, 2);
        await a.until("MASTER");
        await a.stop();
    });

    test("a process that stands still is not fed", async (scene) => {
        const {a, heard} = await watched(scene);
        process.kill(a.process.pid, "SIGSTOP");
        await silence(heard);
        process.kill(a.process.pid, "SIGCONT");
        await morePings(heard, 2);
        await a.stop();
    });

    after(async () => await bed?.end());
});
