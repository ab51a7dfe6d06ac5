/**
 * What a reload changes, in words for the log: "carp0: advskew 0 -> 100". Blocks are matched by
 * name. A password is never printed, only that it changed.
 */
import {formatVip} from "./address.ts";
import type {
    CarpConfig,
    Config,
    InterfaceConfig,
    Options,
    SystemConfig,
    TrackCheck,
    TrackConfig,
} from "./config.ts";
import {durationText, octetsText} from "./config-units.ts";

/** Every option in words; a new one cannot be forgotten here. */
const optionWords: {
    readonly [K in keyof Options]: readonly [key: string, show: (value: Options[K]) => string];
} = {
    preempt: ["preempt", String],
    arpbalance: ["arpbalance", String],
    arpbalanceHash: ["arpbalance-hash", String],
    arpbalanceOrder: ["arpbalance-order", String],
    fastTakeover: ["fast-takeover", String],
    ifdownDemotion: ["ifdown-demotion", String],
    senderrDemotion: ["senderr-demotion", String],
    handoverLimitMs: ["handover-limit-ms", String],
    linkUpDelayMs: ["link-up-delay", durationText],
    bootDelayMs: ["boot-delay", durationText],
    bootCommand: ["boot-command", commandText],
    bootCommandTimeoutMs: ["boot-command-timeout", durationText],
    hookTimeoutMs: ["hook-timeout", durationText],
};

const carpKeys = [
    "carpdev",
    "vhid",
    "advbase",
    "advskew",
    "mac",
    "profile",
    "enabled",
    "group",
] as const;
const scriptKeys = ["upscript", "downscript", "xparam"] as const;

function commandText(command: readonly string[]): string {
    return command.length === 0 ? "none" : JSON.stringify(command);
}

function change(word: string, before: string, after: string): string[] {
    return before === after ? [] : [`${word} ${before} -> ${after}`];
}

/**
 * Empty: both mean the same. The order of addresses, peers, tracks and interfaces has no meaning;
 * that of the vhids has one where it decides who answers for a shared VIP.
 */
export function diffConfig(running: Config, next: Config): string[] {
    const changes = diffOptions(running.options, next.options);
    const before = new Map(running.carp.map((carp) => [carp.name, carp]));
    const after = new Map(next.carp.map((carp) => [carp.name, carp]));
    for (const name of before.keys()) {
        if (!after.has(name)) {
            changes.push(`${name} removed`);
        }
    }
    for (const [name, carp] of after) {
        const old = before.get(name);
        if (old === undefined) {
            changes.push(`${name} added`);
        } else {
            changes.push(...diffCarp(old, carp).map((text) => `${name}: ${text}`));
        }
    }
    if (next.options.arpbalance && next.options.arpbalanceOrder.startsWith("configured")) {
        const stays = (carp: CarpConfig): string[] =>
            before.has(carp.name) && after.has(carp.name) ? [carp.name] : [];
        const order = next.carp.flatMap(stays);
        if (running.carp.flatMap(stays).some((name, i) => name !== order[i])) {
            changes.push(`order of the blocks: ${order.join(", ")}`);
        }
    }
    changes.push(...diffTracks(running.tracks, next.tracks));
    changes.push(...diffSystem(running.system, next.system));
    changes.push(...diffInterfaces(running.interfaces, next.interfaces));
    return changes;
}

function diffOptions(before: Options, after: Options): string[] {
    const changed = <K extends keyof Options>(key: K): string[] => {
        const [word, show] = optionWords[key];
        return change(word, show(before[key]), show(after[key]));
    };
    // Object.keys() knows no more than strings.
    const keys = Object.keys(optionWords).filter((key): key is keyof Options =>
        Object.hasOwn(optionWords, key),
    );
    return keys.flatMap((key) => changed(key));
}

function diffCarp(before: CarpConfig, after: CarpConfig): string[] {
    const changes: string[] = [];
    for (const key of carpKeys) {
        changes.push(...change(key, String(before[key]), String(after[key])));
    }
    for (const key of scriptKeys) {
        changes.push(...change(key, before[key] || "none", after[key] || "none"));
    }
    if (!before.pass.equals(after.pass)) {
        changes.push("pass changed");
    }
    changes.push(
        ...diffSet("address", before.addresses.map(formatVip), after.addresses.map(formatVip)),
        ...diffSet("peer", before.peers, after.peers),
    );
    return changes;
}

function diffSet(word: string, before: readonly string[], after: readonly string[]): string[] {
    return [
        ...before.filter((item) => !after.includes(item)).map((item) => `${word} ${item} removed`),
        ...after.filter((item) => !before.includes(item)).map((item) => `${word} ${item} added`),
    ];
}

/** A check in words: "ping 192.0.2.1", "file /run/ready must exist". */
function checkText(check: TrackCheck): string {
    switch (check.kind) {
        case "interface":
            return `interface ${check.interface}`;
        case "command":
            return `command ${commandText(check.command)}`;
        case "file":
            return `file ${check.path} must ${check.exists ? "exist" : "not-exist"}`;
        case "ping":
            return `ping ${check.address}`;
        case "unit":
            return `unit ${check.unit}`;
        case "memory":
            return `memory ${octetsText(check.leastOctets)}`;
        case "temperature":
            return `temperature ${check.mostCelsius}`;
    }
}

function diffTracks(running: readonly TrackConfig[], next: readonly TrackConfig[]): string[] {
    const before = new Map(running.map((track) => [track.name, track]));
    const after = new Map(next.map((track) => [track.name, track]));
    const removed = [...before.keys()].filter((name) => !after.has(name));
    return [
        ...removed.map((name) => `track ${name} removed`),
        ...[...after].flatMap(([name, track]) => {
            const old = before.get(name);
            return old === undefined
                ? [`track ${name} added`]
                : diffTrack(old, track).map((text) => `track ${name}: ${text}`);
        }),
    ];
}

function diffTrack(before: TrackConfig, after: TrackConfig): string[] {
    const checks = [checkText(before.check), checkText(after.check)] as const;
    return [
        ...(checks[0] === checks[1] ? [] : [`${checks[0]} -> ${checks[1]}`]),
        ...change("interval", durationText(before.intervalMs), durationText(after.intervalMs)),
        ...change("timeout", durationText(before.timeoutMs), durationText(after.timeoutMs)),
        ...change("rise", String(before.rise), String(after.rise)),
        ...change("fall", String(before.fall), String(after.fall)),
        ...change("demotion", String(before.demotion), String(after.demotion)),
        ...change("group", before.group || "all", after.group || "all"),
    ];
}

function diffSystem(before: SystemConfig, after: SystemConfig): string[] {
    return [
        ...change("hostname", before.hostname || "none", after.hostname || "none"),
        ...change("ssh", String(before.ssh), String(after.ssh)),
        ...diffSet("ssh key", before.sshKeys.map(keyName), after.sshKeys.map(keyName)),
        ...diffSet("allow", before.allow, after.allow),
        ...change("nameservers", listText(before.nameservers), listText(after.nameservers)),
        ...change("forwarding", String(before.forwarding), String(after.forwarding)),
    ];
}

/** Their order is the order in which they are asked. */
function listText(texts: readonly string[]): string {
    return texts.length === 0 ? "none" : texts.join(" ");
}

/** A key is too long for a sentence: its type, its last octets and its comment. */
function keyName(line: string): string {
    const [type = "", base64 = "", ...comment] = line.split(" ");
    return [type, `...${base64.slice(-12)}`, ...comment].join(" ");
}

function diffInterfaces(
    running: readonly InterfaceConfig[],
    next: readonly InterfaceConfig[],
): string[] {
    const before = new Map(running.map((own) => [own.name, own]));
    const after = new Map(next.map((own) => [own.name, own]));
    const removed = [...before.keys()].filter((name) => !after.has(name));
    return [
        ...removed.map((name) => `interface ${name} removed`),
        ...[...after].flatMap(([name, own]) => {
            const old = before.get(name);
            return old === undefined
                ? [`interface ${name} added`]
                : diffInterface(old, own).map((text) => `interface ${name}: ${text}`);
        }),
    ];
}

function diffInterface(before: InterfaceConfig, after: InterfaceConfig): string[] {
    const mtuText = (mtu: number): string => (mtu === 0 ? "default" : String(mtu));
    return [
        ...diffSet("address", before.addresses.map(formatVip), after.addresses.map(formatVip)),
        ...change("dhcp", String(before.dhcp), String(after.dhcp)),
        ...change("gateway", before.gateway || "none", after.gateway || "none"),
        ...change("gateway6", before.gateway6 || "none", after.gateway6 || "none"),
        ...change("mtu", mtuText(before.mtu), mtuText(after.mtu)),
    ];
}
