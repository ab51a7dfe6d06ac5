/**
 * The handbook's story: two content servers and a third host that stands in for either.
 *
 * hosta owns 192.168.1.50 (vhid 1), hostb 192.168.1.51 (vhid 2); provider has both at advskew 100.
 * It is told twice, without and with preempt. Main thread.
 */
import {advertisementIntervalUs} from "../../core/lab/arithmetic.ts";
import {equalClaim, lossClaim, virtualMac} from "../../core/lab/claims.ts";
import {comeUp, loseMaster, type Watched, withoutLoss} from "./acts.ts";
import {noPings, type Story} from "./story.ts";

const fifty: Watched = {
    carp: "carp0",
    probe: "client > 192.168.1.50",
    from: "client",
    vip: "192.168.1.50",
    virtualMac: virtualMac(1),
};
const fiftyOne: Watched = {
    carp: "carp0",
    probe: "client > 192.168.1.51",
    from: "client",
    vip: "192.168.1.51",
    virtualMac: virtualMac(2),
};
const advbase = 1;
const providerSkew = 100;
/** hosta listens this long before it could become MASTER by itself (its advskew is 0). */
const listenMs = 3000;

async function loseHosta(story: Story, id: string): Promise<void> {
    await story.say(
        "hosta loses its power. provider must answer for .50 after 3 s + 100/256 s, and hostb must keep .51 all the while.",
    );
    await loseMaster(story, {
        id: `${id}-hosta-dies`,
        title: "hosta loses power",
        does: () => story.network.powerOff("hosta"),
        heir: "provider",
        watched: fifty,
        advbase,
        advskew: providerSkew,
        along: [],
        through: [],
        more: ({pings}) => [
            equalClaim("hostb carp0", story.stateWord("hostb", "carp0"), "MASTER"),
            equalClaim("provider carp1", story.stateWord("provider", "carp1"), "BACKUP"),
            lossClaim(fiftyOne.probe, pings.get(fiftyOne.probe) ?? noPings, 0),
        ],
    });
}

function hostaHasIt(story: Story): boolean {
    return (
        story.isState("hosta", "carp0", "MASTER") && story.isState("provider", "carp0", "BACKUP")
    );
}

const states = (story: Story, hosta: string, provider: string) => [
    equalClaim("hosta carp0", story.stateWord("hosta", "carp0"), hosta),
    equalClaim("provider carp0", story.stateWord("provider", "carp0"), provider),
    equalClaim("hostb carp0", story.stateWord("hostb", "carp0"), "MASTER"),
];

/** hosta returns, and preempts. */
async function returnsWithPreempt(story: Story): Promise<void> {
    await story.say(
        "hosta has power again. With preempt it takes .50 back at the first slower advertisement that it hears.",
    );
    await withoutLoss(story, {
        id: "preempt-hosta-returns",
        title: "hosta returns, preempts",
        arithmetic: "no silence",
        does: () => story.network.start("hosta"),
        settled: async () => {
            await story.until("hosta to take .50 back", 10_000, () => hostaHasIt(story));
        },
        withinUs: advertisementIntervalUs(advbase, providerSkew) + 500_000,
        settledText: "hosta is MASTER of .50 again",
        watched: fifty,
        more: () => states(story, "MASTER", "BACKUP"),
    });
}

/** hosta returns, and nothing happens until the operator of provider says so. */
async function returnsWithoutPreempt(story: Story): Promise<void> {
    await story.say(
        "hosta has power again. Without preempt provider keeps .50: watch hosta stay BACKUP for longer than it listens at a start.",
    );
    await withoutLoss(story, {
        id: "no-preempt-hosta-returns",
        title: "hosta returns, waits",
        arithmetic: "provider keeps .50",
        does: () => story.network.start("hosta"),
        settled: () => story.pass(listenMs + 1000),
        withinUs: null,
        settledText: "",
        watched: fifty,
        more: () => states(story, "BACKUP", "MASTER"),
    });
    await story.say(
        "The handbook's command on provider: `carp0 down`, then `carp0 up`. That hands .50 back to hosta.",
    );
    await withoutLoss(story, {
        id: "no-preempt-hand-back",
        title: "provider: down && up",
        arithmetic: "farewell: no silence",
        does: async () => {
            await story.network.admin("provider", "carp0", "down");
            await story.network.admin("provider", "carp0", "up");
        },
        settled: async () => {
            await story.until("hosta to take .50 back", 10_000, () => hostaHasIt(story));
        },
        withinUs: 500_000,
        settledText: "hosta is MASTER of .50 again",
        watched: fifty,
        more: () => states(story, "MASTER", "BACKUP"),
    });
}

/** Needs a network of `handbook(variant)`, nothing started yet. */
export async function tellHandbook(story: Story, variant: "no-preempt" | "preempt"): Promise<void> {
    const words = variant === "preempt" ? "with preempt" : "without preempt";
    await story.say(
        `The handbook's three hosts, ${words}: hosta owns .50, hostb owns .51, provider stands by for both with advskew 100.`,
    );
    await comeUp(story, {
        id: `${variant}-start`,
        title: `three hosts start, ${words}`,
        hosts: ["hosta", "hostb", "provider"],
        expected: [
            {host: "hosta", carp: "carp0", state: "MASTER"},
            {host: "hostb", carp: "carp0", state: "MASTER"},
            {host: "provider", carp: "carp0", state: "BACKUP"},
            {host: "provider", carp: "carp1", state: "BACKUP"},
        ],
        watched: [fifty, fiftyOne],
    });
    await loseHosta(story, variant);
    if (variant === "preempt") await returnsWithPreempt(story);
    else await returnsWithoutPreempt(story);
}
