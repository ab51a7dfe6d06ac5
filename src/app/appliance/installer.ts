/**
 * One installation at a time: find the bundle, examine it, have RAUC write it. Main thread.
 *
 * Nothing is written before the bundle has passed every check, and only the slot that does not run
 * is ever written.
 */
import {bundleProblem} from "../../core/appliance/bundle-check.ts";
import {nameOf} from "../../core/appliance/images.ts";
import {type InstallSource, parseInstallSource} from "../../core/appliance/install-source.ts";
import {type InstallPhase, type InstallStatus, idleInstall} from "../../core/appliance/status.ts";
import {type ApiReply, failure} from "../../core/control-protocol.ts";
import {note} from "../../core/log.ts";
import {err, type Result} from "../../core/result.ts";
import type {AppliancePorts} from "./ports.ts";
import type {Slots} from "./slots.ts";

/** Of the whole: fetching ends here, examining begins. Percent. */
const fetchedPercent = 40;

export class Installer {
    readonly #ports: AppliancePorts;
    readonly #slots: Slots;
    #status: InstallStatus = idleInstall;

    constructor(ports: AppliancePorts, slots: Slots) {
        this.#ports = ports;
        this.#slots = slots;
    }

    get status(): InstallStatus {
        return this.#status;
    }

    /** The other slot is being written: no time to switch off. */
    get writing(): boolean {
        return this.#status.phase === "writing";
    }

    /** Answers at once; `status` tells how it goes on. */
    start(source: string, force: boolean): ApiReply {
        if (!this.#status.done) {
            const message = `${this.#status.source} is being installed already`;
            return failure(409, "BUSY", message, "wait until it is done: show images");
        }
        const parsed = parseInstallSource(source);
        if (!parsed.ok) return failure(400, "BAD_SOURCE", parsed.error, "a bundle");
        if (this.#slots.running === null) {
            const message =
                "this box was not started from a slot (no carpd.slot= on its kernel line)";
            return failure(409, "NO_SLOT", message, "a box that was started from an image");
        }
        this.#status = {...idleInstall, phase: "fetching", done: false, source};
        this.#say("notice", `installation of ${source} begins`);
        this.#run(parsed.value, force).catch((error: unknown) => {
            this.#end(err(error instanceof Error ? error.message : String(error)));
        });
        return {status: 200, body: this.#status};
    }

    async #run(source: InstallSource, force: boolean): Promise<void> {
        const share = source.kind === "url" ? fetchedPercent / 100 : 0;
        this.#step("fetching", 0, fetchWords(source));
        const opened = await this.#ports.bundles.open(source, (percent, message) =>
            this.#step("fetching", percent * share, message),
        );
        if (!opened.ok) {
            this.#end(opened);
            return;
        }
        try {
            const before = this.#slots.other?.state;
            const done = await this.#install(opened.value.path, force, share * 100);
            await this.#slots.refresh();
            const after = this.#slots.other?.state;
            this.#end(done, after !== before && after !== "good");
        } finally {
            await opened.value.close();
        }
    }

    async #install(path: string, force: boolean, from: number): Promise<Result<void, string>> {
        const {rauc, release} = this.#ports;
        this.#step("checking", from, "examining signature and contents");
        const info = await rauc.info(path);
        if (!info.ok) return info;
        this.#status = {...this.#status, version: info.value.version};
        await this.#slots.refresh();
        const {facts, other} = this.#slots;
        const devices =
            other === null || other.slot === "" ? {} : facts.rauc?.slots[other.slot]?.devices;
        const sizes = await this.#ports.deviceSizes(devices ?? {});
        const {compatible, version} = release;
        const problem = bundleProblem(info.value, {compatible, version, sizes, force});
        if (problem !== "") return err(problem);
        const unsaved = await this.#slots.forgetOther();
        if (unsaved !== "") return err(unsaved);
        this.#step("writing", from, "writing");
        return rauc.install(path, (percent, message) =>
            this.#step("writing", from + (percent * (100 - from)) / 100, message),
        );
    }

    #step(phase: InstallPhase, percent: number, message: string): void {
        const {phase: before} = this.#status;
        // A late line of progress must not take the bar back.
        const shown = Math.min(99, Math.max(this.#status.percent, Math.floor(percent)));
        this.#status = {...this.#status, phase, percent: shown, message};
        if (phase === "writing" && before !== phase) {
            this.#say("notice", `writing ${this.#status.version} into ${this.#otherName}`);
        }
    }

    /** `damaged`: the other slot is not what it was before. */
    #end(done: Result<void, string>, damaged = false): void {
        const {version, source} = this.#status;
        if (done.ok) {
            const message = `${version} is installed in ${this.#otherName}: it runs after the next reboot`;
            this.#say("notice", message);
            this.#status = {...this.#status, phase: "installed", percent: 100, message, done: true};
            return;
        }
        const {running} = this.#slots;
        const goesOn = running === null ? "" : `: this box goes on with ${nameOf(running)}`;
        const damage = damaged
            ? `; ${this.#otherName} is incomplete until another installation`
            : "";
        const error = `${source} is not installed: ${done.error}; the running slot is untouched${goesOn}${damage}`;
        this.#say("error", error);
        this.#status = {...this.#status, phase: "failed", message: "", error, done: true};
    }

    get #otherName(): string {
        return `slot ${this.#slots.other?.slot ?? ""}`;
    }

    #say(level: "notice" | "error", text: string): void {
        this.#ports.log.write(note(level, "install", text));
    }
}

function fetchWords(source: InstallSource): string {
    switch (source.kind) {
        case "file":
            return `opening ${source.path}`;
        case "usb":
            return "looking at the USB stick";
        case "url":
            return `fetching ${source.url}`;
    }
}
