/**
 * Talks to carpd over its control socket: one request, or the stream of events. carpctl's thread.
 */
import {type ClientRequest, type IncomingMessage, request} from "node:http";
import {type ApiReply, parseJson} from "../core/control-protocol.ts";
import {printable} from "../core/log.ts";
import {err, ok, type Result} from "../core/result.ts";
import {codeOf} from "./system-error.ts";

/** Why there is no answer: the system's code, or "TIMEOUT", "TOO_LARGE", "NOT_JSON", "CLOSED". */
export interface ClientError {
    readonly code: string;
}

/** Above the longest hand-over (10 s) that a `down` waits for. */
const answerLimitMs = 30_000;
/** 255 interfaces with all their counters are below 1 MiB. */
const replyLimit = 16 * 1024 * 1024;

export class ControlClient {
    readonly #socket: string;
    readonly #limitMs: number;
    #token = "";

    /** `limitMs`: how long an answer may take, milliseconds. */
    constructor(socket: string, limitMs = answerLimitMs) {
        this.#socket = socket;
        this.#limitMs = limitMs;
    }

    /** What a log-in gave: sent with every request from now on; "" for none. */
    set token(token: string) {
        this.#token = token;
    }

    request(method: string, path: string, body?: unknown): Promise<Result<ApiReply, ClientError>> {
        return new Promise((resolve) => {
            const call = this.#open(method, path, (response) => {
                collect(response).then(
                    (text) => resolve(toReply(response.statusCode ?? 0, text)),
                    (error: unknown) => resolve(err({code: codeOf(error)})),
                );
            });
            call.setTimeout(this.#limitMs, () => call.destroy(new Error("TIMEOUT")));
            call.on("error", (error) => resolve(err({code: codeOf(error)})));
            call.end(body === undefined ? undefined : JSON.stringify(body));
        });
    }

    /**
     * Calls `onEvent` with the JSON value of every event until the daemon closes or `signal` fires.
     * The value of the result is a refusal of the daemon, or null after `signal`.
     */
    events(
        path: string,
        onEvent: (value: unknown) => void,
        signal: AbortSignal,
    ): Promise<Result<ApiReply | null, ClientError>> {
        return new Promise((resolve) => {
            const call = this.#open("GET", path, (response) => {
                if (response.statusCode !== 200) {
                    collect(response).then(
                        (text) => resolve(toReply(response.statusCode ?? 0, text)),
                        (error: unknown) => resolve(err({code: codeOf(error)})),
                    );
                    return;
                }
                const parser = new EventParser(onEvent);
                response.setEncoding("utf8");
                response.on("data", (text: string) => parser.feed(text));
                response.on("error", (error) => resolve(err({code: codeOf(error)})));
                response.on("close", () => resolve(err({code: "CLOSED"})));
            });
            signal.addEventListener("abort", () => {
                resolve(ok(null));
                call.destroy();
            });
            call.on("error", (error) => resolve(err({code: codeOf(error)})));
            call.end();
        });
    }

    #open(method: string, path: string, onAnswer: (r: IncomingMessage) => void): ClientRequest {
        const headers = this.#token === "" ? {} : {authorization: `Bearer ${this.#token}`};
        const options = {socketPath: this.#socket, method, path, headers, agent: false};
        return request(options, onAnswer);
    }
}

/** Server-sent events: the "data:" lines of a block, which an empty line ends. */
export class EventParser {
    readonly #onEvent: (value: unknown) => void;
    #rest = "";
    #data = "";

    constructor(onEvent: (value: unknown) => void) {
        this.#onEvent = onEvent;
    }

    feed(text: string): void {
        const lines = (this.#rest + text).split("\n");
        this.#rest = lines.pop() ?? "";
        for (const line of lines) {
            if (line.startsWith("data:")) this.#data += line.slice(5).trimStart();
            if (line !== "" || this.#data === "") continue;
            const value = parseClean(this.#data);
            this.#data = "";
            if (value !== undefined) this.#onEvent(value);
        }
    }
}

function toReply(status: number, text: string): Result<ApiReply, ClientError> {
    const body = parseClean(text);
    return body === undefined ? err({code: "NOT_JSON"}) : ok({status, body});
}

/** Strings lose what would steer a terminal. undefined: not JSON. */
function parseClean(text: string): unknown {
    const clean = (value: unknown): unknown => {
        if (typeof value === "string") return printable(value);
        if (Array.isArray(value)) return value.map(clean);
        if (typeof value === "object" && value !== null) {
            return Object.fromEntries(
                Object.entries(value).map(([k, v]) => [printable(k), clean(v)]),
            );
        }
        return value;
    };
    return clean(parseJson(text));
}

async function collect(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response) {
        const octets = Buffer.from(chunk);
        size += octets.length;
        if (size > replyLimit) throw new Error("TOO_LARGE");
        chunks.push(octets);
    }
    return Buffer.concat(chunks).toString("utf8");
}
