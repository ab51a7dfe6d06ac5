/**
 * The configuration on disk: the file, its drop-ins and its pass-files, read with bounds and given
 * to the pure reader in src/core. Also the names of the system's interfaces. Synchronous: it runs
 * at start and at a reload, on files of a few KiB.
 */
import {
    closeSync,
    constants,
    fstatSync,
    openSync,
    readdirSync,
    readFileSync,
    readSync,
} from "node:fs";
import {dirname, join} from "node:path";
import {getSystemErrorMap} from "node:util";
import {type ConfigText, draftConfig} from "../core/config-draft.ts";
import {finishConfig, type ParsedConfig, type PassFile} from "../core/config-parse.ts";
import {type Diagnostic, formatDiagnostics, SourceText} from "../core/diagnostic.ts";
import {exitCodes} from "../core/exit-codes.ts";
import {err, ok, type Result} from "../core/result.ts";

/** Larger files are refused, not read. Octets. */
const largestFile = 1024 * 1024;
const largestPassFile = 4096;
const mostDropIns = 256;

export interface LoadedConfig extends ParsedConfig {
    /** The file and its drop-ins, in the order of reading. */
    readonly texts: readonly ConfigText[];
}

export interface LoadFailure {
    /** EX_NOINPUT when a file cannot be read, EX_CONFIG when its text is wrong. */
    readonly exitCode: typeof exitCodes.noInput | typeof exitCodes.config;
    /** Printable, several lines, without a final newline. */
    readonly text: string;
    /** Empty when a file cannot be read. */
    readonly diagnostics: readonly Diagnostic[];
}

interface FileContent {
    readonly octets: Uint8Array;
    readonly worldReadable: boolean;
}

/** "no such file or directory (ENOENT)" for what node:fs throws; anything else is a bug. */
function systemReason(error: unknown): string {
    if (error instanceof Error && "errno" in error && typeof error.errno === "number") {
        const [code, words] = getSystemErrorMap().get(error.errno) ?? [String(error.errno), ""];
        return words === "" ? code : `${words} (${code})`;
    }
    throw error;
}

/** A regular file of at most `limit` octets; the error is the reason in words. */
function readBounded(path: string, limit: number): Result<FileContent, string> {
    if (path.includes("\0")) {
        return err("a file name cannot contain a NUL");
    }
    let file: number;
    try {
        // O_NONBLOCK: opening a FIFO must not wait for somebody who writes.
        file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
        return err(systemReason(error));
    }
    try {
        const status = fstatSync(file);
        if (!status.isFile()) {
            return err("not a regular file");
        }
        // One octet more than allowed, so that a file which grows meanwhile is noticed too.
        const buffer = new Uint8Array(limit + 1);
        let length = 0;
        let got = -1;
        while (got !== 0 && length < buffer.length) {
            got = readSync(file, buffer, length, buffer.length - length, null);
            length += got;
        }
        if (length > limit) {
            return err(`larger than ${limit} octets`);
        }
        const worldReadable = (status.mode & constants.S_IROTH) !== 0;
        return ok({octets: buffer.slice(0, length), worldReadable});
    } catch (error) {
        return err(systemReason(error));
    } finally {
        closeSync(file);
    }
}

/** The UTF-8 text without a byte order mark, or a diagnostic at the first octet that is not. */
function decode(file: string, octets: Uint8Array): Result<ConfigText, Diagnostic> {
    const text = new TextDecoder("utf-8").decode(octets);
    const encoder = new TextEncoder();
    const bom = octets[0] === 0xef && octets[1] === 0xbb && octets[2] === 0xbf ? 3 : 0;
    let at = text.indexOf("\ufffd");
    if (at < 0) {
        return ok({file, text});
    }
    // A replacement character may stand in the file itself; one that was put in by the decoder has
    // other octets at its place.
    let offset = bom + encoder.encode(text.slice(0, at)).length;
    while (octets[offset] === 0xef && octets[offset + 1] === 0xbf && octets[offset + 2] === 0xbd) {
        const next = text.indexOf("\ufffd", at + 1);
        if (next < 0) {
            return ok({file, text});
        }
        offset += encoder.encode(text.slice(at, next)).length;
        at = next;
    }
    const octet = (octets[offset] ?? 0).toString(16).padStart(2, "0");
    return err(
        new SourceText(file, text).diagnostic(
            {start: at, end: at + 1},
            {message: `octet 0x${octet} is not UTF-8 here`, expected: "UTF-8 text"},
        ),
    );
}

/** carpd.d/*.toml beside the file, by name. A folder that is not there has none. */
function dropIns(path: string): Result<readonly string[], string> {
    const folder = join(dirname(path), "carpd.d");
    let names: string[];
    try {
        names = readdirSync(folder);
    } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") {
            return ok([]);
        }
        return err(`cannot read ${folder}: ${systemReason(error)}`);
    }
    const wanted = names.filter((name) => name.endsWith(".toml") && !name.startsWith(".")).sort();
    if (wanted.length > mostDropIns) {
        return err(`${folder} has ${wanted.length} files, more than ${mostDropIns}`);
    }
    return ok(wanted.map((name) => join(folder, name)));
}

function unreadable(text: string): Result<never, LoadFailure> {
    return err({exitCode: exitCodes.noInput, text, diagnostics: []});
}

function invalid(diagnostics: readonly Diagnostic[]): Result<never, LoadFailure> {
    return err({
        exitCode: exitCodes.config,
        text: formatDiagnostics(diagnostics),
        diagnostics,
    });
}

function readPassFile(path: string): PassFile {
    const read = readBounded(path, largestPassFile);
    return read.ok ? {kind: "read", ...read.value} : {kind: "failed", reason: read.error};
}

/** Reads everything anew. Touches nothing. `text` stands for what the file at `path` holds. */
export function loadConfig(path: string, text?: string): Result<LoadedConfig, LoadFailure> {
    const beside = dropIns(path);
    const texts: ConfigText[] = text === undefined ? [] : [{file: path, text}];
    const files = [...(text === undefined ? [path] : []), ...(beside.ok ? beside.value : [])];
    const badText: Diagnostic[] = [];
    for (const file of files) {
        const read = readBounded(file, largestFile);
        if (!read.ok) {
            return unreadable(`cannot read ${file}: ${read.error}`);
        }
        const decoded = decode(file, read.value.octets);
        if (decoded.ok) {
            texts.push(decoded.value);
        } else {
            badText.push(decoded.error);
        }
    }
    if (!beside.ok) {
        return unreadable(beside.error);
    }
    if (badText.length > 0) {
        return invalid(badText);
    }
    const draft = draftConfig(texts);
    const passFiles = new Map(draft.passFiles.map((file) => [file, readPassFile(file)]));
    const finished = finishConfig(draft, passFiles);
    return finished.ok ? ok({...finished.value, texts}) : invalid(finished.error);
}

/**
 * Interfaces of this process's network namespace. Read from /proc/self/net, not /sys/class/net: the
 * latter shows the namespace of whoever mounted sysfs, which need not be ours.
 */
export function interfaceNames(): Result<readonly string[], string> {
    const file = "/proc/self/net/dev";
    try {
        // Two lines of headings, then "  eth0: counters".
        const lines = readFileSync(file, "utf8").split("\n").slice(2);
        return ok(lines.flatMap((line) => /^\s*([^:\s]+):/u.exec(line)?.[1] ?? []));
    } catch (error) {
        return err(`cannot read ${file}: ${systemReason(error)}`);
    }
}
