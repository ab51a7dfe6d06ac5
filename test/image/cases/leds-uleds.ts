/**
 * Every state of the front panel on LEDs of the kernel's own LED class (uleds): which light, which
 * pattern, and its timing as the kernel made it. The other router is carpd in a namespace of this
 * program.
 */
import assert from "node:assert/strict";
import {join} from "node:path";
import type {Bench} from "../bench.ts";
import {manualLines} from "../bench.ts";
import type {ImageCase} from "../case.ts";
import {Skipped} from "../case.ts";
import {cycle, off, on} from "../led-edges.ts";
import {LedPanel, type Lights, type Row, type Scene} from "../led-panel.ts";
import {Peer} from "../peer.ts";
import type {Vm} from "../vm.ts";
import {deadMan} from "./leds-dead-man.ts";

/** Asks carpd's control socket in the guest, as its programs there do. */
async function post(vm: Vm, path: string, body: object): Promise<void> {
    const program = `
        const body = ${JSON.stringify(JSON.stringify(body))};
        const request = require("http").request(
            {socketPath: "/run/carpd/control.sock", method: "POST", path: ${JSON.stringify(path)},
             headers: {"content-type": "application/json", "content-length": body.length}},
            (answer) => { process.exitCode = answer.statusCode < 300 ? 0 : 1; answer.pipe(process.stdout); });
        request.end(body);`;
    await vm.shell.must(`node -e '${program}'`, 60_000);
}

const dark: Lights = {role: off, fault: off};

/** Without and with a configuration, alone on its segments. */
async function alone({bench, vm, panel, row}: Scene): Promise<void> {
    const {shell, console} = vm;
    await row({
        state: "nothing configured",
        by: async () => undefined,
        lights: {status: on, ...dark},
        says: /no carp interface is configured/u,
        deadlineMs: 90_000,
    });
    await row({
        state: "daemon stopped",
        by: () => panel.act("systemctl stop carpd"),
        lights: {status: off, role: off, fault: on},
    });
    await row({
        state: "boot: carpd is not there yet",
        by: () => panel.act("systemctl restart carp-panel"),
        lights: {status: cycle(100, 100), ...dark},
        deadlineMs: 60_000,
    });
    await row({
        state: "carpd has started",
        by: () => panel.act("systemctl start carpd"),
        lights: {status: on, ...dark},
        deadlineMs: 60_000,
    });
    await bench.step("typing the manual's lines on the console", async () => {
        // The log-in ended with the daemon.
        await console.logIn();
        await console.typeAll(manualLines("b"));
    });
    const master: Lights = {status: on, role: on, fault: off};
    await row({
        state: "MASTER",
        by: async () => undefined,
        lights: {...master, lan: on, wan: on},
        says: /^role .*\n\tMASTER/mu,
    });
    const demotedMaster = {...master, role: cycle(700, 100, 100, 100)};
    await row({
        state: "MASTER, demoted",
        by: () => shell.must("carpctl demote operator:test 20"),
        lights: demotedMaster,
        says: /operator:test/u,
    });
    await shell.must("carpctl undemote operator:test");
    await row({
        state: "MASTER, maintenance",
        by: () => shell.must("carpctl maintenance on"),
        lights: demotedMaster,
        says: /maintenance/u,
    });
    await shell.must("carpctl maintenance off");
    const quick = cycle(100, 100);
    await row({
        state: "identify",
        by: () => shell.must("carpctl identify 25s"),
        lights: {status: quick, role: quick, fault: quick, lan: quick, wan: quick},
        says: /identify/u,
        deadlineMs: 15_000,
    });
    await row({
        state: "identify is over",
        by: async () => undefined,
        lights: {...master, lan: on, wan: on},
        deadlineMs: 40_000,
    });
    await console.typeAll(["configure", "set carp carp0 advskew 101"]);
    await row({
        state: "commit unconfirmed",
        by: () => console.type("commit confirmed 10"),
        lights: {...master, status: cycle(1900, 100)},
        says: /waits for its confirmation/u,
    });
    await row({
        state: "commit confirmed",
        by: () => console.type("confirm"),
        lights: master,
    });
    await console.typeAll(["exit"]);
    const busy: Lights = {status: cycle(50, 50), ...dark};
    await row({
        state: "reset armed",
        by: () => post(vm, "/v1/panel/button", {press: "armed"}),
        lights: busy,
        says: /erases/u,
    });
    await row({
        state: "reset disarmed",
        by: () => post(vm, "/v1/panel/button", {press: "disarmed"}),
        lights: master,
    });
}

/** With the other router on the segments. */
async function withPeer({vm, row}: Scene, peer: Peer): Promise<void> {
    const {shell} = vm;
    await row({
        state: "MASTER of one of two",
        by: () => peer.start({on: ["lan"]}),
        lights: {status: on, role: cycle(1500, 500), fault: off},
        says: /MASTER of 1 of 2/u,
    });
    await peer.fail();
    const backup: Lights = {status: on, role: cycle(1000, 1000), fault: off};
    await row({
        state: "BACKUP",
        by: () => peer.start(),
        lights: {...backup, lan: on, wan: on},
        says: /^role .*\n\tBACKUP/mu,
    });
    const demoted: Lights = {...backup, role: cycle(100, 100, 100, 700)};
    await row({
        state: "BACKUP, demoted",
        by: () => shell.must("carpctl demote operator:test 20"),
        lights: demoted,
        says: /operator:test/u,
    });
    await shell.must("carpctl undemote operator:test");
    await row({
        state: "BACKUP, maintenance",
        by: () => shell.must("carpctl maintenance on"),
        lights: demoted,
        says: /maintenance/u,
    });
    await shell.must("carpctl maintenance off");
    await row({
        state: "INIT: a cable is pulled",
        by: () => vm.cable("lan", false),
        lights: {status: on, role: cycle(200, 200), fault: off, lan: off, wan: on},
        says: /has no link/u,
    });
    await row({
        state: "BACKUP again: the cable is plugged",
        by: () => vm.cable("lan", true),
        lights: {...backup, lan: on, wan: on},
    });
    await row({
        state: "peer lost: the other router fell silent",
        by: () => peer.fail(),
        lights: {status: on, role: on, fault: on},
        says: /fell silent/u,
    });
    await row({
        state: "split brain: the other router has another password",
        by: () => peer.start({pass: "not the same"}),
        lights: {status: on, role: on, fault: cycle(100, 100)},
        says: /two masters/u,
        deadlineMs: 45_000,
    });
    await peer.fail();
}

/** What ends the use of the box: held in INIT, and an installation. */
async function last({bench, vm, panel, row}: Scene): Promise<void> {
    await row({
        state: "fault: carpd is held in INIT",
        by: () => panel.act("systemctl stop carpd; systemctl start carpd-hold"),
        lights: {status: on, role: off, fault: on},
        says: /holds everything in INIT/u,
        deadlineMs: 60_000,
    });
    await bench.step("carpd runs again", () =>
        vm.shell.must("systemctl stop carpd-hold; systemctl start carpd", 60_000),
    );
    const stick = bench.bundles.stick(bench.bundles.original);
    await vm.plugStick(stick);
    await row({
        state: "update running",
        by: () =>
            vm.shell.must(
                "nohup carpctl system install-image usb:update.raucb force >/dev/null 2>&1 &",
            ),
        lights: {status: cycle(50, 50), ...dark},
        says: /update is being written/u,
        deadlineMs: 60_000,
    });
}

/** A row is a step: what brings the state about, what is measured, what the operator is told. */
function sceneOf(bench: Bench, vm: Vm): Scene {
    const panel = new LedPanel(vm);
    const row = ({state, by, lights, says, deadlineMs}: Row): Promise<void> =>
        bench.step(state, async () => {
            await by();
            for (const line of await panel.shows(lights, deadlineMs)) bench.note(line);
            if (says !== undefined) {
                assert.match(await vm.shell.must("carpctl show leds", 60_000), says);
            }
        });
    return {bench, vm, panel, row};
}

export const ledsUleds: ImageCase = {
    name: "leds-uleds",
    form: "long",
    run: async (bench) => {
        if (bench.image.arch !== "amd64") throw new Skipped("uleds is built for the amd64 image");
        const scene = sceneOf(bench, await bench.ready("a"));
        await alone(scene);
        const peer = new Peer(join(bench.folder, "peer"));
        try {
            await withPeer(scene, peer);
        } finally {
            await peer.remove();
        }
        await deadMan(scene);
        await last(scene);
    },
};
