/**
 * A shared IPv6 address on real frames: neighbour solicitations are balanced by their source, and
 * the kernel, which would answer them on every MASTER, has no say. The rule is REFERENCE.md's; no
 * BSD has one that could be compared.
 */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {
    type Answer,
    answersIn,
    assertAnswered,
    type Balanced,
    Listening,
    longIpv6,
    runBalanced,
    settled,
    solicitation,
    vip,
    vip6,
    xorIndex,
} from "../support/balance.ts";
import {inNamespace} from "../support/netns.ts";
import {neighbourOf, virtualMac} from "../support/pcap.ts";
import {sendFrames} from "../support/raw.ts";
import {pairBlock, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const single = "2001:db8::20";
const both = {addresses: [`${vip}/24`, `${vip6}/64`]};

/** The pair of the manual with an IPv6 address beside; on A also a vhid 3 of A's own. */
function runDualStack(scene: Scene, hosts = 2): Promise<Balanced> {
    const third = {name: "carp9", vhid: 9, addresses: [`${single}/64`]};
    return runBalanced(scene, {hosts, more: both, extra: [pairBlock(0, third)]});
}

/** Forty senders whose four words differ in all places, link-local ones among them. */
function senders(): readonly string[] {
    return Array.from({length: 40}, (_, i) => {
        const group = (factor: number) => ((factor * i * i + 5 * i + factor) & 0xffff).toString(16);
        const tail = `${group(3)}:${group(11)}:${group(0x101)}:${group(0x325)}`;
        return longIpv6(i % 4 === 0 ? `fe80::${tail}` : `2001:db8:${group(7)}:${i}:${tail}`);
    });
}

function flagsOf({frame}: Answer): string {
    const packet = neighbourOf(frame);
    return packet === undefined
        ? ""
        : `${packet.solicited ? "S" : ""}${packet.override ? "O" : ""}`;
}

describe("shared IPv6 address", {concurrency: 3}, () => {
    for (const hosts of [2, 3]) {
        test(`${hosts} hosts, 40 senders: exactly one advertisement each`, async (scene) => {
            const balanced = await runDualStack(scene, hosts);
            const listening = await Listening.start(scene, balanced);
            const expected = new Map(
                senders().map((sender) => [sender, xorIndex(sender, hosts) + 1]),
            );
            assert.equal(expected.size, 40);
            assert.equal(new Set(expected.values()).size, hosts, "every host has its share");
            const answers = await listening.ask(senders().map((sender) => solicitation({sender})));
            const shared = answers.filter(({address}) => address === longIpv6(vip6));
            assertAnswered(shared, expected);
            for (const answer of shared) {
                assert.equal(answer.mac, virtualMac(answer.host + 1));
                assert.match(flagsOf(answer), /^S/);
            }
        });
    }

    test("probes, checks of known neighbours, addresses of one host", async (scene) => {
        const balanced = await runDualStack(scene);
        const {a} = balanced;
        await a.until("MASTER", 8000, "carp9");
        const listening = await Listening.start(scene, balanced);
        // What A announces of its own address at the start is nobody's answer.
        const answerers = async (question: Parameters<typeof solicitation>[0]) =>
            (await listening.ask([solicitation(question)]))
                .filter(({address}) => address === longIpv6(question.target ?? vip6))
                .filter((answer) => flagsOf(answer).startsWith("S"))
                .map(({host, mac, asker}) => `${host} ${mac} ${asker}`)
                .join();
        const [even, odd] = ["2001:db8::100", "2001:db8::101"].map(longIpv6);
        assert.ok(even && odd);
        assert.deepEqual([xorIndex(even, 2), xorIndex(odd, 2)], [0, 1]);
        const [ofA, ofB] = [`0 ${virtualMac(1)}`, `1 ${virtualMac(2)}`];
        // Nobody may take the address: one answer, to all nodes.
        const probe = await listening.ask([solicitation({sender: "::"})]);
        const shared = probe.filter(({address}) => address === longIpv6(vip6));
        assert.deepEqual(
            shared.map((answer) => [answer.host, answer.mac, answer.asker, flagsOf(answer)[0]]),
            [[0, virtualMac(1), longIpv6("ff02::1"), "O"]],
        );
        assert.equal(shared[0]?.frame.destination, "33:33:00:00:00:01");
        for (const sender of [even, odd]) {
            for (const [vhid, host] of [
                [1, ofA],
                [2, ofB],
            ] as const) {
                const check = await answerers({sender, to: virtualMac(vhid)});
                assert.equal(check, `${host} ${sender}`, `to ${virtualMac(vhid)}`);
            }
            // An address of one vhid: always its MASTER, in both ways.
            const ofNine = `0 ${virtualMac(9)} ${sender}`;
            assert.equal(await answerers({sender, target: single}), ofNine);
            assert.equal(await answerers({sender, target: single, to: virtualMac(9)}), ofNine);
            // The hosts' own addresses stay the kernel's.
            const own = await listening.ask([solicitation({sender, target: "2001:db8::3"})]);
            assert.deepEqual(
                own
                    .filter(({address}) => address === longIpv6("2001:db8::3"))
                    .map(({host, mac}) => [host, mac.startsWith("00:00:5e")]),
                [[1, false]],
            );
        }
    });

    test("a stopped carpd: the kernel says nothing about the address", async (scene) => {
        const balanced = await runDualStack(scene);
        const {routers, client} = balanced;
        const listening = await Listening.start(scene, balanced);
        const names = ["2001:db8::100", "2001:db8::101"].map(longIpv6);
        const before = listening.frames().map((frames) => frames.length);
        for (const router of routers) process.kill(router.process.pid, "SIGSTOP");
        const others = ["2001:db8::2", "2001:db8::3"];
        const questions = names.flatMap((sender) => [
            solicitation({sender}),
            solicitation({sender, to: virtualMac(1)}),
            solicitation({sender, to: virtualMac(2)}),
        ]);
        // The kernel answers in order: these last ones are for its own addresses.
        const last = others.map((target) => solicitation({sender: "2001:db8::77", target}));
        sendFrames(client, "eth0", [...questions, solicitation({sender: "::"}), ...last]);
        const fresh = () =>
            listening.frames().flatMap((frames, i) => answersIn(frames.slice(before[i]), i));
        await waitFor("both kernels to answer for themselves", 2000, () =>
            others.every((target) => fresh().some(({address}) => address === longIpv6(target)))
                ? true
                : undefined,
        );
        const stopped = fresh().filter(({address}) => address === longIpv6(vip6));
        for (const router of routers) process.kill(router.process.pid, "SIGCONT");
        assert.deepEqual(stopped, []);
        await waitFor("the engine to answer what was waiting", 3000, () =>
            fresh().some(({address}) => address === longIpv6(vip6)) ? true : undefined,
        );
        await settled(routers);
    });

    test("ping6 through both virtual MACs, and F8 with the shared address", async (scene) => {
        const balanced = await runDualStack(scene);
        const {segment, a, b} = balanced;
        const clients = [0, 1].map((i) => {
            const host = scene.host(`c${i}`);
            host.connect(segment, {
                ifname: "eth0",
                addresses: [`192.168.1.${100 + i}/24`, `2001:db8::${100 + i}/64`],
            });
            return host;
        });
        for (const [i, host] of clients.entries()) {
            for (const address of [vip6, vip]) {
                const pings = await scene.agent(host).ping(address, 20_000);
                await pings.answered();
                const report = await pings.stop();
                assert.ok(report.sent - report.lost > 0);
                assert.equal(host.neighbourMac(address), virtualMac(i + 1), address);
            }
        }
        // The VIP as source of one's own pings (F8), to a client of either half: a client that has
        // never asked learns the MAC from the solicitation of the host itself.
        for (const [i, router] of [a, b].entries()) {
            const target = `2001:db8::${100 + i}`;
            const ping = ["ping", "-6", "-n", "-c", "2", "-W", "1", "-I", vip6, target];
            const result = router.host.run(ping);
            assert.equal(result.status, 0, result.stdout + result.stderr);
        }
        for (const [i, host] of clients.entries()) {
            assert.equal(host.neighbourMac(vip6), virtualMac(i + 1), "where it was");
        }
        await a.until("MASTER", 8000, "carp9");
        const ping = ["ping", "-6", "-n", "-c", "2", "-W", "1", "-I", single, "2001:db8::9"];
        const result = a.host.run(ping);
        assert.equal(result.status, 0, result.stdout + result.stderr);
        assert.equal(balanced.client.neighbourMac(single), virtualMac(9));
    });

    after(async () => await bed?.end());
});
