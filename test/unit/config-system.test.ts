/** What the system says about a configuration: programs, units, and `carpd --check` over all. */
import assert from "node:assert/strict";
import {spawnSync} from "node:child_process";
import {chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {type TestContext, test} from "node:test";
import type {Claim} from "../../src/core/config-claims.ts";
import {SourceText} from "../../src/core/diagnostic.ts";
import {checkSystem} from "../../src/io/config-system.ts";

const carpd = join(import.meta.dirname, "../../src/carpd.js");

function folder(t: TestContext, files: Readonly<Record<string, string>>): string {
    const path = mkdtempSync(join(tmpdir(), "carpd-system-"));
    t.after(() => rmSync(path, {recursive: true}));
    for (const [name, content] of Object.entries(files)) {
        writeFileSync(join(path, name), content, {mode: 0o755});
    }
    return path;
}

/** Stands for a systemd that this machine may not run: it knows two units. */
const systemctl = `#!/bin/sh
[ "$1 $2 $3 $4" = "show --property=LoadState --value --" ] || exit 3
case "$5" in
a.service|-.mount) echo loaded ;;
masked.service) echo masked ;;
*) echo not-found ;;
esac
`;

const source = new SourceText("carpd.toml", "value\n");

function claim(kind: Claim["kind"], value: string): Claim {
    return {kind, value, place: {source, span: {start: 0, end: 5}}};
}

async function messages(claims: readonly Claim[], program: string, limitMs = 5000) {
    const found = await checkSystem(claims, {systemctl: program, limitMs});
    return found.map(({severity, message}) => `${severity}: ${message}`);
}

test("units: known, unknown, masked", async (t) => {
    const program = join(folder(t, {systemctl}), "systemctl");
    const units = ["a.service", "-.mount", "foo.service", "masked.service"];
    assert.deepEqual(
        await messages(
            units.map((unit) => claim("unit", unit)),
            program,
        ),
        [
            'error: unit "foo.service" is not known to systemd',
            'error: unit "masked.service" cannot become active: its load state is masked',
        ],
    );
});

test("units: no systemctl, one that fails, one that hangs", async (t) => {
    const path = folder(t, {
        fails: "#!/bin/sh\necho 'Host is down' >&2\nexit 1\n",
        hangs: "#!/bin/sh\nwhile :; do sleep 60; done\n",
    });
    const claims = [claim("unit", "a.service")];
    assert.deepEqual(await messages(claims, join(path, "none")), [
        "error: units cannot be tracked here: systemctl was not found",
    ]);
    assert.deepEqual(await messages(claims, join(path, "fails")), [
        "error: units cannot be tracked here: Host is down",
    ]);
    // A busy manager must not keep the host from starting.
    assert.deepEqual(await messages(claims, join(path, "hangs"), 200), [
        'warning: unit "a.service": systemctl did not answer within 0.2 s',
    ]);
});

test("programs: executable, missing, a folder, without the mode bit", async (t) => {
    const path = folder(t, {good: "#!/bin/sh\n", plain: "text"});
    chmodSync(join(path, "plain"), 0o644);
    mkdirSync(join(path, "folder"));
    const names = ["good", "none", "folder", "plain", "good/below"];
    assert.deepEqual(
        await messages(
            names.map((name) => claim("program", join(path, name))),
            "systemctl",
        ),
        [
            `error: ${path}/none does not exist`,
            `error: ${path}/folder is not a regular file`,
            `error: ${path}/plain cannot be executed`,
            `error: ${path}/good/below does not exist`,
        ],
    );
});

function check(path: string, text: string): {status: number | null; output: string} {
    const file = join(path, "carpd.toml");
    writeFileSync(file, text);
    const {status, stdout, stderr} = spawnSync(
        process.execPath,
        [carpd, "--config", file, "--check"],
        {encoding: "utf8", env: {...process.env, PATH: `${path}:/usr/bin:/bin`}, timeout: 30_000},
    );
    return {status, output: (stdout + stderr).replaceAll(`${path}/`, "")};
}

const head = `[options]
preempt = true

[[carp]]
carpdev = "lo"
vhid = 1
pass = "x"
addresses = ["192.0.2.1/24"]
`;

test("carpd --check: one error for each thing that the system does not have", (t) => {
    const path = folder(t, {systemctl, up: "#!/bin/sh\n"});
    const bad = check(
        path,
        `${head}upscript = "${path}/none"\n[[track]]\nname = "a"\nunit = "foo.service"\n[[track]]\nname = "b"\ninterface = "no-such-if0"\n`,
    );
    assert.equal(bad.status, 78, bad.output);
    assert.deepEqual(
        bad.output.split("\n").filter((line) => line.startsWith("carpd.toml")),
        [
            "carpd.toml:9:12: none does not exist",
            'carpd.toml:12:8: unit "foo.service" is not known to systemd',
        ],
    );
    const good = check(
        path,
        `${head}upscript = "${path}/up"\n[[track]]\nname = "a"\nunit = "a.service"\n[[track]]\nname = "b"\ninterface = "no-such-if0"\n`,
    );
    assert.equal(good.status, 0, good.output);
    assert.match(
        good.output,
        /carpd\.toml:15:13: warning: no interface no-such-if0 on this host\n/u,
    );
    assert.match(good.output, /carpd\.toml: ok/u);
});

test("carpd --check: the wrong configurations of the manual, one error each", (t) => {
    const path = folder(t, {systemctl});
    const second = (pass: string): string =>
        `[[carp]]\ncarpdev = "lo"\nvhid = 2\nadvskew = 100\npass = "${pass}"\naddresses = ["192.0.2.1/24"]\n`;
    const cases: [string, string, RegExp][] = [
        [
            "a shared VIP",
            head + second("x"),
            /^carpd\.toml:14:14: 192\.0\.2\.1 is already .* carp0/u,
        ],
        [
            "two passwords",
            (head + second("y")).replace("preempt", "arpbalance"),
            /^carpd\.toml:13:8: carp1 shares 192\.0\.2\.1 with carp0, but not its password, on line 7/u,
        ],
        [
            "a demotion of 300",
            `${head}[[track]]\nname = "a"\nmemory = "1M"\ndemotion = 300\n`,
            /^carpd\.toml:12:12: demotion must be 1\.\.240, not 300/u,
        ],
    ];
    for (const [name, text, wanted] of cases) {
        const {status, output} = check(path, text);
        assert.equal(status, 78, `${name}: ${output}`);
        assert.match(output, wanted, name);
        const errors = output.split("\n").filter((line) => line.startsWith("carpd.toml:"));
        assert.equal(errors.length, 1, output);
    }
});
