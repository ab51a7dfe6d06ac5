/** Names that only the daemon knows, for completion. Thread of the program. */
import type {Names} from "../../core/cli-node.ts";
import {
    decodeBalance,
    decodeCarps,
    decodeDemotion,
    decodeInterfaces,
} from "../../core/control-decode.ts";
import type {Client} from "./asker.ts";

/** Nothing where the daemon does not answer: completion never complains. */
export async function namesFrom(client: Client, kinds: readonly Names[]): Promise<string[]> {
    const get = async (path: string): Promise<unknown> => {
        const reply = await client.request("GET", `/v1/${path}`);
        return reply.ok && reply.value.status === 200 ? reply.value.body : null;
    };
    const found: string[] = [];
    for (const kind of new Set(kinds)) {
        switch (kind) {
            case "carp":
                for (const {name} of decodeCarps(await get("carp")) ?? []) found.push(name);
                break;
            case "group":
                for (const {group} of decodeCarps(await get("carp")) ?? []) found.push(group);
                break;
            case "carpdev":
                for (const one of decodeInterfaces(await get("interfaces")) ?? []) {
                    found.push(one.carpdev);
                }
                break;
            case "vip":
                for (const {address} of decodeBalance(await get("balance")) ?? []) {
                    found.push(address);
                }
                break;
            case "reason":
                for (const {reason} of decodeDemotion(await get("demotion"))?.reasons ?? []) {
                    if (reason.startsWith("operator")) found.push(reason);
                }
                break;
            case "edit-path":
                break;
        }
    }
    return [...new Set(found)];
}
