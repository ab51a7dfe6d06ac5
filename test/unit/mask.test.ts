/** What the screen shows of lines with passwords. */
import assert from "node:assert/strict";
import {PassThrough} from "node:stream";
import {test} from "node:test";
import {setImmediate as turn} from "node:timers/promises";
import {maskSecrets} from "../../src/core/shell/mask.ts";
import {LineEditor} from "../../src/io/line-editor.ts";

test("the word behind pass is shown as stars, whatever kind of line it is", () => {
    for (const [line, shown] of [
        ["ifconfig carp0 vhid 1 pass sesame 192.168.1.1 \\", "pass ****** 192.168.1.1 \\"],
        ["set carp carp0 pass sesame", "pass ******"],
        ['pass = "open sesame" # of the pair', "pass = ***** ******* # of the pair"],
        ["ucarp --pass=sesame -v 1", "--pass=****** -v 1"],
        ["password 'open sesame'", "password ***** *******"],
        ["ifconfig carp0 pass a\\ b down;ifconfig carp1 pass c;", "down;ifconfig carp1 pass *;"],
    ] as const) {
        const masked = maskSecrets(line);
        assert.equal(masked.length, line.length);
        assert.ok(masked.endsWith(shown), masked);
    }
});

test("other words are shown", () => {
    for (const line of [
        "show configuration secrets",
        "compass north",
        "pass",
        "bypass 1",
        "ifconfig pass \\",
        "a-pass b",
    ]) {
        assert.equal(maskSecrets(line), line);
    }
});

test("no beginning of a line shows more than the whole", () => {
    const line = 'ifconfig carp0 vhid 1 pass "open sesame" up';
    const whole = maskSecrets(line);
    for (let i = 0; i <= line.length; i++) {
        assert.equal(maskSecrets(line.slice(0, i)), whole.slice(0, i));
    }
});

test("a password on the line after the backslash", () => {
    assert.equal(maskSecrets("sesame up", "ifconfig carp0 pass \\\n"), "****** up");
    assert.equal(maskSecrets("sesame up", "ifconfig carp0 \\\n"), "sesame up");
});

/** The editor on streams; `shown` is all that went to the terminal. */
function bench() {
    const input = new PassThrough();
    const output = new PassThrough();
    let shown = "";
    output.on("data", (chunk: Buffer) => {
        shown += chunk.toString();
    });
    const editor = new LineEditor({input, output});
    const type = async (text: string): Promise<void> => {
        input.write(text);
        for (let i = 0; i < 4; i++) await turn();
    };
    return {editor, type, shown: () => shown};
}

test("the terminal never shows a password, the line has it", async () => {
    const {editor, type, shown} = bench();
    const first = editor.readLine({prompt: "> "});
    for (const key of "ifconfig carp0 vhid 1 pass sesame") await type(key);
    // Painted anew: an insertion, a message above it, one when it is longer than the row.
    await type("\u0001# \u0005");
    editor.notify("carp0: BACKUP -> MASTER\n");
    await type(` 192.168.1.1/24${" ".repeat(60)}up`);
    editor.notify("carp0: MASTER -> BACKUP\n");
    await type("\u0002\u0002\u007f\r");
    const typed = await first;
    assert.ok(typed.kind === "line" && typed.line.includes("pass sesame 192.168.1.1/24"));
    const next = editor.readLine({prompt: "> ", earlier: "ifconfig carp0 pass \\\n"});
    await type("sesame up\r");
    assert.deepEqual(await next, {kind: "line", line: "sesame up"});
    const pasted = editor.readPasted("end");
    await type('pass = "sesame"\rvhid = 1\rend\r');
    assert.equal(await pasted, 'pass = "sesame"\nvhid = 1\n');
    assert.match(shown(), /\*{6}.*vhid = 1/s);
    assert.doesNotMatch(shown(), /sesame|esame|sesam/);
    assert.deepEqual(editor.history(), []);
    editor.close();
});
