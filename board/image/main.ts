/** `npm run image`: see options.ts for what it takes, build.ts for what it does. */
import {dirname, join, resolve} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "./build.ts";
import {parseOptions, usage} from "./options.ts";
import {BuildProblem} from "./problem.ts";

/** dist/board/image/main.js lies three folders below the project. */
const project = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");

async function main(args: readonly string[]): Promise<number> {
    if (args.includes("--help") || args.includes("-h")) {
        process.stdout.write(usage);
        return 0;
    }
    const options = parseOptions(args);
    if (typeof options === "string") {
        process.stderr.write(`image: ${options}\n\n${usage}`);
        return 2;
    }
    const out = options.out === "" ? join(project, "build-image") : resolve(options.out);
    const screen = {
        write: (text: string): void => {
            process.stdout.write(text);
        },
        isTTY: process.stdout.isTTY === true,
        columns: process.stdout.columns ?? 80,
    };
    try {
        await build(project, {...options, out}, screen);
        return 0;
    } catch (error) {
        if (!(error instanceof BuildProblem)) throw error;
        process.stderr.write(`image: ${error.message}\n`);
        return 1;
    }
}

process.exitCode = await main(process.argv.slice(2));
