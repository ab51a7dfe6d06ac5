/**
 * What the exporters share: the other host's advskew, its words for a password, and the remarks
 * about what its system cannot do. Pure.
 *
 * "The other host" is the one that the lines are for; "here" is the Linux host.
 */
import type {CarpConfig, Config, Vip} from "../config.ts";

export interface PeerOptions {
    /** The advskew that lies between the two hosts; 0 copies ours. Usually 100. */
    readonly skewStep: number;
    /** false: `****` stands for each password. */
    readonly secrets: boolean;
    /** Our carpdevs to the other host's interfaces; one that is not there keeps its name. */
    readonly map?: ReadonlyMap<string, string>;
}

/** Lines for one file of the other host, or for its administrator. */
export interface PeerFile {
    /** "/etc/rc.conf"; "" for what belongs to no file. */
    readonly path: string;
    readonly lines: readonly string[];
}

/** FreeBSD sends everything above as 240, demoted or not (spec 5.1). */
const highestSkew = 240;

/** Behind ours; where ours is the step behind already, before it. */
export function peerSkew(ours: number, step: number): number {
    if (step <= 0) {
        return ours;
    }
    return ours >= step ? ours - step : Math.min(ours + step, highestSkew);
}

export function peerInterface(carp: CarpConfig, options: PeerOptions): string {
    return options.map?.get(carp.carpdev) ?? carp.carpdev;
}

/** The password as text; undefined when its octets are none. */
export function passwordText(carp: CarpConfig): string | undefined {
    try {
        const decoder = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});
        return decoder.decode(carp.pass.reveal());
    } catch (error) {
        if (error instanceof TypeError) {
            return undefined;
        }
        throw error;
    }
}

export const hiddenPassword = "****";

/**
 * " pass WORD" with the blank before it, "" for the empty password. A password with characters of
 * `unsafe`, which the other host's files would read in another way, is not written.
 */
export function passWords(carp: CarpConfig, options: PeerOptions, unsafe: RegExp): string {
    const text = passwordText(carp);
    if (text === "") {
        return "";
    }
    const written = options.secrets && text !== undefined && !unsafe.test(text);
    return ` pass ${written ? text : hiddenPassword}`;
}

/** Why a `****` stands there although passwords were wanted. */
export function passRemarks(carp: CarpConfig, options: PeerOptions, unsafe: RegExp): string[] {
    const text = passwordText(carp);
    if (text === "") {
        return [`# ${label(carp)}: no password, here and there: anyone on the link can take over`];
    }
    if (!options.secrets) {
        return [];
    }
    if (text === undefined || unsafe.test(text)) {
        return [
            `# ${label(carp)}: this file cannot hold the password (blanks, quotes or the like):`,
            "# take one of letters and digits, on both hosts",
        ];
    }
    return [];
}

export function label(carp: CarpConfig): string {
    return `vhid ${carp.vhid}`;
}

/** Vhids that run: those without addresses and those held down have no counterpart. */
export function runningVhids(config: Config): readonly CarpConfig[] {
    return config.carp.filter((carp) => carp.enabled && carp.addresses.length > 0);
}

export function idleRemarks(config: Config): string[] {
    return config.carp.flatMap((carp) => {
        if (!carp.enabled) {
            return [`# ${label(carp)} (${carp.name}) is not enabled here: left out`];
        }
        return carp.addresses.length === 0
            ? [`# ${label(carp)} (${carp.name}) has no addresses here: left out`]
            : [];
    });
}

/** In two vhids of a carpdev: ARP balancing. */
export function isShared(config: Config, carp: CarpConfig, vip: Vip): boolean {
    return config.carp.some(
        (other) =>
            other !== carp &&
            other.carpdev === carp.carpdev &&
            other.addresses.some(({address}) => address === vip.address),
    );
}

export function hasShared(config: Config): boolean {
    return config.carp.some((carp) => carp.addresses.some((vip) => isShared(config, carp, vip)));
}

/** What is said above all lines, whatever the other host runs. */
export function commonRemarks(config: Config, options: PeerOptions): string[] {
    const named = [...new Set(config.carp.map(({carpdev}) => carpdev))].filter(
        (carpdev) => options.map?.has(carpdev) !== true,
    );
    return [
        ...(named.length === 0
            ? []
            : [`# interface ${named.join(", ")}: put the other host's own name there`]),
        ...(options.secrets || config.carp.every(({pass}) => pass.reveal().length === 0)
            ? []
            : [`# ${hiddenPassword}: put the password there, the same as here`]),
        ...(config.tracks.length === 0
            ? []
            : ["# [[track]] blocks demote this host only: the other one has its own ways"]),
        ...idleRemarks(config),
    ];
}

/** Each sysctl line with `name` as the other system has it. */
export function preemptLine(config: Config): string[] {
    return [`net.inet.carp.preempt=${config.options.preempt ? 1 : 0}`];
}

/** The number that a carp interface of the other host gets. */
export function carpNumber(carp: CarpConfig, config: Config): number {
    const own = /^carp([0-9]{1,4})$/u.exec(carp.name)?.[1];
    if (own !== undefined) {
        return Number(own);
    }
    const taken = new Set(config.carp.map(({name}) => name));
    const free: number[] = [];
    for (let n = 0; free.length < config.carp.length; n += 1) {
        if (!taken.has(`carp${n}`)) {
            free.push(n);
        }
    }
    const others = config.carp.filter(({name}) => !/^carp[0-9]{1,4}$/u.test(name));
    return free[others.indexOf(carp)] ?? 0;
}
