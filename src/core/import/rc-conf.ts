/**
 * FreeBSD's rc.conf, both ways of writing CARP: interfaces of their own up to FreeBSD 9
 * (`ifconfig_carp0="vhid 1 pass X 192.168.1.50/24"`), addresses with a vhid from FreeBSD 10 on
 * (`ifconfig_em0_alias0="inet vhid 1 pass X alias 192.168.1.50/32"`). Pure.
 */
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {shown} from "./collector.ts";
import {applyIfconfigWords, type IfconfigWords, readIfconfigWords} from "./ifconfig-words.ts";
import {importOwnNetwork} from "./own-network.ts";
import {type ShellWord, shellCommands} from "./shell-words.ts";
import {Subnets} from "./subnets.ts";
import {importTunable, isTunableLine} from "./sysctl-conf.ts";

interface Variable {
    text: string;
    readonly place: ImportPlace;
}

/** One run of ifconfig that rc(8) would make. */
interface Run {
    readonly interface: string;
    readonly place: ImportPlace;
    readonly read: IfconfigWords;
}

export function importRcConf(file: string, text: string, collector: Collector): void {
    const variables = readVariables(file, text, collector);
    const runs = ifconfigRuns(variables);
    const subnets = new Subnets();
    for (const run of runs) {
        if (!isCarp(run.interface) && run.read.values.get("vhid") === undefined) {
            for (const {address, prefixLength} of run.read.addresses) {
                subnets.add(run.interface, address, prefixLength ?? 0);
            }
        }
    }
    const own = runs.filter(
        (run) => !isCarp(run.interface) && run.read.values.get("vhid") === undefined,
    );
    importOwnNetwork(variables, own, collector);
    importOld(variables, runs, subnets, collector);
    for (const run of runs) {
        const vhid = run.read.values.get("vhid");
        if (!isCarp(run.interface) && vhid !== undefined) {
            const carpdev = collector.interfaceName(run.place, run.interface, true);
            const draft = collector.vhid(run.place, carpdev, vhid);
            if (draft !== undefined) {
                applyIfconfigWords(run.read, draft, collector, run.place, subnets);
            }
        }
    }
}

function isCarp(name: string): boolean {
    return /^carp[0-9]+$/u.test(name);
}

function readVariables(file: string, text: string, collector: Collector): Map<string, Variable> {
    const variables = new Map<string, Variable>();
    const commands = shellCommands(text, new Map());
    for (let step = commands.next(); ; step = commands.next()) {
        if (step.done === true) {
            if (step.value !== undefined) {
                collector.note(
                    {file, line: step.value.line},
                    "a quote is never closed: the rest of the file is one word",
                );
            }
            return variables;
        }
        const place = {file, line: step.value.line};
        const {words} = step.value;
        const [first] = words;
        if (first !== undefined && words.every((word) => word.name !== "")) {
            for (const word of words) {
                setVariable(variables, word, place, collector);
            }
        } else if (first !== undefined && isTunableLine(first.text)) {
            importTunable(first.text, place, collector);
        } else {
            collector.noteOnce(place, "only NAME=value is read; this line and others are skipped");
        }
    }
}

function setVariable(
    variables: Map<string, Variable>,
    word: ShellWord,
    place: ImportPlace,
    collector: Collector,
): void {
    const matters = /^(?:ifconfig_|cloned_interfaces|create_args_|ipv4_addrs_|vlans_)/u;
    if (word.unknown !== "" && matters.test(word.name)) {
        collector.note(
            place,
            `${shown(word.unknown)} in ${shown(word.name)} is known to a shell only: nothing is put there`,
        );
    }
    const before = variables.get(word.name);
    if (word.append && before !== undefined) {
        before.text += word.text;
    } else {
        variables.set(word.name, {text: word.text, place});
    }
}

function blankWords(text: string): string[] {
    return text.split(/\s+/u).filter((word) => word !== "");
}

/**
 * In variable names rc(8) has an underscore for each of "./-+" of an interface's name: the names
 * that are written elsewhere say which it was.
 */
function interfaceNames(variables: ReadonlyMap<string, Variable>): ReadonlyMap<string, string> {
    const names = new Map<string, string>();
    const add = (name: string): void => {
        names.set(name.replace(/[./+-]/gu, "_"), name);
    };
    for (const [variable, {text}] of variables) {
        if (variable === "cloned_interfaces" || variable === "network_interfaces") {
            blankWords(text).forEach(add);
        } else if (variable.startsWith("vlans_")) {
            const parent = variable.slice("vlans_".length);
            for (const vlan of blankWords(text)) {
                add(/^[0-9]+$/u.test(vlan) ? `${parent}.${vlan}` : vlan);
            }
        }
    }
    return names;
}

/** In the order of rc(8): the interface's own line, then its aliases by number. */
function ifconfigRuns(variables: ReadonlyMap<string, Variable>): Run[] {
    const names = interfaceNames(variables);
    const runs: Run[] = [];
    const run = (name: string, place: ImportPlace, words: readonly string[]): void => {
        const read = readIfconfigWords(words, {positional: false});
        runs.push({interface: names.get(name) ?? name, place, read});
    };
    for (const [variable, {text, place}] of variables) {
        const name = variable.replace(/^(?:ifconfig|create_args|ipv4_addrs)_/u, "");
        if (name === variable) {
            continue;
        }
        const [, base = name, suffix = ""] =
            /^(.+?)_((?:ipv6_)?alias[0-9]+|ipv6|aliases|name|descr|description)$/u.exec(name) ?? [];
        if (variable.startsWith("create_args_") || variable.startsWith("ipv4_addrs_")) {
            run(name, place, blankWords(text));
        } else if (suffix === "aliases") {
            for (const words of splitAliases(blankWords(text))) {
                run(base, place, words);
            }
        } else if (!suffix.startsWith("name") && !suffix.startsWith("desc")) {
            run(base, place, blankWords(text));
        }
    }
    return runs;
}

/** `ifconfig_em0_aliases="inet A inet6 B"` is one run for each family word. */
function splitAliases(words: readonly string[]): string[][] {
    const runs: string[][] = [];
    for (const word of words) {
        const last = runs.at(-1);
        if (last === undefined || word === "inet" || word === "inet6") {
            runs.push([word]);
        } else {
            last.push(word);
        }
    }
    return runs;
}

/** The carp interfaces of FreeBSD 5 to 9: all runs of one are one vhid. */
function importOld(
    variables: ReadonlyMap<string, Variable>,
    runs: readonly Run[],
    subnets: Subnets,
    collector: Collector,
): void {
    const cloned = blankWords(variables.get("cloned_interfaces")?.text ?? "");
    const names = [...new Set(runs.map((run) => run.interface).filter(isCarp))];
    names.sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)));
    for (const name of names) {
        const own = runs.filter((run) => run.interface === name);
        const [first] = own;
        if (first === undefined) {
            continue;
        }
        if (!cloned.includes(name)) {
            collector.note(
                first.place,
                `${name} is not in cloned_interfaces: FreeBSD did not make it`,
            );
        }
        importOldInterface(name, first, own, subnets, collector);
    }
    for (const name of cloned.filter((word) => isCarp(word) && !names.includes(word))) {
        const place = variables.get("cloned_interfaces")?.place;
        if (place !== undefined) {
            collector.refuse(place, `${name} has no ifconfig_${name}: it is left out`);
        }
    }
}

function importOldInterface(
    name: string,
    first: Run,
    own: readonly Run[],
    subnets: Subnets,
    collector: Collector,
): void {
    const vhids = own.flatMap((run) => run.read.values.get("vhid") ?? []);
    const [vhid] = vhids;
    if (vhid === undefined) {
        collector.refuse(first.place, `${name} has no vhid: it is left out`);
        return;
    }
    const carpdev = oldCarpdev(name, own, subnets, collector);
    if (carpdev === undefined) {
        collector.refuse(
            first.place,
            `${name}: no interface has a subnet around its address; --map ${name}=NAME says which one carries it`,
        );
        return;
    }
    const draft: VhidDraft | undefined = collector.newVhid(first.place, carpdev, vhid);
    if (draft === undefined) {
        return;
    }
    draft.name = name;
    for (const {read, place} of own) {
        applyIfconfigWords(read, draft, collector, place, subnets);
    }
}

function oldCarpdev(
    name: string,
    own: readonly Run[],
    subnets: Subnets,
    collector: Collector,
): string | undefined {
    for (const {read, place} of own) {
        const written = read.values.get("carpdev");
        if (written !== undefined) {
            return collector.interfaceName(place, written, true);
        }
    }
    for (const {read, place} of own) {
        for (const {address} of read.addresses) {
            const found = subnets.find(address);
            if (found !== undefined) {
                return collector.interfaceName(place, found.name, true);
            }
        }
    }
    return collector.mapped(name);
}
