/**
 * The files and kernel values that make a network plan real, but for the firewall's rules
 * (network-ruleset.ts). Pure: src/io/appliance/network-applier.ts writes them.
 */
import type {NetworkPlan, PlannedInterface} from "./network-plan.ts";

export interface PlannedFile {
    readonly name: string;
    readonly text: string;
}

const head = "# Made by carpd of its configuration; it is overwritten.\n";

/** What is ours among the files of systemd-networkd. */
export function isOwnNetworkFile(name: string): boolean {
    return /^20-carpd(?:-.+)?\.network$/u.test(name);
}

export function networkFileName(name: string): string {
    return `20-carpd-${name}.network`;
}

function section(name: string, lines: readonly string[]): string {
    return `\n[${name}]\n${lines.map((line) => `${line}\n`).join("")}`;
}

/**
 * ConfigureWithoutCarrier: a host whose cable is pulled keeps its addresses, so that it advertises
 * from the right one at once when the link is back. KeepConfiguration, measured with networkd 252:
 * without it, what others put on the interface goes with every change. With "static" an own address
 * that stays is never away, but foreign IPv6 addresses that are not preferred are taken for dynamic
 * and removed: these are the VIPs of `mac = "physical"`. With "yes" they stay, and the own addresses
 * are away for some milliseconds at a change.
 */
function interfaceText(
    {name, addresses, dhcp, gateway, gateway6, mtu}: PlannedInterface,
    carriesVips: boolean,
): string {
    const link = ["RequiredForOnline=no", ...(mtu === 0 ? [] : [`MTUBytes=${mtu}`])];
    const network = [
        ...addresses.map((address) => `Address=${address}`),
        ...[gateway, gateway6].filter(Boolean).map((address) => `Gateway=${address}`),
        `DHCP=${dhcp ? "yes" : "no"}`,
        `IPv6AcceptRA=${dhcp ? "yes" : "no"}`,
        "LinkLocalAddressing=ipv6",
        "ConfigureWithoutCarrier=yes",
        "IgnoreCarrierLoss=yes",
        `KeepConfiguration=${carriesVips ? "yes" : "static"}`,
        "LLMNR=no",
        "MulticastDNS=no",
        "LLDP=no",
        "EmitLLDP=no",
    ];
    const leaseless = ["UseDNS=no", "UseHostname=no"];
    const lease = dhcp
        ? section("DHCPv4", leaseless) +
          section("DHCPv6", leaseless) +
          section("IPv6AcceptRA", ["UseDNS=no"])
        : "";
    return `${head}${section("Match", [`Name=${name}`])}${section("Link", link)}${section("Network", network)}${lease}`;
}

/** One a .network file; carpd's own macvlans are in one that says hands off. */
export function networkFiles({interfaces, virtual}: NetworkPlan): PlannedFile[] {
    const files = interfaces.map((each) => ({
        name: networkFileName(each.name),
        text: interfaceText(
            each,
            virtual.some(({carpdev, physical}) => physical && carpdev === each.name),
        ),
    }));
    if (virtual.length === 0) {
        return files;
    }
    const names = virtual.map(({name}) => name).join(" ");
    const text = `${head}${section("Match", [`Name=${names}`])}${section("Link", ["Unmanaged=yes"])}`;
    return [...files, {name: "20-carpd.network", text}];
}

/** Kernel values by their path below /proc/sys, in this order. */
export function kernelValues({
    hostname,
    forwarding,
}: NetworkPlan): readonly (readonly [path: string, value: string])[] {
    const value = forwarding ? "1" : "0";
    return [
        ["kernel/hostname", hostname],
        ["net/ipv4/ip_forward", value],
        ["net/ipv6/conf/all/forwarding", value],
    ];
}

/** What an answer of DHCP or a router says about name servers is not taken. */
export function resolvText({nameservers}: NetworkPlan): string {
    return head + nameservers.map((address) => `nameserver ${address}\n`).join("");
}

/** The first value of a keyword counts for sshd: this is read before its own sshd_config. */
export function sshdText(hostKey: string, authorizedKeys: string): string {
    return `${head}${[
        `HostKey ${hostKey}`,
        `AuthorizedKeysFile ${authorizedKeys}`,
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin prohibit-password",
        "AllowUsers root",
        "X11Forwarding no",
        "AllowTcpForwarding no",
        "AllowAgentForwarding no",
    ].join("\n")}\n`;
}

export function authorizedKeysText({sshKeys}: NetworkPlan): string {
    return head + sshKeys.map((line) => `${line}\n`).join("");
}
