/** The line editor on streams: editing, help, noise, a terminal that does not read. */
import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {PassThrough, Writable} from "node:stream";
import {test} from "node:test";
import {setImmediate as turn} from "node:timers/promises";
import type {Assist, Typed} from "../../src/app/shell/terminal.ts";
import {LineEditor, lineLimit} from "../../src/io/line-editor.ts";
import {Screen, waitingLimit} from "../../src/io/screen.ts";

interface Bench {
    readonly input: PassThrough;
    readonly editor: LineEditor;
    readonly shown: () => string;
    /** Types, and waits until it was taken. */
    readonly type: (text: string | Uint8Array) => Promise<void>;
}

function bench(): Bench {
    const input = new PassThrough();
    const output = new PassThrough();
    let text = "";
    output.on("data", (chunk: Buffer) => {
        text += chunk.toString();
    });
    const editor = new LineEditor({input, output});
    return {
        input,
        editor,
        shown: () => text,
        type: async (given) => {
            input.write(given);
            for (let i = 0; i < 4; i++) await turn();
        },
    };
}

function line(typed: Typed): string {
    assert.equal(typed.kind, "line");
    return typed.kind === "line" ? typed.line : "";
}

const assist = async (typed: string): Promise<Assist> => {
    const word = typed.split(" ").at(-1) ?? "";
    const all = ["carp", "configuration", "interfaces"].filter((one) => one.startsWith(word));
    return {
        list: all.map((token) => ({token, help: `help of ${token}`, word: true})),
        complete: false,
    };
};

test("a line is edited and entered", async () => {
    const {editor, type} = bench();
    const typed = editor.readLine({prompt: "> "});
    await type("shwo\u0002\u0002\u007f\u001b[C\u001b[Dx");
    await type("\u0001\u0005\u007f\u007f\u007f\u007fshow carp\r");
    // What readline makes of it is readline's; the line ends as it was typed last.
    assert.match(line(await typed), /show carp$/);
    const next = editor.readLine({prompt: "> "});
    await type("show\u0015sh log\u0017system\n");
    assert.equal(line(await next), "sh system");
    const arrow = editor.readLine({prompt: "> "});
    await type("\u001b[A\r");
    assert.equal(line(await arrow), "sh system");
    editor.close();
});

test("what is typed ahead waits for its prompt, in order", async () => {
    const {editor, type} = bench();
    const first = editor.readLine({prompt: "> "});
    await type("one\rtwo\rthree\rfo");
    assert.equal(line(await first), "one");
    assert.equal(line(await editor.readLine({prompt: "> "})), "two");
    assert.equal(line(await editor.readLine({prompt: "> "})), "three");
    const last = editor.readLine({prompt: "> "});
    await type("ur\r");
    assert.equal(line(await last), "four");
    editor.close();
});

test("? helps at any place, but not in quotes and not behind ^V", async () => {
    const {editor, type, shown} = bench();
    const typed = editor.readLine({prompt: "> ", assist});
    await type("show c?");
    assert.match(shown(), /\r\n.*carp +help of carp\r\n {2}configuration +help of conf/s);
    assert.match(shown(), /help of conf.*> show c[^ ]*$/s);
    await type('arp "why?" \u0016?\r');
    assert.equal(line(await typed), 'show carp "why?" ?');
    editor.close();
});

test("TAB completes what is unique and lists the rest", async () => {
    const {editor, type, shown} = bench();
    const typed = editor.readLine({prompt: "> ", assist});
    await type("show i\t");
    assert.match(shown(), /show interfaces $/);
    await type("\u0015show c\t");
    assert.ok(!shown().includes("help of carp"));
    await type("\t");
    assert.match(shown(), /help of carp\r\n/);
    await type("on\t x\r");
    assert.equal(line(await typed), "show configuration  x");
    editor.close();
});

test("^C drops the line also while an answer about it is on its way", async () => {
    const {editor, type} = bench();
    const answers: ((found: Assist) => void)[] = [];
    const slow = (): Promise<Assist> => new Promise((answer) => answers.push(answer));
    const typed = editor.readLine({prompt: "> ", assist: slow});
    await type("delete carp carp0 \t");
    await type("rubbish\u0003");
    assert.deepEqual(await typed, {kind: "interrupt"});
    const next = editor.readLine({prompt: "> ", assist: slow});
    await type("show \t");
    answers[0]?.({list: [{token: "LATE", help: "", word: true}], complete: false});
    await turn();
    await type("version\r");
    answers[1]?.({list: [], complete: false});
    assert.equal(line(await next), "show version");
    editor.close();
});

test("^C between two pages ends them", async () => {
    const {editor, type} = bench();
    await type("\u0003");
    assert.equal(await editor.readKey(), "\u0003");
    const next = editor.readLine({prompt: "> "});
    await type("show log\r");
    assert.equal(line(await next), "show log");
    await type("\u0003");
    const fresh = editor.readLine({prompt: "> "});
    const key = fresh.then(() => editor.readKey());
    await type("x\rq");
    assert.equal(await key, "q");
    editor.close();
});

test("what acts at once is not recalled by a key", async () => {
    const {editor, type} = bench();
    for (const acts of ["commit", "com confirmed 5", "reboot"]) {
        const done = editor.readLine({prompt: "> "});
        await type(`show carp\r`);
        assert.equal(line(await done), "show carp");
        const act = editor.readLine({prompt: "> "});
        await type(`${acts}\r`);
        assert.equal(line(await act), acts);
        const recalled = editor.readLine({prompt: "> "});
        await type("\u001b[A\r");
        assert.equal(line(await recalled), "show carp");
    }
    editor.close();
});

test("^C, ^D and ^Z", async () => {
    const {editor, type, shown} = bench();
    const typed = editor.readLine({prompt: "> "});
    await type("half a line\u0003");
    assert.deepEqual(await typed, {kind: "interrupt"});
    assert.match(shown(), /half a line.*\^C\r\n$/s);
    const next = editor.readLine({prompt: "> "});
    await type("\u001a\u0004");
    assert.deepEqual(await next, {kind: "end"});
    const full = editor.readLine({prompt: "> "});
    await type("abc\u0004\u0001\u0004\r");
    assert.equal(line(await full), "bc");
    editor.close();
});

test("a message comes above the line that is typed", async () => {
    const {editor, type, shown} = bench();
    const typed = editor.readLine({prompt: "carp-a> "});
    await type("show ca");
    editor.notify("carp0: BACKUP -> MASTER\n");
    assert.match(shown(), /show ca.*MASTER\r\n.*carp-a> show ca/s);
    await type("rp\r");
    assert.equal(line(await typed), "show carp");
    // Nobody waits: it comes with the next prompt.
    editor.notify("later\n");
    assert.ok(!shown().includes("later"));
    const next = editor.readLine({prompt: "> "});
    assert.match(shown(), /later\r\n/);
    // A line of several rows survives too, with the cursor where it was.
    const long = "x".repeat(200);
    await type(`${long}\u0001`);
    editor.notify("again\n");
    await type("Y\r");
    assert.equal(line(await next), `Y${long}`);
    editor.close();
});

test("passwords are not shown and not remembered", async () => {
    const {editor, type, shown} = bench();
    const user = editor.readLine({prompt: "login: ", history: false});
    await type("admin\r");
    assert.equal(line(await user), "admin");
    const secret = editor.readLine({prompt: "password: ", echo: false});
    await type("correct horsx\u007fe?\r");
    assert.equal(line(await secret), "correct horse?");
    assert.ok(!shown().includes("correct") && !shown().includes("horse"));
    const edit = editor.readLine({prompt: "> "});
    await type("set carp carp0 pass mekmitasdigoat\r");
    assert.equal(line(await edit), "set carp carp0 pass mekmitasdigoat");
    const plain = editor.readLine({prompt: "> "});
    await type("show carp\r");
    await plain;
    assert.deepEqual(editor.history(), ["show carp"]);
    editor.close();
});

test("a line that is too long is not run, not even its beginning", async () => {
    const {editor, type, shown} = bench();
    const typed = editor.readLine({prompt: "> "});
    await type(`reboot ${"x".repeat(lineLimit)}`);
    await type(" tail\r");
    assert.match(shown(), /not run: a line has at most 1024 octets/);
    await type("show carp\r");
    assert.equal(line(await typed), "show carp");
    editor.close();
});

test("a pasted text ends with its word, with ^D, or is broken off", async () => {
    const {editor, type} = bench();
    const text = editor.readPasted("end");
    await type("[options]\r\n\tpreempt = true\r\n# why?\r\nend\r\n");
    assert.equal(await text, "[options]\n\tpreempt = true\n# why?\n");
    const cut = editor.readPasted("end");
    await type("a\rb\u0004");
    assert.equal(await cut, "a\nb\n");
    const broken = editor.readPasted("end");
    await type("a\r\u0003");
    assert.equal(await broken, null);
    const huge = editor.readPasted("end");
    for (let i = 0; i < 40; i++) await type(`${"y".repeat(32_768)}\r`);
    await type("end\r");
    assert.equal(await huge, null);
    editor.close();
});

test("keys for the pager, one by one", async () => {
    const {editor, type} = bench();
    const first = editor.readKey();
    await type(" q\r");
    assert.equal(await first, " ");
    assert.equal(await editor.readKey(), "q");
    assert.equal(await editor.readKey(), "\r");
    editor.close();
});

test("the size is asked for, and 80x24 without an answer", async () => {
    const {editor, type, shown} = bench();
    const asked = editor.measure();
    assert.ok(shown().includes("\u001b[6n"));
    await type("\u001b[50;132R");
    await asked;
    assert.deepEqual([editor.columns, editor.rows], [132, 50]);
    const silent = bench();
    await silent.editor.measure();
    assert.deepEqual([silent.editor.columns, silent.editor.rows], [80, 24]);
    editor.close();
    silent.editor.close();
});

test("^C aborts what runs and forgets what was typed ahead", async () => {
    const {editor, type} = bench();
    const run = editor.during(
        (signal) =>
            new Promise<string>((resolve) => {
                signal.addEventListener("abort", () => resolve("aborted"));
            }),
    );
    await type("reboot\r\u0003");
    assert.equal(await run, "aborted");
    const next = editor.readLine({prompt: "> "});
    await type("show\r");
    assert.equal(line(await next), "show");
    editor.close();
});

test("when the terminal goes, everybody who waits is told", async () => {
    for (const what of ["line", "secret", "pasted", "key"] as const) {
        const {editor, input} = bench();
        const waits =
            what === "line"
                ? editor.readLine({prompt: "> "})
                : what === "secret"
                  ? editor.readLine({prompt: "> ", echo: false})
                  : what === "pasted"
                    ? editor.readPasted("end")
                    : editor.readKey();
        input.destroy();
        const gone = {line: {kind: "gone"}, secret: {kind: "gone"}, pasted: null, key: ""};
        assert.deepEqual(await waits, gone[what]);
        assert.deepEqual(await editor.readLine({prompt: "> "}), {kind: "gone"});
        await editor.print("nobody reads this\n");
        editor.close();
    }
});

/** Reads lines until the noise is over; gives what they were. */
async function readAll(editor: LineEditor): Promise<Typed[]> {
    const all: Typed[] = [];
    for (;;) {
        const typed = await editor.readLine({prompt: "> ", assist});
        all.push(typed);
        if (typed.kind === "gone" || (typed.kind === "line" && typed.line === "over")) return all;
    }
}

const settle = "\u0003~\r\u0003over\r";

test("a megabyte of noise leaves a shell that works", async () => {
    const {editor, type} = bench();
    const all = readAll(editor);
    for (let i = 0; i < 16; i++) await type(randomBytes(65_536));
    await type(settle);
    await type(settle);
    const typed = await all;
    assert.deepEqual(typed.at(-1), {kind: "line", line: "over"});
    for (const one of typed) {
        if (one.kind !== "line") continue;
        assert.ok(Buffer.byteLength(one.line) <= lineLimit);
        assert.doesNotMatch(one.line, /\p{Cc}/u);
    }
    editor.close();
});

test("every byte alone, and a megabyte without an end", async () => {
    const {editor, type} = bench();
    const all = readAll(editor);
    for (let byte = 0; byte < 256; byte++) await type(Uint8Array.of(byte));
    await type(settle);
    await all;
    const next = editor.readLine({prompt: "> "});
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 64; i++) await type("z".repeat(16_384));
    const grown = process.memoryUsage().heapUsed - before;
    assert.ok(grown < 32 * 1024 * 1024, `${grown}`);
    await type("\rshow\r");
    assert.equal(line(await next), "show");
    editor.close();
});

test("typing ahead is bounded, and no half of a line is run", async () => {
    const {editor, type} = bench();
    const busy = editor.readLine({prompt: "> "});
    await type("go\r");
    assert.equal(line(await busy), "go");
    // Nobody reads: 1 MiB of commands.
    for (let i = 0; i < 32; i++) await type("set carp carp0 advskew 100\r".repeat(1214));
    const seen: string[] = [];
    for (;;) {
        const next = editor.readLine({prompt: "> "});
        const typed = await Promise.race([next, turn(null)]);
        if (typed === null) break;
        seen.push(line(typed));
    }
    assert.ok(seen.length > 100 && seen.length < 4000, `${seen.length}`);
    assert.ok(seen.every((one) => one === "set carp carp0 advskew 100"));
    editor.close();
});

/** Takes nothing until told. */
class Stopped extends Writable {
    release: () => void = () => undefined;
    taken = 0;

    override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
        this.taken += chunk.length;
        this.release = () => {
            this.release = () => undefined;
            done();
        };
    }
}

test("a terminal that does not read: the text is cut off, messages are dropped and counted", async () => {
    const output = new Stopped();
    const editor = new LineEditor({input: new PassThrough(), output, stallMs: 200});
    await editor.print("row of a long table\n".repeat(50_000));
    assert.ok(output.writableLength <= waitingLimit + 8192, `${output.writableLength}`);
    for (let i = 0; i < 10_000; i++) editor.notify(`message ${i}\n`);
    assert.ok(output.writableLength <= waitingLimit + 8192, `${output.writableLength}`);
    editor.close();
});

test("a slow terminal gets everything", async () => {
    const output = new Stopped();
    let text = 0;
    const timer = setInterval(() => {
        text = output.taken;
        output.release();
    }, 1);
    const screen = new Screen(output, 2000);
    const whole = "0123456789abcde\n".repeat(20_000);
    await screen.print(whole);
    while (output.writableLength > 0) await turn();
    clearInterval(timer);
    // Each line feed became two octets.
    assert.equal(output.taken, whole.length + 20_000);
    assert.ok(text > 0);
});
