/**
 * [system] and [[interface]] as an operator edits them: set lines to the file and back, what differs
 * in words, what TAB offers, and what a drop-in file keeps for itself.
 */
import assert from "node:assert/strict";
import {test} from "node:test";
import {editLine, mergeLines} from "../../src/core/candidate.ts";
import type {Config} from "../../src/core/config.ts";
import {completions, currentValue} from "../../src/core/config-complete.ts";
import {diffConfig} from "../../src/core/config-diff.ts";
import {toLines} from "../../src/core/config-lines.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB3q0nZ0l4mU0hT1n8rQ0V5v5Rr3m0m7xk0kQy6o8Z0a";

function config(text: string): Config {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return parsed.value.config;
}

function merged(text: string, ...lines: string[]): string {
    const result = mergeLines(text, lines.join("\n"), []);
    assert.ok(result.ok, result.ok ? "" : `${result.error.message}; ${result.error.expected}`);
    return result.value;
}

function refused(text: string, line: string): string {
    const result = editLine(text, line, [], []);
    assert.ok(!result.ok, line);
    return `${result.error.message}; ${result.error.expected}`;
}

const lines = [
    "set system hostname r1",
    "set system ssh true",
    `set system ssh-keys "${key} me@desk"`,
    "set system allow ssh",
    "set system allow lan0:dns",
    "set system nameservers 192.0.2.53",
    "set interface lan0 addresses 192.168.1.2/24",
    "set interface lan0 addresses 2001:db8::2/64",
    "set interface lan0 gateway 192.168.1.254",
    "set interface lan0 mtu 1400",
    "set interface wan0 dhcp true",
];

test("set lines make the sections, and the sections give the lines again", () => {
    const text = merged("", ...lines);
    assert.deepEqual(toLines(text), {ok: true, value: lines});
    const {system, interfaces} = config(text);
    assert.deepEqual(system, {
        hostname: "r1",
        ssh: true,
        sshKeys: [`${key} me@desk`],
        allow: ["ssh", "lan0:dns"],
        nameservers: ["192.0.2.53"],
        forwarding: true,
    });
    assert.deepEqual(
        interfaces.map((own) => own.name),
        ["lan0", "wan0"],
    );
});

test("a key is pasted without quotes", () => {
    const text = merged("", `set system ssh-keys ${key} me@desk`);
    assert.deepEqual(config(text).system.sshKeys, [`${key} me@desk`]);
    assert.deepEqual(
        config(merged(text, `delete system ssh-keys ${key} me@desk`)).system.sshKeys,
        [],
    );
});

test("what is deleted is gone, with its comments and nothing else", () => {
    const text = `# r1\n[system]\nhostname = "r1" # mine\nallow = ["ssh"]\n\n# LAN\n[[interface]]\nname = "lan0"\naddresses = [\n    "192.168.1.2/24", # own\n    "192.168.1.9/24",\n]\n\n[[interface]]\nname = "wan0"\ndhcp = true\n`;
    assert.equal(
        merged(text, "delete interface lan0 addresses 192.168.1.9", "delete system allow"),
        text.replace('    "192.168.1.9/24",\n', "").replace('allow = ["ssh"]\n', ""),
    );
    assert.equal(
        merged(text, "delete interface lan0"),
        `# r1\n[system]\nhostname = "r1" # mine\nallow = ["ssh"]\n\n[[interface]]\nname = "wan0"\ndhcp = true\n`,
    );
    const renamed = merged(text, "rename interface lan0 to dmz0", "comment interface wan0 uplink");
    assert.equal(
        renamed,
        text
            .replace("lan0", "dmz0")
            .replace('[[interface]]\nname = "wan0"', '#: uplink\n[[interface]]\nname = "wan0"'),
    );
});

test("[system] as dotted keys and as an inline table", () => {
    assert.equal(
        merged('system.hostname = "r1"\n', "set system ssh true"),
        'system.hostname = "r1"\nsystem.ssh = true\n',
    );
    const inline = merged('system = {hostname = "r1"}\n', "set system forwarding false");
    assert.equal(config(inline).system.forwarding, false);
    assert.equal(config(inline).system.hostname, "r1");
});

test("what cannot be edited says why", () => {
    assert.match(refused("", "set system"), /a key is missing; a key of \[system\]/);
    assert.match(refused("", "set interface"), /which interface is missing/);
    assert.match(
        refused("", "set system hostnam r1"),
        /unknown key "hostnam" in \[system\].*hostname/,
    );
    assert.match(refused("", "delete interface lan0"), /there is no interface "lan0"/);
    assert.match(refused("", "rename system to x"), /system has no name/);
    assert.match(refused("system = 1\n", "set system ssh true"), /system is not a table/);
});

test("a drop-in file keeps its keys and blocks", () => {
    const dropIn = {file: "net.toml", text: '[system]\nssh = true\n[[interface]]\nname = "lan0"\n'};
    for (const line of ["set system ssh false", "set interface lan0 mtu 1400"]) {
        const result = editLine("", line, [], [dropIn]);
        assert.ok(!result.ok && /is in net\.toml/.test(result.error.message), line);
    }
    assert.ok(editLine("", "set system hostname r1", [], [dropIn]).ok);
});

test("what differs, in words", () => {
    const before = config(merged("", ...lines));
    const after = config(
        merged(
            merged("", ...lines),
            "set system hostname r2",
            "delete system allow ssh",
            "set system nameservers 192.0.2.54",
            "delete system ssh-keys",
            "delete interface lan0 addresses 192.168.1.2",
            "set interface lan0 addresses 192.168.1.3/24",
            "delete interface lan0 mtu",
            "delete interface wan0",
            "set interface dmz0 addresses 10.0.0.1/24",
        ),
    );
    assert.deepEqual(diffConfig(before, after), [
        "hostname r1 -> r2",
        "ssh key ssh-ed25519 ...xk0kQy6o8Z0a me@desk removed",
        "allow ssh removed",
        "nameservers 192.0.2.53 -> 192.0.2.53 192.0.2.54",
        "interface wan0 removed",
        "interface lan0: address 192.168.1.2/24 removed",
        "interface lan0: address 192.168.1.3/24 added",
        "interface lan0: mtu 1400 -> default",
        "interface dmz0 added",
    ]);
    assert.deepEqual(diffConfig(before, before), []);
});

test("what may come next", () => {
    const text = merged("", ...lines);
    const tokens = (line: string): string =>
        completions(line.split(" "), [], text)
            .map(({token}) => token)
            .join(" ");
    assert.equal(tokens("set i"), "interface");
    assert.equal(tokens("set interface "), "lan0 wan0 <name>");
    assert.equal(tokens("set interface lan0 g"), "gateway gateway6");
    assert.equal(tokens("delete interface lan0 addresses "), "192.168.1.2/24 2001:db8::2/64");
    assert.equal(tokens("set system s"), "ssh ssh-keys");
    assert.equal(tokens("set system ssh "), "true false");
    assert.equal(tokens("delete system allow "), "ssh lan0:dns");
    assert.equal(currentValue(["system", "allow"], text), '["ssh", "lan0:dns"]');
});
