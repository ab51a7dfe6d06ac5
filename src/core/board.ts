/**
 * What carpd knows of the machines that it runs on: the manifest `board/<id>/board.json` as a type,
 * and which manifest describes the machine at hand. Pure.
 *
 * The decoder of a manifest is src/core/board-decode.ts, its JSON Schema board/schema.json.
 */

/** Debian's names of the architectures. "any": not a machine, such as the simulator. */
export const archs = ["amd64", "arm64", "armhf", "any"] as const;
export type Arch = (typeof archs)[number];

/** The files of /sys/class/dmi/id that a manifest may ask for. */
export const dmiFields = [
    "sys_vendor",
    "product_name",
    "product_version",
    "product_family",
    "product_sku",
    "board_vendor",
    "board_name",
    "board_version",
    "bios_vendor",
] as const;
export type DmiField = (typeof dmiFields)[number];

/**
 * When the manifest fits. "firmware": all DMI fields have one of the values given, or one of the
 * compatible strings is among the device tree's. "arch": any machine of the architecture.
 * "never": only where it is named (`carpd.board=ID` on the kernel's command line).
 */
export type BoardMatch =
    | {
          readonly kind: "firmware";
          readonly dmi: Readonly<Partial<Record<DmiField, readonly string[]>>>;
          readonly compatible: readonly string[];
      }
    | {readonly kind: "arch"}
    | {readonly kind: "never"};

/** A serial port. `tty` without /dev/: "ttyS0". */
export interface BoardSerial {
    readonly tty: string;
    /** Bits per second, 8N1. */
    readonly baud: number;
    readonly flow: "none" | "rtscts";
    /** What stands beside the socket; "" when nothing does. */
    readonly label: string;
}

export interface BoardNic {
    /** The interface's name under carpd, at most 15 octets: "lan0". */
    readonly name: string;
    /** What stands beside the socket: "ETH1". */
    readonly label: string;
    /**
     * udev's ID_PATH ("pci-0000:02:00.0", "platform-fe300000.ethernet"), which the .link file
     * matches; several where it depends on how the machine was booted. Empty: not known from a
     * source, or named by the device tree; the port is not pinned.
     */
    readonly paths: readonly string[];
}

/** `status`, `role` and `fault` are the box's, `vhid:N` is one vhid's, `port:NIC` one port's. */
export type LedRole = "status" | "role" | "fault" | `vhid:${number}` | `port:${string}`;

export interface BoardLed {
    /** The folder's name under /sys/class/leds: "apu:green:1". */
    readonly name: string;
    /** "multicolor": has multi_index and multi_intensity. */
    readonly kind: "single" | "multicolor";
    /** The colour of a single LED, or the components of a multicolor one; empty: not known. */
    readonly colors: readonly string[];
    readonly label: string;
}

export interface BoardButton {
    /** The name of the input device that sends it, as /proc/bus/input/devices says it. */
    readonly input: string;
    /** "KEY_RESTART" (linux/input-event-codes.h). */
    readonly code: string;
    /** Seconds that it must be held to do more than show itself. */
    readonly holdSec: number;
    readonly label: string;
}

export interface BoardWatchdog {
    /** The kernel module: "sp5100_tco". */
    readonly module: string;
    readonly timeoutSec: number;
}

export const bootMethods = ["grub", "grub-bios", "grub-efi", "uboot-efi", "uboot", "none"] as const;
/**
 * "grub": BIOS and UEFI from the same image; "uboot-efi": the vendor's U-Boot starts GRUB by its EFI
 * loader; "none": nothing of carpd's boots there.
 */
export type BootMethod = (typeof bootMethods)[number];

export const storageMedia = ["sd", "emmc", "msata", "sata", "nvme", "usb", "virtio"] as const;
export type StorageMedium = (typeof storageMedia)[number];

export interface Board {
    /** The folder's name: "pcengines-apu2". */
    readonly id: string;
    readonly name: string;
    readonly arch: Arch;
    readonly match: BoardMatch;
    /** null: no serial console. */
    readonly console: BoardSerial | null;
    /** Serial ports besides the console. */
    readonly serial: readonly BoardSerial[];
    /** Ports in the order of the front. */
    readonly nics: readonly BoardNic[];
    /** No LED serves two roles. */
    readonly leds: ReadonlyMap<LedRole, BoardLed>;
    /** By what the button is for; "reset" is the only use there is. */
    readonly buttons: ReadonlyMap<"reset", BoardButton>;
    readonly watchdog: BoardWatchdog | null;
    readonly storage: {
        /** Best first. */
        readonly media: readonly StorageMedium[];
        readonly minMiB: number;
    };
    readonly boot: {
        readonly method: BootMethod;
        /** The kernel's device tree, "rockchip/rk3568-nanopi-r5s.dtb"; "" without. */
        readonly dtb: string;
        /** More words for the kernel's command line. */
        readonly cmdline: readonly string[];
    };
    /** Modules that nothing loads by itself: LED drivers and the like. */
    readonly modules: readonly string[];
}

/** What the firmware says of the machine at hand (src/io/board-files.ts reads it). */
export interface HardwareFacts {
    /** null: an architecture that carpd has no name for. */
    readonly arch: Arch | null;
    readonly dmi: Readonly<Partial<Record<DmiField, string>>>;
    /** The device tree's root, most specific first. */
    readonly compatible: readonly string[];
    /** `carpd.board=ID` of the kernel's command line; "" without. */
    readonly named: string;
}

export interface Recognised {
    /** null: no manifest fits. */
    readonly board: Board | null;
    /** For an operator: 'sys_vendor is "PC Engines", board_name is "apu2"'. */
    readonly why: string;
}

export const noBoard = "no board manifest matches";

interface Candidate {
    readonly board: Board;
    readonly why: string;
    readonly rank: number;
}

/**
 * The manifest that fits best: the one that is named, else by device tree (the earlier in its list,
 * the better), else by the most DMI fields, else the architecture's generic one. Of equals the first by id.
 */
export function recogniseBoard(boards: readonly Board[], facts: HardwareFacts): Recognised {
    const named = boards.find(({id}) => id === facts.named);
    if (named !== undefined) {
        return {board: named, why: `carpd.board=${named.id} on the kernel's command line`};
    }
    const [best] = boards
        .flatMap((board) => candidateOf(board, facts) ?? [])
        .sort((a, b) => b.rank - a.rank || (a.board.id < b.board.id ? -1 : 1));
    const unknown =
        facts.named === "" ? "" : ` (carpd.board=${facts.named}: there is no such manifest)`;
    return best === undefined
        ? {board: null, why: `${noBoard}${unknown}`}
        : {board: best.board, why: `${best.why}${unknown}`};
}

/** Any place in a device tree's list ranks above any number of DMI fields. */
const treeRank = 1000;

function candidateOf(board: Board, facts: HardwareFacts): Candidate | undefined {
    if (board.arch !== "any" && board.arch !== facts.arch) return undefined;
    switch (board.match.kind) {
        case "never":
            return undefined;
        case "arch":
            return {
                board,
                rank: 0,
                why: `nothing more specific matches this ${board.arch} machine`,
            };
        case "firmware":
            return (
                byTree(board, board.match.compatible, facts) ?? byDmi(board, board.match.dmi, facts)
            );
    }
}

function byTree(
    board: Board,
    compatible: readonly string[],
    facts: HardwareFacts,
): Candidate | undefined {
    const at = facts.compatible.findIndex((name) => compatible.includes(name));
    const name = facts.compatible[at];
    return name === undefined
        ? undefined
        : {board, rank: 2 * treeRank - at, why: `the device tree is compatible with "${name}"`};
}

function byDmi(
    board: Board,
    wanted: Readonly<Partial<Record<DmiField, readonly string[]>>>,
    facts: HardwareFacts,
): Candidate | undefined {
    const asked = dmiFields.filter((field) => wanted[field] !== undefined);
    const fits = asked.every((field) => wanted[field]?.includes(facts.dmi[field] ?? "") === true);
    return asked.length === 0 || !fits
        ? undefined
        : {
              board,
              rank: asked.length,
              why: asked.map((field) => `${field} is "${facts.dmi[field] ?? ""}"`).join(", "),
          };
}
