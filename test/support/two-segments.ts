/**
 * The set-up of the BSDs' manual pages for preemption: two routers on two segments, vhid 1 on one
 * and vhid 2 on the other, A with advskew 0 and B with 100, a client on each segment.
 */
import assert from "node:assert/strict";
import {join} from "node:path";
import {decodeDemotion} from "../../src/core/control-decode.ts";
import type {DemotionStatus} from "../../src/core/status-fold.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import type {Capturing, PingReport} from "./agent.ts";
import type {Advert} from "./pcap.ts";
import {pairBlock, type Router, type RouterConfig, type Scene, type Table} from "./routers.ts";

/** Names of the two vhids, on lan and wan. */
export const both = ["carp0", "carp1"] as const;

/** Addresses of host `number`: eth1 on lan, eth2 on wan. */
export const lanAddress = (number: number): string => `192.168.1.${number}`;
export const wanAddress = (number: number): string => `192.168.2.${number}`;

/** carp0 on eth1 and carp1 on eth2. */
export function twoBlocks(
    lanSkew: number,
    wanSkew: number = lanSkew,
    more: Table = {},
    moreOnWan: Table = {},
): readonly Table[] {
    const wan = {name: "carp1", carpdev: "eth2", vhid: 2, addresses: ["192.168.2.1/24"]};
    return [pairBlock(lanSkew, more), pairBlock(wanSkew, {...wan, ...more, ...moreOnWan})];
}

/** A router with eth1 on lan and eth2 on wan, not started. */
export function twoPorts(
    scene: Scene,
    name: string,
    number: number,
    segments: {readonly lan: string; readonly wan: string},
    config: RouterConfig,
): Router {
    const router = scene.router(name, segments.lan, [`${lanAddress(number)}/24`], config);
    router.host.connect(segments.wan, {ifname: "eth2", addresses: [`${wanAddress(number)}/24`]});
    return router;
}

export interface TwoSegments {
    readonly lan: string;
    readonly wan: string;
    readonly a: Router;
    readonly b: Router;
    /** A client on lan and one on wan. */
    readonly clients: readonly [Host, Host];
}

export interface TwoSegmentsOptions {
    /** Of each vhid. */
    readonly block?: Table;
    /** Of the vhid on wan. */
    readonly wanBlock?: Table;
    /** Of both hosts. */
    readonly options?: Table;
    readonly aOptions?: Table;
    readonly tracksOfA?: readonly Table[];
    /** What else A gets before anything is started. */
    readonly prepare?: (a: Router) => void;
}

/** Neither router runs yet. */
export function buildTwo(scene: Scene, more: TwoSegmentsOptions = {}): TwoSegments {
    const [lan, wan] = [scene.segment("lan"), scene.segment("wan")];
    const options = {preempt: true, ...more.options};
    const a = twoPorts(
        scene,
        "a",
        2,
        {lan, wan},
        {
            options: {...options, ...more.aOptions},
            carp: twoBlocks(0, 0, more.block, more.wanBlock),
            tracks: more.tracksOfA ?? [],
        },
    );
    more.prepare?.(a);
    const b = twoPorts(
        scene,
        "b",
        3,
        {lan, wan},
        {options, carp: twoBlocks(100, 100, more.block, more.wanBlock)},
    );
    const clients = [
        scene.client(lan, [`${lanAddress(9)}/24`], "c"),
        scene.client(wan, [`${wanAddress(9)}/24`], "d"),
    ] as const;
    return {lan, wan, a, b, clients};
}

/** Both vhids of a router. */
export async function bothAre(
    router: Router,
    state: "MASTER" | "BACKUP",
    deadlineMs = 8000,
): Promise<void> {
    await Promise.all(both.map((name) => router.until(state, deadlineMs, name)));
}

/** Waits until a BACKUP follows a master. */
export async function hasHeard(router: Router, names: readonly string[] = both): Promise<void> {
    for (const name of names) {
        await waitFor(`${name} of ${router.host.name} to follow a master`, 6000, async () => {
            const {state, master} = await router.carp(name);
            return state === "BACKUP" && master !== null ? true : undefined;
        });
    }
}

/** Both started; A is MASTER on both segments, B BACKUP. */
export async function runTwo(scene: Scene, more: TwoSegmentsOptions = {}): Promise<TwoSegments> {
    const two = buildTwo(scene, more);
    await Promise.all([two.a.start(), two.b.start()]);
    await bothAre(two.a, "MASTER");
    await hasHeard(two.b);
    return two;
}

/** Pings each VIP from its segment, every millisecond unless told otherwise, while `act` runs, and until both answer. */
export async function pingsOfBoth(
    scene: Scene,
    clients: readonly Host[],
    act: () => Promise<void>,
    intervalUs = 1000,
): Promise<readonly PingReport[]> {
    const vips = [lanAddress(1), wanAddress(1)];
    const series = await Promise.all(
        clients.map((client, i) => scene.agent(client).ping(vips[i] ?? "", intervalUs)),
    );
    for (const pings of series) await pings.answered();
    await act();
    for (const pings of series) await pings.answered();
    return await Promise.all(series.map((pings) => pings.stop()));
}

/** Captures of several segments at once. */
export async function captureAll(
    scene: Scene,
    segments: readonly string[],
): Promise<readonly Capturing[]> {
    return await Promise.all(segments.map((segment) => scene.switches.capture(segment)));
}

/** The first advert of a source at or after an instant, with an advskew if one is wanted. */
export function firstAdvert(
    adverts: readonly Advert[],
    want: {readonly source: string; readonly fromUs?: number; readonly advskew?: number},
): Advert | undefined {
    return adverts.find(
        ({source, atUs, advskew}) =>
            source === want.source &&
            atUs >= (want.fromUs ?? 0) &&
            (want.advskew === undefined || advskew === want.advskew),
    );
}

export async function demotionOf(router: Router): Promise<DemotionStatus> {
    const client = new ControlClient(join(router.runDir, "control.sock"));
    const reply = await client.request("GET", "/v1/demotion");
    const shown = reply.ok && reply.value.status === 200 ? decodeDemotion(reply.value.body) : null;
    assert.ok(shown, `carpd of ${router.host.name} does not tell its demotion: ${router.log()}`);
    return shown;
}

/** "REASON level", in the order in which they are shown. */
export async function reasonsOf(router: Router): Promise<readonly string[]> {
    return (await demotionOf(router)).reasons.map(({reason, level}) => `${reason} ${level}`);
}

/** Polls until the reasons are these. */
export async function untilReasons(
    router: Router,
    wanted: readonly string[],
    deadlineMs = 6000,
): Promise<void> {
    await waitFor(
        `the demotion reasons of ${router.host.name} to be [${wanted.join(", ")}]`,
        deadlineMs,
        async () => ((await reasonsOf(router)).join() === wanted.join() ? true : undefined),
        async () => `${await reasonsOf(router)}\n${router.log()}`,
    );
}
