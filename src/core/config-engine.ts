/** The configuration as the engine thread wants it. */
import type {Config} from "./config.ts";
import type {EngineConfig} from "./engine.ts";

/**
 * `counterStart` is the counter of vhids that are new to the engine: the stored epoch in the upper
 * 32 bits (src/io/epoch-store.ts). Vhids that run already keep their own counter.
 */
export function toEngineConfig(config: Config, counterStart: bigint): EngineConfig {
    const {preempt, ifdownDemotion, senderrDemotion, handoverLimitMs} = config.options;
    return {
        preempt,
        ifdownDemotion,
        senderrDemotion,
        handoverLimitMs,
        vhosts: config.carp.map((carp) => ({
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
            counter: counterStart,
        })),
    };
}
