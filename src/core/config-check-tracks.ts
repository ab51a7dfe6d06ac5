/**
 * The `[[track]]` blocks: each has a name and exactly one check, and what it watches must make
 * sense on a host with these vhids.
 */
import {addressKind, hostAddressProblem, parseAddress} from "./address.ts";
import type {TrackCheck, TrackConfig} from "./config.ts";
import {
    type CheckedBlock,
    checkCommand,
    checkGroupName,
    checkInterfaceName,
    checkPath,
    defaultGroup,
    longestGroupName,
    octetsOf,
    plainNameProblem,
    type Report,
} from "./config-check-values.ts";
import {type Draft, type DraftTrack, type Place, whereIs} from "./config-draft.ts";
import type {Located, TrackValues} from "./config-schema.ts";
import {durationText} from "./config-units.ts";
import type {Remark} from "./diagnostic.ts";

/** With "track:" before it a name fills the 31 octets of a reason; one octet is kept free. */
const longestTrackName = 24;
/** The engine has room for 64 reasons; the others are its own and the operator's. */
const mostTracks = 32;
/** systemd's UNIT_NAME_MAX less the closing NUL. */
const longestUnitName = 255;

const kinds = [
    "interface",
    "command",
    "file",
    "ping",
    "unit",
    "memory",
    "temperature",
] as const satisfies readonly TrackCheck["kind"][];

const defaults = {intervalMs: 1000, rise: 2, fall: 3, demotion: 240};

/** A track that can run, with the draft that knows its places. */
export interface CheckedTrack {
    readonly draft: DraftTrack;
    readonly config: TrackConfig;
}

export function checkTracks(
    draft: Draft,
    blocks: readonly CheckedBlock[],
    report: Report,
): CheckedTrack[] {
    const names = new Map<string, Place>();
    const checked: CheckedTrack[] = [];
    for (const track of draft.tracks) {
        const {source, values} = track;
        if (track.index === mostTracks) {
            report(
                source.diagnostic(track.span, {
                    message: `more than ${mostTracks} [[track]] blocks`,
                    expected: `at most ${mostTracks}`,
                }),
            );
            break;
        }
        checkName(track, names, report);
        checkTrackGroup(track, blocks, report);
        checkTimes(track, report);
        const check = readCheck(track, report);
        if (check !== undefined) {
            checkAgainstVhids(track, check, blocks, report);
        }
        if (check !== undefined && values.name !== undefined) {
            checked.push({draft: track, config: makeTrack(values, values.name.value, check)});
        }
    }
    checkPreempt(draft, blocks, report);
    return checked;
}

function makeTrack(values: TrackValues, name: string, check: TrackCheck): TrackConfig {
    const intervalMs = values.interval?.value ?? defaults.intervalMs;
    return {
        name,
        check,
        intervalMs,
        timeoutMs: values.timeout?.value ?? intervalMs,
        rise: values.rise?.value ?? defaults.rise,
        fall: values.fall?.value ?? defaults.fall,
        demotion: values.demotion?.value ?? defaults.demotion,
        group: values.group?.value ?? "",
    };
}

function checkName(track: DraftTrack, names: Map<string, Place>, report: Report): void {
    const {source} = track;
    const {name} = track.values;
    const expected = `1 to ${longestTrackName} letters, digits, - _ .`;
    if (name === undefined) {
        if (!track.present.has("name")) {
            report(source.diagnostic(track.span, {message: "this track has no name", expected}));
        }
        return;
    }
    const say = (remark: Remark): void => report(source.diagnostic(name.node.span, remark));
    const problem = plainNameProblem(name.value, longestTrackName);
    const first = names.get(name.value);
    if (problem !== undefined) {
        say({message: `name ${problem}`, expected});
    } else if (first !== undefined) {
        say({
            message: `a track is already called ${name.value}, ${whereIs(first, source)}`,
            expected: "a name of its own",
        });
    } else {
        names.set(name.value, {source, span: name.node.span});
    }
}

function checkTrackGroup(track: DraftTrack, blocks: readonly CheckedBlock[], report: Report): void {
    const {group} = track.values;
    // "" is the default: every vhid.
    if (group === undefined || group.value === "") {
        return;
    }
    const unclear = blocks.some(
        ({draft}) => draft.present.has("group") && draft.values.group === undefined,
    );
    if (unclear || blocks.length === 0) {
        return;
    }
    const known = new Set(blocks.map(({draft}) => draft.values.group?.value ?? defaultGroup));
    if (known.has(group.value)) {
        return;
    }
    if (plainNameProblem(group.value, longestGroupName) !== undefined) {
        checkGroupName(track.source, group, report);
        return;
    }
    const list = [...known]
        .filter((name) => plainNameProblem(name, longestGroupName) === undefined)
        .sort()
        .map((name) => JSON.stringify(name));
    report(
        track.source.diagnostic(group.node.span, {
            message: `no [[carp]] block is in the group ${group.value}`,
            expected: `${list.length === 1 ? "" : "one of "}${list.join(", ")}, or "" for every vhid`,
        }),
    );
}

function checkTimes(track: DraftTrack, report: Report): void {
    const {interval, timeout} = track.values;
    // A refused interval has been reported; the default is not what was meant then.
    if (timeout === undefined || (interval === undefined && track.present.has("interval"))) {
        return;
    }
    const intervalMs = interval?.value ?? defaults.intervalMs;
    if (timeout.value > intervalMs) {
        const shown = durationText(intervalMs);
        const which =
            interval === undefined ? `the default interval ${shown}` : `interval ${shown}`;
        report(
            track.source.diagnostic(timeout.node.span, {
                message: `timeout ${durationText(timeout.value)} is longer than ${which}`,
                expected: `at most ${shown}: a check ends before the next one starts`,
            }),
        );
    }
}

/** The one check of a block, or undefined when something about it has been reported. */
function readCheck(track: DraftTrack, report: Report): TrackCheck | undefined {
    const {source, values, present} = track;
    const given = kinds.filter((kind) => present.has(kind));
    const [kind, ...more] = given;
    if (kind === undefined) {
        const expected = `one of ${kinds.join(", ")}`;
        report(source.diagnostic(track.span, {message: "this track checks nothing", expected}));
        return undefined;
    }
    if (more.length > 0) {
        const places = given.flatMap((key) => values[key]?.keySpan ?? []);
        places.sort((a, b) => a.start - b.start);
        report(
            source.diagnostic(places[1] ?? places[0] ?? track.span, {
                message: `this track has ${given.length} checks: ${given.join(", ")}`,
                expected: "one check; a [[track]] block for each of the others",
            }),
        );
        return undefined;
    }
    const odd: [key: "must" | "interval" | "timeout" | "rise" | "fall", only: string][] = [];
    if (kind !== "file") {
        odd.push(["must", "must only beside file"]);
    }
    if (kind === "interface") {
        for (const key of ["interval", "timeout", "rise", "fall"] as const) {
            odd.push([key, "interface alone: the kernel tells of a link's changes at once"]);
        }
    }
    for (const [key, expected] of odd) {
        const located = values[key];
        if (located !== undefined) {
            const message = `${key} means nothing beside ${kind}`;
            report(source.diagnostic(located.keySpan, {message, expected}));
        }
    }
    return makeCheck(track, kind, report);
}

function makeCheck(
    {source, values, present, span}: DraftTrack,
    kind: TrackCheck["kind"],
    report: Report,
): TrackCheck | undefined {
    switch (kind) {
        case "interface": {
            const located = values.interface;
            checkInterfaceName(source, "interface", located, report);
            return located && {kind, interface: located.value};
        }
        case "command": {
            const located = values.command;
            const good = located !== undefined && checkCommand(source, kind, located, report);
            return good ? {kind, command: located.value} : undefined;
        }
        case "file": {
            if (!present.has("must")) {
                const expected = 'must = "exist" or must = "not-exist"';
                const message = "a file without must";
                report(source.diagnostic(values.file?.keySpan ?? span, {message, expected}));
            }
            const {file, must} = values;
            const good = file !== undefined && checkPath(source, "file", file, report);
            return good && must !== undefined
                ? {kind, path: file.value, exists: must.value === "exist"}
                : undefined;
        }
        case "ping":
            return values.ping && readPing(source, values.ping, report);
        case "unit": {
            const located = values.unit;
            const problem = located === undefined ? undefined : unitProblem(located.value);
            if (located !== undefined && problem !== undefined) {
                report(source.diagnostic(located.node.span, problem));
            }
            return located && problem === undefined ? {kind, unit: located.value} : undefined;
        }
        case "memory":
            return values.memory && {kind, leastOctets: values.memory.value};
        case "temperature":
            return values.temperature && {kind, mostCelsius: values.temperature.value};
    }
}

function readPing(
    source: DraftTrack["source"],
    located: Located<string>,
    report: Report,
): TrackCheck | undefined {
    const say = (remark: Remark): void => report(source.diagnostic(located.node.span, remark));
    const parsed = parseAddress(located.value);
    if (!parsed.ok) {
        say(parsed.error);
        return undefined;
    }
    const problem = hostAddressProblem(parsed.value);
    if (problem !== undefined) {
        say({message: problem, expected: "the address of another host"});
        return undefined;
    }
    if (parsed.value.family === 6 && addressKind(parsed.value) === "link-local") {
        say({
            message: `${parsed.value.address} is a link-local address: it does not say on which link`,
            expected: "an address that is routed",
        });
        return undefined;
    }
    return {kind: "ping", address: parsed.value.address};
}

/** The rules of systemd.unit(5) for a name, less those for templates, which are never active. */
function unitProblem(unit: string): Remark | undefined {
    const expected = 'a unit with its suffix, such as "unbound.service"';
    const octets = octetsOf(unit);
    if (octets === 0 || octets > longestUnitName) {
        return {
            message: octets === 0 ? "unit is empty" : `unit has ${octets} octets`,
            expected: `1 to ${longestUnitName} octets`,
        };
    }
    const bad = /[^A-Za-z0-9:_.\\@-]/u.exec(unit)?.[0];
    if (bad !== undefined) {
        return {message: `unit contains ${JSON.stringify(bad)}`, expected};
    }
    const suffix =
        /^[^@.][^@]*(@.*)?\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/u;
    const match = suffix.exec(unit);
    if (match === null) {
        return {message: `unit ${JSON.stringify(unit)} is not the name of a unit`, expected};
    }
    return match[1] === "@"
        ? {
              message: `unit ${JSON.stringify(unit)} is a template`,
              expected: 'an instance of it, such as "openvpn@office.service"',
          }
        : undefined;
}

/** A check whose outcome hangs on this host's own vhids says little about the rest of the world. */
function checkAgainstVhids(
    {source, values}: DraftTrack,
    check: TrackCheck,
    blocks: readonly CheckedBlock[],
    report: Report,
): void {
    if (check.kind === "interface" && values.interface !== undefined) {
        const {span} = values.interface.node;
        const own = blocks.find(({name}) => name === check.interface);
        const {carpdev} =
            blocks.find(({draft}) => draft.values.carpdev?.value === check.interface)?.draft
                .values ?? {};
        if (own !== undefined) {
            report(
                source.diagnostic(span, {
                    message: `${check.interface} is the virtual interface of a vhid: it is up in MASTER only`,
                    expected: "an interface that carries no vhid",
                }),
            );
        } else if (carpdev !== undefined) {
            report(
                source.diagnostic(span, {
                    severity: "warning",
                    message: `${check.interface} is a carpdev: its link demotes already`,
                    expected: "an interface that carries no vhid",
                    hint: "its failure counts twice: link (ifdown-demotion) and track",
                }),
            );
        }
    }
    if (check.kind === "ping" && values.ping !== undefined) {
        const owner = blocks.find(({addresses}) =>
            addresses.some(({address}) => address === check.address),
        );
        if (owner !== undefined) {
            report(
                source.diagnostic(values.ping.node.span, {
                    severity: "warning",
                    message: `${check.address} is a virtual address of ${owner.name}: this host answers itself while MASTER`,
                    expected: "the own address of another host",
                }),
            );
        }
    }
}

/** Demotion without preemption moves nothing where only the interval is compared (FreeBSD). */
function checkPreempt(draft: Draft, blocks: readonly CheckedBlock[], report: Report): void {
    const [track] = draft.tracks;
    const preempt = draft.options.preempt?.located.value === true;
    const freebsd = blocks.every(({draft: {values}}) => values.profile?.value !== "openbsd");
    if (track !== undefined && !preempt && freebsd && blocks.length > 0) {
        report(
            track.source.diagnostic(track.span, {
                severity: "warning",
                message:
                    "a track demotes, but peers take over from a demoted host only with preempt",
                expected: "preempt = true in [options], on every host",
            }),
        );
    }
}
