/** Export: the lines for the other box of a mixed pair, and what is said where it cannot follow. */
import assert from "node:assert/strict";
import {test} from "node:test";
import type {Config} from "../../src/core/config.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {peerSkew} from "../../src/core/export/peer.ts";
import {type PeerSystem, peerLines, peerSystems} from "../../src/core/export/peer-lines.ts";

function config(text: string): Config {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return parsed.value.config;
}

function lines(text: string, peer: PeerSystem, secrets = true): string {
    return peerLines(config(text), peer, {skewStep: 100, secrets}).join("\n");
}

const plain = `
[options]
preempt = true
[[carp]]
carpdev = "eth1"
vhid = 1
pass = "mekmitasdigoat"
addresses = ["192.168.1.1/24", "2001:db8:1::1/64"]
[[carp]]
carpdev = "eth2.7"
vhid = 2
advbase = 2
advskew = 100
pass = "outside"
addresses = ["203.0.113.1/32"]
`;

test("the other host stands behind ours, or before it where ours is behind already", () => {
    assert.equal(peerSkew(0, 100), 100);
    assert.equal(peerSkew(99, 100), 199);
    assert.equal(peerSkew(100, 100), 0);
    assert.equal(peerSkew(254, 100), 154);
    assert.equal(peerSkew(239, 240), 240);
    assert.equal(peerSkew(50, 0), 50);
    for (let ours = 0; ours <= 254; ours += 1) {
        const theirs = peerSkew(ours, 100);
        assert.ok(theirs >= 0 && theirs <= 240 && theirs !== Math.min(ours, 240), String(ours));
    }
});

test("FreeBSD", () => {
    assert.equal(
        lines(plain, "freebsd"),
        `# /boot/loader.conf
carp_load="YES"

# /etc/sysctl.conf
net.inet.carp.preempt=1
net.inet.carp.ifdown_demotion_factor=240
net.inet.carp.senderr_demotion_factor=240

# /etc/rc.conf
# interface eth1, eth2.7: put the other host's own name there
# FreeBSD says no farewell when it stops: the take-over costs 3*advbase + advskew/256 s;
# "sysctl net.inet.carp.demotion=240" before a planned stop spares that (with preempt here)
# number the aliases on from those that an interface has already
ifconfig_eth1_alias0="inet vhid 1 advskew 100 pass mekmitasdigoat alias 192.168.1.1/24"
ifconfig_eth1_alias1="inet6 vhid 1 advskew 100 pass mekmitasdigoat alias 2001:db8:1::1/64"
ifconfig_eth2_7_alias0="inet vhid 2 advbase 2 advskew 0 pass outside alias 203.0.113.1/32"`,
    );
});

test("OpenBSD", () => {
    assert.equal(
        lines(plain, "openbsd"),
        `# /etc/sysctl.conf
# interface eth1, eth2.7: put the other host's own name there
# put profile = "openbsd" into the [[carp]] blocks here, so that demotion is understood
net.inet.carp.preempt=1

# /etc/hostname.carp0
inet 192.168.1.1 255.255.255.0 192.168.1.255 vhid 1 carpdev eth1 advskew 100 pass mekmitasdigoat
inet6 alias 2001:db8:1::1 64

# /etc/hostname.carp1
inet 203.0.113.1 255.255.255.255 NONE vhid 2 carpdev eth2.7 advbase 2 advskew 0 pass outside`,
    );
});

test("NetBSD", () => {
    assert.equal(
        lines(plain, "netbsd"),
        `# /etc/sysctl.conf
# interface eth1, eth2.7: put the other host's own name there
# IPv6 advertisements of NetBSD 9 and newer carry another checksum, and NetBSD does not
# accept ours: use IPv4 addresses in a vhid that NetBSD shares
net.inet.carp.preempt=1
net.inet.carp.arpbalance=0

# /etc/ifconfig.carp0
create
vhid 1 carpdev eth1 advskew 100 pass mekmitasdigoat 192.168.1.1 netmask 255.255.255.0
inet6 2001:db8:1::1 prefixlen 64 alias

# /etc/ifconfig.carp1
create
vhid 2 carpdev eth2.7 advbase 2 advskew 0 pass outside 203.0.113.1 netmask 255.255.255.255`,
    );
});

test("pfSense and OPNsense", () => {
    assert.equal(
        lines(plain, "pfsense"),
        `# pfSense: Firewall > Virtual IPs; OPNsense: Interfaces > Virtual IPs
# one entry for each row; Base and Skew are the advertising frequency
# interface eth1, eth2.7: put the other host's own name there
# IP Alias: on pfSense its interface is the CARP address of its vhid, on OPNsense it has
# the number of the vhid; all addresses of a vhid are in the digest, none may be missing
# vhid 1 has both families: where the form refuses that, give IPv6 its own vhid, here too
# the firewall says no farewell: enter maintenance mode on its CARP status page before a stop
Type      Interface  Address           VHID  Password        Base  Skew
CARP      eth1       192.168.1.1/24    1     mekmitasdigoat  1     100
IP Alias  eth1       2001:db8:1::1/64  1
CARP      eth2.7     203.0.113.1/32    2     outside         2     0`,
    );
});

test("UCarp, which takes one IPv4 address", () => {
    assert.equal(
        lines(plain, "ucarp"),
        `# interface eth1, eth2.7: put the other host's own name there
# OWN-ADDRESS: the other host's own address on that interface
# vip-up and vip-down there add and remove the address: UCarp does not, for example
#   vip-up: ip addr add "$2"/24 dev "$1"
#   vip-down: ip addr del "$2"/24 dev "$1"
# UCarp answers 1 to 2 s late, demotes for its own send errors only, and shows its password in ps;
# -z takes the address away when it is stopped
# vhid 1: not possible with UCarp: it has 2 addresses, UCarp takes one: give each a vhid, here too
ucarp -i eth2.7 -s OWN-ADDRESS -v 2 -p outside -a 203.0.113.1 -b 2 -k 0 -P -z -u /usr/local/sbin/vip-up -d /usr/local/sbin/vip-down`,
    );
});

test("passwords are written only where they are wanted, and where the file can hold them", () => {
    for (const peer of peerSystems) {
        const hidden = lines(plain, peer, false);
        assert.ok(!/mekmitasdigoat|outside/u.test(hidden), peer);
        assert.match(hidden, /^# \*\*\*\*: put the password there/mu, peer);
        assert.ok(hidden.includes("****"), peer);
    }
    const odd = plain.replace("mekmitasdigoat", "it's $HOME").replace(', "2001:db8:1::1/64"', "");
    for (const peer of ["freebsd", "openbsd", "netbsd"] as const) {
        assert.match(lines(odd, peer), / pass \*\*\*\*(?: |$)/mu);
        assert.match(lines(odd, peer), /^# vhid 1: this file cannot hold the password/mu);
        assert.ok(!lines(odd, peer).includes("$HOME"));
    }
    assert.match(lines(odd, "ucarp"), / -p 'it'\\''s \$HOME' /u);
    assert.match(lines(odd, "pfsense"), / it's \$HOME /u);
    const empty = plain.replace('pass = "outside"', "");
    assert.match(lines(empty, "freebsd"), /^# vhid 2: no password/mu);
    assert.match(lines(empty, "freebsd"), /"inet vhid 2 advbase 2 advskew 0 alias /u);
    assert.match(lines(empty, "ucarp"), /^# vhid 2: not possible with UCarp: it has no password/mu);
});

const special = `
[options]
arpbalance = true
[[carp]]
name = "vr-lan"
carpdev = "eth1"
vhid = 1
advbase = 0
advskew = 4
pass = "x"
addresses = ["192.168.1.1/24"]
profile = "openbsd"
group = "inside"
[[carp]]
carpdev = "eth1"
vhid = 2
pass = "x"
addresses = ["192.168.1.1/24"]
[[carp]]
carpdev = "eth2"
vhid = 3
pass = "y"
addresses = ["198.51.100.1/24"]
peers = ["198.51.100.3"]
[[carp]]
carpdev = "eth3"
vhid = 4
enabled = false
addresses = ["10.0.0.1/24"]
[[carp]]
carpdev = "eth3"
vhid = 5
addresses = []
[[track]]
name = "uplink"
interface = "ppp0"
`;

test("what a system cannot do is a remark", () => {
    const cases: readonly (readonly [PeerSystem, readonly RegExp[]])[] = [
        [
            "freebsd",
            [
                /^# vhid 4 \(carp3\) is not enabled here: left out$/mu,
                /^# vhid 5 \(carp4\) has no addresses here: left out$/mu,
                /^# \[\[track\]\] blocks demote this host only/mu,
                /^# ARP balancing left FreeBSD with version 10/mu,
                /^# vhid 1: FreeBSD has no advbase 0/mu,
                /^# vhid 1: FreeBSD does not read the demotion of profile = "openbsd"$/mu,
                /^# vhid 2: 192\.168\.1\.1 is in another vhid already, left out$/mu,
                /^ifconfig_eth2_alias0="inet vhid 3 advskew 100 pass y peer ADDRESS-OF-THIS-HOST alias /mu,
            ],
        ],
        [
            "openbsd",
            [
                /^# \/etc\/hostname\.carp0\ninet .* carpdev eth1 advbase 0 advskew 104 pass x group inside$/mu,
                /^# ARP balancing left OpenBSD/mu,
                /^inet 198\.51\.100\.1 .* carppeer ADDRESS-OF-THIS-HOST$/mu,
            ],
        ],
        [
            "netbsd",
            [
                /^net\.inet\.carp\.arpbalance=1$/mu,
                /^# NetBSD balances by arpbalance-hash = "sender-mac": set that here$/mu,
                /^# vhid 3: NetBSD has no unicast peers/mu,
            ],
        ],
        [
            "pfsense",
            [
                /^# vhid 1: Base is at least 1 there/mu,
                /^# vhid 3 is unicast here/mu,
                /^# the firewall preempts where it has CARP addresses; preempt is false here$/mu,
            ],
        ],
        [
            "ucarp",
            [/^# vhid 3: not possible with UCarp: it is unicast here/mu, / -b 0 -k 104 -z /u],
        ],
    ];
    for (const [peer, patterns] of cases) {
        const text = lines(special, peer);
        for (const pattern of patterns) {
            assert.match(text, pattern, peer);
        }
        assert.doesNotMatch(text, /^(?!#).*(?:vhid|-v|carp) [45]\b/mu, peer);
    }
});

test("our interface names are replaced where the other host's are known", () => {
    const text = peerLines(config(plain), "freebsd", {
        skewStep: 100,
        secrets: true,
        map: new Map([
            ["eth1", "em0"],
            ["eth2.7", "em1.7"],
        ]),
    }).join("\n");
    assert.match(text, /^ifconfig_em0_alias0=/mu);
    assert.match(text, /^ifconfig_em1_7_alias0=/mu);
    assert.doesNotMatch(text, /put the other host's own name/u);
});
