/**
 * The syntax of keepalived.conf: a line is a word with its values, braces hold the lines below it.
 * Pure.
 */
import {err, ok, type Result} from "../result.ts";

export interface KeepalivedNode {
    /** From 1. */
    readonly line: number;
    readonly words: readonly string[];
    readonly children: readonly KeepalivedNode[];
}

export interface KeepalivedProblem {
    readonly line: number;
    readonly message: string;
}

const deepest = 16;

interface OpenNode {
    readonly line: number;
    readonly words: readonly string[];
    readonly children: KeepalivedNode[];
}

export function readKeepalived(text: string): Result<readonly KeepalivedNode[], KeepalivedProblem> {
    const root: OpenNode = {line: 1, words: [], children: []};
    const open: OpenNode[] = [root];
    for (const [index, raw] of text.split("\n").entries()) {
        const line = index + 1;
        let words: string[] = [];
        const top = (): OpenNode => open.at(-1) ?? root;
        const endWords = (): void => {
            if (words.length > 0) {
                top().children.push({line, words, children: []});
                words = [];
            }
        };
        for (const match of raw.matchAll(/"([^"]*)"|[{}]|[^\s{}"]+|"/gu)) {
            const [token, quoted] = match;
            if (quoted === undefined && /^[#!]/u.test(token)) {
                break;
            }
            if (token === "{" && quoted === undefined) {
                // A brace on a line of its own belongs to the line above.
                const header = words.length > 0 ? words : (top().children.pop()?.words ?? []);
                if (header.length === 0) {
                    return err({line, message: '"{" that belongs to nothing'});
                }
                if (open.length > deepest) {
                    return err({line, message: `blocks are nested more than ${deepest} deep`});
                }
                open.push({line, words: header, children: []});
                words = [];
            } else if (token === "}" && quoted === undefined) {
                endWords();
                const done = open.pop();
                if (done === undefined || done === root) {
                    return err({line, message: '"}" that closes nothing'});
                }
                top().children.push(done);
            } else if (token === '"') {
                return err({line, message: "a quote is not closed on this line"});
            } else {
                words.push(quoted ?? token);
            }
        }
        endWords();
    }
    const unclosed = open.at(-1);
    if (unclosed !== undefined && unclosed !== root) {
        const name = (unclosed.words[0] ?? "").slice(0, 40);
        return err({line: unclosed.line, message: `the block ${name} is never closed`});
    }
    return ok(root.children);
}

export function nodesOf(node: KeepalivedNode, word: string): KeepalivedNode[] {
    return node.children.filter((child) => child.words[0] === word);
}

/** The first value of the last line with a word, as keepalived has it; undefined for none. */
export function settingOf(node: KeepalivedNode, word: string): string | undefined {
    return nodesOf(node, word).at(-1)?.words[1];
}
