/** Demotion, maintenance, tracks and balancing through the control socket, as carpctl says them. */
import assert from "node:assert/strict";
import {mkdirSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {defaultOptions} from "../../src/core/config.ts";
import {errorOf} from "../../src/core/control-protocol.ts";
import {folder, type Stand, stand} from "./control-stand.ts";
import {
    carpConfig,
    config,
    now,
    peer,
    snapshot,
    until,
    vhost,
    withDemotion,
} from "./engine-fixtures.ts";

const twoGroups = config({
    carp: [carpConfig(), carpConfig({name: "carp1", vhid: 2, group: "wan"})],
});

async function said(s: Stand, line: string): Promise<string> {
    const {code, out, complaint} = await s.carpctl(line);
    assert.equal(code, 0, complaint);
    return out;
}

async function refused(s: Stand, line: string): Promise<string> {
    const {code, out, complaint} = await s.carpctl(line);
    assert.equal(out, "");
    return `${code} ${complaint}`;
}

test("demote and undemote", async (t) => {
    const s = await stand(t, {of: twoGroups});
    s.engine.current = snapshot({vhosts: [vhost(), vhost({name: "carp1", group: "wan"})]});
    assert.equal(await said(s, "demote 10"), "demotion 0 -> 10 (operator 10)\n");
    assert.equal(
        await said(s, "demote upgrade 100 group wan"),
        "demotion 10 -> 110 (operator 10, operator:upgrade 100)\n",
    );
    assert.ok(s.engine.calls.includes("demotion operator:upgrade 100 wan"));
    assert.equal(
        await said(s, "show demotion"),
        [
            "demotion 110, on the wire 110",
            "group carp: demotion 10, on the wire 10",
            "group wan: demotion 110, on the wire 110",
            "\toperator          10   every group  since 1970-01-01T00:16:40.000Z (0 s)  ends: carpctl undemote operator",
            "\toperator:upgrade  100  group wan    since 1970-01-01T00:16:40.000Z (0 s)  ends: carpctl undemote upgrade",
            "",
        ].join("\n"),
    );
    const shown: unknown = JSON.parse(await said(s, "show demotion --json"));
    assert.ok(typeof shown === "object" && shown !== null && "groups" in shown);
    assert.deepEqual(shown.groups, [
        {group: "carp", total: 10, onWire: 10},
        {group: "wan", total: 110, onWire: 110},
    ]);
    assert.match(
        await refused(s, "demote 5 group lan"),
        /^66 .*group "lan"; there is: carp, wan\n$/,
    );
    assert.equal(
        await refused(s, "undemote link"),
        '66 carpctl: demotion reason "operator:link" is not set; there is: operator, operator:upgrade\n',
    );
    assert.equal(
        await said(s, "undemote upgrade"),
        "demotion 110 -> 10 (operator 10, operator:upgrade cleared)\n",
    );
    await said(s, "demote -20 --group wan");
    await said(s, "demote other 7");
    assert.equal(
        await said(s, "undemote"),
        "demotion -13 -> 0 (operator cleared, operator:other cleared)\n",
    );
    assert.equal(await said(s, "undemote"), "demotion 0 (the operator has set nothing)\n");
    assert.deepEqual(JSON.parse(await said(s, "demote 3 --json")), {
        before: 0,
        total: 3,
        reasons: [{reason: "operator", level: 3}],
        cleared: [],
    });
    assert.deepEqual(s.bugs, []);
});

test("one clear error for a demotion of 300, and for the reasons of others", async (t) => {
    const s = await stand(t);
    assert.equal(
        await refused(s, "demote 300"),
        "64 carpctl: demotion must be -240..240, not 300\ntry: carpctl --help\n",
    );
    assert.match(await refused(s, "undemote maintenance"), /^64 .*maintenance off/);
    const reply = await s.client.request("POST", "/v1/demotion", {level: 300});
    assert.ok(reply.ok && reply.value.status === 400);
    assert.equal(errorOf(reply.value.body)?.message, "demotion must be -240..240, not 300");
    assert.deepEqual(
        s.engine.calls.filter((call) => call.startsWith("demotion")),
        [],
    );
});

test("undemote leaves what is not the operator's", async (t) => {
    const s = await stand(t);
    s.engine.current = withDemotion(snapshot(), [
        {reason: "link:eth0", level: 240, since: now, groups: ""},
    ]);
    await said(s, "demote 100");
    assert.equal(await said(s, "undemote"), "demotion 340 -> 240 (operator cleared)\n");
    assert.match(await said(s, "show demotion"), /^demotion 240, on the wire 240\n\tlink:eth0 /);
});

test("sysctl adds, as FreeBSD's does", async (t) => {
    const s = await stand(t, {of: twoGroups});
    const variable = "net.inet.carp.demotion";
    assert.equal(await said(s, `sysctl ${variable}`), `${variable}: 0\n`);
    assert.equal(await said(s, `sysctl ${variable}=100`), `${variable}: 0 -> 100\n`);
    assert.equal(await said(s, `sysctl ${variable}=140`), `${variable}: 100 -> 240\n`);
    assert.match(
        await refused(s, `sysctl ${variable}=1`),
        /^64 .*operator: demotion must be -240\.\.240, not 241/,
    );
    assert.equal(await said(s, `sysctl ${variable}=-240`), `${variable}: 240 -> 0\n`);
    assert.match(await refused(s, `sysctl ${variable}=300`), /^64 .*not 300/);
    // At the same time: none may be lost.
    await Promise.all([1, 2, 4, 8].map((n) => said(s, `sysctl ${variable}=${n}`)));
    assert.equal(await said(s, `sysctl ${variable}`), `${variable}: 15\n`);
    await said(s, "demote 5 group wan");
    assert.match(await refused(s, `sysctl ${variable}=1`), /holds for wan only/);
});

test("maintenance: on, in the first line of show, off", async (t) => {
    const s = await stand(t);
    assert.equal(await said(s, "maintenance"), "maintenance off\n");
    const on = "MAINTENANCE until 1970-01-01T00:46:40.000Z (in 30 min)";
    assert.equal(await said(s, "maintenance on --until 30m"), `${on}\n`);
    assert.ok(s.engine.calls.includes("demotion maintenance 240"));
    assert.ok((await said(s, "show")).startsWith(`${on}, preempt off, demotion 240, `));
    assert.match(
        await said(s, "show demotion"),
        /ends: carpctl maintenance off, or at 1970-01-01T00:46:40\.000Z\n$/,
    );
    assert.deepEqual(JSON.parse(await said(s, "maintenance --json")), {
        on: true,
        since: "1970-01-01T00:16:40.000Z",
        until: "1970-01-01T00:46:40.000Z",
    });
    assert.equal(
        await said(s, "maintenance on"),
        "MAINTENANCE since 1970-01-01T00:16:40.000Z (0 s)\n",
    );
    assert.equal(await said(s, "maintenance off"), "maintenance off\n");
    assert.ok(s.engine.calls.includes("demotion maintenance 0"));
    assert.match(await said(s, "show"), /^preempt off, demotion 0, /);
    // A folder where the file belongs: the daemon says so, and the mode is what it was.
    mkdirSync(join(s.folder, "maintenance.json"));
    assert.match(await refused(s, "maintenance on"), /^70 .*cannot store maintenance mode in /);
    assert.equal(await said(s, "maintenance"), "maintenance off\n");
});

test("the boot hold is seen in the first line, too", async (t) => {
    const s = await stand(t);
    s.engine.current = withDemotion(snapshot(), [
        {reason: "boot", level: 240, since: now - 5_000_000n, groups: ""},
    ]);
    assert.match(
        await said(s, "show"),
        /^BOOT HOLD since 1970-01-01T00:16:35\.000Z \(5\.0 s\), preempt off, demotion 240, /,
    );
});

test("tracks: what is watched, what it said, what comes next", async (t) => {
    const file = join(folder(t), "ready");
    writeFileSync(file, "");
    const track = {
        name: "ready",
        check: {kind: "file", path: file, exists: true},
        intervalMs: 100,
        timeoutMs: 100,
        rise: 1,
        fall: 1,
        demotion: 60,
        group: "",
    } as const;
    const s = await stand(t, {of: config({tracks: [track]})});
    assert.match(await said(await stand(t), "show tracks"), /^nothing is tracked/);
    let text = "";
    const state = async (word: string): Promise<void> => {
        const end = performance.now() + 5000;
        do {
            text = await said(s, "show tracks");
        } while (!text.startsWith(`ready  ${word}  `) && performance.now() < end);
        assert.ok(text.startsWith(`ready  ${word}  `), text);
    };
    await state("good");
    rmSync(file);
    await state("failing");
    const lines = text.split("\n");
    assert.ok(
        lines[0]?.startsWith(
            `ready  failing  demotion 60  file ${file} exists every 100ms  since `,
        ),
    );
    assert.match(lines[1] ?? "", /^\tlast: ./);
    assert.equal(lines[2], "\tnext: good again after 1 good check");
    await until(() => s.engine.calls.includes("demotion track:ready 60"), "the engine is told");
    assert.match(
        await said(s, "show demotion"),
        /track:ready .* ends: when its check is good once\n/,
    );
    const json: unknown = JSON.parse(await said(s, "show tracks --json"));
    assert.ok(Array.isArray(json) && json.length === 1);
});

test("show balance and balance which", async (t) => {
    const options = {...defaultOptions, arpbalance: true};
    const s = await stand(t, {of: {...twoGroups, options}});
    assert.match(await said(s, "show balance"), /^nothing is balanced/);
    assert.match(
        await refused(s, "balance which 192.168.1.77"),
        /^66 carpctl: nothing is balanced/,
    );
    const member = {
        carpdev: "eth1",
        address: "192.168.1.10",
        members: 2,
        requests: 120,
        answers: 119,
    };
    s.engine.current = snapshot({
        vhosts: [
            vhost(),
            vhost({
                name: "carp1",
                vhid: 2,
                state: "BACKUP",
                master: peer(),
                virtualMac: "00:00:5e:00:01:02",
            }),
        ],
        balance: [
            {...member, index: 0, name: "carp0", vhid: 1},
            {...member, index: 1, name: "carp1", vhid: 2, answers: 0},
        ],
    });
    assert.equal(
        await said(s, "show balance"),
        [
            "192.168.1.10 on eth1: 2 vhids, source-ip",
            "\tindex  vhid  name   state   master       requests  answers",
            "\t0      1     carp0  MASTER  this host    120       119",
            "\t1      2     carp1  BACKUP  192.168.1.3  -         0",
            "",
        ].join("\n"),
    );
    assert.equal(
        await said(s, "balance which 192.168.1.76"),
        "this host answers with 00:00:5e:00:01:01 (carp0, vhid 1 is MASTER here)\n" +
            "\t192.168.1.76 asks for 192.168.1.10 on eth1: 3232235852 mod 2 = 0\n",
    );
    assert.deepEqual(JSON.parse(await said(s, "balance which 192.168.1.77 192.168.1.10 --json")), {
        carpdev: "eth1",
        address: "192.168.1.10",
        client: "192.168.1.77",
        index: 1,
        members: 2,
        name: "carp1",
        vhid: 2,
        master: "192.168.1.3",
        virtualMac: "00:00:5e:00:01:02",
        why: "3232235853 mod 2 = 1",
    });
    assert.match(
        await refused(s, "balance which 02:00:00:00:00:4d"),
        /^64 .*"source-ip": the address of the client decides; expected its address/,
    );
    assert.match(await refused(s, "balance which 10.0.0.1 10.0.0.2"), /^66 .*there is: 192/);
    assert.equal((await s.carpctl("show balance --json")).code, 0);
});
