/**
 * The interfaces of this host, as the BSD commands show them and look for a carpdev among them.
 * Main thread; reads /proc and /sys, which answer at once.
 *
 * Only what is up has its IPv4 addresses here: that is what getifaddrs(3) as node has it gives. The
 * engine knows more of the carpdevs, and the caller adds it.
 */
import {readFileSync} from "node:fs";
import {networkInterfaces} from "node:os";
import type {BsdInterface} from "../core/bsd/world.ts";
import {interfaceNames} from "./config-files.ts";

const usualMtu = 1500;

/** Empty when the system does not say. */
export function hostInterfaces(): BsdInterface[] {
    const names = interfaceNames();
    const known = new Map(Object.entries(networkInterfaces()));
    const all = new Set([...(names.ok ? names.value : []), ...known.keys()]);
    return [...all].map((name) => {
        const addresses = known.get(name) ?? [];
        const mac = addresses.find((each) => each.mac !== "")?.mac ?? "";
        return {
            name,
            addresses: addresses.flatMap(({cidr}) => cidr ?? []),
            mac: /^[0:]*$/u.test(mac) ? "" : mac,
            up: addresses.length > 0,
            mtu: mtuOf(name, mac),
        };
    });
}

/** /sys may show another network namespace: an interface of another MAC is not this one. */
function mtuOf(name: string, mac: string): number {
    if (mac === "" || readWord(`/sys/class/net/${name}/address`) !== mac) return usualMtu;
    const mtu = Number(readWord(`/sys/class/net/${name}/mtu`));
    return Number.isInteger(mtu) && mtu > 0 ? mtu : usualMtu;
}

/** A small file without its line feed; null when it cannot be read. */
export function readWord(path: string): string | null {
    try {
        return readFileSync(path, "utf8").trim();
    } catch {
        return null; // not there on this kernel, or for this kind of interface
    }
}
