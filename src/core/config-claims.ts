/**
 * What a configuration says about the system and only the system can confirm: interfaces that must
 * be there, programs, units. Each claim keeps its place in the text, for the message.
 */
import type {CheckedTrack} from "./config-check-tracks.ts";
import type {Draft, Place} from "./config-draft.ts";
import type {Located} from "./config-schema.ts";
import type {Diagnostic, SourceText} from "./diagnostic.ts";

export interface Claim {
    /**
     * "carpdev" must exist; "interface" is tracked and "own" gets addresses: both may come later;
     * "program" is the absolute path of an executable file; "unit" is known to systemd.
     */
    readonly kind: "carpdev" | "interface" | "own" | "program" | "unit";
    readonly value: string;
    readonly place: Place;
}

/** For a configuration without errors. */
export function systemClaims(draft: Draft, tracks: readonly CheckedTrack[]): Claim[] {
    const claims: Claim[] = [];
    const add = (
        kind: Claim["kind"],
        source: SourceText,
        located: Located<string> | undefined,
    ): void => {
        if (located !== undefined && located.value !== "") {
            claims.push({kind, value: located.value, place: {source, span: located.node.span}});
        }
    };
    const command = draft.options["boot-command"];
    if (command !== undefined) {
        add("program", command.source, programOf(command.located));
    }
    for (const {source, values} of draft.blocks) {
        add("carpdev", source, values.carpdev);
        add("program", source, values.upscript);
        add("program", source, values.downscript);
    }
    for (const {draft: track} of tracks) {
        const {source, values} = track;
        add("interface", source, values.interface);
        add("program", source, values.command && programOf(values.command));
        add("unit", source, values.unit);
    }
    for (const {source, values} of draft.interfaces) {
        add("own", source, values.name);
    }
    return claims;
}

/** The program of a command, at its own place. */
function programOf({value, node, keySpan}: Located<readonly string[]>): Located<string> {
    const element = node.kind === "array" ? node.elements[0] : undefined;
    return {value: value[0] ?? "", node: element ?? node, keySpan};
}

/** What to know of an interface that is not there, by the kind of its claim. */
const absent: ReadonlyMap<Claim["kind"], string> = new Map([
    ["carpdev", ""],
    ["interface", "its track fails, and demotes, until it is there"],
    ["own", "it gets its addresses when it is there"],
]);

/**
 * Carpdevs that are not there are errors. A tracked interface may be made later (PPP, a tunnel), so
 * its absence is a warning: until then its track fails. `existingNames`: the interfaces of the
 * system (src/io/config-files.ts reads them).
 */
export function checkInterfaces(
    claims: readonly Claim[],
    existingNames: Iterable<string>,
): Diagnostic[] {
    const existing = new Set(existingNames);
    const known = [...existing].sort();
    const list = `${known.slice(0, 10).join(", ")}${known.length > 10 ? ", ..." : ""}`;
    return claims.flatMap(({kind, value, place}) => {
        const hint = absent.get(kind);
        if (hint === undefined || existing.has(value)) {
            return [];
        }
        return place.source.diagnostic(place.span, {
            severity: kind === "carpdev" ? "error" : "warning",
            message: `no interface ${value} on this host`,
            expected: known.length === 0 ? "an existing interface" : `one of ${list}`,
            hint,
        });
    });
}
