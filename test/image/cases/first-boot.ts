/** Out of the carton: power on, a console that asks for the first password, a board with a name. */
import assert from "node:assert/strict";
import type {ImageCase} from "../case.ts";

export const firstBoot: ImageCase = {
    name: "first-boot",
    form: "short",
    run: async (bench) => {
        const vm = await bench.ready("a");
        await bench.step("show system names the board", async () => {
            assert.match(await vm.console.type("show system"), /qemu-x86_64/u);
        });
        await bench.step("no port listens on any address", async () => {
            assert.equal((await vm.shell.must("ss -Hltnu")).trim(), "");
        });
        await bench.step("the root is read-only, the data partition has grown", async () => {
            assert.match(
                await vm.shell.must("findmnt -n -o FSTYPE,OPTIONS /data"),
                /ext4.*\brw\b/u,
            );
            const megabytes = Number(await vm.shell.must("df -m --output=size /data | tail -n 1"));
            // The disk has 2 GiB, the image's own data partition 64 MiB.
            assert.ok(megabytes > 800, `the data partition has ${megabytes} MiB`);
            const {status} = await vm.shell.run("echo x > /usr/lib/carpd/x");
            assert.notEqual(status, 0, "/usr can be written");
        });
        await bench.step("no unit has failed", async () => {
            const failed = await vm.shell.must("systemctl --failed --plain --no-legend");
            assert.equal(failed.trim(), "");
        });
        await bench.step("secrets of this unit are its own", async () => {
            assert.match(await vm.shell.must("cat /etc/machine-id"), /^[0-9a-f]{32}\n$/u);
            const shadow = await vm.shell.must("grep ^root: /etc/shadow");
            assert.match(shadow, /^root:[!*]/u, "root has a password");
        });
    },
};
