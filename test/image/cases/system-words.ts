/** Words that change the whole box: factory reset, handing over before a restart, ssh. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {waitFor} from "../../../src/io/lab/namespaces.ts";
import type {ImageCase} from "../case.ts";
import {holderOf, pingStream} from "../network.ts";
import {goDown, singleBox} from "../updates.ts";
import {tapName} from "../vm.ts";

export const factoryReset: ImageCase = {
    name: "factory-reset",
    form: "long",
    run: async (bench) => {
        const vm = await singleBox(bench);
        const machine = await vm.shell.must("cat /etc/machine-id");
        await bench.step("without the typed confirmation nothing happens", async () => {
            await vm.console.answer("factory-reset", /erase everything/u);
            assert.match(await vm.console.type("no"), /./u);
            assert.match(await vm.shell.must("cat /etc/carpd/carpd.toml"), /vhid = 1/u);
        });
        const events = vm.qmp.events.length;
        const from = vm.console.port.raw.length;
        await bench.step("with it: restart, no user, no configuration", async () => {
            await vm.console.answer("factory-reset", /erase everything/u);
            vm.console.port.type("erase everything\r");
            await vm.reset(600_000, events);
            await bench.untilLogin(vm, from);
            await vm.console.setPassword();
            assert.doesNotMatch(await vm.shell.must("cat /etc/carpd/carpd.toml"), /vhid/u);
            assert.notEqual(await vm.shell.must("cat /etc/machine-id"), machine);
        });
    },
};

export const handOver: ImageCase = {
    name: "hand-over",
    form: "long",
    run: async (bench) => {
        const {a, b} = await bench.pair();
        await bench.step("a MASTER is not restarted just like that", async () => {
            await a.console.answer("system reboot", "[yes/no]");
            assert.match(await a.console.type("yes"), /MASTER.*hand-over/su);
        });
        const stream = pingStream("192.168.1.1");
        const from = a.console.port.raw.length;
        const fromOfB = b.console.port.raw.length;
        const events = a.qmp.events.length;
        await bench.step("system reboot hand-over: B has both before A goes", async () => {
            await goDown(a, "system reboot hand-over");
            await b.console.says(/carp0: .*BACKUP -> MASTER/u, 60_000, fromOfB);
            await b.console.says(/carp1: .*BACKUP -> MASTER/u, 60_000, fromOfB);
            assert.equal(holderOf("192.168.1.1", 1, "lan"), tapName("b", "lan"));
            await a.reset(600_000, events);
        });
        const {answers, silenceMs} = await stream.stop();
        bench.note(`${answers} pings answered, the longest silence ${silenceMs} ms`);
        await bench.step("A comes back and takes both again", async () => {
            await bench.untilServing(a, from);
            await waitFor("A to hold both", 120_000, () =>
                holderOf("192.168.1.1", 1, "lan") === tapName("a", "lan") ? true : undefined,
            );
        });
        assert.ok(silenceMs < 5000, `${silenceMs} ms of silence`);
    },
};

function portOpen(address: string, port: number): boolean {
    return (
        spawnSync("bash", ["-c", `exec 3<>/dev/tcp/${address}/${port}`], {timeout: 5000}).status ===
        0
    );
}

export const ssh: ImageCase = {
    name: "ssh",
    form: "long",
    run: async (bench) => {
        const vm = await singleBox(bench);
        const address = "192.168.1.2";
        assert.ok(!portOpen(address, 22), "ssh answers although nobody has enabled it");
        await bench.step("enabled in the configuration: it answers", async () => {
            await vm.console.typeAll([
                "configure",
                "set system ssh true",
                "set system allow lan0:ssh",
                "commit",
                "exit",
            ]);
            await waitFor("port 22 to be open", 90_000, () =>
                portOpen(address, 22) ? true : undefined,
            );
        });
        await bench.step("switched off again: it does not", async () => {
            await vm.console.typeAll(["configure", "set system ssh false", "commit", "exit"]);
            await waitFor("port 22 to be closed", 90_000, () =>
                portOpen(address, 22) ? undefined : true,
            );
            assert.equal((await vm.shell.must("ss -Hltnu")).trim(), "");
        });
    },
};
