/** What `show images` prints, and the bar while an image is installed. Pure. */
import type {ImagesStatus, InstallStatus, SlotImage} from "./status.ts";

const states: Readonly<Record<SlotImage["state"], string>> = {
    good: "good",
    trying: "not confirmed",
    failed: "failed",
    empty: "empty",
    incomplete: "incomplete",
};

export function showImages({compatible, images, olderSlot, install}: ImagesStatus): string {
    const rows = images.map((image) => [
        `${image.running ? "*" : " "}${image.slot}`,
        image.version === "" ? "-" : image.version,
        image.tries > 0 ? `${states[image.state]} (started ${image.tries}x)` : states[image.state],
        useOf(image),
        image.installed === "" ? "" : `installed ${image.installed}`,
    ]);
    const widths = [0, 1, 2, 3].map((column) =>
        Math.max(...rows.map((row) => (row[column] ?? "").length)),
    );
    const lines = rows.map((row) =>
        row
            .map((cell, column) => cell.padEnd(widths[column] ?? 0))
            .join("  ")
            .trimEnd(),
    );
    const last = install.phase === "idle" ? [] : [installSentence(install)];
    const alarm = olderSlot === "" ? [] : [`ALARM: ${olderSlot}`];
    return [`slots of this ${compatible}:`, ...lines, ...alarm, ...last, ""].join("\n");
}

function useOf({running, next}: SlotImage): string {
    if (running) return next ? "running" : "running, not the next";
    return next ? "runs after the next reboot" : "";
}

/** One line for what is going on or how it ended. */
export function installSentence(status: InstallStatus): string {
    const {phase, percent, message, error, source} = status;
    if (phase === "failed") return error;
    if (phase === "installed") return message;
    return `installation of ${source}: ${phase}, ${percent}%: ${message}`;
}

/** "[########            ]  40% writing: Copying image to rootfs.1", at most `columns` wide. */
export function installBar({percent, phase, message}: InstallStatus, columns: number): string {
    const cells = Math.max(10, Math.min(30, columns - 50));
    const full = Math.round((cells * Math.min(100, Math.max(0, percent))) / 100);
    const bar = `[${"#".repeat(full)}${" ".repeat(cells - full)}]`;
    const words = phase === "writing" ? message.toLowerCase() : message;
    return `${bar} ${String(percent).padStart(3)}% ${words}`.slice(0, Math.max(20, columns - 1));
}
