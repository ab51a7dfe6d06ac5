/**
 * What is done for the board early at boot: .link files before udev names the ports, modules, an
 * environment file for units. Synchronous; runs in carp-board-setup as root.
 */
import {mkdirSync, readdirSync, rmSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import type {Recognised} from "../core/board.ts";
import {
    environmentText,
    type LinkFile,
    linkFiles,
    linkPrefix,
    modulesOf,
    portsOf,
    recognisedLine,
} from "../core/board-links.ts";

export interface BoardPlan {
    readonly line: string;
    readonly links: readonly LinkFile[];
    readonly modules: readonly string[];
    readonly environment: string;
}

export function planBoard(machine: Recognised, pciEthernet: readonly string[]): BoardPlan {
    const {board} = machine;
    const ports = board === null ? [] : portsOf(board, pciEthernet);
    return {
        line: recognisedLine(machine, ports),
        links: board === null ? [] : linkFiles(board.id, ports),
        modules: board === null ? [] : modulesOf(board),
        environment: environmentText(machine),
    };
}

export const linkFolder = "run/systemd/network";
export const environmentFile = "run/carp-board.env";

/**
 * `root` stands for "/". `load` loads one module; what it says is wrong, "" for nothing. A module that
 * does not load leaves LEDs dark or a watchdog unused: it must not stop the boot.
 */
export function applyBoard(
    plan: BoardPlan,
    root: string,
    load: (module: string) => string,
): readonly string[] {
    const folder = join(root, linkFolder);
    mkdirSync(folder, {recursive: true});
    for (const name of readdirSync(folder)) {
        if (name.startsWith(linkPrefix) && name.endsWith(".link")) rmSync(join(folder, name));
    }
    for (const {name, text} of plan.links) writeFileSync(join(folder, name), text, {mode: 0o644});
    mkdirSync(dirname(join(root, environmentFile)), {recursive: true});
    writeFileSync(join(root, environmentFile), plan.environment, {mode: 0o644});
    return plan.modules.flatMap((module) => {
        const wrong = load(module);
        return wrong === "" ? [] : [`module ${module}: ${wrong}`];
    });
}
