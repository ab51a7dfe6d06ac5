/**
 * Pairs of routers with a client each, several side by side, and the two things that are done to
 * them: a death that is measured against the protocol, and an act during which pings are counted.
 */
import {setTimeout as pause} from "node:timers/promises";
import type {Host} from "../../src/io/lab/namespaces.ts";
import {advertsOf, type Frame} from "../support/pcap.ts";
import {pairBlock, type Scene, type Table} from "../support/routers.ts";
import {CarpdNode, type CarpNode, UcarpNode, vip} from "./nodes.ts";
import {type Losses, lossesOf, type TakeOver, takeOverOf} from "./numbers.ts";

export interface BenchPair {
    /** The preferred MASTER. */
    readonly a: CarpNode;
    readonly b: CarpNode;
    readonly client: Host;
    readonly segment: string;
    readonly scene: Scene;
}

/** advbase and advskew of both. */
export interface Timing {
    readonly advbase: number;
    readonly skewA: number;
    readonly skewB: number;
}

export const usual: Timing = {advbase: 1, skewA: 0, skewB: 100};

/** Room for UCarp, which looks at its timer once an interval, and for a busy machine. */
export const changeMs = 15_000;
/** How long pings go on before and after an act. */
const marginMs = 300;
/** So long that the capture holds an advert of advbase 1, and pings are under way. */
const anAdvertMs = 1100;
const addressA = "192.168.1.2";
const addressB = "192.168.1.3";

export function carpdPair(scene: Scene, number: number, timing: Timing): BenchPair {
    const segment = scene.segment(`l${number}`);
    const make = (name: string, address: string, advskew: number) => {
        const more: Table = {advbase: timing.advbase, advskew};
        const router = scene.router(`${name}${number}`, segment, [`${address}/24`], {
            options: {preempt: true},
            carp: [pairBlock(advskew, more)],
        });
        return new CarpdNode(router, address);
    };
    const a = make("a", addressA, timing.skewA);
    const b = make("b", addressB, timing.skewB);
    return {scene, segment, a, b, client: scene.client(segment, ["192.168.1.9/24"], `c${number}`)};
}

export function ucarpPair(scene: Scene, number: number): BenchPair {
    const segment = scene.segment(`u${number}`);
    const make = (name: string, address: string, advskew: number) => {
        const host = scene.host(`${name}${number}`, {forward: true});
        host.connect(segment, {ifname: "eth1", addresses: [`${address}/24`]});
        return new UcarpNode(host, address, advskew);
    };
    const a = make("ua", addressA, usual.skewA);
    const b = make("ub", addressB, usual.skewB);
    return {scene, segment, a, b, client: scene.client(segment, ["192.168.1.9/24"], `uc${number}`)};
}

/** B leads, A is not there: the state between two measurements. */
export async function startB({b}: BenchPair): Promise<void> {
    await b.start();
    await b.became("MASTER", changeMs);
}

/** A comes and takes over; B has heard it. */
export async function startA({a, b}: BenchPair): Promise<void> {
    b.mark();
    await a.start();
    await Promise.all([a.became("MASTER", changeMs), b.became("BACKUP", changeMs)]);
}

/** When ICMP echo replies passed. */
export function echoReplyTimes(frames: readonly Frame[]): readonly number[] {
    return frames.flatMap(({octets, etherType, atUs}) => {
        const header = ((octets[14] ?? 0) & 15) * 4;
        const icmp = etherType === 0x0800 && octets[23] === 1 && octets[14 + header] === 0;
        return icmp ? [atUs] : [];
    });
}

export type Death = "kill" | "powerLoss";

export interface DeathReport extends Losses {
    readonly takeOver: TakeOver;
}

/**
 * Kills A after `delayMs` and waits for B. A string: the sample is void, and why. Afterwards B
 * leads and A can be started again.
 */
export async function measureDeath(
    {scene, a, b, client}: BenchPair,
    death: Death,
    delayMs: number,
): Promise<DeathReport | string> {
    b.mark();
    const capture = await scene.switches.capture(b.host.cable("eth1").port);
    const pinging = await scene.agent(client).ping(vip);
    await pause(anAdvertMs + delayMs);
    const early = b.been("MASTER");
    if (death === "kill") await a.kill();
    else await a.powerLoss();
    await b.became("MASTER", changeMs);
    await pause(marginMs);
    const {results} = await pinging.stop();
    const frames = await capture.stop();
    if (death === "powerLoss") a.host.cable("eth1").plug();
    if (early) return "B took over from a living MASTER";
    const advertsUs = advertsOf(frames, {source: a.address, family: 4}).map(({atUs}) => atUs);
    const repliesUs = echoReplyTimes(frames);
    const takeOver = takeOverOf({advertsUs, repliesUs, pings: results});
    return takeOver === null
        ? "no answer was seen of the new MASTER"
        : {takeOver, ...lossesOf(results)};
}

/** Pings the VIP every millisecond from each client while `act` runs, and a moment longer. */
export async function pingsDuring(
    scene: Scene,
    clients: readonly Host[],
    act: () => Promise<void>,
): Promise<readonly Losses[]> {
    const series = await Promise.all(clients.map((client) => scene.agent(client).ping(vip)));
    await pause(marginMs);
    await act();
    await pause(marginMs);
    const reports = await Promise.all(series.map((pinging) => pinging.stop()));
    return reports.map(({results}) => lossesOf(results));
}

/** Does it to all at once, each a little later than the one before: they share few cores. */
export function staggered<T, R>(
    list: readonly T[],
    stepMs: number,
    body: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
    return Promise.all(
        list.map(async (item, index) => {
            await pause(index * stepMs);
            return await body(item, index);
        }),
    );
}
