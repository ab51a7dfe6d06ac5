/**
 * Shows that a build gives the same bytes every time: builds twice and compares the slot images, the
 * disk image and what is inside the bundle (its signature holds the time and differs).
 *
 *     node dist/board/image/reproducible.js [--with-base] [options of npm run image]
 *
 * `--with-base`: the second build also makes the base system anew, from the same archive.
 * Exit code 0 when equal, 1 when not.
 */
import {dirname, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {parseOptions} from "./options.ts";
import {BuildProblem} from "./problem.ts";
import {buildTwice} from "./twice.ts";

const project = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

async function main(args: readonly string[]): Promise<number> {
    const options = parseOptions(args.filter((arg) => arg !== "--with-base"));
    if (typeof options === "string") {
        process.stderr.write(`reproducible: ${options}\n`);
        return 2;
    }
    try {
        const write = (text: string): void => {
            process.stdout.write(text);
        };
        const compared = await buildTwice(project, options, args.includes("--with-base"), write);
        for (const {name, first, second} of compared) {
            const same = first === second;
            write(
                `${same ? "same     " : "DIFFERENT"} ${name}: ${first}${same ? "" : ` ${second}`}\n`,
            );
        }
        return compared.every(({first, second}) => first === second) ? 0 : 1;
    } catch (error) {
        if (!(error instanceof BuildProblem)) throw error;
        process.stderr.write(`reproducible: ${error.message}\n`);
        return 1;
    }
}

process.exitCode = await main(process.argv.slice(2));
