/**
 * Hooks: when the programs of a vhid run, and with which arguments and environment. Pure; main
 * thread.
 *
 * One vhid has at most one run at a time. What happens meanwhile is a level, not a list: the latest
 * state waits, the ones between are dropped and counted, and the run that follows says so. A hook
 * that brings the host from any state to the one that it is given needs no more than that.
 * upscript and downscript, which undo each other, alternate strictly whatever was dropped.
 */
import {formatVip} from "./address.ts";
import type {CarpConfig} from "./config.ts";
import type {EngineEvent, VhostState} from "./engine.ts";

/** A vhid's change of state, as an event tells it or as a snapshot shows it. */
export type StateChange = Omit<Extract<EngineEvent, {kind: "vhostState"}>, "kind" | "at">;

/** A change that the hooks are to be told. */
export type ToldChange = StateChange & {
    /** The host's demotion at that time: the sum over all reasons, not clamped. */
    readonly demotion: number;
};

/** "1@eth1": FreeBSD's devd subsystem and the first argument of OPNsense's hooks. */
export function subjectOf(vhost: {readonly vhid: number; readonly carpdev: string}): string {
    return `${vhost.vhid}@${vhost.carpdev}`;
}

export type ScriptKind = "up" | "down";

/** What is to be run now for one vhid. */
export interface HookJob<T> {
    readonly key: string;
    readonly change: T;
    /** How many changes before this one were never told. */
    readonly dropped: number;
    /** Which of upscript and downscript follow, in this order. */
    readonly scripts: readonly ScriptKind[];
}

interface Waiting<T> {
    readonly change: T;
    readonly dropped: number;
}

/** Which vhid's hooks run next. T carries the state that was told. */
export class HookQueue<T extends {readonly to: VhostState}> {
    readonly #most: number;
    /** In the order in which they began to wait. */
    readonly #waiting = new Map<string, Waiting<T>>();
    readonly #running = new Set<string>();
    /** Where upscript was called for and downscript not yet. */
    readonly #up = new Set<string>();

    /** At most `most` vhids have a run at the same time. */
    constructor(most: number) {
        this.#most = most;
    }

    get running(): number {
        return this.#running.size;
    }

    get waiting(): number {
        return this.#waiting.size;
    }

    get idle(): boolean {
        return this.#running.size === 0 && this.#waiting.size === 0;
    }

    /** Whether anything of this vhid runs, waits or is to be undone. */
    holds(key: string): boolean {
        return this.#running.has(key) || this.#waiting.has(key) || this.#up.has(key);
    }

    /** The result is the change whose place this one took, null when none waited. */
    tell(key: string, change: T): T | null {
        const before = this.#waiting.get(key);
        // A replaced change keeps its place in the line: who changes often does not starve.
        this.#waiting.set(key, {change, dropped: before === undefined ? 0 : before.dropped + 1});
        return before?.change ?? null;
    }

    /** A run that may begin now; the caller says `done` at its end. null: none may. */
    next(): HookJob<T> | null {
        if (this.#running.size >= this.#most) return null;
        for (const [key, {change, dropped}] of this.#waiting) {
            if (this.#running.has(key)) continue;
            this.#waiting.delete(key);
            this.#running.add(key);
            return {key, change, dropped, scripts: this.#turn(key, change.to)};
        }
        return null;
    }

    done(key: string): void {
        this.#running.delete(key);
    }

    /** Nothing more is to be begun; the result is what will never be told. */
    clear(): readonly T[] {
        const changes = [...this.#waiting.values()].map(({change}) => change);
        this.#waiting.clear();
        return changes;
    }

    #turn(key: string, to: VhostState): readonly ScriptKind[] {
        const was = this.#up.has(key);
        if (to === "MASTER") {
            this.#up.add(key);
            // MASTER again after a BACKUP that was dropped: the addresses were away for a moment.
            return was ? ["down", "up"] : ["up"];
        }
        this.#up.delete(key);
        return was ? ["down"] : [];
    }
}

/** A program of the configuration, not of hooks.d. */
export interface HookScript {
    readonly path: string;
    readonly args: readonly string[];
}

/** Everything that is run for one change of one vhid, one program after the other. */
export interface HookRun {
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    readonly state: VhostState;
    /** Arguments of every program in hooks.d. */
    readonly args: readonly string[];
    /** The whole environment: nothing of the daemon's own is inherited. */
    readonly environment: Readonly<Record<string, string>>;
    /** Run after hooks.d. */
    readonly scripts: readonly HookScript[];
    /** For each program, milliseconds. */
    readonly limitMs: number;
}

/** What a login shell of root has on Debian: hooks call ip, systemctl, conntrackd by name. */
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function hookEnvironment(
    change: ToldChange,
    carp: CarpConfig | null,
): Readonly<Record<string, string>> {
    return {
        PATH: searchPath,
        HOME: "/root",
        CARP_NAME: change.name,
        CARP_VHID: String(change.vhid),
        CARP_CARPDEV: change.carpdev,
        CARP_STATE: change.to,
        CARP_FROM: change.from,
        CARP_CAUSE: change.cause,
        CARP_PEER: change.peer,
        CARP_ADDRESSES: (carp?.addresses ?? []).map(formatVip).join(" "),
        CARP_GROUP: carp?.group ?? "",
        CARP_DEMOTION: String(change.demotion),
    };
}

/** ucarp's arguments (spec 9.1): interface, first virtual address without prefix, xparam if any. */
function scriptOf(kind: ScriptKind, carp: CarpConfig): readonly HookScript[] {
    const path = kind === "up" ? carp.upscript : carp.downscript;
    if (path === "") return [];
    const address = carp.addresses[0]?.address ?? "";
    return [{path, args: [carp.carpdev, address, ...(carp.xparam === "" ? [] : [carp.xparam])]}];
}

/** `carp`: null when the configuration does not know the vhid any more. */
export function hookRun(
    job: HookJob<ToldChange>,
    carp: CarpConfig | null,
    limitMs: number,
): HookRun {
    const {name, carpdev, vhid, to} = job.change;
    return {
        name,
        carpdev,
        vhid,
        state: to,
        args: [subjectOf(job.change), to],
        environment: hookEnvironment(job.change, carp),
        scripts: carp === null ? [] : job.scripts.flatMap((kind) => scriptOf(kind, carp)),
        limitMs,
    };
}

/**
 * The programs of hooks.d that may be named so: run-parts(8)'s rule, letters, digits, "-" and "_".
 * A dot would let editors' and dpkg's copies (10-vpn.bak, 10-vpn.dpkg-old) run beside the original.
 */
export function isHookName(name: string): boolean {
    return /^[A-Za-z0-9_-]+$/u.test(name);
}

/** The order of the C locale: by octet, so that it is the same on every host. */
export function byOctets(a: string, b: string): number {
    return a < b ? -1 : a > b ? 1 : 0;
}
