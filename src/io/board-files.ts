/**
 * The board manifests on disk, and what the firmware says of the machine. Synchronous reads of a
 * few small files; changes nothing. Whatever cannot be read is taken as not said.
 */
import {readdirSync, readFileSync, readlinkSync} from "node:fs";
import {arch as processArch} from "node:os";
import {join} from "node:path";
import {
    type Arch,
    type Board,
    type DmiField,
    dmiFields,
    type HardwareFacts,
    type Recognised,
    recogniseBoard,
} from "../core/board.ts";
import {decodeBoard} from "../core/board-decode.ts";
import {formatDiagnostics} from "../core/diagnostic.ts";
import {codeOf} from "./system-error.ts";
import {projectRoot} from "./version.ts";

export interface BoardsRead {
    /** Sorted by id. */
    readonly boards: readonly Board[];
    /** Manifests that cannot be used, printable; they do not hide the others. */
    readonly problems: readonly string[];
}

/** Node's names of architectures, and Debian's. */
const archOf: ReadonlyMap<string, Arch> = new Map<string, Arch>([
    ["x64", "amd64"],
    ["arm64", "arm64"],
    ["arm", "armhf"],
]);

/** PCI class 02, subclass 00 (PCI Code and ID Assignment Specification): Ethernet. */
const ethernetClass = /^0x0200/u;

/** In the sources as in an installation: beside package.json. */
export function boardFolder(): string {
    return join(projectRoot(), "board");
}

/** All `folder`/ID/board.json; folders without one are something else. */
export function readBoards(folder: string = boardFolder()): BoardsRead {
    const boards: Board[] = [];
    const problems: string[] = [];
    let names: string[] = [];
    try {
        names = readdirSync(folder).sort();
    } catch (error) {
        problems.push(`${folder}: ${codeOf(error)}`);
    }
    for (const name of names) {
        const file = join(folder, name, "board.json");
        const text = readText(file);
        if (text === null) continue;
        const board = decodeBoard(file, text);
        if (board.ok) boards.push(board.value);
        else problems.push(formatDiagnostics(board.error));
    }
    return {boards, problems};
}

/** `root` stands for "/", `nodeArch` for process.arch. */
export function hardwareFacts(root = "/", nodeArch: string = processArch()): HardwareFacts {
    const dmi: Partial<Record<DmiField, string>> = {};
    for (const field of dmiFields) {
        const value = readText(join(root, "sys/class/dmi/id", field))?.trim() ?? "";
        if (value !== "") dmi[field] = value;
    }
    // /proc/device-tree is a link to the second, which a service with ProcSubset=pid still sees.
    const tree =
        readText(join(root, "proc/device-tree/compatible")) ??
        readText(join(root, "sys/firmware/devicetree/base/compatible")) ??
        "";
    const words = (readText(join(root, "proc/cmdline")) ?? "").split(/\s+/u);
    const named = words.findLast((word) => word.startsWith(boardWord)) ?? "";
    return {
        arch: archOf.get(nodeArch) ?? null,
        dmi,
        compatible: tree.split("\0").filter((name) => name !== ""),
        named: named.slice(boardWord.length),
    };
}

const boardWord = "carpd.board=";

export interface ThisMachine extends Recognised {
    readonly problems: readonly string[];
}

export function recogniseMachine(
    root = "/",
    folder = boardFolder(),
    nodeArch: string = processArch(),
): ThisMachine {
    const {boards, problems} = readBoards(folder);
    return {...recogniseBoard(boards, hardwareFacts(root, nodeArch)), problems};
}

/**
 * Addresses of the machine's PCI Ethernet controllers, "0000:01:00.0", ascending; those that a
 * driver made out of another one (virtual functions) are left out. Needs no driver to be loaded.
 */
export function pciEthernet(root = "/"): readonly string[] {
    const folder = join(root, "sys/bus/pci/devices");
    try {
        return readdirSync(folder)
            .filter((address) => {
                const device = join(folder, address);
                return (
                    ethernetClass.test(readText(join(device, "class")) ?? "") &&
                    !isLink(join(device, "physfn"))
                );
            })
            .sort();
    } catch (error) {
        // A machine without PCI.
        if (codeOf(error) === "ENOENT") return [];
        throw error;
    }
}

function isLink(path: string): boolean {
    try {
        return readlinkSync(path) !== "";
    } catch {
        return false; // no such file, or not a link
    }
}

function readText(path: string): string | null {
    try {
        return readFileSync(path, "utf8");
    } catch {
        return null; // not there, or not for us: not said
    }
}
