/** The two slots as they are shown, and the sentence of a box that fell back. */
import assert from "node:assert/strict";
import {describe, it} from "node:test";
import {readBootEnvironment} from "../../src/core/appliance/boot-environment.ts";
import {foldSlots, hasBetterSlot, type SlotFacts} from "../../src/core/appliance/images.ts";
import {readRaucStatus} from "../../src/core/appliance/rauc-output.ts";
import {installBar, showImages} from "../../src/core/appliance/show-images.ts";
import {type InstallStatus, idleInstall} from "../../src/core/appliance/status.ts";
import {readApplianceStatus, readImagesStatus} from "../../src/core/appliance/status-decode.ts";
import {installedB, raucStatus} from "./rauc-fixtures.ts";

const block = (text: string) =>
    readBootEnvironment(text.replaceAll(" ", "\n").replaceAll(",", " "));

function facts(environment: string, change: Partial<SlotFacts> = {}): SlotFacts {
    return {
        slot: "A",
        release: {version: "0.3.0", compatible: "carpd-amd64", schema: 1, built: ""},
        environment: block(environment),
        rauc: readRaucStatus(raucStatus(installedB)),
        records: {},
        ...change,
    };
}

describe("slots", () => {
    it("a new box: the other slot is empty", () => {
        const rauc = readRaucStatus(raucStatus({bundle: {compatible: null}}));
        const view = foldSlots(facts("ORDER=A,B A_OK=1 A_TRY=1 B_OK=0", {rauc}));
        assert.deepEqual(
            view.images.map(({slot, state, running, next}) => [slot, state, running, next]),
            [
                ["A", "trying", true, true],
                ["B", "empty", false, false],
            ],
        );
        assert.equal(view.unconfirmed, true);
        assert.equal(view.olderSlot, "");
    });

    it("installed and waiting for the reboot is no fall-back", () => {
        const view = foldSlots(facts("ORDER=B,A A_OK=1 B_OK=1"));
        assert.equal(view.olderSlot, "");
        assert.equal(view.unconfirmed, false);
        assert.equal(view.images[1]?.next, true);
        assert.equal(view.images[1]?.version, "0.4.0");
    });

    it("three starts without a mark: the older slot says so, also after another boot", () => {
        const view = foldSlots(facts("ORDER=B,A A_OK=1 B_OK=1 B_TRY=3"));
        assert.equal(
            view.olderSlot,
            "this box runs the older slot A (0.3.0): slot B (0.4.0) was started 3 times and never got ready",
        );
        assert.equal(view.images[1]?.state, "failed");
        assert.equal(view.images[0]?.next, true);
    });

    it("an installation that did not end, and a slot that was marked bad", () => {
        const pending = readRaucStatus(raucStatus({...installedB, status: "pending"}));
        const cut = foldSlots(facts("ORDER=B,A A_OK=1 B_OK=0", {rauc: pending}));
        assert.match(cut.olderSlot, /the installation into slot B \(0\.4\.0\) did not end$/u);
        assert.equal(cut.images[1]?.state, "incomplete");
        const bad = foldSlots(facts("ORDER=B,A A_OK=1 B_OK=0"));
        assert.match(bad.olderSlot, /slot B \(0\.4\.0\) was marked bad$/u);
    });

    it("an installation into the slot behind says nothing: the first one runs", () => {
        const pending = readRaucStatus(raucStatus({...installedB, status: "failed"}));
        assert.equal(foldSlots(facts("ORDER=A,B A_OK=1 B_OK=0", {rauc: pending})).olderSlot, "");
    });

    it("our record names the factory image, until something else is installed there", () => {
        const record = {version: "0.2.0", schema: 1, good: "2026-01-01T00:00:00Z", installed: ""};
        const none = readRaucStatus(raucStatus({bundle: {compatible: null}}));
        const known = facts("ORDER=A,B A_OK=1 B_OK=1", {rauc: none, records: {B: record}});
        assert.deepEqual(
            [foldSlots(known).images[1]?.version, foldSlots(known).images[1]?.schema],
            ["0.2.0", 1],
        );
        const stale = facts("ORDER=A,B A_OK=1 B_OK=1", {records: {B: record}});
        assert.deepEqual(
            [foldSlots(stale).images[1]?.version, foldSlots(stale).images[1]?.schema],
            ["0.4.0", 0],
        );
    });

    it("nothing can be read: the running slot is known all the same", () => {
        const view = foldSlots(facts("", {environment: null, rauc: null}));
        assert.equal(view.images[0]?.version, "0.3.0");
        assert.deepEqual([view.olderSlot, view.unconfirmed], ["", false]);
        assert.deepEqual(foldSlots(facts("A_OK=1", {slot: ""})).olderSlot, "");
    });

    it("whether there is a better slot to give up for", () => {
        assert.equal(hasBetterSlot(facts("A_OK=1 B_OK=1")), true);
        assert.equal(hasBetterSlot(facts("A_OK=1 B_OK=1 B_TRY=3")), false);
        assert.equal(hasBetterSlot(facts("A_OK=1 B_OK=0")), false);
    });

    it("show images", () => {
        const {images, olderSlot} = foldSlots(facts("ORDER=B,A A_OK=1 A_TRY=1 B_OK=1 B_TRY=3"));
        const text = showImages({
            compatible: "carpd-amd64",
            images,
            olderSlot,
            install: idleInstall,
        });
        assert.match(
            text,
            /^slots of this carpd-amd64:\n\*A {2}0\.3\.0 {2}not confirmed \(started 1x\) +running/u,
        );
        assert.match(
            text,
            /\n B {2}0\.4\.0 {2}failed \(started 3x\).*installed 2026-11-22T09:00:00Z\n/u,
        );
        assert.match(text, /\nALARM: this box runs the older slot A/u);
    });

    it("show images tells of an installation under way, and how the last one ended", () => {
        const {images, olderSlot} = foldSlots(facts("A_OK=1"));
        const shown = (install: Partial<InstallStatus>) =>
            showImages({
                ...{compatible: "carpd-amd64", images, olderSlot},
                install: {...idleInstall, ...install},
            });
        const step = {phase: "writing", percent: 40, source: "usb", message: "Copying"} as const;
        assert.match(shown(step), /\ninstallation of usb: writing, 40%: Copying\n$/u);
        assert.match(shown({phase: "failed", error: "no stick"}), /\nno stick\n$/u);
        assert.doesNotMatch(shown({}), /installation/u);
    });

    it("the bar is as wide as its terminal lets it be", () => {
        const status = {...idleInstall, phase: "writing" as const, percent: 50, message: "Copying"};
        assert.equal(installBar(status, 80), `[${"#".repeat(15)}${" ".repeat(15)}]  50% copying`);
        for (const columns of [20, 40, 80, 500]) {
            const drawn = installBar({...status, message: "x".repeat(600)}, columns);
            assert.ok(drawn.length < Math.max(columns, 21), `${drawn.length} of ${columns}`);
        }
    });

    it("what carp-system says is read only when it is whole", () => {
        const {images, olderSlot} = foldSlots(facts("A_OK=1"));
        const body = {compatible: "c", images, olderSlot, install: idleInstall};
        assert.deepEqual(readImagesStatus(JSON.parse(JSON.stringify(body))), body);
        assert.equal(readImagesStatus({...body, images: [{slot: "C"}]}), null);
        assert.equal(readApplianceStatus({present: true}), null);
    });
});
