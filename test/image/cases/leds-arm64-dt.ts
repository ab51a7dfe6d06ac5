/**
 * A NanoPi R4S as far as its device tree tells: the arm64 image on QEMU's `virt` machine whose tree
 * got the board's compatible string, its LEDs on lines of the machine's GPIO chip and its reset
 * button. Stock kernel, the drivers leds-gpio and gpio-keys; the level of each line is read where
 * the kernel's GPIO subsystem tells it, not where the LED class does.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {mkdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {setTimeout as pause} from "node:timers/promises";
import type {Bench} from "../bench.ts";
import {bootLimitMs} from "../bench.ts";
import type {ImageCase} from "../case.ts";
import {Skipped} from "../case.ts";
import {imitate, keyRestart} from "../device-tree.ts";
import {partitionsOf} from "../disk.ts";
import {Peer} from "../peer.ts";
import type {Vm} from "../vm.ts";

const memoryMiB = 768;
/** The machine's second serial port sits on the PCI bus, and no preset of the image knows its name. */
const shellUnit = "systemd.wants=carp-test-shell@ttyS0.service";
/** By board/nanopi-r4s/board.json: status, role and a port. */
const lines = {"red:sys": 5, "green:lan": 6, "green:wan": 7} as const;
type Led = keyof typeof lines;

/** Kernel, initramfs and kernel line of the image's first slot. */
function slotOf(bench: Bench, folder: string): {kernel: string; initrd: string; append: string} {
    const image = readFileSync(bench.image.raw).subarray(0, 34 * 512);
    const boot = partitionsOf(image).find(({name}) => name === "boot-a");
    assert.ok(boot !== undefined, "the image has no partition boot-a");
    const words = ["-q", "-n", "-f", "-o", String(boot.offset), "-d", folder, bench.image.raw];
    const {status, stderr} = spawnSync("unsquashfs", words, {encoding: "utf8"});
    assert.equal(status, 0, stderr);
    const line = /^linux \S+ (.*)$/mu.exec(readFileSync(join(folder, "slot.cfg"), "utf8"))?.[1];
    assert.ok(line !== undefined, "slot.cfg has no kernel line");
    const append = line
        .replaceAll("$console_tty", "ttyAMA0")
        .replaceAll("$console", "console=ttyAMA0")
        .replaceAll("$slot_args", `carpd.slot=A rauc.slot=A ${shellUnit}`);
    return {kernel: join(folder, "vmlinuz"), initrd: join(folder, "initrd.img"), append};
}

export async function start(bench: Bench): Promise<Vm> {
    const folder = join(bench.folder, "r4s");
    mkdirSync(folder, {recursive: true});
    const {kernel, initrd, append} = slotOf(bench, join(folder, "boot"));
    const machine = ["-machine", "virt,gic-version=3"];
    const size = ["-cpu", "cortex-a72", "-smp", "2", "-m", String(memoryMiB)];
    const qemu = ["qemu-system-aarch64", ...machine, ...size, "-display", "none"];
    const tree = imitate(
        qemu,
        {
            compatible: "friendlyarm,nanopi-r4s",
            model: "FriendlyElec NanoPi R4S",
            leds: Object.entries(lines).map(([name, line]) => ({name, line})),
            button: keyRestart,
        },
        folder,
    );
    return await bench.start({
        name: "r4s",
        arch: "arm64",
        memoryMiB,
        disk: bench.flashed("r4s"),
        extra: ["-kernel", kernel, "-initrd", initrd, "-dtb", tree, "-append", append],
    });
}

/** The levels of some lines, one look after the other, for each line: "hi hi lo". */
async function levels(
    vm: Vm,
    leds: readonly Led[],
    looks: number,
): Promise<readonly (readonly string[])[]> {
    const names = leds.map((led) => `*'|${led} '*`).join("|");
    const look = `while read -r row; do case $row in ${names}) echo "$row";; esac; done </sys/kernel/debug/gpio`;
    const text = await vm.shell.must(
        `i=0; while [ $i -lt ${looks} ]; do ${look}; sleep 0.1; i=$((i+1)); done`,
        120_000,
    );
    return leds.map((led) =>
        text
            .split("\n")
            .filter((row) => row.includes(`|${led} `))
            .flatMap((row) => /\) out (hi|lo)/u.exec(row)?.[1] ?? []),
    );
}

const drawn = (row: readonly string[]): string =>
    row.map((level) => (level === "hi" ? "#" : ".")).join("");

/** Polls until a row of looks fits. */
async function untilLevels(
    vm: Vm,
    led: Led,
    fits: (row: readonly string[]) => boolean,
): Promise<string> {
    const end = performance.now() + 60_000;
    for (;;) {
        const [row = []] = await levels(vm, [led], 40);
        const text = drawn(row);
        if (row.length === 40 && fits(row)) return text;
        assert.ok(performance.now() < end, `the line of ${led} was: ${text}`);
    }
}

const all =
    (level: "hi" | "lo") =>
    (row: readonly string[]): boolean =>
        row.every((one) => one === level);

/** Seconds lit and dark in turns: at least three looks of the same in a row, and both levels. */
function blinksSlowly(row: readonly string[]): boolean {
    const text = drawn(row);
    return /###/u.test(text) && /\.\.\./u.test(text) && !/[^#]#{1,2}\.|[^.]\.{1,2}#/u.test(text);
}

/** QEMU lets go of the button 0.1 s after the last press. */
async function hold(vm: Vm, ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (performance.now() < end) {
        await vm.qmp.execute("system_powerdown");
        await pause(25);
    }
}

export const ledsArm64Dt: ImageCase = {
    name: "leds-arm64-dt",
    form: "long",
    run: async (bench) => {
        if (bench.image.arch !== "arm64") throw new Skipped("wants the arm64 image: --arch arm64");
        const vm = await start(bench);
        await bench.step("power on to the root shell", () => vm.shell.ready(bootLimitMs));
        await lights(bench, vm);
        await resetButton(bench, vm);
    },
};

/** The levels of the lines follow the state of the box. */
export async function lights(bench: Bench, vm: Vm): Promise<void> {
    const {shell} = vm;
    await bench.step("carpd answers", () =>
        // There is no log-in here: the board's console is a port that this machine has not.
        shell.until("carpctl show carp >/dev/null && echo serving", /serving/u, bootLimitMs),
    );
    await bench.step("the board is recognised by its device tree", async () => {
        const tree = await shell.must("tr '\\0' ' ' </proc/device-tree/compatible");
        assert.match(tree, /^friendlyarm,nanopi-r4s linux,dummy-virt/u);
        assert.match(await shell.must("carpctl show system"), /nanopi-r4s/u);
    });
    await bench.step("leds-gpio made the board's LEDs on the lines of the tree", async () => {
        await shell.must("mountpoint -q /sys/kernel/debug || mount -t debugfs d /sys/kernel/debug");
        const gpio = await shell.must("cat /sys/kernel/debug/gpio");
        for (const led of Object.keys(lines)) assert.ok(gpio.includes(`|${led} `), gpio);
    });
    const port = (await shell.must("ls /sys/bus/pci/devices/0000:00:02.0/virtio*/net")).trim();
    await bench.step("MASTER: the line of green:lan is high", async () => {
        await shell.must(`carpctl ifconfig ${port} inet 192.168.1.2 netmask 255.255.255.0`);
        await shell.must("carpctl ifconfig carp0 create");
        await shell.must(
            `carpctl ifconfig carp0 vhid 1 advskew 100 carpdev ${port} pass mekmitasdigoat 192.168.1.1/24`,
        );
        bench.note(await untilLevels(vm, "green:lan", all("hi")));
        bench.note(`red:sys ${await untilLevels(vm, "red:sys", all("hi"))}`);
    });
    const peer = new Peer(join(bench.folder, "peer"));
    try {
        await bench.step("BACKUP: it is high for a second and low for a second", async () => {
            await peer.start({on: ["lan"]});
            bench.note(await untilLevels(vm, "green:lan", blinksSlowly));
        });
        await bench.step("carpd is stopped: it is low", async () => {
            await shell.must("systemctl stop carpd", 60_000);
            bench.note(await untilLevels(vm, "green:lan", all("lo")));
            await shell.must("systemctl start carpd", 60_000);
            await untilLevels(vm, "green:lan", blinksSlowly);
        });
    } finally {
        await peer.remove();
    }
    await bench.step("the other router is gone: it is high", async () => {
        bench.note(await untilLevels(vm, "green:lan", all("hi")));
    });
}

/** gpio-keys on the machine's power button line, with the board's code KEY_RESTART. */
export async function resetButton(bench: Bench, vm: Vm): Promise<void> {
    const {shell} = vm;
    await bench.step("a short press prints the state, and restarts nothing", async () => {
        const from = vm.qmp.events.length;
        await vm.qmp.execute("system_powerdown");
        await shell.until("carpctl show log", /button: carp0 .* is MASTER/u, 30_000);
        assert.ok(!vm.qmp.events.slice(from).some(({name}) => name === "RESET"));
        const state = await shell.must("systemctl list-jobs --no-legend");
        assert.doesNotMatch(state, /reboot|poweroff/u);
    });
    await bench.step("held for ten seconds: armed, and the panel shows it", async () => {
        await hold(vm, 6000);
        assert.doesNotMatch(await shell.must("carpctl show log"), /reset button: held/u);
        await hold(vm, 14_000);
        // At once, and both together: it is disarmed after 30 s.
        const [status = [], role = []] = await levels(vm, ["red:sys", "green:lan"], 40);
        const seen = `red:sys ${drawn(status)} green:lan ${drawn(role)}`;
        bench.note(seen);
        assert.ok(status.includes("hi") && status.includes("lo"), seen);
        assert.ok(role.length === 40 && all("lo")(role), seen);
        await shell.until("carpctl show log", /reset button: held/u, 60_000);
    });
    await bench.step("nobody confirms: disarmed by itself, nothing was erased", async () => {
        await shell.until("carpctl show log", /reset button: disarmed/u, 60_000);
        await untilLevels(vm, "green:lan", all("hi"));
        assert.match(await shell.must("carpctl show carp"), /carp0: MASTER/u);
    });
}
