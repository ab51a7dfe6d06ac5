/**
 * The acts that every story is made of: hosts come up, a master is lost, an address moves on
 * purpose. Each measures, claims and records. Main thread.
 */
import {durationText, masterDownUs} from "../../core/lab/arithmetic.ts";
import {atMostClaim, type Claim, equalClaim, lossClaim, timeClaim} from "../../core/lab/claims.ts";
import {
    type Measured,
    measurementsOf,
    noPings,
    runningProbes,
    type Story,
    silenceText,
} from "./story.ts";

/** A vhid seen from a pinging host. */
export interface Watched {
    /** Its name on the host that takes it over or gets it back. */
    readonly carp: string;
    readonly probe: string;
    /** The host that pings, and the address whose MAC it has to know. */
    readonly from: string;
    readonly vip: string;
    readonly virtualMac: string;
}

/**
 * What is granted beyond the arithmetic: the lab shares a machine with whatever else runs there.
 * The measured value is always shown, so a slow machine is seen to be slow.
 */
const takeOverAllowance = {earlyUs: 10_000, lateUs: 250_000};
/** Waiting for something that takes `us` by the protocol; far beyond any allowance. */
const patienceMs = (us: number) => us / 1000 + 5000;

/** Starts hosts at once and waits for the expected states. */
export async function comeUp(
    story: Story,
    act: {
        readonly id: string;
        readonly title: string;
        readonly hosts: readonly string[];
        readonly expected: readonly {
            readonly host: string;
            readonly carp: string;
            readonly state: "MASTER" | "BACKUP";
        }[];
        readonly watched: readonly Watched[];
    },
): Promise<void> {
    const startedAtUs = story.network.now();
    await Promise.all(act.hosts.map((host) => story.network.start(host)));
    story.happened(`carpd runs on ${act.hosts.join(", ")}`);
    const settledAtUs = await story.until("the election", 12_000, () =>
        act.expected.every(({host, carp, state}) => story.isState(host, carp, state)),
    );
    await story.network.startProbes();
    // The first pings fill the neighbour tables.
    await story.pass(500);
    const claims: Claim[] = act.expected.map(({host, carp, state}) =>
        equalClaim(`${host} ${carp}`, story.stateWord(host, carp), state),
    );
    for (const watched of act.watched) {
        const mac = await story.mac(watched.from, watched.vip);
        claims.push(
            equalClaim(`MAC of ${watched.vip} at ${watched.from}`, mac, watched.virtualMac),
        );
    }
    story.record({
        id: act.id,
        title: act.title,
        claims,
        measurements: {electionUs: Math.round(settledAtUs - startedAtUs)},
        row: null,
    });
}

/** The master of a vhid is lost without a farewell; another host takes over after T_down. */
export async function loseMaster(
    story: Story,
    act: {
        readonly id: string;
        readonly title: string;
        readonly does: () => Promise<void>;
        readonly heir: string;
        readonly watched: Watched;
        readonly advbase: number;
        /** The heir's. */
        readonly advskew: number;
        /** Other vhids that the same host loses at the same instant, by their name on the heir. */
        readonly along: readonly string[];
        /** Pings that need all of them: they come back with the last one. */
        readonly through: readonly string[];
        readonly more: (measured: Measured) => readonly Claim[] | Promise<readonly Claim[]>;
    },
): Promise<void> {
    const {watched, heir} = act;
    const expectedUs = masterDownUs(act.advbase, act.advskew);
    const macBefore = await story.mac(watched.from, watched.vip);
    const lost = [watched.carp, ...act.along];
    let heardUs: readonly (number | null)[] = [];
    const measured = await story.measure(async () => {
        await act.does();
        story.happened(act.title);
        heardUs = await story.lastHeardUs(heir, lost);
        await story.until(`${heir} to become MASTER`, patienceMs(expectedUs), () =>
            lost.every((carp) => story.isState(heir, carp, "MASTER")),
        );
    });
    const pings = measured.pings.get(watched.probe) ?? noPings;
    const macAfter = await story.mac(watched.from, watched.vip);
    const since = (atUs: number | undefined, fromUs: number | null | undefined) =>
        atUs === undefined || typeof fromUs !== "number" ? null : Math.round(atUs - fromUs);
    const takeOverUs = since(pings.gap?.toUs, heardUs[0]);
    const allHeardUs = heardUs.every((at) => at !== null) ? Math.max(...heardUs) : null;
    const became = promotions(story, heir, lost).map((at, i) => since(at ?? undefined, heardUs[i]));
    const exactly = became.map((us, i) =>
        equalClaim(
            `${heir} ${lost[i]} becomes MASTER, from the last advertisement`,
            `${us ?? "?"} us`,
            `${expectedUs} us`,
        ),
    );
    const through = act.through.map((name) =>
        timeClaim(
            `${name} is answered again`,
            since(measured.pings.get(name)?.gap?.toUs, allHeardUs),
            expectedUs,
            takeOverAllowance,
        ),
    );
    story.record({
        id: act.id,
        title: act.title,
        claims: [
            timeClaim(
                `${heir} answers for ${watched.vip}, from the last advertisement`,
                takeOverUs,
                expectedUs,
                takeOverAllowance,
            ),
            ...exactly,
            ...through,
            equalClaim("virtual MAC before", macBefore, watched.virtualMac),
            equalClaim("virtual MAC after", macAfter, watched.virtualMac),
            ...(await act.more(measured)),
        ],
        measurements: {
            takeOverUs,
            arithmeticUs: expectedUs,
            ...Object.fromEntries(became.map((us, i) => [`${lost[i]}: becameMasterUs`, us])),
            macBefore,
            macAfter,
            ...measurementsOf(measured),
        },
        row: {
            event: act.title,
            measured: takeOverUs === null ? "-" : durationText(takeOverUs),
            arithmetic: `${durationText(expectedUs)} (${3 * act.advbase}+${act.advskew}/256)`,
            lost: `${pings.lost} of ${pings.sent}`,
            macBefore,
            macAfter,
        },
    });
}

/** When `heir` became MASTER of each; nothing where the network's clock cannot say it exactly. */
function promotions(
    {network}: Story,
    heir: string,
    carps: readonly string[],
): readonly (number | null)[] {
    if (network.masterSinceUs === undefined) return [];
    return carps.map((carp) => network.masterSinceUs?.(heir, carp) ?? null);
}

/** More probes than this are claimed as one. */
const fewProbes = 4;

function nothingLost({network}: Story, {pings}: Measured): readonly Claim[] {
    const all = runningProbes(network).map(({name}) => ({name, ...(pings.get(name) ?? noPings)}));
    if (all.length <= fewProbes) return all.map((probe) => lossClaim(probe.name, probe, 0));
    const lost = all.reduce((sum, probe) => sum + probe.lost, 0);
    // One that sent nothing proves nothing.
    const sent = all.every((probe) => probe.sent > 0)
        ? all.reduce((sum, probe) => sum + probe.sent, 0)
        : 0;
    return [lossClaim(`all ${all.length} series of pings`, {sent, lost}, 0)];
}

/** An address moves, or stays, while everybody is alive: no ping may be lost. */
export async function withoutLoss(
    story: Story,
    act: {
        readonly id: string;
        readonly title: string;
        /** What the protocol says about it, in at most 22 columns. */
        readonly arithmetic: string;
        readonly does: () => Promise<void>;
        /** Resolves when it has moved, or when it has been seen long enough that it did not. */
        readonly settled: (story: Story) => Promise<void>;
        /** Longest time from the deed to `settled` that is still right; null: not claimed. */
        readonly withinUs: number | null;
        readonly settledText: string;
        readonly watched: Watched;
        readonly more: (story: Story) => readonly Claim[];
    },
): Promise<void> {
    const {watched} = act;
    const macBefore = await story.mac(watched.from, watched.vip);
    let tookUs: number | null = null;
    const measured = await story.measure(async () => {
        await act.does();
        story.happened(act.title);
        const doneAtUs = story.network.now();
        await act.settled(story);
        tookUs = Math.round(story.network.now() - doneAtUs);
    });
    const macAfter = await story.mac(watched.from, watched.vip);
    const pings = measured.pings.get(watched.probe) ?? noPings;
    const losses = nothingLost(story, measured);
    const time = act.withinUs === null ? [] : [atMostClaim(act.settledText, tookUs, act.withinUs)];
    story.record({
        id: act.id,
        title: act.title,
        claims: [
            ...losses,
            ...time,
            equalClaim("virtual MAC before", macBefore, watched.virtualMac),
            equalClaim("virtual MAC after", macAfter, watched.virtualMac),
            ...act.more(story),
        ],
        measurements: {tookUs, macBefore, macAfter, ...measurementsOf(measured)},
        row: {
            event: act.title,
            measured: silenceText(pings),
            arithmetic: act.arithmetic,
            lost: `${pings.lost} of ${pings.sent}`,
            macBefore,
            macAfter,
        },
    });
}
