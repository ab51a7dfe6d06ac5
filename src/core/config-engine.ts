/** The configuration as the engine thread wants it. */
import type {BalanceOrder, Config} from "./config.ts";
import type {EngineConfig} from "./engine.ts";

const mostVhids = 255;

/**
 * Where a vhid stands among those that share a VIP; the engine goes by rank, then by vhid.
 * `position` is that of its block, from 0, of `count`. FreeBSD 9.1 counts in the order of attaching
 * ("configured"); NetBSD's index 0 is the interface on which the address was configured last
 * ("configured-reversed").
 */
function balanceRank(order: BalanceOrder, vhid: number, position: number, count: number): number {
    switch (order) {
        case "vhid":
            return 0;
        case "vhid-descending":
            return mostVhids - vhid;
        case "configured":
            return position;
        case "configured-reversed":
            return count - 1 - position;
    }
}

/**
 * `counterStart` is the counter of vhids that are new to the engine: the stored epoch in the upper
 * 32 bits (src/io/epoch-store.ts). Vhids that run already keep their own counter.
 */
export function toEngineConfig(config: Config, counterStart: bigint): EngineConfig {
    const {options} = config;
    return {
        preempt: options.preempt,
        arpbalance: options.arpbalance,
        balanceHash: options.arpbalanceHash,
        fastTakeover: options.fastTakeover,
        linkUpDelayMs: options.linkUpDelayMs,
        ifdownDemotion: options.ifdownDemotion,
        senderrDemotion: options.senderrDemotion,
        handoverLimitMs: options.handoverLimitMs,
        vhosts: config.carp.map((carp, position) => ({
            name: carp.name,
            carpdev: carp.carpdev,
            vhid: carp.vhid,
            advbase: carp.advbase,
            advskew: carp.advskew,
            key: carp.pass.reveal(),
            addresses: carp.addresses,
            peers: carp.peers,
            mac: carp.mac,
            profile: carp.profile,
            enabled: carp.enabled,
            group: carp.group,
            balanceRank: balanceRank(
                options.arpbalanceOrder,
                carp.vhid,
                position,
                config.carp.length,
            ),
            counter: counterStart,
        })),
        linkTracks: config.tracks.flatMap(({name, check, demotion, group}) =>
            check.kind === "interface"
                ? [{reason: `track:${name}`, interface: check.interface, level: demotion, group}]
                : [],
        ),
    };
}
