/**
 * The cases, in the order in which they run: what others build upon comes first, and those of one
 * kept state follow each other.
 */
import type {ImageCase} from "../case.ts";
import {brokenRelease} from "./broken-release.ts";
import {commitPowerCut, commitPowerCuts} from "./commit-power-cut.ts";
import {firstBoot} from "./first-boot.ts";
import {emptyGrubenv, uefi, unitSecurity} from "./hardening.ts";
import {leds} from "./leds.ts";
import {ledsApu2} from "./leds-apu2.ts";
import {ledsArm64Dt} from "./leds-arm64-dt.ts";
import {ledsUleds} from "./leds-uleds.ts";
import {pair} from "./pair.ts";
import {
    dataFull,
    olderForced,
    refusedBundle,
    stickPulled,
    wrongBundles,
} from "./refused-bundles.ts";
import {reproducible} from "./reproducible.ts";
import {factoryReset, handOver, ssh} from "./system-words.ts";
import {twoSegments} from "./two-segments.ts";
import {rollback, update} from "./update.ts";
import {updatePowerCuts} from "./update-power-cut.ts";
import {crashLoop, hardwareWatchdog, hungEngine} from "./watchdogs.ts";

export const cases: readonly ImageCase[] = [
    firstBoot,
    leds,
    pair,
    twoSegments,
    commitPowerCut,
    refusedBundle,
    update,
    rollback,
    reproducible,
    wrongBundles,
    olderForced,
    stickPulled,
    dataFull,
    unitSecurity,
    emptyGrubenv,
    ssh,
    hungEngine,
    hardwareWatchdog,
    crashLoop,
    factoryReset,
    handOver,
    uefi,
    brokenRelease,
    commitPowerCuts,
    updatePowerCuts,
    ledsUleds,
    ledsApu2,
    ledsArm64Dt,
];
