/**
 * What becomes of a carpd that the service manager has given up: an appliance is rebooted once and
 * then kept in INIT, an ordinary host is kept in INIT at once. Pure.
 *
 * INIT in place of another try: a host that becomes MASTER for a second each few seconds takes the
 * addresses from its peer each time, which is worse than a host that is not there.
 */
import {exitCodes} from "../exit-codes.ts";

/** The unit carpd.service, as `systemctl show` tells it. */
export interface UnitFacts {
    /** "failed", "activating", "active", ... */
    readonly activeState: string;
    /** "exit-code", "watchdog", "signal", "core-dump", "success", ... */
    readonly result: string;
    /** Exit status of the last main process; a signal's number when one killed it. */
    readonly status: number;
    /** Start of the main process, microseconds of CLOCK_MONOTONIC; 0: it never ran. */
    readonly mainSinceUs: number;
}

export interface CrashFacts {
    readonly unit: UnitFacts;
    /** This host runs a carpd image, so a reboot is carpd's to order. */
    readonly appliance: boolean;
    /** It was rebooted for this already, and carpd has not been well for long since. */
    readonly rebooted: boolean;
}

export interface Decision {
    readonly action: "nothing" | "reboot" | "hold";
    /** One sentence for the log. */
    readonly why: string;
}

/** So long carpd has to run until an earlier crash loop is forgotten, microseconds. */
export const wellUs = 600_000_000;

/** A reboot changes nothing about these. */
const lasting: readonly number[] = [exitCodes.usage, exitCodes.noPermission, exitCodes.config];

/** Reads `systemctl show --property=ActiveState,Result,ExecMainStatus,ExecMainStartTimestampMonotonic`. */
export function readUnit(text: string): UnitFacts {
    const values = new Map(
        text.split("\n").map((line): [string, string] => {
            const equals = line.indexOf("=");
            return equals < 0 ? [line, ""] : [line.slice(0, equals), line.slice(equals + 1).trim()];
        }),
    );
    const number = (key: string): number => {
        const value = Number(values.get(key) ?? "");
        return Number.isFinite(value) ? value : 0;
    };
    return {
        activeState: values.get("ActiveState") ?? "",
        result: values.get("Result") ?? "",
        status: number("ExecMainStatus"),
        mainSinceUs: number("ExecMainStartTimestampMonotonic"),
    };
}

export function decideCrashLoop({unit, appliance, rebooted}: CrashFacts): Decision {
    const {activeState, result, status} = unit;
    if (activeState !== "failed") {
        // systemd before 254 calls also for a failure that a restart repairs.
        return {action: "nothing", why: `carpd.service is ${activeState}: nothing to do`};
    }
    const what = `carpd has failed (${result} ${status})`;
    if (result === "exit-code" && lasting.includes(status)) {
        return {action: "hold", why: `${what}, and would again: it is held in INIT`};
    }
    if (!appliance) {
        return {action: "hold", why: `${what} again and again: it is held in INIT`};
    }
    if (rebooted) {
        const why = `${what} again and again, also after a reboot: it is held in INIT`;
        return {action: "hold", why};
    }
    return {action: "reboot", why: `${what} again and again: rebooting, once`};
}

/** Whether an earlier crash loop is over. `nowUs` is CLOCK_MONOTONIC. */
export function isWell({activeState, mainSinceUs}: UnitFacts, nowUs: number): boolean {
    return activeState === "active" && mainSinceUs > 0 && nowUs - mainSinceUs >= wellUs;
}
