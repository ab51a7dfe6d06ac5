#!/usr/bin/env node
/**
 * carpd: the composition root. Arguments -> configuration -> run directory -> engine -> control
 * socket -> ready; signals until the end. Main thread; the engine has its own.
 */
import {randomBytes} from "node:crypto";
import {realpathSync} from "node:fs";
import {hostname} from "node:os";
import {dirname, join, resolve} from "node:path";
import {Access} from "./app/access.ts";
import {accessRoutes} from "./app/access-routes.ts";
import {applianceRoutes, eraseWords} from "./app/appliance-routes.ts";
import {BsdCommands} from "./app/bsd-commands.ts";
import {Configuration} from "./app/configuration.ts";
import {needsRecovery, recover} from "./app/configuration-recovery.ts";
import {configurationRoutes} from "./app/configuration-routes.ts";
import {ControlApi} from "./app/control-api.ts";
import {checkLine, Daemon} from "./app/daemon.ts";
import {Operations} from "./app/operations.ts";
import {operationsRoutes} from "./app/operations-routes.ts";
import {panelRoutes} from "./app/panel-routes.ts";
import {PanelState} from "./app/panel-state.ts";
import type {Clock, ConfigSource, Failure} from "./app/ports.ts";
import {ProcessEnd} from "./app/process-end.ts";
import {
    type CarpdOptions,
    carpdUsage,
    formatUsageError,
    parseCarpdArguments,
} from "./core/cli-options.ts";
import {checkInterfaces} from "./core/config-claims.ts";
import {errorOf} from "./core/control-protocol.ts";
import {formatDiagnostics, sortDiagnostics} from "./core/diagnostic.ts";
import {exitCodes} from "./core/exit-codes.ts";
import {note} from "./core/log.ts";
import {err, ok, type Result} from "./core/result.ts";
import {type Addon, loadAddon} from "./io/addon.ts";
import {ApplianceClient} from "./io/appliance-client.ts";
import {boardFolder, recogniseMachine} from "./io/board-files.ts";
import {interfaceNames, loadConfig} from "./io/config-files.ts";
import {FileConfigStore} from "./io/config-history.ts";
import {checkSystem} from "./io/config-system.ts";
import {ControlServer} from "./io/control-server.ts";
import {echo} from "./io/echo.ts";
import {FileEpochStore} from "./io/epoch-store.ts";
import {DirectoryHookRunner} from "./io/hook-runner.ts";
import {readHostFacts} from "./io/host-facts.ts";
import {hostInterfaces} from "./io/host-interfaces.ts";
import {descriptorSink, isJournal, LogWriter} from "./io/log-writer.ts";
import {FileMaintenanceStore} from "./io/maintenance-store.ts";
import {ServiceNotifier} from "./io/notify.ts";
import {PasswdFile} from "./io/passwd-file.ts";
import {SystemPower} from "./io/power.ts";
import {claimRunDir, directoryFrom, openToGroup} from "./io/run-dir.ts";
import {peerOf, processAlive} from "./io/socket-peer.ts";
import {readSystem} from "./io/system-info.ts";
import {SystemTrackChecks} from "./io/track-checks.ts";
import {FileUserStore, ScryptHasher} from "./io/users-store.ts";
import {projectRoot, version} from "./io/version.ts";

const controlGroup = "carpd";
/** Above every ordinary thread, below the kernel's own watchdogs and interrupt threads. */
const realtimePriority = 50;

const clock: Clock = {
    monotonicUs: () => process.hrtime.bigint() / 1000n,
    wallUs: () => BigInt(Date.now()) * 1000n,
    after: (ms, run) => {
        const timer = setTimeout(run, ms);
        timer.unref();
        return () => clearTimeout(timer);
    },
};

function configSource(path: string): ConfigSource {
    return {
        load: async (mayBeAbsent, text) => {
            const loaded = loadConfig(path, text);
            if (!loaded.ok) return loaded;
            const names = interfaceNames();
            if (!names.ok) return err({text: names.error, exitCode: exitCodes.osError});
            const {config, claims, warnings, texts} = loaded.value;
            const files = texts.map(({file}) => file);
            const found = [
                ...checkInterfaces(claims, [...names.value, ...mayBeAbsent]),
                ...(await checkSystem(claims)),
            ];
            const errors = found.filter(({severity}) => severity === "error");
            if (errors.length > 0) {
                const text = formatDiagnostics(sortDiagnostics(errors, files));
                return err({text, exitCode: exitCodes.config});
            }
            const all = sortDiagnostics([...warnings, ...found], files);
            return ok({config, warnings: formatDiagnostics(all), texts});
        },
    };
}

/** `--check`: says what is wrong and touches nothing. */
async function check(path: string, source: ConfigSource): Promise<number> {
    const loaded = await source.load([]);
    if (!loaded.ok) {
        process.stderr.write(`${loaded.error.text}\n`);
        return loaded.error.exitCode;
    }
    if (loaded.value.warnings !== "") process.stderr.write(`${loaded.value.warnings}\n`);
    process.stdout.write(`${checkLine(path, loaded.value.config)}\n`);
    return exitCodes.ok;
}

/** The addon, or why it cannot be used. */
function addonOrFailure(): Result<Addon, Failure> {
    try {
        return ok(loadAddon());
    } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        return err({text: `cannot load the engine: ${reason}`, exitCode: exitCodes.software});
    }
}

async function run(options: CarpdOptions): Promise<void> {
    const {env} = process;
    const source = configSource(options.configFile);
    const log = new LogWriter({
        format: options.logFormat,
        journal: isJournal(2, env.JOURNAL_STREAM),
        sink: descriptorSink(2),
    });
    const ending = new ProcessEnd({
        flush: (limitMs) => log.flush(limitMs),
        exit: (code) => process.exit(code),
    });
    const fail = (failure: Failure): Promise<void> => {
        log.write(note("error", "failed", failure.text, {exitCode: failure.exitCode}));
        return ending.end(failure.exitCode);
    };
    const bug = (error: unknown): void => {
        const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
        log.write(note("error", "bug", `carpd failed: ${trace.replaceAll(/\n\s*/gu, " | ")}`));
        // The process goes, so the peer takes over; the janitor removes what is left.
        ending.end(exitCodes.software).catch(() => process.exit(exitCodes.software));
    };
    process.on("uncaughtException", bug);
    process.on("unhandledRejection", bug);

    const store = new FileConfigStore(options.configFile, options.stateDir);
    const damaged = await needsRecovery(store, source);
    // A refused start touches nothing: the run directory comes first only where files are mended.
    const first = damaged ? undefined : await source.load([]);
    if (first?.ok === false && options.hold === "") return fail(first.error);
    const addon = addonOrFailure();
    if (!addon.ok) return fail(addon.error);
    const {balanceIndex, createEngine, janitor, lockFile, sdNotify, startProber} = addon.value;
    const {peerCredentials} = addon.value;
    const runDir = claimRunDir(options.runDir, lockFile);
    if (!runDir.ok) return fail(runDir.error);
    const mended = damaged ? await recover(store, source, Date.now()) : {records: []};
    for (const record of mended.records) log.write(record);
    const wanted = first ?? (await source.load([], mended.text));
    // Held, the console has to be there to mend a configuration that cannot be read.
    const loaded = wanted.ok || options.hold === "" ? wanted : await source.load([], "");
    if (!loaded.ok) return fail(loaded.error);
    if (!wanted.ok) log.write(note("error", "configuration", wanted.error.text));
    const broken = wanted.ok ? "" : "; the configuration is not valid, see the log";
    const hold = `${options.hold}${broken}`;
    if (loaded.value.warnings !== "") {
        log.write(note("warning", "configuration", loaded.value.warnings));
    }

    const checks = new SystemTrackChecks({
        clock,
        probes: {startProber},
        healthHelper: join(import.meta.dirname, "health-helper.js"),
        warn: (text) => log.write(note("warning", "track", text)),
    });
    // However this process ends, short of SIGKILL, no check goes on without it.
    process.on("exit", () => checks.killNow());

    const appliance = new ApplianceClient({
        socket: options.systemSocket,
        releaseFile: join(projectRoot(), "release.json"),
        clock,
    });
    const daemon = new Daemon(
        {
            engine: createEngine(),
            clock,
            log,
            notifier: new ServiceNotifier(sdNotify, env, process.pid),
            epochs: new FileEpochStore(options.stateDir, (text) =>
                log.write(note("error", "epoch", text)),
            ),
            config: source,
            hooks: new DirectoryHookRunner(dirname(resolve(options.configFile)), log),
            checks,
            maintenance: new FileMaintenanceStore(options.stateDir),
            network: appliance,
        },
        {
            version: version(),
            hold,
            engine: {
                janitor,
                // The same after a restart: that is how leftovers are recognised.
                owner: `carpd ${realpathSync(runDir.value.path)}`,
                sysctlJournal: join(runDir.value.path, "sysctl-journal"),
                realtimePriority,
                lockMemory: true,
            },
        },
        loaded.value.config,
    );

    const passwd = new PasswdFile();
    const access = new Access({
        clock,
        log,
        store: new FileUserStore(options.stateDir),
        hasher: new ScryptHasher(),
        newToken: () => randomBytes(32).toString("base64url"),
        consoleUid: () => passwd.uidOf(options.consoleUser),
        panelUid: () => passwd.uidOf(options.panelUser),
        ownUid: process.getuid?.() ?? 0,
        processAlive,
    });

    const configuration = new Configuration(
        {store, source, running: daemon, clock},
        loaded.value.texts,
    );

    const power = new SystemPower();
    const operations = new Operations(daemon, {
        clock,
        log,
        readSystem: (carpd) => readSystem(checks.health, carpd),
        readFacts: readHostFacts,
        ping: (address, count) => echo({startProber}, clock, address, count),
        power: async (action, force) => {
            if (!appliance.present) return power.run(action);
            const {status, body} = await appliance.ask("POST", "power", {action, force});
            return status === 200
                ? ok(undefined)
                : err(errorOf(body)?.message ?? `status ${status}`);
        },
    });
    const bsd = new BsdCommands(daemon, {
        log,
        configuration,
        hostInterfaces,
        hostname,
        appliance: () => appliance.present,
    });

    const machine = recogniseMachine("/", options.boardDir || boardFolder());
    const panel = new PanelState(daemon, {
        clock,
        board: machine.board,
        appliance: () => appliance.status(),
        commitUnconfirmed: () => configuration.confirmBy,
        factoryReset: async () => {
            const {status, body} = await appliance.ask("POST", "factory-reset", {
                confirm: eraseWords,
            });
            return status === 200
                ? ok(undefined)
                : err(errorOf(body)?.message ?? `status ${status}`);
        },
    });

    const extraCounters = () => ({
        logLinesDropped: log.dropped,
        watchersDropped: server.slowClients,
    });
    const api = new ControlApi(daemon, extraCounters, balanceIndex, [
        ...accessRoutes(access),
        ...configurationRoutes(configuration),
        ...operationsRoutes(operations, bsd, daemon),
        ...applianceRoutes(appliance, log, clock),
        ...panelRoutes(panel, (session) => access.isPanel(session)),
    ]);
    const server: ControlServer = new ControlServer({
        socket: runDir.value.socket,
        opened: (socket) => {
            const remark = openToGroup(socket, controlGroup);
            if (remark !== "") log.write(note("info", "control socket", remark));
        },
        identify: (socket, authorization, path) =>
            access.identify(peerOf(socket, peerCredentials), authorization, path),
        answer: (request, session) => api.answer(request, session),
        subscribe: (listener) => daemon.history.subscribe(listener),
        failed: (error) => {
            const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
            log.write(note("error", "control request failed", text));
        },
    });

    // Whoever is no longer logged in hears nothing more either.
    access.onEnd((session) => {
        server.endStreams(session.id);
        configuration.sessionEnded(session);
    });

    const terminate = async (): Promise<void> => {
        const code = await daemon.stop();
        await server.close();
        access.stop();
        appliance.stop();
        configuration.stop();
        await ending.end(code);
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.on(signal, () => {
            terminate().catch(bug);
        });
    }
    process.on("SIGHUP", () => {
        daemon.reload().catch(bug);
    });

    const started = await daemon.start();
    if (!started.ok) return fail(started.error);
    // A configuration that could not be read is not the host's network either.
    if (wanted.ok) daemon.applyNetwork().catch(bug);
    await access.start();
    appliance.start();
    if (daemon.stopping) return;
    try {
        await server.listen();
    } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.write(note("error", "control socket", `cannot open the control socket: ${reason}`));
        await daemon.stop();
        return ending.end(exitCodes.cannotCreate);
    }
    if (!daemon.stopping) daemon.announceReady();
}

const parsed = parseCarpdArguments(process.argv.slice(2), {
    configFile: "/etc/carpd/carpd.toml",
    runDir: directoryFrom(process.env.RUNTIME_DIRECTORY, "/run/carpd"),
    stateDir: directoryFrom(process.env.STATE_DIRECTORY, "/var/lib/carpd"),
});
if (!parsed.ok) {
    process.stderr.write(`${formatUsageError("carpd", parsed.error)}\ntry: carpd --help\n`);
    process.exitCode = exitCodes.usage;
} else if (parsed.value.kind === "help") {
    process.stdout.write(`${carpdUsage()}\n`);
} else if (parsed.value.kind === "version") {
    process.stdout.write(`carpd ${version()}\n`);
} else if (parsed.value.options.check) {
    const {configFile} = parsed.value.options;
    process.exitCode = await check(configFile, configSource(configFile));
} else {
    // The end is ProcessEnd's alone: the event loop may not run dry before the socket is open or
    // while the engine hands over.
    setInterval(() => undefined, 60_000);
    await run(parsed.value.options);
}
