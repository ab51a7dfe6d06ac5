/**
 * What the appliance's firewall lets in: one element of `allow` of [system], read and written. Pure.
 *
 *     "ssh"   "tcp/8080"   "lan0:dns"   "lan0:udp/5000-5010"
 */
import {err, ok, type Result} from "./result.ts";

export interface Port {
    readonly protocol: "tcp" | "udp";
    /** 1..65535; `least` = `most` for a single port. */
    readonly least: number;
    readonly most: number;
}

export interface AllowRule {
    /** Where it may come in; "" for everywhere. */
    readonly interface: string;
    /** As it was written: "ssh", "tcp/8080". */
    readonly service: string;
    readonly ports: readonly Port[];
}

export interface AllowProblem {
    readonly message: string;
    readonly expected: string;
}

function port(protocol: Port["protocol"], least: number, most = least): Port {
    return {protocol, least, most};
}

/** The services that have a name. "dhcp" is a server's side: DHCP and DHCPv6 (RFC 2131, 8415). */
const services: ReadonlyMap<string, readonly Port[]> = new Map([
    ["ssh", [port("tcp", 22)]],
    ["dns", [port("tcp", 53), port("udp", 53)]],
    ["ntp", [port("udp", 123)]],
    ["dhcp", [port("udp", 67), port("udp", 547)]],
]);

export const serviceNames: readonly string[] = [...services.keys()];

const expected = `${serviceNames.join(", ")}, tcp/8080 or udp/1194; lan0:ssh on lan0 only`;

/**
 * Names of interfaces end up in files and rules of other programs: those with characters that mean
 * something there are refused. Linux itself would take them.
 */
export function isPlainInterface(name: string): boolean {
    return /^[A-Za-z0-9_.+@-]+$/u.test(name);
}

function readPort(text: string): number {
    const value = /^[1-9][0-9]{0,4}$/u.test(text) ? Number(text) : 0;
    return value <= 65_535 ? value : 0;
}

function readPorts(service: string): readonly Port[] | undefined {
    const named = services.get(service);
    if (named !== undefined) {
        return named;
    }
    const [, protocol, first = "", last = first] =
        /^(tcp|udp)\/([0-9]+)(?:-([0-9]+))?$/u.exec(service) ?? [];
    const [least, most] = [readPort(first), readPort(last)];
    if ((protocol !== "tcp" && protocol !== "udp") || least === 0 || most < least) {
        return undefined;
    }
    return [port(protocol, least, most)];
}

export function parseAllow(text: string): Result<AllowRule, AllowProblem> {
    const colon = text.lastIndexOf(":");
    const [name, service] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
    const ports = readPorts(service);
    const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
    const named = colon < 0 || (name.length <= 15 && isPlainInterface(name));
    if (ports === undefined || !named) {
        return err({message: `${shown} is no service and no port`, expected});
    }
    return ok({interface: name, service, ports});
}

/** The form in which two elements that mean the same are equal. */
export function formatAllow({interface: name, service}: AllowRule): string {
    return name === "" ? service : `${name}:${service}`;
}
