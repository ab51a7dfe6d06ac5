/**
 * The power fails while a commit is written: the configuration is the old one or the new one, never
 * something in between, and the box boots with it.
 */
import assert from "node:assert/strict";
import type {Bench} from "../bench.ts";
import type {ImageCase} from "../case.ts";
import {Random} from "../random.ts";
import type {Vm} from "../vm.ts";

const file = "/etc/carpd/carpd.toml";
/** The same file as the data partition has it. */
const onDisk = "/config/carpd.toml";
const before = [
    "ifconfig lan0 inet 192.168.1.2 netmask 255.255.255.0",
    "ifconfig carp0 vhid 1 advskew 10 pass mekmitasdigoat 192.168.1.1/24",
];
const commit = "ifconfig carp0 vhid 1 advskew 77 pass battery 192.168.1.1/24";

async function cuts(bench: Bench, count: number, boots: number): Promise<void> {
    const random = new Random(bench.seed);
    let vm = await bench.ready("a");
    await bench.step("a configuration that has lasted", async () => {
        await vm.console.typeAll(before);
        await vm.shell.must("sync");
        await bench.keep(vm, "configured");
    });
    const old = await vm.shell.must(`cat ${file}`);
    const disk = bench.kept("a", "configured");
    const resume = async (): Promise<Vm> => {
        await vm.cutPower();
        disk.check();
        return await bench.start({name: "a", disk, snapshot: "configured"});
    };
    let [next, commitMs] = ["", 0];
    await bench.step("the commit without a power cut", async () => {
        // An emulator that was just started is slower: so it is in what follows.
        vm = await resume();
        const begin = performance.now();
        await vm.console.typeAll([commit]);
        commitMs = performance.now() - begin;
        next = await vm.shell.must(`cat ${file}`);
    });
    assert.notEqual(next, old);
    const seen = {old: 0, new: 0};
    await bench.step(
        `${count} commits, the power cut within ${Math.round(commitMs * 1.5)} ms`,
        async () => {
            for (let i = 0; i < count; i++) {
                vm = await resume();
                const waitMs = Math.round(random.next() * commitMs * 1.5);
                vm.console.port.type(`${commit}\r`);
                await new Promise((resolve) => setTimeout(resolve, waitMs));
                await vm.cutPower();
                disk.check();
                const [text] = disk.dataFiles([onDisk]);
                const which = text === old ? "old" : text === next ? "new" : undefined;
                assert.ok(
                    which,
                    `cut ${i + 1} after ${waitMs} ms: ${onDisk} is ${JSON.stringify(text)}`,
                );
                seen[which] += 1;
                if (i < boots) {
                    await bench.step(`after ${waitMs} ms (${which}): it boots`, async () => {
                        const again = await bench.start({name: "a", disk});
                        await bench.untilServing(again);
                        const running = await again.shell.must(`cat ${file}`);
                        assert.equal(running, text, "the boot changed the configuration");
                        const shown = await again.console.type("show carp");
                        assert.match(shown, which === "old" ? /advskew 10\b/u : /advskew 77\b/u);
                        await again.cutPower();
                    });
                }
            }
        },
    );
    bench.note(`${seen.old} times the old configuration, ${seen.new} times the new one`);
}

export const commitPowerCut: ImageCase = {
    name: "commit-power-cut",
    form: "short",
    run: async (bench) => await cuts(bench, 6, 1),
};

export const commitPowerCuts: ImageCase = {
    name: "commit-power-cuts",
    form: "long",
    run: async (bench) => await cuts(bench, 100, 3),
};
