/**
 * What carpctl prints for people: status objects -> text. Pure; main thread of carpctl.
 *
 * The first line of a carp interface is the BSDs' ifconfig line, so that scripts made for a BSD
 * find their words.
 */
import {thisHost} from "./balance.ts";
import type {WatchEvent} from "./control-protocol.ts";
import {formatDuration} from "./duration.ts";
import {heldText} from "./next.ts";
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

/** Colours by the names that node's styleText knows; a plain painter returns the text. */
export type Colour = "green" | "yellow" | "red" | "cyan" | "dim";
export type Paint = (colour: Colour, text: string) => string;
export const plain: Paint = (_colour, text) => text;

const stateColour = {MASTER: "green", BACKUP: "cyan", INIT: "yellow"} as const;

/**
 * The host in one line: "preempt on, demotion 0, SCHED_FIFO 50, memory locked". What keeps it from
 * being MASTER by somebody's wish stands first.
 */
export function showHost(host: HostStatus, nowMs: number, paint: Paint): string {
    const preempt = `preempt ${host.preempt ? "on" : "off"}`;
    const demotion = `demotion ${host.demotion}`;
    const {maintenance, bootHoldSince} = host;
    return [
        // A daemon of an older version does not say it.
        ...((host.hold ?? "") === "" ? [] : [paint("red", heldText(host.hold))]),
        ...(maintenance.on ? [paint("yellow", maintenanceText(maintenance, nowMs))] : []),
        ...(bootHoldSince === ""
            ? []
            : [paint("yellow", `BOOT HOLD since ${bootHoldSince} (${ago(bootHoldSince, nowMs)})`)]),
        preempt,
        ...(host.arpbalance ? ["arpbalance on"] : []),
        host.demotion === 0 ? demotion : paint("red", demotion),
        host.realtime ? host.scheduler : paint("yellow", host.scheduler),
        host.memoryLocked ? host.memory : paint("yellow", host.memory),
    ].join(", ");
}

/** "MAINTENANCE until 2026-11-22T14:30:00.000Z (in 12 min)", "maintenance off". */
function maintenanceText({on, since, until}: MaintenanceStatus, nowMs: number): string {
    if (!on) return "maintenance off";
    if (until === "") return `MAINTENANCE since ${since} (${ago(since, nowMs)})`;
    return `MAINTENANCE until ${until} (in ${timeTo(until, nowMs)})`;
}

export function showMaintenance(
    maintenance: MaintenanceStatus,
    nowMs: number,
    paint: Paint,
): string {
    const text = maintenanceText(maintenance, nowMs);
    return `${maintenance.on ? paint("yellow", text) : text}\n`;
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
        ...(carp.group === "carp" ? [] : [`\tgroup ${carp.group}`]),
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
    return [showHost(host, nowMs, paint), ...body, ""].join("\n");
}

function ago(iso: string, nowMs: number): string {
    const then = Date.parse(iso);
    return Number.isFinite(then) ? formatDuration(BigInt(Math.round(nowMs - then)) * 1000n) : "?";
}

function timeTo(iso: string, nowMs: number): string {
    const then = Date.parse(iso);
    return Number.isFinite(then) ? formatDuration(BigInt(Math.round(then - nowMs)) * 1000n) : "?";
}

export function showInterfaces(list: readonly InterfaceStatus[], paint: Paint): string {
    const rows = list.map((device) => {
        const link = !device.present
            ? paint("red", "absent")
            : !device.adminUp
              ? paint("red", "down")
              : device.carrier
                ? device.usedAt === ""
                    ? paint("green", "up")
                    : paint("yellow", `up, used from ${device.usedAt}`)
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
    const {total, onWire, groups, reasons} = demotion;
    const rows = reasons.map((r) => [
        `\t${r.reason}`,
        String(r.level),
        ...(reasons.some((other) => other.groups !== "") ? [groupsText(r.groups)] : []),
        `since ${r.since} (${ago(r.since, nowMs)})`,
        `ends: ${r.clears}`,
    ]);
    // Where every reason holds for every group there is nothing to be said about groups.
    const differing = groups.some((group) => group.total !== total) ? groups : [];
    return [
        `demotion ${total}, on the wire ${onWire}\n`,
        ...differing.map((g) => `group ${g.group}: demotion ${g.total}, on the wire ${g.onWire}\n`),
        table(rows),
    ].join("");
}

function groupsText(groups: string): string {
    if (groups === "") return "every group";
    return `${groups.includes(",") ? "groups" : "group"} ${groups}`;
}

/** FreeBSD's `sysctl net.inet.carp.demotion`, and with `before` its answer to a write. */
export function showSysctl(total: number, before: number | null): string {
    const value = before === null ? `${total}` : `${before} -> ${total}`;
    return `net.inet.carp.demotion: ${value}\n`;
}

/** "demotion 0 -> 10 (operator 10)". */
export function showDemotionChange(change: DemotionChange): string {
    const {before, total, reasons, cleared} = change;
    const parts = [
        ...reasons.map(({reason, level}) => `${reason} ${level}`),
        ...cleared.map((reason) => `${reason} cleared`),
    ];
    const what = parts.length === 0 ? "the operator has set nothing" : parts.join(", ");
    return `demotion ${before === total ? total : `${before} -> ${total}`} (${what})\n`;
}

const trackColour = {good: "green", failing: "red", starting: "cyan"} as const;

export function showTracks(tracks: readonly TrackStatus[], nowMs: number, paint: Paint): string {
    if (tracks.length === 0) return "nothing is tracked: the configuration has no [[track]]\n";
    const rows = tracks.map((track) => [
        track.name,
        paint(trackColour[track.state], track.state),
        `demotion ${track.demotion}`,
        track.what,
        `since ${track.since} (${ago(track.since, nowMs)})`,
    ]);
    const lines = table(rows).split("\n");
    return tracks
        .map((track, i) => `${lines[i] ?? ""}\n\tlast: ${track.last}\n\tnext: ${track.next}\n`)
        .join("");
}

export function showBalance(groups: readonly BalanceStatus[], paint: Paint): string {
    if (groups.length === 0) {
        return "nothing is balanced: no VIP is shared by vhids of one carpdev with arpbalance on\n";
    }
    return groups.map((group) => balanceGroup(group, paint)).join("");
}

function balanceGroup({carpdev, address, hash, members}: BalanceStatus, paint: Paint): string {
    const head = ["\tindex", "vhid", "name", "state", "master", "requests", "answers"];
    const rows = members.map((member) => [
        `\t${member.index}`,
        String(member.vhid),
        member.name,
        paint(stateColour[member.state], member.state),
        member.master === "" ? paint("red", "nobody known") : member.master,
        // The kernel drops the questions that another host answers.
        member.requests === null ? "-" : String(member.requests),
        String(member.answers),
    ]);
    const title = `${address} on ${carpdev}: ${members.length} vhids, ${hash}`;
    return `${title}\n${table([head, ...rows])}`;
}

export function showBalanceAnswer(answer: BalanceAnswer): string {
    const {client, address, carpdev, why, name, vhid, master, virtualMac} = answer;
    const who =
        master === thisHost
            ? `this host answers with ${virtualMac} (${name}, vhid ${vhid} is MASTER here)`
            : master === ""
              ? `nobody known: this host has heard no MASTER of ${name}, vhid ${vhid}`
              : `${master} answers with ${virtualMac} (MASTER of ${name}, vhid ${vhid})`;
    return `${who}\n\t${client} asks for ${address} on ${carpdev}: ${why}\n`;
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
