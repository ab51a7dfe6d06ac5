/**
 * What the LEDs of an emulated box show, as somebody who looks at its panel for a while sees it.
 * The changes come from led-recorder in the guest (test/image/guest).
 */
import {HarnessError} from "../../src/io/lab/namespaces.ts";
import {judge, parseEdges, type Shape} from "./led-edges.ts";
import type {Vm} from "./vm.ts";

/** Names in board/qemu-x86_64/board.json. */
export const leds = {
    status: "carpd:green:status",
    role: "carpd:green:role",
    fault: "carpd:red:fault",
    lan: "carpd:green:lan0",
    wan: "carpd:green:wan0",
} as const;
export type LedName = keyof typeof leds;

/** Seconds that one look takes: two periods of the slowest pattern. */
const lookSeconds = 4.2;

/** Looks at the panel until every LED shows its shape in one look. */
export async function panelShows(
    vm: Vm,
    wanted: Partial<Readonly<Record<LedName, Shape>>>,
    deadlineMs: number,
): Promise<void> {
    const end = performance.now() + deadlineMs;
    const names = Object.values(leds);
    // The last changes of each: one that has not changed for long is there, too.
    const changes = names
        .map((led) => `grep -F ' ${led} ' /run/led-edges | tail -n 120`)
        .join("; ");
    for (;;) {
        const text = await vm.shell.must(
            `read begin rest </proc/uptime; sleep ${lookSeconds}; read until rest </proc/uptime; ` +
                `echo "look $begin $until"; ${changes}; true`,
        );
        const [, from = "0", to = "0"] = /^look ([\d.]+) ([\d.]+)$/mu.exec(text) ?? [];
        const edges = parseEdges(text);
        const wrong = Object.entries(wanted).flatMap(([name, shape]) => {
            const led = Object.entries(leds).find(([key]) => key === name)?.[1] ?? name;
            const seen = judge(edges, led, shape, Number(from), Number(to));
            return seen.fits ? [] : [`${name}: wanted ${JSON.stringify(shape)}, saw ${seen.text}`];
        });
        if (wrong.length === 0) return;
        if (performance.now() >= end) {
            const plan = await vm.console.type("show leds");
            throw new HarnessError(
                "DEADLINE",
                `the panel of ${vm.name} after ${deadlineMs} ms: ${wrong.join("; ")}\n${plan}`,
            );
        }
    }
}
