/** The signed update: the two images of a slot in RAUC's verity format. */
import {linkSync, mkdirSync, rmSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import type {ReleaseKeys} from "./options.ts";
import type {Release} from "./release.ts";
import {run} from "./tools.ts";

export function bundleManifest(release: Release): string {
    return [
        "[update]",
        `compatible=${release.compatible}`,
        `version=${release.version}`,
        `build=${release.id}`,
        `description=carpd ${release.version} of ${release.built}`,
        "",
        "[bundle]",
        "format=verity",
        "",
        "[image.boot]",
        "filename=boot.img",
        "",
        "[image.rootfs]",
        "filename=rootfs.img",
        "",
    ].join("\n");
}

export async function buildBundle(
    release: Release,
    keys: ReleaseKeys,
    images: {readonly boot: string; readonly root: string},
    work: string,
    target: string,
): Promise<void> {
    const folder = join(work, "bundle");
    rmSync(folder, {recursive: true, force: true});
    mkdirSync(folder);
    linkSync(images.boot, join(folder, "boot.img"));
    linkSync(images.root, join(folder, "rootfs.img"));
    writeFileSync(join(folder, "manifest.raucm"), bundleManifest(release));
    rmSync(target, {force: true});
    await run("rauc", [
        "bundle",
        `--cert=${keys.cert}`,
        `--key=${keys.key}`,
        `--keyring=${keys.keyring}`,
        folder,
        target,
    ]);
    rmSync(folder, {recursive: true});
}
