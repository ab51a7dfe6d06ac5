/**
 * Which of two versions is older: Debian's order (deb-version(7)), in which "0.9" is older than
 * "0.10" and "~" sorts before the end of a version; "-rc1", as semantic versions have it, counts
 * like "~rc1". Pure.
 */

/** Below 0: `a` is older; 0: neither; above 0: `a` is newer. */
export function compareVersions(a: string, b: string): number {
    const left = partsOf(a);
    const right = partsOf(b);
    for (let i = 0; i < Math.max(left.length, right.length); i++) {
        const [words, number] = left[i] ?? ["", 0n];
        const [otherWords, otherNumber] = right[i] ?? ["", 0n];
        const difference = compareWords(words, otherWords);
        if (difference !== 0) return difference;
        if (number !== otherNumber) return number < otherNumber ? -1 : 1;
    }
    return 0;
}

/** Pairs of what is no digit and the number behind it. */
function partsOf(version: string): [string, bigint][] {
    const text = version
        .trim()
        .replace(/^v(?=\d)/u, "")
        .replaceAll(/-(?=[a-z])/giu, "~");
    return [...text.matchAll(/(\D*)(\d*)/gu)]
        .filter(([whole]) => whole !== "")
        .map(([, words = "", digits = ""]) => [words, digits === "" ? 0n : BigInt(digits)]);
}

function compareWords(a: string, b: string): number {
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
        const difference = rank(a[i]) - rank(b[i]);
        if (difference !== 0) return difference;
    }
    return 0;
}

/** "~", then the end, then letters, then everything else. */
function rank(character: string | undefined): number {
    if (character === "~") return -1;
    if (character === undefined) return 0;
    const code = character.codePointAt(0) ?? 0;
    return /[a-z]/iu.test(character) ? code : code + 0x11_0000;
}
