/** Builds an image twice and compares everything but the signature. See reproducible.ts. */
import {createHash} from "node:crypto";
import {createReadStream, mkdtempSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {build, type Products} from "./build.ts";
import type {ImageOptions} from "./options.ts";
import {run} from "./tools.ts";

async function hashFile(path: string): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(path)) hash.update(chunk);
    return hash.digest("hex");
}

/** Name -> hash of everything that has to be equal. */
async function fingerprints(products: Products): Promise<ReadonlyMap<string, string>> {
    const folder = mkdtempSync(join(tmpdir(), "carpd-bundle-"));
    try {
        // A bundle is a squashfs with the signature behind it.
        await run("unsquashfs", ["-no-progress", "-f", "-d", folder, products.bundle]);
        const files = new Map([
            ["boot image", products.boot],
            ["root image", products.root],
            ["disk image", products.disk],
            ["boot image in the bundle", join(folder, "boot.img")],
            ["root image in the bundle", join(folder, "rootfs.img")],
        ]);
        const found = new Map<string, string>();
        for (const [name, path] of files) found.set(name, await hashFile(path));
        return found;
    } finally {
        rmSync(folder, {recursive: true, force: true});
    }
}

export interface Comparison {
    readonly name: string;
    readonly first: string;
    readonly second: string;
}

/** `withBase`: the second build also makes the base system anew. */
export async function buildTwice(
    project: string,
    options: ImageOptions,
    withBase: boolean,
    write: (text: string) => void,
): Promise<readonly Comparison[]> {
    const screen = {write, isTTY: false, columns: 80};
    const out = mkdtempSync(join(project, "build-image/twice-"));
    try {
        const first = await fingerprints(await build(project, {...options, out}, screen));
        const again = {...options, out, refresh: withBase};
        const second = await fingerprints(await build(project, again, screen));
        return [...first].map(([name, hash]) => ({
            name,
            first: hash,
            second: second.get(name) ?? "",
        }));
    } finally {
        rmSync(out, {recursive: true, force: true});
    }
}
