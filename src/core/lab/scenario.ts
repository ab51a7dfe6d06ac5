/**
 * The networks of the lab as data: hosts, cables, addresses, pings. Pure.
 *
 * The same description builds namespaces on a kernel and hosts in the simulator. What a host's
 * carpd is told is not here but in the files of board/sim/scenarios, as on a real box.
 */

export interface LinkSpec {
    readonly segment: string;
    readonly ifname: string;
    readonly mac: string;
    /** With prefix length. */
    readonly addresses: readonly string[];
}

export interface HostSpec {
    readonly name: string;
    readonly links: readonly LinkSpec[];
    /** Routers forward IPv4. */
    readonly forward: boolean;
    /** Default gateway; null: none. */
    readonly gateway: string | null;
    /** The carpd.toml of this host below board/sim/scenarios; null: runs no carpd. */
    readonly config: string | null;
}

/** Pings that run through the whole story. */
export interface ProbeSpec {
    readonly name: string;
    /** The host that pings. */
    readonly from: string;
    readonly address: string;
    /** The address whose entry in the pinging host's neighbour table carries the virtual MAC. */
    readonly nextHop: string;
}

export interface NetworkSpec {
    readonly segments: readonly string[];
    readonly hosts: readonly HostSpec[];
    readonly probes: readonly ProbeSpec[];
}

/** A locally administered MAC that tells host and port apart when read in a capture. */
function portMac(host: number, port: number): string {
    const hex = (n: number) => n.toString(16).padStart(2, "0");
    return `02:00:00:00:${hex(host)}:${hex(port)}`;
}

function router(name: string, number: number, lastOctet: number): HostSpec {
    return {
        name,
        links: [
            {
                segment: "lan",
                ifname: "eth1",
                mac: portMac(number, 1),
                addresses: [`192.168.1.${lastOctet}/24`],
            },
            {
                segment: "wan",
                ifname: "eth2",
                mac: portMac(number, 2),
                addresses: [`192.168.2.${lastOctet}/24`],
            },
        ],
        forward: true,
        gateway: null,
        config: `two-routers/${name}/carpd.toml`,
    };
}

/** One interface, no carpd: a client or a server. */
function station(
    name: string,
    number: number,
    segment: string,
    address: string,
    gateway: string | null,
): HostSpec {
    return {
        name,
        links: [{segment, ifname: "eth0", mac: portMac(number, 0), addresses: [address]}],
        forward: false,
        gateway,
        config: null,
    };
}

/** The manual's firewall pair: two segments, two vhids, preempt; a client behind, a server ahead. */
export const twoRouters: NetworkSpec = {
    segments: ["lan", "wan"],
    hosts: [
        router("router-a", 0xa, 2),
        router("router-b", 0xb, 3),
        station("client", 0xc, "lan", "192.168.1.100/24", "192.168.1.1"),
        station("server", 0xd, "wan", "192.168.2.100/24", "192.168.2.1"),
    ],
    probes: [
        {name: "client > lan VIP", from: "client", address: "192.168.1.1", nextHop: "192.168.1.1"},
        {
            name: "client > server",
            from: "client",
            address: "192.168.2.100",
            nextHop: "192.168.1.1",
        },
        {name: "server > wan VIP", from: "server", address: "192.168.2.1", nextHop: "192.168.2.1"},
    ],
};

/** The handbook's three hosts. `variant` is the folder that their files are in. */
export function handbook(variant: "no-preempt" | "preempt"): NetworkSpec {
    const host = (name: string, number: number): HostSpec => ({
        name,
        links: [
            {
                segment: "lan",
                // The handbook's interface name.
                ifname: "fxp0",
                mac: portMac(number, 0),
                addresses: [`192.168.1.${number}/24`],
            },
        ],
        forward: false,
        gateway: null,
        config: `handbook/${variant}/${name}/carpd.toml`,
    });
    const ping = (address: string): ProbeSpec => ({
        name: `client > ${address}`,
        from: "client",
        address,
        nextHop: address,
    });
    return {
        segments: ["lan"],
        hosts: [
            host("hosta", 3),
            host("hostb", 4),
            host("provider", 5),
            station("client", 0xc, "lan", "192.168.1.100/24", null),
        ],
        probes: [ping("192.168.1.50"), ping("192.168.1.51")],
    };
}

export const scenarioNames = ["two-routers", "handbook"] as const;
export type ScenarioName = (typeof scenarioNames)[number];
