/** carpctl's words: dispatch, prefixes, and what is said about wrong input. */
import assert from "node:assert/strict";
import {test} from "node:test";
import {
    helpLines,
    helpText,
    parseCarpctlArguments,
    resolve,
    tableFor,
} from "../../src/core/cli-resolve.ts";
import {cliTable} from "../../src/core/cli-table.ts";

function words(line: string): string[] {
    return line === "" ? [] : line.split(" ");
}

function command(line: string): string {
    const result = resolve(cliTable, words(line));
    assert.ok(result.ok, result.ok ? "" : result.message);
    return [result.command.action, ...Object.values(result.command.values)].join(" ");
}

function complaint(line: string): string {
    const result = resolve(cliTable, words(line));
    assert.ok(!result.ok, `${line} was accepted`);
    return result.message;
}

test("whole words, unique prefixes and names", () => {
    assert.equal(command("show carp"), "show-carp");
    assert.equal(command("sh ca"), "show-carp");
    assert.equal(command("s ca carp7"), "show-carp carp7");
    assert.equal(command("show"), "show-carp");
    assert.equal(command("show i"), "show-interfaces");
    assert.equal(command("sh b"), "show-balance");
    assert.equal(command("show t"), "show-tracks");
    assert.equal(command("r"), "reload");
    assert.equal(command("carp0 down"), "down carp0");
    assert.equal(command("carp0 m"), "master carp0");
    assert.equal(command("lan up"), "up lan");
    // A name that is a prefix of a keyword is still a name where the keyword makes no sense.
    assert.equal(command("re down"), "down re");
});

test("every line of the help is a command", () => {
    const lines = helpLines(cliTable);
    assert.ok(lines.length >= 28);
    const inHelp = helpLines(tableFor(cliTable, "carpctl"));
    for (const line of lines) {
        const result = resolve(cliTable, words(line.example));
        assert.ok(result.ok, line.example);
        const shown = inHelp.some(({words: known}) => known === line.words);
        assert.equal(helpText(cliTable).includes(`  ${line.words} `), shown, line.words);
    }
    const width = Math.max(
        ...helpText(cliTable)
            .split("\n")
            .map((line) => line.length),
    );
    assert.ok(width <= 100, `${width} columns`);
});

test("balance, maintenance, demotion and sysctl", () => {
    assert.equal(command("balance which 192.168.1.77"), "balance-which 192.168.1.77");
    assert.equal(command("b w FE80::1 2001:db8::10"), "balance-which fe80::1 2001:db8::10");
    assert.equal(command("b w 02-00-00-00-00-0A"), "balance-which 02:00:00:00:00:0a");
    assert.equal(command("b w 10.0.0.1 10.0.0.9%eth1"), "balance-which 10.0.0.1 10.0.0.9%eth1");
    assert.equal(command("maintenance"), "maintenance-show");
    assert.equal(command("m on"), "maintenance-on");
    assert.equal(command("m on until 90"), "maintenance-on 90");
    assert.equal(command("m on u 1h30m"), "maintenance-on 5400");
    assert.equal(command("m of"), "maintenance-off");
    assert.equal(command("demote 10"), "demote 10");
    assert.equal(command("demote -240"), "demote -240");
    assert.equal(command("demote +240 group wan"), "demote 240 wan");
    assert.equal(command("demote upgrade 10 g wan"), "demote operator:upgrade 10 wan");
    assert.equal(command("demote operator 5"), "demote operator 5");
    assert.equal(command("demote operator:a.b 5"), "demote operator:a.b 5");
    assert.equal(command("demote group 5"), "demote operator:group 5");
    assert.equal(command("undemote"), "undemote");
    assert.equal(command("undemote upgrade"), "undemote operator:upgrade");
    assert.equal(command("sysctl net.inet.carp.demotion"), "sysctl-read");
    assert.equal(command("sysctl net.inet.carp.demotion=-7"), "sysctl-write -7");
});

test("a value that is out of its range gets one sentence", () => {
    assert.equal(complaint("demote 300"), "demotion must be -240..240, not 300");
    assert.equal(complaint("demote upgrade -241"), "demotion must be -240..240, not -241");
    assert.equal(complaint("demote 1.5"), 'demotion must be -240..240, not "1.5"');
    assert.equal(complaint("demote upgrade ten"), 'demotion must be -240..240, not "ten"');
    assert.match(complaint("demote"), /^"demote" needs one of N, REASON$/);
    assert.match(complaint("demote upgrade"), /^"demote upgrade" needs N$/);
    assert.match(complaint("demote 10 group"), /needs GROUP$/);
    assert.match(complaint("demote a,b 5"), /^"a,b" is no demotion reason; expected a name of 1/);
    assert.match(complaint(`demote ${"x".repeat(21)} 5`), /is no demotion reason/);
    assert.match(complaint("demote operator: 5"), /is no demotion reason/);
    assert.equal(
        complaint("sysctl net.inet.carp.demotion=999"),
        "demotion must be -240..240, not 999",
    );
    assert.match(complaint("sys net.inet.carp.demotion"), /unknown word/);
    assert.match(complaint("sysctl"), /^"sysctl" needs one of net\.inet\.carp\.demotion/);
    for (const bad of ["0", "30x", "m30", "1.5h", "366d", "-5", "h", "99999999999"]) {
        assert.match(complaint(`maintenance on until ${bad}`), /is no length of time/, bad);
    }
    assert.match(complaint("balance which carp0"), /is no client; expected an address/);
    assert.match(complaint("balance which 10.0.0.1 10.0.0.9/24"), /is no VIP/);
    assert.equal(complaint("maintenance onn"), 'unknown word "onn"; did you mean on?');
});

test("the reasons of others are refused, with whose they are and what ends them", () => {
    const refusals: readonly [string, RegExp][] = [
        ["link:eth1", /belongs to the engine: it ends when that interface has a link again/],
        ["send:eth1", /belongs to the engine: it ends when three frames/],
        ["track:dsl", /belongs to a \[\[track\]\] block: it ends when that check is good/],
        ["boot", /belongs to the boot hold/],
        ["maintenance", /belongs to maintenance mode: it ends with `carpctl maintenance off`/],
    ];
    for (const [reason, what] of refusals) {
        assert.match(complaint(`demote ${reason} 5`), what);
        assert.match(complaint(`undemote ${reason}`), what);
    }
    // Names that only begin like one are the operator's.
    assert.equal(command("demote bootstrap 5"), "demote operator:bootstrap 5");
});

test("--until and --group stand for their words, wherever they are", () => {
    const said = (...argv: string[]): string => {
        const read = parseCarpctlArguments(argv, cliTable);
        assert.ok(typeof read !== "string", String(read));
        const result = resolve(cliTable, read.words);
        return result.ok
            ? [result.command.action, ...Object.values(result.command.values)].join(" ")
            : result.message;
    };
    assert.equal(said("maintenance", "on", "--until", "30m"), "maintenance-on 1800");
    assert.equal(said("--until=2h", "maintenance", "on"), "maintenance-on 7200");
    assert.equal(said("demote", "--group", "wan", "x", "5"), "demote operator:x 5 wan");
    assert.equal(said("demote", "-10", "--group=wan"), "demote -10 wan");
    assert.equal(said("show", "carp", "--until", "5m"), '"show carp" takes no option --until');
    assert.equal(said("reload", "--group", "a"), '"reload" takes no option --group');
    assert.equal(option("maintenance", "on", "--until"), "--until needs a value");
    assert.equal(option("demote", "5", "--group="), "--group needs a value");
    assert.equal(option("--untli", "5m"), "unknown option --untli; did you mean --until?");
});

test("wrong words are named, with a proposal", () => {
    assert.equal(complaint("shwo carp"), 'unknown word "shwo"; did you mean show?');
    assert.equal(complaint("show crap"), 'unknown word "crap"; did you mean carp?');
    assert.equal(complaint("carp0 dwon"), 'unknown word "dwon"; did you mean down?');
    assert.match(complaint("show zebra"), /expected one of carp, interfaces, statistics/);
    assert.equal(complaint("carp0"), '"carp0" needs one of up, down, master, backup');
    assert.match(complaint(""), /^a command line needs one of show, balance, maintenance, /);
    assert.match(complaint("balance"), /^"balance" needs which$/);
    assert.equal(complaint("reload now"), '"reload" takes no further word, not "now"');
    assert.equal(complaint("show carp a b"), '"show carp a" takes no further word, not "b"');
    assert.match(complaint(`show ${"x".repeat(5000)}`), /unknown word/);
});

function option(...argv: string[]): unknown {
    return parseCarpctlArguments(argv, cliTable);
}

test("options", () => {
    assert.deepEqual(
        parseCarpctlArguments(["show", "--json", "carp", "--run-dir", "/r"], cliTable),
        {
            runDir: "/r",
            json: true,
            help: false,
            version: false,
            words: ["show", "carp"],
        },
    );
    const equals = parseCarpctlArguments(["--run-dir=/x", "--", "--json"], cliTable);
    assert.ok(typeof equals !== "string");
    assert.deepEqual([equals.runDir, equals.words, equals.json], ["/x", ["--json"], false]);
    assert.equal(option("--jsno"), "unknown option --jsno; did you mean --json?");
    assert.equal(option("--run-dir"), "--run-dir needs a directory");
    assert.equal(option("--run-dir="), "--run-dir needs a directory");
});

test("the BSDs' words are handed on as they are", () => {
    const line = (...argv: string[]): string => {
        const read = parseCarpctlArguments(argv, cliTable);
        assert.ok(typeof read !== "string", String(read));
        const result = resolve(cliTable, read.words);
        assert.ok(result.ok, result.ok ? "" : result.message);
        return `${result.command.action}${read.json ? " json" : ""}: ${result.command.values.line}`;
    };
    assert.equal(
        line("sysctl", "-w", "net.inet.carp.preempt=1"),
        "bsd: -w net.inet.carp.preempt=1",
    );
    assert.equal(line("ifconfig", "-g", "carp", "carpdemote", "50"), "bsd: -g carp carpdemote 50");
    assert.equal(line("--json", "ifconfig", "carp0"), "bsd json: carp0");
    assert.equal(line("sysctl", "kern.hz", "--json"), "bsd json: kern.hz");
    assert.match(complaint("ifconfig"), /^"ifconfig" needs INTERFACE WORD\.\.\.$/);
});

test("the newer words", () => {
    assert.equal(command("show configuration"), "show-configuration");
    assert.equal(command("sh conf toml secrets"), "show-configuration toml true");
    assert.equal(command("show configuration for-peer pf"), "show-for-peer pfsense");
    assert.equal(command("show log 20"), "show-log 20");
    assert.equal(command("show log since 1h"), "show-log 3600");
    assert.equal(command("show log carp0"), "show-log carp0");
    assert.equal(command("sh w carp0"), "show-why carp0");
    assert.equal(command("ping 192.168.1.254 count 5"), "ping 192.168.1.254 5");
    assert.match(complaint("ping gateway"), /is no address/);
    assert.match(complaint("ping 10.0.0.1 count 0"), /the count must be 1\.\.1000, not "0"/);
    assert.equal(command("power-off"), "power-off");
    // What does harm is written out.
    assert.match(complaint("reb"), /needs one of up, down|unknown word/);
    assert.match(complaint("pow"), /needs one of up, down|unknown word/);
    assert.equal(command("r"), "reload");
});
