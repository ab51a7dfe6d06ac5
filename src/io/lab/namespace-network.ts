/** The lab's network on this kernel: namespaces, real carpd processes, real frames. Main thread. */
import {existsSync, mkdirSync} from "node:fs";
import {join} from "node:path";
import type {HostView, LabNetwork} from "../../app/lab/network.ts";
import {slotUs} from "../../core/lab/agent-protocol.ts";
import type {ProbeSummary, StripSlot} from "../../core/lab/arithmetic.ts";
import type {Heard} from "../../core/lab/capture.ts";
import type {HostSpec, NetworkSpec} from "../../core/lab/scenario.ts";
import type {BalanceAnswer, BalanceStatus, CarpStatus} from "../../core/status.ts";
import {AgentClient} from "./agent-client.ts";
import {CaptureTail} from "./capture-tail.ts";
import {
    askWhich,
    readBalance,
    readCarp,
    readDemotion,
    setMaintenance,
    setState,
} from "./control.ts";
import {HarnessError, type HostProcess, Lab, waitFor} from "./namespaces.ts";

export interface NamespaceNetworkOptions {
    readonly spec: NetworkSpec;
    /** The folder that `HostSpec.config` is relative to. */
    readonly scenarios: string;
    /** Below the lab's own /run. */
    readonly directory: string;
    /** node with its flags and the program to run; arguments follow. */
    readonly carpd: readonly string[];
    readonly agent: readonly string[];
    /** false: nobody looks at strips. */
    readonly live: boolean;
    /** Every frame of every segment is written to `<folder>/<prefix><segment>.pcap`. */
    readonly pcap: {readonly folder: string; readonly prefix: string} | null;
}

/** Starting node on a busy machine takes its time. */
const startDeadlineMs = 15_000;
/** Slots kept for the screen: more than it is wide. */
const stripLength = 200;

interface Daemon {
    readonly process: HostProcess;
    readonly socket: string;
}

export class NamespaceNetwork implements LabNetwork {
    readonly kind = "namespaces";
    readonly spec: NetworkSpec;
    readonly slotUs = slotUs;
    readonly #options: NamespaceNetworkOptions;
    readonly #lab: Lab;
    readonly #daemons = new Map<string, Daemon>();
    readonly #agents = new Map<string, AgentClient>();
    readonly #pulled = new Set<string>();
    readonly #strips = new Map<string, Map<number, StripSlot>>();
    readonly #captures = new Map<string, CaptureTail>();
    readonly hasIpv6 = existsSync("/proc/sys/net/ipv6");

    private constructor(options: NamespaceNetworkOptions) {
        this.spec = options.spec;
        this.#options = options;
        this.#lab = new Lab(options.directory);
        for (const segment of options.spec.segments) this.#lab.segment(segment);
        for (const host of options.spec.hosts) this.#build(host);
    }

    /** Builds hosts and cables; no carpd runs yet. */
    static async create(options: NamespaceNetworkOptions): Promise<NamespaceNetwork> {
        const network = new NamespaceNetwork(options);
        const own = {folder: options.directory, prefix: ""};
        if (options.pcap !== null) await network.#capture(options.pcap);
        else if (options.spec.listens) await network.#capture(own);
        return network;
    }

    now(): number {
        return Number(process.hrtime.bigint() / 1000n);
    }

    pass(ms: number): Promise<void> {
        return new Promise((resolve) => setTimeout(resolve, ms));
    }

    async start(name: string): Promise<void> {
        const spec = this.#hostSpec(name);
        if (spec.config === null) throw new HarnessError("UNKNOWN_NAME", `${name} runs no carpd`);
        const host = this.#lab.hosts.get(name) ?? this.#build(spec);
        const run = join(host.directory, "run");
        const state = join(host.directory, "state");
        mkdirSync(run, {recursive: true});
        mkdirSync(state, {recursive: true});
        const config = join(this.#options.scenarios, spec.config);
        const argv = ["--config", config, "--run-dir", run, "--state-dir", state];
        const started = host.spawn([...this.#options.carpd, ...argv], {logName: "carpd"});
        const socket = join(run, "control.sock");
        await waitFor(
            `carpd of ${name} to answer`,
            startDeadlineMs,
            async () => {
                if (!started.running) {
                    throw new HarnessError(
                        "COMMAND_FAILED",
                        `carpd of ${name} ended (${await started.exited}): ${started.log().trim().slice(-2000)}`,
                    );
                }
                return (await readCarp(socket)) ?? undefined;
            },
            () => started.log().trim().slice(-2000),
        );
        this.#daemons.set(name, {process: started, socket});
    }

    async killDaemon(name: string): Promise<void> {
        const daemon = this.#daemon(name);
        this.#daemons.delete(name);
        await daemon.process.kill("SIGKILL");
    }

    async powerOff(name: string): Promise<void> {
        this.#daemons.delete(name);
        await this.#lab.hosts.get(name)?.powerOff();
        this.#lab.hosts.delete(name);
    }

    pullCable(name: string, ifname: string): Promise<void> {
        this.#host(name).cable(ifname).pull();
        this.#pulled.add(`${name} ${ifname}`);
        return Promise.resolve();
    }

    plugCable(name: string, ifname: string): Promise<void> {
        this.#host(name).cable(ifname).plug();
        this.#pulled.delete(`${name} ${ifname}`);
        return Promise.resolve();
    }

    admin(name: string, carp: string, action: "up" | "down"): Promise<void> {
        return setState(this.#daemon(name).socket, carp, action);
    }

    setMaintenance(name: string, on: boolean): Promise<void> {
        return setMaintenance(this.#daemon(name).socket, on);
    }

    carp(name: string): Promise<readonly CarpStatus[] | null> {
        return this.#read(name, readCarp);
    }

    async demotion(name: string) {
        return (await this.#read(name, readDemotion))?.reasons ?? null;
    }

    balance(name: string): Promise<readonly BalanceStatus[] | null> {
        return this.#read(name, readBalance);
    }

    balanceWhich(name: string, client: string, address: string): Promise<BalanceAnswer | null> {
        return this.#read(name, (socket) => askWhich(socket, client, address));
    }

    async view(name: string): Promise<HostView> {
        const spec = this.#hostSpec(name);
        const powered = this.#lab.hosts.has(name);
        return {
            name,
            powered,
            carp: await this.carp(name),
            ports: spec.links.map(({ifname}) => ({
                ifname,
                carrier: powered && !this.#pulled.has(`${name} ${ifname}`),
            })),
        };
    }

    neighbourMac(name: string, address: string): Promise<string | null> {
        return Promise.resolve(this.#host(name).neighbourMac(address));
    }

    /** The entry goes; the next ping asks. */
    ask(name: string, address: string): Promise<void> {
        const host = this.#host(name);
        const entry = host.neighbours().find((candidate) => candidate.address === address);
        if (entry !== undefined) host.ip("neigh", "del", address, "dev", entry.ifname);
        return Promise.resolve();
    }

    heard(segment: string): Promise<readonly Heard[]> {
        // Captures carry the wall clock.
        const wallUs = (performance.timeOrigin + performance.now()) * 1000;
        const offsetUs = this.now() - wallUs;
        const heard = this.#captures.get(segment)?.read() ?? [];
        return Promise.resolve(
            heard.map((frame) => ({...frame, atUs: Math.round(frame.atUs + offsetUs)})),
        );
    }

    async startProbes(): Promise<void> {
        const hosts = [...new Set(this.#probes().map((probe) => probe.from))];
        const start = async (from: string) => {
            await this.#startAgent(from).ask({
                op: "probes",
                probes: this.#probes().filter((probe) => probe.from === from),
                intervalUs: this.spec.pingIntervalUs,
                live: this.#options.live,
            });
        };
        await Promise.all(hosts.map(start));
    }

    async lap(): Promise<ReadonlyMap<string, ProbeSummary>> {
        const laps = new Map<string, ProbeSummary>();
        const hosts = new Set(this.spec.probes.map((probe) => probe.from));
        const answers = await Promise.all(
            [...hosts].map(async (host) => await this.#agents.get(host)?.ask({op: "lap"})),
        );
        for (const answer of answers) {
            for (const {name, summary} of answer?.summaries ?? []) laps.set(name, summary);
        }
        return laps;
    }

    strips(): ReadonlyMap<string, readonly StripSlot[]> {
        return new Map(
            [...this.#strips].map(([name, slots]): [string, readonly StripSlot[]] => [
                name,
                [...slots.values()],
            ]),
        );
    }

    logTail(name: string): string {
        return (
            this.#daemons.get(name)?.process.log().trim().split("\n").slice(-12).join("\n") ?? ""
        );
    }

    /** Where a host's carpd has its control socket. */
    runDirectory(name: string): string {
        return join(this.#lab.directory, name, "run");
    }

    async close(): Promise<void> {
        // Agents first: they write out what they have captured.
        await Promise.all([...this.#agents.values()].map((agent) => agent.stop()));
        this.#agents.clear();
        this.#daemons.clear();
        for (const capture of this.#captures.values()) capture.close();
        this.#captures.clear();
        await this.#lab.destroy();
    }

    #build(spec: HostSpec) {
        const host = this.#lab.host(spec.name, {forward: spec.forward});
        for (const link of spec.links) {
            const addresses = link.addresses.filter((text) => this.#isPossible(text));
            host.connect(link.segment, {...link, addresses});
        }
        if (spec.gateway !== null) host.ip("route", "add", "default", "via", spec.gateway);
        return host;
    }

    #startAgent(name: string): AgentClient {
        const host = name === "" ? this.#lab.wireHost() : this.#host(name);
        const agent = new AgentClient(host, this.#options.agent, ({strips}) => {
            for (const strip of strips) this.#remember(strip.name, strip.slots);
        });
        this.#agents.set(name, agent);
        return agent;
    }

    async #capture(pcap: {readonly folder: string; readonly prefix: string}): Promise<void> {
        // One agent beside the bridges sees both segments.
        const agent = this.#startAgent("");
        for (const ifname of this.spec.segments) {
            // Else the bridge hands up only what it floods, and pings between hosts are not in it.
            this.#lab.wireHost().ip("link", "set", ifname, "promisc", "on");
            const path = join(pcap.folder, `${pcap.prefix}${ifname}.pcap`);
            await agent.ask({op: "capture", ifname, path});
            if (this.spec.listens) this.#captures.set(ifname, new CaptureTail(path));
        }
    }

    #remember(name: string, slots: readonly StripSlot[]): void {
        const known = this.#strips.get(name) ?? new Map<number, StripSlot>();
        for (const slot of slots) known.set(slot.slot, slot);
        const oldest = Math.max(...known.keys()) - stripLength;
        for (const slot of [...known.keys()]) if (slot < oldest) known.delete(slot);
        this.#strips.set(name, known);
    }

    #isPossible(address: string): boolean {
        return this.hasIpv6 || !address.includes(":");
    }

    #probes() {
        return this.spec.probes.filter(({address}) => this.#isPossible(address));
    }

    #read<T>(name: string, read: (socket: string) => Promise<T | null>): Promise<T | null> {
        const daemon = this.#daemons.get(name);
        return daemon === undefined ? Promise.resolve(null) : read(daemon.socket);
    }

    #hostSpec(name: string): HostSpec {
        const spec = this.spec.hosts.find((host) => host.name === name);
        if (spec === undefined) throw new HarnessError("UNKNOWN_NAME", `no host ${name}`);
        return spec;
    }

    #host(name: string) {
        const host = this.#lab.hosts.get(name);
        if (host === undefined) throw new HarnessError("UNKNOWN_NAME", `${name} is without power`);
        return host;
    }

    #daemon(name: string): Daemon {
        const daemon = this.#daemons.get(name);
        if (daemon === undefined) throw new HarnessError("UNKNOWN_NAME", `${name} runs no carpd`);
        return daemon;
    }
}
