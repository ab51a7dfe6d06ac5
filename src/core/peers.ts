/** Who advertises on the segments: `show peers`. Pure. */
import {advertisementIntervalUs} from "./duration.ts";
import type {PeerClass, VhostState} from "./engine.ts";
import type {FoldInput} from "./status-fold.ts";

export interface PeerStatus {
    /** The carp interface that heard it. */
    readonly name: string;
    readonly carpdev: string;
    readonly vhid: number;
    /** Our own state. */
    readonly state: VhostState;
    readonly address: string;
    readonly advbase: number;
    readonly advskew: number;
    readonly demotion: number;
    readonly intervalMs: number;
    /** How its counter grows: "rising" (carpd, FreeBSD), "random" or "constant" (others). */
    readonly counterClass: PeerClass | "";
    /** Milliseconds since its last advertisement; null: a configured peer that was never heard. */
    readonly lastHeardMs: number | null;
    /** Advertisements that passed every check. */
    readonly heard: number;
    /** It is the MASTER that this host follows. */
    readonly isMaster: boolean;
    /** One of the unicast peers of the configuration. */
    readonly configured: boolean;
}

export function foldPeers({snapshot, config}: FoldInput): PeerStatus[] {
    return snapshot.vhosts.flatMap((vhost) => {
        const {name, carpdev, vhid, state, master} = vhost;
        const own = {name, carpdev, vhid, state};
        const configured = config.carp.find((carp) => carp.name === name)?.peers ?? [];
        const heard = vhost.peers.map((peer): PeerStatus => {
            const agoUs = snapshot.at > peer.lastHeardAt ? snapshot.at - peer.lastHeardAt : 0n;
            return {
                ...own,
                address: peer.address,
                advbase: peer.advbase,
                advskew: peer.advskew,
                demotion: peer.demotion,
                intervalMs: Number(advertisementIntervalUs(peer.advbase, peer.advskew)) / 1000,
                counterClass: peer.counterClass,
                lastHeardMs: Math.round(Number(agoUs) / 1000),
                heard: peer.heard,
                isMaster: master?.address === peer.address,
                configured: configured.includes(peer.address),
            };
        });
        const silent = configured
            .filter((address) => !heard.some((peer) => peer.address === address))
            .map(
                (address): PeerStatus => ({
                    ...own,
                    address,
                    advbase: 0,
                    advskew: 0,
                    demotion: 0,
                    intervalMs: 0,
                    counterClass: "",
                    lastHeardMs: null,
                    heard: 0,
                    isMaster: false,
                    configured: true,
                }),
            );
        return [...heard, ...silent];
    });
}
