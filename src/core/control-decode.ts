/**
 * Replies of the daemon as typed values: the parser on carpctl's side. Pure.
 *
 * Checks what the printing code relies on, so that another version of the daemon gives a sentence
 * and not a crash. null: not what was expected.
 */
import type {WatchEvent} from "./control-protocol.ts";
import type {
    BalanceAnswer,
    BalanceStatus,
    CarpStatus,
    InterfaceStatus,
    MaintenanceStatus,
    StatisticsStatus,
    TrackStatus,
} from "./status.ts";
import type {DemotionChange, DemotionStatus, HostStatus} from "./status-fold.ts";

type Shape = Readonly<Record<string, "string" | "number" | "boolean" | "array" | "object">>;

function has(value: unknown, shape: Shape): boolean {
    if (typeof value !== "object" || value === null) return false;
    return Object.entries(shape).every(([key, kind]) => {
        const member: unknown = Reflect.get(value, key);
        if (kind === "array") return Array.isArray(member);
        return typeof member === kind && member !== null;
    });
}

function listOf<T>(value: unknown, shape: Shape): T[] | null {
    return Array.isArray(value) && value.every((item) => has(item, shape)) ? (value as T[]) : null;
}

const carpShape: Shape = {
    name: "string",
    carpdev: "string",
    vhid: "number",
    state: "string",
    handingOver: "boolean",
    enabled: "boolean",
    advbase: "number",
    advskew: "number",
    addresses: "array",
    peers: "array",
    virtualMac: "string",
    group: "string",
    since: "string",
    cause: "string",
    next: "string",
};

const masterShape: Shape = {
    address: "string",
    advbase: "number",
    advskew: "number",
    lastHeardMs: "number",
};

export function decodeCarps(body: unknown): CarpStatus[] | null {
    const list = listOf<CarpStatus>(body, carpShape);
    const mastersFit = list?.every((carp) => carp.master === null || has(carp.master, masterShape));
    return mastersFit === true ? list : null;
}

export function decodeHost(body: unknown): HostStatus | null {
    const shape: Shape = {
        version: "string",
        maintenance: "object",
        bootHoldSince: "string",
        preempt: "boolean",
        demotion: "number",
        scheduler: "string",
        realtime: "boolean",
        memory: "string",
        memoryLocked: "boolean",
    };
    if (!has(body, shape)) return null;
    const host = body as HostStatus;
    return decodeMaintenance(host.maintenance) === null ? null : host;
}

export function decodeInterfaces(body: unknown): InterfaceStatus[] | null {
    return listOf<InterfaceStatus>(body, {
        carpdev: "string",
        present: "boolean",
        adminUp: "boolean",
        carrier: "boolean",
        usedAt: "string",
        mac: "string",
        addresses: "array",
        vhids: "array",
    });
}

export function decodeStatistics(body: unknown): StatisticsStatus | null {
    if (!has(body, {carp: "array", carpdevs: "array", scheduling: "object"})) return null;
    const statistics = body as StatisticsStatus;
    const carpFits = listOf(statistics.carp, {name: "string", counters: "object"}) !== null;
    const devsFit = listOf(statistics.carpdevs, {carpdev: "string", counters: "object"}) !== null;
    return carpFits && devsFit ? statistics : null;
}

export function decodeDemotion(body: unknown): DemotionStatus | null {
    if (!has(body, {total: "number", onWire: "number", groups: "array", reasons: "array"})) {
        return null;
    }
    const demotion = body as DemotionStatus;
    const reason: Shape = {
        reason: "string",
        level: "number",
        groups: "string",
        since: "string",
        clears: "string",
    };
    const group: Shape = {group: "string", total: "number", onWire: "number"};
    const fits =
        listOf(demotion.reasons, reason) !== null && listOf(demotion.groups, group) !== null;
    return fits ? demotion : null;
}

export function decodeDemotionChange(body: unknown): DemotionChange | null {
    const shape: Shape = {before: "number", total: "number", reasons: "array", cleared: "array"};
    if (!has(body, shape)) return null;
    const change = body as DemotionChange;
    const fits = listOf(change.reasons, {reason: "string", level: "number"}) !== null;
    return fits ? change : null;
}

export function decodeMaintenance(body: unknown): MaintenanceStatus | null {
    const shape: Shape = {on: "boolean", since: "string", until: "string"};
    return has(body, shape) ? (body as MaintenanceStatus) : null;
}

export function decodeTracks(body: unknown): TrackStatus[] | null {
    return listOf<TrackStatus>(body, {
        name: "string",
        what: "string",
        state: "string",
        since: "string",
        demotion: "number",
        last: "string",
        next: "string",
    });
}

const memberShape: Shape = {
    index: "number",
    name: "string",
    vhid: "number",
    state: "string",
    master: "string",
    answers: "number",
};

export function decodeBalance(body: unknown): BalanceStatus[] | null {
    const shape: Shape = {carpdev: "string", address: "string", hash: "string", members: "array"};
    const list = listOf<BalanceStatus>(body, shape);
    const membersFit = list?.every(({members}) => listOf(members, memberShape) !== null);
    return membersFit === true ? list : null;
}

export function decodeBalanceAnswer(body: unknown): BalanceAnswer | null {
    const shape: Shape = {
        carpdev: "string",
        address: "string",
        client: "string",
        index: "number",
        members: "number",
        name: "string",
        vhid: "number",
        master: "string",
        virtualMac: "string",
        why: "string",
    };
    return has(body, shape) ? (body as BalanceAnswer) : null;
}

const eventShape: Shape = {kind: "string", time: "string", level: "string", line: "string"};

export function decodeLog(body: unknown): WatchEvent[] | null {
    return listOf<WatchEvent>(body, eventShape);
}

export function decodeEvent(body: unknown): WatchEvent | null {
    return has(body, eventShape) ? (body as WatchEvent) : null;
}

/** Sentences of a `reload` reply. */
export function decodeReload(body: unknown): string[] | null {
    if (!has(body, {changes: "array"})) return null;
    const {changes} = body as {changes: unknown[]};
    return changes.every((change) => typeof change === "string") ? (changes as string[]) : null;
}
