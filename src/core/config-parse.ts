/**
 * Second half of reading a configuration: draft and pass-files to the typed `Config`, or to
 * everything that is wrong, in the order of the files.
 */
import {type CarpConfig, type Config, defaultOptions, type Options, type Secret} from "./config.ts";
import {checkBlocks} from "./config-check.ts";
import {checkBalance, type KeyedBlock} from "./config-check-balance.ts";
import {checkNetworkInterfaces, checkSystem} from "./config-check-network.ts";
import {checkTracks} from "./config-check-tracks.ts";
import {type CheckedBlock, defaultGroup} from "./config-check-values.ts";
import {type Claim, systemClaims} from "./config-claims.ts";
import {type ConfigText, type Draft, draftConfig} from "./config-draft.ts";
import {type PassFile, readSecret} from "./config-password.ts";
import {type Diagnostic, sortDiagnostics} from "./diagnostic.ts";
import {err, ok, type Result} from "./result.ts";

export type {PassFile} from "./config-password.ts";

/** More than this is not read by a person any more; the rest is counted. */
const mostErrorsPerFile = 20;

export interface ParsedConfig {
    readonly config: Config;
    readonly warnings: readonly Diagnostic[];
    /** What only the system can confirm, in the order of the files. */
    readonly claims: readonly Claim[];
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
    const blocks: KeyedBlock[] = checkBlocks(draft, report).map((block) => ({
        block,
        secret: readSecret(block.draft, passFiles, report),
    }));
    checkBalance(draft, blocks, report);
    const checked = blocks.map(({block}) => block);
    const tracks = checkTracks(draft, checked, report);
    const system = checkSystem(draft, report);
    const interfaces = checkNetworkInterfaces(draft, checked, report);
    const files = draft.sources.map((source) => source.file);
    const sorted = sortDiagnostics(diagnostics, files);
    const errors = sorted.filter((diagnostic) => diagnostic.severity === "error");
    if (errors.length > 0) {
        return err(shorten(errors));
    }
    return ok({
        config: {
            options: makeOptions(draft),
            carp: blocks.flatMap(({block, secret}) => makeCarp(block, secret) ?? []),
            tracks: tracks.map((track) => track.config),
            system,
            interfaces,
        },
        warnings: sorted,
        claims: systemClaims(draft, tracks),
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

function makeOptions({options}: Draft): Options {
    return {
        preempt: options.preempt?.located.value ?? defaultOptions.preempt,
        arpbalance: options.arpbalance?.located.value ?? defaultOptions.arpbalance,
        arpbalanceHash: options["arpbalance-hash"]?.located.value ?? defaultOptions.arpbalanceHash,
        arpbalanceOrder:
            options["arpbalance-order"]?.located.value ?? defaultOptions.arpbalanceOrder,
        fastTakeover: options["fast-takeover"]?.located.value ?? defaultOptions.fastTakeover,
        ifdownDemotion: options["ifdown-demotion"]?.located.value ?? defaultOptions.ifdownDemotion,
        senderrDemotion:
            options["senderr-demotion"]?.located.value ?? defaultOptions.senderrDemotion,
        handoverLimitMs:
            options["handover-limit-ms"]?.located.value ?? defaultOptions.handoverLimitMs,
        linkUpDelayMs: options["link-up-delay"]?.located.value ?? defaultOptions.linkUpDelayMs,
        bootDelayMs: options["boot-delay"]?.located.value ?? defaultOptions.bootDelayMs,
        bootCommand: options["boot-command"]?.located.value ?? defaultOptions.bootCommand,
        bootCommandTimeoutMs:
            options["boot-command-timeout"]?.located.value ?? defaultOptions.bootCommandTimeoutMs,
        hookTimeoutMs: options["hook-timeout"]?.located.value ?? defaultOptions.hookTimeoutMs,
    };
}

/** undefined when something that it needs was missing or wrong; that has been reported. */
function makeCarp(block: CheckedBlock, pass: Secret | undefined): CarpConfig | undefined {
    const {values} = block.draft;
    const {carpdev, vhid} = values;
    if (carpdev === undefined || vhid === undefined || pass === undefined) {
        return undefined;
    }
    return {
        name: block.name,
        carpdev: carpdev.value,
        vhid: vhid.value,
        advbase: values.advbase?.value ?? 1,
        advskew: values.advskew?.value ?? 0,
        pass,
        addresses: block.addresses,
        peers: block.peers,
        mac: values.mac?.value ?? "virtual",
        profile: values.profile?.value ?? "freebsd",
        enabled: values.enabled?.value ?? true,
        group: values.group?.value ?? defaultGroup,
        upscript: values.upscript?.value ?? "",
        downscript: values.downscript?.value ?? "",
        xparam: values.xparam?.value ?? "",
    };
}
