/** What the doctor makes of two looks: each finding from what shows it, and none without. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import {defaultOptions} from "../../src/core/config.ts";
import {
    type CarpdevFacts,
    type DoctorInput,
    diagnose,
    type Finding,
    type HostFacts,
} from "../../src/core/doctor.ts";
import type {EngineSnapshot} from "../../src/core/engine.ts";
import {plain} from "../../src/core/show.ts";
import {showDoctor} from "../../src/core/show-operations.ts";
import {
    carpConfig,
    carpdev,
    config,
    now,
    peer,
    second,
    snapshot,
    vhost,
    withDemotion,
} from "./engine-fixtures.ts";

const maintenance = {on: false, since: "", until: ""};

function deviceFacts(change: Partial<CarpdevFacts> = {}): CarpdevFacts {
    return {
        carpdev: "eth1",
        rpFilter: 0,
        arpIgnore: 1,
        hasLinkLocal: true,
        bridge: null,
        dropped: 0,
        ...change,
    };
}

function facts(change: Partial<HostFacts> = {}, device: Partial<CarpdevFacts> = {}): HostFacts {
    return {rpFilterAll: 0, ipForward: true, carpdevs: [deviceFacts(device)], ...change};
}

/** A BACKUP that hears its master. */
function healthy(): EngineSnapshot {
    const master = peer();
    return snapshot({
        vhosts: [vhost({state: "BACKUP", master, peers: [master], counters: {accepted: 17}})],
        carpdevs: [carpdev({counters: {ipackets: 17, arpRequests: 3}})],
    });
}

function input(change: Partial<DoctorInput> = {}): DoctorInput {
    const after = change.after ?? healthy();
    return {
        seconds: 5,
        config: config(),
        before: change.before ?? after,
        after,
        factsBefore: facts(),
        facts: facts(),
        alarms: [],
        maintenance,
        ...change,
    };
}

/** With these counters grown from what they were in a healthy snapshot. */
function grown(
    vhostCounters: Record<string, number>,
    devCounters: Record<string, number> = {},
): Partial<DoctorInput> {
    const before = healthy();
    const vhosts = before.vhosts.map((one) => ({
        ...one,
        counters: {...one.counters, ...vhostCounters},
    }));
    const carpdevs = before.carpdevs.map((one) => ({
        ...one,
        counters: {...one.counters, ...devCounters},
    }));
    return {before, after: {...before, vhosts, carpdevs}};
}

function findingsOf(change: Partial<DoctorInput>): readonly Finding[] {
    return diagnose(input(change)).findings;
}

function only(change: Partial<DoctorInput>, severity: string, text: RegExp): Finding {
    const found = findingsOf(change).filter((finding) => finding.severity !== "ok");
    assert.equal(found.length, 1, JSON.stringify(found));
    const [finding] = found;
    assert.ok(finding);
    assert.equal(finding.severity, severity);
    assert.match(finding.text, text);
    return finding;
}

describe("doctor", () => {
    it("finds nothing on a healthy host", () => {
        assert.deepEqual(findingsOf({}), [
            {severity: "ok", name: "", vhid: 0, text: "no problem found", remedy: ""},
        ]);
    });

    it("names the peer with another password", () => {
        const alarm = {
            carpdev: "eth1",
            vhid: 1,
            alarm: "wrong password or address set",
            peer: "192.168.1.3",
        } as const;
        const finding = only(
            {...grown({badauth: 5}), alarms: [alarm]},
            "problem",
            /^5 advertisements from 192\.168\.1\.3 failed the check/,
        );
        assert.deepEqual([finding.name, finding.vhid], ["carp0", 1]);
        assert.match(finding.remedy, /same pass/);
        only(grown({badauth: 1}), "problem", /^1 advertisement failed/);
        const foreign = {...alarm, vhid: 2};
        assert.equal(findingsOf({alarms: [foreign]})[0]?.severity, "ok", "another vhid's alarm");
    });

    it("tells a VRRP router on our number from one on another", () => {
        const alarm = {
            carpdev: "eth1",
            vhid: 1,
            alarm: "foreign vrrp on our vhid",
            peer: "",
        } as const;
        const counters = grown({}, {foreignVrrp: 5});
        const ours = only(
            {...counters, alarms: [alarm]},
            "problem",
            /VRRP router on eth1.*number 1/,
        );
        assert.deepEqual([ours.name, ours.vhid], ["eth1", 1]);
        only(counters, "hint", /5 VRRP packets on eth1 in 5 s, for other numbers/);
    });

    it("sees what the counters show", () => {
        only(grown({secondMaster: 4}), "problem", /second MASTER/);
        only(grown({replayed: 1}), "problem", /old advertisement/);
        only(grown({badttl: 1}), "problem", /TTL/);
        only(grown({badaddrs: 1}), "problem", /not among the configured peers/);
        only(grown({badver: 1}), "hint", /version/);
        only(grown({oerrors: 2}), "problem", /2 advertisements could not be sent/);
        only(grown({stalls: 1}), "problem", /too late/);
        only(grown({}, {self: 3}), "problem", /3 frames of our own came back on eth1/);
        only(grown({}, {badvhid: 3}), "hint", /vhids that this host does not have/);
        only(grown({}, {badlen: 1, badsum: 1}), "problem", /2 malformed/);
        only(grown({}, {transmitDropped: 1}), "problem", /queue full/);
    });

    it("counts from nothing after the engine began its counters anew", () => {
        const before = healthy();
        const vhosts = before.vhosts.map((one) => ({...one, counters: {badauth: 900}}));
        only(
            {before: {...before, vhosts}, after: grown({badauth: 2}).after ?? before},
            "problem",
            /^2 advertisements/,
        );
    });

    it("looks at links and addresses", () => {
        const link = (change: object): Partial<DoctorInput> => ({
            after: {...healthy(), carpdevs: [carpdev(change)]},
        });
        only(link({present: false}), "problem", /eth1 is not there/);
        only(link({adminUp: false}), "problem", /eth1 is down/);
        only(link({carrier: false}), "problem", /eth1 has no link/);
        only(link({upAt: now + second}), "hint", /link-up-delay/);
        const one = (change: object): Partial<DoctorInput> => {
            const of = healthy();
            return {after: {...of, vhosts: of.vhosts.map((each) => ({...each, ...change}))}};
        };
        only(one({source4: ""}), "problem", /no IPv4 address/);
        const addresses = [{family: 6, address: "2001:db8::1", prefixLength: 64}];
        only(one({addresses}), "problem", /no link-local address/);
        only(one({enabled: false, state: "INIT"}), "hint", /is set down/);
    });

    it("says so when a MASTER never heard anybody, and calls it a hint", () => {
        const lonely = vhost({state: "MASTER", counters: {accepted: 0}});
        const after = {...healthy(), vhosts: [lonely]};
        const finding = only({after}, "hint", /no other host was ever heard/);
        assert.match(finding.remedy, /multicast to 224\.0\.0\.18/);
        const peers = ["192.168.1.3"];
        const unicast = only(
            {after, config: config({carp: [carpConfig({peers})]})},
            "hint",
            /ever/,
        );
        assert.match(unicast.remedy, /between this host and 192\.168\.1\.3/);
        const refused = vhost({state: "MASTER", counters: {accepted: 0, badauth: 7}});
        const still = {...healthy(), vhosts: [refused]};
        assert.equal(findingsOf({before: still, after: still})[0]?.severity, "ok");
        const before = vhost({state: "MASTER", peers: [peer()], counters: {accepted: 3}});
        assert.equal(findingsOf({after: {...healthy(), vhosts: [before]}})[0]?.severity, "ok");
    });

    it("suspects a filter of the virtual MAC only when nobody ever asked", () => {
        const of = healthy();
        const master = vhost({state: "MASTER", peers: [peer()], counters: {accepted: 3}});
        const after = {...of, vhosts: [master], carpdevs: [carpdev({counters: {ipackets: 9}})]};
        only({after}, "hint", /nobody has asked for a VIP/);
    });

    it("compares advbase with peers that are heard now", () => {
        const of = healthy();
        const other = peer({advbase: 3});
        const one = (heard: typeof other): Partial<DoctorInput> => ({
            after: {...of, vhosts: of.vhosts.map((each) => ({...each, peers: [heard]}))},
        });
        only(one(other), "problem", /192\.168\.1\.3 has advbase 3, this host 1/);
        const gone = {...other, lastHeardAt: now - 60n * second};
        assert.equal(findingsOf(one(gone))[0]?.severity, "ok");
    });

    it("reports configured peers that are silent", () => {
        const of = healthy();
        const vhosts = of.vhosts.map((each) => ({...each, master: null, peers: []}));
        const peers = ["192.168.1.3"];
        const change = {after: {...of, vhosts}, config: config({carp: [carpConfig({peers})]})};
        only(change, "problem", /none of the peers 192\.168\.1\.3 was heard/);
    });

    it("looks at the host: scheduling, memory, demotion, preempt", () => {
        const of = healthy();
        const scheduling = {...of.scheduling, realtime: false, scheduler: "no: EPERM"};
        only({after: {...of, scheduling}}, "hint", /no real-time priority: no: EPERM/);
        const swapped = {...of.scheduling, memoryLocked: false, memory: "no: ENOMEM"};
        only({after: {...of, scheduling: swapped}}, "hint", /swapped out/);
        const demoted = (reason: string): Partial<DoctorInput> => ({
            after: withDemotion(of, [{reason, level: 240, since: now, groups: ""}]),
        });
        const link = only(demoted("link:eth1"), "problem", /demoted by 240, reason link:eth1/);
        assert.match(link.remedy, /when eth1 has a link again/);
        only(demoted("maintenance"), "hint", /reason maintenance/);
        const track = {
            name: "up",
            check: {kind: "interface", interface: "eth0"},
            intervalMs: 1000,
            timeoutMs: 1000,
            rise: 2,
            fall: 3,
            demotion: 240,
            group: "",
        } as const;
        only({config: config({tracks: [track]})}, "hint", /preempt is off/);
        const options = {...defaultOptions, preempt: true};
        assert.equal(findingsOf({config: config({tracks: [track], options})})[0]?.severity, "ok");
        const idle = only({config: config({carp: []})}, "hint", /no carp interface is configured/);
        assert.equal(idle.name, "");
    });

    it("looks at the system's settings", () => {
        only({facts: facts({rpFilterAll: 1})}, "hint", /conf\.all\.rp_filter=1/);
        only({facts: facts({}, {rpFilter: 1})}, "hint", /conf\.eth1\.rp_filter=1/);
        const loose = facts({rpFilterAll: 1}, {rpFilter: 2});
        assert.equal(findingsOf({facts: loose})[0]?.severity, "ok", "the greater one counts");
        only({facts: facts({}, {arpIgnore: 0})}, "problem", /arp_ignore is 0, not 1/);
        const physical = config({carp: [carpConfig({mac: "physical"})]});
        only({facts: facts({}, {arpIgnore: 1}), config: physical}, "problem", /not 3/);
        const bridge = {name: "br0", snooping: true, querier: false};
        only({facts: facts({}, {bridge})}, "hint", /bridge br0 filters multicast/);
        const quiet = facts({}, {bridge: {...bridge, querier: true}});
        assert.equal(findingsOf({facts: quiet})[0]?.severity, "ok");
        only({facts: facts({}, {dropped: 8})}, "hint", /8 received frames on eth1/);
        const v6 = [{family: 6, address: "2001:db8::1", prefixLength: 64}] as const;
        const of = healthy();
        const vhosts = of.vhosts.map((each) => ({...each, addresses: v6, source6: "fe80::1"}));
        only(
            {
                after: {...of, vhosts},
                config: config({carp: [carpConfig({addresses: v6})]}),
                facts: facts({}, {hasLinkLocal: false}),
            },
            "problem",
            /no IPv6 link-local/,
        );
    });

    it("takes what could not be read for nothing", () => {
        const nothing = {
            carpdev: "eth1",
            rpFilter: null,
            arpIgnore: null,
            hasLinkLocal: null,
            bridge: null,
            dropped: null,
        };
        const blind = {rpFilterAll: null, ipForward: null, carpdevs: [nothing]};
        assert.equal(findingsOf({facts: blind, factsBefore: blind})[0]?.severity, "ok");
    });

    it("puts the worst first and bounds the list", () => {
        const of = healthy();
        const vhosts = Array.from({length: 200}, (_one, i) =>
            vhost({name: `carp${i}`, vhid: i + 1, source4: "", peers: [peer()]}),
        );
        const scheduling = {...of.scheduling, realtime: false};
        const report = diagnose(input({after: {...of, vhosts, scheduling}}));
        assert.equal(report.findings.length, 100);
        assert.ok(report.findings.every(({severity}) => severity === "problem"));
        const some = findingsOf({
            ...grown({badauth: 1}),
            facts: facts({rpFilterAll: 1}),
        });
        assert.deepEqual(
            some.map(({severity}) => severity),
            ["problem", "hint"],
        );
    });

    it("is printed from what came over the socket, or refused", () => {
        const report = diagnose(input(grown({badauth: 2})));
        const text = showDoctor(JSON.parse(JSON.stringify(report)), plain);
        assert.match(
            text ?? "",
            /^listened for 5 s\nproblem: carp0 \(vhid 1\): 2 .*\n\tto do: give/,
        );
        assert.equal(showDoctor({seconds: 5, findings: [{}]}, plain), null);
    });
});
