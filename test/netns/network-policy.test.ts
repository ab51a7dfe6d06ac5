/**
 * The appliance's firewall on running hosts: CARP, ARP, neighbour discovery and fail-over pass, what
 * is allowed is reached at the VIP too, everything else is dropped, and a new plan changes the rules
 * without a gap.
 */
import assert from "node:assert/strict";
import {writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {networkPlanOf} from "../../src/core/appliance/network-plan.ts";
import {rulesetText} from "../../src/core/appliance/network-ruleset.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {canFilter, type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import {Flow, serveEcho} from "../support/flows.ts";
import {inNamespace} from "../support/netns.ts";
import {buildPair, cableOf, type Router, type Scene, Testbed} from "../support/routers.ts";

const inside = await inNamespace();
const skip = inside === false && !canFilter() ? "nft(8) is not installed" : inside;
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const vip = "192.168.1.1";
const vip6 = "2001:db8::1";
const addresses = [`${vip}/24`, `${vip6}/64`];

/** The rules of a router's own configuration with this `allow`, loaded as carp-system does. */
function protect(router: Router, allow: readonly string[], more = ""): void {
    const text = `[system]\nallow = ${JSON.stringify(allow)}\n${more}
[[carp]]\nname = "carp0"\ncarpdev = "eth1"\nvhid = 1\npass = "x"\naddresses = ${JSON.stringify(addresses)}\n`;
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, JSON.stringify(parsed));
    const path = join(router.host.directory, "firewall.nft");
    writeFileSync(path, rulesetText(networkPlanOf(parsed.value.config)));
    for (const check of [["-c"], []]) {
        const {status, stderr} = router.host.run(["nft", ...check, "-f", path]);
        assert.equal(status, 0, stderr);
    }
}

/** Packets that no rule took. */
function dropped({host}: Router): number {
    const {stdout} = host.run(["nft", "list", "chain", "inet", "carpd", "input"]);
    const [, packets] = /counter packets (\d+) bytes \d+ drop/u.exec(stdout) ?? [];
    assert.ok(packets !== undefined, stdout);
    return Number(packets);
}

const probe = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(1.5)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("open")
except socket.timeout:
    print("silence")
except ConnectionRefusedError:
    print("refused")
`;

function tcp(from: Host, address: string, port: number): string {
    const {stdout, stderr} = from.run(["python3", "-c", probe, address, String(port)]);
    return stdout.trim() || stderr;
}

function pings(from: Host, address: string): boolean {
    return from.run(["ping", "-c", "1", "-W", "2", address]).status === 0;
}

describe("firewall", {concurrency: 2}, () => {
    after(async () => await bed?.end());

    test("fail-over works behind it, and nothing of CARP is dropped", async (scene) => {
        const {a, b, client} = buildPair(scene, {a: {addresses}, b: {addresses}});
        for (const router of [a, b]) protect(router, []);
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        await b.until("BACKUP");
        for (const address of [vip, vip6]) assert.ok(pings(client, address), address);
        // ARP and neighbour discovery gave the virtual MAC, and the hosts' own addresses answer.
        assert.equal(client.neighbourMac(vip), "00:00:5e:00:01:01");
        assert.equal(client.neighbourMac(vip6), "00:00:5e:00:01:01");
        for (const own of ["192.168.1.2", "2001:db8::3"]) assert.ok(pings(client, own), own);
        const sent = await a.counter("opackets");
        await waitFor("three more advertisements", 30_000, async () =>
            (await a.counter("opackets")) >= sent + 3 ? true : undefined,
        );
        assert.equal(await b.state(), "BACKUP");
        assert.deepEqual([dropped(a), dropped(b)], [0, 0]);
        cableOf(a).pull();
        await b.until("MASTER");
        await waitFor("the VIPs at B", 3000, () =>
            pings(client, vip) && pings(client, vip6) ? true : undefined,
        );
    });

    test("a closed port is silence, an allowed one is open, at the VIP as well", async (scene) => {
        const {a, client} = buildPair(scene, {a: {addresses}});
        protect(a, []);
        await a.start();
        await a.until("MASTER");
        await serveEcho(a.host, "a");
        const all = ["192.168.1.2", "2001:db8::2", vip, vip6];
        assert.deepEqual(
            all.map((address) => tcp(client, address, 7777)),
            all.map(() => "silence"),
        );
        assert.ok(dropped(a) > 0);
        protect(a, ["eth1:tcp/7000-8000"]);
        assert.deepEqual(
            all.map((address) => tcp(client, address, 7777)),
            all.map(() => "open"),
        );
        // Let in, but nobody listens: the host itself says so.
        assert.equal(tcp(client, vip, 7778), "refused");
        assert.equal(tcp(client, vip, 22), "silence");
        protect(a, ["eth0:tcp/7777"]);
        assert.equal(tcp(client, vip, 7777), "silence");
        assert.equal(await a.state(), "MASTER");
    });

    test("a connection outlives a change of the rules, other tables stay", async (scene) => {
        const {a, client} = buildPair(scene, {a: {addresses}});
        protect(a, ["tcp/7777"]);
        a.host.run(["nft", "add", "table", "ip", "other"]);
        await serveEcho(a.host, "a");
        const held = await Flow.open(client, "192.168.1.9", "192.168.1.2", "held");
        protect(a, []);
        assert.equal(tcp(client, "192.168.1.2", 7777), "silence");
        await held.advances();
        assert.match(a.host.run(["nft", "list", "tables"]).stdout, /table ip other/u);
    });

    test("a router lets through, and does not when it is told not to", async (scene) => {
        const lan = scene.segment("lan");
        const wan = scene.segment("wan");
        const router = scene.router("r", lan, ["192.168.1.2/24"], {carp: []});
        router.host.connect(wan, {ifname: "eth2", addresses: ["192.0.2.2/24"]});
        const client = scene.client(lan, ["192.168.1.9/24"], "c");
        const server = scene.client(wan, ["192.0.2.9/24"], "s");
        client.ip("route", "add", "default", "via", "192.168.1.2");
        server.ip("route", "add", "default", "via", "192.0.2.2");
        protect(router, []);
        assert.ok(pings(client, "192.0.2.9"));
        protect(router, [], "forwarding = false\n");
        assert.ok(!pings(client, "192.0.2.9"));
        assert.ok(pings(client, "192.168.1.2"));
    });
});
