/** Asks a carpd of the lab over its control socket. Main thread. */
import {request} from "node:http";
import {decodeCarps} from "../../core/control-decode.ts";
import type {CarpStatus} from "../../core/status.ts";

interface Answer {
    readonly status: number;
    readonly text: string;
}

/** One request; rejects when nobody listens or the answer takes longer than `deadlineMs`. */
function ask(
    socketPath: string,
    method: "GET" | "POST",
    path: string,
    body: string,
    deadlineMs: number,
): Promise<Answer> {
    return new Promise((resolve, reject) => {
        const headers = {"content-type": "application/json", "content-length": body.length};
        const asked = request({socketPath, method, path, headers, timeout: deadlineMs}, (reply) => {
            let text = "";
            reply.setEncoding("utf8");
            reply.on("data", (part) => {
                text += String(part);
            });
            reply.on("end", () => resolve({status: reply.statusCode ?? 0, text}));
            reply.on("error", reject);
        });
        asked.on("timeout", () => asked.destroy(new Error(`no answer in ${deadlineMs} ms`)));
        asked.on("error", reject);
        asked.end(body);
    });
}

/** null: no daemon listens there, or it did not answer with a status. */
export async function readCarp(socketPath: string): Promise<readonly CarpStatus[] | null> {
    try {
        const answer = await ask(socketPath, "GET", "/v1/carp", "", 2000);
        return answer.status === 200 ? decodeCarps(JSON.parse(answer.text)) : null;
    } catch {
        // ENOENT, ECONNREFUSED, a daemon killed in mid-answer: all mean that nobody is there.
        return null;
    }
}

/** Resolves when the daemon has done it; rejects with what it said instead. */
export async function setState(
    socketPath: string,
    name: string,
    action: "up" | "down",
): Promise<void> {
    const path = `/v1/carp/${encodeURIComponent(name)}/state`;
    const answer = await ask(socketPath, "POST", path, JSON.stringify({state: action}), 15_000);
    if (answer.status >= 300) {
        throw new Error(`${name} ${action}: HTTP ${answer.status}: ${answer.text.trim()}`);
    }
}
