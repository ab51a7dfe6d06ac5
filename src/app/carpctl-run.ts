/**
 * carpctl: arguments -> one operational command, the shell, or what a program does by itself.
 * carpctl's only thread.
 */
import {
    type Command,
    helpText,
    parseCarpctlArguments,
    resolve,
    tableFor,
} from "../core/cli-resolve.ts";
import {cliTable} from "../core/cli-table.ts";
import type {CliValues} from "../core/cli-values.ts";
import {type ExitCode, exitCodes} from "../core/exit-codes.ts";
import {choicesFor} from "../core/shell/complete.ts";
import {completionScript} from "../core/shell/completion-script.ts";
import {referenceText} from "../core/shell/reference.ts";
import {importOf} from "../core/shell/show-more.ts";
import type {Paint} from "../core/show.ts";
import {Asker, type Client, Stop} from "./shell/asker.ts";
import {namesFrom} from "./shell/names.ts";
import {type OperationPorts, operate} from "./shell/operations.ts";

export type {Client} from "./shell/asker.ts";

export interface CarpctlPorts {
    readonly version: string;
    readonly defaultRunDir: string;
    /** A client for the control socket of a run directory. */
    readonly connect: (socket: string) => Client;
    readonly out: (text: string) => void;
    readonly complain: (text: string) => void;
    readonly paint: Paint;
    readonly nowMs: () => number;
    /** Ends `watch`. */
    readonly signal: AbortSignal;
    /** Reads a file of the caller, or with "-" the standard input; the error is a system code. */
    readonly readFile?: (path: string) => {readonly text: string} | {readonly code: string};
    /** A relative path of the caller's, made whole. */
    readonly wholePath?: (path: string) => string;
    /** A row of the caller's terminal that is drawn over itself, and a question to who sits there. */
    readonly row?: NonNullable<OperationPorts["row"]>;
    readonly question?: NonNullable<OperationPorts["question"]>;
    /** The shell on the caller's terminal; `editing`: begins in configuration mode. */
    readonly shell?: (client: Client, socket: string, editing: boolean) => Promise<ExitCode>;
}

const table = tableFor(cliTable, "carpctl");

/** Runs one command line (without the program's name) and gives the exit code. */
export async function runCarpctl(argv: readonly string[], ports: CarpctlPorts): Promise<ExitCode> {
    const args = parseCarpctlArguments(argv, table);
    if (typeof args === "string") return usage(args, ports);
    if (args.help) {
        ports.out(helpText(cliTable));
        return exitCodes.ok;
    }
    if (args.version) {
        ports.out(`carpctl ${ports.version}\n`);
        return exitCodes.ok;
    }
    const resolved = resolve(table, args.words);
    if (!resolved.ok) return usage(resolved.message, ports);
    const socket = `${args.runDir ?? ports.defaultRunDir}/control.sock`;
    return new Carpctl(ports, socket, args.json).run(resolved.command, args.words);
}

function usage(message: string, ports: CarpctlPorts): ExitCode {
    ports.complain(`carpctl: ${message}\ntry: carpctl --help\n`);
    return exitCodes.usage;
}

/** A word for a line of the BSDs' commands: `&&` and `;` stay what the caller's shell left of them. */
function quoted(word: string): string {
    if (/^[^\s"'\\]+$/u.test(word) || /&&|;/u.test(word)) return word;
    return word.includes("'") ? `"${word.replaceAll(/["\\$`]/gu, "\\$&")}"` : `'${word}'`;
}

class Carpctl {
    readonly #ports: CarpctlPorts;
    readonly #socket: string;
    readonly #json: boolean;
    readonly #client: Client;
    readonly #asker: Asker;

    constructor(ports: CarpctlPorts, socket: string, json: boolean) {
        this.#ports = ports;
        this.#socket = socket;
        this.#json = json;
        this.#client = ports.connect(socket);
        const {version, complain} = ports;
        const client = this.#client;
        this.#asker = new Asker({client, socket, version, prefix: "carpctl: ", complain});
    }

    async run(command: Command, words: readonly string[]): Promise<ExitCode> {
        const {out} = this.#ports;
        switch (command.action) {
            case "shell":
            case "configure":
                return await this.#shell(command.action === "configure");
            case "import":
                return this.#code(await this.#import(command.values));
            case "completion":
                out(completionScript(command.values.shell ?? "bash"));
                return exitCodes.ok;
            case "completion-words":
                await this.#completionWords(words.slice(2));
                return exitCodes.ok;
            case "reference":
                out(referenceText());
                return exitCodes.ok;
            default:
                return this.#code(await this.#operate(command, words));
        }
    }

    #code(result: Stop | null): ExitCode {
        return result instanceof Stop ? result.code : exitCodes.ok;
    }

    #operate(command: Command, words: readonly string[]): Promise<Stop | null> {
        const {out, complain, paint, nowMs, signal, row, question} = this.#ports;
        const line = words.map(quoted).join(" ");
        const values = command.action === "bsd" ? {...command.values, line} : command.values;
        const asker = this.#asker;
        const ports = {
            ...{asker, out, complain, paint, nowMs, signal, json: this.#json},
            ...(row === undefined ? {} : {row}),
            ...(question === undefined ? {} : {question}),
        };
        const done = operate({...command, values: this.#wholeSource(values)}, ports);
        return done ?? Promise.resolve(asker.complain("only in the shell", exitCodes.usage));
    }

    /** carp-system does not know where the caller is. */
    #wholeSource(values: Partial<CliValues>): Partial<CliValues> {
        const {source} = values;
        const {wholePath} = this.#ports;
        const named = source === undefined || /^(\/|usb$|usb:|[a-z]+:\/\/)/iu.test(source);
        return named || wholePath === undefined ? values : {...values, source: wholePath(source)};
    }

    async #shell(editing: boolean): Promise<ExitCode> {
        const {shell} = this.#ports;
        if (shell !== undefined) return await shell(this.#client, this.#socket, editing);
        return this.#asker.complain("there is no terminal here", exitCodes.usage).code;
    }

    async #import({files = [], kind, map = {}}: Partial<CliValues>): Promise<Stop | null> {
        const read: {name: string; text: string}[] = [];
        for (const name of files) {
            const content = this.#ports.readFile?.(name) ?? {code: "ENOSYS"};
            if (!("text" in content)) {
                return this.#asker.complain(`${name}: ${content.code}`, exitCodes.noInput);
            }
            read.push({name, text: content.text});
        }
        const body = {files: read, map, ...(kind === undefined ? {} : {kind})};
        const answer = await this.#asker.ask("POST", "import", body);
        if (answer instanceof Stop) return answer;
        const imported = importOf(answer.value);
        if (imported === null) return this.#asker.notUnderstood();
        this.#ports.out(imported.toml);
        this.#ports.complain(imported.notes);
        return null;
    }

    /** For the completion scripts: one word a line, a tab, its help. */
    async #completionWords(words: readonly string[]): Promise<void> {
        const {list, names} = choicesFor(table, words);
        const typing = words.at(-1) ?? "";
        const known = await namesFrom(this.#client, names);
        const found = known.filter((name) => name.startsWith(typing));
        const lines = [
            ...list.filter(({word}) => word).map(({token, help}) => `${token}\t${help}`),
            ...found.map((name) => `${name}\t`),
        ];
        this.#ports.out(lines.map((line) => `${line}\n`).join(""));
    }
}
