/** What a stage's programs report about themselves, as numbers. */

export interface Skip {
    readonly name: string;
    readonly reason: string;
}

export interface Count {
    readonly passed: number;
    readonly failed: number;
    readonly skips: readonly Skip[];
}

export const nothing: Count = {passed: 0, failed: 0, skips: []};
export const onePassed: Count = {passed: 1, failed: 0, skips: []};
export const oneFailed: Count = {passed: 0, failed: 1, skips: []};

export function oneSkipped(name: string, reason: string): Count {
    return {passed: 0, failed: 0, skips: [{name, reason}]};
}

export function sum(counts: readonly Count[]): Count {
    return counts.reduce(
        (all, one) => ({
            passed: all.passed + one.passed,
            failed: all.failed + one.failed,
            skips: [...all.skips, ...one.skips],
        }),
        nothing,
    );
}

export function total(count: Count): number {
    return count.passed + count.failed + count.skips.length;
}

/**
 * The report of a native test program (test/native/main.cc): its last line, and a line for each
 * skipped case. A program that ended badly has failed, whatever it counted: the sanitizers speak
 * after the last case.
 */
export function nativeCount(name: string, code: number, output: string): Count {
    const counted = /^native: (\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(output);
    if (counted === null) return oneFailed;
    const [passed, failed, skipped] = counted.slice(1).map(Number);
    const skips = [...output.matchAll(/^skipped (\S+): (.*)$/gm)].map((match) => ({
        name: `${name} ${match[1] ?? ""}`,
        reason: match[2] ?? "",
    }));
    const count: Count = {passed: passed ?? 0, failed: failed ?? 0, skips};
    // Exit code 1 without a failure: nothing ran. All skipped is not a failure, nothing at all is.
    const allSkipped = count.passed === 0 && (skipped ?? 0) > 0 && code === 1;
    const bad = code !== 0 && count.failed === 0 && !allSkipped;
    return bad || skips.length !== skipped ? {...count, failed: count.failed + 1} : count;
}

/** The report of `node --test --test-reporter=tap`. */
export function tapCount(code: number, tap: string): Count {
    const number = (word: string) => {
        const found = new RegExp(`^# ${word} (\\d+)$`, "m").exec(tap);
        return found === null ? undefined : Number(found[1]);
    };
    const passed = number("pass");
    const failed = number("fail");
    if (passed === undefined || failed === undefined) return oneFailed;
    const skips = [...tap.matchAll(/^\s*ok \d+ - (.*?) # SKIP ?(.*)$/gm)].map((match) => ({
        name: match[1] ?? "",
        reason: (match[2] ?? "") === "" ? "no reason given" : (match[2] ?? ""),
    }));
    const cancelled = number("cancelled") ?? 0;
    // The word that this tree does not hold: a test that is announced and not written.
    const unfinished = number(["to", "do"].join("")) ?? 0;
    const bad = failed + cancelled + unfinished;
    return {passed, failed: code !== 0 && bad === 0 ? 1 : bad, skips};
}
