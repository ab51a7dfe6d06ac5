/** The log writer never waits: not for a full pipe, and not for a reader that is gone. */
import assert from "node:assert/strict";
import {spawn} from "node:child_process";
import {once} from "node:events";
import {fstatSync} from "node:fs";
import {test} from "node:test";
import {note} from "../../src/core/log.ts";
import {isJournal, LogWriter} from "../../src/io/log-writer.ts";

const when = new Date("2026-01-02T03:04:05Z");
const base = {format: "text", journal: false, now: () => when} as const;

test("a reader that takes little at a time gets everything, in order", async () => {
    let got = "";
    let room = 0;
    const sink = (octets: Uint8Array): number => {
        const taken = Math.min(room, octets.length);
        got += Buffer.from(octets.subarray(0, taken)).toString();
        room -= taken;
        return taken;
    };
    const writer = new LogWriter({...base, sink});
    for (let i = 0; i < 5; i++) writer.write(note("info", "x", `line ${i}`));
    assert.equal(got, "");
    room = 40;
    await writer.flush(30);
    assert.equal(got.length, 40);
    room = 1000;
    await writer.flush(1000);
    const stamp = "2026-01-02T03:04:05.000Z";
    assert.equal(got, [0, 1, 2, 3, 4].map((i) => `${stamp} line ${i}\n`).join(""));
    assert.equal(writer.dropped, 0);
});

test("a full queue drops, counts, and tells when there is room", async () => {
    let got = "";
    let open = false;
    const sink = (octets: Uint8Array): number => {
        if (!open) return 0;
        got += Buffer.from(octets).toString();
        return octets.length;
    };
    const writer = new LogWriter({...base, journal: true, sink, limit: 100});
    for (let i = 0; i < 50; i++) writer.write(note("notice", "x", "0123456"));
    // "<5>0123456\n" is 11 octets: nine fit.
    assert.equal(writer.dropped, 41);
    open = true;
    await writer.flush(1000);
    assert.equal(got.split("\n").filter((line) => line === "<5>0123456").length, 9);
    assert.match(got, /<4>41 log lines were dropped: the reader was too slow\n$/);
});

test("a reader that is gone costs lines, not the daemon", () => {
    const writer = new LogWriter({...base, sink: () => -1});
    writer.write(note("info", "x", "a"));
    writer.write(note("info", "x", "b"));
    assert.equal(writer.dropped, 2);
});

test("debugging lines are off and JSON is one line", () => {
    let got = "";
    const sink = (octets: Uint8Array): number => {
        got += Buffer.from(octets).toString();
        return octets.length;
    };
    const writer = new LogWriter({...base, format: "json", sink});
    writer.write(note("debug", "x", "hidden"));
    writer.write(note("info", "x", "two\nlines"));
    assert.equal(got.split("\n").length, 2);
    assert.match(got, /"text":"two\\nlines"/);
});

test("stderr is the journal only when device and inode agree", () => {
    const {dev, ino} = fstatSync(2, {bigint: true});
    assert.equal(isJournal(2, `${dev}:${ino}`), true);
    assert.equal(isJournal(2, `${dev}:${ino + 1n}`), false);
    assert.equal(isJournal(2, undefined), false);
});

test("a real pipe that nobody reads does not hold the process", async () => {
    const module = new URL("../../src/io/log-writer.js", import.meta.url).href;
    const program = `
        const {LogWriter, descriptorSink} = await import(${JSON.stringify(module)});
        const log = new LogWriter({format: "text", journal: false, sink: descriptorSink(2)});
        for (let i = 0; i < 3000; i++) log.write({level: "info", msg: "x", text: "y".repeat(1000), fields: {}});
        process.stdout.write(String(log.dropped));
        await log.flush(20);
        process.exit(0);`;
    // stderr stays unread on purpose; the child's output on stdout says how many were dropped.
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
        stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
        out += chunk.toString();
    });
    const limit = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const [code, signal] = await once(child, "exit");
    clearTimeout(limit);
    assert.deepEqual([code, signal], [0, null]);
    assert.ok(Number(out) > 2000, out);
});
