/**
 * The appliance's applier with the programs that it is made for (systemd-networkd, nft, ip) on a host
 * whose vhid is MASTER: own addresses come and go, and neither the VIP nor the state is touched.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {after, before, describe, it} from "node:test";
import {networkPlanOf} from "../../src/core/appliance/network-plan.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";
import {NetworkApplier} from "../../src/io/appliance/network-applier.ts";
import type {RunProgram} from "../../src/io/appliance/programs.ts";
import {canFilter, type Host, waitFor} from "../../src/io/lab/namespaces.ts";
import {inNamespace} from "../support/netns.ts";
import {type Router, type Scene, Testbed} from "../support/routers.ts";

const networkd = "/lib/systemd/systemd-networkd";
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
`;

function missingPrograms(): string | false {
    const {status} = spawnSync("dbus-daemon", ["--version"]);
    if (status !== 0 || !existsSync(networkd)) return "dbus-daemon or systemd-networkd is missing";
    return canFilter() ? false : "nft(8) is not installed";
}

const inside = await inNamespace();
const skip = inside === false ? missingPrograms() : inside;
const bed = skip === false ? new Testbed() : undefined;
const test = (name: string, body: (scene: Scene) => Promise<void>) =>
    it(name, {skip, timeout: 120_000}, bed?.scene(body));

function must(...argv: string[]): void {
    const {status, stderr} = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8"});
    assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
}

/**
 * networkd becomes its own user, which the user namespace of a test knows as root only; and a /sys
 * that is not writable tells it that no udev will speak to it. For all tests of this file.
 */
function prepareForNetworkd(): void {
    for (const [file, user] of [
        ["/etc/passwd", "systemd-network:x:0:0::/:/usr/sbin/nologin"],
        ["/etc/group", "systemd-network:x:0:"],
    ] as const) {
        const copy = `/run/${file.replaceAll("/", "-")}`;
        const others = readFileSync(file, "utf8").replaceAll(/^systemd-network:.*\n/gmu, "");
        writeFileSync(copy, `${others.trimEnd()}\n${user}\n`);
        must("mount", "--bind", copy, file);
    }
    must("mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys");
}

/** networkd in a host, on a bus of its own. */
async function startNetworkd(host: Host): Promise<void> {
    for (const folder of ["/run/dbus", "/run/systemd"]) {
        rmSync(folder, {recursive: true, force: true});
    }
    for (const folder of ["/run/dbus", "/run/systemd/network"]) {
        mkdirSync(folder, {recursive: true});
    }
    writeFileSync("/run/dbus.conf", busConfig);
    const bus = host.spawn(["dbus-daemon", "--config-file=/run/dbus.conf", "--nofork"], {
        logName: "dbus",
    });
    await waitFor("the bus", 10_000, () =>
        existsSync("/run/dbus/system_bus_socket") ? true : undefined,
    );
    const server = host.spawn([networkd], {logName: "networkd"});
    await waitFor(
        "networkd",
        20_000,
        () =>
            host.run(["timeout", "3", "networkctl", "list"]).stdout.includes("unmanaged")
                ? true
                : undefined,
        () =>
            `${server.log()} ${bus.log()} ${host.run(["timeout", "3", "busctl", "--system", "list"]).stdout}`,
    );
}

/** Files below the host's folder, but for what networkd and the kernel read. */
function applierOf(host: Host): NetworkApplier {
    const root = join(host.directory, "root");
    mkdirSync(join(root, "run/systemd"), {recursive: true});
    mkdirSync(join(root, "proc/sys"), {recursive: true});
    symlinkSync("/run/systemd/network", join(root, "run/systemd/network"));
    const run: RunProgram = async (argv) => {
        const {status, stdout, stderr} = host.run(argv);
        const problem = status === 0 ? "" : `${argv.join(" ")}: ${stderr}`;
        return {ok: status === 0, output: stdout, problem};
    };
    // Otherwise an address goes with all others of its network; the applier writes it elsewhere here.
    host.sysctl({"ipv4/conf/eth1/promote_secondaries": 1});
    return new NetworkApplier({root, run, settleMs: 10_000});
}

const carp = (more = "") => `
[[carp]]
name = "carp0"
carpdev = "eth1"
vhid = 1
pass = "mekmitasdigoat"
addresses = ["192.168.1.1/24", "2001:db8::1/64"]
${more}`;

async function apply(applier: NetworkApplier, text: string): Promise<void> {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    const applied = await applier.apply(networkPlanOf(parsed.value.config));
    assert.deepEqual(applied, {ok: true, value: []});
}

/** All but the link-local ones, sorted. A VIP of `mac = "physical"` has scope host. */
function addressesOf(host: Host, ifname: string): readonly string[] {
    const shown = host.ip("-o", "address", "show", "dev", ifname);
    return [...shown.matchAll(/inet6? (?!fe80)(\S+)/gu)].map(([, address]) => address ?? "").sort();
}

async function masterWith(scene: Scene, more: string): Promise<{a: Router; client: Host}> {
    const segment = scene.segment();
    const a = scene.router("a", segment, [], {carp: []});
    writeFileSync(a.configPath, carp(more));
    const client = scene.client(segment, ["192.168.1.9/24", "2001:db8::9/64"]);
    await startNetworkd(a.host);
    return {a, client};
}

const block = (...addresses: string[]) =>
    `[[interface]]\nname = "eth1"\naddresses = ${JSON.stringify(addresses)}\n`;

// One at a time: networkd's files are in one folder for all hosts.
describe("applier", {concurrency: 1}, () => {
    before(() => {
        if (skip === false) prepareForNetworkd();
    });
    after(async () => await bed?.end());

    for (const mac of ["virtual", "physical"]) {
        test(`own addresses change under a MASTER, mac ${mac}`, async (scene) => {
            const more = `mac = "${mac}"\n`;
            const {a, client} = await masterWith(scene, more);
            const applier = applierOf(a.host);
            await apply(applier, block("192.168.1.2/24", "2001:db8::2/64") + carp(more));
            await a.start();
            await a.until("MASTER");
            const changes = a.changes().length;
            const vips = mac === "virtual" ? [] : ["192.168.1.1/32", "2001:db8::1/128"];
            const own = ["192.168.1.2/24", "2001:db8::2/64"];
            assert.deepEqual(addressesOf(a.host, "eth1"), [...own, ...vips].sort());
            const pings = await scene.agent(client).ping("192.168.1.1", 2000);
            await pings.answered();
            for (const next of [
                ["192.168.1.2/24", "192.168.1.7/24", "2001:db8::2/64"],
                ["192.168.1.7/24", "2001:db8::2/64"],
                ["192.168.1.8/24", "2001:db8::8/64"],
            ]) {
                const gateway = 'gateway = "192.168.1.254"\n';
                await apply(applier, block(...next) + gateway + carp(more));
                assert.deepEqual(addressesOf(a.host, "eth1"), [...next, ...vips].sort());
            }
            const routes = a.host.ip("route", "show", "default");
            assert.match(routes, /^default via 192\.168\.1\.254 dev eth1/u);
            await apply(applier, block("192.168.1.8/24") + carp(more));
            assert.equal(a.host.ip("route", "show", "default"), "");
            await pings.answered();
            const {lost, sent} = await pings.stop();
            // With the VIPs beside them the own addresses are away for some milliseconds.
            const mayLose = mac === "virtual" ? 0 : 25;
            assert.ok(lost <= mayLose, `${lost} of ${sent} pings lost, one each 2 ms`);
            assert.equal(await a.state(), "MASTER");
            assert.equal(a.changes().length, changes, a.log());
        });
    }
});
