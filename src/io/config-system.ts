/**
 * Asks the system about what a configuration claims: that its programs can be run and that its
 * units are known. At start, at a reload and for `carpd --check`. Main thread; changes nothing.
 */
import {constants} from "node:fs";
import {access, stat} from "node:fs/promises";
import type {Claim} from "../core/config-claims.ts";
import type {Diagnostic, Remark} from "../core/diagnostic.ts";
import {ProgramRunner} from "./program-run.ts";
import {codeOf} from "./system-error.ts";

export interface SystemCheckOptions {
    /** The program that knows the units; default: systemctl of the PATH. */
    readonly systemctl?: string;
    /** For each unit, milliseconds. */
    readonly limitMs?: number;
}

/**
 * What is wrong, in the order of the claims. Interfaces are not among it: checkInterfaces() of
 * src/core/config-claims.ts.
 */
export async function checkSystem(
    claims: readonly Claim[],
    options: SystemCheckOptions = {},
): Promise<Diagnostic[]> {
    const found: Diagnostic[] = [];
    /** Asked once, however often it is named. */
    const answers = new Map<string, Remark | undefined>();
    for (const {kind, value, place} of claims) {
        if (kind !== "program" && kind !== "unit") continue;
        const id = `${kind} ${value}`;
        if (!answers.has(id)) {
            answers.set(
                id,
                kind === "program" ? await checkProgram(value) : await checkUnit(value, options),
            );
        }
        const remark = answers.get(id);
        if (remark !== undefined) found.push(place.source.diagnostic(place.span, remark));
    }
    return found;
}

async function checkProgram(path: string): Promise<Remark | undefined> {
    const expected = "an executable file";
    try {
        if (!(await stat(path)).isFile()) {
            return {message: `${path} is not a regular file`, expected};
        }
        await access(path, constants.X_OK);
        return undefined;
    } catch (error) {
        const code = codeOf(error);
        if (code === "ENOENT" || code === "ENOTDIR") {
            return {message: `${path} does not exist`, expected};
        }
        return code === "EACCES"
            ? {message: `${path} cannot be executed`, expected, hint: `chmod +x ${path}`}
            : {message: `${path} cannot be examined: ${code}`, expected};
    }
}

async function checkUnit(
    unit: string,
    {systemctl = "systemctl", limitMs = 5000}: SystemCheckOptions,
): Promise<Remark | undefined> {
    // LoadState is told of unknown units too, with exit status 0.
    const argv = [systemctl, "show", "--property=LoadState", "--value", "--", unit];
    const limit = AbortSignal.timeout(limitMs);
    const {ok, how, line} = await new ProgramRunner().run(argv, limit);
    const shown = JSON.stringify(unit);
    if (ok) {
        switch (line) {
            case "loaded":
                return undefined;
            case "not-found":
                return {
                    message: `unit ${shown} is not known to systemd`,
                    expected: "a unit that systemctl list-unit-files shows",
                };
            default:
                return {
                    message: `unit ${shown} cannot become active: its load state is ${line}`,
                    expected: "a unit that is loaded",
                };
        }
    }
    if (limit.aborted) {
        // A manager that is busy, as at boot, is no reason not to start.
        return {
            severity: "warning",
            message: `unit ${shown}: systemctl did not answer within ${limitMs / 1000} s`,
            expected: "a service manager that answers",
        };
    }
    const missing = how.endsWith("ENOENT");
    return {
        message: `units cannot be tracked here: ${missing ? "systemctl was not found" : line || how}`,
        expected: "a system that runs systemd",
    };
}
