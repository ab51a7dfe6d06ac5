/** Too many restarts: who is rebooted, who is held, and when it is over. */
import assert from "node:assert/strict";
import {execFileSync, spawnSync} from "node:child_process";
import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, test} from "node:test";
import {
    decideCrashLoop,
    isWell,
    readUnit,
    type UnitFacts,
    wellUs,
} from "../../src/core/appliance/crash-loop.ts";
import {projectRoot} from "../../src/io/version.ts";

function unit(change: Partial<UnitFacts> = {}): UnitFacts {
    return {activeState: "failed", result: "signal", status: 9, mainSinceUs: 1, ...change};
}

const action = (facts: Partial<Parameters<typeof decideCrashLoop>[0]>) =>
    decideCrashLoop({unit: unit(), appliance: true, rebooted: false, ...facts}).action;

test("an appliance is rebooted once, then held; another host is only held", () => {
    assert.equal(action({}), "reboot");
    assert.equal(action({rebooted: true}), "hold");
    assert.equal(action({appliance: false}), "hold");
    assert.equal(action({appliance: false, rebooted: true}), "hold");
});

test("what a reboot cannot mend is held at once", () => {
    for (const status of [64, 77, 78]) {
        assert.equal(action({unit: unit({result: "exit-code", status})}), "hold");
    }
    // 70 is a bug, and signal 64 is no exit status.
    assert.equal(action({unit: unit({result: "exit-code", status: 70})}), "reboot");
    assert.equal(action({unit: unit({result: "signal", status: 64})}), "reboot");
});

test("nothing happens while the service manager still restarts it", () => {
    for (const activeState of ["activating", "active", "deactivating", "inactive", ""]) {
        assert.equal(action({unit: unit({activeState})}), "nothing", activeState);
    }
});

test("it is over after ten minutes of one carpd", () => {
    const since = 5_000_000;
    const running = unit({activeState: "active", mainSinceUs: since});
    assert.equal(isWell(running, since + wellUs), true);
    assert.equal(isWell(running, since + wellUs - 1), false);
    assert.equal(isWell(unit({mainSinceUs: since}), since + wellUs), false);
    assert.equal(isWell(unit({activeState: "active", mainSinceUs: 0}), wellUs), false);
});

test("what systemctl shows is read, also when it shows nothing", () => {
    const text =
        "ActiveState=failed\nResult=watchdog\nExecMainStatus=6\nExecMainStartTimestampMonotonic=77\n";
    const read = {activeState: "failed", result: "watchdog", status: 6, mainSinceUs: 77};
    assert.deepEqual(readUnit(text), read);
    assert.deepEqual(readUnit(""), {activeState: "", result: "", status: 0, mainSinceUs: 0});
});

// ---- the program, with a service manager that writes down what it is told ----

const folder = mkdtempSync(join(tmpdir(), "carp-crashloop-"));
after(() => rmSync(folder, {recursive: true}));
const program = join(projectRoot(), "dist/src/carp-crashloop.js");
const systemctl = join(folder, "systemctl");
const orders = join(folder, "orders");
const marker = join(folder, "data/crash-reboot");
const release = join(folder, "release.json");

/** Runs it; returns what the service manager was told to do. */
function crashloop(shown: string, rebootFails = false, ...words: string[]): readonly string[] {
    rmSync(orders, {force: true});
    writeFileSync(join(folder, "shown"), shown);
    const lines = [
        "#!/bin/sh",
        `[ "$2" = show ] && exec cat '${folder}/shown'`,
        `echo "$*" >> '${orders}'`,
        rebootFails ? '[ "$3" = reboot ] && exit 1' : "",
        "exit 0",
        "",
    ];
    writeFileSync(systemctl, lines.join("\n"));
    chmodSync(systemctl, 0o755);
    const places = ["--systemctl", systemctl, "--marker", marker, "--release", release];
    execFileSync(process.execPath, [program, ...places, ...words], {stdio: "pipe"});
    return existsSync(orders) ? readFileSync(orders, "utf8").trimEnd().split("\n") : [];
}

const failed = "ActiveState=failed\nResult=signal\nExecMainStatus=9\n";
const holding = [
    "--no-ask-password --no-block start carpd-hold.service",
    "--no-ask-password reset-failed carpd.service",
];

test("the program: held on a host, rebooted once on an appliance, held where that fails", () => {
    assert.deepEqual(crashloop("ActiveState=activating\n"), []);
    assert.deepEqual(crashloop(failed), holding);
    assert.equal(existsSync(marker), false);
    writeFileSync(release, "{}");
    assert.deepEqual(crashloop(failed), ["--no-ask-password --no-block reboot"]);
    assert.match(
        readFileSync(marker, "utf8"),
        /^\d{4}-\d\d-\d\dT\S+Z carpd has failed \(signal 9\)/,
    );
    assert.deepEqual(crashloop(failed), holding, "the second time it is held");
    rmSync(marker);
    assert.deepEqual(crashloop(failed, true).slice(1), holding);
});

test("the program: the marker goes when carpd has been well", () => {
    writeFileSync(marker, "");
    const uptimeUs = Number(process.hrtime.bigint() / 1000n);
    const active = (since: number) =>
        `ActiveState=active\nExecMainStartTimestampMonotonic=${since}\n`;
    // A machine that is up for less than ten minutes cannot have run it for longer.
    crashloop(active(uptimeUs - 1_000_000), false, "--clear");
    assert.equal(existsSync(marker), true);
    if (uptimeUs > wellUs + 2) crashloop(active(uptimeUs - wellUs - 1), false, "--clear");
    else crashloop(active(1 - (wellUs - uptimeUs)), false, "--clear");
    assert.equal(existsSync(marker), uptimeUs <= wellUs + 2);
    rmSync(marker, {force: true});
    assert.deepEqual(crashloop(active(1), false, "--clear"), []);
});

test("the program: usage and help", () => {
    const run = (...words: string[]) => spawnSync(process.execPath, [program, ...words]).status;
    assert.equal(run("--help"), 0);
    assert.equal(run("--version"), 0);
    assert.equal(run("now"), 64);
    assert.equal(run("--claer"), 64);
});
