/**
 * ARP balancing while hosts die, return and hand over: what clients lose, what TCP sees of it, and
 * which requests nobody or two hosts answer.
 */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import type {Host} from "../../src/io/lab/namespaces.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {
    answersIn,
    arpRequest,
    type Balanced,
    buildBalanced,
    longIpv6,
    runBalanced,
    settled,
    vip,
    vip6,
} from "../support/balance.ts";
import {Flow, serveEcho} from "../support/flows.ts";
import {inNamespace} from "../support/netns.ts";
import {
    advertsOf,
    arpOf,
    type Frame,
    isFarewell,
    neighbourOf,
    readPcap,
    virtualMac,
} from "../support/pcap.ts";
import {askMany} from "../support/raw.ts";
import {type Router, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const ofA = "192.168.1.2";
const ofB = "192.168.1.3";

/** Clients whose IPv4 and IPv6 addresses select index 0 and 1: A's and B's. */
function twoClients(scene: Scene, {segment}: Balanced): readonly [Host, Host] {
    const make = (i: number) => {
        const host = scene.host(`c${i}`);
        host.connect(segment, {
            ifname: "eth0",
            addresses: [`192.168.1.${100 + i}/24`, `2001:db8::${100 + i}/64`],
        });
        return host;
    };
    return [make(0), make(1)];
}

/** Frames that would pull clients to one host: an address that is said to everybody. */
function announcements(frames: readonly Frame[], ...addresses: string[]): readonly string[] {
    return frames
        .filter((frame) => {
            const arp = arpOf(frame);
            if (arp !== undefined) {
                const toAll = frame.destination === "ff:ff:ff:ff:ff:ff";
                return addresses.includes(arp.sender) && (toAll || arp.operation === 1);
            }
            const neighbour = neighbourOf(frame);
            if (neighbour === undefined || neighbour.type !== 136) return false;
            return addresses.includes(neighbour.target) && !neighbour.solicited;
        })
        .map(({octets}) => octets.toString("hex"));
}

describe("failure and return", {concurrency: 3}, () => {
    test("B is killed and returns: its clients wait for T_down once, A's never", async (scene) => {
        const shared = [`${vip}/24`, `${vip6}/64`];
        // Only vhid 2 has these.
        const alone = ["192.168.1.22", "2001:db8::22"] as const;
        const more = (index: number) => ({
            addresses: index === 1 ? [...shared, `${alone[0]}/24`, `${alone[1]}/64`] : shared,
        });
        const balanced = await runBalanced(scene, {more});
        const {a, b, segment, routers} = balanced;
        const [c0, c1] = twoClients(scene, balanced);
        const ports = [c0, c1].map((host) => host.cable("eth0").port);
        const captures = await Promise.all(
            [segment, ...ports].map((port) => scene.switches.capture(port)),
        );
        const series = await Promise.all(
            [c0, c1].flatMap((host) => [vip, vip6].map((to) => scene.agent(host).ping(to))),
        );
        for (const pings of series) await pings.answered();
        const killedUs = Date.now() * 1000;
        await b.process.kill("SIGKILL");
        await a.until("MASTER", 8000, "carp1");
        for (const pings of series) await pings.answered();
        for (const [i, host] of [c0, c1].entries()) {
            assert.equal(host.neighbourMac(vip), virtualMac(i + 1), "the cached MAC is kept");
            assert.equal(host.neighbourMac(vip6), virtualMac(i + 1));
        }
        const first = await Promise.all(series.map((pings) => pings.stop()));
        const again = await Promise.all(
            [c0, c1].flatMap((host) => [vip, vip6].map((to) => scene.agent(host).ping(to))),
        );
        for (const pings of again) await pings.answered();
        await b.start();
        await settled(routers);
        for (const pings of again) await pings.answered();
        const second = await Promise.all(again.map((pings) => pings.stop()));
        for (const [i, host] of [c0, c1].entries()) {
            assert.equal(host.neighbourMac(vip), virtualMac(i + 1));
        }
        const frames = await Promise.all(captures.map((capture) => capture.stop()));
        const taken = advertsOf(frames[0] ?? [], {vhid: 2, source: ofA}).find(
            ({atUs}) => atUs > killedUs,
        );
        assert.ok(taken);
        for (const [i, report] of first.entries()) {
            const whose = i < 2 ? "A" : "B";
            const lost = report.results.filter(({receivedAtUs}) => receivedAtUs === null);
            if (whose === "A") {
                assert.equal(report.lost, 0, `a client of A lost ${report.lost} pings`);
                continue;
            }
            assert.ok(report.lost > 0 && report.longestGapMs < 4900, `${report.longestGapMs} ms`);
            const late: readonly unknown[] = lost.filter(
                ({sentRealtimeUs}) => sentRealtimeUs > taken.atUs + 50_000,
            );
            assert.equal(late.length, 0, "lost after A had taken over");
            const early: readonly unknown[] = lost.filter(
                ({sentRealtimeUs}) => sentRealtimeUs < killedUs - 50_000,
            );
            assert.equal(early.length, 0, "lost before B was killed");
        }
        for (const report of second) {
            assert.equal(report.lost, 0, `${report.lost} of ${report.sent} at B's return`);
        }
        for (const seen of frames) {
            assert.deepEqual(announcements(seen, vip, longIpv6(vip6)), []);
            for (const address of alone) {
                const name = address.includes(":") ? longIpv6(address) : address;
                assert.ok(announcements(seen, name).length > 0, `${address} is announced`);
            }
        }
    });

    for (const [family, address, ofEven, ofOdd] of [
        ["IPv4", vip, "192.168.1.100", "192.168.1.101"],
        ["IPv6", vip6, "2001:db8::100", "2001:db8::101"],
    ] as const) {
        test(`TCP through both virtual MACs of one host, strict rp_filter, ${family}`, async (scene) => {
            const balanced = buildBalanced(scene, {
                options: {"handover-limit-ms": 300},
                more: {addresses: [`${vip}/24`, `${vip6}/64`]},
            });
            const {a, b, routers} = balanced;
            for (const {host} of routers) {
                host.sysctl({
                    "ipv4/conf/all/rp_filter": 1,
                    "ipv4/conf/default/rp_filter": 1,
                    "ipv4/conf/eth1/rp_filter": 1,
                });
            }
            const before = routers.map(settings);
            await Promise.all(routers.map((router) => router.start()));
            await settled(routers);
            const [c0, c1] = twoClients(scene, balanced);
            await Promise.all([
                serveEcho(a.host, "A"),
                serveEcho(b.host, "B"),
                serveEcho(c1, "c1"),
            ]);
            const atB = await Flow.open(c1, ofOdd, address, "to-b");
            assert.equal(atB.server, "B");
            await b.process.kill("SIGKILL");
            await a.until("MASTER", 8000, "carp1");
            // A does not know the connection.
            await waitFor("B's connection to end", 8000, () =>
                atB.error === "" ? undefined : true,
            );
            const even = await Flow.open(c0, ofEven, address, "even");
            const odd = await Flow.open(c1, ofOdd, address, "odd");
            const outward = await Flow.open(a.host, address, ofOdd, "outward");
            assert.deepEqual([even.server, odd.server, outward.server], ["A", "A", "c1"]);
            assert.equal(c0.neighbourMac(address), virtualMac(1));
            assert.equal(c1.neighbourMac(address), virtualMac(2));
            // Each of the two virtual interfaces with the same address goes and comes back.
            for (const [name, gone, other] of [
                ["carp1", odd, even],
                ["carp0", even, odd],
            ] as const) {
                const from = Date.now();
                await a.command(name, "down");
                const stuck = gone.blocks().length;
                await other.advances(60);
                assert.ok(gone.blocks().length <= stuck + 1, `${name} is down and still delivers`);
                await a.command(name, "up");
                await a.until("MASTER", 8000, name);
                await other.advances(20);
                const gap = other.longestGapMs(from);
                assert.ok(gap < 500, `the other flow stood still for ${gap} ms`);
                // Its sender waits longer from try to try.
                await gone.advances(5, 15_000);
            }
            await outward.advances(5, 15_000);
            assert.deepEqual([even.error, odd.error, outward.error], ["", "", ""]);
            const from = Date.now();
            await b.start();
            await settled(routers);
            await even.advances(40);
            const gap = even.longestGapMs(from);
            assert.ok(gap < 500, `B's return stopped A's flow for ${gap} ms`);
            // The state of B's client is A's alone: its connection ends, and a new one is B's.
            await waitFor("the connection that A had for B", 15_000, () =>
                odd.error === "" ? undefined : true,
            );
            const back = await Flow.open(c1, ofOdd, address, "back");
            assert.equal(back.server, "B");
            assert.equal(even.error, "");
            assert.equal(even.server, "A");
            await back.advances(40);
            await Promise.all(routers.map((router) => router.stop()));
            assert.deepEqual(routers.map(settings), before);
        });
    }
});

/** Every setting that is anybody's to change, of a host, as text. */
function settings({host}: Router): string {
    const folders = ["ipv4", "ipv6"].flatMap((family) =>
        ["eth1", "all", "default"].map((name) => `/proc/sys/net/${family}/conf/${name}`),
    );
    const {stdout} = host.run(["grep", "-rs", ".", ...folders]);
    return stdout.split("\n").sort().join("\n");
}

const rate = 5000;

/** 10.1.0.0 and so on, as askMany() counts. */
function senderOf(number: number): string {
    return `10.1.${number >> 8}.${number & 255}`;
}

/** Requests of one client, each from a sender of its own, while `act` runs. */
async function requestsDuring(
    scene: Scene,
    {client}: Balanced,
    seconds: number,
    act: () => Promise<void>,
): Promise<readonly Frame[]> {
    const capture = await scene.switches.capture(client.cable("eth0").port);
    const count = rate * seconds;
    const first = arpRequest({sender: senderOf(0)});
    const asking = askMany(client, "eth0", first, {count, rate, sources: count});
    await act();
    await asking;
    // Both vhids answer the last ones whatever happened, and each host answers in order.
    const last = [1, 2].map((back) => senderOf(count - back));
    await waitFor(
        "the last requests to be answered",
        3000,
        () => {
            const askers = new Set(answersIn(readPcap(capture.path), 0).map(({asker}) => asker));
            return last.every((sender) => askers.has(sender)) ? true : undefined;
        },
        () => last.join(),
    );
    return await capture.stop();
}

/** A request that did not get exactly one answer. */
interface Odd {
    readonly atUs: number;
    readonly answers: number;
    readonly index: number;
}

function notOnce(frames: readonly Frame[]): {readonly asked: number; readonly odd: readonly Odd[]} {
    const answers = new Map<string, number>();
    for (const {asker} of answersIn(frames, 0)) answers.set(asker, (answers.get(asker) ?? 0) + 1);
    const requests = frames.flatMap((frame) => {
        const arp = arpOf(frame);
        return arp?.operation === 1 && arp.sender.startsWith("10.1.") ? [{frame, arp}] : [];
    });
    const odd = requests.flatMap(({frame, arp}) => {
        const got = answers.get(arp.sender) ?? 0;
        const index = Number(arp.sender.split(".").at(-1)) % 2;
        return got === 1 ? [] : [{atUs: frame.atUs, answers: got, index}];
    });
    return {asked: requests.length, odd};
}

/** The change itself, and what an engine thread may have to wait for one of two busy processors. */
const windowUs = 5000 + 50_000;

/** All of `odd` belong to the vhid that changed hands, and to the time of the change. */
function assertInside(odd: readonly Odd[], fromUs: number, toUs: number): void {
    const outside = odd
        .map(({atUs, answers, index}) => ({atMs: (atUs - fromUs) / 1000, answers, index}))
        .filter(
            ({atMs, index}) =>
                index !== 1 || atMs < -windowUs / 1000 || atMs > (toUs - fromUs + windowUs) / 1000,
        );
    assert.deepEqual(outside, []);
}

describe("no window", () => {
    test("hand-over and fail-back at 5,000 requests a second", async (scene) => {
        const balanced = await runBalanced(scene);
        const {a, b, routers} = balanced;
        for (const round of ["first", "second"]) {
            const down = await requestsDuring(scene, balanced, 2, async () => {
                await b.command("carp1", "down");
            });
            await a.until("MASTER", 8000, "carp1");
            const farewell = advertsOf(down, {vhid: 2, source: ofB}).find(isFarewell);
            const taken = advertsOf(down, {vhid: 2, source: ofA})[0];
            assert.ok(farewell && taken, "the hand-over is in the capture");
            assert.ok(taken.atUs > farewell.atUs);
            const handed = notOnce(down);
            assert.equal(handed.asked, 2 * rate);
            assertInside(handed.odd, farewell.atUs, taken.atUs);

            const up = await requestsDuring(scene, balanced, 3, async () => {
                await b.command("carp1", "up");
            });
            await settled(routers);
            const back = advertsOf(up, {vhid: 2, source: ofB})[0];
            assert.ok(back, "the fail-back is in the capture");
            const returned = notOnce(up);
            assert.equal(returned.asked, 3 * rate);
            assertInside(returned.odd, back.atUs, back.atUs);

            // On a quiet machine there is none (measured); 1 % is a stall of 100 ms.
            for (const {asked, odd} of [handed, returned]) {
                assert.ok(odd.length <= asked / 100, `${round}: ${JSON.stringify(odd)}`);
            }
        }
    });

    test("a crash: one answer or none, and only B's half is silent, until A has it", async (scene) => {
        const balanced = await runBalanced(scene);
        const {a, b} = balanced;
        let killedUs = 0;
        const frames = await requestsDuring(scene, balanced, 6, async () => {
            killedUs = Date.now() * 1000;
            await b.process.kill("SIGKILL");
        });
        await a.until("MASTER", 8000, "carp1");
        const taken = advertsOf(frames, {vhid: 2, source: ofA})[0];
        assert.ok(taken);
        const {asked, odd} = notOnce(frames);
        assert.equal(asked, 6 * rate);
        assert.ok(odd.length > rate, "B's half, for more than two seconds");
        assert.deepEqual(
            odd.filter(({answers}) => answers > 1),
            [],
        );
        assertInside(odd, killedUs, taken.atUs);
    });

    after(async () => await bed?.end());
});
