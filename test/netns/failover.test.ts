/**
 * Taking over and letting go on real frames: crashes, planned hand-overs, fail-back, a healed split,
 * stalls. Numbers of lost pings are promises; so is that a BACKUP never sends from the virtual MAC.
 */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {canFilter, waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf, type Frame, isFarewell, virtualMac} from "../support/pcap.ts";
import {Recording} from "../support/raw.ts";
import {
    buildPair,
    cableOf,
    type Pair,
    pairBlock,
    type Router,
    runPair,
    type Scene,
    Testbed,
} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));
const needsNft = (name: string, body: (scene: Scene) => Promise<void>) =>
    canFilter() ? test(name, body) : it(name, {skip: "nft(8) is not installed"});
const ofA = {vhid: 1, source: "192.168.1.2"};
const ofB = {vhid: 1, source: "192.168.1.3"};

/**
 * Frames with the virtual MAC as source that a router sent outside its MASTER periods. The log's
 * instants are good to a few milliseconds on a busy machine.
 */
function strayFrames(router: Router, sent: readonly Frame[], untilMs: number): readonly object[] {
    const slackMs = 25;
    const periods: {from: number; to: number}[] = [];
    for (const {to, atMs} of router.changes()) {
        const open = periods.at(-1);
        if (to === "MASTER") periods.push({from: atMs - slackMs, to: untilMs});
        else if (open?.to === untilMs) open.to = atMs + slackMs;
    }
    const stray = sent.filter(
        ({source, atUs}) =>
            source === virtualMac(1) &&
            !periods.some(({from, to}) => atUs / 1000 >= from && atUs / 1000 <= to),
    );
    return stray.map(({atUs, octets}) => ({atUs, octets: octets.toString("hex"), periods}));
}

/** Pings the VIP every millisecond while `act` runs, and until the client has an answer again. */
async function pingsDuring(scene: Scene, pair: Pair, act: () => Promise<void>) {
    const pings = await scene.agent(pair.client).ping("192.168.1.1");
    await pings.answered();
    await act();
    await pings.answered();
    return await pings.stop();
}

describe("crash and clean stop", {concurrency: 5}, () => {
    test("P6: a killed host is followed after T_down, with a higher counter", async (scene) => {
        const pair = await runPair(scene);
        const capture = await scene.switches.capture(pair.segment);
        const sent = await pair.a.counter("opackets");
        await waitFor("an advert in the capture", 3000, async () =>
            (await pair.a.counter("opackets")) > sent ? true : undefined,
        );
        const report = await pingsDuring(scene, pair, async () => {
            await pair.a.host.powerOff();
            await pair.b.until("MASTER", 6000);
        });
        const frames = await capture.stop();
        const [last, first] = [advertsOf(frames, ofA).at(-1), advertsOf(frames, ofB)[0]];
        assert.ok(last && first);
        const gapUs = first.atUs - last.atUs;
        assert.ok(gapUs >= 3_390_625 && gapUs < 4_890_625, `B advertises after ${gapUs} us`);
        assert.ok(first.counter > last.counter, `${first.counter} after ${last.counter}`);
        assert.ok(report.lost > 0 && report.longestGapMs < 4900, `${report.longestGapMs} ms`);
        assert.equal(pair.client.neighbourMac("192.168.1.1"), virtualMac(1));
    });

    test("P7: a clean stop says farewell, and nobody waits for T_down", async (scene) => {
        const pair = await runPair(scene);
        const capture = await scene.switches.capture(pair.segment);
        const report = await pingsDuring(scene, pair, async () => {
            await pair.a.stop();
        });
        await pair.b.until("MASTER");
        const frames = await capture.stop();
        const farewells = advertsOf(frames, ofA).filter(isFarewell);
        const first = advertsOf(frames, ofB)[0];
        assert.ok(farewells[0] && first);
        assert.equal(farewells.length, 1, "one farewell, for it was heard");
        assert.ok(first.atUs > farewells[0].atUs && first.atUs - farewells[0].atUs < 500_000);
        const last = advertsOf(frames, ofA).at(-1);
        assert.equal(last?.frame, farewells[0].frame, "nothing after the farewell");
        assert.equal(report.lost, 0, `${report.lost} of ${report.sent} pings lost`);
        assert.equal(await pair.b.counter("badauth"), 0);
    });

    for (const words of [
        ["carp0", "down"],
        ["carp0", "backup"],
    ] as const) {
        test(`carpctl ${words.join(" ")}: 0 pings lost`, async (scene) => {
            const pair = await runPair(scene, {preempt: false});
            const report = await pingsDuring(scene, pair, async () => {
                await pair.a.command(...words);
                assert.equal(await pair.a.state(), words[1] === "down" ? "INIT" : "BACKUP");
                assert.equal(await pair.b.state(), "MASTER", "let go only when B was heard");
            });
            assert.equal(report.lost, 0, `${report.lost} of ${report.sent} pings lost`);
            assert.equal(pair.client.neighbourMac("192.168.1.1"), virtualMac(1));
        });
    }

    test("fail-back with preempt: 0 pings lost", async (scene) => {
        const pair = buildPair(scene);
        await pair.b.start();
        await pair.b.until("MASTER");
        const report = await pingsDuring(scene, pair, async () => {
            await pair.a.start();
            await pair.a.until("MASTER");
            await pair.b.until("BACKUP");
        });
        assert.equal(report.lost, 0, `${report.lost} of ${report.sent} pings lost`);
    });

    test("a hand-over without successor ends at its limit", async (scene) => {
        const pair = buildPair(scene, {limitMs: 700});
        await pair.a.start();
        await pair.a.until("MASTER");
        const before = performance.now();
        await pair.a.command("carp0", "down");
        const tookMs = performance.now() - before;
        assert.ok(tookMs >= 700 && tookMs < 2200, `${tookMs} ms`);
        assert.equal(await pair.a.state(), "INIT");
    });
});

describe("silence", {concurrency: 4}, () => {
    test("a BACKUP sends nothing from the virtual MAC, through every kind of change", async (scene) => {
        const pair = buildPair(scene, {
            a: {addresses: ["192.168.1.1/24", "2001:db8::1/64"]},
            b: {addresses: ["192.168.1.1/24", "2001:db8::1/64"]},
        });
        const {a, b, client} = pair;
        const sentByA = await Recording.start(scene.wire, cableOf(a).port);
        const sentByB = await Recording.start(scene.wire, cableOf(b).port);
        const pings = await scene.agent(client).ping("192.168.1.1", 5000);
        const pings6 = await scene.agent(client).ping("2001:db8::1", 5000);
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        await Promise.all([pings.answered(), pings6.answered()]);
        await a.process.kill("SIGKILL"); // fail-over
        const killedMs = Date.now();
        await b.until("MASTER");
        await Promise.all([pings.answered(), pings6.answered()]);
        await a.start(); // fail-back
        await a.until("MASTER");
        await a.command("carp0", "down"); // hand-over
        await b.until("MASTER");
        await a.command("carp0", "up");
        await a.until("MASTER");
        await Promise.all([pings.answered(), pings6.answered()]);
        await a.stop();
        await b.until("MASTER");
        await Promise.all([pings.answered(), pings6.answered()]);
        const untilMs = Date.now() + 1000;
        const [fromA, fromB] = [await sentByA.stop(), await sentByB.stop()];
        // The log does not tell the kill; what the kernel still sends then has a test of its own.
        const before = fromA.filter(({atUs}) => atUs / 1000 < killedMs);
        const reborn = a.changes().findLast(({cause}) => cause.startsWith("initialization"));
        assert.ok(reborn);
        const later = fromA.filter(({atUs}) => atUs / 1000 > killedMs + 1500);
        assert.deepEqual(strayFrames(a, before, untilMs), []);
        const silentMs = later.filter(
            ({source, atUs}) => source === virtualMac(1) && atUs / 1000 < reborn.atMs,
        );
        assert.deepEqual(silentMs, [], "nothing while A was dead");
        const alive = later.filter(({atUs}) => atUs / 1000 >= reborn.atMs);
        assert.deepEqual(strayFrames(a, alive, untilMs), []);
        assert.deepEqual(strayFrames(b, fromB, untilMs), []);
        assert.ok(
            fromA.some(({source}) => source === virtualMac(1)),
            "the recorder sees such frames",
        );
        assert.ok(a.changes().length >= 7 && b.changes().length >= 6);
        await Promise.all([pings.stop(), pings6.stop()]);
    });

    test("healed split: the winner speaks at once, 0 pings lost on either side", async (scene) => {
        const left = scene.segment("lft");
        const right = scene.segment("rgt");
        const [end, otherEnd] = [`${left}-x`, `${right}-x`];
        scene.wire.ip("link", "add", end, "type", "veth", "peer", "name", otherEnd);
        scene.wire.ip("link", "set", end, "master", left, "up");
        scene.wire.ip("link", "set", otherEnd, "master", right, "up");
        const a = scene.router("a", left, ["192.168.1.2/24"], {carp: [pairBlock(0)]});
        const b = scene.router("b", right, ["192.168.1.3/24"], {carp: [pairBlock(100)]});
        const clients = [
            scene.client(left, ["192.168.1.8/24"], "c"),
            scene.client(right, ["192.168.1.9/24"], "d"),
        ];
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        scene.wire.ip("link", "set", end, "down");
        await b.until("MASTER");
        const pings = await Promise.all(
            clients.map((client) => scene.agent(client).ping("192.168.1.1")),
        );
        await Promise.all(pings.map((series) => series.answered()));
        const capture = await scene.switches.capture(right);
        const healedUs = Date.now() * 1000;
        scene.wire.ip("link", "set", end, "up");
        await b.until("BACKUP", 3500);
        await Promise.all(pings.map((series) => series.answered()));
        for (const series of pings) {
            const report = await series.stop();
            assert.equal(report.lost, 0, `${report.lost} of ${report.sent} pings lost`);
        }
        // Whoever spoke first after the heal: A's own word follows B's within a blink.
        const frames = await capture.stop();
        const [yielded] = b.changes().slice(-1);
        const firstOfA = advertsOf(frames, ofA).find(({atUs}) => atUs >= healedUs);
        assert.ok(yielded?.to === "BACKUP" && firstOfA);
        assert.ok(firstOfA.atUs - healedUs < 2_500_000);
        const announced = frames.filter(
            ({source, atUs, etherType}) =>
                etherType === 0x0806 && source === virtualMac(1) && atUs >= healedUs,
        );
        assert.equal(await a.state(), "MASTER");
        assert.equal(a.changes().at(-1)?.to, "MASTER", "A never left");
        if (firstOfA.atUs / 1000 > yielded.atMs + 3) assert.ok(announced.length > 0);
    });

    test("a stopped MASTER listens before it speaks again", async (scene) => {
        const {a, b} = await runPair(scene, {preempt: false});
        const sentByA = await Recording.start(scene.wire, cableOf(a).port);
        process.kill(a.process.pid, "SIGSTOP");
        await b.until("MASTER", 6000);
        const heard = await b.counter("opackets");
        await waitFor("6 s of silence", 8000, async () =>
            (await b.counter("opackets")) >= heard + 3 ? true : undefined,
        );
        const continuedUs = Date.now() * 1000;
        process.kill(a.process.pid, "SIGCONT");
        await a.until("BACKUP");
        const later = await b.counter("opackets");
        await waitFor("two more adverts of B", 6000, async () =>
            (await b.counter("opackets")) >= later + 2 ? true : undefined,
        );
        const spoken = advertsOf(await sentByA.stop(), ofA).filter(({atUs}) => atUs >= continuedUs);
        assert.deepEqual(spoken, []);
        assert.equal(await b.state(), "MASTER");
        assert.equal(await a.counter("stalls"), 1);
        assert.equal((await a.carp()).cause, "own advertisements were late");
    });

    test("a stopped BACKUP does not take over from a living MASTER", async (scene) => {
        const {a, b} = await runPair(scene);
        const sentByB = await Recording.start(scene.wire, cableOf(b).port);
        const sent = await a.counter("opackets");
        process.kill(b.process.pid, "SIGSTOP");
        await waitFor("6 s of adverts", 9000, async () =>
            (await a.counter("opackets")) >= sent + 6 ? true : undefined,
        );
        process.kill(b.process.pid, "SIGCONT");
        const heard = await b.counter("accepted");
        await waitFor("two more adverts of A", 6000, async () =>
            (await b.counter("accepted")) >= heard + 2 ? true : undefined,
        );
        assert.equal(b.changes().length, 1, "still the BACKUP of the beginning");
        assert.deepEqual(advertsOf(await sentByB.stop(), ofB), []);
    });

    needsNft("P14: IPv4 adverts alone keep a dual-stack vhid alive", async (scene) => {
        const {a, b} = await runPair(scene, {
            a: {addresses: ["192.168.1.1/24", "2001:db8::1/64"]},
            b: {addresses: ["192.168.1.1/24", "2001:db8::1/64"]},
        });
        cableOf(a).filter("from-host", "ip6 nexthdr 112 drop");
        const heard = await b.counter("accepted");
        await waitFor("5 adverts", 9000, async () =>
            (await b.counter("accepted")) >= heard + 5 ? true : undefined,
        );
        const heard6 = await b.counter("ipackets6", "eth1");
        await waitFor("another advert", 4000, async () =>
            (await b.counter("accepted")) >= heard + 6 ? true : undefined,
        );
        assert.equal(await b.counter("ipackets6", "eth1"), heard6, "IPv6 is really gone");
        assert.equal(b.changes().length, 1);
    });

    needsNft("P22: two of three adverts lost", async (scene) => {
        const {a, b} = await runPair(scene, {b: {advskew: 200}});
        cableOf(a).filter("from-host", "ip protocol 112 numgen inc mod 3 < 2 drop");
        const [sent, heard] = [await a.counter("opackets"), await b.counter("accepted")];
        await waitFor("12 adverts of A", 16_000, async () =>
            (await a.counter("opackets")) >= sent + 12 ? true : undefined,
        );
        const arrived = (await b.counter("accepted")) - heard;
        assert.ok(arrived >= 3 && arrived <= 5, `${arrived} of 12 arrived`);
        assert.equal(b.changes().length, 1, b.log());
    });
});

describe("SIGKILL", () => {
    test("the dead host stops answering within 100 ms, and its sysctls return", async (scene) => {
        const silentAfter: number[] = [];
        for (const round of [1, 2, 3]) {
            const lan = scene.segment(`k${round}`);
            const carp = [pairBlock(0)];
            const a = scene.router(`k${round}`, lan, ["192.168.1.2/24"], {carp});
            const client = scene.client(lan, ["192.168.1.9/24"], `kc${round}`);
            const neighbour = scene.client(lan, ["192.168.1.8/24"], `kn${round}`);
            const before = sysctls(a);
            await a.start();
            await a.until("MASTER");
            assert.notEqual(sysctls(a), before, "a running daemon has changed some");
            // Nobody has to ask for the MAC: one goes on sending to the virtual, one to the real one.
            const real =
                /link\/ether (\S+)/.exec(a.host.ip("link", "show", "dev", "eth1"))?.[1] ?? "";
            const to = ["neigh", "replace", "192.168.1.1", "dev", "eth0", "lladdr"];
            client.ip(...to, virtualMac(1), "nud", "permanent");
            neighbour.ip(...to, real, "nud", "permanent");
            const pings = await Promise.all(
                [client, neighbour].map((host) => scene.agent(host).ping("192.168.1.1")),
            );
            for (const series of pings) await series.answered();
            const killedUs = Number(process.hrtime.bigint() / 1000n);
            await a.process.kill("SIGKILL");
            await waitFor("the macvlan to go", 3000, () =>
                a.macvlans().length === 0 ? true : undefined,
            );
            await waitFor("the janitor to end", 3000, () =>
                a.host.pids().length === 0 ? true : undefined,
            );
            const reports = await Promise.all(pings.map((series) => series.stop()));
            const last = Math.max(
                ...reports.flatMap(({results}) =>
                    results.map(({receivedAtUs}) => receivedAtUs ?? 0),
                ),
            );
            silentAfter.push((last - killedUs) / 1000);
            assert.equal(sysctls(a), before);
        }
        const [, median = Infinity, worst = Infinity] = silentAfter.toSorted((x, y) => x - y);
        assert.ok(median < 100 && worst < 1600, `last answers after ${silentAfter} ms`);
    });

    test("daemon and janitor killed together: the next start cleans up", async (scene) => {
        const lan = scene.segment();
        const config = (name: string) => ({carp: [pairBlock(0, {name})]});
        const a = scene.router("a", lan, ["192.168.1.2/24"], config("carp0"));
        const before = sysctls(a);
        await a.start();
        await a.until("MASTER");
        const janitor = a.host.pids().filter((pid) => pid !== a.process.pid);
        assert.equal(janitor.length, 1, "the janitor is the only other process");
        process.kill(a.process.pid, "SIGSTOP");
        for (const pid of janitor) process.kill(pid, "SIGKILL");
        await a.process.kill("SIGKILL");
        assert.deepEqual(a.macvlans(), ["carp0"], "nobody was there to clean up");
        // The configuration has changed meanwhile: what nobody names any more has to go as well.
        a.configure(config("carp7"));
        await a.start();
        assert.deepEqual(a.macvlans(), ["carp7"]);
        await a.until("MASTER", 8000, "carp7");
        await a.stop();
        assert.deepEqual(a.macvlans(), []);
        assert.equal(sysctls(a), before);
        assert.deepEqual(a.host.pids(), []);
    });

    after(async () => await bed?.end());
});

/** Every setting of the carpdev and of all interfaces, as text. */
function sysctls(router: Router): string {
    const folders = ["ipv4", "ipv6"].flatMap((family) =>
        ["eth1", "all", "default"].map((name) => `/proc/sys/net/${family}/conf/${name}`),
    );
    // stable_secret cannot be read before it is set; others are write-only.
    return router.host
        .run(["grep", "-rs", ".", ...folders])
        .stdout.split("\n")
        .sort()
        .join("\n");
}
