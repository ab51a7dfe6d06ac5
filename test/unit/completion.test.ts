/** The completion scripts and the command reference, both made of the trees. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {helpLines, tableFor} from "../../src/core/cli-resolve.ts";
import {cliTable} from "../../src/core/cli-table.ts";
import {completionShells} from "../../src/core/cli-values.ts";
import {completionScript} from "../../src/core/shell/completion-script.ts";
import {configurationTable} from "../../src/core/shell/configuration-table.ts";
import {referenceMarkers, referenceText} from "../../src/core/shell/reference.ts";
import {carpctlIn, stand} from "./control-stand.ts";

const root = join(import.meta.dirname, "../../..");

test("the reference has every command, once for each place", () => {
    const reference = referenceText();
    const all = [...helpLines(cliTable), ...helpLines(configurationTable)];
    assert.ok(all.length > 90, `${all.length}`);
    for (const {words, help} of all) {
        const row = `| \`${words.replaceAll("|", "\\|")}\` | ${help.replaceAll("|", "\\|")} |`;
        assert.ok(reference.includes(row), row);
    }
    const rows = reference.split("\n").filter((line) => line.startsWith("| `"));
    assert.ok(rows.length >= all.length);
    assert.doesNotMatch(reference, /[ \t]$/m);
});

test("REFERENCE.md has the words of the trees", () => {
    const document = readFileSync(join(root, "REFERENCE.md"), "utf8");
    const {begin, end} = referenceMarkers;
    const [, inside] = document.split(begin);
    const [written] = (inside ?? "").split(end);
    assert.equal(
        (written ?? "").trim(),
        referenceText().trim(),
        `REFERENCE.md is old: put "carpctl reference" between ${begin} and ${end}`,
    );
});

test("completion words are those of the tree, with the names that the daemon knows", async (t) => {
    const s = await stand(t);
    const said = async (line: string): Promise<string[]> => {
        const {code, out, complaint} = await s.carpctl(`completion words ${line}`);
        assert.deepEqual([code, complaint], [0, ""], line);
        return out.split("\n").map((row) => row.split("\t")[0] ?? "");
    };
    assert.deepEqual(await said("sh"), ["show", "shell", ""]);
    assert.deepEqual(await said("show st"), ["statistics", ""]);
    const {body} = await s.client.request("GET", "/v1/carp").then((reply) => {
        assert.ok(reply.ok);
        return reply.value;
    });
    assert.ok(Array.isArray(body) && body.length > 0);
    const names = body.map((carp: {name: string}) => carp.name);
    // An empty last word asks for all.
    const all = await carpctlIn(s.folder, "completion words show carp ");
    assert.deepEqual(
        all.out
            .trim()
            .split("\n")
            .map((row) => row.trim()),
        names,
    );
    // Terminal words are not offered where there is no terminal.
    assert.ok(!(await said("te")).includes("terminal"));
    // Nobody answers: the words are there all the same.
    const alone = await carpctlIn(`${s.folder}/none`, "completion words show ca");
    assert.deepEqual([alone.code, alone.out.split("\t")[0]], [0, "carp"]);
});

test("bash completes with its script", (t) => {
    const folder = mkdtempSync(join(tmpdir(), "carpd-complete-"));
    t.after(() => rmSync(folder, {recursive: true, force: true}));
    const program = join(root, "dist/src/carpctl.js");
    assert.ok(existsSync(program));
    const wrapper = join(folder, "carpctl");
    writeFileSync(
        wrapper,
        `#!/bin/sh\nexec "${process.execPath}" "${program}" --run-dir "${folder}" "$@"\n`,
    );
    chmodSync(wrapper, 0o755);
    const script = join(folder, "carpctl.bash");
    writeFileSync(script, completionScript("bash"));
    const complete = (...words: string[]): string => {
        const list = ["carpctl", ...words].map((word) => `'${word}'`).join(" ");
        const line = `. "${script}"; COMP_WORDS=(${list}); COMP_CWORD=${words.length}; _carpctl; echo "\${COMPREPLY[*]}"`;
        const ran = spawnSync("bash", ["--norc", "--noprofile", "-c", line], {
            encoding: "utf8",
            env: {PATH: `${folder}:${process.env.PATH ?? ""}`},
        });
        assert.equal(ran.stderr, "");
        return ran.stdout.trim();
    };
    assert.equal(complete("mai"), "maintenance");
    assert.equal(complete("maintenance", "o"), "on off");
    assert.equal(complete("show", "dem"), "demotion");
    assert.equal(complete("show", "configuration", "for-peer", "p"), "pfsense");
    assert.equal(complete("reload", ""), "");
});

test("the scripts of the other shells ask the same question", () => {
    for (const shell of completionShells) {
        const script = completionScript(shell);
        assert.match(script, new RegExp(`carpctl completion ${shell}`));
        assert.match(script, /carpctl completion words/);
    }
    assert.ok(tableFor(cliTable, "carpctl").some(({token}) => token === "completion"));
});
