/** Who becomes MASTER, and what clients see of it: spec 10.1 and the elections of 10.2, real frames. */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf, arpOf, virtualMac} from "../support/pcap.ts";
import {sendFrames} from "../support/raw.ts";
import {pairBlock, type Router, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
/** A test in a scene of its own. */
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** Waits until exactly one of the routers is MASTER; two at a time are a failure, as in FreeBSD's suite. */
async function oneMaster(routers: readonly Router[]): Promise<Router> {
    return await waitFor("one master", 8000, async () => {
        const states = await Promise.all(routers.map((router) => router.state()));
        const masters = routers.filter((_, i) => states[i] === "MASTER");
        assert.ok(masters.length < 2, `two masters: ${states.join(", ")}`);
        return masters[0];
    });
}

/** Three answered pings, as the suites of the BSDs ask for. */
async function pingsThrice(scene: Scene, host: Router["host"], address: string): Promise<void> {
    const pings = await scene.agent(host).ping(address, 100_000);
    await waitFor(`three answers from ${address}`, 5000, async () => {
        const answered = (await pings.results()).filter((probe) => probe.receivedAtUs !== null);
        return answered.length >= 3 ? true : undefined;
    });
    await pings.stop();
}

describe("election", {concurrency: 5}, () => {
    test("F1: two equal hosts, an IPv4 VIP, no password", async (scene) => {
        const lan = scene.segment();
        const carp = {name: "carp0", carpdev: "eth1", vhid: 1, addresses: ["192.0.2.1/29"]};
        const a = scene.router("a", lan, ["192.0.2.202/24"], {carp: [carp]});
        const b = scene.router("b", lan, ["192.0.2.203/24"], {carp: [carp]});
        const client = scene.client(lan, ["192.0.2.4/24"]);
        await Promise.all([a.start(), b.start()]);
        await oneMaster([a, b]);
        await pingsThrice(scene, client, "192.0.2.1");
        assert.equal(client.neighbourMac("192.0.2.1"), virtualMac(1));
    });

    test("F2: two equal hosts, an IPv6 VIP, no waiting for duplicates", async (scene) => {
        const lan = scene.segment();
        const carp = {name: "carp0", carpdev: "eth1", vhid: 1, addresses: ["2001:db8::1/64"]};
        const a = scene.router("a", lan, ["2001:db8::202/64"], {carp: [carp]});
        const b = scene.router("b", lan, ["2001:db8::203/64"], {carp: [carp]});
        const client = scene.client(lan, ["2001:db8::4/64"]);
        const capture = await scene.switches.capture(lan);
        await Promise.all([a.start(), b.start()]);
        const pings = await scene.agent(client).ping("2001:db8::1", 20_000);
        const master = await oneMaster([a, b]);
        await pings.answered(4000);
        assert.equal(client.neighbourMac("2001:db8::1"), virtualMac(1));
        assert.doesNotMatch(master.host.ip("-6", "addr", "show", "dev", "carp0"), /tentative/);
        const report = await pings.stop();
        const first = advertsOf(await capture.stop(), {vhid: 1})[0];
        const answer = report.results.find(({receivedAtUs}) => receivedAtUs !== null);
        assert.ok(first && answer?.receivedAtUs);
        // Detection of duplicates would take a second; 20 ms are between two pings.
        const delayUs = answer.sentRealtimeUs - first.atUs;
        assert.ok(delayUs < 800_000, `first answer ${delayUs} us after the first advert`);
    });

    test("F8: the VIP as source of one's own pings", async (scene) => {
        const lan = scene.segment();
        const vip = {addresses: ["2001:db8::1/64"]};
        const a = scene.router("a", lan, ["2001:db8::2/64"], {carp: [pairBlock(0, vip)]});
        const b = scene.router("b", lan, ["2001:db8::3/64"], {carp: [pairBlock(100, vip)]});
        const client = scene.client(lan, ["2001:db8::9/64"]);
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        await b.until("BACKUP");
        const ping = ["ping", "-6", "-n", "-c", "2", "-W", "1", "-I", "2001:db8::1", "2001:db8::9"];
        assert.notEqual(b.host.run(ping).status, 0, "a BACKUP may not speak for the VIP");
        const result = a.host.run(ping);
        assert.equal(result.status, 0, result.stdout + result.stderr);
        assert.equal(client.neighbourMac("2001:db8::1"), virtualMac(1));
    });

    test("F9: a single host, state backup and state master", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(100)]});
        await a.start();
        await a.until("MASTER");
        await a.command("carp0", "backup");
        assert.equal(await a.state(), "BACKUP");
        await a.command("carp0", "master");
        assert.equal(await a.state(), "MASTER");
        assert.equal((await a.carp()).cause, "user requested via ifconfig");
        await a.stop();
    });

    for (const [name, end] of [
        ["N1, N2: the master halts", (a: Router) => a.host.powerOff()],
        [
            "N2: the master's interface is set down",
            async (a: Router) => a.host.ip("link", "set", "eth1", "down"),
        ],
    ] as const) {
        for (const [family, addresses] of [
            ["IPv4", ["10.1.1.1/24", "10.1.1.2/24", "10.1.1.3/24", "10.1.1.100/24"]],
            ["IPv6 (N4)", ["fd00:1::1/64", "fd00:1::2/64", "fd00:1::3/64", "fd00:1::100/64"]],
        ] as const) {
            test(`${name}, ${family}`, async (scene) => {
                const lan = scene.segment();
                const [own = "", other = "", third = "", vip = ""] = addresses;
                const carp = {vhid: 175, pass: "s3cret", addresses: [vip]};
                const a = scene.router("a", lan, [own], {carp: [pairBlock(0, carp)]});
                const b = scene.router("b", lan, [other], {carp: [pairBlock(200, carp)]});
                const client = scene.client(lan, [third]);
                await Promise.all([a.start(), b.start()]);
                await a.until("MASTER", 5500);
                assert.equal(await b.state(), "BACKUP");
                const address = vip.split("/")[0] ?? "";
                const pings = await scene.agent(client).ping(address, 50_000);
                await pings.answered(3000);
                assert.equal(client.neighbourMac(address), virtualMac(175));
                await end(a);
                await b.until("MASTER", 5300);
                await pings.answered(1500);
                const {longestGapMs} = await pings.stop();
                // T_down of B is 3.781 s, less what had passed since A's last advert.
                assert.ok(longestGapMs > 2700, `${longestGapMs} ms`);
                assert.ok(longestGapMs < 5300, `${longestGapMs} ms`);
                assert.equal(client.neighbourMac(address), virtualMac(175));
            });
        }
    }

    for (const [name, a, b] of [
        ["O1: in 3.1 s", {}, {}],
        ["O3: physical MAC", {mac: "physical"}, {mac: "physical"}],
        ["O3: peers both ways", {peers: ["192.168.1.3"]}, {peers: ["192.168.1.2"]}],
        [
            "O3: physical MAC and peers",
            {mac: "physical", peers: ["192.168.1.3"]},
            {mac: "physical", peers: ["192.168.1.2"]},
        ],
    ] as const) {
        test(name, async (scene) => {
            const lan = scene.segment();
            const physical = "mac" in a;
            const routers = [a, b].map((more, i) =>
                scene.router(`r${i}`, lan, [`192.168.1.${i + 2}/24`], {
                    carp: [pairBlock(100 * i, {vhid: 251, ...more})],
                }),
            );
            const [first, second] = routers;
            assert.ok(first && second);
            const client = scene.client(lan, ["192.168.1.9/24"]);
            const pings = await scene.agent(client).ping("192.168.1.1", 20_000);
            await Promise.all(routers.map((router) => router.start()));
            await first.until("MASTER", 4600);
            await second.until("BACKUP");
            await pings.answered(3000);
            const macOf = (router: Router) =>
                /link\/ether (\S+)/.exec(router.host.ip("link", "show", "dev", "eth1"))?.[1];
            assert.equal(
                client.neighbourMac("192.168.1.1"),
                physical ? macOf(first) : virtualMac(251),
            );
            assert.deepEqual(first.macvlans(), physical ? [] : ["carp0"]);
            await first.host.powerOff();
            await second.until("MASTER", 5000);
            await pings.answered(1500);
            assert.equal(
                client.neighbourMac("192.168.1.1"),
                physical ? macOf(second) : virtualMac(251),
            );
            await pings.stop();
        });
    }

    test("P1: an empty segment", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        const capture = await scene.switches.capture(lan);
        await a.start();
        await a.until("MASTER");
        await waitFor("the second advert", 3000, async () =>
            (await a.counter("opackets")) >= 2 ? true : undefined,
        );
        const frames = await capture.stop();
        const backup = a.changes().find(({to}) => to === "BACKUP");
        const adverts = advertsOf(frames, {vhid: 1});
        assert.ok(backup && adverts[0]);
        // The log's wall clock is good to two milliseconds.
        const silenceMs = adverts[0].atUs / 1000 - backup.atMs;
        assert.ok(silenceMs >= 2998 && silenceMs < 4700, `first advert after ${silenceMs} ms`);
        const own = frames.filter(({source}) => source === virtualMac(1));
        assert.equal(
            own[0],
            adverts[0].frame,
            "the advert is the first frame from the virtual MAC",
        );
        const second = own[1] && arpOf(own[1]);
        assert.ok(second, "then gratuitous ARP");
        assert.deepEqual(
            [second.operation, second.sender, second.target, second.senderMac],
            [1, "192.168.1.1", "192.168.1.1", virtualMac(1)],
        );
        assert.equal(own[1]?.destination, "ff:ff:ff:ff:ff:ff");
    });

    test("P2: 20 s of adverts keep time, and their counters rise", async (scene) => {
        const lan = scene.segment();
        const blocks = [0, 128].map((advskew, i) =>
            pairBlock(advskew, {
                name: `carp${i}`,
                vhid: i + 1,
                addresses: [`192.168.1.${100 + i}/24`],
            }),
        );
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: blocks});
        await a.start();
        await a.until("MASTER", 8000, "carp1");
        const capture = await scene.switches.capture(lan);
        await waitFor("20 s of adverts", 26_000, async () =>
            (await a.counter("opackets", "carp0")) >= 22 ? true : undefined,
        );
        const frames = await capture.stop();
        for (const [vhid, interval] of [
            [1, 1_000_000],
            [2, 1_500_000],
        ] as const) {
            const adverts = advertsOf(frames, {vhid});
            const [first, last] = [adverts[0], adverts.at(-1)];
            assert.ok(first && last && adverts.length >= 12);
            const mean = (last.atUs - first.atUs) / (adverts.length - 1);
            // One late frame at either end of a noisy run moves the mean by its lateness over n.
            assert.ok(Math.abs(mean - interval) < interval * 0.01, `vhid ${vhid}: ${mean} us`);
            for (const [i, {counter}] of adverts.entries()) {
                const before = adverts[i - 1];
                assert.ok(before === undefined || counter > before.counter, "counters rise");
            }
        }
    });

    test("P4: with preempt the faster one takes over at the first advert it hears", async (scene) => {
        const lan = scene.segment();
        const options = {preempt: true};
        const a = scene.router("a", lan, ["192.168.1.2/24"], {options, carp: [pairBlock(100)]});
        const b = scene.router("b", lan, ["192.168.1.3/24"], {options, carp: [pairBlock(0)]});
        await a.start();
        await a.until("MASTER");
        const capture = await scene.switches.capture(lan);
        await b.start();
        await b.until("MASTER");
        await a.until("BACKUP", 1500);
        const [listening, taken] = b.changes();
        assert.ok(listening && taken);
        assert.match(taken.cause, /^preempting a slower master/);
        assert.ok(taken.atMs - listening.atMs < 1391 + 1500, "within one interval of A");
        const adverts = advertsOf(await capture.stop(), {vhid: 1});
        const firstOfB = adverts.findIndex(({source}) => source === "192.168.1.3");
        assert.ok(firstOfB > 0 && adverts[firstOfB - 1]?.source === "192.168.1.2");
        const laterOfA = adverts.slice(firstOfB).filter(({source}) => source === "192.168.1.2");
        assert.ok(laterOfA.length <= 1, "A yields at B's first advert");
    });

    test("P5: without preempt it stays BACKUP", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(100)]});
        const b = scene.router("b", lan, ["192.168.1.3/24"], {carp: [pairBlock(0)]});
        await a.start();
        await a.until("MASTER");
        await b.start();
        await waitFor("B to have heard eight adverts", 16_000, async () =>
            (await b.counter("accepted")) >= 8 ? true : undefined,
        );
        assert.deepEqual([await a.state(), await b.state()], ["MASTER", "BACKUP"]);
        assert.equal(b.changes().length, 1);
        assert.equal(await b.counter("opackets"), 0);
    });

    test("P17: address sets that differ make two masters, and both count badauth", async (scene) => {
        const lan = scene.segment();
        const more = {addresses: ["192.168.1.1/24", "192.168.1.7/24"]};
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        const b = scene.router("b", lan, ["192.168.1.3/24"], {carp: [pairBlock(100, more)]});
        await Promise.all([a.start(), b.start()]);
        await Promise.all([a.until("MASTER"), b.until("MASTER")]);
        for (const router of [a, b]) {
            await waitFor("badauth to count", 4000, async () =>
                (await router.counter("badauth")) > 0 ? true : undefined,
            );
            assert.equal(await router.counter("accepted"), 0);
        }
    });

    test("gratuitous ARP of a host changes nothing", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        const client = scene.client(lan, ["192.168.1.9/24"]);
        await a.start();
        await a.until("MASTER");
        const claim = Buffer.from(
            `ffffffffffff020000000009080600010800060400010200000000${"09"}c0a80101000000000000c0a80101`,
            "hex",
        );
        sendFrames(client, "eth0", [claim]);
        await waitFor("the claim to be counted", 3000, async () =>
            (await a.counter("arpIgnored", "eth1")) >= 1 ? true : undefined,
        );
        assert.equal(await a.state(), "MASTER");
        assert.equal(await a.counter("arpReplies", "eth1"), 0);
    });

    after(async () => await bed?.end());
});
