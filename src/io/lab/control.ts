/** What the lab asks a carpd over its control socket. Main thread. */
import {decodeCarps} from "../../core/control-decode.ts";
import type {CarpStatus} from "../../core/status.ts";
import {ControlClient} from "../control-client.ts";
import {HarnessError} from "./namespaces.ts";

/** null: no daemon listens there, or it did not answer with a status. */
export async function readCarp(socket: string): Promise<readonly CarpStatus[] | null> {
    const reply = await new ControlClient(socket).request("GET", "/v1/carp");
    return reply.ok && reply.value.status === 200 ? decodeCarps(reply.value.body) : null;
}

/** Resolves when the daemon has done it; rejects with what it said instead. */
export async function setState(socket: string, name: string, action: "up" | "down"): Promise<void> {
    const path = `/v1/carp/${encodeURIComponent(name)}/state`;
    const reply = await new ControlClient(socket).request("POST", path, {state: action});
    const said = reply.ok ? JSON.stringify(reply.value) : reply.error.code;
    if (!reply.ok || reply.value.status >= 300) {
        throw new HarnessError("COMMAND_FAILED", `${name} ${action} at ${socket}: ${said}`);
    }
}
