/** Events as a device under /dev/input gives them to a program of 64 bits. */
import {keyCodes} from "../../src/core/buttons.ts";

/** struct input_event; the time is of no importance. */
export function inputEvent(type: number, code: number, value: number): Buffer {
    const octets = Buffer.alloc(24);
    octets.writeUInt16LE(type, 16);
    octets.writeUInt16LE(code, 18);
    octets.writeInt32LE(value, 20);
    return octets;
}

/** `value`: 1 pressed, 0 let go, 2 repeated. */
export function keyEvent(name: string, value: number): Buffer {
    return inputEvent(1, keyCodes[name] ?? 0, value);
}
