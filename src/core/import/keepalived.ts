/**
 * keepalived.conf: a proposal how CARP would do what its VRRP instances do. VRRP is another wire,
 * so all routers of a segment must change at once. Pure.
 *
 * priority P becomes advskew 255 - P: the order of the routers stays what it was.
 */
import type {Collector, ImportPlace, VhidDraft} from "./collector.ts";
import {readInteger, shown} from "./collector.ts";
import {
    type KeepalivedNode,
    type KeepalivedProblem,
    nodesOf,
    readKeepalived,
    settingOf,
} from "./keepalived-syntax.ts";
import {importTracks, type TrackUse} from "./keepalived-tracks.ts";

export const vrrpWarning =
    "VRRP is another wire than CARP: the hosts do not hear each other, change all of them together";

/** undefined: read; otherwise why not. */
export function importKeepalived(
    file: string,
    text: string,
    collector: Collector,
): KeepalivedProblem | undefined {
    const read = readKeepalived(text);
    if (!read.ok) {
        return read.error;
    }
    const nodes = read.value;
    const instances = nodes.filter((node) => node.words[0] === "vrrp_instance");
    const groups = readSyncGroups(file, nodes, collector);
    collector.noteOnce({file, line: instances[0]?.line ?? 1}, vrrpWarning);
    const scripts = nodes.filter((node) => node.words[0] === "vrrp_script");
    const uses: TrackUse[] = [];
    const preempts = new Set<boolean>();
    for (const instance of instances) {
        const place = {file, line: instance.line};
        const draft = importInstance(instance, place, collector);
        if (draft === undefined) {
            continue;
        }
        const synced = groups.get(instance.words[1] ?? "");
        if (synced !== undefined) {
            draft.group = synced;
        } else if (instances.length > 1) {
            // Instances of keepalived go their own ways; vhids of one group go together.
            draft.group = collector.groupName(place, instance.words[1] ?? "");
        }
        preempts.add(nodesOf(instance, "nopreempt").length === 0);
        uses.push({instance, draft, place});
    }
    if (preempts.size > 0) {
        collector.options.preempt = preempts.has(true);
        if (preempts.size > 1) {
            collector.note(
                {file, line: instances[0]?.line ?? 1},
                "some have nopreempt and some not; preempt is one option for all vhids here: true",
            );
        }
    }
    importTracks(uses, scripts, file, collector);
    noteOthers(file, nodes, collector);
    return undefined;
}

/** Group names by instance. */
function readSyncGroups(
    file: string,
    nodes: readonly KeepalivedNode[],
    collector: Collector,
): ReadonlyMap<string, string> {
    const groups = new Map<string, string>();
    for (const node of nodes.filter(({words}) => words[0] === "vrrp_sync_group")) {
        const place = {file, line: node.line};
        const name = collector.groupName(place, node.words[1] ?? "sync");
        for (const member of nodesOf(node, "group").flatMap(({children}) => children)) {
            for (const instance of member.words) {
                groups.set(instance, name);
            }
        }
        collector.note(
            place,
            `sync group ${shown(name)}: its vhids have that group, and fail over together where preempt = true on all hosts`,
        );
    }
    return groups;
}

function importInstance(
    instance: KeepalivedNode,
    place: ImportPlace,
    collector: Collector,
): VhidDraft | undefined {
    const name = shown(instance.words[1] ?? "");
    const device = settingOf(instance, "interface");
    const vhid = settingOf(instance, "virtual_router_id");
    if (device === undefined || vhid === undefined) {
        const missing = device === undefined ? "interface" : "virtual_router_id";
        collector.refuse(place, `vrrp_instance ${name} has no ${missing}: it is left out`);
        return undefined;
    }
    const carpdev = collector.interfaceName(place, device, false);
    const draft = collector.newVhid(place, carpdev, vhid);
    if (draft === undefined) {
        return undefined;
    }
    readPriority(instance, draft, name, place, collector);
    readInterval(instance, draft, place, collector);
    readAddresses(instance, draft, device, place.file, collector);
    readPassword(instance, draft, place, collector);
    for (const peer of nodesOf(instance, "unicast_peer").flatMap(({children}) => children)) {
        collector.addPeer(draft, {file: place.file, line: peer.line}, peer.words[0] ?? "");
    }
    for (const {words, line} of instance.children) {
        const word = words[0] ?? "";
        if (word.startsWith("notify")) {
            collector.note(
                {file: place.file, line},
                `${word} is left out: upscript and downscript get other arguments (IFNAME VIP XPARAM)`,
            );
        } else if (!silent.test(word)) {
            collector.note(
                {file: place.file, line},
                `${shown(word)} has no counterpart: it is left out`,
            );
        }
    }
    return draft;
}

/** What is taken over, or means nothing beside CARP. */
const silent =
    /^(?:state|interface|virtual_router_id|priority|advert_int|authentication|virtual_ipaddress\w*|(?:no)?preempt|track_interface|track_script|unicast_peer|unicast_src_ip|mcast_src_ip|garp_\w+|vmac_\w+|use_vmac|version|debug|smtp_alert\w*)$/u;

function readPriority(
    instance: KeepalivedNode,
    draft: VhidDraft,
    name: string,
    place: ImportPlace,
    collector: Collector,
): void {
    const written = settingOf(instance, "priority");
    const priority = written === undefined ? 100 : readInteger(written);
    if (!(priority >= 1 && priority <= 255)) {
        collector.note(
            place,
            `priority ${shown(written ?? "")} is not 1..255: advskew 0 is written`,
        );
        return;
    }
    draft.advskew = Math.min(255 - priority, 254);
    const by = written === undefined ? "the default priority 100" : `priority ${priority}`;
    collector.note(
        place,
        `${name}: ${by} gives advskew ${draft.advskew} (255 less the priority; the lowest is MASTER)`,
    );
}

function readInterval(
    instance: KeepalivedNode,
    draft: VhidDraft,
    place: ImportPlace,
    collector: Collector,
): void {
    const written = settingOf(instance, "advert_int");
    if (written === undefined) {
        return;
    }
    const seconds = /^[0-9]{1,3}(?:\.[0-9]{1,6})?$/u.test(written) ? Number(written) : Number.NaN;
    if (Number.isNaN(seconds)) {
        collector.note(place, `advert_int ${shown(written)} is not understood: advbase 1`);
        return;
    }
    draft.advbase = Math.min(Math.max(Math.round(seconds), 1), 255);
    if (draft.advbase !== seconds) {
        collector.note(
            place,
            `advert_int ${written} becomes advbase ${draft.advbase}, whole seconds`,
        );
    }
}

function readAddresses(
    instance: KeepalivedNode,
    draft: VhidDraft,
    device: string,
    file: string,
    collector: Collector,
): void {
    for (const block of ["virtual_ipaddress", "virtual_ipaddress_excluded"]) {
        for (const {words, line} of nodesOf(instance, block).flatMap(({children}) => children)) {
            const place = {file, line};
            const [address = ""] = words;
            const full = address.includes("/") ? "" : address.includes(":") ? "/128" : "/32";
            collector.addVip(draft, place, address + full);
            const dev = words.indexOf("dev");
            const other = dev < 0 ? device : (words[dev + 1] ?? "");
            if (other !== device) {
                collector.note(place, `${address} is on ${other} there, on the carpdev here`);
            }
        }
    }
}

function readPassword(
    instance: KeepalivedNode,
    draft: VhidDraft,
    place: ImportPlace,
    collector: Collector,
): void {
    const block = nodesOf(instance, "authentication")[0];
    const pass = block === undefined ? undefined : settingOf(block, "auth_pass");
    if (pass === undefined) {
        return;
    }
    // VRRPv2 sends the first eight octets, readable for everybody.
    collector.setPass(draft, place, pass.slice(0, 8));
    collector.noteOnce(place, "auth_pass was sent in the clear by VRRP: choose another password");
}

function noteOthers(file: string, nodes: readonly KeepalivedNode[], collector: Collector): void {
    const known = new Set(["vrrp_instance", "vrrp_sync_group", "vrrp_script", "global_defs"]);
    const told = new Set<string>();
    for (const {words, line} of nodes) {
        const word = words[0] ?? "";
        if (!known.has(word) && !told.has(word)) {
            told.add(word);
            const why = word === "include" ? "name that file too" : "it is no matter of CARP";
            collector.note({file, line}, `${shown(word)} is left out: ${why}`);
        }
    }
}
