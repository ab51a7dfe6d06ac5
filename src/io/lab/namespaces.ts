/**
 * A network made of namespaces: hosts, segments and cables on this kernel, driven by iproute2.
 *
 * Shared by the lab and by the tests in test/netns. Use it inside `enterNamespaces()` only: it
 * names namespaces in /run/netns, and they vanish with the process that owns /run.
 *
 * Building is synchronous (some 3 ms a command) and throws a `HarnessError` with what the command
 * said. Everything that waits has a deadline, and its error says what was seen instead.
 */
import {type ChildProcess, spawn, spawnSync} from "node:child_process";
import {closeSync, existsSync, mkdirSync, openSync, readFileSync} from "node:fs";
import {join} from "node:path";

/** A command of the harness failed, or a wait ran out of time. */
export class HarnessError extends Error {
    readonly code: "COMMAND_FAILED" | "DEADLINE" | "UNKNOWN_NAME";
    constructor(code: HarnessError["code"], message: string) {
        super(message);
        this.name = "HarnessError";
        this.code = code;
    }
}

export interface CommandResult {
    readonly status: number;
    readonly stdout: string;
    readonly stderr: string;
}

/** Runs a command to its end, at most 10 s. */
function runCommand(argv: readonly string[]): CommandResult {
    const result = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8", timeout: 10_000});
    if (result.error !== undefined) {
        throw new HarnessError("COMMAND_FAILED", `${argv.join(" ")}: ${result.error.message}`);
    }
    return {status: result.status ?? 128, stdout: result.stdout, stderr: result.stderr};
}

function must(argv: readonly string[]): string {
    const result = runCommand(argv);
    if (result.status !== 0) {
        throw new HarnessError(
            "COMMAND_FAILED",
            `${argv.join(" ")}: exit ${result.status}: ${result.stderr.trim()}`,
        );
    }
    return result.stdout;
}

/**
 * Polls until `look` gives something other than undefined.
 *
 * `seen` is asked when the time is up; its answer becomes part of the error.
 */
export async function waitFor<T>(
    what: string,
    deadlineMs: number,
    look: () => T | undefined | Promise<T | undefined>,
    seen: () => string | Promise<string> = () => "",
): Promise<T> {
    const end = performance.now() + deadlineMs;
    for (;;) {
        const found = await look();
        if (found !== undefined) return found;
        if (performance.now() >= end) {
            const instead = await seen();
            throw new HarnessError(
                "DEADLINE",
                `waited ${deadlineMs} ms for ${what}${instead === "" ? "" : `; seen: ${instead}`}`,
            );
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}

/** One entry of a neighbour table, as iproute2 shows it. */
export interface Neighbour {
    readonly address: string;
    readonly ifname: string;
    /** null while the neighbour is being asked for, or did not answer. */
    readonly mac: string | null;
    /** "REACHABLE", "STALE", "FAILED"... */
    readonly state: string;
}

function textField(entry: object, key: string): string | undefined {
    const value: unknown = Reflect.get(entry, key);
    return typeof value === "string" ? value : undefined;
}

function parseNeighbours(json: string): readonly Neighbour[] {
    const parsed: unknown = json.trim() === "" ? [] : JSON.parse(json);
    if (!Array.isArray(parsed)) return [];
    return parsed.flatMap((entry: unknown): Neighbour[] => {
        if (typeof entry !== "object" || entry === null) return [];
        const address = textField(entry, "dst");
        const ifname = textField(entry, "dev");
        const states: unknown = Reflect.get(entry, "state");
        if (address === undefined || ifname === undefined) return [];
        const state = Array.isArray(states) ? states.join(",") : "";
        return [{address, ifname, mac: textField(entry, "lladdr") ?? null, state}];
    });
}

/** A process in a host, its output in a file. */
export class HostProcess {
    readonly argv: readonly string[];
    readonly logPath: string;
    /** Resolves with the exit code, or 128 + the signal's name as text. */
    readonly exited: Promise<string>;
    readonly child: ChildProcess;
    #running = true;

    constructor(argv: readonly string[], logPath: string, child: ChildProcess) {
        this.argv = argv;
        this.logPath = logPath;
        this.child = child;
        this.exited = new Promise((resolve) => {
            child.on("error", (error) => {
                this.#running = false;
                resolve(error.message);
            });
            child.on("exit", (code, signal) => {
                this.#running = false;
                resolve(signal ?? `exit ${code ?? "?"}`);
            });
        });
    }

    get pid(): number {
        return this.child.pid ?? 0;
    }

    get running(): boolean {
        return this.#running;
    }

    /** All that it has printed so far, both streams. */
    log(): string {
        return existsSync(this.logPath) ? readFileSync(this.logPath, "utf8") : "";
    }

    /** Sends a signal and waits until the process is gone. */
    async kill(signal: NodeJS.Signals, deadlineMs = 10_000): Promise<string> {
        if (this.#running) this.child.kill(signal);
        const late = new Promise<undefined>((resolve) => {
            setTimeout(() => resolve(undefined), deadlineMs).unref();
        });
        const end = await Promise.race([this.exited, late]);
        if (end === undefined) {
            throw new HarnessError(
                "DEADLINE",
                `${this.argv.join(" ")} (pid ${this.pid}) still runs ${deadlineMs} ms after ${signal}; its output: ${this.log().slice(-2000)}`,
            );
        }
        return end;
    }
}

export type Direction = "from-host" | "to-host";

/** A cable between a port of a host and a port of a segment's bridge. */
export class Cable {
    readonly host: Host;
    readonly ifname: string;
    /** Name of the bridge port, unique in the lab. */
    readonly port: string;
    readonly segment: string;

    constructor(host: Host, ifname: string, port: string, segment: string) {
        this.host = host;
        this.ifname = ifname;
        this.port = port;
        this.segment = segment;
    }

    /** Pulls it out at the switch: the host sees its carrier go. */
    pull(): void {
        must(["ip", "-n", wire, "link", "set", this.port, "down"]);
    }

    plug(): void {
        must(["ip", "-n", wire, "link", "set", this.port, "up"]);
    }

    /** Drops what passes in one direction; the carrier stays. Needs nft(8). */
    block(direction: Direction): void {
        this.lose(direction, 100);
    }

    /** Drops `percent` of what passes in one direction, at random. Needs nft(8). */
    lose(direction: Direction, percent: number): void {
        const chance = percent >= 100 ? "" : `numgen random mod 100 < ${Math.round(percent)} `;
        this.filter(direction, `${chance}drop`);
    }

    /** A rule of nft(8) for what passes in one direction, such as "ip protocol 112 drop". */
    filter(direction: Direction, rule: string): void {
        const match = `${direction === "from-host" ? "iifname" : "oifname"} ${this.port}`;
        nft(`add rule bridge lab ${direction} ${match} ${rule} comment "${this.port}"`);
    }

    /** Removes every block, loss and filter of this cable. */
    unblock(): void {
        for (const chain of ["from-host", "to-host"]) {
            const list = ["nft", "-a", "list", "chain", "bridge", "lab", chain];
            for (const line of must([...inside(wire), ...list]).split("\n")) {
                const handle = /# handle (\d+)/.exec(line)?.[1];
                if (handle !== undefined && line.includes(`comment "${this.port}"`)) {
                    nft(`delete rule bridge lab ${chain} handle ${handle}`);
                }
            }
        }
    }
}

/** The namespace that holds the bridges: the switch cupboard. */
const wire = "wire";

function inside(namespace: string): readonly string[] {
    // Not `ip netns exec`: that needs to mount a sysfs, which some containers forbid.
    return ["nsenter", `--net=/run/netns/${namespace}`];
}

function nft(rule: string): void {
    must([...inside(wire), "nft", rule]);
}

/** true when blocks and losses can be made here. */
export function canFilter(): boolean {
    return spawnSync("nft", ["--version"]).status === 0;
}

/** One box: a network namespace with cables and processes. */
export class Host {
    readonly name: string;
    readonly directory: string;
    readonly cables = new Map<string, Cable>();
    readonly #lab: Lab;
    #processes: HostProcess[] = [];

    constructor(lab: Lab, name: string, directory: string) {
        this.#lab = lab;
        this.name = name;
        this.directory = directory;
    }

    /** Plugs a new interface into a segment. Addresses carry their prefix length. */
    connect(
        segment: string,
        link: {
            readonly ifname: string;
            readonly mac?: string;
            readonly addresses?: readonly string[];
        },
    ): Cable {
        const port = this.#lab.newPort(segment);
        const peer = ["peer", "name", link.ifname, "netns", this.name];
        const mac = link.mac === undefined ? [] : ["address", link.mac];
        must(["ip", "link", "add", port, "netns", wire, "type", "veth", ...peer, ...mac]);
        must([
            "ip",
            "-n",
            wire,
            "link",
            "set",
            port,
            "master",
            segment,
            "addrgenmode",
            "none",
            "up",
        ]);
        for (const address of link.addresses ?? []) {
            const noDad = address.includes(":") ? ["nodad"] : [];
            this.ip("addr", "add", address, "dev", link.ifname, ...noDad);
        }
        this.ip("link", "set", link.ifname, "up");
        const cable = new Cable(this, link.ifname, port, segment);
        this.cables.set(link.ifname, cable);
        return cable;
    }

    cable(ifname: string): Cable {
        const cable = this.cables.get(ifname);
        if (cable === undefined) {
            throw new HarnessError("UNKNOWN_NAME", `${this.name} has no interface ${ifname}`);
        }
        return cable;
    }

    /** iproute2 in this host; throws when it fails. */
    ip(...argv: string[]): string {
        return must(["ip", "-n", this.name, ...argv]);
    }

    /** Runs a command in this host to its end (at most 10 s), whatever its exit code. */
    run(argv: readonly string[]): CommandResult {
        return runCommand([...inside(this.name), ...argv]);
    }

    /** Writes sysctls below net, such as {"ipv4/ip_forward": 1}. */
    sysctl(values: Readonly<Record<string, string | number>>): void {
        const lines = Object.entries(values).map(
            ([key, value]) => `echo '${value}' > '/proc/sys/net/${key}'`,
        );
        must([...inside(this.name), "sh", "-ec", lines.join("\n")]);
    }

    readSysctl(key: string): string {
        return must([...inside(this.name), "cat", `/proc/sys/net/${key}`]).trim();
    }

    neighbours(): readonly Neighbour[] {
        return parseNeighbours(this.ip("-j", "neigh", "show"));
    }

    /** The MAC that this host would send to for an address; null: none known. */
    neighbourMac(address: string): string | null {
        return this.neighbours().find((entry) => entry.address === address)?.mac ?? null;
    }

    hasCarrier(ifname: string): boolean {
        const result = runCommand(["ip", "-n", this.name, "-o", "link", "show", "dev", ifname]);
        return result.status === 0 && result.stdout.includes("LOWER_UP");
    }

    /**
     * Starts a process in this host. Its output goes to `<directory>/<logName>.log`, appended.
     * With `pipes`, standard input and output are the caller's instead.
     */
    spawn(
        argv: readonly string[],
        options: {
            readonly logName: string;
            readonly pipes?: boolean;
            readonly env?: Readonly<Record<string, string>>;
        },
    ): HostProcess {
        const logPath = join(this.directory, `${options.logName}.log`);
        const log = openSync(logPath, "a");
        const pipes = options.pipes === true;
        const full = [...inside(this.name), ...argv];
        const child = spawn(full[0] ?? "", full.slice(1), {
            detached: true,
            stdio: pipes ? ["pipe", "pipe", log] : ["ignore", log, log],
            env: {...process.env, ...options.env},
        });
        closeSync(log);
        const started = new HostProcess(argv, logPath, child);
        this.#processes.push(started);
        return started;
    }

    /** Process ids in this host, those that left their parent included. */
    pids(): readonly number[] {
        return must(["ip", "netns", "pids", this.name])
            .split("\n")
            .filter((line) => line !== "")
            .map(Number);
    }

    /** Cuts the power: every process dies at once, the links fall, the kernel state is lost. */
    async powerOff(): Promise<void> {
        for (const pid of this.pids()) {
            try {
                process.kill(pid, "SIGKILL");
            } catch (error) {
                // ESRCH: it ended by itself between the listing and now.
                if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) {
                    throw error;
                }
            }
        }
        // First the cables: a dying namespace takes its interfaces with it only a little later.
        for (const cable of this.cables.values()) {
            must(["ip", "-n", wire, "link", "del", cable.port]);
        }
        this.cables.clear();
        await Promise.all(this.#processes.map((process) => process.exited));
        this.#processes = [];
        must(["ip", "netns", "del", this.name]);
    }
}

/** The whole network. */
export class Lab {
    readonly hosts = new Map<string, Host>();
    readonly directory: string;
    #ports = 0;

    /** `directory` (below /run, say) receives the hosts' logs, run and state directories. */
    constructor(directory: string) {
        this.directory = directory;
        mkdirSync(directory, {recursive: true});
        must(["ip", "netns", "add", wire]);
        must(["ip", "-n", wire, "link", "set", "lo", "up"]);
        if (canFilter()) {
            nft("add table bridge lab");
            // Not the forward hook: on some kernels flooded multicast does not pass it (measured).
            nft("add chain bridge lab from-host { type filter hook prerouting priority 0; }");
            nft("add chain bridge lab to-host { type filter hook postrouting priority 0; }");
        }
    }

    /** A switch without spanning tree and without snooping; `name` at most 15 octets. */
    segment(name: string): void {
        const bridge = ["type", "bridge", "stp_state", "0", "forward_delay", "0"];
        must(["ip", "-n", wire, "link", "add", name, ...bridge, "mcast_snooping", "0"]);
        must(["ip", "-n", wire, "link", "set", name, "addrgenmode", "none", "up"]);
    }

    /** Bridge port names are ours; a host's interface names are free. */
    newPort(segment: string): string {
        this.#ports += 1;
        return `${segment.slice(0, 8)}-p${this.#ports}`;
    }

    /** Also the way to power a host on again after `powerOff()`. */
    host(name: string, options: {readonly forward?: boolean} = {}): Host {
        const directory = join(this.directory, name);
        mkdirSync(directory, {recursive: true});
        must(["ip", "netns", "add", name]);
        const host = new Host(this, name, directory);
        host.ip("link", "set", "lo", "up");
        host.sysctl({
            "ipv4/ip_forward": options.forward === true ? 1 : 0,
            // Answers may come back through the other router; a new namespace inherits these.
            "ipv4/conf/all/rp_filter": 0,
            "ipv4/conf/default/rp_filter": 0,
            "ipv4/conf/all/arp_ignore": 0,
            "ipv4/conf/all/arp_announce": 0,
            // Any user's group may open ICMP sockets.
            "ipv4/ping_group_range": "0 0",
        });
        // IPv6 may be absent from the kernel.
        const v6 = "ipv6/conf/default";
        if (existsSync("/proc/sys/net/ipv6")) {
            host.sysctl({[`${v6}/accept_dad`]: 0, [`${v6}/accept_ra`]: 0});
        }
        this.hosts.set(name, host);
        return host;
    }

    /** Runs a process beside the bridges, where every frame of every segment can be seen. */
    wireHost(): Host {
        const directory = join(this.directory, wire);
        mkdirSync(directory, {recursive: true});
        return new Host(this, wire, directory);
    }

    /** Takes everything down again; the end of the process does the same. */
    async destroy(): Promise<void> {
        for (const host of this.hosts.values()) {
            if (existsSync(`/run/netns/${host.name}`)) await host.powerOff();
        }
        this.hosts.clear();
        for (const pid of must(["ip", "netns", "pids", wire]).split("\n")) {
            if (pid !== "") process.kill(Number(pid), "SIGKILL");
        }
        must(["ip", "netns", "del", wire]);
    }
}
