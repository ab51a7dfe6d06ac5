/**
 * What the presses of the reset button mean. Pure: `fold` takes what happened and when, and gives
 * the new state and what is to be done.
 *
 * One press, however long, erases nothing: a jammed button, a tool that leans on it, a contact that
 * flickers must not. Held for `holdMs` it arms; then it has to be let go and, within half a minute,
 * pressed shortly once more, deliberately. Everything else disarms.
 */

/** A press of at most so long is a short one, milliseconds. */
const shortMs = 2000;
/** A contact that bounces opens and closes within this time; a finger does not. */
const bounceMs = 500;
/** How long a reset stays armed. */
export const armedMs = 30_000;

export type ButtonInput =
    | "press"
    | "release"
    /** The device is gone or has lost events: nobody knows whether it is pressed. */
    | "lost"
    /** Nothing happened; time went by. */
    | "tick";

export const presses = ["short", "armed", "disarmed", "reset"] as const;
/** armed, disarmed: the reset; short: show what this host is; reset: carry it out. */
export type Press = (typeof presses)[number];

export interface ButtonState {
    /** When it went down, milliseconds of a monotonic clock; null: it is up. */
    readonly downAt: number | null;
    /** When it went up last after arming. */
    readonly upAt: number | null;
    /** When the reset was armed; null: it is not. */
    readonly armedAt: number | null;
    /** This press has had its effect, or can have none. */
    readonly spent: boolean;
}

export const buttonUp: ButtonState = {downAt: null, upAt: null, armedAt: null, spent: false};

export interface Folded {
    readonly state: ButtonState;
    readonly press: Press | null;
}

export function foldButton(
    before: ButtonState,
    input: ButtonInput,
    atMs: number,
    holdMs: number,
): Folded {
    const {armedAt} = before;
    if (armedAt !== null && atMs - armedAt >= armedMs) {
        // Whoever is pressing now presses a button that means nothing any more.
        const over = {...before, armedAt: null, upAt: null, spent: before.downAt !== null};
        const {state} = foldButton(over, input, atMs, holdMs);
        return {state, press: "disarmed"};
    }
    switch (input) {
        case "press":
            return pressed(before, atMs);
        case "release":
            return released(before, atMs, holdMs);
        case "lost": {
            const press = armedAt === null ? null : "disarmed";
            return {state: buttonUp, press};
        }
        case "tick": {
            const {downAt, spent} = before;
            const held = downAt !== null && !spent && armedAt === null && atMs - downAt >= holdMs;
            if (!held) return {state: before, press: null};
            return {state: {...before, armedAt: atMs, spent: true}, press: "armed"};
        }
    }
}

function pressed(before: ButtonState, atMs: number): Folded {
    // The kernel repeats nothing of its own here; a second press without a release is none.
    if (before.downAt !== null) return {state: before, press: null};
    const bounced = before.upAt !== null && atMs - before.upAt < bounceMs;
    const state = {...before, downAt: atMs, spent: bounced && before.armedAt !== null};
    return {state, press: null};
}

function released(before: ButtonState, atMs: number, holdMs: number): Folded {
    const {downAt, armedAt, spent} = before;
    if (downAt === null) return {state: before, press: null};
    const heldMs = atMs - downAt;
    const up = {...before, downAt: null, upAt: atMs, spent: false};
    if (armedAt !== null) {
        // The end of the press that armed, or a bounce: the half minute goes on.
        if (spent) return {state: up, press: null};
        const press = heldMs <= shortMs ? "reset" : "disarmed";
        return {state: buttonUp, press};
    }
    // Nobody looked at the clock while it was held: better no reset than one that nobody saw armed.
    if (spent || heldMs > shortMs || heldMs >= holdMs) return {state: buttonUp, press: null};
    return {state: buttonUp, press: "short"};
}

// ---- the events of the kernel ----

/** Keys that a front panel may have (linux/input-event-codes.h). */
export const keyCodes: Readonly<Record<string, number>> = {
    KEY_ENTER: 28,
    KEY_POWER: 116,
    KEY_SETUP: 141,
    KEY_SLEEP: 142,
    KEY_PROG1: 148,
    KEY_CONFIG: 171,
    BTN_0: 256,
    BTN_1: 257,
    KEY_VENDOR: 360,
    KEY_RESTART: 408,
    KEY_WPS_BUTTON: 529,
};

/** What stands for the button of a board that has none. */
export const noButton = {input: "", code: "KEY_RESTART", holdSec: 10} as const;

export interface KeyEvent {
    readonly kind: "key";
    readonly code: number;
    /** 0: let go, 1: pressed, 2: repeated. */
    readonly value: number;
}

const typeSyn = 0;
const typeKey = 1;
const synDropped = 3;

/**
 * struct input_event: the time (two longs), type and code (16 bits), value (32 bits), little endian.
 * "dropped": events were lost. `longOctets`: 8, or 4 on a machine of 32 bits. What is incomplete at
 * the end is left out.
 */
export function decodeInput(octets: Uint8Array, longOctets: 4 | 8): (KeyEvent | "dropped")[] {
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
    const size = 2 * longOctets + 8;
    const events: (KeyEvent | "dropped")[] = [];
    for (let at = 0; at + size <= octets.byteLength; at += size) {
        const type = view.getUint16(at + 2 * longOctets, true);
        const code = view.getUint16(at + 2 * longOctets + 2, true);
        const value = view.getInt32(at + 2 * longOctets + 4, true);
        if (type === typeSyn && code === synDropped) events.push("dropped");
        else if (type === typeKey) events.push({kind: "key", code, value});
    }
    return events;
}
