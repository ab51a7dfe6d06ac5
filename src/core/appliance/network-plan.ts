/**
 * What the appliance's network is to be: made of the configuration by carpd, sent to carp-system,
 * read there again as something that is not to be trusted, and rendered by network-files.ts and
 * network-ruleset.ts. Pure.
 *
 * A plan is whole: applying it takes back what an earlier one set and this one does not.
 */
import {formatVip, hostAddressProblem, parseAddress, parseVip} from "../address.ts";
import {isPlainInterface, parseAllow} from "../allow.ts";
import {type Config, defaultSystem} from "../config.ts";
import {
    hostnameProblem,
    interfaceNameProblem,
    mostNameservers,
    mostSshKeys,
    mtuRange,
    sshKeyProblem,
} from "../config-network-values.ts";
import {err, ok, type Result} from "../result.ts";

/** What a host without a name of its own is called. */
export const defaultHostname = "carpd";

export interface PlannedInterface {
    readonly name: string;
    /** Canonical, with prefix length. */
    readonly addresses: readonly string[];
    readonly dhcp: boolean;
    /** Canonical; "" for none. */
    readonly gateway: string;
    readonly gateway6: string;
    /** 0: as the driver has it. */
    readonly mtu: number;
}

/** A virtual interface of carpd's: not to be touched, and part of its carpdev for the firewall. */
export interface PlannedVirtual {
    readonly name: string;
    readonly carpdev: string;
    /** `mac = "physical"`: as MASTER it has its VIPs on the carpdev itself. */
    readonly physical: boolean;
}

export interface NetworkPlan {
    readonly hostname: string;
    readonly ssh: boolean;
    readonly sshKeys: readonly string[];
    /** As `allow` of [system] has them. */
    readonly allow: readonly string[];
    readonly nameservers: readonly string[];
    readonly forwarding: boolean;
    readonly interfaces: readonly PlannedInterface[];
    readonly virtual: readonly PlannedVirtual[];
}

/**
 * A carpdev and a watched interface are brought up without addresses when no [[interface]] speaks of
 * them: a vhid can run on a link-local address alone, and a link that is down carries nothing.
 */
export function networkPlanOf(config: Config): NetworkPlan {
    const {system, carp, tracks} = config;
    const own = config.interfaces.map(({name, addresses, dhcp, gateway, gateway6, mtu}) => ({
        name,
        addresses: addresses.map(formatVip),
        dhcp,
        gateway,
        gateway6,
        mtu,
    }));
    const named = new Set(own.map(({name}) => name));
    const used = [
        ...carp.map(({carpdev}) => carpdev),
        ...tracks.flatMap(({check}) => (check.kind === "interface" ? [check.interface] : [])),
    ];
    const bare = [...new Set(used)].filter((name) => !named.has(name));
    return {
        hostname: system.hostname || defaultHostname,
        ssh: system.ssh,
        sshKeys: system.sshKeys,
        allow: system.allow,
        nameservers: system.nameservers,
        forwarding: system.forwarding,
        interfaces: [
            ...own,
            ...bare.map((name) => ({
                name,
                addresses: [],
                dhcp: false,
                gateway: "",
                gateway6: "",
                mtu: 0,
            })),
        ],
        virtual: carp.map(({name, carpdev, mac}) => ({
            name,
            carpdev,
            physical: mac === "physical",
        })),
    };
}

/** Whether the configuration says anything that only an appliance does. */
export function wantsAppliance({system, interfaces}: Config): boolean {
    return interfaces.length > 0 || JSON.stringify(system) !== JSON.stringify(defaultSystem);
}

// ---- from JSON ----

/** More is no plan that carpd made. */
const mostElements = 512;

type Check = (text: string) => boolean;

function member(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

/** Reads members one by one; the first that is wrong is named in `problem`. */
class Reader {
    problem = "";

    #wrong(key: string): void {
        this.problem ||= `${key} is not as it must be`;
    }

    text(value: unknown, key: string, good: Check): string {
        const text = member(value, key);
        if (typeof text === "string" && good(text)) {
            return text;
        }
        this.#wrong(key);
        return "";
    }

    flag(value: unknown, key: string): boolean {
        const flag = member(value, key);
        if (typeof flag !== "boolean") {
            this.#wrong(key);
        }
        return flag === true;
    }

    list<T>(value: unknown, key: string, read: (element: unknown) => T, most = mostElements): T[] {
        const list = member(value, key);
        if (Array.isArray(list) && list.length <= most) {
            return list.map(read);
        }
        this.#wrong(key);
        return [];
    }

    texts(value: unknown, key: string, good: Check, most?: number): string[] {
        return this.list(value, key, (text) => this.text({[key]: text}, key, good), most);
    }

    mtu(value: unknown): number {
        const mtu = member(value, "mtu");
        const {least, most} = mtuRange;
        if (typeof mtu === "number" && (mtu === 0 || (mtu >= least && mtu <= most))) {
            return Math.trunc(mtu);
        }
        this.#wrong("mtu");
        return 0;
    }
}

function isName(name: string): boolean {
    return interfaceNameProblem(name) === undefined && isPlainInterface(name);
}

function isAddress(family: 4 | 6): Check {
    return (text) => {
        const parsed = parseAddress(text);
        return (
            parsed.ok &&
            parsed.value.family === family &&
            parsed.value.address === text &&
            hostAddressProblem(parsed.value) === undefined
        );
    };
}

function isVip(text: string): boolean {
    const vip = parseVip(text);
    return vip.ok && formatVip(vip.value) === text;
}

function isAllow(text: string): boolean {
    const rule = parseAllow(text);
    return rule.ok && (rule.value.interface === "" || isName(rule.value.interface));
}

function isNameserver(text: string): boolean {
    const parsed = parseAddress(text);
    return parsed.ok && parsed.value.address === text;
}

const orNothing =
    (good: Check): Check =>
    (text) =>
        text === "" || good(text);

/** carp-system is root and carpd is not: every word of a plan is judged again. */
export function decodeNetworkPlan(body: unknown): Result<NetworkPlan, string> {
    const read = new Reader();
    const plan: NetworkPlan = {
        hostname: read.text(body, "hostname", (text) => hostnameProblem(text) === undefined),
        ssh: read.flag(body, "ssh"),
        sshKeys: read.texts(
            body,
            "sshKeys",
            (key) => sshKeyProblem(key) === undefined,
            mostSshKeys,
        ),
        allow: read.texts(body, "allow", isAllow),
        nameservers: read.texts(body, "nameservers", isNameserver, mostNameservers),
        forwarding: read.flag(body, "forwarding"),
        interfaces: read.list(body, "interfaces", (each) => ({
            name: read.text(each, "name", isName),
            addresses: read.texts(each, "addresses", isVip),
            dhcp: read.flag(each, "dhcp"),
            gateway: read.text(each, "gateway", orNothing(isAddress(4))),
            gateway6: read.text(each, "gateway6", orNothing(isAddress(6))),
            mtu: read.mtu(each),
        })),
        virtual: read.list(body, "virtual", (each) => ({
            name: read.text(each, "name", isName),
            carpdev: read.text(each, "carpdev", isName),
            physical: read.flag(each, "physical"),
        })),
    };
    return read.problem === "" ? ok(plan) : err(`no network plan: ${read.problem}`);
}
