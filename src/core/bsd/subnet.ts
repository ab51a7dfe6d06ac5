/**
 * Masks and networks as ifconfig knows them: netmasks, address classes, and the interface whose
 * network an address is in. Pure.
 */
import {addressOctets, type IpAddress, parseAddress} from "../address.ts";

/** 32 bits, in host order. */
function ipv4Number(address: string): number {
    return addressOctets(address).reduce((sum, octet) => sum * 256 + octet, 0);
}

function maskNumber(prefixLength: number): number {
    return 2 ** 32 - 2 ** (32 - prefixLength);
}

/** 24 of "255.255.255.0", "0xffffff00" and "/24"; undefined for what is no mask. */
export function netmaskLength(text: string): number | undefined {
    const slash = /^\/(0|[1-9]\d?)$/u.exec(text)?.[1];
    if (slash !== undefined) {
        const length = Number(slash);
        return length <= 32 ? length : undefined;
    }
    const hex = /^0x([0-9a-f]{1,8})$/iu.exec(text)?.[1];
    const dotted = hex === undefined ? parseAddress(text) : undefined;
    let mask = Number.NaN;
    if (hex !== undefined) {
        mask = Number.parseInt(hex, 16);
    } else if (dotted?.ok === true && dotted.value.family === 4) {
        mask = ipv4Number(dotted.value.address);
    }
    for (let length = 0; length <= 32; length += 1) {
        if (mask === maskNumber(length)) {
            return length;
        }
    }
    return undefined;
}

/** 0xffffff00, as ifconfig prints a mask. */
export function netmaskText(prefixLength: number): string {
    return `0x${maskNumber(prefixLength).toString(16).padStart(8, "0")}`;
}

export function broadcastOf(address: string, prefixLength: number): string {
    const base = ipv4Number(address);
    const hosts = 2 ** (32 - prefixLength);
    const last = base - (base % hosts) + hosts - 1;
    return [24, 16, 8, 0].map((shift) => Math.floor(last / 2 ** shift) % 256).join(".");
}

/**
 * The mask of the address's class, which ifconfig takes when none is given (RFC 791); 64 for IPv6,
 * its default of ifconfig. undefined for classes D and E, which have none.
 */
export function defaultLength({family, address}: IpAddress): number | undefined {
    if (family === 6) {
        return 64;
    }
    const first = addressOctets(address)[0] ?? 0;
    if (first >= 224) {
        return undefined;
    }
    return first < 128 ? 8 : first < 192 ? 16 : 24;
}

export interface InterfaceAddress {
    readonly address: IpAddress;
    readonly prefixLength: number;
}

/** "192.168.1.2/24", as the system gives it; undefined for what is none. */
export function readInterfaceAddress(text: string): InterfaceAddress | undefined {
    const [address = "", length = ""] = text.split("/");
    const parsed = parseAddress(address.split("%")[0] ?? "");
    return parsed.ok && /^\d{1,3}$/u.test(length)
        ? {address: parsed.value, prefixLength: Number(length)}
        : undefined;
}

function covers({address, prefixLength}: InterfaceAddress, other: IpAddress): boolean {
    if (address.family !== other.family) {
        return false;
    }
    const octets = addressOctets(other.address);
    return addressOctets(address.address).every((octet, i) => {
        const bits = Math.min(Math.max(prefixLength - 8 * i, 0), 8);
        const mask = (0xff << (8 - bits)) & 0xff;
        return (octet & mask) === ((octets[i] ?? 0) & mask);
    });
}

/**
 * The interfaces with an address whose network has `other` in it, those with the longest prefix
 * only: one name is the answer, none or several need an operator's word.
 */
export function interfacesCovering(
    interfaces: readonly {readonly name: string; readonly addresses: readonly string[]}[],
    other: IpAddress,
): string[] {
    let longest = -1;
    let names: string[] = [];
    for (const {name, addresses} of interfaces) {
        const lengths = addresses.flatMap((text) => {
            const own = readInterfaceAddress(text);
            return own !== undefined && covers(own, other) ? [own.prefixLength] : [];
        });
        const best = Math.max(...lengths, -1);
        if (best > longest) {
            longest = best;
            names = [name];
        } else if (best === longest && best >= 0) {
            names.push(name);
        }
    }
    return names;
}
