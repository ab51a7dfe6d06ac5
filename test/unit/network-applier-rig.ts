/**
 * The applier of an appliance on a folder instead of a root file system. The programs that it runs
 * are told to a small kernel of this file's own: addresses come and go as networkd and ip(8) would
 * make them, and any of them can be made to fail.
 */
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {NetworkApplier} from "../../src/io/appliance/network-applier.ts";
import type {ProgramEnd} from "../../src/io/appliance/programs.ts";

const done: ProgramEnd = {ok: true, output: "", problem: ""};

export class FakeRoot {
    readonly root: string;
    readonly applier: NetworkApplier;
    /** Every program with its words, but for questions. */
    readonly ran: string[] = [];
    /** What each interface has. */
    readonly addresses = new Map<string, string[]>([
        ["lan0", []],
        ["wan0", []],
        ["eth1", []],
    ]);
    /** "default via X dev Y" */
    routes: string[] = [];
    /** Programs that fail, with what they say. */
    readonly broken = new Map<string, string>();
    sshRuns = false;

    constructor(root: string) {
        this.root = root;
        for (const [path, value] of [
            ["kernel/hostname", "localhost"],
            ["net/ipv4/ip_forward", "0"],
            ["net/ipv6/conf/all/forwarding", "0"],
            ["net/ipv4/conf/lan0/promote_secondaries", "0"],
        ] as const) {
            this.write(`proc/sys/${path}`, `${value}\n`);
        }
        this.applier = new NetworkApplier({root, run: (argv) => this.#run(argv), settleMs: 60});
    }

    write(path: string, text: string): void {
        const whole = join(this.root, path);
        mkdirSync(join(whole, ".."), {recursive: true});
        writeFileSync(whole, text);
    }

    read(path: string): string {
        return readFileSync(join(this.root, path), "utf8");
    }

    /** The names in a folder. */
    list(path: string): readonly string[] {
        return readdirSync(join(this.root, path)).sort();
    }

    async #run(argv: readonly string[]): Promise<ProgramEnd> {
        const line = argv.join(" ");
        const problem = this.broken.get(argv[0] ?? "");
        if (problem !== undefined) return {ok: false, output: "", problem};
        const asks = /^ip .*show|is-active/u.test(line);
        if (!asks) this.ran.push(line.replaceAll(this.root, ""));
        switch (argv[0]) {
            case "networkctl":
                this.#reload();
                return done;
            case "ip":
                return this.#ip(argv);
            case "ssh-keygen":
                this.#makeKey(argv.at(-1) ?? "");
                return done;
            case "systemctl":
                return this.#systemctl(argv);
            default:
                return done;
        }
    }

    /** As networkd 252 does with KeepConfiguration: adds, and keeps what it had. */
    #reload(): void {
        const folder = join(this.root, "run/systemd/network");
        for (const file of readdirSync(folder)) {
            const text = readFileSync(join(folder, file), "utf8");
            const values = (key: string): string[] =>
                [...text.matchAll(new RegExp(`^${key}=(.*)$`, "gmu"))].map(
                    ([, value]) => value ?? "",
                );
            const [name = ""] = values("Name");
            const has = this.addresses.get(name);
            if (has === undefined) continue;
            has.push(...values("Address").filter((address) => !has.includes(address)));
            for (const gateway of values("Gateway")) {
                this.routes = [...this.routes, `default via ${gateway} dev ${name}`];
            }
        }
    }

    #ip(argv: readonly string[]): ProgramEnd {
        const line = argv.join(" ");
        const dev = argv[argv.indexOf("dev") + 1] ?? "";
        const route = /default via .*/u.exec(line)?.[0] ?? "";
        if (line.includes("route show")) {
            const found = this.routes.includes(route) ? [{dst: "default"}] : [];
            return {...done, output: JSON.stringify(found)};
        }
        if (line.includes("route delete")) {
            this.routes = this.routes.filter((known) => known !== route);
            return done;
        }
        const has = this.addresses.get(dev);
        if (has === undefined) {
            return {ok: false, output: "", problem: "ip: exit status 1: does not exist"};
        }
        if (line.includes("address delete")) {
            this.addresses.set(
                dev,
                has.filter((address) => address !== argv[3]),
            );
            return done;
        }
        const info = has.map((address) => {
            const [local, prefix] = address.split("/");
            return {local, prefixlen: Number(prefix)};
        });
        return {...done, output: JSON.stringify([{ifname: dev, addr_info: info}])};
    }

    #makeKey(path: string): void {
        writeFileSync(path, "private\n");
        writeFileSync(`${path}.pub`, "public\n");
    }

    #systemctl(argv: readonly string[]): ProgramEnd {
        const [, verb] = argv;
        if (verb === "is-active") return {...done, ok: this.sshRuns};
        this.sshRuns = verb !== "stop";
        return done;
    }
}
