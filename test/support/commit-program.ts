/**
 * A process that commits and dies: `commit-program.js FOLDER ACT N whole|half`. It is killed with
 * SIGKILL right after the N-th call that changes the disk ("half": in the middle of it, which is a
 * write). With N = 0 it gets to its end, and prints its calls.
 */

import {ManualClock} from "../unit/condition-fixtures.ts";
import {
    admin,
    type ConfigurationRig,
    fileText,
    startRig,
    watchedFs,
} from "../unit/configuration-rig.ts";

const [folder = "", act = "", count = "", how = ""] = process.argv.slice(2);
const fatal = Number(count);
let calls = 0;
const all: string[] = [];

function die(): Promise<never> {
    process.kill(process.pid, "SIGKILL");
    // Nothing goes on until the signal is there.
    return new Promise(() => undefined);
}

const fs = watchedFs(
    async (_call, octets, file) => {
        if (how !== "half" || octets === null || file === null || calls + 1 !== fatal) return;
        await file.write(octets.subarray(0, Math.ceil(octets.length / 2)));
        await die();
    },
    async (call) => {
        calls += 1;
        all.push(call);
        if (how === "whole" && calls === fatal) await die();
    },
);

const clock = new ManualClock();

async function commit(rig: ConfigurationRig, confirmedMinutes: number | null): Promise<void> {
    const {configuration} = rig;
    configuration.open(admin);
    configuration.load(admin, fileText(100), false);
    const done = await configuration.commit(admin, {confirmedMinutes, remark: "", force: false});
    if (!done.ok) throw new Error(done.error.message);
}

switch (act) {
    case "commit":
        await commit((await startRig(folder, fs, clock)).rig, null);
        break;
    case "confirmed":
        await commit((await startRig(folder, fs, clock)).rig, 10);
        break;
    case "revert": {
        const {rig} = await startRig(folder, fs, clock);
        await commit(rig, 1);
        await clock.advance(60_000);
        while (!rig.said.some((text) => text.includes("went back"))) {
            await new Promise((resolve) => setImmediate(resolve));
        }
        break;
    }
    case "start":
        await startRig(folder, fs, clock);
        break;
    default:
        throw new Error(`no act ${act}`);
}
process.stdout.write(JSON.stringify(all));
