/** Configuration: pass-files, several files, interfaces, diff, and what the engine gets. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {inspect} from "node:util";
import {type Config, defaultOptions} from "../../src/core/config.ts";
import {checkInterfaces} from "../../src/core/config-claims.ts";
import {diffConfig} from "../../src/core/config-diff.ts";
import {type ConfigText, passFilePath} from "../../src/core/config-draft.ts";
import {toEngineConfig} from "../../src/core/config-engine.ts";
import {type ParsedConfig, type PassFile, parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostic, formatDiagnostics} from "../../src/core/diagnostic.ts";

function must(
    texts: readonly ConfigText[],
    passFiles?: ReadonlyMap<string, PassFile>,
): ParsedConfig {
    const parsed = parseConfig(texts, passFiles);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return parsed.value;
}

function one(text: string): Config {
    return must([{file: "carpd.toml", text}]).config;
}

function errors(texts: readonly ConfigText[], passFiles?: ReadonlyMap<string, PassFile>): string[] {
    const parsed = parseConfig(texts, passFiles);
    assert.ok(!parsed.ok, "accepted");
    return parsed.error.map(({file, line, col, message}) => `${file}:${line}:${col}: ${message}`);
}

const block = (lines: string): string =>
    `[[carp]]\ncarpdev = "eth1"\nvhid = 1\naddresses = ["192.0.2.1/24"]\n${lines}\n`;

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);

function withPassFile(passFile: PassFile): {texts: ConfigText[]; files: Map<string, PassFile>} {
    return {
        texts: [{file: "/etc/carpd/carpd.toml", text: block('pass-file = "carp0.pass"')}],
        files: new Map([["/etc/carpd/carp0.pass", passFile]]),
    };
}

test("pass-file: path, first line, line ends", () => {
    assert.equal(passFilePath("/etc/carpd/carpd.toml", "a.pass"), "/etc/carpd/a.pass");
    assert.equal(passFilePath("carpd.toml", "a.pass"), "a.pass");
    assert.equal(passFilePath("conf/carpd.toml", "/run/a.pass"), "/run/a.pass");
    for (const content of ["testpass", "testpass\n", "testpass\r\n", "testpass\n\n"]) {
        const {texts, files} = withPassFile({
            kind: "read",
            octets: octets(content),
            worldReadable: false,
        });
        const parsed = must(texts, files);
        assert.deepEqual(parsed.config.carp[0]?.pass.reveal(), octets("testpass"));
        assert.deepEqual(parsed.warnings, []);
    }
});

test("pass-file: warnings and errors point at the value", () => {
    const open = withPassFile({kind: "read", octets: octets("one\ntwo\n"), worldReadable: true});
    const warned = must(open.texts, open.files).warnings.map(
        (w) => `${w.line}:${w.col} ${w.message}`,
    );
    assert.deepEqual(warned, [
        "5:13 /etc/carpd/carp0.pass can be read by every user",
        "5:13 /etc/carpd/carp0.pass has more than one line; the first one is the password",
    ]);
    const cases: [PassFile, RegExp][] = [
        [
            {kind: "failed", reason: "permission denied (EACCES)"},
            /cannot read .*permission denied/u,
        ],
        [{kind: "read", octets: octets("\nx"), worldReadable: false}, /empty/u],
        [
            {kind: "read", octets: octets("12345678901234567890\n"), worldReadable: false},
            /20 octets/u,
        ],
        [{kind: "read", octets: octets("a\0b"), worldReadable: false}, /NUL/u],
    ];
    for (const [passFile, wanted] of cases) {
        const {texts, files} = withPassFile(passFile);
        const [first = ""] = errors(texts, files);
        assert.match(first, /^\/etc\/carpd\/carpd\.toml:5:13: /u);
        assert.match(first, wanted);
    }
});

test("drop-ins: blocks in order, an option twice, a vhid twice", () => {
    const main = {file: "carpd.toml", text: `[options]\npreempt = true\n\n${block('pass = "x"')}`};
    const second =
        '[[carp]]\ncarpdev = "eth2"\nvhid = 1\npass = "y"\naddresses = ["192.0.2.1/24"]\n';
    const parsed = must([
        main,
        {file: "carpd.d/10.toml", text: `[options]\narpbalance = false\n${second}`},
    ]);
    assert.deepEqual(
        parsed.config.carp.map(({name, carpdev}) => `${name} ${carpdev}`),
        ["carp0 eth1", "carp1 eth2"],
    );
    assert.equal(parsed.config.options.preempt, true);
    const twice = `[options]\npreempt = true\n${block('pass = "x"')}nonsense = 1\n`;
    assert.deepEqual(errors([main, {file: "carpd.d/20.toml", text: twice}]), [
        "carpd.d/20.toml:2:1: preempt is already set at carpd.toml:2",
        "carpd.d/20.toml:5:8: vhid 1 on eth1 is already carp0's, at carpd.toml:6",
        "carpd.d/20.toml:6:14: 192.0.2.1 is already an address of carp0, at carpd.toml:7",
        'carpd.d/20.toml:8:1: unknown key "nonsense" in [[carp]]',
    ]);
});

test("a syntax error in one file does not hide the errors of another", () => {
    const found = errors([
        {file: "a.toml", text: "[[carp\n"},
        {file: "b.toml", text: block('advskew = 255\npass = "x"')},
    ]);
    assert.equal(found.length, 2);
    assert.match(found[0] ?? "", /^a\.toml:1:/u);
    assert.match(found[1] ?? "", /^b\.toml:5:11: advskew must be 0\.\.254/u);
});

test("an address may be in two vhids of a carpdev with arpbalance only", () => {
    const two = `${block('pass = "x"')}[[carp]]\ncarpdev = "eth1"\nvhid = 2\nadvskew = 100\npass = "x"\naddresses = ["192.0.2.1/24"]\n`;
    assert.equal(errors([{file: "c.toml", text: two}]).length, 1);
    const parsed = must([{file: "c.toml", text: `[options]\narpbalance = true\n${two}`}]);
    assert.deepEqual(parsed.warnings, []);
});

test("at most 64 addresses in a vhid", () => {
    const list = (n: number): string =>
        `[[carp]]\ncarpdev = "eth1"\nvhid = 1\npass = "x"\naddresses = [${Array.from({length: n}, (_, i) => `"10.0.0.${i + 1}/8"`).join(",")}]\n`;
    assert.equal(one(list(64)).carp[0]?.addresses.length, 64);
    assert.deepEqual(errors([{file: "c.toml", text: list(65)}]).length, 1);
});

test("missing interfaces point at the carpdev", () => {
    const {claims} = must([{file: "carpd.toml", text: block('pass = "x"')}]);
    assert.deepEqual(checkInterfaces(claims, ["lo", "eth1"]), []);
    const [missing] = checkInterfaces(claims, ["lo", "eth0"]);
    assert.ok(missing !== undefined);
    assert.equal(
        formatDiagnostic(missing),
        [
            "carpd.toml:2:11: no interface eth1 on this host",
            'carpdev = "eth1"',
            "          ^^^^^^ expected one of eth0, lo",
        ].join("\n"),
    );
});

test("a tracked interface may be made later", () => {
    const track = '[[track]]\nname = "uplink"\ninterface = "ppp0"\n';
    const text = `[options]\npreempt = true\n${block('pass = "x"')}${track}`;
    const {claims, config} = must([{file: "carpd.toml", text}]);
    assert.equal(config.tracks.length, 1);
    const found = checkInterfaces(claims, ["lo", "eth1"]);
    assert.deepEqual(
        found.map(({severity, line, message}) => `${severity} ${line} ${message}`),
        ["warning 10 no interface ppp0 on this host"],
    );
});

test("what only the system can confirm, with its place", () => {
    const text = [
        '[options]\npreempt = true\nboot-command = ["/sbin/ready", "-q"]',
        block('pass = "x"\nupscript = "/up"\ndownscript = ""'),
        '[[track]]\nname = "a"\ncommand = [ "/sbin/check" ]',
        '[[track]]\nname = "b"\nunit = "-.mount"',
    ].join("\n");
    const {claims} = must([{file: "carpd.toml", text}]);
    assert.deepEqual(
        claims.map(({kind, value, place: {source, span}}) => {
            const {line, col} = source.diagnostic(span, {message: ""});
            return `${line}:${col} ${kind} ${value}`;
        }),
        [
            "3:17 program /sbin/ready",
            "5:11 carpdev eth1",
            "9:12 program /up",
            "14:13 program /sbin/check",
            "17:8 unit -.mount",
        ],
    );
});

test("a diagnostic never shows a password", () => {
    const texts = [
        block('pass = "hushhush" oops'),
        block('pass = "hushhush\n'),
        block('passwd = "hushhush"'),
        block('"pass" = "hushhush" # x\n"pass" = 2'),
        block('pass = """hushhush\nhushhush and much longer than nineteen octets"""'),
        `carp = [{pass = 'hushhush', vhid = 0, carpdev = "e"}]`,
        block("pass = hushhush"),
    ];
    for (const text of texts) {
        const parsed = parseConfig([{file: "carpd.toml", text}]);
        assert.ok(!parsed.ok, text);
        assert.doesNotMatch(formatDiagnostics(parsed.error), /hush/u);
    }
});

test("a long line is cut around the caret", () => {
    const text = block(`pass = "x"\npeers = [${'"192.0.2.77", '.repeat(1)}${" ".repeat(400)}7]`);
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(!parsed.ok);
    const [, line = "", caret = ""] = formatDiagnostics(parsed.error).split("\n");
    assert.ok(line.length < 180 && line.startsWith("..."), line);
    assert.equal(line[caret.indexOf("^")], "7");
});

test("diff in words, without secrets", () => {
    const before = one(block('pass = "old"'));
    const more =
        '[[carp]]\nname = "carp9"\ncarpdev = "eth1"\nvhid = 2\npass = "x"\naddresses = ["192.0.2.9/24"]\n';
    const after = one(
        `[options]\npreempt = true\n[[carp]]\ncarpdev = "eth1"\nvhid = 1\nadvskew = 100\naddresses = ["192.0.2.2/24"]\npass = "new"\n${more}`,
    );
    assert.deepEqual(diffConfig(before, after), [
        "preempt false -> true",
        "carp0: advskew 0 -> 100",
        "carp0: pass changed",
        "carp0: address 192.0.2.1/24 removed",
        "carp0: address 192.0.2.2/24 added",
        "carp9 added",
    ]);
    assert.deepEqual(diffConfig(after, before).at(1), "carp9 removed");
    assert.deepEqual(diffConfig(before, one(block('pass = "old"'))), []);
    assert.doesNotMatch(inspect(after, {depth: 9}) + JSON.stringify(after), /new/u);
});

test("diff of options, groups, scripts and tracks", () => {
    const before = one(
        `[options]\npreempt = true\nboot-delay = "90s"\n${block('pass = "x"')}[[track]]\nname = "up"\nping = "198.51.100.1"\n[[track]]\nname = "old"\nmemory = "64M"\n`,
    );
    const after = one(
        `[options]\npreempt = true\nboot-delay = 120\nboot-command = ["/bin/true", "a b"]\n${block('pass = "x"\ngroup = "wan"\nupscript = "/up"')}[[track]]\nname = "new"\ntemperature = 90\n[[track]]\nname = "up"\nfile = "/run/x"\nmust = "not-exist"\ninterval = "2s"\ngroup = "wan"\n`,
    );
    assert.deepEqual(diffConfig(before, after), [
        "boot-delay 90s -> 2m",
        'boot-command none -> ["/bin/true","a b"]',
        "carp0: group carp -> wan",
        "carp0: upscript none -> /up",
        "track old removed",
        "track new added",
        "track up: ping 198.51.100.1 -> file /run/x must not-exist",
        "track up: interval 1s -> 2s",
        "track up: timeout 1s -> 2s",
        "track up: group all -> wan",
    ]);
    assert.deepEqual(diffConfig(after, after), []);
});

test("the order of the blocks counts where it says who answers", () => {
    const blocks = [1, 2].map(
        (vhid) =>
            `[[carp]]\nname = "c${vhid}"\ncarpdev = "eth1"\nvhid = ${vhid}\npass = "x"\naddresses = ["192.0.2.1/24"]\n`,
    );
    const made = (order: string, list: readonly string[]): Config =>
        one(`[options]\narpbalance = true\narpbalance-order = "${order}"\n${list.join("")}`);
    const turned = [...blocks].reverse();
    assert.deepEqual(diffConfig(made("vhid", blocks), made("vhid", turned)), []);
    assert.deepEqual(diffConfig(made("configured", blocks), made("configured", turned)), [
        "order of the blocks: c2, c1",
    ]);
    const ranks = (order: string, list: readonly string[]): string =>
        toEngineConfig(made(order, list), 0n)
            .vhosts.map(({vhid, balanceRank}) => `${vhid}:${balanceRank}`)
            .join(" ");
    assert.equal(ranks("vhid", turned), "2:0 1:0");
    assert.equal(ranks("vhid-descending", turned), "2:253 1:254");
    assert.equal(ranks("configured", turned), "2:0 1:1");
    assert.equal(ranks("configured-reversed", turned), "2:1 1:0");
});

test("the engine gets the links that are tracked, and only those", () => {
    const text = `[options]\npreempt = true\nlink-up-delay = "2s"\narpbalance-hash = "sender-mac"\n${block('pass = "x"\ngroup = "wan"')}[[track]]\nname = "a"\ninterface = "ppp0"\ndemotion = 17\ngroup = "wan"\n[[track]]\nname = "b"\nping = "198.51.100.1"\n[[track]]\nname = "c"\ninterface = "ppp1"\n`;
    const engine = toEngineConfig(one(text), 0n);
    assert.deepEqual(engine.linkTracks, [
        {reason: "track:a", interface: "ppp0", level: 17, group: "wan"},
        {reason: "track:c", interface: "ppp1", level: 240, group: ""},
    ]);
    assert.deepEqual(
        [engine.linkUpDelayMs, engine.balanceHash, engine.fastTakeover, engine.arpbalance],
        [2000, "sender-mac", true, false],
    );
});

test("the engine gets keys and counters", () => {
    const engine = toEngineConfig(one(block('pass = "testpass"')), 7n << 32n);
    assert.equal(engine.handoverLimitMs, defaultOptions.handoverLimitMs);
    assert.deepEqual(engine.vhosts, [
        {
            name: "carp0",
            carpdev: "eth1",
            vhid: 1,
            advbase: 1,
            advskew: 0,
            key: octets("testpass"),
            addresses: [{family: 4, address: "192.0.2.1", prefixLength: 24}],
            peers: [],
            mac: "virtual",
            profile: "freebsd",
            enabled: true,
            group: "carp",
            balanceRank: 0,
            counter: 7n << 32n,
        },
    ]);
});
