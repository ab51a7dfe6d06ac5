/**
 * The other router: a carpd of this program's own tree in a network namespace with one port on each
 * segment of the virtual machines. It is there where a box needs somebody to lose to, and a second
 * virtual machine would only cost a minute of boot.
 */
import {type ChildProcess, spawn, spawnSync} from "node:child_process";
import {closeSync, mkdirSync, openSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {HarnessError, waitFor} from "../../src/io/lab/namespaces.ts";
import {carpctl, carpdProgram, toToml} from "../support/routers.ts";
import {type Segment, segments} from "./network.ts";

const namespace = "peer";
/** carp0 on lan and carp1 on wan, as on the boxes (`manualLines`). */
const vhidOf: Readonly<Record<Segment, number>> = {lan: 1, wan: 2};

export interface PeerOptions {
    /** Where it speaks CARP. */
    readonly on?: readonly Segment[];
    readonly pass?: string;
    readonly advskew?: number;
}

function must(...argv: string[]): void {
    const {status, stderr, error} = spawnSync(argv[0] ?? "", argv.slice(1), {encoding: "utf8"});
    if (status !== 0) {
        const said = error?.message ?? stderr.trim();
        throw new HarnessError("COMMAND_FAILED", `${argv.join(" ")}: ${said}`);
    }
}

export class Peer {
    readonly #folder: string;
    #child: ChildProcess | undefined;
    #exited: Promise<void> = Promise.resolve();

    /** Makes the namespace and its ports. `folder`: for its configuration, sockets and log. */
    constructor(folder: string) {
        this.#folder = folder;
        mkdirSync(join(folder, "state"), {recursive: true});
        must("ip", "netns", "add", namespace);
        must("ip", "-n", namespace, "link", "set", "lo", "up");
        for (const segment of segments) {
            const [near, far] = [`peer-${segment}`, ["peer", "name", segment, "netns", namespace]];
            must("ip", "link", "add", near, "type", "veth", ...far);
            must("ip", "link", "set", near, "master", segment, "addrgenmode", "none", "up");
            const net = `192.168.${vhidOf[segment]}`;
            must("ip", "-n", namespace, "addr", "add", `${net}.8/24`, "dev", segment);
            must("ip", "-n", namespace, "link", "set", segment, "up");
        }
    }

    /** Starts its carpd with one vhid on each segment named; resolves when it answers. */
    async start(options: PeerOptions = {}): Promise<void> {
        const config = join(this.#folder, "carpd.toml");
        const carp = (options.on ?? segments).map((segment) => ({
            name: `carp${vhidOf[segment] - 1}`,
            carpdev: segment,
            vhid: vhidOf[segment],
            advskew: options.advskew ?? 0,
            pass: options.pass ?? "mekmitasdigoat",
            addresses: [`192.168.${vhidOf[segment]}.1/24`],
        }));
        writeFileSync(config, toToml({options: {preempt: true}, carp}));
        const logPath = join(this.#folder, "carpd.log");
        const log = openSync(logPath, "a");
        const run = join(this.#folder, "run");
        const words = ["--config", config, "--run-dir", run, "--state-dir"];
        const child = spawn(
            "nsenter",
            [
                `--net=/run/netns/${namespace}`,
                process.execPath,
                carpdProgram,
                ...words,
                join(this.#folder, "state"),
            ],
            {stdio: ["ignore", log, log]},
        );
        closeSync(log);
        this.#child = child;
        this.#exited = new Promise((resolve) => {
            child.on("error", () => resolve());
            child.on("exit", () => resolve());
        });
        await waitFor(
            "the other router's carpd to answer",
            20_000,
            async () => ((await carpctl(run, "show", "carp")).code === 0 ? true : undefined),
            () => readFileSync(logPath, "utf8").slice(-1500),
        );
    }

    /** It goes without a farewell. */
    async fail(): Promise<void> {
        this.#child?.kill("SIGKILL");
        await this.#exited;
        this.#child = undefined;
    }

    /** It and all that it had is gone. */
    async remove(): Promise<void> {
        await this.fail();
        must("ip", "netns", "del", namespace);
    }
}
