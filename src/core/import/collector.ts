/**
 * Where all importers put what they found: vhids, options and tracks of carpd's, and notes about
 * what could not be taken over. Pure; import.ts makes the configuration of it.
 *
 * No note may hold a password.
 */
import {hostAddressProblem, parseAddress, parseVip} from "../address.ts";
import type {InterfaceConfig, Options, Profile, SystemConfig, TrackConfig, Vip} from "../config.ts";
import {octetsOf, plainNameProblem} from "../config-check-values.ts";

export interface ImportPlace {
    readonly file: string;
    /** From 1. */
    readonly line: number;
}

/** What could not be mapped, or what to know about what was. */
export interface ImportNote extends ImportPlace {
    readonly text: string;
}

/** A vhid as far as it is known; carpdev is a name of this host already. */
export interface VhidDraft {
    readonly place: ImportPlace;
    /** "" where the source gives none that fits. */
    name: string;
    readonly carpdev: string;
    readonly vhid: number;
    advbase: number;
    advskew: number;
    /** 0..19 octets in UTF-8; undefined: none seen. */
    pass: string | undefined;
    /** "" for none. */
    passFile: string;
    addresses: Vip[];
    peers: string[];
    profile: Profile;
    enabled: boolean;
    group: string;
    upscript: string;
    downscript: string;
    xparam: string;
}

export type OptionsDraft = {-readonly [K in keyof Options]?: Options[K]};
export type SystemDraft = {-readonly [K in keyof SystemConfig]?: SystemConfig[K]};
export type InterfaceDraft = {-readonly [K in keyof InterfaceConfig]: InterfaceConfig[K]};

/** 255 on each of four carpdevs and some; more is not a configuration that somebody runs. */
const mostVhids = 1024;
/** The BSDs' CARP_KEY_LEN is 20 with the closing NUL (spec 2.1). */
const longestPassword = 19;
const longestGroupName = 15;
/** As the parser of carpd.toml has it. */
const mostAddresses = 64;
const mostPeers = 8;

/** A number as people write it: digits, no sign; NaN for anything else. */
export function readInteger(text: string): number {
    return /^[0-9]{1,9}$/u.test(text) ? Number(text) : Number.NaN;
}

/** At most 40 characters of a foreign word, in quotes. */
export function shown(text: string): string {
    return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

/** A word of the file may stand in a note: what a terminal would obey is written as an escape. */
function noteOf({file, line}: ImportPlace, text: string): ImportNote {
    const readable = text.replaceAll(/\p{Cc}/gu, (character) => {
        return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
    });
    return {file, line, text: readable};
}

export class Collector {
    readonly vhids: VhidDraft[] = [];
    readonly options: OptionsDraft = {};
    readonly tracks: TrackConfig[] = [];
    readonly system: SystemDraft = {};
    readonly interfaces: InterfaceDraft[] = [];
    readonly notes: ImportNote[] = [];
    /** The notes among `notes` that say why a vhid is missing. */
    readonly refusals: ImportNote[] = [];
    /** NetBSD balances by another rule than FreeBSD; see BalanceHash. */
    netbsd = false;
    readonly #map: ReadonlyMap<string, string>;
    readonly #index = new Map<string, VhidDraft>();
    readonly #keptNames = new Set<string>();
    readonly #said = new Set<string>();

    constructor(map: ReadonlyMap<string, string>) {
        this.#map = map;
    }

    note(place: ImportPlace, text: string): void {
        this.notes.push(noteOf(place, text));
    }

    /** Once for the whole import, at the first place where it matters. */
    noteOnce(place: ImportPlace, text: string): void {
        if (!this.#said.has(text)) {
            this.#said.add(text);
            this.note(place, text);
        }
    }

    /** A note that says why a vhid is missing. If none is left, these are the errors. */
    refuse(place: ImportPlace, text: string): void {
        this.note(place, text);
        this.refusals.push(noteOf(place, text));
    }

    /** What `--map` says about a name, for a carp interface without carpdev too. */
    mapped(name: string): string | undefined {
        return this.#map.get(name);
    }

    /** This host's name of an interface. `bsd`: the name will hardly exist on Linux. */
    interfaceName(place: ImportPlace, name: string, bsd: boolean): string {
        const mapped = this.#map.get(name);
        if (mapped !== undefined) {
            return mapped;
        }
        if (bsd && !this.#keptNames.has(name)) {
            this.#keptNames.add(name);
            this.note(place, `interface ${name} is kept as it is; --map ${name}=NAME renames it`);
        }
        return name;
    }

    /** An integer in a range; anything else is noted, and undefined. */
    integer(
        place: ImportPlace,
        word: string,
        text: string,
        least: number,
        most: number,
    ): number | undefined {
        const value = readInteger(text);
        if (value >= least && value <= most) {
            return value;
        }
        this.note(place, `${word} ${shown(text)} is not ${least}..${most}: it is left out`);
        return undefined;
    }

    /** The vhid of an interface, made when it is new; undefined: refused with a note. */
    vhid(place: ImportPlace, carpdev: string, vhidText: string): VhidDraft | undefined {
        const vhid = readInteger(vhidText);
        if (!(vhid >= 1 && vhid <= 255)) {
            this.refuse(place, `vhid ${shown(vhidText)} is not 1..255: this vhid is left out`);
            return undefined;
        }
        const id = `${vhid} ${carpdev}`;
        const known = this.#index.get(id);
        if (known !== undefined) {
            return known;
        }
        if (this.vhids.length === mostVhids) {
            this.noteOnce(place, `more than ${mostVhids} vhids: this and all further are left out`);
            return undefined;
        }
        const made: VhidDraft = {
            place,
            name: "",
            carpdev,
            vhid,
            advbase: 1,
            advskew: 0,
            pass: undefined,
            passFile: "",
            addresses: [],
            peers: [],
            profile: "freebsd",
            enabled: true,
            group: "",
            upscript: "",
            downscript: "",
            xparam: "",
        };
        this.#index.set(id, made);
        this.vhids.push(made);
        return made;
    }

    /** As `vhid`, where two of the same are two rivals and not one written in parts. */
    newVhid(place: ImportPlace, carpdev: string, vhidText: string): VhidDraft | undefined {
        const before = this.vhids.length;
        const draft = this.vhid(place, carpdev, vhidText);
        if (draft !== undefined && this.vhids.length === before) {
            this.note(
                place,
                `vhid ${draft.vhid} on ${carpdev} is at ${draft.place.file}:${draft.place.line} already: this one is left out`,
            );
            return undefined;
        }
        return draft;
    }

    addVip(draft: VhidDraft, place: ImportPlace, text: string): void {
        const parsed = parseVip(text);
        if (!parsed.ok) {
            this.note(place, `${parsed.error.message}: this address is left out`);
        } else if (draft.addresses.some((vip) => vip.address === parsed.value.address)) {
            this.note(place, `${parsed.value.address} is in vhid ${draft.vhid} twice`);
        } else if (draft.addresses.length === mostAddresses) {
            this.note(place, `more than ${mostAddresses} addresses: ${text} is left out`);
        } else {
            draft.addresses.push(parsed.value);
        }
    }

    addPeer(draft: VhidDraft, place: ImportPlace, text: string): void {
        const parsed = parseAddress(text);
        const problem = parsed.ok ? hostAddressProblem(parsed.value) : parsed.error.message;
        if (!parsed.ok || problem !== undefined) {
            this.note(place, `${problem}: this peer is left out`);
        } else if (draft.peers.length === mostPeers) {
            this.note(place, `more than ${mostPeers} peers: ${parsed.value.address} is left out`);
        } else if (!draft.peers.includes(parsed.value.address)) {
            draft.peers.push(parsed.value.address);
        }
    }

    /** Longer passwords are cut at 19 octets, as the BSDs' ifconfig does without a word. */
    setPass(draft: VhidDraft, place: ImportPlace, text: string): void {
        const octets = new TextEncoder().encode(text);
        if (octets.length <= longestPassword) {
            draft.pass = text;
            return;
        }
        const said = `the password of vhid ${draft.vhid} has ${octets.length} octets, CARP's at most ${longestPassword}`;
        try {
            const decoder = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});
            draft.pass = decoder.decode(octets.subarray(0, longestPassword));
            this.note(place, `${said}: it is cut there, as the BSDs' ifconfig cuts it`);
        } catch (error) {
            if (!(error instanceof TypeError)) {
                throw error;
            }
            this.note(place, `${said}, and they end inside a character: write a pass-file`);
        }
    }

    /** A name of carpd's group of vhids, made to fit; "" for one that cannot. */
    groupName(place: ImportPlace, text: string): string {
        if (plainNameProblem(text, longestGroupName) === undefined) {
            return text;
        }
        const fitting = text.replace(/[^A-Za-z0-9._-]+/gu, "-").slice(0, longestGroupName);
        this.noteOnce(place, `group ${shown(text)} is called ${shown(fitting)} here`);
        return fitting;
    }

    /** A script that carpd can run: an absolute path without arguments; "" otherwise. */
    script(place: ImportPlace, word: string, text: string): string {
        if (!text.startsWith("/") || /\p{Cc}/u.test(text) || octetsOf(text) > 4095) {
            this.note(place, `${word} ${shown(text)} is not an absolute path: it is left out`);
            return "";
        }
        return text;
    }
}
