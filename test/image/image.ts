/**
 * The image under test: built by `npm run image -- --arch ARCH --test` (the builder's own cache
 * makes a second build short), unpacked for the machines.
 */
import {spawn} from "node:child_process";
import {existsSync, mkdirSync, readdirSync, statSync} from "node:fs";
import {join} from "node:path";
import {run} from "../support/command.ts";

const builder = "dist/board/image/main.js";
const output = "build-image";

export type Arch = "amd64" | "arm64";

export interface BuiltImage {
    readonly arch: Arch;
    /** The disk image, not packed. */
    readonly raw: string;
    /** The signed bundle of the same release. */
    readonly bundle: string;
    /** The key and certificate that signed it: made for tests. */
    readonly key: string;
    readonly certificate: string;
    /** Whom a box with this image trusts. */
    readonly keyring: string;
}

/** Runs the builder; its progress goes to this program's output. */
export async function buildImage(arch: Arch, verbose: boolean): Promise<string | undefined> {
    if (!existsSync(builder)) return `${builder} is not there: npm run build`;
    const argv = [builder, "--arch", arch, "--test"];
    const child = spawn(process.execPath, ["--enable-source-maps", ...argv], {
        stdio: ["ignore", verbose ? "inherit" : "pipe", verbose ? "inherit" : "pipe"],
        // Its own group: an interrupt takes the tools along that it started.
        detached: true,
    });
    const pid = child.pid;
    const stop = (): void => {
        if (pid !== undefined && child.exitCode === null) process.kill(-pid, "SIGTERM");
    };
    process.once("exit", stop);
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding("utf8");
        stream?.on("data", (chunk) => {
            said = `${said}${String(chunk)}`.slice(-6000);
        });
    }
    const status = await new Promise<number>((resolve) => {
        child.on("error", () => resolve(127));
        child.on("close", (code) => resolve(code ?? 137));
    });
    process.off("exit", stop);
    return status === 0 ? undefined : `the builder ended with ${status}:\n${said.trim()}`;
}

/** The newest file of the output folder whose name fits. */
function newest(pattern: RegExp): string | undefined {
    if (!existsSync(output)) return undefined;
    return readdirSync(output)
        .filter((name) => pattern.test(name))
        .map((name) => join(output, name))
        .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
}

/** What the builder left; its disk image is copied into `folder`, where no later build changes it. */
export async function builtImage(arch: Arch, folder: string): Promise<BuiltImage | string> {
    const built = newest(new RegExp(`^carpd-.*-${arch}-test\\.img$`, "u"));
    const bundle = newest(new RegExp(`^carpd-.*-${arch}-test\\.raucb$`, "u"));
    if (built === undefined || bundle === undefined) {
        return `no test image and bundle of ${arch} in ${output}/`;
    }
    mkdirSync(folder, {recursive: true});
    const [raw, update] = [join(folder, `${arch}.img`), join(folder, `${arch}.raucb`)];
    for (const [from, to] of [
        [built, raw],
        [bundle, update],
    ] as const) {
        const copied = await run(["cp", "--sparse=always", "--reflink=auto", from, to]);
        if (copied.code !== 0) return copied.output;
    }
    const keys = join(output, "keys");
    return {
        arch,
        raw,
        bundle: update,
        key: join(keys, "signer.key"),
        certificate: join(keys, "signer.pem"),
        keyring: join(keys, "ca.pem"),
    };
}
