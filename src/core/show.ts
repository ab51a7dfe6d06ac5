/**
 * What carpctl prints for people: status objects -> text. Pure; main thread of carpctl.
 *
 * The first line of a carp interface is the BSDs' ifconfig line, so that scripts made for a BSD
 * find their words.
 */
import type {WatchEvent} from "./control-protocol.ts";
import {formatDuration} from "./duration.ts";
import type {CarpStatus, InterfaceStatus, StatisticsStatus} from "./status.ts";
import type {DemotionStatus, HostStatus} from "./status-fold.ts";

/** Colours by the names that node's styleText knows; a plain painter returns the text. */
export type Colour = "green" | "yellow" | "red" | "cyan" | "dim";
export type Paint = (colour: Colour, text: string) => string;
export const plain: Paint = (_colour, text) => text;

const stateColour = {MASTER: "green", BACKUP: "cyan", INIT: "yellow"} as const;

/** "preempt on, demotion 0, SCHED_FIFO 50, memory locked": the host in one line. */
export function showHost(host: HostStatus, paint: Paint): string {
    const preempt = `preempt ${host.preempt ? "on" : "off"}`;
    const demotion = `demotion ${host.demotion}`;
    return [
        preempt,
        ...(host.arpbalance ? ["arpbalance on"] : []),
        host.demotion === 0 ? demotion : paint("red", demotion),
        host.realtime ? host.scheduler : paint("yellow", host.scheduler),
        host.memoryLocked ? host.memory : paint("yellow", host.memory),
    ].join(", ");
}

/** `nowMs` is the wall clock, milliseconds since 1970. */
export function showCarp(carp: CarpStatus, nowMs: number, paint: Paint): string {
    const {name, carpdev, vhid, advbase, advskew, state} = carp;
    const word = paint(stateColour[state], state);
    const extra = [
        ...(carp.handingOver ? ["handing over"] : []),
        ...(carp.enabled ? [] : ["down"]),
    ];
    const suffix = extra.length === 0 ? "" : ` (${extra.join(", ")})`;
    const lines = [
        `${name}: ${word} carpdev ${carpdev} vhid ${vhid} advbase ${advbase} advskew ${advskew}${suffix}`,
        ...carp.addresses.map((a) => `\t${a.includes(":") ? "inet6" : "inet"} ${a}`),
        `\tlladdr ${carp.virtualMac}`,
        ...(carp.peers.length === 0 ? [] : [`\tpeer ${carp.peers.join(" ")}`]),
        `\tsince ${carp.since} (${ago(carp.since, nowMs)}): ${carp.cause}`,
    ];
    if (carp.master !== null) {
        const {address, lastHeardMs} = carp.master;
        const heard = formatDuration(BigInt(Math.round(lastHeardMs)) * 1000n);
        lines.push(
            `\tmaster ${address} advbase ${carp.master.advbase} advskew ${carp.master.advskew}, ` +
                `heard ${heard} ago`,
        );
    }
    lines.push(`\tnext: ${carp.next}`);
    return lines.join("\n");
}

/** The whole of `show carp`. */
export function showAll(
    host: HostStatus,
    carps: readonly CarpStatus[],
    nowMs: number,
    paint: Paint,
): string {
    const body = carps.map((carp) => showCarp(carp, nowMs, paint));
    return [showHost(host, paint), ...body, ""].join("\n");
}

function ago(iso: string, nowMs: number): string {
    const then = Date.parse(iso);
    return Number.isFinite(then) ? formatDuration(BigInt(Math.round(nowMs - then)) * 1000n) : "?";
}

export function showInterfaces(list: readonly InterfaceStatus[], paint: Paint): string {
    const rows = list.map((device) => {
        const link = !device.present
            ? paint("red", "absent")
            : !device.adminUp
              ? paint("red", "down")
              : device.carrier
                ? paint("green", "up")
                : paint("red", "no carrier");
        const vhids = device.vhids.length === 0 ? "-" : device.vhids.join(",");
        return [device.carpdev, link, device.mac, `vhid ${vhids}`, device.addresses.join(" ")];
    });
    return table(rows);
}

export function showStatistics(statistics: StatisticsStatus): string {
    const block = (title: string, counters: Readonly<Record<string, unknown>>): string[] => [
        `${title}:`,
        ...Object.entries(counters).map(([key, value]) => `\t${words(key)}: ${String(value)}`),
    ];
    return [
        ...statistics.carp.flatMap(({name, counters}) => block(name, counters)),
        ...statistics.carpdevs.flatMap(({carpdev, counters}) => block(carpdev, counters)),
        ...block("engine", statistics.scheduling),
        "",
    ].join("\n");
}

/** "lateMaxUs" -> "late max us". */
function words(key: string): string {
    return key.replace(/([a-z0-9])([A-Z])/g, (_all, before: string, after: string) => {
        return `${before} ${after.toLowerCase()}`;
    });
}

export function showDemotion(demotion: DemotionStatus, nowMs: number): string {
    const rows = demotion.reasons.map((r) => [
        `\t${r.reason}`,
        String(r.level),
        `since ${r.since} (${ago(r.since, nowMs)})`,
    ]);
    return `demotion ${demotion.total}\n${table(rows)}`;
}

export function showEvent(event: WatchEvent): string {
    return `${event.time} ${event.line}\n`;
}

/** Columns two blanks apart; the last one is not padded. Colour sequences do not count. */
function table(rows: readonly (readonly string[])[]): string {
    const widths: number[] = [];
    for (const row of rows) {
        row.forEach((cell, i) => {
            widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell));
        });
    }
    return rows
        .map((row) => {
            const cells = row.map(
                (cell, i) => cell + " ".repeat((widths[i] ?? 0) - visibleLength(cell)),
            );
            return `${cells.join("  ").trimEnd()}\n`;
        })
        .join("");
}

function visibleLength(cell: string): number {
    let length = 0;
    let inSequence = false;
    for (const character of cell) {
        if (character === "\u001b") inSequence = true;
        if (!inSequence) length++;
        if (inSequence && character === "m") inSequence = false;
    }
    return length;
}
