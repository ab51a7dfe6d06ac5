/**
 * The native engine behind the `Engine` interface: commands get sequence numbers and promises,
 * messages are put together into events and snapshots.
 *
 * The doorbell carries nothing and may coalesce, so each ring drains everything.
 */

import type {Vip} from "../core/config.ts";
import {
    type AdminAction,
    type BalanceSnapshot,
    type CarpdevSnapshot,
    type DemotionSnapshot,
    type Engine,
    type EngineConfig,
    EngineError,
    type EngineEvent,
    type EngineSnapshot,
    type EngineStartOptions,
    type EngineVhost,
    type LinkTrackSnapshot,
    type SchedulingSnapshot,
    type VhostSnapshot,
} from "../core/engine.ts";
import {errnoName} from "./system-error.ts";

export interface NativeStatus {
    readonly op: string;
    readonly target: string;
    readonly errno: number;
}

interface NativeFault extends NativeStatus {
    /** "" on success. */
    readonly code: string;
}

type NativeVhost = Omit<VhostSnapshot, "addresses">;

/** Events as native/binding/messages.cc makes them: it has no names for errno values. */
type NativeEvent =
    | Exclude<EngineEvent, {kind: "fault"}>
    | Omit<Extract<EngineEvent, {kind: "fault"}>, "error">;

type NativeMessage =
    | {readonly type: "event"; readonly event: NativeEvent}
    | {readonly type: "done"; readonly sequence: number; readonly error: NativeFault}
    | {readonly type: "vhost"; readonly sequence: number; readonly vhost: NativeVhost}
    | {readonly type: "carpdev"; readonly sequence: number; readonly carpdev: CarpdevSnapshot}
    | {readonly type: "demotion"; readonly sequence: number; readonly demotion: DemotionSnapshot}
    | {readonly type: "balance"; readonly sequence: number; readonly balance: BalanceSnapshot}
    | {readonly type: "track"; readonly sequence: number; readonly track: LinkTrackSnapshot}
    | {
          readonly type: "end";
          readonly sequence: number;
          readonly at: bigint;
          readonly end: {readonly demotion: number; readonly scheduling: SchedulingSnapshot};
      }
    | {readonly type: "stopped"};

type NativeVhostConfig = Omit<EngineVhost, "addresses"> & {
    /** With prefix length. */
    readonly addresses: readonly string[];
};

export interface NativeEngine {
    start(options: EngineStartOptions, doorbell: () => void): NativeStatus | null;
    configure(
        sequence: number,
        config: Omit<EngineConfig, "vhosts"> & {readonly vhosts: readonly NativeVhostConfig[]},
    ): boolean;
    admin(sequence: number, name: string, action: AdminAction): boolean;
    demotion(sequence: number, reason: string, level: number, group: string): boolean;
    snapshot(sequence: number): boolean;
    stop(): boolean;
    drain(): NativeMessage[];
    close(): void;
}

interface Waiter {
    readonly resolve: () => void;
    readonly reject: (error: EngineError) => void;
}

const messages: Readonly<Record<string, string>> = {
    NOT_FOUND: "there is no carp interface of this name",
    IN_INIT: "the carp interface is in INIT: it is down, or its carpdev is",
    TOO_MANY_REASONS: "there are too many reasons of demotion",
    NO_SUCH_GROUP: "no carp interface is in this group",
    SUPERSEDED: "a later configuration came before this one was applied",
    BUSY: "the engine is busy with another snapshot",
    ENGINE_QUEUE_FULL: "the engine takes no more commands",
    ENGINE_STOPPED: "the engine has stopped",
};

function failure(code: string, op: string, target: string, errno: number): EngineError {
    const words = messages[code] ?? (errno === 0 ? code : errnoName(errno));
    const where = target === "" ? "" : `${target}: `;
    return new EngineError(code, op, target, errno, `${where}${words}`);
}

const vipText = (vip: Vip): string => `${vip.address}/${vip.prefixLength}`;

export class EngineAdapter implements Engine {
    readonly #native: NativeEngine;
    readonly #waiters = new Map<number, Waiter>();
    /** Addresses do not come back from the engine: these are the ones it was given. */
    #addresses = new Map<string, readonly Vip[]>();
    #sequence = 0;
    #onEvent: (event: EngineEvent) => void = () => undefined;
    #running = false;
    #stopped: (() => void) | null = null;
    #snapshot: Promise<EngineSnapshot> | null = null;
    #vhosts: NativeVhost[] = [];
    #carpdevs: CarpdevSnapshot[] = [];
    #demotions: DemotionSnapshot[] = [];
    #balance: BalanceSnapshot[] = [];
    #linkTracks: LinkTrackSnapshot[] = [];
    #finished: EngineSnapshot | null = null;

    constructor(native: NativeEngine) {
        this.#native = native;
    }

    start(options: EngineStartOptions, onEvent: (event: EngineEvent) => void): void {
        this.#onEvent = onEvent;
        const failed = this.#native.start(options, () => this.#drain());
        if (failed !== null) {
            throw failure("ENGINE_START", failed.op, failed.target, failed.errno);
        }
        this.#running = true;
    }

    async configure(config: EngineConfig): Promise<void> {
        const vhosts = config.vhosts.map((v) => ({...v, addresses: v.addresses.map(vipText)}));
        await this.#command("configure", "", (n) => this.#native.configure(n, {...config, vhosts}));
        this.#addresses = new Map(config.vhosts.map((v) => [v.name, v.addresses]));
    }

    admin(name: string, action: AdminAction): Promise<void> {
        return this.#command(action, name, (n) => this.#native.admin(n, name, action));
    }

    setDemotion(reason: string, level: number, group: string): Promise<void> {
        return this.#command("demote", reason, (n) =>
            this.#native.demotion(n, reason, level, group),
        );
    }

    /** Callers at the same time share one. */
    snapshot(): Promise<EngineSnapshot> {
        this.#snapshot ??= this.#takeSnapshot().finally(() => {
            this.#snapshot = null;
        });
        return this.#snapshot;
    }

    async #takeSnapshot(): Promise<EngineSnapshot> {
        this.#vhosts = [];
        this.#carpdevs = [];
        this.#demotions = [];
        this.#balance = [];
        this.#linkTracks = [];
        await this.#command("snapshot", "", (n) => this.#native.snapshot(n));
        const snapshot = this.#finished;
        if (snapshot === null) throw failure("ENGINE_STOPPED", "snapshot", "", 0);
        return snapshot;
    }

    stop(): Promise<void> {
        if (!this.#running) return Promise.resolve();
        return new Promise((resolve, reject) => {
            this.#stopped = resolve;
            if (!this.#native.stop()) reject(failure("ENGINE_QUEUE_FULL", "stop", "", 0));
        });
    }

    #command(op: string, target: string, submit: (sequence: number) => boolean): Promise<void> {
        if (!this.#running) return Promise.reject(failure("ENGINE_STOPPED", op, target, 0));
        this.#sequence = (this.#sequence + 1) % 0x1_0000_0000;
        const sequence = this.#sequence;
        return new Promise((resolve, reject) => {
            this.#waiters.set(sequence, {resolve, reject});
            if (submit(sequence)) return;
            this.#waiters.delete(sequence);
            reject(failure("ENGINE_QUEUE_FULL", op, target, 0));
        });
    }

    #drain(): void {
        for (let taken = this.#native.drain(); taken.length > 0; taken = this.#native.drain()) {
            for (const message of taken) this.#take(message);
        }
    }

    #take(message: NativeMessage): void {
        switch (message.type) {
            case "event":
                this.#onEvent(
                    message.event.kind === "fault"
                        ? {...message.event, error: errnoName(message.event.errno)}
                        : message.event,
                );
                break;
            case "done":
                this.#answer(message.sequence, message.error);
                break;
            case "vhost":
                this.#vhosts.push(message.vhost);
                break;
            case "carpdev":
                this.#carpdevs.push(message.carpdev);
                break;
            case "demotion":
                this.#demotions.push(message.demotion);
                break;
            case "balance":
                this.#balance.push(message.balance);
                break;
            case "track":
                this.#linkTracks.push(message.track);
                break;
            case "end":
                this.#finished = {
                    at: message.at,
                    demotion: message.end.demotion,
                    demotionReasons: this.#demotions,
                    vhosts: this.#vhosts.map((vhost) => ({
                        ...vhost,
                        addresses: this.#addresses.get(vhost.name) ?? [],
                    })),
                    carpdevs: this.#carpdevs,
                    balance: this.#balance,
                    linkTracks: this.#linkTracks,
                    scheduling: message.end.scheduling,
                };
                this.#answer(message.sequence, null);
                break;
            case "stopped":
                this.#end();
                break;
        }
    }

    #answer(sequence: number, error: NativeFault | null): void {
        const waiter = this.#waiters.get(sequence);
        if (waiter === undefined) return;
        this.#waiters.delete(sequence);
        if (error === null || error.code === "") waiter.resolve();
        else waiter.reject(failure(error.code, error.op, error.target, error.errno));
    }

    #end(): void {
        this.#running = false;
        this.#native.close();
        for (const waiter of this.#waiters.values()) {
            waiter.reject(failure("ENGINE_STOPPED", "", "", 0));
        }
        this.#waiters.clear();
        this.#stopped?.();
    }
}
