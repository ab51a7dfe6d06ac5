/**
 * The values that stand between the keywords of a command line: each parser takes one word and
 * gives what the action needs, or one sentence that says what was expected. Pure.
 */
import {parseAddress} from "./address.ts";
import {demotionLevels, levelProblem, operatorReason} from "./demotion-reasons.ts";
import {err, ok, type Result} from "./result.ts";

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
