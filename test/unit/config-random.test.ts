/** Configuration: random ones are read as they were printed, random texts give a result. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {
    type Config,
    type InterfaceConfig,
    Secret,
    type SystemConfig,
    type TrackCheck,
    type TrackConfig,
} from "../../src/core/config.ts";
import {diffConfig} from "../../src/core/config-diff.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {printConfig} from "../../src/core/config-print.ts";
import {
    durationText,
    octetsText,
    parseDurationMs,
    parseOctets,
} from "../../src/core/config-units.ts";
import {formatDiagnostic, formatDiagnostics} from "../../src/core/diagnostic.ts";

function one(text: string): Config {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return parsed.value.config;
}

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);

test("quantities: every text that is written is read as the same", () => {
    fc.assert(
        fc.property(fc.integer({min: 0, max: 86_400_000}), (ms) => {
            assert.equal(parseDurationMs(durationText(ms)), ms);
        }),
    );
    fc.assert(
        fc.property(fc.integer({min: 1, max: 2 ** 50}), (octetCount) => {
            const text = octetsText(octetCount);
            assert.equal(parseOctets(text) ?? Number(text), octetCount);
        }),
    );
    assert.equal(durationText(5_400_000), "90m");
    assert.equal(octetsText(64 * 1024 ** 2), "64M");
    for (const bad of [
        "",
        "1",
        "s",
        "1.5s",
        "01s",
        " 1s",
        "1 s",
        "1s ",
        "-1s",
        "1d",
        "1S",
        "9".repeat(13),
    ]) {
        assert.equal(parseDurationMs(bad), undefined, bad);
        assert.equal(parseOctets(bad), undefined, bad);
    }
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
    group: fc.constantFrom("carp", "wan", "15-octets_long."),
    upscript: fc.constantFrom("", "/etc/carpd/up.sh"),
    downscript: fc.constantFrom("", '/etc/carpd/a "quoted" name'),
    xparam: fc.constantFrom("", "a b \\ ü"),
});

const durationMs = (min: number, max: number) =>
    fc.oneof(
        fc.integer({min, max}),
        fc.integer({min: Math.ceil(min / 1000), max: Math.floor(max / 1000)}).map((s) => s * 1000),
    );
const command = fc
    .array(fc.string({unit: "binary", maxLength: 5}), {maxLength: 3})
    .map((args) => ["/sbin/check", ...args.map((arg) => arg.replaceAll("\0", ""))]);

const trackCheck: fc.Arbitrary<TrackCheck> = fc.oneof(
    fc.constantFrom("ppp0", "wan.7").map((name) => ({kind: "interface" as const, interface: name})),
    command.map((argv) => ({kind: "command" as const, command: argv})),
    fc.boolean().map((exists) => ({kind: "file" as const, path: "/run/a b", exists})),
    fc.constantFrom("198.51.100.1", "2001:db8:ffff::9").map((address) => ({
        kind: "ping" as const,
        address,
    })),
    fc.constantFrom("a.service", "b@c.timer", "-.mount").map((unit) => ({
        kind: "unit" as const,
        unit,
    })),
    fc.integer({min: 1024, max: 2 ** 44}).map((leastOctets) => ({
        kind: "memory" as const,
        leastOctets,
    })),
    fc.integer({min: 1, max: 150}).map((mostCelsius) => ({
        kind: "temperature" as const,
        mostCelsius,
    })),
);

const trackBlock = fc
    .record({
        name: fc.stringMatching(/^[A-Za-z0-9._-]{1,24}$/u),
        check: trackCheck,
        intervalMs: durationMs(100, 3_600_000),
        timeoutMs: durationMs(1, 3_600_000),
        rise: fc.integer({min: 1, max: 100}),
        fall: fc.integer({min: 1, max: 100}),
        demotion: fc.integer({min: 1, max: 240}),
        group: fc.constant(""),
    })
    .map(
        (track): TrackConfig =>
            track.check.kind === "interface"
                ? {...track, intervalMs: 1000, timeoutMs: 1000, rise: 2, fall: 3}
                : {...track, timeoutMs: Math.min(track.timeoutMs, track.intervalMs)},
    );

const systemTable: fc.Arbitrary<SystemConfig> = fc.record({
    hostname: fc.constantFrom("", "r1", "gw-2.example.net"),
    ssh: fc.boolean(),
    sshKeys: fc.subarray([
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB3q0nZ0l4mU0hT1n8rQ0V5v5Rr3m0m7xk0kQy6o8Z0a a b",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ",
    ]),
    allow: fc.subarray(["ssh", "dns", "lan0:tcp/8080", "udp/5000-5010", "wan0:dhcp"]),
    nameservers: fc.subarray(["192.0.2.53", "2001:db8::53", "127.0.0.1"]),
    forwarding: fc.boolean(),
});

const ownInterface = fc.record({
    name: fc.constantFrom("lan0", "wan0", "dmz.7", "eth1"),
    addresses: fc.subarray([2, 3, 200]),
    dhcp: fc.boolean(),
    gateway: fc.boolean(),
    gateway6: fc.boolean(),
    mtu: fc.constantFrom(0, 1280, 1500, 9000),
});

/** Each in networks of its own; the first that may has the gateway of a family. */
function placed(
    interfaces: readonly (typeof ownInterface extends fc.Arbitrary<infer T> ? T : never)[],
): InterfaceConfig[] {
    const first = interfaces.findIndex((own) => own.gateway && own.addresses.length > 0);
    const first6 = interfaces.findIndex((own) => own.gateway6);
    return interfaces.map((own, i) => ({
        name: own.name,
        dhcp: own.dhcp,
        mtu: own.mtu,
        addresses: own.addresses.flatMap((host) => [
            {family: 4 as const, address: `10.77.${i}.${host}`, prefixLength: 24},
            {family: 6 as const, address: `2001:db8:77:${i + 1}::${host}`, prefixLength: 64},
        ]),
        gateway: i === first ? `10.77.${i}.254` : "",
        gateway6: i === first6 ? "fe80::1" : "",
    }));
}

const validConfig = fc
    .record({
        options: fc.record({
            preempt: fc.boolean(),
            // Addresses may meet each other on a carpdev; that is what arpbalance allows.
            arpbalance: fc.constant(true),
            arpbalanceHash: fc.constantFrom("source-ip" as const, "sender-mac" as const),
            arpbalanceOrder: fc.constantFrom(
                "vhid" as const,
                "vhid-descending" as const,
                "configured" as const,
                "configured-reversed" as const,
            ),
            fastTakeover: fc.boolean(),
            ifdownDemotion: fc.integer({min: 0, max: 255}),
            senderrDemotion: fc.integer({min: 0, max: 255}),
            handoverLimitMs: fc.integer({min: 0, max: 10000}),
            linkUpDelayMs: durationMs(0, 3_600_000),
            bootDelayMs: durationMs(0, 86_400_000),
            bootCommand: fc.oneof(fc.constant([]), command),
            bootCommandTimeoutMs: durationMs(100, 3_600_000),
            hookTimeoutMs: durationMs(100, 600_000),
        }),
        tracks: fc.uniqueArray(trackBlock, {maxLength: 4, selector: (track) => track.name}),
        system: systemTable,
        interfaces: fc.uniqueArray(ownInterface, {maxLength: 3, selector: (own) => own.name}),
        carp: fc.uniqueArray(carpBlock, {
            minLength: 1,
            maxLength: 6,
            selector: (c) => `${c.carpdev} ${c.vhid}`,
        }),
    })
    .map(({options, carp, tracks, system, interfaces}): Config => {
        const made = carp.map((c, i) => ({
            ...c,
            name: `vr${i}`,
            // A peer needs a VIP of its family.
            peers: c.peers.filter((p) =>
                c.addresses.some((v) => v.family === (p.includes(":") ? 6 : 4)),
            ),
        }));
        const [first] = made;
        return {
            options: {...options},
            // Vhids that share an address have one password and virtual MACs.
            carp: made.map((c) => {
                const shares = made.some(
                    (other) =>
                        other !== c &&
                        other.carpdev === c.carpdev &&
                        other.addresses.some((v) =>
                            c.addresses.some((w) => w.address === v.address),
                        ),
                );
                const pass = first?.pass ?? c.pass;
                return shares ? {...c, pass, mac: "virtual" as const} : c;
            }),
            system: {...system},
            interfaces: placed(interfaces),
            tracks: tracks.map((track, i) => {
                const group = i % 2 === 0 ? "" : (first?.group ?? "");
                return {...track, group};
            }),
        };
    });

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
        const {config, warnings} = parsed.value;
        const said = warnings.some((warning) => warning.message.startsWith("no [[carp]] block"));
        assert.equal(said, config.carp.length === 0);
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
        ...'[[carp]]|[options]|vhid|=|1|256|"|\'|"""|[|]|{|}|,|.|\n|#|\\|pass|carpdev|"eth1"|addresses|0x1|1e9|nan|1979-05-27|[[track]]|name|interval|"5s"|interface|ping|group|__proto__|\r|\t'.split(
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
    // Well-formed: the parser takes what is too deep for the walk over its tree.
    for (const depth of [1000, 2000, 4000, 8000]) {
        const text = `a=${"[".repeat(depth)}${"]".repeat(depth)}`;
        assert.ok(!parseConfig([{file: "f", text}]).ok);
    }
});
