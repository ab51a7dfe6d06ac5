/**
 * The names of the demotion reasons: whose each is, what an operator may set, and what ends it.
 * Pure; main thread of carpd and of carpctl.
 */
import type {Config, TrackConfig} from "./config.ts";
import {durationText} from "./config-units.ts";
import {err, ok, type Result} from "./result.ts";
import type {MaintenanceStatus} from "./status.ts";

/** What one reason may add to advskew. Negative levels take others back, as on FreeBSD. */
export const demotionLevels = {least: -240, most: 240} as const;

/** What a host can add to advskew on the wire, whatever the sum of its reasons is. */
export function onWire(total: number): number {
    return Math.min(Math.max(total, 0), demotionLevels.most);
}

/** "" or what is wrong with a level. */
export function levelProblem(level: number): string {
    const {least, most} = demotionLevels;
    const fits = Number.isInteger(level) && level >= least && level <= most;
    return fits ? "" : `demotion must be ${least}..${most}, not ${level}`;
}

const operator = "operator";
const operatorPrefix = "operator:";
const nameRule = /^[A-Za-z0-9._-]{1,20}$/;
export const expectedReason = "a name of 1..20 letters, digits, dots, underscores and hyphens";

export function isOperators(reason: string): boolean {
    return reason === operator || reason.startsWith(operatorPrefix);
}

/** Reasons that are set by something else than an operator, by their name or what it begins with. */
const owners: readonly {readonly begin: string; readonly owner: string; readonly end: string}[] = [
    {begin: "link:", owner: "the engine", end: "it ends when that interface has a link again"},
    {begin: "send:", owner: "the engine", end: "it ends when three frames in a row were sent"},
    {begin: "track:", owner: "a [[track]] block", end: "it ends when that check is good again"},
    {begin: "boot", owner: "the boot hold", end: "it ends with boot-delay and boot-command"},
    {
        begin: "maintenance",
        owner: "maintenance mode",
        end: "it ends with `carpctl maintenance off`",
    },
];

/**
 * The full name of an operator's reason: "" and "operator" are "operator", NAME and "operator:NAME"
 * are "operator:NAME". The error is a sentence.
 */
export function operatorReason(text: string): Result<string, string> {
    if (text === "" || text === operator) return ok(operator);
    const owned = owners.find(({begin}) =>
        begin.endsWith(":") ? text.startsWith(begin) : text === begin,
    );
    if (owned !== undefined) {
        const {owner, end} = owned;
        return err(`demotion reason "${text}" belongs to ${owner}: ${end}`);
    }
    const name = text.startsWith(operatorPrefix) ? text.slice(operatorPrefix.length) : text;
    if (nameRule.test(name)) return ok(`${operatorPrefix}${name}`);
    const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
    return err(`${shown} is no demotion reason; expected ${expectedReason}`);
}

/** What ends a reason, in words. */
export function whatClears(reason: string, config: Config, maintenance: MaintenanceStatus): string {
    const [kind = "", name = ""] = splitOnce(reason);
    switch (kind) {
        case "link":
            return whenLinked(name, config);
        case "send":
            return `after three frames in a row were sent on ${name}`;
        case "track":
            return whenTracked(
                config.tracks.find((track) => track.name === name),
                config,
            );
        case "maintenance": {
            const at = maintenance.until === "" ? "" : `, or at ${maintenance.until}`;
            return `carpctl maintenance off${at}`;
        }
        case "boot":
            return afterBoot(config);
        case "operator":
            return `carpctl undemote ${name === "" ? operator : name}`;
        default:
            return "";
    }
}

function splitOnce(reason: string): string[] {
    const colon = reason.indexOf(":");
    return colon < 0 ? [reason] : [reason.slice(0, colon), reason.slice(colon + 1)];
}

function whenLinked(name: string, config: Config): string {
    const {linkUpDelayMs} = config.options;
    const held = linkUpDelayMs === 0 ? "" : `, for ${durationText(linkUpDelayMs)}`;
    return `when ${name} has a link again${held}`;
}

function whenTracked(track: TrackConfig | undefined, config: Config): string {
    if (track === undefined) return "when its check is good again";
    if (track.check.kind === "interface") return whenLinked(track.check.interface, config);
    const times = track.rise === 1 ? "once" : `${track.rise} times in a row`;
    return `when its check is good ${times}`;
}

function afterBoot({options}: Config): string {
    const parts = [
        ...(options.bootDelayMs === 0
            ? []
            : [`after boot-delay (${durationText(options.bootDelayMs)})`]),
        ...(options.bootCommand.length === 0 ? [] : ["when boot-command has succeeded"]),
    ];
    return parts.length === 0 ? "when the start is complete" : parts.join(" and ");
}
