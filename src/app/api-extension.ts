/**
 * Parts of the control API that bring their own routes. `ControlApi` asks them first; one that does
 * not know the path lets the next one look.
 */
import type {ApiReply} from "../core/control-protocol.ts";
import type {Role, Session} from "../core/control-session.ts";

export interface ExtensionCall {
    /** What stands for ":name" in the path, decoded; "" without one. */
    readonly argument: string;
    /** The body as JSON; undefined when there was none. */
    readonly body: unknown;
    readonly session: Session;
}

export interface ExtensionRoute {
    readonly method: "GET" | "POST" | "DELETE";
    /** Segments; ":name" stands for one segment of the client's choice. */
    readonly path: readonly string[];
    readonly role: Role;
    /** Rejects only for a bug. */
    readonly handle: (call: ExtensionCall) => Promise<ApiReply>;
}
