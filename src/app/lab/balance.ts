/**
 * The story of ARP balancing: carp(4)'s two hosts share one address, and each answers its part of
 * eight clients. One dies, the other answers for all; it returns and has its part again. Main thread.
 */

import {thisHost} from "../../core/balance.ts";
import {advertisementIntervalUs, masterDownUs} from "../../core/lab/arithmetic.ts";
import {
    type Asked,
    balancePlace,
    balanceTable,
    questionsFor,
} from "../../core/lab/balance-table.ts";
import {
    atMostClaim,
    type Claim,
    equalClaim,
    lossClaim,
    type Measurements,
    virtualMac,
} from "../../core/lab/claims.ts";
import {balanceClients, balanceProbe, sharedIpv4, sharedIpv6} from "../../core/lab/scenario.ts";
import {comeUp, loseMaster, type Watched, withoutLoss} from "./acts.ts";
import {type Measured, noPings, type Story} from "./story.ts";

/** Vhid 1 is carp0 on both hosts, vhid 2 is carp1. */
const members = 2;
const carpOf = (vhid: number) => `carp${vhid - 1}`;
const vhids = [1, 2];
const hosts = ["host-a", "host-b"];
const advbase = 1;
const standbySkew = 100;
const preemptWithinUs = advertisementIntervalUs(advbase, standbySkew) + 500_000;
/** Beyond the arithmetic, as elsewhere in the lab. */
const takeOverAllowanceUs = 250_000;
/** A question is answered within a millisecond; pings come every 10 ms, and machines are busy. */
const askingMs = 500;

/** One client with one of its addresses, and the vhid that has to answer it. */
interface Asker {
    readonly client: string;
    readonly family: 4 | 6;
    readonly address: string;
    readonly shared: string;
    readonly place: number;
    readonly vhid: number;
}

function askersOf({network}: Story): readonly Asker[] {
    const families = network.hasIpv6 ? ([4, 6] as const) : ([4] as const);
    return families.flatMap((family) =>
        balanceClients.map(({name, ipv4, ipv6}) => {
            const address = family === 4 ? ipv4 : ipv6;
            const place = balancePlace(address, members);
            const shared = family === 4 ? sharedIpv4 : sharedIpv6;
            return {client: name, family, address, shared, place, vhid: vhids[place] ?? 0};
        }),
    );
}

const sharedAddresses = [sharedIpv4, sharedIpv6];

/** The host that answers for a vhid now. */
const ownerOf = (story: Story, vhid: number) =>
    hosts.find((host) => story.isState(host, carpOf(vhid), "MASTER")) ?? "nobody";

/** `show balance` of every host that runs: answers by "HOST vhid N". */
async function answerCounts(story: Story): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const host of hosts) {
        for (const {members: list} of (await story.network.balance(host)) ?? []) {
            for (const {vhid, answers} of list) {
                const key = `${host} vhid ${vhid}`;
                counts.set(key, (counts.get(key) ?? 0) + answers);
            }
        }
    }
    return counts;
}

const countText = (counts: ReadonlyMap<string, number>) =>
    [...counts]
        .filter(([, count]) => count !== 0)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, count]) => `${key}: ${count}`)
        .join(", ");

const ofAll = (good: number, all: number) => `${good} of ${all}`;

function shareClaim(text: string, good: number, all: number): Claim {
    return equalClaim(text, ofAll(good, all), ofAll(all, all));
}

class BalanceStory {
    readonly #story: Story;
    readonly #askers: readonly Asker[];
    /** What must never be heard, over the whole story. */
    #announcements = 0;
    #answeredTwice = 0;

    constructor(story: Story) {
        this.#story = story;
        this.#askers = askersOf(story);
    }

    /** What was asked and answered since the last call. */
    async #listen(): Promise<{readonly asked: readonly Asked[]; readonly unasked: number}> {
        const heard = await this.#story.network.heard("lan");
        const each = sharedAddresses.map((address) => questionsFor(heard, address));
        const asked = each.flatMap((questions) => questions.asked);
        for (const questions of each) this.#announcements += questions.announcements;
        this.#answeredTwice += asked.filter(({replies}) => replies.length > 1).length;
        return {asked, unasked: each.reduce((sum, {unasked}) => sum + unasked, 0)};
    }

    /** Every client asks again; then everything that can know it says who answered. */
    async askAll(id: string, title: string): Promise<void> {
        const story = this.#story;
        const {network} = story;
        await this.#listen();
        const before = await answerCounts(story);
        for (const {client, shared} of this.#askers) await network.ask(client, shared);
        story.happened(`${this.#askers.length} questions: ${title}`);
        await story.pass(askingMs);
        const {asked, unasked} = await this.#listen();
        const after = await answerCounts(story);
        const once = asked.filter(({replies}) => replies.length === 1).length;
        const answered = this.#askers.filter((asker) => macsFor(asked, asker).length > 0);
        const right = answered.filter((asker) =>
            macsFor(asked, asker).every((mac) => mac === virtualMac(asker.vhid)),
        );
        const claims = [
            shareClaim(
                "clients that asked and were answered",
                answered.length,
                this.#askers.length,
            ),
            shareClaim("questions with exactly one answer", once, asked.length),
            equalClaim("answers that nobody asked for", String(unasked), "0"),
            shareClaim("the vhid of the arithmetic answered", right.length, this.#askers.length),
            shareClaim(
                "clients with its MAC in their tables",
                await this.#rightTables(),
                this.#askers.length,
            ),
            ...(await this.#whichClaims()),
            equalClaim(
                "show balance counted the same answers",
                countText(difference(before, after)),
                countText(this.#onTheWire(asked)),
            ),
            equalClaim("gratuitous for the shared addresses", String(this.#announcements), "0"),
            equalClaim("questions answered twice so far", String(this.#answeredTwice), "0"),
        ];
        story.record({id, title, claims, measurements: measurementsOf(asked), row: null});
        this.#showTable(asked);
    }

    /** Host B loses its power; host A takes its vhid over and answers all clients. */
    async loseB(): Promise<void> {
        const story = this.#story;
        const [watched] = this.#clientsOfB();
        if (watched === undefined) throw new Error("no client of host-b");
        const others = this.#askers.filter(({vhid}) => vhid !== 2);
        const tables = () =>
            Promise.all(
                this.#askers.map(({client, shared}) => story.network.neighbourMac(client, shared)),
            );
        let before: readonly (string | null)[] = [];
        await loseMaster(story, {
            id: "host-b-dies",
            title: "host-b loses power",
            does: async () => {
                before = await tables();
                await story.network.powerOff("host-b");
            },
            heir: "host-a",
            watched: watchedOf(watched),
            advbase,
            advskew: standbySkew,
            along: [],
            through: [],
            more: async (measured) => {
                const after = await tables();
                const kept = after.filter((mac, i) => mac !== null && mac === before[i]).length;
                return [
                    atMostClaim(
                        "the longest silence of all clients of host-b",
                        longestGapUs(measured, this.#clientsOfB()),
                        masterDownUs(advbase, standbySkew) + takeOverAllowanceUs,
                    ),
                    lossClaim("clients of host-a", sumOf(measured, others), 0),
                    shareClaim("clients that keep their MAC", kept, this.#askers.length),
                    equalClaim("host-a carp0", story.stateWord("host-a", "carp0"), "MASTER"),
                    equalClaim("host-a carp1", story.stateWord("host-a", "carp1"), "MASTER"),
                ];
            },
        });
    }

    async returnB(): Promise<void> {
        const story = this.#story;
        const [watched] = this.#clientsOfB();
        if (watched === undefined) throw new Error("no client of host-b");
        const isShared = () =>
            story.isState("host-a", "carp0", "MASTER") &&
            story.isState("host-a", "carp1", "BACKUP") &&
            story.isState("host-b", "carp0", "BACKUP") &&
            story.isState("host-b", "carp1", "MASTER");
        await withoutLoss(story, {
            id: "host-b-returns",
            title: "host-b returns, preempts",
            arithmetic: "no silence",
            does: () => story.network.start("host-b"),
            settled: async () => {
                await story.until("host-b to have its vhid back", 10_000, isShared);
            },
            withinUs: preemptWithinUs,
            settledText: "host-b is MASTER of vhid 2 again",
            watched: watchedOf(watched),
            more: () =>
                vhids.map((vhid) =>
                    equalClaim(
                        `MASTER of vhid ${vhid}`,
                        ownerOf(story, vhid),
                        hosts[vhid - 1] ?? "",
                    ),
                ),
        });
    }

    #clientsOfB(): readonly Asker[] {
        return this.#askers.filter(({vhid}) => vhid === 2);
    }

    async #rightTables(): Promise<number> {
        let right = 0;
        for (const {client, shared, vhid} of this.#askers) {
            if ((await this.#story.mac(client, shared)) === virtualMac(vhid)) right += 1;
        }
        return right;
    }

    /** `balance which` of each host that runs, for each client. */
    async #whichClaims(): Promise<readonly Claim[]> {
        const story = this.#story;
        const claims: Claim[] = [];
        for (const host of hosts) {
            if ((await story.network.carp(host)) === null) continue;
            let agreed = 0;
            for (const {address, shared, vhid} of this.#askers) {
                const said = await story.network.balanceWhich(host, address, shared);
                const here = ownerOf(story, vhid) === host;
                const agrees =
                    said !== null &&
                    said.vhid === vhid &&
                    said.virtualMac === virtualMac(vhid) &&
                    (said.master === thisHost) === here;
                if (agrees) agreed += 1;
            }
            const text = `${host}: balance which says the same`;
            claims.push(shareClaim(text, agreed, this.#askers.length));
        }
        return claims;
    }

    /** Answers on the wire, by the host that is MASTER of the vhid whose MAC they carry. */
    #onTheWire(asked: readonly Asked[]): ReadonlyMap<string, number> {
        const counts = new Map<string, number>();
        for (const {mac} of asked.flatMap(({replies}) => replies)) {
            const vhid = vhids.find((candidate) => virtualMac(candidate) === mac);
            const key = vhid === undefined ? mac : `${ownerOf(this.#story, vhid)} vhid ${vhid}`;
            counts.set(key, (counts.get(key) ?? 0) + 1);
        }
        return counts;
    }

    /** IPv6 first: the screen has room for one table, and the manual's is the IPv4 one. */
    #showTable(asked: readonly Asked[]): void {
        for (const family of [6, 4]) {
            const lines = this.#askers
                .filter((asker) => asker.family === family)
                .map((asker) => {
                    const [mac = "nobody"] = macsFor(asked, asker).slice(-1);
                    const vhid = vhids.find((candidate) => virtualMac(candidate) === mac) ?? 0;
                    const host = ownerOf(this.#story, vhid);
                    return {client: asker.address, place: asker.place, vhid, mac, host};
                });
            if (lines.length === 0) continue;
            for (const line of balanceTable(members, lines)) this.#story.happened(line);
        }
    }
}

/** The MACs that an asker was answered with, oldest first. */
const macsFor = (asked: readonly Asked[], {address}: Asker) =>
    asked
        .filter(({asker}) => asker === address)
        .flatMap(({replies}) => replies.map(({mac}) => mac));

function difference(
    before: ReadonlyMap<string, number>,
    after: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
    return new Map([...after].map(([key, count]) => [key, count - (before.get(key) ?? 0)]));
}

function measurementsOf(asked: readonly Asked[]): Measurements {
    const slowest = Math.max(0, ...asked.flatMap(({replies}) => replies.map((r) => r.afterUs)));
    const who = asked.map(({asker, replies}): [string, string] => [
        `${asker}: answered by`,
        replies.map(({mac}) => mac).join(" ") || "nobody",
    ]);
    return {questions: asked.length, slowestAnswerUs: slowest, ...Object.fromEntries(who)};
}

const watchedOf = ({client, family, shared, vhid}: Asker): Watched => ({
    carp: carpOf(vhid),
    probe: balanceProbe(client, family),
    from: client,
    vip: shared,
    virtualMac: virtualMac(vhid),
});

const pingsOf = ({pings}: Measured, askers: readonly Asker[]) =>
    askers.map(({client, family}) => pings.get(balanceProbe(client, family)) ?? noPings);

/** null: somebody was not answered twice, so that nothing is known of it. */
function longestGapUs(measured: Measured, askers: readonly Asker[]): number | null {
    const gaps = pingsOf(measured, askers).map(({gap}) => gap?.lengthUs ?? null);
    const known = gaps.filter((gap) => gap !== null);
    return known.length === gaps.length && known.length > 0 ? Math.max(...known) : null;
}

function sumOf(measured: Measured, askers: readonly Asker[]) {
    const all = pingsOf(measured, askers);
    const complete = all.every(({sent}) => sent > 0);
    return {
        sent: complete ? all.reduce((sum, {sent}) => sum + sent, 0) : 0,
        lost: all.reduce((sum, {lost}) => sum + lost, 0),
    };
}

/** Needs the network `balance`, nothing started yet. */
export async function tellBalance(story: Story): Promise<void> {
    const balancing = new BalanceStory(story);
    if (!story.network.hasIpv6) {
        story.happened("this kernel has no IPv6: the shared IPv6 address is not claimed");
    }
    await story.say(
        "Two hosts share 192.168.1.10 as two vhids: host-a is MASTER of vhid 1, host-b of vhid 2, and each stands by for the other with advskew 100.",
    );
    const [first, second] = askersOf(story);
    if (first === undefined || second === undefined) throw new Error("too few clients");
    await comeUp(story, {
        id: "start",
        title: "both hosts start",
        hosts,
        expected: [
            {host: "host-a", carp: "carp0", state: "MASTER"},
            {host: "host-a", carp: "carp1", state: "BACKUP"},
            {host: "host-b", carp: "carp0", state: "BACKUP"},
            {host: "host-b", carp: "carp1", state: "MASTER"},
        ],
        watched: [watchedOf(first), watchedOf(second)],
    });
    await story.say(
        "Every client asks who has the address. Its own address as a number, mod 2, selects the vhid whose MASTER answers, once; the other host is silent. For IPv6 the number is the XOR of the four words of the address.",
    );
    await balancing.askAll("before", "who answers, both hosts alive");
    await story.say(
        "host-b loses its power. Its clients keep the virtual MAC that they know: host-a takes vhid 2 over 3 s + 100/256 s after the last advertisement. The clients of host-a notice nothing.",
    );
    await balancing.loseB();
    await story.say(
        "All ask again. The same vhids answer with the same MACs, but both are host-a now. Nobody has announced the address: that would pull every client to one host.",
    );
    await balancing.askAll("after-death", "who answers, host-b dead");
    await story.say(
        "host-b has power again. With preempt it takes vhid 2 back as soon as it hears host-a advertise it with advskew 100: no ping is lost.",
    );
    await balancing.returnB();
    await story.say("All ask for the last time: each host has its half again.");
    await balancing.askAll("after-return", "who answers, host-b back");
}
