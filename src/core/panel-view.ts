/**
 * `GET /v1/panel` as carpd gives it and `show leds`, `show buttons` print it. Pure.
 */
import type {Board} from "./board.ts";
import type {LedPattern, LedPlan} from "./leds.ts";
import type {PanelStatus} from "./panel-status.ts";

export interface LedView extends LedPlan {
    /** What stands beside it on the box; "". */
    readonly label: string;
    /** Why it does not show this; "" when it does. */
    readonly problem: string;
}

export interface ButtonView {
    readonly use: string;
    readonly label: string;
    readonly input: string;
    readonly code: string;
    readonly holdSec: number;
    /** The next short press erases the configuration. */
    readonly armed: boolean;
}

export interface PanelView {
    /** null: no manifest fits this machine. */
    readonly board: {readonly id: string; readonly name: string} | null;
    readonly status: PanelStatus;
    readonly leds: readonly LedView[];
    readonly buttons: readonly ButtonView[];
    /** carp-panel has spoken within the last seconds. */
    readonly served: boolean;
}

/** A manifest's buttons for `show buttons`. */
export function buttonsOf(board: Pick<Board, "buttons">, armed: boolean): ButtonView[] {
    return [...board.buttons].map(([use, {label, input, code, holdSec}]) => ({
        use,
        label,
        input,
        code,
        holdSec,
        armed,
    }));
}

/** "on", "on 100 ms, off 700 ms", "link of lan0". */
export function patternText(pattern: LedPattern): string {
    switch (pattern.kind) {
        case "on":
        case "off":
            return pattern.kind;
        case "timer":
            return `on ${pattern.onMs}, off ${pattern.offMs} ms`;
        case "pattern":
            return `${pattern.steps.map(([lit, ms]) => `${lit ? "on" : "off"} ${ms}`).join(", ")} ms`;
        case "netdev":
            return `link of ${pattern.device}`;
    }
}

function isView(body: unknown): body is PanelView {
    if (typeof body !== "object" || body === null) return false;
    const leds: unknown = Reflect.get(body, "leds");
    const buttons: unknown = Reflect.get(body, "buttons");
    const fits = (list: unknown): boolean =>
        Array.isArray(list) && list.every((one) => typeof one === "object" && one !== null);
    return fits(leds) && fits(buttons) && typeof Reflect.get(body, "status") === "object";
}

/** null: this is no panel. */
export function showLeds(body: unknown): string | null {
    if (!isView(body)) return null;
    const {board, leds, served} = body;
    if (board === null) return "this board is not known to carpd: it has no LEDs\n";
    if (leds.length === 0) return `${board.name} (${board.id}) has no LEDs\n`;
    const rows = leds.map(({role, name, label, colour, pattern}) => [
        role,
        label === "" ? name : `${name} "${label}"`,
        colour === "" ? "-" : colour,
        patternText(pattern),
    ]);
    const table = [["role", "LED", "colour", "pattern"], ...rows];
    const widths = [0, 1, 2].map((i) => Math.max(...table.map((row) => (row[i] ?? "").length)));
    const lines = table.map((row, at) => {
        const cells = row.map((cell, i) => cell.padEnd(widths[i] ?? 0));
        const led = leds[at - 1];
        const meaning = led === undefined ? "" : `\n\t${led.meaning}`;
        const trouble =
            led === undefined || led.problem === "" ? "" : `\n\tNOT SHOWN: ${led.problem}`;
        return `${cells.join("  ").trimEnd()}${meaning}${trouble}\n`;
    });
    const silent = served ? "" : "carp-panel does not run: nothing writes these LEDs\n";
    return `${board.name} (${board.id})\n${lines.join("")}${silent}`;
}

/** null: this is no panel. */
export function showButtons(body: unknown): string | null {
    if (!isView(body)) return null;
    const {board, buttons, served} = body;
    if (board === null) return "this board is not known to carpd: it has no buttons\n";
    if (buttons.length === 0) return `${board.name} (${board.id}) has no buttons\n`;
    const lines = buttons.map(({use, label, input, code, holdSec, armed}) => {
        const name = label === "" ? use : `${use} "${label}"`;
        const now = armed ? "ARMED: a short press now erases the configuration" : "not armed";
        return [
            `${name}: ${code} of ${input === "" ? "any input device" : input}, ${now}\n`,
            "\tshort press: prints the state of this host\n",
            `\theld for ${holdSec} s, let go, and pressed shortly within 30 s: factory reset\n`,
        ].join("");
    });
    const silent = served ? "" : "carp-panel does not run: nobody reads these buttons\n";
    return `${lines.join("")}${silent}`;
}
