/**
 * Runs a program and hands its output on line by line, for programs that tell how far they are.
 * Main thread. Bounded: long lines are cut, a flood of lines is dropped.
 */
import {type ChildProcess, spawn} from "node:child_process";
import {printable} from "../../core/log.ts";
import {childEnvironment, killGroup} from "../program-run.ts";
import {codeOf} from "../system-error.ts";

export interface LineOutcome {
    /** Ended by itself with exit status 0. */
    readonly ok: boolean;
    /** "exit status 1", "killed by SIGKILL", "cannot run /x: ENOENT". */
    readonly how: string;
    /** What went to the standard output, at most 256 KiB. */
    readonly output: string;
    /** The last lines of both outputs, printable. */
    readonly lines: readonly string[];
}

const longestLine = 2048;
const mostLines = 200;
const mostOutput = 262_144;

/** Never rejects. `signal` kills the program and what it started. */
export function runLines(
    argv: readonly string[],
    signal: AbortSignal,
    onLine: (line: string) => void = () => undefined,
): Promise<LineOutcome> {
    const [program = "", ...rest] = argv;
    return new Promise((resolve) => {
        const cannot = (error: unknown): void => {
            resolve({
                ok: false,
                how: `cannot run ${program}: ${codeOf(error)}`,
                output: "",
                lines: [],
            });
        };
        let child: ChildProcess;
        try {
            child = spawn(program, rest, {
                cwd: "/",
                detached: true,
                // Its words are read: they must be English.
                env: {...childEnvironment(), LC_ALL: "C.UTF-8"},
                stdio: ["ignore", "pipe", "pipe"],
            });
        } catch (error) {
            cannot(error);
            return;
        }
        const lines: string[] = [];
        let output = "";
        const take = (line: string): void => {
            const text = printable(line).slice(0, longestLine);
            if (text.trim() === "") return;
            lines.push(text);
            if (lines.length > mostLines) lines.shift();
            onLine(text);
        };
        const ends = [child.stdout, child.stderr].map((stream) => {
            let open = "";
            stream?.setEncoding("utf8");
            stream?.on("data", (text: string) => {
                if (stream === child.stdout && output.length < mostOutput) output += text;
                const parts = (open + text).split(/[\r\n]/u);
                open = (parts.pop() ?? "").slice(0, longestLine);
                for (const part of parts) take(part);
            });
            stream?.on("error", () => stream.destroy());
            return () => take(open);
        });
        const kill = (): void => killGroup(child.pid);
        signal.addEventListener("abort", kill, {once: true});
        child.on("spawn", () => {
            if (signal.aborted) kill();
        });
        child.on("error", (error) => {
            if (child.pid !== undefined) return;
            signal.removeEventListener("abort", kill);
            cannot(error);
        });
        child.on("close", (code, name) => {
            signal.removeEventListener("abort", kill);
            for (const end of ends) end();
            const late = signal.aborted ? "it took too long and was killed" : `killed by ${name}`;
            const how = name === null ? `exit status ${code ?? ""}` : late;
            resolve({ok: code === 0, how, output, lines});
        });
    });
}
