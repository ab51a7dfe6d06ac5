/**
 * A configuration to the plan of its network, and the plan to files and rules: against whole texts
 * that were read by a person, and by the programs themselves in test/netns.
 */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {
    authorizedKeysText,
    isOwnNetworkFile,
    kernelValues,
    networkFiles,
    resolvText,
    sshdText,
} from "../../src/core/appliance/network-files.ts";
import {networkPlanOf, wantsAppliance} from "../../src/core/appliance/network-plan.ts";
import {rulesetText} from "../../src/core/appliance/network-ruleset.ts";
import type {Config} from "../../src/core/config.ts";
import {parseConfig} from "../../src/core/config-parse.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";

const unit = join(import.meta.dirname, "../../../test/unit");

function config(text: string): Config {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    assert.ok(parsed.ok, parsed.ok ? "" : formatDiagnostics(parsed.error));
    return parsed.value.config;
}

/** Every text of a plan, as `=== name` and its lines. */
function rendered(text: string): string {
    const plan = networkPlanOf(config(text));
    const files = [
        ...networkFiles(plan),
        {name: "firewall.nft", text: rulesetText(plan)},
        {name: "resolv.conf", text: resolvText(plan)},
        {name: "authorized_keys", text: authorizedKeysText(plan)},
        {name: "sshd", text: sshdText("/data/key", "/run/keys")},
        {
            name: "kernel",
            text: kernelValues(plan)
                .map((pair) => `${pair.join(" = ")}\n`)
                .join(""),
        },
    ];
    return files.map((file) => `=== ${file.name}\n${file.text}`).join("\n");
}

const router = readFileSync(join(unit, "config-vectors/50-network.toml"), "utf8");

for (const [name, text] of [
    ["router", router],
    ["empty", ""],
] as const) {
    test(`every text of ${name}`, () => {
        const expected = readFileSync(join(unit, `network-vectors/${name}.expected`), "utf8");
        assert.equal(rendered(text), expected);
    });
}

test("a carpdev and a watched interface are up without a block of their own", () => {
    const {interfaces, virtual} = networkPlanOf(
        config(`
[[interface]]
name = "lan0"
addresses = ["192.168.1.2/24"]
[[carp]]
carpdev = "lan0"
vhid = 1
[[carp]]
carpdev = "wan0"
vhid = 2
mac = "physical"
[[track]]
name = "up"
interface = "ppp0"
`),
    );
    assert.deepEqual(
        interfaces.map((each) => `${each.name} ${each.addresses.join()}`),
        ["lan0 192.168.1.2/24", "wan0 ", "ppp0 "],
    );
    assert.deepEqual(
        virtual.map(({name, carpdev, physical}) => `${name} ${carpdev} ${physical}`),
        ["carp0 lan0 false", "carp1 wan0 true"],
    );
});

test("KeepConfiguration is yes only beside VIPs on the carpdev itself", () => {
    const files = networkFiles(
        networkPlanOf(config('[[carp]]\ncarpdev = "wan0"\nvhid = 2\nmac = "physical"\n')),
    );
    assert.match(files[0]?.text ?? "", /^KeepConfiguration=yes$/mu);
});

test("only our own files are taken for ours", () => {
    assert.deepEqual(
        [
            "20-carpd.network",
            "20-carpd-lan0.network",
            "20-carpd",
            "20-carpdx.network",
            "10-x.network",
        ].map(isOwnNetworkFile),
        [true, true, false, false, false],
    );
});

test("what an appliance is needed for", () => {
    assert.equal(wantsAppliance(config("")), false);
    assert.equal(wantsAppliance(config("[system]\nssh = false\n")), false);
    assert.equal(wantsAppliance(config('[system]\nhostname = "r"\n')), true);
    assert.equal(wantsAppliance(config('[[interface]]\nname = "lan0"\n')), true);
});
