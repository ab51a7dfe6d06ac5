/** Import: whole files of other programs, against what they are read as; guesses, maps, errors. */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {parseConfig} from "../../src/core/config-parse.ts";
import type {PassFile} from "../../src/core/config-password.ts";
import {printConfig} from "../../src/core/config-print.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {
    type Imported,
    type ImportKind,
    importConfiguration,
    importKinds,
    importKindWords,
} from "../../src/core/import/import.ts";
import {filesOf, fixtures, folders, outcome} from "./import-cases.ts";

const none: ReadonlyMap<string, string> = new Map();

function read(name: string, text: string, map = none, kind?: ImportKind): Imported {
    const imported = importConfiguration([{name, text}], kind ? {map, kind} : {map});
    assert.ok(imported.ok, imported.ok ? "" : formatDiagnostics(imported.error));
    return imported.value;
}

function errorOf(name: string, text: string, kind?: ImportKind): string {
    const imported = importConfiguration([{name, text}], kind ? {map: none, kind} : {map: none});
    assert.ok(!imported.ok, "an error was expected");
    return formatDiagnostics(imported.error);
}

/** The notes as one text. */
function said({notes}: Imported): string {
    return notes.map(({file, line, text}) => `${file}:${line}: ${text}`).join("\n");
}

test("there are fixtures of all programs", () => {
    assert.ok(folders.length >= 10, `only ${folders.length} in ${fixtures}`);
});

for (const folder of folders) {
    test(`import of ${folder}`, () => {
        const expected = readFileSync(join(fixtures, folder, "expected"), "utf8");
        assert.equal(outcome(filesOf(folder)), expected);
    });

    test(`import of ${folder}: the text is canonical`, () => {
        const imported = importConfiguration(filesOf(folder), {map: none});
        assert.ok(imported.ok);
        const {toml} = imported.value;
        const file: PassFile = {kind: "read", octets: Buffer.from("x"), worldReadable: false};
        const paths = [...toml.matchAll(/^pass-file = "(.*)"$/gmu)].map((match) => match[1] ?? "");
        const parsed = parseConfig(
            [{file: "carpd.toml", text: toml}],
            new Map(paths.map((path) => [path, file])),
        );
        assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
        const lines = (text: string): string[] =>
            text.split("\n").filter((line) => !/^(?:pass|pass-file) = /u.test(line));
        const printed = printConfig(parsed.value.config, {secrets: true});
        assert.deepEqual(lines(printed), lines(toml));
    });
}

test("the handbook's three hosts, by their lines", () => {
    const host = (own: string, carp: string): string =>
        `ifconfig_fxp0="inet ${own} netmask 255.255.255.0"\ncloned_interfaces="carp0"\n${carp}\n`;
    const a = read(
        "rc.conf",
        host("192.168.1.3", 'ifconfig_carp0="vhid 1 pass testpass 192.168.1.50/24"'),
        new Map([["fxp0", "eth1"]]),
    );
    assert.match(
        a.toml,
        /carpdev = "eth1"\nvhid = 1\nadvbase = 1\nadvskew = 0\npass = "testpass"/u,
    );
    assert.match(a.toml, /addresses = \["192\.168\.1\.50\/24"\]/u);
    assert.deepEqual(a.notes, []);
});

test("each kind is known by its text where the name says nothing", () => {
    const texts: readonly (readonly [ImportKind, string])[] = [
        ["rc.conf", 'ifconfig_em0_alias0="inet vhid 1 pass x alias 192.0.2.1/32"\n'],
        [
            "ifconfig",
            "em0: flags=8943<UP>\n\tinet 192.0.2.1/24 vhid 1\n\tcarp: MASTER vhid 1 advbase 1 advskew 0\n",
        ],
        ["hostname.if", "inet 192.0.2.1 255.255.255.0 NONE vhid 1 carpdev em0 pass x\n"],
        [
            "config.xml",
            "<pfsense><interfaces><lan><if>em0</if></lan></interfaces><virtualip><vip><mode>carp</mode><interface>lan</interface><vhid>1</vhid><subnet>192.0.2.1</subnet><subnet_bits>24</subnet_bits></vip></virtualip></pfsense>",
        ],
        ["ucarp", "ucarp -i em0 -v 1 -p x -a 192.0.2.1\n"],
        [
            "interfaces",
            "iface em0 inet static\n  ucarp-vid 1\n  ucarp-vip 192.0.2.1\n  ucarp-password x\n",
        ],
        [
            "keepalived",
            "vrrp_instance a { interface em0\n virtual_router_id 1\n virtual_ipaddress { 192.0.2.1 } }\n",
        ],
    ];
    for (const [kind, text] of texts) {
        const guessed = read("some-file", text);
        assert.match(guessed.toml, /carpdev = "em0"\nvhid = 1\n/u, kind);
        assert.match(guessed.toml, /addresses = \["192\.0\.2\.1\/\d+"\]/u, kind);
        assert.equal(read("some-file", text, none, kind).toml, guessed.toml, kind);
    }
    assert.deepEqual(Object.keys(importKindWords).sort(), [...importKinds].sort());
});

test("maps name interfaces, and the carpdev of a carp interface that no subnet tells", () => {
    const old = 'cloned_interfaces=carp3\nifconfig_carp3="vhid 4 pass x 192.0.2.9/24"\n';
    assert.match(errorOf("rc.conf", old), /^rc\.conf:2:1: carp3: no interface .*--map carp3=NAME/u);
    const mapped = read("rc.conf", old, new Map([["carp3", "eth7"]]));
    assert.match(mapped.toml, /name = "carp3"\ncarpdev = "eth7"\n/u);
    const xml = filesOf("pfsense")[0]?.text ?? "";
    const names = new Map([
        ["igb0", "wan0"],
        ["lan", "lan0"],
        ["opt9", "dmz0"],
    ]);
    const {toml} = read("config.xml", xml, names);
    assert.deepEqual(
        [...toml.matchAll(/carpdev = "(.*)"/gu)].map((match) => match[1]),
        ["wan0", "lan0", "dmz0"],
    );
});

test("sysctl.conf alone configures no vhid", () => {
    assert.match(
        errorOf("sysctl.conf", "net.inet.carp.preempt=1\n"),
        /^sysctl\.conf:1:1: no vhid in sysctl\.conf\n[^\n]*\n\^+ expected a file that configures CARP/u,
    );
});

test("files that are none: one error with its place", () => {
    const cases: readonly (readonly [string, string, RegExp])[] = [
        ["x.bin", "a\nb\0c", /^x\.bin:2:1: this is not text/u],
        [
            "rc.conf",
            `a=${"b".repeat(8 * 1024 * 1024)}`,
            /^rc\.conf:1:1: the file is larger than 8 MiB/u,
        ],
        ["notes.txt", "hello\n", /^notes\.txt:1:1: neither the name nor the text/u],
        [
            "config.xml",
            "<pfsense>\n<virtualip>\n",
            /^config\.xml:3:1: <virtualip> of line 2 is never closed/u,
        ],
        ["config.xml", "<html></html>", /^config\.xml:1:1: the root element is <html>/u],
        ["config.xml", '<!DOCTYPE x [<!ENTITY a "b">]><pfsense/>', /document type/u],
        ["config.xml", "<pfsense/>", /no vhid in config\.xml/u],
        [
            "keepalived.conf",
            "vrrp_instance a {\n",
            /^keepalived\.conf:1:1: the block vrrp_instance/u,
        ],
        ["keepalived.conf", "}\n", /^keepalived\.conf:1:1: "\}" that closes nothing/u],
        ["keepalived.conf", 'a "b\n', /^keepalived\.conf:1:1: a quote is not closed/u],
        [
            "rc.conf",
            'ifconfig_em0="vhid 0 192.0.2.1/24"\n',
            /^rc\.conf:1:1: vhid "0" is not 1\.\.255/u,
        ],
        ["rc.conf", "cloned_interfaces=carp0\n", /^rc\.conf:1:1: carp0 has no ifconfig_carp0/u],
        [
            "hostname.carp0",
            "inet 192.0.2.1 255.255.255.0\n",
            /^hostname\.carp0:1:1: carp0 has no vhid/u,
        ],
        ["hostname.carp0", "vhid 1 pass x 192.0.2.1/24\n", /has no carpdev; --map carp0=NAME/u],
        ["start.sh", "ucarp -i eth0 -p 'x -v 1\n", /^start\.sh:1:1: a quote is not closed/u],
        ["em0", "\tcarp: MASTER vhid 1 advbase 1 advskew 0\n", /before the first interface/u],
    ];
    for (const [name, text, expected] of cases) {
        assert.match(errorOf(name, text), expected, name);
    }
    const nothing = importConfiguration([], {map: none});
    assert.ok(!nothing.ok && /no vhid in no file/u.test(formatDiagnostics(nothing.error)));
});

test("no password is in an error or a note", () => {
    const secret = "s3cretword";
    const texts: readonly (readonly [string, string])[] = [
        ["rc.conf", `ifconfig_em0="vhid 0 pass ${secret} 192.0.2.1/24"\n`],
        ["rc.conf", `ifconfig_em0="vhid 0 advskew 1 passs ${secret} 192.0.2.1/24"\n`],
        ["rc.conf", `ifconfig_em0="vhid 1 pass ${secret} advskew 300 192.0.2.0/24"\n`],
        ["start.sh", `ucarp -v 1 -p ${secret}\n`],
        ["start.sh", `ucarp -v 1 -Pp${secret}\n`],
        ["start.sh", `ucarp -v 1 --pass=${secret} -q\n`],
        ["hostname.carp0", `vhid 0 carpdev em0 pass ${secret}\n`],
        ["interfaces", `iface eth0 inet static\nucarp-password ${secret}\n`],
        ["keepalived.conf", `auth_pass "${secret}\n`],
        ["config.xml", `<pfsense><password>${secret}</password\n`],
        ["em.txt", `\tcarp: MASTER vhid 1 advbase 1 advskew 0 key "${secret}"\n`],
    ];
    for (const [name, text] of texts) {
        const shown = importConfiguration([{name, text}], {map: none});
        const words = shown.ok ? said(shown.value) : formatDiagnostics(shown.error);
        assert.ok(words.length > 0 && !words.includes(secret), words);
    }
});

test("passwords that CARP cannot have", () => {
    const of = (pass: string): Imported =>
        read("rc.conf", `ifconfig_em0_alias0="vhid 1 pass ${pass} 192.0.2.1/24"\n`);
    assert.match(of("p".repeat(19)).toml, /^pass = "p{19}"$/mu);
    assert.doesNotMatch(said(of("p".repeat(19))), /octets/u);
    assert.match(of("p".repeat(20)).toml, /^pass = "p{19}"$/mu);
    assert.match(said(of("p".repeat(20))), /has 20 octets, .*cut there/u);
    // The nineteenth octet is the first half of a character.
    const cut = of(`${"p".repeat(18)}üü`);
    assert.doesNotMatch(cut.toml, /^pass = /mu);
    assert.match(said(cut), /end inside a character: write a pass-file/u);
});

test("one address in two vhids of a carpdev, without and with ARP balancing", () => {
    const vhids = ["1", "2"].map(
        (vhid) => `ifconfig_em0_alias${vhid}="vhid ${vhid} advskew ${vhid} pass x 192.0.2.1/24"\n`,
    );
    const apart = read("rc.conf", vhids.join(""));
    assert.match(apart.toml, /vhid = 2\n(?:.*\n)*addresses = \[\]/u);
    assert.match(said(apart), /192\.0\.2\.1 is in vhid 1 and 2: left out of the latter/u);
    const shared = importConfiguration(
        [
            {name: "rc.conf", text: vhids.join("")},
            {name: "sysctl.conf", text: "net.inet.carp.arpbalance=1\n"},
        ],
        {map: none},
    );
    assert.ok(shared.ok);
    assert.equal(shared.value.toml.match(/addresses = \["192\.0\.2\.1\/24"\]/gu)?.length, 2);
});

test("what the parser refuses is an error at the source's place", () => {
    const text = [1, 2]
        .map((vhid) => `ifconfig_em0_alias${vhid}="vhid ${vhid} pass p${vhid} 192.0.2.1/24"\n`)
        .join("");
    const both = importConfiguration(
        [
            {name: "rc.conf", text},
            {name: "sysctl.conf", text: "net.inet.carp.arpbalance=1\n"},
        ],
        {map: none},
    );
    assert.ok(!both.ok);
    assert.match(formatDiagnostics(both.error), /^rc\.conf:2:1: .*but not its password/u);
});

test("more vhids than a host has are noted, not read", () => {
    const lines = Array.from(
        {length: 1100},
        (_, i) => `ucarp -i eth${i} -v 1 -p x -a 10.0.${i % 250}.1\n`,
    );
    const many = read("start.sh", lines.join(""));
    assert.equal(many.toml.match(/^\[\[carp\]\]$/gmu)?.length, 1024);
    assert.match(said(many), /more than 1024 vhids/u);
});

test("notes are in the order of the files and their number is bounded", () => {
    const lines = Array.from({length: 300}, (_, i) => `ucarp -i eth0 -v 1 -p x -a 10.0.0.${i}\n`);
    const {notes} = read("start.sh", lines.join(""));
    assert.equal(notes.length, 200);
    assert.match(notes.at(-1)?.text ?? "", /^\d+ more notes, from here on$/u);
    assert.deepEqual(
        notes.map(({line}) => line),
        notes.map(({line}) => line).sort((a, b) => a - b),
    );
});
