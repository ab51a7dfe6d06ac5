/**
 * Rules for single values of [system] and [[interface]], shared by the check of the configuration
 * and by carp-system, which judges what it is sent again. Pure.
 */
import {octetsOf} from "./config-check-values.ts";

export {interfaceNameProblem} from "./config-check-values.ts";

/** resolv.conf's MAXNS: more are never asked. */
export const mostNameservers = 3;
export const mostSshKeys = 64;
/** The kernel's least for IPv4 and what a jumbo frame has at most. */
export const mtuRange = {least: 68, most: 9216};
/** RFC 8200, 5: an interface with less carries no IPv6. */
export const leastIpv6Mtu = 1280;
/** Linux's HOST_NAME_MAX. */
const longestHostname = 64;

/** Why this is no host name (RFC 1123, 2.1; dots allowed), or undefined. */
export function hostnameProblem(name: string): string | undefined {
    const octets = octetsOf(name);
    if (octets === 0) {
        return "is empty";
    }
    if (octets > longestHostname) {
        return `has ${octets} octets, a host name at most ${longestHostname}`;
    }
    const bad = /[^A-Za-z0-9.-]/u.exec(name)?.[0];
    if (bad !== undefined) {
        return `contains ${JSON.stringify(bad)}`;
    }
    const wrong = name.split(".").find((label) => !/^[^-](?:.{0,61}[^-])?$/u.test(label));
    return wrong === undefined ? undefined : `has the part ${JSON.stringify(wrong)}`;
}

const keyTypes: readonly string[] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
/** RSA with 16384 bits has 2.8 thousand characters. */
const longestKey = 4096;

export const expectedSshKey = 'a line of a .pub file, such as "ssh-ed25519 AAAA... me@desk"';

/** A key begins with its type once more, as a string behind its length (RFC 4253, 6.6). */
function beginsWithType(base64: string, type: string): boolean {
    const head = `\0\0\0${String.fromCharCode(type.length)}${type}`;
    try {
        return atob(base64).startsWith(head);
    } catch (error) {
        if (error instanceof DOMException) {
            return false;
        }
        throw error;
    }
}

/** Why this is no line for authorized_keys, or undefined. Options before the type are refused. */
export function sshKeyProblem(line: string): string | undefined {
    if (line.includes("PRIVATE KEY")) {
        return "is a private key, which belongs to its owner alone";
    }
    if (line.length > longestKey) {
        return `has ${line.length} characters, at most ${longestKey}`;
    }
    if (/\p{Cc}/u.test(line)) {
        return "contains a control character";
    }
    const [type = "", base64 = ""] = line.split(" ");
    if (!keyTypes.includes(type)) {
        return "does not begin with a known type of key";
    }
    return beginsWithType(base64, type) ? undefined : `is no ${type} key`;
}
