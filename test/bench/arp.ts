/**
 * How fast carpd answers ARP for a balanced address, beside the kernel's own responder for ordinary
 * addresses of the same host: in the same run, asked by the same program, by turns.
 */
import type {Host} from "../../src/io/lab/namespaces.ts";
import {pairBlock, type Scene} from "../support/routers.ts";
import {type ArpFlood, parseArpFlood, parseArpTimes} from "./load-numbers.ts";
import {spreadOf} from "./numbers.ts";
import type {Effort} from "./options.ts";
import {buildProgram, runIn} from "./programs.ts";
import type {Finding, Row} from "./table.ts";

/** Unanswered questions at a time in a flood. */
const window = 64;

interface Responder {
    readonly label: string;
    /** The client's interface that leads there. */
    readonly ifname: string;
    readonly target: string;
    /** The senders are this address and the next ones. */
    readonly firstSender: string;
}

const responders: readonly Responder[] = [
    {
        label: "carpd, 2 vhids, arpbalance",
        ifname: "eth0",
        target: "10.1.0.10",
        firstSender: "10.1.4.1",
    },
    {
        label: "kernel, an address of the carpdev",
        ifname: "eth0",
        target: "10.1.0.2",
        firstSender: "10.1.4.1",
    },
    {
        label: "kernel, an interface without carpd",
        ifname: "eth1",
        target: "10.2.0.2",
        firstSender: "10.2.4.1",
    },
];
const senderCounts = [1, 1000] as const;

class Series {
    readonly responder: Responder;
    readonly senders: number;
    readonly #ns: number[] = [];
    readonly #floods: ArpFlood[] = [];
    #asked = 0;

    constructor(responder: Responder, senders: number) {
        this.responder = responder;
        this.senders = senders;
    }

    measure(client: Host, program: string, effort: Effort["arp"]): void {
        const {ifname, target, firstSender} = this.responder;
        const argv = [program, ifname, target, firstSender, `${this.senders}`];
        const times = parseArpTimes(runIn(client, [...argv, "latency", `${effort.questions}`]));
        this.#asked += times.asked;
        this.#ns.push(...times.ns);
        const flood = [...argv, "flood", `${window}`, `${effort.floodMs}`];
        this.#floods.push(parseArpFlood(runIn(client, flood)));
    }

    get answered(): boolean {
        return this.#ns.length > 0 && this.#floods.some((flood) => flood.answered > 0);
    }

    row(): Row {
        const us = spreadOf(this.#ns.map((ns) => ns / 1000));
        const perSecond = spreadOf(this.#floods.map((flood) => flood.perSecond));
        const sum = (of: (flood: ArpFlood) => number) =>
            this.#floods.reduce((all, flood) => all + of(flood), 0);
        const asked = sum((flood) => flood.asked);
        const who = this.senders === 1 ? "1 client" : `${this.senders} clients`;
        return {
            label: `${this.responder.label}, ${who}`,
            values: {
                n: this.#asked,
                p50Us: us?.median ?? null,
                p99Us: us?.p99 ?? null,
                maxUs: us?.max ?? null,
                answeredPercent: (this.#ns.length / this.#asked) * 100,
                perSecond: perSecond?.median ?? null,
                bestPerSecond: perSecond?.max ?? null,
                floodPercent: asked === 0 ? null : (sum((flood) => flood.answered) / asked) * 100,
            },
        };
    }
}

export async function measureArp(
    scene: Scene,
    effort: Effort,
    say: (line: string) => void,
): Promise<Finding> {
    const program = await buildProgram("arp_load");
    const [lan, plain] = [scene.segment("lan"), scene.segment("plain")];
    const block = (vhid: number, advskew: number) =>
        pairBlock(advskew, {name: `carp${vhid - 1}`, vhid, addresses: ["10.1.0.10/16"]});
    const router = scene.router("r", lan, ["10.1.0.2/16"], {
        options: {arpbalance: true},
        carp: [block(1, 0), block(2, 100)],
    });
    router.host.connect(plain, {ifname: "eth2", addresses: ["10.2.0.2/16"]});
    const client = scene.client(lan, ["10.1.0.9/16"]);
    client.connect(plain, {ifname: "eth1", addresses: ["10.2.0.9/16"]});
    await router.start();
    await Promise.all(["carp0", "carp1"].map((name) => router.until("MASTER", 8000, name)));

    const series = responders.flatMap((responder) =>
        senderCounts.map((senders) => new Series(responder, senders)),
    );
    const {rounds} = effort.arp;
    for (let round = 1; round <= rounds; round += 1) {
        say(`round ${round} of ${rounds}`);
        // Forwards and backwards: nobody always comes after the same neighbour.
        const order = round % 2 === 1 ? series : series.toReversed();
        for (const one of order) {
            // The kernel's table is one for all interfaces, and what a run filled would hamper the next.
            router.host.ip("neigh", "flush", "all");
            one.measure(client, program, effort.arp);
        }
    }
    return {
        name: "arp",
        title: `from question to answer, one at a time, and a flood of questions, ${window} unanswered at most`,
        columns: [
            {key: "n", title: "n", digits: 0},
            {key: "p50Us", title: "p50 us", digits: 1},
            {key: "p99Us", title: "p99 us", digits: 1},
            {key: "maxUs", title: "max us", digits: 0},
            {key: "answeredPercent", title: "answered %", digits: 2},
            {key: "perSecond", title: "answers/s", digits: 0},
            {key: "bestPerSecond", title: "best answers/s", digits: 0},
            {key: "floodPercent", title: "flood answered %", digits: 2},
        ],
        rows: series.map((one) => one.row()),
        notes: [
            `${rounds} rounds by turns, answers/s is their median; one core asks, so it shares the machine with who answers`,
            "the kernel answers within the sender's own system call here, carpd after a change of process",
            "the kernel makes a neighbour entry for each asking client, at most net.ipv4.neigh.default.gc_thresh3, and is silent when it cannot; its table is emptied before each run",
        ],
        failed: series.some((one) => !one.answered),
    };
}
