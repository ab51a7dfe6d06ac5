/**
 * Who speaks on the control socket, and what each may do. Pure.
 */

/** `operator` may look and ping; `admin` may do everything. */
export type Role = "operator" | "admin";

export interface Session {
    /** The same for all requests of one log-in or of one local process; never used again. */
    readonly id: string;
    /** The name in log and history: a user of the console, or "uid 0". */
    readonly user: string;
    readonly role: Role;
    /** Where it comes from: "ttyS0", "control socket". */
    readonly origin: string;
}

export function mayDo(session: Session, needed: Role): boolean {
    return session.role === "admin" || needed === "operator";
}
