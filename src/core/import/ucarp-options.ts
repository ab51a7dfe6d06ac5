/**
 * UCarp's own command line, read as getopt_long reads it: bundled short options, values attached or
 * apart, unique beginnings of long ones. Pure. Options: spec section 9.1, ucarp(8).
 */

export type UcarpOption =
    | "interface"
    | "srcip"
    | "mcast"
    | "vhid"
    | "pass"
    | "passfile"
    | "preempt"
    | "neutral"
    | "addr"
    | "help"
    | "advbase"
    | "advskew"
    | "upscript"
    | "downscript"
    | "deadratio"
    | "debug"
    | "shutdown"
    | "daemonize"
    | "ignoreifstate"
    | "nomcast"
    | "facility"
    | "xparam";

interface Known {
    readonly option: UcarpOption;
    /** "" for none. */
    readonly short: string;
    readonly value: boolean;
}

const known: readonly Known[] = [
    {option: "interface", short: "i", value: true},
    {option: "srcip", short: "s", value: true},
    // The manual page documents -m; the program refuses it.
    {option: "mcast", short: "m", value: true},
    {option: "vhid", short: "v", value: true},
    {option: "pass", short: "p", value: true},
    {option: "passfile", short: "o", value: true},
    {option: "preempt", short: "P", value: false},
    {option: "neutral", short: "n", value: false},
    {option: "addr", short: "a", value: true},
    {option: "help", short: "h", value: false},
    {option: "advbase", short: "b", value: true},
    {option: "advskew", short: "k", value: true},
    {option: "upscript", short: "u", value: true},
    {option: "downscript", short: "d", value: true},
    {option: "deadratio", short: "r", value: true},
    {option: "debug", short: "D", value: false},
    {option: "shutdown", short: "z", value: false},
    {option: "daemonize", short: "B", value: false},
    {option: "ignoreifstate", short: "S", value: false},
    {option: "nomcast", short: "M", value: false},
    {option: "facility", short: "f", value: true},
    {option: "xparam", short: "x", value: true},
];

/** Long names beside the table's own. */
const aliases: ReadonlyMap<string, UcarpOption> = new Map([["mcastip", "mcast"]]);

export interface UcarpOptions {
    /** An option without value has "". The last of several wins, as in the program. */
    readonly given: ReadonlyMap<UcarpOption, string>;
    /** "unknown option -y", in order. No value is in them. */
    readonly problems: readonly string[];
}

/** `words`: what follows the program's name. */
export function readUcarpOptions(words: readonly string[]): UcarpOptions {
    const given = new Map<UcarpOption, string>();
    const problems: string[] = [];
    let at = 0;
    const take = (shownAs: string, option: Known, attached: string | undefined): void => {
        if (!option.value) {
            if (attached !== undefined) {
                problems.push(`${shownAs} takes no value`);
            }
            given.set(option.option, "");
            return;
        }
        const value = attached ?? words[at];
        at += attached === undefined ? 1 : 0;
        if (value === undefined) {
            problems.push(`${shownAs} has no value`);
        } else {
            given.set(option.option, value);
        }
    };
    while (at < words.length) {
        const word = words[at] ?? "";
        at += 1;
        if (word === "--") {
            problems.push(...words.slice(at).map(() => "an argument that is no option"));
            break;
        }
        if (word.startsWith("--")) {
            const [, name = "", attached] = /^--([^=]*)(?:=([\s\S]*))?$/u.exec(word) ?? [];
            const option = longOption(name);
            if (option === undefined) {
                problems.push(`unknown option --${name.slice(0, 40)}`);
            } else {
                take(`--${option.option}`, option, attached);
            }
        } else if (word.startsWith("-") && word.length > 1) {
            for (let i = 1; i < word.length; i += 1) {
                const short = word.charAt(i);
                const option = known.find((each) => each.short === short);
                const rest = word.slice(i + 1);
                if (option === undefined) {
                    problems.push(`unknown option -${short}`);
                } else if (option.value) {
                    take(`-${short}`, option, rest === "" ? undefined : rest);
                    break;
                } else {
                    take(`-${short}`, option, undefined);
                }
            }
        } else {
            problems.push("an argument that is no option");
        }
    }
    return {given, problems};
}

function longOption(name: string): Known | undefined {
    const alias = aliases.get(name);
    const exact = known.find(({option}) => option === (alias ?? name));
    if (exact !== undefined || name === "") {
        return exact;
    }
    const starting = known.filter(({option}) => option.startsWith(name));
    return starting.length === 1 ? starting[0] : undefined;
}
