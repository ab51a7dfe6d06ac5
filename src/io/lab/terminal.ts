/** The two audiences of the lab: a terminal that is redrawn in place, and a stream of lines. */
import type {Audience} from "../../app/lab/story.ts";
import {renderScreen, type ScreenView} from "../../core/lab/screen.ts";
import type {Painter} from "../../core/lab/text.ts";

/** Where text goes: standard output, or standard error when that carries the JSON document. */
export interface Output {
    readonly columns?: number;
    readonly rows?: number;
    write(text: string): unknown;
}

/** One line for each thing that happens, with the time since the start. */
export class LineAudience implements Audience {
    readonly #output: Output;
    readonly #paint: Painter;

    constructor(output: Output, paint: Painter) {
        this.#output = output;
        this.#paint = paint;
    }

    say(atS: number, sentence: string): void {
        this.#output.write(`${time(atS)}  ${this.#paint("bold", `> ${sentence}`)}\n`);
    }

    happening(atS: number, line: string): void {
        this.#output.write(`${time(atS)}  ${line}\n`);
    }

    draw(): void {
        // Lines need no frames.
    }
}

function time(atS: number): string {
    return `${atS.toFixed(2).padStart(7)} s`;
}

const cursorHome = "\u001b[H";
const clearAll = "\u001b[2J";
const clearBelow = "\u001b[J";
const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";

/** Redraws the whole picture at most ten times a second, each frame over the one before. */
export class ScreenAudience implements Audience {
    readonly #output: Output;
    readonly #paint: Painter;
    #drawnAtS = Number.NEGATIVE_INFINITY;
    #begun = false;

    constructor(output: Output, paint: Painter) {
        this.#output = output;
        this.#paint = paint;
    }

    say(): void {
        this.#drawnAtS = Number.NEGATIVE_INFINITY;
    }

    happening(): void {
        this.#drawnAtS = Number.NEGATIVE_INFINITY;
    }

    draw(view: ScreenView): void {
        if (view.elapsedS >= this.#drawnAtS && view.elapsedS - this.#drawnAtS < 0.095) return;
        this.#drawnAtS = view.elapsedS;
        const lines = renderScreen(
            this.#paint,
            view,
            Math.max(40, this.#output.columns ?? 80),
            Math.max(10, this.#output.rows ?? 24),
        );
        const begin = this.#begun ? cursorHome : `${hideCursor}${clearAll}${cursorHome}`;
        this.#begun = true;
        this.#output.write(`${begin}${lines.join("\n")}\n${clearBelow}`);
    }

    /** Leaves the last frame where it is and gives the cursor back. */
    end(): void {
        if (this.#begun) this.#output.write(showCursor);
    }
}
