/** carpctl's words: dispatch, prefixes, and what is said about wrong input. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {
    cliTable,
    helpLines,
    helpText,
    parseCarpctlArguments,
    resolve,
} from "../../src/core/cli-table.ts";

function words(line: string): string[] {
    return line === "" ? [] : line.split(" ");
}

function command(line: string): string {
    const result = resolve(cliTable, words(line));
    assert.ok(result.ok, result.ok ? "" : result.message);
    return [result.command.action, ...result.command.arguments].join(" ");
}

function complaint(line: string): string {
    const result = resolve(cliTable, words(line));
    assert.ok(!result.ok, `${line} was accepted`);
    return result.message;
}

test("whole words, unique prefixes and names", () => {
    assert.equal(command("show carp"), "show-carp");
    assert.equal(command("sh ca"), "show-carp");
    assert.equal(command("s c carp7"), "show-carp carp7");
    assert.equal(command("show i"), "show-interfaces");
    assert.equal(command("r"), "reload");
    assert.equal(command("carp0 down"), "down carp0");
    assert.equal(command("carp0 m"), "master carp0");
    assert.equal(command("lan up"), "up lan");
    // A name that is a prefix of a keyword is still a name where the keyword makes no sense.
    assert.equal(command("re down"), "down re");
});

test("every line of the help is a command", () => {
    const lines = helpLines(cliTable);
    assert.ok(lines.length >= 12);
    for (const line of lines) assert.ok(resolve(cliTable, words(line.words)).ok, line.words);
    for (const line of lines)
        assert.ok(helpText(cliTable).includes(`  ${line.words} `), line.words);
});

test("wrong words are named, with a proposal", () => {
    assert.equal(complaint("shwo carp"), 'unknown word "shwo"; did you mean show?');
    assert.equal(complaint("show crap"), 'unknown word "crap"; did you mean carp?');
    assert.equal(complaint("carp0 dwon"), 'unknown word "dwon"; did you mean down?');
    assert.match(complaint("show zebra"), /expected one of carp, interfaces, statistics/);
    assert.equal(complaint("carp0"), '"carp0" needs one of up, down, master, backup');
    assert.match(complaint(""), /^a command line needs one of show, reload, watch, NAME$/);
    assert.match(complaint("show"), /^"show" needs one of carp/);
    assert.equal(complaint("reload now"), '"reload" takes no further word, not "now"');
    assert.equal(complaint("show carp a b"), '"show carp a" takes no further word, not "b"');
    assert.match(complaint(`show ${"x".repeat(5000)}`), /unknown word/);
});

test("options", () => {
    assert.deepEqual(parseCarpctlArguments(["show", "--json", "carp", "--run-dir", "/r"]), {
        runDir: "/r",
        json: true,
        help: false,
        version: false,
        words: ["show", "carp"],
    });
    const equals = parseCarpctlArguments(["--run-dir=/x", "--", "--json"]);
    assert.ok(typeof equals !== "string");
    assert.deepEqual([equals.runDir, equals.words, equals.json], ["/x", ["--json"], false]);
    assert.equal(parseCarpctlArguments(["--jsno"]), "unknown option --jsno; did you mean --json?");
    assert.equal(parseCarpctlArguments(["--run-dir"]), "--run-dir needs a directory");
    assert.equal(parseCarpctlArguments(["--run-dir="]), "--run-dir needs a directory");
});
