/**
 * The canonical text of a configuration: every key, one order, one form. Reading it gives the same
 * configuration again.
 */
import {formatVip} from "./address.ts";
import type {CarpConfig, Config, Secret} from "./config.ts";

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
    ];
}

export function printConfig(config: Config, options: PrintOptions = {secrets: false}): string {
    const {preempt, arpbalance, fastTakeover} = config.options;
    const {ifdownDemotion, senderrDemotion, handoverLimitMs} = config.options;
    const lines = [
        "[options]",
        `preempt = ${preempt}`,
        `arpbalance = ${arpbalance}`,
        `fast-takeover = ${fastTakeover}`,
        `ifdown-demotion = ${ifdownDemotion}`,
        `senderr-demotion = ${senderrDemotion}`,
        `handover-limit-ms = ${handoverLimitMs}`,
        ...config.carp.flatMap((carp) => printCarp(carp, options)),
    ];
    return `${lines.join("\n")}\n`;
}
