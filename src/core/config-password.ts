/**
 * The password of a block: written in it, in a file beside it, or none. It appears in no message.
 */
import {Secret} from "./config.ts";
import {type DraftBlock, passFilePath} from "./config-draft.ts";
import type {Diagnostic, Remark, Span} from "./diagnostic.ts";

/** The BSDs' CARP_KEY_LEN is 20 with the closing NUL of their ioctl string. */
const longestPassword = 19;

/** What became of reading a pass-file. */
export type PassFile =
    | {readonly kind: "read"; readonly octets: Uint8Array; readonly worldReadable: boolean}
    /** `reason`: the system's words, "no such file or directory". */
    | {readonly kind: "failed"; readonly reason: string};

/** Reports what is wrong with the octets of a password; it never appears in a message. */
function checkPassword(
    octets: Uint8Array,
    subject: string,
    say: (remark: Remark) => void,
): Secret | undefined {
    if (octets.length > longestPassword) {
        say({
            message: `${subject} has ${octets.length} octets`,
            expected: `at most ${longestPassword} octets, counted in UTF-8`,
        });
    } else if (octets.includes(0)) {
        say({message: `${subject} contains a NUL`, expected: "text without NUL"});
    } else {
        return new Secret(octets);
    }
    return undefined;
}

/** The password of a block, the empty one when none is written; undefined: reported as wrong. */
export function readSecret(
    block: DraftBlock,
    passFiles: ReadonlyMap<string, PassFile>,
    report: (diagnostic: Diagnostic) => void,
): Secret | undefined {
    const {pass, "pass-file": passFile} = block.values;
    const sayAt =
        (span: Span) =>
        (remark: Remark): void =>
            report(block.source.diagnostic(span, remark));
    if (block.present.has("pass") && block.present.has("pass-file")) {
        const later = Math.max(pass?.keySpan.start ?? 0, passFile?.keySpan.start ?? 0);
        const second = [pass, passFile].find((located) => located?.keySpan.start === later);
        sayAt(second?.keySpan ?? block.span)({
            message: "this block has both pass and pass-file",
            expected: "one of them",
        });
        return undefined;
    }
    if (pass !== undefined) {
        const say = sayAt(pass.node.span);
        const octets = new TextEncoder().encode(pass.value);
        const secret = checkPassword(octets, "the password", say);
        if (octets.length === 0) {
            say({
                severity: "warning",
                message: "the password is empty: anyone on the link can take the address",
                expected: "a password of 1 to 19 octets",
            });
        }
        return secret;
    }
    if (passFile !== undefined) {
        const path = passFilePath(block.source.file, passFile.value);
        return readPassFile(path, passFiles.get(path), sayAt(passFile.node.span));
    }
    if (block.present.has("pass") || block.present.has("pass-file")) {
        return undefined;
    }
    sayAt(block.span)({
        severity: "warning",
        message: "no password: anyone on the link can take the address",
        expected: "pass or pass-file",
    });
    return new Secret(new Uint8Array());
}

const newline = 0x0a;
const carriageReturn = 0x0d;

function readPassFile(
    path: string,
    passFile: PassFile | undefined,
    say: (remark: Remark) => void,
): Secret | undefined {
    if (passFile === undefined || passFile.kind === "failed") {
        const reason = passFile?.reason ?? "not read";
        say({message: `cannot read ${path}: ${reason}`, expected: "a readable file"});
        return undefined;
    }
    if (passFile.worldReadable) {
        say({
            severity: "warning",
            message: `${path} can be read by every user`,
            expected: "mode 0600 or 0640",
            hint: `chmod 600 ${path}`,
        });
    }
    const end = passFile.octets.indexOf(newline);
    let line = end < 0 ? passFile.octets : passFile.octets.subarray(0, end);
    if (line.at(-1) === carriageReturn) {
        line = line.subarray(0, -1);
    }
    const rest = end < 0 ? new Uint8Array() : passFile.octets.subarray(end + 1);
    if (rest.some((octet) => octet !== newline && octet !== carriageReturn)) {
        say({
            severity: "warning",
            message: `${path} has more than one line; the first one is the password`,
            expected: "one line",
        });
    }
    if (line.length === 0) {
        say({
            message: `${path} is empty or starts with an empty line`,
            expected: "a password of 1 to 19 octets on the first line",
        });
        return undefined;
    }
    return checkPassword(line.slice(), `the password in ${path}`, say);
}
