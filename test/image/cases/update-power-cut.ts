/** The power fails while an update is written, 20 times: the old release starts and carries on. */
import assert from "node:assert/strict";
import type {ImageCase} from "../case.ts";
import {Random} from "../random.ts";
import {configurationOf, newVersion, plugBundle, singleBox, slotOf} from "../updates.ts";

const cuts = 20;
/** So many of them are followed by a real start; of the others the disk is looked at. */
const starts = 6;

export const updatePowerCuts: ImageCase = {
    name: "update-power-cuts",
    form: "long",
    run: async (bench) => {
        const bundle = bench.bundles.make({version: newVersion});
        const random = new Random(bench.seed);
        let vm = await singleBox(bench);
        const before = await configurationOf(vm);
        const disk = bench.kept("a", "single");
        await vm.cutPower();
        disk.check();
        const running = disk.checksums(["boot-a", "root-a"]);
        vm = await singleBox(bench);
        let wholeMs = 0;
        await bench.step("an installation without a power cut", async () => {
            await plugBundle(bench, vm, bundle);
            const begin = performance.now();
            assert.match(await vm.console.type("system install-image usb", 300_000), /installed/u);
            wholeMs = performance.now() - begin;
        });
        for (let i = 0; i < cuts; i++) {
            const waitMs = Math.round(random.next() * wholeMs * 1.05);
            await vm.cutPower();
            vm = await singleBox(bench);
            await plugBundle(bench, vm, bundle);
            await bench.step(`cut ${i + 1} after ${waitMs} ms`, async () => {
                vm.console.port.type("system install-image usb\r");
                await new Promise((resolve) => setTimeout(resolve, waitMs));
                await vm.cutPower();
                disk.check();
                assert.deepEqual(disk.checksums(["boot-a", "root-a"]), running);
                const [config] = disk.dataFiles(["/config/carpd.toml"]);
                assert.equal(config, before);
                if (i >= starts) return;
                const again = await bench.start({name: "a", disk});
                await bench.untilServing(again);
                bench.note(`it runs slot ${await slotOf(again)}`);
                assert.equal(await configurationOf(again), before);
                await again.console.until("show carp", /carp0: MASTER/u, 60_000);
                await again.cutPower();
            });
        }
    },
};
