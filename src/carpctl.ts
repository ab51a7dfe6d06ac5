#!/usr/bin/env node
/**
 * carpctl: the composition root. Every verb is in src/core/cli-table.ts.
 */
import {readFileSync, writeFileSync} from "node:fs";
import {hostname} from "node:os";
import {basename, resolve as wholePath} from "node:path";
import {createInterface} from "node:readline";
import {styleText} from "node:util";
import {runCarpctl} from "./app/carpctl-run.ts";
import type {Client} from "./app/shell/asker.ts";
import type {CallerFiles} from "./app/shell/editing.ts";
import {Monitor} from "./app/shell/monitor.ts";
import {Shell} from "./app/shell/shell.ts";
import {runUcarp} from "./app/ucarp-run.ts";
import type {ExitCode} from "./core/exit-codes.ts";
import {plain} from "./core/show.ts";
import {ControlClient} from "./io/control-client.ts";
import {LineEditor} from "./io/line-editor.ts";
import {PlainTerminal} from "./io/plain-terminal.ts";
import {directoryFrom} from "./io/run-dir.ts";
import {rawTerminal} from "./io/standard-terminal.ts";
import {codeOf} from "./io/system-error.ts";
import {version} from "./io/version.ts";

const {env, stdin, stdout, stderr} = process;
const colours = stdout.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
const paint = colours
    ? (colour: Parameters<typeof plain>[0], text: string) => styleText(colour, text)
    : plain;
const abort = new AbortController();
process.once("SIGINT", () => abort.abort());
process.once("SIGTERM", () => abort.abort());
// `carpctl watch | head -1`: the reader has what it wanted.
stdout.on("error", () => process.exit(0));

const files: CallerFiles = {
    read: (path) => {
        try {
            return {text: readFileSync(path === "-" ? 0 : path, "utf8")};
        } catch (error) {
            return {code: codeOf(error)};
        }
    },
    // Passwords are in it.
    write: (path, text) => {
        try {
            writeFileSync(path, text, {mode: 0o600});
            return null;
        } catch (error) {
            return codeOf(error);
        }
    },
};

/** The shell on this terminal; without one, on the lines of the standard input. */
async function shell(client: Client, socket: string, editing: boolean): Promise<ExitCode> {
    const person = stdin.isTTY === true && stdout.isTTY === true;
    const raw = person ? rawTerminal(stdin, stdout) : {restore: () => undefined};
    const editor = person
        ? new LineEditor({input: stdin, output: stdout, ...raw})
        : new PlainTerminal(stdin, stdout);
    const monitor = new Monitor({
        client,
        notify: (text) => editor.notify(text),
        over: () => undefined,
        after: (ms, run) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
        },
    });
    const onResize = (): void => editor.setSize({columns: stdout.columns, rows: stdout.rows});
    if (person) stdout.on("resize", onResize);
    const code = await new Shell({
        terminal: editor,
        client,
        socket,
        version: version(),
        host: hostname(),
        paint: person ? paint : plain,
        nowMs: () => Date.now(),
        files,
        monitor: (on) => monitor.set(on),
    }).run(editing);
    monitor.set(false);
    stdout.off("resize", onResize);
    editor.close();
    raw.restore();
    stdin.pause();
    return code;
}

/** Over the row before it, to the end of the line. */
const draw = (text: string): void => {
    stdout.write(`\r${text}\u001b[K`);
};
/** null: ^C, or the end of the input. */
const question = (prompt: string): Promise<string | null> =>
    new Promise((resolve) => {
        const asked = createInterface({input: stdin, output: stdout});
        const end = (): void => asked.close();
        abort.signal.addEventListener("abort", end, {once: true});
        asked.on("SIGINT", end);
        asked.on("close", () => resolve(null));
        asked.question(prompt, (typed) => {
            resolve(typed);
            asked.close();
        });
    });
const person = stdin.isTTY === true && stdout.isTTY === true;
const argv = process.argv.slice(2);
const out = (text: string): void => {
    stdout.write(text);
};
const complain = (text: string): void => {
    stderr.write(text);
};

process.exitCode =
    basename(process.argv[1] ?? "") === "ucarp"
        ? runUcarp(argv, {out, complain})
        : await runCarpctl(argv, {
              version: version(),
              defaultRunDir: directoryFrom(env.RUNTIME_DIRECTORY, "/run/carpd"),
              connect: (socket) => new ControlClient(socket),
              out,
              complain,
              paint,
              nowMs: () => Date.now(),
              signal: abort.signal,
              readFile: files.read,
              wholePath: (path) => wholePath(path),
              ...(person ? {row: {columns: stdout.columns, draw}, question} : {}),
              shell,
          });
