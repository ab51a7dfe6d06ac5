/**
 * The agent: pings and captures inside one host, told what to do line by line. Main thread of a
 * process of its own; the pinging and capturing threads are the addon's.
 */
import {
    type AgentReply,
    type AgentRequest,
    type NamedSummaries,
    slotUs,
} from "../../core/lab/agent-protocol.ts";
import {type ProbeSample, stripOf, summarize} from "../../core/lab/arithmetic.ts";

/** A running series of pings. */
export interface Prober {
    /** Instants in microseconds of CLOCK_MONOTONIC. */
    /** Pings of sequence `first` (default 0) and later, oldest first. */
    results(first?: number): readonly ProbeSample[];
    stop(): void;
}

export interface Capture {
    frames(): number;
    stop(): void;
}

/** What an agent needs of the addon. */
export interface AgentTools {
    startProber(options: {readonly address: string; readonly intervalUs: number}): Prober;
    startCapture(options: {readonly ifname: string; readonly path: string}): Capture;
    now(): number;
}

interface RunningProbe {
    readonly name: string;
    readonly address: string;
    prober: Prober;
    /** The lap before, whose last slots the strip still shows. */
    previous: readonly ProbeSample[];
    /** The first sequence that a strip may still show. */
    oldest: number;
}

/** Pings younger than this may still be answered and say nothing yet. */
const settleUs = 200_000;

export class Agent {
    readonly #tools: AgentTools;
    #probes: RunningProbe[] = [];
    #captures: Capture[] = [];
    #intervalUs = 0;
    #live = false;

    constructor(tools: AgentTools) {
        this.#tools = tools;
    }

    get live(): boolean {
        return this.#live;
    }

    handle(request: AgentRequest): AgentReply {
        switch (request.op) {
            case "probes":
                this.#intervalUs = request.intervalUs;
                this.#live = request.live;
                this.#probes = request.probes.map(({name, address}) => ({
                    name,
                    address,
                    prober: this.#start(address),
                    previous: [],
                    oldest: 0,
                }));
                return {kind: "done", id: request.id, summaries: []};
            case "lap":
                return {kind: "done", id: request.id, summaries: this.#lap()};
            case "capture":
                this.#captures.push(
                    this.#tools.startCapture({ifname: request.ifname, path: request.path}),
                );
                return {kind: "done", id: request.id, summaries: []};
        }
    }

    /** The settled slots of the last second. */
    strips(): AgentReply {
        const now = this.#tools.now();
        const until = (Math.floor((now - settleUs) / slotUs) + 1) * slotUs;
        const from = until - 10 * slotUs;
        const strips = this.#probes.map((probe) => {
            const running = probe.prober.results(probe.oldest);
            const recent = [...probe.previous, ...running].filter(
                (sample) => sample.sentAtUs >= from && sample.sentAtUs < until,
            );
            probe.oldest = running.find(({sentAtUs}) => sentAtUs >= from)?.sequence ?? probe.oldest;
            return {name: probe.name, slots: stripOf(recent, slotUs)};
        });
        return {kind: "strips", strips};
    }

    stop(): void {
        for (const probe of this.#probes) probe.prober.stop();
        for (const capture of this.#captures) capture.stop();
        this.#probes = [];
        this.#captures = [];
    }

    #start(address: string): Prober {
        return this.#tools.startProber({address, intervalUs: this.#intervalUs});
    }

    /**
     * The next lap starts before the last one is read, so that there is no instant without pings.
     * The very last pings of a lap are left out of it when they have no answer yet: their answers
     * may be on the way. Two laps never differ by more than that.
     */
    #lap(): NamedSummaries {
        const now = this.#tools.now();
        return this.#probes.map((probe) => {
            const ended = probe.prober;
            probe.prober = this.#start(probe.address);
            const samples = ended.results();
            ended.stop();
            const settled = samples.filter(
                (sample) => sample.receivedAtUs !== null || sample.sentAtUs < now - settleUs,
            );
            probe.previous = settled.filter((sample) => sample.sentAtUs >= now - 2_000_000);
            probe.oldest = 0;
            return {name: probe.name, summary: summarize(settled)};
        });
    }
}
