/**
 * The configuration on a real folder, with a real supervisor on a scripted engine: for the tests of
 * the candidate and of commits. Also disks that count their calls, fail, or lose their power.
 */
import {mkdirSync, writeFileSync} from "node:fs";
import {basename, dirname, join} from "node:path";
import {Configuration} from "../../src/app/configuration.ts";
import {needsRecovery, recover} from "../../src/app/configuration-recovery.ts";
import {Daemon} from "../../src/app/daemon.ts";
import type {ConfigSource, NetworkPort} from "../../src/app/ports.ts";
import type {Session} from "../../src/core/control-session.ts";
import type {LogRecord} from "../../src/core/log.ts";
import {ok} from "../../src/core/result.ts";
import {loadConfig} from "../../src/io/config-files.ts";
import {FileConfigStore} from "../../src/io/config-history.ts";
import {type DurableFile, type DurableFs, systemFs} from "../../src/io/config-writer.ts";
import {ManualClock, MemoryMaintenance, ScriptedChecks} from "./condition-fixtures.ts";
import {ScriptedEngine} from "./engine-fixtures.ts";

export const admin: Session = {id: "1", user: "admin", role: "admin", origin: "ttyS0"};
export const other: Session = {id: "2", user: "bea", role: "admin", origin: "ssh"};
export const viewer: Session = {id: "3", user: "vic", role: "operator", origin: "ttyS1"};

/** With a comment and a layout of its own, which every commit has to keep. */
export function fileText(advskew: number, more = ""): string {
    return [
        "# the LAN gateway",
        "[[carp]]",
        'carpdev = "eth1"   # the switch in the rack',
        "vhid = 1",
        `advskew = ${advskew}`,
        'pass = "mekmitasdigoat"',
        'addresses = ["192.168.1.1/24"]',
        more,
    ].join("\n");
}

export function fileSource(path: string): ConfigSource {
    return {
        load: async (_mayBeAbsent, text) => {
            const loaded = loadConfig(path, text);
            if (!loaded.ok) return loaded;
            const {config, texts, warnings} = loaded.value;
            return ok({config, texts, warnings: warnings.map(({message}) => message).join("\n")});
        },
    };
}

/** All of it, with a clock that stands until it is told. */
export class ConfigurationRig {
    readonly clock: ManualClock;
    readonly engine = new ScriptedEngine();
    readonly records: LogRecord[] = [];
    readonly store: FileConfigStore;
    readonly source: ConfigSource;
    readonly daemon: Daemon;
    readonly configuration: Configuration;

    constructor(
        folder: string,
        fs: DurableFs,
        clock: ManualClock,
        text?: string,
        network?: NetworkPort,
    ) {
        const file = join(folder, "carpd.toml");
        this.clock = clock;
        this.store = new FileConfigStore(file, join(folder, "state"), fs);
        this.source = fileSource(file);
        const loaded = loadConfig(file, text);
        if (!loaded.ok) throw new Error(loaded.error.text);
        const {engine, records} = this;
        this.daemon = new Daemon(
            {
                engine,
                clock,
                log: {write: (record: LogRecord) => records.push(record)},
                notifier: {
                    watchdogIntervalMs: null,
                    ready: () => undefined,
                    status: () => undefined,
                    reloading: () => undefined,
                    stopping: () => undefined,
                    watchdog: () => undefined,
                },
                epochs: {
                    advance: () => Promise.resolve(ok({epoch: 1, warning: ""})),
                    heard: () => undefined,
                    settled: () => Promise.resolve(),
                },
                config: this.source,
                hooks: {run: () => Promise.resolve()},
                checks: new ScriptedChecks(),
                maintenance: new MemoryMaintenance(),
                ...(network === undefined ? {} : {network}),
            },
            {
                version: "0.1.0",
                engine: {
                    janitor: "",
                    owner: "",
                    sysctlJournal: "",
                    realtimePriority: 0,
                    lockMemory: false,
                },
            },
            loaded.value.config,
        );
        const ports = {store: this.store, source: this.source, running: this.daemon, clock};
        this.configuration = new Configuration(ports, loaded.value.texts);
    }

    /** What the log says of the configuration. */
    get said(): readonly string[] {
        return this.records.filter(({msg}) => msg === "configuration").map(({text}) => text);
    }
}

/** A folder with carpd.toml, not started. */
export function makeFolder(folder: string, text = fileText(0)): void {
    mkdirSync(folder, {recursive: true});
    writeFileSync(join(folder, "carpd.toml"), text, {mode: 0o640});
}

/** As carpd starts: what is to be mended is mended first. */
export async function startRig(
    folder: string,
    fs: DurableFs = systemFs,
    clock = new ManualClock(),
    network?: NetworkPort,
): Promise<{rig: ConfigurationRig; records: readonly LogRecord[]}> {
    const file = join(folder, "carpd.toml");
    const store = new FileConfigStore(file, join(folder, "state"), fs);
    const source = fileSource(file);
    const mended = (await needsRecovery(store, source))
        ? await recover(store, source, clock.wallMs)
        : {records: []};
    const rig = new ConfigurationRig(folder, fs, clock, mended.text, network);
    const started = await rig.daemon.start();
    if (!started.ok) throw new Error(started.error.text);
    return {rig, records: mended.records};
}

/** Each call that changes the disk, told before it is done and after. */
export function watchedFs(
    before: (call: string, octets: Uint8Array | null, file: DurableFile | null) => Promise<void>,
    after: (call: string) => Promise<void>,
): DurableFs {
    const pass = async <T>(call: string, act: () => Promise<T>): Promise<T> => {
        await before(call, null, null);
        const result = await act();
        await after(call);
        return result;
    };
    return {
        makeFolder: (path) => pass(`makeFolder ${path}`, () => systemFs.makeFolder(path)),
        create: (path) =>
            pass(`create ${path}`, async () => {
                const file = await systemFs.create(path);
                return {
                    write: async (octets) => {
                        await before(`write ${path}`, octets, file);
                        await file.write(octets);
                        await after(`write ${path}`);
                    },
                    give: (access) => pass(`give ${path}`, () => file.give(access)),
                    sync: () => pass(`sync ${path}`, () => file.sync()),
                    close: async () => {
                        // A failure is told of a file that is closed nevertheless, as close(2) does.
                        await file.close();
                        await before(`close ${path}`, null, null);
                        await after(`close ${path}`);
                    },
                };
            }),
        rename: (from, to) => pass(`rename ${from} ${to}`, () => systemFs.rename(from, to)),
        remove: (path) => pass(`remove ${path}`, () => systemFs.remove(path)),
        syncFolder: (path) => pass(`syncFolder ${path}`, () => systemFs.syncFolder(path)),
    };
}

/** Fails the n-th call (from 1) with EIO; those before and after it work. */
export function failingFs(n: number): {fs: DurableFs; failed: () => string} {
    let calls = 0;
    let failed = "";
    const fs = watchedFs(
        async (call) => {
            calls += 1;
            if (calls !== n) return;
            failed = call;
            throw Object.assign(new Error("EIO: i/o error"), {code: "EIO", errno: -5});
        },
        async () => undefined,
    );
    return {fs, failed: () => failed};
}

interface Inode {
    octets: Uint8Array;
    synced: Uint8Array;
}

/** The names in each folder. */
type Names = Map<string, Map<string, Inode>>;

/** The files after a power cut: path to octets. */
export type Remains = ReadonlyMap<string, Uint8Array>;

/**
 * A disk that keeps what fsync was told of, and of everything else the least or the most harmful
 * part. Works on the real folder too, which is what readers see while there is power.
 */
export class PowerFs {
    readonly #now: Names = new Map();
    readonly #durable: Names = new Map();
    /** After each call: nothing unsynced came through; names came through and contents did not. */
    readonly cuts: {readonly call: string; readonly remains: readonly Remains[]}[] = [];

    /** The file is there already, for good. */
    add(path: string, octets: Uint8Array): void {
        const inode = {octets, synced: octets};
        for (const names of [this.#now, this.#durable]) {
            this.#folder(names, dirname(path)).set(basename(path), inode);
        }
    }

    #folder(names: Names, path: string): Map<string, Inode> {
        const known = names.get(path) ?? new Map<string, Inode>();
        names.set(path, known);
        return known;
    }

    #cut(call: string): void {
        const remains = [this.#durable, this.#now].map((names) => {
            const files = [...names].flatMap(([folder, own]) =>
                [...own].map(([name, {synced}]) => [join(folder, name), synced] as const),
            );
            return new Map(files);
        });
        this.cuts.push({call, remains});
    }

    get fs(): DurableFs {
        const done = async <T>(call: string, result: Promise<T>, model: () => void): Promise<T> => {
            const value = await result;
            model();
            this.#cut(call);
            return value;
        };
        const names = (path: string) => this.#folder(this.#now, dirname(path));
        return {
            makeFolder: (path) =>
                done(`makeFolder ${path}`, systemFs.makeFolder(path), () => undefined),
            create: async (path) => {
                const inode: Inode = {octets: new Uint8Array(), synced: new Uint8Array()};
                const file = await done(`create ${path}`, systemFs.create(path), () =>
                    names(path).set(basename(path), inode),
                );
                return {
                    write: (octets) =>
                        done(`write ${path}`, file.write(octets), () => {
                            inode.octets = octets;
                        }),
                    give: (access) => done(`give ${path}`, file.give(access), () => undefined),
                    sync: () =>
                        done(`sync ${path}`, file.sync(), () => {
                            inode.synced = inode.octets;
                        }),
                    close: () => done(`close ${path}`, file.close(), () => undefined),
                };
            },
            rename: (from, to) =>
                done(`rename ${to}`, systemFs.rename(from, to), () => {
                    const inode = names(from).get(basename(from));
                    if (inode === undefined) throw new Error(`${from} is not in the model`);
                    names(from).delete(basename(from));
                    names(to).set(basename(to), inode);
                }),
            remove: (path) =>
                done(`remove ${path}`, systemFs.remove(path), () => {
                    names(path).delete(basename(path));
                }),
            syncFolder: (path) =>
                done(`syncFolder ${path}`, systemFs.syncFolder(path), () => {
                    this.#durable.set(path, new Map(this.#folder(this.#now, path)));
                }),
        };
    }
}

/** Fails loudly with what was refused. */
export function value<T>(
    result: {ok: true; value: T} | {ok: false; error: {code: string; message: string}},
): T {
    if (result.ok) return result.value;
    throw new Error(`${result.error.code}: ${result.error.message}`);
}
