/** Which addresses are in a network, and which networks have addresses in common. Pure. */
import {addressOctets, type IpAddress} from "./address.ts";
import type {Vip} from "./config.ts";

function samePrefix(a: string, b: string, length: number): boolean {
    const octets = addressOctets(b);
    return addressOctets(a).every((octet, i) => {
        const bits = Math.min(Math.max(length - 8 * i, 0), 8);
        const mask = (0xff << (8 - bits)) & 0xff;
        return (octet & mask) === ((octets[i] ?? 0) & mask);
    });
}

/** Whether `other` is in the network of `vip`. */
export function covers(vip: Vip, other: IpAddress): boolean {
    return vip.family === other.family && samePrefix(vip.address, other.address, vip.prefixLength);
}

/** Whether the networks of both have an address in common. */
export function overlap(a: Vip, b: Vip): boolean {
    const length = Math.min(a.prefixLength, b.prefixLength);
    return a.family === b.family && samePrefix(a.address, b.address, length);
}
