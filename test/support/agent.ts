/** Pings and captures in a host of the test network, through a process of its own there. */
import assert from "node:assert/strict";
import {join} from "node:path";
import {createInterface} from "node:readline";
import type {ProbeResult} from "../../src/io/addon.ts";
import {type Host, type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {type Frame, readPcap} from "./pcap.ts";

/** Answers that take longer than this count as lost; a machine of two busy cores stalls at times. */
const answerMs = 400;

/** What became of a series of pings. */
export interface PingReport {
    readonly sent: number;
    readonly lost: number;
    /** First to last unanswered ping of the longest gap, milliseconds; 0 when none was lost. */
    readonly longestGapMs: number;
    readonly results: readonly ProbeResult[];
}

export function pingReport(results: readonly ProbeResult[]): PingReport {
    let lost = 0;
    let longestGapMs = 0;
    let gapStart: number | undefined;
    for (const {receivedAtUs, sentAtUs} of results) {
        if (receivedAtUs === null) {
            lost += 1;
            gapStart ??= sentAtUs;
            longestGapMs = Math.max(longestGapMs, (sentAtUs - gapStart) / 1000);
        } else {
            gapStart = undefined;
        }
    }
    return {sent: results.length, lost, longestGapMs, results};
}

export class Pinging {
    readonly #agent: Agent;
    readonly #handle: number;

    constructor(agent: Agent, handle: number) {
        this.#agent = agent;
        this.#handle = handle;
    }

    /** All pings so far, those on the way included. */
    async results(): Promise<readonly ProbeResult[]> {
        return (await this.#agent.ask("results", {handle: this.#handle})) as readonly ProbeResult[];
    }

    /** Resolves once a ping that is sent after this call was answered. */
    async answered(deadlineMs = 8000): Promise<void> {
        const from = (await this.results()).length;
        await waitFor("a ping to be answered", deadlineMs, async () =>
            (await this.results()).slice(from).some(({receivedAtUs}) => receivedAtUs !== null)
                ? true
                : undefined,
        );
    }

    /** Ends it. Pings of the last moment, whose answers may be on the way, are left out. */
    async stop(): Promise<PingReport> {
        const upTo = (await this.results()).length;
        const wait = answerMs;
        await new Promise((resolve) => setTimeout(resolve, wait));
        const all = (await this.#agent.ask("stop", {handle: this.#handle})) as ProbeResult[];
        return pingReport(all.slice(0, upTo));
    }
}

export class Capturing {
    readonly path: string;
    readonly #agent: Agent;
    readonly #handle: number;

    constructor(agent: Agent, handle: number, path: string) {
        this.#agent = agent;
        this.#handle = handle;
        this.path = path;
    }

    async stop(): Promise<readonly Frame[]> {
        const counts = await this.#agent.ask("stop", {handle: this.#handle});
        const frames = readPcap(this.path);
        assert.equal(Reflect.get(counts as object, "lost"), 0, "the capture lost frames");
        return frames;
    }
}

export class Agent {
    readonly #host: Host;
    readonly #process: HostProcess;
    readonly #waiting = new Map<
        number,
        {readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void}
    >();
    #id = 0;

    constructor(host: Host) {
        this.#host = host;
        const program = join(projectRoot(), "dist/test/support/agent-program.js");
        this.#process = host.spawn([process.execPath, program], {logName: "agent", pipes: true});
        const {stdin, stdout} = this.#process.child;
        // EPIPE after the end of the host; whoever waits for an answer is told below.
        stdin?.on("error", () => undefined);
        if (stdout !== null) {
            createInterface({input: stdout}).on("line", (line) => this.#take(line));
        }
        this.#process.exited.then(
            (end) => {
                for (const {reject} of this.#waiting.values()) {
                    reject(new Error(`agent of ${host.name}: ${end}: ${this.#process.log()}`));
                }
            },
            () => undefined,
        );
    }

    #take(line: string): void {
        const reply: unknown = JSON.parse(line);
        if (typeof reply !== "object" || reply === null) return;
        const id: unknown = Reflect.get(reply, "id");
        const waiting = typeof id === "number" ? this.#waiting.get(id) : undefined;
        if (waiting === undefined) return;
        this.#waiting.delete(Number(id));
        const error: unknown = Reflect.get(reply, "error");
        if (typeof error === "string") waiting.reject(new Error(error));
        else waiting.resolve(Reflect.get(reply, "value"));
    }

    /** The value is what agent-program.ts answers to this `op`. */
    ask(op: string, fields: Readonly<Record<string, unknown>>): Promise<unknown> {
        this.#id += 1;
        const id = this.#id;
        return new Promise((resolve, reject) => {
            this.#waiting.set(id, {resolve, reject});
            this.#process.child.stdin?.write(`${JSON.stringify({id, op, ...fields})}\n`);
        });
    }

    async ping(address: string, intervalUs = 1000): Promise<Pinging> {
        const pending = this.ask("ping", {address, intervalUs});
        const handle = this.#id;
        await pending;
        return new Pinging(this, handle);
    }

    /** Everything that passes an interface, in both directions. */
    async capture(ifname: string): Promise<Capturing> {
        const path = join(this.#host.directory, `${ifname}-${this.#id + 1}.pcap`);
        const pending = this.ask("capture", {ifname, path});
        const handle = this.#id;
        await pending;
        return new Capturing(this, handle, path);
    }
}
