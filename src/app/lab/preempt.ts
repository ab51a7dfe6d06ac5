/**
 * The story of "all interfaces fail over together": carp(4)'s two hosts with a vhid on each of two
 * segments and preempt. What befalls one interface of host A moves all of them to host B.
 *
 * It is told with fast take-over, then without, as the BSDs do it. Main thread.
 */
import {advertisementIntervalUs, durationText, masterDownUs} from "../../core/lab/arithmetic.ts";
import {atMostClaim, equalClaim, virtualMac} from "../../core/lab/claims.ts";
import {comeUp, loseMaster, type Watched, withoutLoss} from "./acts.ts";
import {
    demotionClaims,
    demotionText,
    fastLimitUs,
    gapUs,
    type Pair,
    pullCable,
    statesAt,
    untilAllAt,
} from "./cable.ts";
import type {Story} from "./story.ts";

const lan: Watched = {
    carp: "carp0",
    probe: "client-1 > 192.168.1.1",
    from: "client-1",
    vip: "192.168.1.1",
    virtualMac: virtualMac(1),
};
const wan: Watched = {
    carp: "carp1",
    probe: "client-2 > 192.168.2.1",
    from: "client-2",
    vip: "192.168.2.1",
    virtualMac: virtualMac(2),
};
const pair = {
    preferred: "host-a",
    heir: "host-b",
    segments: [
        {segment: "lan", watched: lan, address: "192.168.1.2", vhid: 1},
        {segment: "wan", watched: wan, address: "192.168.2.2", vhid: 2},
    ],
    through: ["client-1 > client-2", "client-2 > client-1"],
} as const satisfies Pair;
const advbase = 1;
const standbySkew = 100;

/** A demoted MASTER is deposed with one advertisement each way; this is for a busy machine. */
const handOverUs = 250_000;
/** A preempts at the first advertisement of B that it hears: at most one interval of B's. */
const preemptWithinUs = advertisementIntervalUs(advbase, standbySkew) + 500_000;

async function pullAndPlug(story: Story): Promise<void> {
    await story.say(
        "host-a's cable on 192.168.1.0/24 is pulled. It advertises advskew 240 on 192.168.2.0/24 at once and host-b preempts it there; on the dead segment host-b asks whether host-a is alive, and takes over too when nothing answers for 5 ms.",
    );
    await pullCable(story, pair, {
        id: "fast-cable-pulled",
        title: "cable of A pulled",
        ifname: "eth1",
    });
    await story.say(
        "The cable goes back in. The reason is gone, host-a advertises its advskew 0 again and preempts on both segments: no ping is lost.",
    );
    await withoutLoss(story, {
        id: "fast-cable-back",
        title: "cable back, A preempts",
        arithmetic: "no silence",
        does: () => story.network.plugCable("host-a", "eth1"),
        settled: () => untilAllAt(story, pair, "host-a"),
        withinUs: preemptWithinUs,
        settledText: "host-a is MASTER of both again",
        watched: lan,
        more: () => statesAt(story, pair, "host-a"),
    });
}

/** Something demotes A while it is able to answer: all moves, and nothing is lost. */
async function demoted(
    story: Story,
    act: {
        readonly id: string;
        readonly title: string;
        readonly does: () => Promise<void>;
        readonly reasons: string;
    },
): Promise<void> {
    let reasons = "";
    await withoutLoss(story, {
        id: act.id,
        title: act.title,
        arithmetic: "no silence",
        does: act.does,
        settled: async () => {
            await untilAllAt(story, pair, "host-b");
            reasons = await demotionText(story.network, "host-a");
        },
        withinUs: handOverUs,
        settledText: "host-b is MASTER of both",
        watched: lan,
        more: () => [
            equalClaim("show demotion on host-a", reasons, act.reasons),
            ...statesAt(story, pair, "host-b"),
        ],
    });
}

async function maintain(
    story: Story,
    setMaintenance: (host: string, on: boolean) => Promise<void>,
): Promise<void> {
    await story.say(
        "`carpctl maintenance on` on host-a: it demotes itself by 240 and goes on answering until host-b is heard. Both addresses move, no ping is lost.",
    );
    await demoted(story, {
        id: "fast-maintenance-on",
        title: "maintenance on at A",
        does: () => setMaintenance("host-a", true),
        reasons: "maintenance 240",
    });
    await story.say("`carpctl maintenance off`: host-a preempts, and again no ping is lost.");
    await withoutLoss(story, {
        id: "fast-maintenance-off",
        title: "maintenance off at A",
        arithmetic: "no silence",
        does: () => setMaintenance("host-a", false),
        settled: () => untilAllAt(story, pair, "host-a"),
        withinUs: preemptWithinUs,
        settledText: "host-a is MASTER of both again",
        watched: lan,
        more: () => statesAt(story, pair, "host-a"),
    });
}

async function loseUplink(story: Story): Promise<void> {
    await story.say(
        "host-a's uplink eth3 fails. It carries no vhid, but a [[track]] block watches it: host-a demotes itself on both segments and host-b takes over, before a client notices.",
    );
    await demoted(story, {
        id: "fast-uplink-fails",
        title: "tracked uplink of A fails",
        does: () => story.network.pullCable("host-a", "eth3"),
        reasons: "track:uplink 240",
    });
}

/** The same cable, with fast-takeover = false: the dead segment waits for its timer. */
async function pullWithoutFastTakeover(story: Story): Promise<void> {
    const {network} = story;
    const downText = durationText(masterDownUs(advbase, standbySkew));
    await story.say(
        `The same cable with fast-takeover = false, as on the BSDs: 192.168.2.1 moves at once again, but on the dead segment host-b only waits for advertisements, ${downText}.`,
    );
    await network.heard("wan");
    let pulledAtUs = 0;
    await loseMaster(story, {
        id: "plain-cable-pulled",
        title: "the same, not fast",
        does: () => {
            pulledAtUs = network.now();
            return network.pullCable("host-a", "eth1");
        },
        heir: "host-b",
        watched: lan,
        advbase,
        advskew: standbySkew,
        along: [],
        through: pair.through,
        more: async (measured) => [
            atMostClaim(
                "the other segment, without an answer for",
                gapUs(measured, wan.probe),
                handOverUs,
            ),
            ...demotionClaims(
                await network.heard("wan"),
                pair,
                pair.segments[1],
                pulledAtUs,
                fastLimitUs(network),
            ),
            equalClaim(
                "show demotion on host-a",
                await demotionText(network, "host-a"),
                "link:eth1 240",
            ),
            ...statesAt(story, pair, "host-b"),
        ],
    });
}

/** Needs a network of `preempt(variant)`, nothing started yet. */
export async function tellPreempt(story: Story, variant: "fast" | "plain"): Promise<void> {
    const words = variant === "fast" ? "with fast take-over" : "fast-takeover = false";
    await story.say(
        `host-a has 192.168.1.1 (vhid 1) and 192.168.2.1 (vhid 2), host-b the same with advskew 100; ${words}. Both listen for 3 s, then host-a becomes MASTER of both.`,
    );
    await comeUp(story, {
        id: `${variant}-start`,
        title: `both hosts start, ${words}`,
        hosts: ["host-a", "host-b"],
        expected: [
            {host: "host-a", carp: "carp0", state: "MASTER"},
            {host: "host-a", carp: "carp1", state: "MASTER"},
            {host: "host-b", carp: "carp0", state: "BACKUP"},
            {host: "host-b", carp: "carp1", state: "BACKUP"},
        ],
        watched: [lan, wan],
    });
    if (variant === "plain") {
        await pullWithoutFastTakeover(story);
        return;
    }
    await pullAndPlug(story);
    const {network} = story;
    if (network.setMaintenance === undefined) {
        story.happened(
            "simulated: maintenance mode and tracked interfaces are carpd's, not its core's; they are not claimed",
        );
        return;
    }
    await maintain(story, (host, on) => network.setMaintenance?.(host, on) ?? Promise.resolve());
    await loseUplink(story);
}
