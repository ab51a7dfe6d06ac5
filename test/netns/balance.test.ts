/**
 * ARP balancing on real frames: who answers whom. The expected answers for whole tables of senders
 * are what FreeBSD 9.1 and NetBSD 7 gave (test/vectors: freebsd9-02, netbsd-06).
 */
import assert from "node:assert/strict";
import {writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {decodeBalance, decodeBalanceAnswer} from "../../src/core/control-decode.ts";
import type {BalanceStatus} from "../../src/core/status.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {
    answersIn,
    arpRequest,
    assertAnswered,
    buildBalanced,
    Listening,
    runBalanced,
    sharedBlocks,
    vip,
} from "../support/balance.ts";
import {inNamespace} from "../support/netns.ts";
import {virtualMac} from "../support/pcap.ts";
import {askMany, flood, sendFrames} from "../support/raw.ts";
import {
    carpdProgram,
    type Router,
    type RouterConfig,
    type Scene,
    type Table,
    Testbed,
    toToml,
} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** FreeBSD 9.1: sender, who answered of vhids 1,2, and of vhids 1,2,3. */
const freebsd: readonly (readonly [string, number, number])[] = [
    ["192.168.1.3", 2, 2],
    ["192.168.1.50", 1, 1],
    ["192.168.1.99", 2, 2],
    ["192.168.1.100", 1, 3],
    ["192.168.1.101", 2, 1],
    ["192.168.1.102", 1, 2],
    ["192.168.1.103", 2, 3],
    ["192.168.1.104", 1, 1],
    ["192.168.1.105", 2, 2],
    ["192.168.1.106", 1, 3],
    ["192.168.1.107", 2, 1],
    ["192.168.1.108", 1, 2],
    ["192.168.1.199", 2, 3],
    ["192.168.1.200", 1, 1],
    ["192.168.1.201", 2, 2],
    ["192.168.1.254", 1, 1],
    ["10.0.0.1", 2, 3],
    ["10.0.0.2", 1, 1],
    ["172.16.5.7", 2, 3],
    ["0.0.0.0", 1, 1],
];

/** NetBSD 7, this password: sender's MAC, and who answered of vhids 1,2, of 2,1 and of 1,2,3. */
const netbsd: readonly (readonly [string, number, number, number])[] = [
    ["02:00:00:00:00:01", 1, 2, 3],
    ["02:00:00:00:00:02", 2, 1, 3],
    ["02:00:00:00:00:03", 2, 1, 1],
    ["02:00:00:00:00:04", 2, 1, 3],
    ["02:00:00:00:00:05", 1, 2, 1],
    ["02:00:00:00:00:06", 2, 1, 3],
    ["02:00:00:00:00:07", 2, 1, 1],
    ["02:00:00:00:00:08", 2, 1, 3],
    ["02:00:00:00:00:09", 1, 2, 2],
    ["02:00:00:00:00:0a", 2, 1, 2],
    ["02:00:00:00:00:0b", 2, 1, 3],
    ["02:00:00:00:00:0c", 1, 2, 1],
    ["02:00:00:00:00:0d", 2, 1, 2],
    ["02:00:00:00:00:0e", 2, 1, 2],
    ["02:00:00:00:00:0f", 1, 2, 2],
    ["02:00:00:00:00:10", 2, 1, 2],
    ["52:54:00:12:34:56", 2, 1, 1],
    ["b8:27:eb:01:02:03", 1, 2, 2],
    ["00:0c:29:aa:bb:cc", 2, 1, 2],
    ["fe:dc:ba:98:76:54", 2, 1, 3],
    ["3c:22:fb:10:20:30", 2, 1, 1],
    ["00:1b:21:de:ad:01", 1, 2, 1],
    ["a0:36:9f:00:11:22", 2, 1, 3],
    ["08:00:27:7f:80:ff", 1, 2, 3],
];

const columnOf = (column: 1 | 2) => new Map(freebsd.map((row) => [row[0], row[column]]));

/** Every MAC of NetBSD's table asks, from addresses that are all alike to FreeBSD's rule. */
async function askAsNetbsd(listening: Listening, column: 1 | 2 | 3): Promise<void> {
    const senders = netbsd.map((row, i) => ({sender: `192.168.1.${20 + 6 * i}`, row}));
    const answers = await listening.ask(
        senders.map(({sender, row}) => arpRequest({sender, mac: row[0]})),
    );
    assertAnswered(answers, new Map(senders.map(({sender, row}) => [sender, row[column]])));
}

/** The configuration of host number `host`, changed while it runs; returns when it is in force. */
async function reconfigure(
    routers: readonly Router[],
    make: (host: number) => RouterConfig,
): Promise<void> {
    for (const [i, router] of routers.entries()) router.configure(make(i));
    await Promise.all(routers.map((router) => router.command("reload")));
}

async function showBalance(router: Router): Promise<readonly BalanceStatus[]> {
    const decoded = decodeBalance(JSON.parse(await router.command("show", "balance", "--json")));
    assert.ok(decoded);
    return decoded;
}

/** Questions and answers of the vhid that a router is MASTER of, of the only shared address. */
async function ownCounts(router: Router): Promise<{readonly requests: number; answers: number}> {
    const [group] = await showBalance(router);
    const member = group?.members.find(({state}) => state === "MASTER");
    assert.ok(member && member.requests !== null);
    return {requests: member.requests, answers: member.answers};
}

describe("who answers", {concurrency: 4}, () => {
    test("the manual's two hosts, FreeBSD's 20 senders: one answer each", async (scene) => {
        const balanced = await runBalanced(scene);
        const listening = await Listening.start(scene, balanced);
        const questions = freebsd.map(([sender], i) =>
            arpRequest({sender, mac: `02:00:00:00:01:${(16 + i).toString(16)}`}),
        );
        const answers = await listening.ask(questions);
        assertAnswered(answers, columnOf(1));
        for (const {host, mac, asker} of answers) assert.equal(mac, virtualMac(host + 1), asker);
        // The same sender asks again with another MAC: the same answer.
        const again = await listening.ask(freebsd.map(([sender]) => arpRequest({sender})));
        assertAnswered(again, columnOf(1));
    });

    test("three hosts: FreeBSD's rule, then by reload NetBSD's, nobody steps down", async (scene) => {
        const second = "192.168.1.11";
        const more = {addresses: [`${vip}/24`, `${second}/24`]};
        const balanced = await runBalanced(scene, {hosts: 3, more});
        const {routers} = balanced;
        const listening = await Listening.start(scene, balanced);
        for (const target of [vip, second]) {
            const questions = freebsd.map(([sender]) => arpRequest({sender, target}));
            const answers = await listening.ask(questions);
            assert.ok(answers.every(({address}) => address === target));
            assertAnswered(answers, columnOf(2));
        }
        const before = routers.map(allChanges);
        const options = {
            preempt: true,
            arpbalance: true,
            "arpbalance-hash": "sender-mac",
            "arpbalance-order": "vhid-descending",
        };
        await reconfigure(routers, (i) => ({options, carp: sharedBlocks(i, 3, more)}));
        await askAsNetbsd(listening, 3);
        assert.deepEqual(routers.map(allChanges), before);
    });

    test("NetBSD's rule, two hosts: both orders of its table", async (scene) => {
        const options = {
            "arpbalance-hash": "sender-mac",
            "arpbalance-order": "vhid-descending",
        };
        const balanced = await runBalanced(scene, {options});
        const listening = await Listening.start(scene, balanced);
        await askAsNetbsd(listening, 1);
        await reconfigure(balanced.routers, (i) => ({
            options: {preempt: true, arpbalance: true, ...options, "arpbalance-order": "vhid"},
            carp: sharedBlocks(i, 2),
        }));
        await askAsNetbsd(listening, 2);
    });

    test("special requests", async (scene) => {
        const balanced = await runBalanced(scene);
        const {b} = balanced;
        const before = balanced.routers.map(allChanges);
        const listening = await Listening.start(scene, balanced);
        /** Which host answers one request, in its own words; "" when nobody does. */
        const answerers = async (question: Parameters<typeof arpRequest>[0]) =>
            (await listening.ask([arpRequest(question)]))
                .map(({host, mac, asker}) => `${host} ${mac} ${asker}`)
                .join();
        const [ofA, ofB] = [`0 ${virtualMac(1)}`, `1 ${virtualMac(2)}`];
        assert.equal(await answerers({sender: vip}), "", "gratuitous");
        assert.equal(await answerers({sender: "0.0.0.0"}), `${ofA} 0.0.0.0`, "a probe");
        for (const sender of ["192.168.1.100", "192.168.1.101"]) {
            for (const [vhid, host] of [
                [1, ofA],
                [2, ofB],
            ] as const) {
                const mac = virtualMac(vhid);
                const refresh = await answerers({sender, to: mac});
                assert.equal(refresh, `${host} ${sender}`, `refresh of ${mac}`);
                const named = await answerers({sender, named: mac});
                assert.equal(named, `${host} ${sender}`, `${mac} named as the target`);
            }
            // A stranger's MAC as target says nothing, nor does an unknown vhid.
            const expected = sender.endsWith("0") ? ofA : ofB;
            for (const named of ["02:00:00:00:00:99", virtualMac(77), "ff:ff:ff:ff:ff:ff"]) {
                assert.equal(await answerers({sender, named}), `${expected} ${sender}`, named);
            }
        }
        assert.equal(await answerers({sender: "192.168.1.100", to: "02:00:00:00:00:99"}), "");
        assert.equal(await answerers({sender: "192.168.1.100", mac: "03:00:00:00:00:01"}), "");
        // A station with the address of a host, and a host itself with a second address.
        assert.equal(await answerers({sender: "192.168.1.2"}), `${ofA} 192.168.1.2`);
        assert.equal(await answerers({sender: "192.168.1.3"}), `${ofB} 192.168.1.3`);
        const macOfB = /link\/ether (\S+)/.exec(b.host.ip("link", "show", "dev", "eth1"))?.[1];
        assert.ok(macOfB);
        const first = listening.frames().map((frames) => frames.length);
        sendFrames(b.host, "eth1", [
            arpRequest({sender: "192.168.1.3", mac: macOfB}),
            arpRequest({sender: "192.168.1.4", mac: macOfB}),
        ]);
        await waitFor("A to answer B", 3000, () =>
            answersIn(listening.frames()[0]?.slice(first[0]) ?? [], 0).length > 0
                ? true
                : undefined,
        );
        assert.equal(await answerers({sender: "192.168.1.9"}), `${ofB} 192.168.1.9`);
        const all = listening.frames().flatMap((frames, i) => answersIn(frames.slice(first[i]), i));
        const toB = all.filter(({asker}) => /\.[34]$/.test(asker));
        assert.deepEqual(
            toB.map(({host, asker}) => `${host} ${asker}`),
            ["0 192.168.1.4"],
            "B's own index is silent to B, A answers the other one",
        );
        assert.deepEqual(balanced.routers.map(allChanges), before);
    });
});

/** Every state change of a host, as its log tells it. */
function allChanges(router: Router): readonly unknown[] {
    return ["carp0", "carp1", "carp2"].map((name) => router.changes(name));
}

describe("many requests", () => {
    test("100,000 from 1,000 senders: one answer each, and the counters know", async (scene) => {
        const {a, b, client} = await runBalanced(scene);
        const before = await Promise.all([a, b].map(ownCounts));
        const capture = await scene.switches.capture(client.cable("eth0").port);
        const first = arpRequest({sender: "10.1.0.0"});
        await askMany(client, "eth0", first, {count: 100_000, rate: 12_000, sources: 1000});
        await waitFor("both hosts to have counted", 5000, async () => {
            const now = await Promise.all([a, b].map(ownCounts));
            const grown = now.map(({requests}, i) => requests - (before[i]?.requests ?? 0));
            return grown.every((count) => count >= 50_000) ? true : undefined;
        });
        const counted = await Promise.all([a, b].map(ownCounts));
        const answers = answersIn(await capture.stop(), 0);
        const perAsker = new Map<string, number>();
        const perMac = new Map<string, number>();
        for (const {asker, mac, frame} of answers) {
            assert.equal(frame.source, mac);
            perAsker.set(asker, (perAsker.get(asker) ?? 0) + 1);
            perMac.set(mac, (perMac.get(mac) ?? 0) + 1);
            const odd = Number(asker.split(".").at(-1)) % 2;
            assert.equal(mac, virtualMac(1 + odd), asker);
        }
        assert.equal(perAsker.size, 1000);
        assert.deepEqual([...new Set(perAsker.values())], [100], "each sender's 100 requests");
        for (const [i, count] of counted.entries()) {
            const answered = perMac.get(virtualMac(i + 1)) ?? 0;
            assert.equal(count.answers - (before[i]?.answers ?? 0), answered);
            assert.equal(count.requests - (before[i]?.requests ?? 0), 50_000);
        }
        for (const router of [a, b]) {
            // What the other one answers does not even reach the engine.
            assert.equal(await router.counter("arpRequests", "eth1"), 50_000);
            assert.equal(await router.counter("arpIgnored", "eth1"), 0);
        }
    });

    test("a flood of requests: no advert is late enough to matter", async (scene) => {
        const {a, b, client} = await runBalanced(scene);
        const heard = () =>
            Promise.all([a.counter("accepted", "carp1"), b.counter("accepted", "carp0")]);
        const changes = [a, b].map(allChanges);
        const before = await heard();
        const seconds = 4;
        const sent = await flood(client, "eth0", arpRequest({sender: "192.168.1.100"}), seconds);
        assert.ok(sent > 10_000, `only ${sent} frames went out`);
        const now = await heard();
        for (const [i, count] of now.entries()) {
            assert.ok(count - (before[i] ?? 0) >= seconds - 1, `adverts heard: ${before} ${now}`);
        }
        await waitFor("A to have taken them", 10_000, async () => {
            const {requests} = await ownCounts(a);
            const dropped = await a.counter("kernelDrops", "eth1");
            return requests + dropped >= sent ? true : undefined;
        });
        assert.equal((await ownCounts(b)).requests, 0, "they are not B's");
        assert.deepEqual([a, b].map(allChanges), changes);
    });
});

describe("changes while running", {concurrency: 3}, () => {
    test("arpbalance off and on by reload; sharing without it is refused", async (scene) => {
        const balanced = await runBalanced(scene);
        const {a, b, routers} = balanced;
        const listening = await Listening.start(scene, balanced);
        const before = routers.map(allChanges);
        const options = {preempt: true, arpbalance: true};
        // The same vhids with an address each need no balancing, and back.
        a.configure({options: {preempt: true}, carp: sharedBlocks(0, 2)});
        a.reload();
        await a.said("set arpbalance = true in [options]");
        const [even, odd] = ["192.168.1.100", "192.168.1.101"];
        const both = new Map([
            [even, 1],
            [odd, 2],
        ]);
        const questions = [...both.keys()].map((sender) => arpRequest({sender}));
        assertAnswered(await listening.ask(questions), both);
        const apart = (i: number): RouterConfig => ({
            options: {preempt: true},
            carp: sharedBlocks(i, 2).map((block, index) => ({
                ...block,
                addresses: [`192.168.1.${10 + index}/24`],
            })),
        });
        await reconfigure(routers, apart);
        const single = await listening.ask(
            [...both.keys()].flatMap((sender) => [
                arpRequest({sender}),
                arpRequest({sender, target: "192.168.1.11"}),
            ]),
        );
        assert.deepEqual(
            single.map(({asker, mac, address}) => `${asker} ${address} ${mac}`).sort(),
            [even, odd].flatMap((asker) => [
                `${asker} 192.168.1.10 ${virtualMac(1)}`,
                `${asker} 192.168.1.11 ${virtualMac(2)}`,
            ]),
        );
        assert.deepEqual(await showBalance(a), []);
        await reconfigure(routers, (i) => ({options, carp: sharedBlocks(i, 2)}));
        assertAnswered(await listening.ask(questions), both);
        assert.deepEqual(routers.map(allChanges), before);
        assert.ok(b.process.running);
    });

    test("a third vhid by reload; balance which agrees with the wire", async (scene) => {
        const balanced = await runBalanced(scene);
        const {a, b, routers} = balanced;
        const before = routers.map((router) => ["carp0", "carp1"].map((c) => router.changes(c)));
        const options = {preempt: true, arpbalance: true};
        // The host that will be MASTER of it comes last, as REFERENCE.md says.
        for (const router of [b, a]) {
            const host = routers.indexOf(router);
            const third = {name: "carp2", vhid: 3, advskew: 50 * host};
            const [block] = sharedBlocks(host, 2);
            router.configure({options, carp: [...sharedBlocks(host, 2), {...block, ...third}]});
            await router.command("reload");
        }
        await a.until("MASTER", 8000, "carp2");
        await b.until("BACKUP", 8000, "carp2");
        const listening = await Listening.start(scene, balanced, [1, 2, 3]);
        const answers = await listening.ask(freebsd.map(([sender]) => arpRequest({sender})));
        assertAnswered(answers, columnOf(2));
        for (const [sender] of freebsd.slice(0, 10)) {
            const [answer] = answers.filter(({asker}) => asker === sender);
            assert.ok(answer);
            for (const [host, router] of routers.entries()) {
                const json = await router.command("balance", "which", sender, "--json");
                const said = decodeBalanceAnswer(JSON.parse(json));
                const other = `192.168.1.${answer.host + 2}`;
                const master: string = answer.host === host ? "this host" : other;
                assert.deepEqual([said?.virtualMac, said?.master], [answer.mac, master], sender);
            }
        }
        const now = routers.map((router) => ["carp0", "carp1"].map((c) => router.changes(c)));
        assert.deepEqual(now, before);
    });

    test("--check: one clear error each", async (scene) => {
        const {a} = buildBalanced(scene);
        const path = join(a.host.directory, "wrong.toml");
        const check = async (settings: {readonly arpbalance: boolean; readonly more?: Table}) => {
            const [first = {}, second = {}] = sharedBlocks(0, 2);
            const options = {preempt: true, arpbalance: settings.arpbalance};
            writeFileSync(path, toToml({options, carp: [first, {...second, ...settings.more}]}));
            const argv = [process.execPath, carpdProgram, "--check", "--config", path];
            const {status, stdout, stderr} = a.host.run(argv);
            return {code: status, said: stdout + stderr};
        };
        const good = await check({arpbalance: true});
        assert.equal(good.code, 0, good.said);
        for (const [settings, text] of [
            [{arpbalance: false}, /192\.168\.1\.10 is already an address of carp0/],
            [{arpbalance: true, more: {pass: "another"}}, /pass/],
        ] as const) {
            const {code, said} = await check(settings);
            assert.equal(code, 78, said);
            assert.match(said, text);
            assert.equal(said.match(/wrong\.toml:\d+:\d+: (?!warning)/g)?.length, 1, said);
        }
    });

    after(async () => await bed?.end());
});
