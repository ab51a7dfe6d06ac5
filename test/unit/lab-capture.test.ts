/** The lab's ears: captures read while they grow, and who answered whom in them. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {
    balanceNumber,
    balancePlace,
    balanceTable,
    questionsFor,
} from "../../src/core/lab/balance-table.ts";
import {type Heard, hear, PcapReader} from "../../src/core/lab/capture.ts";
import {loadAddon} from "../../src/io/addon.ts";

const octetsOf = (hex: string) =>
    Uint8Array.from(Buffer.from(hex.replaceAll(/[\s:]/gu, ""), "hex"));

/** A classic pcap file of one writer's byte order. */
function pcapOf(frames: readonly Uint8Array[], littleEndian: boolean): Uint8Array {
    const file = Buffer.alloc(24 + frames.reduce((sum, frame) => sum + 16 + frame.length, 0));
    const put = (value: number, at: number) =>
        littleEndian ? file.writeUInt32LE(value, at) : file.writeUInt32BE(value, at);
    put(0xa1b2c3d4, 0);
    put(1, 20);
    let at = 24;
    for (const [i, frame] of frames.entries()) {
        put(1_700_000_000, at);
        put(i, at + 4);
        put(frame.length, at + 8);
        put(frame.length, at + 12);
        file.set(frame, at + 16);
        at += 16 + frame.length;
    }
    return file;
}

const arp = (operation: string, sender: string, senderIp: string, targetIp: string) =>
    octetsOf(
        `ffffffffffff ${sender} 0806 0001 0800 06 04 ${operation} ${sender} ${senderIp} 000000000000 ${targetIp}`,
    );
const client = "02:00:00:00:c0:00";
const virtual = "00:00:5e:00:01:02";
const clientIp = "c0a80165";
const sharedIp = "c0a8010a";
const request = arp("0001", client, clientIp, sharedIp);
const reply = arp("0002", virtual, sharedIp, clientIp);
const gratuitous = arp("0001", virtual, sharedIp, sharedIp);

const client6 = "20010db8 00000001 00000000 00000101";
const shared6 = "20010db8 00000001 00000000 00000010";
const ipv6 = (source: string, destination: string, message: string) =>
    octetsOf(`333300000001 ${client} 86dd 60000000 0020 3a ff ${source} ${destination} ${message}`);
const solicitation = ipv6(client6, shared6, `87 00 0000 00000000 ${shared6} 01 01 ${client}`);
const advertised = (flags: string, to: string) =>
    ipv6(shared6, to, `88 00 0000 ${flags}000000 ${shared6} 02 01 ${virtual}`);

test("a capture is read in pieces of any size and either byte order", () => {
    const frames = [request, reply, solicitation];
    for (const littleEndian of [true, false]) {
        const file = pcapOf(frames, littleEndian);
        fc.assert(
            fc.property(
                fc.array(fc.integer({min: 0, max: file.length}), {maxLength: 9}),
                (cuts) => {
                    const reader = new PcapReader();
                    const ends = [...cuts.sort((a, b) => a - b), file.length];
                    let from = 0;
                    const read = ends.flatMap((to) => {
                        const got = reader.push(file.subarray(from, to));
                        from = to;
                        return got;
                    });
                    assert.deepEqual(
                        read.map(({octets}) => Buffer.from(octets)),
                        frames.map((frame) => Buffer.from(frame)),
                    );
                    assert.deepEqual(
                        read.map(({atUs}) => atUs),
                        [0, 1, 2].map((i) => 1_700_000_000_000_000 + i),
                    );
                },
            ),
        );
    }
});

test("ARP and neighbour discovery: questions, answers, announcements", () => {
    const heard = (octets: Uint8Array) => hear({atUs: 7, octets});
    const asker = "192.168.1.101";
    const address = "192.168.1.10";
    assert.deepEqual(heard(request), {kind: "question", atUs: 7, asker, address});
    assert.deepEqual(heard(reply), {kind: "answer", atUs: 7, asker, address, mac: virtual});
    assert.deepEqual(heard(gratuitous), {kind: "announcement", atUs: 7, address, mac: virtual});
    const six = {asker: "2001:db8:0:1::101", address: "2001:db8:0:1::10"};
    assert.deepEqual(heard(solicitation), {kind: "question", atUs: 7, ...six});
    const answer = heard(advertised("60", client6));
    assert.deepEqual(answer, {kind: "answer", atUs: 7, ...six, mac: virtual});
    const all = "ff020000 00000000 00000000 00000001";
    const unsolicited = heard(advertised("20", all));
    assert.deepEqual(unsolicited, {
        kind: "announcement",
        atUs: 7,
        address: six.address,
        mac: virtual,
    });
    for (const frame of [request, reply, solicitation]) {
        for (let length = 0; length < frame.length - 8; length += 1) {
            assert.equal(heard(frame.subarray(0, length)), null, `${length}`);
        }
    }
});

test("advertisements as the engine's own code builds them", () => {
    const {buildAdvertisement} = loadAddon();
    const sourceMac = "00:00:5e:00:01:07";
    for (const [source, destination, vip] of [
        ["192.0.2.1", "224.0.0.18", "192.0.2.9"],
        ["fe80::1", "ff02::12", "2001:db8::9"],
    ] as const) {
        const octets = buildAdvertisement({
            form: "all",
            source,
            destination,
            ethernetSource: sourceMac,
            vhid: 7,
            advbase: 1,
            advskew: 240,
            demotion: 0,
            counter: 1n,
            key: Uint8Array.of(1),
            addresses: [vip],
        });
        const said = {source, sourceMac, vhid: 7, advbase: 1, advskew: 240};
        assert.deepEqual(hear({atUs: 1, octets}), {kind: "advertisement", atUs: 1, ...said});
    }
});

test("every question has the answers that came before the same host asked again", () => {
    const address = "192.0.2.9";
    const question = (asker: string, atUs: number): Heard => ({
        kind: "question",
        atUs,
        asker,
        address,
    });
    const answer = (asker: string, atUs: number, mac: string): Heard => ({
        kind: "answer",
        atUs,
        asker,
        address,
        mac,
    });
    const {asked, unasked, announcements} = questionsFor(
        [
            question("a", 10),
            question("b", 11),
            answer("a", 12, "m1"),
            answer("c", 13, "m1"),
            question("a", 20),
            answer("a", 22, "m1"),
            answer("a", 23, "m2"),
            {kind: "announcement", atUs: 30, address, mac: "m1"},
            {kind: "announcement", atUs: 31, address: "192.0.2.8", mac: "m1"},
        ],
        address,
    );
    assert.deepEqual(asked, [
        {asker: "a", atUs: 10, replies: [{mac: "m1", afterUs: 2}]},
        {asker: "b", atUs: 11, replies: []},
        {
            asker: "a",
            atUs: 20,
            replies: [
                {mac: "m1", afterUs: 2},
                {mac: "m2", afterUs: 3},
            ],
        },
    ]);
    assert.equal(unasked, 1);
    assert.equal(announcements, 1);
});

test("the arithmetic, written down twice, is the same", () => {
    assert.equal(balanceNumber("192.168.1.77"), 3_232_235_853);
    assert.equal(balanceNumber("2001:db8:0:1::101"), (0x20010db8 ^ 0x101 ^ 1) >>> 0);
    assert.equal(balanceNumber("::"), 0);
    const {balanceIndex} = loadAddon();
    const members = fc.integer({min: 1, max: 32});
    const key = Uint8Array.of();
    fc.assert(
        fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), members, (text, n) => {
            const engines = balanceIndex({hash: "source-ip", client: text, members: n, key});
            assert.equal(balancePlace(text, n), engines);
        }),
    );
});

test("the table of who answered whom fits beside the time", () => {
    const line = {
        client: "2001:db8:0:1::101",
        place: 0,
        vhid: 1,
        mac: "00:00:5e:00:01:01",
        host: "host-a",
    };
    const lines = balanceTable(2, [line]);
    assert.equal(lines.length, 2);
    for (const text of lines) assert.ok(text.length <= 68, text);
});
