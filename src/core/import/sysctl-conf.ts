/**
 * sysctl.conf and loader.conf of the BSDs: net.inet.carp.* to carpd's options. Pure.
 */
import {type Collector, type ImportPlace, readInteger, shown} from "./collector.ts";

export function importSysctlConf(file: string, text: string, collector: Collector): void {
    let others = 0;
    let firstOther = 0;
    for (const [index, raw] of text.split("\n").entries()) {
        const line = raw.replace(/#.*$/u, "").trim();
        if (line === "") {
            continue;
        }
        if (isTunableLine(line)) {
            importTunable(line, {file, line: index + 1}, collector);
        } else if (!/^(?:if_)?carp_load\s*=/u.test(line)) {
            others += 1;
            firstOther ||= index + 1;
        }
    }
    if (others > 0) {
        const lines = `${others} line${others === 1 ? "" : "s"}`;
        collector.note({file, line: firstOther}, `${lines} not about CARP: not taken over`);
    }
}

/** "net.inet.carp.preempt=1", also with blanks around the sign. */
export function isTunableLine(line: string): boolean {
    return /^net\.(?:inet\.carp|pfsync)\./u.test(line);
}

const notTaken: ReadonlyMap<string, string> = new Map([
    ["allow", "carpd has no such switch; enabled = false holds a vhid in INIT"],
    ["demotion", "the demotion of the moment is no configuration"],
    ["dscp", "carpd always sends with the network control class (CS7, 56)"],
    ["log", "carpd logs state changes always"],
    ["stats", "counters are no configuration"],
    ["suppress_preempt", "it is counted, not configured"],
]);

/** `line` is one that isTunableLine() knows. */
export function importTunable(line: string, place: ImportPlace, collector: Collector): void {
    const sign = line.indexOf("=");
    const name = (sign < 0 ? line : line.slice(0, sign)).trim();
    const value =
        sign < 0
            ? ""
            : line
                  .slice(sign + 1)
                  .trim()
                  .replace(/^"(.*)"$/u, "$1");
    const word = name.replace("net.inet.carp.", "");
    const {options} = collector;
    if (word === "preempt") {
        options.preempt = truth(name, value, place, collector) ?? options.preempt ?? false;
    } else if (word === "arpbalance") {
        options.arpbalance = truth(name, value, place, collector) ?? options.arpbalance ?? false;
    } else if (word === "ifdown_demotion_factor") {
        const factor = collector.integer(place, name, value, 0, 255);
        if (factor !== undefined) {
            options.ifdownDemotion = factor;
        }
    } else if (word === "senderr_demotion_factor") {
        const factor = collector.integer(place, name, value, 0, 255);
        if (factor !== undefined) {
            options.senderrDemotion = factor;
        }
    } else if (name.startsWith("net.pfsync.")) {
        collector.note(place, `${shown(name)}: there is no pfsync here`);
    } else {
        const why = notTaken.get(word) ?? "carpd knows no such setting";
        // What is on by default needs no word.
        if (word !== "allow" || value !== "1") {
            collector.note(place, `${shown(name)} is left out: ${why}`);
        }
    }
}

function truth(
    name: string,
    value: string,
    place: ImportPlace,
    collector: Collector,
): boolean | undefined {
    const number = readInteger(value);
    if (Number.isNaN(number)) {
        collector.note(place, `${name} ${shown(value)} is not 0 or 1: it is left out`);
        return undefined;
    }
    return number !== 0;
}
