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
import {
    type CheckedBlock,
    checkCommand,
    checkGroupName,
    checkInterfaceName,
    checkPath,
    defaultGroup,
    elementSpan,
    octetsOf,
    type Report,
} from "./config-check-values.ts";
import {type Draft, type DraftBlock, type Place, whereIs} from "./config-draft.ts";
import type {Remark} from "./diagnostic.ts";

const mostAddresses = 64;
const mostPeers = 8;
/** One bit a group in the engine (native/core/config.h, kMaxGroups). */
const mostGroups = 32;
const longestXparam = 256;

export function checkBlocks(draft: Draft, report: Report): CheckedBlock[] {
    const checked = draft.blocks.map((block) => checkBlock(block, report));
    checkNames(checked, report);
    checkVhids(checked, report);
    checkPeersAgainstVips(checked, report);
    checkGroupCount(checked, report);
    checkBootCommand(draft, report);
    return checked;
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
    checkInterfaceName(source, "name", values.name, report);
    checkInterfaceName(source, "carpdev", values.carpdev, report);
    checkGroupName(source, values.group, report);
    checkScripts(block, report);
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

function checkScripts(block: DraftBlock, report: Report): void {
    const {source, values} = block;
    for (const key of ["upscript", "downscript"] as const) {
        const script = values[key];
        // "" is the default: no script.
        if (script !== undefined && script.value !== "") {
            checkPath(source, key, script, report);
        }
    }
    const {xparam} = values;
    if (xparam === undefined) {
        return;
    }
    const octets = octetsOf(xparam.value);
    if (octets > longestXparam || /\p{Cc}/u.test(xparam.value)) {
        const problem =
            octets > longestXparam ? `has ${octets} octets` : "contains a control character";
        report(
            source.diagnostic(xparam.node.span, {
                message: `xparam ${problem}`,
                expected: `at most ${longestXparam} octets without control characters`,
            }),
        );
    }
}

function checkGroupCount(blocks: readonly CheckedBlock[], report: Report): void {
    const groups = new Set<string>();
    for (const {draft} of blocks) {
        const {group} = draft.values;
        groups.add(group?.value ?? defaultGroup);
        if (groups.size > mostGroups) {
            report(
                draft.source.diagnostic(group?.node.span ?? draft.span, {
                    message: `more than ${mostGroups} different groups`,
                    expected: `at most ${mostGroups}, "${defaultGroup}" among them where a block has none`,
                }),
            );
            return;
        }
    }
}

function checkBootCommand(draft: Draft, report: Report): void {
    const command = draft.options["boot-command"];
    // [] is the default: no command.
    if (command !== undefined && command.located.value.length > 0) {
        checkCommand(command.source, "boot-command", command.located, report);
    }
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
