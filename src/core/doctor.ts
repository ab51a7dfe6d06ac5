/**
 * `doctor`: two looks at the engine some seconds apart and what the system says, to the usual causes
 * of trouble and what to do about each. Pure; carpd's main thread takes the looks.
 */
import type {Config} from "./config.ts";
import {whatClears} from "./demotion-reasons.ts";
import {judgeFacts} from "./doctor-facts.ts";
import {type Finding, Findings} from "./doctor-findings.ts";
import {judgeCarpdev, judgeVhid} from "./doctor-wire.ts";
import type {Alarm, EngineSnapshot} from "./engine.ts";
import type {MaintenanceStatus} from "./status.ts";

export {type Finding, type Severity, severities} from "./doctor-findings.ts";

export interface DoctorReport {
    readonly seconds: number;
    /** The worst first; never empty. */
    readonly findings: readonly Finding[];
}

/** An alarm of the engine that was raised while it listened or shortly before. */
export interface HeardAlarm {
    readonly carpdev: string;
    readonly vhid: number;
    readonly alarm: Alarm;
    /** "" where it is not known. */
    readonly peer: string;
}

/** What the system says of one carpdev; null: could not be read, or has no meaning there. */
export interface CarpdevFacts {
    readonly carpdev: string;
    readonly rpFilter: number | null;
    readonly arpIgnore: number | null;
    /** null: unknown; false: there is none. */
    readonly hasLinkLocal: boolean | null;
    /** The bridge that it is a port of, or it itself when it is one; null: none, or unknown. */
    readonly bridge: {
        readonly name: string;
        readonly snooping: boolean;
        readonly querier: boolean;
    } | null;
    /** Frames that the kernel dropped or that arrived damaged. */
    readonly dropped: number | null;
}

export interface HostFacts {
    /** net.ipv4.conf.all.rp_filter. The greater of it and the carpdev's own counts. */
    readonly rpFilterAll: number | null;
    readonly ipForward: boolean | null;
    readonly carpdevs: readonly CarpdevFacts[];
}

export interface DoctorInput {
    readonly seconds: number;
    readonly config: Config;
    readonly before: EngineSnapshot;
    readonly after: EngineSnapshot;
    readonly factsBefore: HostFacts;
    readonly facts: HostFacts;
    readonly alarms: readonly HeardAlarm[];
    readonly maintenance: MaintenanceStatus;
}

export function diagnose(input: DoctorInput): DoctorReport {
    const findings = new Findings();
    const {after, config} = input;
    if (config.carp.length === 0) {
        findings.hint("", 0, "no carp interface is configured", "configure one: a vhid, a VIP");
    }
    for (const device of after.carpdevs) judgeCarpdev(device, input, findings);
    for (const vhost of after.vhosts) judgeVhid(vhost, input, findings);
    judgeHost(input, findings);
    judgeFacts(input, findings);
    return {seconds: input.seconds, findings: findings.sorted()};
}

function judgeHost({after, config, maintenance}: DoctorInput, findings: Findings): void {
    const {scheduling, demotionReasons} = after;
    if (!scheduling.realtime) {
        const remedy = "allow real-time scheduling (CAP_SYS_NICE, LimitRTPRIO=50 in the unit)";
        findings.hint(
            "",
            0,
            `the engine has no real-time priority: ${scheduling.scheduler}`,
            remedy,
        );
    }
    if (!scheduling.memoryLocked) {
        const remedy = "allow it to lock its memory (LimitMEMLOCK=infinity in the unit)";
        findings.hint("", 0, `the engine may be swapped out: ${scheduling.memory}`, remedy);
    }
    for (const {reason, level, groups} of demotionReasons) {
        const whose = groups === "" ? "" : ` for ${groups}`;
        const text = `demoted by ${level}${whose}, reason ${reason}`;
        const clears = whatClears(reason, config, maintenance);
        const remedy = clears === "" ? "" : `it ends: ${clears}`;
        if (/^(?:link|send|track):/u.test(reason)) findings.problem("", 0, text, remedy);
        else findings.hint("", 0, text, remedy);
    }
    if (config.tracks.length > 0 && !config.options.preempt) {
        const text = "[[track]] is used, but preempt is off: a demoted MASTER stays MASTER";
        findings.hint("", 0, text, "set preempt = true on every host of the segment");
    }
}
