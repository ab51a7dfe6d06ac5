/** A release that does not work: three starts, then the old one by itself, and it says so. */
import assert from "node:assert/strict";
import {waitFor} from "../../../src/io/lab/namespaces.ts";
import type {ImageCase} from "../case.ts";
import {untilAnswers} from "../network.ts";
import {
    configurationOf,
    goDown,
    install,
    newVersion,
    plugBundle,
    singleBox,
    slotOf,
} from "../updates.ts";

export const brokenRelease: ImageCase = {
    name: "broken-release",
    form: "long",
    run: async (bench) => {
        const bundle = bench.bundles.make({version: newVersion, broken: true});
        const vm = await singleBox(bench);
        const before = await configurationOf(vm);
        await plugBundle(bench, vm, bundle);
        await bench.step("it is installed: its signature is good", async () => {
            assert.match(await install(vm, "usb"), /installed/u);
        });
        await vm.pullStick();
        const from = vm.console.port.raw.length;
        await goDown(vm, "system reboot force");
        await bench.step("nobody helps: the old release carries the addresses again", async () => {
            // Not the emulator's RESET events: its firmware resets the machine once more by itself.
            const starts = (slot: string): number =>
                vm.console.port.raw.slice(from).split(`starting slot ${slot}`).length - 1;
            await waitFor(
                "the box to start slot A",
                1_500_000,
                () => (starts("A") > 0 ? true : undefined),
                () => vm.console.screen(from).slice(-1500),
            );
            assert.equal(starts("B"), 3, "starts of the broken release");
            bench.note(`${starts("B")} starts of slot B`);
            vm.shell.forget();
            await bench.untilServing(vm, from);
            assert.equal(await slotOf(vm), "A");
            await untilAnswers("192.168.1.1", 60_000);
        });
        await bench.step("it says that it runs the older slot", async () => {
            assert.equal(await configurationOf(vm), before);
            assert.match(await vm.console.type("show images"), /fell back|older|failed/iu);
        });
    },
};
