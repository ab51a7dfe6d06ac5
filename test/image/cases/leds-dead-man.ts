/**
 * Nobody stands by what the front panel says any more: carpd or carp-panel hangs or dies, or the
 * LEDs' driver goes. No light that says MASTER may stay. Part of the case leds-uleds; the box is
 * MASTER when it begins and when it ends.
 */
import assert from "node:assert/strict";
import {cycle, off, on} from "../led-edges.ts";
import type {Lights, Scene} from "../led-panel.ts";

/** The dead man's time (led-writes.ts: deadManMs) and what an emulated processor may be late. */
const deadManS = 10;
const lateS = 1.5;
/** carp-panel asks twice a second and waits 2.25 s for an answer (src/app/panel.ts). */
const silentS = 3.5;

const master: Lights = {status: on, role: on, fault: off};

export async function deadMan({bench, vm, panel, row}: Scene): Promise<void> {
    const {shell} = vm;
    const turned = async (
        what: string,
        act: string,
        led: "role" | "fault",
        lit: boolean,
        mostS: number,
    ): Promise<void> =>
        bench.step(what, async () => {
            const from = await panel.act(act);
            const after = await panel.turned(led, lit, from, (mostS + 10) * 1000);
            bench.note(`${led} ${lit ? "lit" : "dark"} after ${after.toFixed(2)} s`);
            assert.ok(after <= mostS, `${after} s, at most ${mostS}`);
        });
    await row({
        state: "MASTER, started anew: nothing is known of another router",
        by: () => panel.act("systemctl restart carpd"),
        lights: master,
        deadlineMs: 90_000,
    });

    // Its LEDs go out by themselves although nobody writes.
    await turned(
        "carp-panel hangs (SIGSTOP)",
        "systemctl kill --kill-whom=main --signal=STOP carp-panel",
        "role",
        false,
        deadManS + lateS,
    );
    await row({
        state: "all that it said is out, but for the kernel's own link lights",
        by: async () => undefined,
        lights: {status: off, role: off, lan: on},
    });
    await row({
        // Ten seconds without a word and its watchdog has replaced it already.
        state: "carp-panel goes on, or the next one",
        by: () => panel.act("systemctl kill --kill-whom=main --signal=CONT carp-panel || :"),
        lights: master,
        deadlineMs: 60_000,
    });
    await row({
        // What the killed one wrote shows on for its ten seconds: until the new one is ready.
        state: "carp-panel is killed: a new one shows the same",
        by: () =>
            panel.act(
                "systemctl kill --kill-whom=main --signal=KILL carp-panel; sleep 1; " +
                    "until systemctl is-active --quiet carp-panel; do sleep 0.5; done",
            ),
        lights: master,
        deadlineMs: 60_000,
    });

    await turned(
        "carpd hangs (SIGSTOP): MASTER goes out",
        "systemctl kill --kill-whom=main --signal=STOP carpd",
        "role",
        false,
        silentS + lateS,
    );
    await row({
        state: "systemd has replaced the hung carpd",
        by: async () => undefined,
        lights: master,
        deadlineMs: 90_000,
    });
    await turned(
        "carpd dies (SIGKILL): MASTER goes out",
        "systemctl mask --runtime carpd; systemctl kill --signal=KILL carpd",
        "role",
        false,
        deadManS,
    );
    await row({
        state: "daemon dead",
        by: async () => undefined,
        lights: {status: off, role: off, fault: on},
        deadlineMs: 60_000,
    });
    await row({
        state: "carpd is started again",
        by: () => panel.act("systemctl unmask --runtime carpd; systemctl start carpd"),
        lights: master,
        deadlineMs: 90_000,
    });

    await bench.step(
        "the LEDs' driver goes: carpd and the other programs do not care",
        async () => {
            await shell.must("systemctl stop carpd-test-leds");
            const carp = await shell.must("carpctl show carp");
            assert.match(carp, /carp0: MASTER/u);
            const said = await shell.until("carpctl show leds", /no such LED/u, 30_000);
            assert.match(said, /carpd:green:role/u);
        },
    );
    await row({
        state: "the driver is back",
        by: () => panel.act("systemctl start carpd-test-leds"),
        lights: master,
        deadlineMs: 60_000,
    });
    await row({
        state: "somebody else wrote to an LED: it is put right",
        by: () => panel.act("echo none > /sys/class/leds/carpd:green:role/trigger"),
        lights: {...master, lan: on},
    });
    await row({
        state: "MASTER, demoted, still blinks in time after all this",
        by: () => shell.must("carpctl demote operator:test 20"),
        lights: {...master, role: cycle(700, 100, 100, 100)},
    });
    await shell.must("carpctl undemote operator:test");
}
