/**
 * `terminal monitor`: what happens on this host, above the prompt, while somebody is logged in.
 * Thread of the program.
 */
import {decodeEvent} from "../../core/control-decode.ts";
import {showEvent} from "../../core/show.ts";
import type {Client} from "./asker.ts";

/** From the end of a stream to the next try: carpd was restarted, or this reader was too slow. */
const retryMs = 2000;

export interface MonitorPorts {
    readonly client: Client;
    readonly notify: (text: string) => void;
    /** The daemon does not know the session any more. */
    readonly over: () => void;
    readonly after: (ms: number, run: () => void) => () => void;
}

export class Monitor {
    readonly #ports: MonitorPorts;
    #abort: AbortController | null = null;

    constructor(ports: MonitorPorts) {
        this.#ports = ports;
    }

    set(on: boolean): void {
        if (!on) {
            this.#abort?.abort();
            this.#abort = null;
        } else if (this.#abort === null) {
            this.#abort = new AbortController();
            this.#follow(this.#abort.signal).catch(() => this.set(false));
        }
    }

    async #follow(signal: AbortSignal): Promise<void> {
        const {client, notify, over} = this.#ports;
        const onEvent = (value: unknown): void => {
            const event = decodeEvent(value);
            // Lines of use to a developer only stay in the log.
            if (event !== null && event.level !== "debug") notify(showEvent(event));
        };
        while (!signal.aborted) {
            const result = await client.events("/v1/events", onEvent, signal);
            if (result.ok && result.value !== null && result.value.status === 401) {
                over();
                return;
            }
            if (!signal.aborted) await this.#pause(signal);
        }
    }

    #pause(signal: AbortSignal): Promise<void> {
        return new Promise((resolve) => {
            const cancel = this.#ports.after(retryMs, resolve);
            const stop = (): void => {
                cancel();
                resolve();
            };
            signal.addEventListener("abort", stop, {once: true});
        });
    }
}
