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
    /** Not drawn: the screen has room for a few strips. */
    readonly hidden?: true;
}

export interface NetworkSpec {
    readonly segments: readonly string[];
    readonly hosts: readonly HostSpec[];
    readonly probes: readonly ProbeSpec[];
    /** Time between two pings of one probe: fine enough for what the story measures. */
    readonly pingIntervalUs: number;
    /** The story reads what was on the wires (LabNetwork.heard). */
    readonly listens: boolean;
}

/** Fine enough to see a hand-over, light enough for two cores. */
const fewProbesUs = 2000;
/** For more probes than a small machine can ping with every 2 ms. */
const manyProbesUs = 10_000;

/** A locally administered MAC that tells host and port apart when read in a capture. */
function portMac(host: number, port: number): string {
    const hex = (n: number) => n.toString(16).padStart(2, "0");
    return `02:00:00:00:${hex(host)}:${hex(port)}`;
}

/** Interfaces and segments of a router: port 1 is eth1. */
interface RouterPort {
    readonly segment: string;
    /** With prefix length. */
    readonly addresses: readonly string[];
}

function box(
    name: string,
    number: number,
    ports: readonly RouterPort[],
    config: string,
    forward: boolean,
): HostSpec {
    return {
        name,
        links: ports.map(({segment, addresses}, index) => ({
            segment,
            ifname: `eth${index + 1}`,
            mac: portMac(number, index + 1),
            addresses,
        })),
        forward,
        gateway: null,
        config: `${config}/${name}/carpd.toml`,
    };
}

function router(name: string, number: number, lastOctet: number): HostSpec {
    const ports = [
        {segment: "lan", addresses: [`192.168.1.${lastOctet}/24`]},
        {segment: "wan", addresses: [`192.168.2.${lastOctet}/24`]},
    ];
    return box(name, number, ports, "two-routers", true);
}

/** One interface, no carpd: a client or a server. */
function station(
    name: string,
    number: number,
    segment: string,
    addresses: readonly string[],
    gateway: string | null,
): HostSpec {
    return {
        name,
        links: [{segment, ifname: "eth0", mac: portMac(number, 0), addresses}],
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
        station("client", 0xc, "lan", ["192.168.1.100/24"], "192.168.1.1"),
        station("server", 0xd, "wan", ["192.168.2.100/24"], "192.168.2.1"),
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
    pingIntervalUs: fewProbesUs,
    listens: true,
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
            station("client", 0xc, "lan", ["192.168.1.100/24"], null),
        ],
        probes: [ping("192.168.1.50"), ping("192.168.1.51")],
        pingIntervalUs: fewProbesUs,
        listens: false,
    };
}

/**
 * carp(4)'s "all interfaces fail over together": two hosts, two segments, a client on each. Beyond
 * the manual the hosts have an uplink, a port without vhids. `variant` is the folder of their files.
 */
export function preempt(variant: "fast" | "plain"): NetworkSpec {
    const host = (name: string, number: number, lastOctet: number) => {
        const ports = [
            {segment: "lan", addresses: [`192.168.1.${lastOctet}/24`]},
            {segment: "wan", addresses: [`192.168.2.${lastOctet}/24`]},
            {segment: "uplink", addresses: [`192.168.3.${lastOctet}/24`]},
        ];
        return box(name, number, ports, `preempt/${variant}`, true);
    };
    const ping = (from: string, to: string, address: string, gateway: string): ProbeSpec => ({
        name: `${from} > ${to}`,
        from,
        address,
        nextHop: gateway,
    });
    return {
        segments: ["lan", "wan", "uplink"],
        hosts: [
            host("host-a", 0xa, 2),
            host("host-b", 0xb, 3),
            station("client-1", 0xc, "lan", ["192.168.1.100/24"], "192.168.1.1"),
            station("client-2", 0xd, "wan", ["192.168.2.100/24"], "192.168.2.1"),
        ],
        probes: [
            ping("client-1", "192.168.1.1", "192.168.1.1", "192.168.1.1"),
            ping("client-2", "192.168.2.1", "192.168.2.1", "192.168.2.1"),
            ping("client-1", "client-2", "192.168.2.100", "192.168.1.1"),
            ping("client-2", "client-1", "192.168.1.100", "192.168.2.1"),
        ],
        pingIntervalUs: fewProbesUs,
        listens: true,
    };
}

/** The shared addresses of the balancing story; the manual has the first one only. */
export const sharedIpv4 = "192.168.1.10";
export const sharedIpv6 = "2001:db8:0:1::10";

export interface BalanceClient {
    readonly name: string;
    readonly ipv4: string;
    readonly ipv6: string;
}

export const balanceClients: readonly BalanceClient[] = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => ({
    name: `client-${n}`,
    ipv4: `192.168.1.${100 + n}`,
    ipv6: `2001:db8:0:1::${100 + n}`,
}));

export const balanceProbe = (client: string, family: 4 | 6) => `${client} > shared IPv${family}`;

function sharing(name: string, number: number, lastOctet: number): HostSpec {
    const addresses = [`192.168.1.${lastOctet}/24`, `2001:db8:0:1::${lastOctet}/64`];
    return box(name, number, [{segment: "lan", addresses}], "balance", false);
}

/** carp(4)'s ARP balancing: two hosts that share one address, and eight clients. */
export const balance: NetworkSpec = {
    segments: ["lan"],
    hosts: [
        sharing("host-a", 0xa, 2),
        sharing("host-b", 0xb, 3),
        ...balanceClients.map(({name, ipv4, ipv6}, index) =>
            station(name, 0xc0 + index, "lan", [`${ipv4}/24`, `${ipv6}/64`], null),
        ),
    ],
    probes: balanceClients.flatMap(({name}, index) => {
        const hidden = index >= 2 ? {hidden: true as const} : {};
        const ping = (family: 4 | 6, address: string): ProbeSpec => ({
            name: balanceProbe(name, family),
            from: name,
            address,
            nextHop: address,
            ...hidden,
        });
        return [ping(4, sharedIpv4), ping(6, sharedIpv6)];
    }),
    pingIntervalUs: manyProbesUs,
    listens: true,
};

export const scenarioNames = ["two-routers", "handbook", "preempt", "balance"] as const;
export type ScenarioName = (typeof scenarioNames)[number];
