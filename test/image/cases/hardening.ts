/** The sandboxes of the units as systemd itself judges them, and a boot without GRUB's memory. */
import assert from "node:assert/strict";
import type {ImageCase} from "../case.ts";
import {slotOf} from "../updates.ts";

/** The most exposure that each unit may have, 0 to 10. */
const most: Readonly<Record<string, number>> = {
    "carpd.service": 2,
    "carp-console@ttyS0.service": 1,
    "carp-panel.service": 2,
};

export const unitSecurity: ImageCase = {
    name: "unit-security",
    form: "long",
    run: async (bench) => {
        const vm = await bench.ready("a");
        for (const unit of [...Object.keys(most), "carp-system.service"]) {
            const text = await vm.shell.must(
                `systemd-analyze security --no-pager ${unit} | tail -n 3`,
                60_000,
            );
            const exposure = Number(/:\s+([\d.]+)\s/u.exec(text)?.[1] ?? Number.NaN);
            bench.note(`${unit}: ${exposure}`);
            assert.ok(exposure <= (most[unit] ?? 10), `${unit}: ${text}`);
        }
    },
};

export const emptyGrubenv: ImageCase = {
    name: "empty-grubenv",
    form: "long",
    run: async (bench) => {
        const vm = await bench.ready("a");
        await bench.step(
            "GRUB's environment is lost, as by a cut while it was written",
            async () => {
                const script =
                    "mkdir -p /run/esp && mount /dev/disk/by-partlabel/esp /run/esp && " +
                    'f=$(find /run/esp -name grubenv) && : > "$f" && sync && umount /run/esp';
                await vm.shell.must(script);
                await vm.cutPower();
            },
        );
        await bench.step("slot A starts", async () => {
            vm.disk?.check();
            const again = await bench.start({name: "a", ...(vm.disk ? {disk: vm.disk} : {})});
            await bench.untilServing(again);
            assert.equal(await slotOf(again), "A");
        });
    },
};

export const uefi: ImageCase = {
    name: "uefi",
    form: "long",
    run: async (bench) => {
        const disk = bench.flashed("efi");
        const vm = await bench.start({name: "efi", disk, firmware: "uefi"});
        await bench.step("UEFI firmware: power on to the log-in prompt", () =>
            bench.untilLogin(vm),
        );
        await bench.step("first log-in", () => vm.console.setPassword());
        await bench.step("it runs slot A, started by EFI", async () => {
            assert.equal(await slotOf(vm), "A");
            await vm.shell.must("test -d /sys/firmware/efi");
        });
    },
};
