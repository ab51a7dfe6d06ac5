/**
 * What demotes a host and what ends it: maintenance, the operator, failing sends, tracks; and that
 * nothing on the segment can demote it.
 */
import assert from "node:assert/strict";
import {existsSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {loadAddon} from "../../src/io/addon.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {type Advert, advertsOf, virtualMac} from "../support/pcap.ts";
import {Recording, sendFrames} from "../support/raw.ts";
import {
    cableOf,
    pairBlock,
    type Router,
    type RouterConfig,
    type Scene,
    Testbed,
} from "../support/routers.ts";
import {
    bothAre,
    demotionOf,
    firstAdvert,
    hasHeard,
    lanAddress,
    pingsOfBoth,
    reasonsOf,
    runTwo,
    untilReasons,
    wanAddress,
} from "../support/two-segments.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** The advskews of adverts, each as often as it began. */
function advskews(adverts: readonly Advert[]): readonly number[] {
    return adverts.map(({advskew}) => advskew).filter((skew, i, all) => skew !== all[i - 1]);
}

/** One host on one segment, MASTER. */
async function lonely(scene: Scene, config: RouterConfig): Promise<{a: Router; lan: string}> {
    const lan = scene.segment();
    const a = scene.router("a", lan, [`${lanAddress(2)}/24`], config);
    await a.start();
    await a.until("MASTER");
    return {a, lan};
}

async function effective(router: Router): Promise<readonly number[]> {
    return (await router.carps()).map(({effectiveAdvskew}) => effectiveAdvskew);
}

describe("maintenance", {concurrency: 4}, () => {
    test("hands everything over without a lost ping, and outlives a restart", async (scene) => {
        const {a, b, lan, clients} = await runTwo(scene);
        const reports = await pingsOfBoth(scene, clients, async () => {
            await a.command("maintenance", "on");
            await bothAre(b, "MASTER", 1000);
            await bothAre(a, "BACKUP", 3000);
        });
        for (const {lost, sent} of reports) assert.equal(lost, 0, `${lost} of ${sent} pings lost`);
        assert.match(await a.command("show", "carp"), /^MAINTENANCE/);
        assert.deepEqual(await reasonsOf(a), ["maintenance 240"]);
        // Killed and started again, and nobody else is left to be MASTER.
        await a.process.kill("SIGKILL");
        const capture = await scene.switches.capture(lan);
        await a.start();
        assert.deepEqual(await reasonsOf(a), ["maintenance 240"]);
        await hasHeard(a);
        await b.host.powerOff();
        await bothAre(a, "MASTER");
        const sent = await a.counter("opackets");
        await waitFor("another advert", 4000, async () =>
            (await a.counter("opackets")) > sent ? true : undefined,
        );
        await a.command("maintenance", "off");
        assert.deepEqual(await reasonsOf(a), []);
        await waitFor("an advert that is not demoted", 2000, async () =>
            (await a.counter("opackets")) >= sent + 3 ? true : undefined,
        );
        const adverts = advertsOf(await capture.stop(), {source: lanAddress(2)});
        assert.deepEqual(advskews(adverts), [240, 0]);
        assert.doesNotMatch(await a.command("show", "carp"), /MAINTENANCE/);
    });

    test("ends by itself when its time is over", async (scene) => {
        const {a, lan} = await lonely(scene, {carp: [pairBlock(0)]});
        const stored = join(a.stateDir, "maintenance.json");
        const capture = await scene.switches.capture(lan);
        await a.command("maintenance", "on", "--until", "2s");
        assert.deepEqual(await effective(a), [240]);
        assert.ok(existsSync(stored));
        await waitFor("its end", 4000, async () =>
            (await reasonsOf(a)).length === 0 ? true : undefined,
        );
        assert.deepEqual(await effective(a), [0]);
        assert.ok(!existsSync(stored));
        const sent = await a.counter("opackets");
        await waitFor("one more advert", 2000, async () =>
            (await a.counter("opackets")) > sent ? true : undefined,
        );
        const adverts = advertsOf(await capture.stop());
        const [first, last] = [
            firstAdvert(adverts, {source: lanAddress(2), advskew: 240}),
            adverts.findLast(({advskew}) => advskew === 240),
        ];
        assert.ok(first && last);
        assert.deepEqual(advskews(adverts).slice(-2), [240, 0]);
        const after = firstAdvert(adverts, {source: lanAddress(2), fromUs: last.atUs + 1});
        const lastedMs = ((after?.atUs ?? 0) - first.atUs) / 1000;
        assert.ok(lastedMs > 1900 && lastedMs < 2300, `demoted for ${lastedMs} ms`);
    });
});

describe("the operator", {concurrency: 4}, () => {
    test("demote, undemote and FreeBSD's sysctl", async (scene) => {
        const right = {name: "carp1", vhid: 2, addresses: ["192.168.1.200/24"], group: "right"};
        const {a, lan} = await lonely(scene, {carp: [pairBlock(20), pairBlock(0, right)]});
        await a.until("MASTER", 8000, "carp1");
        const capture = await scene.switches.capture(lan);
        const steps: readonly (readonly [string, readonly number[]])[] = [
            ["demote 50", [70, 50]],
            ["demote vpn 30", [100, 80]],
            ["demote -200", [0, 0]],
            ["undemote vpn", [0, 0]],
            ["undemote", [20, 0]],
            ["sysctl net.inet.carp.demotion=10", [30, 10]],
            ["sysctl net.inet.carp.demotion=10", [40, 20]],
            ["sysctl net.inet.carp.demotion=-20", [20, 0]],
            ["demote 240 group right", [20, 240]],
            ["demote db 240", [240, 240]],
        ];
        const said: string[] = [];
        for (const [words, expected] of steps) {
            said.push(await a.command(...words.split(" ")));
            assert.deepEqual(await effective(a), expected, words);
        }
        assert.match(said[6] ?? "", /^net\.inet\.carp\.demotion: 10 -> 20$/m);
        assert.match(await a.command("sysctl", "net.inet.carp.demotion"), /demotion: 480$/m);
        const shown = await a.command("show", "demotion");
        assert.match(shown, /operator\s+240.*right/);
        assert.match(shown, /operator:db\s+240/);
        const {total, onWire, reasons} = await demotionOf(a);
        assert.deepEqual([total, onWire], [480, 240]);
        for (const {since} of reasons) {
            assert.ok(Math.abs(Date.parse(since) - Date.now()) < 30_000, since);
        }
        for (const wrong of ["demote 300", "demote track:x 5", "demote 5 group nowhere"]) {
            const refused = await a.carpctl(...wrong.split(" "));
            assert.notEqual(refused.code, 0, wrong);
            assert.notEqual(refused.stderr, "", wrong);
        }
        await a.command("undemote");
        assert.deepEqual(await effective(a), [20, 0]);
        const adverts = advertsOf(await capture.stop(), {vhid: 1});
        assert.deepEqual(advskews(adverts).slice(-9), [70, 100, 0, 20, 30, 40, 20, 240, 20]);
    });

    test("frames of others change no demotion", async (scene) => {
        const {a, b, clients} = await runTwo(scene);
        const forged = (vhid: number, key: string) =>
            loadAddon().buildAdvertisement({
                key: Buffer.from(key),
                vhid,
                addresses: ["192.168.1.1/24"],
                counter: 1n << 60n,
                form: "all",
                advbase: 1,
                advskew: 240,
                demotion: 200,
                source: lanAddress(77),
                destination: "224.0.0.18",
                ethernetSource: virtualMac(vhid),
            });
        for (const [frame, name, which] of [
            [forged(1, "someone else's"), "carp0", "badauth"],
            [forged(9, "mekmitasdigoat"), "eth1", "badvhid"],
            [forged(1, "mekmitasdigoat"), "carp0", "accepted"],
        ] as const) {
            const before = await Promise.all([a, b].map((host) => host.counter(which, name)));
            sendFrames(clients[0], "eth0", [frame]);
            for (const [i, host] of [a, b].entries()) {
                await waitFor(`${which} to count`, 3000, async () =>
                    (await host.counter(which, name)) > (before[i] ?? 0) ? true : undefined,
                );
                assert.deepEqual(await reasonsOf(host), []);
                assert.deepEqual(await effective(host), i === 0 ? [0, 0] : [100, 100]);
            }
        }
        // A stranger with the password may pose as a slow master; it moves nothing else.
        await a.until("MASTER", 3000);
        await b.until("BACKUP", 3000);
        assert.equal(a.changes("carp0").length, 2);
        assert.deepEqual([a.changes("carp1").length, b.changes("carp1").length], [2, 1]);
    });
});

describe("failures", {concurrency: 4}, () => {
    test("P18: sends that fail demote, and the demotion ends while BACKUP", async (scene) => {
        const {a, b} = await runTwo(scene);
        const queue = (verb: string, ...kind: string[]) =>
            a.host.run(["tc", "qdisc", verb, "dev", "eth1", "root", ...kind]);
        // Nothing fits into this queue: every send fails with ENOBUFS.
        const full = queue("add", "bfifo", "limit", "1");
        assert.equal(full.status, 0, full.stderr);
        const sentByA = await Recording.start(scene.wire, cableOf(a).port);
        await untilReasons(a, ["send:eth1 240"]);
        await bothAre(b, "MASTER", 3000);
        await bothAre(a, "BACKUP", 3000);
        const failed = await a.counter("oerrors");
        assert.ok(failed >= 3);
        assert.match(await a.command("show", "demotion"), /send:eth1\s+240/);
        // It holds as long as the sends fail: what B says meanwhile does not end it.
        const heard = await a.counter("accepted");
        await waitFor("four adverts of B", 8000, async () =>
            (await a.counter("accepted")) >= heard + 4 ? true : undefined,
        );
        assert.deepEqual(await reasonsOf(a), ["send:eth1 240"]);
        assert.equal(await a.state(), "BACKUP");
        assert.equal(queue("del").status, 0);
        await untilReasons(a, []);
        await bothAre(a, "MASTER", 4000);
        const back = a.changes("carp0").at(-1)?.atMs ?? 0;
        const early = (await sentByA.stop()).filter(
            ({source, atUs}) => source === virtualMac(1) && atUs / 1000 < back - 25,
        );
        assert.deepEqual(early, [], "a BACKUP sends nothing from the virtual MAC");
    });

    test("a tracked uplink goes: everything moves within one advert", async (scene) => {
        const uplink = scene.segment("up");
        const {a, b, wan, lan, clients} = await runTwo(scene, {
            tracksOfA: [{name: "uplink", interface: "eth3"}],
            prepare: ({host}) => host.connect(uplink, {ifname: "eth3"}),
        });
        const captures = await Promise.all(
            [lan, wan].map((segment) => scene.switches.capture(segment)),
        );
        const reports = await pingsOfBoth(scene, clients, async () => {
            a.host.cable("eth3").pull();
            await bothAre(b, "MASTER", 1500);
            await bothAre(a, "BACKUP", 3000);
        });
        for (const {lost, sent} of reports) assert.equal(lost, 0, `${lost} of ${sent} pings lost`);
        assert.deepEqual(await reasonsOf(a), ["track:uplink 240"]);
        for (const [i, address] of [lanAddress, wanAddress].entries()) {
            const adverts = advertsOf((await captures[i]?.stop()) ?? []);
            const demoted = firstAdvert(adverts, {source: address(2), advskew: 240});
            const taken = firstAdvert(adverts, {source: address(3)});
            assert.ok(demoted && taken);
            assert.ok(taken.atUs - demoted.atUs < 100_000, "at the first demoted advert");
        }
        a.host.cable("eth3").plug();
        await untilReasons(a, []);
        await bothAre(a, "MASTER", 3000);
    });

    test("commands that fail, hang and crash, files, and hosts that are cut off", async (scene) => {
        const directory = scene.wire.directory;
        const flag = join(directory, `flag-${process.pid}`);
        const stop = join(directory, `stop-${process.pid}`);
        const often = {interval: "300ms", rise: 2, fall: 2};
        const tracks = [
            {name: "crash", command: ["/bin/sh", "-c", "kill -SEGV $$"], ...often, demotion: 30},
            {name: "file", file: stop, must: "not-exist", ...often, demotion: 50},
            {name: "flag", command: ["/usr/bin/test", "-e", flag], ...often, demotion: 10},
            {name: "hang", command: ["/bin/sleep", "7777"], ...often, demotion: 20},
            {name: "host", ping: lanAddress(9), ...often, demotion: 60},
        ];
        const {a, lan} = await lonely(scene, {carp: [pairBlock(0)], tracks});
        const client = scene.client(lan, [`${lanAddress(9)}/24`]);
        const sorted = async () => (await reasonsOf(a)).toSorted();
        const until = async (wanted: readonly string[]) =>
            await waitFor(
                `[${wanted.join(", ")}]`,
                8000,
                async () => ((await sorted()).join() === wanted.join() ? true : undefined),
                async () => `${await sorted()}\n${a.log()}`,
            );
        const [crash, hang] = ["track:crash 30", "track:hang 20"];
        await until([crash, "track:flag 10", hang]);
        assert.deepEqual(await effective(a), [60]);
        writeFileSync(flag, "");
        await until([crash, hang]);
        writeFileSync(stop, "");
        await until([crash, "track:file 50", hang]);
        client.cable("eth0").pull();
        await until([crash, "track:file 50", hang, "track:host 60"]);
        assert.deepEqual(await effective(a), [160]);
        const shown = await a.command("show", "tracks");
        assert.match(shown, /hang.*no answer within 300ms/s);
        client.cable("eth0").plug();
        rmSync(stop);
        await until([crash, hang]);
        const hanging = a.host.run(["pgrep", "-f", "^/bin/sleep 7777"]).stdout.trim().split("\n");
        assert.ok(hanging.length <= 1, "never two at once");
        const {scheduling} = await a.statistics();
        assert.ok(scheduling, "carpd goes on");
        assert.equal(await a.state(), "MASTER");
        // A reload that removes the tracks ends what they did.
        a.configure({carp: [pairBlock(0)]});
        await a.command("reload");
        await until([]);
        assert.deepEqual(await effective(a), [0]);
        await waitFor("the last check to be gone", 4000, () =>
            a.host.pids().length === 2 ? true : undefined,
        );
        rmSync(flag);
    });

    after(async () => await bed?.end());
});
