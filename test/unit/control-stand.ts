/**
 * A daemon on a scripted engine behind a real control socket, and carpctl that talks to it. For the
 * tests of the control API and of carpctl.
 */
import assert from "node:assert/strict";
import {mkdtempSync, rmSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import type {TestContext} from "node:test";
import type {ExtensionRoute} from "../../src/app/api-extension.ts";
import {runCarpctl} from "../../src/app/carpctl-run.ts";
import {ControlApi} from "../../src/app/control-api.ts";
import {Daemon} from "../../src/app/daemon.ts";
import type {BalanceIndex} from "../../src/core/balance.ts";
import type {Config} from "../../src/core/config.ts";
import {err, ok} from "../../src/core/result.ts";
import {plain} from "../../src/core/show.ts";
import {loadAddon} from "../../src/io/addon.ts";
import {ControlClient} from "../../src/io/control-client.ts";
import {ControlServer, type ControlServerOptions} from "../../src/io/control-server.ts";
import {FileMaintenanceStore} from "../../src/io/maintenance-store.ts";
import {openToGroup} from "../../src/io/run-dir.ts";
import {SystemTrackChecks} from "../../src/io/track-checks.ts";
import {config, now, ScriptedEngine} from "./engine-fixtures.ts";

export interface Stand {
    readonly folder: string;
    readonly socket: string;
    readonly engine: ScriptedEngine;
    readonly daemon: Daemon;
    readonly server: ControlServer;
    readonly client: ControlClient;
    readonly bugs: unknown[];
    /** Runs carpctl against this stand. */
    readonly carpctl: (line: string) => Promise<{code: number; out: string; complaint: string}>;
}

export function folder(t: TestContext): string {
    const path = mkdtempSync(join(tmpdir(), "carpd-ctl-"));
    t.after(() => rmSync(path, {recursive: true, force: true}));
    return path;
}

export async function carpctlIn(
    runDir: string,
    line: string,
    signal = new AbortController().signal,
    onOut: (text: string) => void = () => undefined,
): Promise<{code: number; out: string; complaint: string}> {
    let out = "";
    let complaint = "";
    const code = await runCarpctl(line === "" ? [] : line.split(" "), {
        version: "0.1.0",
        defaultRunDir: runDir,
        connect: (socket) => new ControlClient(socket),
        out: (text) => {
            out += text;
            onOut(text);
        },
        complain: (text) => {
            complaint += text;
        },
        paint: plain,
        nowMs: () => Number(now / 1000n),
        signal,
    });
    return {code, out, complaint};
}

export interface StandOptions {
    readonly streamLimit?: number;
    readonly of?: Config;
    readonly identify?: ControlServerOptions["identify"];
    readonly extensions?: readonly ExtensionRoute[];
    /** More of them, which need the daemon. */
    readonly extend?: (daemon: Daemon) => readonly ExtensionRoute[];
}

const asAdmin: ControlServerOptions["identify"] = () =>
    ok({id: "test", user: "test", role: "admin", origin: "test"});

export async function stand(
    t: TestContext,
    {streamLimit, of = config(), identify = asAdmin, extensions = [], extend}: StandOptions = {},
): Promise<Stand> {
    const path = folder(t);
    const addon = loadAddon();
    const clock = {
        monotonicUs: () => now,
        wallUs: () => now,
        after: (ms: number, run: () => void) => {
            const timer = setTimeout(run, ms);
            return () => clearTimeout(timer);
        },
    };
    const socket = join(path, "control.sock");
    const engine = new ScriptedEngine();
    const bugs: unknown[] = [];
    const daemon = new Daemon(
        {
            engine,
            clock,
            log: {write: () => undefined},
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
            config: {load: async () => err({text: "carpd.toml:1:1: no such key", exitCode: 78})},
            hooks: {run: () => Promise.resolve()},
            checks: new SystemTrackChecks({
                clock,
                probes: addon,
                healthHelper: "",
                warn: (text) => bugs.push(text),
            }),
            maintenance: new FileMaintenanceStore(path),
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
        of,
    );
    assert.ok((await daemon.start()).ok);
    t.after(() => daemon.conditions.stop());
    const counters = () => ({watchersDropped: server.slowClients});
    const balanceIndex: BalanceIndex = (question) => addon.balanceIndex(question);
    const routes = [...extensions, ...(extend?.(daemon) ?? [])];
    const api = new ControlApi(daemon, counters, balanceIndex, routes);
    const server: ControlServer = new ControlServer({
        socket,
        opened: (file) => openToGroup(file, "no-such-group-here"),
        identify,
        answer: (request, session) => api.answer(request, session),
        subscribe: (listener) => daemon.history.subscribe(listener),
        failed: (error) => bugs.push(error),
        ...(streamLimit === undefined ? {} : {streamLimit}),
    });
    await server.listen();
    t.after(() => server.close());
    const client = new ControlClient(socket);
    const carpctl = (line: string) => carpctlIn(path, line);
    return {folder: path, socket, engine, daemon, server, client, bugs, carpctl};
}
