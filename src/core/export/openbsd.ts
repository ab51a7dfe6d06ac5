/** Lines for OpenBSD: hostname.carpN for each vhid. Pure. */
import type {CarpConfig, Config, Vip} from "../config.ts";
import {broadcastText, netmaskText} from "../import/subnets.ts";
import {
    carpNumber,
    commonRemarks,
    hasShared,
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

/** netstart(8) is a shell script. */
const unsafe = /[\s\p{Cc}"'`$\\*?[\];&|<>(){}#!~]/u;

export function openbsdFiles(config: Config, options: PeerOptions): PeerFile[] {
    return [
        {
            path: "/etc/sysctl.conf",
            lines: [...commonRemarks(config, options), ...remarks(config), ...preemptLine(config)],
        },
        ...runningVhids(config).map((carp) => ({
            path: `/etc/hostname.carp${carpNumber(carp, config)}`,
            lines: [...vhidRemarks(carp, options), ...vhidLines(carp, options)],
        })),
    ];
}

function remarks(config: Config): string[] {
    return [
        ...(config.carp.some(({profile}) => profile !== "openbsd")
            ? [
                  '# put profile = "openbsd" into the [[carp]] blocks here, so that demotion is understood',
              ]
            : []),
        ...(hasShared(config)
            ? ["# ARP balancing left OpenBSD after 5.x: it cannot take part in shared addresses"]
            : []),
    ];
}

function vhidRemarks(carp: CarpConfig, options: PeerOptions): string[] {
    const linkLocal = carp.addresses.some(({address}) => /^fe[89ab]/u.test(address));
    return [
        ...passRemarks(carp, options, unsafe),
        ...(linkLocal
            ? [`# ${label(carp)}: OpenBSD leaves link-local addresses out of its digest`]
            : []),
        ...(carp.peers.length > 0
            ? [
                  `# ${label(carp)}: peers are unicast here: write the Linux host's own IPv4 address`,
                  "# for ADDRESS-OF-THIS-HOST",
              ]
            : []),
    ];
}

function vhidLines(carp: CarpConfig, options: PeerOptions): string[] {
    const peer = carp.peers.length === 0 ? "" : " carppeer ADDRESS-OF-THIS-HOST";
    const advbase = carp.advbase === 1 ? "" : ` advbase ${carp.advbase}`;
    const group = carp.group === "carp" ? "" : ` group ${carp.group}`;
    const words =
        `vhid ${carp.vhid} carpdev ${peerInterface(carp, options)}${advbase}` +
        ` advskew ${peerSkew(carp.advskew, options.skewStep)}` +
        passWords(carp, options, unsafe) +
        peer +
        group;
    const [first] = carp.addresses;
    // The vhid stands beside the first address, or on a line above when that is IPv6.
    const lines = first?.family === 6 ? [words] : [];
    for (const vip of carp.addresses) {
        const alias = vip === first ? "" : "alias ";
        const suffix = vip === first && vip.family === 4 ? ` ${words}` : "";
        lines.push(`${addressLine(vip, alias)}${suffix}`);
    }
    return lines;
}

function addressLine({family, address, prefixLength}: Vip, alias: string): string {
    if (family === 6) {
        return `inet6 ${alias}${address} ${prefixLength}`;
    }
    const broadcast = prefixLength > 30 ? "NONE" : broadcastText(address, prefixLength);
    return `inet ${alias}${address} ${netmaskText(prefixLength)} ${broadcast}`;
}
