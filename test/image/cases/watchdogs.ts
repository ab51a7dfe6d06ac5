/** What hangs is ended: the machine by its watchdog, carpd by systemd, a crash loop by giving up. */
import assert from "node:assert/strict";
import {waitFor} from "../../../src/io/lab/namespaces.ts";
import type {ImageCase} from "../case.ts";
import {on} from "../led-edges.ts";
import {untilAnswers} from "../network.ts";
import {panelShows} from "../panel-look.ts";
import {singleBox} from "../updates.ts";
import type {Vm} from "../vm.ts";

async function pidOfCarpd(vm: Vm): Promise<string> {
    return (await vm.shell.must("systemctl show -p MainPID --value carpd")).trim();
}

export const hardwareWatchdog: ImageCase = {
    name: "hardware-watchdog",
    form: "long",
    run: async (bench) => {
        const vm = await singleBox(bench);
        await bench.step("systemd feeds the hardware's watchdog", async () => {
            const text = await vm.shell.must("cat /sys/class/watchdog/watchdog*/identity");
            assert.match(text, /i6300ESB/u);
            const runtime = await vm.shell.must("systemctl show -p RuntimeWatchdogUSec --value");
            assert.match(runtime, /^\d+s/u);
        });
        const events = vm.qmp.events.length;
        const from = vm.console.port.raw.length;
        await bench.step("the kernel hangs for good: the watchdog resets the machine", async () => {
            // Without a restart by the kernel itself nobody but the hardware is left.
            await vm.shell.must("echo 0 > /proc/sys/kernel/panic");
            vm.shellPort.type("echo c > /proc/sysrq-trigger\n");
            await vm.qmp.event("WATCHDOG", 120_000, events);
            await vm.reset(10_000, events);
        });
        await bench.step("it starts again and carries the addresses", async () => {
            await bench.untilServing(vm, from);
            await untilAnswers("192.168.1.1", 60_000);
        });
        const crash = vm.qmp.events.length;
        await bench.step("the kernel crashes: it restarts itself within 30 s", async () => {
            vm.shellPort.type("echo c > /proc/sysrq-trigger\n");
            await vm.reset(30_000, crash);
        });
    },
};

export const hungEngine: ImageCase = {
    name: "hung-engine",
    form: "long",
    run: async (bench) => {
        const vm = await singleBox(bench);
        const pid = await pidOfCarpd(vm);
        await bench.step("carpd hangs: another one runs within 5 s", async () => {
            // Measured by the guest's clock and without a program that takes long to start.
            const main = "$(systemctl show -p MainPID --value carpd)";
            const seconds = await vm.shell.must(
                `read begin rest </proc/uptime; kill -STOP ${pid}; ` +
                    `while [ -e /proc/${pid} ]; do sleep 0.1; done; ` +
                    "read ended rest </proc/uptime; " +
                    `until p=${main}; [ "$p" != 0 ] && [ "$p" != ${pid} ]; do sleep 0.1; done; ` +
                    "read started rest </proc/uptime; " +
                    'echo "$begin $ended $started"',
                120_000,
            );
            const [begin = 0, ended = 0, started = 0] = seconds.trim().split(" ").map(Number);
            const after = (when: number): string => `${(when - begin).toFixed(1)} s`;
            bench.note(
                `killed after ${after(ended)}, the next one started after ${after(started)}`,
            );
            assert.ok(started - begin < 5, `${after(started)} until the next one was started`);
        });
        await bench.step("and carries the addresses", () => untilAnswers("192.168.1.1", 120_000));
        assert.notEqual(await pidOfCarpd(vm), pid);
    },
};

export const crashLoop: ImageCase = {
    name: "crash-loop",
    form: "long",
    run: async (bench) => {
        const vm = await singleBox(bench);
        const events = vm.qmp.events.length;
        await bench.step("carpd dies again and again: one restart of the box", async () => {
            // A state that outlives the restart: the data partition is where carpd's comes from.
            const drop = "/data/system/crash-test.sh";
            await vm.shell.write(
                drop,
                "#!/bin/sh\nwhile :; do p=$(systemctl show -p MainPID --value carpd); " +
                    '[ "$p" != 0 ] && kill -SEGV "$p"; sleep 0.3; done\n',
                0o755,
            );
            await vm.shell.must(`(setsid sh ${drop} >/dev/null 2>&1 &)`);
            await vm.reset(240_000, events);
        });
        // Not the emulator's RESET events: its firmware resets the machine once more by itself.
        const start = (): Promise<string> => vm.shell.must("cat /proc/sys/kernel/random/boot_id");
        let second = "";
        await bench.step("again in the same way: everything stays in INIT, fault on", async () => {
            await vm.shell.ready(240_000);
            second = await start();
            await vm.shell.until("systemctl is-active carpd", /^active/u, 240_000);
            await vm.shell.must("(setsid sh /data/system/crash-test.sh >/dev/null 2>&1 &)");
            await vm.shell.until("systemctl is-active carpd-hold", /^active/u, 240_000);
            await vm.shell.run("pkill -f crash-test.sh");
            await waitFor("INIT of both", 60_000, async () => {
                const {output} = await vm.shell.run("carpctl show carp");
                return /carp0: INIT.*carp1: INIT/su.test(output) ? true : undefined;
            });
            await panelShows(vm, {fault: on}, 60_000);
        });
        // carp-crashloop has decided by then, and what it decided would have begun.
        await vm.shell.must("sleep 20", 60_000);
        assert.equal(await start(), second, "the box was restarted a second time");
    },
};
