/**
 * What carpd and its health helper say to each other: one question, one answer, as JSON. Both ends
 * take nothing on trust.
 */

import {type HardwareStatus, hardwareOf} from "../core/system-status.ts";

/** "memory": octets available; "temperature": the hottest sensor, degrees Celsius. */
export type HealthNumber = "memory" | "temperature";
/** "hardware": all that `show system` wants. */
export type HealthValue = HealthNumber | "hardware";

export interface HealthQuestion {
    readonly id: number;
    readonly value: HealthValue;
}

export type HealthAnswer =
    /** null: this machine has no such sensor. */
    | {readonly id: number; readonly number: number | null}
    | {readonly id: number; readonly hardware: HardwareStatus}
    | {readonly id: number; readonly error: string};

export function questionOf(message: unknown): HealthQuestion | null {
    if (typeof message !== "object" || message === null) return null;
    if (!("id" in message) || typeof message.id !== "number") return null;
    if (!("value" in message)) return null;
    const {id, value} = message;
    const known = value === "memory" || value === "temperature" || value === "hardware";
    return known ? {id, value} : null;
}

export function answerOf(message: unknown): HealthAnswer | null {
    if (typeof message !== "object" || message === null) return null;
    if (!("id" in message) || typeof message.id !== "number") return null;
    const {id} = message;
    if ("error" in message && typeof message.error === "string") return {id, error: message.error};
    if ("hardware" in message) {
        const hardware = hardwareOf(message.hardware);
        return hardware === null ? null : {id, hardware};
    }
    if (!("number" in message)) return null;
    const {number} = message;
    if (number === null) return {id, number};
    return typeof number === "number" && Number.isFinite(number) ? {id, number} : null;
}
