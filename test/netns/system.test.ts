/**
 * carpd and its kernel: links that go and come, sysctls, what is left behind, failing sends, many
 * vhids, restarts, reloads.
 */
import assert from "node:assert/strict";
import {readdirSync, writeFileSync} from "node:fs";
import {after, describe, it} from "node:test";
import {canFilter, waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf} from "../support/pcap.ts";
import {
    cableOf,
    pairBlock,
    type Router,
    type RouterConfig,
    runPair,
    type Scene,
    Testbed,
} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** What a clean end has to leave as it was: links, addresses, sysctls, sockets, processes. */
function footprint({host}: Router): Readonly<Record<string, unknown>> {
    const folders = ["ipv4", "ipv6"].flatMap((family) =>
        ["eth1", "all", "default"].map((name) => `/proc/sys/net/${family}/conf/${name}`),
    );
    const lines = (argv: readonly string[]) => host.run(argv).stdout.split("\n").sort();
    return {
        // stable_secret cannot be read before it is set; others are write-only.
        sysctls: lines(["grep", "-rs", ".", ...folders]),
        links: [...host.ip("-o", "link").matchAll(/^\d+: ([^:@]+)/gm)].map(([, name]) => name),
        addresses: [...host.ip("-o", "addr").matchAll(/inet6? (\S+)/g)].map(([, text]) => text),
        routes: lines(["ip", "route", "show", "table", "all"]),
        packetSockets: lines(["cat", "/proc/net/packet"]).length,
        rawSockets:
            lines(["cat", "/proc/net/raw"]).length + lines(["cat", "/proc/net/raw6"]).length,
        groups: lines(["ip", "maddr", "show", "dev", "eth1"]),
        processes: host.pids(),
    };
}

describe("links", {concurrency: 4}, () => {
    test("a carrier that goes means INIT at once, and demotion of the others", async (scene) => {
        const [lan, wan] = [scene.segment("lan"), scene.segment("wan")];
        const a = scene.router("a", lan, ["192.168.1.2/24"], {
            carp: [
                pairBlock(0),
                pairBlock(7, {name: "carp1", carpdev: "eth2", vhid: 2, addresses: ["10.0.0.1/24"]}),
            ],
        });
        a.host.connect(wan, {ifname: "eth2", addresses: ["10.0.0.2/24"]});
        await a.start();
        await a.until("MASTER");
        await a.until("MASTER", 8000, "carp1");
        const capture = await scene.switches.capture(wan);
        const pulledUs = Date.now() * 1000;
        cableOf(a).pull();
        await a.until("INIT", 1500);
        const dead = await a.carp();
        assert.equal(dead.cause, "hardware interface down");
        const alive = await a.carp("carp1");
        assert.deepEqual([alive.state, alive.effectiveAdvskew], ["MASTER", 240]);
        cableOf(a).plug();
        await a.until("MASTER");
        assert.equal((await a.carp("carp1")).effectiveAdvskew, 7);
        assert.equal((await a.carp("carp1")).demotion, 0);
        const adverts = advertsOf(await capture.stop(), {vhid: 2});
        const demoted = adverts.find(({advskew}) => advskew === 240);
        assert.ok(demoted && demoted.atUs - pulledUs < 1_000_000, "said at once");
        assert.equal(adverts.at(-1)?.advskew, 7);
    });

    test("an interface that is deleted and made again", async (scene) => {
        const {a, b, segment, client} = await runPair(scene);
        scene.wire.ip("link", "del", cableOf(a).port);
        await a.until("INIT", 3000);
        await b.until("MASTER", 6000);
        assert.deepEqual(a.macvlans(), []);
        a.host.connect(segment, {ifname: "eth1", addresses: ["192.168.1.2/24"]});
        await a.until("MASTER"); // with preempt, at the first advert of B
        await b.until("BACKUP", 3000);
        assert.deepEqual(a.macvlans(), ["carp0"]);
        const pings = await scene.agent(client).ping("192.168.1.1", 20_000);
        await pings.answered();
        await pings.stop();
        await a.stop();
        assert.deepEqual(a.macvlans(), []);
    });

    test("a macvlan that somebody deletes is made again", async (scene) => {
        const {a} = await runPair(scene);
        a.host.ip("link", "del", "carp0");
        await a.said("INIT -> BACKUP", 2);
        await a.until("MASTER");
        assert.deepEqual(a.macvlans(), ["carp0"]);
    });

    test("a clean run leaves nothing behind", async (scene) => {
        const addresses = ["192.168.1.1/24", "2001:db8::1/64"];
        for (const [i, more] of [{}, {mac: "physical"}, {peers: ["192.168.1.77"]}].entries()) {
            const lan = scene.segment(`l${i}`);
            const a = scene.router(`a${i}`, lan, ["192.168.1.2/24", "2001:db8::2/64"], {
                options: {"handover-limit-ms": 200},
                carp: [pairBlock(0, {addresses, ...more})],
            });
            const before = footprint(a);
            await a.start();
            const during = footprint(a);
            assert.notDeepEqual(during.sysctls, before.sysctls);
            assert.notDeepEqual(during.processes, []);
            await a.until("MASTER");
            await a.stop();
            assert.deepEqual(footprint(a), before, JSON.stringify(more));
            assert.ok(!readdirSync(a.runDir).includes("control.sock"), "no stale socket");
        }
    });

    test("P18: three failed sends demote, three good ones undo it", async (scene) => {
        if (!canFilter()) {
            scene.skip("nft(8) is not installed");
            return;
        }
        const [lan, wan] = [scene.segment("lan"), scene.segment("wan")];
        const other = {name: "carp1", carpdev: "eth2", vhid: 2, addresses: ["10.0.0.1/24"]};
        const a = scene.router("a", lan, ["192.168.1.2/24"], {
            carp: [pairBlock(0), pairBlock(0, other)],
        });
        a.host.connect(wan, {ifname: "eth2", addresses: ["10.0.0.2/24"]});
        await a.start();
        await a.until("MASTER");
        await a.until("MASTER", 8000, "carp1");
        const nft = (rule: string) => a.host.run(["nft", rule]).status;
        nft("add table netdev test");
        const chain = "{ type filter hook egress device eth1 priority 0; }";
        if (nft(`add chain netdev test out ${chain}`) !== 0) {
            scene.skip(
                "no egress hook (Linux 5.16 and CONFIG_NETFILTER_EGRESS), so no send can fail",
            );
            return;
        }
        assert.equal(nft("add rule netdev test out drop"), 0);
        await waitFor("the demotion", 6000, async () =>
            (await a.carp("carp1")).effectiveAdvskew === 240 ? true : undefined,
        );
        assert.ok((await a.counter("oerrors")) >= 3);
        const demotion = await a.command("show", "demotion");
        assert.match(demotion, /send:eth1/);
        assert.equal(nft("delete table netdev test"), 0);
        await waitFor("the end of the demotion", 8000, async () =>
            (await a.carp("carp1")).demotion === 0 ? true : undefined,
        );
    });
});

describe("restarts and reloads", {concurrency: 4}, () => {
    test("64 vhids on one carpdev come up and fail over", async (scene) => {
        const lan = scene.segment();
        const count = 64;
        const blocks = (skew: number) =>
            Array.from({length: count}, (_, i) =>
                pairBlock(skew, {
                    name: `carp${i}`,
                    vhid: i + 1,
                    addresses: [`192.168.1.${100 + i}/24`],
                }),
            );
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: blocks(0)});
        const b = scene.router("b", lan, ["192.168.1.3/24"], {carp: blocks(100)});
        const all = async (router: Router, state: string, deadlineMs: number) =>
            await waitFor(
                `${count} times ${state}`,
                deadlineMs,
                async () =>
                    (await router.carps()).every((carp) => carp.state === state) ? true : undefined,
                async () => JSON.stringify((await router.carps()).map((carp) => carp.state)),
            );
        await Promise.all([a.start(), b.start()]);
        await all(a, "MASTER", 12_000);
        await all(b, "BACKUP", 4000);
        assert.equal(a.macvlans().length, count);
        const capture = await scene.switches.capture(lan);
        const sent = await a.counter("opackets", "carp63");
        await waitFor("a round of adverts", 4000, async () =>
            (await a.counter("opackets", "carp63")) > sent + 1 ? true : undefined,
        );
        await a.host.powerOff();
        await all(b, "MASTER", 6000);
        await waitFor("adverts of all", 3000, async () =>
            (
                await Promise.all(["carp0", "carp63"].map((name) => b.counter("opackets", name)))
            ).every((n) => n > 1)
                ? true
                : undefined,
        );
        const adverts = advertsOf(await capture.stop());
        for (let vhid = 1; vhid <= count; vhid += 1) {
            const last = adverts.findLast((x) => x.vhid === vhid && x.source === "192.168.1.2");
            const first = adverts.find((x) => x.vhid === vhid && x.source === "192.168.1.3");
            assert.ok(last && first, `vhid ${vhid}`);
            const gapUs = first.atUs - last.atUs;
            assert.ok(gapUs >= 3_390_625 && gapUs < 4_890_625, `vhid ${vhid}: ${gapUs} us`);
        }
    });

    test("counters rise across a restart and a kill", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {
            options: {"handover-limit-ms": 100},
            carp: [pairBlock(0)],
        });
        const capture = await scene.switches.capture(lan);
        for (const end of ["SIGTERM", "SIGKILL", "SIGKILL"] as const) {
            await a.start();
            await a.until("MASTER");
            await waitFor("a second advert", 3000, async () =>
                (await a.counter("opackets")) >= 2 ? true : undefined,
            );
            await a.process.kill(end);
            await waitFor("the janitor to be done", 3000, () =>
                a.host.pids().length === 0 ? true : undefined,
            );
        }
        const adverts = advertsOf(await capture.stop(), {vhid: 1});
        assert.ok(adverts.length >= 7);
        for (const [i, {counter}] of adverts.entries()) {
            const before = adverts[i - 1];
            assert.ok(before === undefined || counter > before.counter, `advert ${i}: ${counter}`);
        }
    });

    test("SIGHUP: a new VIP and a new advskew keep MASTER and lose no ping", async (scene) => {
        const config = (skew: number, vips: readonly string[], other: number): RouterConfig => ({
            options: {preempt: true},
            carp: [
                pairBlock(skew, {addresses: vips}),
                pairBlock(other, {name: "carp1", vhid: 2, addresses: ["192.168.1.200/24"]}),
            ],
        });
        const lan = scene.segment();
        const one = ["192.168.1.1/24"];
        const two = [...one, "192.168.1.100/24", "2001:db8::1/64"];
        const own = (i: number) => [`192.168.1.${i}/24`, `2001:db8::${i}/64`];
        const a = scene.router("a", lan, own(2), config(0, one, 9));
        const b = scene.router("b", lan, own(3), config(100, one, 99));
        const client = scene.client(lan, own(9));
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        await a.until("MASTER", 8000, "carp1");
        await b.until("BACKUP");
        const pings = await scene.agent(client).ping("192.168.1.1");
        await pings.answered();
        const unrelated = await a.carp("carp1");
        for (const [router, skew, other] of [
            [a, 5, 9],
            [b, 110, 99],
        ] as const) {
            router.configure(config(skew, two, other));
            router.reload();
        }
        for (const [router, skew] of [
            [a, 5],
            [b, 110],
        ] as const) {
            await waitFor("the reload", 4000, async () => {
                const {advskew, addresses} = await router.carp();
                return advskew === skew && addresses.length === 3 ? true : undefined;
            });
        }
        const added = await Promise.all(
            ["192.168.1.100", "2001:db8::1"].map((vip) => scene.agent(client).ping(vip, 20_000)),
        );
        for (const series of added) await series.answered(3000);
        const heard = await b.counter("accepted");
        await waitFor("B to follow the new digest", 4000, async () =>
            (await b.counter("accepted")) >= heard + 2 ? true : undefined,
        );
        const report = await pings.stop();
        for (const series of added) await series.stop();
        assert.equal(report.lost, 0, `${report.lost} of ${report.sent} pings lost`);
        assert.equal(a.changes().length, 2, "carp0 of A: BACKUP, MASTER and no more");
        assert.equal(b.changes().length, 1);
        const now = await a.carp("carp1");
        assert.equal(now.transitions, unrelated.transitions);
        // Folded from two clocks each time it is asked for: a few milliseconds may differ.
        assert.ok(Math.abs(Date.parse(now.since) - Date.parse(unrelated.since)) < 100);
        // A file that is wrong changes nothing and does not end the daemon.
        writeFileSync(a.configPath, "[[carp]]\nvhid = 256\n");
        a.reload();
        await a.said("vhid must be", 1);
        assert.deepEqual([(await a.carp()).advskew, await a.state()], [5, "MASTER"]);
        // A vhid that is taken out of the file goes, with a farewell.
        a.configure({carp: [pairBlock(5, {addresses: two})]});
        a.reload();
        await waitFor("carp1 to go", 4000, async () =>
            (await a.carps()).length === 1 ? true : undefined,
        );
        await b.until("MASTER", 2000, "carp1");
        // Deleting it is the work of a thread of its own, which waits for the kernel.
        await waitFor("the macvlan of carp1 to go", 4000, async () =>
            a.macvlans().includes("carp1") ? undefined : true,
        );
        assert.deepEqual(a.macvlans(), ["carp0"]);
    });

    test("a second daemon on the same run directory is refused", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        await a.start();
        await a.until("MASTER");
        const first = a.process;
        const second = a.launch();
        assert.equal(await second.exited, "exit 69");
        assert.match(second.log(), /another carpd runs with the run directory/);
        assert.ok(first.running);
        assert.equal(await a.state(), "MASTER", "the first one's socket still answers");
        assert.deepEqual(a.macvlans(), ["carp0"]);
        assert.equal(await first.kill("SIGTERM"), "exit 0");
    });

    after(async () => await bed?.end());
});
