/**
 * What the screen shows of a line that holds a password: the same length, the password as stars.
 * Pure.
 */

/** The words before a password, and what may stand in between: `pass X`, `pass = "X"`, `--pass=X`. */
const before =
    /(?<![\w-])(?:--)?(?:passwd|password|passphrase|pass)(?![\w-])["']?(?:\s*=\s*|(?:\s|\\\r?\n)+)/giu;
/** A word as the shell reads it, with or without its end: it may still be typed. */
const word = /"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:\\.|[^\s;&|\\])+/uy;

/**
 * `earlier`: the lines that this one goes on from. Blanks stay, so that it does not matter where
 * the terminal breaks the row.
 */
export function maskSecrets(line: string, earlier = ""): string {
    const text = earlier + line;
    let masked = "";
    let at = 0;
    for (const found of text.matchAll(before)) {
        const start = found.index + found[0].length;
        if (start < at) continue;
        word.lastIndex = start;
        const length = word.exec(text)?.[0].length ?? 0;
        masked += text.slice(at, start) + text.slice(start, start + length).replace(/\S/gu, "*");
        at = start + length;
    }
    return (masked + text.slice(at)).slice(earlier.length);
}
