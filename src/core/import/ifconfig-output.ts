/**
 * What `ifconfig -k` prints on FreeBSD 10 and newer: interfaces, their addresses with vhids, and a
 * line for each vhid with its key. Pure.
 */
import {parseAddress} from "../address.ts";
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {netmaskLength} from "./subnets.ts";

/** Multicast groups that ifconfig shows as the peers of a vhid without peers. */
const groups = new Set(["224.0.0.18", "ff02::12"]);

export function importIfconfigOutput(file: string, text: string, collector: Collector): void {
    let carpdev = "";
    let draft: VhidDraft | undefined;
    const keyless = new Map<VhidDraft, ImportPlace>();
    for (const [index, line] of text.split("\n").entries()) {
        const place = {file, line: index + 1};
        const header = /^([^\s:]+): flags=/u.exec(line);
        if (header !== null) {
            carpdev = header[1] ?? "";
            draft = undefined;
            continue;
        }
        const words = line.trim().split(/\s+/u);
        const [first] = words;
        if ((first === "inet" || first === "inet6") && words.includes("vhid")) {
            const target = vhidOf(words, carpdev, place, collector);
            if (target !== undefined) {
                collector.addVip(target, place, vipText(words));
            }
        } else if (first === "carp:") {
            draft = vhidOf(words, carpdev, place, collector);
            if (draft !== undefined) {
                readCarpLine(draft, words, place, collector);
                keyless.set(draft, place);
            }
        }
        if (draft !== undefined) {
            readKey(draft, first === "carp:" ? afterNumbers(line) : line, place, collector);
            readPeers(draft, first === "peer" ? words : [], place, collector);
        }
    }
    for (const [{pass, vhid}, place] of keyless) {
        if (pass === undefined) {
            collector.note(
                place,
                `no key of vhid ${vhid} is shown: take the output of "ifconfig -k" as root`,
            );
        }
    }
}

function wordAfter(words: readonly string[], word: string): string {
    const at = words.indexOf(word);
    return at < 0 ? "" : (words[at + 1] ?? "");
}

function vhidOf(
    words: readonly string[],
    carpdev: string,
    place: ImportPlace,
    collector: Collector,
): VhidDraft | undefined {
    if (carpdev === "") {
        collector.refuse(place, "a vhid before the first interface: it is left out");
        return undefined;
    }
    const name = collector.interfaceName(place, carpdev, true);
    return collector.vhid(place, name, wordAfter(words, "vhid"));
}

/** "192.168.1.1/32" of `inet 192.168.1.1 netmask 0xffffffff ...`. */
function vipText(words: readonly string[]): string {
    const address = (words[1] ?? "").replace(/%.*$/u, "");
    if (address.includes("/")) {
        return address;
    }
    const prefixLength = words[0] === "inet6" ? wordAfter(words, "prefixlen") : undefined;
    return `${address}/${prefixLength ?? netmaskLength(wordAfter(words, "netmask")) ?? 32}`;
}

function readCarpLine(
    draft: VhidDraft,
    words: readonly string[],
    place: ImportPlace,
    collector: Collector,
): void {
    const advbase = wordAfter(words, "advbase");
    const advskew = wordAfter(words, "advskew");
    draft.advbase = collector.integer(place, "advbase", advbase, 0, 255) ?? draft.advbase;
    draft.advskew = collector.integer(place, "advskew", advskew, 0, 254) ?? draft.advskew;
}

/** What follows the numbers of a `carp:` line; a key may hold any word of it. */
function afterNumbers(line: string): string {
    return line.replace(/^.*?\badvskew\s+\S+/u, "");
}

function readKey(draft: VhidDraft, line: string, place: ImportPlace, collector: Collector): void {
    // A quote inside the key is printed as it is: the last one of the line closes it.
    const key = /^\s*key:?\s+"(.*)"\s*$/u.exec(line)?.[1];
    if (key !== undefined) {
        collector.setPass(draft, place, key);
    }
}

function readPeers(
    draft: VhidDraft,
    words: readonly string[],
    place: ImportPlace,
    collector: Collector,
): void {
    for (const word of ["peer", "peer6"]) {
        const peer = wordAfter(words, word).replace(/%.*$/u, "");
        const parsed = parseAddress(peer);
        if (parsed.ok && !groups.has(parsed.value.address)) {
            collector.addPeer(draft, place, peer);
        }
    }
}
