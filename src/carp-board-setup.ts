#!/usr/bin/env node
/**
 * carp-board-setup: the composition root of what is done for the board early at boot, as root and
 * before udev names the ports. Says in one line what machine this is; ends with 0 also where no
 * manifest fits, because a boot must go on.
 */
import {spawnSync} from "node:child_process";
import {exitCodes} from "./core/exit-codes.ts";
import {printable} from "./core/log.ts";
import {pciEthernet, recogniseMachine} from "./io/board-files.ts";
import {
    applyBoard,
    type BoardPlan,
    environmentFile,
    linkFolder,
    planBoard,
} from "./io/board-setup.ts";
import {codeOf} from "./io/system-error.ts";
import {version} from "./io/version.ts";

const usage = `usage: carp-board-setup [--print]

Recognises the machine by its firmware (DMI, device tree) or by carpd.board=ID on the kernel's command line, and
  writes /${linkFolder}/10-carpd-*.link, which name the ports,
  writes /${environmentFile}, for units,
  loads the board's modules,
  prints one line of what it found.

  --print    say what would be written and loaded, and do nothing
  --version
  --help
`;

/** A driver's probe that takes longer is left alone, milliseconds. */
const loadLimitMs = 10_000;

const {stdout, stderr} = process;
const complain = (text: string): void => {
    stderr.write(`carp-board-setup: ${printable(text)}\n`);
};

function loadModule(module: string): string {
    const {
        error,
        status,
        stderr: said,
    } = spawnSync("modprobe", [module], {
        stdio: ["ignore", "ignore", "pipe"],
        encoding: "utf8",
        timeout: loadLimitMs,
    });
    if (error !== undefined) return codeOf(error);
    return status === 0 ? "" : said.trim() || `modprobe ended with ${status ?? "a signal"}`;
}

function printPlan({line, links, modules, environment}: BoardPlan): string {
    return [
        line,
        ...links.map(({name, text}) => `\n/${linkFolder}/${name}:\n${text.trimEnd()}`),
        `\n/${environmentFile}:\n${environment.trimEnd()}`,
        ...(modules.length === 0 ? [] : [`\nmodprobe ${modules.join("; modprobe ")}`]),
        "",
    ].join("\n");
}

function main(words: readonly string[]): number {
    if (words.length > 1 || !["--print", "--version", "--help", undefined].includes(words[0])) {
        stderr.write(usage);
        return exitCodes.usage;
    }
    if (words[0] === "--help" || words[0] === "--version") {
        stdout.write(words[0] === "--help" ? usage : `carp-board-setup ${version()}\n`);
        return exitCodes.ok;
    }
    const machine = recogniseMachine();
    machine.problems.forEach(complain);
    const plan = planBoard(machine, pciEthernet());
    if (words[0] === "--print") {
        stdout.write(printPlan(plan));
        return exitCodes.ok;
    }
    stdout.write(`${plan.line}\n`);
    try {
        applyBoard(plan, "/", loadModule).forEach(complain);
        return exitCodes.ok;
    } catch (error) {
        complain(`cannot write below /run: ${codeOf(error)}`);
        return exitCodes.cannotCreate;
    }
}

process.exitCode = main(process.argv.slice(2));
