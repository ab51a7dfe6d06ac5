/**
 * What the appliance's privileged helper (carp-system) tells about this box: which slot it runs,
 * what is installed, and an installation under way. Plain data as it crosses carp-system's socket
 * and carpd's control API. Pure.
 */

/** The two slots of an image; "" where the box has none or the kernel line does not tell. */
export type SlotName = "A" | "B" | "";

export type InstallPhase =
    /** Nothing was installed since carp-system started. */
    | "idle"
    /** Finding the source: mounting a stick, fetching a URL. */
    | "fetching"
    /** Signature, compatible, version: nothing has been written yet. */
    | "checking"
    /** The other slot is being written. */
    | "writing"
    /** Installed; the next boot runs it. */
    | "installed"
    /** Refused or failed; the running slot is as it was. */
    | "failed";

export interface InstallStatus {
    readonly phase: InstallPhase;
    /** 0 to 100, of the whole installation. */
    readonly percent: number;
    /** What is being done, one sentence for a person; "" when idle. */
    readonly message: string;
    /** Why it was refused or failed, one sentence, and what the box goes on with; "" otherwise. */
    readonly error: string;
    /** Nothing goes on any more (also true when idle). */
    readonly done: boolean;
    /** The source as the operator named it; "" when idle. */
    readonly source: string;
    /** The version in the bundle; "" until it is known. */
    readonly version: string;
}

/** What carpd, the console and the panel show of the appliance. */
export interface ApplianceStatus {
    /** Whether this host is a carpd appliance, and carp-system answers. */
    readonly present: boolean;
    readonly slot: SlotName;
    /** The version of the running image; "" where there is none. */
    readonly version: string;
    /** Why this is not the release that was meant to run: one sentence, or "". */
    readonly olderSlot: string;
    /** The running slot has not been marked good yet: three boots like that change the slot. */
    readonly unconfirmed: boolean;
    /** The installation under way or the last one since the boot; null: none. */
    readonly installing: InstallStatus | null;
    /** What a person must look at: a crash loop, a configuration that was set aside; or "". */
    readonly fault: string;
}

/** One slot as it stands on the disk. */
export interface SlotImage {
    readonly slot: SlotName;
    readonly running: boolean;
    /** The slot of the next boot. */
    readonly next: boolean;
    /** The version installed there; "" where nothing tells (for instance never written). */
    readonly version: string;
    /** ISO time of the installation, UTC; "" where unknown (the factory image). */
    readonly installed: string;
    /**
     * "good": marked good; "trying": boots are being counted; "failed": used up its boots;
     * "empty": never written; "incomplete": an installation into it did not end.
     */
    readonly state: "good" | "trying" | "failed" | "empty" | "incomplete";
    /** Boots since the last mark-good, 0 to 3. */
    readonly tries: number;
    /** The word of configuration schema that the image reads; 0 where unknown. */
    readonly schema: number;
}

/** `show images`. */
export interface ImagesStatus {
    readonly compatible: string;
    readonly images: readonly SlotImage[];
    /** As in ApplianceStatus. */
    readonly olderSlot: string;
    readonly install: InstallStatus;
}

export const idleInstall: InstallStatus = {
    phase: "idle",
    percent: 0,
    message: "",
    error: "",
    done: true,
    source: "",
    version: "",
};

/** A host that is no appliance: a Linux router with the package. */
export const noAppliance: ApplianceStatus = {
    present: false,
    slot: "",
    version: "",
    olderSlot: "",
    unconfirmed: false,
    installing: null,
    fault: "",
};

/** What every route and word of the appliance answers elsewhere. */
export const noApplianceText =
    "this host is not a carpd appliance: it has no carp-system, so images, rollback and factory reset are the distribution's own";
