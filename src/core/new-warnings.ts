/** Warnings that a change brings, apart from those that were there before it. Pure. */

import {nothingShared} from "./config-draft.ts";

/** As diagnostic.ts writes them: a place, then the message; what follows belongs to it. */
const first = /^\S.*:\d+:\d+: (?=warning: )/u;
const label = /^warning: /u;

/**
 * The warnings of `after` that are not among `before`, wherever they stand in the file, and are not
 * what the change is about.
 */
export function newWarnings(before: string, after: string): string {
    const known = new Set([...apart(before).map(messageOf), nothingShared]);
    return apart(after)
        .filter((warning) => !known.has(messageOf(warning)))
        .map((warning) => warning.join("\n"))
        .join("\n");
}

/** The lines of each. */
function apart(text: string): readonly (readonly string[])[] {
    const found: string[][] = [];
    for (const line of text === "" ? [] : text.split("\n")) {
        const last = found.at(-1);
        if (last === undefined || first.test(line)) found.push([line]);
        else last.push(line);
    }
    return found;
}

function messageOf([line = ""]: readonly string[]): string {
    return line.replace(first, "").replace(label, "");
}
