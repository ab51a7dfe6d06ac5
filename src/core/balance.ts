/**
 * VIPs that several vhids share: who answers for each index, and who answers one client. Pure; main
 * thread.
 *
 * The arithmetic of the decision is not here: the caller hands in the engine's own (BalanceIndex),
 * so that the answer cannot differ from what the engine does.
 */
import {addressOctets} from "./address.ts";
import {clientOf, isMac, vipOf} from "./cli-values.ts";
import type {BalanceHash} from "./config.ts";
import {type ApiReply, failure} from "./control-protocol.ts";
import type {BalanceSnapshot, VhostSnapshot} from "./engine.ts";
import {err, ok, type Result} from "./result.ts";
import type {BalanceAnswer, BalanceMember, BalanceStatus} from "./status.ts";
import type {FoldInput} from "./status-fold.ts";

export interface BalanceQuestion {
    readonly hash: BalanceHash;
    /** An IP address for "source-ip", a MAC for "sender-mac". */
    readonly client: string;
    /** 1 or more. */
    readonly members: number;
    /** The password of the vhids, for "sender-mac". */
    readonly key: Uint8Array;
}

/** 0..members-1 */
export type BalanceIndex = (question: BalanceQuestion) => number;

export const thisHost = "this host";

export function foldBalance(input: FoldInput): BalanceStatus[] {
    const {snapshot, config} = input;
    const groups = new Map<string, BalanceSnapshot[]>();
    for (const member of snapshot.balance) {
        const key = `${member.address}%${member.carpdev}`;
        groups.set(key, [...(groups.get(key) ?? []), member]);
    }
    return [...groups.values()].flatMap((members) => {
        const [first] = members;
        if (first === undefined) return [];
        const {carpdev, address} = first;
        const hash = address.includes(":") ? "source-ip" : config.options.arpbalanceHash;
        const ordered = [...members].sort((a, b) => a.index - b.index);
        const statuses = ordered.map((member) => {
            const vhost = snapshot.vhosts.find(({name}) => name === member.name);
            return memberStatus(member, vhost);
        });
        return [{carpdev, address, hash, members: statuses}];
    });
}

function memberStatus(member: BalanceSnapshot, vhost: VhostSnapshot | undefined): BalanceMember {
    const {index, name, vhid, requests, answers} = member;
    const state = vhost?.state ?? "INIT";
    const here = state === "MASTER";
    return {
        index,
        name,
        vhid,
        state,
        master: here ? thisHost : (vhost?.master?.address ?? ""),
        requests: here ? requests : null,
        answers,
    };
}

/**
 * Who answers `client` (an address or a MAC) for the shared VIP `address`, which may be "" while
 * there is only one that the client can ask for. The error is the reply of the control API.
 */
export function balanceAnswer(
    input: FoldInput,
    client: string,
    address: string,
    balanceIndex: BalanceIndex,
): Result<BalanceAnswer, ApiReply> {
    const who = clientOf(client);
    if (who === null) {
        const message = `${JSON.stringify(client.slice(0, 64))} is no client`;
        return err(failure(400, "BAD_CLIENT", message, "an IP address or a MAC"));
    }
    const chosen = chooseGroup(foldBalance(input), who, address);
    if (!chosen.ok) return chosen;
    const group = chosen.value;
    const mismatch = hashProblem(group, who);
    if (mismatch !== null) return err(mismatch);
    const {hash, members} = group;
    const first = input.config.carp.find(({name}) => name === members[0]?.name);
    const index = balanceIndex({
        hash: hash === "sender-mac" ? hash : "source-ip",
        client: who,
        members: members.length,
        key: first?.pass.reveal() ?? new Uint8Array(),
    });
    const member = members[index];
    if (member === undefined) throw new Error(`index ${index} of ${members.length} members`);
    const vhost = input.snapshot.vhosts.find(({name}) => name === member.name);
    return ok({
        carpdev: group.carpdev,
        address: group.address,
        client: who,
        index,
        members: members.length,
        name: member.name,
        vhid: member.vhid,
        master: member.master,
        virtualMac: vhost?.virtualMac ?? "",
        why: `${selector(who)} mod ${members.length} = ${index}`,
    });
}

function familyOf(text: string): 4 | 6 {
    // A MAC asks by ARP, which is IPv4.
    return text.includes(":") && !isMac(text) ? 6 : 4;
}

function titles(groups: readonly BalanceStatus[]): string {
    return groups.map(({address, carpdev}) => `${address}%${carpdev}`).join(", ");
}

function chooseGroup(
    groups: readonly BalanceStatus[],
    client: string,
    address: string,
): Result<BalanceStatus, ApiReply> {
    if (groups.length === 0) {
        const message =
            "nothing is balanced: no vhids of one carpdev share a VIP with arpbalance on";
        return err(failure(404, "NOT_BALANCED", message, "no shared VIP"));
    }
    const vip = vipOf(address);
    const named = groups.filter(
        (group) => address === "" || group.address === vip || titles([group]) === vip,
    );
    if (named.length === 0) {
        const message = `${JSON.stringify(address.slice(0, 64))} is no shared VIP`;
        return err(failure(404, "UNKNOWN_VIP", message, titles(groups)));
    }
    const family = familyOf(client);
    const fitting = named.filter((group) => familyOf(group.address) === family);
    const [group] = fitting;
    if (group === undefined) {
        const message = `${client} asks for IPv${family} addresses only`;
        return err(failure(400, "WRONG_CLIENT", message, `a client of ${titles(named)}`));
    }
    if (fitting.length === 1) return ok(group);
    const message = "several VIPs are shared; say which";
    return err(failure(400, "AMBIGUOUS_VIP", message, titles(fitting)));
}

function hashProblem(group: BalanceStatus, client: string): ApiReply | null {
    if (group.hash === "sender-mac") {
        if (isMac(client)) return null;
        const message = 'arpbalance-hash is "sender-mac": the MAC of the client decides';
        return failure(400, "WRONG_CLIENT", message, "its MAC, such as 02:00:00:00:00:4d");
    }
    if (!isMac(client)) return null;
    const message = 'arpbalance-hash is "source-ip": the address of the client decides';
    return failure(400, "WRONG_CLIENT", message, "its address, such as 192.168.1.77");
}

/** What is divided, in words: the number behind an address, or the name of the hash. */
function selector(client: string): string {
    if (isMac(client)) return `keyed hash of ${client}`;
    const octets = addressOctets(client);
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    if (octets.length === 4) return String(view.getUint32(0));
    const words = [0, 4, 8, 12].map((at) => view.getUint32(at));
    const folded = words.reduce((a, b) => a ^ b, 0) >>> 0;
    const hex = words.map((word) => word.toString(16)).join(" xor ");
    return `${hex} = ${folded.toString(16)} (hexadecimal), ${folded}`;
}
