/**
 * The captures of real CARP stacks (test/vectors), through the addon: every digest verifies, every
 * deliberate error is refused, and what we build from the same fields is the same octets where the
 * field is not the sender's choice.
 */
import assert from "node:assert/strict";
import {readdirSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {loadAddon, type ParsedAdvertisement} from "../../src/io/addon.ts";
import {type CaptureEntry, readCaptures, readPcap, type VhostEntry} from "../support/captures.ts";

const folder = join(import.meta.dirname, "../../../test/vectors");
const addon = loadAddon();
const {captures, totals} = readCaptures(join(folder, "captures.json"));

const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");

function isAdvertisement(frame: Uint8Array): boolean {
    const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
    return (type === 0x0800 && frame[23] === 112) || (type === 0x86dd && frame[20] === 112);
}

/** Without what each implementation chooses for itself: DSCP, identification, Ethernet target. */
function normalised(frame: Uint8Array): string {
    const copy = Buffer.from(frame);
    copy.fill(0, 0, 6);
    if (copy.readUInt16BE(12) === 0x0800) {
        copy.fill(0, 15, 16);
        copy.fill(0, 18, 20);
        copy.fill(0, 24, 26);
    } else {
        copy.writeUInt16BE(0x6000 | (copy.readUInt16BE(14) & 0x000f), 14);
    }
    return copy.toString("hex");
}

function digestInput(vhost: VhostEntry, counter: bigint) {
    const {vhid, addresses} = vhost;
    return {key: Buffer.from(vhost.password, "utf8"), vhid, addresses, counter};
}

function rebuild(got: ParsedAdvertisement, vhost: VhostEntry): Uint8Array {
    const {advbase, advskew, demotion, source, destination, ethernetSource} = got;
    const fields = {advbase, advskew, demotion, source, destination, ethernetSource};
    return addon.buildAdvertisement({...digestInput(vhost, got.counter), ...fields, form: "all"});
}

interface Seen {
    adverts: number;
    badDigests: number;
    badChecksums: number;
    readonly verified: number[];
}

function checkFrame(entry: CaptureEntry, frame: Uint8Array, number: number, seen: Seen): void {
    const oddities = entry.deliberate.find((odd) => odd.frame === number)?.oddities ?? [];
    const where = `${entry.file} frame ${number}`;
    const got = addon.parseAdvertisement(frame);
    seen.adverts += 1;
    if (oddities.includes("bad checksum")) {
        seen.badChecksums += 1;
        assert.deepEqual(got, {kind: "rejected", reason: "bad checksum"}, where);
        return;
    }
    if (got.kind === "rejected") assert.fail(`${where}: ${got.reason}`);
    let matches = 0;
    for (const [index, vhost] of entry.vhosts.entries()) {
        if (vhost.vhid !== got.vhid) continue;
        const input = digestInput(vhost, got.counter);
        const signed = addon.signAdvertisement({...input, form: "all"});
        const verifies = addon.verifyDigest({...input, digest: got.digest});
        assert.equal(verifies, hex(signed) === hex(got.digest), where);
        if (!verifies) continue;
        matches += 1;
        seen.verified[index] = (seen.verified[index] ?? 0) + 1;
        if (oddities.length > 0) continue;
        assert.equal(got.ttl, 255, where);
        assert.equal(got.version, 2, where);
        assert.equal(got.type, 1, where);
        assert.equal(normalised(rebuild(got, vhost)), normalised(frame), where);
    }
    const bad = oddities.includes("bad digest");
    if (bad) seen.badDigests += 1;
    assert.equal(matches, bad ? 0 : 1, `${where}: digests that verify`);
}

const sums = {files: 0, adverts: 0, verified: 0, badDigests: 0, badChecksums: 0};

for (const entry of captures) {
    test(`${entry.file}: ${entry.implementation}`, () => {
        const seen: Seen = {
            adverts: 0,
            badDigests: 0,
            badChecksums: 0,
            verified: entry.vhosts.map(() => 0),
        };
        for (const [index, frame] of readPcap(join(folder, entry.file)).entries()) {
            if (isAdvertisement(frame)) checkFrame(entry, frame, index + 1, seen);
        }
        assert.equal(seen.adverts, entry.adverts);
        assert.deepEqual(
            seen.verified,
            entry.vhosts.map((vhost) => vhost.verified),
        );
        sums.files += 1;
        sums.adverts += seen.adverts;
        sums.verified += seen.verified.reduce((all, one) => all + one, 0);
        sums.badDigests += seen.badDigests;
        sums.badChecksums += seen.badChecksums;
    });
}

test("the whole collection was read", () => {
    const files = readdirSync(folder).filter((name) => name.endsWith(".pcap"));
    assert.deepEqual(captures.map((entry) => entry.file).sort(), files.sort());
    assert.deepEqual(sums, totals);
});

test("both forms of a digest with a link-local address are accepted", () => {
    const input = {
        key: Buffer.from("testpass"),
        vhid: 9,
        addresses: [
            "2001:db8::1/64",
            "192.0.2.1/24",
            "fe80::1/64",
            "2001:db8::a/64",
            "192.0.2.129",
        ],
        counter: 42n,
    };
    const all = addon.signAdvertisement({...input, form: "all"});
    const without = addon.signAdvertisement({...input, form: "without-link-local"});
    assert.equal(hex(all), "d6beb45d391045fe2c4c42341a5f920ac90567f7");
    assert.equal(hex(without), "be85302215bc6625d2e733389b5f16d4751ca040");
    assert.ok(addon.verifyDigest({...input, digest: all}));
    assert.ok(addon.verifyDigest({...input, digest: without}));
    assert.ok(!addon.verifyDigest({...input, counter: 43n, digest: all}));
});

test("what is not an advertisement is named", () => {
    assert.deepEqual(addon.parseAdvertisement(new Uint8Array(0)), {
        kind: "rejected",
        reason: "bad length",
    });
    const arp = Buffer.alloc(60);
    arp.writeUInt16BE(0x0806, 12);
    assert.deepEqual(addon.parseAdvertisement(arp), {kind: "rejected", reason: "not carp"});
});
