/**
 * What it costs a router that carpd runs on it: the same traffic through the same router, without
 * carpd and with carpd as MASTER on both sides, by turns.
 */
import {existsSync} from "node:fs";
import {setTimeout as pause} from "node:timers/promises";
import {type Host, type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {pairBlock, type Router, type Scene} from "../support/routers.ts";
import {parseSink, parseTransfer, ratioSpread, receivedFrames} from "./load-numbers.ts";
import {spreadOf} from "./numbers.ts";
import type {Effort} from "./options.ts";
import {buildProgram, runIn} from "./programs.ts";
import type {Finding, Row} from "./table.ts";

const port = 9000;
/** Not measured: neighbours are found, caches filled. */
const warmUpMs = 50;
/** What was sent has arrived by then. */
const settleMs = 20;

const kinds = ["UDP packets/s", "TCP Mbit/s"] as const;
const ways = ["its own address", "the VIP"] as const;
type Family = 4 | 6;
type Way = (typeof ways)[number];
type Kind = (typeof kinds)[number];

/** An address on one side: left is 1, right is 2. */
function address(family: Family, side: 1 | 2, last: number): string {
    return family === 4 ? `10.${side}.0.${last}` : `2001:db8:${side}::${last}`;
}

const length = (family: Family) => (family === 4 ? 16 : 64);
/** Last octets: the VIP, the router's own, a station's address by the way that leads to it. */
const vip = 1;
const own = 2;
const stations: Readonly<Record<Way, number>> = {"its own address": 8, "the VIP": 9};

interface Network {
    readonly router: Router;
    readonly left: Host;
    readonly right: Host;
    readonly sink: HostProcess;
    readonly program: string;
}

/** A host with one address for each way, whose opposite is reached by that way in both directions. */
function station(scene: Scene, segment: string, families: readonly Family[], side: 1 | 2): Host {
    const addresses = families.flatMap((family) =>
        Object.values(stations).map((last) => `${address(family, side, last)}/${length(family)}`),
    );
    const host = scene.client(segment, addresses, side === 1 ? "left" : "right");
    for (const family of families) {
        for (const way of ways) {
            const last = stations[way];
            const gateway = address(family, side, way === "the VIP" ? vip : own);
            const opposite = `${address(family, side === 1 ? 2 : 1, last)}/${family === 4 ? 32 : 128}`;
            const source = address(family, side, last);
            host.ip(`-${family}`, "route", "add", opposite, "via", gateway, "src", source);
        }
    }
    return host;
}

async function build(scene: Scene, families: readonly Family[]): Promise<Network> {
    const program = await buildProgram("ip_load");
    const segments = {1: scene.segment("left"), 2: scene.segment("right")};
    const routerAddresses = (side: 1 | 2, last: number) =>
        families.map((family) => `${address(family, side, last)}/${length(family)}`);
    const block = (side: 1 | 2) =>
        pairBlock(0, {
            name: `carp${side - 1}`,
            carpdev: `eth${side}`,
            vhid: side,
            addresses: routerAddresses(side, vip),
        });
    const router = scene.router("r", segments[1], routerAddresses(1, own), {
        // Nobody is there to hand over to.
        options: {preempt: true, "handover-limit-ms": 0},
        carp: [block(1), block(2)],
    });
    router.host.connect(segments[2], {ifname: "eth2", addresses: routerAddresses(2, own)});
    if (families.includes(6)) router.host.sysctl({"ipv6/conf/all/forwarding": 1});
    const left = station(scene, segments[1], families, 1);
    const right = station(scene, segments[2], families, 2);
    const sink = right.spawn([program, "sink", `${port}`], {logName: "sink"});
    await waitFor(
        "the sink to be ready",
        5000,
        () => (sink.log().startsWith("ready\n") ? true : undefined),
        () => sink.log(),
    );
    return {router, left, right, sink, program};
}

/** Packets a second that reached the other side. */
async function udpRate(net: Network, to: string, milliseconds: number): Promise<number> {
    const argv = (ms: number) => [net.program, "udp", to, `${port}`, `${ms}`];
    const received = () => receivedFrames(runIn(net.right, ["cat", "/proc/net/dev"]), "eth0");
    runIn(net.left, argv(warmUpMs));
    await pause(settleMs);
    const before = received();
    const {ns} = parseTransfer(runIn(net.left, argv(milliseconds)));
    await pause(settleMs);
    return ((received() - before) / ns) * 1e9;
}

/** Millions of bits a second of payload, as the other side took them. */
async function tcpRate(net: Network, to: string, milliseconds: number): Promise<number> {
    const known = parseSink(net.sink.log()).length;
    runIn(net.left, [net.program, "tcp", to, `${port}`, `${milliseconds}`]);
    const {amount, ns} = await waitFor(
        "the sink to report",
        5000,
        () => parseSink(net.sink.log())[known],
        () => net.sink.log(),
    );
    return ((amount * 8) / ns) * 1000;
}

const measures: Readonly<Record<Kind, typeof udpRate>> = {
    "UDP packets/s": udpRate,
    "TCP Mbit/s": tcpRate,
};

async function startCarpd(router: Router): Promise<void> {
    await router.start();
    await Promise.all(["carp0", "carp1"].map((name) => router.command(name, "master")));
    await Promise.all(["carp0", "carp1"].map((name) => router.until("MASTER", 8000, name)));
}

/** One line of the table before it is one: runs of the same number belong to the same round. */
interface Comparison {
    readonly family: Family;
    readonly kind: Kind;
    readonly without: number[];
    readonly withCarpd: Readonly<Record<Way, number[]>>;
}

function rowsOf({family, kind, without, withCarpd}: Comparison): readonly Row[] {
    return ways.map((way): Row => {
        const ratio = ratioSpread(withCarpd[way], without);
        return {
            label: `IPv${family} ${kind}, by ${way}`,
            values: {
                n: withCarpd[way].length,
                without: spreadOf(without)?.median ?? null,
                with: spreadOf(withCarpd[way])?.median ?? null,
                ratio: ratio?.median ?? null,
                least: ratio?.min ?? null,
                most: ratio?.max ?? null,
            },
        };
    });
}

export async function measureForwarding(
    scene: Scene,
    effort: Effort,
    say: (line: string) => void,
): Promise<Finding> {
    const families: readonly Family[] = existsSync("/proc/sys/net/ipv6") ? [4, 6] : [4];
    const net = await build(scene, families);
    const {rounds, milliseconds} = effort.forwarding;
    const comparisons = families.flatMap((family) =>
        kinds.map(
            (kind): Comparison => ({
                family,
                kind,
                without: [],
                withCarpd: {"its own address": [], "the VIP": []},
            }),
        ),
    );
    const run = async ({family, kind}: Comparison, way: Way) =>
        await measures[kind](net, address(family, 2, stations[way]), milliseconds);
    const without = async () => {
        for (const one of comparisons) one.without.push(await run(one, "its own address"));
    };
    const withCarpd = async () => {
        for (const one of comparisons) {
            for (const way of ways) one.withCarpd[way].push(await run(one, way));
        }
    };
    for (let round = 1; round <= rounds; round += 1) {
        say(`round ${round} of ${rounds}`);
        // Without, with; with, without; and so on: a slow drift of the machine favours neither.
        if (round % 2 === 1) {
            await without();
            await startCarpd(net.router);
            await withCarpd();
        } else {
            await withCarpd();
            await net.router.stop();
            await without();
        }
    }
    return {
        name: "forwarding",
        title: `a router between two networks, without carpd and with carpd as MASTER of both, ${milliseconds} ms a run`,
        columns: [
            {key: "n", title: "n", digits: 0},
            {key: "without", title: "without", digits: 0},
            {key: "with", title: "with", digits: 0},
            {key: "ratio", title: "ratio", digits: 3},
            {key: "least", title: "least", digits: 3},
            {key: "most", title: "most", digits: 3},
        ],
        rows: comparisons.flatMap(rowsOf),
        notes: [
            "medians; the ratio is with / without of the same round, its median, least and most",
            "by the VIP: the frames come in by the macvlan; beside it the same router by its own address without carpd, where there is no VIP",
            "UDP: 18 octets of payload from one socket, counted on the receiver's interface; TCP: one stream, counted by its receiver",
            ...(families.includes(6) ? [] : ["this kernel has no IPv6"]),
        ],
        failed: false,
    };
}
