/**
 * The prompt: reads lines, runs them in the mode that it is in, shows what they give page by page.
 * Ends with the session. Thread of the program.
 */
import {isBsdLine} from "../../core/bsd/run.ts";
import {isContinued} from "../../core/bsd/words.ts";
import type {CliNode, Place} from "../../core/cli-node.ts";
import {type Command, helpLines, resolve, tableFor} from "../../core/cli-resolve.ts";
import {cliTable} from "../../core/cli-table.ts";
import {splitWords} from "../../core/config-lines.ts";
import {type ExitCode, exitCodes} from "../../core/exit-codes.ts";
import {type Choice, choicesFor} from "../../core/shell/complete.ts";
import {configurationTable} from "../../core/shell/configuration-table.ts";
import {
    applyFilters,
    type Filter,
    filterHelp,
    openQuote,
    readLine,
    splitPipes,
} from "../../core/shell/line.ts";
import {moreText, Pager, pagerKey} from "../../core/shell/pager.ts";
import {contextText, promptText} from "../../core/shell/prompt.ts";
import type {Paint} from "../../core/show.ts";
import {Asker, type Client, Stop} from "./asker.ts";
import {type CallerFiles, Editing} from "./editing.ts";
import {namesFrom} from "./names.ts";
import {operate} from "./operations.ts";
import type {Assist, Terminal} from "./terminal.ts";
import {changeUsers} from "./users.ts";

export interface ShellPorts {
    readonly terminal: Terminal;
    readonly client: Client;
    readonly socket: string;
    readonly version: string;
    readonly host: string;
    readonly paint: Paint;
    readonly nowMs: () => number;
    /** null: the shell of the console, which has none. */
    readonly files: CallerFiles | null;
    /** `terminal monitor`. */
    readonly monitor: (on: boolean) => void;
}

/** Lines behind a line that ends in a backslash. */
const mostContinued = 16;
/** Reasons after which there is no session any more. */
const over = new Set(["NO_SESSION", "LOGIN_NEEDED", "BAD_TOKEN"]);

export class Shell {
    readonly #ports: ShellPorts;
    readonly #asker: Asker;
    readonly #editing: Editing;
    readonly #operational: readonly CliNode[];
    readonly #configuration: readonly CliNode[];
    /** What the running command has printed and not yet shown. */
    #output = "";
    #inEditing = false;
    #ended = false;
    #code: ExitCode = exitCodes.ok;

    constructor(ports: ShellPorts) {
        this.#ports = ports;
        const {client, socket, version, terminal} = ports;
        const out = (text: string): void => {
            this.#output += text;
        };
        this.#asker = new Asker({client, socket, version, prefix: "", complain: out});
        this.#editing = new Editing({
            asker: this.#asker,
            out,
            files: ports.files,
            paste: async () => {
                await this.#flush([]);
                return terminal.readPasted("end");
            },
            confirm: (question) => this.#confirm(question),
        });
        // carpctl's own words make no sense in a shell, but its files do.
        const place: Place = ports.files === null ? "shell" : "carpctl";
        this.#operational = tableFor(cliTable, "shell");
        this.#configuration = tableFor(configurationTable, place);
    }

    /** Ends at `exit`, ^D, or with the terminal. The code is that of the last command that failed. */
    async run(editing: boolean): Promise<ExitCode> {
        if (editing) await this.#do("configure");
        while (!this.#ended) {
            const typed = await this.#ports.terminal.readLine({
                prompt: this.#prompt(),
                assist: (text) => this.#assist(text),
            });
            if (typed.kind === "gone" || this.#ended) break;
            if (typed.kind === "end") await this.#do("exit");
            if (typed.kind === "line") await this.#do(await this.#whole(typed.line));
        }
        // What is not committed is forgotten: nothing applies without a commit.
        if (this.#inEditing) await this.#editing.close(false);
        return this.#code;
    }

    /** The line with those that it goes on with: the BSDs' commands end lines in a backslash. */
    async #whole(first: string): Promise<string> {
        let line = first;
        for (let more = 0; isBsdLine(first) && isContinued(line); more++) {
            const next = await this.#ports.terminal.readLine({
                prompt: this.#ports.terminal.interactive ? "> " : "",
                history: false,
                earlier: `${line}\n`,
            });
            // Broken off: half a line is not run.
            if (next.kind !== "line" || more >= mostContinued) return "";
            line = `${line}\n${next.line}`;
        }
        return line;
    }

    /** Ends the session from outside: it was idle for too long, or the daemon forgot it. */
    end(): void {
        this.#ended = true;
        this.#ports.terminal.expire();
    }

    #prompt(): string {
        const {terminal, host} = this.#ports;
        if (!terminal.interactive) return "";
        return promptText(host, this.#inEditing);
    }

    async #do(typed: string): Promise<void> {
        // A line that was copied with its prompt in front.
        const line = typed.trim().replace(/^[#$%>]\s+/u, "");
        if (line === "" || line.startsWith("#")) return;
        const {terminal} = this.#ports;
        const read = isBsdLine(line) ? bsdLine(line) : readLine(line);
        if (!read.ok) {
            await terminal.print(`${read.error}\n`);
            this.#code = exitCodes.usage;
            return;
        }
        const {text, words, filters} = read.value;
        const result = await terminal.during((signal) => this.#run(text, words, filters, signal));
        await this.#flush(filters);
        if (result instanceof Stop) {
            this.#code = result.code;
            if (over.has(result.reason)) this.#ended = true;
        }
        if (this.#inEditing && !this.#ended && terminal.interactive) {
            await terminal.print(`${contextText(this.#editing.context)}\n`);
        }
    }

    async #run(
        text: string,
        words: readonly string[],
        filters: readonly Filter[],
        signal: AbortSignal,
    ): Promise<Stop | null> {
        const compare = filters.find((filter) => filter.kind === "compare");
        if (isBsdLine(text)) return this.#operate(bsdCommand(text), signal);
        const table = this.#inEditing ? this.#configuration : this.#operational;
        const resolved = resolve(table, words);
        if (!resolved.ok) {
            const runs = this.#inEditing && resolve(this.#operational, words).ok;
            const hint = runs ? `; in configuration mode it is: run ${text}` : "";
            return this.#asker.complain(`${resolved.message}${hint}`, exitCodes.usage);
        }
        const {command} = resolved;
        if (compare !== undefined) {
            if (command.action === "edit-show") return this.#editing.compare(compare.number);
            return this.#asker.complain(
                "| compare goes with show in configuration mode",
                exitCodes.usage,
            );
        }
        return this.#command(command, text, words, signal);
    }

    async #command(
        command: Command,
        text: string,
        words: readonly string[],
        signal: AbortSignal,
    ): Promise<Stop | null> {
        const {terminal, monitor} = this.#ports;
        const {action, values} = command;
        switch (action) {
            case "configure": {
                const opened = await this.#editing.open();
                this.#inEditing = opened === null;
                return opened;
            }
            case "exit":
            case "logout":
                this.#ended = true;
                return null;
            case "help":
                this.#output += helpOf(this.#inEditing ? this.#configuration : this.#operational);
                return null;
            case "terminal-monitor":
                monitor(values.on === true);
                return null;
            case "terminal-length":
                terminal.setSize({rows: values.size ?? 0});
                return null;
            case "terminal-width":
                terminal.setSize({columns: values.size ?? 80});
                return null;
            case "edit-exit":
                await this.#leave(words[0] ?? "");
                return null;
            case "edit-run":
                return this.#runOperational(text, signal);
            case "reboot":
            case "power-off":
                if (!(await this.#confirm(`${action} this host?`))) return null;
                return this.#operate(command, signal);
            case "user-set":
            case "user-delete":
            case "password":
                return this.#users(command);
            default:
                return action.startsWith("edit-")
                    ? this.#editing.run(command, wholeVerb(command, text))
                    : this.#operate(command, signal);
        }
    }

    /** `exit` leaves the block first, `quit` the mode at once. */
    async #leave(word: string): Promise<void> {
        if (this.#editing.context.length > 0 && "exit".startsWith(word)) {
            await this.#editing.run({action: "edit-top", values: {}, words: []}, "");
        } else if (await this.#editing.close(this.#ports.terminal.interactive)) {
            this.#inEditing = false;
        }
    }

    #runOperational(text: string, signal: AbortSignal): Promise<Stop | null> {
        const rest = text.replace(/^\S+\s+/u, "");
        if (isBsdLine(rest)) return this.#operate(bsdCommand(rest), signal);
        const resolved = resolve(this.#operational, splitWords(rest) ?? []);
        if (!resolved.ok) {
            return Promise.resolve(this.#asker.complain(resolved.message, exitCodes.usage));
        }
        const {action} = resolved.command;
        if (action === "exit" || action === "logout" || action === "configure") {
            const message = `${action} is not run from configuration mode`;
            return Promise.resolve(this.#asker.complain(message, exitCodes.usage));
        }
        return this.#command(resolved.command, rest, splitWords(rest) ?? [], signal);
    }

    #operate(command: Command, signal: AbortSignal): Promise<Stop | null> {
        const {paint, nowMs, terminal} = this.#ports;
        // What goes on for a while is shown as it comes.
        const streams = ["watch", "doctor", "install-image"].includes(command.action);
        const out = (text: string): void => {
            if (streams) terminal.print(text).catch(() => undefined);
            else this.#output += text;
        };
        const asker = this.#asker;
        const done = operate(command, {
            asker,
            out,
            complain: out,
            paint,
            nowMs,
            json: false,
            signal,
            row: terminal.interactive ? this.#row() : null,
            question: (prompt) => this.#question(prompt),
        });
        return done ?? Promise.resolve(asker.complain("not in this shell", exitCodes.usage));
    }

    #users(command: Command): Promise<Stop | null> {
        const {terminal} = this.#ports;
        const done = changeUsers(command, {
            asker: this.#asker,
            out: (text) => {
                this.#output += text;
            },
            secret: async (prompt) => {
                const typed = await terminal.readLine({prompt, echo: false, history: false});
                return typed.kind === "line" ? typed.line : null;
            },
        });
        return done ?? Promise.resolve(null);
    }

    /** A row that is drawn over itself; nothing of it stays. */
    #row(): {readonly columns: number; readonly draw: (text: string) => void} {
        const {terminal} = this.#ports;
        const {columns} = terminal;
        const draw = (text: string): void => {
            const blank = text === "" ? "\r" : "";
            terminal.print(`\r${text.padEnd(columns - 1)}${blank}`).catch(() => undefined);
        };
        return {columns, draw};
    }

    /** null: nobody is there, or it was broken off. */
    async #question(prompt: string): Promise<string | null> {
        const {terminal} = this.#ports;
        if (!terminal.interactive) return null;
        await this.#flush([]);
        const typed = await terminal.readLine({prompt, history: false});
        return typed.kind === "line" ? typed.line : null;
    }

    async #confirm(question: string): Promise<boolean> {
        const {terminal} = this.#ports;
        if (!terminal.interactive) return true;
        await this.#flush([]);
        const prompt = `${question} [yes/no] `;
        const typed = await terminal.readLine({prompt, history: false});
        return typed.kind === "line" && /^y(es)?$/iu.test(typed.line.trim());
    }

    async #flush(filters: readonly Filter[]): Promise<void> {
        const {terminal} = this.#ports;
        const text = filters.length === 0 ? this.#output : applyFilters(this.#output, filters);
        this.#output = "";
        if (text === "") return;
        const paged = terminal.interactive && !filters.some(({kind}) => kind === "no-more");
        const pager = new Pager(text, paged ? terminal.rows : 0, terminal.columns);
        await terminal.print(pager.advance("page"));
        while (!pager.done) {
            await terminal.print(moreText);
            const key = await terminal.readKey();
            if (key === "") return;
            const what = pagerKey(key);
            const shown = what === null ? "" : pager.advance(what);
            await terminal.print(`\r${" ".repeat(moreText.length)}\r${shown}`);
        }
    }

    async #assist(typed: string): Promise<Assist> {
        const parts = splitPipes(typed);
        const last = parts.at(-1) ?? "";
        if (parts.length > 1) return {list: filterChoices(last), complete: false};
        if (openQuote(typed) !== "") return {list: [], complete: false};
        const words = splitWords(typed) ?? typed.split(/\s+/u);
        const given = /\s$/u.test(typed) || typed === "" ? [...words, ""] : words;
        const table = this.#inEditing ? this.#configuration : this.#operational;
        const {list, names, complete, restAt} = choicesFor(table, given);
        if (this.#inEditing && names.includes("edit-path")) {
            const verb = resolveVerb(table, given[0] ?? "");
            const path = await this.#editing.choices([verb, ...given.slice(1)]);
            return {list: path, complete};
        }
        if (this.#inEditing && restAt !== null && "run".startsWith(given[0] ?? " ")) {
            const inner = choicesFor(this.#operational, given.slice(1));
            return {list: inner.list, complete: inner.complete};
        }
        const known = await namesFrom(this.#ports.client, names);
        const found = known
            .filter((name) => name.startsWith(given.at(-1) ?? ""))
            .map((token) => ({token, help: "", word: true}));
        return {list: [...list, ...found], complete};
    }
}

function bsdLine(line: string): ReturnType<typeof readLine> {
    // Its quotes are sh's: only the filters behind it are read here.
    const [text = "", ...pipes] = splitPipes(line);
    const filters = readLine(["x", ...pipes].join("|"));
    return filters.ok
        ? {ok: true, value: {...filters.value, text: text.trim(), words: []}}
        : filters;
}

function bsdCommand(line: string): Command {
    return {action: "bsd", values: {line}, words: []};
}

/** The line with its first word written out: the daemon knows no abbreviations. */
function wholeVerb(command: Command, text: string): string {
    const [verb = ""] = command.words;
    return text.replace(/^\S+/u, verb);
}

function resolveVerb(table: readonly CliNode[], typed: string): string {
    const exact = table.find(({token}) => token === typed);
    return (exact ?? table.find(({token}) => token.startsWith(typed)))?.token ?? typed;
}

function filterChoices(typed: string): Choice[] {
    const words = typed.trimStart().split(/\s+/u);
    if (words.length > 1) return [];
    return filterHelp
        .filter(({token}) => token.startsWith(words[0] ?? ""))
        .map(({token, help}) => ({token, help, word: true}));
}

function helpOf(table: readonly CliNode[]): string {
    const lines = helpLines(table);
    const width = Math.min(40, Math.max(...lines.map(({words}) => words.length)));
    const text = lines.map(({words, help}) => `${words.padEnd(width)}  ${help}\n`).join("");
    return `${text}\nTAB completes, ? shows what may come next; | match, | count, | no-more filter\n`;
}
