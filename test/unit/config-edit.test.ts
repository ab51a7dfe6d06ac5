/** Edits of carpd.toml: where lines are put, what goes with what, what is refused. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {applyEdits} from "../../src/core/config-edit.ts";
import {blockNames} from "../../src/core/config-meaning.ts";
import type {Edit} from "../../src/core/edit.ts";

function edited(text: string, ...edits: Edit[]): string {
    const result = applyEdits(text, edits);
    assert.ok(result.ok, result.ok ? "" : `${result.error.message}; ${result.error.expected}`);
    return result.value;
}

function refused(text: string, ...edits: Edit[]): string {
    const result = applyEdits(text, edits);
    assert.ok(!result.ok, result.ok ? result.value : "");
    assert.notEqual(result.error.expected, "");
    return `${result.error.message}; ${result.error.expected}`;
}

const set = (path: string, value: string | number | boolean | readonly string[]): Edit => ({
    op: "set",
    path: path.split(" "),
    value,
});
const remove = (path: string): Edit => ({op: "delete", path: path.split(" ")});
const add = (path: string, value: string): Edit => ({op: "add", path: path.split(" "), value});
const drop = (path: string, value: string): Edit => ({op: "drop", path: path.split(" "), value});
const comment = (path: string, text: string): Edit => ({
    op: "comment",
    path: path.split(" "),
    text,
});

const file = `# Router A.

[options]
preempt = true # all or nothing

# LAN gateway
[[carp]]
carpdev = "eth1"
vhid = 1 # the first
pass = "mekmitasdigoat"
addresses = [
    "192.168.1.1/24", # gateway
    # the second one
    "2001:DB8::1/64"
]
# end of LAN

# WAN
[[carp]]
  carpdev = 'eth2'
  vhid = 0x2

# the uplink
[[track]]
name = "uplink"
ping = "192.0.2.1"
`;

test("a value changes in its place", () => {
    assert.equal(edited(file, set("carp carp0 vhid", 5)), file.replace("vhid = 1 #", "vhid = 5 #"));
    assert.equal(edited(file, set("carp carp1 carpdev", "eth9")), file.replace("'eth2'", "'eth9'"));
    assert.equal(
        edited(file, set("options preempt", false)),
        file.replace("preempt = true", "preempt = false"),
    );
});

test("a new key stands below the last one of its block, not below the next comment", () => {
    assert.equal(
        edited(file, set("carp carp1 advskew", 100)),
        file.replace("vhid = 0x2\n", "vhid = 0x2\n  advskew = 100\n"),
    );
    assert.equal(
        edited(file, set("carp carp0 profile", "openbsd")),
        file.replace("]\n# end", ']\nprofile = "openbsd"\n# end'),
    );
    assert.equal(
        edited(file, set("options hook-timeout", "5s")),
        file.replace("nothing\n", 'nothing\nhook-timeout = "5s"\n'),
    );
});

test("elements keep their lines and comments", () => {
    assert.equal(
        edited(file, add("carp carp0 addresses", "192.168.1.2/24")),
        file.replace('1/64"\n', '1/64",\n    "192.168.1.2/24"\n'),
    );
    assert.equal(edited(file, add("carp carp0 addresses", "2001:db8:0::1/64")), file);
    const dropped = file.replace('    "192.168.1.1/24", # gateway\n', "");
    assert.equal(edited(file, drop("carp carp0 addresses", "192.168.1.1/24")), dropped);
    assert.equal(edited(file, drop("carp carp0 addresses", "192.168.1.1")), dropped);
    assert.equal(
        edited(file, drop("carp carp0 addresses", "2001:db8::1/64")),
        file.replace('    "2001:DB8::1/64"\n', ""),
    );
    assert.match(
        refused(file, drop("carp carp0 addresses", "192.168.1.3/24")),
        /"192\.168\.1\.3\/24" is not in carp carp0 addresses; did you mean 192\.168\.1\.1\/24\?/,
    );
    const moved = edited(file, set("carp carp0 addresses", ["2001:DB8::1/64", "192.168.1.1/24"]));
    assert.match(moved, /# gateway/);
    assert.match(moved, /# the second one/);
});

test("a new block is the last of its kind and has its name in writing", () => {
    const text = edited(file, set("carp lan3 carpdev", "eth3"), set("carp lan3 vhid", 3));
    assert.equal(
        text,
        file.replace(
            "vhid = 0x2\n",
            'vhid = 0x2\n\n[[carp]]\nname = "lan3"\ncarpdev = "eth3"\nvhid = 3\n',
        ),
    );
    assert.equal(
        edited("", set("carp carp0 vhid", 1), set("options preempt", true)),
        '[options]\npreempt = true\n\n[[carp]]\nname = "carp0"\nvhid = 1\n',
    );
    assert.equal(
        edited("# A\n", set("options preempt", true)),
        "# A\n\n[options]\npreempt = true\n",
    );
    assert.equal(edited("", set("track x name", "x")), '[[track]]\nname = "x"\n');
    assert.equal(
        edited("[[carp]]\nvhid = 1", set("carp b vhid", 2)),
        '[[carp]]\nvhid = 1\n\n[[carp]]\nname = "b"\nvhid = 2\n',
    );
});

test("the removal of a block renames no other", () => {
    const text = edited(file, remove("carp carp0"));
    assert.equal(
        text,
        `${file.slice(0, file.indexOf("# LAN"))}${file
            .slice(file.indexOf("# WAN"))
            .replace("[[carp]]\n", '[[carp]]\n  name = "carp1"\n')}`,
    );
    const four = "[[carp]]\nvhid = 1\n".repeat(4);
    const left = edited(four, remove("carp carp1"), remove("carp carp0"));
    assert.deepEqual(blockNames(left, "carp"), ["carp2", "carp3"]);
    const again = edited(left, set("carp carp0 vhid", 9), set("carp carp4 vhid", 10));
    assert.deepEqual(blockNames(again, "carp"), ["carp2", "carp3", "carp0", "carp4"]);
    assert.equal(edited("[[carp]]\nvhid = 1\n", remove("carp carp0")), "");
});

test("what stands apart from a block stays when it goes", () => {
    const text = edited(file, remove("track uplink"), remove("carp carp1"), remove("carp carp0"));
    assert.equal(text, "# Router A.\n\n[options]\npreempt = true # all or nothing\n");
    const head = "# Router B.\n[[carp]]\nvhid = 1\n\n# apart\n\n[[carp]]\nvhid = 2\n";
    const rest = edited(head, remove("carp carp0"));
    assert.match(rest, /# Router B\.[\s\S]*# apart\n/);
});

test("the comment of a removed key does not become that of the next block", () => {
    const text = "[[carp]]\nvhid = 1\n# slow\nadvskew = 1\n# B\n[[carp]]\nvhid = 2\n";
    const without = edited(text, remove("carp carp0 advskew"));
    assert.equal(without, text.replace("advskew = 1\n", "\n"));
    assert.equal(edited(without, remove("carp carp1")), "[[carp]]\nvhid = 1\n# slow\n");
});

test("rename and copy write the name", () => {
    const renamed = edited(file, {op: "rename", path: ["carp", "carp1"], to: "wan"});
    assert.equal(renamed, file.replace("# WAN\n[[carp]]\n", '# WAN\n[[carp]]\n  name = "wan"\n'));
    assert.deepEqual(blockNames(renamed, "carp"), ["carp0", "wan"]);
    const copied = edited(file, {op: "copy", path: ["carp", "carp0"], to: "lan2"});
    assert.match(
        copied,
        /vhid = 0x2\n\n\[\[carp\]\]\nname = "lan2"\ncarpdev = "eth1"\nvhid = 1\npass = "mekmitasdigoat"\naddresses = \["192\.168\.1\.1\/24", "2001:DB8::1\/64"\]\n\n# the uplink/,
    );
    assert.match(
        refused(file, {op: "rename", path: ["carp", "carp0"], to: "carp1"}),
        /there is a carp "carp1" already/,
    );
    assert.match(
        refused(file, {op: "copy", path: ["carp", "crap0"], to: "x"}),
        /there is no carp "crap0"; did you mean carp0\?/,
    );
});

test("our comments replace each other and never another", () => {
    const once = edited(file, comment("carp carp0", "office"), comment("carp carp1 vhid", "odd"));
    assert.equal(
        once,
        file
            .replace("# LAN gateway\n", "# LAN gateway\n#: office\n")
            .replace("  vhid = 0x2", "  #: odd\n  vhid = 0x2"),
    );
    assert.equal(
        edited(once, comment("carp carp0", "cellar")),
        once.replace("#: office", "#: cellar"),
    );
    assert.equal(edited(once, comment("carp carp0", ""), comment("carp carp1 vhid", "")), file);
    assert.equal(edited(once, remove("carp carp1 vhid")).includes("odd"), false);
    assert.match(refused(file, comment("carp carp0", "a\nb")), /control character/);
    assert.match(refused(file, comment("carp carp0 advskew", "x")), /advskew is not written there/);
    assert.match(
        refused("carp = [{vhid = 1}]\n", comment("carp carp0", "x")),
        /no line of its own/,
    );
});

test("all edits or none, in their order", () => {
    assert.match(
        refused(file, set("carp carp0 vhid", 7), remove("carp carp7")),
        /there is no carp "carp7"; did you mean carp0\?/,
    );
    assert.equal(edited(file, set("carp carp0 vhid", 7), set("carp carp0 vhid", 1)), file);
});

test("types and keys are checked, values are not", () => {
    assert.match(
        refused(file, set("carp carp0 advskw", 1)),
        /unknown key "advskw" in \[\[carp\]\]; did you mean advskew\?/,
    );
    assert.match(refused(file, set("option preempt", true)), /did you mean options\?/);
    assert.match(refused(file, set("carp carp0 vhid", "1")), /vhid must be an integer/);
    assert.match(refused(file, set("carp carp0 vhid", 1.5)), /vhid must be an integer/);
    assert.match(refused(file, set("options preempt", "true")), /preempt must be true or false/);
    assert.match(refused(file, set("carp carp0 addresses", "192.0.2.1/24")), /array of strings/);
    assert.match(refused(file, add("carp carp0 carpdev", "eth2")), /carpdev is not a list/);
    assert.match(refused(file, drop("carp carp0 vhid", "1")), /vhid is not a list/);
    assert.match(refused(file, set("carp carp0 pass", "\ud800")), /well-formed/);
    assert.match(refused(file, set("carp carp0", "x")), /a key is missing/);
    assert.match(refused(file, set("carp", "x")), /which carp is missing/);
    assert.match(refused(file, set("carp carp0 vhid 1", 1)), /deeper/);
    assert.match(refused(file, remove("carp carp0 peers")), /carp carp0 has no peers/);
    assert.match(refused(file, remove("options")), /a key is missing/);
    assert.match(refused(file, remove("track uplink name")), /without its name/);
    assert.match(refused(file, {op: "rename", path: ["options"], to: "x"}), /has no name/);
    assert.match(refused(file, {op: "rename", path: ["carp", "carp0"], to: ""}), /is no name/);
    // The schema says so when the file is read.
    assert.match(edited(file, set("carp carp0 vhid", 300)), /vhid = 300 # the first/);
    for (const message of [refused(file, set("carp carp0 pass", 5))]) {
        assert.ok(!message.includes("mekmitasdigoat"));
    }
});

test("carriage returns stay on every line", () => {
    const crlf = file.replaceAll("\n", "\r\n");
    const edits = [
        set("carp carp1 advskew", 100),
        add("carp carp0 addresses", "192.168.1.2/24"),
        set("carp lan3 vhid", 3),
        comment("carp carp1", "office"),
        remove("carp carp0 pass"),
        remove("track uplink"),
    ];
    assert.equal(edited(crlf, ...edits), edited(file, ...edits).replaceAll("\n", "\r\n"));
});

test("inline tables and dotted keys are edited as they are written", () => {
    const inline =
        'options.preempt = true\ncarp = [{carpdev = "eth1", vhid = 1, addresses = ["192.0.2.1/24"]}]\n';
    assert.equal(
        edited(
            inline,
            set("options arpbalance", true),
            set("carp carp0 vhid", 2),
            add("carp carp0 addresses", "192.0.2.2/24"),
            set("carp b vhid", 3),
        ),
        'options.preempt = true\noptions.arpbalance = true\ncarp = [{carpdev = "eth1", vhid = 2, addresses = ["192.0.2.1/24", "192.0.2.2/24"]}, {name = "b", vhid = 3}]\n',
    );
    const two = 'options = {preempt = true}\ncarp = [{vhid = 1, carpdev = "a"}, {vhid = 2}]\n';
    assert.deepEqual(blockNames(edited(two, remove("carp carp0")), "carp"), ["carp1"]);
    assert.equal(
        edited(two, set("options arpbalance", false), remove("carp carp0 vhid")),
        'options = {preempt = true, arpbalance = false}\ncarp = [{carpdev = "a"}, {vhid = 2}]\n',
    );
});

test("a text that is no configuration is refused with its place", () => {
    assert.match(
        refused("[options]\npreempt =\n", set("options preempt", true)),
        /^carpd\.toml:2:10: a value is missing/,
    );
    assert.match(
        refused("[carp]\nvhid = 1\n", set("carp carp0 vhid", 2)),
        /carp is not an array of tables/,
    );
    assert.match(refused("options = 5\n", set("options preempt", true)), /options is not a table/);
    assert.match(refused("carp = 5\n", set("carp a vhid", 2)), /carp is not an array/);
    const twice = '[[carp]]\nname = "a"\n\n[[carp]]\nname = "a"\n';
    assert.match(refused(twice, set("carp a vhid", 1)), /two \[\[carp\]\] blocks are called a/);
    for (const depth of [500, 2000, 8000, 30000]) {
        const nested = `a = ${"[".repeat(depth)}${"]".repeat(depth)}\n`;
        const result = applyEdits(nested, [set("options preempt", true)]);
        assert.ok(result.ok || /nested too deeply/.test(result.error.message));
        assert.ok(!result.ok || depth < 30000);
    }
});

test("a layout that cannot be edited is refused, never written wrong", () => {
    // The table below the block goes with it in TOML, but not with its lines.
    const nested = "[[carp]]\nvhid = 1\n\n[carp.extra]\na = 1\n\n[[carp]]\nvhid = 2\n";
    assert.match(refused(nested, remove("carp carp0")), /nothing was changed/);
    assert.match(
        refused("[[carp]]\nvhid.x = 1\n", set("carp carp0 vhid", 1)),
        /written as a table/,
    );
    const mixed = '[[carp]]\naddresses = [\r\n  "a", "b",\n  "c"]\n';
    assert.match(refused(mixed, drop("carp carp0 addresses", "b")), /line ends of both kinds/);
});
