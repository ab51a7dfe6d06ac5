/**
 * Snapshots and configurations for tests, and an Engine that does what a test tells it.
 */
import {type CarpConfig, type Config, defaultOptions, Secret} from "../../src/core/config.ts";
import type {
    AdminAction,
    CarpdevSnapshot,
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
        ...change,
    };
}

export function config(change: Partial<Config> = {}): Config {
    return {options: defaultOptions, carp: [carpConfig()], ...change};
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

    setDemotion(reason: string, level: number): Promise<void> {
        this.calls.push(`demotion ${reason} ${level}`);
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
