/**
 * Vhids of one carpdev that share a VIP: an error without ARP balancing; with it, what keeps the
 * vhids from answering as one. Spec section 6.
 */
import type {Secret, Vip} from "./config.ts";
import {type CheckedBlock, type Report, vipPlace} from "./config-check-values.ts";
import {type Draft, type Place, whereIs} from "./config-draft.ts";

/** The kernel's filter knows the mastered ones of a shared VIP by the bits of one word. */
const mostMembers = 32;

/** A checked block with its password; undefined where that could not be read. */
export interface KeyedBlock {
    readonly block: CheckedBlock;
    readonly secret: Secret | undefined;
}

interface Member extends KeyedBlock {
    readonly vip: Vip;
    readonly place: Place;
}

/** The members of one VIP on one carpdev, in the order of the configuration. */
type Share = readonly [Member, ...Member[]];

export function checkBalance(draft: Draft, blocks: readonly KeyedBlock[], report: Report): void {
    const shares = sharedVips(blocks);
    const option = draft.options.arpbalance;
    if (option?.located.value !== true) {
        for (const share of shares) {
            refuseSharing(share, report);
        }
        return;
    }
    if (shares.length === 0) {
        report(
            option.source.diagnostic(option.located.node.span, {
                severity: "warning",
                message: "arpbalance = true, but no address is in two vhids",
                expected: "one vhid for each host, with the same address on the same carpdev",
            }),
        );
    }
    for (const share of shares) {
        checkMemberCount(share, report);
        checkPrefixes(share, report);
    }
    checkMembers(shares, report);
    checkPasswords(shares, report);
    checkPriorities(shares, report);
}

function sharedVips(blocks: readonly KeyedBlock[]): Share[] {
    const owners = new Map<string, [Member, ...Member[]]>();
    for (const {block, secret} of blocks) {
        const carpdev = block.draft.values.carpdev?.value;
        if (carpdev === undefined) {
            continue;
        }
        for (const vip of block.addresses) {
            const place = vipPlace(block.draft, vip.address);
            const member: Member = {block, secret, vip, place};
            const id = `${vip.address} ${carpdev}`;
            const share = owners.get(id);
            if (share === undefined) {
                owners.set(id, [member]);
            } else {
                share.push(member);
            }
        }
    }
    return [...owners.values()].filter((share) => share.length > 1);
}

function refuseSharing([first, ...others]: Share, report: Report): void {
    for (const {vip, place} of others) {
        const where = whereIs(first.place, place.source);
        report(
            place.source.diagnostic(place.span, {
                message: `${vip.address} is already an address of ${first.block.name}, ${where}`,
                expected: "each address in one vhid of a carpdev",
                hint: "to share it by ARP balancing, set arpbalance = true in [options]",
            }),
        );
    }
}

function checkMemberCount(share: Share, report: Report): void {
    const excess = share[mostMembers];
    if (excess !== undefined) {
        report(
            excess.place.source.diagnostic(excess.place.span, {
                message: `${excess.vip.address} is in more than ${mostMembers} vhids`,
                expected: `at most ${mostMembers} vhids that share an address`,
            }),
        );
    }
}

function checkPrefixes([first, ...others]: Share, report: Report): void {
    for (const {vip, place} of others) {
        if (vip.prefixLength !== first.vip.prefixLength) {
            const where = whereIs(first.place, place.source);
            const wanted = `/${first.vip.prefixLength}`;
            report(
                place.source.diagnostic(place.span, {
                    severity: "warning",
                    message: `${vip.address} has the prefix length ${wanted} in ${first.block.name}, ${where}`,
                    expected: `${wanted}, as there`,
                }),
            );
        }
    }
}

/** What each member must be by itself; said once a block, however many VIPs it shares. */
function checkMembers(shares: readonly Share[], report: Report): void {
    for (const block of new Set(shares.flat().map((member) => member.block))) {
        const {source, values} = block.draft;
        const {mac, profile} = values;
        if (mac?.value === "physical") {
            report(
                source.diagnostic(mac.node.span, {
                    message: `${block.name} shares an address, but has no virtual MAC of its own`,
                    expected: 'mac = "virtual" in every vhid that shares an address',
                }),
            );
        }
        if (profile?.value === "openbsd") {
            report(
                source.diagnostic(profile.node.span, {
                    severity: "warning",
                    message: `${block.name} shares an address, but OpenBSD balances in another way`,
                    expected: 'profile = "freebsd"',
                    hint: "ARP balancing left OpenBSD after 5.x; hosts of later versions do not take part",
                }),
            );
        }
    }
}

function passwordPlace({draft}: CheckedBlock): Place {
    const located = draft.values.pass ?? draft.values["pass-file"];
    return {source: draft.source, span: located?.node.span ?? draft.span};
}

/** The keyed rule hashes with the password, so members of one VIP must agree about it. */
function checkPasswords(shares: readonly Share[], report: Report): void {
    const told = new Set<CheckedBlock>();
    for (const [first, ...others] of shares) {
        for (const {block, secret, vip} of others) {
            const differs =
                first.secret !== undefined && secret !== undefined && !secret.equals(first.secret);
            if (differs && !told.has(block)) {
                told.add(block);
                const place = passwordPlace(block);
                const where = whereIs(passwordPlace(first.block), place.source);
                report(
                    place.source.diagnostic(place.span, {
                        message: `${block.name} shares ${vip.address} with ${first.block.name}, but not its password, ${where}`,
                        expected: "one password in all vhids that share an address",
                    }),
                );
            }
        }
    }
}

/** Equal intervals in all members: whoever is preferred in one is preferred in all of them. */
function checkPriorities(shares: readonly Share[], report: Report): void {
    const told = new Set<string>();
    for (const share of shares) {
        const intervals = share.map(({block}) => {
            const {advbase, advskew} = block.draft.values;
            return `advbase ${advbase?.value ?? 1} and advskew ${advskew?.value ?? 0}`;
        });
        const names = share.map(({block}) => block.name).join(", ");
        if (new Set(intervals).size > 1 || told.has(names)) {
            continue;
        }
        told.add(names);
        const {draft} = share[0].block;
        const located = draft.values.advskew ?? draft.values.advbase;
        report(
            draft.source.diagnostic(located?.node.span ?? draft.span, {
                severity: "warning",
                message: `${shortList(names)} share an address with equal ${intervals[0]}: one host would be MASTER of all`,
                expected: "on each host one vhid with a lower advskew than the others have there",
            }),
        );
    }
}

/** Long lists of names are cut. */
function shortList(names: string): string {
    return names.length > 80 ? `${names.slice(0, 80)}...` : names;
}
