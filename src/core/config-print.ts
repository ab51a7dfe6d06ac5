/**
 * The canonical text of a configuration: every key, one order, one form. Reading it gives the same
 * configuration again. What only an appliance has is left out where it is as it always is.
 */
import {formatVip} from "./address.ts";
import {
    type CarpConfig,
    type Config,
    defaultSystem,
    type InterfaceConfig,
    type Secret,
    type SystemConfig,
    type TrackCheck,
    type TrackConfig,
} from "./config.ts";
import {durationText, octetsText} from "./config-units.ts";

export interface PrintOptions {
    /** true: passwords are written out. Otherwise a comment says that there is one. */
    readonly secrets: boolean;
}

/** A TOML basic string. */
function quote(text: string): string {
    const escaped = text.replace(/["\\\p{Cc}]/gu, (character) => {
        if (character === '"' || character === "\\") {
            return `\\${character}`;
        }
        return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    });
    return `"${escaped}"`;
}

function quoteAll(texts: readonly string[]): string {
    return `[${texts.map(quote).join(", ")}]`;
}

/** A password from a pass-file may be octets that no TOML string can hold. */
function secretLine(secret: Secret, options: PrintOptions): string[] {
    const octets = secret.reveal();
    if (octets.length === 0) {
        return [];
    }
    if (!options.secrets) {
        return ["# pass is not shown"];
    }
    try {
        const text = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(octets);
        return [`pass = ${quote(text)}`];
    } catch (error) {
        if (error instanceof TypeError) {
            return ["# pass is not UTF-8 text, it needs a pass-file"];
        }
        throw error;
    }
}

function printCarp(carp: CarpConfig, options: PrintOptions): string[] {
    return [
        "",
        "[[carp]]",
        `name = ${quote(carp.name)}`,
        `carpdev = ${quote(carp.carpdev)}`,
        `vhid = ${carp.vhid}`,
        `advbase = ${carp.advbase}`,
        `advskew = ${carp.advskew}`,
        ...secretLine(carp.pass, options),
        `addresses = ${quoteAll(carp.addresses.map(formatVip))}`,
        `peers = ${quoteAll(carp.peers)}`,
        `mac = ${quote(carp.mac)}`,
        `profile = ${quote(carp.profile)}`,
        `enabled = ${carp.enabled}`,
        `group = ${quote(carp.group)}`,
        `upscript = ${quote(carp.upscript)}`,
        `downscript = ${quote(carp.downscript)}`,
        `xparam = ${quote(carp.xparam)}`,
    ];
}

function printDuration(ms: number): string {
    return quote(durationText(ms));
}

/** A bare number of octets is a TOML integer; with a unit it is a string. */
function printOctets(octets: number): string {
    const text = octetsText(octets);
    return text === String(octets) ? text : quote(text);
}

function printCheck(check: TrackCheck): string[] {
    switch (check.kind) {
        case "interface":
            return [`interface = ${quote(check.interface)}`];
        case "command":
            return [`command = ${quoteAll(check.command)}`];
        case "file":
            return [
                `file = ${quote(check.path)}`,
                `must = ${quote(check.exists ? "exist" : "not-exist")}`,
            ];
        case "ping":
            return [`ping = ${quote(check.address)}`];
        case "unit":
            return [`unit = ${quote(check.unit)}`];
        case "memory":
            return [`memory = ${printOctets(check.leastOctets)}`];
        case "temperature":
            return [`temperature = ${check.mostCelsius}`];
    }
}

/** The link of an interface is not polled: it has no times and is not counted. */
function printTimes(track: TrackConfig): string[] {
    if (track.check.kind === "interface") {
        return [];
    }
    return [
        `interval = ${printDuration(track.intervalMs)}`,
        `timeout = ${printDuration(track.timeoutMs)}`,
        `rise = ${track.rise}`,
        `fall = ${track.fall}`,
    ];
}

function printTrack(track: TrackConfig): string[] {
    return [
        "",
        "[[track]]",
        `name = ${quote(track.name)}`,
        ...printCheck(track.check),
        ...printTimes(track),
        `demotion = ${track.demotion}`,
        `group = ${quote(track.group)}`,
    ];
}

function printSystem(system: SystemConfig): string[] {
    if (JSON.stringify(system) === JSON.stringify(defaultSystem)) {
        return [];
    }
    return [
        "",
        "[system]",
        `hostname = ${quote(system.hostname)}`,
        `ssh = ${system.ssh}`,
        `ssh-keys = ${quoteAll(system.sshKeys)}`,
        `allow = ${quoteAll(system.allow)}`,
        `nameservers = ${quoteAll(system.nameservers)}`,
        `forwarding = ${system.forwarding}`,
    ];
}

function printInterface(own: InterfaceConfig): string[] {
    return [
        "",
        "[[interface]]",
        `name = ${quote(own.name)}`,
        `addresses = ${quoteAll(own.addresses.map(formatVip))}`,
        `dhcp = ${own.dhcp}`,
        `gateway = ${quote(own.gateway)}`,
        `gateway6 = ${quote(own.gateway6)}`,
        ...(own.mtu === 0 ? [] : [`mtu = ${own.mtu}`]),
    ];
}

export function printConfig(config: Config, options: PrintOptions = {secrets: false}): string {
    const o = config.options;
    const lines = [
        "[options]",
        `preempt = ${o.preempt}`,
        `arpbalance = ${o.arpbalance}`,
        `arpbalance-hash = ${quote(o.arpbalanceHash)}`,
        `arpbalance-order = ${quote(o.arpbalanceOrder)}`,
        `fast-takeover = ${o.fastTakeover}`,
        `ifdown-demotion = ${o.ifdownDemotion}`,
        `senderr-demotion = ${o.senderrDemotion}`,
        `handover-limit-ms = ${o.handoverLimitMs}`,
        `link-up-delay = ${printDuration(o.linkUpDelayMs)}`,
        `boot-delay = ${printDuration(o.bootDelayMs)}`,
        `boot-command = ${quoteAll(o.bootCommand)}`,
        `boot-command-timeout = ${printDuration(o.bootCommandTimeoutMs)}`,
        `hook-timeout = ${printDuration(o.hookTimeoutMs)}`,
        ...printSystem(config.system),
        ...config.interfaces.flatMap(printInterface),
        ...config.carp.flatMap((carp) => printCarp(carp, options)),
        ...config.tracks.flatMap(printTrack),
    ];
    return `${lines.join("\n")}\n`;
}
