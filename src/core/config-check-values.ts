/**
 * Rules for single values that blocks of both kinds share: names, paths, commands, and where an
 * element of an array stands in the text.
 */
import {parseVip} from "./address.ts";
import type {Vip} from "./config.ts";
import type {DraftBlock, Place} from "./config-draft.ts";
import type {Located} from "./config-schema.ts";
import type {Diagnostic, SourceText, Span} from "./diagnostic.ts";

export type Report = (diagnostic: Diagnostic) => void;

/** A block with its addresses read; what was wrong has been reported and left out. */
export interface CheckedBlock {
    readonly draft: DraftBlock;
    readonly name: string;
    readonly addresses: readonly Vip[];
    readonly peers: readonly string[];
}

export const defaultGroup = "carp";

/** Linux's IFNAMSIZ less the closing NUL. */
const longestInterfaceName = 15;
export const longestGroupName = 15;
/** Linux's PATH_MAX less the closing NUL. */
const longestPath = 4095;
const mostArguments = 64;

export function octetsOf(text: string): number {
    return new TextEncoder().encode(text).length;
}

/** What makes a name unfit, of the characters that carpd's own names may have; or undefined. */
export function plainNameProblem(name: string, longest: number): string | undefined {
    const octets = octetsOf(name);
    if (octets === 0) {
        return "is empty";
    }
    if (octets > longest) {
        return `has ${octets} octets`;
    }
    const bad = /[^A-Za-z0-9._-]/u.exec(name)?.[0];
    return bad === undefined ? undefined : `contains ${JSON.stringify(bad)}`;
}

/** The message about an interface name that Linux would refuse (dev_valid_name), or undefined. */
export function interfaceNameProblem(name: string): string | undefined {
    const octets = octetsOf(name);
    if (octets === 0) {
        return "is empty";
    }
    if (octets > longestInterfaceName) {
        return `has ${octets} octets, an interface name at most ${longestInterfaceName}`;
    }
    if (name === "." || name === "..") {
        return `cannot be ${JSON.stringify(name)}`;
    }
    const bad = /[/:%\s\p{Cc}]/u.exec(name)?.[0];
    return bad === undefined ? undefined : `contains ${JSON.stringify(bad)}`;
}

export function checkInterfaceName(
    source: SourceText,
    key: string,
    located: Located<string> | undefined,
    report: Report,
): void {
    const problem = located === undefined ? undefined : interfaceNameProblem(located.value);
    if (located !== undefined && problem !== undefined) {
        report(
            source.diagnostic(located.node.span, {
                message: `${key} ${problem}`,
                expected: "1 to 15 octets without blanks, /, : and %",
            }),
        );
    }
}

export function checkGroupName(
    source: SourceText,
    located: Located<string> | undefined,
    report: Report,
): void {
    const problem =
        located === undefined ? undefined : plainNameProblem(located.value, longestGroupName);
    if (located !== undefined && problem !== undefined) {
        report(
            source.diagnostic(located.node.span, {
                message: `group ${problem}`,
                expected: `1 to ${longestGroupName} letters, digits, - _ .`,
            }),
        );
    }
}

/** What keeps a text from being the name of a file, or undefined. */
function pathProblem(path: string): string | undefined {
    if (/\p{Cc}/u.test(path)) {
        return "contains a control character";
    }
    if (!path.startsWith("/")) {
        return "is not an absolute path";
    }
    const octets = octetsOf(path);
    return octets > longestPath ? `has ${octets} octets, a path at most ${longestPath}` : undefined;
}

/** true when it is an absolute path. */
export function checkPath(
    source: SourceText,
    key: string,
    located: Located<string>,
    report: Report,
): boolean {
    const problem = pathProblem(located.value);
    if (problem !== undefined) {
        report(
            source.diagnostic(located.node.span, {
                message: `${key} ${problem}`,
                expected: "an absolute path",
            }),
        );
    }
    return problem === undefined;
}

/** true when it can be run without a shell: an absolute path and arguments. */
export function checkCommand(
    source: SourceText,
    key: string,
    located: Located<readonly string[]>,
    report: Report,
): boolean {
    const command = located.value;
    const problem = pathProblem(command[0] ?? "/");
    if (command.length === 0) {
        report(
            source.diagnostic(located.node.span, {
                message: `${key} is empty`,
                expected: "an array: the program's absolute path, then its arguments",
            }),
        );
    } else if (problem !== undefined) {
        report(
            source.diagnostic(elementSpan(located, 0), {
                message: `the program of ${key} ${problem}`,
                expected: "an absolute path; there is no shell that would search",
            }),
        );
    } else if (command.length > mostArguments) {
        report(
            source.diagnostic(elementSpan(located, mostArguments), {
                message: `${key} has ${command.length} elements`,
                expected: `at most ${mostArguments}`,
            }),
        );
    } else {
        const bad = command.findIndex((argument) => argument.includes("\0"));
        if (bad < 0) {
            return true;
        }
        report(
            source.diagnostic(elementSpan(located, bad), {
                message: "an argument contains a NUL",
                expected: "text without NUL",
            }),
        );
    }
    return false;
}

/** The place of an array's element in the text. */
export function elementSpan(located: Located<unknown>, index: number): Span {
    const {node} = located;
    return (node.kind === "array" ? node.elements[index]?.span : undefined) ?? node.span;
}

/** The place of a VIP of a block, found again by its canonical text. */
export function vipPlace(draft: DraftBlock, address: string): Place {
    const located = draft.values.addresses;
    const index = (located?.value ?? []).findIndex((text) => {
        const parsed = parseVip(text);
        return parsed.ok && parsed.value.address === address;
    });
    const span = located === undefined ? draft.span : elementSpan(located, index);
    return {source: draft.source, span};
}
