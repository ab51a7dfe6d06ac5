/**
 * The programs under measurement as one kind of thing: a router that runs carpd, or one that runs
 * UCarp. Waiting reads the program's log, so that nobody has to answer questions meanwhile.
 */
import {chmodSync, writeFileSync} from "node:fs";
import {join} from "node:path";
import {type Host, type HostProcess, waitFor} from "../../src/io/lab/namespaces.ts";
import type {Router} from "../support/routers.ts";

export const vip = "192.168.1.1";
export type NodeState = "MASTER" | "BACKUP";

/** One router of a pair. */
export interface CarpNode {
    readonly host: Host;
    /** Its own address, the source of its adverts. */
    readonly address: string;
    /** Resolves when the program runs; a state comes later. */
    start(): Promise<void>;
    /** From now on `became()` and `been()` look at new lines of the log only. */
    mark(): void;
    been(state: NodeState): boolean;
    became(state: NodeState, deadlineMs: number): Promise<void>;
    /** SIGKILL, and everything that the dead host still holds is taken away. */
    kill(): Promise<void>;
    /** Cable out and SIGKILL at the same moment; the cable is in again for the next start. */
    powerLoss(): Promise<void>;
    /** SIGTERM, resolves at the end of the program. */
    stop(): Promise<void>;
}

/** What follows a mark in a log that only grows. */
class LogReader {
    readonly #read: () => string;
    readonly #name: string;
    #from = 0;

    constructor(name: string, read: () => string) {
        this.#name = name;
        this.#read = read;
    }

    mark(): void {
        this.#from = this.#read().length;
    }

    has(pattern: RegExp): boolean {
        return pattern.test(this.#read().slice(this.#from));
    }

    async until(pattern: RegExp, deadlineMs: number): Promise<void> {
        await waitFor(
            `${this.#name} to say ${pattern}`,
            deadlineMs,
            () => (this.has(pattern) ? true : undefined),
            () => this.#read().slice(this.#from),
        );
    }
}

export class CarpdNode implements CarpNode {
    readonly router: Router;
    readonly address: string;
    readonly #log: LogReader;
    #started = false;

    constructor(router: Router, address: string) {
        this.router = router;
        this.address = address;
        this.#log = new LogReader(router.host.name, () => (this.#started ? router.log() : ""));
    }

    get host(): Host {
        return this.router.host;
    }

    async start(): Promise<void> {
        this.mark();
        const starting = this.router.start();
        this.#started = true;
        await starting;
    }

    mark(): void {
        this.#log.mark();
    }

    been(state: NodeState): boolean {
        return this.#log.has(new RegExp(`-> ${state} \\(`));
    }

    async became(state: NodeState, deadlineMs: number): Promise<void> {
        await this.#log.until(new RegExp(`-> ${state} \\(`), deadlineMs);
    }

    async kill(): Promise<void> {
        await this.router.process.kill("SIGKILL");
    }

    async powerLoss(): Promise<void> {
        this.host.cable("eth1").pull();
        await this.router.process.kill("SIGKILL");
    }

    async stop(): Promise<void> {
        await this.router.stop();
    }
}

/** Its scripts put the VIP on the interface and take it off. */
export class UcarpNode implements CarpNode {
    readonly host: Host;
    readonly address: string;
    readonly #advskew: number;
    readonly #log: LogReader;
    #process: HostProcess | undefined;

    /** `host` has eth1 with `address`. */
    constructor(host: Host, address: string, advskew: number) {
        this.host = host;
        this.address = address;
        this.#advskew = advskew;
        this.#log = new LogReader(host.name, () => this.#process?.log() ?? "");
        for (const [name, verb] of [
            ["up", "add"],
            ["down", "del"],
        ] as const) {
            const path = join(host.directory, name);
            writeFileSync(path, `#!/bin/sh\nip addr ${verb} "$2"/32 dev "$1"\n`);
            chmodSync(path, 0o755);
        }
    }

    start(): Promise<void> {
        this.mark();
        const script = (name: string) => join(this.host.directory, name);
        this.#process = this.host.spawn(
            [
                "ucarp",
                ...["-i", "eth1", "-s", this.address, "-v", "1", "-a", vip, "-b", "1"],
                ...["-k", `${this.#advskew}`, "-p", "mekmitasdigoat", "-n", "-P"],
                ...["-u", script("up"), "-d", script("down")],
            ],
            {logName: "ucarp"},
        );
        return Promise.resolve();
    }

    mark(): void {
        this.#log.mark();
    }

    been(state: NodeState): boolean {
        return this.#log.has(new RegExp(`Switching to state: ${state}`));
    }

    async became(state: NodeState, deadlineMs: number): Promise<void> {
        await this.#log.until(new RegExp(`Switching to state: ${state}`), deadlineMs);
    }

    async kill(): Promise<void> {
        await this.#process?.kill("SIGKILL");
        this.#dropVip();
    }

    async powerLoss(): Promise<void> {
        this.host.cable("eth1").pull();
        await this.kill();
    }

    async stop(): Promise<void> {
        await this.#process?.kill("SIGTERM");
        this.#dropVip();
    }

    /** Nothing else does when its script did not run. */
    #dropVip(): void {
        if (this.host.ip("-o", "addr", "show", "dev", "eth1").includes(`${vip}/32`)) {
            this.host.ip("addr", "del", `${vip}/32`, "dev", "eth1");
        }
    }
}
