/**
 * The lights of the front panel: what is known of this host -> what each LED shows. Pure.
 *
 * The policy speaks of three lights. `status`: is the box itself well. `role`: does this host carry
 * the addresses. `fault`: has somebody to come. A panel with fewer LEDs lets one LED carry several
 * of them, in the order fault, update, role, status; a multicolor LED adds the colour. Mapping is by
 * role; which LED has which is the manifest's word (board.ts).
 */
import type {BoardLed, LedRole} from "./board.ts";
import {type Light, lights, off, patterns, type StepPattern} from "./panel-lights.ts";
import type {PanelStatus} from "./panel-status.ts";

/** "green" and "red" as the panel says them; a multicolor LED mixes what it can. */
export type LedColour = "green" | "amber" | "red" | "blue" | "white";

export type LedPattern =
    | {readonly kind: "off"}
    | {readonly kind: "on"}
    /** The kernel's timer trigger. */
    | {readonly kind: "timer"; readonly onMs: number; readonly offMs: number}
    /** The kernel's pattern trigger. */
    | StepPattern
    /** The kernel's netdev trigger: lit while the port has a link. */
    | {readonly kind: "netdev"; readonly device: string};

export interface LedPlan {
    readonly role: LedRole;
    /** The folder under /sys/class/leds. */
    readonly name: string;
    /** A single LED has the colour of the manifest, "" where that does not say. */
    readonly colour: string;
    readonly pattern: LedPattern;
    /** It goes out by itself unless it is shown again: what it says must not outlive carp-panel. */
    readonly deadMan: boolean;
    /** While it is off, the kernel may blink it when it panics. */
    readonly panic: boolean;
    /** A sentence for `show leds`. */
    readonly meaning: string;
}

/** What the policy takes of a manifest. */
export interface PanelBoard {
    readonly leds: ReadonlyMap<LedRole, BoardLed>;
}

/** "booting": carpd was never heard of since the start; "dead": it does not answer. */
export type Daemonless = "booting" | "dead" | "off";

/** Every LED of the board, in the manifest's order. */
export function ledsOf(status: PanelStatus | Daemonless, board: PanelBoard): LedPlan[] {
    const roles = [...board.leds];
    const whole = lights(status);
    return roles.map(([role, led]) => {
        const light = lightOf(role, led, status, board, whole);
        const own = led.kind === "multicolor" ? light.colour : (led.colors[0] ?? "");
        return {
            role,
            name: led.name,
            colour: light.pattern.kind === "off" && led.kind === "multicolor" ? "" : own,
            pattern: light.pattern,
            deadMan: light.deadMan,
            panic: carried(role, board).join() === "fault" && light.pattern.kind === "off",
            meaning: light.meaning,
        };
    });
}

type Basic = "fault" | "status" | "role";
const basics: readonly Basic[] = ["fault", "status", "role"];
/** Who carries a light that has no LED of its own. */
const substitutes: Readonly<Record<Basic, readonly Basic[]>> = {
    fault: ["fault", "status", "role"],
    status: ["status", "role", "fault"],
    role: ["role", "status", "fault"],
};

/** The lights that the LED of this role shows. */
function carried(role: LedRole, {leds}: PanelBoard): Basic[] {
    return basics.filter((basic) => substitutes[basic].find((one) => leds.has(one)) === role);
}

function lightOf(
    role: LedRole,
    led: BoardLed,
    status: PanelStatus | Daemonless,
    board: PanelBoard,
    whole: ReturnType<typeof lights>,
): Light {
    if (typeof status === "object" && status.identify) return whole.identify;
    if (role.startsWith("port:")) return portLight(role.slice("port:".length), status);
    if (role.startsWith("vhid:")) return whole.vhid(Number(role.slice("vhid:".length)));
    const shown = carried(role, board);
    const {fault, status: box, role: duty} = whole;
    if (shown.includes("fault") && fault.pattern.kind !== "off") {
        // Among other meanings of the same LED a plain light would be taken for MASTER.
        const alone = shown.length === 1 || led.kind === "multicolor";
        return alone ? fault : {...fault, pattern: patterns.alarm};
    }
    if (shown.includes("status") && box.urgent) return box;
    if (shown.includes("role") && duty.pattern.kind !== "off") {
        const blip = shown.includes("status") && box.unconfirmed && duty.pattern.kind === "on";
        if (!blip) return duty;
        return {...duty, pattern: box.pattern, meaning: `${duty.meaning}; ${box.meaning}`};
    }
    if (shown.includes("status")) {
        // Plainly lit it would say MASTER.
        const sole = shown.includes("role") && box.pattern.kind === "on";
        if (sole) return {...box, pattern: patterns.idle, meaning: duty.meaning};
        return box;
    }
    return shown.includes("role") ? duty : fault;
}

function portLight(device: string, status: PanelStatus | Daemonless): Light {
    const light = {colour: "green", deadMan: false} as const;
    if (status === "off") return {...light, pattern: off, meaning: "switched off"};
    const known =
        typeof status === "object" && status.links.find((link) => link.carpdev === device);
    const now = known ? (known.carrier ? ": link" : ": no link") : "";
    const pattern = {kind: "netdev", device} as const;
    return {...light, pattern, meaning: `the link of ${device}, by the kernel${now}`};
}
