/**
 * The host's own network while a line is worked on, as draft.ts has it for vhids: the [[interface]]
 * blocks and the host name become drafts, and what differs at the end becomes edits.
 */
import {formatVip} from "../address.ts";
import type {Config, InterfaceConfig, Vip} from "../config.ts";
import type {Edit, EditValue} from "../edit.ts";

export type GatewayKey = "gateway" | "gateway6";

/** An [[interface]] as the commands see it. */
export interface OwnDraft {
    readonly name: string;
    /** Its block in the running configuration; null when there is none. */
    readonly base: InterfaceConfig | null;
    addresses: readonly Vip[];
    gateway: string;
    gateway6: string;
    mtu: number;
}

export class OwnNetwork {
    readonly #formerName: string;
    hostname: string;
    readonly #drafts: Map<string, OwnDraft>;

    constructor({system, interfaces}: Config) {
        this.#formerName = system.hostname;
        this.hostname = system.hostname;
        this.#drafts = new Map(interfaces.map((base) => [base.name, draftOf(base.name, base)]));
    }

    get drafts(): readonly OwnDraft[] {
        return [...this.#drafts.values()];
    }

    /** Made when there is none. */
    draft(name: string): OwnDraft {
        const draft = this.#drafts.get(name) ?? draftOf(name, null);
        this.#drafts.set(name, draft);
        return draft;
    }

    edits(): Edit[] {
        const name: Edit[] =
            this.hostname === this.#formerName
                ? []
                : [{op: "set", path: ["system", "hostname"], value: this.hostname}];
        return [...name, ...this.drafts.flatMap(draftEdits)];
    }
}

function draftOf(name: string, base: InterfaceConfig | null): OwnDraft {
    const {addresses = [], gateway = "", gateway6 = "", mtu = 0} = base ?? {};
    return {name, base, addresses, gateway, gateway6, mtu};
}

function draftEdits(draft: OwnDraft): Edit[] {
    const {name, base} = draft;
    const at = (key: string): readonly string[] => ["interface", name, key];
    const before = draftOf(name, base);
    const set = (key: string, value: EditValue, none: EditValue): Edit =>
        value === none ? {op: "delete", path: at(key)} : {op: "set", path: at(key), value};
    const old = before.addresses.map(formatVip);
    const own = draft.addresses.map(formatVip);
    return [
        ...(base === null ? [{op: "set" as const, path: at("name"), value: name}] : []),
        ...old
            .filter((vip) => !own.includes(vip))
            .map((value): Edit => ({op: "drop", path: at("addresses"), value})),
        ...own
            .filter((vip) => !old.includes(vip))
            .map((value): Edit => ({op: "add", path: at("addresses"), value})),
        ...(draft.gateway === before.gateway ? [] : [set("gateway", draft.gateway, "")]),
        ...(draft.gateway6 === before.gateway6 ? [] : [set("gateway6", draft.gateway6, "")]),
        ...(draft.mtu === before.mtu ? [] : [set("mtu", draft.mtu, 0)]),
    ];
}
