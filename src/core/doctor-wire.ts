/**
 * What the wire says: counters that grew while the doctor listened, alarms, peers. Pure.
 */

import type {DoctorInput, HeardAlarm} from "./doctor.ts";
import type {Findings} from "./doctor-findings.ts";
import {advertisementIntervalUs, formatDuration} from "./duration.ts";
import type {Alarm, CarpdevSnapshot, VhostSnapshot} from "./engine.ts";

type Counters = Readonly<Record<string, number>>;

/** How much a counter grew; a counter that began anew counts from 0. */
function growth(key: string, before: Counters | undefined, after: Counters): number {
    const now = after[key] ?? 0;
    const then = before?.[key] ?? 0;
    return now >= then ? now - then : now;
}

function times(count: number, one: string): string {
    return `${count} ${one}${count === 1 ? "" : "s"}`;
}

export function judgeCarpdev(
    device: CarpdevSnapshot,
    input: DoctorInput,
    findings: Findings,
): void {
    const {carpdev} = device;
    const {seconds} = input;
    const before = input.before.carpdevs.find((other) => other.carpdev === carpdev)?.counters;
    const grew = (key: string): number => growth(key, before, device.counters);
    judgeLink(device, input.config.options.linkUpDelayMs, findings);
    const vrrp = input.alarms.filter(
        (heard) => heard.carpdev === carpdev && heard.alarm === "foreign vrrp on our vhid",
    );
    for (const vhid of new Set(vrrp.map((heard) => heard.vhid))) {
        const text = `a VRRP router on ${carpdev} uses the number ${vhid} and so our virtual MAC`;
        findings.problem(carpdev, vhid, text, "give that router or this vhid another number");
    }
    const foreign = grew("foreignVrrp");
    if (foreign > 0 && vrrp.length === 0) {
        const text = `${times(foreign, "VRRP packet")} on ${carpdev} in ${seconds} s, for other numbers`;
        findings.hint(carpdev, 0, text, "keep vhids and VRRP router numbers apart");
    }
    const self = grew("self");
    if (self > 0) {
        const text = `${times(self, "frame")} of our own came back on ${carpdev}`;
        const remedy =
            "look for a loop or a mirror port in the switch, or a bond without LACP there";
        findings.problem(carpdev, 0, text, remedy);
    }
    const other = grew("badvhid");
    if (other > 0) {
        const text = `${times(other, "advertisement")} on ${carpdev} for vhids that this host does not have`;
        const remedy = "fine if other pairs share this segment; else give both hosts the same vhid";
        findings.hint(carpdev, 0, text, remedy);
    }
    const damaged = grew("badlen") + grew("badsum");
    if (damaged > 0) {
        const text = `${times(damaged, "malformed advertisement")} on ${carpdev}`;
        const remedy = "look for a broken cable or card; then for another program on protocol 112";
        findings.problem(carpdev, 0, text, remedy);
    }
    const dropped = grew("transmitDropped");
    if (dropped > 0) {
        const text = `${times(dropped, "answer")} to ARP or neighbour questions found the queue full`;
        findings.problem(carpdev, 0, text, "look for a flood of questions on the segment");
    }
}

function judgeLink(device: CarpdevSnapshot, linkUpDelayMs: number, findings: Findings): void {
    const {carpdev, present, adminUp, carrier, upAt} = device;
    if (!present) {
        findings.problem(carpdev, 0, `${carpdev} is not there`, "plug it in, or change carpdev");
    } else if (!adminUp) {
        findings.problem(carpdev, 0, `${carpdev} is down`, `ip link set ${carpdev} up`);
    } else if (!carrier) {
        findings.problem(carpdev, 0, `${carpdev} has no link`, "look at cable and switch port");
    } else if (upAt !== null) {
        const wait = formatDuration(BigInt(linkUpDelayMs) * 1000n);
        const text = `${carpdev} has a link, which is used after link-up-delay (${wait})`;
        findings.hint(carpdev, 0, text, "");
    }
}

export function judgeVhid(vhost: VhostSnapshot, input: DoctorInput, findings: Findings): void {
    const {name, vhid, carpdev} = vhost;
    const before = input.before.vhosts.find((other) => other.name === name)?.counters;
    const grew = (key: string): number => growth(key, before, vhost.counters);
    const of = (alarm: Alarm): HeardAlarm[] =>
        input.alarms.filter(
            (heard) => heard.carpdev === carpdev && heard.vhid === vhid && heard.alarm === alarm,
        );
    const from = (alarm: Alarm): string => {
        const peers = [...new Set(of(alarm).map(({peer}) => peer))].filter((peer) => peer !== "");
        return peers.length === 0 ? "" : ` from ${peers.join(", ")}`;
    };
    const problem = (text: string, remedy: string): void =>
        findings.problem(name, vhid, text, remedy);
    const hint = (text: string, remedy: string): void => findings.hint(name, vhid, text, remedy);

    const wrong = "wrong password or address set";
    const badauth = grew("badauth");
    if (badauth > 0 || of(wrong).length > 0) {
        problem(
            `${times(badauth, "advertisement")}${from(wrong)} failed the check: another password or address set`,
            "give both hosts the same pass and exactly the same addresses for this vhid",
        );
    }
    const second = grew("secondMaster");
    if (second > 0 || of("second master").length > 0) {
        problem(
            `a second MASTER${from("second master")} advertises and does not give way`,
            "it does not hear this host: look at multicast and filters between the two",
        );
    }
    if (of("address in use by another host").length > 0) {
        const alarm = "address in use by another host";
        problem(`another host${from(alarm)} answers for a VIP`, "take the VIP from that host");
    }
    const replayed = grew("replayed");
    if (replayed > 0) {
        problem(
            `${times(replayed, "old advertisement")}${from("counter replayed")} seen again`,
            "a replay, a loop, or a host that lost its counter: look who sends them",
        );
    }
    if (grew("badttl") > 0) {
        problem(
            "advertisements arrive with a TTL that is not 255: something routes or rewrites them",
            "take the router, tunnel or NAT out of the way, or use unicast peers",
        );
    }
    if (grew("badaddrs") > 0) {
        problem(
            "advertisements arrive from hosts that are not among the configured peers",
            "add the peer's address, or look whether it sends from another one",
        );
    }
    if (grew("badver") > 0) {
        hint("advertisements of another protocol version arrive", "look who sends them");
    }
    judgeSending(vhost, grew, findings);
    judgePeers(vhost, input, findings);
}

/** What this host sends, or cannot. */
function judgeSending(
    vhost: VhostSnapshot,
    grew: (key: string) => number,
    findings: Findings,
): void {
    const {name, vhid, carpdev, addresses} = vhost;
    const problem = (text: string, remedy: string): void =>
        findings.problem(name, vhid, text, remedy);
    if (!vhost.enabled) {
        findings.hint(name, vhid, `${name} is set down`, `carpctl ${name} up`);
        return;
    }
    if (addresses.length === 0) {
        findings.hint(name, vhid, `${name} has no VIP`, "give it an address");
    }
    const has = (family: 4 | 6): boolean => addresses.some((vip) => vip.family === family);
    if (has(4) && vhost.source4 === "") {
        const text = `${carpdev} has no IPv4 address, so nothing can be sent for the IPv4 VIPs`;
        problem(text, `give ${carpdev} an address of its own, in the VIP's network`);
    }
    if (has(6) && vhost.source6 === "") {
        const text = `${carpdev} has no link-local address, so nothing can be sent for the IPv6 VIPs`;
        problem(text, `sysctl net.ipv6.conf.${carpdev}.disable_ipv6=0, and addr_gen_mode=0`);
    }
    const failed = grew("oerrors");
    if (failed > 0) {
        problem(
            `${times(failed, "advertisement")} could not be sent`,
            "see `show log` for the system's reason; look at the link and at traffic shaping",
        );
    }
    if (grew("stalls") > 0) {
        problem(
            "this host was too late with its advertisements and stepped down",
            "look for what starves it: real-time scheduling, an overcommitted hypervisor",
        );
    }
}

/** An advertisement is overdue after this many of the sender's intervals. */
const overdue = 4n;

function judgePeers(vhost: VhostSnapshot, input: DoctorInput, findings: Findings): void {
    const {name, vhid, state, advbase} = vhost;
    const {at} = input.after;
    for (const peer of vhost.peers) {
        const interval = advertisementIntervalUs(peer.advbase, peer.advskew);
        const recent = at - peer.lastHeardAt <= overdue * interval;
        if (!recent || peer.advbase === advbase) continue;
        const text = `${peer.address} has advbase ${peer.advbase}, this host ${advbase}`;
        findings.problem(name, vhid, text, "give every host the same advbase");
    }
    if (!vhost.enabled || state === "INIT") return;
    const peers = input.config.carp.find((carp) => carp.name === name)?.peers ?? [];
    if (state === "MASTER" && vhost.peers.length === 0) judgeLonely(vhost, peers, findings);
    // A MASTER hears nothing from peers that are well: only a BACKUP can say who is missing.
    if (state === "BACKUP" && vhost.master === null && peers.length > 0) {
        const text = `none of the peers ${peers.join(", ")} was heard`;
        findings.problem(name, vhid, text, "ping each; let protocol 112 pass the firewalls");
    }
    const devices = input.after.carpdevs;
    const counters = devices.find(({carpdev}) => carpdev === vhost.carpdev)?.counters ?? {};
    const asked = (counters.arpRequests ?? 0) + (counters.ndRequests ?? 0);
    if (state === "MASTER" && vhost.virtualMac.startsWith("00:00:5e") && asked === 0) {
        findings.hint(
            name,
            vhid,
            "MASTER, but nobody has asked for a VIP on this segment yet",
            "if clients cannot reach it: the switch or hypervisor may filter the virtual MAC " +
                '(allow MAC changes and forged transmits), or set mac = "physical"',
        );
    }
}

/** A MASTER with a healthy BACKUP hears nobody either: it is a hint, never a problem. */
function judgeLonely(vhost: VhostSnapshot, peers: readonly string[], findings: Findings): void {
    const {name, vhid, counters} = vhost;
    // What fails its check has been heard, too: that is a problem of its own.
    if ((counters.accepted ?? 0) + (counters.badauth ?? 0) > 0) return;
    const how =
        peers.length > 0
            ? `let protocol 112 pass between this host and ${peers.join(", ")}`
            : "the switch must pass multicast to 224.0.0.18 and ff02::12 (IGMP snooping), and a " +
              "firewall on the other host must pass protocol 112";
    findings.hint(
        name,
        vhid,
        "MASTER, and no other host was ever heard: alone, or the segment does not pass advertisements",
        `see whether the other host is BACKUP and names this one; if it is MASTER too: ${how}`,
    );
}
