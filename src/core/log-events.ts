/**
 * Engine events as log records, in the words that the BSDs use. Pure; main thread.
 */

import {formatDuration} from "./duration.ts";
import type {EngineEvent, SchedulingSnapshot} from "./engine.ts";
import {type LogRecord, note} from "./log.ts";

type Of<K extends EngineEvent["kind"]> = Extract<EngineEvent, {kind: K}>;

/** "carp0: 1@eth1: BACKUP -> MASTER (master timed out)", FreeBSD's line with our name in front. */
export function stateRecord(event: Omit<Of<"vhostState">, "kind" | "at">): LogRecord {
    const {name, carpdev, vhid, from, to, cause, peer} = event;
    const by = peer === "" ? "" : `, ${peer}`;
    return {
        level: "notice",
        msg: "carp state",
        text: `${name}: ${vhid}@${carpdev}: ${from} -> ${to} (${cause}${by})`,
        fields: {name, carpdev, vhid, from, to, cause, ...(peer === "" ? {} : {peer})},
    };
}

function linkRecord(event: Of<"link">): LogRecord {
    const {carpdev, present, adminUp, carrier} = event;
    const what = !present
        ? "interface is gone"
        : !adminUp
          ? "interface is down (not set up)"
          : carrier
            ? "link up"
            : "link down (no carrier)";
    const fields = {carpdev, present, adminUp, carrier};
    return {level: "notice", msg: "link", text: `${carpdev}: ${what}`, fields};
}

/** "demoted by 240 to 240 (link:eth1)", as FreeBSD's kernel says it; a group is named behind. */
function demotionRecord(event: Of<"demotion">, before: number): LogRecord {
    const {reason, level, total, group} = event;
    const only = group === "" ? "" : `, group ${group}`;
    const by = total - before;
    return {
        level: "notice",
        msg: "demotion",
        text: `demoted by ${by} to ${total} (${reason}${level === 0 ? " cleared" : ""}${only})`,
        fields: {reason, demotion: level, total, by, ...(group === "" ? {} : {group})},
    };
}

const alarmAdvice: Readonly<Record<Of<"alarm">["alarm"], string>> = {
    "second master": "two hosts advertise this vhid as MASTER and do not hear each other's claim",
    "wrong password or address set":
        "an advertisement for this vhid failed its check: pass or addresses differ on that host",
    "foreign vrrp on our vhid": "a VRRP router with this number uses the same virtual MAC",
    "own frame came back": "the segment sends our own advertisements back: a loop or a mirror port",
    "address in use by another host": "another host answers for a virtual address",
    "advbase differs": "that host has another advbase; give every host the same",
    "counter replayed":
        "an old advertisement was seen again: a replay or a host that lost its counter",
};

function alarmRecord(event: Of<"alarm">): LogRecord {
    const {carpdev, vhid, alarm, peer, count} = event;
    const who = peer === "" ? "" : ` from ${peer}`;
    const times = count > 1 ? ` (${count} times)` : "";
    return {
        level: "error",
        msg: "alarm",
        text: `${vhid}@${carpdev}: ${alarm}${who}${times}: ${alarmAdvice[alarm]}`,
        fields: {carpdev, vhid, alarm, count, ...(peer === "" ? {} : {peer})},
    };
}

function faultRecord(event: Of<"fault">): LogRecord {
    const {code, op, target, errno, error} = event;
    return {
        level: "error",
        msg: "fault",
        text: `${target}: ${op} failed: ${error} (${code}); the engine goes on`,
        fields: {code, op, target, errno, error},
    };
}

/**
 * Keeps what a line needs from earlier events: the demotion before this one, and when a hand-over
 * began. Everything else is a function of the event.
 */
export class EventLines {
    readonly #handovers = new Map<string, bigint>();
    #demotion = 0;

    /** The record of one event; null when the event is not for people. */
    record(event: EngineEvent): LogRecord | null {
        switch (event.kind) {
            case "vhostState":
                return stateRecord(event);
            case "handover":
                return this.#handover(event);
            case "link":
                return linkRecord(event);
            case "demotion": {
                const before = this.#demotion;
                this.#demotion = event.total;
                return demotionRecord(event, before);
            }
            case "alarm":
                return alarmRecord(event);
            case "fault":
                return faultRecord(event);
            case "counterEpoch":
                return note("debug", "counter epoch", `counter epoch is ${event.epoch}`, {
                    epoch: event.epoch,
                });
            case "eventsLost":
                return note(
                    "warning",
                    "events lost",
                    `${event.count} engine events were lost; the state was read again`,
                    {count: event.count},
                );
        }
    }

    /** After lost events: the level as the snapshot has it. */
    resync(demotion: number): void {
        this.#demotion = demotion;
        this.#handovers.clear();
    }

    #handover(event: Of<"handover">): LogRecord {
        const {name, phase, peer, at} = event;
        const began = this.#handovers.get(name);
        if (phase === "begin") {
            this.#handovers.set(name, at);
        } else {
            this.#handovers.delete(name);
        }
        const tookUs = began === undefined ? null : at - began;
        const after = tookUs === null ? "" : ` after ${formatDuration(tookUs)}`;
        const texts: Readonly<Record<typeof phase, string>> = {
            begin: "handing over: said farewell, forwarding until the successor is heard",
            successor: `handed over to ${peer === "" ? "its successor" : peer}${after}`,
            limit: `let go without hearing a successor${after}`,
            cancelled: `hand-over cancelled${after}`,
        };
        return {
            level: phase === "limit" ? "warning" : "notice",
            msg: "handover",
            text: `${name}: ${texts[phase]}`,
            fields: {
                name,
                phase,
                ...(peer === "" ? {} : {peer}),
                ...(tookUs === null ? {} : {durationMs: Number(tookUs) / 1000}),
            },
        };
    }
}

/** The start-up line: version and what the kernel granted or refused. */
export function startRecord(
    version: string,
    scheduling: SchedulingSnapshot,
    interfaces: number,
): LogRecord {
    const {scheduler, realtime, memory, memoryLocked} = scheduling;
    return {
        level: realtime && memoryLocked ? "info" : "warning",
        msg: "started",
        text: `carpd ${version} started: ${countOf(interfaces, "carp interface")}, ${scheduler}, ${memory}`,
        fields: {version, interfaces, scheduler, realtime, memory, memoryLocked},
    };
}

/** "1 carp interface", "2 carp interfaces". */
export function countOf(count: number, thing: string): string {
    return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
