/** The parts of the image tests that need no machine: partition tables, screens, reports, chance. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {partitionsOf} from "../image/disk.ts";
import {Random} from "../image/random.ts";
import {withoutEscapes} from "../image/serial.ts";
import {imageCount} from "../image/stage.ts";

test("a GUID partition table is read, an empty entry is none", () => {
    const head = Buffer.alloc(34 * 512);
    head.write("EFI PART", 512, "latin1");
    head.writeBigUInt64LE(2n, 512 + 72);
    head.writeUInt32LE(128, 512 + 80);
    head.writeUInt32LE(128, 512 + 84);
    const entry = 1024 + 2 * 128;
    head.writeBigUInt64LE(2048n, entry + 32);
    head.writeBigUInt64LE(4095n, entry + 40);
    head.write("root-a", entry + 56, "utf16le");
    assert.deepEqual(partitionsOf(head), [
        {name: "root-a", number: 3, offset: 1 << 20, size: 1 << 20},
    ]);
    head.write("EFI", 512, "latin1");
    head.fill(0, 515, 520);
    assert.throws(() => partitionsOf(head), /no GUID partition table/u);
});

test("what moves the cursor or colours is no text", () => {
    assert.equal(withoutEscapes("\u001b[0;1;32mOK\u001b[0m\u001b]104\u0007\u001b[!p."), "OK.");
    // A sequence of which the end is still missing stays.
    assert.equal(withoutEscapes("a\u001b[0;1"), "a\u001b[0;1");
    assert.equal(withoutEscapes("[ 1.0] a\tb\r\n"), "[ 1.0] a\tb\r\n");
});

test("the report of the image tests is counted", () => {
    const report = "ok a (1 s)\nskipped: b: no QEMU\n1 passed, 0 failed, 1 skipped\n";
    const skips = [{name: "image b", reason: "no QEMU"}];
    assert.deepEqual(imageCount(0, report), {passed: 1, failed: 0, skips});
    assert.equal(imageCount(1, report).failed, 1, "an exit status is believed");
    assert.equal(imageCount(0, "nothing").failed, 1, "no last line");
    assert.equal(imageCount(0, "0 passed, 0 failed, 0 skipped\n").failed, 1, "nothing ran");
});

test("a seed repeats its numbers, and they are spread", () => {
    const row = (seed: number): number[] => {
        const random = new Random(seed);
        return Array.from({length: 1000}, () => random.next());
    };
    assert.deepEqual(row(7), row(7));
    assert.notDeepEqual(row(7), row(8));
    const numbers = row(7);
    assert.ok(numbers.every((one) => one >= 0 && one < 1));
    assert.ok(Math.abs(numbers.reduce((sum, one) => sum + one, 0) / 1000 - 0.5) < 0.05);
});
