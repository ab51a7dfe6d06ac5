/**
 * Other programs' configurations as a carpd.toml: prints, applies nothing, and says what it could
 * not take over. Pure.
 *
 * Several files make one configuration: rc.conf with sysctl.conf, all hostname.* of a host.
 */
import {type Diagnostic, type Remark, SourceText, type Span} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";
import {Collector, type ImportNote, type ImportPlace} from "./collector.ts";
import {importConfigXml} from "./config-xml.ts";
import {finishImport} from "./finish.ts";
import {guessKind, type ImportKind, importKinds} from "./guess.ts";
import {type HostnameFile, importHostnameFiles} from "./hostname-if.ts";
import {importIfconfigOutput} from "./ifconfig-output.ts";
import {importInterfaces} from "./ifupdown.ts";
import {importKeepalived} from "./keepalived.ts";
import {importRcConf} from "./rc-conf.ts";
import {Subnets} from "./subnets.ts";
import {importSysctlConf} from "./sysctl-conf.ts";
import {importUcarp} from "./ucarp.ts";

export type {ImportNote} from "./collector.ts";
export {type ImportKind, importKinds, importKindWords} from "./guess.ts";

export interface ImportFile {
    /** As it is shown; for hostname.carpN it names the interface. */
    readonly name: string;
    readonly text: string;
}

export interface ImportOptions {
    /** Of all files; not given: guessed for each by name and content. */
    readonly kind?: ImportKind;
    /** Their interface names to this host's: `--map em0=eth0`. */
    readonly map: ReadonlyMap<string, string>;
}

export interface Imported {
    /** A canonical carpd.toml, passwords included, that carpd's parser takes. */
    readonly toml: string;
    /** In the order of the files and their lines. */
    readonly notes: readonly ImportNote[];
}

/** UTF-16 units of one file. */
export const longestImport = 8 * 1024 * 1024;
/** More is not read by a person. */
const mostNotes = 200;
const mostErrors = 20;

export function importConfiguration(
    input: readonly ImportFile[],
    options: ImportOptions,
): Result<Imported, readonly Diagnostic[]> {
    const files = input.map(({name, text}) => ({name, text: text.replaceAll("\r\n", "\n")}));
    const errors = new Errors(files);
    const kinds: {readonly file: ImportFile; readonly kind: ImportKind}[] = [];
    for (const file of files) {
        const problem = textProblem(file.text);
        const kind = options.kind ?? (problem ? undefined : guessKind(file.name, file.text));
        if (problem !== undefined) {
            errors.add({file: file.name, line: problem.line}, problem.remark);
        } else if (kind === undefined) {
            errors.add(
                {file: file.name, line: 1},
                {
                    message: "neither the name nor the text says what kind of file this is",
                    expected: `--kind and one of ${importKinds.join(", ")}`,
                },
            );
        } else {
            kinds.push({file, kind});
        }
    }
    if (errors.list.length > 0) {
        return err(errors.list);
    }
    const collector = new Collector(options.map);
    readFiles(kinds, collector, errors);
    if (errors.list.length > 0) {
        return err(errors.list);
    }
    return conclude(files, collector, errors);
}

function conclude(
    files: readonly ImportFile[],
    collector: Collector,
    errors: Errors,
): Result<Imported, readonly Diagnostic[]> {
    const finished = finishImport(collector);
    if (!finished.ok) {
        for (const {text, ...place} of finished.error) {
            errors.add(place, {message: text});
        }
        return err(errors.list);
    }
    if (finished.value === "") {
        for (const {text, ...place} of collector.refusals) {
            errors.add(place, {message: text});
        }
        if (errors.list.length === 0) {
            errors.add(
                {file: files[0]?.name ?? "", line: 1},
                {
                    message: `no vhid in ${files.map(({name}) => name).join(", ") || "no file"}`,
                    expected: "a file that configures CARP (sysctl.conf alone does not)",
                },
            );
        }
        return err(errors.list);
    }
    return ok({toml: finished.value, notes: sortNotes(collector.notes, files)});
}

function readFiles(
    kinds: readonly {readonly file: ImportFile; readonly kind: ImportKind}[],
    collector: Collector,
    errors: Errors,
): void {
    const hostnames: HostnameFile[] = [];
    for (const {file, kind} of kinds) {
        const {name, text} = file;
        switch (kind) {
            case "rc.conf":
                importRcConf(name, text, collector);
                break;
            case "sysctl.conf":
                importSysctlConf(name, text, collector);
                break;
            case "ifconfig":
                importIfconfigOutput(name, text, collector);
                break;
            case "hostname.if":
            case "ifconfig.if":
                hostnames.push({name, text, netbsd: kind === "ifconfig.if"});
                break;
            case "config.xml":
                errors.addIfAny(name, importConfigXml(name, text, collector));
                break;
            case "ucarp":
                importUcarp(name, text, collector);
                break;
            case "interfaces":
                importInterfaces(name, text, collector);
                break;
            case "keepalived":
                errors.addIfAny(name, importKeepalived(name, text, collector));
                break;
        }
    }
    // All of them at once: a carpdev may be found by the subnet that another file tells.
    importHostnameFiles(hostnames, new Subnets(), collector);
}

/** Sizes and octets that no text has. */
function textProblem(text: string): {readonly line: number; readonly remark: Remark} | undefined {
    if (text.length > longestImport) {
        return {line: 1, remark: {message: "the file is larger than 8 MiB", expected: "less"}};
    }
    // U+FFFD stands where a reader found no UTF-8.
    const bad = /(?![\t\n\v\f\r])\p{Cc}|\ufffd/u.exec(text);
    if (bad === null) {
        return undefined;
    }
    const line = text.slice(0, bad.index).split("\n").length;
    return {line, remark: {message: "this is not text in UTF-8", expected: "a text file"}};
}

function sortNotes(notes: readonly ImportNote[], files: readonly ImportFile[]): ImportNote[] {
    const order = new Map(files.map(({name}, i) => [name, i]));
    const rank = ({file}: ImportPlace): number => order.get(file) ?? files.length;
    const sorted = [...notes].sort((a, b) => rank(a) - rank(b) || a.line - b.line);
    if (sorted.length <= mostNotes) {
        return sorted;
    }
    const kept = sorted.slice(0, mostNotes - 1);
    const {file, line} = sorted[mostNotes - 1] ?? {file: "", line: 1};
    return [...kept, {file, line, text: `${sorted.length - kept.length} more notes, from here on`}];
}

/** What follows a word that goes before a password, to the end of its line: never shown. */
const secretWord =
    /(?:\bpas+\w*|auth_pass|ucarp-password|\bkey:?(?=\s)|(?<=\s)-[A-Za-z]*p|<password>)[\s\\"'=:]*([^\n]*)/giu;

class Errors {
    readonly list: Diagnostic[] = [];
    readonly #files: readonly ImportFile[];
    readonly #sources = new Map<string, {source: SourceText; lines: readonly Span[]}>();

    constructor(files: readonly ImportFile[]) {
        this.#files = files;
    }

    addIfAny(
        file: string,
        problem: {readonly line: number; readonly message: string} | undefined,
    ): void {
        if (problem !== undefined) {
            this.add({file, line: problem.line}, {message: problem.message});
        }
    }

    /** The first twenty; the caret stands under the whole line. */
    add(place: ImportPlace, remark: Remark): void {
        if (this.list.length === mostErrors) {
            return;
        }
        const {source, lines} = this.#source(place.file);
        const span = lines[place.line - 1] ?? {start: 0, end: 0};
        this.list.push(source.diagnostic(span, remark));
    }

    #source(file: string): {source: SourceText; lines: readonly Span[]} {
        const known = this.#sources.get(file);
        if (known !== undefined) {
            return known;
        }
        const text = this.#files.find(({name}) => name === file)?.text ?? "";
        const source = new SourceText(file, text.length > longestImport ? "" : text);
        const hidden: Span[] = [];
        for (const match of source.text.matchAll(secretWord)) {
            const end = match.index + match[0].length;
            hidden.push({start: end - (match[1] ?? "").length, end});
        }
        source.hide(hidden);
        const lines: Span[] = [];
        let start = 0;
        for (const line of source.text.split("\n")) {
            const indent = line.length - line.trimStart().length;
            lines.push({start: start + indent, end: start + line.length});
            start += line.length + 1;
        }
        const made = {source, lines};
        this.#sources.set(file, made);
        return made;
    }
}
