/**
 * The set of carp interfaces while a line is worked on: the running configuration and what is
 * pending become drafts, commands change the drafts, and what differs at the end becomes edits.
 *
 * So a line is done as a whole or not at all, and what it takes back again is no edit.
 */
import {formatVip} from "../address.ts";
import {type CarpConfig, type Options, Secret, type Vip} from "../config.ts";
import {defaultGroup} from "../config-check-values.ts";
import type {Edit, EditValue} from "../edit.ts";
import {OwnNetwork} from "./own.ts";
import type {BsdAdmin, BsdDemote, BsdWorld, PendingCarp, PendingSettings} from "./world.ts";

type Mutable<T> = {-readonly [K in keyof T]: T[K]};

/** A carp interface as the commands see it. */
export interface Draft extends Mutable<PendingSettings> {
    readonly name: string;
    /** Its block in the running configuration; null when there is none. */
    readonly base: CarpConfig | null;
    /** Administratively up now; `enabled` is what the configuration says for the next start. */
    up: boolean;
    /** Those of `addresses` that another vhid of the carpdev has, as long as arpbalance is off. */
    waiting: readonly Vip[];
    /** All that the configuration needs is known. */
    complete: boolean;
}

export class Working {
    readonly world: BsdWorld;
    readonly options: Mutable<Options>;
    readonly drafts = new Map<string, Draft>();
    readonly own: OwnNetwork;
    /** Blocks of the running configuration that this line destroys. */
    readonly destroyed = new Set<string>();
    /** Sum of demotion after this line, by group; "" for all reasons together. */
    readonly demotion: Map<string, number>;
    admin: BsdAdmin[] = [];
    readonly demotions: BsdDemote[] = [];

    constructor(world: BsdWorld) {
        this.world = world;
        this.options = {...world.config.options};
        this.own = new OwnNetwork(world.config);
        this.demotion = new Map(world.demotion.groups.map(({group, total}) => [group, total]));
        this.demotion.set("", world.demotion.total);
        const states = new Map(world.carps.map((carp) => [carp.name, carp]));
        for (const carp of world.config.carp) {
            const up = states.get(carp.name)?.enabled ?? carp.enabled;
            this.drafts.set(carp.name, {...draftOf(carp.name, carp, carp), up});
        }
        for (const [name, pending] of world.pending) {
            this.#load(name, pending);
        }
        this.settle();
    }

    #load(name: string, pending: PendingCarp): void {
        const draft = this.drafts.get(name);
        if (pending.kind === "new") {
            // Somebody else has made one meanwhile: that one counts.
            if (draft === undefined) {
                this.drafts.set(name, draftOf(name, null, pending.settings));
            }
        } else if (draft !== undefined) {
            const more = pending.addresses.filter((vip) => !hasAddress(draft, vip.address));
            draft.addresses = [...draft.addresses, ...more];
        }
    }

    create(name: string): Draft {
        const draft = draftOf(name, null, fresh);
        this.drafts.set(name, draft);
        return draft;
    }

    destroy({name, base}: Draft): void {
        this.drafts.delete(name);
        this.admin = this.admin.filter((step) => step.name !== name);
        if (base !== null) {
            this.destroyed.add(name);
        }
    }

    /** The lowest carpN that nothing is called. */
    freeName(): string {
        const taken = new Set(this.world.interfaces.map(({name}) => name));
        let number = 0;
        while (this.drafts.has(`carp${number}`) || taken.has(`carp${number}`)) {
            number += 1;
        }
        return `carp${number}`;
    }

    demote(add: number, group: string): void {
        for (const [key, total] of this.demotion) {
            if (key === "" || group === "" || key === group) {
                this.demotion.set(key, total + add);
            }
        }
        if (!this.demotion.has(group)) {
            this.demotion.set(group, add);
        }
        if (add !== 0) {
            this.demotions.push({add, group});
        }
    }

    /** Works out which addresses have to wait for ARP balancing, and which drafts are complete. */
    settle(): void {
        const owners = new Map<string, string>();
        const id = (draft: Draft, vip: Vip): string => `${vip.address} ${draft.carpdev}`;
        // What is configured has its addresses, whatever was typed before it.
        for (const draft of this.drafts.values()) {
            for (const vip of draft.base?.addresses ?? []) {
                if (hasAddress(draft, vip.address)) {
                    owners.set(id(draft, vip), draft.name);
                }
            }
        }
        for (const draft of this.drafts.values()) {
            const {base, carpdev, vhid, addresses} = draft;
            draft.waiting = this.options.arpbalance
                ? []
                : addresses.filter((vip) => {
                      const owner = owners.get(id(draft, vip));
                      return owner !== undefined && owner !== draft.name;
                  });
            const known = carpdev !== null && vhid !== null;
            draft.complete = base !== null || (known && draft.waiting.length === 0);
            if (draft.complete) {
                for (const vip of addresses) {
                    if (!draft.waiting.includes(vip)) {
                        owners.set(id(draft, vip), draft.name);
                    }
                }
            }
        }
    }

    pending(): Map<string, PendingCarp> {
        const pending = new Map<string, PendingCarp>();
        for (const draft of this.drafts.values()) {
            if (!draft.complete) {
                pending.set(draft.name, {kind: "new", settings: settingsOf(draft)});
            } else if (draft.waiting.length > 0) {
                pending.set(draft.name, {kind: "waiting", addresses: draft.waiting});
            }
        }
        return pending;
    }

    edits(): Edit[] {
        return [
            ...[...this.destroyed].map((name): Edit => ({op: "delete", path: ["carp", name]})),
            ...this.#optionEdits(),
            ...this.own.edits(),
            ...[...this.drafts.values()].flatMap((draft) =>
                draft.complete
                    ? carpEdits(draft, this.world.passFiles?.has(draft.name) === true)
                    : [],
            ),
        ];
    }

    #optionEdits(): Edit[] {
        const before = this.world.config.options;
        const after = this.options;
        const keys: readonly (readonly [string, EditValue, EditValue])[] = [
            ["preempt", before.preempt, after.preempt],
            ["arpbalance", before.arpbalance, after.arpbalance],
            ["ifdown-demotion", before.ifdownDemotion, after.ifdownDemotion],
            ["senderr-demotion", before.senderrDemotion, after.senderrDemotion],
        ];
        return keys.flatMap(([key, old, value]) =>
            value === old ? [] : {op: "set" as const, path: ["options", key], value},
        );
    }
}

const fresh: PendingSettings = {
    carpdev: null,
    vhid: null,
    advbase: 1,
    advskew: 0,
    pass: new Secret(new Uint8Array()),
    addresses: [],
    peers: [],
    group: defaultGroup,
    enabled: true,
};

function settingsOf(from: PendingSettings): PendingSettings {
    const {carpdev, vhid, advbase, advskew, pass, addresses, peers, group, enabled} = from;
    return {carpdev, vhid, advbase, advskew, pass, addresses, peers, group, enabled};
}

function draftOf(name: string, base: CarpConfig | null, from: PendingSettings): Draft {
    const settings = settingsOf(from);
    return {...settings, name, base, up: settings.enabled, waiting: [], complete: base !== null};
}

export function hasAddress(draft: Draft, address: string): boolean {
    return draft.addresses.some((vip) => vip.address === address);
}

/** What of its addresses is or comes into the configuration. */
function ownAddresses({addresses, waiting}: Draft): string[] {
    return addresses.filter((vip) => !waiting.includes(vip)).map(formatVip);
}

/** Only passwords that were typed get here, so that they are text. */
function passText(pass: Secret): string {
    return new TextDecoder("utf-8", {ignoreBOM: true}).decode(pass.reveal());
}

function carpEdits(draft: Draft, hasPassFile: boolean): Edit[] {
    const {name, base} = draft;
    const before: PendingSettings = base ?? fresh;
    const at = (key: string): readonly string[] => ["carp", name, key];
    const set = (key: string, old: EditValue | null, value: EditValue | null): Edit[] =>
        value === null || value === old ? [] : [{op: "set", path: at(key), value}];
    return [
        ...set("carpdev", before.carpdev, draft.carpdev),
        ...set("vhid", before.vhid, draft.vhid),
        ...set("advbase", before.advbase, draft.advbase),
        ...set("advskew", before.advskew, draft.advskew),
        ...passEdits(draft, hasPassFile),
        ...addressEdits(draft, base, at("addresses")),
        ...peerEdits(draft.peers, before.peers, at("peers")),
        ...set("group", before.group, draft.group),
        ...set("enabled", before.enabled, draft.enabled),
    ];
}

function passEdits({name, base, pass}: Draft, hasPassFile: boolean): Edit[] {
    if (pass.equals(base?.pass ?? fresh.pass)) {
        return [];
    }
    return [
        ...(base !== null && hasPassFile
            ? [{op: "delete" as const, path: ["carp", name, "pass-file"]}]
            : []),
        {op: "set", path: ["carp", name, "pass"], value: passText(pass)},
    ];
}

/** One by one in a block that is there, so that its comments stay. */
function addressEdits(draft: Draft, base: CarpConfig | null, path: readonly string[]): Edit[] {
    const own = ownAddresses(draft);
    if (base === null) {
        return own.length === 0 ? [] : [{op: "set", path, value: own}];
    }
    const old = base.addresses.map(formatVip);
    return [
        ...old
            .filter((vip) => !own.includes(vip))
            .map((value): Edit => ({op: "drop", path, value})),
        ...own.filter((vip) => !old.includes(vip)).map((value): Edit => ({op: "add", path, value})),
    ];
}

function peerEdits(
    peers: readonly string[],
    old: readonly string[],
    path: readonly string[],
): Edit[] {
    if (peers.length === old.length && peers.every((peer, i) => peer === old[i])) {
        return [];
    }
    return peers.length === 0 ? [{op: "delete", path}] : [{op: "set", path, value: peers}];
}
