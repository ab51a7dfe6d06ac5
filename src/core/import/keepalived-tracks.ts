/**
 * track_interface and track_script of keepalived as `[[track]]` blocks. Pure.
 */
import type {TrackCheck, TrackConfig} from "../config.ts";
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {readInteger, shown} from "./collector.ts";
import {type KeepalivedNode, nodesOf, settingOf} from "./keepalived-syntax.ts";
import {quotedWords} from "./shell-words.ts";

/** An instance that became a vhid. */
export interface TrackUse {
    readonly instance: KeepalivedNode;
    readonly draft: VhidDraft;
    readonly place: ImportPlace;
}

const longestName = 24;
const mostTracks = 32;

export function importTracks(
    uses: readonly TrackUse[],
    scripts: readonly KeepalivedNode[],
    file: string,
    collector: Collector,
): void {
    const made = new Set<string>();
    for (const {instance, draft} of uses) {
        for (const line of trackLines(instance, "track_interface")) {
            const name = line.words[0] ?? "";
            const place = {file, line: line.line};
            const device = collector.interfaceName(place, name, false);
            if (device === draft.carpdev) {
                collector.note(place, `${device} is the carpdev, whose link is watched always`);
                continue;
            }
            const check: TrackCheck = {kind: "interface", interface: device};
            add({name, check, times: defaultTimes, line, draft, place}, made, collector);
        }
        for (const line of trackLines(instance, "track_script")) {
            const name = line.words[0] ?? "";
            const place = {file, line: line.line};
            const script = scripts.find(({words}) => words[1] === name);
            const check = script === undefined ? undefined : commandCheck(script, place, collector);
            if (script === undefined) {
                collector.note(place, `there is no vrrp_script ${shown(name)}: it is left out`);
            } else if (check !== undefined) {
                const times = readTimes(script, place, collector);
                add({name, check, times, line, draft, place, script}, made, collector);
            }
        }
    }
}

function trackLines(instance: KeepalivedNode, word: string): readonly KeepalivedNode[] {
    return nodesOf(instance, word).flatMap(({children}) => children);
}

function commandCheck(
    script: KeepalivedNode,
    place: ImportPlace,
    collector: Collector,
): TrackCheck | undefined {
    const text = settingOf(script, "script") ?? "";
    const rest = nodesOf(script, "script").at(-1)?.words.slice(2) ?? [];
    const command = [...quotedWords(text), ...rest];
    const program = command[0] ?? "";
    if (!program.startsWith("/") || /[;&|<>$`*?()]/u.test(text) || command.length > 64) {
        collector.note(
            place,
            `the script of ${shown(script.words[1] ?? "")} needs a shell or a path: put it into a file and track that`,
        );
        return undefined;
    }
    return {kind: "command", command};
}

interface Times {
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly rise: number;
    readonly fall: number;
}

const defaultTimes: Times = {intervalMs: 1000, timeoutMs: 1000, rise: 2, fall: 3};

/** keepalived's defaults: interval 1, no timeout of its own, rise and fall 1. */
function readTimes(script: KeepalivedNode, place: ImportPlace, collector: Collector): Times {
    const seconds = (word: string, fallback: number): number => {
        const text = settingOf(script, word);
        const value = /^[0-9]{1,4}(?:\.[0-9]{1,3})?$/u.test(text ?? "") ? Number(text) : undefined;
        return value === undefined ? fallback : Math.round(value * 1000);
    };
    const count = (word: string): number => {
        const value = readInteger(settingOf(script, word) ?? "1");
        return value >= 1 && value <= 100 ? value : 1;
    };
    const intervalMs = Math.min(Math.max(seconds("interval", 1000), 100), 3_600_000);
    const timeoutMs = seconds("timeout", intervalMs);
    if (timeoutMs > intervalMs) {
        collector.note(place, "the timeout is longer than the interval, which is written for both");
    }
    return {
        intervalMs,
        timeoutMs: Math.max(Math.min(timeoutMs, intervalMs), 1),
        rise: count("rise"),
        fall: count("fall"),
    };
}

interface Found {
    readonly name: string;
    readonly check: TrackCheck;
    readonly times: Times;
    readonly line: KeepalivedNode;
    readonly draft: VhidDraft;
    readonly place: ImportPlace;
    readonly script?: KeepalivedNode;
}

/** 240 stands for keepalived's FAULT; a weight takes as much from the skew as from the priority. */
function demotionOf(found: Found, collector: Collector): number {
    const at = found.line.words.indexOf("weight");
    const written =
        at >= 0 ? found.line.words[at + 1] : found.script && settingOf(found.script, "weight");
    const weight = Number(/^[+-]?[0-9]{1,3}$/u.test(written ?? "") ? written : "0");
    if (weight > 0) {
        collector.note(
            found.place,
            `${shown(found.name)} adds to the priority while it is well; here it demotes by ${Math.min(weight, 240)} while it is not`,
        );
    }
    return weight === 0 ? 240 : Math.min(Math.abs(weight), 240);
}

/** One track for each group that it demotes. */
function add(found: Found, made: Set<string>, collector: Collector): void {
    const {check, times, draft, place} = found;
    const demotion = demotionOf(found, collector);
    const id = JSON.stringify([check, demotion, draft.group]);
    if (made.has(id)) {
        return;
    }
    made.add(id);
    if (collector.tracks.length === mostTracks) {
        collector.note(place, `more than ${mostTracks} tracks: ${shown(found.name)} is left out`);
        return;
    }
    const track: TrackConfig = {
        name: freeName(found.name, collector.tracks),
        check,
        ...times,
        demotion,
        group: draft.group,
    };
    collector.tracks.push(track);
}

function freeName(wanted: string, tracks: readonly TrackConfig[]): string {
    const base = wanted.replace(/[^A-Za-z0-9._-]+/gu, "-").slice(0, longestName) || "track";
    let name = base;
    for (let i = 2; tracks.some((track) => track.name === name); i += 1) {
        const suffix = `-${i}`;
        name = base.slice(0, longestName - suffix.length) + suffix;
    }
    return name;
}
