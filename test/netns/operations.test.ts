/**
 * What is typed and asked at the prompt, against real daemons: the manuals' set-ups line by line
 * over POST /v1/bsd, then why, peers, doctor, ping and system.
 */
import assert from "node:assert/strict";
import {readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {textOf} from "../../src/app/shell/asker.ts";
import {plain} from "../../src/core/show.ts";
import {
    decodeBsd,
    decodeDoctor,
    decodePeers,
    decodeSystem,
    decodeWhy,
    showDoctor,
} from "../../src/core/show-operations.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {sendFrames} from "../support/raw.ts";
import {buildPair, cableOf, Router, runPair, type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

async function ask(router: Router, method: string, path: string, body?: unknown): Promise<unknown> {
    const socket = join(router.runDir, "control.sock");
    const reply = await new ControlClient(socket).request(method, path, body);
    assert.ok(reply.ok, reply.ok ? "" : reply.error.code);
    assert.equal(reply.value.status, 200, JSON.stringify(reply.value.body));
    return reply.value.body;
}

/** Types a line, which has to be done without complaint; gives what it printed. */
async function type(router: Router, line: string): Promise<string> {
    const reply = decodeBsd(await ask(router, "POST", "/v1/bsd", {line}));
    assert.ok(reply);
    assert.equal(reply.error, "", line);
    return reply.output;
}

async function doctor(router: Router) {
    const body = await ask(router, "POST", "/v1/doctor", {});
    const report = decodeDoctor(body);
    assert.ok(report);
    const problems = report.findings.filter(({severity}) => severity === "problem");
    return {problems, text: showDoctor(body, plain) ?? ""};
}

/** A router whose carpd.toml is empty: all of it is going to be typed. */
function emptyRouter(scene: Scene, name: string, ports: readonly (readonly [string, string])[]) {
    const host = scene.host(name, {forward: true});
    ports.forEach(([segment, address], i) => {
        host.connect(segment, {ifname: `eth${i + 1}`, addresses: [address]});
    });
    const router = new Router(host);
    writeFileSync(router.configPath, "");
    return router;
}

const preempt = "# sysctl -w net.inet.carp.preempt=1";
/** carp(4), "For firewalls and routers with multiple interfaces". */
const hostA = [
    preempt,
    "# ifconfig carp0 create",
    "# ifconfig carp0 vhid 1 pass mekmitasdigoat 192.168.1.1 \\\nnetmask 255.255.255.0",
    "# ifconfig carp1 create",
    "# ifconfig carp1 vhid 2 pass mekmitasdigoat 192.168.2.1/24 \\\nnetmask 255.255.255.0",
];
const hostB = [
    preempt,
    "# ifconfig carp0 create",
    "# ifconfig carp0 vhid 1 advskew 100 pass mekmitasdigoat \\\n192.168.1.1 netmask 255.255.255.0",
    "# ifconfig carp1 create",
    "# ifconfig carp1 vhid 2 advskew 100 pass mekmitasdigoat \\\n192.168.2.1 netmask 255.255.255.0",
];

/** VRRPv2 for number 1, from 192.168.1.77 to the group that CARP uses too (RFC 3768). */
const vrrp = Buffer.from(
    "01005e0000120200000000770800" +
        "45c0002800010000ff70189dc0a8014de0000012" +
        "210164010001b855c0a801fe0000000000000000",
    "hex",
);

describe("operations on real hosts", {concurrency: 2}, () => {
    test("the manual's lines make a pair of firewalls that fails over as one", async (scene) => {
        const [one, two] = [scene.segment("one"), scene.segment("two")];
        const router = (name: string, number: number) =>
            emptyRouter(scene, name, [
                [one, `192.168.1.${number}/24`],
                [two, `192.168.2.${number}/24`],
            ]);
        const [a, b] = [router("a", 2), router("b", 3)];
        await Promise.all([a.start(), b.start()]);
        for (const line of hostA) await type(a, line);
        await Promise.all([a.until("MASTER", 8000, "carp0"), a.until("MASTER", 8000, "carp1")]);
        for (const line of hostB) await type(b, line);
        await waitFor("B to follow A on both", 8000, async () => {
            const carps = await b.carps();
            const follows = carps.every((carp) => carp.state === "BACKUP" && carp.master !== null);
            return carps.length === 2 && follows ? true : undefined;
        });
        assert.match(
            await type(b, "ifconfig carp1"),
            /carp: BACKUP vhid 2 advbase 1 advskew 100\n.*carpdev: eth2\n/s,
        );
        assert.match(readFileSync(a.configPath, "utf8"), /preempt = true/);

        const peers = decodePeers(await ask(b, "GET", "/v1/peers"));
        assert.deepEqual(
            peers?.map(({name, address, isMaster}) => [name, address, isMaster]),
            [
                ["carp0", "192.168.1.2", true],
                ["carp1", "192.168.2.2", true],
            ],
        );

        cableOf(a).pull();
        await Promise.all([b.until("MASTER", 8000, "carp0"), b.until("MASTER", 8000, "carp1")]);
        const [why] = decodeWhy(await ask(b, "GET", "/v1/why/carp0")) ?? [];
        assert.deepEqual([why?.from, why?.to], ["BACKUP", "MASTER"]);
        assert.equal(why?.heard?.address, "192.168.1.2");
        assert.ok((why?.heard?.ageMs ?? -1) > 0, JSON.stringify(why));
        const [lost] = decodeWhy(await ask(a, "GET", "/v1/why/carp0")) ?? [];
        assert.deepEqual([lost?.to, lost?.cause], ["INIT", "hardware interface down"]);
        assert.deepEqual(
            lost?.links.find(({carpdev}) => carpdev === "eth1"),
            {carpdev: "eth1", link: "no carrier"},
        );
        const sick = await doctor(a);
        assert.ok(
            sick.problems.some(({text}) => text === "eth1 has no link"),
            sick.text,
        );
        assert.ok(
            sick.problems.some(({text}) => text.includes("link:eth1")),
            sick.text,
        );
    });

    test("the manual's lines balance an address over two hosts", async (scene) => {
        const lan = scene.segment();
        const a = emptyRouter(scene, "a", [[lan, "192.168.1.2/24"]]);
        const b = emptyRouter(scene, "b", [[lan, "192.168.1.3/24"]]);
        await Promise.all([a.start(), b.start()]);
        const lines = (skew0: string, skew1: string): readonly string[] => [
            "# ifconfig carp0 create",
            `# ifconfig carp0 vhid 1 ${skew0}pass mekmitasdigoat 192.168.1.10 \\\nnetmask 255.255.255.0`,
            "# ifconfig carp1 create",
            `# ifconfig carp1 vhid 2 ${skew1}pass mekmitasdigoat \\\n192.168.1.10 netmask 255.255.255.0`,
        ];
        const typeAll = async (router: Router, all: readonly string[]): Promise<void> => {
            for (const line of all) await type(router, line);
        };
        await Promise.all([
            typeAll(a, lines("", "advskew 100 ")),
            typeAll(b, lines("advskew 100 ", "")),
        ]);
        assert.match(await type(a, "ifconfig carp1"), /waiting: 192\.168\.1\.10\/24/);
        const balance = "# sysctl -w net.inet.carp.arpbalance=1";
        const answers = await Promise.all([type(a, balance), type(b, balance)]);
        assert.deepEqual(new Set(answers), new Set(["net.inet.carp.arpbalance: 0 -> 1\n"]));
        await Promise.all([
            a.until("MASTER", 8000, "carp0"),
            b.until("MASTER", 8000, "carp1"),
            a.until("BACKUP", 8000, "carp1"),
            b.until("BACKUP", 8000, "carp0"),
        ]);
        await b.host.powerOff();
        await a.until("MASTER", 8000, "carp1");
    });

    test("the handbook's line gives the address back to the content server", async (scene) => {
        const lan = scene.segment();
        const server = emptyRouter(scene, "a", [[lan, "192.168.1.3/24"]]);
        const provider = emptyRouter(scene, "p", [[lan, "192.168.1.5/24"]]);
        await Promise.all([server.start(), provider.start()]);
        await type(provider, "ifconfig carp0 vhid 1 advskew 100 pass testpass 192.168.1.50/24");
        await provider.until("MASTER");
        await type(server, "ifconfig carp0 vhid 1 pass testpass 192.168.1.50/24");
        await waitFor("the server to follow", 8000, async () =>
            (await server.carp()).master?.address === "192.168.1.5" ? true : undefined,
        );
        assert.equal(await server.state(), "BACKUP", "preempt is off");
        await type(provider, "# ifconfig carp0 down && ifconfig carp0 up");
        await server.until("MASTER");
        await provider.until("BACKUP");
    });

    test("a healthy pair has no problem, and each pings the other", async (scene) => {
        const {a, b} = await runPair(scene);
        const [one, two] = await Promise.all([doctor(a), doctor(b)]);
        assert.deepEqual([one.problems, two.problems], [[], []], one.text + two.text);
        const pinged = await ask(a, "POST", "/v1/ping", {address: "192.168.1.3", count: 3});
        assert.match(
            textOf(pinged, "text") ?? "",
            /3 packets transmitted, 3 received, 0% packet loss/,
        );
        const absent = await ask(a, "POST", "/v1/ping", {address: "192.168.1.99", count: 1});
        assert.match(textOf(absent, "text") ?? "", /1 packets transmitted, 0 received, 100%/);
        const system = decodeSystem(await ask(b, "GET", "/v1/system"));
        assert.ok((system?.memory?.totalOctets ?? 0) > 0, JSON.stringify(system));
    });

    test("the doctor finds another password and a VRRP router", async (scene) => {
        const {a, b, client} = buildPair(scene, {b: {pass: "somethingelse"}});
        await Promise.all([a.start(), b.start()]);
        // Neither takes the other for a host of its own vhid.
        await Promise.all([a.until("MASTER"), b.until("MASTER")]);
        sendFrames(client, "eth0", [vrrp]);
        const [one, two] = await Promise.all([doctor(a), doctor(b)]);
        for (const [{problems, text}, peer] of [
            [one, "192.168.1.3"],
            [two, "192.168.1.2"],
        ] as const) {
            const wrong = problems.find((each) => each.text.includes("another password"));
            assert.match(wrong?.text ?? "", new RegExp(`from ${peer} `), text);
            assert.deepEqual([wrong?.name, wrong?.vhid], ["carp0", 1]);
            const foreign = problems.find((each) => each.text.includes("VRRP router"));
            assert.deepEqual([foreign?.name, foreign?.vhid], ["eth1", 1], text);
        }
    });

    after(async () => await bed?.end());
});
