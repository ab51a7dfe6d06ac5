/**
 * An address of an ifconfig command: its parts, which may stand apart in the line, to one VIP.
 */
import {type IpAddress, parseAddress, parseVip} from "../address.ts";
import type {Vip} from "../config.ts";
import {ok, type Result} from "../result.ts";
import {broadcastOf, defaultLength} from "./subnet.ts";
import {type Refuse, refuse, shown, type Word} from "./words.ts";

/** A value and the word that says it. */
export interface Given<T> {
    readonly value: T;
    readonly word: Word;
}

export type Family = 4 | 6;

/** What the address of a command is for: none of these words means that it is the first one. */
export type AddressUse = "first" | "add" | "delete";

/** What has been read of an address. */
export interface AddressParts {
    /** The address itself, with or without a prefix length. */
    text?: Word;
    netmask?: Given<number>;
    prefixlen?: Given<number>;
    broadcast?: Given<string>;
    /** inet or inet6 stood before. */
    family?: Given<Family>;
}

export interface MadeAddress {
    readonly address: Given<Vip>;
    /** The class of the address said how long its prefix is. */
    readonly lengthByClass: boolean;
}

/** undefined: the command is about no address. */
export function makeAddress(
    parts: AddressParts,
    use: Given<AddressUse> | undefined,
): Result<MadeAddress | undefined, Refuse> {
    const {text, family, broadcast} = parts;
    if (text === undefined) {
        return withoutAddress(parts, use);
    }
    const [addressText = "", ...more] = text.text.split("/");
    const expected = "an address such as 192.168.1.1/24 or 2001:db8::1/64";
    const parsed = parseAddress(addressText, expected);
    if (!parsed.ok) {
        return refuse(text, parsed.error.message, parsed.error.expected);
    }
    if (more.length > 1) {
        return refuse(text, `${shown(text.text)} is not an address`, expected);
    }
    const address = parsed.value;
    if (family !== undefined && family.value !== address.family) {
        const right = address.family === 4 ? "inet" : "inet6";
        return refuse(text, `${address.address} is IPv${address.family}`, `${right} before it`);
    }
    const deletes = use?.value === "delete";
    const length = readLength(parts, text, more, address, deletes);
    if (!length.ok) {
        return length;
    }
    const vip = parseVip(`${address.address}/${length.value.text}`);
    if (!vip.ok) {
        return refuse(text, vip.error.message, vip.error.expected);
    }
    if (broadcast !== undefined) {
        const right = address.family === 4 && broadcastOf(address.address, vip.value.prefixLength);
        if (broadcast.value !== right) {
            const wanted = right === false ? "no broadcast with IPv6" : right;
            return refuse(broadcast.word, `wrong broadcast ${broadcast.value}`, wanted);
        }
    }
    const lengthByClass = !length.value.given && address.family === 4 && !deletes;
    return ok({address: {value: vip.value, word: text}, lengthByClass});
}

/** Words of an address want one. */
function withoutAddress(
    {netmask, prefixlen, broadcast, family}: AddressParts,
    use: Given<AddressUse> | undefined,
): Result<undefined, Refuse> {
    const alone = (netmask ?? prefixlen ?? broadcast ?? family)?.word;
    if (alone !== undefined) {
        return refuse(alone, `${alone.text} belongs to an address`, "an address before it");
    }
    return use?.value === "add"
        ? refuse(use.word, `${use.word.text} what?`, "an address before it")
        : ok(undefined);
}

/** The prefix length, which the line may say several times, but only one. */
function readLength(
    {netmask, prefixlen}: AddressParts,
    text: Word,
    behindSlash: readonly string[],
    address: IpAddress,
    deletes: boolean,
): Result<{readonly text: string; readonly given: boolean}, Refuse> {
    if (netmask !== undefined && address.family === 6) {
        return refuse(netmask.word, "IPv6 addresses have no netmask", "prefixlen 64");
    }
    const lengths: Given<string>[] = [
        ...behindSlash.map((value) => ({value, word: text})),
        ...[netmask, prefixlen].flatMap((given) =>
            given === undefined ? [] : [{value: String(given.value), word: given.word}],
        ),
    ];
    const [first] = lengths;
    if (first === undefined) {
        // What is to be deleted is known by its address alone, so any length will do there.
        const whole = address.family === 4 ? 32 : 128;
        const length = deletes ? whole : defaultLength(address);
        return length === undefined
            ? refuse(text, `${address.address} has no prefix length`, "netmask 255.255.255.0")
            : ok({text: String(length), given: false});
    }
    const other = lengths.find(({value}) => value !== first.value);
    return other === undefined
        ? ok({text: first.value, given: true})
        : refuse(other.word, `/${first.value} is said already, this is /${other.value}`, "one");
}
