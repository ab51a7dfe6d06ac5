/**
 * The verbs of carpctl as one tree. Dispatch, unique prefixes, help and the sentences for wrong
 * input all read it; the serial console is to use the same tree. Pure.
 */
import {editDistance} from "./diagnostic.ts";

/** What a complete line of words does. */
export type ActionKind =
    | "show-carp"
    | "show-interfaces"
    | "show-statistics"
    | "show-demotion"
    | "show-log"
    | "up"
    | "down"
    | "master"
    | "backup"
    | "reload"
    | "watch";

export interface CliNode {
    /** The keyword, or with `argument` the name that help shows for it: "NAME". */
    readonly token: string;
    readonly help: string;
    /** true: any word stands here and is handed to the action. */
    readonly argument?: boolean;
    /** Set when a line may end here. */
    readonly action?: ActionKind;
    readonly children?: readonly CliNode[];
}

const carpName = (rest: Omit<CliNode, "token" | "argument">): CliNode => ({
    token: "NAME",
    argument: true,
    ...rest,
});

export const cliTable: readonly CliNode[] = [
    {
        token: "show",
        help: "print what the daemon knows",
        children: [
            {
                token: "carp",
                help: "carp interfaces: state, cause, master, what happens next",
                action: "show-carp",
                children: [carpName({help: "one carp interface", action: "show-carp"})],
            },
            {token: "interfaces", help: "carpdevs and their links", action: "show-interfaces"},
            {token: "statistics", help: "counters and lateness", action: "show-statistics"},
            {token: "demotion", help: "demotion and its reasons", action: "show-demotion"},
            {token: "log", help: "the last 200 changes", action: "show-log"},
        ],
    },
    {token: "reload", help: "read the configuration again", action: "reload"},
    {token: "watch", help: "print changes as they happen", action: "watch"},
    carpName({
        help: "a carp interface: carp0",
        children: [
            {token: "up", help: "take part again", action: "up"},
            {token: "down", help: "hand over and leave", action: "down"},
            {token: "master", help: "take over now", action: "master"},
            {token: "backup", help: "hand over and stay as BACKUP", action: "backup"},
        ],
    }),
];

export interface Command {
    readonly action: ActionKind;
    readonly arguments: readonly string[];
}

export type Resolution =
    | {readonly ok: true; readonly command: Command}
    /** `depth`: index of the word that is wrong, or the number of words when more are needed. */
    | {readonly ok: false; readonly depth: number; readonly message: string};

/** Turns words into a command: exact keywords first, then unique prefixes, then arguments. */
export function resolve(table: readonly CliNode[], words: readonly string[]): Resolution {
    return walk(table, words, 0, []);
}

function walk(
    nodes: readonly CliNode[],
    words: readonly string[],
    depth: number,
    taken: readonly string[],
): Resolution {
    const word = words[depth];
    if (word === undefined) {
        return {ok: false, depth, message: `${sayPath(words, depth)} needs ${sayTokens(nodes)}`};
    }
    const keywords = nodes.filter((node) => node.argument !== true);
    const exact = keywords.find((node) => node.token === word);
    const prefixed = word === "" ? [] : keywords.filter((node) => node.token.startsWith(word));
    const argument = nodes.find((node) => node.argument === true);
    const matched = exact === undefined ? prefixed : [exact];
    const [keyword] = matched;

    if (matched.length === 1 && keyword !== undefined) {
        const result = enter(keyword, words, depth, taken);
        if (result.ok || argument === undefined) return result;
        // A carp interface may be called "re": try it as a name before complaining.
        const asName = enter(argument, words, depth, [...taken, word]);
        return asName.ok ? asName : result;
    }
    if (argument !== undefined) {
        const result = enter(argument, words, depth, [...taken, word]);
        if (result.ok) return result;
        const slip = nearest(
            word,
            keywords.map((node) => node.token),
        );
        if (slip === null && matched.length === 0) return result;
    }
    if (matched.length > 1) {
        const choices = matched.map((node) => node.token).join(", ");
        return {ok: false, depth, message: `"${word}" is ambiguous: ${choices}`};
    }
    return {ok: false, depth, message: unknownWord(word, nodes)};
}

function enter(
    chosen: CliNode,
    words: readonly string[],
    depth: number,
    taken: readonly string[],
): Resolution {
    const next = depth + 1;
    if (next === words.length && chosen.action !== undefined) {
        return {ok: true, command: {action: chosen.action, arguments: taken}};
    }
    if (chosen.children !== undefined) return walk(chosen.children, words, next, taken);
    const message = `${sayPath(words, next)} takes no further word, not "${words[next] ?? ""}"`;
    return {ok: false, depth: next, message};
}

function unknownWord(word: string, nodes: readonly CliNode[]): string {
    const keywords = nodes.filter((node) => node.argument !== true).map((node) => node.token);
    const slip = nearest(word, keywords);
    const hint = slip === null ? `expected ${sayTokens(nodes)}` : `did you mean ${slip}?`;
    return `unknown word "${word}"; ${hint}`;
}

function sayPath(words: readonly string[], depth: number): string {
    return depth === 0 ? "a command line" : `"${words.slice(0, depth).join(" ")}"`;
}

function sayTokens(nodes: readonly CliNode[]): string {
    const tokens = nodes.map((node) => node.token);
    return tokens.length === 1 ? (tokens[0] ?? "") : `one of ${tokens.join(", ")}`;
}

/** One line for every command: words and what it does. */
export function helpLines(table: readonly CliNode[]): {words: string; help: string}[] {
    const lines: {words: string; help: string}[] = [];
    const visit = (nodes: readonly CliNode[], path: string): void => {
        for (const node of nodes) {
            const words = path === "" ? node.token : `${path} ${node.token}`;
            if (node.action !== undefined) lines.push({words, help: node.help});
            visit(node.children ?? [], words);
        }
    };
    visit(table, "");
    return lines;
}

export const carpctlSynopsis = "carpctl [--run-dir DIR] [--json] WORD...";

/** `carpctl --help`. */
export function helpText(table: readonly CliNode[]): string {
    const lines = helpLines(table);
    const width = Math.max(...lines.map((line) => line.words.length));
    return [
        `usage: ${carpctlSynopsis}`,
        "",
        "Asks or tells the carpd on this host. Words may be shortened while they stay unique.",
        "",
        ...lines.map((line) => `  ${line.words.padEnd(width)}  ${line.help}`),
        "",
        "  --run-dir DIR  where the daemon's control.sock is (default $RUNTIME_DIRECTORY or /run/carpd)",
        "  --json         machine-readable output",
        "  --help         this text",
        "  --version      the version of carpctl",
        "",
        "Exit status: 0 done, 64 wrong usage, 66 no such carp interface, 69 no carpd is running,",
        "70 the daemon refused or failed, 77 no permission, 78 the configuration is wrong.",
        "",
    ].join("\n");
}

/** carpctl's command line, options apart from words. */
export interface CarpctlArguments {
    /** null: the default place. */
    readonly runDir: string | null;
    readonly json: boolean;
    readonly help: boolean;
    readonly version: boolean;
    readonly words: readonly string[];
}

const flags = ["--json", "--help", "--version", "--run-dir"] as const;

/** A string is the complaint. Options may stand anywhere; "--" ends them. */
export function parseCarpctlArguments(argv: readonly string[]): CarpctlArguments | string {
    let runDir: string | null = null;
    let [json, help, version] = [false, false, false];
    const words: string[] = [];
    for (let i = 0; i < argv.length; i++) {
        const item = argv[i] ?? "";
        if (item === "--") {
            words.push(...argv.slice(i + 1));
            break;
        } else if (item === "--json") json = true;
        else if (item === "--help" || item === "-h") help = true;
        else if (item === "--version") version = true;
        else if (item === "--run-dir") {
            runDir = argv[++i] ?? "";
            if (runDir === "") return "--run-dir needs a directory";
        } else if (item.startsWith("--run-dir=")) {
            runDir = item.slice("--run-dir=".length);
            if (runDir === "") return "--run-dir needs a directory";
        } else if (item.startsWith("-")) {
            const slip = nearest(item, flags);
            return `unknown option ${item}${slip === null ? "" : `; did you mean ${slip}?`}`;
        } else words.push(item);
    }
    return {runDir, json, help, version, words};
}

/** The known word nearest to `word`, or null when none is near enough to be a slip. */
function nearest(word: string, known: readonly string[]): string | null {
    // Longer input is never a slip of a keyword, and the comparison is quadratic.
    if (word.length > 40) return null;
    const limit = word.length <= 3 ? 1 : 2;
    const near = known
        .map((candidate) => ({candidate, distance: editDistance(word, candidate)}))
        .filter(({candidate, distance}) => distance <= limit && distance < candidate.length)
        .sort((a, b) => a.distance - b.distance);
    return near[0]?.candidate ?? null;
}
