/**
 * A short press of the panel's button, on a console where nobody is logged in: the state of this
 * host is printed above the log-in. Thread of the program.
 */
import type {Client} from "./asker.ts";

/** From one question to the next, milliseconds. */
const askMs = 2000;

export interface PressedPorts {
    readonly client: Pick<Client, "request">;
    readonly notify: (text: string) => void;
    readonly after: (ms: number, run: () => void) => () => void;
}

export class PressedWatch {
    readonly #ports: PressedPorts;
    #cancel: () => void = () => undefined;
    #on = false;
    /** Presses that carpd had counted when it was asked last; null: not known. */
    #count: number | null = null;

    constructor(ports: PressedPorts) {
        this.#ports = ports;
    }

    start(): void {
        this.#on = true;
        this.#arm();
    }

    stop(): void {
        this.#on = false;
        this.#cancel();
    }

    /** What is pressed from now until the next question is not told: somebody was logged in. */
    forget(): void {
        this.#count = null;
    }

    #arm(): void {
        this.#cancel();
        this.#cancel = this.#ports.after(askMs, () => {
            this.#ask().then(
                () => this.#again(),
                () => this.#again(),
            );
        });
    }

    #again(): void {
        if (this.#on) this.#arm();
    }

    async #ask(): Promise<void> {
        const reply = await this.#ports.client.request("GET", "/v1/panel/pressed");
        if (!this.#on || !reply.ok || reply.value.status !== 200) return;
        const {body} = reply.value;
        if (typeof body !== "object" || body === null) return;
        const [count, lines] = [Reflect.get(body, "count"), Reflect.get(body, "lines")];
        if (typeof count !== "number" || !Array.isArray(lines)) return;
        const before = this.#count;
        this.#count = count;
        // A carpd that was started anew counts from 0.
        if (before === null || count <= before) return;
        const texts = lines.filter((line) => typeof line === "string");
        this.#ports.notify(texts.map((line) => `${line}\n`).join(""));
    }
}
