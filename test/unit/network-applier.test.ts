/**
 * The applier on a folder: what it writes and runs, what it takes back, that nothing is done twice,
 * and that each failure is one sentence and stops no other step.
 */
import assert from "node:assert/strict";
import {mkdirSync, statSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {
    decodeNetworkPlan,
    type NetworkPlan,
    networkPlanOf,
} from "../../src/core/appliance/network-plan.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {temporaryFolder} from "./condition-fixtures.ts";
import {FakeRoot} from "./network-applier-rig.ts";

const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB3q0nZ0l4mU0hT1n8rQ0V5v5Rr3m0m7xk0kQy6o8Z0a me";

function plan(text: string): NetworkPlan {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return networkPlanOf(parsed.value.config);
}

async function apply(root: FakeRoot, text: string): Promise<readonly string[]> {
    const applied = await root.applier.apply(plan(text));
    assert.ok(applied.ok);
    return applied.value;
}

const network = "run/systemd/network";
const whole = `
[system]
hostname = "r1"
ssh = true
ssh-keys = ["${key}"]
allow = ["ssh"]
nameservers = ["192.0.2.53"]
[[interface]]
name = "lan0"
addresses = ["192.168.1.2/24", "2001:db8::2/64"]
gateway = "192.168.1.254"
[[carp]]
name = "carp0"
carpdev = "wan0"
vhid = 1
pass = "x"
addresses = ["192.0.2.1/24"]
`;

test("a plan is written, loaded and started", async (t) => {
    const root = new FakeRoot(temporaryFolder(t));
    assert.deepEqual(await apply(root, whole), []);
    assert.deepEqual(root.ran, [
        "nft -f /run/carpd-network/firewall.nft",
        "networkctl reload",
        "ssh-keygen -q -t ed25519 -N  -C carpd -f /data/system/ssh/ssh_host_ed25519_key.new",
        "systemctl restart ssh.service",
    ]);
    assert.deepEqual(root.list(network), [
        "20-carpd-lan0.network",
        "20-carpd-wan0.network",
        "20-carpd.network",
    ]);
    assert.match(root.read(`${network}/20-carpd.network`), /Name=carp0\n[\s\S]*Unmanaged=yes/u);
    assert.deepEqual(root.addresses.get("lan0"), ["192.168.1.2/24", "2001:db8::2/64"]);
    assert.equal(root.read("proc/sys/kernel/hostname"), "r1");
    assert.equal(root.read("proc/sys/net/ipv4/ip_forward"), "1");
    assert.equal(root.read("proc/sys/net/ipv6/conf/all/forwarding"), "1");
    assert.equal(root.read("etc/hostname"), "r1\n");
    assert.match(root.read("etc/resolv.conf"), /^nameserver 192\.0\.2\.53$/mu);
    assert.match(root.read("run/carpd-network/authorized_keys"), /^ssh-ed25519 AAAA\S+ me$/mu);
    assert.match(root.read("run/carpd-network/firewall.nft"), /tcp dport 22 accept/u);
    assert.match(root.read("etc/ssh/sshd_config.d/10-carpd.conf"), /^PasswordAuthentication no$/mu);
    // networkd and resolvers are not root.
    const mode = (path: string): number => statSync(join(root.root, path)).mode & 0o777;
    assert.equal(mode(`${network}/20-carpd-lan0.network`), 0o644);
    assert.equal(mode("etc/resolv.conf"), 0o644);
    assert.equal(mode("run/carpd-network/firewall.nft"), 0o600);
});

test("the same again: the rules are loaded, nothing else is touched", async (t) => {
    const root = new FakeRoot(temporaryFolder(t));
    await apply(root, whole);
    root.ran.length = 0;
    const key = root.read("data/system/ssh/ssh_host_ed25519_key");
    assert.deepEqual(await apply(root, whole), []);
    assert.deepEqual(root.ran, [
        "nft -f /run/carpd-network/firewall.nft",
        "systemctl start ssh.service",
    ]);
    assert.equal(root.read("data/system/ssh/ssh_host_ed25519_key"), key);
});

test("what a plan no longer has is taken back; what carpd and others have stays", async (t) => {
    const root = new FakeRoot(temporaryFolder(t));
    await apply(root, whole);
    // A VIP of `mac = "physical"`, and a file of somebody else.
    root.addresses.get("lan0")?.push("192.168.1.1/32");
    root.write(`${network}/30-mine.network`, "[Match]\nName=mgmt0\n");
    root.ran.length = 0;
    const next = '[[interface]]\nname = "lan0"\naddresses = ["192.168.1.3/24"]\n';
    assert.deepEqual(await apply(root, next), []);
    assert.deepEqual(root.ran, [
        "nft -f /run/carpd-network/firewall.nft",
        "networkctl reload",
        "ip -4 route delete default via 192.168.1.254 dev lan0",
        "ip address delete 192.168.1.2/24 dev lan0",
        "ip address delete 2001:db8::2/64 dev lan0",
        "systemctl stop ssh.service",
    ]);
    assert.deepEqual(root.addresses.get("lan0"), ["192.168.1.1/32", "192.168.1.3/24"]);
    assert.equal(root.read("proc/sys/net/ipv4/conf/lan0/promote_secondaries"), "1");
    assert.deepEqual(root.list(network), ["20-carpd-lan0.network", "30-mine.network"]);
    assert.equal(root.read("proc/sys/kernel/hostname"), "carpd");
    assert.deepEqual(root.list("run/carpd-network"), ["firewall.nft"]);
    assert.deepEqual(root.list("etc/ssh/sshd_config.d"), []);
    assert.doesNotMatch(root.read("etc/resolv.conf"), /nameserver/u);
});

test("each failure is a sentence of its own", async (t) => {
    const root = new FakeRoot(temporaryFolder(t));
    root.broken.set("nft", "nft: exit status 1: no such rule");
    root.broken.set("ssh-keygen", "ssh-keygen: exit status 1: No space left on device");
    mkdirSync(join(root.root, "etc/resolv.conf"), {recursive: true});
    const more = '[[interface]]\nname = "dmz0"\naddresses = ["10.0.0.2/8"]\n';
    assert.deepEqual(await apply(root, whole + more), [
        "firewall, the former rules stay: nft: exit status 1: no such rule",
        "there is no interface dmz0: it is configured when it is there",
        `name servers: EISDIR (${root.root}/etc/resolv.conf.carpd-new)`,
        "ssh: ssh-keygen: exit status 1: No space left on device",
    ]);
    assert.equal(root.read("proc/sys/kernel/hostname"), "r1");
    root.broken.clear();
    root.broken.set("networkctl", "networkctl: exit status 1: not running");
    const other = whole.replace("192.168.1.2", "192.168.1.4");
    const [sentence] = await apply(root, other);
    assert.equal(sentence, "addresses: networkctl: exit status 1: not running");
});

test("an address that does not come is told", async (t) => {
    const root = new FakeRoot(temporaryFolder(t));
    await apply(root, whole);
    root.addresses.set("lan0", ["192.168.1.2/24"]);
    assert.deepEqual(await apply(root, whole), ["lan0 did not get 2001:db8::2/64"]);
});

test("a folder that cannot be written to is a warning of each step that needs it", async (t) => {
    const root = new FakeRoot(temporaryFolder(t));
    // Not a folder at all: root too can write nothing into it.
    root.write("etc", "x\n");
    const warnings = await apply(root, whole);
    assert.equal(warnings.length, 3, warnings.join("\n"));
    assert.deepEqual(root.addresses.get("lan0"), ["192.168.1.2/24", "2001:db8::2/64"]);
});

test("a plan that came over the socket is judged word by word", () => {
    const good: NetworkPlan = plan(whole);
    const json = (change: object): unknown => JSON.parse(JSON.stringify({...good, ...change}));
    assert.deepEqual(decodeNetworkPlan(json({})), {ok: true, value: good});
    const [lan] = good.interfaces;
    for (const change of [
        {hostname: "a b"},
        {hostname: "x\nHostKey /etc/shadow"},
        {ssh: "yes"},
        {sshKeys: ['command="x" ssh-ed25519 AAAA']},
        {allow: ['lan0"; accept;:ssh']},
        {allow: ["tcp/0"]},
        {nameservers: ["192.0.2.53\noptions"]},
        {forwarding: 1},
        {interfaces: [{...lan, name: "*"}]},
        {interfaces: [{...lan, name: "../../etc/x"}]},
        {interfaces: [{...lan, addresses: ["192.168.1.2"]}]},
        {interfaces: [{...lan, gateway: "2001:db8::1"}]},
        {interfaces: [{...lan, mtu: 5}]},
        {interfaces: null},
        {virtual: [{name: 'x" accept', carpdev: "lan0"}]},
    ]) {
        assert.equal(decodeNetworkPlan(json(change)).ok, false, JSON.stringify(change));
    }
    for (const body of [null, [], "x", {}]) assert.equal(decodeNetworkPlan(body).ok, false);
});
