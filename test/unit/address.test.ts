/** Addresses: strict reading, canonical text, and which kinds a VIP may not be. */
import assert from "node:assert/strict";
import {isIP} from "node:net";
import {test} from "node:test";
import fc from "fast-check";
import {
    addressKind,
    addressOctets,
    formatVip,
    parseAddress,
    parseVip,
} from "../../src/core/address.ts";

function vip(text: string): string {
    const parsed = parseVip(text);
    return parsed.ok ? formatVip(parsed.value) : `refused: ${parsed.error.message}`;
}

test("canonical text of accepted VIPs", () => {
    assert.equal(vip("192.0.2.1/24"), "192.0.2.1/24");
    assert.equal(vip("2001:DB8:0:0:0:0:0:1/64"), "2001:db8::1/64");
    // RFC 5952: the longest run of zeros, the first of two, and never a single group.
    assert.equal(vip("2001:db8:0:0:1:0:0:1/64"), "2001:db8::1:0:0:1/64");
    assert.equal(vip("2001:db8:0:1:1:1:1:1/64"), "2001:db8:0:1:1:1:1:1/64");
    assert.equal(vip("192.0.2.0/31"), "192.0.2.0/31");
    assert.equal(vip("192.0.2.255/32"), "192.0.2.255/32");
    assert.equal(vip("10.0.0.255/8"), "10.0.0.255/8");
    assert.equal(vip("2001:db8::/127"), "2001:db8::/127");
    assert.equal(vip("fe80::1/64"), "fe80::1/64");
});

test("refused VIPs", () => {
    const refused = [
        "192.0.2.1",
        "192.0.2.1/",
        "192.0.2.1/33",
        "192.0.2.1/0",
        "192.0.2.1/08",
        "192.0.2.1/24/24",
        "192.0.2.1/+8",
        " 192.0.2.1/24",
        "192.0.2.010/24",
        "192.0.2/24",
        "0x7f.1/8",
        "1/8",
        "192.0.2.0/24",
        "192.0.2.255/24",
        "0.1.2.3/8",
        "127.0.0.1/8",
        "239.0.0.1/8",
        "255.255.255.255/32",
        "2001:db8::1/129",
        "2001:db8::/64",
        "::/1",
        "::1/128",
        "ff02::12/64",
        "::ffff:192.0.2.1/128",
        "fe80::1%eth0/64",
        "1:2:3:4:5:6:7:8:9/64",
        "",
        "/24",
    ];
    for (const text of refused) {
        assert.match(vip(text), /^refused: ./u, text);
    }
});

test("kinds", () => {
    const kind = (text: string): string => {
        const parsed = parseAddress(text);
        return parsed.ok ? addressKind(parsed.value) : "none";
    };
    assert.equal(kind("169.254.1.1"), "link-local");
    assert.equal(kind("febf::1"), "link-local");
    assert.equal(kind("fec0::1"), "unicast");
    assert.equal(kind("223.255.255.255"), "unicast");
    assert.equal(kind("224.0.0.0"), "multicast");
});

test("any four octets: read, printed and read again", () => {
    fc.assert(
        fc.property(fc.uint8Array({minLength: 4, maxLength: 4}), (octets) => {
            const parsed = parseAddress(octets.join("."));
            assert.ok(parsed.ok);
            assert.deepEqual(addressOctets(parsed.value.address), octets);
        }),
    );
});

test("any sixteen octets: the canonical text is what the URL standard prints", () => {
    const octet = fc.oneof(fc.constant(0), fc.integer({min: 0, max: 255}));
    fc.assert(
        fc.property(fc.array(octet, {minLength: 16, maxLength: 16}), (octets) => {
            const groups: string[] = [];
            for (let i = 0; i < 16; i += 2) {
                groups.push((((octets[i] ?? 0) << 8) | (octets[i + 1] ?? 0)).toString(16));
            }
            const parsed = parseAddress(groups.join(":"));
            assert.ok(parsed.ok);
            assert.equal(
                `[${parsed.value.address}]`,
                new URL(`http://[${groups.join(":")}]/`).hostname,
            );
            assert.deepEqual([...addressOctets(parsed.value.address)], octets);
        }),
    );
});

test("what is accepted is an address for the system too", () => {
    const soup = fc.string({
        unit: fc.constantFrom(..."0123456789abcdefF:./%x ".split("")),
        maxLength: 24,
    });
    fc.assert(
        fc.property(soup, (text) => {
            const parsed = parseAddress(text);
            if (parsed.ok) {
                assert.equal(isIP(text), parsed.value.family);
            }
        }),
        {numRuns: 2000},
    );
});
