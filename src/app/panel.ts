/**
 * carp-panel: keeps the LEDs at what carpd says, and at "fault" when it says nothing; takes the
 * presses of the reset button to it. The thread of carp-panel.
 *
 * It asks instead of being told: an answer also says that carpd's event loop turns, and its absence
 * is what has to be shown.
 */
import {type ButtonInput, type ButtonState, buttonUp, foldButton} from "../core/buttons.ts";
import type {ApiReply} from "../core/control-protocol.ts";
import {type Daemonless, type LedPlan, ledsOf, type PanelBoard} from "../core/leds.ts";
import {decodePanel, type PanelStatus} from "../core/panel-status.ts";
import type {Result} from "../core/result.ts";

/** The control socket; an answer that takes longer than `silentMs` is none. */
export interface PanelClient {
    request(
        method: string,
        path: string,
        body?: unknown,
    ): Promise<Result<ApiReply, {readonly code: string}>>;
}

export interface PanelLeds {
    show(plans: readonly LedPlan[]): void;
    problems(): readonly {readonly name: string; readonly problem: string}[];
    whenProblems(listener: () => void): void;
}

export interface PanelPorts {
    readonly client: PanelClient;
    readonly leds: PanelLeds;
    readonly board: PanelBoard;
    /** How long the reset button is to be held, milliseconds. */
    readonly holdMs: number;
    readonly monotonicMs: () => number;
    /** So long after the start carpd may still be on its way, milliseconds. */
    readonly bootMs: number;
    readonly log: (text: string) => void;
}

/** From one question to the next. */
const pollMs = 500;
/** From one look at the clock to the next. */
export const tickMs = 250;
/** Without an answer for so long, carpd is taken for dead. */
export const silentMs = 2250;
/** Says that the panel is served, also when nothing changed. */
const reportMs = 5000;

export class Panel {
    readonly #ports: PanelPorts;
    readonly #startedMs: number;
    #status: PanelStatus | null = null;
    #heardMs: number;
    #shown = "";
    #asking = false;
    #askedMs = Number.NEGATIVE_INFINITY;
    #reportedMs = Number.NEGATIVE_INFINITY;
    #button: ButtonState = buttonUp;
    /** Why the last question had no answer. */
    #trouble = "";

    constructor(ports: PanelPorts) {
        this.#ports = ports;
        this.#startedMs = ports.monotonicMs();
        this.#heardMs = this.#startedMs;
        ports.leds.whenProblems(() => this.#problemsChanged());
    }

    /** What is shown now: carpd's state, or that there is none. */
    get shown(): PanelStatus | Daemonless {
        const now = this.#ports.monotonicMs();
        if (this.#status !== null) return now - this.#heardMs < silentMs ? this.#status : "dead";
        return now - this.#startedMs < this.#ports.bootMs ? "booting" : "dead";
    }

    /** To be called every `tickMs`. */
    tick(): void {
        const now = this.#ports.monotonicMs();
        this.pressed("tick");
        this.#show();
        if (this.#asking || now - this.#askedMs < pollMs) return;
        this.#askedMs = now;
        this.#asking = true;
        this.#ask().then(
            () => this.#asked(""),
            (error: unknown) => this.#asked(error instanceof Error ? error.message : String(error)),
        );
    }

    #asked(trouble: string): void {
        this.#asking = false;
        if (trouble !== "") this.#tell(trouble);
    }

    /** What a button did. */
    pressed(input: ButtonInput): void {
        const {holdMs, monotonicMs} = this.#ports;
        const {state, press} = foldButton(this.#button, input, monotonicMs(), holdMs);
        this.#button = state;
        if (press === null) return;
        this.#post("button", {press}).then(
            (done) => {
                // Armed only where the box shows it.
                if (!done && press === "armed") this.#button = buttonUp;
            },
            (error: unknown) => this.#ports.log(`button: ${String(error)}`),
        );
    }

    async #ask(): Promise<void> {
        const answer = await this.#ports.client.request("GET", "/v1/panel");
        if (!answer.ok) return this.#tell(`carpd does not answer: ${answer.error.code}`);
        const status = answer.value.status === 200 ? decodePanel(answer.value.body) : null;
        if (status === null) return this.#tell(`carpd answered with status ${answer.value.status}`);
        this.#tell("");
        this.#status = status;
        this.#heardMs = this.#ports.monotonicMs();
        this.#show();
        if (this.#heardMs - this.#reportedMs >= reportMs) await this.#report();
    }

    async #report(): Promise<void> {
        this.#reportedMs = this.#ports.monotonicMs();
        await this.#post("report", {leds: this.#ports.leds.problems()});
    }

    #problemsChanged(): void {
        // With the next answer.
        this.#reportedMs = Number.NEGATIVE_INFINITY;
        for (const {name, problem} of this.#ports.leds.problems()) {
            this.#ports.log(`LED ${name}: ${problem}`);
        }
    }

    async #post(what: "report" | "button", body: unknown): Promise<boolean> {
        const answer = await this.#ports.client.request("POST", `/v1/panel/${what}`, body);
        if (answer.ok && answer.value.status === 200) return true;
        const why = answer.ok ? `status ${answer.value.status}` : answer.error.code;
        if (what === "button") this.#ports.log(`button: carpd was not told: ${why}`);
        return false;
    }

    /** Said when it changes. */
    #tell(trouble: string): void {
        if (trouble === this.#trouble) return;
        this.#trouble = trouble;
        this.#ports.log(trouble === "" ? "carpd answers" : trouble);
    }

    #show(): void {
        const plans = ledsOf(this.shown, this.#ports.board);
        const text = JSON.stringify(plans);
        if (text === this.#shown) return;
        this.#shown = text;
        this.#ports.leds.show(plans);
    }
}
