/** The parts of the Debian package that are made of text: manual pages, changelog, control file. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {manualPages, referenceSections} from "../../board/deb/manuals.ts";
import {renderManual} from "../../board/deb/roff.ts";
import {changelogFile, controlFile, postinst, postrm, prerm} from "../../board/deb/scripts.ts";
import {productionPackages} from "../../board/program-tree.ts";
import {projectRoot} from "../../src/io/version.ts";
import {inPath} from "../support/tools.ts";

const reference = readFileSync(join(projectRoot(), "REFERENCE.md"), "utf8");

function page(body: string): string {
    const frame = {name: "x", section: 8, summary: "does x", date: "2026-01-02", source: "x 1"};
    return renderManual({...frame, body, seeAlso: ["y(5)"]});
}

test("every section of the reference is in a manual page", () => {
    const pages = manualPages(reference, "1.2.3", "2026-01-02");
    assert.deepEqual([...pages.keys()].sort(), [
        "man5/carpd.toml.5",
        "man8/carp-console.8",
        "man8/carpctl.8",
        "man8/carpd.8",
    ]);
    const all = [...pages.values()].join("\n");
    const main = ["carpd", "carpctl", "carpd.toml", "The console"];
    for (const {title} of referenceSections(reference)) {
        if (main.includes(title)) continue;
        const heading = title.toUpperCase().replaceAll("-", "\\-").replaceAll("`", "");
        assert.ok(all.includes(`.SH "${heading}"`), title);
    }
});

test("Markdown becomes macros, and nothing of it is lost or taken for a macro", () => {
    const shown = page(
        [
            "```",
            "x [--all] -- FILE",
            "```",
            "",
            "Takes `a-b` and **c**, see [there](y.md).",
            ".hidden is no macro, C:\\new no escape.",
            "",
            "### More",
            "",
            "| option | meaning |",
            "|---|---|",
            "| `--a|b` | either \\| both |",
            "",
            "- one",
            "2. two",
        ].join("\n"),
    );
    assert.ok(shown.includes(".SH SYNOPSIS\n.nf\nx [\\-\\-all] \\-\\- FILE\n.fi"), shown);
    assert.ok(shown.includes("Takes \\fBa\\-b\\fR and \\fBc\\fR, see there."), shown);
    assert.ok(shown.includes("\\&.hidden is no macro, C:\\enew no escape."), shown);
    assert.ok(shown.includes('.SS "More"\n.TP\n\\fB\\-\\-a|b\\fR\neither | both\n'), shown);
    assert.ok(shown.includes(".IP \\(bu 4\none\n.IP 2. 4\ntwo"), shown);
});

test("a table of three columns says what each is", () => {
    const shown = page("| a | b | c |\n|---|---|---|\n| t | x | y |\n| u | | z |");
    assert.ok(shown.includes(".TP\nt\nb: x; c: y\n.TP\nu\nc: z"), shown);
});

test("groff has nothing to complain of", {skip: inPath("groff") ? false : "no groff"}, () => {
    for (const [name, text] of manualPages(reference, "1.2.3", "2026-01-02")) {
        const {stderr, status} = spawnSync("groff", ["-man", "-Tutf8", "-ww"], {
            input: text,
            encoding: "utf8",
        });
        assert.equal(status, 0, name);
        assert.equal(stderr, "", name);
    }
});

test("the newest entry of the changelog, in Debian's form", () => {
    const long = `${"word ".repeat(30).trim()}`;
    const text = `# Changelog\n\n## 1.1.0\n\nWords.\n\n- one \`code\`\n- ${long}\n\n## 1.0.0\n\n- old\n`;
    const made = changelogFile(text, "1.1.0", new Date("2026-01-02T03:04:05Z"));
    const lines = made.split("\n");
    assert.equal(lines[0], "carpd (1.1.0) stable; urgency=medium");
    assert.ok(lines.includes("  * one code"));
    assert.ok(!made.includes("old"));
    assert.ok(lines.every((line) => line.length <= 80));
    assert.ok(
        lines.includes(" -- the carpd authors <carpd@localhost>  Fri, 02 Jan 2026 03:04:05 +0000"),
    );
});

test("control file and scripts", () => {
    const control = controlFile({version: "1.2.3", arch: "arm64", installedSize: 17});
    assert.match(control, /^Version: 1\.2\.3$/m);
    assert.match(control, /^Architecture: arm64$/m);
    assert.match(control, /^Depends: .*nodejs \(>= 20\.17\).*systemd/m);
    for (const script of [postinst, prerm, postrm]) {
        const {status, stderr} = spawnSync("sh", ["-n"], {input: script, encoding: "utf8"});
        assert.equal(status, 0, stderr);
    }
});

test("what is installed of node_modules is what runs", () => {
    const names = productionPackages(projectRoot()).map(({name}) => name);
    for (const needed of ["serialport", "valibot", "ip-address", "toml-eslint-parser"]) {
        assert.ok(names.includes(needed), needed);
    }
    for (const never of ["node-gyp", "typescript", "@biomejs/biome", "fast-check", "tar"]) {
        assert.ok(!names.includes(never), never);
    }
});
