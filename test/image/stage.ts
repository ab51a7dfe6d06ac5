/**
 * The short form as a stage of `npm test`. Where the tools or root are missing and it is not CI,
 * everything in it is skipped with the reason.
 */
import {run} from "../support/command.ts";
import {type Count, oneFailed, total} from "../support/count.ts";

/** Half an hour: three times what it takes on an idle machine. */
const limitMs = 30 * 60_000;

/** The report of dist/test/image/main.js: its last line, and a line for each skipped case. */
export function imageCount(code: number, output: string): Count {
    const counted = /^(\d+) passed, (\d+) failed, (\d+) skipped$/mu.exec(output);
    if (counted === null) return oneFailed;
    const [passed = 0, failed = 0] = counted.slice(1).map(Number);
    const skips = [...output.matchAll(/^skipped: ([^:]+): (.*)$/gmu)].map((match) => ({
        name: `image ${match[1] ?? ""}`,
        reason: match[2] ?? "",
    }));
    const count: Count = {passed, failed, skips};
    const unsaid = code !== 0 && failed === 0;
    return unsaid || total(count) === 0 ? {...count, failed: failed + 1} : count;
}

/** Runs it as a program of its own, because it goes into namespaces. */
export async function runImageTests(
    show: boolean,
): Promise<{readonly count: Count; readonly output: string}> {
    const argv = [process.execPath, "--enable-source-maps", "dist/test/image/main.js"];
    const {code, output} = await run(argv, {show, deadlineMs: limitMs});
    return {count: imageCount(code, output), output};
}
