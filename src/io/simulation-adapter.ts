/**
 * The addon's network on virtual time, typed: hosts that run the engine's own core, switches,
 * clients that ping. Nothing happens in it but in runFor(). Main thread.
 */
import type {Vip} from "../core/config.ts";
import type {
    AdminAction,
    EngineConfig,
    EngineEvent,
    EngineSnapshot,
    EngineVhost,
    SchedulingSnapshot,
    VhostSnapshot,
} from "../core/engine.ts";
import type {ProbeSample} from "../core/lab/arithmetic.ts";

/** An interface of a simulated host and the segment that its cable leads to. */
export interface SimulatedPort {
    readonly name: string;
    readonly segment: number;
    readonly mac: string;
    /** With prefix length. */
    readonly addresses: readonly string[];
}

export interface SimulatedClient {
    readonly segment: number;
    readonly mac: string;
    /** With prefix length. */
    readonly address: string;
    /** "": every destination is on the segment. */
    readonly gateway: string;
}

export interface SimulatedEvent {
    readonly host: number;
    readonly event: EngineEvent;
}

/** What it is asked wrongly (an unknown number or name) throws a RangeError. */
export interface Simulation {
    addSegment(): number;
    /** The host is off; boot() starts its carpd. */
    addHost(config: EngineConfig, ports: readonly SimulatedPort[]): number;
    addClient(client: SimulatedClient): number;

    boot(host: number): void;
    /** carpd and its addresses are gone at once, without a farewell. */
    crash(host: number): void;
    setPlugged(host: number, ifname: string, plugged: boolean): void;
    setAdminUp(host: number, ifname: string, up: boolean): void;
    /** False in INIT where the action needs a vhid that runs. */
    admin(host: number, name: string, action: AdminAction): boolean;
    /** null: the host is off. */
    snapshot(host: number): EngineSnapshot | null;
    /** What happened since the last call, oldest first. */
    events(): readonly SimulatedEvent[];

    /** Pings from now on; 1 us to 60 s between two of them. */
    ping(client: number, address: string, intervalUs: number): number;
    stopPing(ping: number): void;
    /** Pings of sequence `first` and later, oldest first. */
    pingResults(ping: number, first: number): readonly ProbeSample[];
    /** The MAC that the client would send to; null: it knows none. */
    neighbour(client: number, address: string): string | null;

    /** Keeps every frame that is put on the segment from now on. */
    startCapture(segment: number): void;
    /** The next octets of the segment's pcap file, its header first; times are virtual. */
    takeCapture(segment: number): Uint8Array;
    /** Rules that hold in every run (a BACKUP never uses the virtual MAC...) and were broken. */
    violations(): readonly string[];
    /** Everything that happens in the next `us` microseconds, at once. */
    runFor(us: number): void;
    /** Microseconds since the beginning. */
    now(): number;
}

type NativeVhost = Omit<EngineVhost, "addresses"> & {readonly addresses: readonly string[]};
type NativeConfig = Omit<EngineConfig, "vhosts"> & {readonly vhosts: readonly NativeVhost[]};
type NativeSnapshot = Omit<EngineSnapshot, "vhosts" | "scheduling" | "linkTracks"> & {
    readonly vhosts: readonly Omit<VhostSnapshot, "addresses">[];
};

export interface NativeSimulation extends Omit<Simulation, "addHost" | "snapshot"> {
    addHost(config: NativeConfig, ports: readonly SimulatedPort[]): number;
    snapshot(host: number): NativeSnapshot | null;
}

/** Virtual time is never late. */
const scheduling: SchedulingSnapshot = {
    scheduler: "virtual time",
    realtime: false,
    memory: "",
    memoryLocked: false,
    lateCount: 0,
    lateMeanUs: 0,
    lateMaxUs: 0,
    lateP99Us: 0,
};

const vipText = (vip: Vip): string => `${vip.address}/${vip.prefixLength}`;

export function adaptSimulation(native: NativeSimulation): Simulation {
    /** Addresses do not come back from the core: these are the ones it was given. */
    const addresses = new Map<number, ReadonlyMap<string, readonly Vip[]>>();
    return {
        addSegment: () => native.addSegment(),
        addHost(config, ports) {
            const vhosts = config.vhosts.map((v) => ({...v, addresses: v.addresses.map(vipText)}));
            const host = native.addHost({...config, vhosts}, ports);
            addresses.set(host, new Map(config.vhosts.map((v) => [v.name, v.addresses])));
            return host;
        },
        addClient: (client) => native.addClient(client),
        boot: (host) => native.boot(host),
        crash: (host) => native.crash(host),
        setPlugged: (host, ifname, plugged) => native.setPlugged(host, ifname, plugged),
        setAdminUp: (host, ifname, up) => native.setAdminUp(host, ifname, up),
        admin: (host, name, action) => native.admin(host, name, action),
        snapshot(host) {
            const snapshot = native.snapshot(host);
            if (snapshot === null) return null;
            const vhosts = snapshot.vhosts.map((vhost) => ({
                ...vhost,
                addresses: addresses.get(host)?.get(vhost.name) ?? [],
            }));
            return {...snapshot, vhosts, scheduling, linkTracks: []};
        },
        events: () => native.events(),
        ping: (client, address, intervalUs) => native.ping(client, address, intervalUs),
        stopPing: (ping) => native.stopPing(ping),
        pingResults: (ping, first) => native.pingResults(ping, first),
        neighbour: (client, address) => native.neighbour(client, address),
        startCapture: (segment) => native.startCapture(segment),
        takeCapture: (segment) => native.takeCapture(segment),
        violations: () => native.violations(),
        runFor: (us) => native.runFor(us),
        now: () => native.now(),
    };
}
