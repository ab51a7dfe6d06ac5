/**
 * Claims: what the lab says will happen, with the allowance it grants itself, judged by what was
 * measured. Pure.
 *
 * A claim never disappears: a run that could not measure something says so and fails.
 */
import {durationText} from "./arithmetic.ts";

export interface Claim {
    readonly text: string;
    readonly ok: boolean;
    /** What was seen, for a person. */
    readonly measured: string;
    /** What would have been right, with the allowance, for a person. */
    readonly allowed: string;
}

/** A named number of a step, kept for `--json`. Durations end in Us, counts in nothing. */
export type Measurements = Readonly<Record<string, number | string | null>>;

export interface StepResult {
    readonly id: string;
    readonly title: string;
    readonly claims: readonly Claim[];
    readonly measurements: Measurements;
    /** The row of the closing table; null for a step that measures no take-over. */
    readonly row: TableRow | null;
}

/** One line of the closing table. */
export interface TableRow {
    readonly event: string;
    /** From the last advertisement (or the operator's command) to the first answered ping. */
    readonly measured: string;
    /** The protocol's arithmetic. */
    readonly arithmetic: string;
    readonly lost: string;
    readonly macBefore: string;
    readonly macAfter: string;
}

/** A time that must lie at the expected instant, at most `earlyUs` before and `lateUs` after. */
export function timeClaim(
    text: string,
    measuredUs: number | null,
    expectedUs: number,
    allowance: {readonly earlyUs: number; readonly lateUs: number},
): Claim {
    const allowed = `${durationText(expectedUs)} (-${durationText(allowance.earlyUs)} +${durationText(allowance.lateUs)})`;
    if (measuredUs === null) return {text, ok: false, measured: "not measured", allowed};
    const ok =
        measuredUs >= expectedUs - allowance.earlyUs && measuredUs <= expectedUs + allowance.lateUs;
    return {text, ok, measured: durationText(measuredUs), allowed};
}

/** A time that must not exceed a limit. */
export function atMostClaim(text: string, measuredUs: number | null, limitUs: number): Claim {
    const allowed = `at most ${durationText(limitUs)}`;
    if (measuredUs === null) return {text, ok: false, measured: "not measured", allowed};
    return {text, ok: measuredUs <= limitUs, measured: durationText(measuredUs), allowed};
}

/** Lost pings against a limit. No pings at all is a failure: nothing was proven. */
export function lossClaim(
    text: string,
    pings: {readonly sent: number; readonly lost: number},
    limit: number,
): Claim {
    return {
        text,
        ok: pings.sent > 0 && pings.lost <= limit,
        measured: `${pings.lost} of ${pings.sent} lost`,
        allowed: limit === 0 ? "0 lost" : `at most ${limit} lost`,
    };
}

/** Something that must be exactly so. */
export function equalClaim(text: string, measured: string, expected: string): Claim {
    return {text, ok: measured === expected, measured, allowed: expected};
}

/** The claims that did not hold, each as one line. */
export function failures(steps: readonly StepResult[]): readonly string[] {
    return steps.flatMap((step) =>
        step.claims
            .filter((claim) => !claim.ok)
            .map(
                (claim) =>
                    `${step.title}: ${claim.text}: ${claim.measured}, allowed: ${claim.allowed}`,
            ),
    );
}

/** The virtual MAC of a vhid: the VRRP prefix, which CARP shares, and the vhid. */
export function virtualMac(vhid: number): string {
    return `00:00:5e:00:01:${vhid.toString(16).padStart(2, "0")}`;
}
