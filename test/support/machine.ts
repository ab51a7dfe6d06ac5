/**
 * A Debian machine in namespaces, with systemd as its first process: a fresh root file system, the
 * network of a host of the lab, a cgroup of its own. Needs root; KVM it does not.
 *
 * `baseSystem()` makes the root file system once (it wants the network and takes half a minute), so
 * it is called outside of `inNamespace()`; machines are started inside.
 */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {Cache} from "../../board/image/cache.ts";
import {aptLines, findMirrors, suite} from "../../board/image/mirror-files.ts";
import type {Host, HostProcess} from "../../src/io/lab/namespaces.ts";
import {waitFor} from "../../src/io/lab/namespaces.ts";
import {projectRoot} from "../../src/io/version.ts";
import {type Outcome, run} from "./command.ts";
import {collect, type Output} from "./routers.ts";
import {inPath} from "./tools.ts";

/** What a small Debian router has, and what the package depends on. */
const packages = [
    "systemd-sysv",
    "dbus",
    "udev",
    "iproute2",
    "iputils-ping",
    "procps",
    "nodejs",
    "nftables",
];
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Why no machine can be started here, or the tar of its root file system. */
export async function baseSystem(): Promise<{readonly tar: string} | {readonly refusal: string}> {
    if (process.getuid?.() !== 0) return {refusal: "needs root: users, mounts, cgroups"};
    for (const program of ["mmdebstrap", "unshare", "nsenter", "tar"]) {
        if (!inPath(program)) return {refusal: `${program} is not installed`};
    }
    if (!readFileSync("/proc/filesystems", "utf8").includes("\tcgroup2\n")) {
        return {refusal: "kernel: no cgroup2"};
    }
    if (!/\toverlay\n/u.test(readFileSync("/proc/filesystems", "utf8"))) {
        return {refusal: "kernel: no overlay"};
    }
    const cache = new Cache(join(projectRoot(), "build-image/cache"));
    const {path} = await cache.keep("machine-base", ".tar", ["1", suite, ...packages], bootstrap);
    return {tar: path};
}

async function bootstrap(target: string): Promise<void> {
    const argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        `--include=${packages.join(",")}`,
        `--keyring=${keyring}`,
        '--aptopt=APT::Install-Recommends "false"',
        suite,
        target,
        ...aptLines(findMirrors("")),
    ];
    const {code, output} = await run(argv, {deadlineMs: 600_000, env: {INITRD: "No"}});
    assert.equal(code, 0, output.slice(-2000));
}

async function must(argv: readonly string[]): Promise<Outcome> {
    const outcome = await run(argv);
    assert.equal(outcome.code, 0, `${argv.join(" ")}: ${outcome.output}`);
    return outcome;
}

/** Unpacks the base system once for all machines of a test; to be called inside the namespaces. */
export async function unpackBase(tar: string, folder: string): Promise<void> {
    mkdirSync(folder, {recursive: true});
    // In memory, and gone with the mount namespace: nothing of it may reach the disk of the host.
    await must(["mount", "-t", "tmpfs", "-o", "mode=755,size=1G", "tmpfs", folder]);
    mkdirSync(join(folder, "base"));
    await must(["tar", "-C", join(folder, "base"), "-xf", tar]);
    mkdirSync("/run/cgroup", {recursive: true});
    await must(["mount", "-t", "cgroup2", "cgroup2", "/run/cgroup"]);
    // What a killed run has left; one that is in use cannot be removed.
    for (const name of readdirSync("/run/cgroup")) {
        if (name.startsWith("carpd-")) removeCgroup(join("/run/cgroup", name));
    }
}

/**
 * $1: the root, $2: the folder of its cgroup. unshare has made the namespaces already, but for the
 * one of cgroups, which begins where the process stands.
 */
const bootScript = `
set -e
echo 0 > "$2/cgroup.procs"
exec unshare --cgroup sh -ec '
root=$1
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    : > "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
cd "$root"
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=unshared PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init systemd.log_target=console
' sh "$1"
`;

export class Machine {
    readonly host: Host;
    readonly root: string;
    readonly #cgroup: string;
    #process: HostProcess | undefined;
    #init = 0;

    private constructor(host: Host, root: string) {
        this.host = host;
        this.root = root;
        this.#cgroup = join("/run/cgroup", `carpd-${host.name}-${process.pid}-${Date.now()}`);
    }

    /** Starts it and waits until the service manager has finished its start. */
    static async boot(host: Host, folder: string): Promise<Machine> {
        const parts = ["upper", "work", "root"].map((name) => join(folder, host.name, name));
        for (const part of parts) mkdirSync(part, {recursive: true});
        const [upper = "", work = "", root = ""] = parts;
        const layers = `lowerdir=${join(folder, "base")},upperdir=${upper},workdir=${work}`;
        await must(["mount", "-t", "overlay", "-o", layers, "overlay", root]);
        writeFileSync(join(root, "etc/hostname"), `${host.name}\n`);
        const machine = new Machine(host, root);
        mkdirSync(machine.#cgroup);
        const unshare = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--kill-child"];
        const argv = [...unshare, "--propagation", "private", "sh", "-c", bootScript, "sh"];
        machine.#process = host.spawn([...argv, root, machine.#cgroup], {logName: "systemd"});
        await machine.#started();
        return machine;
    }

    async #started(): Promise<void> {
        const process_ = this.#process;
        assert.ok(process_);
        await waitFor(
            `${this.host.name} to boot`,
            60_000,
            async () => {
                assert.ok(process_.running, process_.log());
                this.#init = childOf(process_.pid);
                if (this.#init === 0) return undefined;
                const {stdout} = await this.run("systemctl", "is-system-running");
                return /^(?:running|degraded)/.test(stdout) ? true : undefined;
            },
            () => process_.log().slice(-3000),
        );
    }

    /** Runs a command on the machine, as root. */
    run(...words: string[]): Promise<Output> {
        const spaces = ["-m", "-p", "-n", "-u", "-i", "-C"];
        return collect(["nsenter", "-t", String(this.#init), ...spaces, ...words], {
            PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
            NODE_EXTRA_CA_CERTS: "",
            NODE_OPTIONS: "",
            DEBIAN_FRONTEND: "noninteractive",
        });
    }

    /** The same, which has to succeed. Returns what it printed. */
    async must(...words: string[]): Promise<string> {
        const {code, stdout, stderr} = await this.run(...words);
        assert.equal(code, 0, `${words.join(" ")}: exit ${code}: ${stdout}${stderr}`);
        return stdout;
    }

    /** One property of a unit. */
    async property(unit: string, name: string): Promise<string> {
        return (await this.must("systemctl", "show", "-P", name, unit)).trim();
    }

    /** What its journal holds of a unit. */
    async journal(unit: string): Promise<string> {
        return (await this.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)).stdout;
    }

    /** A file of the machine, by its path there. */
    path(path: string): string {
        return join(this.root, path);
    }

    /** Cuts the power. Every process of it dies with its first one. */
    async powerOff(): Promise<void> {
        if (this.#process?.running === true) await this.#process.kill("SIGKILL");
        await waitFor("its cgroup to be empty", 10_000, () =>
            removeCgroup(this.#cgroup) ? true : undefined,
        );
        spawnSync("umount", ["-l", this.root]);
    }
}

/** 0: none yet. */
function childOf(parent: number): number {
    for (const name of readdirSync("/proc")) {
        if (!/^\d+$/.test(name)) continue;
        const path = `/proc/${name}/stat`;
        const stat = existsSync(path) ? readFileSync(path, "utf8") : "";
        const [, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (Number(ppid) === parent) return Number(name);
    }
    return 0;
}

/** The folders of a cgroup can be removed from below when no process is left. */
function removeCgroup(folder: string): boolean {
    if (!existsSync(folder)) return true;
    for (const entry of readdirSync(folder, {withFileTypes: true})) {
        if (entry.isDirectory() && !removeCgroup(join(folder, entry.name))) return false;
    }
    try {
        rmdirSync(folder);
        return true;
    } catch {
        // EBUSY: the last process is on its way out.
        return false;
    }
}
