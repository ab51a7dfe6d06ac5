/** The manual's two segments: one cable of the preferred box is pulled, the other takes over both. */
import assert from "node:assert/strict";
import {waitFor} from "../../../src/io/lab/namespaces.ts";
import type {ImageCase} from "../case.ts";
import {cycle, off, on} from "../led-edges.ts";
import {answers, holderOf, pingStream} from "../network.ts";
import {panelShows} from "../panel-look.ts";
import {tapName} from "../vm.ts";

async function held(box: "a" | "b"): Promise<void> {
    const holders = (): string =>
        `${holderOf("192.168.1.1", 1, "lan")} ${holderOf("192.168.2.1", 2, "wan")}`;
    const wanted = `${tapName(box, "lan")} ${tapName(box, "wan")}`;
    await waitFor(
        `${box} to hold both addresses`,
        60_000,
        () => (holders() === wanted ? true : undefined),
        holders,
    );
    assert.ok(answers("192.168.1.1"), "192.168.1.1 does not answer");
    assert.ok(answers("192.168.2.1"), "192.168.2.1 does not answer");
}

export const twoSegments: ImageCase = {
    name: "two-segments",
    form: "short",
    run: async (bench) => {
        const {a, b} = await bench.pair();
        await bench.step("A holds both addresses", () => held("a"));
        const stream = pingStream("192.168.2.1");
        await bench.step("the lan cable of A is pulled: B holds both", async () => {
            await a.cable("lan", false);
            await held("b");
        });
        await bench.step("both panels tell it", async () => {
            await panelShows(b, {status: on, role: on, lan: on, wan: on}, 60_000);
            // A is INIT on lan and a demoted BACKUP on wan: somebody has to plug in a cable.
            await panelShows(a, {role: cycle(200, 200), lan: off, wan: on}, 60_000);
        });
        await bench.step("both consoles tell it", async () => {
            await a.console.says(/carp0: .*MASTER -> INIT/u);
            await a.console.says(/carp1: .*MASTER -> BACKUP/u);
            await b.console.says(/carp0: .*BACKUP -> MASTER/u);
            await b.console.says(/carp1: .*BACKUP -> MASTER/u);
        });
        await bench.step("the cable is back: A takes both again", async () => {
            await a.cable("lan", true);
            await held("a");
            await panelShows(a, {role: on, lan: on}, 60_000);
            await panelShows(b, {role: cycle(1000, 1000)}, 60_000);
        });
        const {answers: count, silenceMs} = await stream.stop();
        bench.note(`wan: ${count} pings answered, the longest silence ${silenceMs} ms`);
    },
};
