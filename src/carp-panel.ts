#!/usr/bin/env node
/**
 * carp-panel: the composition root of the front panel, LEDs and buttons. A process of its own, so
 * that a driver which hangs stalls nobody; it needs the control socket, the LEDs and the input
 * devices, and no capability.
 */
import {uptime} from "node:os";
import {Panel, silentMs, tickMs} from "./app/panel.ts";
import {noButton} from "./core/buttons.ts";
import {formatUsageError} from "./core/cli-options.ts";
import {exitCodes} from "./core/exit-codes.ts";
import {type Daemonless, ledsOf, type PanelBoard} from "./core/leds.ts";
import {printable} from "./core/log.ts";
import {type PanelOptions, panelUsage, parsePanelArguments} from "./core/panel-options.ts";
import {loadAddon} from "./io/addon.ts";
import {boardFolder, recogniseMachine} from "./io/board-files.ts";
import {ControlClient} from "./io/control-client.ts";
import {InputKeys} from "./io/input-keys.ts";
import {LedClass, usualLeds} from "./io/led-class.ts";
import {ServiceNotifier} from "./io/notify.ts";
import {directoryFrom} from "./io/run-dir.ts";
import {version} from "./io/version.ts";

const {env, stdout, stderr} = process;
const log = (text: string): void => {
    stderr.write(`carp-panel: ${printable(text)}\n`);
};
const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** A machine has booted by then, seconds of its uptime. */
const bootSeconds = 180;
/** Whoever starts both at the same time sees no fault, milliseconds. */
const graceMs = 10_000;
/** For one show and the end, milliseconds: a driver that hangs is known as such by then. */
const oneShotMs = usualLeds.limitMs + 2000;

/** The service manager, if there is one and the addon is there to reach it. */
function notifier(): ServiceNotifier {
    let send: (state: string) => boolean = () => false;
    if ((env.NOTIFY_SOCKET ?? "") !== "") {
        try {
            send = loadAddon().sdNotify;
        } catch (error) {
            log(`no word to the service manager: ${String(error)}`);
        }
    }
    return new ServiceNotifier(send, env, process.pid);
}

/** A driver that does not return keeps its thread, and node waits for threads at its end. */
function leave(leds: LedClass, code: number): never {
    if (leds.hung > 0) process.kill(process.pid, "SIGKILL");
    process.exit(code);
}

async function showOnce(state: Daemonless, board: PanelBoard, leds: LedClass): Promise<never> {
    leds.show(ledsOf(state, board));
    await leds.settled(oneShotMs);
    const problems = leds.problems();
    for (const {name, problem} of problems) log(`LED ${name}: ${problem}`);
    leave(leds, problems.length > 0 ? exitCodes.ioError : exitCodes.ok);
}

async function run(options: PanelOptions): Promise<void> {
    const {board, why, problems} = recogniseMachine("/", options.boardDir || boardFolder());
    for (const problem of problems) log(problem);
    const known: PanelBoard = board ?? {leds: new Map()};
    const leds = new LedClass({...usualLeds, root: options.sysRoot});
    switch (options.mode) {
        case "fault":
            return showOnce("dead", known, leds);
        case "boot":
            return showOnce("booting", known, leds);
        case "off":
            return showOnce("off", known, leds);
        case "stopped":
            return showOnce(env.SERVICE_RESULT === "success" ? "off" : "dead", known, leds);
        case "run":
            break;
    }
    log(board === null ? `no board: ${why}` : `${board.name}: ${known.leds.size} LEDs; ${why}`);
    const button = board?.buttons.get("reset") ?? noButton;
    const panel = new Panel({
        client: new ControlClient(`${options.runDir}/control.sock`, silentMs),
        leds,
        board: known,
        holdMs: button.holdSec * 1000,
        monotonicMs,
        bootMs: Math.max(graceMs, (bootSeconds - uptime()) * 1000),
        log,
    });
    const keys = new InputKeys({
        folder: options.inputDir,
        names: "/sys/class/input",
        rule: button,
        heard: (input) => panel.pressed(input),
        warn: log,
    });
    if (button !== noButton) keys.start();

    const service = notifier();
    // One that does not tick is not well, whatever hangs.
    setInterval(() => panel.tick(), tickMs);
    if (service.watchdogIntervalMs !== null) {
        setInterval(() => service.watchdog(), service.watchdogIntervalMs);
    }
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.once(signal, () => {
            service.stopping();
            keys.stop();
            // What it said of carpd runs out by itself; whoever stopped it shows what is next.
            leave(leds, exitCodes.ok);
        });
    }
    panel.tick();
    service.ready();
}

const parsed = parsePanelArguments(
    process.argv.slice(2),
    directoryFrom(env.RUNTIME_DIRECTORY, "/run/carpd"),
);
if (!parsed.ok) {
    stderr.write(`${formatUsageError("carp-panel", parsed.error)}\ntry: carp-panel --help\n`);
    process.exitCode = exitCodes.usage;
} else if (parsed.value.kind === "help") stdout.write(`${panelUsage()}\n`);
else if (parsed.value.kind === "version") stdout.write(`carp-panel ${version()}\n`);
else await run(parsed.value.options);
