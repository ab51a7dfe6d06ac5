/**
 * Every kind of interface as a carpdev, and what happens to it: carrier lost, ports taken away,
 * deleted and made again, renamed, flapping. Each time its vhid goes to INIT with one demotion
 * reason, and comes back.
 */
import assert from "node:assert/strict";
import {after, describe, it} from "node:test";
import {type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {advertsOf, virtualMac} from "../support/pcap.ts";
import {Recording} from "../support/raw.ts";
import {cableOf, pairBlock, type Router, runPair, type Scene, Testbed} from "../support/routers.ts";
import {
    lanAddress,
    reasonsOf,
    twoBlocks,
    untilReasons,
    wanAddress,
} from "../support/two-segments.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

/** One thing that takes the carpdev's link away, and what gives it back. */
interface Loss {
    readonly what: string;
    readonly lose: (host: Host, port: string, wire: Host) => void;
    readonly restore: (host: Host, port: string, wire: Host) => void;
}

interface Carpdev {
    readonly name: string;
    /** Made on eth1; throws where this kernel has no such interfaces. */
    readonly make: (host: Host) => void;
    /** The vhid's macvlan is on this one. */
    readonly losses: readonly Loss[];
}

const address = `${lanAddress(2)}/24`;

const cable: Loss = {
    what: "the cable is pulled",
    lose: (_, port, wire) => wire.ip("link", "set", port, "down"),
    restore: (_, port, wire) => wire.ip("link", "set", port, "up"),
};

function setDown(name: string): Loss {
    return {
        what: "it is set down",
        lose: (host) => host.ip("link", "set", name, "down"),
        restore: (host) => host.ip("link", "set", name, "up"),
    };
}

function deletion(name: string, make: (host: Host) => void): Loss {
    return {
        what: "it is deleted and made again",
        lose: (host) => host.ip("link", "del", name),
        restore: make,
    };
}

function makeBridge(host: Host): void {
    host.ip("link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0");
    host.ip("link", "set", "eth1", "master", "br0");
    host.ip("addr", "add", address, "dev", "br0");
    host.ip("link", "set", "br0", "up");
}

/** An interface on top of eth1. */
function onTop(name: string, ...type: string[]): (host: Host) => void {
    return (host) => {
        host.ip("link", "add", "link", "eth1", "name", name, "type", ...type);
        host.ip("addr", "add", address, "dev", name);
        host.ip("link", "set", name, "up");
    };
}

function makeBond(host: Host): void {
    host.ip("link", "add", "bond0", "type", "bond", "mode", "active-backup", "miimon", "50");
    host.ip("link", "set", "eth1", "down");
    host.ip("link", "set", "eth1", "master", "bond0");
    host.ip("addr", "add", address, "dev", "bond0");
    host.ip("link", "set", "bond0", "up");
}

const makeMacvlan = onTop("mv0", "macvlan", "mode", "bridge");
const makeVlan = onTop("vlan7", "vlan", "id", "7");

const carpdevs: readonly Carpdev[] = [
    {
        name: "br0",
        make: makeBridge,
        losses: [
            {...cable, what: "the cable of its last port is pulled"},
            {
                what: "its last port is taken out",
                lose: (host) => host.ip("link", "set", "eth1", "nomaster"),
                restore: (host) => host.ip("link", "set", "eth1", "master", "br0"),
            },
            setDown("br0"),
            deletion("br0", makeBridge),
        ],
    },
    {
        name: "mv0",
        make: makeMacvlan,
        losses: [cable, setDown("mv0"), deletion("mv0", makeMacvlan)],
    },
    {
        name: "vlan7",
        make: makeVlan,
        losses: [cable, setDown("vlan7"), deletion("vlan7", makeVlan)],
    },
    {
        name: "bond0",
        make: makeBond,
        losses: [cable, setDown("bond0"), deletion("bond0", makeBond)],
    },
    {
        name: "eth1",
        make: (host) => host.ip("addr", "add", address, "dev", "eth1"),
        losses: [
            cable,
            setDown("eth1"),
            {
                what: "it is renamed away and back",
                lose: (host) => rename(host, "eth1", "away"),
                restore: (host) => rename(host, "away", "eth1"),
            },
        ],
    },
];

/** Kernels before 6.2 rename only what is down. */
function rename(host: Host, from: string, to: string): void {
    host.ip("link", "set", from, "down");
    host.ip("link", "set", from, "name", to);
    host.ip("link", "set", to, "up");
}

function links(router: Router): readonly string[] {
    return [...router.host.ip("-o", "link").matchAll(/^\d+: ([^:@]+)/gm)]
        .map(([, name]) => name ?? "")
        .toSorted();
}

/** 0x400454ca is TUNSETIFF, 0x1002 IFF_TAP and IFF_NO_PI. */
const tap = `
import fcntl, struct, sys, time
try:
    f = open("/dev/net/tun", "r+b", buffering=0)
    fcntl.ioctl(f, 0x400454ca, struct.pack("16sH22x", b"tap0", 0x1002))
except OSError as error:
    print("no", error, flush=True)
    sys.exit()
print("open tap0", flush=True)
while True:
    f.read(65536)
`;

/** A router whose vhid 1 is on an interface made on eth1, and whose vhid 2 is on eth2. */
function router(scene: Scene, carpdev: string): Router {
    const [lan, wan] = [scene.segment("lan"), scene.segment("wan")];
    const a = scene.router("a", lan, [], {
        options: {"handover-limit-ms": 100},
        carp: twoBlocks(0, 5).map((block, i) => (i === 0 ? {...block, carpdev} : block)),
    });
    a.host.connect(wan, {ifname: "eth2", addresses: [`${wanAddress(2)}/24`]});
    return a;
}

describe("carpdevs", {concurrency: 3}, () => {
    for (const {name, make, losses} of carpdevs) {
        test(`${name}: ${losses.map(({what}) => what).join(", ")}`, async (scene) => {
            const a = router(scene, name);
            try {
                make(a.host);
            } catch (error) {
                assert.match(String(error), /Unknown device type|not supported/);
                scene.skip(`kernel: no interfaces such as ${name}`);
                return;
            }
            const before = links(a);
            const client = scene.client(cableOf(a).segment, [`${lanAddress(9)}/24`]);
            if (name === "vlan7") {
                client.ip("addr", "flush", "dev", "eth0");
                client.ip("link", "add", "link", "eth0", "name", name, "type", "vlan", "id", "7");
                client.ip("addr", "add", `${lanAddress(9)}/24`, "dev", name);
                client.ip("link", "set", name, "up");
            }
            await a.start();
            await a.until("MASTER");
            await a.until("MASTER", 8000, "carp1");
            const pings = await scene.agent(client).ping(lanAddress(1), 20_000);
            await pings.answered();
            const {port} = cableOf(a);
            for (const [i, {what, lose, restore}] of losses.entries()) {
                const seen = a.changes("carp0").length;
                lose(a.host, port, scene.wire);
                await a.until("INIT", 3000);
                await untilReasons(a, [`link:${name} 240`]);
                assert.equal((await a.carp("carp1")).effectiveAdvskew, 240, what);
                restore(a.host, port, scene.wire);
                await a.until("MASTER");
                assert.deepEqual(await reasonsOf(a), [], what);
                assert.equal((await a.carp("carp1")).effectiveAdvskew, 5, what);
                const steps = a.changes("carp0").slice(seen);
                assert.deepEqual(
                    steps.map(({to}) => to),
                    ["INIT", "BACKUP", "MASTER"],
                    what,
                );
                await pings.answered();
                assert.equal(client.neighbourMac(lanAddress(1)), virtualMac(1));
                assert.deepEqual(
                    a
                        .macvlans()
                        .filter((x) => x !== "mv0")
                        .toSorted(),
                    ["carp0", "carp1"],
                );
                assert.equal(a.changes("carp1").length, 2, `carp1 stays, loss ${i}`);
            }
            await pings.stop();
            await a.stop();
            await waitFor(
                "nothing to be left",
                3000,
                () => (links(a).join() === before.join() ? true : undefined),
                () => links(a).join(),
            );
            assert.doesNotMatch(a.host.ip("-o", "addr"), /192\.168\.[12]\.1\//);
        });
    }

    test("an interface that does not tell its carrier counts as up", async (scene) => {
        const a = scene.router("a", scene.segment(), [], {
            carp: [pairBlock(0, {carpdev: "tap0"})],
        });
        const holder = a.host.spawn(["python3", "-c", tap], {logName: "tap"});
        const seen = await waitFor(
            "the tap",
            5000,
            () => /^(open|no) .*$/m.exec(holder.log())?.[0],
        );
        if (!seen.startsWith("open")) {
            scene.skip(`no tap interfaces here: ${seen}`);
            return;
        }
        a.host.ip("addr", "add", address, "dev", "tap0");
        a.host.ip("link", "set", "tap0", "up");
        assert.match(a.host.ip("link", "show", "dev", "tap0"), /state UNKNOWN/);
        await a.start();
        await a.until("MASTER");
        assert.deepEqual(await reasonsOf(a), []);
        // Its holder goes, and the interface with it.
        await holder.kill("SIGKILL");
        await a.until("INIT", 3000);
        assert.deepEqual(await reasonsOf(a), ["link:tap0 240"]);
    });

    test("link-up-delay: down at once, up only after a quiet time", async (scene) => {
        const delayMs = 1500;
        const {a, b} = await runPair(scene);
        a.configure({
            options: {preempt: true, "link-up-delay": `${delayMs}ms`},
            carp: [pairBlock(0)],
        });
        await a.command("reload");
        const sentByA = await Recording.start(scene.wire, cableOf(a).port);
        cableOf(a).pull();
        await b.until("MASTER", 6000);
        for (let flap = 1; flap <= 5; flap += 1) {
            cableOf(a).plug();
            await waitFor("the carrier", 2000, () =>
                a.host.hasCarrier("eth1") ? true : undefined,
            );
            if (flap < 5) cableOf(a).pull();
        }
        const pluggedMs = Date.now();
        assert.deepEqual(await reasonsOf(a), ["link:eth1 240"], "until the delay is over");
        await a.until("MASTER");
        const [toInit, ...later] = a.changes().slice(2);
        assert.equal(toInit?.to, "INIT");
        assert.deepEqual(
            later.map(({to}) => to),
            ["BACKUP", "MASTER"],
            "five flaps are one failure",
        );
        const usedMs = later[0]?.atMs ?? 0;
        const waited = `used ${usedMs - pluggedMs} ms after the last plug`;
        assert.ok(usedMs - pluggedMs > delayMs - 100, waited);
        assert.ok(usedMs - pluggedMs < delayMs + 500, waited);
        assert.deepEqual(await reasonsOf(a), []);
        const early = advertsOf(await sentByA.stop()).filter(
            ({atUs}) => atUs / 1000 > (toInit?.atMs ?? 0) + 25 && atUs / 1000 < usedMs,
        );
        assert.deepEqual(early, [], "nothing is said on a link that is not used");
    });

    after(async () => await bed?.end());
});
