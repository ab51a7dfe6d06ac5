/**
 * The appliance in carpd's control API: images, installation, rollback, factory reset. carpd knows
 * who asks and writes it down; carp-system does it. Main thread.
 */
import {parseInstallSource} from "../core/appliance/install-source.ts";
import {type ApiReply, failure} from "../core/control-protocol.ts";
import type {Session} from "../core/control-session.ts";
import {type Log, note} from "../core/log.ts";
import type {ExtensionCall, ExtensionRoute} from "./api-extension.ts";
import type {Appliance} from "./appliance-port.ts";
import type {Clock} from "./ports.ts";

export const eraseWords = "erase everything";

/** A client that watches an installation is answered at the latest after so long, milliseconds. */
const nextMs = 1000;
const lookMs = 200;

export function applianceRoutes(
    appliance: Appliance,
    log: Log,
    clock: Clock,
): readonly ExtensionRoute[] {
    const audit = (text: string, {user, origin}: Session): void =>
        log.write(note("notice", "appliance", `${text} by ${user} from ${origin}`, {user, origin}));
    const get = (path: readonly string[], handle: () => Promise<ApiReply>): ExtensionRoute => ({
        method: "GET",
        path: ["v1", ...path],
        role: "operator",
        handle,
    });
    const post = (
        path: readonly string[],
        handle: (call: ExtensionCall) => Promise<ApiReply>,
    ): ExtensionRoute => ({method: "POST", path: ["v1", ...path], role: "admin", handle});
    return [
        get(["appliance"], async () => ({status: 200, body: appliance.status()})),
        get(["images"], () => appliance.ask("GET", "images")),
        get(["images", "install"], () => appliance.ask("GET", "install")),
        get(["images", "install", "next"], () => nextStatus(appliance, clock)),
        post(["images", "install"], async ({body, session}) => {
            const order = orderOf(body);
            if (order === null) {
                const expected =
                    '{"source": PATH, "usb", "usb:FILE" or URL, "force": true | false}';
                return failure(400, "BAD_BODY", "that names no source", expected);
            }
            const source = parseInstallSource(order.source);
            if (!source.ok) return failure(400, "BAD_SOURCE", source.error, "");
            audit(`install-image ${order.source}${order.force ? " force" : ""}`, session);
            return await appliance.ask("POST", "install", order);
        }),
        post(["images", "rollback"], async ({session}) => {
            audit("rollback", session);
            return await appliance.ask("POST", "rollback", {});
        }),
        post(["factory-reset"], async ({body, session}) => {
            if (memberOf(body, "confirm") !== eraseWords) {
                const message = `a factory reset erases configuration, users and keys; it is confirmed with the words "${eraseWords}"`;
                return failure(400, "NOT_CONFIRMED", message, `{"confirm": "${eraseWords}"}`);
            }
            audit("factory-reset", session);
            return await appliance.ask("POST", "factory-reset", {confirm: eraseWords});
        }),
    ];
}

/** Waits until the status is another one than now; what is done does not change any more. */
async function nextStatus(appliance: Appliance, clock: Clock): Promise<ApiReply> {
    const first = await appliance.ask("GET", "install");
    const before = JSON.stringify(first.body);
    let reply = first;
    for (let waited = 0; waited < nextMs && reply.status === 200; waited += lookMs) {
        const changed = JSON.stringify(reply.body) !== before;
        if (changed || memberOf(reply.body, "done") === true) break;
        await new Promise<void>((resolve) => {
            clock.after(lookMs, resolve);
        });
        reply = await appliance.ask("GET", "install");
    }
    return reply;
}

function orderOf(body: unknown): {readonly source: string; readonly force: boolean} | null {
    const source = memberOf(body, "source");
    const force = memberOf(body, "force") ?? false;
    if (typeof source !== "string" || typeof force !== "boolean") return null;
    return {source, force};
}

function memberOf(body: unknown, key: string): unknown {
    return typeof body === "object" && body !== null ? Reflect.get(body, key) : undefined;
}
