/**
 * BSD lines about what is no vhid's: on an appliance they are edits of [[interface]] and [system], on
 * any other host they are refused as before.
 */
import assert from "node:assert/strict";
import {test} from "node:test";
import {formatVip} from "../../src/core/address.ts";
import {isBsdLine} from "../../src/core/bsd/run.ts";
import {Router} from "./bsd-fixtures.ts";

function appliance(text = ""): Router {
    const router = new Router(text);
    router.appliance = true;
    return router;
}

/** One line for each [[interface]]. */
function own(router: Router): string[] {
    return router.config.interfaces.map(({name, addresses, gateway, gateway6, mtu}) =>
        [
            name,
            ...addresses.map(formatVip),
            ...[gateway, gateway6].filter(Boolean).map((address) => `via ${address}`),
            ...(mtu === 0 ? [] : [`mtu ${mtu}`]),
        ].join(" "),
    );
}

test("addresses: the forms of all BSDs", () => {
    const router = appliance();
    router.run("ifconfig eth1 inet 192.168.1.2 netmask 255.255.255.0");
    assert.deepEqual(own(router), ["eth1 192.168.1.2/24"]);
    router.run("ifconfig eth1 192.168.1.3/24 up");
    assert.deepEqual(own(router), ["eth1 192.168.1.3/24"]);
    router.run("ifconfig eth1 inet 192.168.1.9 netmask 0xffffff00 alias");
    router.run("ifconfig eth1 inet6 2001:db8:1::2 prefixlen 64");
    router.run("ifconfig eth2 inet6 2001:db8:2::2/64 alias mtu 1400");
    assert.deepEqual(own(router), [
        "eth1 192.168.1.3/24 192.168.1.9/24 2001:db8:1::2/64",
        "eth2 2001:db8:2::2/64 mtu 1400",
    ]);
    router.run("ifconfig eth1 -alias 192.168.1.9");
    router.run("ifconfig eth1 inet6 2001:db8:1::2 delete");
    router.run("ifconfig eth1 delete");
    assert.deepEqual(own(router), ["eth1", "eth2 2001:db8:2::2/64 mtu 1400"]);
    assert.equal(
        router.output("ifconfig eth1 192.168.1.2"),
        "ifconfig: no netmask given, 192.168.1.2/24 by the class of the address\n",
    );
    router.run("ifconfig eth1 192.168.1.2/25");
    assert.deepEqual(own(router), ["eth1 192.168.1.2/25", "eth2 2001:db8:2::2/64 mtu 1400"]);
});

test("nothing that is there already is an edit", () => {
    const router = appliance();
    router.run("ifconfig eth1 192.168.1.2/24 mtu 1500");
    for (const line of [
        "ifconfig eth1 192.168.1.2/24",
        "ifconfig eth1 mtu 1500",
        "ifconfig eth1 up",
    ]) {
        assert.deepEqual(router.run(line).edits, [], line);
    }
});

test("a line of several commands is one commit, a wrong one in it none", () => {
    const router = appliance();
    const line =
        "ifconfig eth1 192.168.1.2/24; ifconfig eth2 10.0.0.2/8 && route add default 10.0.0.1";
    router.run(`${line}; hostname r1; ifconfig carp0 vhid 1 carpdev eth1 192.168.1.1/24`);
    assert.deepEqual(own(router), ["eth1 192.168.1.2/24", "eth2 10.0.0.2/8 via 10.0.0.1"]);
    assert.equal(router.config.system.hostname, "r1");
    assert.deepEqual(router.summary(), ["carp0 eth1 1 1/0  192.168.1.1/24"]);
    const before = router.text;
    router.refused("ifconfig eth1 192.168.1.7/24; route add default 172.16.0.1");
    assert.equal(router.text, before);
});

test("the default route, in both families", () => {
    const router = appliance();
    router.run("ifconfig eth1 192.168.1.2/24; ifconfig eth2 2001:db8:2::2/64");
    router.run("route -n add default 192.168.1.254");
    assert.match(router.refused("route add default 192.168.1.253"), /already[\s\S]*route change/);
    router.run("route change default 192.168.1.253");
    router.run("route add -inet6 default fe80::1%eth2");
    assert.deepEqual(own(router), [
        "eth1 192.168.1.2/24 via 192.168.1.253",
        "eth2 2001:db8:2::2/64 via fe80::1",
    ]);
    router.run("route change -inet6 default 2001:db8:2::fe");
    assert.match(router.refused("route delete default 192.168.1.1"), /is via 192\.168\.1\.253/);
    router.run("route delete default; route delete -inet6 default");
    assert.deepEqual(own(router), ["eth1 192.168.1.2/24", "eth2 2001:db8:2::2/64"]);
    assert.match(router.refused("route delete default"), /no such default route/);
    assert.match(router.refused("route add -net 10.0.0.0/8 192.168.1.3"), /only the default/);
    assert.match(
        router.refused("route add default 172.16.0.1"),
        /no \[\[interface\]\][\s\S]*eth1, eth2/,
    );
    assert.match(router.refused("route add -inet6 default 192.168.1.9"), /is IPv4/);
    assert.match(router.refused("route add default fe80::1"), /%lan0/);
    assert.match(router.refused("route ad default 192.168.1.1"), /did you mean add/);
    assert.match(router.refused("route"), /route what/);
});

test("the name", () => {
    const router = appliance();
    assert.equal(router.output("hostname"), "box\n");
    router.run("hostname r1.example.net");
    assert.equal(router.output("hostname"), "r1.example.net\n");
    assert.equal(router.output("hostname -s"), "r1\n");
    assert.match(router.refused("hostname r_1"), /contains "_"/);
});

test("what needs a vhid says so, and an interface in use is not taken down", () => {
    const router = appliance();
    for (const words of [
        "advskew 100",
        "pass x",
        "state backup",
        "peer 192.168.1.3",
        "group lan",
    ]) {
        assert.match(router.refused(`ifconfig eth1 192.168.1.2/24 ${words}`), /needs a vhid/);
    }
    assert.match(router.refused("ifconfig eth1 down"), /stays up/);
    assert.match(router.refused("ifconfig eth1 mtu 60"), /68\.\.9216/);
    assert.match(router.refused("ifconfig eth1 -alias 10.0.0.1"), /has not got 10\.0\.0\.1/);
    assert.match(router.refused("ifconfig eth9 10.0.0.1/8"), /does not exist/);
    router.run("ifconfig eth1 vhid 1 192.168.1.1/24");
    assert.deepEqual(own(router), []);
    router.run("ifconfig eth1 192.168.1.2/24");
    // A vhid's address is the vhid's.
    router.run("ifconfig eth1 192.168.1.1 -alias");
    assert.deepEqual(router.summary(), []);
    assert.deepEqual(own(router), ["eth1 192.168.1.2/24"]);
});

test("comments of a block stay", () => {
    const text = `[[interface]]\nname = "eth1" # LAN\naddresses = [\n    "192.168.1.2/24", # own\n]\n`;
    const router = appliance(text);
    router.run("ifconfig eth1 alias 192.168.1.8/24");
    assert.equal(router.text, text.replace(" # own\n", ' # own\n    "192.168.1.8/24",\n'));
});

test("elsewhere nothing changes", () => {
    const router = new Router();
    assert.match(router.refused("ifconfig eth1 192.168.1.9/24"), /carpd does not change it/);
    assert.match(router.refused("ifconfig eth1 mtu 1400"), /setting of the carpdev/);
    assert.match(router.refused("route add default 192.168.1.254"), /no.* carpd appliance/);
    assert.match(router.refused("hostname r1"), /no.* carpd appliance/);
    assert.equal(router.output("hostname"), "box\n");
    assert.equal(router.text, "");
});

test("these lines are meant for this module", () => {
    for (const line of ["# route add default 10.0.0.1", "sudo hostname r1", "/sbin/route"]) {
        assert.ok(isBsdLine(line), line);
    }
    assert.ok(!isBsdLine("show hostname"));
});
