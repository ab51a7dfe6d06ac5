/**
 * What is installed and what runs: GRUB's counters, RAUC's status and our own records folded into
 * `show images`, and the sentence for a box that does not run what it was meant to run. Pure.
 */
import {
    type BootEnvironment,
    type BootSlot,
    bootSlots,
    mostTries,
    otherSlot,
    type SlotCounter,
} from "./boot-environment.ts";
import type {RaucStatus} from "./rauc-output.ts";
import type {SlotImage, SlotName} from "./status.ts";

/** release.json of the running image. */
export interface Release {
    readonly version: string;
    readonly compatible: string;
    /** Of the configuration; rises when an older release could not read what this one writes. */
    readonly schema: number;
    /** ISO time. */
    readonly built: string;
}

/** What was true of a slot when it was marked good: RAUC knows nothing of the image from the factory. */
export interface SlotRecord {
    readonly version: string;
    readonly schema: number;
    /** ISO time of the first time that this version was marked good there. */
    readonly good: string;
    /** When RAUC had installed it, as RAUC says it; "" for the image from the factory. */
    readonly installed: string;
}

export type SlotRecords = Readonly<Partial<Record<BootSlot, SlotRecord>>>;

export interface SlotFacts {
    readonly slot: SlotName;
    readonly release: Release;
    /** null: it cannot be read. */
    readonly environment: BootEnvironment | null;
    /** null: RAUC does not answer. */
    readonly rauc: RaucStatus | null;
    readonly records: SlotRecords;
}

export interface SlotView {
    readonly images: readonly SlotImage[];
    /** As in ApplianceStatus. */
    readonly olderSlot: string;
    readonly unconfirmed: boolean;
}

export function foldSlots(facts: SlotFacts): SlotView {
    const {slot, environment} = facts;
    const images = bootSlots.map((name) => imageOf(name, facts));
    const own = slot === "" ? null : (environment?.counters[slot] ?? null);
    return {
        images,
        olderSlot: olderSlotSentence(facts, images),
        unconfirmed: own !== null && !(own.ok && own.tries === 0),
    };
}

/** The record holds while nothing else was installed there since. */
export function recordOf(slot: BootSlot, {records, rauc}: SlotFacts): SlotRecord | null {
    const record = records[slot];
    if (record === undefined) return null;
    const installed = rauc?.slots[slot]?.installed ?? "";
    return installed === "" || installed === record.installed ? record : null;
}

function imageOf(name: BootSlot, facts: SlotFacts): SlotImage {
    const {slot, release, environment, rauc} = facts;
    const running = slot === name;
    const installed = rauc?.slots[name];
    const record = recordOf(name, facts);
    const counter = environment?.counters[name] ?? {ok: true, tries: 0};
    const known = installed?.version ?? "";
    return {
        slot: name,
        running,
        next: environment !== null && nextSlot(environment) === name,
        version: running ? release.version : known === "" ? (record?.version ?? "") : known,
        installed: installed?.installed ?? "",
        state: stateOf(counter, {
            running,
            status: installed?.status ?? "",
            everWritten: running || known !== "" || record !== null || counter.ok,
        }),
        tries: counter.tries,
        schema: running ? release.schema : (record?.schema ?? 0),
    };
}

/** What grub.cfg starts: the first of ORDER that may be started; without one it starts over. */
export function nextSlot({order, counters}: BootEnvironment): BootSlot {
    const usable = order.find((name) => counters[name].ok && counters[name].tries < mostTries);
    return usable ?? (order[0] === "B" && counters.B.ok ? "B" : "A");
}

function stateOf(
    {ok, tries}: SlotCounter,
    slot: {readonly running: boolean; readonly status: string; readonly everWritten: boolean},
): SlotImage["state"] {
    if (slot.status !== "" && slot.status !== "ok") return "incomplete";
    if (tries >= mostTries && !slot.running) return "failed";
    if (ok || slot.running) return tries === 0 && ok ? "good" : "trying";
    return slot.everWritten ? "failed" : "empty";
}

/** "slot B (0.4.0)" */
export function nameOf({slot, version}: SlotImage): string {
    return version === "" ? `slot ${slot}` : `slot ${slot} (${version})`;
}

/**
 * A sentence when the first slot of ORDER is another one and has failed. One that was installed a
 * moment ago and waits for the reboot, or that an operator went back from, is no such case.
 */
function olderSlotSentence({slot, environment}: SlotFacts, images: readonly SlotImage[]): string {
    if (slot === "" || environment === null) return "";
    const [first = slot] = environment.order;
    if (first === slot) return "";
    const meant = images.find((image) => image.slot === first);
    const running = images.find((image) => image.slot === slot);
    if (meant === undefined || running === undefined) return "";
    const runs = `this box runs the older ${nameOf(running)}`;
    if (meant.state === "incomplete") {
        return `${runs}: the installation into ${nameOf(meant)} did not end`;
    }
    if (meant.tries >= mostTries) {
        return `${runs}: ${nameOf(meant)} was started ${meant.tries} times and never got ready`;
    }
    if (meant.state === "failed") return `${runs}: ${nameOf(meant)} was marked bad`;
    if (meant.tries > 0) {
        return `${runs}: ${nameOf(meant)} was started ${timesOf(meant.tries)} and has not got ready yet`;
    }
    return "";
}

function timesOf(count: number): string {
    return count === 1 ? "once" : `${count} times`;
}

/** Whether to give up on a release that does not get ready has a sense: there is a better slot. */
export function hasBetterSlot(facts: SlotFacts): boolean {
    const {slot, environment, rauc} = facts;
    if (slot === "" || environment === null) return false;
    const other = otherSlot(slot);
    const {ok, tries} = environment.counters[other];
    const status = rauc?.slots[other]?.status ?? "";
    return ok && tries < mostTries && (status === "" || status === "ok");
}
