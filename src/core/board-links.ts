/**
 * What a board's manifest means for systemd and the kernel: .link files that name the ports,
 * modules to load, the console's words. Pure.
 */
import type {Board, BoardNic, BoardSerial, Recognised} from "./board.ts";

export interface LinkFile {
    /** "10-carpd-lan0.link" */
    readonly name: string;
    readonly text: string;
}

/** Before 99-default.link and before what a distribution brings. */
export const linkPrefix = "10-carpd-";

/**
 * The ports to name: those of the manifest, and on a machine that only the architecture's manifest
 * fits net0, net1 and so on by ascending PCI address. Not ethN: the kernel gives these names itself
 * while drivers load, and a rename to one that is taken fails.
 */
export function portsOf(board: Board, pciEthernet: readonly string[]): readonly BoardNic[] {
    if (board.match.kind !== "arch" || board.nics.length > 0) return board.nics;
    return pciEthernet.map((address, index) => ({
        name: `net${index}`,
        label: `PCI ${address}`,
        paths: [`pci-${address}`],
    }));
}

/** One for each port with a known path (systemd.link(5)). */
export function linkFiles(boardId: string, nics: readonly BoardNic[]): readonly LinkFile[] {
    return nics
        .filter(({paths}) => paths.length > 0)
        .map(({name, label, paths}) => ({
            name: `${linkPrefix}${name}.link`,
            text: [
                `# ${label}: board ${boardId}, written at boot by carp-board-setup`,
                "[Match]",
                // Not a wireless card or a modem that sits in the same slot.
                "Type=ether",
                `Path=${paths.join(" ")}`,
                "",
                "[Link]",
                `Name=${name}`,
                // The first file that matches is the only one: what 99-default.link has besides.
                "AlternativeNamesPolicy=database onboard slot path mac",
                "MACAddressPolicy=persistent",
                "",
            ].join("\n"),
        }));
}

/** The board's modules and its watchdog's, each once, in this order. */
export function modulesOf(board: Board): readonly string[] {
    const watchdog = board.watchdog === null ? [] : [board.watchdog.module];
    return [...new Set([...board.modules, ...watchdog])];
}

/** The kernel's word for a console on the port: "console=ttyS0,115200n8". */
export function consoleWord({tty, baud, flow}: BoardSerial): string {
    return `console=${tty},${baud}n8${flow === "rtscts" ? "r" : ""}`;
}

/** For EnvironmentFile= of units that ask what board this is (systemd.exec(5)). */
export function environmentText({board}: Recognised): string {
    const values: readonly (readonly [string, string])[] = [
        ["CARP_BOARD", board?.id ?? ""],
        ["CARP_CONSOLE_TTY", board?.console?.tty ?? ""],
        ["CARP_CONSOLE_BAUD", String(board?.console?.baud ?? "")],
        ["CARP_WATCHDOG_SEC", String(board?.watchdog?.timeoutSec ?? "")],
    ];
    // What the manifest does not say keeps the unit's own default.
    return values
        .filter(([name, value]) => value !== "" || name === "CARP_BOARD")
        .map(([name, value]) => `${name}=${value}\n`)
        .join("");
}

/** One line for the boot's log. */
export function recognisedLine({board, why}: Recognised, ports: readonly BoardNic[]): string {
    if (board === null) return `${why}; ports keep the kernel's names`;
    const named = ports.filter(({paths}) => paths.length > 0).map(({name}) => name);
    const modules = modulesOf(board);
    const {console: port} = board;
    return [
        `${board.id} (${board.name}): ${why}`,
        port === null ? "no serial console" : `console ${port.tty} ${port.baud}`,
        named.length === 0 ? "no ports to name" : `ports ${named.join(" ")}`,
        ...(modules.length === 0 ? [] : [`modules ${modules.join(" ")}`]),
    ].join("; ");
}
