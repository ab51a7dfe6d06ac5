/** What the BSD commands refuse, and what they say; the words of a line; passwords stay hidden. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {
    formatBsdRefusal,
    hideBsdSecrets,
    isBsdLine,
    isContinued,
    runBsdLine,
} from "../../src/core/bsd/run.ts";
import {broadcastOf, netmaskLength, netmaskText} from "../../src/core/bsd/subnet.ts";
import {readCommands} from "../../src/core/bsd/words.ts";
import {Router} from "./bsd-fixtures.ts";

const start = ["ifconfig carp0 create", "ifconfig carp0 vhid 1 pass secret1 192.168.1.1/24"];

function router(): Router {
    const made = new Router();
    for (const line of start) {
        made.run(line);
    }
    return made;
}

/** A line, the word that the caret is below, what is said, and what of "expected" or the hint. */
const refusals: readonly (readonly [string, string, RegExp, RegExp])[] = [
    ["ifconfig carp0 vhid 0", "0", /^ifconfig: vhid must be 1\.\.255, not 0$/, /1 to 255/],
    ["ifconfig carp0 vhid 256", "256", /vhid must be 1\.\.255, not 256/, /1 to 255/],
    ["ifconfig carp0 vhid x", "x", /vhid must be 1\.\.255, not x/, /1 to 255/],
    ["ifconfig carp0 vhid 1e1", "1e1", /vhid must be/, /1 to 255/],
    ["ifconfig carp0 vhid advskew 3", "advskew", /vhid must be 1\.\.255, not advskew/, /1 to/],
    ["ifconfig carp0 vhid", "vhid", /vhid has no value/, /a number from 1 to 255 behind it/],
    ["ifconfig carp0 vhid 2 vhid 3", "vhid", /vhid is given twice/, /one of them/],
    ["ifconfig carp0 advskew -1", "-1", /advskew must be 0\.\.254, not -1/, /0 to 254/],
    ["ifconfig carp0 advskew 255", "255", /advskew must be 0\.\.254/, /0 to 254/],
    ["ifconfig carp0 advbase 256", "256", /advbase must be 0\.\.255/, /seconds/],
    ["ifconfig carp0 advbase 0", "0", /cannot both be 0/, /advskew 1 or more/],
    ["ifconfig carp0 pass 12345678901234567890", "12345678901234567890", /has 20 octets/, /19/],
    ["ifconfig carp0 pass ööööööööööx", "ööööööööööx", /has 21 octets/, /at most 19/],
    ["ifconfig carp0 pass", "pass", /pass has no value/, /a password/],
    ["ifconfig carp0 advskw 3", "advskw", /unknown word advskw/, /did you mean advskew/],
    ["ifconfig carp0 frob", "frob", /unknown word frob/, /an address/],
    ["ifconfig carp0 \x7ffrob", "\x7f", /control character/, /printable/],
    ["ifconfig carp0 state INIT", "INIT", /state must be master or backup/, /master or backup/],
    ["ifconfig carp0 mtu 1500", "mtu", /setting of the carpdev/, /^$/],
    ["ifconfig carp0 carpver 3", "3", /carpver 3 is VRRP/, /2/],
    ["ifconfig carp0 vrrpprio 100", "vrrpprio", /belongs to VRRP/, /^$/],
    ["ifconfig carp0 balancing ip", "balancing", /OpenBSD's balancing/, /^$/],
    ["ifconfig carp0 create", "create", /carp0 exists already/, /without create/],
    ["ifconfig carp1 create create", "create", /create is given twice/, /one of/],
    ["ifconfig carp0 destroy up", "up", /up beside destroy/, /nothing else/],
    ["ifconfig eth1 create", "eth1", /eth1 exists and is no carp/, /free/],
    ["ifconfig vlan0 create", "vlan0", /creates carp interfaces only/, /carp0/],
    ["ifconfig carp00 create", "carp00", /creates carp interfaces only/, /carp0/],
    ["ifconfig carp9", "carp9", /carp9 does not exist/, /did you mean carp0/],
    ["ifconfig carp9 advskew 3", "carp9", /carp9 does not exist/, /carp0/],
    ["ifconfig wan", "wan", /wan does not exist/, /carp0, carp1/],
    ["ifconfig -x", "-x", /unknown option -x/, /-a, -l or -g/],
    ["ifconfig -k carp0", "-k", /passwords are not shown/, /show configuration secrets/],
    ["ifconfig -a carp0", "carp0", /carp0 after -a/, /nothing/],
    ["ifconfig -g", "-g", /-g has no value/, /carp/],
    ["ifconfig -g carp demote", "demote", /unknown word demote/, /carpdemote/],
    ["ifconfig -g carp carpdemote 241", "241", /must be 0\.\.240/, /0 to 240/],
    ["ifconfig -g carp carpdemote 1 2", "2", /2 after the number/, /nothing/],
    ["ifconfig carp0 192.168.1.300", "192.168.1.300", /is not an IP address/, /192\.168/],
    ["ifconfig carp0 192.168.1", "192.168.1", /is not an IP address/, /192\.168/],
    ["ifconfig carp0 192.168.1.5/33", "192.168.1.5/33", /bad prefix length/, /1 to 32/],
    ["ifconfig carp0 192.168.1.5/", "192.168.1.5/", /bad prefix length/, /1 to 32/],
    ["ifconfig carp0 1.1.1.1/8/8", "1.1.1.1/8/8", /is not an address/, /192\.168/],
    ["ifconfig carp0 192.168.1.0/24", "192.168.1.0/24", /network address/, /such as/],
    ["ifconfig carp0 192.168.1.255/24", "192.168.1.255/24", /broadcast address/, /such as/],
    ["ifconfig carp0 127.0.0.1/8", "127.0.0.1/8", /loopback/, /such as/],
    ["ifconfig carp0 224.0.0.1", "224.0.0.1", /no prefix length/, /netmask/],
    [
        "ifconfig carp0 10.0.0.1 netmask 255.0.255.0",
        "255.0.255.0",
        /255\.0\.255\.0 has ones behind zeros/,
        /255\.255\.255\.0/,
    ],
    ["ifconfig carp0 10.0.0.1 netmask 0xff00ff00", "0xff00ff00", /ones behind/, /0xffffff00/],
    ["ifconfig carp0 10.0.0.1 netmask 24", "24", /24 is no netmask/, /\/24/],
    ["ifconfig carp0 10.0.0.1/8 netmask /16", "/16", /\/8 is said already/, /one/],
    ["ifconfig carp0 10.0.0.1 255.0.0.0", "255.0.0.0", /second address/, /netmask 255\.0\.0\.0/],
    ["ifconfig carp0 10.0.0.1 10.0.0.2", "10.0.0.2", /second address/, /alias/],
    ["ifconfig carp0 netmask 255.0.0.0", "255.0.0.0", /belongs to an address/, /address before/],
    ["ifconfig carp0 inet", "inet", /inet belongs to an address/, /address before/],
    ["ifconfig carp0 alias", "alias", /alias what\?/, /address before/],
    ["ifconfig carp0 inet6 10.0.0.1/8", "10.0.0.1/8", /is IPv4/, /inet before/],
    ["ifconfig carp0 inet fe80::9/64", "fe80::9/64", /is IPv6/, /inet6 before/],
    ["ifconfig carp0 fe80::9 netmask 255.0.0.0", "255.0.0.0", /no netmask/, /prefixlen 64/],
    ["ifconfig carp0 10.0.0.1/8 broadcast 10.0.0.255", "10.0.0.255", /wrong broadcast/, /10\.255/],
    ["ifconfig carp0 192.168.1.9 -alias", "192.168.1.9", /does not have 192/, /192\.168\.1\.1/],
    ["ifconfig carp0 alias -alias 10.0.0.1", "-alias", /-alias after alias/, /one of them/],
    ["ifconfig carp0 peer 2001:db8::1", "2001:db8::1", /is IPv6/, /peer6 2001:db8::1/],
    ["ifconfig carp0 peer 224.0.0.5", "224.0.0.5", /multicast address/, /other host/],
    ["ifconfig carp0 group lan1", "lan1", /cannot end in a digit/, /such as lan/],
    ["ifconfig carp0 carpdev eth9", "eth9", /no interface eth9/, /eth1, eth2/],
    ["ifconfig carp1 vhid 1 192.168.1.9/24", "1", /already carp0's/, /free/],
    ["ifconfig carp1 vhid 2 10.7.0.1/8", "10.7.0.1/8", /no interface has an/, /carpdev IF/],
    ["ifconfig carp1 vhid 2 fe80::9/64", "fe80::9/64", /eth1, eth2 are in/, /carpdev eth1/],
    ["ifconfig eth1 mtu 9000", "mtu", /setting of the carpdev/, /^$/],
    ["ifconfig eth1 up", "up", /carpd does not change it/, /vhid N/],
    ["ifconfig eth1 vhid 1 destroy", "destroy", /needs a carp interface/, /carpN/],
    ["sysctl", "sysctl", /no variable/, /preempt/],
    ["sysctl -x", "-x", /unknown option -x/, /-w, -n or -a/],
    ["sysctl net.inet.carp.preemt=1", "net.inet.carp.preemt", /unknown variable/, /carp\.preempt/],
    ["sysctl net.inet.ip.forwarding=1", "net.inet.ip.forwarding", /unknown variable/, /allow/],
    [
        "sysctl net.inet.carp.ifdown_demotion_facto=1",
        "net.inet.carp.ifdown_demotion_facto",
        /unknown variable/,
        /did you mean net\.inet\.carp\.ifdown_demotion_factor\?/,
    ],
    ["sysctl net.inet.carp.log=2", "net.inet.carp.log", /not used here/, /show log/],
    ["sysctl -w net.inet.carp.preempt=2", "2", /preempt must be 0\.\.1, not 2/, /0 to 1/],
    ["sysctl -w net.inet.carp.preempt= 1", "=", /must be 0\.\.1, not empty/, /no blanks/],
    ["sysctl net.inet.carp.allow=0", "0", /always 1/, /maintenance on/],
    ["sysctl net.inet.carp.demotion=241", "241", /must be -240\.\.240/, /-240 to 240/],
    ["ipconfig carp0", "ipconfig", /^bsd: unknown command ipconfig$/, /did you mean ifconfig/],
    ["ifconfig carp0 &&", "&&", /nothing comes after/, /a command/],
    ["&& ifconfig carp0", "&&", /nothing comes before/, /a command/],
    ["ifconfig carp0 ;; ifconfig", ";", /nothing comes before/, /a command/],
    ["ifconfig carp0 | grep inet", "|", /needs a shell/, /one command/],
    ["ifconfig carp0 > file", ">", /needs a shell/, /one command/],
    ["ifconfig carp0 pass $x", "$", /needs a shell/, /in '\.\.\.'/],
    ['ifconfig carp0 pass "a', '"', /quote is not closed/, /"/],
    ["ifconfig carp0 \\", "\\", /goes on after the backslash/, /the rest/],
    ["ifconfig\u00a0carp0", "\u00a0", /U\+00A0, which is no blank/, /a blank/],
    ["ifconfig \rcarp0", "\r", /control character/, /printable/],
    ["sudo", "sudo", /sudo what/, /a command/],
];

for (const [line, word, message, more] of refusals) {
    test(`refused: ${JSON.stringify(line)}`, () => {
        const host = router();
        const outcome = runBsdLine(line, host.world());
        assert.ok(!outcome.ok, "it was accepted");
        const refusal = outcome.error;
        assert.match(`${refusal.file}: ${refusal.message}`, message);
        assert.match(`${refusal.expected} ${refusal.hint}`.trim(), more);
        const marked = [...line].slice(refusal.col - 1, refusal.endCol - 1).join("");
        assert.equal(marked, word);
        assert.equal(refusal.line, 1);
        for (const said of formatBsdRefusal(refusal).split("\n")) {
            assert.ok(said.length <= 160, said);
        }
    });
}

test("passwords are shown in no refusal", () => {
    const host = router();
    for (const line of [
        "ifconfig carp0 pass hunter2hunter2 frob",
        "ifconfig carp0 pass hunter2hunter2hunter2hunter2",
        "ifconfig carp0 pas hunter2hunter2",
        "ifconfig carp0 pass=hunter2hunter2",
        "ifconfig carp0 Pass 'hunter2 hunter2'",
        "ifconfig carp0 pass hunter2\\ hunter2 frob",
        'ifconfig carp0 frob password "hunter2hunter2',
        'ifconfig carp0 "pass" hun"ter2"hunter2 frob',
        "ifconfig carp0 pass \\\nhunter2hunter2 frob",
        "ifconfig carp0 frob pass \\\r\nhunter2hunter2",
    ]) {
        const said = host.refused(line);
        assert.doesNotMatch(said, /hunter2|ter2/, said);
        assert.doesNotMatch(hideBsdSecrets(line), /hunter2|ter2/);
    }
    assert.equal(
        hideBsdSecrets("# ifconfig carp0 vhid 1 pass 'a b' 10.0.0.1 \\\nnetmask 255.0.0.0"),
        "# ifconfig carp0 vhid 1 pass **** 10.0.0.1 \\\nnetmask 255.0.0.0",
    );
});

test("the words of a line", () => {
    const words = (line: string): string[][] => {
        const read = readCommands(line);
        assert.ok(read.ok, read.ok ? "" : read.error.message);
        return read.value.map((command) => command.map(({text}) => text));
    };
    assert.deepEqual(words(""), []);
    assert.deepEqual(words("# "), []);
    assert.deepEqual(words(" \t\n\n"), []);
    assert.deepEqual(words("a b;c&&d ;"), [["a", "b"], ["c"], ["d"]]);
    assert.deepEqual(words("a && \n b"), [["a"], ["b"]]);
    assert.deepEqual(words("% a\r\n$ b # remark ; c\n# d"), [["a"], ["b"], ["d"]]);
    assert.deepEqual(words("a 'b c' \"d 'e' \\\" \\x\" f\\ g h\\;"), [
        ["a", "b c", "d 'e' \" \\x", "f g", "h;"],
    ]);
    assert.deepEqual(words("a b\\\nc \\\r\n d ''"), [["a", "bc", "d", ""]]);
    assert.deepEqual(words("a b#c '#d'"), [["a", "b#c", "#d"]]);
});

test("lines that are meant for these commands, lines that go on", () => {
    for (const line of [
        "ifconfig",
        "# ifconfig carp0",
        " sudo /sbin/ifconfig",
        "$ sysctl -a",
        "ifconfig;x",
    ]) {
        assert.ok(isBsdLine(line), line);
    }
    for (const line of ["", "#", "show carp", "ifconfi", "sudo", "carp0 ifconfig"]) {
        assert.ok(!isBsdLine(line), line);
    }
    assert.ok(isContinued("a \\") && isContinued("a \\\n") && isContinued("a \\\\\\\r\n"));
    assert.ok(!isContinued("a") && !isContinued("a \\\\") && !isContinued("a \\\nb"));
});

test("masks and broadcast addresses", () => {
    for (let length = 0; length <= 32; length += 1) {
        assert.equal(netmaskLength(netmaskText(length)), length);
        assert.equal(netmaskLength(`/${length}`), length);
    }
    assert.equal(netmaskLength("255.255.255.252"), 30);
    assert.equal(netmaskLength("0xFFFF0000"), 16);
    for (const wrong of ["", "24", "/33", "/-1", "255.255.255", "0x1ffffffff", "::", "0.0.0.255"]) {
        assert.equal(netmaskLength(wrong), undefined, wrong);
    }
    assert.equal(broadcastOf("10.1.2.3", 8), "10.255.255.255");
    assert.equal(broadcastOf("192.168.1.77", 26), "192.168.1.127");
    assert.equal(broadcastOf("192.168.1.77", 32), "192.168.1.77");
});
