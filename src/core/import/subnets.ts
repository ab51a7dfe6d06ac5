/**
 * Netmasks, and which interface an address belongs to: an old carp interface names no carpdev, the
 * kernel finds it by the subnet. Pure.
 */
import {addressOctets, parseAddress} from "../address.ts";

/** Prefix length of "255.255.255.0" or "0xffffff00"; undefined for anything else. */
export function netmaskLength(text: string): number | undefined {
    let mask: number;
    if (/^0x[0-9a-f]{8}$/iu.test(text)) {
        mask = Number.parseInt(text.slice(2), 16);
    } else {
        const parsed = text.includes(":") ? undefined : parseAddress(text);
        if (parsed === undefined || !parsed.ok) {
            return undefined;
        }
        mask = addressOctets(parsed.value.address).reduce((sum, octet) => sum * 256 + octet, 0);
    }
    const inverse = 0xffff_ffff - mask;
    // A mask is contiguous when its complement is one less than a power of two.
    const bits = Math.log2(inverse + 1);
    return Number.isInteger(bits) ? 32 - bits : undefined;
}

/** 24 as "255.255.255.0". */
export function netmaskText(prefixLength: number): string {
    const mask = prefixLength === 0 ? 0 : (0xffff_ffff << (32 - prefixLength)) >>> 0;
    return [24, 16, 8, 0].map((shift) => (mask >>> shift) & 0xff).join(".");
}

/** 192.168.1.0/24 of any of its addresses, as "192.168.1.255". */
export function broadcastText(address: string, prefixLength: number): string {
    return [...addressOctets(address)]
        .map((octet, i) => octet | (0xff >> Math.min(Math.max(prefixLength - 8 * i, 0), 8)))
        .join(".");
}

interface Subnet {
    readonly name: string;
    readonly octets: Uint8Array;
    readonly prefixLength: number;
}

function contains(subnet: Subnet, octets: Uint8Array): boolean {
    return (
        octets.length === subnet.octets.length &&
        octets.every((octet, i) => {
            const bits = Math.min(Math.max(subnet.prefixLength - 8 * i, 0), 8);
            const mask = 0xff & (0xff00 >> bits);
            return (octet & mask) === ((subnet.octets[i] ?? 0) & mask);
        })
    );
}

/** The subnets of the real interfaces, by their own addresses. */
export class Subnets {
    readonly #subnets: Subnet[] = [];

    /** `address` is one that parseAddress() accepted. */
    add(name: string, address: string, prefixLength: number): void {
        this.#subnets.push({name, octets: addressOctets(address), prefixLength});
    }

    /** The interface with the narrowest subnet around an address, the first of several. */
    find(address: string): {readonly name: string; readonly prefixLength: number} | undefined {
        const octets = addressOctets(address);
        let best: Subnet | undefined;
        for (const subnet of this.#subnets) {
            if (contains(subnet, octets) && subnet.prefixLength > (best?.prefixLength ?? 0)) {
                best = subnet;
            }
        }
        return best;
    }
}
