/** Bundles that must not be installed: one clear message each, and the slots are as before. */
import assert from "node:assert/strict";
import type {Bench} from "../bench.ts";
import type {ImageCase} from "../case.ts";
import {serveFile} from "../file-server.ts";
import {clientAddress} from "../network.ts";
import {
    assertUntouched,
    install,
    newVersion,
    plugBundle,
    singleBox,
    slotPartitions,
} from "../updates.ts";
import type {Vm} from "../vm.ts";

async function slotsBefore(
    bench: Bench,
): Promise<{vm: Vm; before: Readonly<Record<string, string>>}> {
    const first = await singleBox(bench);
    await first.cutPower();
    const disk = bench.kept("a", "single");
    disk.check();
    const before = disk.checksums(slotPartitions);
    return {vm: await singleBox(bench), before};
}

/** One line of complaint that says `why`. */
async function refused(vm: Vm, source: string, why: RegExp, force = false): Promise<void> {
    const said = await install(vm, source, force);
    assert.match(said, why);
    assert.doesNotMatch(said, /\binstalled\b.*next/u);
}

export const refusedBundle: ImageCase = {
    name: "refused-bundle",
    form: "short",
    run: async (bench) => {
        const bundle = bench.bundles.make({version: newVersion, foreign: true});
        const {vm, before} = await slotsBefore(bench);
        await plugBundle(bench, vm, bundle);
        await bench.step("a foreign signature is refused", () => refused(vm, "usb", /signature/iu));
        await assertUntouched(bench, vm, before);
    },
};

export const wrongBundles: ImageCase = {
    name: "wrong-bundles",
    form: "long",
    run: async (bench) => {
        const {vm, before} = await slotsBefore(bench);
        const {bundles} = bench;
        const from = async (path: string, why: RegExp): Promise<void> => {
            const server = await serveFile(clientAddress.lan, path);
            try {
                await refused(vm, server.url, why);
            } finally {
                await server.close();
            }
        };
        await bench.step("another board's bundle", () =>
            from(
                bundles.make({version: newVersion, compatible: "carpd-arm64"}),
                /is for carpd-arm64/u,
            ),
        );
        await bench.step("an older version", () =>
            from(bundles.make({version: "0.0.1"}), /older than the running/u),
        );
        await bench.step("the first half of a bundle", () => from(bundles.truncated(0.5), /./u));
        await bench.step("no bundle at all", () => refused(vm, "/etc/hostname", /./u));
        await bench.step("nobody serves the URL", () =>
            refused(vm, `http://${clientAddress.lan}:9/x.raucb`, /./u),
        );
        await assertUntouched(bench, vm, before);
    },
};

export const olderForced: ImageCase = {
    name: "older-forced",
    form: "long",
    run: async (bench) => {
        const bundle = bench.bundles.make({version: "0.0.1"});
        const vm = await singleBox(bench);
        const server = await serveFile(clientAddress.lan, bundle);
        await bench.step("an older version is installed when it is forced", async () => {
            assert.match(await install(vm, server.url, true), /installed/u);
            assert.match(await vm.console.type("show images"), /0\.0\.1/u);
        });
        await server.close();
    },
};

export const stickPulled: ImageCase = {
    name: "stick-pulled",
    form: "long",
    run: async (bench) => {
        const bundle = bench.bundles.make({version: newVersion});
        const vm = await singleBox(bench);
        await plugBundle(bench, vm, bundle);
        await bench.step("the stick is pulled while the slot is written", async () => {
            const from = vm.console.port.raw.length;
            vm.console.port.type("system install-image usb\r");
            await vm.shell.until("carpctl show images", /writing/u, 120_000);
            await vm.pullStick();
            const said = await vm.console.says(/failed|refused|error/iu, 120_000, from);
            assert.doesNotMatch(said, /installed; /u);
        });
        await bench.step("the old slot starts and carries the addresses", async () => {
            await vm.cutPower();
            vm.disk?.check();
            const again = await bench.start({name: "a", ...(vm.disk ? {disk: vm.disk} : {})});
            await bench.untilServing(again);
            assert.match(await again.shell.must("cat /proc/cmdline"), /carpd\.slot=A/u);
            await again.console.until("show carp", /carp0: MASTER/u, 60_000);
        });
    },
};

export const dataFull: ImageCase = {
    name: "data-full",
    form: "long",
    run: async (bench) => {
        const bundle = bench.bundles.make({version: newVersion});
        const vm = await singleBox(bench);
        const config = await vm.shell.must("cat /etc/carpd/carpd.toml");
        await bench.step("the data partition is full", () =>
            vm.shell.must("dd if=/dev/zero of=/data/fill bs=1M 2>/dev/null; sync; true", 180_000),
        );
        await bench.step("a commit is refused or done, the configuration is whole", async () => {
            const said = await vm.console.type("ifconfig carp0 vhid 1 advskew 55");
            const now = await vm.shell.must("cat /etc/carpd/carpd.toml");
            assert.ok(now === config || now.includes("55"), now);
            if (now === config) assert.match(said, /space|full|ENOSPC/iu);
        });
        await bench.step("an installation says so or needs no room", async () => {
            await plugBundle(bench, vm, bundle);
            const said = await install(vm, "usb");
            assert.match(said, /installed|space|full/iu);
        });
        await bench.step("it still starts", async () => {
            await vm.cutPower();
            vm.disk?.check();
            const again = await bench.start({name: "a", ...(vm.disk ? {disk: vm.disk} : {})});
            await bench.untilServing(again);
            await again.console.until("show carp", /carp0: MASTER/u, 60_000);
        });
    },
};
