/**
 * What carp-system knows of the two slots, read again only when something may have changed: each
 * look starts programs. Main thread.
 */
import {otherSlot} from "../../core/appliance/boot-environment.ts";
import {
    foldSlots,
    hasBetterSlot,
    recordOf,
    type SlotFacts,
    type SlotView,
} from "../../core/appliance/images.ts";
import type {SlotImage} from "../../core/appliance/status.ts";
import {note} from "../../core/log.ts";
import type {AppliancePorts} from "./ports.ts";

export class Slots {
    readonly #ports: AppliancePorts;
    #facts: SlotFacts;
    #view: SlotView;
    #complaint = "";

    constructor(ports: AppliancePorts) {
        this.#ports = ports;
        const {slot, release} = ports;
        this.#facts = {slot, release, environment: null, rauc: null, records: {}};
        this.#view = foldSlots(this.#facts);
    }

    /** As of the last `refresh`. */
    get view(): SlotView {
        return this.#view;
    }

    get facts(): SlotFacts {
        return this.#facts;
    }

    /** The running one; null on a box without slots. */
    get running(): SlotImage | null {
        return this.#view.images.find(({running}) => running) ?? null;
    }

    get other(): SlotImage | null {
        const {slot} = this.#facts;
        if (slot === "") return null;
        return this.#view.images.find((image) => image.slot === otherSlot(slot)) ?? null;
    }

    get hasBetter(): boolean {
        return hasBetterSlot(this.#facts);
    }

    /** Whether this very release was marked good here before. */
    get provedBefore(): boolean {
        const {slot, release} = this.#facts;
        const record = slot === "" ? null : recordOf(slot, this.#facts);
        return record !== null && record.version === release.version;
    }

    async refresh(): Promise<SlotView> {
        const {rauc, bootEnvironment, loadRecords, slot, release, log} = this.#ports;
        const status = await rauc.status();
        // The same complaint is written once, not at each look.
        const complaint = status.ok ? "" : status.error;
        if (complaint !== "" && complaint !== this.#complaint) {
            log.write(note("error", "update service", complaint));
        }
        this.#complaint = complaint;
        this.#facts = {
            slot,
            release,
            environment: await bootEnvironment(),
            rauc: status.ok ? status.value : null,
            records: await loadRecords(),
        };
        this.#view = foldSlots(this.#facts);
        return this.#view;
    }

    /**
     * The other slot is about to be written: what was good there is no more. Before the first octet,
     * so that even the same version has to prove itself anew. "" or what could not be stored.
     */
    async forgetOther(): Promise<string> {
        const {other} = this;
        const {loadRecords, saveRecords} = this.#ports;
        const records = await loadRecords();
        if (other === null || other.slot === "" || records[other.slot] === undefined) return "";
        const {[other.slot]: _gone, ...left} = records;
        const saved = await saveRecords(left);
        return saved.ok ? "" : saved.error;
    }

    /** The running release has proved itself. "" or what could not be stored. */
    async remember(): Promise<string> {
        const {slot, release, rauc} = this.#facts;
        if (slot === "" || this.provedBefore) return "";
        const {clock, saveRecords, loadRecords} = this.#ports;
        const good = new Date(Number(clock.wallUs() / 1000n)).toISOString();
        const installed = rauc?.slots[slot]?.installed ?? "";
        const {version, schema} = release;
        const records = {
            ...(await loadRecords()),
            [slot]: {version, schema, good, installed},
        };
        const saved = await saveRecords(records);
        if (saved.ok) this.#facts = {...this.#facts, records};
        return saved.ok ? "" : saved.error;
    }
}
