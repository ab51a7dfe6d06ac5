/** Runs programs for the test runner and keeps what they say. */
import {spawn} from "node:child_process";

export interface Outcome {
    /** Exit code; 128 + n for signal n is not told apart from an exit with that number. */
    readonly code: number;
    /** Standard output and standard error in the order in which they came. */
    readonly output: string;
}

export interface CommandOptions {
    readonly env?: Readonly<Record<string, string>>;
    readonly deadlineMs?: number;
    /** Print the output as it comes. */
    readonly show?: boolean;
}

/** Runs a command to its end or to its deadline; never throws. */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    const [program = "", ...rest] = argv;
    const deadlineMs = options.deadlineMs ?? 30 * 60_000;
    const env: NodeJS.ProcessEnv = {...process.env, ...options.env};
    // A runner inside a runner would report to the outer one.
    delete env.NODE_TEST_CONTEXT;
    const child = spawn(program, rest, {stdio: ["ignore", "pipe", "pipe"], env});
    const chunks: Buffer[] = [];
    const take = (chunk: Buffer) => {
        chunks.push(chunk);
        if (options.show === true) process.stdout.write(chunk);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const timer = setTimeout(() => {
        chunks.push(Buffer.from(`\nnot finished after ${deadlineMs} ms, killed\n`));
        child.kill("SIGKILL");
    }, deadlineMs);
    const code = await new Promise<number>((resolve) => {
        child.on("error", (error) => {
            chunks.push(Buffer.from(`${program}: ${error.message}\n`));
            resolve(127);
        });
        child.on("close", (status) => resolve(status ?? 137));
    });
    clearTimeout(timer);
    return {code, output: Buffer.concat(chunks).toString("utf8")};
}
