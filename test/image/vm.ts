/**
 * A virtual machine: QEMU without acceleration by the host, two serial cables, a port on each
 * segment, a hardware watchdog, a USB controller. Everything of it lives in a work folder and in
 * the namespaces of this program.
 */
import {type ChildProcess, spawn} from "node:child_process";
import {closeSync, copyFileSync, openSync, readFileSync, rmSync} from "node:fs";
import {join} from "node:path";
import {HarnessError, waitFor} from "../../src/io/lab/namespaces.ts";
import {ConsolePort} from "./console.ts";
import type {Disk} from "./disk.ts";
import {makeTap, type Segment, segments} from "./network.ts";
import {connected, Qmp} from "./qmp.ts";
import {RootShell} from "./root-shell.ts";
import {SerialPort} from "./serial.ts";

export interface VmOptions {
    /** One letter or a word: "a". It makes taps, MACs and file names. */
    readonly name: string;
    /** Folder for sockets; short, for the path of a socket has 107 octets. */
    readonly folder: string;
    /** Folder for transcripts. */
    readonly logs: string;
    readonly disk?: Disk;
    readonly firmware?: "bios" | "uefi";
    readonly arch?: "amd64" | "arm64";
    readonly memoryMiB?: number;
    /** Start from a state that was saved with `save()`. */
    readonly snapshot?: string;
    /** Further words of QEMU's command line. */
    readonly extra?: readonly string[];
    /** Without: no port is plugged in. */
    readonly ports?: readonly Segment[];
    /** Another machine type's own words; they replace -machine. */
    readonly machine?: readonly string[];
}

/** PCI slots of the network ports: board.json names the ports after them. */
const portSlots: Readonly<Record<Segment, string>> = {lan: "0x2", wan: "0x3"};

/** Locally administered; the last octets tell the machine and the port. */
function macAddress(name: string, port: number): string {
    const number = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 256, 7);
    return `52:54:00:ca:${number.toString(16).padStart(2, "0")}:0${port + 1}`;
}

export function tapName(name: string, segment: Segment): string {
    return `${name.slice(0, 10)}-${segment}`;
}

function firmwareWords(options: VmOptions): readonly string[] {
    if (options.arch === "arm64") {
        if (options.firmware !== "uefi") return [];
        return ["-bios", "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"];
    }
    if (options.firmware !== "uefi") return [];
    const variables = join(options.folder, `${options.name}-vars.fd`);
    copyFileSync("/usr/share/OVMF/OVMF_VARS_4M.fd", variables);
    const code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
    return [
        ...["-drive", `if=pflash,format=raw,readonly=on,file=${code}`],
        ...["-drive", `if=pflash,format=raw,file=${variables}`],
    ];
}

/**
 * Without the HPET: a guest that is idle after its state was loaded waited two minutes and longer
 * for the next interrupt of an emulated one (QEMU 7.2).
 */
const pc = ["-machine", "q35,hpet=off"];
const arm64 = ["-machine", "virt,gic-version=3"];

function commandLine(options: VmOptions, sockets: Sockets): readonly string[] {
    const arm = options.arch === "arm64";
    const program = arm ? "qemu-system-aarch64" : "qemu-system-x86_64";
    const machine = options.machine ?? (arm ? arm64 : pc);
    const ports = options.ports ?? segments;
    const cache = "cache=writeback,discard=unmap";
    return [
        program,
        ...["-name", options.name, ...machine, "-accel", "tcg,thread=multi", "-smp", "2"],
        ...(arm ? ["-cpu", "cortex-a72"] : []),
        ...["-m", `${options.memoryMiB ?? 768}`, "-nodefaults", "-no-user-config"],
        ...["-display", "none", "-S", "-rtc", "clock=vm"],
        ...["-qmp", `unix:${sockets.qmp},server=on,wait=off`],
        ...["-chardev", `socket,id=console,path=${sockets.console},server=on,wait=off`],
        ...["-serial", "chardev:console"],
        ...["-chardev", `socket,id=shell,path=${sockets.shell},server=on,wait=off`],
        ...(arm ? ["-device", "pci-serial,chardev=shell"] : ["-serial", "chardev:shell"]),
        ...firmwareWords(options),
        ...(options.disk === undefined
            ? []
            : [
                  ...["-drive", `if=none,id=disk,file=${options.disk.path},format=qcow2,${cache}`],
                  ...["-device", "virtio-blk-pci,drive=disk,bootindex=1,addr=0x8"],
              ]),
        ...["-device", "virtio-rng-pci,addr=0x9"],
        ...["-device", "qemu-xhci,id=usb,addr=0xa"],
        ...["-device", "i6300esb,addr=0xb", "-action", "watchdog=reset"],
        ...ports.flatMap((port, i) => [
            "-netdev",
            `tap,id=${port},ifname=${tapName(options.name, port)},script=no,downscript=no`,
            "-device",
            `virtio-net-pci,id=nic-${port},netdev=${port},mac=${macAddress(options.name, i)},addr=${portSlots[port]}`,
        ]),
        ...(options.snapshot === undefined ? [] : ["-loadvm", options.snapshot]),
        ...(options.extra ?? []),
    ];
}

interface Sockets {
    readonly qmp: string;
    readonly console: string;
    readonly shell: string;
}

export class Vm {
    readonly name: string;
    readonly qmp: Qmp;
    /** ttyS0: carp-console, and before it the boot loader and the kernel. */
    readonly console: ConsolePort;
    /** ttyS1: the root shell of a test image. */
    readonly shell: RootShell;
    readonly disk: Disk | undefined;
    readonly shellPort: SerialPort;
    readonly #child: ChildProcess;
    readonly #exited: Promise<void>;
    #running = true;

    constructor(
        options: VmOptions,
        child: ChildProcess,
        exited: Promise<void>,
        qmp: Qmp,
        ports: {readonly console: SerialPort; readonly shell: SerialPort},
    ) {
        this.name = options.name;
        this.disk = options.disk;
        this.qmp = qmp;
        this.#child = child;
        this.#exited = exited.then(() => {
            this.#running = false;
        });
        this.console = new ConsolePort(ports.console);
        this.shellPort = ports.shell;
        this.shell = new RootShell(ports.shell);
    }

    /** Powers a machine on; returns when its processors run. */
    static async start(options: VmOptions): Promise<Vm> {
        for (const port of options.ports ?? segments) makeTap(tapName(options.name, port), port);
        const base = join(options.folder, options.name);
        const sockets: Sockets = {
            qmp: `${base}.qmp`,
            console: `${base}.s0`,
            shell: `${base}.s1`,
        };
        for (const path of Object.values(sockets)) rmSync(path, {force: true});
        const logPath = join(options.logs, `${options.name}-qemu.log`);
        const log = openSync(logPath, "a");
        const [program = "", ...words] = commandLine(options, sockets);
        const child = spawn(program, words, {stdio: ["ignore", log, log]});
        closeSync(log);
        let dead: string | undefined;
        const exited = new Promise<void>((resolve) => {
            child.on("error", (error) => {
                dead = error.message;
                resolve();
            });
            child.on("exit", (code, signal) => {
                const tail = readFileSync(logPath, "utf8").slice(-800);
                dead = `QEMU of ${options.name} ended (${signal ?? code}): ${tail}`;
                resolve();
            });
        });
        try {
            const why = () => dead;
            const qmp = await Qmp.open(sockets.qmp, why);
            const serial = async (path: string, name: string): Promise<SerialPort> =>
                new SerialPort(
                    `${options.name} ${name}`,
                    await connected(path, why),
                    join(options.logs, `${options.name}-${name}.log`),
                );
            const ports = {
                console: await serial(sockets.console, "ttyS0"),
                shell: await serial(sockets.shell, "ttyS1"),
            };
            const vm = new Vm(options, child, exited, qmp, ports);
            await qmp.execute("cont");
            return vm;
        } catch (error) {
            // Its own end, with its own words, says more than a connection that failed.
            const ended = await waitFor("QEMU to say more", 500, () => dead).catch(() => undefined);
            child.kill("SIGKILL");
            await exited;
            throw ended === undefined ? error : new Error(ended, {cause: error});
        }
    }

    get running(): boolean {
        return this.#running;
    }

    /** Pulls the power plug; what the disk had not been told to keep may be lost. */
    async cutPower(): Promise<void> {
        if (this.#running) this.#child.kill("SIGKILL");
        await this.#exited;
        this.qmp.close();
        this.console.port.close();
        this.shellPort.close();
    }

    /** Pulls or plugs the cable of a port: the guest sees its carrier. */
    async cable(port: Segment, plugged: boolean): Promise<void> {
        await this.qmp.execute("set_link", {name: `nic-${port}`, up: plugged});
    }

    /** Keeps the state of processors, memory and disk under a name. */
    async save(snapshot: string): Promise<void> {
        const said = await this.qmp.monitor(`savevm ${snapshot}`);
        if (said !== "") throw new HarnessError("COMMAND_FAILED", `savevm: ${said}`);
    }

    /** Back to a kept state, in the running emulator. */
    async load(snapshot: string): Promise<void> {
        const said = await this.qmp.monitor(`loadvm ${snapshot}`);
        if (said !== "") throw new HarnessError("COMMAND_FAILED", `loadvm: ${said}`);
        await this.qmp.execute("cont");
    }

    /** Plugs a USB stick with the content of a raw file. */
    async plugStick(file: string, id = "stick"): Promise<void> {
        await this.qmp.execute("blockdev-add", {
            "node-name": `${id}-node`,
            driver: "raw",
            file: {driver: "file", filename: file},
        });
        await this.qmp.execute("device_add", {
            driver: "usb-storage",
            id,
            bus: "usb.0",
            drive: `${id}-node`,
            removable: true,
        });
    }

    /** Pulls it out, whatever the guest does with it. */
    async pullStick(id = "stick"): Promise<void> {
        const from = this.qmp.events.length;
        await this.qmp.execute("device_del", {id});
        await this.qmp.event("DEVICE_DELETED", 10_000, from);
        await this.qmp.execute("blockdev-del", {"node-name": `${id}-node`});
    }

    /** Waits until the machine has been reset: by itself, by its watchdog or by its guest. */
    async reset(deadlineMs: number, from = 0): Promise<void> {
        await this.qmp.event("RESET", deadlineMs, from);
        this.shell.forget();
    }

    /** Waits until the machine has switched itself off. */
    async ended(deadlineMs: number): Promise<void> {
        await waitFor(`${this.name} to be off`, deadlineMs, () =>
            this.#running ? undefined : true,
        );
    }
}
