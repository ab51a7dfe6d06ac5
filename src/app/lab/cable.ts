/**
 * The act of a pulled cable, for a pair of hosts with a vhid on each of two segments and preempt:
 * the host demotes itself, and everything moves at once. Main thread.
 */
import {durationText} from "../../core/lab/arithmetic.ts";
import type {Heard} from "../../core/lab/capture.ts";
import {atMostClaim, type Claim, equalClaim} from "../../core/lab/claims.ts";
import type {Watched} from "./acts.ts";
import type {LabNetwork} from "./network.ts";
import {type Measured, measurementsOf, noPings, type Story} from "./story.ts";

/** A vhid of the pair, and the segment that it is on. */
export interface PairSegment {
    readonly segment: string;
    readonly watched: Watched;
    /** The preferred host's own address there. */
    readonly address: string;
    readonly vhid: number;
}

/** `preferred` is MASTER of both while all is well. */
export interface Pair {
    readonly preferred: string;
    readonly heir: string;
    readonly segments: readonly [PairSegment, PairSegment];
    /** Pings that need both segments. */
    readonly through: readonly string[];
}

/** What is promised of a fast take-over: a segment is silent for at most this long. */
const fastUs = 10_000;
/** On a kernel that shares its machine with everything else; on virtual time there is none. */
const fastAllowanceUs = 90_000;

export const fastLimitUs = (network: LabNetwork) =>
    fastUs + (network.kind === "namespaces" ? fastAllowanceUs : 0);

/** What goes on the wire while the only reason is a dead link. */
const demotedSkew = 240;

/** `carpctl show demotion`: each reason and its level. */
export async function demotionText(network: LabNetwork, host: string): Promise<string> {
    const reasons = await network.demotion(host);
    if (reasons === null) return "no answer";
    return reasons.map(({reason, level}) => `${reason} ${level}`).join(", ") || "nothing";
}

/** `host` is MASTER of both vhids, and the other one of none. */
export async function untilAllAt(story: Story, pair: Pair, host: string): Promise<void> {
    const other = host === pair.preferred ? pair.heir : pair.preferred;
    await story.until(`${host} to be MASTER of both`, 10_000, () =>
        pair.segments.every(
            ({watched: {carp}}) =>
                story.isState(host, carp, "MASTER") && story.stateWord(other, carp) !== "MASTER",
        ),
    );
}

export const statesAt = (story: Story, pair: Pair, host: string): readonly Claim[] =>
    pair.segments.map(({watched: {carp}}) =>
        equalClaim(`${host} ${carp}`, story.stateWord(host, carp), "MASTER"),
    );

export const gapUs = ({pings}: Measured, probe: string) =>
    (pings.get(probe) ?? noPings).gap?.lengthUs ?? null;

/** By the capture of `on`: the preferred host says there that it is demoted, and soon. */
export function demotionClaims(
    heard: readonly Heard[],
    pair: Pair,
    on: PairSegment,
    pulledAtUs: number,
    limitUs: number,
): readonly Claim[] {
    const said = heard.flatMap((frame) =>
        frame.kind === "advertisement" &&
        frame.source === on.address &&
        frame.atUs >= pulledAtUs &&
        frame.advskew >= demotedSkew
            ? [frame]
            : [],
    )[0];
    return [
        equalClaim(
            `${pair.preferred} on the other wire, by the capture`,
            said === undefined ? "never demoted" : `vhid ${said.vhid} advskew ${said.advskew}`,
            `vhid ${on.vhid} advskew ${demotedSkew}`,
        ),
        atMostClaim(
            "it says so after",
            said === undefined ? null : Math.round(said.atUs - pulledAtUs),
            limitUs,
        ),
    ];
}

/** The preferred host's cable on the first segment is pulled. */
export async function pullCable(
    story: Story,
    pair: Pair,
    act: {readonly id: string; readonly title: string; readonly ifname: string},
): Promise<void> {
    const {network} = story;
    const [dead, alive] = pair.segments;
    const {watched} = dead;
    const limitUs = fastLimitUs(network);
    const macBefore = await story.mac(watched.from, watched.vip);
    await network.heard(alive.segment);
    let pulledAtUs = 0;
    let reasons = "";
    const measured = await story.measure(async () => {
        pulledAtUs = network.now();
        await network.pullCable(pair.preferred, act.ifname);
        story.happened(act.title);
        await untilAllAt(story, pair, pair.heir);
        reasons = await demotionText(network, pair.preferred);
    });
    const macAfter = await story.mac(watched.from, watched.vip);
    const deadUs = gapUs(measured, watched.probe);
    const aliveUs = gapUs(measured, alive.watched.probe);
    const pings = measured.pings.get(watched.probe) ?? noPings;
    const state = (carp: string) => story.stateWord(pair.preferred, carp);
    story.record({
        id: act.id,
        title: act.title,
        claims: [
            atMostClaim("the dead segment, without an answer for", deadUs, limitUs),
            atMostClaim("the other segment, without an answer for", aliveUs, limitUs),
            ...pair.through.map((probe) =>
                atMostClaim(`${probe}, without an answer for`, gapUs(measured, probe), limitUs),
            ),
            ...demotionClaims(await network.heard(alive.segment), pair, alive, pulledAtUs, limitUs),
            equalClaim(
                `show demotion on ${pair.preferred}`,
                reasons,
                `link:${act.ifname} ${demotedSkew}`,
            ),
            ...statesAt(story, pair, pair.heir),
            equalClaim(`${pair.preferred} ${watched.carp}`, state(watched.carp), "INIT"),
            equalClaim(
                `${pair.preferred} ${alive.watched.carp}`,
                state(alive.watched.carp),
                "BACKUP",
            ),
            equalClaim("virtual MAC before", macBefore, watched.virtualMac),
            equalClaim("virtual MAC after", macAfter, watched.virtualMac),
        ],
        measurements: {
            deadSegmentSilentUs: deadUs,
            otherSegmentSilentUs: aliveUs,
            limitUs,
            macBefore,
            macAfter,
            ...measurementsOf(measured),
        },
        row: {
            event: act.title,
            measured: deadUs === null ? "-" : durationText(deadUs),
            arithmetic: "asked in vain for 5 ms",
            lost: `${pings.lost} of ${pings.sent}`,
            macBefore,
            macAfter,
        },
    });
}
