/**
 * Update bundles made out of the one that the builder made: another version, a release that does
 * not work, another board's, somebody else's signature, a part of one.
 */
import {spawnSync} from "node:child_process";
import {
    copyFileSync,
    existsSync,
    mkdirSync,
    readdirSync,
    readFileSync,
    renameSync,
    rmSync,
    statSync,
    truncateSync,
    writeFileSync,
} from "node:fs";
import {join} from "node:path";
import {HarnessError} from "../../src/io/lab/namespaces.ts";
import type {BuiltImage} from "./image.ts";

export interface BundleChange {
    /** Of the manifest and of the root file system's release.json. */
    readonly version?: string;
    /** Of the manifest. */
    readonly compatible?: string;
    /** carpd ends at once, so that the release never becomes good. */
    readonly broken?: boolean;
    /** Signed by a key that no box trusts. */
    readonly foreign?: boolean;
}

function must(...argv: string[]): string {
    const result = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8", timeout: 300_000});
    if (result.status !== 0) {
        const said = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
        throw new HarnessError("COMMAND_FAILED", `${argv.join(" ")}: ${said.slice(-1500)}`);
    }
    return result.stdout;
}

/** The value of a key in a manifest. */
function entry(manifest: string, key: string): string {
    return new RegExp(`^${key}=(.*)$`, "mu").exec(manifest)?.[1] ?? "";
}

export class Bundles {
    readonly #image: BuiltImage;
    readonly #folder: string;
    #count = 0;

    constructor(image: BuiltImage, folder: string) {
        this.#image = image;
        this.#folder = folder;
    }

    /** As the builder made it. */
    get original(): string {
        return this.#image.bundle;
    }

    /** The version that the image has. */
    get version(): string {
        return entry(readFileSync(join(this.#content(), "manifest.raucm"), "utf8"), "version");
    }

    /** A bundle that differs in what `change` says; some seconds. */
    make(change: BundleChange): string {
        const id = ++this.#count;
        const content = join(this.#folder, `content-${id}`);
        const out = join(this.#folder, `carpd-test-${id}.raucb`);
        must("cp", "-r", "--reflink=auto", this.#content(), content);
        const path = join(content, "manifest.raucm");
        let manifest = readFileSync(path, "utf8");
        if (change.version !== undefined || change.broken === true) {
            this.#changeRoot(join(content, entry(rootSection(manifest), "filename")), change);
        }
        if (change.version !== undefined) {
            manifest = manifest.replace(/^version=.*$/mu, `version=${change.version}`);
        }
        if (change.compatible !== undefined) {
            manifest = manifest.replace(/^compatible=.*$/mu, `compatible=${change.compatible}`);
        }
        // Made anew for the changed content.
        manifest = manifest.replaceAll(/^(?:sha256|size|verity-\w+)=.*\n/gmu, "");
        writeFileSync(path, manifest);
        const {key, certificate, keyring} =
            change.foreign === true ? this.#foreignKey() : this.#image;
        rmSync(out, {force: true});
        const signing = [`--cert=${certificate}`, `--key=${key}`, `--keyring=${keyring}`];
        must("rauc", "bundle", ...signing, content, out);
        rmSync(content, {recursive: true});
        return out;
    }

    /** The first part of the original. */
    truncated(portion: number): string {
        const out = join(this.#folder, `truncated-${++this.#count}.raucb`);
        mkdirSync(this.#folder, {recursive: true});
        copyFileSync(this.#image.bundle, out);
        truncateSync(out, Math.floor(statSync(out).size * portion));
        return out;
    }

    /** A USB stick's content: FAT with one file. */
    stick(bundle: string, as = "update.raucb"): string {
        const out = join(this.#folder, `stick-${++this.#count}.img`);
        const megabytes = Math.ceil(statSync(bundle).size / (1 << 20)) + 16;
        mkdirSync(this.#folder, {recursive: true});
        rmSync(out, {force: true});
        must("truncate", "-s", `${megabytes}M`, out);
        must("mkfs.vfat", "-n", "UPDATE", out);
        must("mcopy", "-i", out, bundle, `::${as}`);
        return out;
    }

    /** The original's content, unpacked once. A bundle is a squashfs with a signature behind it. */
    #content(): string {
        const folder = join(this.#folder, "original");
        if (!existsSync(folder)) {
            mkdirSync(this.#folder, {recursive: true});
            must("unsquashfs", "-q", "-n", "-d", folder, this.#image.bundle);
        }
        return folder;
    }

    #changeRoot(image: string, change: BundleChange): void {
        const tree = `${image}.tree`;
        must("unsquashfs", "-q", "-n", "-d", tree, image);
        if (change.version !== undefined) {
            const path = join(tree, "usr/lib/carpd/release.json");
            const release: unknown = JSON.parse(readFileSync(path, "utf8"));
            const next = {...Object(release), version: change.version};
            writeFileSync(path, `${JSON.stringify(next)}\n`);
        }
        if (change.broken === true) {
            const path = join(tree, "usr/bin/carpd");
            writeFileSync(path, "#!/bin/sh\nexit 1\n", {mode: 0o755});
        }
        const out = `${image}.new`;
        must(
            "mksquashfs",
            tree,
            out,
            "-quiet",
            "-no-progress",
            "-comp",
            "zstd",
            "-Xcompression-level",
            "3",
        );
        renameSync(out, image);
        rmSync(tree, {recursive: true});
    }

    #foreignKey(): Pick<BuiltImage, "key" | "certificate" | "keyring"> {
        const [key, certificate] = [join(this.#folder, "f.key"), join(this.#folder, "f.cert")];
        if (!existsSync(key)) {
            must(
                ...["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"],
                ...["-subj", "/CN=somebody else", "-keyout", key, "-out", certificate],
            );
        }
        return {key, certificate, keyring: certificate};
    }

    /** Unpacked and derived files. */
    files(): readonly string[] {
        return existsSync(this.#folder) ? readdirSync(this.#folder) : [];
    }
}

function rootSection(manifest: string): string {
    return /^\[image\.rootfs\][^[]*/mu.exec(manifest)?.[0] ?? "";
}
