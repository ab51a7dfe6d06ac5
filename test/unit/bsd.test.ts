/** The commands of the two manuals, typed one after the other, and what the others do. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {runBsdLine} from "../../src/core/bsd/run.ts";
import {Router} from "./bsd-fixtures.ts";

/** carp(4), "preempt": host A and host B. */
const failoverA = [
    "# sysctl -w net.inet.carp.preempt=1",
    "# ifconfig carp0 create",
    "# ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.1 \\\nnetmask 255.255.255.0",
    "# ifconfig carp1 create",
    "# ifconfig carp1 vhid 2 pass mekmitasdigoat 192.168.2.1/24 \\\nnetmask 255.255.255.0",
];
const failoverB = [
    "# sysctl -w net.inet.carp.preempt=1",
    "# ifconfig carp0 create",
    "# ifconfig carp0 vhid 1 advskew 100 pass mekmitasdigoat \\\n192.168.1.1 netmask 255.255.255.0",
    "# ifconfig carp1 create",
    "# ifconfig carp1 vhid 2 advskew 100 pass mekmitasdigoat \\\n192.168.2.1 netmask 255.255.255.0",
];
/** carp(4), ARP balancing: host A and host B. */
const balanceA = [
    "# ifconfig carp0 create",
    "# ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.10 \\\nnetmask 255.255.255.0",
    "# ifconfig carp1 create",
    "# ifconfig carp1 vhid 2 advskew 100 pass mekmitasdigoat \\\n192.168.1.10 netmask 255.255.255.0",
    "# sysctl -w net.inet.carp.arpbalance=1",
];
const balanceB = [
    "# ifconfig carp0 create",
    "# ifconfig carp0 vhid 1 advskew 100 pass mekmitasdigoat \\\n192.168.1.10 netmask 255.255.255.0",
    "# ifconfig carp1 create",
    "# ifconfig carp1 vhid 2 pass mekmitasdigoat 192.168.1.10 \\\nnetmask 255.255.255.0",
    "# sysctl -w net.inet.carp.arpbalance=1",
];

function typed(lines: readonly string[]): Router {
    const router = new Router();
    for (const line of lines) {
        router.run(line);
    }
    assert.equal(router.pending.size, 0);
    return router;
}

test("carp(4): failover of all interfaces together, hosts A and B", () => {
    const a = typed(failoverA);
    assert.deepEqual(a.summary(), [
        "carp0 eth1 1 1/0 mekmitasdigoat 192.168.1.1/24",
        "carp1 eth2 2 1/0 mekmitasdigoat 192.168.2.1/24",
    ]);
    assert.equal(a.config.options.preempt, true);
    const b = typed(failoverB);
    assert.deepEqual(b.summary(), [
        "carp0 eth1 1 1/100 mekmitasdigoat 192.168.1.1/24",
        "carp1 eth2 2 1/100 mekmitasdigoat 192.168.2.1/24",
    ]);
    assert.equal(b.config.options.preempt, true);
});

test("carp(4): all of it in one text, as it is pasted", () => {
    const router = new Router();
    router.run(`${failoverA.join("\n")}\n`);
    assert.deepEqual(router.summary(), typed(failoverA).summary());
    const bare = new Router();
    bare.run(failoverA.map((line) => line.slice(2).replace("\\\n", "")).join(" && "));
    assert.deepEqual(bare.summary(), router.summary());
});

test("carp(4): ARP balancing, whose last command lets two vhids share the address", () => {
    const a = typed(balanceA);
    assert.deepEqual(a.summary(), [
        "carp0 eth1 1 1/0 mekmitasdigoat 192.168.1.10/24",
        "carp1 eth1 2 1/100 mekmitasdigoat 192.168.1.10/24",
    ]);
    assert.equal(a.config.options.arpbalance, true);
    assert.deepEqual(typed(balanceB).summary(), [
        "carp0 eth1 1 1/100 mekmitasdigoat 192.168.1.10/24",
        "carp1 eth1 2 1/0 mekmitasdigoat 192.168.1.10/24",
    ]);
});

test("until then the second vhid waits, and says so", () => {
    const router = new Router();
    const outputs = balanceA.slice(0, 4).map((line) => router.output(line));
    const waiting =
        "waiting: 192.168.1.10/24, an address of carp0; shared when net.inet.carp.arpbalance is 1";
    assert.deepEqual(outputs, ["", "", "", `carp1: ${waiting}\n`]);
    assert.deepEqual(router.summary(), ["carp0 eth1 1 1/0 mekmitasdigoat 192.168.1.10/24"]);
    assert.equal(
        router.output("ifconfig carp1"),
        "carp1: flags=9<UP,LOOPBACK> metric 0 mtu 1500\n" +
            "\tinet 192.168.1.10 netmask 0xffffff00\n" +
            "\tcarp: INIT vhid 2 advbase 1 advskew 100\n" +
            `\tgroups: carp\n\tcarpdev: eth1\n\t${waiting}\n`,
    );
    assert.equal(router.output(balanceA[4] ?? ""), "net.inet.carp.arpbalance: 0 -> 1\n");
    assert.equal(router.config.carp.length, 2);
    assert.match(router.refused("sysctl net.inet.carp.arpbalance=0"), /carp0 and carp1 share/);
    // The owner gives the address up: the other one has it without balancing.
    router.run("ifconfig carp1 192.168.1.10 delete; sysctl net.inet.carp.arpbalance=0");
    router.run("ifconfig carp1 192.168.1.10/24");
    assert.equal(router.pending.size, 1);
    router.run("ifconfig carp0 192.168.1.11/24");
    assert.equal(router.pending.size, 0);
    assert.deepEqual(router.summary(), [
        "carp0 eth1 1 1/0 mekmitasdigoat 192.168.1.11/24",
        "carp1 eth1 2 1/100 mekmitasdigoat 192.168.1.10/24",
    ]);
});

test("the handbook's three hosts, and how the address comes back", () => {
    const lines = (name: string, words: string): string[] => [
        `ifconfig ${name} create`,
        `ifconfig ${name} ${words}`,
    ];
    const a = typed(lines("carp0", "vhid 1 pass testpass 192.168.1.50/24"));
    const b = typed(lines("carp0", "vhid 2 pass testpass 192.168.1.51/24"));
    const provider = typed([
        ...lines("carp0", "vhid 1 advskew 100 pass testpass 192.168.1.50/24"),
        ...lines("carp1", "vhid 2 advskew 100 pass testpass 192.168.1.51/24"),
    ]);
    assert.deepEqual(a.summary(), ["carp0 eth1 1 1/0 testpass 192.168.1.50/24"]);
    assert.deepEqual(b.summary(), ["carp0 eth1 2 1/0 testpass 192.168.1.51/24"]);
    assert.deepEqual(provider.summary(), [
        "carp0 eth1 1 1/100 testpass 192.168.1.50/24",
        "carp1 eth1 2 1/100 testpass 192.168.1.51/24",
    ]);
    const {edits, admin, output} = provider.run("# ifconfig carp0 down && ifconfig carp0 up");
    assert.deepEqual(admin, [
        {name: "carp0", action: "down"},
        {name: "carp0", action: "up"},
    ]);
    assert.deepEqual({edits, output}, {edits: [], output: ""});
});

test("ifconfig shows a carp interface, its carpdev, all of both", () => {
    const router = typed(failoverB);
    const carp0 =
        "carp0: flags=49<UP,LOOPBACK,RUNNING> metric 0 mtu 1500\n" +
        "\tinet 192.168.1.1 netmask 0xffffff00\n" +
        "\tcarp: MASTER vhid 1 advbase 1 advskew 100\n" +
        "\tgroups: carp\n\tcarpdev: eth1\n";
    const eth1 =
        "eth1: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500\n" +
        "\tether 02:00:00:00:00:01\n" +
        "\tinet 192.168.1.2 netmask 0xffffff00 broadcast 192.168.1.255\n" +
        "\tinet6 fe80::1 prefixlen 64\n" +
        "\tinet6 2001:db8:1::2 prefixlen 64\n" +
        "\tinet 192.168.1.1 netmask 0xffffff00 broadcast 192.168.1.255 vhid 1\n" +
        "\tcarp: MASTER vhid 1 advbase 1 advskew 100\n";
    assert.equal(router.output("ifconfig carp0"), carp0);
    assert.equal(router.output("/sbin/ifconfig eth1"), eth1);
    const all = router.output("ifconfig -a");
    assert.equal(router.output("ifconfig"), all);
    assert.ok(all.startsWith(eth1) && all.includes(carp0) && !all.includes("127.0.0.1"));
    assert.equal(router.output("ifconfig -l"), "eth1 eth2 carp0 carp1\n");
    // Down within the line that asks, although the engine has not been told yet.
    const down = router.output("ifconfig carp0 down; ifconfig carp0");
    assert.ok(down.startsWith("carp0: flags=8<LOOPBACK> metric 0 mtu 1500\n"), down);
    assert.match(down, /carp: INIT vhid 1/);
    assert.equal(
        new Router().output("ifconfig carp create && ifconfig carp0"),
        "carp0\ncarp0: flags=9<UP,LOOPBACK> metric 0 mtu 1500\n\tgroups: carp\n",
    );
});

test("one setting after the other, in any order", () => {
    const router = new Router();
    for (const line of [
        "ifconfig carp3 create",
        "ifconfig carp3 advskew 20",
        "ifconfig carp3 pass x",
        "ifconfig carp3 192.168.1.7 netmask 0xffffff00",
    ]) {
        assert.deepEqual(router.run(line).edits, [], line);
    }
    assert.deepEqual(router.run("ifconfig carp3 vhid 9").edits, [
        {op: "set", path: ["carp", "carp3", "carpdev"], value: "eth1"},
        {op: "set", path: ["carp", "carp3", "vhid"], value: 9},
        {op: "set", path: ["carp", "carp3", "advskew"], value: 20},
        {op: "set", path: ["carp", "carp3", "pass"], value: "x"},
        {op: "set", path: ["carp", "carp3", "addresses"], value: ["192.168.1.7/24"]},
    ]);
    assert.equal(router.pending.size, 0);
    // One parameter leaves the others.
    assert.deepEqual(router.run("ifconfig carp3 advskew 30").edits, [
        {op: "set", path: ["carp", "carp3", "advskew"], value: 30},
    ]);
    assert.deepEqual(router.run("ifconfig carp3 advskew 30 vhid 9 pass x").edits, []);
});

test("addresses: first, alias, delete, IPv6, classes", () => {
    const router = typed(failoverA);
    const addresses = () =>
        router.carp("carp0").addresses.map((v) => `${v.address}/${v.prefixLength}`);
    router.run("ifconfig carp0 inet6 2001:db8:1::1 prefixlen 64");
    router.run("ifconfig carp0 inet 192.168.1.5/32 alias");
    assert.deepEqual(addresses(), ["192.168.1.1/24", "2001:db8:1::1/64", "192.168.1.5/32"]);
    // Without alias it takes the place of the first one.
    router.run("ifconfig carp0 192.168.1.9 netmask 255.255.255.128 broadcast 192.168.1.127");
    assert.deepEqual(
        new Set(addresses()),
        new Set(["192.168.1.9/25", "2001:db8:1::1/64", "192.168.1.5/32"]),
    );
    router.run("ifconfig carp0 inet6 2001:DB8:1:0::1 -alias && ifconfig carp0 192.168.1.5 delete");
    assert.deepEqual(addresses(), ["192.168.1.9/25"]);
    assert.equal(
        router.output("ifconfig carp0 192.168.1.9"),
        "ifconfig: no netmask given, 192.168.1.9/24 by the class of the address\n",
    );
    assert.deepEqual(addresses(), ["192.168.1.9/24"]);
    router.run("ifconfig carp0 -alias");
    assert.deepEqual(addresses(), []);
    router.run("ifconfig carp0 10.0.0.1 alias && ifconfig carp0 172.16.0.1 add");
    assert.deepEqual(addresses(), ["10.0.0.1/8", "172.16.0.1/16"]);
});

test("the carpdev: the longest prefix, by name, or asked for", () => {
    const interfaces = [
        {name: "eth0", addresses: ["10.0.0.2/8"], mac: "", up: true},
        {name: "eth1", addresses: ["10.1.0.2/16", "10.9.0.1/16"], mac: "", up: true},
        {name: "eth2", addresses: ["10.9.0.2/16"], mac: "", up: true},
        {name: "carp7", addresses: ["10.1.2.1/24"], mac: "", up: true},
    ];
    const text =
        '[[carp]]\nname = "carp7"\ncarpdev = "eth0"\nvhid = 7\npass = "x"\naddresses = []\n';
    const router = new Router(text, interfaces);
    router.run("ifconfig carp0 vhid 1 pass x 10.1.2.3/32");
    router.run("ifconfig carp1 vhid 1 pass x 10.2.0.3/16");
    router.run("ifconfig carp2 vhid 2 pass x dev eth2 192.0.2.1/24");
    router.run("ifconfig carp3 create; ifconfig carp3 carpdev eth0 vhid 3");
    assert.deepEqual(
        router.config.carp.map((carp) => `${carp.name} ${carp.carpdev}`),
        ["carp7 eth0", "carp0 eth1", "carp1 eth0", "carp2 eth2", "carp3 eth0"],
    );
    assert.match(
        router.refused("ifconfig carp4 vhid 4 192.0.2.9/24"),
        /no interface has an address in a network with 192\.0\.2\.9[\s\S]*carpdev IF/,
    );
    assert.match(
        router.refused("ifconfig carp4 vhid 4 10.9.0.9/24"),
        /eth1, eth2 are in a network/,
    );
    assert.match(router.refused("ifconfig carp4 vhid 4 carpdev carp7"), /no interface carp7/);
    assert.match(
        router.refused("ifconfig carp0 carpdev eth0"),
        /vhid 1 on eth0 is already carp1's/,
    );
});

test("FreeBSD 10 and later: a vhid on a carpdev", () => {
    const router = new Router();
    router.run("ifconfig eth1 vhid 1 advskew 100 pass mekmitasdigoat alias 192.168.1.1/32");
    router.run("ifconfig eth1 inet vhid 2 pass x 192.168.1.3/24");
    router.run("ifconfig eth1 inet6 vhid 1 alias 2001:db8:1::9/128");
    router.run("ifconfig eth1 vhid 1 advskew 50 peer 192.168.1.4 peer6 ff02::12");
    assert.deepEqual(router.summary(), [
        "carp0 eth1 1 1/50 mekmitasdigoat 192.168.1.1/32 2001:db8:1::9/128",
        "carp1 eth1 2 1/0 x 192.168.1.3/24",
    ]);
    assert.deepEqual(router.carp("carp0").peers, ["192.168.1.4"]);
    assert.match(router.output("ifconfig eth1"), /vhid 1 advbase 1 advskew 50\n\t {6}peer 192/);
    assert.deepEqual(router.run("ifconfig eth1 vhid 1 state backup").admin, [
        {name: "carp0", action: "backup"},
    ]);
    router.run("ifconfig eth1 vhid 1 mcast");
    assert.deepEqual(router.carp("carp0").peers, []);
    router.run("ifconfig eth1 192.168.1.3 -alias");
    assert.deepEqual(
        router.config.carp.map((carp) => carp.name),
        ["carp0"],
    );
    assert.match(
        router.refused("ifconfig eth1 vhid 1 down"),
        /does not set eth1 down[\s\S]*carp0 down/,
    );
    assert.match(router.refused("ifconfig eth1 192.168.1.9/24"), /carpd does not change it/);
    assert.match(router.refused("ifconfig eth1 vhid 5 -alias 192.168.1.9"), /no vhid 5 on eth1/);
    assert.match(router.refused("ifconfig em0 vhid 5 192.168.1.9/24"), /em0 does not exist/);
});

test("destroy, also of what was never complete, and made again", () => {
    const router = typed(failoverA);
    router.run("ifconfig carp1 destroy");
    assert.deepEqual(
        router.config.carp.map((carp) => carp.name),
        ["carp0"],
    );
    router.run("ifconfig carp1 create");
    router.run("ifconfig carp1 destroy");
    assert.equal(router.pending.size, 0);
    const again = router.run(
        "ifconfig carp0 down; ifconfig carp0 destroy; ifconfig carp0 create vhid 5 192.168.1.8/24",
    );
    assert.deepEqual(again.admin, []);
    assert.deepEqual(router.summary(), ["carp0 eth1 5 1/0  192.168.1.8/24"]);
    // Made and destroyed in one line is nothing at all.
    const nothing = router.run("ifconfig carp5 create && ifconfig carp5 destroy");
    assert.deepEqual([nothing.edits, nothing.pending.size], [[], 0]);
});

test("up, down and state", () => {
    const router = typed(failoverA);
    assert.deepEqual(router.run("ifconfig carp0 down").edits, []);
    router.run("ifconfig carp2 create; ifconfig carp2 down");
    const made = router.run("ifconfig carp2 vhid 3 192.168.1.3/24");
    assert.deepEqual(made.admin, []);
    assert.equal(router.carp("carp2").enabled, false);
    assert.match(router.output("ifconfig carp2"), /^carp2: flags=8<LOOPBACK>/);
    assert.deepEqual(router.run("ifconfig carp2 up").admin, [{name: "carp2", action: "up"}]);
    assert.equal(router.carp("carp2").enabled, true);
    assert.deepEqual(router.run("ifconfig carp2 state MASTER").admin, [
        {name: "carp2", action: "master"},
    ]);
    assert.deepEqual(router.run("ifconfig carp4 create state backup").admin, []);
});

test("groups and OpenBSD's carpdemote", () => {
    const router = typed(failoverA);
    router.run("ifconfig carp1 group wan");
    assert.equal(router.carp("carp1").group, "wan");
    assert.match(router.output("ifconfig carp1"), /\tgroups: wan\n/);
    assert.deepEqual(router.run("ifconfig -g carp carpdemote 50").demotions, [
        {add: 50, group: "carp"},
    ]);
    assert.deepEqual(router.run("ifconfig -g wan carpdemote").demotions, [{add: 1, group: "wan"}]);
    router.demotion = {total: 50, groups: [{group: "carp", total: 50}]};
    assert.equal(router.output("ifconfig -g carp"), "carp: carp demote count 50\n");
    assert.equal(
        router.output("ifconfig -g carp -carpdemote 20 && ifconfig -g carp"),
        "carp: carp demote count 30\n",
    );
    assert.match(router.refused("ifconfig -g carp -carpdemote 51"), /demoted by 50 only/);
    assert.match(router.refused("ifconfig -g lan"), /no group lan/);
    router.run("ifconfig carp1 -group wan");
    assert.equal(router.carp("carp1").group, "carp");
    assert.match(router.refused("ifconfig carp1 -group wan"), /carp1 is not in group wan/);
});

test("sysctl reads, writes and lists", () => {
    const router = typed(failoverA);
    assert.equal(router.output("sysctl net.inet.carp.preempt"), "net.inet.carp.preempt: 1\n");
    assert.equal(router.output("sysctl -n net.inet.carp.preempt"), "1\n");
    assert.equal(
        router.output("sysctl net.inet.carp.preempt=0"),
        "net.inet.carp.preempt: 1 -> 0\n",
    );
    assert.equal(router.config.options.preempt, false);
    router.run("sysctl -w net.inet.carp.ifdown_demotion_factor=100 net.inet.carp.allow=1");
    router.run("sudo sysctl net.inet.carp.senderr_demotion_factor=0");
    assert.equal(router.config.options.ifdownDemotion, 100);
    assert.equal(router.config.options.senderrDemotion, 0);
    router.demotion = {total: 10, groups: []};
    const added = router.run("sysctl net.inet.carp.demotion=-4 net.inet.carp.demotion");
    assert.equal(added.output, "net.inet.carp.demotion: 10 -> 6\nnet.inet.carp.demotion: 6\n");
    assert.deepEqual(added.demotions, [{add: -4, group: ""}]);
    assert.equal(
        router.output("sysctl net.inet.carp"),
        "net.inet.carp.allow: 1\n" +
            "net.inet.carp.preempt: 0\n" +
            "net.inet.carp.arpbalance: 0\n" +
            "net.inet.carp.demotion: 10\n" +
            "net.inet.carp.ifdown_demotion_factor: 100\n" +
            "net.inet.carp.senderr_demotion_factor: 0\n",
    );
    assert.equal(router.output("sysctl -an"), "1\n0\n0\n10\n100\n0\n");
});

test("a line is done as a whole or not at all", () => {
    const router = typed(failoverA);
    const said = router.refused("ifconfig carp0 advskew 5 && ifconfig carp1 advskew 300");
    assert.equal(
        said,
        "ifconfig: advskew must be 0..254, not 300\n" +
            "ifconfig carp0 advskew 5 && ifconfig carp1 advskew 300\n" +
            `${" ".repeat(51)}^^^ expected a number from 0 to 254 (1/256 s)`,
    );
});

test("a password from a file goes when one is typed", () => {
    const router = typed(failoverA);
    const world = {...router.world(), passFiles: new Set(["carp0"])};
    const outcome = runBsdLine("ifconfig carp0 pass other", world);
    assert.ok(outcome.ok);
    assert.deepEqual(outcome.value.edits, [
        {op: "delete", path: ["carp", "carp0", "pass-file"]},
        {op: "set", path: ["carp", "carp0", "pass"], value: "other"},
    ]);
});

test("what somebody else has configured meanwhile counts", () => {
    const router = new Router();
    router.run("ifconfig carp0 create; ifconfig carp0 advskew 9");
    router.text = '[[carp]]\nname = "carp0"\ncarpdev = "eth1"\nvhid = 4\npass = "x"\n';
    assert.deepEqual(router.run("ifconfig carp0 192.168.1.1/24").edits, [
        {op: "add", path: ["carp", "carp0", "addresses"], value: "192.168.1.1/24"},
    ]);
    assert.equal(router.pending.size, 0);
});
