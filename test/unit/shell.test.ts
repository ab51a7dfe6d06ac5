/** The pure parts of the shell: lines, filters, keys, pages, completion, history. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {resolve, tableFor} from "../../src/core/cli-resolve.ts";
import {cliTable} from "../../src/core/cli-table.ts";
import {choicesFor, choicesText, commonPrefix} from "../../src/core/shell/complete.ts";
import {configurationTable} from "../../src/core/shell/configuration-table.ts";
import {parseConsoleArguments} from "../../src/core/shell/console-options.ts";
import {
    historyFileName,
    historyText,
    mayHoldSecret,
    mostHistory,
    readHistory,
} from "../../src/core/shell/history.ts";
import {type Key, KeyReader} from "../../src/core/shell/keys.ts";
import {applyFilters, openQuote, readLine, splitPipes} from "../../src/core/shell/line.ts";
import {Pager, pagerKey, rowsOf} from "../../src/core/shell/pager.ts";
import {contextText, crlf, promptText} from "../../src/core/shell/prompt.ts";

const shellTable = tableFor(cliTable, "shell");

function filtered(line: string, text: string): string {
    const read = readLine(line);
    assert.ok(read.ok, read.ok ? "" : read.error);
    return applyFilters(text, read.value.filters);
}

function refusal(line: string): string {
    const read = readLine(line);
    assert.ok(!read.ok, `${line} was taken`);
    return read.error;
}

test("filters behind a command", () => {
    const text = "carp0 MASTER\ncarp1 BACKUP\n\nlast\n";
    assert.equal(filtered("show carp | match master", text), "carp0 MASTER\n");
    assert.equal(filtered("show carp | m ^carp | cou", text), "2 lines\n");
    assert.equal(filtered("show carp | except carp", text), "\nlast\n");
    assert.equal(filtered("show carp | count", "one\n"), "1 line\n");
    assert.equal(filtered("show carp | count", ""), "0 lines\n");
    assert.equal(filtered("show carp | match 'carp0|last'", text), "carp0 MASTER\nlast\n");
    assert.equal(filtered("show carp | no-more", text), text);
    assert.equal(filtered("x | match nothing", text), "");
    assert.match(refusal("show carp | match"), /needs a regular expression/);
    assert.match(refusal("show carp | match ["), /is no regular expression/);
    assert.match(refusal("show carp | frob"), /unknown \| frob; one of match, except, count/);
    assert.match(refusal("show |"), /needs one of/);
    assert.match(refusal("show | count 3"), /takes no further word/);
    assert.match(refusal('set carp "a'), /a quote has no end/);
    assert.match(refusal("show | compare x"), /a number of the history/);
});

test("a bar inside quotes is not a filter", () => {
    assert.deepEqual(splitPipes(`comment carp carp0 "a | b" | count`), [
        `comment carp carp0 "a | b" `,
        " count",
    ]);
    const read = readLine(`set carp carp0 pass 'x|y'`);
    assert.ok(read.ok && read.value.filters.length === 0);
    assert.deepEqual(read.value.words, ["set", "carp", "carp0", "pass", "x|y"]);
    assert.equal(openQuote(`a "b \\" c`), '"');
    assert.equal(openQuote(`a 'b' "c"`), "");
});

test("no expression of an operator takes long", () => {
    const hard = ["(a+)+$", "(a|a)*$", "((a*)*)*$", "a*a*a*a*a*a*a*a*$", "(a{1,50}){1,50}$"];
    for (const expression of hard) {
        const began = performance.now();
        filtered(`show log | match "${expression}"`, `${"a".repeat(2000)}b\n`);
        assert.ok(performance.now() - began < 500, expression);
    }
});

test("any line is read or refused with a sentence, and the text before the bar is kept", () => {
    fc.assert(
        fc.property(fc.string({maxLength: 80, unit: "binary"}), (line) => {
            const read = readLine(line);
            if (!read.ok) return read.error.length > 0;
            return line.includes(read.value.text);
        }),
        {numRuns: 2000},
    );
});

// ---- keys ----

function keysOf(...chunks: (string | number[])[]): Key[] {
    const reader = new KeyReader();
    return chunks.flatMap((chunk) =>
        reader.feed(typeof chunk === "string" ? Buffer.from(chunk) : Uint8Array.from(chunk)),
    );
}

const text = (value: string, literal = false): Key => ({kind: "text", text: value, literal});

test("bytes become keys", () => {
    assert.deepEqual(keysOf("sh ca\r\n"), [text("sh ca"), {kind: "enter"}]);
    assert.deepEqual(keysOf("a\nb\r"), [text("a"), {kind: "enter"}, text("b"), {kind: "enter"}]);
    assert.deepEqual(keysOf("\r", "\n"), [{kind: "enter"}]);
    assert.deepEqual(keysOf("\r\r"), [{kind: "enter"}, {kind: "enter"}]);
    assert.deepEqual(keysOf([0x03, 0x04, 0x15, 0x0c, 0x09, 0x7f, 0x08]), [
        {kind: "interrupt"},
        {kind: "end"},
        {kind: "clear-line"},
        {kind: "clear-screen"},
        {kind: "tab"},
        {kind: "backspace"},
        {kind: "backspace"},
    ]);
    assert.deepEqual(keysOf("\u001b[A", "\u001b", "[", "B", "\u001bOC"), [
        {kind: "edit", sequence: "\u001b[A"},
        {kind: "edit", sequence: "\u001b[B"},
        {kind: "edit", sequence: "\u001b[C"},
    ]);
    assert.deepEqual(keysOf("\u001b[24;80R"), [{kind: "position", row: 24, column: 80}]);
    assert.deepEqual(keysOf("\u0016?x"), [text("?", true), text("x")]);
    assert.deepEqual(keysOf("\u0016\u0003a"), [{kind: "interrupt"}, text("a")]);
});

test("what is no character and no editing key is dropped", () => {
    // NUL of a break, ^Z, ^S, ^Q, ^\, unknown sequences, a window title.
    assert.deepEqual(keysOf([0x00, 0x1a, 0x13, 0x11, 0x1c, 0x1d, 0x1e, 0x1f]), []);
    assert.deepEqual(keysOf("\u001b[?1;2c", "\u001b[200~", "\u001bx"), [
        {kind: "edit", sequence: "\u001b[200~"},
    ]);
    // Overlong, surrogate, above U+10FFFF, a lone continuation, a cut character, C1, bidi.
    assert.deepEqual(keysOf([0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80]), []);
    assert.deepEqual(keysOf([0x80, 0xff, 0xfe]), []);
    assert.deepEqual(keysOf([0xe2, 0x82, 0x61]), [text("a")]);
    assert.deepEqual(keysOf("\u0085\u202e"), []);
    assert.deepEqual(keysOf([0xe2], [0x82], [0xac]), [text("\u20ac")]);
    assert.deepEqual(keysOf("Br\u00fccke \u{1f600}"), [text("Br\u00fccke \u{1f600}")]);
});

test("text through keys is the same text, however it is cut", () => {
    const printable = fc.string({unit: "grapheme-ascii", maxLength: 50});
    fc.assert(
        fc.property(printable, fc.array(fc.nat(60), {maxLength: 5}), (line, cuts) => {
            const reader = new KeyReader();
            const bytes = Buffer.from(`${line}\u00e9\u20ac\u{1f600}`);
            const places = [0, ...cuts.filter((n) => n < bytes.length).sort((a, b) => a - b)];
            const got = places
                .flatMap((from, i) => reader.feed(bytes.subarray(from, places[i + 1])))
                .map((key) => (key.kind === "text" ? key.text : "?"));
            assert.equal(got.join(""), `${line}\u00e9\u20ac\u{1f600}`);
        }),
        {numRuns: 500},
    );
});

test("any bytes give only printable text and known keys", () => {
    fc.assert(
        fc.property(fc.array(fc.uint8Array({maxLength: 64}), {maxLength: 8}), (chunks) => {
            const reader = new KeyReader();
            for (const key of chunks.flatMap((chunk) => reader.feed(chunk))) {
                if (key.kind === "text") assert.doesNotMatch(key.text, /[\p{Cc}\p{Cs}]/u);
                if (key.kind === "edit") assert.ok(key.sequence.length <= 20);
            }
            // Whatever came before, two Enters later a line is a line.
            reader.feed(Buffer.from("~\r\r"));
            assert.deepEqual(reader.feed(Buffer.from("ok")), [text("ok")]);
        }),
        {numRuns: 2000},
    );
});

// ---- pages ----

test("pages of a text", () => {
    const lines = Array.from({length: 30}, (_, i) => `line ${i}\n`).join("");
    const pager = new Pager(lines, 10, 80);
    assert.equal(pager.advance("page").split("\n").length - 1, 9);
    assert.equal(pager.advance("row"), "line 9\n");
    assert.equal(pager.advance("page").split("\n").length - 1, 9);
    assert.equal(pager.done, false);
    assert.match(pager.advance("all"), /^line 19\n[\s\S]*line 29\n$/);
    assert.equal(pager.done, true);
    const quit = new Pager(lines, 10, 80);
    quit.advance("page");
    assert.equal(quit.advance("quit"), "");
    assert.equal(quit.done, true);
    assert.equal(new Pager(lines, 0, 80).advance("page"), lines);
    assert.equal(pagerKey(" "), "page");
    assert.equal(pagerKey("\r"), "row");
    assert.equal(pagerKey("q"), "quit");
    assert.equal(pagerKey("x"), null);
});

test("long rows count as several, colours as nothing", () => {
    assert.equal(rowsOf("", 80), 1);
    assert.equal(rowsOf("a".repeat(80), 80), 1);
    assert.equal(rowsOf("a".repeat(81), 80), 2);
    assert.equal(rowsOf(`\u001b[32m${"a".repeat(80)}\u001b[39m`, 80), 1);
    assert.equal(rowsOf("\ta", 8), 2);
    const pager = new Pager(`${"x".repeat(400)}\nshort\n`, 4, 80);
    // One line that is longer than a page is shown whole.
    assert.equal(pager.advance("page"), `${"x".repeat(400)}\n`);
    assert.equal(pager.advance("page"), "short\n");
});

test("every text comes out of the pager whole, whatever the size of the terminal", () => {
    fc.assert(
        fc.property(
            fc.array(fc.string({maxLength: 200}), {maxLength: 40}),
            fc.integer({min: 0, max: 30}),
            fc.integer({min: 1, max: 100}),
            fc.array(fc.constantFrom("page", "row"), {maxLength: 5}),
            (lines, rows, columns, keys) => {
                const whole = lines.map((line) => `${line.replaceAll("\n", " ")}\n`).join("");
                const pager = new Pager(whole, rows, columns);
                let shown = pager.advance("page");
                for (const key of keys) shown += pager.advance(key === "row" ? "row" : "page");
                shown += pager.advance("all");
                assert.equal(shown, whole);
                assert.equal(pager.done, true);
            },
        ),
    );
});

// ---- completion ----

function tokens(line: string, table = shellTable): string {
    return choicesFor(table, line.split(" "))
        .list.map(({token}) => token)
        .join(" ");
}

test("what may come next, for shortened words too", () => {
    assert.equal(tokens("sh"), "show NAME");
    assert.equal(tokens("show de"), "demotion");
    assert.equal(tokens("sh conf "), "commands toml for-peer secrets");
    assert.equal(tokens("show configuration for-peer o"), "openbsd");
    assert.equal(tokens("demote "), "N REASON");
    assert.equal(tokens("demote 10 "), "group");
    assert.equal(tokens("carp0 "), "up down master backup");
    assert.equal(tokens("terminal length "), "N");
    assert.equal(tokens("show carp carp0 x"), "");
    assert.equal(tokens("nonsense words here "), "");
    assert.equal(tokens("com", configurationTable), "comment compare commit");
    assert.equal(tokens("load import k", configurationTable), "keepalived");
    assert.deepEqual(choicesFor(shellTable, ["show", "carp", ""]).names, ["carp"]);
    assert.equal(choicesFor(shellTable, ["show", "carp", ""]).complete, true);
    assert.equal(choicesFor(shellTable, ["balance", ""]).complete, false);
    assert.deepEqual(choicesFor(configurationTable, ["set", "carp", ""]).names, ["edit-path"]);
    assert.match(choicesText(choicesFor(shellTable, ["m"]).list, true), /^ {2}maintenance .*\n/);
    assert.equal(commonPrefix(["comment", "commit"]), "comm");
    assert.equal(commonPrefix([]), "");
});

test("each keyword that is offered is taken", () => {
    for (const table of [shellTable, configurationTable]) {
        const visit = (words: readonly string[], depth: number): void => {
            const {list} = choicesFor(table, [...words, ""]);
            for (const {token, word} of list) {
                if (!word) continue;
                const line = [...words, token];
                const read = resolve(table, line);
                // More words may be needed; the word itself is never what is wrong.
                assert.ok(read.ok || read.depth >= line.length, line.join(" "));
                if (depth < 4) visit(line, depth + 1);
            }
        };
        visit([], 0);
    }
});

// ---- the rest ----

test("lines with passwords are not remembered", () => {
    for (const line of [
        "set carp carp0 pass mekmitasdigoat",
        "ifconfig carp0 vhid 1 PASS x 192.168.1.1/24",
        "set options password y",
        "ucarp -p secret",
    ]) {
        assert.equal(mayHoldSecret(line), true, line);
    }
    assert.equal(mayHoldSecret("show carp carp0"), false);
    assert.equal(
        historyText(["show log", "set carp carp0 pass x", "show carp"]),
        "show carp\nshow log\n",
    );
    assert.deepEqual(readHistory("show carp\nset x pass y\nshow log\n\u001b[2J\n"), [
        "show log",
        "show carp",
    ]);
    const many = Array.from({length: 1000}, (_, i) => `show log ${i}`);
    assert.equal(readHistory(historyText(many)).length, mostHistory);
    assert.deepEqual(readHistory(historyText(many)).slice(0, 2), ["show log 0", "show log 1"]);
    assert.equal(historyFileName("admin"), "history-admin");
    for (const bad of ["../etc/passwd", "", "a/b", "Root", "a".repeat(40)]) {
        assert.equal(historyFileName(bad), null, bad);
    }
});

test("prompts", () => {
    assert.equal(promptText("carp-a.example.net", false), "carp-a> ");
    assert.equal(promptText("carp-a", true), "carp-a# ");
    assert.equal(promptText("\u001b[2J", false), "2J> ");
    assert.equal(promptText("", false), "router> ");
    assert.equal(contextText(["carp", "carp0"]), "[edit carp carp0]");
    assert.equal(contextText([]), "[edit]");
    assert.equal(crlf("a\nb\r\nc"), "a\r\nb\r\nc");
});

test("carp-console's arguments", () => {
    const defaults = {runDir: "/run/carpd", history: ""};
    const parse = (...args: string[]) => parseConsoleArguments(args, [9600, 115_200], defaults);
    const read = parse("--port", "/dev/ttyS0", "--baud=9600", "--history", "/h");
    assert.deepEqual(read, {
        ok: true,
        value: {
            kind: "run",
            options: {port: "/dev/ttyS0", baudRate: 9600, runDir: "/run/carpd", history: "/h"},
        },
    });
    assert.ok(parse("--stdin").ok);
    for (const bad of [[], ["--stdin", "--port", "x"], ["--port", "x", "--baud", "12345"], ["x"]]) {
        assert.ok(!parse(...bad).ok, bad.join(" "));
    }
});
