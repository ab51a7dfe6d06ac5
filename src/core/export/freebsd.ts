/**
 * Lines for FreeBSD 10 and newer: a vhid is a property of the addresses of a real interface. Pure.
 */

import {formatVip} from "../address.ts";
import type {CarpConfig, Config} from "../config.ts";
import {
    commonRemarks,
    isShared,
    label,
    type PeerFile,
    type PeerOptions,
    passRemarks,
    passWords,
    peerInterface,
    peerSkew,
    preemptLine,
    runningVhids,
} from "./peer.ts";

/** rc(8) splits the value into words and a shell's patterns may match in them. */
const unsafe = /[\s\p{Cc}"'`$\\*?[]/u;

export function freebsdFiles(config: Config, options: PeerOptions): PeerFile[] {
    const {ifdownDemotion, senderrDemotion} = config.options;
    return [
        {path: "/boot/loader.conf", lines: ['carp_load="YES"']},
        {
            path: "/etc/sysctl.conf",
            lines: [
                ...preemptLine(config),
                `net.inet.carp.ifdown_demotion_factor=${ifdownDemotion}`,
                `net.inet.carp.senderr_demotion_factor=${senderrDemotion}`,
            ],
        },
        {
            path: "/etc/rc.conf",
            lines: [
                ...commonRemarks(config, options),
                ...remarks(config),
                "# number the aliases on from those that an interface has already",
                ...aliasLines(config, options),
            ],
        },
    ];
}

function remarks(config: Config): string[] {
    return [
        "# FreeBSD says no farewell when it stops: the take-over costs 3*advbase + advskew/256 s;",
        '# "sysctl net.inet.carp.demotion=240" before a planned stop spares that (with preempt here)',
        ...(config.options.arpbalance
            ? ["# ARP balancing left FreeBSD with version 10: an address is in one vhid only"]
            : []),
        ...config.carp
            .filter(({profile}) => profile === "openbsd")
            .map(
                (carp) =>
                    `# ${label(carp)}: FreeBSD does not read the demotion of profile = "openbsd"`,
            ),
    ];
}

function aliasLines(config: Config, options: PeerOptions): string[] {
    const numbers = new Map<string, number>();
    const given = new Set<string>();
    return runningVhids(config).flatMap((carp) => {
        const device = peerInterface(carp, options);
        const variable = device.replace(/[./+-]/gu, "_");
        const words = vhidWords(carp, options);
        const lines = vhidRemarks(carp, options);
        for (const vip of carp.addresses) {
            const id = `${device} ${vip.address}`;
            if (isShared(config, carp, vip) && given.has(id)) {
                lines.push(`# ${label(carp)}: ${vip.address} is in another vhid already, left out`);
                continue;
            }
            given.add(id);
            const number = numbers.get(variable) ?? 0;
            numbers.set(variable, number + 1);
            const family = vip.family === 4 ? "inet" : "inet6";
            lines.push(
                `ifconfig_${variable}_alias${number}="${family} ${words} alias ${formatVip(vip)}"`,
            );
        }
        return lines;
    });
}

function vhidWords(carp: CarpConfig, options: PeerOptions): string {
    const advbase = carp.advbase > 1 ? ` advbase ${carp.advbase}` : "";
    const peers = carp.peers.length === 0 ? "" : peerWords(carp);
    return (
        `vhid ${carp.vhid}${advbase} advskew ${peerSkew(carp.advskew, options.skewStep)}` +
        passWords(carp, options, unsafe) +
        peers
    );
}

/** Ours are the other hosts' addresses; which one is ours is not configuration. */
function peerWords(carp: CarpConfig): string {
    const families = new Set(carp.peers.map((peer) => (peer.includes(":") ? 6 : 4)));
    return (
        (families.has(4) ? " peer ADDRESS-OF-THIS-HOST" : "") +
        (families.has(6) ? " peer6 ADDRESS-OF-THIS-HOST" : "")
    );
}

function vhidRemarks(carp: CarpConfig, options: PeerOptions): string[] {
    return [
        ...passRemarks(carp, options, unsafe),
        ...(carp.advbase === 0
            ? [`# ${label(carp)}: FreeBSD has no advbase 0, it takes 1: change it here too`]
            : []),
        ...(carp.peers.length > 0
            ? [
                  `# ${label(carp)}: peers are unicast here: write the Linux host's own address for`,
                  "# ADDRESS-OF-THIS-HOST (FreeBSD 14 and newer, one peer of each family)",
              ]
            : []),
    ];
}
