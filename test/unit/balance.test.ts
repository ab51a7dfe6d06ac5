/** Shared VIPs: the fold for `show balance`, and who answers one client by the engine's arithmetic. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {balanceAnswer, foldBalance} from "../../src/core/balance.ts";
import {type Config, defaultOptions, Secret} from "../../src/core/config.ts";
import {errorOf} from "../../src/core/control-protocol.ts";
import {plain, showBalance, showBalanceAnswer} from "../../src/core/show.ts";
import type {FoldInput} from "../../src/core/status-fold.ts";
import {loadAddon} from "../../src/io/addon.ts";
import {carpConfig, config, peer, snapshot, vhost} from "./engine-fixtures.ts";

const {balanceIndex} = loadAddon();
const pass = new Secret(new TextEncoder().encode("mekmitasdigoat"));

interface Member {
    readonly address: string;
    readonly members: number;
    readonly index: number;
    readonly carpdev?: string;
}

const four: readonly Member[] = [2, 0, 1].map((index) => ({
    address: "192.168.1.10",
    members: 3,
    index,
}));
const six: readonly Member[] = [0, 1].map((index) => ({
    address: "2001:db8::10",
    members: 2,
    index,
}));

/** carp0 is MASTER here, carp1 has a MASTER elsewhere, nobody is known for carp2. */
function balanced(
    members: readonly Member[] = [...four, ...six],
    options: Partial<Config["options"]> = {},
): FoldInput {
    const mac = (vhid: number): string => `00:00:5e:00:01:0${vhid}`;
    return {
        snapshot: snapshot({
            vhosts: [
                vhost(),
                vhost({
                    name: "carp1",
                    vhid: 2,
                    state: "BACKUP",
                    master: peer(),
                    virtualMac: mac(2),
                }),
                vhost({name: "carp2", vhid: 3, state: "INIT", virtualMac: mac(3)}),
            ],
            balance: members.map((member) => ({
                carpdev: "eth1",
                ...member,
                name: `carp${member.index}`,
                vhid: member.index + 1,
                requests: 10 + member.index,
                answers: 9 - member.index,
            })),
        }),
        config: config({
            options: {...defaultOptions, ...options},
            carp: [0, 1, 2].map((i) => carpConfig({name: `carp${i}`, vhid: i + 1, pass})),
        }),
        wallOffsetUs: 0n,
    };
}

/** The answer or the refusal, in one line. */
function which(input: FoldInput, client: string, address = ""): string {
    const result = balanceAnswer(input, client, address, balanceIndex);
    if (result.ok) {
        const {index, members, name, master, why} = result.value;
        return `${index}/${members} ${name} by ${master || "nobody"}: ${why}`;
    }
    const error = errorOf(result.error.body);
    return `${error?.code}: ${error?.message}; ${error?.expected}`;
}

test("members by index, and no count of questions that never reach the engine", () => {
    const groups = foldBalance(balanced());
    assert.deepEqual(
        groups.map(({address, carpdev, hash}) => `${address} ${carpdev} ${hash}`),
        ["192.168.1.10 eth1 source-ip", "2001:db8::10 eth1 source-ip"],
    );
    assert.deepEqual(groups[0]?.members, [
        {
            index: 0,
            name: "carp0",
            vhid: 1,
            state: "MASTER",
            master: "this host",
            requests: 10,
            answers: 9,
        },
        {
            index: 1,
            name: "carp1",
            vhid: 2,
            state: "BACKUP",
            master: "192.168.1.3",
            requests: null,
            answers: 8,
        },
        {
            index: 2,
            name: "carp2",
            vhid: 3,
            state: "INIT",
            master: "",
            requests: null,
            answers: 7,
        },
    ]);
    // The keyed rule hashes a MAC out of an ARP question: IPv6 has none.
    const keyed = foldBalance(balanced(undefined, {arpbalanceHash: "sender-mac"}));
    assert.deepEqual(
        keyed.map(({hash}) => hash),
        ["sender-mac", "source-ip"],
    );
    assert.equal(
        showBalance(groups.slice(0, 1), plain),
        [
            "192.168.1.10 on eth1: 3 vhids, source-ip",
            "\tindex  vhid  name   state   master        requests  answers",
            "\t0      1     carp0  MASTER  this host     10        9",
            "\t1      2     carp1  BACKUP  192.168.1.3   -         8",
            "\t2      3     carp2  INIT    nobody known  -         7",
            "",
        ].join("\n"),
    );
});

test("FreeBSD's rule: the address as a big-endian number, mod n", () => {
    const input = balanced();
    assert.equal(which(input, "192.168.1.77"), "0/3 carp0 by this host: 3232235853 mod 3 = 0");
    assert.equal(which(input, "192.168.1.78"), "1/3 carp1 by 192.168.1.3: 3232235854 mod 3 = 1");
    assert.equal(which(input, "192.168.1.79"), "2/3 carp2 by nobody: 3232235855 mod 3 = 2");
    // An address probe.
    assert.equal(which(input, "0.0.0.0"), "0/3 carp0 by this host: 0 mod 3 = 0");
});

test("IPv6: the four words of the address, XORed, mod n", () => {
    const input = balanced();
    assert.equal(
        which(input, "FE80::1"),
        "1/2 carp1 by 192.168.1.3: fe800000 xor 0 xor 0 xor 1 = fe800001 (hexadecimal), 4269801473 mod 2 = 1",
    );
    assert.match(which(input, "2001:db8::2"), /^0\/2 carp0 .* mod 2 = 0$/);
});

test("every client has one member, and the words say the number that was divided", () => {
    const input = balanced();
    for (let host = 0; host < 256; host++) {
        const line = which(input, `10.${host}.${(host * 7) % 256}.${(host * 31) % 256}`);
        const [, index, divided, result] = /^(\d)\/3 .*: (\d+) mod 3 = (\d)$/.exec(line) ?? [];
        assert.equal(index, result, line);
        assert.equal(Number(divided) % 3, Number(index), line);
    }
});

test("the keyed rule takes a MAC, the other one an address", () => {
    const keyed = balanced(four, {arpbalanceHash: "sender-mac"});
    assert.match(
        which(keyed, "02-00-00-00-00-4D"),
        /keyed hash of 02:00:00:00:00:4d mod 3 = [012]$/,
    );
    assert.equal(
        which(keyed, "192.168.1.77"),
        'WRONG_CLIENT: arpbalance-hash is "sender-mac": the MAC of the client decides; its MAC, such as 02:00:00:00:00:4d',
    );
    assert.equal(
        which(balanced(four), "02:00:00:00:00:4d"),
        'WRONG_CLIENT: arpbalance-hash is "source-ip": the address of the client decides; its address, such as 192.168.1.77',
    );
});

test("the keyed rule uses the password of the vhids", () => {
    const keyed = balanced(four, {arpbalanceHash: "sender-mac"});
    const macs = Array.from({length: 30}, (_, i) => `02:00:00:00:00:${String(10 + i)}`);
    const question = {hash: "sender-mac", members: 3} as const;
    const expected = (key: Uint8Array): string =>
        macs.map((client) => balanceIndex({...question, client, key})).join("");
    const said = macs.map((client) => which(keyed, client)[0]).join("");
    assert.equal(said, expected(pass.reveal()));
    assert.notEqual(said, expected(new Uint8Array()));
});

test("which VIP is meant", () => {
    const second = four.map((member) => ({...member, address: "192.168.1.11"}));
    const several = balanced([...four, ...second, ...six]);
    assert.equal(
        which(several, "192.168.1.77"),
        "AMBIGUOUS_VIP: several VIPs are shared; say which; 192.168.1.10%eth1, 192.168.1.11%eth1",
    );
    assert.match(which(several, "192.168.1.77", "192.168.1.11"), /^0\/3 carp0/);
    assert.match(which(several, "fe80::1"), /^1\/2 carp1/);
    assert.match(
        which(several, "192.168.1.77", "192.168.1.12"),
        /^UNKNOWN_VIP: .*192\.168\.1\.10%eth1/,
    );
    assert.match(
        which(several, "192.168.1.77", "nonsense"),
        /^UNKNOWN_VIP: "nonsense" is no shared VIP/,
    );
    assert.equal(
        which(several, "192.168.1.77", "2001:db8::10"),
        "WRONG_CLIENT: 192.168.1.77 asks for IPv4 addresses only; a client of 2001:db8::10%eth1",
    );
    const twice = balanced([...six, ...six.map((member) => ({...member, carpdev: "eth2"}))]);
    assert.match(which(twice, "fe80::1", "2001:db8::10"), /^AMBIGUOUS_VIP/);
    assert.match(which(twice, "fe80::1", "2001:db8::10%eth2"), /^1\/2/);
    assert.match(which(balanced(), "carp0"), /^BAD_CLIENT: "carp0" is no client/);
    assert.match(which(balanced([]), "192.168.1.77"), /^NOT_BALANCED: nothing is balanced/);
});

test("the answer in words", () => {
    const say = (client: string): string => {
        const result = balanceAnswer(balanced(), client, "", balanceIndex);
        assert.ok(result.ok);
        return showBalanceAnswer(result.value);
    };
    assert.equal(
        say("192.168.1.77"),
        "this host answers with 00:00:5e:00:01:01 (carp0, vhid 1 is MASTER here)\n" +
            "\t192.168.1.77 asks for 192.168.1.10 on eth1: 3232235853 mod 3 = 0\n",
    );
    assert.match(
        say("192.168.1.78"),
        /^192\.168\.1\.3 answers with 00:00:5e:00:01:02 \(MASTER of carp1, vhid 2\)\n/,
    );
    assert.match(
        say("192.168.1.79"),
        /^nobody known: this host has heard no MASTER of carp2, vhid 3\n/,
    );
});
