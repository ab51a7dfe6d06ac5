/**
 * GRUB's environment block as RAUC and our grub.cfg use it: ORDER "A B", and for each slot X_OK
 * (may be started) and X_TRY (starts since it was last marked good). Pure.
 */
import type {SlotName} from "./status.ts";

export type BootSlot = Exclude<SlotName, "">;
export const bootSlots = ["A", "B"] as const satisfies readonly BootSlot[];

/** Our grub.cfg starts a slot at most so often before it takes the other one. */
export const mostTries = 3;

export interface SlotCounter {
    readonly ok: boolean;
    /** Starts since it was last marked good. */
    readonly tries: number;
}

export interface BootEnvironment {
    /** The first one that may be started is started. */
    readonly order: readonly BootSlot[];
    readonly counters: Readonly<Record<BootSlot, SlotCounter>>;
}

/** What `grub-editenv FILE list` prints. What is missing counts as GRUB's configuration counts it. */
export function readBootEnvironment(text: string): BootEnvironment {
    const values = new Map<string, string>();
    for (const line of text.split("\n")) {
        const equals = line.indexOf("=");
        if (equals > 0) values.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
    }
    const named = (values.get("ORDER") ?? "A B").split(/\s+/u);
    const order = named.filter((name): name is BootSlot => name === "A" || name === "B");
    return {
        order: order.length === 0 ? [...bootSlots] : [...new Set(order)],
        counters: {A: counterOf(values, "A"), B: counterOf(values, "B")},
    };
}

function counterOf(values: ReadonlyMap<string, string>, slot: BootSlot): SlotCounter {
    const tries = Number.parseInt(values.get(`${slot}_TRY`) ?? "0", 10);
    return {
        // What grub.cfg takes for granted where the block does not say.
        ok: (values.get(`${slot}_OK`) ?? (slot === "A" ? "1" : "0")) === "1",
        tries: Number.isInteger(tries) && tries > 0 ? tries : 0,
    };
}

/** The block is text of this size: a title, KEY=VALUE lines, and "#" up to the end. */
export const blockOctets = 1024;
export const blockTitle = "# GRUB Environment Block\n";

/** The block with one value changed; null: it is no block, or has no room left. */
export function withBootVariable(block: string, key: string, value: string): string | null {
    if (!block.startsWith(blockTitle)) return null;
    const lines = block
        .slice(blockTitle.length)
        .split("\n")
        .filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith(`${key}=`));
    const text = `${blockTitle}${[...lines, `${key}=${value}`].join("\n")}\n`;
    return text.length > blockOctets ? null : text.padEnd(blockOctets, "#");
}

export function otherSlot(slot: BootSlot): BootSlot {
    return slot === "A" ? "B" : "A";
}

/** `carpd.slot=A` on the kernel's command line; "" without one. */
export function slotOfCommandLine(commandLine: string): SlotName {
    const word = commandLine.split(/\s+/u).findLast((part) => part.startsWith("carpd.slot="));
    const slot = word?.slice("carpd.slot=".length);
    return slot === "A" || slot === "B" ? slot : "";
}
