/**
 * The settings of the system that the doctor looks at. Main thread; reads /proc and /sys, changes
 * nothing. What cannot be read is null.
 */
import {existsSync, readFileSync, readlinkSync} from "node:fs";
import {basename, join} from "node:path";
import type {CarpdevFacts, HostFacts} from "../core/doctor.ts";
import {readWord} from "./host-interfaces.ts";

/** What the engine knows of a carpdev. */
export interface KnownCarpdev {
    readonly carpdev: string;
    /** 0 while it is absent. */
    readonly ifindex: number;
}

export interface FactFolders {
    readonly proc: string;
    readonly sys: string;
}

const systemFolders: FactFolders = {proc: "/proc", sys: "/sys"};
/** Counters of /proc/net/dev behind the name: octets, packets, errs, drop, fifo, frame... */
const receiveErrors = 2;
const receiveDrops = 3;
/** scope "link" in /proc/net/if_inet6 (include/net/ipv6.h, IPV6_ADDR_LINKLOCAL). */
const linkScope = "20";

export function readHostFacts(
    carpdevs: readonly KnownCarpdev[],
    folders: FactFolders = systemFolders,
): HostFacts {
    const ipv4 = join(folders.proc, "sys/net/ipv4");
    const forward = numberIn(join(ipv4, "ip_forward"));
    return {
        rpFilterAll: numberIn(join(ipv4, "conf/all/rp_filter")),
        ipForward: forward === null ? null : forward !== 0,
        carpdevs: carpdevs
            .filter(({carpdev}) => isPlainName(carpdev))
            .map((device) => carpdevFacts(device, folders)),
    };
}

/** A path is made of it. */
function isPlainName(name: string): boolean {
    return name !== "" && name !== "." && name !== ".." && !/[/\0]/u.test(name);
}

function carpdevFacts({carpdev, ifindex}: KnownCarpdev, {proc, sys}: FactFolders): CarpdevFacts {
    const conf = (name: string, key: string): number | null =>
        numberIn(join(proc, "sys/net/ipv4/conf", name, key));
    // The kernel takes the greater of the two (Documentation/networking/ip-sysctl.rst).
    const ignores = [conf("all", "arp_ignore"), conf(carpdev, "arp_ignore")];
    const known = ignores.filter((value) => value !== null);
    return {
        carpdev,
        rpFilter: conf(carpdev, "rp_filter"),
        arpIgnore: ignores[1] === null ? null : Math.max(...known),
        hasLinkLocal: ifindex === 0 ? null : hasLinkLocal(carpdev, proc),
        bridge: bridgeOf(carpdev, ifindex, sys),
        dropped: droppedBy(carpdev, proc),
    };
}

function hasLinkLocal(carpdev: string, proc: string): boolean | null {
    const text = readText(join(proc, "self/net/if_inet6"));
    if (text === null) return null;
    return text.split("\n").some((line) => {
        const [, , , scope, , name] = line.trim().split(/\s+/u);
        return name === carpdev && scope === linkScope;
    });
}

function droppedBy(carpdev: string, proc: string): number | null {
    const line = readText(join(proc, "self/net/dev"))
        ?.split("\n")
        .find((each) => each.trim().startsWith(`${carpdev}:`));
    if (line === undefined) return null;
    const columns = line
        .slice(line.indexOf(":") + 1)
        .trim()
        .split(/\s+/u)
        .map(Number);
    const sum = (columns[receiveErrors] ?? Number.NaN) + (columns[receiveDrops] ?? Number.NaN);
    return Number.isFinite(sum) ? sum : null;
}

/** /sys may show another network namespace: only an interface with our number is ours. */
function bridgeOf(carpdev: string, ifindex: number, sys: string): CarpdevFacts["bridge"] {
    const own = join(sys, "class/net", carpdev);
    if (ifindex === 0 || numberIn(join(own, "ifindex")) !== ifindex) return null;
    const isBridge = existsSync(join(own, "bridge"));
    const isPort = existsSync(join(own, "brport"));
    if (!isBridge && !isPort) return null;
    const folder = isBridge ? own : join(own, "master");
    const snooping = numberIn(join(folder, "bridge/multicast_snooping"));
    if (snooping === null) return null;
    const querier = numberIn(join(folder, "bridge/multicast_querier"));
    return {
        name: isBridge ? carpdev : linkName(folder),
        snooping: snooping !== 0,
        querier: querier !== null && querier !== 0,
    };
}

function linkName(path: string): string {
    try {
        return basename(readlinkSync(path));
    } catch {
        return "of this port"; // it left the bridge just now
    }
}

function numberIn(path: string): number | null {
    const word = readWord(path);
    return word !== null && /^-?\d+$/u.test(word) ? Number(word) : null;
}

function readText(path: string): string | null {
    try {
        return readFileSync(path, "utf8");
    } catch {
        return null; // a kernel without IPv6 has no such file
    }
}
