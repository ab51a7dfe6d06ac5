/** Memory and CPU of carpd by the number of its vhids, as MASTER and as BACKUP, beside bare node. */
import {readFileSync} from "node:fs";
import {setTimeout as pause} from "node:timers/promises";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {collect, pairBlock, type Router, type Scene} from "../support/routers.ts";
import {type Memory, parseCpuTicks, parseMemory} from "./numbers.ts";
import type {Effort} from "./options.ts";
import type {Finding, Row} from "./table.ts";

const sizes = [1, 64, 255];
/** 255 virtual interfaces take a while on a busy machine. */
const readyMs = 60_000;
const megabyte = 1024 * 1024;

function memoryOf(pid: number): Memory {
    return parseMemory(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
}

/** Seconds of CPU so far. */
function cpuOf(pids: readonly number[], ticksPerSecond: number): number {
    const ticks = pids.map((pid) => parseCpuTicks(readFileSync(`/proc/${pid}/stat`, "utf8")));
    return ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond;
}

interface Subject {
    readonly label: string;
    readonly router: Router;
    readonly state: "MASTER" | "BACKUP";
    readonly size: number;
}

function subjects(scene: Scene): readonly Subject[] {
    return sizes.flatMap((size) => {
        const segment = scene.segment(`s${size}`);
        const make = (state: Subject["state"], number: number, advskew: number): Subject => ({
            label: `${size} ${size === 1 ? "vhid" : "vhids"}, ${state}`,
            state,
            size,
            router: scene.router(`${state[0] ?? ""}${size}`, segment, [`10.1.0.${number}/16`], {
                carp: Array.from({length: size}, (_, i) =>
                    pairBlock(advskew, {
                        name: `carp${i}`,
                        vhid: i + 1,
                        addresses: [`10.1.1.${i + 1}/16`],
                    }),
                ),
            }),
        });
        return [make("MASTER", 2, 0), make("BACKUP", 3, 100)];
    });
}

/**
 * Every vhid is what it should be, and a BACKUP hears its MASTER. By the log: answering for 255
 * vhids again and again would fill the memory that is to be measured.
 */
async function ready({router, state, size}: Subject): Promise<void> {
    const reached = () => router.log().split(`-> ${state} (`).length - 1;
    await waitFor(
        `${size} vhids of ${router.host.name} to be ${state}`,
        readyMs,
        () => (reached() >= size ? true : undefined),
        () => `${reached()}`,
    );
}

/** Once more in the end, for nothing may have changed meanwhile. */
async function check({router, state, label}: Subject): Promise<void> {
    const other = (await router.carps()).filter(
        (carp) => carp.state !== state || (state === "BACKUP" && carp.master === null),
    );
    if (other.length > 0) throw new Error(`${label}: ${other.length} are something else`);
}

export async function measureResources(
    scene: Scene,
    effort: Effort,
    say: (line: string) => void,
): Promise<Finding> {
    const ticks = Number((await collect(["getconf", "CLK_TCK"])).stdout);
    const list = subjects(scene);
    const bare = scene
        .host("bare")
        .spawn([process.execPath, "-e", "setInterval(() => undefined, 1e9)"], {logName: "bare"});
    for (const subject of list) {
        say(`start ${subject.label}`);
        await subject.router.start();
        await ready(subject);
    }
    // Promotion repeats its announcements after one and two intervals.
    await pause(3000);
    say(`CPU over ${effort.cpuSeconds} s`);
    const pids = list.map(({router}) => router.host.pids());
    const before = pids.map((of) => cpuOf(of, ticks));
    const from = performance.now();
    await pause(effort.cpuSeconds * 1000);
    const after = pids.map((of) => cpuOf(of, ticks));
    const seconds = (performance.now() - from) / 1000;
    const node = memoryOf(bare.pid);
    const rows = list.map(({label, router}, i): Row => {
        const main = router.process.pid;
        const carpd = memoryOf(main);
        const helpers = (pids[i] ?? []).filter((pid) => pid !== main).map(memoryOf);
        const used = (after[i] ?? 0) - (before[i] ?? 0);
        return {
            label,
            values: {
                pssMb: carpd.pss / megabyte,
                ownMb: carpd.own / megabyte,
                overNodeMb: (carpd.pss - node.pss) / megabyte,
                janitorMb: helpers.reduce((sum, {pss}) => sum + pss, 0) / megabyte,
                cpuPercent: (used / seconds) * 100,
            },
        };
    });
    await Promise.all(list.map(check));
    return {
        name: "resources",
        title: `memory, and CPU over ${effort.cpuSeconds} s, advbase 1`,
        columns: [
            {key: "pssMb", title: "PSS MB", digits: 1},
            {key: "ownMb", title: "private MB", digits: 1},
            {key: "overNodeMb", title: "PSS over bare node MB", digits: 1},
            {key: "janitorMb", title: "janitor PSS MB", digits: 1},
            {key: "cpuPercent", title: "% of a core", digits: 2},
        ],
        rows: [
            ...rows,
            {label: "bare node", values: {pssMb: node.pss / megabyte, ownMb: node.own / megabyte}},
        ],
        notes: [
            `PSS: pages of the node binary are shared among ${list.length + 1} processes here and more; carpd alone on a host pays for all of them, as bare node does`,
            "CPU: utime + stime of carpd and its janitor; a MASTER sends one advert per vhid and second, a BACKUP checks as many",
        ],
        failed: false,
    };
}
