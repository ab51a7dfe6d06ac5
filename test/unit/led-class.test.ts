/**
 * The writer of LEDs on a folder that stands in for sysfs: order, differences, attributes that come
 * late, drivers that hang (a FIFO without a reader: the write does not return) or are unloaded.
 */
import assert from "node:assert/strict";
import {mkdtempSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test as declare, type TestContext} from "node:test";
import type {LedPattern, LedPlan} from "../../src/core/leds.ts";
import {patterns} from "../../src/core/panel-lights.ts";
import {LedClass} from "../../src/io/led-class.ts";
import {FakeLeds} from "../support/fake-leds.ts";
import {until} from "./engine-fixtures.ts";

const on: LedPattern = {kind: "on"};
const off: LedPattern = {kind: "off"};
const plan = (name: string, pattern: LedPattern, more: Partial<LedPlan> = {}): LedPlan => ({
    role: "status",
    name,
    colour: "green",
    pattern,
    deadMan: false,
    panic: false,
    meaning: "",
    ...more,
});

interface Stand {
    readonly fake: FakeLeds;
    readonly leds: LedClass;
    shows(name: string, text: string): Promise<void>;
    problem(name: string, rule: RegExp | null): Promise<void>;
}

const test = (name: string, body: (stand: Stand) => Promise<void>): void => {
    declare(name, {timeout: 60_000}, async (context: TestContext) => {
        const folder = mkdtempSync(join(tmpdir(), "carp-leds-"));
        const fake = new FakeLeds(join(folder, "leds"));
        const leds = new LedClass({root: fake.root, limitMs: 300, renewMs: 200});
        context.after(async () => {
            await leds.stop();
            rmSync(folder, {recursive: true});
        });
        const problemOf = (led: string): string =>
            leds.problems().find((one) => one.name === led)?.problem ?? "";
        await body({
            fake,
            leds,
            shows: (led, text) =>
                until(
                    () => fake.shown(led) === text,
                    `${led} to show ${text}, not ${fake.shown(led)}`,
                ),
            problem: (led, rule) =>
                until(
                    () => (rule === null ? problemOf(led) === "" : rule.test(problemOf(led))),
                    `the problem of ${led} to be ${rule}, not ${problemOf(led)}`,
                ),
        });
    });
};

test("shows plans, and writes only what differs", async ({fake, leds, shows}) => {
    fake.add("a");
    fake.add("b", "red green blue");
    leds.show([plan("a", patterns.boot), plan("b", on, {colour: "amber", deadMan: true})]);
    await shows("a", "timer 100 100");
    await shows("b", "pattern 255 10000 255 0 0 1 0 0 1");
    assert.equal(fake.read("b", "multi_intensity"), "255 102 0");
    const before = fake.writtenAt("a", "trigger");
    const colour = fake.writtenAt("b", "multi_intensity");
    leds.show([
        plan("a", patterns.busy),
        plan("b", patterns.slow, {colour: "amber", deadMan: true}),
    ]);
    await shows("a", "timer 50 50");
    await shows("b", "pattern 255 1000 255 0 0 1000 0 0 5");
    assert.equal(fake.writtenAt("a", "trigger"), before, "the trigger was not written again");
    assert.equal(fake.writtenAt("b", "multi_intensity"), colour);
    assert.deepEqual(leds.problems(), []);
});

test("renews what goes out by itself, and only that", async ({fake, leds, shows}) => {
    fake.add("a");
    fake.add("b");
    leds.show([plan("a", on, {deadMan: true}), plan("b", on)]);
    await shows("b", "none 255");
    await shows("a", "pattern 255 10000 255 0 0 1 0 0 1");
    const [pattern, first] = [fake.writtenAt("a", "pattern"), fake.writtenAt("a", "repeat")];
    const still = fake.writtenAt("b", "brightness");
    await until(() => fake.writtenAt("a", "repeat") > first, "the renewal");
    const second = fake.writtenAt("a", "repeat");
    await until(() => fake.writtenAt("a", "repeat") > second, "the next renewal");
    assert.equal(fake.writtenAt("a", "pattern"), pattern);
    assert.equal(fake.writtenAt("b", "brightness"), still);
});

test("attributes that come late are waited for", async ({fake, leds, shows}) => {
    fake.add("a", "", []);
    leds.show([plan("a", patterns.boot)]);
    await until(() => fake.read("a", "trigger") === "timer", "the trigger");
    fake.write("a", "delay_on", "500");
    await until(() => fake.read("a", "delay_on") === "100", "the first attribute");
    fake.write("a", "delay_off", "500");
    await shows("a", "timer 100 100");
    assert.deepEqual(leds.problems(), []);
});

test("an LED that hangs stops no other, and is written when it is back", async (stand) => {
    const {fake, leds, shows, problem} = stand;
    // More of them than node has threads for files.
    const hanging = ["h1", "h2", "h3", "h4", "h5", "h6"];
    for (const name of [...hanging, "ok"]) fake.add(name);
    for (const name of hanging) fake.hang(name, "brightness");
    leds.show([...hanging.map((name) => plan(name, on)), plan("ok", on)]);
    await shows("ok", "none 255");
    for (const name of hanging) await problem(name, /its driver hangs/);
    assert.equal(leds.hung, hanging.length);
    leds.show([...hanging.map((name) => plan(name, patterns.busy)), plan("ok", off)]);
    const begun = Date.now();
    await shows("ok", "none 0");
    assert.ok(Date.now() - begun < 2000, "the others are shown at once");
    assert.equal(leds.hung, hanging.length, "nothing more was given to those that hang");
    for (const name of hanging) fake.release(name, "brightness");
    for (const name of hanging) {
        await problem(name, null);
        await shows(name, "timer 50 50");
    }
    assert.equal(leds.hung, 0);
});

test("an LED that is gone is said so, and shown when it is back", async (stand) => {
    const {fake, leds, shows, problem} = stand;
    fake.add("a");
    leds.show([plan("a", on, {deadMan: true}), plan("b", on)]);
    await problem("b", /there is no such LED/);
    await shows("a", "pattern 255 10000 255 0 0 1 0 0 1");
    fake.remove("a");
    await problem("a", /there is no such LED/);
    fake.add("a");
    fake.add("b");
    await problem("a", null);
    await problem("b", null);
    await shows("a", "pattern 255 10000 255 0 0 1 0 0 1");
    await shows("b", "none 255");
});

test("what somebody else wrote, or a driver that was loaded anew, is set right", async (stand) => {
    const {fake, leds, shows} = stand;
    fake.add("a");
    leds.show([plan("a", on)]);
    await shows("a", "none 255");
    fake.write("a", "trigger", "none [heartbeat] timer");
    await shows("a", "none 255");
});

test("a kernel without a trigger: the rest is shown, the lack is said", async (stand) => {
    const {fake, leds, shows, problem} = stand;
    fake.add("a");
    fake.write("a", "trigger", "[none] timer");
    leds.show([plan("a", patterns.slow, {deadMan: true})]);
    await shows("a", "timer 1000 1000");
    await problem("a", /ledtrig-pattern/);
});

test("files that may not be written are a problem with a name", async ({fake, leds, problem}) => {
    fake.add("a");
    fake.remove("a");
    fake.add("a");
    // A folder in place of the file: refused to root, too.
    rmSync(fake.path("a", "brightness"));
    new FakeLeds(fake.path("a", "brightness"));
    leds.show([plan("a", on)]);
    await problem("a", /^brightness cannot be written: EISDIR$/);
    const settled = leds.settled(1000);
    leds.show([plan("a", on)]);
    await settled;
});
