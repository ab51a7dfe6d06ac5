/**
 * What no schema can say: names, addresses, and what the blocks mean to each other.
 *
 * Every check works with what is there; a block that lacks its vhid still has its addresses
 * checked, so that one run of `carpd --check` shows everything.
 */
import {
    addressKind,
    hostAddressProblem,
    type IpAddress,
    parseAddress,
    parseVip,
} from "./address.ts";
import type {Vip} from "./config.ts";
import {type Draft, type DraftBlock, type Place, whereIs} from "./config-draft.ts";
import type {Located} from "./config-schema.ts";
import type {Diagnostic, Remark, Span} from "./diagnostic.ts";

/** Linux's IFNAMSIZ less the closing NUL. */
const longestInterfaceName = 15;
const mostAddresses = 64;
const mostPeers = 8;

/** A block with its addresses read; what was wrong has been reported and left out. */
export interface CheckedBlock {
    readonly draft: DraftBlock;
    readonly name: string;
    readonly addresses: readonly Vip[];
    readonly peers: readonly string[];
}

type Report = (diagnostic: Diagnostic) => void;

export function checkBlocks(draft: Draft, report: Report): CheckedBlock[] {
    const checked = draft.blocks.map((block) => checkBlock(block, report));
    checkNames(checked, report);
    checkVhids(checked, report);
    checkSharedVips(checked, draft.options.arpbalance?.located.value === true, report);
    checkPeersAgainstVips(checked, report);
    return checked;
}

/** The message about an interface name that Linux would refuse (dev_valid_name), or undefined. */
function interfaceNameProblem(name: string): string | undefined {
    const octets = new TextEncoder().encode(name).length;
    if (octets === 0) {
        return "is empty";
    }
    if (octets > longestInterfaceName) {
        return `has ${octets} octets, an interface name at most ${longestInterfaceName}`;
    }
    if (name === "." || name === "..") {
        return `cannot be ${JSON.stringify(name)}`;
    }
    const bad = /[/:%\s\p{Cc}]/u.exec(name)?.[0];
    return bad === undefined ? undefined : `contains ${JSON.stringify(bad)}`;
}

function checkInterfaceName(
    block: DraftBlock,
    key: "name" | "carpdev",
    located: Located<string> | undefined,
    report: Report,
): void {
    const problem = located === undefined ? undefined : interfaceNameProblem(located.value);
    if (located !== undefined && problem !== undefined) {
        report(
            block.source.diagnostic(located.node.span, {
                message: `${key} ${problem}`,
                expected: "1 to 15 octets without blanks, /, : and %",
            }),
        );
    }
}

function checkBlock(block: DraftBlock, report: Report): CheckedBlock {
    const {source, values} = block;
    for (const key of ["carpdev", "vhid"] as const) {
        // A value that failed its schema has been reported already; only its absence is news.
        if (values[key] === undefined && !block.present.has(key)) {
            report(
                source.diagnostic(block.span, {
                    message: `this block has no ${key}`,
                    expected: key === "vhid" ? "vhid = 1 to 255" : 'carpdev = "an interface"',
                }),
            );
        }
    }
    checkInterfaceName(block, "name", values.name, report);
    checkInterfaceName(block, "carpdev", values.carpdev, report);
    if (values.advbase?.value === 0 && (values.advskew?.value ?? 0) === 0) {
        report(
            source.diagnostic(values.advbase.node.span, {
                severity: "warning",
                message: "advbase 0 with advskew 0 sends 256 advertisements per second",
                expected: "advskew 1 or more beside advbase 0",
            }),
        );
    }
    return {
        draft: block,
        name: values.name?.value ?? `carp${block.index}`,
        addresses: readVips(block, report),
        peers: readPeers(block, report),
    };
}

/** The place of an array's element in the text. */
function elementSpan(located: Located<unknown>, index: number): Span {
    const {node} = located;
    return (node.kind === "array" ? node.elements[index]?.span : undefined) ?? node.span;
}

function readVips(block: DraftBlock, report: Report): Vip[] {
    const {source} = block;
    const located = block.values.addresses;
    if (located === undefined || located.value.length === 0) {
        if (located !== undefined || !block.present.has("addresses")) {
            report(
                source.diagnostic(located?.node.span ?? block.span, {
                    severity: "warning",
                    message: "no addresses: this vhid stays INIT",
                    expected: 'addresses = ["192.168.1.1/24"]',
                }),
            );
        }
        return [];
    }
    const vips: Vip[] = [];
    const seen = new Map<string, Place>();
    for (const [index, text] of located.value.entries()) {
        const span = elementSpan(located, index);
        const say = (remark: Remark): void => report(source.diagnostic(span, remark));
        if (index === mostAddresses) {
            say({
                message: `more than ${mostAddresses} addresses in one vhid`,
                expected: `at most ${mostAddresses}`,
            });
            break;
        }
        const parsed = parseVip(text);
        if (!parsed.ok) {
            say(parsed.error);
            continue;
        }
        const vip = parsed.value;
        const first = seen.get(vip.address);
        if (first !== undefined) {
            say({
                message: `${vip.address} is already in this vhid, ${whereIs(first, source)}`,
                expected: "each address once",
            });
            continue;
        }
        seen.set(vip.address, {source, span});
        if (addressKind(vip) === "link-local") {
            say({
                severity: "warning",
                message: `${vip.address} is a link-local address`,
                expected: "an address that clients can use as their gateway or service",
                hint: "the BSDs treat link-local addresses in the digest in different ways",
            });
        }
        vips.push(vip);
    }
    return vips;
}

function peerProblem(address: IpAddress): string | undefined {
    const problem = hostAddressProblem(address);
    return problem === undefined ? undefined : `${problem}, not that of a peer`;
}

function readPeers(block: DraftBlock, report: Report): string[] {
    const {source} = block;
    const located = block.values.peers;
    const peers: string[] = [];
    for (const [index, text] of (located?.value ?? []).entries()) {
        if (located === undefined) {
            break;
        }
        const span = elementSpan(located, index);
        const say = (remark: Remark): void => report(source.diagnostic(span, remark));
        if (index === mostPeers) {
            say({
                message: `more than ${mostPeers} peers`,
                expected: `at most ${mostPeers}, or none for multicast`,
            });
            break;
        }
        const parsed = parseAddress(text);
        if (!parsed.ok) {
            say(parsed.error);
            continue;
        }
        const problem = peerProblem(parsed.value);
        if (problem !== undefined) {
            say({message: problem, expected: "the own address of another host"});
        } else if (peers.includes(parsed.value.address)) {
            say({message: `${parsed.value.address} is already a peer`, expected: "each peer once"});
        } else {
            peers.push(parsed.value.address);
        }
    }
    return peers;
}

/** Where a block's name stands: its own key, or the header for a default name. */
function namePlace(block: DraftBlock): Place {
    return {source: block.source, span: block.values.name?.node.span ?? block.span};
}

function checkNames(blocks: readonly CheckedBlock[], report: Report): void {
    const carpdevs = new Map<string, Place>();
    for (const {draft} of blocks) {
        const carpdev = draft.values.carpdev;
        if (carpdev !== undefined && !carpdevs.has(carpdev.value)) {
            carpdevs.set(carpdev.value, {source: draft.source, span: carpdev.node.span});
        }
    }
    const names = new Map<string, CheckedBlock>();
    for (const block of blocks) {
        const {draft, name} = block;
        const place = namePlace(draft);
        const first = names.get(name);
        const carpdev = carpdevs.get(name);
        const isDefault = draft.values.name === undefined ? " (the default name)" : "";
        if (first !== undefined) {
            const where = whereIs(namePlace(first.draft), draft.source);
            const other = first.draft.values.name === undefined ? " as a default" : "";
            report(
                draft.source.diagnostic(place.span, {
                    message: `name ${name}${isDefault} is already used${other} ${where}`,
                    expected: "a name of its own",
                }),
            );
        } else if (carpdev !== undefined) {
            report(
                draft.source.diagnostic(place.span, {
                    message: `name ${name}${isDefault} is a carpdev ${whereIs(carpdev, draft.source)}`,
                    expected: "a name that no other interface has",
                }),
            );
        }
        if (first === undefined) {
            names.set(name, block);
        }
    }
}

function checkVhids(blocks: readonly CheckedBlock[], report: Report): void {
    const seen = new Map<string, {readonly name: string; readonly place: Place}>();
    for (const {draft, name} of blocks) {
        const {carpdev, vhid} = draft.values;
        if (carpdev === undefined || vhid === undefined) {
            continue;
        }
        const id = `${vhid.value} ${carpdev.value}`;
        const first = seen.get(id);
        if (first === undefined) {
            seen.set(id, {name, place: {source: draft.source, span: vhid.node.span}});
            continue;
        }
        const where = whereIs(first.place, draft.source);
        report(
            draft.source.diagnostic(vhid.node.span, {
                message: `vhid ${vhid.value} on ${carpdev.value} is already ${first.name}'s, ${where}`,
                expected: "a vhid that is free on this carpdev",
            }),
        );
    }
}

/** The place of a VIP of a block, found again by its canonical text. */
function vipPlace(draft: DraftBlock, address: string): Place {
    const located = draft.values.addresses;
    const index = (located?.value ?? []).findIndex((text) => {
        const parsed = parseVip(text);
        return parsed.ok && parsed.value.address === address;
    });
    const span = located === undefined ? draft.span : elementSpan(located, index);
    return {source: draft.source, span};
}

function checkSharedVips(
    blocks: readonly CheckedBlock[],
    arpbalance: boolean,
    report: Report,
): void {
    if (arpbalance) {
        return;
    }
    const owners = new Map<string, CheckedBlock>();
    for (const block of blocks) {
        const carpdev = block.draft.values.carpdev?.value;
        if (carpdev === undefined) {
            continue;
        }
        for (const {address} of block.addresses) {
            const id = `${address} ${carpdev}`;
            const first = owners.get(id);
            if (first === undefined) {
                owners.set(id, block);
                continue;
            }
            const place = vipPlace(block.draft, address);
            const where = whereIs(vipPlace(first.draft, address), place.source);
            report(
                place.source.diagnostic(place.span, {
                    message: `${address} is already an address of ${first.name}, ${where}`,
                    expected: "each address in one vhid of a carpdev, unless arpbalance is on",
                }),
            );
        }
    }
}

function checkPeersAgainstVips(blocks: readonly CheckedBlock[], report: Report): void {
    const vips = new Map<string, string>();
    for (const {name, addresses} of blocks) {
        for (const {address} of addresses) {
            vips.set(address, name);
        }
    }
    for (const {draft, addresses} of blocks) {
        const {peers} = draft.values;
        const families = new Set(addresses.map((vip) => vip.family));
        for (const [index, text] of (peers?.value ?? []).slice(0, mostPeers).entries()) {
            const parsed = parseAddress(text);
            if (peers === undefined || !parsed.ok || peerProblem(parsed.value) !== undefined) {
                continue;
            }
            const {address, family} = parsed.value;
            const span = elementSpan(peers, index);
            const owner = vips.get(address);
            if (owner !== undefined) {
                report(
                    draft.source.diagnostic(span, {
                        message: `${address} is a virtual address of ${owner}, not a peer`,
                        expected: "the own address of another host",
                    }),
                );
            } else if (families.size > 0 && !families.has(family)) {
                const wanted = family === 4 ? 6 : 4;
                report(
                    draft.source.diagnostic(span, {
                        message: `peer ${address} is IPv${family}, but this vhid has only IPv${wanted} addresses`,
                        expected: `an IPv${wanted} peer, or an IPv${family} virtual address`,
                    }),
                );
            }
        }
    }
}
