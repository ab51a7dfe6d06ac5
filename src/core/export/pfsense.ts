/** What to fill in on pfSense or OPNsense: a table of the fields of each virtual IP. Pure. */
import {formatVip} from "../address.ts";
import type {CarpConfig, Config} from "../config.ts";
import {
    commonRemarks,
    hasShared,
    hiddenPassword,
    label,
    type PeerFile,
    type PeerOptions,
    passwordText,
    peerInterface,
    peerSkew,
    runningVhids,
} from "./peer.ts";

type Row = readonly [
    type: string,
    device: string,
    address: string,
    vhid: string,
    password: string,
    base: string,
    skew: string,
    ...rest: string[],
];

const header: Row = ["Type", "Interface", "Address", "VHID", "Password", "Base", "Skew"];

export function pfsenseFiles(config: Config, options: PeerOptions): PeerFile[] {
    const rows = runningVhids(config).flatMap((carp) => vhidRows(carp, options));
    const widths = header.map((_, column) =>
        Math.max(...[header, ...rows].map((row) => (row[column] ?? "").length)),
    );
    const table = [header, ...rows].map((row) =>
        row
            .map((cell, column) => cell.padEnd(widths[column] ?? 0))
            .join("  ")
            .trimEnd(),
    );
    const notes = [...commonRemarks(config, options), ...remarks(config)];
    return [
        {
            path: "",
            lines: [
                "# pfSense: Firewall > Virtual IPs; OPNsense: Interfaces > Virtual IPs",
                "# one entry for each row; Base and Skew are the advertising frequency",
                ...notes,
                ...table,
            ],
        },
    ];
}

function remarks(config: Config): string[] {
    const several = config.carp.some(({addresses}) => addresses.length > 1);
    const mixed = config.carp.filter(
        ({addresses}) => new Set(addresses.map(({family}) => family)).size > 1,
    );
    return [
        ...(several
            ? [
                  "# IP Alias: on pfSense its interface is the CARP address of its vhid, on OPNsense it has",
                  "# the number of the vhid; all addresses of a vhid are in the digest, none may be missing",
              ]
            : []),
        ...mixed.map(
            (carp) =>
                `# ${label(carp)} has both families: where the form refuses that, give IPv6 its own vhid, here too`,
        ),
        ...(config.options.preempt
            ? []
            : ["# the firewall preempts where it has CARP addresses; preempt is false here"]),
        ...(hasShared(config)
            ? ["# ARP balancing left FreeBSD with version 10: an address is in one vhid only"]
            : []),
        ...config.carp
            .filter(({advbase}) => advbase === 0)
            .map((carp) => `# ${label(carp)}: Base is at least 1 there: change advbase here too`),
        ...config.carp
            .filter(({peers}) => peers.length > 0)
            .map(
                (carp) => `# ${label(carp)} is unicast here: its Peer is this Linux host's address`,
            ),
        "# the firewall says no farewell: enter maintenance mode on its CARP status page before a stop",
    ];
}

function vhidRows(carp: CarpConfig, options: PeerOptions): Row[] {
    const device = peerInterface(carp, options);
    const vhid = String(carp.vhid);
    const text = passwordText(carp);
    const printable = text !== undefined && !/\p{Cc}/u.test(text);
    const password = options.secrets && printable ? text : text === "" ? "" : hiddenPassword;
    return carp.addresses.map((vip, index): Row => {
        const address = formatVip(vip);
        if (index > 0) {
            return ["IP Alias", device, address, vhid, "", "", ""];
        }
        const skew = String(peerSkew(carp.advskew, options.skewStep));
        return ["CARP", device, address, vhid, password, String(Math.max(carp.advbase, 1)), skew];
    });
}
