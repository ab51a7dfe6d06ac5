/** Command lines for UCarp: one process for each vhid, one IPv4 address in each. Pure. */
import type {CarpConfig, Config, Vip} from "../config.ts";
import {
    commonRemarks,
    hiddenPassword,
    label,
    type PeerFile,
    type PeerOptions,
    passwordText,
    peerInterface,
    peerSkew,
    runningVhids,
} from "./peer.ts";

export function ucarpFiles(config: Config, options: PeerOptions): PeerFile[] {
    return [
        {
            path: "",
            lines: [
                ...commonRemarks(config, options),
                "# OWN-ADDRESS: the other host's own address on that interface",
                "# vip-up and vip-down there add and remove the address: UCarp does not, for example",
                ...exampleScript(config),
                "# UCarp answers 1 to 2 s late, demotes for its own send errors only, and shows its password in ps;",
                "# -z takes the address away when it is stopped",
                ...runningVhids(config).flatMap((carp) => vhidLines(carp, config, options)),
            ],
        },
    ];
}

function exampleScript(config: Config): string[] {
    const vip = runningVhids(config).flatMap(({addresses}) => addresses)[0];
    const length = vip?.family === 4 ? vip.prefixLength : 24;
    return [
        `#   vip-up: ip addr add "$2"/${length} dev "$1"`,
        `#   vip-down: ip addr del "$2"/${length} dev "$1"`,
    ];
}

/** What keeps UCarp from sharing this vhid, or "". */
function obstacle(carp: CarpConfig): string {
    if (carp.addresses.length > 1) {
        return `it has ${carp.addresses.length} addresses, UCarp takes one: give each a vhid, here too`;
    }
    if (carp.addresses[0]?.family === 6) {
        return "its address is IPv6, UCarp knows IPv4 only";
    }
    if (passwordText(carp) === "") {
        return "it has no password, UCarp wants one";
    }
    if (carp.peers.length > 0) {
        return "it is unicast here, UCarp speaks multicast only";
    }
    return "";
}

function vhidLines(carp: CarpConfig, config: Config, options: PeerOptions): string[] {
    const why = obstacle(carp);
    const [vip] = carp.addresses;
    if (why !== "" || vip === undefined) {
        return [`# ${label(carp)}: not possible with UCarp: ${why}`];
    }
    return [...skewRemark(carp, options), commandLine(carp, vip, config, options)];
}

function skewRemark(carp: CarpConfig, options: PeerOptions): string[] {
    return carp.advbase === 0 && peerSkew(carp.advskew, options.skewStep) === 0
        ? [`# ${label(carp)}: UCarp refuses advbase 0 with advskew 0`]
        : [];
}

/** One word of a shell. */
function shellQuote(text: string): string {
    return /^[\w@%+=:,./-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function commandLine(carp: CarpConfig, vip: Vip, config: Config, options: PeerOptions): string {
    const text = passwordText(carp);
    const shown = options.secrets && text !== undefined && !/[\r\n\0]/u.test(text);
    const words = [
        "ucarp",
        `-i ${shellQuote(peerInterface(carp, options))}`,
        "-s OWN-ADDRESS",
        `-v ${carp.vhid}`,
        `-p ${shellQuote(shown ? text : hiddenPassword)}`,
        `-a ${vip.address}`,
        ...(carp.advbase === 1 ? [] : [`-b ${carp.advbase}`]),
        `-k ${peerSkew(carp.advskew, options.skewStep)}`,
        ...(config.options.preempt ? ["-P"] : []),
        "-z",
        "-u /usr/local/sbin/vip-up",
        "-d /usr/local/sbin/vip-down",
        ...(carp.xparam === "" ? [] : [`-x ${shellQuote(carp.xparam)}`]),
    ];
    return words.join(" ");
}
