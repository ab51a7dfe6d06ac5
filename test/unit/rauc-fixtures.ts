/** `rauc status` of a box with two slots, as it is printed. */
const raucSlot = (slotClass: string, letter: string, parent: string | null, status: object) => ({
    class: slotClass,
    device: `/dev/${slotClass}-${letter}`,
    bootname: parent === null ? letter : null,
    parent,
    slot_status: status,
});

export function raucStatus(b: object): string {
    return JSON.stringify({
        compatible: "carpd-amd64",
        booted: "A",
        slots: [
            {"rootfs.1": raucSlot("rootfs", "B", "boot.1", b)},
            {"boot.0": raucSlot("boot", "A", null, {bundle: {compatible: null}})},
            {"rootfs.0": raucSlot("rootfs", "A", "boot.0", {bundle: {compatible: null}})},
            {"boot.1": raucSlot("boot", "B", null, b)},
        ],
    });
}

/** Slot B after an installation. */
export const installedB = {
    bundle: {version: "0.4.0"},
    installed: {timestamp: "2026-11-22T09:00:00Z", count: 1},
    status: "ok",
};
