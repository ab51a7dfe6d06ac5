/**
 * Programs that tests need beside node and a compiler. A missing one is installed only where that
 * was asked for: as root with CI or CARP_TEST_INSTALL=1 in the environment. Nobody's own machine is
 * changed; there the tests that need it say what is missing.
 */
import {existsSync} from "node:fs";
import {isAbsolute} from "node:path";
import {run} from "./command.ts";

/** Program -> Debian package. */
const packages: Readonly<Record<string, string>> = {
    "clang-format": "clang-format",
    "clang-tidy": "clang-tidy",
    "g++": "g++",
    groff: "groff-base",
    ip: "iproute2",
    make: "make",
    mmdebstrap: "mmdebstrap",
    nft: "nftables",
    ping: "iputils-ping",
    "systemd-analyze": "systemd",
    tshark: "tshark",
    ucarp: "ucarp",
    unshare: "util-linux",
};

export function inPath(program: string): boolean {
    // An ordinary user's PATH often lacks the sbin folders.
    const folders = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`.split(":");
    return folders.some((folder) => existsSync(`${folder}/${program}`));
}

export const inCi = (process.env.CI ?? "") !== "" && process.env.CI !== "false";

function mayInstall(): boolean {
    const asked = inCi || process.env.CARP_TEST_INSTALL === "1";
    return asked && process.getuid?.() === 0 && inPath("apt-get");
}

/** True when the linker finds the runtime library of libcrypto. */
export async function hasLibcrypto(): Promise<boolean> {
    const found = await run(["g++", "-print-file-name=libcrypto.so.3"]);
    return found.code === 0 && isAbsolute(found.output.trim());
}

async function missingPackages(): Promise<readonly string[]> {
    const missing = Object.entries(packages)
        .filter(([program]) => !inPath(program))
        .map(([, name]) => name);
    return (await hasLibcrypto()) ? missing : [...missing, "libssl3"];
}

/** Installs what is missing, where that may be done. Returns what to tell the reader. */
export async function installMissing(): Promise<readonly string[]> {
    const missing = await missingPackages();
    if (missing.length === 0) return [];
    const line = `apt-get install ${missing.join(" ")}`;
    if (!mayInstall()) return [`missing here, tests that need them are skipped: ${line}`];
    const env = {DEBIAN_FRONTEND: "noninteractive"};
    const update = await run(["apt-get", "update"], {env, deadlineMs: 300_000});
    const said: string[] = [];
    if (update.code !== 0) said.push(`apt-get update: ${lastLine(update.output)}`);
    // One by one: a package that does not exist here must not keep the others away.
    for (const name of missing) {
        const argv = ["apt-get", "install", "-y", "--no-install-recommends", name];
        const result = await run(argv, {env, deadlineMs: 600_000});
        said.push(
            result.code === 0
                ? `installed ${name}`
                : `${argv.join(" ")}: ${lastLine(result.output)}`,
        );
    }
    return said;
}

function lastLine(output: string): string {
    return output.trimEnd().split("\n").at(-1) ?? "";
}
