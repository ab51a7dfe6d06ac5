/**
 * Debian's /etc/network/interfaces with the `ucarp-*` lines that ucarp's if-up script reads. Pure.
 */
import type {Collector, ImportPlace} from "./collector.ts";
import {shown} from "./collector.ts";
import {netmaskLength} from "./subnets.ts";
import {importUcarpOptions, logicalLines} from "./ucarp.ts";
import type {UcarpOption} from "./ucarp-options.ts";

interface Stanza {
    readonly name: string;
    readonly place: ImportPlace;
    readonly values: Map<string, string>;
}

const options: ReadonlyMap<string, UcarpOption> = new Map([
    ["ucarp-vid", "vhid"],
    ["ucarp-vip", "addr"],
    ["ucarp-password", "pass"],
    ["ucarp-advskew", "advskew"],
    ["ucarp-advbase", "advbase"],
    ["ucarp-deadratio", "deadratio"],
    ["ucarp-upscript", "upscript"],
    ["ucarp-downscript", "downscript"],
    ["ucarp-xparam", "xparam"],
]);
const switches: ReadonlyMap<string, UcarpOption> = new Map([
    ["ucarp-master", "preempt"],
    ["ucarp-nomcast", "nomcast"],
]);

export function importInterfaces(file: string, text: string, collector: Collector): void {
    const stanzas = readStanzas(file, text, collector);
    for (const stanza of stanzas) {
        if ([...stanza.values.keys()].some((key) => key.startsWith("ucarp-"))) {
            importStanza(stanza, stanzas, collector);
        }
    }
}

/** The `iface` stanzas; one name may have several, one for each family. */
function readStanzas(file: string, text: string, collector: Collector): Stanza[] {
    const stanzas: Stanza[] = [];
    let current: Stanza | undefined;
    for (const {line, text: written} of logicalLines(text)) {
        const place = {file, line};
        const [, word = "", rest = ""] = /^\s*([^\s#]\S*)\s*(.*?)\s*$/u.exec(written) ?? [];
        if (word === "iface") {
            current = {name: rest.split(/\s+/u)[0] ?? "", place, values: new Map()};
            stanzas.push(current);
        } else if (
            /^(?:auto|mapping|source|source-directory|template|no-\w+|allow-.*)$/u.test(word)
        ) {
            current = undefined;
            if (word.startsWith("source")) {
                collector.note(place, `${shown(rest)} is not read: name that file too`);
            }
        } else if (word !== "" && current !== undefined) {
            current.values.set(word, rest);
        } else if (word.startsWith("ucarp-")) {
            collector.note(place, `${shown(word)} before the first iface: it is left out`);
        }
    }
    return stanzas;
}

/** What the if-up script takes for no. */
function isOff(text: string): boolean {
    return /^(?:no|off|false|0)/u.test(text);
}

function importStanza(stanza: Stanza, stanzas: readonly Stanza[], collector: Collector): void {
    const {place, values, name} = stanza;
    const given = new Map<UcarpOption, string>([["interface", name]]);
    for (const [key, value] of values) {
        const option = options.get(key);
        const flag = switches.get(key);
        if (option !== undefined) {
            given.set(option, value);
        } else if (flag !== undefined && !isOff(value)) {
            given.set(flag, "");
        } else if (flag === undefined && key.startsWith("ucarp-")) {
            collector.note(place, `${shown(key)} is not understood: it is left out`);
        }
    }
    for (const key of ["ucarp-vid", "ucarp-vip", "ucarp-password"]) {
        if ((values.get(key) ?? "") === "") {
            collector.note(place, `${name} has no ${key}: Debian starts no ucarp without it`);
        }
    }
    // The scripts that Debian supplies only bring NAME:ucarp up and down, which carpd does itself.
    for (const option of ["upscript", "downscript"] as const) {
        if ((given.get(option) ?? "").startsWith("/usr/share/ucarp/vip-")) {
            given.delete(option);
        }
    }
    const ownAddress = stanzas.find((other) => other.name === `${name}:ucarp`);
    if (ownAddress !== undefined && [...ownAddress.values.keys()].some(isCommand)) {
        collector.note(
            ownAddress.place,
            `commands of ${name}:ucarp are left out; upscript and downscript can do them`,
        );
    }
    const length = prefixOf(ownAddress) ?? prefixOf(stanza) ?? 32;
    importUcarpOptions(given, place, collector, length);
}

function isCommand(key: string): boolean {
    return /^(?:pre-up|up|post-up|down|pre-down|post-down)$/u.test(key);
}

function prefixOf(stanza: Stanza | undefined): number | undefined {
    const netmask = stanza?.values.get("netmask") ?? "";
    const slashed = /\/([0-9]{1,2})$/u.exec(stanza?.values.get("address") ?? "")?.[1];
    const length = slashed ?? (/^[0-9]{1,2}$/u.test(netmask) ? netmask : undefined);
    return length === undefined ? netmaskLength(netmask) : Number(length);
}
