/**
 * The values that stand between the keywords of a command line: each parser takes one word and
 * gives what the action needs, or one sentence that says what was expected. Pure.
 */

import {parseAddress} from "./address.ts";
import type {Role} from "./control-session.ts";
import {demotionLevels, levelProblem, operatorReason} from "./demotion-reasons.ts";
import {type ImportKind, importKinds} from "./import/guess.ts";
import {err, ok, type Result} from "./result.ts";

/** What writes the lines for the other host of a mixed pair. */
export const peerSystems = ["freebsd", "openbsd", "netbsd", "pfsense", "ucarp"] as const;
export type PeerSystem = (typeof peerSystems)[number];
export const completionShells = ["bash", "zsh", "fish"] as const;
export type CompletionShell = (typeof completionShells)[number];

/** Every value that some command takes; a command has those of its own words. */
export interface CliValues {
    /** A carp interface. */
    readonly name: string;
    /** The full name of a demotion reason: "operator", "operator:NAME". */
    readonly reason: string;
    /** -240..240 */
    readonly level: number;
    readonly group: string;
    /** A length of time, seconds, 1..31536000. */
    readonly seconds: number;
    /** Canonical text of an IP address, or a MAC. */
    readonly client: string;
    /** A VIP, with "%CARPDEV" behind it where the operator wrote it. */
    readonly address: string;
    /** 1..1000 */
    readonly count: number;
    /** The rest of the line as it was typed. */
    readonly line: string;
    readonly form: "commands" | "toml";
    readonly secrets: boolean;
    readonly peer: PeerSystem;
    readonly kind: ImportKind;
    readonly files: readonly string[];
    /** Interface names of an imported file to those of this host. */
    readonly map: Readonly<Record<string, string>>;
    readonly shell: CompletionShell;
    readonly on: boolean;
    /** Rows or columns of a terminal; 0 rows: no pager. */
    readonly size: number;
    /** Minutes until a commit that is not confirmed is taken back, 1..120. */
    readonly minutes: number;
    /** true: `commit confirmed`, with or without minutes. */
    readonly confirmed: boolean;
    readonly remark: string;
    /** Overwrites what others committed since. */
    readonly force: boolean;
    /** A number of the history, 0 is the newest. */
    readonly number: number;
    readonly merge: boolean;
    readonly path: readonly string[];
    readonly role: Role;
    /** Of a bundle, as parseInstallSource() reads it. */
    readonly source: string;
    readonly handOver: boolean;
}

/** The error is a whole sentence. */
export type CliParse = (word: string) => Result<Partial<CliValues>, string>;

function shorten(word: string): string {
    return JSON.stringify(word.length > 40 ? `${word.slice(0, 40)}...` : word);
}

/** The daemon knows which exist. */
export const parseName: CliParse = (word) => ok({name: word});

/** Words that can only be meant as a number. */
export const numberLike = /^[-+]?[\d.]+$/;

export const parseLevel: CliParse = (word) => {
    const {least, most} = demotionLevels;
    // Above what a number holds exactly there is nothing to be said but the range.
    if (!/^[-+]?\d{1,15}$/.test(word)) {
        return err(`demotion must be ${least}..${most}, not ${shorten(word)}`);
    }
    // Adding 0 makes 0 of -0.
    const level = Number.parseInt(word, 10) + 0;
    const problem = levelProblem(level);
    return problem === "" ? ok({level}) : err(problem);
};

export const parseReason: CliParse = (word) => {
    const reason = operatorReason(word);
    return reason.ok ? ok({reason: reason.value}) : err(reason.error);
};

export const parseGroup: CliParse = (word) => {
    const fits = word !== "" && new TextEncoder().encode(word).length <= 15;
    return fits ? ok({group: word}) : err(`a group has 1..15 octets, not ${shorten(word)}`);
};

const unitSeconds: Readonly<Record<string, number>> = {"": 1, s: 1, m: 60, h: 3600, d: 86_400};
/** One year: longer is a slip of the hand. */
export const longestUntilSeconds = 31_536_000;

/** "90s", "30m", "2h", "1d", "1h30m", or whole seconds. */
export const parseSeconds: CliParse = (word) => {
    const refuse = err(
        `${shorten(word)} is no length of time; expected 1 s to 365 days, such as 30m, 2h or 1h30m`,
    );
    if (!/^(\d{1,8}|(\d{1,8}[dhms])+)$/.test(word)) return refuse;
    let seconds = 0;
    for (const [, count = "", unit = ""] of word.matchAll(/(\d+)([dhms]?)/g)) {
        seconds += Number.parseInt(count, 10) * (unitSeconds[unit] ?? Number.NaN);
    }
    return seconds >= 1 && seconds <= longestUntilSeconds ? ok({seconds}) : refuse;
};

const macRule = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

export function isMac(text: string): boolean {
    return macRule.test(text);
}

/** Canonical text of an IP address or of a MAC; null for anything else. */
export function clientOf(word: string): string | null {
    const lower = word.toLowerCase().replaceAll("-", ":");
    if (isMac(lower)) return lower;
    const address = parseAddress(word);
    return address.ok ? address.value.address : null;
}

export const parseClient: CliParse = (word) => {
    const client = clientOf(word);
    if (client !== null) return ok({client});
    return err(
        `${shorten(word)} is no client; expected an address such as 192.168.1.77, or a MAC such as 02:00:00:00:00:4d`,
    );
};

/** Canonical text of a VIP, "%CARPDEV" kept; null for anything else. */
export function vipOf(word: string): string | null {
    const [text = "", carpdev, ...more] = word.split("%");
    const address = parseAddress(text);
    if (!address.ok || carpdev === "" || more.length > 0) return null;
    return carpdev === undefined ? address.value.address : `${address.value.address}%${carpdev}`;
}

export const parseVip: CliParse = (word) => {
    const address = vipOf(word);
    if (address !== null) return ok({address});
    return err(`${shorten(word)} is no VIP; expected an address without prefix length`);
};

const demotionVariable = "net.inet.carp.demotion";

/** FreeBSD's `sysctl VARIABLE=N`. */
export const parseSysctlWrite: CliParse = (word) => {
    const equals = word.indexOf("=");
    const variable = word.slice(0, equals);
    if (variable === demotionVariable) return parseLevel(word.slice(equals + 1));
    return err(
        `${shorten(variable)} cannot be set here; expected ${demotionVariable}=N (other settings are in the configuration)`,
    );
};

function whole(
    what: string,
    least: number,
    most: number,
    give: (n: number) => Partial<CliValues>,
): CliParse {
    return (word) => {
        const n = /^\d{1,9}$/.test(word) ? Number.parseInt(word, 10) : Number.NaN;
        if (n >= least && n <= most) return ok(give(n));
        return err(`${what} must be ${least}..${most}, not ${shorten(word)}`);
    };
}

export const parseCount = whole("the count", 1, 1000, (count) => ({count}));
export const parseMinutes = whole("minutes", 1, 120, (minutes) => ({minutes}));
export const parseHistoryNumber = whole("a history number", 0, 999, (number) => ({number}));
/** 0: no pager. */
export const parseLength: CliParse = (word) =>
    word === "0" ? ok({size: 0}) : whole("the length, if not 0,", 5, 500, (size) => ({size}))(word);
export const parseWidth = whole("the width", 20, 500, (size) => ({size}));

/** The daemon resolves names, if it does. */
export const parseHost: CliParse = (word) => {
    const address = parseAddress(word);
    return address.ok
        ? ok({address: address.value.address})
        : err(`${shorten(word)} is no address; expected one such as 192.168.1.254`);
};

function oneOf<T extends string>(
    what: string,
    all: readonly T[],
    give: (word: T) => Partial<CliValues>,
): CliParse {
    return (word) => {
        const found = all.find((known) => known === word);
        if (found !== undefined) return ok(give(found));
        return err(`${shorten(word)} is no ${what}; expected ${all.join(", ")}`);
    };
}

export const parseKind = oneOf("kind of file", importKinds, (kind) => ({kind}));

/** Longer needs are for `carpctl import`, which reads files. */
export const parseLine: CliParse = (line) => ok({line});
export const parseRemark: CliParse = (remark) => ok({remark});

/** carpctl makes a whole path of it; carpd says what is wrong with it. */
export const parseSource: CliParse = (source) =>
    source === "" ? err("a bundle is a path, usb, usb:FILE or a URL") : ok({source});

/** A parser for all words that are left. */
export type CliRestParse = (words: readonly string[]) => Result<Partial<CliValues>, string>;

export const parseRestLine: CliRestParse = (words) => ok({line: words.join(" ")});
export const parseRestRemark: CliRestParse = (words) => ok({remark: words.join(" ")});
export const parseRestPath: CliRestParse = (path) => ok({path});

const mapRule = /^([^=\s]{1,15})=([^=\s]{1,15})$/;

/** "FILE... [--kind KIND] [--map em0=eth0]...": the options may stand anywhere. */
export const parseImport: CliRestParse = (words) => {
    const files: string[] = [];
    const map: Record<string, string> = {};
    let kind: Partial<CliValues> = {};
    for (let i = 0; i < words.length; i++) {
        const word = words[i] ?? "";
        if (word === "--kind") {
            const read = parseKind(words[++i] ?? "");
            if (!read.ok) return read;
            kind = read.value;
        } else if (word === "--map") {
            const pair = words[++i] ?? "";
            const [, from, to] = mapRule.exec(pair) ?? [];
            if (from === undefined || to === undefined) {
                return err(`--map takes THEIRS=OURS such as em0=eth0, not ${shorten(pair)}`);
            }
            map[from] = to;
        } else files.push(word);
    }
    if (files.length === 0) return err("import needs a file; - is the standard input");
    return ok({...kind, files, map});
};
