/**
 * carp-system's routes: the privileged orders of the appliance, for carpd and root. Main thread.
 */
import type {ApplianceStatus, ImagesStatus} from "../../core/appliance/status.ts";
import {
    type ApiReply,
    type ApiRequest,
    failure,
    matchPath,
    parseJson,
    splitPath,
} from "../../core/control-protocol.ts";
import {note} from "../../core/log.ts";
import type {PowerAction} from "../operations.ts";
import {BootWatch} from "./boot-watch.ts";
import {Installer} from "./installer.ts";
import type {AppliancePorts} from "./ports.ts";
import {Slots} from "./slots.ts";

type Body = ReadonlyMap<string, unknown>;
type Route = readonly [
    method: "GET" | "POST",
    path: string,
    /** null: the handler reads the body by itself. */
    keys: readonly string[] | null,
    handle: (body: Body) => Promise<ApiReply>,
];

export class ApplianceSystem {
    readonly #ports: AppliancePorts;
    readonly #slots: Slots;
    readonly #installer: Installer;
    readonly #watch: BootWatch;
    readonly #routes: readonly Route[];
    #schemaNote = "";
    #bootFault = "";

    constructor(ports: AppliancePorts) {
        this.#ports = ports;
        this.#slots = new Slots(ports);
        this.#installer = new Installer(ports, this.#slots);
        this.#watch = new BootWatch(ports, this.#slots);
        this.#routes = [
            ["GET", "status", [], () => this.#answerStatus()],
            ["GET", "images", [], () => this.#answerImages()],
            ["GET", "install", [], async () => ({status: 200, body: this.#installer.status})],
            ["POST", "install", ["source", "force"], (body) => this.#install(body)],
            ["POST", "rollback", [], () => this.#rollback()],
            ["POST", "mark-good", [], () => this.#watch.markNow()],
            ["POST", "factory-reset", ["confirm"], (body) => this.#factoryReset(body)],
            ["POST", "power", ["action", "force"], (body) => this.#power(body)],
            ["POST", "apply", null, (body) => this.#apply(Object.fromEntries(body))],
        ];
    }

    async start(): Promise<void> {
        await this.#slots.refresh();
        const {olderSlot} = this.#slots.view;
        const {log} = this.#ports;
        if (olderSlot !== "") log.write(note("error", "slot", olderSlot));
        this.#bootFault = await this.#ports.bootFault();
        if (this.#bootFault !== "") log.write(note("error", "boot", this.#bootFault));
        this.#schemaNote = await this.#ports.schemaNote();
        if (this.#schemaNote !== "") log.write(note("error", "schema", this.#schemaNote));
        this.#watch.start();
    }

    /** What RAUC writes it writes to the end, whether somebody waits for it or not. */
    stop(): void {
        this.#watch.stop();
    }

    async answer({method, path, body}: ApiRequest): Promise<ApiReply> {
        const segments = splitPath(path) ?? [];
        const here = this.#routes.filter(([, name]) => matchPath(["v1", name], segments) !== null);
        if (here.length === 0) {
            const known = this.#routes.map(([verb, name]) => `${verb} /v1/${name}`).join(", ");
            return failure(404, "UNKNOWN_PATH", "there is nothing at this path", known);
        }
        const route = here.find(([verb]) => verb === method);
        if (route === undefined) {
            const allow = here.map(([verb]) => verb).join(", ");
            const message = "this path does not take this method";
            return {...failure(405, "WRONG_METHOD", message, allow), allow};
        }
        const [, , keys, handle] = route;
        const read = bodyOf(body, keys);
        return typeof read === "string"
            ? failure(400, "BAD_BODY", read, `a JSON object with ${keys?.join(", ") || "no keys"}`)
            : await handle(read);
    }

    async #answerStatus(): Promise<ApiReply> {
        const {slot, release} = this.#ports;
        const {olderSlot, unconfirmed} = this.#slots.view;
        const {status} = this.#installer;
        // A note whose reason is gone: the operator has committed since.
        if (this.#schemaNote !== "") this.#schemaNote = await this.#ports.schemaNote();
        const body: ApplianceStatus = {
            present: true,
            slot,
            version: release.version,
            olderSlot: sentencesOf(olderSlot, this.#schemaNote),
            unconfirmed: unconfirmed && !this.#watch.marked,
            installing: status.phase === "idle" ? null : status,
            fault: sentencesOf(this.#bootFault, this.#watch.fault),
        };
        return {status: 200, body};
    }

    async #answerImages(): Promise<ApiReply> {
        const {images, olderSlot} = await this.#slots.refresh();
        const {compatible} = this.#ports.release;
        const body: ImagesStatus = {
            compatible,
            images,
            olderSlot,
            install: this.#installer.status,
        };
        return {status: 200, body};
    }

    async #install(body: Body): Promise<ApiReply> {
        const source = body.get("source");
        const force = body.get("force") ?? false;
        if (typeof source !== "string" || typeof force !== "boolean") {
            const expected = '{"source": PATH, "usb", "usb:FILE" or URL, "force": false}';
            return failure(
                400,
                "BAD_BODY",
                "source is not a string, or force no boolean",
                expected,
            );
        }
        return this.#installer.start(source, force);
    }

    /** The other slot at the next boot. */
    async #rollback(): Promise<ApiReply> {
        if (!this.#installer.status.done) return busy(this.#installer.status.source);
        await this.#slots.refresh();
        const {other} = this.#slots;
        if (other === null) {
            return failure(409, "NO_SLOT", "this box was not started from a slot", "an image");
        }
        if (other.state === "empty" || other.state === "incomplete" || other.state === "failed") {
            const message = `slot ${other.slot} holds nothing to go back to: it is ${other.state}`;
            return failure(409, "NO_OTHER", message, "a slot that was good once");
        }
        const done = await this.#ports.rauc.markOtherActive();
        if (!done.ok) return failure(500, "ROLLBACK_FAILED", done.error, "see carp-system's log");
        await this.#slots.refresh();
        const version = other.version === "" ? "" : ` (${other.version})`;
        const text = `slot ${other.slot}${version} runs after the next reboot`;
        this.#say(`rollback: ${text}`);
        return {status: 200, body: {text: `${text}: system reboot\n`}};
    }

    async #factoryReset(body: Body): Promise<ApiReply> {
        if (body.get("confirm") !== "erase everything") {
            const expected = '{"confirm": "erase everything"}';
            return failure(400, "NOT_CONFIRMED", "a factory reset has to be confirmed", expected);
        }
        if (this.#installer.writing) return busy(this.#installer.status.source);
        const armed = await this.#ports.armFactoryReset();
        if (!armed.ok) return failure(500, "RESET_FAILED", armed.error, "a writable /data");
        this.#say("factory reset: the next boot erases the data partition; rebooting");
        const done = await this.#ports.power("reboot");
        if (!done.ok) return failure(500, "POWER_FAILED", done.error, "a reboot by hand");
        const text = "factory reset: this box reboots and erases configuration, users and keys\n";
        return {status: 200, body: {text}};
    }

    async #power(body: Body): Promise<ApiReply> {
        const action = body.get("action");
        if (action !== "reboot" && action !== "power-off") {
            const expected = '{"action": "reboot" | "power-off"}';
            return failure(400, "BAD_BODY", "action is neither reboot nor power-off", expected);
        }
        // The other slot would be incomplete: harmless, and yet not what anybody wants.
        if (this.#installer.writing && body.get("force") !== true) {
            return busy(this.#installer.status.source);
        }
        const done = await this.#ports.power(action satisfies PowerAction);
        if (!done.ok) return failure(500, "POWER_FAILED", done.error, "a reboot by hand");
        return {status: 200, body: {text: `${action}: going down\n`}};
    }

    async #apply(plan: unknown): Promise<ApiReply> {
        const applied = await this.#ports.applyNetwork(plan);
        return applied.ok
            ? {status: 200, body: {warnings: applied.value}}
            : failure(422, "NOT_APPLIED", applied.error, "see carp-system's log");
    }

    #say(text: string): void {
        this.#ports.log.write(note("notice", "order", text));
    }
}

function sentencesOf(...texts: readonly string[]): string {
    return texts.filter((text) => text !== "").join("; ");
}

function busy(source: string): ApiReply {
    return failure(409, "BUSY", `${source} is being installed`, "wait until it is done");
}

/** A string: what is wrong with it. */
function bodyOf(text: string, keys: readonly string[] | null): Body | string {
    if (text === "") return new Map();
    const parsed = parseJson(text);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
        return "the body is not a JSON object";
    }
    const unknown = Object.keys(parsed).find((key) => keys?.includes(key) === false);
    if (unknown !== undefined) return `unknown key ${JSON.stringify(unknown.slice(0, 40))}`;
    return new Map<string, unknown>(Object.entries(parsed));
}
