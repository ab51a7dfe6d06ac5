/**
 * The service manager's notification protocol (sd_notify(3)). Main thread.
 *
 * Node has no unix datagram sockets; the addon sends. Without NOTIFY_SOCKET it does nothing.
 */

export interface NotifyEnvironment {
    readonly WATCHDOG_USEC?: string | undefined;
    readonly WATCHDOG_PID?: string | undefined;
}

export class ServiceNotifier {
    readonly #send: (state: string) => boolean;
    readonly watchdogIntervalMs: number | null;
    #status = "";

    /** `send` gives one datagram to the manager; false when there is none. */
    constructor(send: (state: string) => boolean, environment: NotifyEnvironment, pid: number) {
        this.#send = send;
        this.watchdogIntervalMs = watchdogInterval(environment, pid);
    }

    ready(): void {
        this.#send("READY=1");
    }

    /** The same status twice in a row is sent once. */
    status(text: string): void {
        if (text === this.#status) return;
        this.#status = text;
        this.#send(`STATUS=${text.replaceAll("\n", " ")}`);
    }

    reloading(atUs: bigint): void {
        this.#send(`RELOADING=1\nMONOTONIC_USEC=${atUs}`);
    }

    /** The unit's own limit may be shorter than what carpd.toml asks for. */
    stopping(limitMs?: number): void {
        const usec = Math.round((limitMs ?? 0) * 1000);
        const extend = usec > 0 ? `\nEXTEND_TIMEOUT_USEC=${usec}` : "";
        this.#send(`STOPPING=1\nSTATUS=handing over${extend}`);
        this.#status = "";
    }

    watchdog(): void {
        this.#send("WATCHDOG=1");
    }
}

/** A third of the limit: two pings may be late before the manager acts. */
function watchdogInterval(environment: NotifyEnvironment, pid: number): number | null {
    const usec = Number(environment.WATCHDOG_USEC ?? "");
    if (!Number.isFinite(usec) || usec <= 0) return null;
    const meant = environment.WATCHDOG_PID;
    if (meant !== undefined && meant !== "" && Number(meant) !== pid) return null;
    return Math.max(1, Math.floor(usec / 3000));
}
