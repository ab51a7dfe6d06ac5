/** What the lab asks a carpd over its control socket. Main thread. */
import {
    decodeBalance,
    decodeBalanceAnswer,
    decodeCarps,
    decodeDemotion,
} from "../../core/control-decode.ts";
import type {BalanceAnswer, BalanceStatus, CarpStatus} from "../../core/status.ts";
import type {DemotionStatus} from "../../core/status-fold.ts";
import {ControlClient} from "../control-client.ts";
import {HarnessError} from "./namespaces.ts";

/** null: no daemon listens there, or it did not answer with what was asked for. */
async function ask<T>(
    socket: string,
    method: "GET" | "POST",
    path: string,
    decode: (body: unknown) => T | null,
    body?: unknown,
): Promise<T | null> {
    const reply = await new ControlClient(socket).request(method, path, body);
    return reply.ok && reply.value.status === 200 ? decode(reply.value.body) : null;
}

/** null: no daemon listens there, or it did not answer with a status. */
export function readCarp(socket: string): Promise<readonly CarpStatus[] | null> {
    return ask(socket, "GET", "/v1/carp", decodeCarps);
}

export function readDemotion(socket: string): Promise<DemotionStatus | null> {
    return ask(socket, "GET", "/v1/demotion", decodeDemotion);
}

export function readBalance(socket: string): Promise<readonly BalanceStatus[] | null> {
    return ask(socket, "GET", "/v1/balance", decodeBalance);
}

/** Who answers `client` for the shared VIP `address`. */
export function askWhich(
    socket: string,
    client: string,
    address: string,
): Promise<BalanceAnswer | null> {
    return ask(socket, "POST", "/v1/balance/which", decodeBalanceAnswer, {client, address});
}

/** Resolves when the daemon has done it; rejects with what it said instead. */
async function command(socket: string, path: string, body: unknown, what: string): Promise<void> {
    const reply = await new ControlClient(socket).request("POST", path, body);
    const said = reply.ok ? JSON.stringify(reply.value) : reply.error.code;
    if (!reply.ok || reply.value.status >= 300) {
        throw new HarnessError("COMMAND_FAILED", `${what} at ${socket}: ${said}`);
    }
}

export function setState(socket: string, name: string, action: "up" | "down"): Promise<void> {
    const path = `/v1/carp/${encodeURIComponent(name)}/state`;
    return command(socket, path, {state: action}, `${name} ${action}`);
}

export function setMaintenance(socket: string, on: boolean): Promise<void> {
    return command(socket, "/v1/maintenance", {on}, `maintenance ${on ? "on" : "off"}`);
}
