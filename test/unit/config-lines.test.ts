/** Configuration as `set` lines, lines as edits, and what may come next in one. */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import fc from "fast-check";
import {type Completion, completions, currentValue} from "../../src/core/config-complete.ts";
import {applyEdits} from "../../src/core/config-edit.ts";
import {keysOf, sectionKinds} from "../../src/core/config-keys.ts";
import {parseLine, quoteWord, splitWords, toLines} from "../../src/core/config-lines.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {printConfig} from "../../src/core/config-print.ts";
import type {Edit} from "../../src/core/edit.ts";

const file = `[options]
preempt = true
boot-command = ["/bin/check", "-x", "two words"]
link-up-delay = 30

[[carp]]
carpdev = "eth1"
#: number one
vhid = 0x1
pass = "mekmitas digoat"
addresses = ["192.168.1.1/24", "2001:db8::1/64"]

#: WAN "side"
[[carp]]
name = "wan"
carpdev = "eth2"
vhid = 2
enabled = false

[[track]]
name = "gw"
ping = "192.168.1.254"
interval = "500ms"
`;

const lines = [
    "set options preempt true",
    "set options link-up-delay 30",
    'set options boot-command /bin/check -x "two words"',
    "set carp carp0 carpdev eth1",
    "set carp carp0 vhid 1",
    'set carp carp0 pass "mekmitas digoat"',
    "set carp carp0 addresses 192.168.1.1/24",
    "set carp carp0 addresses 2001:db8::1/64",
    'comment carp carp0 vhid "number one"',
    "set carp wan carpdev eth2",
    "set carp wan vhid 2",
    "set carp wan enabled false",
    'comment carp wan "WAN \\"side\\""',
    "set track gw ping 192.168.1.254",
    "set track gw interval 500ms",
];

/** What the lines make of an empty file. */
function replay(list: readonly string[], context: readonly string[] = []): string {
    const edits: Edit[] = [];
    for (const line of list) {
        const words = splitWords(line);
        assert.ok(words !== undefined, line);
        const parsed = parseLine(words, context);
        assert.ok(parsed.ok, parsed.ok ? "" : `${line}: ${parsed.error.message}`);
        edits.push(...parsed.value);
    }
    const made = applyEdits("", edits);
    assert.ok(made.ok, made.ok ? "" : `${made.error.message}\n${list.join("\n")}`);
    return made.value;
}

function linesOf(text: string): string[] {
    const result = toLines(text, {secrets: true});
    assert.ok(result.ok, result.ok ? "" : result.error.message);
    return result.value;
}

/** Everything that a configuration means; undefined for one that is wrong. */
function meaning(text: string): string | undefined {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    return parsed.ok ? printConfig(parsed.value.config, {secrets: true}) : undefined;
}

test("a file as lines, and the lines as a file", () => {
    assert.deepEqual(linesOf(file), lines);
    const again = replay(lines);
    assert.notEqual(meaning(file), undefined);
    assert.equal(meaning(again), meaning(file));
    assert.deepEqual(linesOf(again), lines);
});

test("passwords are left out unless they are asked for", () => {
    const shown = toLines(file);
    assert.ok(shown.ok);
    assert.ok(!shown.value.join("\n").includes("mekmitas"));
    assert.ok(shown.value.includes("# set carp carp0 pass is not shown"));
    const without = shown.value.filter((line) => !line.startsWith("#"));
    assert.ok(!replay(without).includes("pass"));
});

test("every valid file of the configuration tests comes back with its meaning", () => {
    const folder = join(import.meta.dirname, "../../../test/unit/config-vectors");
    let valid = 0;
    for (const name of readdirSync(folder).filter((entry) => entry.endsWith(".toml"))) {
        const text = readFileSync(join(folder, name), "utf8");
        const before = meaning(text);
        if (before === undefined) continue;
        assert.equal(meaning(replay(linesOf(text))), before, name);
        valid += 1;
    }
    assert.ok(valid >= 5, `${valid} valid files`);
});

const text = fc.string({unit: "binary", maxLength: 12}).filter((s) => !/\p{Cs}/u.test(s));
const names = fc.uniqueArray(
    text.filter((name) => name !== "" && !/\p{Cc}/u.test(name)),
    {maxLength: 4},
);
const list = fc.uniqueArray(text, {maxLength: 4});
const carp = fc.record(
    {
        carpdev: text,
        vhid: fc.integer({min: -5, max: 300}),
        pass: text,
        addresses: list,
        enabled: fc.boolean(),
        mac: fc.constantFrom("virtual", "physical"),
    },
    {requiredKeys: []},
);
const track = fc.record(
    {
        command: fc.array(text, {maxLength: 4}),
        interval: fc.oneof(fc.constantFrom("5s", "1h"), fc.integer({min: 0, max: 99})),
        group: text,
    },
    {requiredKeys: []},
);

test("any values make lines that make the same values", () => {
    const blocks = fc.tuple(
        names,
        fc.array(carp, {minLength: 4, maxLength: 4}),
        names,
        fc.array(track, {minLength: 4, maxLength: 4}),
    );
    fc.assert(
        fc.property(blocks, ([carpNames, carps, trackNames, tracks]) => {
            const edits: Edit[] = [];
            const say = (kind: string, name: string, values: object): void => {
                edits.push({op: "set", path: [kind, name, "name"], value: name});
                for (const [key, value] of Object.entries(values)) {
                    // An empty list is not written as a line: it is what there is without it.
                    if (!Array.isArray(value) || value.length > 0) {
                        edits.push({op: "set", path: [kind, name, key], value});
                    }
                }
            };
            carpNames.forEach((name, i) => {
                say("carp", name, carps[i] ?? {});
            });
            trackNames.forEach((name, i) => {
                say("track", name, tracks[i] ?? {});
            });
            const made = applyEdits("", edits);
            assert.ok(made.ok, made.ok ? "" : made.error.message);
            const first = linesOf(made.value);
            for (const line of first) assert.ok(!/[\n\r?\t]/.test(line), line);
            assert.deepEqual(linesOf(replay(first)), first);
        }),
        {numRuns: 200},
    );
});

test("words are quoted so that they are read back", () => {
    fc.assert(
        fc.property(fc.array(text, {maxLength: 5}), (words) => {
            assert.deepEqual(splitWords(words.map(quoteWord).join("  ")), words);
        }),
    );
    assert.deepEqual(splitWords(`a 'b "c' "d\\u0041\\\\" ""`), ["a", 'b "c', "dA\\", ""]);
    for (const bad of ['"a', "'a", 'a"b"', '"a"b', '"\\x"', '"\\u12"']) {
        assert.equal(splitWords(bad), undefined, bad);
    }
});

test("only what can be said in lines is said", () => {
    const refused = (bad: string): string => {
        const result = toLines(bad);
        assert.ok(!result.ok);
        return result.error.message;
    };
    assert.match(refused("[options]\nprempt = true\n"), /unknown key "prempt"/);
    assert.match(refused('[[carp]]\nvhid = "1"\n'), /carp carp0: vhid must be an integer/);
    assert.match(refused('[options]\nboot-delay = "30"\n'), /boot-delay must be a duration/);
    assert.match(refused("[[track]]\nrise = 1\n"), /no name/);
    assert.match(refused("[[carp]\n"), /^carpd\.toml:1:/);
    assert.match(refused("[extra]\n"), /no part of the configuration/);
});

test("lines become edits, with the context of `edit`", () => {
    const edits = (line: string, context: readonly string[] = []): Edit[] => {
        const parsed = parseLine(splitWords(line) ?? [], context);
        assert.ok(parsed.ok, parsed.ok ? "" : parsed.error.message);
        return parsed.value;
    };
    const lan = ["carp", "lan"];
    assert.deepEqual(edits("set carp lan vhid 1"), [{op: "set", path: [...lan, "vhid"], value: 1}]);
    assert.deepEqual(edits("set vhid 1", lan), edits("set carp lan vhid 1"));
    assert.deepEqual(edits("set preempt true", ["options"]), [
        {op: "set", path: ["options", "preempt"], value: true},
    ]);
    assert.deepEqual(edits("set addresses a b", lan), [
        {op: "add", path: [...lan, "addresses"], value: "a"},
        {op: "add", path: [...lan, "addresses"], value: "b"},
    ]);
    assert.deepEqual(edits("set options boot-command /a -x -x"), [
        {op: "set", path: ["options", "boot-command"], value: ["/a", "-x", "-x"]},
    ]);
    assert.deepEqual(edits("set carp lan"), [{op: "set", path: [...lan, "name"], value: "lan"}]);
    assert.deepEqual(edits("set carp lan xparam 5"), [
        {op: "set", path: [...lan, "xparam"], value: "5"},
    ]);
    assert.deepEqual(edits("delete", lan), [{op: "delete", path: lan}]);
    assert.deepEqual(edits("delete vhid", lan), [{op: "delete", path: [...lan, "vhid"]}]);
    assert.deepEqual(edits("delete addresses a", lan), [
        {op: "drop", path: [...lan, "addresses"], value: "a"},
    ]);
    for (const line of ["rename carp lan to wan", "rename carp lan wan"]) {
        assert.deepEqual(edits(line), [{op: "rename", path: lan, to: "wan"}]);
    }
    assert.deepEqual(edits("copy lan to to", ["carp"]), [{op: "copy", path: lan, to: "to"}]);
    assert.deepEqual(edits('comment carp lan "a b"'), [{op: "comment", path: lan, text: "a b"}]);
    assert.deepEqual(edits("comment carp lan vhid a b"), [
        {op: "comment", path: [...lan, "vhid"], text: "a b"},
    ]);
    assert.deepEqual(edits('comment preempt ""', ["options"]), [
        {op: "comment", path: ["options", "preempt"], text: ""},
    ]);
});

test("a wrong line names its wrong word", () => {
    const wrong = (line: string, context: readonly string[] = []): string => {
        const parsed = parseLine(splitWords(line) ?? [], context);
        assert.ok(!parsed.ok, line);
        assert.notEqual(parsed.error.expected, "");
        return `${parsed.error.word} ${parsed.error.message}; ${parsed.error.expected}`;
    };
    assert.match(wrong("sett carp"), /^0 .*did you mean set\?/);
    assert.match(wrong("set"), /^1 set what\?; options, carp, track/);
    assert.match(wrong("set crap lan"), /^1 .*did you mean carp\?/);
    assert.match(wrong("set carp"), /^2 which carp is missing/);
    assert.match(wrong("set carp lan vhdi 1"), /^3 unknown key "vhdi".*did you mean vhid\?/);
    assert.match(wrong("set vhdi 1", ["carp", "lan"]), /^1 unknown key "vhdi"/);
    assert.match(wrong("set carp lan vhid"), /^4 vhid needs a value; an integer from 1 to 255/);
    assert.match(wrong("set carp lan vhid one"), /^4 vhid must be an integer/);
    assert.match(wrong("set carp lan vhid 01"), /^4 /);
    assert.match(wrong("set carp lan vhid 1 2"), /^5 vhid takes one value/);
    assert.match(wrong("set options preempt yes"), /^3 preempt must be true or false/);
    assert.match(wrong("set carp lan mac virtaul"), /^4 .*did you mean virtual\?/);
    assert.match(wrong("set options"), /^2 a key is missing/);
    assert.match(wrong("delete options"), /^2 a key is missing/);
    assert.match(wrong("delete carp lan vhid 1"), /^4 vhid is one value/);
    assert.match(wrong("rename carp lan to"), /^4 the new name is missing/);
    assert.match(wrong("rename options x"), /^1 options have no name/);
    assert.match(wrong("rename carp a to b c"), /^5 more words/);
    assert.match(wrong("comment carp lan"), /^3 the comment is missing/);
});

test("every key has its help, and values what they may be", () => {
    for (const section of sectionKinds) {
        for (const info of keysOf(section).values()) {
            assert.ok(info.help.length > 5 && info.help.length <= 80, info.key);
            assert.notEqual(info.expected, "");
        }
    }
    const reference = readFileSync(join(import.meta.dirname, "../../../REFERENCE.md"), "utf8");
    for (const section of sectionKinds) {
        for (const key of keysOf(section).keys())
            assert.match(reference, new RegExp(`\`${key}\\b`));
    }
});

test("what may come next", () => {
    const tokens = (line: string, context: readonly string[] = []): string =>
        completions(line.split(" "), context, file)
            .map(({token}: Completion) => token)
            .join(" ");
    assert.equal(tokens(""), "set delete edit rename copy comment");
    assert.equal(tokens("co"), "copy comment");
    assert.equal(tokens("set "), "options carp track system interface");
    assert.equal(tokens("rename "), "carp track interface");
    assert.equal(tokens("set carp "), "carp0 wan <name>");
    assert.equal(tokens("delete carp w"), "wan");
    assert.equal(tokens("set carp wan v"), "vhid");
    assert.equal(tokens("set v", ["carp", "wan"]), "vhid");
    assert.equal(tokens("set carp wan vhid "), "<value>");
    assert.equal(tokens("set carp wan vhid 1 "), "");
    assert.equal(tokens("set carp wan mac "), "virtual physical");
    assert.equal(tokens("set options preempt "), "true false");
    assert.equal(tokens("delete carp wan "), "carpdev vhid enabled");
    assert.equal(tokens("delete carp carp0 addresses "), "192.168.1.1/24 2001:db8::1/64");
    assert.equal(tokens("delete options "), "preempt link-up-delay boot-command");
    assert.equal(tokens("rename carp wan "), "to");
    assert.equal(tokens("rename carp wan to "), "<name>");
    assert.equal(tokens("comment carp wan "), "carpdev vhid enabled <text>");
    assert.equal(tokens("comment options preempt "), "<text>");
    assert.equal(tokens("edit carp wan "), "");
    assert.equal(tokens("set crap "), "");
    assert.deepEqual(completions(["set", "carp", "wan"], [], file), [
        {token: "wan", help: "vhid 2 on eth2"},
        {token: "<name>", help: "a new carp"},
    ]);
    assert.deepEqual(completions(["set", "carp", ""], [], "[[carp\n"), [
        {token: "<name>", help: "a new carp"},
    ]);
});

test("the value that is set is shown, a password is not", () => {
    assert.equal(currentValue(["carp", "carp0", "vhid"], file), "1");
    assert.equal(currentValue(["carp", "carp0", "pass"], file), "****");
    assert.equal(
        currentValue(["carp", "carp0", "addresses"], file),
        '["192.168.1.1/24", "2001:db8::1/64"]',
    );
    assert.equal(currentValue(["options", "preempt"], file), "true");
    assert.equal(currentValue(["carp", "wan", "pass"], file), "");
    assert.equal(currentValue(["carp", "none", "vhid"], file), "");
});
