/**
 * The appliance as carpd sees it: carp-system behind its socket, or nothing on an ordinary host.
 */
import type {NetworkPlan} from "../core/appliance/network-plan.ts";
import type {ApplianceStatus} from "../core/appliance/status.ts";
import type {ApiReply} from "../core/control-protocol.ts";
import type {Result} from "../core/result.ts";

export interface Appliance {
    /** Whether this host is a carpd appliance. */
    readonly present: boolean;
    /** As of some seconds ago; without carp-system the fault says so. */
    status(): ApplianceStatus;
    /**
     * A request to carp-system: "GET", "images". Its reply as it came; on another host, or without
     * an answer, a failure that says so. Never rejects.
     */
    ask(method: "GET" | "POST", path: string, body?: object): Promise<ApiReply>;
    /** The value lists warnings; the error is a sentence. */
    apply(plan: NetworkPlan): Promise<Result<readonly string[], string>>;
}
