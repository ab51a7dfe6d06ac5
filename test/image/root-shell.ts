/**
 * The root shell on the second serial port of a test image: commands with their output and exit
 * status. It is the test's way to look into the guest, never the way of anything under test.
 */
import {HarnessError, waitFor} from "../../src/io/lab/namespaces.ts";
import type {SerialPort} from "./serial.ts";

export interface ShellResult {
    readonly status: number;
    readonly output: string;
}

/** A terminal in canonical mode takes 4095 octets a line; the rest of a longer one is lost. */
const longestLine = 1000;

/** For a command that is a matter of moments where nothing else runs. */
const patienceMs = 120_000;

export class RootShell {
    readonly #port: SerialPort;
    #count = 0;
    #synchronised = false;

    constructor(port: SerialPort) {
        this.#port = port;
    }

    /** The guest was restarted: a new shell, which echoes. */
    forget(): void {
        this.#synchronised = false;
    }

    /** Waits for the shell and makes it quiet. */
    async ready(deadlineMs: number): Promise<void> {
        if (this.#synchronised) return;
        const end = performance.now() + deadlineMs;
        for (;;) {
            const from = this.#port.text.length;
            const mark = `quiet-${++this.#count}`;
            this.#port.type("\nexec 2>&1; stty -echo; PS1= PS2=; export SYSTEMD_PAGER=cat\n");
            // The echo of this line holds two signs between the halves of the mark.
            this.#port.type(`echo quiet""-${this.#count}\n`);
            try {
                await this.#port.expect(new RegExp(`${mark}\\r?\\n`, "u"), 3000, from);
                break;
            } catch (error) {
                if (performance.now() >= end) throw error;
            }
        }
        this.#synchronised = true;
    }

    /** Runs a command line; its exit status and what it said on both streams. */
    async run(command: string, deadlineMs = patienceMs): Promise<ShellResult> {
        await this.ready(deadlineMs);
        const file = command.length > longestLine || command.includes("\n");
        const line = file ? await this.#asFile(command) : `{ ${command}\n} </dev/null`;
        return await this.#say(line, deadlineMs);
    }

    /** The output of a command that has to succeed. */
    async must(command: string, deadlineMs = patienceMs): Promise<string> {
        const {status, output} = await this.run(command, deadlineMs);
        if (status !== 0) {
            throw new HarnessError("COMMAND_FAILED", `${command}: exit ${status}: ${output}`);
        }
        return output;
    }

    /** Polls a command until its output fits. */
    async until(command: string, wanted: RegExp, deadlineMs: number): Promise<string> {
        let last = "";
        return await waitFor(
            `${command} to say ${String(wanted)}`,
            deadlineMs,
            async () => {
                last = (await this.run(command)).output;
                return wanted.test(last) ? last : undefined;
            },
            () => JSON.stringify(last.slice(-1500)),
        );
    }

    /** Writes a file in the guest, octet by octet as given. */
    async write(path: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
        const encoded = Buffer.from(content).toString("base64");
        await this.ready(patienceMs);
        await this.#say(`: > ${path}.b64`, patienceMs);
        for (let at = 0; at < encoded.length; at += longestLine - 100) {
            const part = encoded.slice(at, at + longestLine - 100);
            await this.#say(`printf %s ${part} >> ${path}.b64`, patienceMs);
        }
        await this.#say(
            `base64 -d ${path}.b64 > ${path} && rm ${path}.b64 && chmod ${mode.toString(8)} ${path}`,
            patienceMs,
        );
    }

    async #asFile(command: string): Promise<string> {
        const path = `/run/test-command-${++this.#count}`;
        await this.write(path, `${command}\n`);
        return `sh ${path} </dev/null`;
    }

    async #say(line: string, deadlineMs: number): Promise<ShellResult> {
        const id = ++this.#count;
        const from = this.#port.text.length;
        this.#port.type(`${line}\necho "@${id}:$?@"\n`);
        const said = await this.#port.expect(
            new RegExp(`@${id}:\\d+@\\r?\\n`, "u"),
            deadlineMs,
            from,
        );
        const end = said.lastIndexOf(`@${id}:`);
        const status = Number(/:(\d+)@/u.exec(said.slice(end))?.[1] ?? "255");
        return {status, output: said.slice(0, end).replaceAll("\r\n", "\n")};
    }
}
