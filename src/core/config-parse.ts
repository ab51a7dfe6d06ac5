/**
 * Second half of reading a configuration: draft and pass-files to the typed `Config`, or to
 * everything that is wrong, in the order of the files.
 */
import {type CarpConfig, type Config, defaultOptions, type Options, Secret} from "./config.ts";
import {type CheckedBlock, checkBlocks} from "./config-check.ts";
import {
    type ConfigText,
    type Draft,
    type DraftBlock,
    draftConfig,
    type Place,
    passFilePath,
} from "./config-draft.ts";
import {type Diagnostic, type Remark, type Span, sortDiagnostics} from "./diagnostic.ts";
import {err, ok, type Result} from "./result.ts";

/** The BSDs' CARP_KEY_LEN is 20 with the closing NUL of their ioctl string. */
const longestPassword = 19;
/** More than this is not read by a person any more; the rest is counted. */
const mostErrorsPerFile = 20;

/** What became of reading a pass-file. */
export type PassFile =
    | {readonly kind: "read"; readonly octets: Uint8Array; readonly worldReadable: boolean}
    /** `reason`: the system's words, "no such file or directory". */
    | {readonly kind: "failed"; readonly reason: string};

export interface ParsedConfig {
    readonly config: Config;
    readonly warnings: readonly Diagnostic[];
    /** Where each block, by name, says its carpdev; for checks that need the system. */
    readonly carpdevPlaces: ReadonlyMap<string, Place>;
}

/** Reads texts in one go. `passFiles` is keyed by the paths that `Draft.passFiles` lists. */
export function parseConfig(
    texts: readonly ConfigText[],
    passFiles: ReadonlyMap<string, PassFile> = new Map(),
): Result<ParsedConfig, readonly Diagnostic[]> {
    return finishConfig(draftConfig(texts), passFiles);
}

export function finishConfig(
    draft: Draft,
    passFiles: ReadonlyMap<string, PassFile>,
): Result<ParsedConfig, readonly Diagnostic[]> {
    const diagnostics: Diagnostic[] = [...draft.diagnostics];
    const report = (diagnostic: Diagnostic): void => {
        diagnostics.push(diagnostic);
    };
    const {arpbalance} = draft.options;
    if (arpbalance?.located.value === true) {
        report(
            arpbalance.source.diagnostic(arpbalance.located.node.span, {
                severity: "warning",
                message: "arpbalance has no effect in this version",
                expected: "arpbalance = false",
            }),
        );
    }
    const carp: CarpConfig[] = [];
    const carpdevPlaces = new Map<string, Place>();
    for (const block of checkBlocks(draft, report)) {
        const secret = readSecret(block.draft, passFiles, report);
        const made = makeCarp(block, secret);
        const {carpdev} = block.draft.values;
        if (made !== undefined && carpdev !== undefined) {
            carp.push(made);
            carpdevPlaces.set(made.name, {source: block.draft.source, span: carpdev.node.span});
        }
    }
    const files = draft.sources.map((source) => source.file);
    const sorted = sortDiagnostics(diagnostics, files);
    const errors = sorted.filter((diagnostic) => diagnostic.severity === "error");
    if (errors.length > 0) {
        return err(shorten(errors));
    }
    return ok({
        config: {options: makeOptions(draft), carp},
        warnings: sorted,
        carpdevPlaces,
    });
}

/** The first errors of each file; the last one kept says how many more there are. */
function shorten(errors: readonly Diagnostic[]): Diagnostic[] {
    const perFile = new Map<string, number>();
    for (const {file} of errors) {
        perFile.set(file, (perFile.get(file) ?? 0) + 1);
    }
    const shown = new Map<string, number>();
    const kept: Diagnostic[] = [];
    for (const error of errors) {
        const rank = (shown.get(error.file) ?? 0) + 1;
        shown.set(error.file, rank);
        const more = (perFile.get(error.file) ?? 0) - mostErrorsPerFile;
        if (rank < mostErrorsPerFile || (rank === mostErrorsPerFile && more === 0)) {
            kept.push(error);
        } else if (rank === mostErrorsPerFile) {
            const rest = `${more} more error${more === 1 ? "" : "s"} in ${error.file}`;
            kept.push({...error, hint: error.hint === "" ? rest : `${error.hint} (${rest})`});
        }
    }
    return kept;
}

function makeOptions(draft: Draft): Options {
    const {options} = draft;
    return {
        preempt: options.preempt?.located.value ?? defaultOptions.preempt,
        arpbalance: options.arpbalance?.located.value ?? defaultOptions.arpbalance,
        fastTakeover: options["fast-takeover"]?.located.value ?? defaultOptions.fastTakeover,
        ifdownDemotion: options["ifdown-demotion"]?.located.value ?? defaultOptions.ifdownDemotion,
        senderrDemotion:
            options["senderr-demotion"]?.located.value ?? defaultOptions.senderrDemotion,
        handoverLimitMs:
            options["handover-limit-ms"]?.located.value ?? defaultOptions.handoverLimitMs,
    };
}

/** undefined when a required key is missing; that has been reported. */
function makeCarp(block: CheckedBlock, pass: Secret): CarpConfig | undefined {
    const {carpdev, vhid, advbase, advskew, mac, profile, enabled} = block.draft.values;
    if (carpdev === undefined || vhid === undefined) {
        return undefined;
    }
    return {
        name: block.name,
        carpdev: carpdev.value,
        vhid: vhid.value,
        advbase: advbase?.value ?? 1,
        advskew: advskew?.value ?? 0,
        pass,
        addresses: block.addresses,
        peers: block.peers,
        mac: mac?.value ?? "virtual",
        profile: profile?.value ?? "freebsd",
        enabled: enabled?.value ?? true,
    };
}

const emptySecret = new Secret(new Uint8Array());

/** Reports what is wrong with the octets of a password; it never appears in a message. */
function checkPassword(octets: Uint8Array, subject: string, say: (remark: Remark) => void): void {
    if (octets.length > longestPassword) {
        say({
            message: `${subject} has ${octets.length} octets`,
            expected: `at most ${longestPassword} octets, counted in UTF-8`,
        });
    } else if (octets.includes(0)) {
        say({message: `${subject} contains a NUL`, expected: "text without NUL"});
    }
}

function readSecret(
    block: DraftBlock,
    passFiles: ReadonlyMap<string, PassFile>,
    report: (diagnostic: Diagnostic) => void,
): Secret {
    const {pass, "pass-file": passFile} = block.values;
    const sayAt =
        (span: Span) =>
        (remark: Remark): void =>
            report(block.source.diagnostic(span, remark));
    if (block.present.has("pass") && block.present.has("pass-file")) {
        const later = Math.max(pass?.keySpan.start ?? 0, passFile?.keySpan.start ?? 0);
        const second = [pass, passFile].find((located) => located?.keySpan.start === later);
        sayAt(second?.keySpan ?? block.span)({
            message: "this block has both pass and pass-file",
            expected: "one of them",
        });
        return emptySecret;
    }
    if (pass !== undefined) {
        const say = sayAt(pass.node.span);
        const octets = new TextEncoder().encode(pass.value);
        checkPassword(octets, "the password", say);
        if (octets.length === 0) {
            say({
                severity: "warning",
                message: "the password is empty: anyone on the link can take the address",
                expected: "a password of 1 to 19 octets",
            });
        }
        return new Secret(octets);
    }
    if (passFile !== undefined) {
        const path = passFilePath(block.source.file, passFile.value);
        return readPassFile(path, passFiles.get(path), sayAt(passFile.node.span));
    }
    if (!block.present.has("pass") && !block.present.has("pass-file")) {
        sayAt(block.span)({
            severity: "warning",
            message: "no password: anyone on the link can take the address",
            expected: "pass or pass-file",
        });
    }
    return emptySecret;
}

const newline = 0x0a;
const carriageReturn = 0x0d;

function readPassFile(
    path: string,
    passFile: PassFile | undefined,
    say: (remark: Remark) => void,
): Secret {
    if (passFile === undefined || passFile.kind === "failed") {
        const reason = passFile?.reason ?? "not read";
        say({message: `cannot read ${path}: ${reason}`, expected: "a readable file"});
        return emptySecret;
    }
    if (passFile.worldReadable) {
        say({
            severity: "warning",
            message: `${path} can be read by every user`,
            expected: "mode 0600 or 0640",
            hint: `chmod 600 ${path}`,
        });
    }
    const end = passFile.octets.indexOf(newline);
    let line = end < 0 ? passFile.octets : passFile.octets.subarray(0, end);
    if (line.at(-1) === carriageReturn) {
        line = line.subarray(0, -1);
    }
    const rest = end < 0 ? new Uint8Array() : passFile.octets.subarray(end + 1);
    if (rest.some((octet) => octet !== newline && octet !== carriageReturn)) {
        say({
            severity: "warning",
            message: `${path} has more than one line; the first one is the password`,
            expected: "one line",
        });
    }
    if (line.length === 0) {
        say({
            message: `${path} is empty or starts with an empty line`,
            expected: "a password of 1 to 19 octets on the first line",
        });
    }
    checkPassword(line, `the password in ${path}`, say);
    return new Secret(line.slice());
}

/**
 * Errors for blocks whose carpdev is not there. `existingNames` are the interfaces of the system
 * (src/io/config-files.ts reads them).
 */
export function checkInterfaces(
    parsed: ParsedConfig,
    existingNames: Iterable<string>,
): Diagnostic[] {
    const existing = new Set(existingNames);
    const known = [...existing].sort();
    const missing: Diagnostic[] = [];
    for (const carp of parsed.config.carp) {
        const place = parsed.carpdevPlaces.get(carp.name);
        if (place !== undefined && !existing.has(carp.carpdev)) {
            const list = known.slice(0, 10).join(", ");
            missing.push(
                place.source.diagnostic(place.span, {
                    message: `no interface ${carp.carpdev} on this host`,
                    expected:
                        known.length === 0
                            ? "an existing interface"
                            : `one of ${list}${known.length > 10 ? ", ..." : ""}`,
                }),
            );
        }
    }
    return missing;
}
