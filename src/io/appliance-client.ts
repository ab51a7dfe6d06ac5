/**
 * Talks to carp-system over its socket, and keeps its last status at hand for the panel and for
 * `show carp`. Main thread of carpd.
 */
import {existsSync} from "node:fs";
import type {Appliance} from "../app/appliance-port.ts";
import type {Clock} from "../app/ports.ts";
import type {NetworkPlan} from "../core/appliance/network-plan.ts";
import {type ApplianceStatus, noAppliance, noApplianceText} from "../core/appliance/status.ts";
import {readApplianceStatus, readWarnings} from "../core/appliance/status-decode.ts";
import {type ApiReply, errorOf, failure} from "../core/control-protocol.ts";
import {err, ok, type Result} from "../core/result.ts";
import {ControlClient} from "./control-client.ts";

export interface ApplianceClientOptions {
    readonly socket: string;
    /** Only images have it: release.json beside package.json. */
    readonly releaseFile: string;
    readonly clock: Clock;
}

/** Between two looks, milliseconds: while nothing happens, and while something does. */
const idleMs = 5000;
const busyMs = 1000;
/** Questions without an answer until that is a fault: carp-system may still be starting. */
const patientFor = 4;

export class ApplianceClient implements Appliance {
    readonly #options: ApplianceClientOptions;
    readonly #client: ControlClient;
    #status: ApplianceStatus = noAppliance;
    #failures = 0;
    #cancel: () => void = () => undefined;

    constructor(options: ApplianceClientOptions) {
        this.#options = options;
        this.#client = new ControlClient(options.socket);
    }

    get present(): boolean {
        const {socket, releaseFile} = this.#options;
        return existsSync(releaseFile) || existsSync(socket);
    }

    status(): ApplianceStatus {
        return this.#status;
    }

    /** Looks now and again from now on. */
    start(): void {
        this.#look().then(
            () => this.#arm(),
            () => this.#arm(),
        );
    }

    stop(): void {
        this.#cancel();
        this.#cancel = () => undefined;
    }

    async ask(method: "GET" | "POST", path: string, body?: object): Promise<ApiReply> {
        if (!this.present) {
            return failure(409, "NO_APPLIANCE", noApplianceText, "");
        }
        const reply = await this.#client.request(method, `/v1/${path}`, body);
        if (reply.ok) {
            // What was ordered shows at once, not at the next look.
            if (method === "POST") await this.#look();
            return reply.value;
        }
        return failure(503, "NO_SYSTEM", silent(reply.error.code), "a running carp-system.service");
    }

    async apply(plan: NetworkPlan): Promise<Result<readonly string[], string>> {
        const {status, body} = await this.ask("POST", "apply", plan);
        if (status !== 200) return err(errorOf(body)?.message ?? `status ${status}`);
        return ok(readWarnings(body));
    }

    #arm(): void {
        const {installing} = this.#status;
        const ms = installing !== null && !installing.done ? busyMs : idleMs;
        this.#cancel = this.#options.clock.after(ms, () => this.start());
    }

    async #look(): Promise<void> {
        if (!this.present) {
            this.#status = noAppliance;
            return;
        }
        const reply = await this.#client.request("GET", "/v1/status");
        const read = reply.ok && reply.value.status === 200 ? reply.value.body : null;
        const status = readApplianceStatus(read);
        if (status !== null) {
            this.#failures = 0;
            this.#status = status;
            return;
        }
        this.#failures++;
        const code = reply.ok ? `status ${reply.value.status}` : reply.error.code;
        const fault = this.#failures < patientFor ? this.#status.fault : silent(code);
        this.#status = {...this.#status, present: true, fault};
    }
}

function silent(code: string): string {
    return `carp-system does not answer (${code}): no updates, no factory reset, and this slot cannot be confirmed`;
}
