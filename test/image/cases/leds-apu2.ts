/**
 * A PC Engines APU2 as far as its firmware tells: the same image, with the board's strings in the
 * firmware's tables. The kernel's own driver for that board takes them, and so does carpd; what it
 * writes to the registers of the three LEDs is seen from outside, because this machine has nothing
 * there. The levels are not: QEMU logs the address of such a write and not its value.
 */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {waitFor} from "../../../src/io/lab/namespaces.ts";
import type {ImageCase} from "../case.ts";
import {Skipped} from "../case.ts";

/** AMD FCH, GPIO control registers of LED1, LED2, LED3 (Linux: drivers/platform/x86/pcengines-apuv2.c). */
const registers = {
    "apu:green:1": "0xFED81610",
    "apu:green:2": "0xFED81614",
    "apu:green:3": "0xFED81618",
} as const;
type Led = keyof typeof registers;

export const ledsApu2: ImageCase = {
    name: "leds-apu2",
    form: "long",
    run: async (bench) => {
        if (bench.image.arch !== "amd64") throw new Skipped("an APU2 is an amd64 machine");
        const log = join(bench.folder, "apu2-guest.log");
        const vm = await bench.start({
            name: "apu2",
            disk: bench.flashed("apu2"),
            extra: [
                ...["-smbios", "type=1,manufacturer=PC Engines,product=apu2"],
                ...["-smbios", "type=2,manufacturer=PC Engines,product=apu2"],
                ...["-d", "guest_errors", "-D", log],
            ],
        });
        /** Writes to the register of an LED so far. */
        const writes = (led: Led): number =>
            readFileSync(log, "utf8").split(`Invalid write at addr ${registers[led]}`).length - 1;
        const trigger = async (led: Led): Promise<string> =>
            /\[(.+)\]/u.exec(await vm.shell.must(`cat /sys/class/leds/${led}/trigger`))?.[1] ?? "";
        const shows = (led: Led, wanted: RegExp): Promise<string> =>
            vm.shell.until(
                `cd /sys/class/leds/${led} && cat trigger pattern repeat brightness 2>/dev/null`,
                wanted,
                60_000,
            );

        await bench.step("power on to the log-in prompt", () => bench.untilLogin(vm));
        await bench.step("first log-in", () => vm.console.setPassword());
        await bench.step("the board is recognised", async () => {
            assert.match(await vm.console.type("show system"), /pcengines-apu2/u);
        });
        await bench.step("the kernel's own driver made its three LEDs", async () => {
            const made = await vm.shell.must("ls /sys/class/leds");
            for (const led of Object.keys(registers)) assert.ok(made.includes(led), made);
            const module = await vm.shell.must("lsmod | grep -c ^pcengines_apuv2");
            assert.equal(module.trim(), "1");
            const {output} = await vm.shell.run("grep -A3 apu2-keys /proc/bus/input/devices");
            bench.note(`button: ${output.replaceAll(/\s+/gu, " ") || "no input device apu2-keys"}`);
        });
        await bench.step("no LED of the panel is reported as broken", async () => {
            const shown = await vm.shell.until("carpctl show leds", /apu:green:3/u, 60_000);
            assert.doesNotMatch(shown, /no such LED|cannot be written|hangs/u);
        });
        const port = (await vm.shell.must("ls /sys/class/net | grep -v '^lo' | head -n 1")).trim();
        const role = "apu:green:2";
        await bench.step("MASTER: LED 2 is lit, its register was written", async () => {
            const before = writes(role);
            await vm.console.typeAll([
                `ifconfig ${port} inet 192.168.1.2 netmask 255.255.255.0`,
                "ifconfig carp0 create",
                `ifconfig carp0 vhid 1 carpdev ${port} pass mekmitasdigoat 192.168.1.1/24`,
            ]);
            // A dead man's light: lit for ten seconds, and renewed.
            await shows(role, /^1 10000 1 0 0 1 0 0 ?\n1\n1$/mu);
            assert.equal(await trigger(role), "pattern");
            assert.ok(writes(role) > before, "nothing was written to the register of LED 2");
        });
        const steady = writes(role);
        await bench.step("demoted: the register is written at each flash", async () => {
            await vm.shell.must("carpctl demote operator:test 20");
            await shows(role, /^1 700 1 0 0 100 0 0 1 100 1 0 0 100 0 0/mu);
            // Four edges a second.
            await waitFor("40 writes to LED 2", 60_000, () =>
                writes(role) - steady >= 40 ? true : undefined,
            );
            await vm.shell.must("carpctl undemote operator:test");
        });
        await bench.step("carpd is gone: LED 3 is lit, LED 2 is dark", async () => {
            const before = writes("apu:green:3");
            await vm.shell.must("systemctl stop carpd", 60_000);
            await vm.shell.until("cat /sys/class/leds/apu:green:3/brightness", /^1/u, 30_000);
            await vm.shell.until("cat /sys/class/leds/apu:green:2/brightness", /^0/u, 30_000);
            assert.ok(writes("apu:green:3") > before);
        });
        const counts = Object.entries(registers).map(
            ([led, register]) =>
                `${led} ${register}: ${readFileSync(log, "utf8").split(`write at addr ${register}`).length - 1}`,
        );
        bench.note(`writes seen from outside: ${counts.join(", ")}`);
    },
};
