/**
 * The manuals' set-ups, typed on two or three consoles as they are printed there: firewalls that
 * fail over together, an address balanced over two hosts, a spare for two servers.
 */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {after, describe, it, type TestContext} from "node:test";
import {
    assertNoSecrets,
    type ConsoleHost,
    carpPassword,
    consoleHost,
} from "../support/console-host.ts";
import {inNamespace} from "../support/netns.ts";
import {cableOf, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene, t: TestContext) => Promise<void>) =>
    it(name, {skip, timeout: 150_000}, (t) => bed?.scene((scene) => body(scene, t))(t));

/** carp(4), "For firewalls and routers with multiple interfaces". */
const firewallA = `\
# sysctl -w net.inet.carp.preempt=1
# ifconfig carp0 create
# ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.1 \\
netmask 255.255.255.0
# ifconfig carp1 create
# ifconfig carp1 vhid 2 pass mekmitasdigoat 192.168.2.1/24 \\
netmask 255.255.255.0`;
const firewallB = `\
# sysctl -w net.inet.carp.preempt=1
# ifconfig carp0 create
# ifconfig carp0 vhid 1 advskew 100 pass mekmitasdigoat \\
192.168.1.1 netmask 255.255.255.0
# ifconfig carp1 create
# ifconfig carp1 vhid 2 advskew 100 pass mekmitasdigoat \\
192.168.2.1 netmask 255.255.255.0`;
/** carp(4), "In order to set up an ARP balanced virtual host". */
const balanceA = `\
# ifconfig carp0 create
# ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.10 \\
netmask 255.255.255.0
# ifconfig carp1 create
# ifconfig carp1 vhid 2 advskew 100 pass mekmitasdigoat \\
192.168.1.10 netmask 255.255.255.0
# sysctl -w net.inet.carp.arpbalance=1`;
const balanceB = `\
# ifconfig carp0 create
# ifconfig carp0 vhid 1 advskew 100 pass mekmitasdigoat \\
192.168.1.10 netmask 255.255.255.0
# ifconfig carp1 create
# ifconfig carp1 vhid 2 pass mekmitasdigoat 192.168.1.10 \\
netmask 255.255.255.0
# sysctl -w net.inet.carp.arpbalance=1`;

/** The lines that are typed one after the other; one with its continuation is one. */
function linesOf(text: string): readonly string[] {
    return text.split(/(?<!\\)\n/u);
}

/** Two consoles, logged in. */
async function logInBoth(...consoles: readonly ConsoleHost[]): Promise<void> {
    await Promise.all(consoles.map((one) => one.setPassword()));
}

describe("the manuals on the console", {concurrency: 2}, () => {
    test("two firewalls fail over together", async (scene, t) => {
        const [one, two] = [scene.segment("one"), scene.segment("two")];
        const make = (name: string, number: number) =>
            consoleHost(t, scene, name, [
                [one, `192.168.1.${number}/24`],
                [two, `192.168.2.${number}/24`],
            ]);
        const [a, b] = await Promise.all([make("a", 2), make("b", 3)]);
        await logInBoth(a, b);
        const [preempt] = await a.typeAll(linesOf(firewallA));
        assert.equal(preempt, "net.inet.carp.preempt: 0 -> 1\n");
        await a.says(/carp0: 1@eth1: BACKUP -> MASTER/);
        await a.says(/carp1: 2@eth2: BACKUP -> MASTER/);
        await b.typeAll(linesOf(firewallB));
        await Promise.all([
            b.router.until("BACKUP", 8000, "carp0"),
            b.router.until("BACKUP", 8000, "carp1"),
        ]);
        assert.match(await a.type("ifconfig carp0"), /carp: MASTER vhid 1 advbase 1 advskew 0\n/);
        assert.match(await b.type("ifconfig carp0"), /carp: BACKUP vhid 1 advbase 1 advskew 100\n/);
        assert.match(await b.type("show carp"), /carp0: BACKUP.*carp1: BACKUP/s);

        // One cable of A: B takes both, and says so on its console without being asked.
        const before = b.pty.text.length;
        cableOf(a.router).pull();
        await b.says(/carp0: 1@eth1: BACKUP -> MASTER/, before);
        await b.says(/carp1: 2@eth2: BACKUP -> MASTER/, before);
        await a.says(/carp0: 1@eth1: MASTER -> INIT/);
        await a.says(/carp1: 2@eth2: MASTER -> BACKUP/);
        assert.match(await b.type("show carp"), /carp0: MASTER.*carp1: MASTER/s);
        assert.match(await a.type("show demotion"), /link:eth1/);
        assert.match(await a.type("show why carp0"), /from MASTER to INIT: eth1 lost its link/);

        cableOf(a.router).plug();
        await Promise.all([
            a.router.until("MASTER", 15_000, "carp0"),
            a.router.until("MASTER", 15_000, "carp1"),
        ]);
        await b.router.until("BACKUP", 8000, "carp0");
        assert.match(readFileSync(a.router.configPath, "utf8"), /preempt = true/);
        assert.match(readFileSync(a.router.configPath, "utf8"), new RegExp(carpPassword));
        assertNoSecrets(a, b);
    });

    test("down && up gives the address away without preempt", async (scene, t) => {
        const lan = scene.segment();
        const make = (name: string, number: number) =>
            consoleHost(t, scene, name, [[lan, `192.168.1.${number}/24`]]);
        const [a, b] = await Promise.all([make("a", 2), make("b", 3)]);
        await logInBoth(a, b);
        await b.typeAll(linesOf(firewallB).slice(1, 3));
        await b.router.until("MASTER");
        await a.typeAll(linesOf(firewallA).slice(1, 3));
        await a.router.until("BACKUP");
        const from = b.pty.text.length;
        await b.typeAll(["# ifconfig carp0 down && ifconfig carp0 up"]);
        await b.says(/carp0: 1@eth1: MASTER -> INIT/, from);
        await a.says(/carp0: 1@eth1: BACKUP -> MASTER/);
        await b.router.until("BACKUP");
        assert.match(await b.type("ifconfig carp0"), /carp: BACKUP vhid 1/);
        assertNoSecrets(a, b);
    });

    test("an address is balanced over two hosts", async (scene, t) => {
        const lan = scene.segment();
        const make = (name: string, number: number) =>
            consoleHost(t, scene, name, [[lan, `192.168.1.${number}/24`]]);
        const [a, b] = await Promise.all([make("a", 2), make("b", 3)]);
        await logInBoth(a, b);
        const [said, saidToo] = await Promise.all([
            a.typeAll(linesOf(balanceA)),
            b.typeAll(linesOf(balanceB)),
        ]);
        for (const printed of [said, saidToo]) {
            assert.equal(printed.at(-1), "net.inet.carp.arpbalance: 0 -> 1\n");
        }
        await Promise.all([
            a.router.until("MASTER", 8000, "carp0"),
            b.router.until("MASTER", 8000, "carp1"),
            a.router.until("BACKUP", 8000, "carp1"),
            b.router.until("BACKUP", 8000, "carp0"),
        ]);
        assert.match(await a.type("show balance"), /192\.168\.1\.10/);
        const from = a.pty.text.length;
        await b.router.host.powerOff();
        await a.says(/carp1: 2@eth1: BACKUP -> MASTER/, from);
        assertNoSecrets(a, b);
    });

    test("a spare stands in for two servers and gives back by hand", async (scene, t) => {
        const lan = scene.segment();
        const make = (name: string, number: number) =>
            consoleHost(t, scene, name, [[lan, `192.168.1.${number}/24`]]);
        const [hosta, hostb, provider] = await Promise.all([
            make("hosta", 3),
            make("hostb", 4),
            make("provider", 5),
        ]);
        await logInBoth(hosta, hostb, provider);
        const forA = "ifconfig carp0 vhid 1 pass testpass 192.168.1.50/24";
        await hosta.typeAll([forA]);
        await hostb.typeAll(["ifconfig carp0 vhid 2 pass testpass 192.168.1.51/24"]);
        await Promise.all([hosta.router.until("MASTER"), hostb.router.until("MASTER")]);
        await provider.typeAll([
            "ifconfig carp0 vhid 1 advskew 100 pass testpass 192.168.1.50/24",
            "ifconfig carp1 vhid 2 advskew 100 pass testpass 192.168.1.51/24",
        ]);
        await provider.router.until("BACKUP", 8000, "carp0");
        await provider.router.until("BACKUP", 8000, "carp1");
        await hosta.typeAll(["ifconfig carp0 destroy"]);
        await provider.says(/carp0: 1@eth1: BACKUP -> MASTER/);
        assert.equal(await provider.router.state("carp1"), "BACKUP");
        await hosta.typeAll([forA]);
        await hosta.router.until("BACKUP");
        await provider.typeAll(["# ifconfig carp0 down && ifconfig carp0 up"]);
        await hosta.router.until("MASTER");
        await provider.router.until("BACKUP", 8000, "carp0");
        assert.match(await provider.type("show carp"), /carp0: BACKUP.*carp1: BACKUP/s);
        assertNoSecrets(hosta, hostb, provider);
    });

    after(async () => await bed?.end());
});
