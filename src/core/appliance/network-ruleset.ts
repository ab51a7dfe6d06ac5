/**
 * The firewall of an appliance as one transaction of nft: a table of our own, made anew, so that at
 * no moment there is none and no other table is touched. Pure.
 *
 * What comes in is dropped unless it is asked for; what goes out is free; what goes through is free
 * on a router, because the other host's state is not here when this one takes over.
 */
import {type Port, parseAllow} from "../allow.ts";
import type {NetworkPlan} from "./network-plan.ts";

export const rulesetTable = "inet carpd";

/** `"lan0"` or `{ "lan0", "carp0" }`. */
function nameSet(names: readonly string[]): string {
    const quoted = names.map((name) => `"${name}"`);
    return quoted.length === 1 ? (quoted[0] ?? "") : `{ ${quoted.join(", ")} }`;
}

function portText({protocol, least, most}: Port): string {
    return `${protocol} dport ${least === most ? least : `${least}-${most}`}`;
}

/** A frame to a VIP comes in on its macvlan, which is part of the carpdev for an operator. */
function allowRules({allow, virtual}: NetworkPlan): string[] {
    return allow.flatMap((text) => {
        const rule = parseAllow(text);
        if (!rule.ok) {
            return [];
        }
        const {interface: name, ports} = rule.value;
        const vhids = virtual.flatMap((each) => (each.carpdev === name ? each.name : []));
        const where = name === "" ? "" : `iifname ${nameSet([name, ...vhids])} `;
        return ports.map((port) => `${where}${portText(port)} accept`);
    });
}

/** The answers to what this host asks by broadcast, which no connection is known for. */
function leaseRules({interfaces}: NetworkPlan): string[] {
    const names = interfaces.filter(({dhcp}) => dhcp).map(({name}) => name);
    return names.length === 0
        ? []
        : [
              `iifname ${nameSet(names)} udp sport 67 udp dport 68 accept`,
              `iifname ${nameSet(names)} ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept`,
              `iifname ${nameSet(names)} icmpv6 type nd-router-advert accept`,
          ];
}

/**
 * CARP comes first, before anything that keeps state. Groups of IGMP and MLD are let in so that this
 * host answers the queries of switches, which send it the advertisements only then.
 */
const always: readonly string[] = [
    'iifname "lo" accept',
    "meta l4proto 112 accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept",
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
    "meta l4proto igmp accept",
    "ct state established,related accept",
    "ct state invalid drop",
    "icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept",
    "icmpv6 type { echo-request, destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
];

export function rulesetText(plan: NetworkPlan): string {
    const rules = [...always, ...leaseRules(plan), ...allowRules(plan), "counter drop"];
    return `# Made by carpd of its configuration.
table ${rulesetTable}
delete table ${rulesetTable}
table ${rulesetTable} {
    chain input {
        type filter hook input priority filter; policy drop;
${rules.map((rule) => `        ${rule}\n`).join("")}    }
    chain forward {
        type filter hook forward priority filter; policy ${plan.forwarding ? "accept" : "drop"};
    }
}
`;
}
