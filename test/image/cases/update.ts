/** An update from a USB stick: installed, started, proved, and the configuration is still there. */
import assert from "node:assert/strict";
import type {ImageCase} from "../case.ts";
import {answers} from "../network.ts";
import {
    configurationOf,
    install,
    newVersion,
    plugBundle,
    reboot,
    releaseOf,
    singleBox,
    slotOf,
    untilGood,
} from "../updates.ts";

export const update: ImageCase = {
    name: "update",
    form: "short",
    run: async (bench) => {
        const bundle = await bench.step(`a release ${newVersion}`, () =>
            bench.bundles.make({version: newVersion}),
        );
        const vm = await singleBox(bench);
        const before = await configurationOf(vm);
        assert.equal(await slotOf(vm), "A");
        await bench.step("a stick with the bundle is plugged in", () =>
            plugBundle(bench, vm, bundle),
        );
        await bench.step("system install-image usb", async () => {
            const said = await install(vm, "usb");
            assert.match(said, new RegExp(newVersion.replaceAll(".", "\\."), "u"));
            assert.match(said, /installed/u);
        });
        await vm.pullStick();
        await bench.step("system reboot: the other slot starts", async () => {
            await reboot(bench, vm);
            assert.equal(await slotOf(vm), "B");
            assert.equal(await releaseOf(vm), newVersion);
        });
        await bench.step("the configuration has survived, the addresses answer", async () => {
            assert.equal(await configurationOf(vm), before);
            await vm.console.until("show carp", /carp0: MASTER.*carp1: MASTER/su, 60_000);
            assert.ok(answers("192.168.1.1"));
        });
        await untilGood(bench, vm);
    },
};

/** To the slot that the update wrote and back again, as an operator who regrets it. */
export const rollback: ImageCase = {
    name: "rollback",
    form: "long",
    run: async (bench) => {
        const bundle = await bench.bundles.make({version: newVersion});
        const vm = await singleBox(bench);
        const before = await configurationOf(vm);
        await plugBundle(bench, vm, bundle);
        await install(vm, "usb");
        await vm.pullStick();
        await bench.step("system reboot: the other slot starts", async () => {
            await reboot(bench, vm);
            assert.equal(await slotOf(vm), "B");
        });
        await untilGood(bench, vm);
        await bench.step("system rollback and a restart: slot A again", async () => {
            const said = await vm.console.type("system rollback");
            assert.doesNotMatch(said, /expected |unknown /u);
            await reboot(bench, vm);
            assert.equal(await slotOf(vm), "A");
            assert.equal(await configurationOf(vm), before);
        });
    },
};
