/**
 * What `show system` knows of the machine. Plain data; what could not be found out is null. Pure.
 */

export interface BoardStatus {
    /** As the firmware says it (DMI, device tree); "" where it does not. */
    readonly manufacturer: string;
    readonly model: string;
    readonly version: string;
}

export interface DiskStatus {
    readonly mount: string;
    /** "ext4" */
    readonly type: string;
    readonly sizeOctets: number;
    readonly usedOctets: number;
    readonly writable: boolean;
}

/** What only systeminformation can tell: asked for in the health helper's process. */
export interface HardwareStatus {
    readonly board: BoardStatus | null;
    readonly processor: {readonly model: string; readonly cores: number} | null;
    /** The hottest sensor of the processor, degrees Celsius. */
    readonly temperature: number | null;
    readonly memory: {readonly totalOctets: number; readonly availableOctets: number} | null;
    readonly disks: readonly DiskStatus[] | null;
}

/** The board manifest that describes the machine (src/core/board.ts). */
export interface ManifestStatus {
    /** "pcengines-apu2"; "" when no manifest matches. */
    readonly id: string;
    readonly name: string;
    /** Why this one, or why none. */
    readonly why: string;
}

export interface SystemStatus extends HardwareStatus {
    readonly manifest: ManifestStatus;
    readonly hostname: string;
    readonly versions: {
        readonly carpd: string;
        readonly node: string;
        readonly kernel: string;
    };
    /** Of the machine, seconds. */
    readonly uptimeSeconds: number;
    /** Of carpd, seconds. */
    readonly daemonSeconds: number;
    /** Over 1, 5 and 15 minutes (getloadavg(3)). */
    readonly load: readonly [number, number, number];
}

/** The helper did not answer in time, or not at all. */
export const unknownHardware: HardwareStatus = {
    board: null,
    processor: null,
    temperature: null,
    memory: null,
    disks: null,
};

/** More mounted file systems are not shown. */
const mostDisks = 32;
const longestText = 200;

/** The parser of what the helper says; null: nothing of it makes sense. */
export function hardwareOf(value: unknown): HardwareStatus | null {
    if (typeof value !== "object" || value === null) return null;
    const board = member(value, "board");
    const processor = member(value, "processor");
    const memory = member(value, "memory");
    const disks = member(value, "disks");
    const model = textOf(processor, "model");
    const total = numberOf(memory, "totalOctets");
    const available = numberOf(memory, "availableOctets");
    return {
        board: boardOf(board),
        processor:
            model === null || model === ""
                ? null
                : {model, cores: numberOf(processor, "cores") ?? 0},
        temperature: numberOf(value, "temperature"),
        memory:
            total === null || available === null
                ? null
                : {totalOctets: total, availableOctets: available},
        disks: Array.isArray(disks) ? disks.slice(0, mostDisks).flatMap(diskOf) : null,
    };
}

/** Of a daemon that does not tell: nothing is known. */
export function manifestOf(value: unknown): ManifestStatus {
    const manifest = member(value, "manifest");
    return {
        id: textOf(manifest, "id") ?? "",
        name: textOf(manifest, "name") ?? "",
        why: textOf(manifest, "why") ?? "",
    };
}

function boardOf(value: unknown): BoardStatus | null {
    const manufacturer = textOf(value, "manufacturer") ?? "";
    const model = textOf(value, "model") ?? "";
    const version = textOf(value, "version") ?? "";
    return manufacturer === "" && model === "" ? null : {manufacturer, model, version};
}

function diskOf(value: unknown): DiskStatus[] {
    const mount = textOf(value, "mount");
    const type = textOf(value, "type");
    const sizeOctets = numberOf(value, "sizeOctets");
    const usedOctets = numberOf(value, "usedOctets");
    if (mount === null || type === null || sizeOctets === null || usedOctets === null) return [];
    return [{mount, type, sizeOctets, usedOctets, writable: member(value, "writable") === true}];
}

function member(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function textOf(value: unknown, key: string): string | null {
    const text = member(value, key);
    return typeof text === "string" ? text.slice(0, longestText) : null;
}

/** Not negative, as all these are. */
function numberOf(value: unknown, key: string): number | null {
    const number = member(value, key);
    return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : null;
}
