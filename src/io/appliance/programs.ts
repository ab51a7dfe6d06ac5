/**
 * Short runs of the system's own programs (nft, networkctl, ip, systemctl) with all of their output.
 * carp-system's main thread. What nobody trusts to end is run by src/io/program-run.ts.
 */
import {execFile} from "node:child_process";
import {printable} from "../../core/log.ts";
import {childEnvironment} from "../program-run.ts";

/** Longer is a hang, milliseconds. */
const limitMs = 20_000;
const mostOutput = 1024 * 1024;
const shownOutput = 200;

export interface ProgramEnd {
    readonly ok: boolean;
    /** Standard output. */
    readonly output: string;
    /** "nft: exit status 1: the last line that it complained with"; "" when it did well. */
    readonly problem: string;
}

export type RunProgram = (argv: readonly string[]) => Promise<ProgramEnd>;

function lastLine(text: string): string {
    const line = text.split(/[\r\n]+/u).findLast((each) => each.trim() !== "") ?? "";
    return printable(line.trim()).slice(0, shownOutput);
}

/** Never rejects: what cannot be run is a problem like any other. */
export const runProgram: RunProgram = (argv) => {
    const [program = "", ...rest] = argv;
    const options = {timeout: limitMs, maxBuffer: mostOutput, env: childEnvironment(), cwd: "/"};
    return new Promise((resolve) => {
        execFile(program, rest, options, (error, output, complaint) => {
            if (error === null) {
                resolve({ok: true, output, problem: ""});
                return;
            }
            const how =
                error.killed === true
                    ? `no end after ${limitMs / 1000} s`
                    : typeof error.code === "number"
                      ? `exit status ${error.code}`
                      : `cannot be run: ${error.code ?? error.signal ?? "unknown"}`;
            const line = lastLine(complaint) || lastLine(output);
            const said = line === "" ? "" : `: ${line}`;
            resolve({ok: false, output, problem: `${program}: ${how}${said}`});
        });
    });
};
