/** Two boxes from one image on the manual's two segments: told apart, and one stands in. */
import assert from "node:assert/strict";
import type {ImageCase} from "../case.ts";
import {cycle, on} from "../led-edges.ts";
import {holderOf, pingStream} from "../network.ts";
import {panelShows} from "../panel-look.ts";
import {tapName} from "../vm.ts";

export const pair: ImageCase = {
    name: "pair",
    form: "short",
    run: async (bench) => {
        const {a, b} = await bench.pair();
        await bench.step("two copies of one image have identities of their own", () => {
            const [one, two] = [bench.identities.get("a"), bench.identities.get("b")];
            assert.ok(one !== undefined && two !== undefined);
            assert.match(one.epoch, /\d/u);
            assert.notEqual(one.epoch, two.epoch, "both have the same counter epoch");
            assert.notEqual(one.machineId, two.machineId, "both have the same machine id");
        });
        await bench.step("A answers both addresses, the panels say so", async () => {
            assert.equal(holderOf("192.168.1.1", 1, "lan"), tapName("a", "lan"));
            assert.equal(holderOf("192.168.2.1", 2, "wan"), tapName("a", "wan"));
            await panelShows(a, {status: on, role: on}, 60_000);
            await panelShows(b, {status: on, role: cycle(1000, 1000)}, 60_000);
        });
        const stream = pingStream("192.168.1.1");
        await bench.step("the power of A fails: B answers both addresses", async () => {
            await new Promise((resolve) => setTimeout(resolve, 1000));
            await a.cutPower();
            await b.console.says(/carp0: .*BACKUP -> MASTER/u, 60_000);
            await b.console.says(/carp1: .*BACKUP -> MASTER/u, 60_000);
            assert.equal(holderOf("192.168.1.1", 1, "lan"), tapName("b", "lan"));
            assert.equal(holderOf("192.168.2.1", 2, "wan"), tapName("b", "wan"));
        });
        const {answers, silenceMs} = await stream.stop();
        bench.note(`${answers} pings answered, the longest silence ${silenceMs} ms`);
        // 3 * advbase + advskew / 256 is 3.4 s; the rest is a guest on an emulated processor.
        assert.ok(silenceMs < 15_000, `${silenceMs} ms of silence`);
        await bench.step("the panel of B says MASTER", () =>
            panelShows(b, {status: on, role: on}, 60_000),
        );
    },
};
