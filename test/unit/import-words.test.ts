/** Import: the small readers below the importers. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {readIfconfigWords} from "../../src/core/import/ifconfig-words.ts";
import {readKeepalived} from "../../src/core/import/keepalived-syntax.ts";
import {quotedWords, shellCommands} from "../../src/core/import/shell-words.ts";
import {broadcastText, netmaskLength, netmaskText, Subnets} from "../../src/core/import/subnets.ts";
import {logicalLines} from "../../src/core/import/ucarp.ts";
import {readUcarpOptions} from "../../src/core/import/ucarp-options.ts";
import {deepestXml, readXml, type XmlElement} from "../../src/core/import/xml.ts";

/** Commands as "line: word|word", names as NAME=. */
function shell(text: string): string[] {
    return [...shellCommands(text, new Map())].map(
        ({line, words}) =>
            `${line}: ${words
                .map(({name, append, text: value, unknown}) => {
                    const sign = name === "" ? "" : `${name}${append ? "+=" : "="}`;
                    return `${sign}${value}${unknown === "" ? "" : `<${unknown}>`}`;
                })
                .join("|")}`,
    );
}

test("shell words: quotes, escapes, comments, lines, separators", () => {
    assert.deepEqual(shell(`a="b c" d='e "f"'\\ g # h\ni`), [`1: a=b c|d=e "f" g`, "2: i"]);
    assert.deepEqual(shell('a="b\\"c\\$d\\e" \\\n  f'), ['1: a=b"c$d\\e|f']);
    assert.deepEqual(shell('a="1\n2"\nb=3;c+=4&&d|e'), [
        "1: a=1\n2",
        "3: b=3",
        "3: c+=4",
        "3: d",
        "3: e",
    ]);
    assert.deepEqual(shell("a#b #c\n\n\nx='' y"), ["1: a#b", "4: x=|y"]);
    assert.deepEqual(shell("'a=b' \"c\"=d 1e=f"), ["1: a=b|c=d|1e=f"]);
});

test("shell words: variables that are known, and what only a shell knows", () => {
    assert.deepEqual(shell(`A=1 B=2\nB+=3\nc \${A}x$B"$A" $C \${C:-d} \${C-e}`), [
        "1: A=1|B=2",
        "2: B+=3",
        "3: c|1x231|<$C>|d|e",
    ]);
    assert.deepEqual(shell(`a $(b c) \`d e\`f $1 \${x#y} $ '$A'`), [
        `1: a|<$(b c)>|f<\`d e\`>|<$1>|<\${x#y}>|$|$A`,
    ]);
});

test("shell words: a quote that never ends is told", () => {
    const commands = shellCommands("a\nb 'c\nd", new Map());
    let step = commands.next();
    while (step.done !== true) {
        step = commands.next();
    }
    assert.deepEqual(step.value, {line: 2});
});

test("quoted words of a line", () => {
    assert.deepEqual(quotedWords(`a "b c"d 'e' # f`), ["a", "b cd", "e"]);
    assert.deepEqual(quotedWords("it's one"), ["it's", "one"]);
    assert.deepEqual(quotedWords(" \t"), []);
});

test("logical lines keep the number of their first", () => {
    assert.deepEqual(logicalLines("a\\\nb\nc\\"), [
        {line: 1, text: "a b"},
        {line: 3, text: "c"},
    ]);
});

test("netmasks", () => {
    for (let length = 0; length <= 32; length += 1) {
        assert.equal(netmaskLength(netmaskText(length)), length);
    }
    assert.equal(netmaskLength("0xffffff00"), 24);
    assert.equal(netmaskLength("0xFFFFFFFF"), 32);
    for (const bad of ["255.0.255.0", "0xff", "ffffff00", "24", "", "::", "0.0.0.255"]) {
        assert.equal(netmaskLength(bad), undefined, bad);
    }
    assert.equal(broadcastText("192.168.1.1", 24), "192.168.1.255");
    assert.equal(broadcastText("10.1.2.3", 12), "10.15.255.255");
});

test("subnets: the narrowest one counts", () => {
    const subnets = new Subnets();
    subnets.add("em0", "10.0.0.1", 8);
    subnets.add("em1", "10.1.0.1", 20);
    subnets.add("em2", "2001:db8::1", 62);
    subnets.add("em3", "0.0.0.1", 0);
    assert.equal(subnets.find("10.1.15.255")?.name, "em1");
    assert.equal(subnets.find("10.1.16.0")?.name, "em0");
    assert.equal(subnets.find("2001:db8:0:3::9")?.name, "em2");
    assert.equal(subnets.find("2001:db8:0:4::9"), undefined);
    assert.equal(subnets.find("11.0.0.1"), undefined);
});

test("ifconfig's words", () => {
    const read = readIfconfigWords(
        "inet 192.0.2.1 netmask 255.255.255.0 vhid 3 pass alias up 2001:db8::1%em0 prefixlen 48 odd ones advskew".split(
            " ",
        ),
        {positional: false},
    );
    assert.deepEqual(read.addresses, [
        {family: 4, address: "192.0.2.1", prefixLength: 24},
        {family: 6, address: "2001:db8::1", prefixLength: 48},
    ]);
    assert.deepEqual(
        [...read.values],
        [
            ["vhid", "3"],
            ["pass", "alias"],
        ],
    );
    assert.equal(read.up, true);
    assert.deepEqual(read.unknown, ["odd"]);
    assert.deepEqual(read.incomplete, ["advskew"]);
    const positional = readIfconfigWords(
        "inet 192.0.2.1 255.255.255.0 192.0.2.255 inet6 2001:db8::1 64 inet alias 192.0.2.2 NONE".split(
            " ",
        ),
        {positional: true},
    );
    assert.deepEqual(
        positional.addresses.map(({address, prefixLength}) => `${address}/${prefixLength}`),
        ["192.0.2.1/24", "2001:db8::1/64", "192.0.2.2/undefined"],
    );
    assert.deepEqual(positional.unknown, []);
});

test("ucarp's options as getopt_long has them", () => {
    const of = (line: string): string => {
        const {given, problems} = readUcarpOptions(line.split(" "));
        return [...[...given].map(([key, value]) => `${key}=${value}`), ...problems].join(" ");
    };
    assert.equal(of("-i eth0 -v7 -Pzk 5"), "interface=eth0 vhid=7 preempt= shutdown= advskew=5");
    assert.equal(of("--interface=eth0 --vh 7 --deadratio 2"), "interface=eth0 vhid=7 deadratio=2");
    assert.equal(of("--pass= --passfile /x"), "pass= passfile=/x");
    assert.equal(of("--mcastip 1.2.3.4 --pre"), "mcast=1.2.3.4 preempt=");
    assert.equal(of("--adv 1"), "unknown option --adv an argument that is no option");
    assert.equal(of("--preempt=yes"), "preempt= --preempt takes no value");
    assert.equal(of("-Y -v"), "unknown option -Y -v has no value");
    assert.equal(of("-- x"), "an argument that is no option");
    assert.equal(of("-k 1 -k 2"), "advskew=2");
    assert.equal(of("-p -P"), "pass=-P");
});

test("keepalived's blocks and quotes", () => {
    const read = readKeepalived('a b { c "d { e" # f\n g { h } }\ni\n{\nj !k\n}\nl');
    assert.ok(read.ok);
    assert.deepEqual(read.value, [
        {
            line: 1,
            words: ["a", "b"],
            children: [
                {line: 1, words: ["c", "d { e"], children: []},
                {line: 2, words: ["g"], children: [{line: 2, words: ["h"], children: []}]},
            ],
        },
        {line: 4, words: ["i"], children: [{line: 5, words: ["j"], children: []}]},
        {line: 7, words: ["l"], children: []},
    ]);
    const deep = readKeepalived("a { ".repeat(40));
    assert.ok(!deep.ok && /nested/u.test(deep.error.message));
    const lone = readKeepalived("{\n}");
    assert.ok(!lone.ok && /belongs to nothing/u.test(lone.error.message));
});

function outline({name, line, text, children}: XmlElement): string {
    return `${name}@${line}${text === "" ? "" : `"${text}"`}[${children.map(outline).join(",")}]`;
}

test("xml: elements, text, entities, CDATA, comments, attributes", () => {
    const of = (text: string): string => {
        const read = readXml(text);
        return read.ok ? outline(read.value) : `${read.error.line}: ${read.error.message}`;
    };
    assert.equal(of("<a/>"), "a@1[]");
    assert.equal(
        of(
            '\ufeff<?xml version="1.0"?>\n<!-- <x> --><a b="1" c=\'>\' >\n<d> e </d><d/>\n<f-g:h/></a >\n',
        ),
        'a@2[d@3"e"[],d@3[],f-g:h@4[]]',
    );
    assert.equal(of("<a>&amp;&lt;&gt;&quot;&apos;&#65;&#x1F600;</a>"), `a@1"&<>"'A\u{1f600}"[]`);
    assert.equal(of("<a><![CDATA[<b>&amp;]]> c<!-- d --></a>"), 'a@1"<b>&amp; c"[]');
    for (const [bad, message] of [
        ["", /^1: no element$/u],
        ["text", /^1: text outside/u],
        ["<a/>\n<b/>", /^2: a second root/u],
        ["<a>\n<b></a>", /^2: <\/a> where <\/b> of line 2 is due$/u],
        ["</a>", /^1: <\/a> closes nothing$/u],
        ["<a>\n\n&nbsp;</a>", /^3: "&" that begins no known entity$/u],
        ["<a>&#0;</a>", /^1: "&"/u],
        ["<a>&#xD800;</a>", /^1: "&"/u],
        ["<a>&amp</a>", /^1: "&"/u],
        ["<a", /^1: the tag <a> is not closed$/u],
        ["<a b></a>", /^1: an attribute of <a> has no value$/u],
        ["<a b=c></a>", /^1: an attribute of <a> has no quotes$/u],
        ["<a><!-- </a>", /^1: "<!--" without "-->"$/u],
        ["< a/>", /^1: "<" that begins no tag$/u],
        ["<!DOCTYPE a><a/>", /^1: a document type/u],
        ["<a><!ENTITY b 'c'></a>", /^1: a document type/u],
        ["<a></a b>", /^1: the tag <\/a> is not closed$/u],
        ["<![CDATA[a]]>", /^1: CDATA outside/u],
    ] as const) {
        assert.match(of(bad), message, bad);
    }
});

test("xml: depth and size are bounded, one long line takes no square of its length", () => {
    const nested = (depth: number): string => "<a>".repeat(depth) + "</a>".repeat(depth);
    assert.ok(readXml(nested(deepestXml)).ok);
    const deep = readXml(nested(deepestXml + 1));
    assert.ok(!deep.ok && /nested more than 64 deep/u.test(deep.error.message));
    const large = readXml(`<a>${" ".repeat(8 * 1024 * 1024)}</a>`);
    assert.ok(!large.ok && /larger than 8 MiB/u.test(large.error.message));
    const wide = readXml(`<a>${"<b>c</b>".repeat(200_000)}</a>`);
    assert.ok(wide.ok && wide.value.children.length === 200_000);
});
