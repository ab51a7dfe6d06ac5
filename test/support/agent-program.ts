/**
 * A program of the tests, run inside a host: pings and captures with the addon's threads, told what
 * to do by lines of JSON on standard input. test/support/agent.ts is its other end.
 */
import {networkInterfaces} from "node:os";
import {createInterface} from "node:readline";
import {type Capture, loadAddon, type Prober} from "../../src/io/addon.ts";

const addon = loadAddon();
const running = new Map<number, Capture | Prober>();

/** The parser of requests: what is not there becomes "" or 0. */
function text(request: object, key: string): string {
    const value: unknown = Reflect.get(request, key);
    return typeof value === "string" ? value : "";
}

function number(request: object, key: string): number {
    const value: unknown = Reflect.get(request, key);
    return typeof value === "number" ? value : 0;
}

function handle(request: object): unknown {
    switch (text(request, "op")) {
        case "capture":
            running.set(
                number(request, "id"),
                addon.startCapture({ifname: text(request, "ifname"), path: text(request, "path")}),
            );
            return null;
        case "ping":
            running.set(
                number(request, "id"),
                addon.startProber({
                    address: text(request, "address"),
                    intervalUs: number(request, "intervalUs"),
                }),
            );
            return null;
        case "results": {
            const prober = running.get(number(request, "handle"));
            return prober !== undefined && "results" in prober ? prober.results() : [];
        }
        case "stop": {
            const handle = number(request, "handle");
            const job = running.get(handle);
            running.delete(handle);
            if (job === undefined) return null;
            if ("results" in job) {
                const results = job.results();
                job.stop();
                return results;
            }
            const counts = {frames: job.frames(), lost: job.lost()};
            job.stop();
            return counts;
        }
        default:
            throw new Error(`unknown request; interfaces: ${Object.keys(networkInterfaces())}`);
    }
}

for await (const line of createInterface({input: process.stdin})) {
    const request: unknown = JSON.parse(line);
    if (typeof request !== "object" || request === null) continue;
    let reply: object;
    try {
        reply = {id: number(request, "id"), value: handle(request)};
    } catch (error) {
        reply = {id: number(request, "id"), error: String(error)};
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
}
// End of input: the test has let go.
process.exit(0);
