/**
 * IP addresses as an operator writes them: strict reading, canonical text, and what kind each is.
 *
 * Strict means that nothing is guessed: 192.0.2.010 is neither .10 nor .8, it is refused.
 */
import {Address4, Address6} from "ip-address";
import type {Vip} from "./config.ts";
import {err, ok, type Result} from "./result.ts";

export interface AddressProblem {
    readonly message: string;
    readonly expected: string;
}

export interface IpAddress {
    readonly family: 4 | 6;
    /** Canonical text, RFC 5952 for IPv6. */
    readonly address: string;
}

export type AddressKind =
    | "unicast"
    | "unspecified"
    | "loopback"
    | "link-local"
    | "multicast"
    | "broadcast"
    | "ipv4-mapped";

const expectedVip = 'an address with prefix length, such as "192.0.2.1/24" or "2001:db8::1/64"';
const expectedPeer = 'a plain address, such as "192.0.2.2" or "2001:db8::2"';
const longestText = 64;

function problem(message: string, expected: string): Result<never, AddressProblem> {
    return err({message, expected});
}

/** As it may be shown in a message: short, and quoted so that blanks are seen. */
function quoted(text: string): string {
    return JSON.stringify(text.length > longestText ? `${text.slice(0, longestText)}...` : text);
}

/** 4 or 16 octets in network byte order, of a text that parseAddress() accepted. */
export function addressOctets(address: string): Uint8Array {
    const numbers = address.includes(":")
        ? new Address6(address).toByteArray()
        : new Address4(address).toArray();
    return Uint8Array.from(numbers);
}

function readAddress(text: string): IpAddress | undefined {
    if (text.length > longestText || !/^[0-9a-fA-F:.]+$/u.test(text)) {
        return undefined;
    }
    if (text.includes(":")) {
        return Address6.isValid(text)
            ? {family: 6, address: new Address6(text).correctForm()}
            : undefined;
    }
    return Address4.isValid(text)
        ? {family: 4, address: new Address4(text).correctForm()}
        : undefined;
}

/** Reads an address without prefix and without zone. */
export function parseAddress(
    text: string,
    expected = expectedPeer,
): Result<IpAddress, AddressProblem> {
    if (text.includes("/")) {
        return problem(`${quoted(text)} has a prefix length`, expected);
    }
    if (text.includes("%")) {
        return problem(`${quoted(text)} has a zone; the carpdev already says which link`, expected);
    }
    const address = readAddress(text);
    return address === undefined
        ? problem(`${quoted(text)} is not an IP address`, expected)
        : ok(address);
}

export function addressKind(address: IpAddress): AddressKind {
    const octets = addressOctets(address.address);
    const [a = 0, b = 0] = octets;
    const allZero = (part: Uint8Array): boolean => part.every((octet) => octet === 0);
    if (address.family === 4) {
        if (a === 0) {
            return "unspecified";
        }
        if (octets.every((octet) => octet === 255)) {
            return "broadcast";
        }
        if (a === 127) {
            return "loopback";
        }
        if (a >= 224 && a < 240) {
            return "multicast";
        }
        return a === 169 && b === 254 ? "link-local" : "unicast";
    }
    if (allZero(octets)) {
        return "unspecified";
    }
    if (allZero(octets.subarray(0, 15)) && octets[15] === 1) {
        return "loopback";
    }
    if (allZero(octets.subarray(0, 10)) && octets[10] === 255 && octets[11] === 255) {
        return "ipv4-mapped";
    }
    if (a === 0xff) {
        return "multicast";
    }
    return a === 0xfe && (b & 0xc0) === 0x80 ? "link-local" : "unicast";
}

const refusedKinds: ReadonlyMap<AddressKind, string> = new Map([
    ["unspecified", "an unspecified address (0.0.0.0/8 or ::)"],
    ["loopback", "a loopback address"],
    ["multicast", "a multicast address"],
    ["broadcast", "the broadcast address"],
    ["ipv4-mapped", "an IPv4-mapped IPv6 address"],
]);

/** Why this cannot be the address of one host, or undefined when it can. */
export function hostAddressProblem(address: IpAddress): string | undefined {
    const kind = refusedKinds.get(addressKind(address));
    return kind === undefined ? undefined : `${address.address} is ${kind}`;
}

/** Whether all bits behind the prefix are `bit`. */
function hostBitsAre(bit: 0 | 1, octets: Uint8Array, prefixLength: number): boolean {
    return octets.every((octet, i) => {
        const prefixBits = Math.min(Math.max(prefixLength - 8 * i, 0), 8);
        const hostMask = 0xff >> prefixBits;
        return (octet & hostMask) === (bit === 1 ? hostMask : 0);
    });
}

/** The network's own address, its broadcast address or IPv6's Subnet-Router anycast (RFC 4291). */
function reservedInPrefix(address: IpAddress, prefixLength: number): string | undefined {
    const octets = addressOctets(address.address);
    // With one host bit or none there is neither (RFC 3021, RFC 6164).
    if (prefixLength >= octets.length * 8 - 1) {
        return undefined;
    }
    if (hostBitsAre(0, octets, prefixLength)) {
        return address.family === 4 ? "the network address" : "the Subnet-Router anycast address";
    }
    if (address.family === 4 && hostBitsAre(1, octets, prefixLength)) {
        return "the broadcast address";
    }
    return undefined;
}

/** Reads a virtual IP address: prefix wanted, host bits allowed, only addresses of one host. */
export function parseVip(text: string): Result<Vip, AddressProblem> {
    const slash = text.indexOf("/");
    const addressText = slash < 0 ? text : text.slice(0, slash);
    const parsed = parseAddress(addressText, expectedVip);
    if (!parsed.ok) {
        return parsed;
    }
    const {family, address} = parsed.value;
    if (slash < 0) {
        return problem(`${quoted(text)} has no prefix length`, expectedVip);
    }
    const longest = family === 4 ? 32 : 128;
    const prefixText = text.slice(slash + 1);
    const prefixLength = /^(?:0|[1-9][0-9]{0,2})$/u.test(prefixText) ? Number(prefixText) : -1;
    if (prefixLength < 1 || prefixLength > longest) {
        return problem(
            `${quoted(text)} has a bad prefix length`,
            `a prefix length from 1 to ${longest}`,
        );
    }
    const refused = hostAddressProblem(parsed.value);
    if (refused !== undefined) {
        return problem(`${refused}, no host can own it`, expectedVip);
    }
    const reserved = reservedInPrefix(parsed.value, prefixLength);
    if (reserved !== undefined) {
        return problem(
            `${address} is ${reserved} of its /${prefixLength}, no host can own it`,
            expectedVip,
        );
    }
    return ok({family, address, prefixLength});
}

export function formatVip(vip: Vip): string {
    return `${vip.address}/${vip.prefixLength}`;
}
