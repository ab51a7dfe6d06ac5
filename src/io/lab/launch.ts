/**
 * Getting into namespaces of one's own: the program runs itself again through unshare(1).
 *
 * The launcher outside only waits. Everything inside lives in a PID namespace whose first process
 * is the program, so nothing survives it: not when it ends, not when unshare is killed
 * (--kill-child), and not when the launcher is killed (the pipe on descriptor 3 ends, and the
 * program inside with it).
 */
import {spawn, spawnSync} from "node:child_process";
import {existsSync, mkdirSync, readFileSync} from "node:fs";
import {Socket} from "node:net";
import {constants} from "node:os";

/** Set inside the namespaces; its value is the way that was taken. */
const insideVariable = "CARPD_LAB_NAMESPACES";
/** The descriptor whose end says that the launcher is gone; it also brings the outer process id. */
const launcherDescriptor = 3;

interface Way {
    readonly name: "plain" | "user";
    readonly flags: readonly string[];
}

/** Plain namespaces keep root's right to SCHED_FIFO, which a user namespace takes away. */
const plainWay: Way = {name: "plain", flags: ["-nm"]};
const userWay: Way = {name: "user", flags: ["-Urnm"]};
const commonFlags = ["--pid", "--fork", "--kill-child", "--mount-proc"];

/** Why no namespaces can be had, and what would change that. */
export interface Refusal {
    /** What the system said. */
    readonly reason: string;
    /** The command or setting that would allow them. */
    readonly remedy: string;
}

/** What the lab needs of a kernel, tried in a shell that then ends: /run, bridge, veth. */
const trial =
    "mount -t tmpfs tmpfs /run && ip link add name lab0 type bridge && " +
    "ip link add name lab1 type veth peer name lab2";

function attempt(way: Way): {readonly ok: boolean; readonly said: string} {
    const result = spawnSync("unshare", [...way.flags, ...commonFlags, "sh", "-c", trial], {
        encoding: "utf8",
        timeout: 10_000,
    });
    if (result.error !== undefined) return {ok: false, said: result.error.message};
    return {ok: result.status === 0, said: result.stderr.trim()};
}

function setting(path: string): string | undefined {
    return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
}

function present(program: string): boolean {
    return (process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin")
        .split(":")
        .some((folder) => existsSync(`${folder}/${program}`));
}

/** The one line that would allow namespaces here, as far as the system lets one find out. */
function remedyFor(said: string): string {
    if (!present("unshare")) return "apt-get install util-linux";
    if (!present("ip")) return "apt-get install iproute2";
    if (setting("/proc/sys/kernel/unprivileged_userns_clone") === "0") {
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1";
    }
    if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1") {
        return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    }
    if (setting("/proc/sys/user/max_user_namespaces") === "0") {
        return "sudo sysctl -w user.max_user_namespaces=15000";
    }
    if (existsSync("/.dockerenv") || existsSync("/run/.containerenv")) {
        return "docker run --privileged ... (or --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined)";
    }
    if (/unknown device type|not supported/i.test(said))
        return "sudo modprobe -a bridge veth macvlan";
    return process.getuid?.() === 0
        ? "run it where CAP_SYS_ADMIN is not taken away from root"
        : "sudo npm start";
}

/** Finds the way in, or says why there is none. Takes about 10 ms. */
function findWay(): {readonly way: Way} | {readonly refusal: Refusal} {
    const ways = process.getuid?.() === 0 ? [plainWay, userWay] : [userWay];
    const said: string[] = [];
    for (const way of ways) {
        const result = attempt(way);
        if (result.ok) return {way};
        said.push(result.said.split("\n")[0] ?? "");
    }
    const reason = said.find((text) => text !== "") ?? "unshare failed without a word";
    return {refusal: {reason, remedy: remedyFor(said.join("\n"))}};
}

/** What the program inside can know of the outside. */
export interface Inside {
    /** For people outside: the words before a command that is to run in here. */
    entering(): Promise<string>;
    /** Does not resolve: the end of the launcher ends this process. */
    untilInterrupted(): Promise<never>;
}

export type Entry =
    | {readonly kind: "inside"; readonly inside: Inside}
    | {readonly kind: "refused"; readonly refusal: Refusal};

/** Holds the launcher's pipe; its end ends this process. */
function holdLauncher(way: "plain" | "user"): Inside {
    const pipe = new Socket({fd: launcherDescriptor, readable: true, writable: false});
    const outerPid = new Promise<number>((resolve) => {
        let text = "";
        pipe.setEncoding("utf8");
        pipe.on("data", (data) => {
            text += String(data);
            if (text.includes("\n")) resolve(Number.parseInt(text, 10));
        });
    });
    // The launcher is gone: so are we, and with us the whole PID namespace.
    pipe.on("close", () => process.exit(1));
    pipe.on("error", () => process.exit(1));
    // A run that is finished may end although the launcher is still waiting.
    pipe.unref();
    const flags = way === "user" ? "-U --preserve-credentials -m -n -p" : "-m -n -p";
    return {
        entering: async () => `nsenter -t ${await outerPid} ${flags}`,
        untilInterrupted: () => {
            pipe.ref();
            return new Promise<never>(() => undefined);
        },
    };
}

/** Makes the inside of the namespaces usable: /run of its own, a place for named namespaces. */
function settle(): void {
    for (const argv of [
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"],
    ]) {
        const result = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8"});
        if (result.status !== 0) {
            throw new Error(`${argv.join(" ")}: ${result.stderr || String(result.error)}`);
        }
    }
    mkdirSync("/run/netns", {recursive: true});
    const loopback = spawnSync("ip", ["link", "set", "lo", "up"]);
    if (loopback.status !== 0) throw new Error("ip link set lo up failed");
}

/** The child that unshare forked: process 1 of the new PID namespace, seen from outside. */
async function firstProcess(unsharePid: number): Promise<number | undefined> {
    const path = `/proc/${unsharePid}/task/${unsharePid}/children`;
    for (let tries = 0; tries < 250; tries += 1) {
        const children = existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
        if (children === undefined) return undefined;
        const first = Number.parseInt(children, 10);
        if (Number.isInteger(first)) return first;
        await new Promise((resolve) => setTimeout(resolve, 4));
    }
    return undefined;
}

/** Runs this program again inside, waits for it, and ends this process the way it ended. */
async function launch(way: Way): Promise<never> {
    const child = spawn(
        "unshare",
        [
            ...way.flags,
            ...commonFlags,
            process.execPath,
            ...process.execArgv,
            ...process.argv.slice(1),
        ],
        {
            // Its own session: a ^C of the terminal reaches the launcher alone, which then says so.
            detached: true,
            stdio: ["inherit", "inherit", "inherit", "pipe"],
            env: {...process.env, [insideVariable]: way.name},
        },
    );
    const ended = new Promise<number>((resolve) => {
        child.on("error", () => resolve(127));
        child.on("exit", (code, signal) =>
            resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
        );
    });
    const pipe = child.stdio[launcherDescriptor];
    // EPIPE when the program inside has already ended; its exit code tells more.
    pipe?.on("error", () => undefined);
    let asked: NodeJS.Signals | undefined;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
        process.on(signal, () => {
            asked = signal;
            // The end of the pipe is the request; nothing inside needs a farewell.
            if (pipe instanceof Socket) pipe.destroy();
        });
    }
    const pid = child.pid === undefined ? undefined : await firstProcess(child.pid);
    if (pid !== undefined && pipe instanceof Socket && !pipe.destroyed) pipe.write(`${pid}\n`);
    const code = await ended;
    if (process.stdout.isTTY) process.stdout.write("\u001b[?25h");
    process.exit(asked === undefined ? code : 128 + constants.signals[asked]);
}

/**
 * Call it first. Outside it runs the program again inside fresh namespaces and does not return
 * unless they are refused; inside it prepares /run and returns.
 */
export async function enterNamespaces(): Promise<Entry> {
    const way = process.env[insideVariable];
    if (way === "plain" || way === "user") {
        // Programs started from here are not their own launchers' children.
        delete process.env[insideVariable];
        settle();
        return {kind: "inside", inside: holdLauncher(way)};
    }
    const found = findWay();
    if ("refusal" in found) return {kind: "refused", refusal: found.refusal};
    return await launch(found.way);
}
