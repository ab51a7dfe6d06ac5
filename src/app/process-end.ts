/**
 * The one way in which carpd ends: the log is flushed, then the process exits. Main thread.
 */
import type {ExitCode} from "../core/exit-codes.ts";

export interface EndPorts {
    /** Gives the log a short time to be read. */
    readonly flush: (limitMs: number) => Promise<void>;
    readonly exit: (code: number) => void;
}

const flushLimitMs = 500;

/** Several reasons may come at once (a signal during a failing start); the first one counts. */
export class ProcessEnd {
    readonly #ports: EndPorts;
    #ending = false;

    constructor(ports: EndPorts) {
        this.#ports = ports;
    }

    get ending(): boolean {
        return this.#ending;
    }

    async end(code: ExitCode): Promise<void> {
        if (this.#ending) return;
        this.#ending = true;
        await this.#ports.flush(flushLimitMs);
        this.#ports.exit(code);
    }
}
