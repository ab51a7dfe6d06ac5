/**
 * Whether the protocol loop turns: what the service manager's watchdog is fed by. Pure.
 *
 * An answer of the engine proves that its loop takes commands; that it also keeps its appointments
 * is seen by the instants at which it is to act. One that lies in the past means that the loop turns
 * without doing its work, and such an engine has to be replaced.
 */
import {formatDuration} from "./duration.ts";
import type {EngineSnapshot} from "./engine.ts";

/**
 * How late an action may be: far above any lateness that was ever measured (milliseconds), below
 * the second in which a peer becomes master. Microseconds.
 */
export const mostLateUs = 1_000_000n;

/**
 * "" when the loop has turned since `before` (null: this is the first look), else one sentence.
 * Both snapshots were made by the engine's own thread.
 */
export function stallOf(before: EngineSnapshot | null, now: EngineSnapshot): string {
    if (before !== null && now.at <= before.at) {
        return "the engine's clock has not moved since it was last asked";
    }
    for (const {name, nextAdvertisementAt, masterDownAt} of now.vhosts) {
        if (nextAdvertisementAt !== null && now.at - nextAdvertisementAt > mostLateUs) {
            const late = formatDuration(now.at - nextAdvertisementAt);
            return `${name}: the next advertisement is due since ${late}`;
        }
        if (masterDownAt !== null && now.at - masterDownAt > mostLateUs) {
            const late = formatDuration(now.at - masterDownAt);
            return `${name}: the decision to become MASTER is due since ${late}`;
        }
    }
    return "";
}
