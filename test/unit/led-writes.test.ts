/**
 * Plans to writes, and what the kernel makes of these: a model of its pattern trigger (Linux,
 * drivers/leds/trigger/ledtrig-pattern.c: steps, repetitions, what remains at the end) runs each
 * pattern of the table and looks when the LED is lit.
 */
import assert from "node:assert/strict";
import {describe, test} from "node:test";
import {
    afterWrite,
    deadManMs,
    type LedFacts,
    ledOrder,
    missingWrites,
    parseTriggers,
    renewMs,
    type SysfsWrite,
    type WrittenFiles,
} from "../../src/core/led-writes.ts";
import type {LedPattern, LedPlan} from "../../src/core/leds.ts";
import {patterns} from "../../src/core/panel-lights.ts";

const facts: LedFacts = {
    maxBrightness: 255,
    triggers: ["none", "timer", "pattern", "netdev", "panic"],
    components: [],
};
const plan = (pattern: LedPattern, more: Partial<LedPlan> = {}): LedPlan => ({
    role: "role",
    name: "x",
    colour: "green",
    pattern,
    deadMan: false,
    panic: false,
    meaning: "",
    ...more,
});
const claim = (pattern: LedPattern): LedPlan => plan(pattern, {deadMan: true});
const on: LedPattern = {kind: "on"};
const off: LedPattern = {kind: "off"};

const lines = (writes: readonly SysfsWrite[]): string[] =>
    writes.map(({file, text}) => `${file}=${text}`);
const writesOf = (what: LedPlan, given = facts): string[] => lines(ledOrder(what, given).writes);

/** The pattern trigger of the kernel on virtual time: two files in, a brightness out. */
class PatternTrigger {
    #tuples: readonly (readonly [level: number, ms: number])[] = [];
    #repeat = -1;
    #endless = true;
    #current = 0;
    #next = 1;
    #timer: number | null = null;
    #now = 0;
    brightness = 0;
    readonly edges: [ms: number, level: number][] = [];

    write(file: string, text: string): void {
        if (file === "repeat") {
            this.#repeat = Number(text);
            this.#endless = this.#repeat === -1;
            this.#start();
        } else {
            assert.equal(file, "pattern");
            const numbers = text.split(" ").map(Number);
            assert.ok(numbers.every((n) => Number.isInteger(n) && n >= 0) && text !== "");
            this.#tuples = Array.from({length: numbers.length / 2}, (_, i) => {
                return [numbers[2 * i] ?? 0, numbers[2 * i + 1] ?? 0] as const;
            });
            this.#start();
        }
    }

    /** Time goes by up to this instant. */
    run(untilMs: number): void {
        while (this.#timer !== null && this.#timer <= untilMs) {
            this.#now = this.#timer;
            this.#timer = null;
            this.#expire();
        }
        this.#now = untilMs;
    }

    #start(): void {
        if (this.#tuples.length < 2) return;
        [this.#current, this.#next] = [0, 1];
        this.#timer = this.#now;
    }

    #expire(): void {
        if (!this.#endless && this.#repeat === 0) return;
        const [level, ms] = this.#tuples[this.#current] ?? [0, 0];
        const [nextLevel, nextMs] = this.#tuples[this.#next] ?? [0, 0];
        assert.equal(level, nextLevel, "two levels without a step between them are dimmed");
        if (level !== this.brightness) this.edges.push([this.#now, level]);
        this.brightness = level;
        this.#timer = this.#now + ms;
        if (nextMs === 0) this.#step();
        this.#step();
    }

    #step(): void {
        this.#current = this.#next;
        if (!this.#endless && this.#current === 0) this.#repeat -= 1;
        this.#next = (this.#next + 1) % this.#tuples.length;
    }
}

function trigger(what: LedPlan): {led: PatternTrigger; renew: () => void} {
    const order = ledOrder(what, facts);
    const led = new PatternTrigger();
    for (const {file, text} of order.writes) {
        if (file === "trigger") assert.equal(text, "pattern");
        else led.write(file, text);
    }
    const {renew} = order;
    return {led, renew: () => led.write(renew?.file ?? "", renew?.text ?? "")};
}

describe("the order of the files", () => {
    test("each pattern by the trigger that has it", () => {
        assert.deepEqual(writesOf(plan(off)), ["trigger=none", "brightness=0"]);
        assert.deepEqual(writesOf(plan(on)), ["trigger=none", "brightness=255"]);
        assert.deepEqual(writesOf(plan(off, {panic: true})), [
            "trigger=none",
            "brightness=0",
            "trigger=panic",
        ]);
        assert.deepEqual(writesOf(plan(patterns.boot)), [
            "trigger=timer",
            "delay_on=100",
            "delay_off=100",
        ]);
        assert.deepEqual(writesOf(plan({kind: "netdev", device: "lan0"})), [
            "trigger=netdev",
            "device_name=lan0",
            "link=1",
        ]);
        assert.deepEqual(writesOf(claim(on)), [
            "trigger=pattern",
            "repeat=1",
            "pattern=255 10000 255 0 0 1 0 0",
            "repeat=1",
        ]);
        assert.deepEqual(writesOf(claim(patterns.slow)).slice(1, 3), [
            "repeat=5",
            "pattern=255 1000 255 0 0 1000 0 0",
        ]);
        const lasting = writesOf(plan(patterns.alarm));
        assert.deepEqual([lasting[0], lasting[1]], ["trigger=pattern", "repeat=-1"]);
        assert.equal(
            writesOf(claim(on), {...facts, maxBrightness: 1})[2],
            "pattern=1 10000 1 0 0 1 0 0",
        );
    });

    test("a multicolor LED gets its colour first", () => {
        const three = {...facts, components: ["red", "green", "blue"]};
        const colour = (name: string, given: LedFacts): string | undefined =>
            writesOf(plan(on, {colour: name}), given)[0];
        assert.equal(colour("green", three), "multi_intensity=0 255 0");
        assert.equal(colour("amber", three), "multi_intensity=255 102 0");
        assert.equal(colour("blue", three), "multi_intensity=0 0 255");
        assert.equal(colour("red", {...three, maxBrightness: 1}), "multi_intensity=1 0 0");
        const redGreen = {...facts, components: ["green", "red"]};
        assert.equal(colour("blue", redGreen), "multi_intensity=102 255", "amber instead");
        assert.equal(colour("green", {...facts, components: ["white"]}), "multi_intensity=255");
        assert.equal(colour("white", three), "multi_intensity=255 255 255");
        const amber = {...facts, components: ["amber", "green"]};
        assert.equal(colour("amber", amber), "multi_intensity=255 0");
        assert.deepEqual(writesOf(plan(on)), ["trigger=none", "brightness=255"]);
    });

    test("a kernel that lacks a trigger shows what it can, and says so", () => {
        const plain = {...facts, triggers: ["none", "timer"]};
        const order = ledOrder(claim(patterns.slow), plain);
        assert.deepEqual(lines(order.writes), ["trigger=timer", "delay_on=1000", "delay_off=1000"]);
        assert.match(order.lack, /ledtrig-pattern/);
        assert.equal(order.renew, null);
        assert.deepEqual(lines(ledOrder(claim(on), plain).writes)[1], "brightness=255");
        assert.match(ledOrder(claim(on), plain).lack, /goes out by itself/);
        const gaps = ledOrder(plan(patterns.alarm), plain);
        assert.deepEqual(lines(gaps.writes).slice(1), ["delay_on=300", "delay_off=700"]);
        const none = {...facts, triggers: ["none"]};
        assert.match(ledOrder(plan(patterns.boot), none).lack, /ledtrig-timer/);
        assert.match(ledOrder(plan({kind: "netdev", device: "x"}), none).lack, /ledtrig-netdev/);
        assert.deepEqual(writesOf(plan(off, {panic: true}), none), [
            "trigger=none",
            "brightness=0",
        ]);
        assert.equal(ledOrder(claim(on), {...facts, triggers: null}).lack, "", "not known: tried");
    });
});

describe("only what differs", () => {
    const done = (what: LedPlan, before: WrittenFiles | null = null): WrittenFiles => {
        let files = before;
        for (const write of missingWrites(ledOrder(what, facts), before)) {
            files = afterWrite(files, write);
        }
        return files ?? new Map();
    };
    const missing = (what: LedPlan, before: WrittenFiles | null, given = facts): string[] =>
        lines(missingWrites(ledOrder(what, given), before));

    test("the same again writes nothing", () => {
        const kinds = [
            on,
            off,
            patterns.boot,
            patterns.some,
            {kind: "netdev", device: "a"},
        ] as const;
        for (const pattern of kinds) {
            assert.deepEqual(missing(plan(pattern), done(plan(pattern))), []);
            assert.deepEqual(missing(claim(pattern), done(claim(pattern))), []);
        }
        const dark = plan(off, {panic: true});
        assert.deepEqual(missing(dark, done(dark)), []);
        assert.equal(missing(dark, done(plan(on))).length, 3, "a trigger alone may leave it lit");
    });

    test("another pattern of the same trigger does not write the trigger", () => {
        const before = done(claim(patterns.slow));
        assert.deepEqual(missing(claim(patterns.init), before), [
            "pattern=255 200 255 0 0 200 0 0",
            "repeat=25",
        ]);
        const same = missing(claim(patterns.demotedMaster), done(claim(patterns.demoted)));
        assert.deepEqual(
            same.length,
            2,
            "the repetitions begin anew though their number is the same",
        );
        assert.deepEqual(missing(plan(on), done(plan(off))), ["brightness=255"]);
        assert.deepEqual(missing(plan(patterns.busy), done(plan(patterns.boot))), [
            "delay_on=50",
            "delay_off=50",
        ]);
    });

    test("another trigger has attributes of its own", () => {
        const before = done(plan(patterns.boot), done(claim(on)));
        assert.deepEqual(missing(claim(on), before).length, 4);
        assert.deepEqual(missing(claim(on), null).length, 4);
    });

    test("the colour outlives the trigger", () => {
        const three = {...facts, components: ["red", "green", "blue"]};
        let files: WrittenFiles | null = null;
        for (const write of ledOrder(claim(on), three).writes) files = afterWrite(files, write);
        assert.deepEqual(missing(plan(patterns.boot), files, three), [
            "trigger=timer",
            "delay_on=100",
            "delay_off=100",
        ]);
        const red = missing(plan(on, {colour: "red", deadMan: true}), files, three);
        assert.deepEqual(red, ["multi_intensity=255 0 0", "repeat=1"]);
    });

    test("the chosen trigger of a file", () => {
        const read = parseTriggers("none [timer] pattern\n");
        assert.deepEqual(read, {chosen: "timer", all: ["none", "timer", "pattern"]});
        assert.deepEqual(parseTriggers("timer\n"), {chosen: "timer", all: null});
        assert.deepEqual(parseTriggers(""), {chosen: "", all: null});
    });
});

describe("in the kernel", () => {
    const steppable = Object.entries(patterns);

    for (const [name, pattern] of steppable) {
        test(`${name}: goes out by itself within ${deadManMs / 1000} s`, () => {
            const {led} = trigger(claim(pattern));
            led.run(deadManMs - renewMs);
            led.run(deadManMs + 100);
            assert.equal(led.brightness, 0);
            const count = led.edges.length;
            led.run(10 * deadManMs);
            assert.equal(led.edges.length, count, "and stays dark");
        });

        test(`${name}: renewed in time, it goes on without a gap`, () => {
            const {led, renew} = trigger(claim(pattern));
            const other = pattern.kind === "on" ? patterns.slow : pattern;
            const free = trigger(plan(stepped(other)));
            for (let at = renewMs; at <= 5 * renewMs; at += renewMs) {
                led.run(at - 1);
                renew();
                led.run(at);
            }
            free.led.run(5 * renewMs);
            if (pattern.kind === "on") assert.deepEqual(led.edges, [[0, 255]]);
            else assert.equal(led.edges.length, free.led.edges.length);
        });
    }

    test("the levels and times are those of the table", () => {
        const {led} = trigger(claim(patterns.demoted));
        led.run(1000);
        const expected = [0, 100, 200, 300, 1000].map((ms, i) => [ms, i % 2 === 0 ? 255 : 0]);
        assert.deepEqual(led.edges, expected);
    });

    test("the program dies between two writes", () => {
        for (const pattern of [on, patterns.slow, patterns.some]) {
            const {writes} = ledOrder(claim(pattern), facts);
            for (let count = 1; count <= writes.length; count += 1) {
                const led = new PatternTrigger();
                for (const {file, text} of writes.slice(1, count)) led.write(file, text);
                led.run(deadManMs + 100);
                assert.equal(led.brightness, 0, `${JSON.stringify(pattern)} after ${count} writes`);
            }
        }
    });

    test("a lasting pattern goes on for ever", () => {
        const {led} = trigger(plan(patterns.alarm));
        led.run(99_999);
        assert.equal(led.edges.length, 600);
    });
});

/** The same as steps, for a comparison with an endless one. */
function stepped(pattern: LedPattern): LedPattern {
    if (pattern.kind !== "timer") return pattern;
    return {
        kind: "pattern",
        steps: [
            [true, pattern.onMs],
            [false, pattern.offMs],
        ],
    };
}
