/** The operational routes behind a real control socket, and what they read of the system. */
import assert from "node:assert/strict";
import {chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {describe, it, type TestContext} from "node:test";
import {fileURLToPath} from "node:url";
import {BsdCommands} from "../../src/app/bsd-commands.ts";
import {ControlApi} from "../../src/app/control-api.ts";
import {Operations, type OperationsPorts} from "../../src/app/operations.ts";
import {operationsRoutes} from "../../src/app/operations-routes.ts";
import type {Clock} from "../../src/app/ports.ts";
import {textOf} from "../../src/app/shell/asker.ts";
import {type ApiReply, errorOf} from "../../src/core/control-protocol.ts";
import type {Role} from "../../src/core/control-session.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {pingText} from "../../src/core/ping.ts";
import {err, ok} from "../../src/core/result.ts";
import {plain} from "../../src/core/show.ts";
import {
    decodeDoctor,
    decodeImport,
    decodePeers,
    decodeSystem,
    decodeWhy,
    showPeers,
    showSystem,
} from "../../src/core/show-operations.ts";
import {loadAddon} from "../../src/io/addon.ts";
import {echo} from "../../src/io/echo.ts";
import {HealthClient} from "../../src/io/health-client.ts";
import {readHostFacts} from "../../src/io/host-facts.ts";
import {hostInterfaces} from "../../src/io/host-interfaces.ts";
import {SystemPower} from "../../src/io/power.ts";
import {readSystem} from "../../src/io/system-info.ts";
import {type ConfigurationRig, makeFolder, startRig} from "./configuration-rig.ts";
import {folder} from "./control-stand.ts";
import {carpdev, peer, snapshot, until, vhost} from "./engine-fixtures.ts";

const realClock: Clock = {
    monotonicUs: () => process.hrtime.bigint() / 1000n,
    wallUs: () => BigInt(Date.now()) * 1000n,
    after: (ms, run) => {
        const timer = setTimeout(run, ms);
        // What a test waits for is short; it does not wait for what would come in a minute.
        if (ms > 10_000) timer.unref();
        return () => clearTimeout(timer);
    },
};
const helper = join(dirname(fileURLToPath(import.meta.url)), "../../src/health-helper.js");

interface Desk {
    readonly rig: ConfigurationRig;
    readonly records: readonly LogRecord[];
    readonly orders: string[];
    readonly ask: (method: string, path: string, body?: unknown, role?: Role) => Promise<ApiReply>;
}

async function desk(t: TestContext, change: Partial<OperationsPorts> = {}): Promise<Desk> {
    const path = folder(t);
    makeFolder(path);
    const {rig} = await startRig(path);
    const health = new HealthClient(helper, realClock, () => undefined);
    t.after(async () => {
        rig.configuration.stop();
        await Promise.all([rig.daemon.conditions.stop(), health.stop()]);
    });
    const orders: string[] = [];
    const log = {write: (record: LogRecord) => rig.records.push(record)};
    const operations = new Operations(
        rig.daemon,
        {
            clock: realClock,
            log,
            readSystem: (carpd) => readSystem(health, carpd),
            readFacts: readHostFacts,
            ping: (address, count) => echo(loadAddon(), realClock, address, count),
            power: async (action) => {
                orders.push(action);
                return ok(undefined);
            },
            ...change,
        },
        {listenMs: 50},
    );
    const bsd = new BsdCommands(rig.daemon, {
        log,
        configuration: rig.configuration,
        hostInterfaces,
    });
    const routes = operationsRoutes(operations, bsd, rig.daemon);
    const {balanceIndex} = loadAddon();
    const api = new ControlApi(rig.daemon, () => ({}), balanceIndex, routes);
    return {
        rig,
        records: rig.records,
        orders,
        ask: async (method, requested, body, role = "admin") => {
            const text = body === undefined ? "" : JSON.stringify(body);
            const request = {method, path: requested, body: text};
            const session = {id: "1", user: "ann", role, origin: "ttyS0"};
            const answer = await api.answer(request, session);
            assert.ok(answer !== "stream");
            return {...answer, body: JSON.parse(JSON.stringify(answer.body))};
        },
    };
}

describe("operations", () => {
    it("why: a change is explained as soon as it has happened", async (t) => {
        const {rig, ask} = await desk(t);
        assert.deepEqual((await ask("GET", "/v1/why")).body, []);
        const heard = peer({lastHeardAt: rig.engine.current.at - 3_000_000n});
        const since = rig.engine.current.at;
        rig.engine.current = snapshot({vhosts: [vhost({peers: [heard], since})]});
        rig.engine.emit({
            kind: "vhostState",
            at: rig.engine.current.at,
            name: "carp0",
            carpdev: "eth1",
            vhid: 1,
            from: "BACKUP",
            to: "MASTER",
            cause: "master timed out",
            peer: "",
        });
        const all = decodeWhy((await ask("GET", "/v1/why", undefined, "operator")).body);
        assert.equal(all?.length, 1);
        assert.match(all?.[0]?.explain[0] ?? "", /192\.168\.1\.3 was not heard any more/);
        const one = decodeWhy((await ask("GET", "/v1/why/carp0")).body);
        assert.deepEqual(one, all);
        const unknown = await ask("GET", "/v1/why/carp7");
        assert.deepEqual([unknown.status, errorOf(unknown.body)?.code], [404, "UNKNOWN_CARP"]);
    });

    it("peers: heard and configured ones", async (t) => {
        const {rig, ask} = await desk(t);
        const master = peer({advskew: 100, demotion: 3});
        rig.engine.current = snapshot({
            vhosts: [vhost({state: "BACKUP", master, peers: [master]})],
        });
        const {body} = await ask("GET", "/v1/peers", undefined, "operator");
        const [first] = decodePeers(body) ?? [];
        assert.deepEqual(
            [first?.address, first?.advskew, first?.lastHeardMs, first?.heard, first?.isMaster],
            ["192.168.1.3", 100, 400, 17, true],
        );
        assert.match(
            showPeers(body, plain) ?? "",
            /192\.168\.1\.3 MASTER {2}1 +100 +3 +17 +0\.4 s ago/,
        );
        const silent = {...first, address: "192.168.1.4", lastHeardMs: null, isMaster: false};
        assert.match(showPeers([silent], plain) ?? "", /192\.168\.1\.4 .* never heard/);
        assert.equal(showPeers([], plain), "no other host was heard\n");
        assert.equal(showPeers([1], plain), null);
    });

    it("system: asks the helper and gives up in time", {timeout: 20_000}, async (t) => {
        const {ask} = await desk(t);
        const {body} = await ask("GET", "/v1/system", undefined, "operator");
        const system = decodeSystem(body);
        assert.ok(system);
        assert.equal(system.versions.carpd, "0.1.0");
        assert.equal(system.versions.node, process.versions.node);
        assert.ok((system.memory?.totalOctets ?? 0) > 1024 ** 2, JSON.stringify(system));
        assert.match(showSystem(body) ?? "", /memory +\d.* available of /);
        assert.equal(showSystem({...Object(body), load: ["x"]}), null);
        const blind = {...Object(body), memory: null, disks: null, board: null};
        assert.match(showSystem(blind) ?? "", /memory +not known here/);
    });

    it("system: is not an error without the helper", {timeout: 20_000}, async (t) => {
        const broken = new HealthClient("/nonexistent/helper.js", realClock, () => undefined);
        t.after(() => broken.stop());
        const {ask} = await desk(t, {readSystem: (carpd) => readSystem(broken, carpd)});
        const began = performance.now();
        const reply = await ask("GET", "/v1/system");
        assert.ok(performance.now() - began < 3000);
        const system = decodeSystem(reply.body);
        assert.deepEqual([system?.memory, system?.disks], [null, null]);
    });

    it("doctor: compares two looks and hears the alarms in between", async (t) => {
        const quiet = {rpFilterAll: null, ipForward: null, carpdevs: []};
        const {rig, ask} = await desk(t, {readFacts: () => quiet});
        const counted = (badauth: number) =>
            snapshot({
                vhosts: [vhost({peers: [peer()], counters: {accepted: 1, badauth}})],
                carpdevs: [carpdev({counters: {arpRequests: 1}})],
            });
        let looks = 0;
        rig.engine.onSnapshot = async () => counted(looks++ === 0 ? 4 : 9);
        const both = [ask("POST", "/v1/doctor", {}, "operator"), ask("POST", "/v1/doctor")];
        await until(() => looks === 1, "the first look");
        const [one, two] = await Promise.all(both);
        const report = decodeDoctor(one?.body);
        assert.deepEqual(decodeDoctor(two?.body), report, "one doctor for both");
        assert.equal(looks, 2);
        assert.deepEqual(
            report?.findings.map(({severity, name}) => [severity, name]),
            [["problem", "carp0"]],
        );
        assert.match(report?.findings[0]?.text ?? "", /^5 advertisements/);
    });

    const noPing = process.geteuid?.() === 0 ? false : "ICMP echo needs CAP_NET_RAW";
    it("ping: answers in ping's words", {timeout: 20_000, skip: noPing}, async (t) => {
        const {ask} = await desk(t);
        const {body} = await ask("POST", "/v1/ping", {address: "127.0.0.1", count: 2}, "operator");
        const text = textOf(body, "text");
        assert.match(text ?? "", /^PING 127\.0\.0\.1\nreply from 127\.0\.0\.1: icmp_seq=1 time=/);
        assert.match(text ?? "", /2 packets transmitted, 2 received, 0% packet loss/);
    });

    it("ping: checks what is asked", async (t) => {
        const {ask} = await desk(t);
        const wrong = [
            {},
            {address: "somewhere"},
            {address: "127.0.0.1", count: 0},
            {address: "127.0.0.1", count: 21},
            {address: "127.0.0.1", count: 1.5},
            {address: "127.0.0.1", size: 1},
            [],
        ];
        for (const body of wrong) {
            assert.equal((await ask("POST", "/v1/ping", body)).status, 400, JSON.stringify(body));
        }
    });

    it("ping: says why it could not ask, and bounds how many ask", async (t) => {
        const waiting: (() => void)[] = [];
        const {ask} = await desk(t, {
            ping: (address) =>
                new Promise((resolve) => {
                    waiting.push(() => resolve(err(`cannot ask ${address}: ENETUNREACH`)));
                }),
        });
        const asked = Array.from({length: 5}, () =>
            ask("POST", "/v1/ping", {address: "192.0.2.1"}),
        );
        await until(() => waiting.length === 4, "four pings");
        for (const end of waiting) end();
        const statuses = (await Promise.all(asked)).map(({status}) => status);
        assert.deepEqual(statuses.sort(), [409, 409, 409, 409, 503]);
    });

    it("power: for admins, once, with an audit line", async (t) => {
        const {ask, orders, records} = await desk(t);
        const order = {action: "reboot", force: true};
        assert.equal((await ask("POST", "/v1/power", order, "operator")).status, 403);
        assert.equal((await ask("POST", "/v1/power", {action: "halt"})).status, 400);
        assert.equal((await ask("POST", "/v1/power", {...order, handOver: true})).status, 400);
        assert.equal((await ask("POST", "/v1/power", {...order, force: 1})).status, 400);
        // MASTER, and nobody has said whether it matters.
        const refused = await ask("POST", "/v1/power", {action: "reboot"});
        assert.deepEqual([refused.status, errorOf(refused.body)?.code], [409, "IS_MASTER"]);
        assert.match(
            errorOf(refused.body)?.message ?? "",
            /^this host is MASTER of carp0 \(vhid 1\)/,
        );
        assert.match(errorOf(refused.body)?.expected ?? "", /`reboot hand-over`.*`reboot force`/);
        assert.deepEqual(orders, []);
        assert.equal((await ask("POST", "/v1/power", order)).status, 200);
        assert.equal((await ask("POST", "/v1/power", {action: "power-off"})).status, 409);
        assert.deepEqual(orders, ["reboot"]);
        const audit = records.filter(({msg}) => msg === "power").map(({text}) => text);
        assert.deepEqual(audit, ["reboot by ann from ttyS0"]);
    });

    it("power: may be tried again after it failed", async (t) => {
        const {ask, records} = await desk(t, {power: async () => err("there is no systemctl")});
        for (let i = 0; i < 2; i++) {
            const reply = await ask("POST", "/v1/power", {
                action: "power-off",
                force: true,
            });
            assert.deepEqual([reply.status, errorOf(reply.body)?.code], [500, "POWER_FAILED"]);
        }
        assert.ok(records.some(({level, msg}) => level === "error" && msg === "power"));
    });

    it("power: runs the service manager from the given folders only", async (t) => {
        const path = folder(t);
        const nowhere = await new SystemPower([join(path, "none")]).run("reboot");
        assert.match(nowhere.ok ? "" : nowhere.error, /there is no systemctl in/);
        const program = join(path, "systemctl");
        writeFileSync(program, `#!/bin/sh\necho "$@" > ${path}/asked\n`);
        chmodSync(program, 0o755);
        assert.ok((await new SystemPower([join(path, "none"), path]).run("power-off")).ok);
        const asked = readFileSync(join(path, "asked"), "utf8");
        assert.equal(asked, "--no-block --no-ask-password poweroff\n");
        writeFileSync(program, "#!/bin/sh\necho Access denied >&2\nexit 1\n");
        const denied = await new SystemPower([path]).run("reboot");
        assert.match(denied.ok ? "" : denied.error, /exit status 1: Access denied$/);
    });

    it("bsd: is carried over the socket", async (t) => {
        const {ask} = await desk(t);
        const {body} = await ask("POST", "/v1/bsd", {line: "ifconfig carp0"}, "operator");
        assert.match(Reflect.get(Object(body), "output"), /vhid 1/);
        const refused = await ask("POST", "/v1/bsd", {line: "ifconfig carp0 down"}, "operator");
        assert.equal(refused.status, 403);
        assert.equal((await ask("POST", "/v1/bsd", {line: 1})).status, 400);
    });

    it("import: gives a configuration and notes, or what is wrong", async (t) => {
        const {ask} = await desk(t);
        const rc =
            'cloned_interfaces="carp0"\nifconfig_carp0="vhid 1 pass testpass 192.168.1.50/24"\n';
        const files = [{name: "rc.conf", text: `ifconfig_fxp0="inet 192.168.1.3/24"\n${rc}`}];
        const reply = await ask("POST", "/v1/import", {files, map: {fxp0: "eth1"}}, "operator");
        const imported = decodeImport(reply.body);
        assert.match(imported?.toml ?? JSON.stringify(reply.body), /carpdev = "eth1"/);
        const nothing = await ask("POST", "/v1/import", {files: [{name: "x", text: "hello"}]});
        assert.deepEqual([nothing.status, errorOf(nothing.body)?.code], [422, "BAD_IMPORT"]);
        const wrong = [
            {},
            {files: []},
            {files: [{name: "x"}]},
            {files: ["x"]},
            {files, kind: "word"},
            {files, map: {fxp0: 1}},
            {files, map: []},
            {files: Array.from({length: 65}, () => files[0])},
        ];
        for (const body of wrong) {
            assert.equal((await ask("POST", "/v1/import", body)).status, 400);
        }
    });

    it("for-peer: without passwords for those who may only look", async (t) => {
        const {ask} = await desk(t);
        const path = "/v1/configuration/for-peer";
        for (const peerSystem of ["freebsd", "openbsd", "netbsd", "pfsense", "ucarp"]) {
            const shown = await ask("POST", path, {peer: peerSystem}, "operator");
            const text = textOf(shown.body, "text") ?? "";
            assert.match(text, /192\.168\.1\.1/, peerSystem);
            assert.doesNotMatch(text, /mekmitasdigoat/);
        }
        const secrets = {peer: "freebsd", secrets: true, map: {eth1: "em0"}};
        assert.equal((await ask("POST", path, secrets, "operator")).status, 403);
        const whole = textOf((await ask("POST", path, secrets)).body, "text") ?? "";
        assert.match(whole, /em0/);
        assert.match(whole, /pass mekmitasdigoat/);
        assert.equal((await ask("POST", path, {peer: "plan9"})).status, 400);
        assert.equal((await ask("POST", path, {peer: "ucarp", secrets: 1})).status, 400);
    });
});

describe("what is read of the system", () => {
    it("settings of a carpdev, its bridge and its drops", (t) => {
        const path = folder(t);
        const put = (file: string, text: string): void => {
            mkdirSync(dirname(join(path, file)), {recursive: true});
            writeFileSync(join(path, file), text);
        };
        const conf = "proc/sys/net/ipv4/conf";
        put(`${conf}/all/rp_filter`, "1\n");
        put(`${conf}/all/arp_ignore`, "2\n");
        put(`${conf}/eth1/rp_filter`, "2\n");
        put(`${conf}/eth1/arp_ignore`, "1\n");
        put("proc/sys/net/ipv4/ip_forward", "1\n");
        const heads = "Inter-| Receive\n face |bytes\n";
        put("proc/self/net/dev", `${heads}  eth1: 900 9 2 3 0 0 0 0 8 8 0 0 0 0 0 0\n`);
        put(
            "proc/self/net/if_inet6",
            "fe800000000000000000000000000001 03 40 20 80     eth1\n" +
                "20010db8000000000000000000000001 04 40 00 80     eth2\n",
        );
        put("sys/class/net/eth1/ifindex", "3\n");
        mkdirSync(join(path, "sys/class/net/eth1/brport"), {recursive: true});
        put("sys/class/net/br0/bridge/multicast_snooping", "1\n");
        put("sys/class/net/br0/bridge/multicast_querier", "0\n");
        symlinkSync("../br0", join(path, "sys/class/net/eth1/master"));
        const folders = {proc: join(path, "proc"), sys: join(path, "sys")};
        const known = [
            {carpdev: "eth1", ifindex: 3},
            {carpdev: "eth2", ifindex: 4},
            {carpdev: "../x", ifindex: 5},
        ];
        const facts = readHostFacts(known, folders);
        assert.deepEqual(facts, {
            rpFilterAll: 1,
            ipForward: true,
            carpdevs: [
                {
                    carpdev: "eth1",
                    rpFilter: 2,
                    arpIgnore: 2,
                    hasLinkLocal: true,
                    bridge: {name: "br0", snooping: true, querier: false},
                    dropped: 5,
                },
                {
                    carpdev: "eth2",
                    rpFilter: null,
                    arpIgnore: null,
                    hasLinkLocal: false,
                    bridge: null,
                    dropped: null,
                },
            ],
        });
        const moved = readHostFacts([{carpdev: "eth1", ifindex: 7}], folders);
        assert.equal(moved.carpdevs[0]?.bridge, null, "/sys is that of another namespace");
        const empty = readHostFacts(known, {proc: join(path, "no"), sys: join(path, "no")});
        assert.equal(empty.rpFilterAll, null);
        assert.equal(empty.carpdevs[0]?.hasLinkLocal, null);
    });

    it("the interfaces of this host", () => {
        const lo = hostInterfaces().find(({name}) => name === "lo");
        assert.deepEqual(
            [lo?.mac, lo?.addresses.includes("127.0.0.1/8"), lo?.up],
            ["", true, true],
        );
    });

    it("ping's text counts and averages", () => {
        const text = pingText("192.0.2.1", [
            {ms: 1, sent: true},
            {ms: null, sent: true},
            {ms: null, sent: false},
            {ms: 12, sent: true},
        ]);
        assert.equal(
            text,
            [
                "PING 192.0.2.1",
                "reply from 192.0.2.1: icmp_seq=1 time=1.000 ms",
                "no answer: icmp_seq=2",
                "could not be sent: icmp_seq=3",
                "reply from 192.0.2.1: icmp_seq=4 time=12.0 ms",
                "--- 192.0.2.1 ping statistics ---",
                "4 packets transmitted, 2 received, 50% packet loss",
                "rtt min/avg/max = 1.000/6.500/12.0 ms",
                "",
            ].join("\n"),
        );
    });
});
