/** The arguments of carpd. */
import assert from "node:assert/strict";
import {test} from "node:test";
import fc from "fast-check";
import {carpdUsage, formatUsageError, parseCarpdArguments} from "../../src/core/cli-options.ts";

test("all options, both forms", () => {
    const args = ["--config", "a.toml", "--run-dir=/tmp/r", "--state-dir", "s", "--check"];
    args.push("--console-user", "serial", "--panel-user=lights", "--board-dir", "boards");
    args.push("--hold", "it failed", "--system-socket=/tmp/s");
    assert.deepEqual(parseCarpdArguments([...args, "--log-format=json"]), {
        ok: true,
        value: {
            kind: "run",
            options: {
                configFile: "a.toml",
                runDir: "/tmp/r",
                stateDir: "s",
                check: true,
                logFormat: "json",
                consoleUser: "serial",
                panelUser: "lights",
                boardDir: "boards",
                hold: "it failed",
                systemSocket: "/tmp/s",
            },
        },
    });
    assert.deepEqual(parseCarpdArguments(["--config=a=b"]), {
        ok: true,
        value: {
            kind: "run",
            options: {
                configFile: "a=b",
                runDir: "/run/carpd",
                stateDir: "/var/lib/carpd",
                check: false,
                logFormat: "text",
                consoleUser: "carp-console",
                panelUser: "carp-panel",
                boardDir: "",
                hold: "",
                systemSocket: "/run/carp-system/socket",
            },
        },
    });
    assert.deepEqual(parseCarpdArguments(["--help"]), {ok: true, value: {kind: "help"}});
    assert.deepEqual(parseCarpdArguments(["--version"]), {ok: true, value: {kind: "version"}});
});

test("errors say what was expected", () => {
    const cases: [string[], RegExp][] = [
        [["--config"], /--config needs a value/u],
        [["--config", "--check"], /--config needs a value/u],
        [["--config="], /--config needs a value/u],
        [["--confg", "x"], /unknown option "--confg".*\nhint: did you mean --config\?/u],
        [["-c", "x"], /unknown option "-c"/u],
        [["--config", "a", "--config", "b"], /given twice/u],
        [["--config", "a", "--check=yes"], /takes no value/u],
        [["--config", "a", "--log-format", "xml"], /cannot be "xml"; expected text or json/u],
        [["carpd.toml"], /"carpd.toml" is not an option/u],
        [["--config", "a", "--", "--check"], /"--check" is not an option/u],
    ];
    for (const [args, wanted] of cases) {
        const parsed = parseCarpdArguments(args);
        assert.ok(!parsed.ok, args.join(" "));
        assert.match(formatUsageError("carpd", parsed.error), wanted);
    }
});

test("the help names every option", () => {
    for (const name of [
        "config",
        "run-dir",
        "state-dir",
        "check",
        "log-format",
        "console-user",
        "version",
        "help",
    ]) {
        assert.ok(carpdUsage().includes(`--${name}`), name);
    }
});

test("random arguments give a result", () => {
    fc.assert(
        fc.property(fc.array(fc.string({maxLength: 12})), (args) => {
            assert.equal(typeof parseCarpdArguments(args).ok, "boolean");
        }),
    );
});
