/** The end of a lab run: the closing table for people, the document for programs. Pure. */
import {failures, type StepResult} from "./claims.ts";
import {fit, type Painter} from "./text.ts";

export interface RunReport {
    readonly scenario: string;
    /** "namespaces": real frames on this kernel; "simulation": the same core on virtual time. */
    readonly network: string;
    readonly ok: boolean;
    readonly tookS: number;
    readonly steps: readonly StepResult[];
    /** Why the story ended before its end; null when it did not. */
    readonly error: string | null;
}

export function reportOf(
    scenario: string,
    network: string,
    tookS: number,
    steps: readonly StepResult[],
    error: string | null,
): RunReport {
    const ok = error === null && steps.length > 0 && failures(steps).length === 0;
    return {scenario, network, ok, tookS: Math.round(tookS * 10) / 10, steps, error};
}

/** Column widths of the closing table: 80 columns with one blank between them. */
const widths = [25, 10, 22, 20] as const;

function line(cells: readonly [string, string, string, string]): string {
    return cells
        .map((cell, i) => fit(cell, widths[i] ?? 0))
        .join(" ")
        .trimEnd();
}

/**
 * The closing table and the verdict.
 *
 * Each event has a line of numbers and a line with the virtual MAC in the client's neighbour
 * table, before and after.
 */
export function renderReport(paint: Painter, report: RunReport): readonly string[] {
    const lines = [
        paint("bold", line(["event", "measured", "arithmetic", "lost pings"])),
        "-".repeat(80),
    ];
    for (const step of report.steps) {
        const good = step.claims.every((claim) => claim.ok);
        const verdict = good ? paint("green", "ok    ") : paint("red", "NOT OK");
        if (step.row !== null) {
            const {event, measured, arithmetic, lost, macBefore, macAfter} = step.row;
            lines.push(line([event, measured, arithmetic, lost]));
            lines.push(`  ${verdict} virtual MAC at the client: ${macBefore} -> ${macAfter}`);
        } else {
            lines.push(`${fit(step.title, 70)}`.trimEnd(), `  ${verdict}`);
        }
    }
    lines.push("-".repeat(80));
    const claims = report.steps.reduce((sum, step) => sum + step.claims.length, 0);
    const failed = failures(report.steps);
    if (report.ok) {
        lines.push(
            paint("green", `All ${claims} claims were true`) +
                ` (${report.network}, ${report.tookS} s).`,
        );
    } else {
        lines.push(paint("red", "Not everything that was claimed happened:"));
        for (const failure of failed) lines.push(`  ${failure}`);
        if (report.error !== null) lines.push(`  the story stopped: ${report.error}`);
    }
    return lines;
}
