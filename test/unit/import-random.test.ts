/**
 * Import on random input: what export writes is read as the same; damaged files give notes or an
 * error, never an exception, and no text that the parser refuses.
 */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {type Config, defaultOptions, defaultSystem, Secret} from "../../src/core/config.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import type {PassFile} from "../../src/core/config-password.ts";
import {printConfig} from "../../src/core/config-print.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {type PeerSystem, peerFiles, peerLines} from "../../src/core/export/peer-lines.ts";
import {
    type ImportFile,
    type ImportOptions,
    importConfiguration,
    importKinds,
} from "../../src/core/import/import.ts";
import {filesOf, folders} from "./import-cases.ts";

const map: ReadonlyMap<string, string> = new Map();

function toml(files: readonly ImportFile[], options: ImportOptions = {map}): string {
    const imported = importConfiguration(files, options);
    assert.ok(imported.ok, imported.ok ? "" : formatDiagnostics(imported.error));
    return imported.value.toml;
}

function parse(text: string): Config {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return parsed.value.config;
}

// ---- import -> print -> export -> import ----

const ipv4 = fc
    .tuple(
        fc.integer({min: 1, max: 126}),
        fc.integer({min: 0, max: 255}),
        fc.integer({min: 8, max: 32}),
    )
    .map(([a, b, length]) => ({
        family: 4 as const,
        // Ends in 0101: neither a network nor a broadcast address behind any of these prefixes.
        address: `${a}.${b}.5.5`,
        prefixLength: length === 30 || length === 31 ? 29 : length,
    }));
const ipv6 = fc
    .tuple(fc.integer({min: 1, max: 0xffff}), fc.integer({min: 1, max: 127}))
    .map(([low, prefixLength]) => ({
        family: 6 as const,
        address: `2001:db8::1:${(low | 1).toString(16)}`,
        prefixLength,
    }));
const wordPassword = fc.stringMatching(/^[A-Za-z0-9_.,:+@%^=-]{0,19}$/u);

/** What each form can say, with the others' values at their defaults. */
interface Form {
    readonly peer: PeerSystem;
    readonly ipv6: boolean;
    readonly mostAddresses: number;
    readonly leastAdvbase: number;
    readonly profile: "freebsd" | "openbsd";
    readonly groups: readonly string[];
    readonly factors: boolean;
    readonly password: fc.Arbitrary<string>;
    /** UCarp has no netmask. */
    readonly prefixLength: number | undefined;
}

const base: Form = {
    peer: "freebsd",
    ipv6: true,
    mostAddresses: 4,
    leastAdvbase: 1,
    profile: "freebsd",
    groups: ["carp"],
    factors: true,
    password: wordPassword,
    prefixLength: undefined,
};
const forms: readonly Form[] = [
    base,
    {
        ...base,
        peer: "openbsd",
        leastAdvbase: 0,
        profile: "openbsd",
        groups: ["carp", "inside"],
        factors: false,
    },
    {...base, peer: "netbsd", leastAdvbase: 0, factors: false},
    {
        ...base,
        peer: "ucarp",
        ipv6: false,
        mostAddresses: 1,
        leastAdvbase: 0,
        factors: false,
        // Its command line can quote anything that a text can hold.
        password: fc.string({unit: "grapheme-ascii", minLength: 1, maxLength: 19}),
        prefixLength: 32,
    },
];

function configs(form: Form): fc.Arbitrary<Config> {
    const vip = form.ipv6 ? fc.oneof(ipv4, ipv6) : ipv4;
    const carp = fc.record({
        carpdev: fc.constantFrom("em0", "em1", "vtnet12"),
        vhid: fc.integer({min: 1, max: 255}),
        advbase: fc.integer({min: form.leastAdvbase, max: 255}),
        advskew: fc.integer({min: 0, max: 254}),
        password: form.password,
        addresses: fc.uniqueArray(vip, {
            minLength: 1,
            maxLength: form.mostAddresses,
            selector: ({address}) => address,
        }),
        group: fc.constantFrom(...form.groups),
    });
    return fc
        .record({
            preempt: fc.boolean(),
            factors: fc.tuple(fc.integer({min: 0, max: 255}), fc.integer({min: 0, max: 255})),
            carp: fc.uniqueArray(carp, {
                minLength: 1,
                maxLength: 5,
                selector: ({carpdev, vhid}) => `${carpdev} ${vhid}`,
            }),
        })
        .map(({preempt, factors, carp: drafts}): Config => {
            const options = form.factors
                ? {ifdownDemotion: factors[0], senderrDemotion: factors[1]}
                : {};
            const taken = new Set<string>();
            const kept = drafts.flatMap(({password, addresses, ...rest}) => {
                const own = addresses.filter(({address}) => !taken.has(address));
                for (const {address} of own) {
                    taken.add(address);
                }
                return own.length === 0 ? [] : [{password, addresses: own, ...rest}];
            });
            return {
                options: {...defaultOptions, preempt, ...options},
                carp: kept.map(({password, addresses, ...rest}, i) => ({
                    ...rest,
                    name: `carp${i}`,
                    pass: new Secret(new TextEncoder().encode(password)),
                    addresses: addresses.map((each) => ({
                        ...each,
                        prefixLength: form.prefixLength ?? each.prefixLength,
                    })),
                    peers: [],
                    mac: "virtual",
                    profile: form.profile,
                    enabled: true,
                    upscript: "",
                    downscript: "",
                    xparam: "",
                })),
                tracks: [],
                system: defaultSystem,
                interfaces: [],
            };
        });
}

/** The exported files under the names that they have there. */
function exported(config: Config, peer: PeerSystem): ImportFile[] {
    return peerFiles(config, peer, {skewStep: 0, secrets: true}).map(({path, lines}) => ({
        name: path === "" ? "start.sh" : path,
        text: `${lines.join("\n")}\n`,
    }));
}

/** UCarp's scripts are not ours: the example's names are taken out. */
function comparable(text: string): string {
    return text.replace(/^((?:up|down)script) = ".*"$/gmu, '$1 = ""');
}

for (const form of forms) {
    test(`${form.peer}: what is exported is imported as the same`, () => {
        fc.assert(
            fc.property(configs(form), (config) => {
                const printed = printConfig(config, {secrets: true});
                const first = toml(exported(config, form.peer));
                assert.equal(comparable(first), printed);
                // And once more from the text: import, print, export, import.
                assert.equal(toml(exported(parse(first), form.peer)), first);
            }),
            {numRuns: 150},
        );
    });
}

test("FreeBSD's lines in one text, as they are shown, are imported too", () => {
    fc.assert(
        fc.property(configs(base), (config) => {
            const text = peerLines(config, "freebsd", {skewStep: 0, secrets: true}).join("\n");
            assert.equal(toml([{name: "pasted", text}]), printConfig(config, {secrets: true}));
        }),
        {numRuns: 50},
    );
});

test("the same backup: a step there and back is ours again", () => {
    fc.assert(
        fc.property(configs(base), (config) => {
            const low = {
                ...config,
                carp: config.carp.map((c) => ({...c, advskew: c.advskew % 100})),
            };
            const once = peerFiles(low, "freebsd", {skewStep: 100, secrets: true});
            const text = once.flatMap(({lines}) => lines).join("\n");
            const there = parse(toml([{name: "rc.conf", text}]));
            assert.ok(there.carp.every(({advskew}) => advskew >= 100 && advskew < 200));
            const back = peerFiles(there, "freebsd", {skewStep: 100, secrets: true});
            const again = back.flatMap(({lines}) => lines).join("\n");
            assert.equal(toml([{name: "rc.conf", text: again}]), printConfig(low, {secrets: true}));
        }),
        {numRuns: 50},
    );
});

// ---- damaged files ----

const fixturePasswords =
    /testpass|mekmitasdigoat|a-password-of|apart|admins-own|my pass|16charsatmost|eight888/u;

/** Whatever comes in, a result comes out. */
function checkAny(
    files: readonly ImportFile[],
    options: ImportOptions,
    secretsHidden: boolean,
): void {
    const imported = importConfiguration(files, options);
    if (!imported.ok) {
        const shown = formatDiagnostics(imported.error);
        assert.ok(imported.error.length >= 1 && imported.error.length <= 20);
        assert.match(shown, /^[^\n]*:\d+:\d+: /u);
        assert.ok(!secretsHidden || !fixturePasswords.test(shown), shown);
        return;
    }
    const {toml: text, notes} = imported.value;
    const read: PassFile = {kind: "read", octets: Buffer.from("x"), worldReadable: false};
    const paths = [...text.matchAll(/^pass-file = (".*")$/gmu)].map((m) =>
        JSON.parse(m[1] ?? '""'),
    );
    const parsed = parseConfig(
        [{file: "carpd.toml", text}],
        new Map(paths.map((path): [string, PassFile] => [String(path), read])),
    );
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    assert.ok(notes.length <= 200);
    for (const note of notes) {
        assert.ok(note.line >= 1 && note.text !== "");
        assert.ok(!/\p{Cc}/u.test(note.text), note.text);
        assert.ok(!secretsHidden || !fixturePasswords.test(note.text), note.text);
    }
}

for (const folder of folders) {
    test(`${folder}: cut off anywhere`, () => {
        const files = filesOf(folder);
        for (const [index, file] of files.entries()) {
            const step = Math.max(1, Math.floor(file.text.length / 150));
            for (let end = 0; end < file.text.length; end += step) {
                const cut = files.with(index, {...file, text: file.text.slice(0, end)});
                checkAny(cut, {map}, true);
            }
        }
    });

    test(`${folder}: with random damage`, () => {
        const files = filesOf(folder);
        const damage = fc.tuple(
            fc.nat(),
            fc.nat(),
            fc.nat({max: 40}),
            fc.oneof(
                fc.constantFrom("", "\n", '"', "'", "\\", "{", "}", "<", "</", "&", "=", "$(", "#"),
                fc.string({unit: "binary", maxLength: 6}),
            ),
        );
        fc.assert(
            fc.property(fc.array(damage, {minLength: 1, maxLength: 4}), (damages) => {
                const broken = [...files];
                for (const [which, where, length, put] of damages) {
                    const index = which % broken.length;
                    const file = broken[index];
                    if (file !== undefined) {
                        const at = where % (file.text.length + 1);
                        const text = file.text.slice(0, at) + put + file.text.slice(at + length);
                        broken[index] = {...file, text};
                    }
                }
                checkAny(broken, {map}, false);
            }),
            {numRuns: 150},
        );
    });
}

test("any text as any kind", () => {
    const words = fc.constantFrom(
        ..."vhid 1 300 pass advskew inet inet6 192.0.2.1/24 2001:db8::1 64 alias netmask carpdev em0".split(
            " ",
        ),
        ..."{ } < > <a> </a> & \" ' \\ # ! = += $ $a $( ` ; | - -- -p -v ucarp --vhid= iface carp:".split(
            " ",
        ),
        ..."vrrp_instance interface virtual_router_id ifconfig_em0= ifconfig_carp0= key: flags=".split(
            " ",
        ),
        "\n",
        "\n",
        " ",
    );
    const texts = fc.oneof(
        fc.string({unit: "binary", maxLength: 80}),
        fc.array(words, {maxLength: 40}).map((list) => list.join(" ")),
    );
    const names = fc.constantFrom("x", "rc.conf", "hostname.carp0", "ifconfig.carp1", "config.xml");
    fc.assert(
        fc.property(
            texts,
            names,
            fc.constantFrom(undefined, ...importKinds),
            (text, name, kind) => {
                checkAny([{name, text}], kind === undefined ? {map} : {map, kind}, false);
            },
        ),
        {numRuns: 3000},
    );
});

test("large files of one thing are read in linear time", () => {
    const size = 8 * 1024 * 1024 - 64;
    // Time that grows with the square of the length would be minutes here.
    const fillings = [
        "a",
        "a ",
        '"',
        "'",
        "\\",
        "=",
        "#",
        "$a",
        "{",
        "<",
        "&",
        "-p ",
        "\t",
        "ucarp ",
    ];
    for (const filling of fillings) {
        const text = filling.repeat(Math.floor(size / 32 / filling.length));
        for (const kind of importKinds) {
            checkAny([{name: "hostname.carp0", text}], {map, kind}, false);
        }
    }
    const lines = 'ifconfig_em0_alias0="inet vhid 1 pass x alias 192.0.2.1/32"\n';
    checkAny([{name: "rc.conf", text: lines.repeat(size / lines.length)}], {map}, false);
});
