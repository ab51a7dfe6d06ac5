/**
 * The lines to paste on the other box of a mixed pair, with remarks about what its system cannot
 * do: `show configuration for-peer`. Pure.
 */
import type {Config} from "../config.ts";
import {freebsdFiles} from "./freebsd.ts";
import {netbsdFiles} from "./netbsd.ts";
import {openbsdFiles} from "./openbsd.ts";
import type {PeerFile, PeerOptions} from "./peer.ts";
import {pfsenseFiles} from "./pfsense.ts";
import {ucarpFiles} from "./ucarp.ts";

export type {PeerFile, PeerOptions} from "./peer.ts";

export const peerSystems = ["freebsd", "openbsd", "netbsd", "pfsense", "ucarp"] as const;
export type PeerSystem = (typeof peerSystems)[number];

export function peerFiles(config: Config, peer: PeerSystem, options: PeerOptions): PeerFile[] {
    switch (peer) {
        case "freebsd":
            return freebsdFiles(config, options);
        case "openbsd":
            return openbsdFiles(config, options);
        case "netbsd":
            return netbsdFiles(config, options);
        case "pfsense":
            return pfsenseFiles(config, options);
        case "ucarp":
            return ucarpFiles(config, options);
    }
}

/** All files one below the other, each under a comment with its name. */
export function peerLines(config: Config, peer: PeerSystem, options: PeerOptions): string[] {
    return peerFiles(config, peer, options).flatMap(({path, lines}, index) => [
        ...(index === 0 ? [] : [""]),
        ...(path === "" ? [] : [`# ${path}`]),
        ...lines,
    ]);
}
