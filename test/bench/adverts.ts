/** How regular adverts are, by the time stamps that the kernel gives them on their way out. */
import {setTimeout as pause} from "node:timers/promises";
import {advertisementIntervalUs} from "../../src/core/lab/arithmetic.ts";
import {advertsOf} from "../support/pcap.ts";
import {pairBlock, type Router, type Scene} from "../support/routers.ts";
import {regularity, spreadOf} from "./numbers.ts";
import type {Effort} from "./options.ts";
import type {Finding, Row} from "./table.ts";

const settings = [
    {name: "s", advbase: 1, advskew: 0},
    {name: "f", advbase: 0, advskew: 10},
] as const;

interface Source {
    readonly router: Router;
    readonly label: string;
    readonly nominalUs: number;
}

async function record(scene: Scene, sources: readonly Source[], seconds: number, load: string) {
    const captures = await Promise.all(
        sources.map(({router}) => scene.switches.capture(router.host.cable("eth1").port)),
    );
    await pause(seconds * 1000);
    return await Promise.all(
        sources.map(async ({label, nominalUs}, i): Promise<Row> => {
            const frames = (await captures[i]?.stop()) ?? [];
            const times = advertsOf(frames, {source: "192.168.1.2"}).map(({atUs}) => atUs);
            const regular = regularity(times, nominalUs);
            const errors = regular === null ? null : spreadOf(regular.errors);
            return {
                label: `${label}, ${load}`,
                values: {
                    n: errors?.n ?? 0,
                    p50Us: errors?.median ?? null,
                    p99Us: errors?.p99 ?? null,
                    maxUs: errors?.max ?? null,
                    driftPpm: regular?.driftPpm ?? null,
                },
            };
        }),
    );
}

/** One busy loop a core, in ordinary shells. */
async function withBusyCores<T>(scene: Scene, cores: number, body: () => Promise<T>): Promise<T> {
    const host = scene.host("load");
    const loops = Array.from({length: cores}, () =>
        host.spawn(["sh", "-c", "while :; do :; done"], {logName: "load"}),
    );
    try {
        return await body();
    } finally {
        await Promise.all(loops.map((loop) => loop.kill("SIGKILL")));
    }
}

export async function measureAdverts(
    scene: Scene,
    effort: Effort,
    say: (line: string) => void,
    cores: number,
): Promise<Finding> {
    const seconds = effort.advertSeconds;
    const sources = settings.map(({name, advbase, advskew}): Source => {
        const router = scene.router(name, scene.segment(name), ["192.168.1.2/24"], {
            carp: [pairBlock(advskew, {advbase})],
        });
        const label = `advbase ${advbase} advskew ${advskew}`;
        return {router, label, nominalUs: advertisementIntervalUs(advbase, advskew)};
    });
    await Promise.all(sources.map(({router}) => router.start()));
    await Promise.all(sources.map(({router}) => router.until("MASTER")));
    say(`idle, ${seconds} s`);
    const idle = await record(scene, sources, seconds, "idle");
    say(`${cores} cores busy, ${seconds} s`);
    const busy = await withBusyCores(scene, cores, () =>
        record(scene, sources, seconds, `${cores} cores busy`),
    );
    return {
        name: "adverts",
        title: `error of the interval between adverts, kernel time stamps, ${seconds} s each`,
        columns: [
            {key: "n", title: "n", digits: 0},
            {key: "p50Us", title: "p50 us", digits: 0},
            {key: "p99Us", title: "p99 us", digits: 0},
            {key: "maxUs", title: "max us", digits: 0},
            {key: "driftPpm", title: "drift ppm", digits: 1},
        ],
        rows: [...idle, ...busy],
        notes: ["drift: mean interval against the nominal one, positive: too slow"],
        failed: false,
    };
}
