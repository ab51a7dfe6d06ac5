/**
 * What a reload changes, in words for the log: "carp0: advskew 0 -> 100". Blocks are matched by
 * name. A password is never printed, only that it changed.
 */
import {formatVip} from "./address.ts";
import type {CarpConfig, Config, Options} from "./config.ts";

const optionKeys: readonly (readonly [keyof Options, string])[] = [
    ["preempt", "preempt"],
    ["arpbalance", "arpbalance"],
    ["fastTakeover", "fast-takeover"],
    ["ifdownDemotion", "ifdown-demotion"],
    ["senderrDemotion", "senderr-demotion"],
    ["handoverLimitMs", "handover-limit-ms"],
];

const plainKeys = ["carpdev", "vhid", "advbase", "advskew", "mac", "profile", "enabled"] as const;

/** Empty: both mean the same. The order of addresses and peers has no meaning. */
export function diffConfig(running: Config, next: Config): string[] {
    const changes: string[] = [];
    for (const [key, word] of optionKeys) {
        const before = running.options[key];
        const after = next.options[key];
        if (before !== after) {
            changes.push(`${word} ${before} -> ${after}`);
        }
    }
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
            changes.push(...diffCarp(old, carp).map((change) => `${name}: ${change}`));
        }
    }
    return changes;
}

function diffCarp(before: CarpConfig, after: CarpConfig): string[] {
    const changes: string[] = [];
    for (const key of plainKeys) {
        if (before[key] !== after[key]) {
            changes.push(`${key} ${before[key]} -> ${after[key]}`);
        }
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
