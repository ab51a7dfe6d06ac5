/**
 * The systemd units: each has its exposure by `systemd-analyze security`, printed here, and none may
 * exceed its limit; the units of carpd share one sandbox.
 */
import assert from "node:assert/strict";
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, test} from "node:test";
import {projectRoot} from "../../src/io/version.ts";
import {run} from "../support/command.ts";
import {inPath} from "../support/tools.ts";

const folder = join(projectRoot(), "board/systemd");
const units = readdirSync(folder).filter((name) => name.endsWith(".service"));
const skip = inPath("systemd-analyze") ? false : "systemd is not installed";

/** The most that each may have; 0 is the safest, 10 a unit without any sandbox. */
const limits: Readonly<Record<string, number>> = {
    "carpd.service": 2.0,
    "carpd-hold.service": 2.0,
    "carp-console@.service": 1.0,
    "carp-panel.service": 1.0,
    // root, by what they do: one installs images and writes /etc, one reboots, one loads modules.
    "carp-system.service": 6.0,
    "carp-crashloop.service": 2.0,
    "carp-crashloop-clear.service": 2.0,
    "carp-board-setup.service": 5.0,
};

const scratch = mkdtempSync(join(tmpdir(), "carp-units-"));
after(() => rmSync(scratch, {recursive: true}));

/** The keys of one section, in order. */
function section(unit: string, name: string): readonly string[] {
    const text = readFileSync(join(folder, unit), "utf8");
    const lines = text.split("\n").map((line) => line.trim());
    const begin = lines.indexOf(`[${name}]`);
    const rest = begin < 0 ? [] : lines.slice(begin + 1);
    const end = rest.findIndex((line) => line.startsWith("["));
    const body = end < 0 ? rest : rest.slice(0, end);
    return body.filter((line) => line !== "" && !line.startsWith("#"));
}

test("every unit has a limit", () => {
    assert.deepEqual([...units].sort(), Object.keys(limits).sort());
});

for (const name of units) {
    test(`exposure of ${name}`, {skip}, async (context) => {
        // Offline analysis wants an instance of a template.
        const file = join(scratch, name.replace("@.", "@ttyS0."));
        writeFileSync(file, readFileSync(join(folder, name)));
        const {output} = await run(["systemd-analyze", "security", "--offline=true", file]);
        const exposure = /Overall exposure level for .*: (\d+\.\d)/.exec(output)?.[1];
        assert.ok(exposure !== undefined, output);
        const limit = limits[name] ?? 0;
        context.diagnostic(`${name}: exposure ${exposure}, at most ${limit.toFixed(1)}`);
        assert.ok(Number(exposure) <= limit, output);
    });
}

test("carpd and carpd --hold have one sandbox", () => {
    // What is different on purpose: how it starts, and how often it is started again.
    const own = /^(?:ExecStart|Restart|RestartSec|RestartMode|RestartPreventExitStatus)=/;
    const sandbox = (unit: string) => section(unit, "Service").filter((line) => !own.test(line));
    assert.deepEqual(sandbox("carpd-hold.service"), sandbox("carpd.service"));
});

test("what carpd may not have", () => {
    const lines = section("carpd.service", "Service");
    assert.ok(lines.includes("User=carpd"));
    const capabilities = lines.filter((line) => /^(?:Ambient|CapabilityB)/.test(line));
    assert.deepEqual(
        capabilities.map((line) => line.split("=")[1]),
        ["CAP_NET_ADMIN CAP_NET_RAW", "CAP_NET_ADMIN CAP_NET_RAW"],
    );
    const console = section("carp-console@.service", "Service");
    assert.ok(console.includes("CapabilityBoundingSet="), "the console has no capability");
    assert.ok(console.includes("RestrictAddressFamilies=AF_UNIX"), "and no network");
});
