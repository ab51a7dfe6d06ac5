/**
 * The table of the front panel: what the lights `status`, `role` and `fault` show in each state,
 * and one light for each vhid. src/core/leds.ts maps them to the LEDs that there are. Pure.
 *
 * | state                          | status             | role                   | fault   |
 * | carpd not ready yet            | flashes 5 a second | off                    | off     |
 * | MASTER                         | on                 | on                     |         |
 * | MASTER, but demoted            | on                 | on, two gaps a second  |         |
 * | MASTER of some, not of all     | on                 | on 1.5 s, off 0.5 s    |         |
 * | BACKUP                         | on                 | on 1 s, off 1 s        |         |
 * | BACKUP, demoted or held off    | on                 | two flashes a second   |         |
 * | INIT, no link                  | on                 | on 0.2 s, off 0.2 s    |         |
 * | nothing configured, all down   | on                 | off                    |         |
 * | two masters                    | on                 | as its state           | 5 a second |
 * | peer lost, crash loop, ...     | on                 | as its state           | on      |
 * | commit or image unconfirmed    | on, gap each 2 s   | as its state           |         |
 * | update written, reset armed    | flashes 10 a second| off                    | off     |
 * | carpd does not answer          | off                | off                    | on      |
 */
import type {Daemonless, LedColour, LedPattern} from "./leds.ts";
import type {PanelStatus, PanelVhid} from "./panel-status.ts";

export interface StepPattern {
    readonly kind: "pattern";
    /** Lit or not, and for how many milliseconds; ends dark, and the whole divides 4 s. */
    readonly steps: readonly (readonly [lit: boolean, ms: number])[];
}

export interface Light {
    readonly pattern: LedPattern;
    readonly colour: LedColour;
    readonly deadMan: boolean;
    readonly meaning: string;
}

const on = {kind: "on"} as const;
export const off = {kind: "off"} as const;

/** Milliseconds lit and dark in turns. */
function steps(...ms: number[]): StepPattern {
    return {kind: "pattern", steps: ms.map((length, i) => [i % 2 === 0, length] as const)};
}

export const patterns = {
    on,
    boot: {kind: "timer", onMs: 100, offMs: 100},
    busy: {kind: "timer", onMs: 50, offMs: 50},
    quick: {kind: "timer", onMs: 100, offMs: 100},
    slow: {kind: "timer", onMs: 1000, offMs: 1000},
    init: {kind: "timer", onMs: 200, offMs: 200},
    /** Two flashes a second. */
    demoted: steps(100, 100, 100, 700),
    /** The same turned over: lit, with two gaps a second. */
    demotedMaster: steps(700, 100, 100, 100),
    some: steps(1500, 500),
    unconfirmed: steps(1900, 100),
    /** Three flashes a second: a fault, on an LED that also tells other things. */
    alarm: steps(100, 100, 100, 100, 100, 500),
    /** Alive and nothing to do, on an LED that also tells the role. */
    idle: steps(100, 1900),
} as const satisfies Record<string, LedPattern>;

export interface Lights {
    /** `urgent`: goes before the role; `unconfirmed`: something waits for a confirmation. */
    readonly status: Light & {readonly urgent: boolean; readonly unconfirmed: boolean};
    readonly role: Light;
    readonly fault: Light;
    readonly identify: Light;
    readonly vhid: (vhid: number) => Light;
}

/** What goes out by itself when nobody stands by it any more. */
const claim = (pattern: LedPattern, colour: LedColour, meaning: string): Light => ({
    pattern,
    colour,
    deadMan: pattern.kind !== "off",
    meaning,
});
/** What stays until it is taken back. */
const lasting = (pattern: LedPattern, colour: LedColour, meaning: string): Light => ({
    pattern,
    colour,
    deadMan: false,
    meaning,
});
const box = (light: Light, urgent: boolean, unconfirmed = false): Lights["status"] => ({
    ...light,
    urgent,
    unconfirmed,
});

export function lights(status: PanelStatus | Daemonless): Lights {
    const identify = claim(patterns.quick, "blue", "identify: somebody looks for this box");
    if (typeof status === "string") return {...withoutDaemon(status), identify};
    const busy = busyWith(status);
    const dark = busy === "" ? "" : `dark: ${busy}`;
    return {
        identify,
        status: boxLight(status, busy),
        role: dark === "" ? roleLight(status) : claim(off, "green", dark),
        // Half a minute in which the box must show that it is armed, whatever else is wrong.
        fault: status.resetArmed ? claim(off, "red", dark) : faultLight(status),
        vhid: (vhid) => {
            if (dark !== "") return claim(off, "green", dark);
            const own = status.vhids.filter((one) => one.vhid === vhid);
            return stateLight(own, status, `vhid ${vhid}`);
        },
    };
}

function withoutDaemon(state: Daemonless): Omit<Lights, "identify"> {
    const texts = {
        booting: "carpd is starting",
        dead: "carpd does not answer",
        off: "switched off",
    };
    const meaning = texts[state];
    const dark = claim(off, "green", meaning);
    const booting = state === "booting";
    return {
        status: box(booting ? lasting(patterns.boot, "blue", meaning) : dark, booting),
        role: dark,
        fault: state === "dead" ? lasting(on, "red", meaning) : dark,
        vhid: () => dark,
    };
}

function busyWith({ready, installing, resetArmed}: PanelStatus): string {
    if (resetArmed) return "a short press of the reset button now erases the configuration";
    if (installing !== "") return `an update is being written: ${installing}`;
    return ready ? "" : "carpd is not ready";
}

function boxLight(status: PanelStatus, busy: string): Lights["status"] {
    if (busy !== "") {
        const pattern =
            status.resetArmed || status.installing !== "" ? patterns.busy : patterns.boot;
        return box(claim(pattern, "blue", busy), true);
    }
    const waits = [
        ...(status.commitUnconfirmed === ""
            ? []
            : [`a commit waits for its confirmation until ${status.commitUnconfirmed}`]),
        ...(status.imageUnconfirmed ? ["the running image is not confirmed yet"] : []),
    ];
    if (waits.length > 0) {
        return box(claim(patterns.unconfirmed, "green", waits.join("; ")), false, true);
    }
    return box(claim(on, "green", "carpd runs"), false);
}

function faultLight({hold, fault, splitBrain, peerLost}: PanelStatus): Light {
    // It stays lit when carp-panel goes: the fault does not go with it.
    if (hold !== "") return lasting(on, "red", `carpd holds everything in INIT: ${hold}`);
    if (splitBrain.length > 0) return lasting(patterns.quick, "red", splitBrain.join("; "));
    const other = [fault, ...peerLost].filter((text) => text !== "");
    if (other.length > 0) return lasting(on, "red", other.join("; "));
    return claim(off, "red", "no fault");
}

function roleLight(status: PanelStatus): Light {
    return stateLight(status.vhids, status, "");
}

/**
 * Several vhids on one light: lit means that this host carries every address, dark now and then
 * that it carries some; without any, a vhid in INIT is shown before one that is BACKUP, because
 * somebody has to plug in a cable.
 */
function stateLight(all: readonly PanelVhid[], status: PanelStatus, whose: string): Light {
    const vhids = all.filter(({enabled}) => enabled);
    const of = whose === "" ? "" : ` of ${whose}`;
    if (vhids.length === 0) {
        const why = all.length === 0 ? "no carp interface is configured" : "set down";
        return claim(off, "green", whose === "" ? why : `${whose}: ${why}`);
    }
    const masters = vhids.filter(({state}) => state === "MASTER");
    const demoted = vhids.some((vhid) => vhid.demoted);
    const why = status.demotions.join(", ");
    if (masters.length === vhids.length) {
        const leaving = masters.some(({handingOver}) => handingOver);
        if (leaving) return claim(patterns.demotedMaster, "green", `MASTER${of}, handing over`);
        if (!demoted) return claim(on, "green", `MASTER${of}`);
        return claim(patterns.demotedMaster, "green", `MASTER${of}, demoted by ${why}`);
    }
    if (masters.length > 0) {
        const some = `MASTER of ${masters.length} of ${vhids.length} carp interfaces`;
        return claim(patterns.some, "green", some);
    }
    const init = vhids.filter(({state}) => state === "INIT");
    if (init.length > 0) {
        const names = init.map(({name}) => name).join(", ");
        return claim(patterns.init, "amber", `INIT${of}: ${names} has no link or cannot run`);
    }
    if (demoted) return claim(patterns.demoted, "amber", `BACKUP${of}, demoted by ${why}`);
    return claim(patterns.slow, "amber", `BACKUP${of}`);
}
