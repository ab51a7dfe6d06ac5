/**
 * carpctl called by the name ucarp: takes ucarp's options and prints the carpd.toml that they stand
 * for. It starts nothing and changes nothing. carpctl's only thread.
 */
import {formatDiagnostics} from "../core/diagnostic.ts";
import {type ExitCode, exitCodes} from "../core/exit-codes.ts";
import {importConfiguration} from "../core/import/import.ts";

export interface UcarpPorts {
    readonly out: (text: string) => void;
    readonly complain: (text: string) => void;
}

/** A word as sh reads it back. */
function shellWord(word: string): string {
    return /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `argv` without the program's name. */
export function runUcarp(argv: readonly string[], ports: UcarpPorts): ExitCode {
    const text = `ucarp ${argv.map(shellWord).join(" ")}\n`;
    const files = [{name: "ucarp", text}];
    const imported = importConfiguration(files, {kind: "ucarp", map: new Map()});
    if (!imported.ok) {
        ports.complain(`${formatDiagnostics(imported.error)}\n`);
        return exitCodes.usage;
    }
    const {toml, notes} = imported.value;
    ports.out(toml);
    ports.complain(notes.map((note) => `ucarp: ${note.text}\n`).join(""));
    ports.complain(
        "ucarp: this is carpd's carpctl: nothing was started. To use it, put the text above into\n" +
            "carpd.toml, or: carpctl configure, load terminal, commit\n",
    );
    return exitCodes.ok;
}
