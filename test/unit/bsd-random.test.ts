/** BSD commands at random: legal lines give a legal file, no line throws, what is shown is what is. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {formatBsdRefusal, hideBsdSecrets, runBsdLine} from "../../src/core/bsd/run.ts";
import {netmaskLength} from "../../src/core/bsd/subnet.ts";
import {Router} from "./bsd-fixtures.ts";

const number = (min: number, max: number) => fc.integer({min, max}).map(String);
const octet = fc.integer({min: 2, max: 253});
const address4 = fc
    .tuple(fc.constantFrom("192.168.1", "192.168.2", "10.0.0"), octet)
    .map(([net, host]) => `${net}.${host}`);
const address6 = octet.map((host) => `2001:db8:1::${host.toString(16)}`);
const vip4 = fc
    .tuple(address4, fc.constantFrom("/24", "/32", " netmask 255.255.255.0", " netmask 0xffffff00"))
    .map((parts) => parts.join(""));
const vip = fc.oneof(
    vip4,
    address6.map((text) => `inet6 ${text} prefixlen 64`),
);
const pass = fc.constantFrom("x", "mekmitasdigoat", "'a b'", '"ü#"', "q\\ q");

/** Pieces of a command in any order; none of them excludes another. */
const settings = fc
    .record(
        {
            vhid: number(1, 255).map((n) => `vhid ${n}`),
            advbase: number(1, 255).map((n) => `advbase ${n}`),
            advskew: number(0, 254).map((n) => `advskew ${n}`),
            pass: pass.map((text) => `pass ${text}`),
            carpdev: fc.constantFrom("carpdev eth1", "dev eth2"),
            address: fc.tuple(vip, fc.constantFrom("", " alias")).map((parts) => parts.join("")),
            peer: address4.map((text) => `peer ${text}`),
            group: fc.constantFrom("group lan", "group carp"),
            state: fc.constantFrom("state master", "state BACKUP"),
            up: fc.constantFrom("up", "down"),
        },
        {requiredKeys: []},
    )
    .chain((record) => {
        const pieces = Object.values(record).filter((piece) => piece !== undefined);
        return fc.shuffledSubarray(pieces, {minLength: pieces.length});
    })
    .map((pieces) => pieces.join(" "));

const name = fc.constantFrom("carp0", "carp1", "carp2");
const command = fc.oneof(
    {weight: 4, arbitrary: fc.tuple(name, settings).map((parts) => `ifconfig ${parts.join(" ")}`)},
    name.map((text) => `ifconfig ${text} create`),
    name.map((text) => `ifconfig ${text} destroy`),
    fc.tuple(name, vip4).map(([text, address]) => `ifconfig ${text} -alias ${address}`),
    fc
        .tuple(fc.constantFrom("eth1", "eth2"), number(1, 9), vip4)
        .map(([device, vhid, address]) => `ifconfig ${device} vhid ${vhid} alias ${address}`),
    fc.constantFrom("ifconfig", "ifconfig -a", "ifconfig -g carp carpdemote 3", "sysctl -a"),
    fc
        .constantFrom("preempt", "arpbalance")
        .chain((leaf) =>
            fc.constantFrom(0, 1).map((value) => `sysctl net.inet.carp.${leaf}=${value}`),
        ),
);
const line = fc
    .tuple(command, fc.constantFrom(" && ", "; ", ";\\\n"), fc.option(command, {nil: ""}))
    .map(([first, joiner, second]) => (second === "" ? first : `${first}${joiner}${second}`));

/** What ifconfig prints of a carp interface, read again. */
function readBack(output: string) {
    const [, vhid, advbase, advskew] =
        /\tcarp: (?:INIT|BACKUP|MASTER) vhid (\d+) advbase (\d+) advskew (\d+)\n/.exec(output) ??
        [];
    const addresses = [
        ...output.matchAll(/\tinet6? (\S+) (?:netmask (\S+)|prefixlen (\d+))\n/g),
    ].map(([, address, mask, length]) => `${address}/${length ?? netmaskLength(mask ?? "")}`);
    return {
        vhid: Number(vhid),
        advbase: Number(advbase),
        advskew: Number(advskew),
        carpdev: /\tcarpdev: (\S+)\n/.exec(output)?.[1],
        group: /\tgroups: (\S+)\n/.exec(output)?.[1],
        peers: [...output.matchAll(/ peer6? (\S+)/g)].map(([, peer]) => peer),
        addresses: addresses.sort(),
    };
}

test("random legal lines: the file stays legal and ifconfig shows what is in it", () => {
    let accepted = 0;
    let refused = 0;
    fc.assert(
        fc.property(fc.array(line, {minLength: 1, maxLength: 12}), (lines) => {
            const router = new Router();
            for (const typed of lines) {
                const outcome = runBsdLine(typed, router.world());
                if (!outcome.ok) {
                    refused += 1;
                    assert.ok(formatBsdRefusal(outcome.error).length < 800);
                    continue;
                }
                accepted += 1;
                const before = router.text;
                // A peer that is a VIP, or of another family than all of them, is for the reader
                // of the file to refuse: then nothing was committed.
                try {
                    router.run(typed);
                } catch (error) {
                    assert.match(String(error), /not a peer|peer \S+ is IPv|password/);
                    router.text = before;
                    return;
                }
            }
            for (const carp of router.config.carp) {
                const pending = router.pending.get(carp.name);
                const waiting = pending?.kind === "waiting" ? pending.addresses : [];
                const all = [...carp.addresses, ...waiting];
                assert.deepEqual(readBack(router.output(`ifconfig ${carp.name}`)), {
                    vhid: carp.vhid,
                    advbase: carp.advbase,
                    advskew: carp.advskew,
                    carpdev: carp.carpdev,
                    group: carp.group,
                    peers: carp.peers,
                    addresses: all.map((v) => `${v.address}/${v.prefixLength}`).sort(),
                });
            }
        }),
        {numRuns: 100},
    );
    assert.ok(accepted > 150 && refused > 20, `${accepted} accepted, ${refused} refused`);
});

test("random lines give a result", () => {
    const router = new Router();
    router.run("ifconfig carp0 vhid 1 pass x 192.168.1.1/24");
    const world = router.world();
    const check = (text: string): void => {
        const outcome = runBsdLine(text, world);
        if (!outcome.ok) {
            const {line: at, col, endCol} = outcome.error;
            assert.ok(at >= 1 && col >= 1 && endCol > col);
            assert.ok(formatBsdRefusal(outcome.error).length < 2000);
        }
        assert.ok(hideBsdSecrets(text).length <= text.length + 4 * text.length);
    };
    fc.assert(fc.property(fc.string({unit: "binary", maxLength: 100}), check));
    const words = fc.constantFrom(
        ..."ifconfig|sysctl|carp0|carp1|eth1|-g|-a|carp|create|destroy|vhid|1|256|pass|'|\"|\\|;|&&|#|\n|192.168.1.1|/24|inet|inet6|::|netmask|alias|-alias|group|state|master|net.inet.carp.preempt=1|=|__proto__|constructor".split(
            "|",
        ),
    );
    fc.assert(
        fc.property(fc.array(words, {maxLength: 12}), fc.constantFrom(" ", ""), (list, blank) =>
            check(`ifconfig ${list.join(blank)}`),
        ),
        {numRuns: 1000},
    );
    check("x".repeat(1_000_000));
    check(`ifconfig ${"carp0 ".repeat(680)}`);
});
