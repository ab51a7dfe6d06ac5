/**
 * The manual's pair on two segments, one cable of the MASTER cut: how long until each of the two
 * addresses is answered by the other host. With fast take-over, without it, and with a cut that
 * leaves the carrier on, which no host can notice but by silence.
 *
 * A and B share one kernel here, and its lock for interfaces. A takes down its macvlans, which
 * holds that lock for some 10 ms, and B cannot take its own up meanwhile: no two real hosts wait
 * for each other like that. So it is measured once more with an A that has no macvlan (`mac =
 * "physical"`), and both are reported.
 */
import {setTimeout as pause} from "node:timers/promises";
import {masterDownUs} from "../../src/core/lab/arithmetic.ts";
import {type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import {advertsOf} from "../support/pcap.ts";
import {pairBlock, type Router, type Scene} from "../support/routers.ts";
import {parsePull, shareWithin} from "./load-numbers.ts";
import {type Losses, lossesOf, spreadOf, takeOverOf} from "./numbers.ts";
import type {Effort} from "./options.ts";
import {changeMs, echoReplyTimes, staggered} from "./pairs.ts";
import {buildProgram, runIn} from "./programs.ts";
import type {Finding, Row} from "./table.ts";

type Say = (line: string) => void;

/** Every address of the group answered by the other host: what is aimed at. */
const aimMs = 10;
/** 2,000 a second where one pair is measured at a time, 1,000 where several are. */
const intervalUs = {alone: 500, together: 1000} as const;
/** Pings before the cut, and after the take-over. */
const marginMs = 150;
/** So long does one measurement of a fast take-over need all of the machine. */
const aloneMs = 850;
const demotedAdvskew = 240;
const advskewB = 100;

/** The first of the two segments is the one that is cut. */
const carps = ["carp0", "carp1"] as const;
type Two<T> = readonly [T, T];

interface Variant {
    /** Also part of the pairs' names. */
    readonly letter: string;
    readonly fast: boolean;
    readonly macOfA: "virtual" | "physical";
}

const variants = {
    fast: {letter: "f", fast: true, macOfA: "virtual"},
    apart: {letter: "m", fast: true, macOfA: "physical"},
    without: {letter: "p", fast: false, macOfA: "virtual"},
} as const satisfies Readonly<Record<string, Variant>>;

interface GroupPair {
    readonly scene: Scene;
    readonly a: Router;
    readonly b: Router;
    readonly clients: Two<Host>;
    /** Bridge of the first segment. */
    readonly segment: string;
}

function groupPair(scene: Scene, {letter, fast, macOfA}: Variant, number: number): GroupPair {
    const name = `${letter}${number}`;
    const segments: Two<string> = [scene.segment(`${name}x`), scene.segment(`${name}y`)];
    const make = (host: string, last: number, advskew: number, mac: Variant["macOfA"]) => {
        const router = scene.router(`${host}${name}`, segments[0], [`192.168.1.${last}/24`], {
            options: {preempt: true, "fast-takeover": fast},
            carp: carps.map((carp, i) =>
                pairBlock(advskew, {
                    name: carp,
                    carpdev: `eth${i + 1}`,
                    vhid: i + 1,
                    mac,
                    addresses: [`192.168.${i + 1}.1/24`],
                }),
            ),
        });
        const addresses = [`192.168.2.${last}/24`];
        router.host.connect(segments[1], {ifname: "eth2", addresses});
        return router;
    };
    return {
        scene,
        a: make("a", 2, 0, macOfA),
        b: make("b", 3, advskewB, "virtual"),
        clients: [
            scene.client(segments[0], ["192.168.1.9/24"], `c${name}`),
            scene.client(segments[1], ["192.168.2.9/24"], `d${name}`),
        ],
        segment: segments[0],
    };
}

const stateOf = (router: Router, carp: string) => router.changes(carp).at(-1)?.to ?? "INIT";

/** By the logs, so that nobody has to answer questions while it is being measured. */
async function all(router: Router, state: string, names: readonly string[] = carps): Promise<void> {
    await waitFor(
        `${names.join(" and ")} of ${router.host.name} to be ${state}`,
        changeMs,
        () => (names.every((name) => stateOf(router, name) === state) ? true : undefined),
        () => router.log(),
    );
}

async function start({a, b}: GroupPair): Promise<void> {
    await a.start();
    await all(a, "MASTER");
    await b.start();
    await waitFor(`${b.host.name} to have heard both masters`, changeMs, async () =>
        (await b.carps()).every(({state, master}) => state === "BACKUP" && master !== null)
            ? true
            : undefined,
    );
}

type Cut = "pulled" | "silent";

/** Takes the cable of A's eth1 away; microseconds since 1970, just before. */
function cut(pair: GroupPair, how: Cut, pull: string): number {
    const {scene, a} = pair;
    const {port} = a.host.cable("eth1");
    if (how === "pulled") return parsePull(runIn(scene.wire, [pull, port])).beforeUs;
    const beforeUs = Date.now() * 1000;
    scene.wire.ip("link", "set", port, "nomaster");
    return beforeUs;
}

async function mend({scene, segment, a, b}: GroupPair, how: Cut): Promise<void> {
    const cable = a.host.cable("eth1");
    if (how === "pulled") cable.plug();
    else scene.wire.ip("link", "set", cable.port, "master", segment);
    await Promise.all([all(a, "MASTER"), all(b, "BACKUP")]);
}

/** One address after one cut. */
interface Answer extends Losses {
    /** From the cut to the client's first answer from B; null: B has not taken it over. */
    readonly tookUs: number | null;
}

interface Sample {
    readonly answers: Two<Answer>;
    /** From the cut to A's first demoted advert on the segment that works; null: none. */
    readonly demotedUs: number | null;
    /** From the cut to B's first advert on each segment: it has decided; null: none. */
    readonly decidedUs: Two<number | null>;
}

/** A string: the sample is void, and why. The cable is still out afterwards. */
async function measureCut(
    pair: GroupPair,
    how: Cut,
    pull: string,
    everyUs: number,
): Promise<Sample | string> {
    const {scene, b, clients} = pair;
    const captures = await Promise.all(
        ["eth1", "eth2"].map((ifname) => scene.switches.capture(b.host.cable(ifname).port)),
    );
    const series = await Promise.all(
        clients.map((client, i) => scene.agent(client).ping(`192.168.${i + 1}.1`, everyUs)),
    );
    await pause(marginMs);
    const early = carps.some((carp) => stateOf(b, carp) !== "BACKUP");
    const cutUs = cut(pair, how, pull);
    // A silent cut concerns one segment only: nothing tells A that it was cut off.
    await all(b, "MASTER", how === "pulled" ? carps : ["carp0"]);
    await pause(marginMs);
    const reports = await Promise.all(series.map((pinging) => pinging.stop()));
    const frames = await Promise.all(captures.map((capture) => capture.stop()));
    if (early) return "B was not BACKUP of both before the cut";
    const answer = (i: 0 | 1): Answer => {
        const pings = reports[i]?.results ?? [];
        const repliesUs = echoReplyTimes(frames[i] ?? []);
        const takeOver = takeOverOf({advertsUs: [cutUs], repliesUs, pings});
        return {tookUs: takeOver?.tookUs ?? null, ...lossesOf(pings)};
    };
    const demoted = advertsOf(frames[1] ?? [], {source: "192.168.2.2"}).find(
        ({advskew, atUs}) => advskew >= demotedAdvskew && atUs > cutUs,
    );
    const decided = (i: 0 | 1) => {
        const source = `192.168.${i + 1}.3`;
        const first = advertsOf(frames[i] ?? [], {source}).find(({atUs}) => atUs > cutUs);
        return first === undefined ? null : first.atUs - cutUs;
    };
    const answers: Two<Answer> = [answer(0), answer(1)];
    if (answers[0].tookUs === null || (how === "pulled" && answers[1].tookUs === null)) {
        return "no answer was seen of the new MASTER";
    }
    return {
        answers,
        demotedUs: demoted === undefined ? null : demoted.atUs - cutUs,
        decidedUs: [decided(0), decided(1)],
    };
}

/** Rounds in step: nothing is mended while another pair is being measured. */
async function series(
    pairs: readonly GroupPair[],
    how: Cut,
    alone: boolean,
    rounds: number,
    pull: string,
    say: Say,
): Promise<readonly (Sample | string)[]> {
    const outcomes: (Sample | string)[] = [];
    for (let round = 1; round <= rounds; round += 1) {
        say(`round ${round} of ${rounds}`);
        const measure = async (pair: GroupPair) => {
            // Any phase of the advertisement interval is as likely as any other.
            if (!alone) await pause(Math.random() * 1000);
            return await measureCut(pair, how, pull, intervalUs[alone ? "alone" : "together"]);
        };
        outcomes.push(...(await staggered(pairs, alone ? aloneMs : 50, measure)));
        await Promise.all(pairs.map((pair) => mend(pair, how)));
    }
    return outcomes;
}

function timeRow(
    label: string,
    timesUs: readonly (number | null)[],
    silent: readonly Losses[],
): Row {
    const times = timesUs.flatMap((us) => (us === null ? [] : [us / 1000]));
    const spread = spreadOf(times);
    const silence = spreadOf(silent.map(({silenceUs}) => silenceUs / 1000));
    return {
        label,
        values: {
            n: Math.max(times.length, silent.length),
            medianMs: spread?.median ?? null,
            p99Ms: spread?.p99 ?? null,
            worstMs: spread?.max ?? null,
            withinPercent: shareWithin(times, aimMs),
            silenceMs: silence?.median ?? null,
            worstSilenceMs: silence?.max ?? null,
        },
    };
}

function rowsOf(label: string, samples: readonly Sample[]): readonly Row[] {
    const answer = (i: 0 | 1) => samples.map(({answers}) => answers[i]);
    const took = (i: 0 | 1) => answer(i).map(({tookUs}) => tookUs);
    const both = samples.map(({answers: [one, other]}) =>
        one.tookUs === null || other.tookUs === null ? null : Math.max(one.tookUs, other.tookUs),
    );
    const decided = (i: 0 | 1) => samples.map(({decidedUs}) => decidedUs[i]);
    const steps: readonly (readonly [string, readonly (number | null)[]])[] = [
        ["both", both],
        ["A's demoted advert", samples.map(({demotedUs}) => demotedUs)],
        ["B's first advert, the other segment", decided(1)],
        ["B's first advert, the cut segment", decided(0)],
    ];
    return [
        timeRow(`${label}: the cut segment`, took(0), answer(0)),
        timeRow(`${label}: the other segment`, took(1), answer(1)),
        ...steps.flatMap(([step, timesUs]) =>
            timesUs.some((us) => us !== null) ? [timeRow(`${label}: ${step}`, timesUs, [])] : [],
        ),
    ];
}

export async function measureGroup(scene: Scene, effort: Effort, say: Say): Promise<Finding> {
    const pull = await buildProgram("pull");
    const {pairs: count, rounds} = effort.group;
    const rows: Row[] = [];
    const notes: string[] = [];
    let complete = true;
    const measure = async (
        label: string,
        pairs: readonly GroupPair[],
        how: Cut,
        alone: boolean,
    ) => {
        const outcomes = await series(pairs, how, alone, rounds, pull, (line) =>
            say(`${label}, ${line}`),
        );
        const samples = outcomes.filter((one): one is Sample => typeof one !== "string");
        if (samples.length === 0) complete = false;
        rows.push(...rowsOf(label, samples));
        const voids = outcomes.filter((one): one is string => typeof one === "string");
        for (const why of new Set(voids)) {
            const times = voids.filter((one) => one === why).length;
            notes.push(`${label}: ${times} samples left out: ${why}`);
        }
    };
    const running = async (
        variant: Variant,
        body: (pairs: readonly GroupPair[]) => Promise<void>,
    ) => {
        const pairs = Array.from({length: count}, (_, i) => groupPair(scene, variant, i));
        await staggered(pairs, 100, start);
        await body(pairs);
        // What runs on would take part in the machine's noise.
        const routers = pairs.flatMap(({a, b}) => [a, b]);
        await Promise.all(routers.map((router) => router.process.kill("SIGKILL")));
    };
    await running(variants.fast, async (pairs) => {
        await measure("fast", pairs, "pulled", true);
        await measure("silent cut, fast", pairs, "silent", false);
    });
    await running(variants.apart, async (pairs) => {
        await measure("fast, A without macvlans", pairs, "pulled", true);
    });
    await running(variants.without, async (pairs) => {
        await measure("not fast", pairs, "pulled", false);
    });
    const tDownMs = masterDownUs(1, advskewB) / 1000;
    return {
        name: "group",
        title: `two segments, A's cable cut on one: from the cut to the first answer from B (aim: ${aimMs} ms)`,
        columns: [
            {key: "n", title: "n", digits: 0},
            {key: "medianMs", title: "median ms", digits: 2},
            {key: "p99Ms", title: "p99 ms", digits: 2},
            {key: "worstMs", title: "worst ms", digits: 2},
            {key: "withinPercent", title: `within ${aimMs} ms %`, digits: 0},
            {key: "silenceMs", title: "silence median ms", digits: 1},
            {key: "worstSilenceMs", title: "worst ms", digits: 1},
        ],
        rows,
        notes: [
            "fast, not fast: fast-takeover = true, false; in a silent cut the carrier stays on",
            `pings every ${intervalUs.alone / 1000} ms with fast-takeover, every ms where the time-out applies; silence: the longest time between two answers of whoever answers`,
            `without fast-takeover, and after a silent cut, the BSDs' time-out applies on the cut segment: ${tDownMs.toFixed(0)} ms after the last advert, which is up to a second old`,
            "A and B share one kernel: while A takes its macvlans down, B waits for the kernel's lock, as no two real hosts would; A without macvlans (mac = physical) does not hold it",
            "after a silent cut A keeps its carrier and stays MASTER of the other segment: nothing is taken over there, the silence is all that a client notices",
            ...notes,
        ],
        failed: !complete,
    };
}
