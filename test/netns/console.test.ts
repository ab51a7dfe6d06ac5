/**
 * Sessions at the console of routers that run: log-in, configuration mode, hang-up, noise. Whatever
 * happens at the keyboard, the MASTER stays MASTER and nothing applies without a commit.
 */
import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {after, describe, it, type TestContext} from "node:test";
import {ControlClient} from "../../src/io/control-client.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {
    adminPassword,
    assertNoSecrets,
    type ConsoleHost,
    carpPassword,
    consoleHost,
} from "../support/console-host.ts";
import {inNamespace} from "../support/netns.ts";
import {type Scene, Testbed} from "../support/routers.ts";

const skip = await inNamespace();
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene, t: TestContext) => Promise<void>) =>
    it(name, {skip, timeout: 200_000}, (t) => bed?.scene((scene) => body(scene, t))(t));

const carp0 = `ifconfig carp0 vhid 1 pass ${carpPassword} 192.168.1.1/24`;

/** One router with carp0, MASTER, its console logged in. */
async function master(scene: Scene, t: TestContext): Promise<ConsoleHost> {
    const a = await consoleHost(t, scene, "a", [[scene.segment(), "192.168.1.2/24"]]);
    await a.setPassword();
    await a.typeAll([carp0]);
    await a.router.until("MASTER");
    await a.says("BACKUP -> MASTER");
    return a;
}

const configOf = (one: ConsoleHost): string => readFileSync(one.router.configPath, "utf8");

async function post(one: ConsoleHost, path: string): Promise<{status: number; body: unknown}> {
    const client = new ControlClient(join(one.router.runDir, "control.sock"));
    const reply = await client.request("POST", `/v1/${path}`, {});
    assert.ok(reply.ok, one.router.log());
    return reply.value;
}

/** No change of state since it became MASTER. */
async function assertStillMaster(one: ConsoleHost): Promise<void> {
    assert.equal(await one.router.state(), "MASTER", one.router.log());
    assert.equal(one.router.changes().at(-1)?.to, "MASTER");
    assert.equal(one.router.changes().filter(({to}) => to === "MASTER").length, 1);
}

/** Waits until all that was typed is through, breaks off what it has begun, and sees who answers. */
async function prompted(one: ConsoleHost): Promise<"login" | "shell"> {
    let length = -1;
    await waitFor(`${one.hostname} to be through with it`, 90_000, async () => {
        if (one.pty.text.length === length) return true;
        length = one.pty.text.length;
        await new Promise((resolve) => {
            setTimeout(resolve, 500);
        });
        return undefined;
    });
    return await waitFor(`${one.hostname} to answer`, 30_000, async () => {
        const from = one.pty.text.length;
        one.pty.type("\u0003\r");
        const text = await one.says(/login: $|carp-a[>#] $/, from, 2000).catch(() => "");
        if (text === "") return undefined;
        return text.endsWith("login: ") ? "login" : "shell";
    });
}

describe("the console of a router", {concurrency: 3}, () => {
    test("the first log-in sets the password, a wrong one is refused", async (scene, t) => {
        const a = await consoleHost(t, scene, "a", [[scene.segment(), "192.168.1.2/24"]]);
        await a.says("login: ");
        assert.match(a.pty.text, /carp-a carpd \d\S* ttyS0/);
        await a.answer("root", /There is no user yet: log in as admin/);
        await a.says(/login: $/);
        await a.answer("admin", "new password: ");
        await a.answer(adminPassword, "the same again: ");
        await a.answer("something else", "the two differ");
        await a.says(/login: $/);
        await a.answer("admin", "new password: ");
        await a.answer("short", "the same again: ");
        await a.answer("short", /password/);
        await a.says(/login: $/);
        await a.answer("admin", "new password: ");
        await a.answer(adminPassword, "the same again: ");
        await a.answer(adminPassword, "carp-a> ");
        assert.match(await a.type("show version"), /carpd \d/);
        await a.answer("logout", "login: ");

        await a.answer("admin", "password: ");
        const refused = await a.answer("wrong", /login: $/);
        assert.match(refused, /the user name or the password is wrong/);
        assert.match(refused, /the next try is possible in \d+ s/);
        await a.logIn();
        assert.doesNotMatch(await a.type("show carp"), /MASTER|BACKUP|INIT/);
        if (a.apart) {
            // Whoever takes over this process has no more than a prompt.
            assert.equal(a.processStatus("CapEff"), "0000000000000000");
            assert.equal(new Set(a.processStatus("Uid").split("\t")).size, 1);
            assert.notEqual(a.processStatus("Uid").split("\t")[0], "0");
        }
        await a.router.said("log-in failed: admin on ttyS0");
        await a.router.said("log-in: admin (admin) on ttyS0", 2);
        await a.router.said("log-out: admin on ttyS0");
        assertNoSecrets(a);
        assert.doesNotMatch(a.everything(), /something else|short\b.*short/);
    });

    test("a candidate is built, compared, committed and taken back", async (scene, t) => {
        const a = await master(scene, t);
        await a.typeAll([
            "configure",
            "edit carp carp0",
            "set advskew 40",
            "set addresses 192.168.1.51/24",
            "top",
            `set carp carp1 carpdev eth1`,
        ]);
        await a.typeAll([
            "set carp carp1 vhid 2",
            `set carp carp1 pass ${carpPassword}`,
            "set carp carp1 addresses 192.168.1.61/24",
        ]);
        const shown = await a.type("show");
        assert.match(shown, /set carp carp0 advskew 40/);
        assert.match(shown, /pass/);
        const compared = await a.type("show | compare");
        assert.match(compared, /\+.*advskew = 40/);
        assert.match(compared, /\+.*192\.168\.1\.61\/24/);
        assert.match(await a.type("validate"), /the candidate is valid/);
        assert.equal((await a.router.carp()).advskew, 0, "applied before the commit");

        // Somebody else is told who holds it.
        const other = await post(a, "configuration/open");
        assert.equal(other.status, 409);
        assert.match(JSON.stringify(other.body), /CANDIDATE_HELD.*admin.*ttyS0.*\d\d:\d\d/);

        const committed = await a.type("commit comment second vhid");
        assert.match(committed, /carp0: advskew 0 -> 40/);
        assert.match(committed, /carp1 added/);
        assert.match(committed, /\ncommitted\n/);
        assert.equal((await a.router.carp()).advskew, 40);
        await a.router.until("MASTER", 8000, "carp1");

        await a.typeAll(["delete carp carp1"]);
        assert.match(await a.type("commit"), /carp1 removed/);
        await a.typeAll(["rollback 1"]);
        assert.match(await a.type("show | compare"), /\+.*carp1/);
        assert.match(await a.type("commit"), /carp1 added/);
        assert.match(await a.type("run show history"), /second vhid/);
        await a.typeAll(["set carp carp0 advskew 77"]);
        await a.answer("exit", "Forget them? [yes/no] ");
        await a.answer("no", "carp-a# ");
        await a.typeAll(["discard"]);
        assert.match(await a.type("show | compare"), /nothing differs/);
        await a.typeAll(["exit"]);
        await a.router.until("MASTER", 8000, "carp1");
        assert.match(await a.type("show carp"), /carp1: MASTER/);
        assert.match(await a.type("show configuration"), /carp0 pass is not shown/);
        assert.match(await a.type("show configuration toml"), /pass = "\*\*\*\*"/);
        assert.equal((await post(a, "configuration/open")).status, 200);
        // Now it is the console that is told.
        assert.match(await a.type("configure"), /held by root from control socket since/);
        assert.equal((await post(a, "configuration/close")).status, 200);
        await assertStillMaster(a);
        assertNoSecrets(a);
    });

    test("wrong lines are explained, without the password in them", async (scene, t) => {
        const a = await master(scene, t);
        const before = configOf(a);
        for (const line of [
            `ifconfig carp1 vhid 900 pass ${carpPassword} 192.168.1.7/24`,
            `ifconfig carp1 vhid 2 pass ${carpPassword} 10.9.9.9/24 bogus`,
            `ifconfig carp1 vhid 2 pass ${carpPassword} \\\n192.168.1.7/99`,
            "sysctl net.inet.carp.preempt=maybe",
            `show carp carp0 pass ${carpPassword}`,
        ]) {
            assert.match(await a.type(line), /expected|unknown|takes|must|no |not /, line);
        }
        await a.typeAll(["configure"]);
        for (const line of [
            `set carp carp0 pass ${carpPassword} and more`,
            "set nothing at all",
            "commit confirmed 0",
        ]) {
            assert.match(await a.type(line), /expected|unknown|takes|must|needs|not /, line);
        }
        assert.match(await a.type("show | compare"), /nothing differs/);
        await a.typeAll(["set carp carp0 vhid 900"]);
        assert.match(await a.type("validate"), /vhid/);
        assert.match(await a.type("commit"), /the configuration is wrong/);
        await a.typeAll(["discard", "exit"]);
        assert.equal(configOf(a), before);
        await assertStillMaster(a);
        assertNoSecrets(a);
    });

    test("what is not confirmed is taken back; a hang-up applies nothing", async (scene, t) => {
        const a = await master(scene, t);
        const before = configOf(a);
        await a.typeAll(["configure", "set carp carp0 advskew 90"]);
        assert.match(
            await a.type("commit confirmed 1"),
            /it is taken back at .* unless you type: confirm/,
        );
        assert.equal((await a.router.carp()).advskew, 90);

        // In the middle of a line and of a candidate, the cable is pulled.
        await a.typeAll(["set carp carp0 advskew 120"]);
        a.pty.type("commit");
        await a.says("commit", a.pty.text.length - 6);
        await a.pty.close();
        await a.router.said("log-out: admin on ttyS0");
        await waitFor("the candidate to be free", 8000, async () =>
            (await post(a, "configuration/open")).status === 200 ? true : undefined,
        );
        assert.equal((await post(a, "configuration/close")).status, 200);
        assert.equal((await a.router.carp()).advskew, 90);
        await a.plug();
        await a.says("login: ", 0, 30_000);
        assert.ok(a.consoleRuns);
        assert.match(a.journal, /ttyS0: closed/);
        await a.logIn();
        assert.match(await a.type("show carp"), /carp0: MASTER.*advskew 90/);

        // By itself, and it says so.
        await waitFor("the commit to be taken back", 90_000, async () =>
            (await a.router.carp()).advskew === 0 ? true : undefined,
        );
        await a.says(/not confirmed/);
        assert.equal(configOf(a), before);
        await a.typeAll(["configure", "set carp carp0 advskew 91"]);
        await a.type("commit confirmed 5");
        assert.match(await a.type("confirm"), /confirmed/);
        await a.typeAll(["exit"]);
        assert.equal((await a.router.carp()).advskew, 91);
        await assertStillMaster(a);
        assertNoSecrets(a);
    });

    test("noise on the line changes nothing", async (scene, t) => {
        const a = await master(scene, t);
        const before = configOf(a);
        const steps: readonly (() => void)[] = [
            () => a.pty.type(randomBytes(1024 * 1024)),
            () => a.pty.type(Buffer.from([...Array(32).keys(), 127].flatMap((c) => [c, c, 65]))),
            () => a.pty.type("x".repeat(1024 * 1024)),
            () => a.pty.type(Buffer.alloc(65_536, 0x1b)),
            () => a.pty.type(Buffer.alloc(65_536, 0xff)),
            () => a.pty.type("\r".repeat(4096)),
        ];
        for (const [i, make] of steps.entries()) {
            make();
            if ((await prompted(a)) === "login") await a.logIn();
            assert.match(await a.type("show version"), /carpd \d/, `after step ${i}`);
            await assertStillMaster(a);
        }
        assert.equal(configOf(a), before);
        assert.ok(a.consoleRuns);
        const mostKiB = Number.parseInt(a.processStatus("VmHWM"), 10);
        assert.ok(mostKiB > 0 && mostKiB < 200 * 1024, `${mostKiB} KiB`);
        assert.doesNotMatch(a.router.log(), /commit by (?!.*carp0 added)/);
        assertNoSecrets(a);
    });

    test("carpd ends and starts again below a session", async (scene, t) => {
        const a = await master(scene, t);
        await a.typeAll(["configure", "set carp carp0 advskew 60"]);
        const before = configOf(a);
        await a.router.process.kill("SIGKILL");
        assert.match(await a.type("show"), /carpd|session/);
        await a.startCarpd();
        // The session ended with carpd, and what was not committed with it.
        await a.answer("", "login: ");
        await a.logIn();
        await a.router.until("MASTER");
        assert.equal(configOf(a), before);
        assert.equal((await a.router.carp()).advskew, 0);
        await a.typeAll(["configure"]);
        assert.match(await a.type("show | compare"), /nothing differs/);
        await a.typeAll(["exit"]);
        assertNoSecrets(a);
    });

    test("a terminal that stops reading holds up nothing", async (scene, t) => {
        const lan = scene.segment();
        const [a, b] = await Promise.all([
            consoleHost(t, scene, "a", [[lan, "192.168.1.2/24"]]),
            consoleHost(t, scene, "b", [[lan, "192.168.1.3/24"]]),
        ]);
        await Promise.all([a.setPassword(), b.setPassword()]);
        const preempt = "sysctl net.inet.carp.preempt=1";
        await a.typeAll([preempt, carp0]);
        await a.router.until("MASTER");
        await b.typeAll([preempt, carp0.replace("vhid 1", "vhid 1 advskew 100")]);
        await b.router.until("BACKUP");
        a.pty.stopReading();
        for (let i = 0; i < 300; i++) a.pty.type("help\r");
        for (let i = 0; i < 5; i++) {
            await a.router.command("carp0", "down");
            await b.router.until("MASTER");
            await a.router.command("carp0", "up");
            await a.router.until("MASTER", 15_000);
        }
        a.pty.readAgain();
        if ((await prompted(a)) === "login") await a.logIn();
        assert.match(await a.type("show carp | no-more"), /carp0: MASTER/);
        await a.router.until("MASTER");
        await b.router.until("BACKUP");
        assertNoSecrets(a, b);
    });

    after(async () => await bed?.end());
});
