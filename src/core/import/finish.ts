/**
 * From what the importers collected to the text of a carpd.toml: names, conflicts between vhids,
 * and the proof that the parser takes it. Pure.
 */
import {
    type CarpConfig,
    type Config,
    defaultOptions,
    defaultSystem,
    type Options,
    Secret,
    type TrackConfig,
} from "../config.ts";
import {octetsOf} from "../config-check-values.ts";
import {type PassFile, parseConfig} from "../config-parse.ts";
import {printConfig} from "../config-print.ts";
import type {Diagnostic} from "../diagnostic.ts";
import {err, ok, type Result} from "../result.ts";
import {
    type Collector,
    type ImportNote,
    type ImportPlace,
    shown,
    type VhidDraft,
} from "./collector.ts";
import {fitOwnNetwork} from "./own-network.ts";

/** Linux's IFNAMSIZ less the closing NUL. */
const longestInterfaceName = 15;

/** The text; or what carpd's parser has against it, at the places that it came from. */
export function finishImport(collector: Collector): Result<string, readonly ImportNote[]> {
    const drafts = collector.vhids.filter((draft) => checkCarpdev(draft, collector));
    dropSharedVips(drafts, collector);
    dropUnfitPeers(drafts, collector);
    fitOwnNetwork(collector);
    const names = giveNames(drafts, collector);
    const text = print(drafts, names, collector);
    const passFiles = new Map<string, PassFile>();
    for (const {passFile, place} of drafts) {
        if (passFile !== "") {
            passFiles.set(passFile, {
                kind: "read",
                octets: new TextEncoder().encode("-"),
                worldReadable: false,
            });
            collector.note(
                place,
                `the password stays in ${passFile}: carpd must be able to read it`,
            );
        }
    }
    if (drafts.length === 0) {
        return ok("");
    }
    const parsed = parseConfig([{file: "carpd.toml", text}], passFiles);
    const placed = placer(text, drafts);
    if (!parsed.ok) {
        return err(parsed.error.map(placed));
    }
    for (const warning of parsed.value.warnings) {
        const {file, line, text: said} = placed(warning);
        collector.note({file, line}, said);
    }
    return ok(text);
}

/** false: no name of an interface on Linux. */
function checkCarpdev(draft: VhidDraft, collector: Collector): boolean {
    const {carpdev, place} = draft;
    const octets = octetsOf(carpdev);
    if (octets >= 1 && octets <= longestInterfaceName && !/[/:%\s\p{Cc}]|^\.\.?$/u.test(carpdev)) {
        return true;
    }
    collector.refuse(
        place,
        `${shown(carpdev)} is no name of an interface: vhid ${draft.vhid} is left out; --map renames it`,
    );
    return false;
}

/** Without ARP balancing an address is in one vhid of its carpdev, the first one here. */
function dropSharedVips(drafts: readonly VhidDraft[], collector: Collector): void {
    if (collector.options.arpbalance === true) {
        return;
    }
    const owners = new Map<string, number>();
    for (const draft of drafts) {
        draft.addresses = draft.addresses.filter(({address}) => {
            const id = `${address} ${draft.carpdev}`;
            const owner = owners.get(id);
            if (owner === undefined) {
                owners.set(id, draft.vhid);
                return true;
            }
            collector.note(
                draft.place,
                `${address} is in vhid ${owner} and ${draft.vhid}: left out of the latter; to share it, set arpbalance`,
            );
            return false;
        });
    }
}

/** A peer needs an address of its family in the vhid, and must not be a virtual one. */
function dropUnfitPeers(drafts: readonly VhidDraft[], collector: Collector): void {
    const vips = new Set(drafts.flatMap(({addresses}) => addresses.map((vip) => vip.address)));
    for (const draft of drafts) {
        const families = new Set(draft.addresses.map((vip) => vip.family));
        draft.peers = draft.peers.filter((peer) => {
            const family = peer.includes(":") ? 6 : 4;
            const why = vips.has(peer)
                ? "is a virtual address"
                : families.size > 0 && !families.has(family)
                  ? `is IPv${family}, and no address of the vhid is`
                  : "";
            if (why !== "") {
                collector.note(draft.place, `peer ${peer} ${why}: it is left out`);
            }
            return why === "";
        });
    }
}

/** The names of the source where it has some, carpN where not. */
function giveNames(drafts: readonly VhidDraft[], collector: Collector): string[] {
    const taken = new Set([
        ...drafts.map(({carpdev}) => carpdev),
        ...collector.interfaces.map((own) => own.name),
    ]);
    const own = drafts.map(({name, place}) => {
        const fits = /^[A-Za-z][\w.-]*$/u.test(name) && octetsOf(name) <= longestInterfaceName;
        if (fits && !taken.has(name)) {
            taken.add(name);
            return name;
        }
        if (name !== "") {
            collector.note(place, `${shown(name)} cannot be the name here: another one is given`);
        }
        return "";
    });
    let next = 0;
    return own.map((name) => {
        if (name !== "") {
            return name;
        }
        while (taken.has(`carp${next}`)) {
            next += 1;
        }
        taken.add(`carp${next}`);
        return `carp${next}`;
    });
}

function print(
    drafts: readonly VhidDraft[],
    names: readonly string[],
    collector: Collector,
): string {
    const options: Options = {...defaultOptions, ...collector.options};
    const balanced =
        options.arpbalance && collector.netbsd
            ? {...options, arpbalanceHash: "sender-mac" as const}
            : options;
    const config: Config = {
        options: balanced,
        carp: drafts.map((draft, i) => toCarp(draft, names[i] ?? "")),
        tracks: keptTracks(drafts, collector),
        system: {...defaultSystem, ...collector.system},
        interfaces: collector.interfaces,
    };
    const text = printConfig(config, {secrets: true});
    let index = -1;
    const lines = text.split("\n").flatMap((line) => {
        index += line === "[[carp]]" ? 1 : 0;
        const passFile = drafts[index]?.passFile ?? "";
        const here = passFile !== "" && /^advskew = [0-9]+$/u.test(line);
        return here ? [line, `pass-file = ${JSON.stringify(passFile)}`] : [line];
    });
    return lines.join("\n");
}

/** The link of a carpdev is watched anyway, and no track may name it. */
function keptTracks(drafts: readonly VhidDraft[], collector: Collector): TrackConfig[] {
    const carpdevs = new Map(drafts.map((draft) => [draft.carpdev, draft.place]));
    return collector.tracks.filter(({check}) => {
        const place = check.kind === "interface" ? carpdevs.get(check.interface) : undefined;
        if (check.kind !== "interface" || place === undefined) {
            return true;
        }
        collector.note(
            place,
            `${check.interface} is a carpdev, whose link demotes the others: no track is needed`,
        );
        return false;
    });
}

function toCarp(draft: VhidDraft, name: string): CarpConfig {
    return {
        name,
        carpdev: draft.carpdev,
        vhid: draft.vhid,
        advbase: draft.advbase,
        advskew: draft.advskew,
        pass: new Secret(new TextEncoder().encode(draft.pass ?? "")),
        addresses: draft.addresses,
        peers: draft.peers,
        mac: "virtual",
        profile: draft.profile,
        enabled: draft.enabled,
        group: draft.group || "carp",
        upscript: draft.upscript,
        downscript: draft.downscript,
        xparam: draft.xparam,
    };
}

/** From a line of the printed text to the place that its block came from. */
function placer(
    text: string,
    drafts: readonly VhidDraft[],
): (diagnostic: Diagnostic) => ImportNote {
    const blocks: (ImportPlace | undefined)[] = [];
    let index = -1;
    for (const line of text.split("\n")) {
        index += line === "[[carp]]" ? 1 : 0;
        blocks.push(line === "[[track]]" ? undefined : drafts[index]?.place);
    }
    return ({line, message, expected}) => {
        const place = blocks[line - 1] ?? drafts[0]?.place ?? {file: "carpd.toml", line: 1};
        // The parser's "on line N" is a line of a text that nobody has seen yet.
        const said = message.replace(/, on line [0-9]+\b| on line [0-9]+\b/gu, "");
        const hint = expected === "" ? "" : `; expected ${expected}`;
        return {file: place.file, line: place.line, text: said + hint};
    };
}
