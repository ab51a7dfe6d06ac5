/**
 * The story of two routers: a cable is pulled, a daemon is killed, an address is handed over.
 *
 * Router A is preferred (advskew 0), router B stands by (advskew 100), both with preempt; the
 * client's gateway is the VIP. Main thread.
 */
import {advertisementIntervalUs} from "../../core/lab/arithmetic.ts";
import {atMostClaim, equalClaim, virtualMac} from "../../core/lab/claims.ts";
import {comeUp, loseMaster, type Watched, withoutLoss} from "./acts.ts";
import {type Measured, noPings, type Story} from "./story.ts";

const lan: Watched = {
    carp: "carp0",
    probe: "client > lan VIP",
    from: "client",
    vip: "192.168.1.1",
    virtualMac: virtualMac(1),
};
const throughProbe = "client > server";
const wanProbe = "server > wan VIP";
const advbase = 1;
const standbySkew = 100;

/** A preempts at the first advertisement of B that it hears: at most one interval of B's. */
const preemptWithinUs = advertisementIntervalUs(advbase, standbySkew) + 500_000;
/** The dead daemon's janitor has this long to take the addresses away. */
const silentWithinUs = 100_000;
/** The demoted wan address moves with one advertisement each way; this is for a busy machine. */
const groupWithinUs = 250_000;

/** Both of A's vhids are MASTER again and both of B's stand by. */
async function backAtA(story: Story): Promise<void> {
    await story.until("router-a to be MASTER of both again", 10_000, () =>
        ["carp0", "carp1"].every(
            (carp) =>
                story.isState("router-a", carp, "MASTER") &&
                story.isState("router-b", carp, "BACKUP"),
        ),
    );
}

const bothAtA = (story: Story) => [
    equalClaim("router-a carp0", story.stateWord("router-a", "carp0"), "MASTER"),
    equalClaim("router-a carp1", story.stateWord("router-a", "carp1"), "MASTER"),
];

async function pullAndPlug(story: Story): Promise<void> {
    const {network} = story;
    await story.say(
        "Look at router-a: its lan cable is pulled. Router-b hears no more advertisements on the lan and takes over; on the wan router-a is demoted to skew 240 and router-b preempts it at once.",
    );
    await loseMaster(story, {
        id: "cable-pulled",
        title: "lan cable of A pulled",
        does: () => network.pullCable("router-a", "eth1"),
        heir: "router-b",
        watched: lan,
        advbase,
        advskew: standbySkew,
        along: [],
        through: [throughProbe],
        more: ({pings}) => [
            atMostClaim(
                "the wan VIP is hardly silent when it follows",
                pings.get(wanProbe)?.gap?.lengthUs ?? null,
                groupWithinUs,
            ),
            equalClaim("router-b carp1", story.stateWord("router-b", "carp1"), "MASTER"),
            equalClaim("router-a carp0", story.stateWord("router-a", "carp0"), "INIT"),
        ],
    });
    await story.say(
        "The cable goes back in. Router-a is preferred and preempts; watch the pings: none is lost.",
    );
    await withoutLoss(story, {
        id: "cable-back",
        title: "cable back, A preempts",
        arithmetic: "no silence",
        does: () => network.plugCable("router-a", "eth1"),
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
        watched: [
            lan,
            {
                ...lan,
                probe: wanProbe,
                from: "server",
                vip: "192.168.2.1",
                virtualMac: virtualMac(2),
            },
        ],
    });
    await pullAndPlug(story);
    await killAndRestart(story);
    await handOver(story);
}
