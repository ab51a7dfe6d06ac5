#!/usr/bin/env node
/**
 * carp-system: the appliance's only privileged helper, as a composition root. Runs as root on images
 * only; carpd and root ask it over /run/carp-system/socket.
 *
 * Updates, the mark that a slot is good, factory reset, power, and what [system] and [[interface]]
 * want of the host. `--before-carpd` settles the configuration's schema and ends.
 */
import {mkdirSync, rmSync} from "node:fs";
import {dirname, join} from "node:path";
import {ApplianceSystem} from "./app/appliance/system-routes.ts";
import type {Clock} from "./app/ports.ts";
import {parseSystemArguments, type SystemOptions, systemUsage} from "./core/appliance/options.ts";
import {schemaSentence} from "./core/appliance/schema-migration.ts";
import {type ApiReply, failure} from "./core/control-protocol.ts";
import type {Session} from "./core/control-session.ts";
import {exitCodes} from "./core/exit-codes.ts";
import {note} from "./core/log.ts";
import {err, ok, type Result} from "./core/result.ts";
import {loadAddon, type PeerCredentials} from "./io/addon.ts";
import {SystemBundles} from "./io/appliance/bundles.ts";
import {lookAtCarpd} from "./io/appliance/carpd-look.ts";
import {forgetDownloads} from "./io/appliance/download.ts";
import {KeptConfiguration} from "./io/appliance/kept-configuration.ts";
import {applyNetwork} from "./io/appliance/network-applier.ts";
import {RaucCli} from "./io/appliance/rauc-cli.ts";
import {
    armFactoryReset,
    bootFault,
    deviceSizes,
    grubEnvironmentPath,
    loadBootEnvironment,
    readRelease,
    readSlot,
    SlotRecordFile,
} from "./io/appliance/slot-files.ts";
import {UsbSticks} from "./io/appliance/usb-sticks.ts";
import {ControlServer} from "./io/control-server.ts";
import {descriptorSink, isJournal, LogWriter} from "./io/log-writer.ts";
import {ServiceNotifier} from "./io/notify.ts";
import {PasswdFile} from "./io/passwd-file.ts";
import {SystemPower} from "./io/power.ts";
import {openToGroup, socketName} from "./io/run-dir.ts";
import {peerOf} from "./io/socket-peer.ts";
import {codeOf} from "./io/system-error.ts";
import {version} from "./io/version.ts";

const {env} = process;
const log = new LogWriter({
    format: "text",
    journal: isJournal(2, env.JOURNAL_STREAM),
    sink: descriptorSink(2),
});
const clock: Clock = {
    monotonicUs: () => process.hrtime.bigint() / 1000n,
    wallUs: () => BigInt(Date.now()) * 1000n,
    after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
    },
};

async function fail(text: string, code: number): Promise<void> {
    log.write(note("error", "failed", text));
    await log.flush(1000);
    process.exit(code);
}

/** Before carpd starts: carpd never meets a configuration that it cannot read. */
async function beforeCarpd(options: SystemOptions): Promise<void> {
    const release = readRelease(options.release);
    if (!release.ok) return fail(release.error, exitCodes.noInput);
    const {schema} = release.value;
    try {
        const kept = new KeptConfiguration({config: options.configDir, data: options.data});
        const plan = await kept.prepare(schema);
        const sentence = schemaSentence(plan, schema);
        if (sentence !== "") log.write(note("error", "schema", sentence));
        if (plan.kind === "takeOver") {
            const text = `the configuration of schema ${plan.keepAs} is kept; this release writes schema ${schema}`;
            log.write(note("notice", "schema", text));
        }
        await log.flush(1000);
    } catch (error) {
        // carpd starts all the same, with what there is.
        await fail(
            `the configuration's schema is not settled: ${codeOf(error)}`,
            exitCodes.ioError,
        );
    }
}

/** carpd and root; everybody else hears one sentence. */
function identify(peer: PeerCredentials | null, user: string): Result<Session, ApiReply> {
    const carpd = passwd.uidOf(user);
    const known = carpd.ok ? carpd.value : null;
    if (peer !== null && (peer.uid === 0 || peer.uid === known)) {
        return ok({
            id: `uid ${peer.uid}`,
            user: `uid ${peer.uid}`,
            role: "admin",
            origin: "socket",
        });
    }
    const message = `only root and ${user} may speak to carp-system; ask carpd with carpctl`;
    return err(failure(403, "FORBIDDEN", message, "carpctl"));
}

const passwd = new PasswdFile();

async function run(options: SystemOptions): Promise<void> {
    const release = readRelease(options.release);
    if (!release.ok) {
        return fail(`this host is not a carpd appliance: ${release.error}`, exitCodes.noInput);
    }
    const {peerCredentials, sdNotify} = loadAddon();
    const {data, raucConfig} = options;
    const downloads = join(data, "tmp");
    const runDir = dirname(options.socket);
    mkdirSync(runDir, {recursive: true, mode: 0o755});
    rmSync(options.socket, {force: true});
    await forgetDownloads(downloads);

    const kept = new KeptConfiguration({config: options.configDir, data});
    const records = new SlotRecordFile(data);
    const power = new SystemPower([dirname(options.systemctl)]);
    const sticks = new UsbSticks({folder: join(runDir, "usb")});
    const environmentPath = grubEnvironmentPath(raucConfig);
    const carpd = join(options.runDir, socketName);
    const system = new ApplianceSystem({
        clock,
        log,
        rauc: new RaucCli({program: options.rauc, config: raucConfig}),
        bundles: new SystemBundles({sticks, folder: downloads}),
        release: release.value,
        slot: readSlot(options.commandLine),
        schemaNote: () => kept.note(),
        bootEnvironment: () => loadBootEnvironment(environmentPath),
        loadRecords: () => records.load(),
        saveRecords: (list) => records.save(list),
        deviceSizes: (devices) => deviceSizes(devices),
        lookAtCarpd: () => lookAtCarpd(carpd, () => Number(clock.monotonicUs() / 1000n)),
        power: (action) => power.run(action),
        armFactoryReset: () => armFactoryReset(environmentPath),
        bootFault: () => bootFault(options.bootDir),
        applyNetwork,
    });
    const server = new ControlServer({
        socket: options.socket,
        opened: (socket) => {
            const remark = openToGroup(socket, options.user);
            if (remark !== "") log.write(note("info", "socket", remark));
        },
        identify: (socket) => identify(peerOf(socket, peerCredentials), options.user),
        answer: (request) => system.answer(request),
        subscribe: () => () => undefined,
        failed: (error) => {
            const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
            log.write(note("error", "request failed", text));
        },
    });
    const notifier = new ServiceNotifier(sdNotify, env, process.pid);
    const stop = async (): Promise<void> => {
        notifier.stopping();
        await server.close();
        system.stop();
        await log.flush(1000);
        process.exit(exitCodes.ok);
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.on(signal, () => {
            stop().catch(() => process.exit(exitCodes.software));
        });
    }
    await server.listen();
    // The socket answers before RAUC does: carpd does not wait for D-Bus.
    notifier.ready();
    const watchdog = notifier.watchdogIntervalMs;
    if (watchdog !== null) setInterval(() => notifier.watchdog(), watchdog);
    await system.start();
}

const parsed = parseSystemArguments(process.argv.slice(2));
if (!parsed.ok) {
    process.stderr.write(`${parsed.error}\ntry: carp-system --help\n`);
    process.exitCode = exitCodes.usage;
} else if (parsed.value.kind === "help") process.stdout.write(`${systemUsage()}\n`);
else if (parsed.value.kind === "version") process.stdout.write(`carp-system ${version()}\n`);
else if (parsed.value.options.beforeCarpd) await beforeCarpd(parsed.value.options);
else await run(parsed.value.options);
