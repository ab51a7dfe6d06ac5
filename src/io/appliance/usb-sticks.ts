/**
 * Bundles on USB sticks: finds the first stick that can be mounted, read-only, and unmounts it
 * again. Main thread of carp-system, which runs as root.
 */
import {mkdir, readdir, readFile, realpath} from "node:fs/promises";
import {join} from "node:path";
import type {OpenBundle} from "../../app/appliance/ports.ts";
import {chooseBundle} from "../../core/appliance/install-source.ts";
import {err, ok, type Result} from "../../core/result.ts";
import {runLines} from "./line-runner.ts";
import {unlessBug} from "./unless-bug.ts";

/** Of a mount or unmount, milliseconds. */
const mountLimitMs = 30_000;
/** Nothing of a stranger's stick is run, and no device file on it counts. */
const mountOptions = "ro,nosuid,nodev,noexec";

export interface StickOptions {
    /** Where the stick is mounted. */
    readonly folder: string;
    readonly sysBlock?: string;
    readonly devices?: string;
    readonly mountInfo?: string;
    readonly mount?: string;
    readonly unmount?: string;
}

export class UsbSticks {
    readonly #options: Required<StickOptions>;

    constructor(options: StickOptions) {
        this.#options = {
            sysBlock: "/sys/block",
            devices: "/dev",
            mountInfo: "/proc/self/mountinfo",
            mount: "/usr/bin/mount",
            unmount: "/usr/bin/umount",
            ...options,
        };
    }

    /** `name`: a path on the stick, "" for its only bundle. The error is one sentence. */
    async open(name: string): Promise<Result<OpenBundle, string>> {
        const {folder, mount, devices} = this.#options;
        const candidates = await this.partitions();
        if (candidates.length === 0) return err("there is no USB stick");
        await mkdir(folder, {recursive: true, mode: 0o700});
        let problem = "";
        for (const partition of candidates) {
            const device = join(devices, partition);
            const argv = [mount, "-o", mountOptions, device, folder];
            const mounted = await runLines(argv, AbortSignal.timeout(mountLimitMs));
            if (!mounted.ok) {
                const said = mounted.lines[0] ?? mounted.how;
                problem = problem === "" ? `${device} cannot be mounted: ${said}` : problem;
                continue;
            }
            const chosen = chooseBundle(await namesIn(folder), name);
            if (chosen.ok) {
                const close = (): Promise<void> => this.#unmount();
                return ok({path: join(folder, chosen.value), close});
            }
            problem = chosen.error;
            await this.#unmount();
        }
        return err(problem);
    }

    /** What may hold a file system, in the order of their names: "sdb1", "sdb". */
    async partitions(): Promise<string[]> {
        const {sysBlock} = this.#options;
        const used = await this.#mountedDevices();
        const found: string[] = [];
        for (const disk of (await namesIn(sysBlock)).toSorted()) {
            const path = join(sysBlock, disk);
            if (!(await isStick(path))) continue;
            const parts = (await namesIn(path)).filter((entry) => entry.startsWith(disk));
            const numbers = await Promise.all(
                ["", ...parts].map((part) => textOf(join(path, part, "dev"))),
            );
            // The stick that this box runs from is not one to look on.
            if (numbers.some((number) => used.has(number))) continue;
            found.push(...(parts.length === 0 ? [disk] : parts.toSorted()));
        }
        return found;
    }

    /** "8:17" of everything that is mounted (proc_pid_mountinfo(5)). */
    async #mountedDevices(): Promise<ReadonlySet<string>> {
        const text = await textOf(this.#options.mountInfo);
        return new Set(text.split("\n").map((line) => line.split(" ")[2] ?? ""));
    }

    /** Lazily: a stick that was pulled out must not keep the next one from its place. */
    async #unmount(): Promise<void> {
        const {unmount, folder} = this.#options;
        await runLines([unmount, "-l", folder], AbortSignal.timeout(mountLimitMs));
    }
}

async function isStick(path: string): Promise<boolean> {
    if ((await textOf(join(path, "size"))) === "0") return false;
    if ((await textOf(join(path, "removable"))) === "1") {
        // Optical and other removable drives are none.
        return !/\/(sr|fd|loop|zram)\d+$/u.test(path);
    }
    try {
        return (await realpath(path)).includes("/usb");
    } catch (error) {
        unlessBug(error);
        return false;
    }
}

async function textOf(path: string): Promise<string> {
    try {
        return (await readFile(path, "utf8")).trim();
    } catch (error) {
        unlessBug(error);
        return "";
    }
}

async function namesIn(path: string): Promise<string[]> {
    try {
        return await readdir(path);
    } catch (error) {
        unlessBug(error);
        return [];
    }
}
