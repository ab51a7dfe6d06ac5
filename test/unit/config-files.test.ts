/** Configuration files on disk: drop-ins, pass-files, bounds, and what the system refuses. */
import assert from "node:assert/strict";
import {chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import {interfaceNames, type LoadFailure, loadConfig} from "../../src/io/config-files.ts";

function folder(t: TestContext, files: Readonly<Record<string, string | Uint8Array>>): string {
    const path = mkdtempSync(join(tmpdir(), "carpd-config-"));
    t.after(() => rmSync(path, {recursive: true}));
    mkdirSync(join(path, "carpd.d"));
    for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(path, name), content, {mode: 0o600});
    }
    return path;
}

function failure(path: string): LoadFailure {
    const loaded = loadConfig(path);
    assert.ok(!loaded.ok, "accepted");
    return loaded.error;
}

const block = (vhid: number, rest: string): string =>
    `[[carp]]\ncarpdev = "eth1"\nvhid = ${vhid}\naddresses = ["192.0.2.${vhid}/24"]\n${rest}\n`;

test("file, drop-ins by name, pass-files beside their file", (t) => {
    const path = folder(t, {
        "carpd.toml": `\ufeff${block(1, 'pass-file = "a.pass"')}`,
        "a.pass": "first\n",
        "carpd.d/20-b.toml": block(3, 'pass = "third"'),
        "carpd.d/10-a.toml": block(2, 'pass-file = "b.pass"'),
        "carpd.d/b.pass": "second\n",
        "carpd.d/.hidden.toml": "nonsense",
        "carpd.d/note.txt": "nonsense",
    });
    const loaded = loadConfig(join(path, "carpd.toml"));
    assert.ok(loaded.ok, loaded.ok ? "" : loaded.error.text);
    const text = new TextDecoder();
    assert.deepEqual(
        loaded.value.config.carp.map((c) => `${c.vhid} ${text.decode(c.pass.reveal())}`),
        ["1 first", "2 second", "3 third"],
    );
    assert.deepEqual(loaded.value.warnings, []);
    assert.equal(loaded.value.texts.length, 3);
    chmodSync(join(path, "a.pass"), 0o644);
    const again = loadConfig(join(path, "carpd.toml"));
    assert.ok(again.ok);
    assert.match(again.value.warnings[0]?.message ?? "", /a\.pass can be read by every user/u);
});

test("files that cannot be read end in 66", (t) => {
    const path = folder(t, {"large.toml": "#".repeat(1024 * 1024 + 1)});
    const missing = failure(join(path, "none.toml"));
    assert.equal(missing.exitCode, 66);
    assert.match(missing.text, /none\.toml: no such file or directory \(ENOENT\)$/u);
    assert.match(failure(path).text, /not a regular file/u);
    assert.match(failure(join(path, "large.toml")).text, /larger than 1048576 octets/u);
    assert.match(failure("/dev/null").text, /not a regular file/u);
    assert.match(failure("a\0b").text, /NUL/u);
});

test("a bad drop-in is named, exit 78", (t) => {
    const path = folder(t, {
        "carpd.toml": block(1, 'pass = "x"'),
        "carpd.d/x.toml": block(256, 'pass-file = "none"'),
    });
    const bad = failure(join(path, "carpd.toml"));
    assert.equal(bad.exitCode, 78);
    assert.ok(bad.text.startsWith(`${path}/carpd.d/x.toml:3:8: vhid must be 1..255, not 256\n`));
    assert.match(bad.text, /carpd\.d\/none: no such file or directory \(ENOENT\)/u);
});

test("octets that are not UTF-8 have a place", (t) => {
    const octets = Buffer.concat([
        Buffer.from("# \ufffd is fine\n# \u00e9 "),
        Buffer.from([0xff, 0xfe]),
        Buffer.from(" x\n"),
    ]);
    const path = folder(t, {
        "carpd.toml": octets,
        "ok.toml": `# \ufffd\n${block(1, 'pass = "x"')}`,
    });
    const bad = failure(join(path, "carpd.toml"));
    assert.equal(bad.exitCode, 78);
    assert.match(bad.text, /carpd\.toml:2:5: octet 0xff is not UTF-8 here/u);
    assert.ok(loadConfig(join(path, "ok.toml")).ok);
});

test("the loopback interface is among the system's", () => {
    const names = interfaceNames();
    assert.ok(names.ok && names.value.includes("lo"), JSON.stringify(names));
});
