/**
 * What `show system` tells of the machine. Main thread; whatever could stall is asked in the health
 * helper's process.
 */
import {hostname, loadavg, release, uptime} from "node:os";
import type {ManifestStatus, SystemStatus} from "../core/system-status.ts";
import {recogniseMachine} from "./board-files.ts";
import type {HealthClient} from "./health-client.ts";

/** What is not known after this is left out, milliseconds. */
const limitMs = 5000;

export async function readSystem(
    health: HealthClient,
    carpd: string,
    machine = recogniseMachine,
): Promise<SystemStatus> {
    const hardware = await health.hardware(limitMs);
    const [one = 0, five = 0, fifteen = 0] = loadavg();
    return {
        hostname: hostname(),
        versions: {carpd, node: process.versions.node, kernel: release()},
        uptimeSeconds: Math.round(uptime()),
        daemonSeconds: Math.round(process.uptime()),
        load: [one, five, fifteen],
        manifest: manifestStatus(machine()),
        ...hardware,
    };
}

function manifestStatus({
    board,
    why,
    problems,
}: ReturnType<typeof recogniseMachine>): ManifestStatus {
    const unusable = problems.length === 0 ? "" : ` (${problems.length} manifests cannot be used)`;
    return {id: board?.id ?? "", name: board?.name ?? "", why: `${why}${unusable}`};
}
