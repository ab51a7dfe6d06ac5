/** The appliance's decisions: versions, bundles, sources, the proof of a boot, schemas. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import fc from "fast-check";
import {
    blockOctets,
    blockTitle,
    readBootEnvironment,
    slotOfCommandLine,
    withBootVariable,
} from "../../src/core/appliance/boot-environment.ts";
import {type BootSample, judgeBoot, patienceFor} from "../../src/core/appliance/boot-judge.ts";
import {sampleOf} from "../../src/core/appliance/boot-sample.ts";
import {type BundleTarget, bundleProblem} from "../../src/core/appliance/bundle-check.ts";
import {nextSlot as nextSlotName} from "../../src/core/appliance/images.ts";
import {chooseBundle, parseInstallSource} from "../../src/core/appliance/install-source.ts";
import {parseSystemArguments, systemUsage} from "../../src/core/appliance/options.ts";
import {
    readBundleInfo,
    readProgress,
    readRaucStatus,
    reasonIn,
    sentenceFor,
} from "../../src/core/appliance/rauc-output.ts";
import {planSchema, schemaSentence} from "../../src/core/appliance/schema-migration.ts";
import {compareVersions} from "../../src/core/appliance/versions.ts";
import {installedB, raucStatus} from "./rauc-fixtures.ts";

describe("versions", () => {
    it("are ordered as Debian and semantic versions are", () => {
        const rising = [
            "0.3.0~beta",
            "0.3.0-rc.1",
            "0.3.0-rc.2",
            "0.3.0-rc.10",
            "0.3.0",
            "0.3.0+security1",
            "0.3.1",
            "0.9",
            "0.9.1",
            "0.10",
            "1.0",
            "10.0",
        ];
        for (const [i, a] of rising.entries()) {
            for (const [j, b] of rising.entries()) {
                const got = Math.sign(compareVersions(a, b));
                assert.equal(got, Math.sign(i - j), `${a} and ${b}`);
            }
        }
        assert.equal(compareVersions("v1.2", "1.2"), 0);
        assert.equal(compareVersions("1.02", "1.2"), 0);
        assert.ok(compareVersions("20261122000000000001", "20261122000000000002") < 0);
    });

    it("have one order, whatever they are", () => {
        const text = fc.string({unit: fc.constantFrom(..."0123456789.~-+ab"), maxLength: 12});
        fc.assert(
            fc.property(text, text, text, (a, b, c) => {
                const sign = (x: string, y: string) => Math.sign(compareVersions(x, y));
                assert.equal(sign(a, b), -sign(b, a) || 0);
                if (sign(a, b) <= 0 && sign(b, c) <= 0) assert.ok(sign(a, c) <= 0);
            }),
        );
    });
});

describe("boot environment", () => {
    it("is read, and what is missing counts as nothing", () => {
        const read = readBootEnvironment("# GRUB\nORDER=B A\nA_OK=1\nB_OK=1\nB_TRY=2\n#####");
        assert.deepEqual(read.order, ["B", "A"]);
        assert.deepEqual(read.counters, {A: {ok: true, tries: 0}, B: {ok: true, tries: 2}});
        const empty = readBootEnvironment("");
        assert.deepEqual(empty.order, ["A", "B"]);
        assert.deepEqual(empty.counters.A, {ok: true, tries: 0});
        assert.deepEqual(empty.counters.B, {ok: false, tries: 0});
        assert.deepEqual(readBootEnvironment("ORDER=x B B A\nA_TRY=-3").order, ["B", "A"]);
    });

    it("GRUB takes the first slot with tries left, else the first", () => {
        const next = (text: string) => nextSlotName(readBootEnvironment(text));
        assert.equal(next("ORDER=B A\nA_OK=1\nB_OK=1"), "B");
        assert.equal(next("ORDER=B A\nA_OK=1\nB_OK=1\nB_TRY=3"), "A");
        assert.equal(next("ORDER=B A\nA_OK=1\nB_OK=0"), "A");
        assert.equal(next("ORDER=B A\nA_OK=0\nB_OK=1\nB_TRY=3"), "B");
    });

    it("one value of the block is changed, and its size never", () => {
        const before = `${blockTitle}ORDER=B A\nA_OK=1\n`.padEnd(blockOctets, "#");
        const after = withBootVariable(before, "FACTORY_RESET", "1");
        assert.equal(after?.length, blockOctets);
        assert.match(
            after ?? "",
            /^# GRUB Environment Block\nORDER=B A\nA_OK=1\nFACTORY_RESET=1\n#+$/u,
        );
        assert.equal(withBootVariable(after ?? "", "FACTORY_RESET", "1"), after);
        assert.match(withBootVariable(before, "A_OK", "0") ?? "", /ORDER=B A\nA_OK=0\n#/u);
        assert.equal(withBootVariable("x".repeat(1024), "A", "1"), null);
        assert.equal(withBootVariable(before, "A", "1".repeat(1024)), null);
    });

    it("the kernel's command line names the slot", () => {
        assert.equal(slotOfCommandLine("root=/dev/sda4 carpd.slot=B quiet\n"), "B");
        assert.equal(slotOfCommandLine("carpd.slot=A carpd.slot=B"), "B");
        assert.equal(slotOfCommandLine("carpd.slot=C"), "");
        assert.equal(slotOfCommandLine("quiet"), "");
    });
});

describe("rauc's words", () => {
    it("status: both slots, with messages around the JSON", () => {
        const status = readRaucStatus(`rauc-Message: hello\n${raucStatus(installedB)}\n`);
        assert.equal(status?.compatible, "carpd-amd64");
        assert.deepEqual(status?.slots.B, {
            version: "0.4.0",
            installed: "2026-11-22T09:00:00Z",
            status: "ok",
            devices: {boot: "/dev/boot-B", rootfs: "/dev/rootfs-B"},
        });
        assert.deepEqual(status?.slots.A?.version, "");
        assert.equal(readRaucStatus("no JSON"), null);
        assert.equal(readRaucStatus("[1]"), null);
        assert.deepEqual(readRaucStatus("{}")?.slots, {});
    });

    it("info: compatible, version, sizes", () => {
        const info = readBundleInfo(
            '{"compatible":"carpd-amd64","version":"0.4.0","description":null,"hooks":[],' +
                '"images":[{"boot":{"variant":null,"filename":"boot.img","size":7}},' +
                '{"rootfs":{"filename":"rootfs.img","size":9,"adaptive":[]}}]}',
        );
        assert.deepEqual(info, {
            compatible: "carpd-amd64",
            version: "0.4.0",
            images: [
                {slotClass: "boot", octets: 7},
                {slotClass: "rootfs", octets: 9},
            ],
        });
        assert.equal(readBundleInfo('{"version":"1"}'), null);
    });

    it("progress", () => {
        assert.deepEqual(readProgress(" 85% Copying image to boot.1"), {
            percent: 85,
            message: "Copying image to boot.1",
        });
        assert.deepEqual(readProgress("100% Installing done."), {
            percent: 100,
            message: "Installing done.",
        });
        assert.equal(readProgress("installing"), null);
    });

    it("reasons become sentences that keep them", () => {
        const said = [
            "rauc-Message: 09:13:21.845: Verifying bundle signature... ",
            "signature verification failed: Verify error: self-signed certificate",
        ];
        const sentence = sentenceFor(reasonIn(said));
        assert.match(sentence, /^the bundle is not signed with a key that this box trusts \(/u);
        assert.match(sentence, /self-signed certificate/u);
        const late = reasonIn([
            " 60% Checking manifest contents done.",
            "100% Installing failed.",
            "LastError: Failed to read: Input/output error",
            "rauc-event-Message: 10:02:40.771: Installation 46442304 failed",
            "Installing `/x` failed",
        ]);
        assert.match(sentenceFor(late), /could not be read to the end \(was it pulled out\?\)/u);
        const cases: [string, RegExp][] = [
            ["Invalid bundle format: Signature size (39) exceeds bundle size", /cut short/u],
            ["Slot (/dev/x) is too small for image", /too large for its slot/u],
            ["write failed: No space left on device", /no space left/u],
            ["Verify error: certificate is not yet valid", /clock/u],
            ["something else", /^something else$/u],
            ["", /no reason/u],
        ];
        for (const [reason, rule] of cases) assert.match(sentenceFor(reason), rule, reason);
    });
});

describe("bundle", () => {
    const target: BundleTarget = {
        compatible: "carpd-amd64",
        version: "0.3.0",
        sizes: {boot: 10, rootfs: 2_000_000},
        force: false,
    };
    const info = {compatible: "carpd-amd64", version: "0.4.0", images: []};

    it("newer and equal versions fit", () => {
        assert.equal(bundleProblem(info, target), "");
        assert.equal(bundleProblem({...info, version: "0.3.0"}, target), "");
    });

    it("an older version needs force, another kind of box is never right", () => {
        const older = {...info, version: "0.3.0~rc1"};
        assert.match(bundleProblem(older, target), /older than the running 0\.3\.0; `force`/u);
        assert.equal(bundleProblem(older, {...target, force: true}), "");
        const arm = {...info, compatible: "carpd-arm64"};
        const problem = bundleProblem(arm, {...target, force: true});
        assert.equal(problem, "the bundle is for carpd-arm64, and this box is a carpd-amd64");
        assert.match(bundleProblem({...info, version: ""}, target), /names no version/u);
    });

    it("an image larger than its slot is refused before anything is written", () => {
        const images = [
            {slotClass: "boot", octets: 10},
            {slotClass: "rootfs", octets: 4_000_000},
        ];
        assert.match(bundleProblem({...info, images}, target), /rootfs has 3\.8 MiB.* 1\.9 MiB/u);
        assert.equal(bundleProblem({...info, images}, {...target, sizes: {}}), "");
    });
});

describe("source", () => {
    it("a path, a stick, a URL", () => {
        const read = (text: string) => {
            const source = parseInstallSource(text);
            assert.ok(source.ok, text);
            return source.value;
        };
        assert.deepEqual(read("/data/x.raucb"), {kind: "file", path: "/data/x.raucb"});
        assert.deepEqual(read("usb"), {kind: "usb", name: ""});
        assert.deepEqual(read("usb:/new/x.raucb"), {kind: "usb", name: "new/x.raucb"});
        assert.equal(read("https://example.com/x.raucb").kind, "url");
        for (const wrong of [
            "",
            "x.raucb",
            "usb:",
            "usb:../x",
            "usb:a/../../x",
            "ftp://a/b",
            "https://",
            "/a\nb",
        ]) {
            const refused = parseInstallSource(wrong);
            assert.ok(!refused.ok, wrong);
            assert.match(refused.error, /expected a path such as/u);
        }
    });

    it("one bundle of a stick is found, several are listed", () => {
        assert.deepEqual(chooseBundle(["a.txt", "b.raucb", ".c.raucb"], ""), {
            ok: true,
            value: "b.raucb",
        });
        const several = chooseBundle(["b.raucb", "a.raucb"], "");
        assert.match(several.ok ? "" : several.error, /2 bundles.*usb:a\.raucb, usb:b\.raucb$/u);
        assert.ok(!chooseBundle(["x"], "").ok);
        assert.deepEqual(chooseBundle([], "dir/x"), {ok: true, value: "dir/x"});
    });
});

function sample(atMs: number, frames: number, change: Partial<BootSample> = {}): BootSample {
    const vhid = {name: "carp0", carpdev: "eth1", enabled: true, advbase: 1, frames};
    return {atMs, hold: "", vhids: [vhid], linksUp: ["eth1"], ...change};
}

describe("the proof of a boot", () => {
    it("needs 10 s of answers and a frame of every vhid with a link", () => {
        assert.equal(judgeBoot([]).waitsFor, "carpd does not answer");
        assert.equal(judgeBoot([sample(0, 1)]).good, false);
        assert.equal(judgeBoot([sample(0, 1), sample(9999, 9)]).good, false);
        assert.equal(judgeBoot([sample(0, 1), sample(10_000, 9)]).good, true);
        const mute = judgeBoot([sample(0, 0), sample(20_000, 0)]);
        assert.deepEqual(mute, {
            good: false,
            waitsFor: "carp0 has neither sent nor heard an advertisement on eth1",
        });
    });

    it("does not wait for a cable that is out, or a vhid that is down", () => {
        const out = {linksUp: []};
        assert.equal(judgeBoot([sample(0, 0, out), sample(10_000, 0, out)]).good, true);
        const down = {
            vhids: [{name: "carp0", carpdev: "eth1", enabled: false, advbase: 1, frames: 0}],
        };
        assert.equal(judgeBoot([sample(0, 0, down), sample(10_000, 0, down)]).good, true);
        const none = {vhids: []};
        assert.equal(judgeBoot([sample(0, 0, none), sample(10_000, 0, none)]).good, true);
    });

    it("a restart or a hold is no proof", () => {
        assert.equal(judgeBoot([sample(0, 50), sample(10_000, 2)]).waitsFor, "carpd was restarted");
        const held = judgeBoot([sample(0, 5), sample(10_000, 9, {hold: "crash loop"})]);
        assert.match(held.waitsFor, /^carpd keeps every vhid in INIT: crash loop$/u);
    });

    it("a long advbase gets a long patience", () => {
        assert.equal(patienceFor(null), 90_000);
        assert.equal(patienceFor(sample(0, 0)), 180_000);
        const slow = {vhids: [{name: "c", carpdev: "e", enabled: true, advbase: 255, frames: 0}]};
        assert.ok(patienceFor(sample(0, 0, slow)) > 3 * 256 * 1000);
    });

    it("is made of carpd's answers", () => {
        const read = sampleOf(7, {
            carp: [{name: "carp0", carpdev: "eth1", enabled: true, advbase: 1, state: "MASTER"}],
            interfaces: [
                {carpdev: "eth1", present: true, carrier: true, adminUp: true},
                {carpdev: "eth2", present: true, carrier: false},
            ],
            statistics: {
                carp: [
                    {name: "carp0", counters: {opackets: 3, opackets6: 1, accepted: 2, badauth: 9}},
                ],
            },
            host: {version: "0.3.0", hold: ""},
        });
        assert.deepEqual(read, {
            atMs: 7,
            hold: "",
            vhids: [{name: "carp0", carpdev: "eth1", enabled: true, advbase: 1, frames: 6}],
            linksUp: ["eth1"],
        });
        assert.equal(
            sampleOf(0, {carp: null, interfaces: [], statistics: {carp: []}, host: {}}),
            null,
        );
    });
});

describe("schema of the configuration", () => {
    const base = {own: 2, written: 2, restoring: null, kept: []};

    it("the same, an update, a fall-back", () => {
        assert.equal(planSchema(base).kind, "nothing");
        assert.equal(planSchema({...base, written: null}).kind, "mark");
        assert.deepEqual(planSchema({...base, written: 1}), {kind: "takeOver", keepAs: 1});
        assert.deepEqual(planSchema({own: 1, written: 2, restoring: null, kept: [1]}), {
            kind: "restore",
            from: 1,
            aside: 2,
            setAside: true,
        });
    });

    it("goes back to the newest copy that it can read, and says so", () => {
        const plan = planSchema({own: 3, written: 5, restoring: 5, kept: [1, 2, 4]});
        assert.deepEqual(plan, {kind: "restore", from: 2, aside: 5, setAside: false});
        assert.match(schemaSentence(plan, 3), /schema 5\).*carpd\.toml\.schema-5/u);
        const lost = planSchema({own: 1, written: 2, restoring: null, kept: [2, 3]});
        assert.deepEqual(lost, {kind: "tooNew", written: 2});
        assert.match(schemaSentence(lost, 1), /schema 2\), this one reads schema 1, and no older/u);
        assert.equal(schemaSentence(planSchema(base), 2), "");
    });
});

describe("arguments of carp-system", () => {
    it("have the image's paths as defaults", () => {
        const read = parseSystemArguments(["--data", "/x", "--before-carpd"]);
        assert.ok(read.ok && read.value.kind === "run");
        const {data, beforeCarpd, socket, user} = read.value.options;
        assert.deepEqual(
            [data, beforeCarpd, socket, user],
            ["/x", true, "/run/carp-system/socket", "carpd"],
        );
        const wrong = parseSystemArguments(["--dta", "/x"]);
        assert.match(
            wrong.ok ? "" : wrong.error,
            /^carp-system: unknown option "--dta".*\nhint: did you mean --data/su,
        );
        assert.ok(!parseSystemArguments(["now"]).ok);
        assert.match(systemUsage(), /--before-carpd/u);
    });
});
