/** What the cases about updates do with a box. */
import assert from "node:assert/strict";
import {type Bench, manualLines} from "./bench.ts";
import type {Vm} from "./vm.ts";

/** Every partition that a release lives in. */
export const slotPartitions = ["boot-a", "root-a", "boot-b", "root-b"] as const;
/** Higher than any version of this program. */
export const newVersion = "99.1.0";
const configuration = "/etc/carpd/carpd.toml";

/** Emulated, a bundle is checked and written in some 20 s; on a busy host it is a minute. */
const installLimitMs = 300_000;

/** A box that carries both addresses of the manual, on its own; kept as "single". */
export async function singleBox(bench: Bench): Promise<Vm> {
    const kept = await bench.resume("a", "single");
    if (kept !== undefined) return kept;
    const vm = await bench.ready("a");
    await bench.step("a: the manual's configuration, typed on the console", async () => {
        await vm.console.typeAll(manualLines("a"));
        await vm.console.until("show carp", /carp0: MASTER.*carp1: MASTER/su, 60_000);
        await vm.shell.must("sync");
    });
    await untilGood(bench, vm);
    await bench.keep(vm, "single");
    return vm;
}

export async function configurationOf(vm: Vm): Promise<string> {
    return await vm.shell.must(`cat ${configuration}`);
}

/** "A" or "B". */
export async function slotOf(vm: Vm): Promise<string> {
    const line = await vm.shell.must("cat /proc/cmdline");
    return /\bcarpd\.slot=([AB])\b/u.exec(line)?.[1] ?? "";
}

export async function releaseOf(vm: Vm): Promise<string> {
    const release: unknown = JSON.parse(await vm.shell.must("cat /usr/lib/carpd/release.json"));
    const version: unknown = Reflect.get(Object(release), "version");
    return typeof version === "string" ? version : "";
}

/** Until the running slot has proved itself. */
export async function untilGood(bench: Bench, vm: Vm): Promise<void> {
    await bench.step(`${vm.name}: the running slot is marked good`, () =>
        vm.console.until("show images", /^\*[AB] .*\bgood\b/mu, 120_000),
    );
}

/** Types the word on the console; what it printed until it was done. */
export async function install(vm: Vm, source: string, force = false): Promise<string> {
    const word = `system install-image ${source}${force ? " force" : ""}`;
    return await vm.console.type(word, installLimitMs);
}

/** Plugs a stick with a bundle and waits until the guest has it. */
export async function plugBundle(bench: Bench, vm: Vm, bundle: string): Promise<void> {
    await vm.plugStick(bench.bundles.stick(bundle));
    await vm.shell.until("ls /dev/disk/by-label/ 2>&1", /UPDATE/u, 60_000);
}

/** Types a word that restarts the box, and says yes. */
export async function goDown(vm: Vm, word: string): Promise<void> {
    await vm.console.answer(word, "[yes/no]");
    vm.console.port.type("yes\r");
}

/** Restarts the box by its console and waits until carpd answers again. */
export async function reboot(bench: Bench, vm: Vm, word = "system reboot force"): Promise<void> {
    const events = vm.qmp.events.length;
    const from = vm.console.port.raw.length;
    await goDown(vm, word);
    await vm.reset(600_000, events);
    await bench.untilServing(vm, from);
}

/** A refusal in one sentence, and nothing written: the slots are as `before`. */
export async function assertUntouched(
    bench: Bench,
    vm: Vm,
    before: Readonly<Record<string, string>>,
): Promise<void> {
    await bench.step("the slots are as before, octet by octet", async () => {
        await vm.shell.must("sync");
        await vm.cutPower();
        vm.disk?.check();
        assert.deepEqual(vm.disk?.checksums(slotPartitions), before);
    });
}
