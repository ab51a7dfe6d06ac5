/**
 * One look at carpd over its control socket, as any client would take it. Main thread of
 * carp-system.
 */
import type {BootSample} from "../../core/appliance/boot-judge.ts";
import {sampleOf} from "../../core/appliance/boot-sample.ts";
import {ControlClient} from "../control-client.ts";

/** null: carpd does not answer, or refuses. */
export async function lookAtCarpd(socket: string, nowMs: () => number): Promise<BootSample | null> {
    const client = new ControlClient(socket);
    const ask = async (path: string): Promise<unknown> => {
        const reply = await client.request("GET", `/v1/${path}`);
        return reply.ok && reply.value.status === 200 ? reply.value.body : null;
    };
    return sampleOf(nowMs(), {
        carp: await ask("carp"),
        interfaces: await ask("interfaces"),
        statistics: await ask("statistics"),
        host: await ask("host"),
    });
}
