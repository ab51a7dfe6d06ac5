/**
 * The lab's network in memory: the same core as carpd's engine, on virtual time. Main thread.
 *
 * For machines that refuse namespaces. The hosts read the shipped configuration files with carpd's
 * own reader; frames, elections and hand-overs are the core's. There is no kernel in it and no
 * carpd process: a killed daemon's addresses are gone because the simulator says so.
 */
import {closeSync, openSync, writeSync} from "node:fs";
import {join} from "node:path";
import type {HostView, LabNetwork} from "../../app/lab/network.ts";
import {type BalanceIndex, balanceAnswer, foldBalance} from "../../core/balance.ts";
import type {Config} from "../../core/config.ts";
import {toEngineConfig} from "../../core/config-engine.ts";
import type {EngineSnapshot} from "../../core/engine.ts";
import {slotUs} from "../../core/lab/agent-protocol.ts";
import {
    type ProbeSample,
    type ProbeSummary,
    type StripSlot,
    stripOf,
    summarize,
} from "../../core/lab/arithmetic.ts";
import {type Heard, hear, PcapReader} from "../../core/lab/capture.ts";
import type {HostSpec, NetworkSpec} from "../../core/lab/scenario.ts";
import {EventLines} from "../../core/log-events.ts";
import type {BalanceAnswer, BalanceStatus, CarpStatus} from "../../core/status.ts";
import {type FoldInput, foldCarp} from "../../core/status-fold.ts";
import {loadConfig} from "../config-files.ts";
import type {Simulation} from "../simulation-adapter.ts";

export interface SimulatedNetworkOptions {
    readonly spec: NetworkSpec;
    /** The folder that `HostSpec.config` is relative to. */
    readonly scenarios: string;
    readonly simulation: Simulation;
    /** The engine's arithmetic, for `balance which`. */
    readonly balanceIndex: BalanceIndex;
    /** Where its clock begins, so that the parts of one story have one time line. */
    readonly startAtUs: number;
    /** In step with the wall clock, for people; else as fast as it can be computed. */
    readonly paced: boolean;
    /** false: nobody looks at strips. */
    readonly live: boolean;
    /** Every frame of every segment is written to `<folder>/<prefix><segment>.pcap`. */
    readonly pcap: {readonly folder: string; readonly prefix: string} | null;
}

interface Host {
    readonly spec: HostSpec;
    readonly id: number;
    readonly config: Config;
    /** Cables that somebody pulled, by interface. */
    readonly pulled: Set<string>;
    powered: boolean;
    running: boolean;
    lines: EventLines;
    log: string[];
}

/** What is done with a segment's frames. */
interface Recording {
    readonly name: string;
    readonly segment: number;
    /** null: they are not written down. */
    readonly file: number | null;
    readonly reader: PcapReader;
    /** What nobody has asked for yet. */
    heard: Heard[];
}

interface Probe {
    readonly name: string;
    readonly id: number;
    /** The first sequence of this lap. */
    lapFirst: number;
    readonly slots: Map<number, StripSlot>;
    /** The first sequence that a strip may still change. */
    stripFirst: number;
}

/** Pings younger than this may still be answered; the simulated wires take far less. */
const settleUs = 20_000;
/** Slots kept for the screen: more than it is wide. */
const stripLength = 200;
const logLines = 12;
/** A series of pings that never sends its second one: the longest interval there is. */
const onceUs = 60_000_000;

export class SimulatedNetwork implements LabNetwork {
    readonly kind = "simulation";
    readonly spec: NetworkSpec;
    readonly slotUs = slotUs;
    readonly #options: SimulatedNetworkOptions;
    readonly #simulation: Simulation;
    readonly #hosts = new Map<string, Host>();
    readonly hasIpv6 = true;
    /** By name and family: a simulated client has one address. */
    readonly #clients = new Map<string, number>();
    readonly #probes: Probe[] = [];
    readonly #recordings: Recording[] = [];
    #askers = 0;
    /** Wall clock minus virtual clock, ms, while it keeps up. */
    readonly #paceMs: number;

    /** Throws what is wrong with a configuration file, in carpd's own words. */
    constructor(options: SimulatedNetworkOptions) {
        this.#options = options;
        this.spec = options.spec;
        this.#simulation = options.simulation;
        for (const segment of options.spec.segments) {
            const id = this.#simulation.addSegment();
            if (options.pcap !== null || options.spec.listens) this.#record(segment, id);
        }
        for (const host of options.spec.hosts) this.#build(host);
        this.#simulation.runFor(options.startAtUs);
        this.#paceMs = performance.now() - this.now() / 1000;
    }

    now(): number {
        return this.#simulation.now();
    }

    async pass(ms: number): Promise<void> {
        this.#simulation.runFor(Math.ceil(ms * 1000));
        this.#collect();
        if (!this.#options.paced) return;
        const aheadMs = this.now() / 1000 + this.#paceMs - performance.now();
        if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    }

    start(name: string): Promise<void> {
        const host = this.#host(name);
        host.powered = true;
        for (const {ifname} of host.spec.links) {
            this.#simulation.setPlugged(host.id, ifname, !host.pulled.has(ifname));
        }
        host.lines = new EventLines();
        host.log = [];
        this.#simulation.boot(host.id);
        host.running = true;
        return Promise.resolve();
    }

    killDaemon(name: string): Promise<void> {
        const host = this.#host(name);
        this.#simulation.crash(host.id);
        host.running = false;
        return Promise.resolve();
    }

    async powerOff(name: string): Promise<void> {
        const host = this.#host(name);
        if (host.running) await this.killDaemon(name);
        for (const {ifname} of host.spec.links) {
            this.#simulation.setPlugged(host.id, ifname, false);
        }
        host.powered = false;
    }

    pullCable(name: string, ifname: string): Promise<void> {
        const host = this.#host(name);
        host.pulled.add(ifname);
        this.#simulation.setPlugged(host.id, ifname, false);
        return Promise.resolve();
    }

    plugCable(name: string, ifname: string): Promise<void> {
        const host = this.#host(name);
        host.pulled.delete(ifname);
        this.#simulation.setPlugged(host.id, ifname, host.powered);
        return Promise.resolve();
    }

    async admin(name: string, carp: string, action: "up" | "down"): Promise<void> {
        const host = this.#host(name);
        if (!this.#simulation.admin(host.id, carp, action)) {
            throw new Error(`${name}: ${carp} ${action} was refused`);
        }
        const handsOver = () =>
            this.#simulation
                .snapshot(host.id)
                ?.vhosts.some((vhost) => vhost.name === carp && vhost.handingOver) ?? false;
        while (handsOver()) await this.pass(1);
    }

    carp(name: string): Promise<readonly CarpStatus[] | null> {
        const host = this.#host(name);
        const snapshot = this.#simulation.snapshot(host.id);
        return Promise.resolve(snapshot === null ? null : statusOf(snapshot, host.config));
    }

    demotion(name: string) {
        return Promise.resolve(this.#input(name)?.snapshot.demotionReasons ?? null);
    }

    balance(name: string): Promise<readonly BalanceStatus[] | null> {
        const input = this.#input(name);
        return Promise.resolve(input === null ? null : foldBalance(input));
    }

    balanceWhich(name: string, client: string, address: string): Promise<BalanceAnswer | null> {
        const input = this.#input(name);
        if (input === null) return Promise.resolve(null);
        const answer = balanceAnswer(input, client, address, this.#options.balanceIndex);
        return Promise.resolve(answer.ok ? answer.value : null);
    }

    async view(name: string): Promise<HostView> {
        const {powered, pulled, spec} = this.#host(name);
        return {
            name,
            powered,
            carp: await this.carp(name),
            ports: spec.links.map(({ifname}) => ({
                ifname,
                carrier: powered && !pulled.has(ifname),
            })),
        };
    }

    masterSinceUs(name: string, carp: string): number | null {
        const snapshot = this.#simulation.snapshot(this.#host(name).id);
        const vhost = snapshot?.vhosts.find((candidate) => candidate.name === carp);
        return vhost?.state === "MASTER" ? Number(vhost.since) : null;
    }

    neighbourMac(name: string, address: string): Promise<string | null> {
        const client = this.#client(name, address);
        return Promise.resolve(this.#simulation.neighbour(client, address));
    }

    /**
     * A simulated client never forgets. So somebody else asks, once: a machine that has just been
     * plugged in with the client's address, and a MAC of its own.
     */
    ask(name: string, address: string): Promise<void> {
        const link = this.spec.hosts.find((host) => host.name === name)?.links[0];
        const own = link?.addresses.find((text) => familyOf(text) === familyOf(address));
        if (link === undefined || own === undefined) throw new Error(`no client ${name}`);
        this.#askers += 1;
        const number = this.#askers.toString(16).padStart(4, "0");
        const mac = `02:0a:00:00:${number.slice(0, 2)}:${number.slice(2)}`;
        const client = this.#addClient(link.segment, mac, own, "");
        this.#simulation.ping(client, address, onceUs);
        return Promise.resolve();
    }

    heard(segment: string): Promise<readonly Heard[]> {
        this.#collect();
        const recording = this.#recordings.find(({name}) => name === segment);
        const heard = recording?.heard ?? [];
        if (recording !== undefined) recording.heard = [];
        return Promise.resolve(heard);
    }

    startProbes(): Promise<void> {
        for (const {name, from, address} of this.spec.probes) {
            const id = this.#simulation.ping(
                this.#client(from, address),
                address,
                this.spec.pingIntervalUs,
            );
            this.#probes.push({name, id, lapFirst: 0, slots: new Map(), stripFirst: 0});
        }
        return Promise.resolve();
    }

    /** A ping that may still be answered belongs to the next lap, as do those after it. */
    lap(): Promise<ReadonlyMap<string, ProbeSummary>> {
        const settled = (sample: ProbeSample) =>
            sample.receivedAtUs !== null || sample.sentAtUs <= this.now() - settleUs;
        const laps = new Map<string, ProbeSummary>();
        for (const probe of this.#probes) {
            const samples = this.#simulation.pingResults(probe.id, probe.lapFirst);
            const open = samples.findIndex((sample) => !settled(sample));
            const ended = open < 0 ? samples : samples.slice(0, open);
            probe.lapFirst += ended.length;
            laps.set(probe.name, summarize(ended));
        }
        return Promise.resolve(laps);
    }

    strips(): ReadonlyMap<string, readonly StripSlot[]> {
        if (!this.#options.live) return new Map();
        return new Map(
            this.#probes.map((probe): [string, readonly StripSlot[]] => [
                probe.name,
                this.#strip(probe),
            ]),
        );
    }

    logTail(name: string): string {
        return this.#hosts.get(name)?.log.join("\n") ?? "";
    }

    /** Rejects when a rule that holds in every run was broken. */
    close(): Promise<void> {
        this.#collect();
        for (const {file} of this.#recordings) if (file !== null) closeSync(file);
        this.#recordings.length = 0;
        const [first, ...more] = this.#simulation.violations();
        if (first === undefined) return Promise.resolve();
        return Promise.reject(
            new Error(`the core broke a rule: ${first} (and ${more.length} more)`),
        );
    }

    #build(spec: HostSpec): void {
        const links = spec.links.map((link) => ({
            name: link.ifname,
            segment: this.spec.segments.indexOf(link.segment),
            mac: link.mac,
            addresses: link.addresses,
        }));
        const [link] = spec.links;
        if (spec.config !== null) {
            const path = join(this.#options.scenarios, spec.config);
            const loaded = loadConfig(path);
            if (!loaded.ok) throw new Error(loaded.error.text);
            const {config} = loaded.value;
            const id = this.#simulation.addHost(toEngineConfig(config, 0n), links);
            this.#hosts.set(spec.name, {
                spec,
                id,
                config,
                pulled: new Set(),
                powered: false,
                running: false,
                lines: new EventLines(),
                log: [],
            });
        } else if (link !== undefined) {
            for (const address of link.addresses) {
                // Each address is a client with a cable of its own, so it needs a MAC of its own.
                const family = familyOf(address);
                const mac = family === 4 ? link.mac : link.mac.replace(/^02:00/u, "02:06");
                const id = this.#addClient(link.segment, mac, address, spec.gateway ?? "");
                this.#clients.set(`${spec.name} ${family}`, id);
            }
        }
    }

    #addClient(name: string, mac: string, address: string, gateway: string): number {
        const segment = this.spec.segments.indexOf(name);
        return this.#simulation.addClient({segment, mac, address, gateway});
    }

    #record(name: string, segment: number): void {
        const {pcap} = this.#options;
        const path = pcap === null ? "" : join(pcap.folder, `${pcap.prefix}${name}.pcap`);
        const file = pcap === null ? null : openSync(path, "w");
        this.#simulation.startCapture(segment);
        this.#recordings.push({name, segment, file, reader: new PcapReader(), heard: []});
    }

    /** Takes what has come together: frames to the disk, events to the hosts' logs. */
    #collect(): void {
        for (const recording of this.#recordings) {
            const octets = this.#simulation.takeCapture(recording.segment);
            const {file, reader} = recording;
            for (let at = 0; file !== null && at < octets.length; ) {
                at += writeSync(file, octets, at);
            }
            if (!this.spec.listens) continue;
            const heard = reader.push(octets).map(hear);
            recording.heard.push(...heard.filter((frame) => frame !== null));
        }
        for (const {host: id, event} of this.#simulation.events()) {
            const host = [...this.#hosts.values()].find((candidate) => candidate.id === id);
            const record = host?.lines.record(event);
            if (host === undefined || record === undefined || record === null) continue;
            const at = (Number(event.at) / 1_000_000).toFixed(6);
            host.log = [...host.log, `${at} ${record.text}`].slice(-logLines);
        }
    }

    #strip(probe: Probe): readonly StripSlot[] {
        const open = Math.floor((this.now() - settleUs) / slotUs);
        const samples = this.#simulation.pingResults(probe.id, probe.stripFirst);
        for (const slot of stripOf(samples, slotUs)) probe.slots.set(slot.slot, slot);
        const still = samples.findIndex(({sentAtUs}) => Math.floor(sentAtUs / slotUs) >= open);
        probe.stripFirst += still < 0 ? 0 : still;
        for (const slot of [...probe.slots.keys()]) {
            if (slot < open - stripLength) probe.slots.delete(slot);
        }
        return [...probe.slots.values()];
    }

    #host(name: string): Host {
        const host = this.#hosts.get(name);
        if (host === undefined) throw new Error(`no host ${name} that runs carpd`);
        return host;
    }

    /** null: the host runs no carpd. */
    #input(name: string): FoldInput | null {
        const {id, config} = this.#host(name);
        const snapshot = this.#simulation.snapshot(id);
        return snapshot === null ? null : {snapshot, config, wallOffsetUs: 0n};
    }

    #client(name: string, address: string): number {
        const client = this.#clients.get(`${name} ${familyOf(address)}`);
        if (client === undefined) throw new Error(`no client ${name} that asks for ${address}`);
        return client;
    }
}

const familyOf = (address: string): 4 | 6 => (address.includes(":") ? 6 : 4);

/** As the daemon would say it, but with microseconds where it rounds to milliseconds. */
function statusOf(snapshot: EngineSnapshot, config: Config): readonly CarpStatus[] {
    const carps = foldCarp({snapshot, config, wallOffsetUs: 0n});
    return carps.map((carp, index) => {
        const heard = snapshot.vhosts[index]?.master;
        if (carp.master === null || heard === undefined || heard === null) return carp;
        const lastHeardMs = Number(snapshot.at - heard.lastHeardAt) / 1000;
        return {...carp, master: {...carp.master, lastHeardMs}};
    });
}
