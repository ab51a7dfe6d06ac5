/**
 * The image's last resort, a shell script: a release in which no program of ours works is left by
 * restarts, one that was good before is not. systemctl is a script that writes down the order.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {SlotRecordFile} from "../../src/io/appliance/slot-files.ts";
import {projectRoot} from "../../src/io/version.ts";
import {inPath} from "../support/tools.ts";

const skip = inPath("grub-editenv") ? false : "grub-editenv is not installed (grub-common)";
const script = join(projectRoot(), "board/image/root/usr/libexec/carpd/give-up");

interface Box {
    readonly line: string;
    readonly counters: readonly string[];
    /** The version that was marked good in slot B. */
    readonly good: string;
}

const broken: Box = {
    line: "quiet carpd.slot=B rauc.slot=B\n",
    counters: ["ORDER=B A", "A_OK=1", "A_TRY=0", "B_OK=1", "B_TRY=2"],
    good: "",
};

async function gaveUp(change: Partial<Box>): Promise<boolean> {
    const box = {...broken, ...change};
    const folder = mkdtempSync(join(tmpdir(), "carpd-give-up-"));
    const path = (name: string) => join(folder, name);
    try {
        writeFileSync(path("systemctl"), `#!/bin/sh\necho "$@" > ${path("order")}\n`);
        chmodSync(path("systemctl"), 0o755);
        writeFileSync(path("cmdline"), box.line);
        writeFileSync(path("release.json"), JSON.stringify({version: "0.4.0"}, null, 4));
        const records = new SlotRecordFile(folder);
        if (box.good !== "") {
            const B = {version: box.good, schema: 1, good: "x", installed: ""};
            assert.ok((await records.save({A: {...B, version: "0.3.0"}, B})).ok);
        }
        for (const words of [["create"], ["set", ...box.counters]]) {
            assert.equal(spawnSync("grub-editenv", [path("grubenv"), ...words]).status, 0);
        }
        const files = ["grubenv", "system/slots.json", "release.json", "cmdline"].map(path);
        const env = {PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin`};
        const ran = spawnSync("sh", [script, ...files], {encoding: "utf8", env});
        assert.equal(ran.status, 0, ran.stderr);
        return existsSync(path("order"));
    } finally {
        rmSync(folder, {recursive: true, force: true});
    }
}

test("a release that was never good makes way", {skip}, async () => {
    assert.equal(await gaveUp({}), true);
    assert.equal(await gaveUp({good: "0.3.9"}), true);
    assert.equal(await gaveUp({line: "carpd.slot=A carpd.slot=B"}), true);
});

test("not when it is confirmed, was good, or nothing better is there", {skip}, async () => {
    const counters = (...some: string[]) => ({counters: ["ORDER=B A", ...some]});
    assert.equal(await gaveUp(counters("A_OK=1", "A_TRY=0", "B_OK=1", "B_TRY=0")), false);
    assert.equal(await gaveUp(counters("A_OK=0", "A_TRY=0", "B_OK=1", "B_TRY=1")), false);
    assert.equal(await gaveUp(counters("A_OK=1", "A_TRY=3", "B_OK=1", "B_TRY=1")), false);
    assert.equal(await gaveUp({good: "0.4.0"}), false);
    assert.equal(await gaveUp({line: "quiet"}), false);
});
