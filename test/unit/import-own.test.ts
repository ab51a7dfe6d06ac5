/** Import of an rc.conf: the host's own addresses, routes and name become [[interface]] and [system]. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {formatVip} from "../../src/core/address.ts";
import type {Config} from "../../src/core/config.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {importConfiguration} from "../../src/core/import/import.ts";

const vhid = 'cloned_interfaces="carp0"\nifconfig_carp0="vhid 1 pass x 192.168.1.1/24"\n';

function imported(
    text: string,
    map: Readonly<Record<string, string>> = {em0: "lan0", em1: "wan0"},
) {
    const result = importConfiguration([{name: "rc.conf", text: text + vhid}], {
        map: new Map(Object.entries(map)),
    });
    assert.ok(result.ok, result.ok ? "" : formatDiagnostics(result.error));
    const parsed = parseConfig([{file: "carpd.toml", text: result.value.toml}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    const notes = result.value.notes.map(({line, text: said}) => `${line}: ${said}`);
    return {config: parsed.value.config, notes};
}

function own({interfaces}: Config): string[] {
    return interfaces.map(({name, addresses, dhcp, gateway, gateway6, mtu}) =>
        [
            name,
            ...addresses.map(formatVip),
            ...(dhcp ? ["dhcp"] : []),
            ...[gateway, gateway6].filter(Boolean).map((address) => `via ${address}`),
            ...(mtu === 0 ? [] : [`mtu ${mtu}`]),
        ].join(" "),
    );
}

test("addresses, aliases, routers, name and forwarding, without a note", () => {
    const {config, notes} = imported(
        `hostname="r1.example.net"
gateway_enable="YES"
defaultrouter="198.51.100.6"
ipv6_defaultrouter="fe80::1%em1"
ifconfig_lo0="inet 127.0.0.1"
ifconfig_em0="inet 192.168.1.2 netmask 255.255.255.0 mtu 1400"
ifconfig_em0_alias0="inet 192.168.1.8/32"
ifconfig_em0_ipv6="inet6 2001:db8::2 prefixlen 64"
ifconfig_em1="inet 198.51.100.2/29 up"
`,
    );
    assert.deepEqual(notes, []);
    assert.deepEqual(own(config), [
        "lan0 192.168.1.2/24 192.168.1.8/32 2001:db8::2/64 mtu 1400",
        "wan0 198.51.100.2/29 via 198.51.100.6 via fe80::1",
    ]);
    assert.equal(config.system.hostname, "r1.example.net");
    assert.equal(config.system.forwarding, true);
});

test("what asks by DHCP, and a host that does not route", () => {
    const {config} = imported(
        'gateway_enable="NO"\nifconfig_em0="inet 192.168.1.2/24"\nifconfig_em1="SYNCDHCP"\n',
    );
    assert.deepEqual(own(config), ["lan0 192.168.1.2/24", "wan0 dhcp"]);
    assert.equal(config.system.forwarding, false);
});

test("what cannot stay is left out and noted, and the vhid is imported", () => {
    const {config, notes} = imported(
        `hostname="r_1"
defaultrouter="172.16.0.1"
ipv6_defaultrouter="192.168.1.254"
ifconfig_em0="inet 192.168.1.2/24 mtu 20"
ifconfig_em0_alias0="inet 192.168.1.1/24"
ifconfig_em1="inet 192.168.1.3/24"
ifconfig_em1_alias0="inet 10.0.0.0/8"
ifconfig_em1_alias1="inet 10.0.0.2"
`,
    );
    assert.deepEqual(own(config), ["lan0 192.168.1.2/24", "wan0 10.0.0.2/8"]);
    const all = notes.join("\n");
    for (const expected of [
        /^1: hostname contains "_"/mu,
        /^2: no interface has a network with "172\.16\.0\.1"/mu,
        /^3: "192\.168\.1\.254" is no IPv6 router/mu,
        /^4: mtu "20" is not 68\.\.9216/mu,
        /^6: 192\.168\.1\.3 is in a network of lan0/mu,
        /^7: 10\.0\.0\.0 is the network address/mu,
        /^8: 10\.0\.0\.2 has no netmask: \/8/mu,
        /192\.168\.1\.1 is an own address and in vhid 1/mu,
    ]) {
        assert.match(all, expected);
    }
    assert.equal(config.carp[0]?.addresses.map(formatVip).join(), "192.168.1.1/24");
});
