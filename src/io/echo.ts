/**
 * ICMP echo for the `ping` command: the addon's prober has its own thread, this one looks for the
 * answers. Main thread.
 */
import type {Clock} from "../app/ports.ts";
import type {Echo} from "../core/ping.ts";
import {err, ok, type Result} from "../core/result.ts";
import {codeOf} from "./system-error.ts";
import type {ProbeStarter} from "./track-checks.ts";

/** As fast as ping(8) lets an ordinary user, microseconds: twenty take four seconds. */
const intervalUs = 200_000;
/** For the last answer, milliseconds. */
const answerMs = 1000;
const lookMs = 20;

/** Resolves at the latest a second after the last request; the error is a sentence. */
export async function echo(
    probes: ProbeStarter,
    clock: Clock,
    address: string,
    count: number,
): Promise<Result<readonly Echo[], string>> {
    let prober: ReturnType<ProbeStarter["startProber"]>;
    try {
        prober = probes.startProber({address, intervalUs, capacity: count});
    } catch (error) {
        return err(`cannot ask ${address}: ${codeOf(error)}`);
    }
    try {
        const limitUs = BigInt((count - 1) * intervalUs + answerMs * 1000);
        const end = clock.monotonicUs() + limitUs;
        let results = prober.results();
        const isDone = (): boolean =>
            results.length >= count &&
            results.every(
                ({receivedAtUs, fate}) => receivedAtUs !== null || fate === "send failed",
            );
        while (!isDone() && clock.monotonicUs() < end) {
            await new Promise<void>((resolve) => {
                clock.after(lookMs, resolve);
            });
            results = prober.results();
        }
        return ok(
            results.slice(0, count).map(({sentAtUs, receivedAtUs, fate}) => ({
                ms: receivedAtUs === null ? null : (receivedAtUs - sentAtUs) / 1000,
                sent: fate !== "send failed",
            })),
        );
    } finally {
        prober.stop();
    }
}
