/** Configuration: pass-files, several files, interfaces, diff, mapping, and random texts. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {inspect} from "node:util";
import fc from "fast-check";
import {type Config, defaultOptions, Secret} from "../../src/core/config.ts";
import {diffConfig} from "../../src/core/config-diff.ts";
import {type ConfigText, passFilePath} from "../../src/core/config-draft.ts";
import {toEngineConfig} from "../../src/core/config-engine.ts";
import {
    checkInterfaces,
    type ParsedConfig,
    type PassFile,
    parseConfig,
} from "../../src/core/config-parse.ts";
import {printConfig} from "../../src/core/config-print.ts";
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
    const two = `${block('pass = "x"')}[[carp]]\ncarpdev = "eth1"\nvhid = 2\npass = "x"\naddresses = ["192.0.2.1/24"]\n`;
    assert.equal(errors([{file: "c.toml", text: two}]).length, 1);
    const parsed = must([{file: "c.toml", text: `[options]\narpbalance = true\n${two}`}]);
    assert.deepEqual(
        parsed.warnings.map((w) => w.message),
        ["arpbalance has no effect in this version"],
    );
});

test("at most 64 addresses in a vhid", () => {
    const list = (n: number): string =>
        `[[carp]]\ncarpdev = "eth1"\nvhid = 1\npass = "x"\naddresses = [${Array.from({length: n}, (_, i) => `"10.0.0.${i + 1}/8"`).join(",")}]\n`;
    assert.equal(one(list(64)).carp[0]?.addresses.length, 64);
    assert.deepEqual(errors([{file: "c.toml", text: list(65)}]).length, 1);
});

test("missing interfaces point at the carpdev", () => {
    const parsed = must([{file: "carpd.toml", text: block('pass = "x"')}]);
    assert.deepEqual(checkInterfaces(parsed, ["lo", "eth1"]), []);
    const [missing] = checkInterfaces(parsed, ["lo", "eth0"]);
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
            counter: 7n << 32n,
        },
    ]);
});

const ipv4Vip = fc
    .tuple(
        fc.integer({min: 1, max: 126}),
        fc.integer({min: 1, max: 254}),
        fc.integer({min: 8, max: 32}),
    )
    .map(([a, b, prefixLength]) => ({
        family: 4 as const,
        // The low octets end in 01 or 10 bits: neither all zero nor all one behind any prefix.
        address: `${a}.${b}.5.${(b & 0xf0) | 5}`,
        prefixLength: Math.min(prefixLength, 29),
    }));
const ipv6Vip = fc
    .tuple(fc.integer({min: 1, max: 0xffff}), fc.integer({min: 1, max: 128}))
    .map(([low, prefixLength]) => ({
        family: 6 as const,
        address: `2001:db8::1:${(low | 1).toString(16)}`,
        prefixLength: Math.min(prefixLength, 127),
    }));
const secret = fc
    .string({unit: "binary", maxLength: 9})
    .map((text) => octets(text.replaceAll("\0", "")))
    .map((key) => new Secret(key.length > 19 ? new Uint8Array() : key));

const carpBlock = fc.record({
    carpdev: fc.constantFrom("eth1", "eth2", "br-lan.7", "ü"),
    vhid: fc.integer({min: 1, max: 255}),
    advbase: fc.integer({min: 0, max: 255}),
    advskew: fc.integer({min: 0, max: 254}),
    pass: secret,
    addresses: fc.uniqueArray(fc.oneof(ipv4Vip, ipv6Vip), {
        maxLength: 5,
        selector: (v) => v.address,
    }),
    peers: fc.constantFrom([], ["198.51.100.1", "2001:db8:ffff::9"]),
    mac: fc.constantFrom("virtual" as const, "physical" as const),
    profile: fc.constantFrom("freebsd" as const, "openbsd" as const),
    enabled: fc.boolean(),
});

const validConfig = fc
    .record({
        options: fc.record({
            preempt: fc.boolean(),
            // Addresses may meet each other on a carpdev; that is what arpbalance allows.
            arpbalance: fc.constant(true),
            fastTakeover: fc.boolean(),
            ifdownDemotion: fc.integer({min: 0, max: 255}),
            senderrDemotion: fc.integer({min: 0, max: 255}),
            handoverLimitMs: fc.integer({min: 0, max: 10000}),
        }),
        carp: fc.uniqueArray(carpBlock, {
            minLength: 1,
            maxLength: 6,
            selector: (c) => `${c.carpdev} ${c.vhid}`,
        }),
    })
    .map(
        ({options, carp}): Config => ({
            options: {...options},
            carp: carp.map((c, i) => ({
                ...c,
                name: `vr${i}`,
                // A peer needs a VIP of its family.
                peers: c.peers.filter((p) =>
                    c.addresses.some((v) => v.family === (p.includes(":") ? 6 : 4)),
                ),
            })),
        }),
    );

test("random valid configurations: reading the printed text gives the same", () => {
    fc.assert(
        fc.property(validConfig, (config) => {
            const printed = printConfig(config, {secrets: true});
            const again = one(printed);
            assert.deepEqual(diffConfig(config, again), []);
            assert.deepEqual(
                JSON.stringify(again.carp.map((c) => [...c.pass.reveal()])),
                JSON.stringify(config.carp.map((c) => [...c.pass.reveal()])),
            );
            assert.equal(printConfig(again, {secrets: true}), printed);
            assert.deepEqual(
                {...again, carp: again.carp.map((c) => ({...c, pass: ""}))},
                {...config, carp: config.carp.map((c) => ({...c, pass: ""}))},
            );
        }),
    );
});

/** Whatever comes in, a result comes out, and an error can be printed and points into the text. */
function checkAnyText(text: string): void {
    const parsed = parseConfig([{file: "f", text}]);
    if (parsed.ok) {
        assert.ok(parsed.value.config.carp.length > 0);
        return;
    }
    assert.ok(parsed.error.length > 0 && parsed.error.length <= 20);
    const lines = text.split("\n").length;
    for (const error of parsed.error) {
        assert.ok(error.line >= 1 && error.line <= lines && error.endCol > error.col);
        assert.ok(formatDiagnostic(error).length < 2000);
    }
}

test("random texts give a result", () => {
    fc.assert(fc.property(fc.string({unit: "binary", maxLength: 200}), checkAnyText));
    const words = fc.constantFrom(
        ...'[[carp]]|[options]|vhid|=|1|256|"|\'|"""|[|]|{|}|,|.|\n|#|\\|pass|carpdev|"eth1"|addresses|0x1|1e9|nan|1979-05-27|__proto__|\r|\t'.split(
            "|",
        ),
        "\n",
    );
    fc.assert(
        fc.property(fc.array(words, {maxLength: 40}), (list) => checkAnyText(list.join(" "))),
    );
});

test("random changes of a valid text give a result", () => {
    const change = fc.record({
        at: fc.nat(),
        remove: fc.nat({max: 12}),
        insert: fc.string({unit: "binary", maxLength: 4}),
    });
    fc.assert(
        fc.property(
            validConfig,
            fc.array(change, {minLength: 1, maxLength: 4}),
            (config, changes) => {
                let text = printConfig(config, {secrets: true});
                for (const {at, remove, insert} of changes) {
                    const from = at % (text.length + 1);
                    text = text.slice(0, from) + insert + text.slice(from + remove);
                }
                checkAnyText(text);
            },
        ),
        {numRuns: 300},
    );
});

test("deep nesting is an error, not a crash", () => {
    for (const unit of ["[", "{a=", "a."]) {
        assert.ok(!parseConfig([{file: "f", text: `a=${unit.repeat(20000)}`}]).ok);
    }
});
