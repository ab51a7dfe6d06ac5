/**
 * [system] and the [[interface]] blocks: what the host is on its own, which must not get in the way
 * of what the vhids share.
 */
import {
    addressKind,
    formatVip,
    hostAddressProblem,
    type IpAddress,
    parseAddress,
    parseVip,
} from "./address.ts";
import {formatAllow, isPlainInterface, parseAllow} from "./allow.ts";
import {defaultSystem, type InterfaceConfig, type SystemConfig, type Vip} from "./config.ts";
import {
    type CheckedBlock,
    checkInterfaceName,
    elementSpan,
    type Report,
    vipPlace,
} from "./config-check-values.ts";
import {type Draft, type DraftInterface, type Place, whereIs} from "./config-draft.ts";
import {
    expectedSshKey,
    hostnameProblem,
    leastIpv6Mtu,
    mostNameservers,
    mostSshKeys,
    sshKeyProblem,
} from "./config-network-values.ts";
import type {Located} from "./config-schema.ts";
import type {Remark, SourceText} from "./diagnostic.ts";
import {covers, overlap} from "./subnet.ts";

const mostInterfaces = 64;
const mostAddresses = 64;
const mostAllowed = 128;

// ---- [system] ----

interface Entry<T> {
    readonly source: SourceText;
    readonly located: Located<T>;
}

/** The elements that are right, each once; the others are reported. */
function readList(
    entry: Entry<readonly string[]> | undefined,
    most: number,
    key: string,
    read: (text: string) => {readonly value: string} | Remark,
    report: Report,
): string[] {
    const values: string[] = [];
    for (const [index, text] of (entry?.located.value ?? []).entries()) {
        if (entry === undefined) {
            break;
        }
        const say = (remark: Remark): void =>
            report(entry.source.diagnostic(elementSpan(entry.located, index), remark));
        if (index === most) {
            say({message: `more than ${most} ${key}`, expected: `at most ${most}`});
            break;
        }
        const element = read(text);
        if (!("value" in element)) {
            say(element);
        } else if (values.includes(element.value)) {
            const message = `this is in ${key} already`;
            say({message, expected: "each element once"});
        } else {
            values.push(element.value);
        }
    }
    return values;
}

export function checkSystem(draft: Draft, report: Report): SystemConfig {
    const {system} = draft;
    const {hostname} = system;
    // "" is the default: the image's own name.
    if (hostname !== undefined && hostname.located.value !== "") {
        const problem = hostnameProblem(hostname.located.value);
        if (problem !== undefined) {
            const remark = {
                message: `hostname ${problem}`,
                expected: "letters, digits and hyphens, parts of at most 63 with a dot between",
            };
            report(hostname.source.diagnostic(hostname.located.node.span, remark));
        }
    }
    const sshKeys = readList(
        system["ssh-keys"],
        mostSshKeys,
        "ssh-keys",
        (line) => {
            const problem = sshKeyProblem(line);
            return problem === undefined
                ? {value: line}
                : {message: `this element of ssh-keys ${problem}`, expected: expectedSshKey};
        },
        report,
    );
    const allow = readList(
        system.allow,
        mostAllowed,
        "allow",
        (text) => {
            const rule = parseAllow(text);
            return rule.ok ? {value: formatAllow(rule.value)} : rule.error;
        },
        report,
    );
    const nameservers = readList(
        system.nameservers,
        mostNameservers,
        "nameservers",
        (text) => {
            const parsed = parseAddress(text);
            if (!parsed.ok) {
                return parsed.error;
            }
            const {address} = parsed.value;
            // A resolver of this host's own is a good one.
            const problem =
                addressKind(parsed.value) === "loopback"
                    ? undefined
                    : hostAddressProblem(parsed.value);
            return problem === undefined
                ? {value: address}
                : {message: `${problem}, no host answers there`, expected: "a server's address"};
        },
        report,
    );
    const ssh = system.ssh?.located.value ?? defaultSystem.ssh;
    if (ssh && system.ssh !== undefined) {
        const {source, located} = system.ssh;
        const say = (message: string, expected: string): void =>
            report(source.diagnostic(located.node.span, {severity: "warning", message, expected}));
        if (sshKeys.length === 0) {
            say("ssh runs and nobody can log in", "ssh-keys with a line of a .pub file");
        }
        if (!allow.some((text) => /(?:^|:)(?:ssh$|tcp\/)/u.test(text))) {
            say("ssh runs and the firewall lets nobody in", '"ssh" or "lan0:ssh" in allow');
        }
    }
    checkAllowedInterfaces(draft, report);
    return {
        hostname: hostname?.located.value ?? defaultSystem.hostname,
        ssh,
        sshKeys,
        allow,
        nameservers,
        forwarding: system.forwarding?.located.value ?? defaultSystem.forwarding,
    };
}

/** A rule for an interface that nothing here speaks of is a slip of the pen. */
function checkAllowedInterfaces(
    {system: {allow}, interfaces, blocks}: Draft,
    report: Report,
): void {
    const own = interfaces.flatMap(({values}) => values.name?.value ?? []);
    const names = [
        ...new Set([...own, ...blocks.flatMap(({values}) => values.carpdev?.value ?? [])]),
    ];
    for (const [index, text] of (allow?.located.value ?? []).entries()) {
        const rule = parseAllow(text);
        const name = rule.ok ? rule.value.interface : "";
        if (allow !== undefined && name !== "" && !names.includes(name)) {
            report(
                allow.source.diagnostic(elementSpan(allow.located, index), {
                    severity: "warning",
                    message: `nothing here is on ${name}: this lets nobody in yet`,
                    expected:
                        names.length === 0 ? "an [[interface]]" : `one of ${names.join(", ")}`,
                }),
            );
        }
    }
}

// ---- [[interface]] ----

interface Owned {
    readonly draft: DraftInterface;
    readonly vip: Vip;
    readonly place: Place;
}

export function checkNetworkInterfaces(
    draft: Draft,
    blocks: readonly CheckedBlock[],
    report: Report,
): InterfaceConfig[] {
    const names = new Map<string, Place>();
    const owned: Owned[] = [];
    const gateways = new Map<"gateway" | "gateway6", Place>();
    return draft.interfaces.flatMap((each) => {
        const {source, values} = each;
        if (each.index === mostInterfaces) {
            const message = `more than ${mostInterfaces} [[interface]] blocks`;
            const remark = {message, expected: `at most ${mostInterfaces}`};
            report(source.diagnostic(each.span, remark));
        }
        checkName(each, names, blocks, report);
        const own = readOwn(each, report).filter((one) => isFree(one, owned, blocks, report));
        checkMtu(each, own, report);
        const addresses = own.map(({vip}) => vip);
        const gateway = readGateway(each, "gateway", addresses, blocks, gateways, report);
        const gateway6 = readGateway(each, "gateway6", addresses, blocks, gateways, report);
        const {name, dhcp, mtu} = values;
        return name === undefined
            ? []
            : {
                  name: name.value,
                  addresses,
                  dhcp: dhcp?.value ?? false,
                  gateway,
                  gateway6,
                  mtu: mtu?.value ?? 0,
              };
    });
}

function checkName(
    {source, span, present, values}: DraftInterface,
    names: Map<string, Place>,
    blocks: readonly CheckedBlock[],
    report: Report,
): void {
    const {name} = values;
    if (name === undefined) {
        if (!present.has("name")) {
            const message = "this interface has no name";
            report(source.diagnostic(span, {message, expected: 'name = "an interface"'}));
        }
        return;
    }
    const say = (remark: Remark): void => report(source.diagnostic(name.node.span, remark));
    checkInterfaceName(source, "name", name, report);
    const first = names.get(name.value);
    const vhid = blocks.find((block) => block.name === name.value);
    if (first !== undefined) {
        const message = `${name.value} has an [[interface]] already, ${whereIs(first, source)}`;
        say({message, expected: "all addresses of an interface in one block"});
    } else if (vhid !== undefined) {
        const at = {source: vhid.draft.source, span: vhid.draft.span};
        const message = `${name.value} is the interface of a vhid, ${whereIs(at, source)}`;
        say({
            message,
            expected: "an interface of the host; a vhid's addresses are in its [[carp]]",
        });
    } else if (name.value !== "" && !isPlainInterface(name.value)) {
        say({message: "this name cannot be configured", expected: "letters, digits and _ . - + @"});
    } else if (name.value === "lo") {
        say({message: "lo is not configured here", expected: "an interface to a network"});
    } else {
        names.set(name.value, {source, span: name.node.span});
    }
}

function readOwn(draft: DraftInterface, report: Report): Owned[] {
    const {source, values} = draft;
    const located = values.addresses;
    return (located?.value ?? []).flatMap((text, index) => {
        const span = located === undefined ? draft.span : elementSpan(located, index);
        if (index >= mostAddresses) {
            if (index === mostAddresses) {
                const message = `more than ${mostAddresses} addresses on one interface`;
                const remark = {message, expected: `at most ${mostAddresses}`};
                report(source.diagnostic(span, remark));
            }
            return [];
        }
        const parsed = parseVip(text);
        if (!parsed.ok) {
            report(source.diagnostic(span, parsed.error));
            return [];
        }
        return {draft, vip: parsed.value, place: {source, span}};
    });
}

/** Nobody else has the address, and no other interface has a part of its network: then it is owned. */
function isFree(
    {draft, vip, place}: Owned,
    owned: Owned[],
    blocks: readonly CheckedBlock[],
    report: Report,
): boolean {
    const {source, span} = place;
    const say = (message: string, expected: string): false => {
        report(source.diagnostic(span, {message, expected}));
        return false;
    };
    const sharer = blocks.find(({addresses}) =>
        addresses.some(({address}) => address === vip.address),
    );
    if (sharer !== undefined) {
        const where = whereIs(vipPlace(sharer.draft, vip.address), source);
        return say(
            `${vip.address} is a virtual address of ${sharer.name}, ${where}`,
            "an address that this host has alone; the virtual one comes with the vhid",
        );
    }
    const same = owned.find((other) => other.vip.address === vip.address);
    if (same !== undefined) {
        const where = whereIs(same.place, source);
        return say(`${vip.address} is an own address already, ${where}`, "each address once");
    }
    const other = owned.find(
        (known) => known.draft !== draft && overlap(known.vip, vip) && !isHost(known.vip, vip),
    );
    if (other !== undefined) {
        const name = other.draft.values.name?.value ?? "another interface";
        const where = whereIs(other.place, source);
        return say(
            `${formatVip(vip)} overlaps ${formatVip(other.vip)} of ${name}, ${where}`,
            "networks that are apart, one an interface",
        );
    }
    owned.push({draft, vip, place});
    return true;
}

/** A /32 or /128 lies in another network by intention. */
function isHost(...vips: readonly Vip[]): boolean {
    return vips.some(({family, prefixLength}) => prefixLength === (family === 4 ? 32 : 128));
}

function checkMtu({source, values}: DraftInterface, own: readonly Owned[], report: Report): void {
    const {mtu} = values;
    if (mtu !== undefined && mtu.value < leastIpv6Mtu && own.some(({vip}) => vip.family === 6)) {
        const message = `mtu ${mtu.value} is too small for the IPv6 addresses of this interface`;
        const remark = {message, expected: `at least ${leastIpv6Mtu}`};
        report(source.diagnostic(mtu.node.span, remark));
    }
}

/** The canonical address; "" for none and for a wrong one, which has been reported. */
function readGateway(
    {source, values}: DraftInterface,
    key: "gateway" | "gateway6",
    own: readonly Vip[],
    blocks: readonly CheckedBlock[],
    known: Map<"gateway" | "gateway6", Place>,
    report: Report,
): string {
    const located = values[key];
    // "" is the default: none.
    if (located === undefined || located.value === "") {
        return "";
    }
    const {span} = located.node;
    const say = (message: string, expected: string): "" => {
        report(source.diagnostic(span, {message, expected}));
        return "";
    };
    const family = key === "gateway" ? 4 : 6;
    const parsed = parseAddress(located.value, "the address of a router, without a prefix length");
    if (!parsed.ok) {
        return say(parsed.error.message, parsed.error.expected);
    }
    const {address} = parsed.value;
    if (parsed.value.family !== family) {
        const other = family === 4 ? "gateway6" : "gateway";
        return say(`${address} is IPv${parsed.value.family}`, `${other} = "${address}"`);
    }
    const first = known.get(key);
    if (first !== undefined) {
        const where = whereIs(first, source);
        return say(`there is a ${key} already, ${where}`, `one ${key} in all [[interface]] blocks`);
    }
    known.set(key, {source, span});
    const vhid = blocks.find(({addresses}) => addresses.some((vip) => vip.address === address));
    if (vhid !== undefined) {
        const where = whereIs(vipPlace(vhid.draft, address), source);
        const message = `${address} is a virtual address of this host's ${vhid.name}, ${where}`;
        return say(message, "the address of another router");
    }
    const wrong = gatewayProblem(parsed.value, own);
    return wrong === undefined ? address : say(wrong.message, wrong.expected);
}

function gatewayProblem(
    gateway: IpAddress,
    own: readonly Vip[],
): {readonly message: string; readonly expected: string} | undefined {
    const {address} = gateway;
    const problem = hostAddressProblem(gateway);
    if (problem !== undefined) {
        return {message: `${problem}, not that of a router`, expected: "a router's address"};
    }
    if (own.some((vip) => vip.address === address)) {
        const message = `${address} is this host's own address`;
        return {message, expected: "the address of another router"};
    }
    if (gateway.family === 6 && addressKind(gateway) === "link-local") {
        return undefined;
    }
    const near = own.filter(({family}) => family === gateway.family);
    if (near.some((vip) => covers(vip, gateway))) {
        return undefined;
    }
    const networks = near.map(formatVip).join(", ");
    return {
        message: `${address} is in no network of this interface`,
        expected: networks === "" ? "addresses that reach it" : `a router in ${networks}`,
    };
}
