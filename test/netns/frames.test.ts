/**
 * Single frames and what they do: crafted adverts at a MASTER, ARP for a VIP, silence of a BACKUP,
 * unicast peers behind a router.
 */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {type AdvertisementInput, loadAddon} from "../../src/io/addon.ts";
import {type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf, arpOf, type Frame, virtualMac} from "../support/pcap.ts";
import {Recording, sendFrames} from "../support/raw.ts";
import {cableOf, pairBlock, type Router, runPair, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const ipAt = 14;
const carpAt = 34;

/** The Internet checksum (RFC 1071), as the tests need it and the project's own is not used. */
function checksum(octets: Buffer): number {
    let sum = 0;
    for (let i = 0; i < octets.length; i += 2) sum += octets.readUInt16BE(i);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/** Makes both checksums of an IPv4 advert right again. */
function seal(frame: Buffer): Buffer {
    const carp = ipAt + ((frame[ipAt] ?? 0) & 15) * 4;
    frame.writeUInt16BE(0, ipAt + 10);
    frame.writeUInt16BE(checksum(frame.subarray(ipAt, carp)), ipAt + 10);
    frame.writeUInt16BE(0, carp + 6);
    frame.writeUInt16BE(checksum(frame.subarray(carp, carp + 36)), carp + 6);
    return frame;
}

let counter = 1n << 60n;

/** A valid advert of a host 192.168.1.7 that is faster than a MASTER with advskew 100. */
function advert(more: Partial<AdvertisementInput> = {}): Buffer {
    counter += 1n;
    const input: AdvertisementInput = {
        key: Buffer.from("mekmitasdigoat"),
        vhid: 1,
        addresses: ["192.168.1.1/24"],
        counter,
        form: "all",
        advbase: 1,
        advskew: 0,
        demotion: 0,
        source: "192.168.1.7",
        destination: "224.0.0.18",
        ethernetSource: virtualMac(1),
        ...more,
    };
    return Buffer.from(loadAddon().buildAdvertisement(input));
}

function changed(change: (frame: Buffer) => void, frame = advert()): Buffer {
    change(frame);
    return frame;
}

/** The reason, where it is counted, and the frame. */
function badAdverts(): readonly (readonly [string, "carp0" | "eth1", string, Buffer])[] {
    const short = advert().subarray(0, carpAt + 35);
    short.writeUInt16BE(20 + 35, ipAt + 2);
    short.writeUInt16BE(0, ipAt + 10);
    short.writeUInt16BE(checksum(short.subarray(ipAt, carpAt)), ipAt + 10);
    return [
        ["TTL 254", "carp0", "badttl", seal(changed((f) => f.writeUInt8(254, ipAt + 8)))],
        ["a bad checksum", "eth1", "badsum", changed((f) => f.writeUInt16BE(1, carpAt + 6))],
        ["a bad key", "carp0", "badauth", advert({key: Buffer.from("someone else's")})],
        ["version 3", "carp0", "badver", seal(changed((f) => f.writeUInt8(0x31, carpAt)))],
        ["an unknown vhid", "eth1", "badvhid", advert({vhid: 9})],
        ["35 octets", "eth1", "badlen", short],
        [
            "a changed counter",
            "carp0",
            "badauth",
            seal(changed((f) => f.writeUInt8(7, carpAt + 9))),
        ],
    ];
}

function goodAdverts(): readonly (readonly [string, () => Buffer])[] {
    return [
        [
            "an IP option",
            () => {
                const frame = advert();
                const long = Buffer.concat([
                    frame.subarray(0, carpAt),
                    Buffer.from([1, 1, 1, 0]),
                    frame.subarray(carpAt),
                ]);
                long.writeUInt8(0x46, ipAt);
                long.writeUInt16BE(20 + 4 + 36, ipAt + 2);
                return seal(long);
            },
        ],
        ["trailing octets", () => Buffer.concat([advert(), Buffer.alloc(22, 0xa5)])],
        ["pad 77", () => seal(changed((f) => f.writeUInt8(77, carpAt + 4)))],
        ["authlen 9", () => seal(changed((f) => f.writeUInt8(9, carpAt + 3)))],
    ];
}

/** An ARP request for 192.168.1.1 of a made-up station. */
function arpRequest(options: {readonly to?: string; readonly host?: number} = {}): Buffer {
    const host = options.host ?? 9;
    const station = `0200000000${host.toString(16).padStart(2, "0")}`;
    const to = (options.to ?? "ff:ff:ff:ff:ff:ff").replaceAll(":", "");
    const sender = `${station}c0a801${host.toString(16).padStart(2, "0")}`;
    return Buffer.from(`${to}${station}08060001080006040001${sender}000000000000c0a80101`, "hex");
}

function repliesTo(frames: readonly Frame[], host: number): readonly Frame[] {
    return frames.filter((frame) => {
        const arp = arpOf(frame);
        return arp?.operation === 2 && arp.target === `192.168.1.${host}`;
    });
}

/** A request of a station nobody else is; when it is answered, all before it have been. */
async function fence(client: Host, recording: Recording): Promise<void> {
    sendFrames(client, "eth0", [arpRequest({host: 250})]);
    await waitFor("the fence to be answered", 3000, () =>
        repliesTo(recording.frames(), 250).length > 0 ? true : undefined,
    );
}

describe("frames", {concurrency: 5}, () => {
    test("P12: bad adverts change nothing and count, each in its own place", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(100)]});
        const client = scene.client(lan, ["192.168.1.9/24"]);
        await a.start();
        await a.until("MASTER");
        for (const [what, where, which, frame] of badAdverts()) {
            const before = await a.statistics();
            sendFrames(client, "eth0", [frame]);
            await waitFor(`${what} to be counted`, 3000, async () =>
                (await a.counter("ipackets", "eth1")) > ipackets(before) ? true : undefined,
            );
            const now = await a.statistics();
            assert.deepEqual(rejections(now, before), {[`${where} ${which}`]: 1}, what);
            assert.equal(await a.state(), "MASTER", what);
        }
        assert.equal(a.changes().length, 2);
        // The same kind of frame, but in order, is obeyed: the test can fail.
        sendFrames(client, "eth0", [advert()]);
        await a.until("BACKUP", 2000);
    });

    test("P13: unusual but valid adverts are obeyed", async (scene) => {
        const lan = scene.segment();
        const a = scene.router("a", lan, ["192.168.1.2/24"], {carp: [pairBlock(100)]});
        const client = scene.client(lan, ["192.168.1.9/24"]);
        await a.start();
        await a.until("BACKUP");
        for (const [what, make] of goodAdverts()) {
            await a.command("carp0", "master");
            const accepted = await a.counter("accepted");
            sendFrames(client, "eth0", [make()]);
            await a.until("BACKUP", 2000);
            assert.equal(await a.counter("accepted"), accepted + 1, what);
            assert.equal((await a.carp()).cause, "more frequent advertisement received");
        }
    });

    test("hop limit 254 on an IPv6 advert", async (scene) => {
        const lan = scene.segment();
        const addresses = ["2001:db8::1/64"];
        const a = scene.router("a", lan, ["2001:db8::2/64"], {carp: [pairBlock(100, {addresses})]});
        const client = scene.client(lan, ["2001:db8::9/64"]);
        await a.start();
        await a.until("MASTER");
        const make = () => advert({addresses, source: "fe80::7", destination: "ff02::12"});
        sendFrames(client, "eth0", [changed((f) => f.writeUInt8(254, ipAt + 7), make())]);
        await waitFor("badttl", 3000, async () =>
            (await a.counter("badttl")) === 1 ? true : undefined,
        );
        assert.equal(await a.state(), "MASTER");
        sendFrames(client, "eth0", [make()]);
        await a.until("BACKUP", 2000);
    });

    test("ARP for a VIP: one answer each, of the engine, with the virtual MAC", async (scene) => {
        const {a, b, client} = await runPair(scene);
        const fromA = await Recording.start(scene.wire, cableOf(a).port);
        const fromB = await Recording.start(scene.wire, cableOf(b).port);
        const answered = await a.counter("arpReplies", "eth1");
        const count = 40;
        const stations = Array.from({length: count}, (_, i) => 20 + i);
        const broadcast = stations.map((host) => arpRequest({host}));
        const unicast = stations.map((host) => arpRequest({host: host + 100, to: virtualMac(1)}));
        sendFrames(client, "eth0", [...broadcast, ...unicast]);
        await fence(client, fromA);
        const [sentByA, sentByB] = [await fromA.stop(), await fromB.stop()];
        for (const host of stations.flatMap((station) => [station, station + 100])) {
            const replies = repliesTo(sentByA, host);
            assert.equal(replies.length, 1, `192.168.1.${host} got ${replies.length} answers`);
        }
        for (const frame of sentByA) {
            const arp = arpOf(frame);
            if (arp?.sender !== "192.168.1.1") continue;
            assert.equal(frame.source, virtualMac(1));
            assert.equal(arp.senderMac, virtualMac(1));
        }
        assert.deepEqual(
            sentByB.map(arpOf).filter((arp) => arp?.sender === "192.168.1.1"),
            [],
            "a BACKUP does not answer",
        );
        assert.equal(await a.counter("arpReplies", "eth1"), answered + 2 * count + 1);
    });

    test("P21: a BACKUP answers neither ARP, nor gratuitous ARP, nor a solicitation", async (scene) => {
        const both = {addresses: ["192.168.1.1/24", "2001:db8::1/64"]};
        const {a, b, client} = await runPair(scene, {a: both, b: both});
        const fromA = await Recording.start(scene.wire, cableOf(a).port);
        const fromB = await Recording.start(scene.wire, cableOf(b).port);
        const gratuitous = Buffer.from(
            "ffffffffffff0200000000090806000108000604000102" +
                "0000000009c0a80101000000000000c0a80101",
            "hex",
        );
        sendFrames(client, "eth0", [arpRequest(), gratuitous, arpRequest({host: 10})]);
        client.run(["ip", "neigh", "flush", "all"]);
        const pings = await scene.agent(client).ping("2001:db8::1", 20_000);
        await pings.answered();
        assert.equal(client.neighbourMac("2001:db8::1"), virtualMac(1));
        await fence(client, fromA);
        const seen = await b.counter("arpIgnored", "eth1");
        assert.ok(seen >= 3, "B has seen the requests");
        await pings.stop();
        const sentByB = await fromB.stop();
        assert.deepEqual(
            sentByB.filter(({source}) => source === virtualMac(1)),
            [],
        );
        assert.deepEqual(
            sentByB.map(arpOf).filter((arp) => arp?.sender === "192.168.1.1"),
            [],
        );
        // Neighbour advertisement: ICMPv6 type 136 directly behind the IPv6 header.
        const isAdvertisement = ({etherType, octets}: Frame) =>
            etherType === 0x86dd && octets[20] === 58 && octets[54] === 136;
        const vip = "20010db8000000000000000000000001";
        const naming = (frames: readonly Frame[]) =>
            frames.filter((f) => isAdvertisement(f) && f.octets.toString("hex", 62, 78) === vip);
        assert.deepEqual(naming(sentByB), []);
        const answers = naming(await fromA.stop());
        assert.ok(answers.length > 0, "A has answered the solicitation");
        assert.ok(answers.every(({source}) => source === virtualMac(1)));
    });
});

describe("unicast peers", {concurrency: 3}, () => {
    for (const [id, near, far, vip, hops] of [
        [
            "F4: IPv4",
            ["192.0.2.2/25", "192.0.2.126/25", "192.0.2.2", "192.0.2.126"],
            ["192.0.2.224/25", "192.0.2.254/25", "192.0.2.224", "192.0.2.254"],
            "192.0.2.1",
            32,
        ],
        [
            "F5: IPv6",
            ["2001:db8:1::2/64", "2001:db8:1::ff/64", "2001:db8:1::2", "2001:db8:1::ff"],
            ["2001:db8:2::2/64", "2001:db8:2::ff/64", "2001:db8:2::2", "2001:db8:2::ff"],
            "2001:db8::1",
            128,
        ],
    ] as const) {
        test(`${id} across a router, in different subnets`, async (scene) => {
            const [left, right] = [scene.segment("lft"), scene.segment("rgt")];
            const middle = scene.host("m", {forward: true});
            middle.connect(left, {ifname: "eth0", addresses: [near[1]]});
            middle.connect(right, {ifname: "eth1", addresses: [far[1]]});
            const v6 = near[0].includes(":");
            if (v6) middle.sysctl({"ipv6/conf/all/forwarding": 1});
            const make = (
                name: string,
                lan: string,
                own: typeof near | typeof far,
                skew: number,
                peer: string,
            ) => {
                const router = scene.router(name, lan, [own[0]], {
                    carp: [pairBlock(skew, {addresses: [`${vip}/${hops}`], peers: [peer]})],
                });
                router.host.ip("route", "add", "default", "via", own[3]);
                return router;
            };
            const a = make("a", left, near, 0, far[2]);
            const b = make("b", right, far, 100, near[2]);
            const capture = await scene.agent(middle).capture("eth1");
            await Promise.all([a.start(), b.start()]);
            await a.until("MASTER");
            await waitFor("B to have heard A", 4000, async () =>
                (await b.counter("accepted")) > 0 ? true : undefined,
            );
            assert.deepEqual([await a.state(), await b.state()], ["MASTER", "BACKUP"]);
            middle.ip("route", "add", `${vip}/${hops}`, "via", near[2]);
            const pings = await scene.agent(middle).ping(vip, 50_000);
            await pings.answered();
            await pings.stop();
            // A new advskew keeps the peer and the state.
            a.configure({
                carp: [pairBlock(20, {addresses: [`${vip}/${hops}`], peers: [far[2]]})],
            });
            a.reload();
            await waitFor("the new advskew", 4000, async () =>
                (await b.carp()).master?.advskew === 20 ? true : undefined,
            );
            assert.deepEqual((await a.carp()).peers, [far[2]]);
            assert.deepEqual([await a.state(), await b.state()], ["MASTER", "BACKUP"]);
            const arrived = advertsOf(await capture.stop(), {vhid: 1});
            assert.ok(arrived.length > 0 && arrived.every(({ttl}) => ttl === 254), "one hop less");
            assert.equal(await b.counter("badttl"), 0);
            await a.stop();
            await b.until("MASTER", 2000);
        });
    }

    test("F5: link-local peers on one segment", async (scene) => {
        const lan = scene.segment();
        const make = (name: string, number: number) =>
            scene.router(name, lan, [`2001:db8::${number}/64`], {carp: []});
        const [a, b] = [make("a", 2), make("b", 3)];
        // The kernel has made them out of the MAC addresses.
        const [own, other] = [a, b].map(
            ({host}) =>
                /inet6 (fe80::\S+)\//.exec(host.ip("addr", "show", "dev", "eth1"))?.[1] ?? "",
        );
        assert.ok(own && other);
        const addresses = ["2001:db8::1/64"];
        a.configure({carp: [pairBlock(0, {addresses, peers: [other]})]});
        b.configure({carp: [pairBlock(100, {addresses, peers: [own]})]});
        const client = scene.client(lan, ["2001:db8::9/64"]);
        await Promise.all([a.start(), b.start()]);
        await a.until("MASTER");
        await waitFor("B to have heard A", 4000, async () =>
            (await b.counter("accepted")) > 0 ? true : undefined,
        );
        assert.deepEqual([await a.state(), await b.state()], ["MASTER", "BACKUP"]);
        const pings = await scene.agent(client).ping("2001:db8::1", 50_000);
        await pings.answered();
        await pings.stop();
        assert.equal(client.neighbourMac("2001:db8::1"), virtualMac(1));
    });

    after(async () => await bed?.end());
});

type Statistics = Awaited<ReturnType<Router["statistics"]>>;

function ipackets(statistics: Statistics): number {
    return statistics.carpdevs[0]?.counters.ipackets ?? 0;
}

/** Which counters of refused frames have grown, and by how much. */
function rejections(now: Statistics, before: Statistics): Readonly<Record<string, number>> {
    const flat = ({carp, carpdevs}: Statistics) =>
        new Map(
            [
                ...carp.map(({name, counters}) => ({name, counters})),
                ...carpdevs.map(({carpdev, counters}) => ({name: carpdev, counters})),
            ].flatMap(({name, counters}) =>
                Object.entries(counters).map(([key, value]) => [`${name} ${key}`, value] as const),
            ),
        );
    const old = flat(before);
    return Object.fromEntries(
        [...flat(now)]
            .map(([key, value]) => [key, value - (old.get(key) ?? 0)] as const)
            .filter(([key, grown]) => grown !== 0 && /bad|accepted|foreign|self/.test(key)),
    );
}
