/**
 * OpenBSD's hostname.carpN and NetBSD's ifconfig.carpN: a file for each interface, whose name says
 * which. The files of the other interfaces, where given too, tell the subnets. Pure.
 */
import type {Collector, VhidDraft} from "./collector.ts";
import {applyIfconfigWords, type IfconfigWords, readIfconfigWords} from "./ifconfig-words.ts";
import {quotedWords} from "./shell-words.ts";
import type {Subnets} from "./subnets.ts";

export interface HostnameFile {
    readonly name: string;
    readonly text: string;
    readonly netbsd: boolean;
}

interface Line {
    readonly line: number;
    readonly read: IfconfigWords;
}

/** "carp0" of "/etc/hostname.carp0"; "" when the name does not say. */
export function interfaceOfFile(name: string): string {
    return /(?:^|\/)(?:hostname|ifconfig)\.([A-Za-z][\w.-]*)$/u.exec(name)?.[1] ?? "";
}

function isCarpFile(file: HostnameFile, lines: readonly Line[]): boolean {
    return (
        /^carp[0-9]+$/u.test(interfaceOfFile(file.name)) ||
        lines.some(({read}) => read.values.has("vhid"))
    );
}

export function importHostnameFiles(
    files: readonly HostnameFile[],
    subnets: Subnets,
    collector: Collector,
): void {
    const read = files.map((file) => ({file, lines: readLines(file, collector)}));
    for (const {file, lines} of read) {
        if (!isCarpFile(file, lines)) {
            for (const {address, prefixLength} of lines.flatMap((line) => line.read.addresses)) {
                subnets.add(interfaceOfFile(file.name), address, prefixLength ?? 0);
            }
        }
    }
    for (const {file, lines} of read) {
        if (isCarpFile(file, lines)) {
            importCarpFile(file, lines, subnets, collector);
        }
    }
}

function readLines(file: HostnameFile, collector: Collector): Line[] {
    const lines: Line[] = [];
    for (const [index, text] of file.text.split("\n").entries()) {
        const place = {file: file.name, line: index + 1};
        if (text.trim().startsWith("!")) {
            collector.note(place, "a command: it is not taken over");
            continue;
        }
        const words = quotedWords(text);
        if (words.length > 0) {
            const read = readIfconfigWords(words, {positional: !file.netbsd});
            lines.push({line: index + 1, read});
        }
    }
    return lines;
}

function importCarpFile(
    file: HostnameFile,
    lines: readonly Line[],
    subnets: Subnets,
    collector: Collector,
): void {
    const name = interfaceOfFile(file.name);
    const first = {file: file.name, line: lines[0]?.line ?? 1};
    const value = (word: string): string | undefined =>
        lines.flatMap(({read}) => read.values.get(word) ?? [])[0];
    const vhid = value("vhid") ?? firstNode(value("carpnodes"));
    if (vhid === undefined) {
        collector.refuse(first, `${name || "this interface"} has no vhid: it is left out`);
        return;
    }
    const written = value("carpdev");
    const found = lines
        .flatMap(({read}) => read.addresses)
        .map(({address}) => subnets.find(address)?.name)
        .find((carpdev) => carpdev !== undefined);
    const foreign = written ?? found;
    const carpdev =
        foreign === undefined
            ? collector.mapped(name)
            : collector.interfaceName(first, foreign, true);
    if (carpdev === undefined) {
        const map = name === "" ? "" : `; --map ${name}=NAME says which one carries it`;
        collector.refuse(first, `${name || "this interface"} has no carpdev${map}`);
        return;
    }
    const draft: VhidDraft | undefined = collector.newVhid(first, carpdev, vhid);
    if (draft === undefined) {
        return;
    }
    draft.name = name;
    draft.profile = file.netbsd ? "freebsd" : "openbsd";
    collector.netbsd ||= file.netbsd;
    for (const {line, read} of lines) {
        applyIfconfigWords(read, draft, collector, {file: file.name, line}, subnets);
    }
    if (value("carpnodes") !== undefined && value("vhid") === undefined) {
        collector.note(first, `of carpnodes only the first, vhid ${vhid}, is taken over`);
    }
}

/** "1" of OpenBSD's `carpnodes 1:0,2:100`. */
function firstNode(text: string | undefined): string | undefined {
    return text === undefined ? undefined : /^([0-9]+)/u.exec(text)?.[1];
}
