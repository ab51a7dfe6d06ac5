/**
 * Reads a line of words by the tree of cli-table.ts: exact keywords, unique prefixes, arguments,
 * and a sentence for everything else; and the help text of the tree. Pure.
 */
import type {ActionKind, CliArgument, CliKeyword, CliNode, CliRest, Place} from "./cli-node.ts";
import type {CliValues} from "./cli-values.ts";
import {editDistance} from "./diagnostic.ts";

export interface Command {
    readonly action: ActionKind;
    /** What stood for the arguments of the line. */
    readonly values: Partial<CliValues>;
    /** The line with its keywords written out. */
    readonly words: readonly string[];
}

export type Resolution =
    | {readonly ok: true; readonly command: Command}
    /** `depth`: index of the word that is wrong, or the number of words when more are needed. */
    | {readonly ok: false; readonly depth: number; readonly message: string};

type Line = readonly string[];
type Values = Partial<CliValues>;

/**
 * Turns words into a command: exact keywords first, then unique prefixes, then arguments. A word
 * "--until" stands for the keyword "until" where the tree has it as an option.
 */
export function resolve(table: readonly CliNode[], words: Line): Resolution {
    return walk(table, words, 0, {});
}

/** The words that exist in one place: the console has no files, a script has no terminal. */
export function tableFor(table: readonly CliNode[], place: Place): readonly CliNode[] {
    return table
        .filter((node) => node.only === undefined || node.only === place)
        .map((node) =>
            node.children === undefined
                ? node
                : {...node, children: tableFor(node.children, place)},
        );
}

export function isArgument(node: CliNode): node is CliArgument {
    return node.parse !== undefined;
}

export function isRest(node: CliNode): node is CliRest {
    return node.rest !== undefined;
}

export function keywordsOf(nodes: readonly CliNode[]): CliKeyword[] {
    return nodes.filter((node): node is CliKeyword => !isArgument(node) && !isRest(node));
}

function wrong(depth: number, message: string): Resolution {
    return {ok: false, depth, message};
}

function walk(nodes: readonly CliNode[], words: Line, depth: number, values: Values): Resolution {
    const word = words[depth];
    if (word === undefined) {
        return wrong(depth, `${sayPath(words, depth)} needs ${sayTokens(nodes)}`);
    }
    const keywords = keywordsOf(nodes);
    const rest = nodes.find(isRest);
    if (word.startsWith("--") && rest === undefined) {
        const option = keywords.find((node) => node.option === true && `--${node.token}` === word);
        if (option !== undefined) return enter(option, words, depth, {...values, ...option.gives});
        return wrong(depth, `${sayPath(words, depth)} takes no option ${word}`);
    }
    const exact = keywords.find((node) => node.token === word);
    const short = keywords.filter((node) => node.whole !== true);
    const prefixed = word === "" ? [] : short.filter((node) => node.token.startsWith(word));
    const matched = exact === undefined ? prefixed : [exact];
    const [keyword] = matched;
    const argument = nodes
        .filter(isArgument)
        .find((node) => nodes.length === 1 || node.meant === undefined || node.meant.test(word));

    if (matched.length === 1 && keyword !== undefined) {
        const result = enter(keyword, words, depth, {...values, ...keyword.gives});
        if (!result.ok && rest !== undefined) return takeRest(rest, words, depth, values);
        if (result.ok || argument === undefined) return result;
        // A carp interface may be called "re": try it as a name before complaining.
        const asArgument = take(argument, words, depth, values);
        return asArgument.ok ? asArgument : result;
    }
    if (rest !== undefined && argument === undefined && matched.length === 0) {
        return takeRest(rest, words, depth, values);
    }
    if (argument !== undefined) {
        const result = take(argument, words, depth, values);
        if (result.ok) return result;
        const tokens = keywords.map((node) => node.token);
        if (nearest(word, tokens) === null && matched.length === 0) return result;
    }
    if (matched.length > 1) {
        const choices = matched.map((node) => node.token).join(", ");
        return wrong(depth, `"${word}" is ambiguous: ${choices}`);
    }
    return wrong(depth, unknownWord(word, nodes));
}

function take(argument: CliArgument, words: Line, depth: number, values: Values): Resolution {
    const parsed = argument.parse(words[depth] ?? "");
    if (!parsed.ok) return wrong(depth, parsed.error);
    return enter(argument, words, depth, {...values, ...parsed.value});
}

function takeRest(rest: CliRest, words: Line, depth: number, values: Values): Resolution {
    const parsed = rest.rest(words.slice(depth));
    if (!parsed.ok) return wrong(depth, parsed.error);
    if (rest.action === undefined) return wrong(depth, `${sayPath(words, depth)} does nothing`);
    return done(rest.action, {...values, ...parsed.value}, words);
}

function done(action: ActionKind, values: Values, words: Line): Resolution {
    return {ok: true, command: {action, values, words}};
}

/** `words` with the keyword at `depth` written out. */
function written(chosen: CliNode, words: Line, depth: number): Line {
    const keyword = !isArgument(chosen) && !isRest(chosen);
    return keyword ? [...words.slice(0, depth), chosen.token, ...words.slice(depth + 1)] : words;
}

function enter(chosen: CliNode, typed: Line, depth: number, values: Values): Resolution {
    const words = written(chosen, typed, depth);
    const next = depth + 1;
    if (next === words.length && chosen.action !== undefined) {
        return done(chosen.action, values, words);
    }
    if (chosen.children !== undefined) return walk(chosen.children, words, next, values);
    const word = words[next] ?? "";
    const what = word.startsWith("--") ? `option ${word}` : `further word, not "${word}"`;
    return wrong(next, `${sayPath(words, next)} takes no ${what}`);
}

function unknownWord(word: string, nodes: readonly CliNode[]): string {
    const keywords = keywordsOf(nodes).map((node) => node.token);
    const slip = nearest(word, keywords);
    const hint = slip === null ? `expected ${sayTokens(nodes)}` : `did you mean ${slip}?`;
    return `unknown word "${word}"; ${hint}`;
}

function sayPath(words: Line, depth: number): string {
    return depth === 0 ? "a command line" : `"${words.slice(0, depth).join(" ")}"`;
}

function sayTokens(nodes: readonly CliNode[]): string {
    const tokens = nodes.map((node) => node.token);
    return tokens.length === 1 ? (tokens[0] ?? "") : `one of ${tokens.join(", ")}`;
}

/** The keywords that may be written as options. */
function optionsOf(nodes: readonly CliNode[]): CliKeyword[] {
    return nodes.flatMap((node) => [
        ...(!isArgument(node) && !isRest(node) && node.option === true ? [node] : []),
        ...optionsOf(node.children ?? []),
    ]);
}

function optionTokens(nodes: readonly CliNode[]): string[] {
    return [...new Set(optionsOf(nodes).map(({token}) => token))];
}

/** Those that stand alone: a line may end behind them, and nothing follows. */
function switchTokens(nodes: readonly CliNode[]): string[] {
    return optionsOf(nodes)
        .filter(({children = []}) => children.length === 0)
        .map(({token}) => token);
}

export interface HelpLine {
    readonly words: string;
    readonly help: string;
    /** The line with an example for each argument. */
    readonly example: string;
}

/** One line for every command: words and what it does. */
export function helpLines(table: readonly CliNode[]): HelpLine[] {
    const lines: HelpLine[] = [];
    const visit = (nodes: readonly CliNode[], path: readonly CliNode[]): void => {
        for (const node of nodes) {
            const whole = [...path, node];
            const words = whole.map((step) => step.token).join(" ");
            const example = whole
                .map((step) => (isArgument(step) || isRest(step) ? step.example : step.token))
                .join(" ");
            if (node.action !== undefined) lines.push({words, help: node.help, example});
            visit(node.children ?? [], whole);
        }
    };
    visit(table, []);
    return lines;
}

export const carpctlSynopsis = "carpctl [--run-dir DIR] [--json] WORD...";

/** `carpctl --help`. */
export function helpText(whole: readonly CliNode[]): string {
    const table = tableFor(whole, "carpctl");
    const lines = helpLines(table);
    const width = Math.max(...lines.map((line) => line.words.length));
    const options = optionTokens(table).map((token) => `--${token}`);
    return [
        `usage: ${carpctlSynopsis}`,
        "",
        "Asks or tells the carpd on this host. Words may be shortened while they stay unique;",
        `${options.join(", ")} may stand for the words of the same name.`,
        "",
        ...lines.map((line) => `  ${line.words.padEnd(width)}  ${line.help}`),
        "",
        "  --run-dir DIR  where the daemon's control.sock is (default $RUNTIME_DIRECTORY or /run/carpd)",
        "  --json         machine-readable output",
        "  --help         this text",
        "  --version      the version of carpctl",
        "",
        "Exit status: 0 done, 64 wrong usage, 66 no such carp interface, group, reason or shared VIP,",
        "69 no carpd is running, 70 the daemon refused or failed, 77 no permission, 78 the",
        "configuration is wrong.",
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
    /** The words, then "--until" and the like with their values. */
    readonly words: readonly string[];
}

/** A string is the complaint. Options may stand anywhere; "--" ends them. */
export function parseCarpctlArguments(
    argv: readonly string[],
    table: readonly CliNode[],
): CarpctlArguments | string {
    const wordOptions = optionTokens(table).map((token) => `--${token}`);
    const switches = switchTokens(table).map((token) => `--${token}`);
    let runDir: string | null = null;
    let [json, help, version] = [false, false, false];
    const words: string[] = [];
    const options: string[] = [];
    const verbatim = keywordsOf(table).filter((node) => node.verbatim === true);
    for (let i = 0; i < argv.length; i++) {
        const item = argv[i] ?? "";
        const [verb] = words;
        if (isCompletion(words)) {
            words.push(...argv.slice(i));
            break;
        }
        // `carpctl sysctl -w ...`: what stands behind these words is theirs.
        if (verbatim.some((node) => node.token === verb)) {
            const theirs = argv.slice(i).filter((word) => word !== "--json");
            json ||= theirs.length < argv.length - i;
            words.push(...theirs);
            break;
        }
        const [option = "", ...rest] = item.split("=");
        const value = rest.length === 0 ? null : rest.join("=");
        if (item === "--") {
            words.push(...argv.slice(i + 1));
            break;
        } else if (item === "--json") json = true;
        else if (item === "--help" || item === "-h") help = true;
        else if (item === "--version") version = true;
        else if (option === "--run-dir") {
            runDir = value ?? argv[++i] ?? "";
            if (runDir === "") return "--run-dir needs a directory";
        } else if (switches.includes(item)) options.push(item);
        else if (wordOptions.includes(option)) {
            const given = value ?? argv[++i] ?? "";
            if (given === "" || given.startsWith("--")) return `${option} needs a value`;
            options.push(option, given);
        } else if (/^-[^\d]|^-$/.test(item)) {
            const known = ["--json", "--help", "--version", "--run-dir", ...wordOptions];
            const slip = nearest(option, known);
            return `unknown option ${item}${slip === null ? "" : `; did you mean ${slip}?`}`;
        } else words.push(item);
    }
    return {runDir, json, help, version, words: [...words, ...options]};
}

function isCompletion(words: Line): boolean {
    return words[0] === "completion" && words[1] === "words";
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
