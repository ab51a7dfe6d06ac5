/** The lab from outside: what it claims, how it ends, what it leaves behind. */
import assert from "node:assert/strict";
import {type ChildProcess, spawn, spawnSync} from "node:child_process";
import {mkdtempSync, readdirSync, readFileSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {projectRoot} from "../../src/io/version.ts";

const lab = join(projectRoot(), "dist/src/lab.js");

/** Its story was told on a network in memory (test/unit/lab-simulated.test.ts), not here. */
const refused = (stderr: string) => stderr.includes("lab: no network namespaces here");

interface Ended {
    readonly code: number | null;
    readonly stdout: string;
    readonly stderr: string;
}

function start(argv: readonly string[]): {
    readonly child: ChildProcess;
    readonly ended: Promise<Ended>;
} {
    const child = spawn(process.execPath, ["--enable-source-maps", lab, ...argv], {
        stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
        stdout += String(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
        stderr += String(text);
    });
    const ended = new Promise<Ended>((resolve) => {
        child.on("close", (code) => resolve({code, stdout, stderr}));
    });
    return {child, ended};
}

/** Processes anywhere on this machine whose command line mentions `text`. */
function mentioning(text: string): readonly string[] {
    const ps = spawnSync("ps", ["axww", "-o", "pid=,args="], {encoding: "utf8"});
    return ps.stdout.split("\n").filter((line) => line.includes(text));
}

async function until(what: string, deadlineMs: number, holds: () => boolean): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (!holds()) {
        assert.ok(performance.now() < end, `waited ${deadlineMs} ms for ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

const icmpProtocol = 1;
const carpProtocol = 112;

/** The IPv4 protocol numbers in a classic little-endian Ethernet pcap file. */
function ipv4Protocols(capture: Buffer): ReadonlySet<number> {
    assert.equal(capture.readUInt32LE(20), 1, "link type Ethernet");
    const found = new Set<number>();
    // 24 octets of file header; 16 of record header, the captured length at 8; EtherType at 12.
    for (let at = 24; at + 16 <= capture.length; ) {
        const length = capture.readUInt32LE(at + 8);
        const frame = capture.subarray(at + 16, at + 16 + length);
        if (frame.length >= 34 && frame.readUInt16BE(12) === 0x0800) found.add(frame.readUInt8(23));
        at += 16 + length;
    }
    return found;
}

function field(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

for (const [scenario, stepCount, captureCount] of [
    ["two-routers", 7, 2],
    ["handbook", 7, 2],
    ["preempt", 8, 6],
    ["balance", 6, 1],
] as const) {
    test(`${scenario}: everything that is claimed happens`, {timeout: 120_000}, async (t) => {
        const folder = mkdtempSync(join(tmpdir(), "carpd-lab-"));
        t.after(() => rmSync(folder, {recursive: true, force: true}));
        const argv = ["--scenario", scenario, "--fast", "--json", "--pcap", folder];
        const {code, stdout, stderr} = await start(argv).ended;
        if (refused(stderr)) return t.skip(stderr.split("\n")[0]);
        assert.equal(code, 0, stderr);
        const report: unknown = JSON.parse(stdout);
        assert.equal(field(report, "ok"), true);
        assert.equal(field(report, "network"), "namespaces");
        const steps = field(report, "steps");
        assert.ok(Array.isArray(steps));
        assert.equal(steps.length, stepCount);
        for (const step of steps) {
            const claims = field(step, "claims");
            assert.ok(Array.isArray(claims) && claims.length > 0, JSON.stringify(step));
        }
        // The story is for people and must not spoil the document.
        assert.match(stderr, /All \d+ claims were true/u);
        const captures = readdirSync(folder).filter((name) => name.endsWith(".pcap"));
        assert.equal(captures.length, captureCount, captures.join(" "));
        // An uplink has a link that is watched, and no traffic.
        for (const name of captures.filter((candidate) => !candidate.includes("uplink"))) {
            const capture = readFileSync(join(folder, name));
            const protocols = ipv4Protocols(capture);
            assert.ok(protocols.has(carpProtocol), `no advertisements in ${name}`);
            // Pings are unicast: a capture of what is flooded would hold none of them.
            assert.ok(protocols.has(icmpProtocol), `no pings in ${name}`);
        }
    });
}

for (const [signal, expected] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGKILL", null],
] as const) {
    test(`${signal} ends the lab and leaves no process behind`, {timeout: 60_000}, async (t) => {
        // The folder's name marks every process of this run that was told about it.
        const folder = mkdtempSync(join(tmpdir(), "carpd-lab-"));
        t.after(() => rmSync(folder, {recursive: true, force: true}));
        const {child, ended} = start(["--fast", "--pcap", folder]);
        let story = "";
        child.stdout?.on("data", (text) => {
            story += String(text);
        });
        let over = false;
        void ended.then(() => {
            over = true;
        });
        let said = "";
        child.stderr?.on("data", (text) => {
            said += String(text);
        });
        // The story in memory has routers that run, too, but no processes of them.
        const elsewhere = () => over || refused(said);
        await until(
            "the routers to run",
            30_000,
            () => elsewhere() || story.includes("carpd runs on"),
        );
        if (elsewhere()) {
            const {stderr} = await ended;
            assert.ok(refused(stderr), stderr);
            return t.skip(stderr.split("\n")[0]);
        }
        assert.ok(mentioning(folder).length > 1);
        child.kill(signal);
        const {code} = await ended;
        assert.equal(code, expected);
        // Its first process is gone, and a PID namespace does not outlive that.
        await until("every process of it to be gone", 5000, () => mentioning(folder).length === 0);
    });
}

test("wrong arguments are refused with one line and 64", async () => {
    const {code, stdout, stderr} = await start(["--scenario", "nonsense"]).ended;
    assert.equal(code, 64);
    assert.equal(stdout, "");
    assert.match(
        stderr,
        /^lab: --scenario: expected two-routers, handbook, preempt or balance.*\n$/u,
    );
});
