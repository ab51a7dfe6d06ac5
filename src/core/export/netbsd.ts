/** Lines for NetBSD: ifconfig.carpN for each vhid. Pure. */
import type {CarpConfig, Config, Vip} from "../config.ts";
import {netmaskText} from "../import/subnets.ts";
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

/** The lines go through a shell. */
const unsafe = /[\s\p{Cc}"'`$\\*?[\];&|<>(){}#!~]/u;

export function netbsdFiles(config: Config, options: PeerOptions): PeerFile[] {
    return [
        {
            path: "/etc/sysctl.conf",
            lines: [
                ...commonRemarks(config, options),
                ...remarks(config),
                ...preemptLine(config),
                `net.inet.carp.arpbalance=${config.options.arpbalance ? 1 : 0}`,
            ],
        },
        ...runningVhids(config).map((carp) => ({
            path: `/etc/ifconfig.carp${carpNumber(carp, config)}`,
            lines: [
                ...passRemarks(carp, options, unsafe),
                ...vhidRemarks(carp),
                "create",
                ...vhidLines(carp, options),
            ],
        })),
    ];
}

function remarks(config: Config): string[] {
    return [
        ...(hasShared(config) && config.options.arpbalanceHash !== "sender-mac"
            ? ['# NetBSD balances by arpbalance-hash = "sender-mac": set that here']
            : []),
        ...(config.carp.some(({addresses}) => addresses.some(({family}) => family === 6))
            ? [
                  "# IPv6 advertisements of NetBSD 9 and newer carry another checksum, and NetBSD does not",
                  "# accept ours: use IPv4 addresses in a vhid that NetBSD shares",
              ]
            : []),
    ];
}

function vhidRemarks(carp: CarpConfig): string[] {
    return [
        ...(carp.peers.length > 0
            ? [`# ${label(carp)}: NetBSD has no unicast peers: take them out here`]
            : []),
        ...(carp.profile === "openbsd"
            ? [`# ${label(carp)}: NetBSD does not read the demotion of profile = "openbsd"`]
            : []),
    ];
}

function vhidLines(carp: CarpConfig, options: PeerOptions): string[] {
    const advbase = carp.advbase === 1 ? "" : ` advbase ${carp.advbase}`;
    const words =
        `vhid ${carp.vhid} carpdev ${peerInterface(carp, options)}${advbase}` +
        ` advskew ${peerSkew(carp.advskew, options.skewStep)}` +
        passWords(carp, options, unsafe);
    const [first, ...others] = carp.addresses;
    if (first === undefined || first.family === 6) {
        return [words, ...carp.addresses.map((vip) => addressLine(vip, ""))];
    }
    const netmask = netmaskText(first.prefixLength);
    return [
        `${words} ${first.address} netmask ${netmask}`,
        ...others.map((vip) => addressLine(vip, " alias")),
    ];
}

function addressLine({family, address, prefixLength}: Vip, alias: string): string {
    return family === 6
        ? `inet6 ${address} prefixlen ${prefixLength}${alias}`
        : `inet ${address} netmask ${netmaskText(prefixLength)}${alias}`;
}
