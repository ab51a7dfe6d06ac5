/**
 * route and hostname, for an appliance: `route add default GATEWAY` becomes the gateway of the
 * [[interface]] whose network it is in, `hostname NAME` that of [system].
 */
import {addressKind, type IpAddress, parseAddress} from "../address.ts";
import {hostnameProblem} from "../config-network-values.ts";
import {didYouMean} from "../diagnostic.ts";
import {ok, type Result} from "../result.ts";
import {covers} from "../subnet.ts";
import type {Working} from "./draft.ts";
import type {GatewayKey, OwnDraft} from "./own.ts";
import {type Command, type Refuse, refuse, shown, type Word} from "./words.ts";

type Output = Result<string, Refuse>;

const verbs = ["add", "change", "delete"] as const;
const families: ReadonlyMap<string, 4 | 6> = new Map([
    ["-4", 4],
    ["-inet", 4],
    ["-6", 6],
    ["-inet6", 6],
]);
/** Words that change nothing here. */
const idle = new Set(["-n", "-q", "-net"]);
const defaults = new Set(["default", "0.0.0.0/0", "::/0"]);

const notHere = "this host is not a carpd appliance: carpd leaves its";

export function runRoute(working: Working, [command, ...all]: Command): Output {
    const words = all.filter(({text}) => !idle.has(text) && !families.has(text));
    const [verb, destination, gateway, excess] = words;
    const name = verb?.text === "del" ? "delete" : verb?.text;
    const known = verbs.find((each) => each === name);
    if (verb === undefined || known === undefined) {
        const what = verb === undefined ? "route what?" : `unknown word ${shown(verb.text)}`;
        const hint = didYouMean(verb?.text ?? "", verbs);
        return refuse(verb ?? command, what, "add, change or delete, and default", hint);
    }
    if (working.world.appliance !== true) {
        return refuse(command, `${notHere} routes alone`);
    }
    if (destination === undefined || !defaults.has(destination.text)) {
        const message = "only the default route is configured here";
        return refuse(destination ?? verb, message, "default");
    }
    if (excess !== undefined) {
        return refuse(excess, `${shown(excess.text)} after the gateway`, "nothing");
    }
    const family = all.flatMap(({text}) => families.get(text) ?? []).at(-1);
    if (known === "delete") {
        return deleteDefault(working, destination, family, gateway);
    }
    if (gateway === undefined) {
        return refuse(destination, "the gateway is missing", "the address of a router");
    }
    return setDefault(working, known, family, gateway);
}

function keyOf(family: 4 | 6): GatewayKey {
    return family === 4 ? "gateway" : "gateway6";
}

function deleteDefault(
    working: Working,
    destination: Word,
    family: 4 | 6 | undefined,
    gateway: Word | undefined,
): Output {
    const key = keyOf(family ?? (`${gateway?.text}${destination.text}`.includes(":") ? 6 : 4));
    const owner = working.own.drafts.find((draft) => draft[key] !== "");
    if (owner === undefined) {
        return refuse(destination, "there is no such default route in the configuration");
    }
    const [bare = ""] = gateway?.text.split("%") ?? [];
    if (gateway !== undefined && bare !== owner[key]) {
        return refuse(gateway, `the default route is via ${owner[key]}`, owner[key]);
    }
    owner[key] = "";
    return ok("");
}

function setDefault(
    working: Working,
    verb: "add" | "change",
    family: 4 | 6 | undefined,
    word: Word,
): Output {
    const [text = "", zone] = word.text.split("%");
    const parsed = parseAddress(text, "the address of a router");
    if (!parsed.ok) {
        return refuse(word, parsed.error.message, parsed.error.expected);
    }
    const {address} = parsed.value;
    if (family !== undefined && family !== parsed.value.family) {
        const right = family === 4 ? "-inet6" : "-inet";
        return refuse(word, `${address} is IPv${parsed.value.family}`, `${right} before it`);
    }
    const key = keyOf(parsed.value.family);
    const former = working.own.drafts.find((draft) => draft[key] !== "");
    if (verb === "add" && former !== undefined) {
        const message = `there is a default route via ${former[key]} already`;
        return refuse(word, message, `route change default ${address}`);
    }
    const owner = ownerOf(working, parsed.value, zone);
    if (owner === undefined) {
        const names = working.own.drafts.map(({name}) => name).join(", ");
        const linkLocal = addressKind(parsed.value) === "link-local";
        const expected = linkLocal ? `${address}%lan0, which says where it is` : names;
        return refuse(word, `no [[interface]] has a network with ${word.text}`, expected);
    }
    if (former !== undefined) {
        former[key] = "";
    }
    owner[key] = address;
    return ok("");
}

function ownerOf(
    {own}: Working,
    gateway: IpAddress,
    zone: string | undefined,
): OwnDraft | undefined {
    if (zone !== undefined) {
        return own.drafts.find(({name}) => name === zone);
    }
    return own.drafts.find(({addresses}) => addresses.some((vip) => covers(vip, gateway)));
}

export function runHostname(working: Working, [command, ...words]: Command): Output {
    const [first, excess] = words;
    const name = working.own.hostname || (working.world.hostname ?? "");
    if (first === undefined || (first.text === "-s" && excess === undefined)) {
        return ok(`${first === undefined ? name : name.split(".")[0]}\n`);
    }
    if (excess !== undefined) {
        return refuse(excess, `${shown(excess.text)} after the name`, "nothing");
    }
    if (working.world.appliance !== true) {
        return refuse(command, `${notHere} name alone`);
    }
    const problem = hostnameProblem(first.text);
    if (problem !== undefined) {
        return refuse(first, `the name ${problem}`, "letters, digits and hyphens");
    }
    working.own.hostname = first.text;
    return ok("");
}
