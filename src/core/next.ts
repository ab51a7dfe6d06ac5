/**
 * The sentence that says what happens next on a vhid, and when. Pure; main thread.
 */
import {advertisementIntervalUs, formatDuration, formatInterval} from "./duration.ts";
import type {CarpdevSnapshot, DemotionSnapshot, VhostSnapshot} from "./engine.ts";

export interface NextContext {
    /** Instant of the snapshot, microseconds of CLOCK_MONOTONIC. */
    readonly at: bigint;
    readonly preempt: boolean;
    readonly reasons: readonly DemotionSnapshot[];
    readonly handoverLimitMs: number;
    /** The vhid's carpdev, when the engine knows it. */
    readonly carpdev: CarpdevSnapshot | undefined;
    /** Why the whole host is kept in INIT; absent or "" in ordinary times. */
    readonly hold?: string;
}

/** What `carpd --hold` says wherever somebody asks why nothing happens. */
export function heldText(reason: string): string {
    return (
        `held in INIT (${reason}): nothing is sent until carpd is restarted ` +
        "(`systemctl restart carpd`, or reboot)"
    );
}

/** One sentence without a full stop; every state has one. */
export function nextOf(vhost: VhostSnapshot, context: NextContext): string {
    const {hold = ""} = context;
    if (hold !== "" && vhost.state === "INIT") return heldText(hold);
    if (vhost.handingOver) return handingOver(vhost, context);
    switch (vhost.state) {
        case "MASTER":
            return `${master(vhost, context)}${demoted(vhost, context)}`;
        case "BACKUP":
            return `${backup(vhost, context)}${demoted(vhost, context)}`;
        case "INIT":
            return init(vhost, context);
    }
}

function handingOver(vhost: VhostSnapshot, context: NextContext): string {
    const limit = formatDuration(BigInt(context.handoverLimitMs) * 1000n);
    const then = vhost.enabled ? "then becomes BACKUP" : "then goes down";
    return `has said farewell and forwards until a successor is heard, for at most ${limit}, ${then}`;
}

function master(vhost: VhostSnapshot, context: NextContext): string {
    const own = advertisementIntervalUs(vhost.advbase, vhost.effectiveAdvskew);
    const yields = `would yield to any host that advertises more often than every ${formatInterval(own)}`;
    const at = vhost.nextAdvertisementAt;
    const sends =
        at === null || at <= context.at
            ? "sends the next advertisement now"
            : `sends the next advertisement in ${formatDuration(at - context.at)}`;
    return `${sends}; ${yields}`;
}

function backup(vhost: VhostSnapshot, context: NextContext): string {
    const down = vhost.masterDownAt;
    const when =
        down === null || down <= context.at ? "now" : `in ${formatDuration(down - context.at)}`;
    const peer = vhost.master;
    if (peer === null) {
        return down === null
            ? "has heard no master and is about to start listening"
            : `has heard no master; becomes MASTER ${when} unless one is heard`;
    }
    const theirs = advertisementIntervalUs(peer.advbase, peer.advskew);
    const own = advertisementIntervalUs(vhost.advbase, vhost.effectiveAdvskew);
    const every = `every ${formatInterval(theirs)}`;
    if (own < theirs && context.preempt) {
        return (
            `takes over from ${peer.address} at its next advertisement, because it advertises only ` +
            `${every} and preempt is on; becomes MASTER ${when} if nothing more is heard`
        );
    }
    const though =
        own < theirs
            ? `, although this host would advertise every ${formatInterval(own)}, because preempt is off`
            : "";
    const heard = formatDuration(context.at - peer.lastHeardAt);
    return (
        `follows ${peer.address} (heard ${heard} ago, advertises ${every})${though}; ` +
        `becomes MASTER ${when} unless it is heard again`
    );
}

function init(vhost: VhostSnapshot, context: NextContext): string {
    const {carpdev} = vhost;
    if (!vhost.enabled) return `stays down until it is set up with \`carpctl ${vhost.name} up\``;
    const device = context.carpdev;
    if (device === undefined || !device.present) {
        return `starts as BACKUP as soon as interface ${carpdev} appears`;
    }
    if (!device.adminUp) {
        return `starts as BACKUP as soon as ${carpdev} is set up (\`ip link set ${carpdev} up\`)`;
    }
    if (!device.carrier) return `starts as BACKUP as soon as ${carpdev} has a link`;
    if (device.upAt !== null && device.upAt > context.at) {
        const left = formatDuration(device.upAt - context.at);
        return `starts as BACKUP in ${left}, when the link of ${carpdev} has held for link-up-delay`;
    }
    switch (vhost.cause) {
        case "no address configured":
            return "starts as BACKUP as soon as an address is configured";
        case "virtual interface failed":
            return "starts as BACKUP as soon as the engine could make its interface again";
        case "configuration removed":
            return "goes away: it is no longer in the configuration";
        case "none":
        case "initialization complete":
        case "master timed out":
        case "master will time out":
        case "preempting a slower master":
        case "more frequent advertisement received":
        case "equal advertisement from a lower address":
        case "peer keeps its claim at equal interval":
        case "less demoted advertisement received":
        case "master is more demoted":
        case "hardware interface down":
        case "hardware interface up":
        case "user requested via ifconfig":
        case "interface administratively down":
        case "handed over":
        case "own advertisements were late":
        case "its master failed with its group":
            return "is about to start as BACKUP";
    }
}

function demoted(vhost: VhostSnapshot, context: NextContext): string {
    if (vhost.demotion === 0) return "";
    const reasons = context.reasons
        .filter(({level, groups}) => level !== 0 && holdsFor(groups, vhost.group))
        .map(({reason}) => reason);
    const why = reasons.length === 0 ? "" : ` (${reasons.join(", ")})`;
    return `; demoted by ${vhost.demotion}${why}, advertises advskew ${vhost.effectiveAdvskew}`;
}

/** `groups` as in DemotionSnapshot. */
function holdsFor(groups: string, group: string): boolean {
    return groups === "" || groups.split(", ").includes(group);
}
