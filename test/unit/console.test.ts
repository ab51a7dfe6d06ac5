/**
 * carp-console as a process on a real pseudo terminal, with a real control socket behind it: log-in,
 * commands, messages, noise, a terminal that stops, a hang-up, a port that comes back.
 */
import assert from "node:assert/strict";
import {type ChildProcess, spawn} from "node:child_process";
import {randomBytes} from "node:crypto";
import {once} from "node:events";
import {readdirSync, readFileSync, renameSync, symlinkSync} from "node:fs";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import type {VhostState} from "../../src/core/engine.ts";
import {openPty, type Pty} from "../support/pty.ts";
import {type AccessStand, accessStand, password} from "./access-stand.ts";
import {now} from "./engine-fixtures.ts";

const program = join(import.meta.dirname, "../../src/carp-console.js");

interface Serial {
    readonly stand: AccessStand;
    readonly pty: Pty;
    readonly child: ChildProcess;
    readonly historyFolder: string;
    /** What it says about its port. */
    readonly journal: () => string;
}

/** carp-console on the path `port` of the stand's folder, which leads to the pty. */
async function serial(t: TestContext): Promise<Serial> {
    const stand = await accessStand(t);
    const pty = await openPty(t);
    const {folder} = stand.control;
    const port = join(folder, "ttyUSB0");
    symlinkSync(pty.path, port);
    const historyFolder = join(folder, "console");
    const args = [program, "--port", port, "--run-dir", folder, "--history", historyFolder];
    const child = spawn(process.execPath, args, {stdio: ["ignore", "ignore", "pipe"]});
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
    });
    t.after(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        child.kill("SIGKILL");
        await once(child, "exit");
    });
    return {stand, pty, child, historyFolder, journal: () => said};
}

/** The scripted engine says that carp0 changed its state. */
function engineEvent({control}: AccessStand, name: string, from: VhostState, to: VhostState): void {
    control.engine.emit({
        kind: "vhostState",
        at: now,
        name,
        carpdev: "eth1",
        vhid: 1,
        from,
        to,
        cause: "master timed out",
        peer: "",
    });
}

/** Types a line and gives what came until the next prompt. */
async function run(pty: Pty, line: string, prompt = /> $/): Promise<string> {
    await settled(pty, prompt);
    pty.forget();
    pty.type(`${line}\r`);
    await pty.until("\r\n");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: readline puts the cursor behind it
    return plainText(await pty.until(/[\w-]+[>#] (?:\u001b\[\d+G)?$/));
}

async function settled(pty: Pty, prompt: RegExp): Promise<void> {
    const end = performance.now() + 10_000;
    while (!prompt.test(plainText(pty.text))) {
        assert.ok(performance.now() < end, JSON.stringify(pty.text.slice(-200)));
        await new Promise((resolve) => {
            setTimeout(resolve, 5);
        });
    }
}

/** Without what moves the cursor. */
function plainText(text: string): string {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
    return text.replaceAll(/\u001b(?:\[[\d;]*[A-Za-z]|[78])|\r/g, "");
}

async function firstLogin(pty: Pty): Promise<void> {
    await pty.until("login: ");
    pty.type("admin\r");
    await pty.until("new password: ");
    pty.type(`${password}\r`);
    await pty.until("again: ");
    pty.type(`${password}\r`);
    await pty.until(/> /);
}

/** At the prompt of the log-in. */
async function login(pty: Pty, secret = password): Promise<void> {
    pty.type("admin\r");
    await pty.until("password: ");
    pty.type(`${secret}\r`);
}

test("the first log-in sets the password; then commands, pages and log-out", async (t) => {
    const {pty, stand, historyFolder} = await serial(t);
    await pty.until("login: ");
    pty.type("root\r");
    await pty.until("log in as admin");
    await firstLogin(pty);
    assert.match(await run(pty, "sh ca"), /carp0: \w+ carpdev/);
    assert.match(await run(pty, "show carp | count"), /^\d+ lines\n/);
    assert.match(await run(pty, "frobnicate"), /needs one of up, down|unknown word/);
    assert.match(await run(pty, "set carp carp0 pass topsecret99"), /unknown word|takes/);
    assert.match(await run(pty, "terminal length 5"), /> $/);
    pty.type("help\r");
    await pty.until("-- More --");
    pty.type(" ");
    await pty.until("-- More --");
    pty.type("q");
    await pty.until(/> /);
    pty.type("exit\r");
    await pty.until("login: ");
    // The password was never shown, and lines with one are not kept.
    assert.ok(!pty.text.includes(password));
    const history = readFileSync(join(historyFolder, "history-admin"), "utf8");
    assert.match(
        history,
        /^sh ca\nshow carp \| count\nfrobnicate\nterminal length 5\nhelp\nexit\n$/,
    );
    assert.deepEqual(readdirSync(historyFolder), ["history-admin"]);
    assert.ok(stand.audit().some((line) => /first password: admin was made on ttyUSB0/.test(line)));
    assert.ok(stand.audit().some((line) => /log-out: admin/.test(line)));
    // The next session has the history.
    await login(pty);
    await pty.until(/> /);
    pty.type("\u001b[A");
    await pty.until("exit");
    pty.type("\u0015");
    await run(pty, "show version");
});

test("a wrong password costs what the daemon says, and says no more", async (t) => {
    const {pty, stand} = await serial(t);
    await firstLogin(pty);
    pty.type("logout\r");
    await pty.until("login: ");
    await login(pty, "wrong one");
    await pty.until("the user name or the password is wrong");
    const began = performance.now();
    await pty.until("login: ");
    assert.ok(performance.now() - began > 500, "the prompt came back at once");
    await stand.clock.advance(60_000);
    pty.type("admin\r");
    await pty.until("password: ");
    pty.type(`${password}\r`);
    await pty.until(/> /);
});

test("state changes appear above the line that is typed, until monitor is off", async (t) => {
    const {pty, stand} = await serial(t);
    await firstLogin(pty);
    await run(pty, "show version");
    pty.type("show car");
    await pty.until("show car");
    engineEvent(stand, "carp0", "BACKUP", "MASTER");
    await pty.until("BACKUP -> MASTER");
    await pty.until("show car");
    pty.type("p\r");
    await pty.until("carpdev");
    await run(pty, "terminal monitor off");
    engineEvent(stand, "carp0", "MASTER", "BACKUP");
    const after = await run(pty, "show log 1");
    assert.equal(after.match(/MASTER -> BACKUP/g)?.length, 1);
});

test("? and TAB on the line", async (t) => {
    const {pty} = await serial(t);
    await firstLogin(pty);
    pty.type("show de?");
    assert.match(plainText(await pty.until("reasons and what ends them")), /demotion/);
    pty.type("m\t");
    await pty.until("motion ");
    pty.type("\r");
    await pty.until("demotion 0");
    await pty.until(/> /);
    pty.type("show carp ?");
    await pty.until("carp0");
    pty.type("\u0003");
    await pty.until("^C");
});

test("noise, breaks and a megabyte without an end do not end it", async (t) => {
    const {pty, child} = await serial(t);
    await firstLogin(pty);
    await run(pty, "show version");
    // ^D and ^C of the noise may log out; the shell or the log-in comes back by itself.
    for (let i = 0; i < 16; i++) pty.type(randomBytes(65_536));
    pty.type("z".repeat(1024 * 1024));
    pty.type("\u0003~\r\u0003\r");
    await pty.taken();
    assert.equal(child.exitCode, null);
    const rss = Number(
        /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1],
    );
    assert.ok(rss < 200 * 1024, `${rss} KiB`);
    const end = performance.now() + 20_000;
    for (;;) {
        const at = pty.text.length;
        pty.type("\u0003\r");
        await new Promise((resolve) => {
            setTimeout(resolve, 100);
        });
        const tail = plainText(pty.text.slice(at));
        if (/login: |> $/.test(tail)) break;
        assert.ok(performance.now() < end, JSON.stringify(pty.text.slice(-300)));
    }
});

test("a terminal that stops reading costs no memory, and reads on later", async (t) => {
    const {pty, child, stand} = await serial(t);
    await firstLogin(pty);
    await run(pty, "terminal length 0");
    pty.stopReading();
    for (let i = 0; i < 400; i++) pty.type("help\r");
    for (let i = 0; i < 2000; i++)
        engineEvent(stand, "carp0", i % 2 === 0 ? "BACKUP" : "MASTER", "INIT");
    await new Promise((resolve) => {
        setTimeout(resolve, 1000);
    });
    const rss = Number(
        /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1],
    );
    assert.ok(rss < 200 * 1024, `${rss} KiB`);
    pty.readAgain();
    pty.type("\u0003");
    pty.type("\u0003\rshow version\r");
    await pty.until(/carpd \d/, 30_000);
});

test("a hang-up logs out; the port comes back and asks for a log-in again", async (t) => {
    const {pty, child, stand, journal} = await serial(t);
    await firstLogin(pty);
    pty.type("show carp");
    await pty.until("show carp");
    await pty.close();
    const end = performance.now() + 10_000;
    while (!stand.audit().some((line) => /log-out: admin/.test(line))) {
        assert.ok(performance.now() < end, stand.audit().join("\n"));
        await new Promise((resolve) => {
            setTimeout(resolve, 10);
        });
    }
    assert.equal(child.exitCode, null);
    const again = await openPty(t);
    const port = join(stand.control.folder, "ttyUSB0");
    symlinkSync(again.path, `${port}.new`);
    renameSync(`${port}.new`, port);
    await again.until("login: ", 20_000);
    assert.match(journal(), /ttyUSB0: closed/);
    await login(again);
    await again.until(/> /);
});

test("on a tty of getty or ssh: one session, then it ends and the tty is as it was", async (t) => {
    const stand = await accessStand(t);
    const {folder} = stand.control;
    const pty = await openPty(t, process.execPath, program, "--stdin", "--run-dir", folder);
    await firstLogin(pty);
    assert.match(await run(pty, "show version"), /carpd \d/);
    pty.type("\u0004");
    assert.equal(await pty.ended(), 0);
});

test("without carpd the console says so and goes on asking", async (t) => {
    const stand = await accessStand(t);
    const none = join(stand.control.folder, "none");
    const pty = await openPty(t, process.execPath, program, "--stdin", "--run-dir", none);
    await pty.until("login: ");
    pty.type("admin\r");
    await pty.until("carpd does not answer (ENOENT)");
    await pty.until("login: ");
});
