/**
 * A person at the serial console of a box: types lines at carp-console's prompt and reads the
 * screen. Nothing here knows more than such a person can see.
 */
import {HarnessError, waitFor} from "../../src/io/lab/namespaces.ts";
import {rendered} from "../support/rendered.ts";
import type {SerialPort} from "./serial.ts";

export const adminPassword = "battery staple";

/** For an answer that is a matter of moments where nothing else runs. */
const patienceMs = 120_000;

/** "carp-a> " at the end of the screen. */
const prompt = /(?:^|\n)([\w.-]+)(?:\([^)\n]*\))?[>#] ?$/u;

/** What systemd sends to a terminal that it takes over: no text, and nothing that moves text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const resets = /\u001b\[[!?][\d;]*[a-z]|\u001b\]104(?:\u0007|\u001b\\)?/gu;

export class ConsolePort {
    readonly port: SerialPort;

    constructor(port: SerialPort) {
        this.port = port;
    }

    /** What stands on the screen of what came from an offset of `port.raw` on. */
    screen(from = 0): string {
        const text = this.port.raw.slice(from).replaceAll(resets, "");
        return rendered(text).replaceAll(/\n{3,}/gu, "\n\n");
    }

    /** Waits for a text on the screen. */
    async says(what: string | RegExp, deadlineMs = patienceMs, from = 0): Promise<string> {
        return await waitFor(
            `the console to say ${String(what)}`,
            deadlineMs,
            () => {
                const text = this.screen(from);
                const there = typeof what === "string" ? text.includes(what) : what.test(text);
                return there ? text : undefined;
            },
            () => JSON.stringify(this.screen(from).slice(-1500)),
        );
    }

    /** Types a line and waits for what it brings. */
    async answer(line: string, what: string | RegExp, deadlineMs = patienceMs): Promise<string> {
        const from = this.port.raw.length;
        this.port.type(`${line}\r`);
        return await this.says(what, deadlineMs, from);
    }

    /** The first log-in of all: there is no password yet, and this one becomes it. */
    async setPassword(): Promise<void> {
        await this.#name("new password: ");
        await this.answer(adminPassword, "the same again: ");
        await this.answer(adminPassword, prompt);
    }

    async logIn(password = adminPassword): Promise<void> {
        await this.#name("password: ");
        await this.answer(password, prompt);
    }

    /** Gives the name. carpd may still be starting; then somebody at the console tries again. */
    async #name(question: string, deadlineMs = 300_000): Promise<void> {
        const end = performance.now() + deadlineMs;
        for (;;) {
            const said = await this.answer("admin", /password: $|does not answer.*login: $/su);
            if (said.includes(question)) return;
            if (performance.now() >= end) throw new HarnessError("DEADLINE", said);
        }
    }

    /** Types a line again and again until what it prints fits. */
    async until(line: string, wanted: RegExp, deadlineMs: number): Promise<string> {
        let last = "";
        return await waitFor(
            `${line} to say ${String(wanted)}`,
            deadlineMs,
            async () => {
                last = await this.type(line);
                return wanted.test(last) ? last : undefined;
            },
            () => last,
        );
    }

    /** Types a line at the prompt; what it printed until the next prompt. */
    async type(line: string, deadlineMs = patienceMs): Promise<string> {
        const from = this.port.raw.length;
        const rows = line.split("\n");
        for (const row of rows) this.port.type(`${row}\r`);
        const last = rows.at(-1) ?? "";
        const echoes = [last.slice(-4), "*".repeat(Math.min(4, last.length))];
        const text = await waitFor(
            `an answer to ${JSON.stringify(line)}`,
            deadlineMs,
            () => {
                const shown = rendered(`> ${this.port.raw.slice(from)}`);
                const starts = echoes
                    .map((echo) => shown.indexOf(`${echo}\n`))
                    .filter((at) => at >= 0);
                if (starts.length === 0) return undefined;
                const printed = shown.slice(shown.indexOf("\n", Math.min(...starts)));
                return prompt.test(printed) ? printed.slice(1) : undefined;
            },
            () => JSON.stringify(this.screen(from).slice(-1500)),
        );
        return text.replace(/[\w.-]+(?:\([^)\n]*\))?[>#] ?$/u, "");
    }

    /** Lines one after the other; a complaint about one of them is an error. */
    async typeAll(lines: readonly string[]): Promise<void> {
        for (const line of lines) {
            const text = await this.type(line);
            if (complaint.test(text.replaceAll(warning, ""))) {
                throw new HarnessError("COMMAND_FAILED", `${line}\n${text}`);
            }
        }
    }
}

/** A warning with the line that it is about and what would be better. */
const warning = /^.*: warning: .*\n.*\n\s*\^.*\n/gmu;
/** How the shell says that it did not do what was asked. */
const complaint = /expected |unknown |no permission|does not answer|\([A-Z]+_[A-Z_]+;/u;
