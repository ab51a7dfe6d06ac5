/**
 * The story of two routers: a cable is pulled, a daemon is killed, an address is handed over.
 *
 * Router A is preferred (advskew 0), router B stands by (advskew 100), both with preempt; the
 * client's gateway is the VIP. Main thread.
 */
import {advertisementIntervalUs} from "../../core/lab/arithmetic.ts";
import {atMostClaim, equalClaim, virtualMac} from "../../core/lab/claims.ts";
import {comeUp, loseMaster, type Watched, withoutLoss} from "./acts.ts";
import {type Pair, pullCable, statesAt, untilAllAt} from "./cable.ts";
import {type Measured, noPings, type Story} from "./story.ts";

const lan: Watched = {
    carp: "carp0",
    probe: "client > lan VIP",
    from: "client",
    vip: "192.168.1.1",
    virtualMac: virtualMac(1),
};
const wan: Watched = {
    carp: "carp1",
    probe: "server > wan VIP",
    from: "server",
    vip: "192.168.2.1",
    virtualMac: virtualMac(2),
};
const throughProbe = "client > server";
const pair = {
    preferred: "router-a",
    heir: "router-b",
    segments: [
        {segment: "lan", watched: lan, address: "192.168.1.2", vhid: 1},
        {segment: "wan", watched: wan, address: "192.168.2.2", vhid: 2},
    ],
    through: [throughProbe],
} as const satisfies Pair;
const advbase = 1;
const standbySkew = 100;

/** A preempts at the first advertisement of B that it hears: at most one interval of B's. */
const preemptWithinUs = advertisementIntervalUs(advbase, standbySkew) + 500_000;
/** The dead daemon's janitor has this long to take the addresses away. */
const silentWithinUs = 100_000;

const backAtA = (story: Story) => untilAllAt(story, pair, "router-a");
const bothAtA = (story: Story) => statesAt(story, pair, "router-a");

async function pullAndPlug(story: Story): Promise<void> {
    await story.say(
        "Look at router-a: its lan cable is pulled. It is demoted to skew 240 on the wan and router-b preempts it there; on the dead lan router-b asks whether router-a is alive, and takes over too when nothing answers for 5 ms.",
    );
    await pullCable(story, pair, {
        id: "cable-pulled",
        title: "lan cable of A pulled",
        ifname: "eth1",
    });
    await story.say(
        "The cable goes back in. Router-a is preferred and preempts; watch the pings: none is lost.",
    );
    await withoutLoss(story, {
        id: "cable-back",
        title: "cable back, A preempts",
        arithmetic: "no silence",
        does: () => story.network.plugCable("router-a", "eth1"),
        settled: backAtA,
        withinUs: preemptWithinUs,
        settledText: "router-a is MASTER of both again",
        watched: lan,
        more: bothAtA,
    });
}

async function killAndRestart(story: Story): Promise<void> {
    const {network} = story;
    await story.say(
        "Now carpd on router-a is killed with SIGKILL: no farewell. Its addresses must fall silent at once, and router-b takes over 3 s + 100/256 s after the last advertisement.",
    );
    // A kernel and a janitor must show this; a simulator would only agree with itself.
    const real = network.kind === "namespaces";
    if (!real) {
        story.happened(
            "simulated: no kernel here; how soon the dead router falls silent is not claimed",
        );
    }
    let killedAtUs = 0;
    const silentAfterUs = ({pings}: Measured) => {
        const gap = (pings.get(lan.probe) ?? noPings).gap;
        return gap === null ? null : Math.max(0, Math.round(gap.fromUs - killedAtUs));
    };
    await loseMaster(story, {
        id: "daemon-killed",
        title: "carpd of A killed",
        does: async () => {
            killedAtUs = network.now();
            await network.killDaemon("router-a");
        },
        heir: "router-b",
        watched: lan,
        advbase,
        advskew: standbySkew,
        along: ["carp1"],
        through: [throughProbe],
        more: (measured) => [
            ...(real
                ? [
                      atMostClaim(
                          "the dead router stops answering after",
                          silentAfterUs(measured),
                          silentWithinUs,
                      ),
                  ]
                : []),
            equalClaim("router-b carp1", story.stateWord("router-b", "carp1"), "MASTER"),
        ],
    });
    await story.say(
        "carpd on router-a starts again, cleans up what the killed one left, and preempts without losing a ping.",
    );
    await withoutLoss(story, {
        id: "daemon-back",
        title: "carpd of A back, preempts",
        arithmetic: "no silence",
        does: () => network.start("router-a"),
        settled: backAtA,
        withinUs: preemptWithinUs,
        settledText: "router-a is MASTER of both again",
        watched: lan,
        more: bothAtA,
    });
}

async function handOver(story: Story): Promise<void> {
    const {network} = story;
    await story.say(
        "A planned hand-over: `carp0 down` on router-a. It says farewell and goes on answering until router-b is heard: no ping is lost.",
    );
    await withoutLoss(story, {
        id: "hand-over",
        title: "A: carp0 down",
        arithmetic: "farewell: no silence",
        does: () => network.admin("router-a", "carp0", "down"),
        settled: async () => {
            await story.until(
                "the hand-over",
                5000,
                () =>
                    story.isState("router-b", "carp0", "MASTER") &&
                    story.isState("router-a", "carp0", "INIT"),
            );
        },
        withinUs: 500_000,
        settledText: "router-b is MASTER of the lan VIP",
        watched: lan,
        more: () => [
            equalClaim("router-b carp0", story.stateWord("router-b", "carp0"), "MASTER"),
            equalClaim("router-a carp1", story.stateWord("router-a", "carp1"), "MASTER"),
        ],
    });
    await story.say("`carp0 up` on router-a: it preempts, and again no ping is lost.");
    await withoutLoss(story, {
        id: "hand-back",
        title: "A: carp0 up, preempts",
        arithmetic: "no silence",
        does: () => network.admin("router-a", "carp0", "up"),
        settled: backAtA,
        withinUs: preemptWithinUs,
        settledText: "router-a is MASTER of both again",
        watched: lan,
        more: bothAtA,
    });
}

/** Needs a network of `twoRouters`, nothing started yet. */
export async function tellTwoRouters(story: Story): Promise<void> {
    await story.say(
        "Two routers share 192.168.1.1 on the lan and 192.168.2.1 on the wan. Both listen for 3 s; then router-a (advskew 0) becomes MASTER and router-b (advskew 100) BACKUP.",
    );
    await comeUp(story, {
        id: "start",
        title: "both routers start",
        hosts: ["router-a", "router-b"],
        expected: [
            {host: "router-a", carp: "carp0", state: "MASTER"},
            {host: "router-a", carp: "carp1", state: "MASTER"},
            {host: "router-b", carp: "carp0", state: "BACKUP"},
            {host: "router-b", carp: "carp1", state: "BACKUP"},
        ],
        watched: [lan, wan],
    });
    await pullAndPlug(story);
    await killAndRestart(story);
    await handOver(story);
}
