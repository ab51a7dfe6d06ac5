/**
 * What the cases work with: the image, boxes that are booted or taken from a kept state, steps with
 * a line of progress each. Boxes of a case are off when it ends; kept states stay for the next.
 *
 * A box is booted as it comes out of its carton once, its password is set on its console, and that
 * state is kept as "ready". Two boxes with the manual's configuration are kept as "pair".
 */
import {mkdirSync, rmSync} from "node:fs";
import {join} from "node:path";
import {Bundles} from "./bundles.ts";
import {Disk} from "./disk.ts";
import type {BuiltImage} from "./image.ts";
import {untilAnswers} from "./network.ts";
import {Vm, type VmOptions} from "./vm.ts";

/** Emulation is some twenty times slower than a processor, and a busy host slower again. */
export const bootLimitMs = 600_000;
/** Bigger than the image, as every real disk is: the first boot grows the data partition. */
const diskSize = "2G";

export interface Pair {
    readonly a: Vm;
    readonly b: Vm;
}

export interface Reporter {
    readonly line: (text: string) => void;
}

export class Bench {
    readonly image: BuiltImage;
    /** Scratch, removed at the end of the program. */
    readonly folder: string;
    readonly logs: string;
    readonly bundles: Bundles;
    /** Random numbers of this run come from here. */
    readonly seed: number;
    /** Of the boxes, when they had just come out of their cartons. */
    readonly identities = new Map<string, {readonly machineId: string; readonly epoch: string}>();
    readonly #report: Reporter;
    #running: Vm[] = [];
    readonly #kept = new Map<string, Disk>();
    #depth = 1;

    constructor(
        image: BuiltImage,
        folders: {readonly work: string; readonly logs: string},
        seed: number,
        report: Reporter,
    ) {
        this.image = image;
        this.folder = folders.work;
        this.logs = folders.logs;
        this.seed = seed;
        this.#report = report;
        this.bundles = new Bundles(image, join(folders.work, "bundles"));
        mkdirSync(folders.work, {recursive: true});
        mkdirSync(folders.logs, {recursive: true});
    }

    /** One step of a case: what it does, and how long that took. */
    async step<T>(what: string, work: () => T | Promise<T>): Promise<T> {
        const begin = performance.now();
        const indent = "    ".repeat(this.#depth);
        this.#depth += 1;
        try {
            const result = await work();
            this.#said(`${indent}${what}`, begin);
            return result;
        } catch (error) {
            this.#said(`${indent}FAILED: ${what}`, begin);
            throw error;
        } finally {
            this.#depth -= 1;
        }
    }

    note(text: string): void {
        this.#report.line(`${"    ".repeat(this.#depth)}${text}`);
    }

    #said(text: string, begin: number): void {
        const seconds = ((performance.now() - begin) / 1000).toFixed(1);
        this.#report.line(`${text.padEnd(84)} ${seconds.padStart(6)} s`);
    }

    // ---- boxes ----

    /** A new disk with the image on it, as it was just flashed. */
    flashed(name: string): Disk {
        return Disk.over(this.image.raw, join(this.folder, `${name}.qcow2`), diskSize);
    }

    /** Powers a box on; it is off again at the end of the case. */
    async start(options: Pick<VmOptions, "name"> & Partial<VmOptions>): Promise<Vm> {
        const vm = await Vm.start({folder: this.folder, logs: this.logs, ...options});
        this.#running.push(vm);
        return vm;
    }

    /** Until somebody can log in on the console. */
    async untilLogin(vm: Vm, from = 0): Promise<void> {
        await vm.console.says(/login: $/u, bootLimitMs, from);
    }

    /** Until the administrator is logged in on the console: only carpd lets anybody in. */
    async untilServing(vm: Vm, from = 0): Promise<void> {
        await this.untilLogin(vm, from);
        await vm.console.logIn();
    }

    /** A box as it comes out of its carton, up to the end of the first log-in. */
    async firstBoot(name: string, disk = this.flashed(name)): Promise<Vm> {
        const vm = await this.start({name, disk});
        await this.step(`${name}: power on to the log-in prompt`, () => this.untilLogin(vm));
        await this.step(`${name}: first log-in sets the password`, () => vm.console.setPassword());
        return vm;
    }

    /** Keeps a state of a running box for later cases. */
    async keep(vm: Vm, state: string): Promise<void> {
        if (vm.disk === undefined) return;
        await vm.save(state);
        this.adopt(vm.name, state, vm.disk);
    }

    /** A disk that holds a kept state already. */
    adopt(name: string, state: string, disk: Disk): void {
        this.#kept.set(`${name} ${state}`, disk);
    }

    /** A box with a password and no configuration, logged in on its console. */
    async ready(name: "a" | "b" = "a"): Promise<Vm> {
        const kept = await this.resume(name, "ready");
        if (kept !== undefined) return kept;
        const vm = await this.firstBoot(name);
        // Epochs of a pair come to be the same: each box takes up what it hears.
        const epoch = await vm.shell.must("cat /var/lib/carpd/counter-epoch");
        this.identities.set(name, {machineId: await vm.shell.must("cat /etc/machine-id"), epoch});
        await this.keep(vm, "ready");
        return vm;
    }

    /** The disk that holds a kept state. */
    kept(name: string, state: string): Disk {
        const disk = this.#kept.get(`${name} ${state}`);
        if (disk === undefined) throw new Error(`${name} has no kept state ${state}`);
        return disk;
    }

    async resume(name: string, state: string): Promise<Vm | undefined> {
        const disk = this.#kept.get(`${name} ${state}`);
        if (disk === undefined) return undefined;
        return await this.step(`${name}: back to the kept state "${state}"`, async () => {
            disk.check();
            const vm = await this.start({name, disk, snapshot: state});
            // What was typed on the way to the state is not repeated.
            await vm.shell.ready(60_000);
            return vm;
        });
    }

    /** Two boxes with the manual's two segments; A is MASTER of both addresses. */
    async pair(): Promise<Pair> {
        const keptA = await this.resume("a", "pair");
        const keptB = keptA === undefined ? undefined : await this.resume("b", "pair");
        if (keptA !== undefined && keptB !== undefined) return {a: keptA, b: keptB};
        const a = await this.ready("a");
        await this.step("a: typing the manual's lines for the preferred router", () =>
            a.console.typeAll(manualLines("a")),
        );
        await this.step("a: it is MASTER and answers both addresses", async () => {
            try {
                await untilAnswers("192.168.1.1", 60_000);
                await untilAnswers("192.168.2.1", 60_000);
            } catch (error) {
                // Left in the transcript of the root shell.
                await a.shell.must(
                    "ip -s addr; ip neigh; nft list ruleset; grep virtio /proc/interrupts; carpctl show statistics",
                );
                throw error;
            }
        });
        // One emulator at a time is more than twice as fast as two.
        await a.qmp.execute("stop");
        const b = await this.ready("b");
        await a.qmp.execute("cont");
        await this.step("b: typing the manual's lines for the other router", () =>
            b.console.typeAll(manualLines("b")),
        );
        await this.step("b: it is BACKUP of both", () =>
            b.console.until("show carp", /carp0: BACKUP.*carp1: BACKUP/su, 60_000),
        );
        await this.step("keeping the state of both", async () => {
            await a.qmp.execute("stop");
            await b.qmp.execute("stop");
            await this.keep(a, "pair");
            await this.keep(b, "pair");
            await a.qmp.execute("cont");
            await b.qmp.execute("cont");
        });
        return {a, b};
    }

    /** End of a case: everything is off. */
    async powerOff(): Promise<void> {
        const running = this.#running;
        this.#running = [];
        await Promise.all(running.map((vm) => vm.cutPower()));
    }

    /** All that this run has said on its serial ports, as files. */
    transcripts(): readonly string[] {
        return this.#running.flatMap((vm) => [vm.console.port.transcript, vm.shellPort.transcript]);
    }

    async end(): Promise<void> {
        await this.powerOff();
        rmSync(this.folder, {recursive: true, force: true});
    }
}

/** carp(4), "For firewalls and routers with multiple interfaces", typed on a console. */
export function manualLines(box: "a" | "b"): readonly string[] {
    const number = box === "a" ? 2 : 3;
    const skew = box === "a" ? "" : "advskew 100 ";
    return [
        `ifconfig lan0 inet 192.168.1.${number} netmask 255.255.255.0`,
        `ifconfig wan0 inet 192.168.2.${number} netmask 255.255.255.0`,
        "sysctl -w net.inet.carp.preempt=1",
        "ifconfig carp0 create",
        `ifconfig carp0 vhid 1 ${skew}pass mekmitasdigoat 192.168.1.1 netmask 255.255.255.0`,
        "ifconfig carp1 create",
        `ifconfig carp1 vhid 2 ${skew}pass mekmitasdigoat 192.168.2.1/24 netmask 255.255.255.0`,
    ];
}
