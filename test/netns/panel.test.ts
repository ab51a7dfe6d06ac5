/**
 * The front panel: real carp-panel and real carpd, LEDs in a folder of files, the reset button a
 * FIFO. What the kernel makes of the files is tested with a kernel (test/image).
 */
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {
    chmodSync,
    chownSync,
    constants,
    mkdirSync,
    openSync,
    writeFileSync,
    writeSync,
} from "node:fs";
import {join} from "node:path";
import {after, describe, it} from "node:test";
import {ControlClient} from "../../src/io/control-client.ts";
import {type Host, type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {asConsoleUser, consoleHost, consoleUser, mayBeAnother} from "../support/console-host.ts";
import {FakeLeds} from "../support/fake-leds.ts";
import {keyEvent} from "../support/input-events.ts";
import {inNamespace} from "../support/netns.ts";
import {rendered} from "../support/rendered.ts";
import {
    cableOf,
    collect,
    pairBlock,
    Router,
    type RouterConfig,
    type Scene,
    Testbed,
} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

const program = join(projectRoot(), "dist/src/carp-panel.js");
const apart = skip === false && mayBeAnother(program);
const archs: Readonly<Record<string, string>> = {x64: "amd64", arm64: "arm64", arm: "armhf"};
const holdSec = 3;

const claim = (times: number, ...ms: number[]): string => {
    const steps = ms.map((length, i) => (i % 2 === 0 ? `255 ${length} 255 0` : `0 ${length} 0 0`));
    return `pattern ${steps.join(" ")} ${times}`;
};
const on = claim(1, 10_000, 1);
const slow = claim(5, 1000, 1000);
const init = claim(25, 200, 200);
const demoted = claim(10, 100, 100, 100, 700);
const demotedMaster = claim(10, 700, 100, 100, 100);
const flash = claim(50, 100, 100);
const busy = claim(100, 50, 50);
const [lit, dark, panic] = ["none 255", "none 0", "panic"];

function manifest(): string {
    const led = (name: string, color: string) => ({name: `test:${name}`, colors: [color]});
    return JSON.stringify({
        $schema: "../schema.json",
        schema: 1,
        id: "testbox",
        name: "A box for tests",
        arch: archs[process.arch],
        match: "arch",
        console: {tty: "ttyS0", baud: 115_200, flow: "none", label: "serial"},
        nics: [{name: "eth1", label: "LAN", paths: ["pci-0000:01:00.0"]}],
        leds: {
            status: led("status", "green"),
            role: {...led("role", "green"), label: "MASTER"},
            fault: led("fault", "red"),
            "port:eth1": led("eth1", "green"),
        },
        buttons: {reset: {input: "gpio-keys", code: "KEY_RESTART", holdSec, label: "reset"}},
        storage: {media: ["sd"], minMiB: 512},
        boot: {method: "grub"},
    });
}

/** A router with a front panel. */
class Box extends Router {
    readonly leds: FakeLeds;
    readonly #boards: string;
    readonly #input: string;
    readonly #button: number;
    #panel: HostProcess | undefined;

    constructor(host: Host) {
        super(host);
        this.leds = new FakeLeds(join(host.directory, "leds"));
        for (const role of ["status", "role", "fault", "eth1"]) this.leds.add(`test:${role}`);
        this.#boards = join(host.directory, "boards");
        mkdirSync(join(this.#boards, "testbox"), {recursive: true});
        writeFileSync(join(this.#boards, "testbox/board.json"), manifest());
        this.#input = join(host.directory, "input");
        mkdirSync(this.#input);
        const button = join(this.#input, "event0");
        execFileSync("mkfifo", [button]);
        // Open for both, so that neither end waits for the other.
        this.#button = openSync(button, constants.O_RDWR | constants.O_NONBLOCK);
        this.open(this.leds.root);
        this.open(this.#input);
    }

    /** Stands in for udev's rule: carp-panel's user may write. */
    open(path: string): void {
        execFileSync("chmod", ["-R", "a+rwX", path]);
        chmodSync(this.host.directory, 0o755);
    }

    override get arguments(): readonly string[] {
        const user = apart ? ["--panel-user", consoleUser.name] : [];
        return [...super.arguments, ...user, "--board-dir", this.#boards];
    }

    async startCarpd(): Promise<void> {
        await this.start();
        // Stands in for the group that an installation makes.
        if (apart) chownSync(join(this.runDir, "control.sock"), 0, consoleUser.id);
    }

    panelWords(...words: readonly string[]): string[] {
        const user = apart ? asConsoleUser : [];
        const dirs = ["--run-dir", this.runDir, "--board-dir", this.#boards];
        const fakes = ["--sys-root", this.leds.root, "--input-dir", this.#input];
        return [...user, process.execPath, program, ...words, ...dirs, ...fakes];
    }

    startPanel(): HostProcess {
        this.#panel = this.host.spawn(this.panelWords(), {logName: "panel"});
        return this.#panel;
    }

    get panelLog(): string {
        return this.#panel?.log() ?? "";
    }

    press(value: 0 | 1): void {
        writeSync(this.#button, keyEvent("KEY_RESTART", value));
    }

    /** Waits until the LEDs of status, role and fault show this. */
    async shows(status: string, role: string, fault: string, deadlineMs = 10_000): Promise<void> {
        const wanted = [status, role, fault];
        const now = () =>
            ["status", "role", "fault"].map((name) => this.leds.shown(`test:${name}`));
        await waitFor(
            `the panel of ${this.host.name} to show ${JSON.stringify(wanted)}`,
            deadlineMs,
            () => (JSON.stringify(now()) === JSON.stringify(wanted) ? true : undefined),
            () => `${JSON.stringify(now())}\n${this.panelLog}\n${this.log()}`,
        );
    }
}

function box(scene: Scene, name: string, lan: string, address: string, config: RouterConfig): Box {
    const host = scene.host(name, {forward: true});
    host.connect(lan, {ifname: "eth1", addresses: [address]});
    const made = new Box(host);
    made.configure(config);
    return made;
}

const block = (skew: number, more = {}): RouterConfig => ({
    options: {preempt: true},
    carp: [pairBlock(skew, more)],
});

describe("the front panel", {concurrency: 3}, () => {
    test("MASTER, BACKUP, demoted, INIT; carpd that hangs, dies and comes back", async (scene) => {
        const lan = scene.segment();
        const a = box(scene, "a", lan, "192.168.1.2/24", block(0));
        const b = box(scene, "b", lan, "192.168.1.3/24", block(100));
        await Promise.all([a.startCarpd(), b.startCarpd()]);
        const panel = a.startPanel();
        b.startPanel();
        await a.shows(on, on, panic);
        await b.shows(on, slow, panic);
        assert.equal(a.leds.shown("test:eth1"), "netdev eth1 1");

        await b.command("maintenance", "on");
        await b.shows(on, demoted, panic);
        await b.command("maintenance", "off");
        await b.shows(on, slow, panic);
        await a.command("demote", "10");
        await a.shows(on, demotedMaster, panic);
        await a.command("undemote");
        await a.shows(on, on, panic);

        cableOf(b).pull();
        await b.shows(on, init, panic);
        cableOf(b).plug();
        await b.shows(on, slow, panic);

        // Its engine goes on, and so does the election: only what it says stops.
        const stopped = Date.now();
        process.kill(a.process.pid, "SIGSTOP");
        await a.shows(dark, dark, lit, 5000);
        const hungMs = Date.now() - stopped;
        assert.ok(hungMs < 4000, `a hung carpd was shown after ${hungMs} ms`);
        process.kill(a.process.pid, "SIGCONT");
        await a.shows(on, on, panic);

        const killed = Date.now();
        await a.process.kill("SIGKILL");
        await a.shows(dark, dark, lit, 5000);
        const deadMs = Date.now() - killed;
        assert.ok(deadMs < 4000, `a dead carpd was shown after ${deadMs} ms`);
        // B is MASTER now, and knows why.
        await b.shows(on, on, lit);
        assert.match(await b.command("show", "leds"), /192\.168\.1\.2 fell silent as MASTER/);

        await a.startCarpd();
        await a.shows(on, on, panic, 20_000);
        await b.shows(on, slow, panic);
        await panel.kill("SIGTERM");
    });

    test("two masters that do not accept each other", async (scene) => {
        const lan = scene.segment();
        const a = box(scene, "a", lan, "192.168.1.2/24", block(0));
        const b = box(scene, "b", lan, "192.168.1.3/24", block(100, {pass: "another"}));
        await Promise.all([a.startCarpd(), b.startCarpd()]);
        a.startPanel();
        await a.shows(on, on, "timer 100 100", 20_000);
        assert.match(await a.command("show", "leds"), /two masters of carp0: 192\.168\.1\.3 too/);
        await b.stop();
        await a.shows(on, on, panic, 30_000);
    });

    test("show leds, identify, an LED that is gone, what carp-panel may ask", async (scene) => {
        const lan = scene.segment();
        const a = box(scene, "a", lan, "192.168.1.2/24", block(0));
        a.leds.remove("test:status");
        await a.startCarpd();
        assert.match(await a.command("show", "leds"), /carp-panel does not run/);
        a.startPanel();
        await a.said("LED test:status: there is no such LED: ENOENT");
        await a.until("MASTER");
        const text = await a.command("show", "leds");
        assert.match(text, /^A box for tests \(testbox\)\n/);
        assert.match(text, /\nrole +test:role "MASTER" +green +on\n\tMASTER\n/);
        assert.match(
            text,
            /\nstatus .*\n\tcarpd runs\n\tNOT SHOWN: there is no such LED: ENOENT\n/,
        );
        assert.match(text, /\nport:eth1 .*link of eth1\n\tthe link of eth1, by the kernel: link\n/);
        assert.doesNotMatch(text, /does not run/);

        a.leds.add("test:status");
        a.open(a.leds.root);
        await a.said("LED test:status: works again");
        await a.shows(on, on, panic);

        assert.equal(await a.command("identify", "1h"), "identify: all LEDs flash for 3600 s\n");
        await a.shows(flash, flash, flash);
        assert.equal(a.leds.shown("test:eth1"), flash);
        await a.command("identify", "off");
        await a.shows(on, on, panic);
        await a.command("identify", "1s");
        await a.shows(flash, flash, flash);
        await a.shows(on, on, panic);
        const refused = await a.carpctl("identify", "2h");
        assert.match(refused.stderr, /0\.\.3600/);

        if (apart) {
            const other = [
                ...asConsoleUser,
                process.execPath,
                join(projectRoot(), "dist/src/carpctl.js"),
            ];
            const asPanel = (...words: string[]) =>
                collect([...other, "--run-dir", a.runDir, ...words]);
            assert.equal((await asPanel("show", "leds")).code, 0);
            for (const words of [
                ["show", "carp"],
                ["identify"],
                ["maintenance", "on"],
                ["users"],
            ]) {
                assert.notEqual((await asPanel(...words)).code, 0, words.join(" "));
            }
            assert.match(
                (await asPanel("show", "carp")).stderr,
                /carp-panel may ask for the panel/,
            );
        }
    });

    test("the reset button", async (scene) => {
        const lan = scene.segment();
        const a = box(scene, "a", lan, "192.168.1.2/24", block(0));
        await a.startCarpd();
        a.startPanel();
        await a.shows(on, on, panic);
        assert.match(
            await a.command("show", "buttons"),
            /^reset "reset": KEY_RESTART of gpio-keys, not armed\n\tshort press/,
        );
        a.press(1);
        a.press(0);
        await a.said("button: carp0 (vhid 1 on eth1) is MASTER");

        a.press(1);
        await a.shows(busy, dark, panic);
        await a.said("reset button: held; a short press within 30 s erases the configuration");
        assert.match(await a.command("show", "buttons"), /ARMED/);
        a.press(0);
        // A press that begins at once is a bounce.
        await new Promise((resolve) => setTimeout(resolve, 1000));
        a.press(1);
        await new Promise((resolve) => setTimeout(resolve, 300));
        a.press(0);
        await a.said("reset button: factory reset");
        await a.said("no factory reset: this host is not a carpd appliance");
        await a.shows(on, on, panic);

        a.press(1);
        await a.shows(busy, dark, panic);
        a.press(0);
        await a.said("reset button: disarmed, nothing was erased", 1, 45_000);
        await a.shows(on, on, panic);
    });

    test("one shot: fault, boot, off", async (scene) => {
        const a = box(scene, "a", scene.segment(), "192.168.1.2/24", block(0));
        const show = async (word: string) => {
            const output = await collect(a.panelWords(word));
            assert.equal(output.code, 0, output.stderr);
            return ["status", "role", "fault"].map((role) => a.leds.shown(`test:${role}`));
        };
        assert.deepEqual(await show("--fault"), [dark, dark, lit]);
        assert.deepEqual(await show("--boot"), ["timer 100 100", dark, panic]);
        assert.deepEqual(await show("--off"), [dark, dark, panic]);
        // A driver that hangs: the others are shown, and it ends.
        a.leds.hang("test:status", "brightness");
        a.open(a.leds.root);
        const begun = Date.now();
        const output = await collect(a.panelWords("--fault"));
        assert.ok(Date.now() - begun < 15_000);
        assert.notEqual(output.code, 0);
        assert.match(output.stderr, /LED test:status: its driver hangs/);
        assert.equal(a.leds.shown("test:fault"), lit);
    });
});

describe("a console where nobody is logged in", () => {
    it("prints the state when the button is pressed", {skip, timeout: 60_000}, async (t) => {
        const body = async (scene: Scene): Promise<void> => {
            const one = await consoleHost(t, scene, "a", [[scene.segment(), "192.168.1.2/24"]]);
            await one.says("login: ");
            const client = new ControlClient(join(one.router.runDir, "control.sock"));
            // The first question of a console only learns how many presses there were.
            await waitFor("the button on the console", 20_000, async () => {
                await client.request("POST", "/v1/panel/button", {press: "short"});
                const text = rendered(one.pty.text);
                return text.includes("button: no carp interface is configured") ? true : undefined;
            });
            await one.answer("", "login: ");
        };
        await bed?.scene(body)(t);
    });
});

after(async () => await bed?.end());
