/** Take-over times after a death and pings lost in planned changes: carpd, and UCarp beside it. */
import {masterDownUs} from "../../src/core/lab/arithmetic.ts";
import type {Scene} from "../support/routers.ts";
import {pairBlock} from "../support/routers.ts";
import {CarpdNode} from "./nodes.ts";
import {type Losses, spreadOf} from "./numbers.ts";
import type {Effort} from "./options.ts";
import {
    type BenchPair,
    carpdPair,
    changeMs,
    type Death,
    type DeathReport,
    measureDeath,
    pingsDuring,
    staggered,
    startA,
    startB,
    type Timing,
    ucarpPair,
    usual,
} from "./pairs.ts";
import type {Column, Finding, Row} from "./table.ts";

type Say = (line: string) => void;
type Amount = Effort["takeover"];

const range = (count: number) => Array.from({length: count}, (_, index) => index);
const ms = (us: number | undefined) => (us === undefined ? null : us / 1000);

// ---- deaths ----

interface Deaths {
    readonly reports: readonly DeathReport[];
    /** Why samples are missing. */
    readonly voids: readonly string[];
}

/** Rounds in step: no program starts while another pair is being measured. */
async function deaths(
    pairs: readonly BenchPair[],
    rounds: number,
    death: Death,
    say: Say,
): Promise<Deaths> {
    const outcomes: (DeathReport | string)[] = [];
    for (const round of range(rounds)) {
        say(`round ${round + 1} of ${rounds}`);
        await staggered(pairs, 100, startA);
        // Any phase of the advertisement interval is as likely as any other.
        const measure = (pair: BenchPair) => measureDeath(pair, death, Math.random() * 1000);
        outcomes.push(...(await staggered(pairs, 0, measure)));
    }
    return {
        reports: outcomes.filter((one): one is DeathReport => typeof one !== "string"),
        voids: outcomes.filter((one): one is string => typeof one === "string"),
    };
}

function voidNotes(voids: readonly string[]): readonly string[] {
    return [...new Set(voids)].map(
        (why) => `${voids.filter((one) => one === why).length} samples left out: ${why}`,
    );
}

const takeOverColumns: readonly Column[] = [
    {key: "n", title: "n", digits: 0},
    {key: "protocolMs", title: "T_down ms", digits: 1},
    {key: "medianMs", title: "median ms", digits: 2},
    {key: "p90Ms", title: "p90 ms", digits: 2},
    {key: "worstMs", title: "worst ms", digits: 2},
    {key: "minMs", title: "least ms", digits: 2},
];

function takeOverRow(label: string, lateUs: readonly number[], tDownUs: number): Row {
    const spread = spreadOf(lateUs);
    return {
        label,
        values: {
            n: lateUs.length,
            protocolMs: tDownUs / 1000,
            medianMs: ms(spread?.median),
            p90Ms: ms(spread?.p90),
            worstMs: ms(spread?.max),
            minMs: ms(spread?.min),
        },
    };
}

async function takeOver(
    name: string,
    scene: Scene,
    timing: Timing,
    {pairs: count, rounds}: Amount,
    say: Say,
): Promise<Finding> {
    const pairs = range(count).map((number) => carpdPair(scene, number, timing));
    await staggered(pairs, 100, startB);
    const {reports, voids} = await deaths(pairs, rounds, "kill", say);
    const tDownUs = masterDownUs(timing.advbase, timing.skewB);
    const late = (of: (report: DeathReport) => number) =>
        reports.map((report) => of(report) - tDownUs);
    const {advbase, skewA, skewB} = timing;
    return {
        name,
        title: `SIGKILL of the MASTER (advbase ${advbase}, advskew ${skewA}, BACKUP ${skewB}): later than T_down after its last advert`,
        columns: takeOverColumns,
        rows: [
            takeOverRow(
                "first answered ping",
                late((one) => one.takeOver.tookUs),
                tDownUs,
            ),
            takeOverRow(
                "first reply on the wire",
                late((one) => one.takeOver.replyUs),
                tDownUs,
            ),
        ],
        notes: ["pings at 1 kHz: an answer comes 0.5 ms late on average", ...voidNotes(voids)],
        failed: reports.length === 0,
    };
}

export function measureTakeOver(scene: Scene, effort: Effort, say: Say): Promise<Finding> {
    return takeOver("takeover", scene, usual, effort.takeover, say);
}

export function measureSubSecond(scene: Scene, effort: Effort, say: Say): Promise<Finding> {
    const timing = {advbase: 0, skewA: 1, skewB: 4};
    return takeOver("subsecond", scene, timing, effort.takeover, say);
}

// ---- planned changes ----

const lossColumns: readonly Column[] = [
    {key: "n", title: "runs", digits: 0},
    {key: "sent", title: "pings", digits: 0},
    {key: "lost", title: "lost", digits: 0},
    {key: "medianLost", title: "median", digits: 0},
    {key: "worstLost", title: "worst run", digits: 0},
    {key: "silenceMs", title: "longest silence ms", digits: 1},
];

function lossRow(label: string, runs: readonly Losses[]): Row {
    const lost = spreadOf(runs.map((run) => run.lost));
    const sum = (of: (run: Losses) => number) => runs.reduce((all, run) => all + of(run), 0);
    return {
        label,
        values: {
            n: runs.length,
            sent: sum((run) => run.sent),
            lost: sum((run) => run.lost),
            medianLost: lost?.median ?? null,
            worstLost: lost?.max ?? null,
            silenceMs: ms(spreadOf(runs.map((run) => run.silenceUs))?.max),
        },
    };
}

const handoverActs = {
    "stop (SIGTERM)": async ({a, b}: BenchPair) => {
        b.mark();
        await a.stop();
        await b.became("MASTER", changeMs);
    },
    "fail-back (start, preempt)": startA,
} as const;

/** Only carpd can be told these while it runs. */
async function downAndUp(pair: BenchPair, word: "down" | "up"): Promise<void> {
    const {a, b} = pair;
    if (!(a instanceof CarpdNode)) return;
    a.mark();
    b.mark();
    await a.router.command("carp0", word);
    if (word === "down") return await b.became("MASTER", changeMs);
    await Promise.all([a.became("MASTER", changeMs), b.became("BACKUP", changeMs)]);
}

async function repeated(
    pairs: readonly BenchPair[],
    acts: Readonly<Record<string, (pair: BenchPair) => Promise<void>>>,
    rounds: number,
    say: Say,
): Promise<ReadonlyMap<string, readonly Losses[]>> {
    const runs = new Map<string, Losses[]>(Object.keys(acts).map((name) => [name, []]));
    for (const round of range(rounds)) {
        for (const [name, act] of Object.entries(acts)) {
            say(`round ${round + 1} of ${rounds}: ${name}`);
            const losses = await staggered(pairs, 300, (pair) =>
                pingsDuring(pair.scene, [pair.client], () => act(pair)),
            );
            runs.get(name)?.push(...losses.flat());
        }
    }
    return runs;
}

export async function measureHandover(scene: Scene, effort: Effort, say: Say): Promise<Finding> {
    const {pairs: count, rounds} = effort.handover;
    const pairs = range(count).map((number) => carpdPair(scene, number, usual));
    await staggered(pairs, 100, startB);
    await staggered(pairs, 100, startA);
    const acts = {
        ...handoverActs,
        "carp0 down": (pair: BenchPair) => downAndUp(pair, "down"),
        "carp0 up (preempt)": (pair: BenchPair) => downAndUp(pair, "up"),
    };
    const runs = await repeated(pairs, acts, rounds, say);
    return {
        name: "handover",
        title: "planned changes, pings at 1 kHz (advbase 1, advskew 0 and 100)",
        columns: lossColumns,
        rows: [...runs].map(([label, losses]) => lossRow(label, losses)),
        notes: [],
        failed: false,
    };
}

// ---- a healed split ----

interface SplitPair extends BenchPair {
    readonly clients: readonly BenchPair["client"][];
    /** The end of the line between the two switches that is cut. */
    readonly line: string;
}

function splitPair(scene: Scene, number: number): SplitPair {
    const [left, right] = [scene.segment(`l${number}`), scene.segment(`r${number}`)];
    const [line, other] = [`${left}-x`, `${right}-x`];
    scene.wire.ip("link", "add", line, "type", "veth", "peer", "name", other);
    scene.wire.ip("link", "set", line, "master", left, "up");
    scene.wire.ip("link", "set", other, "master", right, "up");
    const make = (name: string, segment: string, address: string, advskew: number) =>
        new CarpdNode(
            scene.router(`${name}${number}`, segment, [`${address}/24`], {
                options: {preempt: true},
                carp: [pairBlock(advskew)],
            }),
            address,
        );
    const a = make("a", left, "192.168.1.2", usual.skewA);
    const b = make("b", right, "192.168.1.3", usual.skewB);
    const client = scene.client(left, ["192.168.1.8/24"], `c${number}`);
    const clients = [client, scene.client(right, ["192.168.1.9/24"], `d${number}`)];
    return {scene, segment: left, a, b, client, clients, line};
}

export async function measureSplit(scene: Scene, effort: Effort, say: Say): Promise<Finding> {
    const {pairs: count, rounds} = effort.handover;
    const pairs = range(count).map((number) => splitPair(scene, number));
    await staggered(pairs, 100, startB);
    await staggered(pairs, 100, startA);
    const sides: [Losses[], Losses[]] = [[], []];
    for (const round of range(rounds)) {
        say(`round ${round + 1} of ${rounds}`);
        const reports = await staggered(pairs, 200, async ({b, clients, line}) => {
            b.mark();
            scene.wire.ip("link", "set", line, "down");
            await b.became("MASTER", changeMs);
            b.mark();
            return await pingsDuring(scene, clients, async () => {
                scene.wire.ip("link", "set", line, "up");
                await b.became("BACKUP", changeMs);
            });
        });
        for (const [winner, loser] of reports) {
            if (winner !== undefined) sides[0].push(winner);
            if (loser !== undefined) sides[1].push(loser);
        }
    }
    return {
        name: "split",
        title: "a cut line between two switches is mended while both sides have a MASTER",
        columns: lossColumns,
        rows: [
            lossRow("client beside the winner", sides[0]),
            lossRow("client beside the loser", sides[1]),
        ],
        notes: [],
        failed: false,
    };
}

// ---- beside UCarp ----

const besideColumns: readonly Column[] = [
    {key: "n", title: "runs", digits: 0},
    {key: "medianMs", title: "late, median ms", digits: 1},
    {key: "worstMs", title: "late, worst ms", digits: 1},
    {key: "medianLost", title: "lost, median", digits: 0},
    {key: "worstLost", title: "lost, worst", digits: 0},
    {key: "silenceMs", title: "longest silence ms", digits: 0},
];

async function besideRows(
    program: string,
    pairs: readonly BenchPair[],
    rounds: number,
    say: Say,
): Promise<{readonly rows: readonly Row[]; readonly voids: readonly string[]}> {
    say(`${program}: start`);
    await staggered(pairs, 100, startB);
    const died = await deaths(pairs, rounds, "powerLoss", (line) =>
        say(`${program}: power loss, ${line}`),
    );
    await staggered(pairs, 100, startA);
    const planned = await repeated(pairs, handoverActs, rounds, (line) =>
        say(`${program}: ${line}`),
    );
    const tDownUs = masterDownUs(usual.advbase, usual.skewB);
    const late = spreadOf(died.reports.map(({takeOver: {tookUs}}) => tookUs - tDownUs));
    const power = lossRow(`${program}: power loss`, died.reports);
    const times = {medianMs: ms(late?.median), worstMs: ms(late?.max)};
    return {
        rows: [
            {...power, values: {...power.values, ...times}},
            ...[...planned].map(([label, losses]) => lossRow(`${program}: ${label}`, losses)),
        ],
        voids: died.voids,
    };
}

/** `scene` for both; `present`: ucarp is installed here. */
export async function measureBeside(
    scene: Scene,
    effort: Effort,
    say: Say,
    present: boolean,
): Promise<Finding> {
    const {pairs: count, rounds} = effort.ucarp;
    const carpd = range(count).map((number) => carpdPair(scene, number, usual));
    const own = await besideRows("carpd", carpd, rounds, say);
    // What runs on would take part in the machine's noise.
    await Promise.all(carpd.map(async ({a, b}) => await Promise.all([a.kill(), b.kill()])));
    const other = present
        ? await besideRows(
              "ucarp",
              range(count).map((number) => ucarpPair(scene, number)),
              rounds,
              say,
          )
        : {rows: [], voids: []};
    return {
        name: "ucarp",
        title: "side by side, both advbase 1, advskew 0 and 100, preempting, pings at 1 kHz",
        columns: besideColumns,
        rows: [...own.rows, ...other.rows],
        notes: [
            "late: first answered ping, counted from T_down after the last advert",
            "power loss: cable out and SIGKILL (a killed ucarp would leave its address behind)",
            ...(present ? [] : ["ucarp is not installed (apt-get install ucarp)"]),
            ...voidNotes([...own.voids, ...other.voids]),
        ],
        failed: !present || own.rows.length === 0,
    };
}
