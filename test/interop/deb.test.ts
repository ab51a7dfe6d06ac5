/**
 * The Debian package on two fresh Debian machines with systemd: it installs, its units run carpd in
 * their sandbox, the machines fail over, and removing it leaves nothing behind.
 */
import assert from "node:assert/strict";
import {createHash} from "node:crypto";
import {copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {buildPackage} from "../../board/deb/package.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {baseSystem, Machine, unpackBase} from "../support/machine.ts";
import {inNamespace} from "../support/netns.ts";
import {pairBlock, Scene, Testbed, toToml} from "../support/routers.ts";

const base = await baseSystem();
const skip = "refusal" in base ? base.refusal : await inNamespace();

const arch = process.arch === "arm64" ? "arm64" : "amd64";
const folder = "/run/machines";
const scratch = skip === false ? mkdtempSync(join(tmpdir(), "carpd-deb-test-")) : "";
const bed = skip === false ? new Testbed() : undefined;
const epoch = 1_767_225_600;

function build(version: string, output: string): string {
    return buildPackage({
        project: projectRoot(),
        arch,
        version,
        output: join(scratch, output),
        epoch,
    });
}

/** Every path of the machine that a package or an administrator can leave behind. */
async function paths(machine: Machine): Promise<ReadonlySet<string>> {
    const found = await machine.must("find", "/", "-xdev");
    return new Set(found.trim().split("\n"));
}

async function state(machine: Machine): Promise<string> {
    const {stdout} = await machine.run("carpctl", "show", "carp");
    return /^carp0: (\w+)/m.exec(stdout)?.[1] ?? "";
}

async function until(machine: Machine, wanted: string, deadlineMs = 10_000): Promise<void> {
    await waitFor(
        `${machine.host.name} to be ${wanted}`,
        deadlineMs,
        async () => ((await state(machine)) === wanted ? true : undefined),
        () => machine.journal("carpd"),
    );
}

async function active(machine: Machine, unit: string): Promise<string> {
    return (await machine.run("systemctl", "is-active", unit)).stdout.trim();
}

/** "0": none runs. */
async function mainPid(machine: Machine): Promise<string> {
    return await machine.property("carpd", "MainPID");
}

/** To a carpd that runs: 0 would be our own process group. */
async function signal(machine: Machine, name: string): Promise<string> {
    const pid = await mainPid(machine);
    assert.notEqual(pid, "0", await machine.journal("carpd"));
    await machine.must("kill", `-${name}`, pid);
    return pid;
}

/** Microseconds of the monotonic clock, as the service manager counts them. */
const nowUs = () => Number(process.hrtime.bigint() / 1000n);

describe("the Debian package", {skip, timeout: 600_000}, () => {
    let a: Machine;
    let b: Machine;
    let pristine: ReadonlySet<string>;
    let scene: Scene;

    before(async () => {
        if ("refusal" in base || bed === undefined) return;
        await unpackBase(base.tar, folder);
        scene = new Scene(bed.lab, "d", undefined);
        const segment = scene.segment();
        const machine = async (name: string, address: string): Promise<Machine> => {
            const host = scene.host(name);
            host.connect(segment, {ifname: "eth1", addresses: [address]});
            return await Machine.boot(host, folder);
        };
        a = await machine("a", "192.168.1.2/24");
        b = await machine("b", "192.168.1.3/24");
        pristine = await paths(a);
    });

    it("is the same, octet for octet, when it is built again", () => {
        const sum = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
        assert.equal(sum(build("1.0.0", "again")), sum(build("1.0.0", "first")));
    });

    it("installs; nothing runs before there is a configuration", async () => {
        for (const machine of [a, b]) {
            copyFileSync(
                join(scratch, `first/carpd_1.0.0_${arch}.deb`),
                machine.path("opt/carpd.deb"),
            );
            await machine.must("apt-get", "install", "-y", "/opt/carpd.deb");
            assert.equal(await machine.property("carpd", "UnitFileState"), "enabled");
            assert.equal(await active(machine, "carpd"), "inactive");
            assert.equal(await active(machine, "carp-system"), "inactive");
            assert.match(await machine.must("id", "carpd"), /groups=/);
        }
        const completed = await a.must(
            "bash",
            "-c",
            ". /usr/share/bash-completion/completions/carpctl; echo ok",
        );
        assert.match(completed, /ok/);
        assert.match(await a.must("carpd", "--version"), /^carpd /);
    });

    it("runs in its sandbox, and takes a commit", async () => {
        for (const [machine, skew] of [
            [a, 0],
            [b, 100],
        ] as const) {
            const toml = toToml({options: {"handover-limit-ms": 5000}, carp: [pairBlock(skew)]});
            writeFileSync(machine.path("etc/carpd/carpd.toml"), toml);
            await machine.must("systemctl", "start", "carpd");
        }
        await until(a, "MASTER");
        await until(b, "BACKUP");
        const status = await a.must("cat", `/proc/${await mainPid(a)}/status`);
        const line = (key: string) => new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(status)?.[1];
        assert.equal(line("Uid"), (await a.must("id", "-u", "carpd")).trim());
        // CAP_NET_ADMIN and CAP_NET_RAW.
        assert.equal(line("CapEff"), "0000000000003000");
        assert.equal(line("CapBnd"), "0000000000003000");
        assert.equal(line("NoNewPrivs"), "1");
        assert.equal(line("Seccomp"), "2");
        assert.equal((await a.must("sysctl", "-n", "net.ipv4.conf.eth1.arp_ignore")).trim(), "1");
        await a.must("carpctl", "ifconfig", "carp0", "advskew", "7");
        const file = a.path("etc/carpd/carpd.toml");
        assert.match(readFileSync(file, "utf8"), /advskew = 7/);
        assert.equal(String(statSync(file).uid), (await a.must("id", "-u", "carpd")).trim());
        await a.must("systemctl", "reload", "carpd");
        assert.equal(
            await active(a, "carp-panel"),
            "active",
            "a host without LEDs has none to light",
        );
        assert.equal(
            await a.must("systemctl", "--failed", "--no-legend", "list-units", "carp*"),
            "",
        );
        assert.equal(await state(a), "MASTER");
    });

    it("fails over: stopped, the peer has it at once; killed, it is restarted as BACKUP", async () => {
        await a.must("systemctl", "stop", "carpd");
        await until(b, "MASTER");
        // It stayed until it had heard B: no moment without a master, however busy this machine is.
        assert.match(await a.journal("carpd"), /carp0: handed over to 192\.168\.1\.3/);
        await a.must("systemctl", "start", "carpd");
        await until(a, "BACKUP");
        const pid = await signal(b, "KILL");
        await waitFor("another carpd on B", 5000, async () => {
            const now = await mainPid(b);
            return now !== pid && now !== "0" ? true : undefined;
        });
        await until(a, "MASTER");
        await until(b, "BACKUP");
    });

    it("a carpd that hangs is replaced within five seconds", async () => {
        const began = nowUs();
        const pid = await signal(a, "STOP");
        await waitFor("another carpd on A", 15_000, async () => {
            const now = await mainPid(a);
            return now !== pid && now !== "0" ? true : undefined;
        });
        const started = Number(await a.property("carpd", "ExecMainStartTimestampMonotonic"));
        const tookMs = Math.round((started - began) / 1000);
        assert.ok(tookMs <= 5000, `it took ${tookMs} ms`);
        await until(b, "MASTER");
        await until(a, "BACKUP");
    });

    it("one that fails again and again is held in INIT, until it is restarted", async () => {
        // The unit allows five starts a minute; it was started before.
        for (let i = 0; i < 8 && (await active(a, "carpd-hold")) !== "active"; i++) {
            const pid = await mainPid(a);
            if (pid !== "0") await a.run("kill", "-KILL", pid);
            await waitFor("the service manager to act", 10_000, async () => {
                if ((await active(a, "carpd-hold")) === "active") return true;
                const now = await mainPid(a);
                const again = now !== "0" && now !== pid && (await active(a, "carpd")) === "active";
                return again ? true : undefined;
            });
        }
        assert.equal(await active(a, "carpd-hold"), "active", await a.journal("carp-crashloop"));
        assert.match(await a.must("carpctl", "show", "carp"), /^held in INIT \(carpd has failed/);
        assert.equal(await state(a), "INIT");
        assert.equal(await state(b), "MASTER");
        await a.must("systemctl", "restart", "carpd");
        await until(a, "BACKUP");
        assert.equal(await active(a, "carpd-hold"), "inactive");
    });

    it("is upgraded; the configuration stays", async () => {
        const before = readFileSync(a.path("etc/carpd/carpd.toml"), "utf8");
        const pid = await mainPid(a);
        copyFileSync(build("1.0.1", "next"), a.path("opt/next.deb"));
        await a.must("apt-get", "install", "-y", "/opt/next.deb");
        assert.notEqual(await mainPid(a), pid);
        assert.equal(readFileSync(a.path("etc/carpd/carpd.toml"), "utf8"), before);
        await until(a, "BACKUP");
    });

    it("is removed: it hands over, and leaves nothing but the configuration; purged, nothing", async () => {
        for (const machine of [a, b]) {
            await machine.must("systemctl", "enable", "carp-console@ttyS9");
            const names = await machine.property("serial-getty@ttyS9", "Names");
            assert.match(names, /carp-console@ttyS9/, "the console takes the getty's place");
        }
        await b.must("apt-get", "remove", "-y", "carpd");
        const getty = await b.property("serial-getty@ttyS9", "Names");
        assert.equal(getty, "serial-getty@ttyS9.service");
        await until(a, "MASTER");
        assert.match(await b.journal("carpd"), /carp0: handed over to 192\.168\.1\.2/);
        assert.ok(statSync(b.path("etc/carpd/carpd.toml")).isFile());
        assert.equal((await b.must("ip", "-o", "link", "show", "type", "macvlan")).trim(), "");
        await a.must("apt-get", "purge", "-y", "carpd");
        rmSync(a.path("opt/carpd.deb"));
        rmSync(a.path("opt/next.deb"));
        const left = [...(await paths(a))].filter((path) => !pristine.has(path));
        // The users stay, as Debian's do; what is theirs is gone. dpkg, the journal and sysusers keep
        // copies of their own files.
        const others =
            /^\/(?:var\/(?:lib\/(?:dpkg|apt|systemd)|cache|log)\/|etc\/(?:\.pwd\.lock|(?:passwd|shadow|group|gshadow)-)$)/;
        assert.deepEqual(
            left.filter((path) => !others.test(path)),
            [],
        );
        assert.equal((await a.must("ip", "-o", "link", "show", "type", "macvlan")).trim(), "");
    });

    after(async () => {
        for (const machine of [a, b]) await machine?.powerOff();
        await scene?.end();
        await bed?.end();
        if (scratch !== "") rmSync(scratch, {recursive: true});
    });
});
