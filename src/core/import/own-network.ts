/**
 * The host's own addresses, default routes and name of an rc.conf: what becomes [[interface]] and
 * [system] on an appliance. Pure.
 */
import {hostAddressProblem, parseAddress, parseVip} from "../address.ts";
import {defaultLength} from "../bsd/subnet.ts";
import type {Vip} from "../config.ts";
import {
    hostnameProblem,
    interfaceNameProblem,
    leastIpv6Mtu,
    mtuRange,
} from "../config-network-values.ts";
import {covers, overlap} from "../subnet.ts";
import type {Collector, ImportPlace, InterfaceDraft} from "./collector.ts";
import {shown} from "./collector.ts";
import type {IfconfigAddress, IfconfigWords} from "./ifconfig-words.ts";

/** What rc(8) would make of an interface without a vhid, or the value of a variable. */
export interface OwnRun {
    readonly interface: string;
    readonly place: ImportPlace;
    readonly read: IfconfigWords;
}

export interface OwnVariable {
    readonly text: string;
    readonly place: ImportPlace;
}

/** `runs`: those of interfaces that are no carp interfaces and have no vhid. */
export function importOwnNetwork(
    variables: ReadonlyMap<string, OwnVariable>,
    runs: readonly OwnRun[],
    collector: Collector,
): void {
    for (const run of runs) {
        // The loopback is as it is on Linux.
        if (!/^lo[0-9]*$/u.test(run.interface)) {
            importRun(run, collector);
        }
    }
    for (const [name, key, family] of [
        ["defaultrouter", "gateway", 4],
        ["ipv6_defaultrouter", "gateway6", 6],
    ] as const) {
        const variable = variables.get(name);
        if (variable !== undefined && !/^(?:no|)$/iu.test(variable.text.trim())) {
            importGateway(variable, key, family, collector);
        }
    }
    const hostname = variables.get("hostname");
    if (hostname !== undefined && hostname.text !== "") {
        const problem = hostnameProblem(hostname.text);
        if (problem === undefined) {
            collector.system.hostname = hostname.text;
        } else {
            collector.note(hostname.place, `hostname ${problem}: it is left out`);
        }
    }
    // FreeBSD does not route unless it is told to; an appliance does.
    const routes = ["gateway_enable", "ipv6_gateway_enable"].flatMap(
        (name) => variables.get(name) ?? [],
    );
    const [first] = routes;
    if (first !== undefined) {
        collector.system.forwarding = routes.some(({text}) => /^(?:yes|true|on|1)$/iu.test(text));
    }
}

/** The draft of an interface, made when it is new; undefined: refused with a note. */
function draftOf(
    {interface: name, place}: OwnRun,
    collector: Collector,
): InterfaceDraft | undefined {
    const here = collector.interfaceName(place, name, true);
    const known = collector.interfaces.find((each) => each.name === here);
    if (known !== undefined) {
        return known;
    }
    if (interfaceNameProblem(here) !== undefined) {
        collector.note(
            place,
            `${shown(here)} is no name of an interface: its addresses are left out`,
        );
        return undefined;
    }
    const made: InterfaceDraft = {
        name: here,
        addresses: [],
        dhcp: false,
        gateway: "",
        gateway6: "",
        mtu: 0,
    };
    collector.interfaces.push(made);
    return made;
}

function importRun(run: OwnRun, collector: Collector): void {
    const {place, read} = run;
    const asks = read.unknown.some((word) => /^(?:sync|nosync)?dhcp$/iu.test(word));
    const mtu = read.values.get("mtu");
    // Nothing of it has a place here: a vlan's parent, a wireless card.
    if (read.addresses.length === 0 && !asks && mtu === undefined) {
        return;
    }
    const draft = draftOf(run, collector);
    if (draft === undefined) {
        return;
    }
    draft.dhcp ||= asks;
    for (const address of read.addresses) {
        addAddress(draft, address, place, collector);
    }
    if (mtu !== undefined) {
        draft.mtu = collector.integer(place, "mtu", mtu, mtuRange.least, mtuRange.most) ?? 0;
    }
}

function addAddress(
    draft: InterfaceDraft,
    {address, family, prefixLength}: IfconfigAddress,
    place: ImportPlace,
    collector: Collector,
): void {
    const length = prefixLength ?? defaultLength({family, address}) ?? 32;
    if (prefixLength === undefined) {
        collector.note(place, `${address} has no netmask: /${length} is written`);
    }
    const parsed = parseVip(`${address}/${length}`);
    if (!parsed.ok) {
        collector.note(place, `${parsed.error.message}: it is left out`);
        return;
    }
    const vip = parsed.value;
    const all = collector.interfaces.flatMap((each) =>
        each.addresses.map((own) => ({name: each.name, own})),
    );
    const other = all.find(
        ({name, own}) =>
            own.address === vip.address ||
            (name !== draft.name && !isHost(own, vip) && overlap(own, vip)),
    );
    if (other === undefined) {
        draft.addresses = [...draft.addresses, vip];
    } else if (other.own.address !== vip.address || other.name !== draft.name) {
        collector.note(place, `${address} is in a network of ${other.name}, too: it is left out`);
    }
}

function isHost(...vips: readonly Vip[]): boolean {
    return vips.some(({family, prefixLength}) => prefixLength === (family === 4 ? 32 : 128));
}

function importGateway(
    {text, place}: OwnVariable,
    key: "gateway" | "gateway6",
    family: 4 | 6,
    collector: Collector,
): void {
    const [bare = "", zone] = text.trim().split("%");
    const parsed = parseAddress(bare);
    if (
        !parsed.ok ||
        parsed.value.family !== family ||
        hostAddressProblem(parsed.value) !== undefined
    ) {
        collector.note(place, `${shown(text)} is no IPv${family} router: it is left out`);
        return;
    }
    const gateway = parsed.value;
    const own = collector.interfaces.flatMap((each) => each.addresses);
    const at =
        zone === undefined
            ? collector.interfaces.find(({addresses}) =>
                  addresses.some((vip) => covers(vip, gateway)),
              )
            : collector.interfaces.find(({name}) => name === (collector.mapped(zone) ?? zone));
    if (at === undefined || own.some(({address}) => address === gateway.address)) {
        collector.note(place, `no interface has a network with ${shown(text)}: it is left out`);
        return;
    }
    at[key] = gateway.address;
}

/** What would be refused beside the vhids: their addresses, their names, an mtu without IPv6. */
export function fitOwnNetwork(collector: Collector): void {
    const vips = new Map<string, number>();
    for (const {addresses, vhid} of collector.vhids) {
        for (const {address} of addresses) {
            vips.set(address, vhid);
        }
    }
    const [place = {file: "", line: 1}] = collector.vhids.map((draft) => draft.place);
    for (const draft of collector.interfaces) {
        draft.addresses = draft.addresses.filter(({address}) => {
            const vhid = vips.get(address);
            if (vhid !== undefined) {
                const text = `${address} is an own address and in vhid ${vhid}: it stays the vhid's only`;
                collector.note(place, text);
            }
            return vhid === undefined;
        });
        for (const key of ["gateway", "gateway6"] as const) {
            const parsed = parseAddress(draft[key]);
            const reached =
                parsed.ok &&
                (draft[key].startsWith("fe80:") ||
                    draft.addresses.some((vip) => covers(vip, parsed.value)));
            if (draft[key] !== "" && (!reached || vips.has(draft[key]))) {
                collector.note(place, `the router ${draft[key]} is left out: nothing reaches it`);
                draft[key] = "";
            }
        }
        if (draft.mtu > 0 && draft.mtu < leastIpv6Mtu) {
            if (draft.addresses.some(({family}) => family === 6)) {
                collector.note(place, `mtu ${draft.mtu} is too small for IPv6: it is left out`);
                draft.mtu = 0;
            }
        }
    }
}
