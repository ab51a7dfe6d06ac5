/**
 * carpctl: words -> a request to the daemon -> text and an exit code. carpctl's only thread.
 */
import {type Command, helpText, parseCarpctlArguments, resolve} from "../core/cli-resolve.ts";
import {cliTable} from "../core/cli-table.ts";
import type {CliValues} from "../core/cli-values.ts";
import {
    decodeBalance,
    decodeBalanceAnswer,
    decodeCarps,
    decodeDemotion,
    decodeDemotionChange,
    decodeEvent,
    decodeHost,
    decodeInterfaces,
    decodeLog,
    decodeMaintenance,
    decodeReload,
    decodeStatistics,
    decodeTracks,
} from "../core/control-decode.ts";
import {type ApiReply, errorOf} from "../core/control-protocol.ts";
import {type ExitCode, exitCodes} from "../core/exit-codes.ts";
import type {Result} from "../core/result.ts";
import {
    type Paint,
    showAll,
    showBalance,
    showBalanceAnswer,
    showDemotion,
    showDemotionChange,
    showEvent,
    showInterfaces,
    showMaintenance,
    showStatistics,
    showSysctl,
    showTracks,
} from "../core/show.ts";

export interface Client {
    request(
        method: string,
        path: string,
        body?: unknown,
    ): Promise<Result<ApiReply, {readonly code: string}>>;
    events(
        path: string,
        onEvent: (value: unknown) => void,
        signal: AbortSignal,
    ): Promise<Result<ApiReply | null, {readonly code: string}>>;
}

export interface CarpctlPorts {
    readonly version: string;
    readonly defaultRunDir: string;
    /** A client for the control socket of a run directory. */
    readonly connect: (socket: string) => Client;
    readonly out: (text: string) => void;
    readonly complain: (text: string) => void;
    readonly paint: Paint;
    readonly nowMs: () => number;
    /** Ends `watch`. */
    readonly signal: AbortSignal;
}

/** Runs one command line (without the program's name) and gives the exit code. */
export async function runCarpctl(argv: readonly string[], ports: CarpctlPorts): Promise<ExitCode> {
    const args = parseCarpctlArguments(argv, cliTable);
    if (typeof args === "string") return usage(args, ports);
    if (args.help) {
        ports.out(helpText(cliTable));
        return exitCodes.ok;
    }
    if (args.version) {
        ports.out(`carpctl ${ports.version}\n`);
        return exitCodes.ok;
    }
    const resolved = resolve(cliTable, args.words);
    if (!resolved.ok) return usage(resolved.message, ports);
    const socket = `${args.runDir ?? ports.defaultRunDir}/control.sock`;
    return new Session(ports, socket, args.json).run(resolved.command);
}

function usage(message: string, ports: CarpctlPorts): ExitCode {
    ports.complain(`carpctl: ${message}\ntry: carpctl --help\n`);
    return exitCodes.usage;
}

/** A failed step: the sentence was printed, this is the exit code. */
class Stop {
    readonly code: ExitCode;
    constructor(code: ExitCode) {
        this.code = code;
    }
}

/** Refusals because something named does not exist, and because a word was wrong. */
const missing = new Set([
    "UNKNOWN_CARP",
    "UNKNOWN_GROUP",
    "UNKNOWN_REASON",
    "UNKNOWN_VIP",
    "NOT_BALANCED",
]);
const misused = new Set(["AMBIGUOUS_VIP", "BAD_CLIENT", "BAD_LEVEL", "BAD_REASON", "WRONG_CLIENT"]);

/** The body of a reply with status 200. */
type Answer = {readonly value: unknown} | Stop;

class Session {
    readonly #ports: CarpctlPorts;
    readonly #socket: string;
    readonly #json: boolean;
    readonly #client: Client;

    constructor(ports: CarpctlPorts, socket: string, json: boolean) {
        this.#ports = ports;
        this.#socket = socket;
        this.#json = json;
        this.#client = ports.connect(socket);
    }

    async run(command: Command): Promise<ExitCode> {
        const result = await this.#do(command);
        return result instanceof Stop ? result.code : exitCodes.ok;
    }

    #do({action, values}: Command): Promise<Stop | null> {
        const {nowMs, paint} = this.#ports;
        switch (action) {
            case "show-carp":
                return this.#showCarp(values.name);
            case "show-interfaces":
                return this.#show("interfaces", decodeInterfaces, (v) => showInterfaces(v, paint));
            case "show-statistics":
                return this.#show("statistics", decodeStatistics, showStatistics);
            case "show-demotion":
                return this.#show("demotion", decodeDemotion, (v) => showDemotion(v, nowMs()));
            case "show-balance":
                return this.#show("balance", decodeBalance, (v) => showBalance(v, paint));
            case "show-tracks":
                return this.#show("tracks", decodeTracks, (v) => showTracks(v, nowMs(), paint));
            case "show-log":
                return this.#show("log", decodeLog, (list) => list.map(showEvent).join(""));
            case "balance-which": {
                const {client, address} = values;
                const request = this.#ask("POST", "balance/which", {client, address});
                return this.#print(request, decodeBalanceAnswer, showBalanceAnswer);
            }
            case "maintenance-show":
                return this.#maintenance(this.#ask("GET", "maintenance"));
            case "maintenance-on": {
                const until = values.seconds ?? null;
                return this.#maintenance(this.#ask("POST", "maintenance", {on: true, until}));
            }
            case "maintenance-off":
                return this.#maintenance(this.#ask("POST", "maintenance", {on: false}));
            case "demote":
            case "undemote":
            case "sysctl-write":
                return this.#print(
                    this.#changeDemotion(action, values),
                    decodeDemotionChange,
                    (change) =>
                        action === "sysctl-write"
                            ? showSysctl(change.total, change.before)
                            : showDemotionChange(change),
                );
            case "sysctl-read":
                return this.#show("demotion", decodeDemotion, (v) => showSysctl(v.total, null));
            case "up":
            case "down":
            case "master":
            case "backup":
                return this.#setState(values.name ?? "", action);
            case "reload":
                return this.#reload();
            case "watch":
                return this.#watch();
        }
    }

    #changeDemotion(
        action: "demote" | "undemote" | "sysctl-write",
        {reason, level, group}: Partial<CliValues>,
    ): Promise<Answer> {
        switch (action) {
            case "demote":
                return this.#ask("POST", "demotion", {reason, level, group});
            case "undemote": {
                const name = reason === undefined ? "" : `/${encodeURIComponent(reason)}`;
                return this.#ask("DELETE", `demotion${name}`);
            }
            case "sysctl-write":
                return this.#ask("POST", "demotion", {add: level});
        }
    }

    #maintenance(request: Promise<Answer>): Promise<Stop | null> {
        const {nowMs, paint} = this.#ports;
        return this.#print(request, decodeMaintenance, (v) => showMaintenance(v, nowMs(), paint));
    }

    async #showCarp(name: string | undefined): Promise<Stop | null> {
        const path = name === undefined ? "carp" : `carp/${encodeURIComponent(name)}`;
        const body = await this.#ask("GET", path);
        if (body instanceof Stop) return body;
        const list = decodeCarps(name === undefined ? body.value : [body.value]);
        if (list === null) return this.#notUnderstood();
        if (this.#json) return this.#printJson(list);
        const answer = await this.#ask("GET", "host");
        if (answer instanceof Stop) return answer;
        const host = decodeHost(answer.value);
        if (host === null) return this.#notUnderstood();
        this.#ports.out(showAll(host, list, this.#ports.nowMs(), this.#ports.paint));
        return null;
    }

    #show<T>(
        resource: string,
        decode: (body: unknown) => T | null,
        print: (value: T) => string,
    ): Promise<Stop | null> {
        return this.#print(this.#ask("GET", resource), decode, print);
    }

    async #print<T>(
        request: Promise<Answer>,
        decode: (body: unknown) => T | null,
        print: (value: T) => string,
    ): Promise<Stop | null> {
        const body = await request;
        if (body instanceof Stop) return body;
        const value = decode(body.value);
        if (value === null) return this.#notUnderstood();
        if (this.#json) return this.#printJson(value);
        this.#ports.out(print(value));
        return null;
    }

    async #setState(name: string, state: string): Promise<Stop | null> {
        const path = `carp/${encodeURIComponent(name)}/state`;
        const body = await this.#ask("POST", path, {state});
        if (body instanceof Stop) return body;
        const [carp] = decodeCarps([body.value]) ?? [];
        if (carp === undefined) return this.#notUnderstood();
        if (this.#json) return this.#printJson(carp);
        const down = carp.enabled ? "" : " (down)";
        this.#ports.out(`${carp.name}: ${carp.state}${down}, ${carp.next}\n`);
        return null;
    }

    async #reload(): Promise<Stop | null> {
        const body = await this.#ask("POST", "reload");
        if (body instanceof Stop) return body;
        const changes = decodeReload(body.value);
        if (changes === null) return this.#notUnderstood();
        if (this.#json) return this.#printJson({changes});
        const what = changes.length === 0 ? "unchanged" : `reloaded: ${changes.join("; ")}`;
        this.#ports.out(`configuration ${what}\n`);
        return null;
    }

    async #watch(): Promise<Stop | null> {
        const onEvent = (value: unknown): void => {
            const event = decodeEvent(value);
            if (event === null) return;
            this.#ports.out(this.#json ? `${JSON.stringify(event)}\n` : showEvent(event));
        };
        const result = await this.#client.events("/v1/events", onEvent, this.#ports.signal);
        if (!result.ok) return this.#noAnswer(result.error.code);
        return result.value === null ? null : this.#refused(result.value);
    }

    async #ask(method: string, path: string, body?: unknown): Promise<Answer> {
        const result = await this.#client.request(method, `/v1/${path}`, body);
        if (!result.ok) return this.#noAnswer(result.error.code);
        return result.value.status === 200
            ? {value: result.value.body}
            : this.#refused(result.value);
    }

    #printJson(value: unknown): null {
        this.#ports.out(`${JSON.stringify(value, null, 2)}\n`);
        return null;
    }

    #complain(text: string, code: ExitCode): Stop {
        this.#ports.complain(`carpctl: ${text}\n`);
        return new Stop(code);
    }

    #notUnderstood(): Stop {
        const text = `the daemon's answer was not understood; is it carpd ${this.#ports.version}?`;
        return this.#complain(text, exitCodes.software);
    }

    #noAnswer(code: string): Stop {
        const socket = this.#socket;
        switch (code) {
            case "EACCES":
            case "EPERM": {
                const text = `no permission for ${socket}: be root or a member of group carpd`;
                return this.#complain(text, exitCodes.noPermission);
            }
            case "ENOENT":
            case "ECONNREFUSED":
                return this.#complain(
                    `no carpd is running (${socket}: ${code})`,
                    exitCodes.unavailable,
                );
            case "CLOSED":
            case "ECONNRESET":
                return this.#complain("carpd has ended the connection", exitCodes.unavailable);
            default:
                return this.#complain(`no answer from ${socket}: ${code}`, exitCodes.unavailable);
        }
    }

    #refused(reply: ApiReply): Stop {
        const error = errorOf(reply.body);
        if (error === null) return this.#notUnderstood();
        const {code, message, expected} = error;
        if (missing.has(code)) {
            return this.#complain(`${message}; there is: ${expected}`, exitCodes.noInput);
        }
        if (misused.has(code)) {
            return this.#complain(`${message}; expected ${expected}`, exitCodes.usage);
        }
        if (code === "BAD_CONFIG") {
            return this.#complain(`configuration not reloaded:\n${message}`, exitCodes.config);
        }
        const exit = reply.status === 503 ? exitCodes.unavailable : exitCodes.software;
        return this.#complain(`${message} (${code}; ${expected})`, exit);
    }
}
