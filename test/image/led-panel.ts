/**
 * The front panel of a box with the LEDs of led-recorder (test/image/guest): what each light does
 * and when it turned, by the guest's own clock. For the cases that judge timing; panel-look.ts is for
 * those that only look.
 */

import {waitFor} from "../../src/io/lab/namespaces.ts";
import type {Bench} from "./bench.ts";
import {type Edge, halfLit, judge, parseEdges, type Shape, since} from "./led-edges.ts";
import {type LedName, leds} from "./panel-look.ts";
import type {Vm} from "./vm.ts";

export type Lights = Readonly<Partial<Record<LedName, Shape>>>;

/** A steady light is looked at so long, seconds. */
const steadyS = 2.5;

/** Four periods of the slowest pattern, in seconds. */
function windowOf(lights: Lights): number {
    const periods = Object.values(lights).map((shape) =>
        shape.kind === "steady" ? 0 : (4 * shape.ms.reduce((sum, ms) => sum + ms, 0)) / 1000,
    );
    return Math.max(steadyS, ...periods);
}

/** One row of the table: what brings it about, what the lights show, what `show leds` says. */
export interface Row {
    readonly state: string;
    readonly by: () => Promise<unknown>;
    readonly lights: Lights;
    readonly says?: RegExp;
    readonly deadlineMs?: number;
}

/** The box, its panel and the bench, as rows work with them. */
export interface Scene {
    readonly bench: Bench;
    readonly vm: Vm;
    readonly panel: LedPanel;
    readonly row: (row: Row) => Promise<void>;
}

export class LedPanel {
    readonly #vm: Vm;

    constructor(vm: Vm) {
        this.#vm = vm;
    }

    /** The guest's monotonic clock, seconds. */
    async now(): Promise<number> {
        return Number.parseFloat(await this.#vm.shell.must("cat /proc/uptime"));
    }

    /**
     * Runs a command in the guest and gives the time right before it: what it does to the lights is
     * counted from there.
     */
    async act(command: string): Promise<number> {
        const said = await this.#vm.shell.must(`cat /proc/uptime; ${command}`, 60_000);
        return Number.parseFloat(said);
    }

    /** The record of the last seconds, with the last change before them for each LED. */
    async edges(seconds: number): Promise<{readonly edges: readonly Edge[]; readonly now: number}> {
        const choose = [
            "BEGIN { f -= s }",
            "$1 < f { last[$2] = $0; next }",
            "{ for (n in last) print last[n]; delete last; print }",
            "END { for (n in last) print last[n] }",
        ];
        const awk = `awk -v f=$u -v s=${seconds.toFixed(3)} '${choose.join(" ")}' /run/led-edges`;
        const text = await this.#vm.shell.must(`read u _ </proc/uptime; echo $u; ${awk}`);
        return {edges: parseEdges(text), now: Number.parseFloat(text)};
    }

    /**
     * Waits until the lights show all this at once, for as long as it takes to be sure; gives what
     * was measured.
     */
    async shows(lights: Lights, deadlineMs = 30_000): Promise<readonly string[]> {
        const seconds = windowOf(lights);
        let measured: readonly string[] = [];
        return await waitFor(
            "the front panel",
            deadlineMs + seconds * 1000,
            async () => {
                const {edges, now} = await this.edges(seconds + 0.2);
                const dimmed = halfLit(edges, now - seconds);
                const looks = Object.entries(lights).map(([led, shape]) => {
                    const name = Object.entries(leds).find(([key]) => key === led)?.[1] ?? "";
                    return {led, ...judge(edges, name, shape, now - seconds, now)};
                });
                measured = looks.map(({led, text, fits}) => `${led} ${text}${fits ? "" : " (!)"}`);
                if (dimmed.length > 0) measured = [...measured, `${dimmed.length} times half lit`];
                const fits = dimmed.length === 0 && looks.every((look) => look.fits);
                return fits ? measured : undefined;
            },
            () => measured.join("; "),
        );
    }

    /**
     * Waits until one LED is dark (or lit) and stays so for a second; the seconds from `fromS` to
     * that change. 0: it was so already.
     */
    async turned(led: LedName, lit: boolean, fromS: number, deadlineMs: number): Promise<number> {
        const what = `the LED ${led} to be ${lit ? "lit" : "dark"}`;
        return await waitFor(what, deadlineMs, async () => {
            const {edges, now} = await this.edges((await this.now()) - fromS + 1);
            const at = since(edges, leds[led], lit);
            return at === undefined || now - at < 1 ? undefined : Math.max(0, at - fromS);
        });
    }
}
