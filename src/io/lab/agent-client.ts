/** Speaks to an agent process inside a host, over its standard input and output. Main thread. */
import {createInterface} from "node:readline";
import {type AgentReply, type AgentRequest, parseReply} from "../../core/lab/agent-protocol.ts";
import {HarnessError, type Host, type HostProcess} from "./namespaces.ts";

type Body<T> = T extends AgentRequest ? Omit<T, "id"> : never;
type Done = Extract<AgentReply, {readonly kind: "done"}>;
type Strips = Extract<AgentReply, {readonly kind: "strips"}>;

/** An agent answers within milliseconds; this allows for a very busy machine. */
const deadlineMs = 15_000;
/** What an agent may take to write out its captures. */
const stopMs = 5000;

export class AgentClient {
    readonly #process: HostProcess;
    readonly #waiting = new Map<number, (reply: AgentReply | null) => void>();
    #nextId = 1;

    /** `argv` starts the agent; strips that it sends by itself go to `onStrips`. */
    constructor(host: Host, argv: readonly string[], onStrips: (strips: Strips) => void) {
        this.#process = host.spawn(argv, {logName: "agent", pipes: true});
        const {stdin, stdout} = this.#process.child;
        // EPIPE: the agent has ended, which the end of its output tells as well.
        stdin?.on("error", () => undefined);
        if (stdout !== null) {
            createInterface({input: stdout}).on("line", (line) => {
                const reply = parseReply(line);
                if (reply?.kind === "strips") onStrips(reply);
                else if (reply !== null) this.#take(reply.id)?.(reply);
            });
        }
        void this.#process.exited.then(() => {
            for (const id of [...this.#waiting.keys()]) this.#take(id)?.(null);
        });
    }

    /** Resolves with the answer; rejects when the agent refuses, dies or stays silent. */
    async ask(body: Body<AgentRequest>): Promise<Done> {
        const id = this.#nextId++;
        const reply = await new Promise<AgentReply | null>((resolve) => {
            const timer = setTimeout(() => this.#take(id)?.(null), deadlineMs);
            this.#waiting.set(id, (answer) => {
                clearTimeout(timer);
                resolve(answer);
            });
            if (!this.#process.running) this.#take(id)?.(null);
            this.#process.child.stdin?.write(`${JSON.stringify({...body, id})}\n`);
        });
        if (reply?.kind === "done") return reply;
        const why = reply?.kind === "failed" ? reply.message : "no answer";
        const log = this.#process.log().trim().slice(-1000);
        throw new HarnessError("COMMAND_FAILED", `agent, ${body.op}: ${why}${log && `: ${log}`}`);
    }

    /** The end of its input ends the agent, after it has written out its captures. */
    async stop(): Promise<void> {
        this.#process.child.stdin?.end();
        const patience = new Promise((resolve) => setTimeout(resolve, stopMs).unref());
        await Promise.race([this.#process.exited, patience]);
        await this.#process.kill("SIGKILL");
    }

    #take(id: number): ((reply: AgentReply | null) => void) | undefined {
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        return waiting;
    }
}
