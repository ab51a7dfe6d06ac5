/**
 * Snapshots and configurations for tests, and an Engine that does what a test tells it.
 */
import {
    type CarpConfig,
    type Config,
    defaultOptions,
    defaultSystem,
    Secret,
} from "../../src/core/config.ts";
import type {
    AdminAction,
    CarpdevSnapshot,
    DemotionSnapshot,
    Engine,
    EngineConfig,
    EngineEvent,
    EngineSnapshot,
    EngineStartOptions,
    PeerSnapshot,
    VhostSnapshot,
} from "../../src/core/engine.ts";

export const second = 1_000_000n;
/** The instant of every snapshot made here. */
export const now = 1000n * second;

export function carpConfig(change: Partial<CarpConfig> = {}): CarpConfig {
    return {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        advbase: 1,
        advskew: 0,
        pass: new Secret(new TextEncoder().encode("testpass")),
        addresses: [{family: 4, address: "192.168.1.1", prefixLength: 24}],
        peers: [],
        mac: "virtual",
        profile: "freebsd",
        enabled: true,
        group: "carp",
        upscript: "",
        downscript: "",
        xparam: "",
        ...change,
    };
}

export function config(change: Partial<Config> = {}): Config {
    return {
        options: defaultOptions,
        carp: [carpConfig()],
        tracks: [],
        system: defaultSystem,
        interfaces: [],
        ...change,
    };
}

export function peer(change: Partial<PeerSnapshot> = {}): PeerSnapshot {
    return {
        address: "192.168.1.3",
        advbase: 1,
        advskew: 0,
        demotion: 0,
        lastHeardAt: now - 400_000n,
        heard: 17,
        counterClass: "rising",
        ...change,
    };
}

export function vhost(change: Partial<VhostSnapshot> = {}): VhostSnapshot {
    return {
        name: "carp0",
        carpdev: "eth1",
        vhid: 1,
        state: "MASTER",
        enabled: true,
        handingOver: false,
        advbase: 1,
        advskew: 0,
        effectiveAdvskew: 0,
        group: "carp",
        demotion: 0,
        since: now - 60n * second,
        cause: "master timed out",
        nextAdvertisementAt: now + 400_000n,
        masterDownAt: null,
        master: null,
        peers: [],
        addresses: [{family: 4, address: "192.168.1.1", prefixLength: 24}],
        virtualMac: "00:00:5e:00:01:01",
        source4: "192.168.1.2",
        source6: "",
        transitions: 2,
        counters: {sent: 5},
        ...change,
    };
}

export function carpdev(change: Partial<CarpdevSnapshot> = {}): CarpdevSnapshot {
    return {
        carpdev: "eth1",
        ifindex: 3,
        present: true,
        adminUp: true,
        carrier: true,
        upAt: null,
        mac: "02:00:00:00:00:02",
        addresses: ["192.168.1.2/24"],
        counters: {received: 9},
        ...change,
    };
}

export function snapshot(change: Partial<EngineSnapshot> = {}): EngineSnapshot {
    return {
        at: now,
        demotion: 0,
        demotionReasons: [],
        vhosts: [vhost()],
        carpdevs: [carpdev()],
        balance: [],
        linkTracks: [],
        scheduling: {
            scheduler: "SCHED_FIFO 50",
            realtime: true,
            memory: "memory locked",
            memoryLocked: true,
            lateCount: 1,
            lateMeanUs: 2,
            lateMaxUs: 3,
            lateP99Us: 3,
        },
        ...change,
    };
}

/** A snapshot in which these reasons hold, with the sums that follow from them. */
export function withDemotion(
    of: EngineSnapshot,
    demotionReasons: readonly DemotionSnapshot[],
): EngineSnapshot {
    const sum = (group: string | null): number =>
        demotionReasons
            .filter(({groups}) => group === null || groups === "" || groups === group)
            .reduce((total, {level}) => total + level, 0);
    const vhosts = of.vhosts.map((one) => ({...one, demotion: sum(one.group)}));
    return {...of, demotionReasons, demotion: sum(null), vhosts};
}

/** Does what a test tells it and keeps what it was told. */
export class ScriptedEngine implements Engine {
    readonly calls: string[] = [];
    readonly configurations: EngineConfig[] = [];
    current = snapshot();
    /** Runs in place of an answer; may throw or wait. */
    onConfigure: (config: EngineConfig) => Promise<void> = () => Promise.resolve();
    onAdmin: () => Promise<void> = () => Promise.resolve();
    onSnapshot: () => Promise<EngineSnapshot> = () => Promise.resolve(this.current);
    onStop: () => Promise<void> = () => Promise.resolve();
    #emit: (event: EngineEvent) => void = () => undefined;

    start(_options: EngineStartOptions, onEvent: (event: EngineEvent) => void): void {
        this.calls.push("start");
        this.#emit = onEvent;
    }

    emit(event: EngineEvent): void {
        this.#emit(event);
    }

    configure(next: EngineConfig): Promise<void> {
        this.calls.push("configure");
        this.configurations.push(next);
        return this.onConfigure(next);
    }

    admin(name: string, action: AdminAction): Promise<void> {
        this.calls.push(`admin ${name} ${action}`);
        return this.onAdmin();
    }

    /** As the engine does it: the snapshots after this one show the reason and the sums. */
    setDemotion(reason: string, level: number, group: string): Promise<void> {
        this.calls.push(`demotion ${reason} ${level}${group === "" ? "" : ` ${group}`}`);
        const others = this.current.demotionReasons.filter((other) => other.reason !== reason);
        const added = {reason, level, since: this.current.at, groups: group};
        this.current = withDemotion(this.current, level === 0 ? others : [...others, added]);
        return Promise.resolve();
    }

    snapshot(): Promise<EngineSnapshot> {
        this.calls.push("snapshot");
        return this.onSnapshot();
    }

    stop(): Promise<void> {
        this.calls.push("stop");
        return this.onStop();
    }
}

/** Polls until `condition` holds; fails after `limitMs`. */
export async function until(condition: () => boolean, what: string, limitMs = 5000): Promise<void> {
    const end = performance.now() + limitMs;
    while (!condition()) {
        if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
    }
}
