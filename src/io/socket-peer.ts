/**
 * The other end of a Unix socket, as the kernel recorded it at connect() (SO_PEERCRED). Main thread.
 */
import type {Socket} from "node:net";
import type {PeerCredentials} from "./addon.ts";
import {codeOf} from "./system-error.ts";

/** null: the connection is gone, or the kernel does not say. */
export function peerOf(
    socket: Socket,
    peerCredentials: (fd: number) => PeerCredentials | null,
): PeerCredentials | null {
    const fd = descriptorOf(socket);
    return fd === null ? null : peerCredentials(fd);
}

/**
 * Node has no public name for the descriptor of a socket. `_handle.fd` has carried it since node
 * 0.10; where it does not, there is no peer, and nobody gets in.
 */
function descriptorOf(socket: Socket): number | null {
    const handle: unknown = Reflect.get(socket, "_handle");
    if (typeof handle !== "object" || handle === null) return null;
    const fd: unknown = Reflect.get(handle, "fd");
    return typeof fd === "number" && fd >= 0 ? fd : null;
}

/** Whether there is still such a process; one of another user counts too. `pid` above 0. */
export function processAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
        return true;
    } catch (error) {
        return codeOf(error) !== "ESRCH";
    }
}
