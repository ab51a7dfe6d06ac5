/**
 * Runs a program that nobody trusts to end: in a process group of its own, with bounded output.
 * Main thread.
 *
 * What the program leaves behind in its group is killed when it ends. A process that made itself a
 * session of its own (setsid(2)) is beyond reach.
 */
import {type ChildProcess, spawn} from "node:child_process";
import {printable} from "../core/log.ts";
import {codeOf} from "./system-error.ts";

/** What is kept of the output, octets. */
const keptOutput = 4096;
/** More output than this is a flood, and the program is killed, octets. */
const mostOutput = 65_536;
/** The end of the output is waited for this long after the program's end, milliseconds. */
const outputLimitMs = 100;
/** Longest piece of output in a sentence, characters. */
const shownOutput = 200;

export interface ProgramOutcome {
    /** Ended by itself with exit status 0. */
    readonly ok: boolean;
    /** "exit status 1", "killed by SIGSEGV", "cannot run /x: ENOENT". */
    readonly how: string;
    /** The last line of its output that is not empty, printable, at most 200 characters; or "". */
    readonly line: string;
}

/** The variables of a service manager are not for those whom carpd runs. */
export function childEnvironment(): NodeJS.ProcessEnv {
    const env = {...process.env};
    for (const name of Object.keys(env)) {
        if (/^(NOTIFY_SOCKET|WATCHDOG_|LISTEN_|JOURNAL_STREAM|NODE_)/u.test(name)) delete env[name];
    }
    return env;
}

/** Kills a whole process group; one that is gone already is no error. */
export function killGroup(pid: number | undefined): void {
    if (pid === undefined) return;
    try {
        process.kill(-pid, "SIGKILL");
    } catch (error) {
        // EPERM: what is left of it belongs to somebody else, by its own set-user-ID bit.
        const code = codeOf(error);
        if (code !== "ESRCH" && code !== "EPERM") throw error;
    }
}

export class ProgramRunner {
    readonly #running = new Set<number>();

    /** Resolves when the program has ended; `signal` kills it. Never rejects. */
    run(argv: readonly string[], signal: AbortSignal): Promise<ProgramOutcome> {
        const [program = "", ...rest] = argv;
        const cannot = (error: unknown): ProgramOutcome => ({
            ok: false,
            how: `cannot run ${program}: ${codeOf(error)}`,
            line: "",
        });
        return new Promise((resolve) => {
            let child: ChildProcess;
            try {
                child = spawn(program, rest, {
                    cwd: "/",
                    detached: true,
                    env: childEnvironment(),
                    stdio: ["ignore", "pipe", "pipe"],
                });
            } catch (error) {
                resolve(cannot(error));
                return;
            }
            const {pid} = child;
            if (pid !== undefined) this.#running.add(pid);
            const kill = (): void => killGroup(pid);
            signal.addEventListener("abort", kill, {once: true});
            if (signal.aborted) kill();
            const output = new BoundedOutput(child, kill);
            const ended = (outcome: ProgramOutcome): void => {
                signal.removeEventListener("abort", kill);
                if (pid !== undefined) this.#running.delete(pid);
                resolve(outcome);
            };
            child.on("error", (error) => {
                // A signal that could not be sent is reported here too, while the program runs.
                if (child.pid === undefined) ended(cannot(error));
            });
            child.on("exit", (code, name) => {
                kill();
                output.atEnd(() => {
                    const how = name === null ? `exit status ${code ?? ""}` : `killed by ${name}`;
                    const flood = `more than ${mostOutput} octets of output: killed`;
                    const {line} = output;
                    const ok = code === 0 && !output.flooded;
                    ended({ok, how: output.flooded ? flood : how, line});
                });
            });
        });
    }

    /** For the end of this process: nothing that was started here goes on. */
    killAll(): void {
        for (const pid of this.#running) killGroup(pid);
    }
}

class BoundedOutput {
    readonly #child: ChildProcess;
    readonly #chunks: Buffer[] = [];
    #octets = 0;
    #closed = false;

    constructor(child: ChildProcess, kill: () => void) {
        this.#child = child;
        child.on("close", () => {
            this.#closed = true;
        });
        for (const stream of [child.stdout, child.stderr]) {
            stream?.on("data", (chunk: Buffer) => {
                const room = keptOutput - this.#octets;
                if (room > 0) this.#chunks.push(chunk.subarray(0, room));
                this.#octets += chunk.length;
                if (!this.flooded) return;
                kill();
                stream.destroy();
            });
            // A broken pipe ends the output, nothing else.
            stream?.on("error", () => stream.destroy());
        }
    }

    get flooded(): boolean {
        return this.#octets > mostOutput;
    }

    get line(): string {
        const lines = Buffer.concat(this.#chunks)
            .toString("utf8")
            .split(/[\r\n]+/u);
        const last = lines.findLast((line) => line.trim() !== "")?.trim() ?? "";
        const shown = printable(last.replaceAll("\t", " "));
        return shown.length > shownOutput ? `${shown.slice(0, shownOutput)}...` : shown;
    }

    /** The pipes may be held open by a process that left the group. */
    atEnd(run: () => void): void {
        if (this.#closed) {
            run();
            return;
        }
        const end = (): void => {
            clearTimeout(timer);
            this.#child.off("close", end);
            this.#child.stdout?.destroy();
            this.#child.stderr?.destroy();
            run();
        };
        const timer = setTimeout(end, outputLimitMs);
        this.#child.on("close", end);
    }
}
