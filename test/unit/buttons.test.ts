/**
 * The reset button: every way to press it, and that no single press erases anything; and the
 * kernel's events from a FIFO in place of /dev/input/event0.
 */
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {closeSync, constants, mkdtempSync, openSync, rmSync, writeSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {describe, test} from "node:test";
import {
    armedMs,
    type ButtonInput,
    buttonUp,
    decodeInput,
    foldButton,
    keyCodes,
    type Press,
} from "../../src/core/buttons.ts";
import {InputKeys} from "../../src/io/input-keys.ts";
import {inputEvent, keyEvent} from "../support/input-events.ts";
import {until} from "./engine-fixtures.ts";
import {dice} from "./seeded.ts";

const holdMs = 10_000;
const tickMs = 250;

/** What happened when, milliseconds; ticks come in between. Gives what it meant and when. */
function played(
    inputs: readonly (readonly [atMs: number, input: ButtonInput])[],
    endMs: number,
): (readonly [atMs: number, press: Press])[] {
    let state = buttonUp;
    const meant: (readonly [number, Press])[] = [];
    const apply = (input: ButtonInput, at: number): void => {
        const folded = foldButton(state, input, at, holdMs);
        state = folded.state;
        if (folded.press !== null) meant.push([at, folded.press]);
    };
    const left = [...inputs];
    for (let at = 0; at <= endMs; at += tickMs) {
        while ((left[0]?.[0] ?? Number.POSITIVE_INFINITY) <= at) {
            const [time, input] = left.shift() ?? [0, "tick"];
            apply(input, time);
        }
        apply("tick", at);
    }
    return meant;
}
const presses = (inputs: Parameters<typeof played>[0], endMs = 60_000): Press[] =>
    played(inputs, endMs).map(([, press]) => press);

/** Held from 1 s for 11 s. */
const held = [
    [1000, "press"],
    [12_000, "release"],
] as const;

describe("what a press means", () => {
    test("short: show what this host is", () => {
        assert.deepEqual(
            presses([
                [1000, "press"],
                [1300, "release"],
            ]),
            ["short"],
        );
        assert.deepEqual(
            presses([
                [1000, "press"],
                [3000, "release"],
            ]),
            ["short"],
        );
        assert.deepEqual(
            presses([
                [1000, "press"],
                [3001, "release"],
            ]),
            [],
            "neither short nor held",
        );
        assert.deepEqual(presses([[1000, "release"]]), [], "it was down when we came");
    });

    test("held for ten seconds arms, while it is still held", () => {
        assert.deepEqual(played(held, 30_000), [[11_000, "armed"]]);
        assert.deepEqual(
            presses([
                [1000, "press"],
                [10_900, "release"],
            ]),
            [],
        );
    });

    test("then a short press resets", () => {
        const again = [...held, [20_000, "press"], [20_200, "release"]] as const;
        assert.deepEqual(played(again, 90_000), [
            [11_000, "armed"],
            [20_200, "reset"],
        ]);
        const more = [...again, [25_000, "press"], [25_100, "release"]] as const;
        assert.deepEqual(presses(more), ["armed", "reset", "short"]);
    });

    test("no press within half a minute disarms", () => {
        assert.deepEqual(played(held, 90_000), [
            [11_000, "armed"],
            [11_000 + armedMs, "disarmed"],
        ]);
        const late = [...held, [41_100, "press"], [41_200, "release"]] as const;
        assert.deepEqual(presses(late), ["armed", "disarmed", "short"]);
        const across = [...held, [40_900, "press"], [41_100, "release"]] as const;
        assert.deepEqual(presses(across), ["armed", "disarmed"], "nothing at all");
    });

    test("a long press disarms", () => {
        const long = [...held, [20_000, "press"], [23_000, "release"]] as const;
        assert.deepEqual(presses(long), ["armed", "disarmed"]);
        const longer = [...held, [20_000, "press"], [35_000, "release"]] as const;
        assert.deepEqual(presses(longer), ["armed", "disarmed"]);
    });

    test("a button that is jammed arms once and erases nothing", () => {
        assert.deepEqual(presses([[1000, "press"]], 3_600_000), ["armed", "disarmed"]);
        const freed = [
            [1000, "press"],
            [200_000, "release"],
            [300_000, "press"],
            [300_100, "release"],
        ] as const;
        assert.deepEqual(presses(freed, 400_000), ["armed", "disarmed", "short"]);
    });

    test("a contact that bounces at the end of the press confirms nothing", () => {
        const bounce = [...held, [12_010, "press"], [12_020, "release"]] as const;
        assert.deepEqual(played(bounce, 30_000), [[11_000, "armed"]]);
        const flicker = [
            ...held,
            [12_400, "press"],
            [12_900, "release"],
            [13_300, "press"],
            [13_350, "release"],
        ] as const;
        assert.deepEqual(presses(flicker, 30_000), ["armed"]);
    });

    test("a device that is lost disarms", () => {
        assert.deepEqual(
            presses([...held, [15_000, "lost"], [20_000, "press"], [20_100, "release"]]),
            ["armed", "disarmed", "short"],
        );
        assert.deepEqual(
            presses([
                [1000, "press"],
                [5000, "lost"],
            ]),
            [],
        );
    });

    test("never a reset without an armed one, and two presses with a pause between", () => {
        const random = dice(20_261_122);
        for (let round = 0; round < 2000; round += 1) {
            const inputs: [number, ButtonInput][] = [];
            let at = 0;
            for (let i = 0; i < 12; i += 1) {
                at += 1 + random.below(random.below(2) === 0 ? 900 : 14_000);
                const kinds = ["press", "release", "press", "release", "lost"] as const;
                inputs.push([at, kinds[random.below(kinds.length)] ?? "lost"]);
            }
            const meant = played(inputs, at + 60_000);
            for (const [i, [when, press]] of meant.entries()) {
                const before = meant[i - 1];
                if (press === "reset" || press === "disarmed") assert.equal(before?.[1], "armed");
                if (press === "reset") assert.ok(when - (before?.[0] ?? 0) < armedMs);
            }
            assert.notEqual(meant.at(-1)?.[1], "armed", "it ends disarmed");
        }
    });
});

describe("the kernel's events", () => {
    test("struct input_event of 64 and of 32 bits", () => {
        const octets = Buffer.concat([
            keyEvent("KEY_RESTART", 1),
            inputEvent(0, 0, 0),
            keyEvent("KEY_POWER", 2),
            inputEvent(0, 3, 0),
            keyEvent("KEY_RESTART", 0).subarray(0, 20),
        ]);
        assert.deepEqual(decodeInput(octets, 8), [
            {kind: "key", code: 408, value: 1},
            {kind: "key", code: 116, value: 2},
            "dropped",
        ]);
        const short = Buffer.alloc(16);
        short.writeUInt16LE(1, 8);
        short.writeUInt16LE(408, 10);
        short.writeInt32LE(1, 12);
        assert.deepEqual(decodeInput(short, 4), [{kind: "key", code: 408, value: 1}]);
        assert.deepEqual(decodeInput(new Uint8Array(0), 8), []);
        assert.equal(keyCodes.KEY_RESTART, 0x198);
    });

    test("a device is read, lost, and found again", async (context) => {
        const folder = mkdtempSync(join(tmpdir(), "carp-input-"));
        const path = join(folder, "event0");
        execFileSync("mkfifo", [path]);
        const heard: string[] = [];
        const said: string[] = [];
        const keys = new InputKeys({
            folder,
            names: "/nonexistent",
            rule: {input: "gpio-keys", code: "KEY_RESTART"},
            heard: (input) => heard.push(input),
            warn: (text) => said.push(text),
        });
        context.after(() => {
            keys.stop();
            rmSync(folder, {recursive: true});
        });
        keys.start();
        assert.deepEqual(keys.devices, ["event0"]);
        const button = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
        writeSync(button, Buffer.concat([keyEvent("KEY_POWER", 1), keyEvent("KEY_RESTART", 1)]));
        await until(() => heard.length === 1, "the press");
        writeSync(button, Buffer.concat([keyEvent("KEY_RESTART", 2), keyEvent("KEY_RESTART", 0)]));
        await until(() => heard.length === 2, "the release");
        writeSync(button, inputEvent(0, 3, 0));
        await until(() => heard.length === 3, "the lost events");
        closeSync(button);
        assert.deepEqual(heard, ["press", "release", "lost"]);
        assert.deepEqual(said, []);
    });

    test("a key that nobody knows, a folder that is not there", () => {
        const said: string[] = [];
        const keys = new InputKeys({
            folder: "/nonexistent",
            names: "/nonexistent",
            rule: {input: "", code: "KEY_NOSUCH"},
            heard: () => undefined,
            warn: (text) => said.push(text),
        });
        keys.start();
        keys.stop();
        assert.deepEqual(said, ["the key KEY_NOSUCH is not known"]);
        assert.deepEqual(keys.devices, []);
    });
});
