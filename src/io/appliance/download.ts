/**
 * Fetches a bundle to the data partition before anything is written into a slot: a connection that
 * breaks then costs nothing. Main thread. What came is trusted only after its signature is.
 */
import {createWriteStream} from "node:fs";
import {mkdir, rm, statfs} from "node:fs/promises";
import {get as httpGet, type IncomingMessage} from "node:http";
import {get as httpsGet} from "node:https";
import {join} from "node:path";
import {Transform} from "node:stream";
import {pipeline} from "node:stream/promises";
import type {OpenBundle, Progress} from "../../app/appliance/ports.ts";
import {printable} from "../../core/log.ts";
import {err, ok, type Result} from "../../core/result.ts";
import {codeOf} from "../system-error.ts";

/** The slots of an image are far smaller. Octets. */
const largestBundle = 1024 * 1024 * 1024;
/** The configuration must find room too. Octets. */
const spareRoom = 16 * 1024 * 1024;
const mostRedirects = 5;
/** Longest silence of the server, milliseconds. */
const silenceMs = 30_000;
const wholeLimitMs = 3_600_000;
const fileName = "download.raucb";

/** Left over from a download that a power cut ended. */
export async function forgetDownloads(folder: string): Promise<void> {
    await rm(join(folder, fileName), {force: true});
}

/** `limit`: octets. */
export async function download(
    url: string,
    folder: string,
    progress: Progress,
    limit = largestBundle,
): Promise<Result<OpenBundle, string>> {
    const path = join(folder, fileName);
    const close = (): Promise<void> => rm(path, {force: true});
    const host = new URL(url).host;
    try {
        await mkdir(folder, {recursive: true, mode: 0o700});
        await forgetDownloads(folder);
        const response = await follow(url, mostRedirects);
        const length = Number(response.headers["content-length"] ?? "");
        const {bavail, bsize} = await statfs(folder);
        const room = Math.max(0, bavail * bsize - spareRoom);
        if (length > Math.min(limit, room)) {
            response.destroy();
            const why = length > limit ? "larger than any slot" : `only ${mib(room)} MiB are free`;
            return err(`the bundle has ${mib(length)} MiB: ${why}`);
        }
        const count = new Counter(Math.min(limit, room), (octets) => {
            const percent = length > 0 ? (octets * 100) / length : 0;
            progress(percent, `fetching from ${host}: ${mib(octets)} MiB`);
        });
        await pipeline(response, count, createWriteStream(path, {mode: 0o600}), {
            signal: AbortSignal.timeout(wholeLimitMs),
        });
        if (length > 0 && count.octets !== length) {
            await close();
            return err(`the connection to ${host} ended after ${mib(count.octets)} MiB`);
        }
        return ok({path, close});
    } catch (error) {
        await close();
        return err(fetchSentence(host, error));
    }
}

function mib(octets: number): string {
    return (octets / 1_048_576).toFixed(1);
}

/** The answer with status 200, by way of at most `left` redirections. */
function follow(url: string, left: number): Promise<IncomingMessage> {
    const get = url.toLowerCase().startsWith("https:") ? httpsGet : httpGet;
    return new Promise((resolve, reject) => {
        const call = get(url, {headers: {accept: "*/*"}, agent: false}, (response) => {
            const {statusCode = 0, headers} = response;
            if (statusCode === 200) {
                resolve(response);
                return;
            }
            response.destroy();
            const {location} = headers;
            if (statusCode >= 300 && statusCode < 400 && location !== undefined) {
                const next = URL.canParse(location, url) ? new URL(location, url) : null;
                if (left === 0 || next === null || !/^https?:$/u.test(next.protocol)) {
                    reject(new Said("the server redirects to nowhere"));
                } else if (url.startsWith("https:") && next.protocol === "http:") {
                    reject(new Said("the server redirects from https to http"));
                } else {
                    follow(next.href, left - 1).then(resolve, reject);
                }
                return;
            }
            reject(new Said(`the server answers with status ${statusCode}`));
        });
        call.setTimeout(silenceMs, () => call.destroy(new Said("the server is silent")));
        call.on("error", reject);
    });
}

/** An error whose message is for the operator. */
class Said extends Error {}

class Counter extends Transform {
    octets = 0;
    readonly #limit: number;
    readonly #tell: (octets: number) => void;

    constructor(limit: number, tell: (octets: number) => void) {
        super();
        this.#limit = limit;
        this.#tell = tell;
    }

    override _transform(
        chunk: Buffer,
        _encoding: string,
        done: (error: Error | null, chunk?: Buffer) => void,
    ): void {
        this.octets += chunk.length;
        if (this.octets > this.#limit) {
            done(
                new Said(`the bundle has more than ${mib(this.#limit)} MiB, too much for this box`),
            );
            return;
        }
        this.#tell(this.octets);
        done(null, chunk);
    }
}

function fetchSentence(host: string, error: unknown): string {
    if (error instanceof Said) return `${host}: ${error.message}`;
    const code = codeOf(error);
    if (code === "ENOSPC") return "there is no space left on the data partition";
    if (code === "ENOTFOUND" || code === "EAI_AGAIN") return `the name ${host} is not known`;
    const text = error instanceof Error ? printable(error.message).slice(0, 200) : String(error);
    return `fetching from ${host} failed: ${text}`;
}
