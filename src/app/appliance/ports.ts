/**
 * What carp-system's parts need from the outside. The adapters are in src/io/appliance, the program
 * src/carp-system.ts joins them.
 */
import type {BootEnvironment} from "../../core/appliance/boot-environment.ts";
import type {BootSample} from "../../core/appliance/boot-judge.ts";
import type {Release, SlotRecords} from "../../core/appliance/images.ts";
import type {InstallSource} from "../../core/appliance/install-source.ts";
import type {BundleInfo, RaucStatus} from "../../core/appliance/rauc-output.ts";
import type {SlotName} from "../../core/appliance/status.ts";
import type {Log} from "../../core/log.ts";
import type {Result} from "../../core/result.ts";
import type {PowerAction} from "../operations.ts";
import type {Clock} from "../ports.ts";

export type Progress = (percent: number, message: string) => void;

/** The update client. Errors are sentences without a full stop; nothing rejects. */
export interface Rauc {
    status(): Promise<Result<RaucStatus, string>>;
    /** Checks the signature and reads the manifest; writes nothing. */
    info(path: string): Promise<Result<BundleInfo, string>>;
    /** Writes the bundle into the slot that does not run, and makes that the next one. */
    install(path: string, progress: Progress): Promise<Result<void, string>>;
    /** The running slot has proved itself. */
    markGood(): Promise<Result<void, string>>;
    /** The next boot takes the other slot. */
    markOtherActive(): Promise<Result<void, string>>;
}

/** A bundle that can be read now. */
export interface OpenBundle {
    readonly path: string;
    /** Unmounts the stick, removes the download. Never rejects. */
    close(): Promise<void>;
}

export interface Bundles {
    open(source: InstallSource, progress: Progress): Promise<Result<OpenBundle, string>>;
}

export interface AppliancePorts {
    readonly clock: Clock;
    readonly log: Log;
    readonly rauc: Rauc;
    readonly bundles: Bundles;
    readonly release: Release;
    readonly slot: SlotName;
    /** What went wrong before anything else ran; "" when nothing. */
    bootFault(): Promise<string>;
    /** What carpd's configuration went through before this boot; "" when nothing. */
    schemaNote(): Promise<string>;
    /** null: it cannot be read. */
    bootEnvironment(): Promise<BootEnvironment | null>;
    loadRecords(): Promise<SlotRecords>;
    /** The error is a sentence. */
    saveRecords(records: SlotRecords): Promise<Result<void, string>>;
    /** Octets of block devices or files; those that cannot be asked are left out. */
    deviceSizes(
        devices: Readonly<Record<string, string>>,
    ): Promise<Readonly<Record<string, number>>>;
    /** One look at carpd; null: it does not answer. */
    lookAtCarpd(): Promise<BootSample | null>;
    power(action: PowerAction): Promise<Result<void, string>>;
    /** The next boot erases the data partition. */
    armFactoryReset(): Promise<Result<void, string>>;
    /** Names, addresses, firewall of the host: the value lists warnings. */
    applyNetwork(plan: unknown): Promise<Result<readonly string[], string>>;
}
