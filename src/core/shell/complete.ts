/**
 * What may stand next in a line, for TAB, `?` and the completion scripts: reads the same trees as
 * dispatch. Pure; names of carp interfaces and paths of the candidate are filled in by the caller.
 */
import type {CliKeyword, CliNode, Names} from "../cli-node.ts";
import {isArgument, isRest, keywordsOf} from "../cli-resolve.ts";

export interface Choice {
    /** A word to type, or an argument in capitals, which TAB does not insert. */
    readonly token: string;
    readonly help: string;
    /** false: an argument. */
    readonly word: boolean;
}

export interface Choices {
    readonly list: readonly Choice[];
    /** Which names the caller may add. */
    readonly names: readonly Names[];
    /** true: the line may end before the word that is being typed. */
    readonly complete: boolean;
    /** Where a rest begins: index of its first word; null where there is none. */
    readonly restAt: number | null;
}

const nothing: Choices = {list: [], names: [], complete: false, restAt: null};

function keywordFor(nodes: readonly CliNode[], word: string): CliKeyword | undefined {
    const keywords = keywordsOf(nodes);
    const exact = keywords.find((node) => node.token === word);
    if (exact !== undefined || word === "") return exact;
    const short = keywords.filter((node) => node.whole !== true && node.token.startsWith(word));
    return short.length === 1 ? short[0] : undefined;
}

/** The last of `words` is being typed: "" for a new one. */
export function choicesFor(table: readonly CliNode[], words: readonly string[]): Choices {
    let nodes = table;
    let complete = false;
    for (const [depth, word] of words.slice(0, -1).entries()) {
        const keyword = keywordFor(nodes, word);
        const argument = nodes
            .filter(isArgument)
            .find((node) => node.meant === undefined || node.meant.test(word));
        const chosen = keyword ?? argument;
        const rest = nodes.find(isRest);
        if (chosen === undefined && rest !== undefined) {
            const names = rest.names === undefined ? [] : [rest.names];
            return {list: [], names, complete: true, restAt: depth};
        }
        if (chosen === undefined) return nothing;
        complete = chosen.action !== undefined;
        nodes = chosen.children ?? [];
    }
    const typing = words.at(-1) ?? "";
    const list = nodes
        .filter((node) => isArgument(node) || isRest(node) || node.token.startsWith(typing))
        .filter((node) => !isArgument(node) || fits(node.meant, typing))
        .map((node) => ({
            token: node.token,
            help: node.help,
            word: !isArgument(node) && !isRest(node),
        }));
    const names = nodes.flatMap((node) =>
        (isArgument(node) || isRest(node)) && node.names !== undefined ? [node.names] : [],
    );
    const restAt = nodes.some(isRest) ? words.length - 1 : null;
    return {list, names, complete, restAt};
}

/** Whether a word that begins so may become one that is meant. */
function fits(meant: RegExp | undefined, typing: string): boolean {
    return typing === "" || meant === undefined || meant.test(typing) || meant.source.includes("=");
}

/** Aligned, for `?`; `<cr>` says that the line may end here. */
export function choicesText(choices: readonly Choice[], complete: boolean): string {
    const rows = [...choices, ...(complete ? [{token: "<cr>", help: "", word: false}] : [])];
    const width = Math.min(28, Math.max(0, ...rows.map(({token}) => token.length)));
    return rows
        .map(({token, help}) => `  ${token.padEnd(width)}  ${help}`.trimEnd())
        .map((row) => `${row}\n`)
        .join("");
}

/** The longest beginning that all have. */
export function commonPrefix(words: readonly string[]): string {
    const [first = "", ...more] = words;
    let length = first.length;
    for (const word of more) {
        while (!word.startsWith(first.slice(0, length))) length--;
    }
    return first.slice(0, length);
}
