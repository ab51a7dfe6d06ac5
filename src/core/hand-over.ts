/**
 * Handing over before the machine goes down: who is MASTER here, whether another host has taken
 * over, and the sentences. Pure.
 */
import {type ApiReply, failure} from "./control-protocol.ts";
import type {VhostSnapshot} from "./engine.ts";

/** Shortest and longest wait for a successor, milliseconds. Clients hang up after 30 s. */
const leastMs = 10_000;
const mostMs = 20_000;
/** A BACKUP takes over 3 advbase and a skew after the last advertisement. */
const intervals = 4;

export function mastersIn(vhosts: readonly VhostSnapshot[]): VhostSnapshot[] {
    return vhosts.filter(({enabled, state}) => enabled && state === "MASTER");
}

export function handOverLimitMs(masters: readonly VhostSnapshot[]): number {
    const slowest = Math.max(0, ...masters.map(({advbase}) => advbase));
    return Math.min(mostMs, Math.max(leastMs, slowest * intervals * 1000));
}

/** Who has each of `names` now; null where nobody else was heard yet, or it is still ours. */
export function successorsOf(
    names: readonly string[],
    vhosts: readonly VhostSnapshot[],
): {readonly name: string; readonly successor: string | null}[] {
    return names.map((name) => {
        const vhost = vhosts.find((other) => other.name === name);
        // One that was removed meanwhile is nobody's to wait for.
        if (vhost === undefined) return {name, successor: "nobody"};
        const gone = vhost.state === "BACKUP" && !vhost.handingOver;
        return {name, successor: gone ? (vhost.master?.address ?? null) : null};
    });
}

/** "carp0 (vhid 1), carp1 (vhid 2)" */
export function vhidNames(vhosts: readonly VhostSnapshot[]): string {
    return vhosts.map(({name, vhid}) => `${name} (vhid ${vhid})`).join(", ");
}

/** A MASTER does not hear a silent BACKUP: whether there is one, only a hand-over can tell. */
export function masterRefusal(action: string, masters: readonly VhostSnapshot[]): ApiReply {
    const message = `this host is MASTER of ${vhidNames(masters)}`;
    const expected = `\`${action} hand-over\`, which waits until another host has taken over, or \`${action} force\``;
    return failure(409, "IS_MASTER", message, expected);
}

export function nobodyRefusal(action: string, names: readonly string[], limitMs: number): ApiReply {
    const message = `no other host has taken over ${names.join(", ")} within ${limitMs / 1000} s, and this host goes on`;
    const expected = `a peer that runs (show peers, doctor), or \`${action} force\``;
    return failure(409, "NOT_TAKEN_OVER", message, expected);
}
