/**
 * board/examples/conntrackd: the scripts run with a program called conntrackd that records what it
 * is told and answers `-s` in the words of conntrackd 1.4.7; the carpd.toml is read.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, test} from "node:test";
import {loadConfig} from "../../src/io/config-files.ts";

const example = join(import.meta.dirname, "../../../board/examples/conntrackd");
const folder = mkdtempSync(join(tmpdir(), "carpd-conntrackd-"));
after(() => rmSync(folder, {recursive: true, force: true}));
const calls = join(folder, "calls");

/** `body` runs with the option in $3, after it was recorded. */
function fake(body: string): void {
    const path = join(folder, "conntrackd");
    writeFileSync(path, `#!/bin/sh\necho "$*" >> ${calls}\n${body}\n`);
    chmodSync(path, 0o755);
    writeFileSync(calls, "");
}

/** `-s` of a host with this many external entries and packets heard; $n counts the calls of -s. */
function statistics(entries: string, heard: string): string {
    return `[ "$3" = -s ] || exit 0
n=$(grep -c -- "-s$" ${calls})
printf 'cache internal:\\ncurrent active connections:\\t  7\\n\\ncache external:\\n'
printf 'current active connections:\\t  %s\\n\\nUDP traffic (active device=eth3):\\n' ${entries}
printf '         9 Pckts sent          %s Pckts recv\\n' ${heard}`;
}

function run(script: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const {status, stdout, stderr} = spawnSync(join(example, script), [...args], {
        encoding: "utf8",
        timeout: 20_000,
        env: {PATH: `${folder}:/usr/bin:/bin`, CONNTRACKD_CONFIG: "/c", ...env},
    });
    const told = readFileSync(calls, "utf8").trimEnd().split("\n");
    return {status, text: stdout + stderr, options: told.map((line) => line.replace("-C /c ", ""))};
}

const hook = "hooks.d/50-conntrackd";

test("the hook says what each state wants, in order", () => {
    for (const [state, options] of [
        ["MASTER", ["-c", "-f", "-R", "-B"]],
        ["BACKUP", ["-t", "-n"]],
        ["INIT", ["-t"]],
    ] as const) {
        fake("exit 0");
        assert.deepEqual(run(hook, ["1@eth1", state]), {status: 0, text: "", options}, state);
    }
});

test("one vhid speaks for the host; a failing step is told and stops nothing", () => {
    fake("exit 0");
    assert.deepEqual(run(hook, ["2@eth2", "MASTER"]), {status: 0, text: "", options: [""]});
    fake('[ "$3" != -f ]');
    const failed = run(hook, ["2@eth2", "MASTER"], {CONNTRACKD_LEADER: "2@eth2"});
    assert.deepEqual([failed.status, failed.options], [1, ["-c", "-f", "-R", "-B"]]);
    assert.match(failed.text, /^conntrackd -f failed/u);
    fake("exit 0");
    assert.equal(run(hook, ["1@eth1", "LOST"]).status, 2);
});

test("synced: settled, alone, still growing, not running", () => {
    const script = "conntrackd-synced";
    const limits = {CONNTRACKD_QUIET: "1", CONNTRACKD_ALONE: "1", CONNTRACKD_LIMIT: "4"};
    // 100, 5000, 5000 entries: the second reading is growth, the third is not.
    fake(statistics("$([ $n -gt 1 ] && echo 5000 || echo 100)", "$n"));
    const settled = run(script, [], limits);
    assert.deepEqual([settled.status, settled.options], [0, ["-n", "-s", "-s", "-s"]]);
    assert.equal(settled.text, "5000 connections of the peer are here\n");

    fake(statistics("0", "5"));
    assert.match(run(script, [], limits).text, /^no peer was heard for 1 s/u);

    fake(statistics("$((n * n * 100))", "$n"));
    const growing = run(script, [], {...limits, CONNTRACKD_LIMIT: "2"});
    assert.equal(growing.status, 1);
    assert.match(growing.text, /^still growing after 2 s/u);

    fake("exit 1");
    assert.equal(run(script, [], limits).status, 1);
});

test("its carpd.toml is valid and waits for the peer's table", () => {
    const loaded = loadConfig(join(example, "carpd.toml"));
    assert.ok(loaded.ok, loaded.ok ? "" : loaded.error.text);
    const {options, tracks} = loaded.value.config;
    assert.deepEqual(options.bootCommand, ["/usr/lib/carpd/conntrackd-synced"]);
    assert.equal(options.hookTimeoutMs, 20_000);
    assert.deepEqual(tracks[0]?.check, {kind: "interface", interface: "eth3"});
});
