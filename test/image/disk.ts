/**
 * Disks of virtual machines: a qcow2 overlay over the image, and what can be read of it while the
 * machine is off: partitions, their checksums, files of the data partition.
 *
 * The overlay is opened with a write-back cache and honours flushes. QEMU keeps its map of newly
 * written clusters in memory until the guest flushes; a SIGKILL loses it, and with it some of what
 * was written since. That is a disk with a volatile cache when the power is cut.
 */
import {spawnSync} from "node:child_process";
import {createHash} from "node:crypto";
import {closeSync, openSync, readFileSync, readSync, rmSync} from "node:fs";
import {HarnessError} from "../../src/io/lab/namespaces.ts";

function must(argv: readonly string[], allowed: readonly number[] = [0]): string {
    const result = spawnSync(argv[0] ?? "", argv.slice(1), {
        encoding: "utf8",
        timeout: 120_000,
        maxBuffer: 64 << 20,
    });
    if (result.status === null || !allowed.includes(result.status)) {
        const said = result.error?.message ?? `${result.stdout}${result.stderr}`.trim();
        throw new HarnessError("COMMAND_FAILED", `${argv.join(" ")}: ${said}`);
    }
    return result.stdout;
}

export interface Partition {
    readonly name: string;
    readonly number: number;
    /** Octets. */
    readonly offset: number;
    readonly size: number;
}

const sector = 512;

/** Reads a GUID partition table out of the first 34 sectors. */
export function partitionsOf(head: Uint8Array): readonly Partition[] {
    const bytes = Buffer.from(head);
    if (bytes.toString("latin1", sector, sector + 8) !== "EFI PART") {
        throw new HarnessError("COMMAND_FAILED", "the disk has no GUID partition table");
    }
    const table = Number(bytes.readBigUInt64LE(sector + 72)) * sector;
    const count = bytes.readUInt32LE(sector + 80);
    const step = bytes.readUInt32LE(sector + 84);
    const found: Partition[] = [];
    for (let i = 0; i < count && table + (i + 1) * step <= bytes.length; i++) {
        const at = table + i * step;
        const first = Number(bytes.readBigUInt64LE(at + 32));
        const last = Number(bytes.readBigUInt64LE(at + 40));
        if (first === 0) continue;
        const name = bytes.toString("utf16le", at + 56, at + step).replace(/\0.*$/su, "");
        found.push({
            name,
            number: i + 1,
            offset: first * sector,
            size: (last - first + 1) * sector,
        });
    }
    return found;
}

export class Disk {
    readonly path: string;
    readonly #scratch: string;

    /** `path`: the qcow2 file. */
    constructor(path: string) {
        this.path = path;
        this.#scratch = `${path}.part`;
    }

    /** An overlay over a raw image, as a stick or disk of `size` would hold it. */
    static over(image: string, path: string, size: string): Disk {
        rmSync(path, {force: true});
        must(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, path, size]);
        return new Disk(path);
    }

    /** After the power was cut: clusters that nobody refers to are given back. */
    check(): void {
        // 3: clusters were leaked and are repaired; anything worse is an error.
        must(["qemu-img", "check", "-q", "-r", "leaks", this.path], [0, 3]);
    }

    /** The content of a part of the disk, through a file that is then removed. */
    #part<T>(offset: number, size: number, use: (file: string) => T): T {
        const source = [
            "driver=raw",
            `offset=${offset}`,
            `size=${size}`,
            "file.driver=qcow2",
            `file.file.filename=${this.path}`,
        ].join(",");
        try {
            must(["qemu-img", "convert", "-q", "--image-opts", source, "-O", "raw", this.#scratch]);
            return use(this.#scratch);
        } finally {
            rmSync(this.#scratch, {force: true});
        }
    }

    partitions(): readonly Partition[] {
        return this.#part(0, 34 * sector, (file) => partitionsOf(readFileSync(file)));
    }

    partition(name: string): Partition {
        const all = this.partitions();
        const found = all.find((one) => one.name === name);
        if (found === undefined) {
            const names = all.map((one) => one.name).join(" ");
            throw new HarnessError("UNKNOWN_NAME", `no partition ${name}, only ${names}`);
        }
        return found;
    }

    /** SHA-256 of partitions, by name. */
    checksums(names: readonly string[]): Readonly<Record<string, string>> {
        return Object.fromEntries(
            names.map((name) => {
                const {offset, size} = this.partition(name);
                return [name, this.#part(offset, size, fileChecksum)];
            }),
        );
    }

    /**
     * Files of the data partition as they are after the journal was replayed; null: absent. Throws
     * when the file system needs more than its journal.
     */
    dataFiles(paths: readonly string[], partition = "data"): readonly (string | null)[] {
        const {offset, size} = this.partition(partition);
        return this.#part(offset, size, (file) => {
            // 1: repaired, which is what a replayed journal is called.
            must(["e2fsck", "-p", file], [0, 1]);
            must(["e2fsck", "-fn", file]);
            return paths.map((path) => readExt4(file, path));
        });
    }
}

function readExt4(file: string, path: string): string | null {
    const stat = spawnSync("debugfs", ["-R", `stat ${path}`, file], {encoding: "utf8"});
    if (/File not found/u.test(stat.stderr)) return null;
    return must(["debugfs", "-R", `cat ${path}`, file]);
}

function fileChecksum(path: string): string {
    const hash = createHash("sha256");
    const file = openSync(path, "r");
    const buffer = Buffer.alloc(1 << 20);
    try {
        for (;;) {
            const got = readSync(file, buffer, 0, buffer.length, null);
            if (got === 0) return hash.digest("hex");
            hash.update(buffer.subarray(0, got));
        }
    } finally {
        closeSync(file);
    }
}
