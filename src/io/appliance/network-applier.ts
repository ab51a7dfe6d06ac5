/**
 * Makes a network plan real: firewall, addresses by systemd-networkd, kernel values, name servers,
 * sshd. carp-system's main thread, as root.
 *
 * A plan is whole, so each step compares and takes back what is too much. A step that fails is one
 * warning and stops no other. The firewall is first: nothing is reachable before it is closed.
 *
 * networkd is only ever asked to reload: it then adds what is new and keeps what stays. What a former
 * plan had and this one has not is removed here, since networkd keeps it because of its
 * KeepConfiguration (network-files.ts).
 */
import {chmod, mkdir, readdir, readFile, rename, rm, writeFile} from "node:fs/promises";
import {dirname, join} from "node:path";
import {
    authorizedKeysText,
    isOwnNetworkFile,
    kernelValues,
    networkFileName,
    networkFiles,
    resolvText,
    sshdText,
} from "../../core/appliance/network-files.ts";
import {decodeNetworkPlan, type NetworkPlan} from "../../core/appliance/network-plan.ts";
import {rulesetText} from "../../core/appliance/network-ruleset.ts";
import {ok, type Result} from "../../core/result.ts";
import {codeOf} from "../system-error.ts";
import {InterfaceState} from "./interface-state.ts";
import {type RunProgram, runProgram} from "./programs.ts";

const networkFolder = "/run/systemd/network";
const ownFolder = "/run/carpd-network";
const rulesetFile = `${ownFolder}/firewall.nft`;
const keysFile = `${ownFolder}/authorized_keys`;
const hostKey = "/data/system/ssh/ssh_host_ed25519_key";
const sshdFile = "/etc/ssh/sshd_config.d/10-carpd.conf";
const sshUnit = "ssh.service";
const readable = 0o644;

export interface ApplierOptions {
    /** Before every path; "" is this host. */
    readonly root: string;
    readonly run: RunProgram;
    /** How long an address may take until it is there, milliseconds. */
    readonly settleMs: number;
}

export class NetworkApplier {
    readonly #root: string;
    readonly #run: RunProgram;
    readonly #state: InterfaceState;
    #warnings: string[] = [];
    #work: Promise<unknown> = Promise.resolve();

    constructor({root, run, settleMs}: ApplierOptions) {
        this.#root = root;
        this.#run = run;
        this.#state = new InterfaceState(run, settleMs);
    }

    /** One after the other. The value lists what could not be done, a sentence each. */
    apply(plan: NetworkPlan): Promise<Result<readonly string[], string>> {
        const run = this.#work.then(() => this.#applyNow(plan));
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }

    async #applyNow(plan: NetworkPlan): Promise<Result<readonly string[], string>> {
        this.#warnings = [];
        await this.#step("firewall", () => this.#firewall(plan));
        await this.#step("addresses", () => this.#addresses(plan));
        await this.#step("kernel values", () => this.#kernel(plan));
        await this.#step("name servers", async () => {
            await this.#write("/etc/resolv.conf", resolvText(plan));
        });
        await this.#step("ssh", () => this.#ssh(plan));
        return ok(this.#warnings);
    }

    async #step(name: string, work: () => Promise<void>): Promise<void> {
        try {
            await work();
        } catch (error) {
            const code = codeOf(error);
            const path = error instanceof Error ? Reflect.get(error, "path") : undefined;
            const where = typeof path === "string" ? ` (${path})` : "";
            this.#warn(`${name}: ${code}${where}`);
        }
    }

    #warn(sentence: string): void {
        this.#warnings.push(sentence);
    }

    /** false: it failed, which is a warning. */
    async #program(step: string, ...argv: string[]): Promise<boolean> {
        const {ok: done, problem} = await this.#run(argv);
        if (!done) this.#warn(`${step}: ${problem}`);
        return done;
    }

    // ---- firewall ----

    async #firewall(plan: NetworkPlan): Promise<void> {
        await this.#write(rulesetFile, rulesetText(plan), 0o600);
        await this.#program(
            "firewall, the former rules stay",
            "nft",
            "-f",
            this.#path(rulesetFile),
        );
    }

    // ---- addresses ----

    async #addresses(plan: NetworkPlan): Promise<void> {
        const files = networkFiles(plan);
        const former = await this.#ownFiles();
        let changed = false;
        for (const {name, text} of files) {
            changed = (await this.#write(`${networkFolder}/${name}`, text)) || changed;
        }
        for (const name of former.keys()) {
            if (files.some((file) => file.name === name)) continue;
            await rm(this.#path(`${networkFolder}/${name}`), {force: true});
            changed = true;
        }
        if (changed && !(await this.#program("addresses", "networkctl", "reload"))) return;
        await this.#removeStale(plan, former);
        for (const {name, addresses} of plan.interfaces) {
            const missing = await this.#state.missing(name, addresses);
            if (missing === null) {
                this.#warn(`there is no interface ${name}: it is configured when it is there`);
            } else if (missing.length > 0) {
                this.#warn(`${name} did not get ${missing.join(", ")}`);
            }
        }
    }

    /** The files of the former plan by name. */
    async #ownFiles(): Promise<ReadonlyMap<string, string>> {
        const folder = this.#path(networkFolder);
        await mkdir(folder, {recursive: true, mode: 0o755});
        const names = (await readdir(folder)).filter(isOwnNetworkFile);
        const texts = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
        return new Map(names.map((name, i) => [name, texts[i] ?? ""]));
    }

    async #removeStale(plan: NetworkPlan, former: ReadonlyMap<string, string>): Promise<void> {
        const planned = new Map(plan.interfaces.map((each) => [networkFileName(each.name), each]));
        for (const [file, text] of former) {
            const values = (key: string): string[] =>
                [...text.matchAll(new RegExp(`^${key}=(.+)$`, "gmu"))].flatMap(
                    ([, value]) => value ?? [],
                );
            const [name] = values("Name");
            if (name === undefined || file !== networkFileName(name)) continue;
            const next = planned.get(file);
            const addresses = values("Address").filter(
                (address) => next?.addresses.includes(address) !== true,
            );
            const gateways = values("Gateway").filter(
                (gateway) => gateway !== next?.gateway && gateway !== next?.gateway6,
            );
            if (addresses.length + gateways.length === 0) continue;
            // Those that come take their place before those that go are gone.
            await this.#state.missing(name, next?.addresses ?? []);
            // Otherwise the kernel removes with an address all others of its network.
            await this.#setKernel(`net/ipv4/conf/${name}/promote_secondaries`, "1");
            for (const problem of await this.#state.remove(name, addresses, gateways)) {
                this.#warn(`addresses: ${problem}`);
            }
        }
    }

    // ---- kernel ----

    async #kernel(plan: NetworkPlan): Promise<void> {
        for (const [path, value] of kernelValues(plan)) {
            await this.#step(path, () => this.#setKernel(path, value));
        }
        await this.#write("/etc/hostname", `${plan.hostname}\n`);
    }

    /** A change has side effects in the kernel, so that a value that is right is left alone. */
    async #setKernel(name: string, value: string): Promise<void> {
        const path = this.#path(`/proc/sys/${name}`);
        try {
            if ((await readFile(path, "utf8")).trim() !== value) await writeFile(path, value);
        } catch (error) {
            // The interface went away, or the kernel has no IPv6.
            if (codeOf(error) !== "ENOENT") throw error;
        }
    }

    // ---- ssh ----

    async #ssh(plan: NetworkPlan): Promise<void> {
        if (!plan.ssh) {
            await rm(this.#path(keysFile), {force: true});
            await rm(this.#path(sshdFile), {force: true});
            const active = await this.#run(["systemctl", "is-active", "--quiet", sshUnit]);
            if (active.ok) await this.#program("ssh", "systemctl", "stop", sshUnit);
            return;
        }
        await this.#write(keysFile, authorizedKeysText(plan));
        if (!(await this.#makeHostKey())) return;
        const changed = await this.#write(sshdFile, sshdText(hostKey, keysFile));
        await this.#program("ssh", "systemctl", changed ? "restart" : "start", sshUnit);
    }

    /** Once in the life of a box; whole or not there, whenever the power goes. */
    async #makeHostKey(): Promise<boolean> {
        const path = this.#path(hostKey);
        const exists = await readFile(path).then(
            () => true,
            () => false,
        );
        if (exists) return true;
        await mkdir(dirname(path), {recursive: true, mode: 0o700});
        const fresh = `${path}.new`;
        await Promise.all([fresh, `${fresh}.pub`].map((name) => rm(name, {force: true})));
        const command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "carpd", "-f", fresh];
        if (!(await this.#program("ssh", ...command))) return false;
        await rename(`${fresh}.pub`, `${path}.pub`);
        await rename(fresh, path);
        return true;
    }

    // ---- files ----

    #path(path: string): string {
        return this.#root + path;
    }

    /** Replaces the file as a whole; false: it has this text already. */
    async #write(path: string, text: string, mode = readable): Promise<boolean> {
        const whole = this.#path(path);
        const now = await readFile(whole, "utf8").then(
            (read) => read,
            () => null,
        );
        if (now === text) return false;
        await mkdir(dirname(whole), {recursive: true, mode: 0o755});
        const temporary = `${whole}.carpd-new`;
        await writeFile(temporary, text, {mode});
        // The umask does not decide who may read it.
        await chmod(temporary, mode);
        await rename(temporary, whole);
        return true;
    }
}

/** Addresses are there within milliseconds; duplicate address detection takes a second or two. */
const settleMs = 3000;

const thisHost = new NetworkApplier({root: "", run: runProgram, settleMs});

/** `plan` as it came over the socket. Fails where it is none; nothing was touched then. */
export async function applyNetwork(plan: unknown): Promise<Result<readonly string[], string>> {
    const decoded = decodeNetworkPlan(plan);
    return decoded.ok ? await thisHost.apply(decoded.value) : decoded;
}
