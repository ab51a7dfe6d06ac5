/**
 * The health helper: asks systeminformation for carpd, in a process of its own, because it runs
 * shells and stalls the event loop while it does. Started by src/io/health-client.ts as the leader
 * of a process group; ends with its parent and takes what it started with it.
 */
import {cpuTemperature, mem} from "systeminformation";
import {type HealthAnswer, type HealthValue, questionOf} from "./io/health-protocol.ts";

async function read(value: HealthValue): Promise<number | null> {
    if (value === "memory") return (await mem()).available;
    const {main, max, cores} = await cpuTemperature();
    // null, or -1 in older answers, where a sensor is missing.
    const found = [main, max, ...cores].filter((celsius) => Number.isFinite(celsius));
    const sensible = found.filter((celsius) => celsius > 0);
    return sensible.length === 0 ? null : Math.max(...sensible);
}

async function answer(id: number, value: HealthValue): Promise<HealthAnswer> {
    try {
        return {id, number: await read(value)};
    } catch (error) {
        return {id, error: error instanceof Error ? error.message : String(error)};
    }
}

function end(): void {
    // Also the shells that systeminformation may be waiting for.
    process.kill(-process.pid, "SIGKILL");
}

if (process.send === undefined) {
    process.stderr.write("carpd starts this program by itself\n");
    process.exitCode = 64;
} else {
    process.title = "carpd-health";
    process.on("disconnect", end);
    process.on("message", (message) => {
        const question = questionOf(message);
        if (question === null) return;
        answer(question.id, question.value).then(
            (reply) => {
                // Sending fails only when the parent is gone, which "disconnect" tells too.
                process.send?.(reply, undefined, undefined, (error) => {
                    if (error !== null) end();
                });
            },
            () => end(),
        );
    });
}
