/** Differences of texts, and texts without their passwords. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {parseConfig} from "../../src/core/config-parse.ts";
import {compareConfig, diffText, redact} from "../../src/core/text-diff.ts";

const text = (...lines: string[]): string => lines.map((line) => `${line}\n`).join("");

test("changes have two lines of context", () => {
    const before = text("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12");
    const after = before.replace("4\n", "four\n").replace("11\n", "").replace("12\n", "12\n13\n");
    assert.equal(
        diffText(before, after),
        text(
            "@@ -2,5 +2,5 @@",
            " 2",
            " 3",
            "-4",
            "+four",
            " 5",
            " 6",
            "@@ -9,4 +9,4 @@",
            " 9",
            " 10",
            "-11",
            " 12",
            "+13",
        ),
    );
    assert.equal(diffText(before, before), "");
    assert.equal(diffText("", text("a")), text("@@ -0,0 +1,1 @@", "+a"));
    assert.equal(diffText(text("a"), ""), text("@@ -1,1 +0,0 @@", "-a"));
    assert.equal(diffText("a", "a\n"), "");
    assert.equal(diffText("a\r\n", "a\n"), text("@@ -1,1 +1,1 @@", "-a", "+a"));
});

/** Applies what `diffText` prints, as patch(1) does. */
function patched(before: string, diff: string): string {
    const old = before.split("\n").slice(0, -1);
    const result: string[] = [];
    let at = 0;
    for (const line of diff.split("\n").slice(0, -1)) {
        const head = /^@@ -(\d+),(\d+) \+\d+,\d+ @@$/.exec(line);
        if (head !== null) {
            const first = Number(head[1]) - (head[2] === "0" ? 0 : 1);
            result.push(...old.slice(at, first));
            at = first;
            continue;
        }
        if (line.startsWith("+")) {
            result.push(line.slice(1));
            continue;
        }
        assert.equal(old[at], line.slice(1));
        if (line.startsWith(" ")) result.push(line.slice(1));
        at += 1;
    }
    return text(...result, ...old.slice(at));
}

test("a difference makes the one text of the other", () => {
    const lines = fc.array(fc.constantFrom("a", "b", "c", "", " "), {maxLength: 30});
    fc.assert(
        fc.property(lines, lines, (a, b) => {
            const [before, after] = [text(...a), text(...b)];
            assert.equal(patched(before, diffText(before, after)), after);
        }),
        {numRuns: 500},
    );
});

test("of two large texts without a common line the whole is shown", () => {
    const before = Array.from({length: 3000}, (_, i) => `a${i}\n`).join("");
    const after = Array.from({length: 3000}, (_, i) => `b${i}\n`).join("");
    const diff = diffText(before, after);
    assert.equal(patched(before, diff), after);
    assert.equal(diff.split("\n").length, 6002);
});

const file = `[options]
preempt = true
[[carp]]
vhid = 1 # vhid
pass   =   "topsecret"  # keep, pass = oldsecret
pass-file = "x.pass"
addresses = ["192.0.2.1/24"]
# pass = "formersecret"
[[carp]]
pass = '''
two
linessecret''' # end
vhid = 2
`;

test("passwords are blotted out, everything else stays on its line", () => {
    assert.equal(
        redact(file),
        `[options]
preempt = true
[[carp]]
vhid = 1 # vhid
pass   =   "****"  # keep, pass = "****"
pass-file = "x.pass"
addresses = ["192.0.2.1/24"]
# pass = "****"
[[carp]]
pass = "****"

 # end
vhid = 2
`,
    );
    assert.equal(
        redact('carp = [{vhid = 1, pass = "topsecret"}, {"password" = 5}]\n'),
        'carp = [{vhid = 1, pass = "****"}, {"password" = "****"}]\n',
    );
    const crlf = file.replaceAll("\n", "\r\n");
    assert.equal(redact(crlf), redact(file).replaceAll("\n", "\r\n"));
});

test("a redacted text is a configuration still, and nothing of the passwords is left", () => {
    const secret = fc.string({unit: "grapheme-ascii", minLength: 6, maxLength: 19});
    fc.assert(
        fc.property(secret, secret, (one, two) => {
            const block = (vhid: number, pass: string): string =>
                `[[carp]]\ncarpdev = "eth${vhid}"\nvhid = ${vhid}\npass = ${pass}\n`;
            const both =
                block(1, JSON.stringify(one)) + block(2, `"""\n${JSON.stringify(two).slice(1)}""`);
            const shown = redact(both);
            assert.equal(shown, block(1, '"****"') + block(2, '"****"\n'));
            assert.ok(parseConfig([{file: "carpd.toml", text: shown}]).ok);
        }),
    );
});

test("a broken text shows no password either", () => {
    for (const broken of [
        "pass = topsecret\n[[carp\n",
        '[[carp\npass = "topsecret"\n',
        '[[carp\npass = """\ntopsecret\n"""\nvhid = 1\n',
        "[[carp\npass = '''\ntopsecret\n",
        '[[carp\n"password" = \'topsecret\n',
    ]) {
        const shown = redact(broken);
        assert.ok(!shown.includes("topsecret"), shown);
        assert.ok(shown.includes("[[carp\n"));
        assert.equal(shown.split("\n").length, broken.split("\n").length);
    }
});

test("a password that changed is seen to have changed", () => {
    const diff = compareConfig(
        file,
        file.replace("topsecret", "newsecret").replace("two\n", "2\n"),
    );
    assert.ok(!diff.includes("secret"), diff);
    assert.match(diff, /^-pass {3}= {3}"\*\*\*\*" .*\n\+pass {3}= {3}"\*\*\*\*" /mu);
    assert.equal(compareConfig(file, file), "");
});
