/**
 * The control API's transport: HTTP, JSON and server-sent events on a unix socket. Main thread.
 *
 * Whoever can open the socket may be wrong, slow or hostile: every size, time and number has a
 * limit, nothing waits for a client, and a client that does not read its events is dropped.
 */
import {createServer, type IncomingMessage, type Server, type ServerResponse} from "node:http";
import type {Socket} from "node:net";
import type {Duplex} from "node:stream";
import {
    type ApiReply,
    type ApiRequest,
    bodyLimitOf,
    failure,
    type WatchEvent,
} from "../core/control-protocol.ts";
import type {Session} from "../core/control-session.ts";
import type {Result} from "../core/result.ts";

export interface ControlServerOptions {
    readonly socket: string;
    /** Runs after the socket exists, to set its mode and group. */
    readonly opened: (socket: string) => void;
    /**
     * Who asks: by the socket's peer and the authorization header; some paths are for callers who
     * are not logged in. The error is the answer.
     */
    readonly identify: (
        socket: Socket,
        authorization: string,
        path: string,
    ) => Result<Session, ApiReply>;
    /** "stream": the connection gets every event from now on. */
    readonly answer: (request: ApiRequest, session: Session) => Promise<ApiReply | "stream">;
    readonly subscribe: (listener: (event: WatchEvent) => void) => () => void;
    /** A request that failed inside the daemon: a bug, to be logged. */
    readonly failed: (error: unknown) => void;
    /** Octets that may wait for a reader of events. */
    readonly streamLimit?: number;
}

const connectionLimit = 64;
/** Watchers may never use up the connections that commands need. */
const streamCountLimit = 32;
const defaultStreamLimit = 262_144;
/** Longest silence on a connection that is not a stream; above the longest hand-over (10 s). */
const idleLimitMs = 30_000;

export class ControlServer {
    readonly #options: ControlServerOptions;
    readonly #server: Server;
    /** Open streams of events, with the id of their session. */
    readonly #streams = new Map<ServerResponse, string>();
    #slow = 0;
    #unsubscribe: () => void = () => undefined;

    constructor(options: ControlServerOptions) {
        this.#options = options;
        this.#server = createServer(
            {
                maxHeaderSize: 8192,
                headersTimeout: 5000,
                requestTimeout: 10_000,
                keepAliveTimeout: 5000,
                connectionsCheckingInterval: 1000,
            },
            (request, response) => this.#onRequest(request, response),
        );
        this.#server.maxConnections = connectionLimit;
        this.#server.setTimeout(idleLimitMs);
        this.#server.on("clientError", (_error, socket) => refuseGarbage(socket));
    }

    /** Watchers that were dropped because they did not read. */
    get slowClients(): number {
        return this.#slow;
    }

    get streams(): number {
        return this.#streams.size;
    }

    /** Rejects with the system's error, for instance a path that is too long for a socket. */
    async listen(): Promise<void> {
        const {socket, opened, failed, subscribe} = this.#options;
        await new Promise<void>((resolve, reject) => {
            this.#server.once("error", reject);
            // The socket file is made inside listen(): at no instant may it be open to everyone.
            const before = process.umask(0o117);
            try {
                this.#server.listen({path: socket}, resolve);
            } finally {
                process.umask(before);
            }
        });
        this.#server.removeAllListeners("error");
        this.#server.on("error", failed);
        opened(socket);
        this.#unsubscribe = subscribe((event) => this.#broadcast(event));
    }

    /** Ends every connection and removes the socket. */
    close(): Promise<void> {
        this.#unsubscribe();
        for (const stream of this.#streams.keys()) stream.end();
        return new Promise((resolve) => {
            this.#server.close(() => resolve());
            this.#server.closeAllConnections();
        });
    }

    /** A session is over: it hears no more events. */
    endStreams(sessionId: string): void {
        for (const [stream, id] of this.#streams) if (id === sessionId) stream.end();
    }

    #onRequest(request: IncomingMessage, response: ServerResponse): void {
        this.#serve(request, response).catch((error: unknown) => {
            this.#options.failed(error);
            const reply = failure(500, "BUG", "the daemon failed on this request", "see its log");
            this.#send(response, reply);
        });
    }

    async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
        response.on("error", () => response.destroy());
        const path = (request.url ?? "").split("?")[0] ?? "";
        const {authorization = ""} = request.headers;
        const session = this.#options.identify(request.socket, authorization, path);
        if (!session.ok) {
            this.#send(response, session.error);
            return;
        }
        // Who may not ask at all gets no memory for a body.
        const limit = bodyLimitOf(path);
        const body = await readBody(request, limit);
        if (body === null) {
            const message = `the body is larger than ${limit} octets`;
            response.setHeader("connection", "close");
            this.#send(response, failure(413, "BODY_TOO_LARGE", message, "a small JSON object"));
            return;
        }
        if (body === "aborted") return;
        const answer = await this.#options.answer(
            {method: request.method ?? "", path, body: body.text},
            session.value,
        );
        if (answer === "stream") this.#openStream(request, response, session.value.id);
        else this.#send(response, answer);
    }

    #send(response: ServerResponse, reply: ApiReply): void {
        if (response.headersSent || response.destroyed) return;
        const text = `${JSON.stringify(reply.body, jsonValue)}\n`;
        response.writeHead(reply.status, {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(text),
            "cache-control": "no-store",
            ...(reply.allow === undefined ? {} : {allow: reply.allow}),
        });
        response.end(text);
    }

    #openStream(request: IncomingMessage, response: ServerResponse, sessionId: string): void {
        if (this.#streams.size >= streamCountLimit) {
            const message = `${streamCountLimit} clients watch already`;
            this.#send(response, failure(503, "TOO_MANY_WATCHERS", message, "fewer watchers"));
            return;
        }
        // A silent host sends no events for days; that is no reason to hang up.
        request.socket.setTimeout(0);
        response.writeHead(200, {
            "content-type": "text/event-stream",
            "cache-control": "no-store",
        });
        response.write(": events follow\n\n");
        this.#streams.set(response, sessionId);
        response.on("close", () => this.#streams.delete(response));
    }

    #broadcast(event: WatchEvent): void {
        if (this.#streams.size === 0) return;
        const limit = this.#options.streamLimit ?? defaultStreamLimit;
        const frame = `event: ${event.kind}\ndata: ${JSON.stringify(event, jsonValue)}\n\n`;
        for (const stream of this.#streams.keys()) {
            if (stream.writableLength + frame.length > limit) {
                this.#slow++;
                this.#streams.delete(stream);
                stream.destroy();
            } else {
                stream.write(frame);
            }
        }
    }
}

/** JSON has no big integers; ours are counts that fit. */
function jsonValue(_key: string, value: unknown): unknown {
    return typeof value === "bigint" ? Number(value) : value;
}

type Body = {text: string} | null | "aborted";

/** null: too large. */
function readBody(request: IncomingMessage, limit: number): Promise<Body> {
    return new Promise((resolve) => {
        const chunks: Buffer[] = [];
        let size = 0;
        request.on("data", (chunk: Buffer) => {
            size += chunk.length;
            if (size <= limit) chunks.push(chunk);
            else resolve(null);
        });
        request.on("end", () => resolve({text: Buffer.concat(chunks).toString("utf8")}));
        request.on("error", () => resolve("aborted"));
        request.on("close", () => resolve("aborted"));
    });
}

function refuseGarbage(socket: Duplex): void {
    if (!socket.writable) {
        socket.destroy();
        return;
    }
    const text = `${JSON.stringify(failure(400, "BAD_REQUEST", "not HTTP", "an HTTP/1.1 request").body)}\n`;
    socket.end(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n" +
            `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
        () => socket.destroy(),
    );
}
