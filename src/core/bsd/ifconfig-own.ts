/**
 * ifconfig for an interface that is no vhid's: on an appliance its addresses and mtu are carpd's, in
 * [[interface]]. As on a BSD an IPv4 address without `alias` takes the place of the first one.
 */
import {formatVip} from "../address.ts";
import {ok, type Result} from "../result.ts";
import type {Working} from "./draft.ts";
import type {IfconfigWords} from "./ifconfig-words.ts";
import type {OwnDraft} from "./own.ts";
import {type Refuse, refuse, type Word} from "./words.ts";

type Output = Result<string, Refuse>;

export function changeOwn(working: Working, name: Word, request: IfconfigWords): Output {
    const ofVhid = vhidWord(request);
    if (ofVhid !== undefined) {
        const expected = "vhid N beside it, or a carp interface";
        return refuse(ofVhid, `${ofVhid.text} needs a vhid`, expected);
    }
    const down = request.acts.find(({value}) => value === "down");
    if (down !== undefined) {
        const hint = `delete interface ${name.text}`;
        return refuse(down.word, `an interface in use stays up`, "", hint);
    }
    const draft = working.own.draft(name.text);
    draft.mtu = request.mtu?.value ?? draft.mtu;
    const wrong = changeAddress(draft, request);
    if (wrong !== undefined) {
        return {ok: false, error: wrong};
    }
    const {address, lengthByClass} = request;
    return ok(
        lengthByClass && address !== undefined
            ? `ifconfig: no netmask given, ${formatVip(address.value)} by the class of the address\n`
            : "",
    );
}

/** The first word that says something of a vhid. */
function vhidWord(request: IfconfigWords): Word | undefined {
    const {create, advbase, advskew, pass, group, peers, acts} = request;
    const state = acts.find(({value}) => value === "master" || value === "backup");
    const given = [advbase, advskew, pass, group, ...peers.values(), state];
    return create ?? given.find((each) => each !== undefined)?.word;
}

function changeAddress(draft: OwnDraft, {address, use}: IfconfigWords): Refuse | undefined {
    const vip = address?.value;
    const same = draft.addresses.find((each) => each.address === vip?.address);
    const first = draft.addresses.find((each) => each.family === 4);
    if (use?.value === "delete") {
        const gone = vip === undefined ? first : same;
        const what = vip?.address ?? "an IPv4 address";
        const known = draft.addresses.map((each) => each.address).join(", ");
        draft.addresses = draft.addresses.filter((each) => each !== gone);
        return gone === undefined
            ? {
                  at: address?.word ?? use.word,
                  message: `${draft.name} has not got ${what} in the configuration`,
                  expected: known === "" ? "" : `one of ${known}`,
              }
            : undefined;
    }
    if (vip === undefined) {
        return undefined;
    }
    const replaced = same ?? (use === undefined && vip.family === 4 ? first : undefined);
    draft.addresses =
        replaced === undefined
            ? [...draft.addresses, vip]
            : draft.addresses.map((each) => (each === replaced ? vip : each));
    return undefined;
}
