/**
 * The health helper: asks systeminformation for carpd, in a process of its own, because it runs
 * shells and stalls the event loop while it does. Started by src/io/health-client.ts as the leader
 * of a process group; ends with its parent and takes what it started with it.
 */
import {baseboard, cpu, cpuTemperature, fsSize, mem, system} from "systeminformation";
import type {BoardStatus, DiskStatus, HardwareStatus} from "./core/system-status.ts";
import {
    type HealthAnswer,
    type HealthNumber,
    type HealthValue,
    questionOf,
} from "./io/health-protocol.ts";

/** One part of `show system` that takes longer is left out, milliseconds. */
const partLimitMs = 1500;

async function read(value: HealthNumber): Promise<number | null> {
    if (value === "memory") return (await mem()).available;
    const {main, max, cores} = await cpuTemperature();
    // null, or -1 in older answers, where a sensor is missing.
    const found = [main, max, ...cores].filter((celsius) => Number.isFinite(celsius));
    const sensible = found.filter((celsius) => celsius > 0);
    return sensible.length === 0 ? null : Math.max(...sensible);
}

async function board(): Promise<BoardStatus> {
    const [whole, part] = await Promise.all([system(), baseboard()]);
    // Boards without a maker of the whole machine name themselves.
    const {manufacturer, model, version} = whole.model === "" ? part : whole;
    return {manufacturer, model, version};
}

async function processor(): Promise<HardwareStatus["processor"]> {
    const {manufacturer, brand, cores} = await cpu();
    return {model: `${manufacturer} ${brand}`.trim(), cores};
}

async function memory(): Promise<HardwareStatus["memory"]> {
    const {total, available} = await mem();
    return {totalOctets: total, availableOctets: available};
}

async function disks(): Promise<DiskStatus[]> {
    return (await fsSize()).map(({mount, type, size, used, rw}) => ({
        mount,
        type,
        sizeOctets: size,
        usedOctets: used,
        writable: rw === true,
    }));
}

/** null for what fails or hangs. */
async function part<T>(reading: Promise<T>): Promise<T | null> {
    const late = new Promise<null>((resolve) => {
        setTimeout(() => resolve(null), partLimitMs).unref();
    });
    try {
        return await Promise.race([reading, late]);
    } catch {
        return null; // a tool or a file that this machine does not have
    }
}

async function hardware(): Promise<HardwareStatus> {
    const [onBoard, chip, temperature, ram, mounted] = await Promise.all([
        part(board()),
        part(processor()),
        part(read("temperature")),
        part(memory()),
        part(disks()),
    ]);
    return {board: onBoard, processor: chip, temperature, memory: ram, disks: mounted};
}

async function answer(id: number, value: HealthValue): Promise<HealthAnswer> {
    try {
        if (value === "hardware") return {id, hardware: await hardware()};
        return {id, number: await read(value)};
    } catch (error) {
        return {id, error: error instanceof Error ? error.message : String(error)};
    }
}

function end(): void {
    // Also the shells that systeminformation may be waiting for.
    process.kill(-process.pid, "SIGKILL");
}

if (process.send === undefined) {
    process.stderr.write("carpd starts this program by itself\n");
    process.exitCode = 64;
} else {
    process.title = "carpd-health";
    process.on("disconnect", end);
    process.on("message", (message) => {
        const question = questionOf(message);
        if (question === null) return;
        answer(question.id, question.value).then(
            (reply) => {
                // Sending fails only when the parent is gone, which "disconnect" tells too.
                process.send?.(reply, undefined, undefined, (error) => {
                    if (error !== null) end();
                });
            },
            () => end(),
        );
    });
}
