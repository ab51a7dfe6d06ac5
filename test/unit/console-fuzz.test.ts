/**
 * Noise and commands typed at the shell on the real line editor, in front of the real control
 * server: nothing fails, nothing grows, nothing is committed that nobody committed, and the prompt
 * comes back.
 */
import assert from "node:assert/strict";
import {PassThrough, Writable} from "node:stream";
import {type TestContext, test} from "node:test";
import {setTimeout as sleep} from "node:timers/promises";
import {setFlagsFromString} from "node:v8";
import {runInNewContext} from "node:vm";
import type {Client} from "../../src/app/shell/asker.ts";
import {Shell} from "../../src/app/shell/shell.ts";
import {plain} from "../../src/core/show.ts";
import {LineEditor} from "../../src/io/line-editor.ts";
import {meant, randomLine, readTree, secretMark} from "./model-edits.ts";
import {ModelStand} from "./model-stand.ts";
import {type Dice, dice} from "./seeded.ts";

/** Other seeds can be asked for, to hunt. */
const hunt = Number(process.env.CARP_FUZZ_SEED ?? "0");

/** What the daemon of the stand says it is. */
const version = "0.1.0";
/** Octets that may wait for a terminal, with one text beyond the bound. */
const mostWaiting = 96 * 1024;
const mostHeap = 8 * 1024 * 1024;

const text = [
    "# the LAN gateway",
    "[[carp]]",
    'carpdev = "eth1"   # the switch in the rack',
    "vhid = 1",
    `pass = "${secretMark}first"`,
    'addresses = ["192.168.1.1/24"]',
    "",
].join("\n");

/** A terminal that takes everything, or from some time on nothing. */
class Screenful extends Writable {
    seen = "";
    stopped = false;
    #waiting: () => void = () => undefined;

    override _write(chunk: unknown, _encoding: string, done: () => void): void {
        this.seen = (this.seen + String(chunk)).slice(-20_000);
        if (this.stopped) this.#waiting = done;
        else setImmediate(done);
    }

    goOn(): void {
        this.stopped = false;
        this.#waiting();
    }
}

/** Requests that change something, in their order. */
class Counting implements Client {
    readonly changes: string[] = [];
    readonly #client: Client;

    constructor(client: Client) {
        this.#client = client;
    }

    request: Client["request"] = (method, path, body) => {
        const looks = /\/(?:show|compare|save|validate|close|doctor|for-peer|import)$/u;
        if (method !== "GET" && !looks.test(path)) this.changes.push(path.replace(/^.*\//u, ""));
        return this.#client.request(method, path, body);
    };

    events: Client["events"] = (path, onEvent, signal) =>
        this.#client.events(path, onEvent, signal);

    count(name: string): number {
        return this.changes.filter((change) => change === name).length;
    }
}

class Typist {
    readonly stand: ModelStand;
    readonly client: Counting;
    readonly screen = new Screenful();
    readonly #input = new PassThrough();
    readonly #editor: LineEditor;
    readonly #running: Promise<void>;
    newlines = 0;
    #over = false;

    constructor(stand: ModelStand) {
        this.stand = stand;
        this.client = new Counting(stand.client(stand.logIn("admin", "admin", "ttyS0")));
        const {screen} = this;
        this.#editor = new LineEditor({
            input: this.#input,
            output: screen,
            size: {columns: 80, rows: 24},
            stallMs: 100,
        });
        this.#running = this.#session();
    }

    /** As the console does it: after the end of one session comes the next. */
    async #session(): Promise<void> {
        while (!this.#over) {
            const shell = new Shell({
                terminal: this.#editor,
                client: this.client,
                socket: this.stand.socket,
                version,
                host: "carp-a",
                paint: plain,
                nowMs: () => this.stand.clock.wallMs,
                files: null,
                monitor: () => undefined,
            });
            await shell.run(false);
        }
    }

    async end(): Promise<void> {
        this.#over = true;
        this.#editor.close();
        await this.#running;
    }

    send(bytes: Uint8Array): void {
        this.newlines += bytes.filter((byte) => byte === 0x0a || byte === 0x0d).length;
        this.#input.write(bytes);
        this.bounded();
    }

    bounded(): void {
        assert.ok(this.screen.writableLength <= mostWaiting, `${this.screen.writableLength}`);
        const {newlines, client} = this;
        assert.ok(client.changes.length <= newlines, `${client.changes.length} of ${newlines}`);
    }

    /** In pieces of any length, with time in between or without. */
    async type(bytes: Uint8Array, {below, oneIn}: Dice): Promise<void> {
        for (let at = 0; at < bytes.length; ) {
            const length = 1 + below(oneIn(3) ? 4 : 60);
            this.send(bytes.subarray(at, at + length));
            at += length;
            if (oneIn(2)) await new Promise((resolve) => setImmediate(resolve));
        }
    }

    /**
     * What a person does who finds the console in an unknown state: ^C, and again where it came
     * while something was on its way.
     */
    async calm(): Promise<void> {
        const answered = () => this.screen.seen.includes(`\r\ncarpd ${version}\r\n`);
        for (let tries = 0; !answered(); tries += 1) {
            assert.ok(tries < 10, JSON.stringify(this.screen.seen.slice(-500)));
            this.screen.seen = "";
            this.send(Buffer.from("\u0003"));
            await sleep(20);
            // In either mode one of the two is a command.
            this.send(Buffer.from("\r\u0003show version\rrun show version\r"));
            const end = performance.now() + 500 * (tries + 1);
            while (!answered() && performance.now() < end) await sleep(5);
        }
        this.screen.seen = "";
    }

    async shows(what: RegExp, typed: string): Promise<void> {
        const end = performance.now() + 5000;
        while (!what.test(this.screen.seen)) {
            const seen = JSON.stringify(this.screen.seen.slice(-500));
            assert.ok(performance.now() < end, `${typed}: ${seen}`);
            await sleep(2);
        }
    }

    /** One line, until the prompt is back behind it. */
    async line(line: string): Promise<string> {
        this.screen.seen = "";
        this.send(Buffer.from(`${line}\r`));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: readline moves the cursor
        const prompt = /\r\n(?:[^\n]*\n)*[^\n]*carp-a[>#] (?:\u001b\[\d+G)?$/u;
        await this.shows(prompt, line);
        return this.screen.seen;
    }
}

async function typist(t: TestContext): Promise<Typist> {
    const stand = await ModelStand.start(t, text);
    const made = new Typist(stand);
    t.after(() => made.end());
    return made;
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

function heap(): number {
    assert.ok(typeof collect === "function");
    collect();
    return process.memoryUsage().heapUsed;
}

/** Every kind of noise that a line brings. */
function noise(roll: Dice): Uint8Array {
    const {below, octets, pick} = roll;
    switch (below(6)) {
        case 0:
            return octets(1 + below(400));
        case 1:
            return new Uint8Array(1 + below(50));
        case 2:
            return Buffer.from(
                pick(["\u001b[", "\u001b]0;x", "\u001bO", "\u0016", "\u001b[9999;9999R"]),
            );
        case 3:
            return Uint8Array.from([0xe2, 0x82, 0xf0, 0x9f, 0x98, 0xff, 0xc0]).subarray(below(7));
        case 4:
            return octets(1 + below(40)).map((byte) => byte & 0x1f);
        default:
            return octets(1 + below(200)).map((byte) => 0x20 + (byte % 0x5f));
    }
}

test("noise of every kind: nothing is committed, and the prompt comes back", {
    timeout: 60_000,
}, async (t) => {
    for (const seed of [1, 2, 3]) {
        const roll = dice(hunt + seed);
        const console = await typist(t);
        await console.line("configure");
        // Something that noise could commit.
        await console.line("set carp carp0 advskew 77");
        for (let i = 0; i < 120; i += 1) {
            await console.type(noise(roll), roll);
            if (roll.oneIn(6)) await console.type(Buffer.from("\r"), roll);
        }
        await console.calm();
        console.bounded();
        assert.equal(console.client.count("commit"), 0);
        assert.equal(console.stand.fileText(), text);
        assert.deepEqual(console.stand.bugs, []);
    }
});

const commands = [
    ...["show carp", "sh ca", "show configuration", "show log 5", "show history", "help", "show ?"],
    ...["configure", "edit carp carp0", "up", "top", "show | compare", "discard", "validate"],
    ...["set carp carp0 advskew 9", "set advskew 10", "delete carp carp0 advskew", "rollback 0"],
    ...["comment carp carp0 'rack 7'", "set carp lan vhid 4", "delete carp lan", "exit", "quit"],
    ...["terminal length 7", "terminal length 0", "terminal width 40", "show carp | match x|y"],
    ...["show carp | count", "load terminal", "end", "yes", "no", "ifconfig carp0", "ifconfig \\"],
    ...["sysctl net.inet.carp.preempt", "show system", "doctor", "watch", "demote 5", "undemote"],
    ...["show con\t", "se\tca\tcarp0 \t\t", "q", " ", "show why", "show peers", "maintenance off"],
];

test("commands mixed with noise: one newline, one command at most", {
    timeout: 60_000,
}, async (t) => {
    let understood = 0;
    for (const seed of [11, 12, 13, 14]) {
        const roll = dice(hunt + seed);
        const console = await typist(t);
        for (let i = 0; i < 150; i += 1) {
            const command = `${roll.pick(commands)}${roll.pick(["\r", "\n", "\r\n"])}`;
            await console.type(Buffer.from(command), roll);
            if (roll.oneIn(3)) await console.type(noise(roll), roll);
            if (roll.oneIn(10)) await console.type(Buffer.from("\u0003"), roll);
            if (roll.oneIn(20)) await console.calm();
        }
        await console.calm();
        console.bounded();
        assert.equal(console.client.count("commit"), 0);
        assert.equal(console.stand.fileText(), text);
        assert.deepEqual(console.stand.bugs, []);
        understood += console.client.changes.length;
    }
    assert.ok(understood > 20, `${understood} commands`);
});

test("lines typed without noise do what the model says, however they are cut", {
    timeout: 60_000,
}, async (t) => {
    for (const seed of [21, 22]) {
        const roll = dice(hunt + seed);
        const console = await typist(t);
        const looking = console.stand.logIn("bea", "admin", "ssh");
        // No page is turned here.
        await console.line("terminal length 0");
        await console.line("configure");
        let tree = readTree(text);
        let committed = text;
        for (let i = 0; i < 60; i += 1) {
            const {line, context, apply} = randomLine(roll);
            const [verb = "", ...words] = line.split(" ");
            const typed = [verb, ...context, ...words].join(" ");
            // Words of the shell itself, and what the editor of lines takes for something else.
            if (!/^(?:set|delete|rename|copy|comment) (?:carp|options) [ -~]+$/u.test(typed))
                continue;
            if (/carp nobody|[?|]|^comment.*""/u.test(typed)) continue;
            const next = structuredClone(tree);
            const legal = apply(next);
            const before = console.client.count("edit");
            console.screen.seen = "";
            await console.type(Buffer.from(`${typed}\r`), roll);
            await console.shows(/\[edit\]\r\n.*# (?:\S*)$/u, typed);
            assert.ok(console.client.count("edit") <= before + 1);
            if (legal) tree = next;
            const saved = await console.stand.ask(looking, "show", {
                source: "candidate",
                secrets: true,
            });
            const shown: unknown = Reflect.get(Object(saved.body), "text");
            assert.deepEqual(meant(readTree(String(shown))), meant(tree), `${seed}: ${typed}`);
            assert.equal(console.stand.fileText(), committed);
            if (!roll.oneIn(6)) continue;
            const said = await console.line("commit");
            if (!/\r\ncommitted/u.test(said)) continue;
            committed = console.stand.fileText();
            assert.deepEqual(meant(readTree(committed)), meant(tree));
        }
        assert.ok(console.client.count("commit") > 0);
    }
});

test("a terminal that stops, and megabytes of input: the memory stays bounded", {
    timeout: 60_000,
}, async (t) => {
    const roll = dice(hunt + 31);
    const console = await typist(t);
    await console.line("terminal length 0");
    const before = heap();
    console.screen.stopped = true;
    // What is shown, while it is typed and asked for, and what is typed ahead meanwhile.
    for (let i = 0; i < 100; i += 1) {
        console.send(Buffer.from("help\r"));
        await sleep(2);
        console.bounded();
    }
    for (let i = 0; i < 3000; i += 1) {
        // ^C would empty what waits.
        const noise = roll.octets(512).map((byte) => (byte === 3 ? 0 : byte));
        console.send(i % 10 === 0 ? noise : Buffer.from("z".repeat(8192)));
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        console.bounded();
    }
    const grown = heap() - before;
    assert.ok(grown < mostHeap, `${grown} octets`);
    console.screen.goOn();
    await console.calm();
    assert.equal(console.stand.fileText(), text);
});
