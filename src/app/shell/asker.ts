/**
 * One question to carpd and what is said when there is no good answer, for carpctl and the shell.
 * Thread of the program.
 */
import {type ApiReply, errorOf} from "../../core/control-protocol.ts";
import {type ExitCode, exitCodes} from "../../core/exit-codes.ts";
import type {Result} from "../../core/result.ts";

export interface Client {
    request(
        method: string,
        path: string,
        body?: unknown,
    ): Promise<Result<ApiReply, {readonly code: string}>>;
    events(
        path: string,
        onEvent: (value: unknown) => void,
        signal: AbortSignal,
    ): Promise<Result<ApiReply | null, {readonly code: string}>>;
}

/** A failed step: the sentence was printed, this is the exit code. */
export class Stop {
    readonly code: ExitCode;
    /** The daemon's word for it: "CANDIDATE_HELD"; "" without one. */
    readonly reason: string;

    constructor(code: ExitCode, reason = "") {
        this.code = code;
        this.reason = reason;
    }
}

/** The body of a reply with status 200. */
export type Answer = {readonly value: unknown} | Stop;

/** Refusals because something named does not exist, and because a word was wrong. */
const missing = new Set([
    "UNKNOWN_CARP",
    "UNKNOWN_GROUP",
    "UNKNOWN_REASON",
    "UNKNOWN_VIP",
    "NOT_BALANCED",
]);
const misused = new Set(["AMBIGUOUS_VIP", "BAD_CLIENT", "BAD_LEVEL", "BAD_REASON", "WRONG_CLIENT"]);
/** Refusals that are the operator's to mend: no talk of codes. */
const plainly = new Set([
    "BAD_EDIT",
    "CANDIDATE_HELD",
    "FILE_CHANGED",
    "NOT_WAITING",
    "NO_CANDIDATE",
    "OUT_OF_DATE",
    "UNKNOWN_COMMIT",
    "FORBIDDEN",
    "BAD_PASSWORD",
    "BAD_SOURCE",
    "IS_MASTER",
    "NO_APPLIANCE",
    "NO_OTHER",
    "NO_SLOT",
    "NOT_TAKEN_OVER",
]);

export interface AskerPorts {
    readonly client: Client;
    readonly socket: string;
    readonly version: string;
    /** Before each sentence: "carpctl: ", in the shell nothing. */
    readonly prefix: string;
    readonly complain: (text: string) => void;
}

export class Asker {
    readonly #ports: AskerPorts;

    constructor(ports: AskerPorts) {
        this.#ports = ports;
    }

    get client(): Client {
        return this.#ports.client;
    }

    async ask(method: string, path: string, body?: unknown): Promise<Answer> {
        const result = await this.#ports.client.request(method, `/v1/${path}`, body);
        if (!result.ok) return this.noAnswer(result.error.code);
        return result.value.status === 200
            ? {value: result.value.body}
            : this.refused(result.value);
    }

    /** A configuration call: the body of the answer as text. */
    async text(method: string, path: string, body?: unknown): Promise<string | Stop> {
        const answer = await this.ask(method, path, body);
        if (answer instanceof Stop) return answer;
        const text = textOf(answer.value, "text");
        return text === null ? this.notUnderstood() : text;
    }

    complain(text: string, code: ExitCode, reason = ""): Stop {
        this.#ports.complain(`${this.#ports.prefix}${text}\n`);
        return new Stop(code, reason);
    }

    notUnderstood(): Stop {
        const text = `the daemon's answer was not understood; is it carpd ${this.#ports.version}?`;
        return this.complain(text, exitCodes.software);
    }

    noAnswer(code: string): Stop {
        const {socket} = this.#ports;
        switch (code) {
            case "EACCES":
            case "EPERM": {
                const text = `no permission for ${socket}: be root or a member of group carpd`;
                return this.complain(text, exitCodes.noPermission);
            }
            case "ENOENT":
            case "ECONNREFUSED":
                return this.complain(
                    `no carpd is running (${socket}: ${code})`,
                    exitCodes.unavailable,
                );
            case "CLOSED":
            case "ECONNRESET":
                return this.complain("carpd has ended the connection", exitCodes.unavailable);
            default:
                return this.complain(`no answer from ${socket}: ${code}`, exitCodes.unavailable);
        }
    }

    refused(reply: ApiReply): Stop {
        const error = errorOf(reply.body);
        if (error === null) return this.notUnderstood();
        const {code, message, expected} = error;
        if (missing.has(code)) {
            return this.complain(`${message}; there is: ${expected}`, exitCodes.noInput, code);
        }
        if (misused.has(code)) {
            return this.complain(`${message}${wanted(expected)}`, exitCodes.usage, code);
        }
        if (code === "BAD_CONFIG") {
            const text = `the configuration is wrong:\n${message}`;
            return this.complain(text, exitCodes.config, code);
        }
        if (plainly.has(code)) {
            return this.complain(`${message}${wanted(expected)}`, exitCodes.software, code);
        }
        const exit = reply.status === 503 ? exitCodes.unavailable : exitCodes.software;
        return this.complain(`${message} (${code}; ${expected})`, exit, code);
    }
}

/** What would have been right, behind the message; a guess at a slip says so itself. */
function wanted(expected: string): string {
    if (expected === "") return "";
    return expected.startsWith("did you mean") ? `; ${expected}` : `; expected ${expected}`;
}

/** A member of a JSON object where it is a string. */
export function textOf(body: unknown, key: string): string | null {
    if (typeof body !== "object" || body === null) return null;
    const value: unknown = Reflect.get(body, key);
    return typeof value === "string" ? value : null;
}
