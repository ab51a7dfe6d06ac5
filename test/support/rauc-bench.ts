/**
 * A scratch appliance around the real RAUC: throw-away keys, slots that are files, bundles, a
 * private D-Bus, rauc's service and carp-system in mount namespaces of their own. For root only:
 * RAUC mounts bundles by loop devices. Nothing of it is left behind by `end`.
 *
 * The bundles are of format "plain": the format of real ones, "verity", needs device mapper, which
 * few kernels of test machines have. Signature, manifest and everything before the first write are
 * the same.
 */
import assert from "node:assert/strict";
import {type ChildProcess, spawn, spawnSync} from "node:child_process";
import {
    chmodSync,
    cpSync,
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    rmSync,
    truncateSync,
    writeFileSync,
} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import type {InstallStatus} from "../../src/core/appliance/status.ts";
import {readInstallStatus} from "../../src/core/appliance/status-decode.ts";
import type {ApiReply} from "../../src/core/control-protocol.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {inPath} from "./tools.ts";

const program = join(projectRoot(), "dist/src/carp-system.js");
const mebibyte = 1_048_576;
const startMs = 20_000;

/** "" or why it cannot be done here. */
export function raucProblem(): string {
    if (process.getuid?.() !== 0) return "RAUC needs root: it mounts bundles by loop devices";
    if (!existsSync("/dev/loop-control")) return "there are no loop devices";
    const missing = [
        "rauc",
        "dbus-daemon",
        "grub-editenv",
        "mksquashfs",
        "openssl",
        "unshare",
    ].find((name) => !inPath(name));
    return missing === undefined ? "" : `${missing} is not installed`;
}

export interface BundleOptions {
    readonly version?: string;
    readonly compatible?: string;
    readonly key?: "release" | "foreign";
    /** Of the root image. */
    readonly octets?: number;
}

export class RaucBench {
    readonly folder = mkdtempSync(join(tmpdir(), "carpd-rauc-"));
    readonly #processes: ChildProcess[] = [];
    #log = "";
    #client = new ControlClient(this.path("run/socket"));

    path(name: string): string {
        return join(this.folder, name);
    }

    run(...argv: readonly string[]): string {
        const [command = "", ...rest] = argv;
        const done = spawnSync(command, rest, {encoding: "utf8", cwd: this.folder});
        assert.equal(done.status, 0, `${argv.join(" ")}: ${done.stderr}`);
        return done.stdout;
    }

    /** Keys, slots, grubenv, RAUC's configuration. Slot A runs 0.3.0. */
    prepare(): void {
        for (const name of ["slots", "run", "data", "config", "mnt"]) mkdirSync(this.path(name));
        for (const name of ["release", "foreign"]) {
            const files = ["-keyout", `${name}.key`, "-out", `${name}.pem`];
            const what = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", `/CN=${name}`];
            this.run("openssl", "req", "-x509", ...what, ...files);
        }
        for (const [name, size] of [
            ["boot-a", 2],
            ["boot-b", 2],
            ["root-a", 8],
            ["root-b", 8],
        ] as const) {
            writeFileSync(this.path(`slots/${name}`), "");
            truncateSync(this.path(`slots/${name}`), size * mebibyte);
        }
        this.run("grub-editenv", "grubenv", "create");
        this.run("grub-editenv", "grubenv", "set", "ORDER=A B", "A_OK=1", "A_TRY=1", "B_OK=0");
        const slot = (name: string, device: string, more: string) =>
            `[slot.${name}]\ndevice=${this.path(`slots/${device}`)}\ntype=raw\n${more}\n`;
        const lines = [
            "[system]\ncompatible=carpd-amd64\nbootloader=grub\nbundle-formats=plain verity",
            `grubenv=${this.path("grubenv")}\nstatusfile=${this.path("data/status.raucs")}`,
            `mountprefix=${this.path("mnt")}`,
            `[keyring]\npath=${this.path("release.pem")}`,
            slot("boot.0", "boot-a", "bootname=A"),
            slot("boot.1", "boot-b", "bootname=B"),
            slot("rootfs.0", "root-a", "parent=boot.0"),
            slot("rootfs.1", "root-b", "parent=boot.1"),
        ];
        writeFileSync(this.path("system.conf"), `${lines.join("\n")}\n`);
        const release = {version: "0.3.0", compatible: "carpd-amd64", schema: 1};
        writeFileSync(this.path("release.json"), JSON.stringify(release));
        writeFileSync(this.path("cmdline"), "carpd.slot=A\n");
        // The machine's own service manager is never asked.
        writeFileSync(this.path("systemctl"), `#!/bin/sh\necho "$@" >> ${this.path("orders")}\n`);
        chmodSync(this.path("systemctl"), 0o755);
    }

    /** The path of a new bundle. */
    bundle(name: string, options: BundleOptions = {}): string {
        const {version = "0.4.0", compatible = "carpd-amd64", key = "release", octets} = options;
        const folder = this.path(`${name}.d`);
        mkdirSync(folder);
        const fill = (file: string, size: number) =>
            writeFileSync(join(folder, file), Buffer.alloc(size, `${name} ${file} `));
        fill("boot.img", mebibyte);
        fill("rootfs.img", octets ?? 4 * mebibyte);
        const images = ["boot", "rootfs"].map((slot) => `[image.${slot}]\nfilename=${slot}.img\n`);
        const manifest = [
            `[update]\ncompatible=${compatible}\nversion=${version}\n`,
            "[bundle]\nformat=plain\n",
            ...images,
        ];
        writeFileSync(join(folder, "manifest.raucm"), manifest.join("\n"));
        const target = this.path(`${name}.raucb`);
        const keys = [`--cert=${this.path(`${key}.pem`)}`, `--key=${this.path(`${key}.key`)}`];
        this.run("rauc", ...keys, "bundle", folder, target);
        return target;
    }

    /** A bundle whose second half is missing. */
    cut(path: string): string {
        const target = `${path}.cut`;
        cpSync(path, target);
        truncateSync(target, Math.floor(readFileSync(path).length / 2));
        return target;
    }

    #spawn(argv: readonly string[]): ChildProcess {
        const [command = "", ...rest] = argv;
        const env = {...process.env, DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${this.path("bus")}`};
        const child = spawn(command, rest, {env, stdio: ["ignore", "pipe", "pipe"]});
        for (const stream of [child.stdout, child.stderr]) {
            stream?.on("data", (data) => {
                this.#log += String(data);
            });
        }
        this.#processes.push(child);
        return child;
    }

    async start(): Promise<void> {
        writeFileSync(
            this.path("bus.conf"),
            `<busconfig><type>system</type><listen>unix:path=${this.path("bus")}</listen>` +
                '<policy context="default"><allow user="*"/><allow own="*"/>' +
                '<allow send_type="method_call"/><allow send_destination="*"/>' +
                '<allow receive_sender="*"/></policy></busconfig>',
        );
        this.#spawn(["dbus-daemon", `--config-file=${this.path("bus.conf")}`, "--nofork"]);
        await this.#until("the bus", () => existsSync(this.path("bus")));
        const config = `--conf=${this.path("system.conf")}`;
        this.#spawn(["unshare", "--mount", "rauc", config, "--override-boot-slot=A", "service"]);
        // Mounts of its own, as in its unit: what it mounts only it can see. A network, too.
        const words = [
            ...["--socket", this.path("run/socket"), "--run-dir", this.path("none")],
            ...["--config-dir", this.path("config"), "--data", this.path("data")],
            ...["--release", this.path("release.json"), "--command-line", this.path("cmdline")],
            ...["--rauc-config", this.path("system.conf"), "--systemctl", this.path("systemctl")],
            ...["--boot-dir", this.path("none")],
        ];
        const line = `ip link set lo up && exec "$@"`;
        const inner = ["sh", "-c", line, "sh", process.execPath, program, ...words];
        const helper = this.#spawn(["unshare", "--mount", "--net", ...inner]);
        await this.#until("carp-system", () => existsSync(this.path("run/socket")));
        const web = ["python3", "-m", "http.server", "8080", "--bind", "127.0.0.1"];
        this.#spawn(["nsenter", `--net=/proc/${helper.pid}/ns/net`, ...web, "-d", this.folder]);
    }

    #until(what: string, done: () => boolean): Promise<true> {
        return waitFor(
            what,
            startMs,
            () => (done() ? true : undefined),
            () => this.#log,
        );
    }

    async ask(method: string, path: string, body?: object): Promise<ApiReply> {
        const reply = await this.#client.request(method, `/v1/${path}`, body);
        assert.ok(reply.ok, this.#log);
        return reply.value;
    }

    /** Installs and waits for the end. */
    async install(source: string, force = false): Promise<InstallStatus> {
        const order = await this.ask("POST", "install", {source, force});
        assert.equal(order.status, 200, JSON.stringify(order.body));
        return waitFor(
            `the end of ${source}`,
            60_000,
            async () => {
                const status = readInstallStatus((await this.ask("GET", "install")).body);
                return status?.done === true ? status : undefined;
            },
            () => this.#log,
        );
    }

    environment(): string {
        return this.run("grub-editenv", "grubenv", "list");
    }

    slot(name: string): Buffer {
        return readFileSync(this.path(`slots/${name}`));
    }

    log(): string {
        return this.#log;
    }

    end(): void {
        for (const child of this.#processes.reverse()) child.kill("SIGKILL");
        rmSync(this.folder, {recursive: true, force: true});
    }
}
