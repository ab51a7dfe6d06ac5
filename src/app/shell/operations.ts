/**
 * The operational words: a command -> requests to the daemon -> text. carpctl and the shell do them
 * alike. Thread of the program.
 */
import type {Command} from "../../core/cli-resolve.ts";
import {usualIdentify} from "../../core/cli-table-panel.ts";
import type {CliValues} from "../../core/cli-values.ts";
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
} from "../../core/control-decode.ts";
import type {WatchEvent} from "../../core/control-protocol.ts";
import {exitCodes} from "../../core/exit-codes.ts";
import {showButtons, showLeds} from "../../core/panel-view.ts";
import {showHistory, showUsers, showVersion} from "../../core/shell/show-more.ts";
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
} from "../../core/show.ts";
import {decodeBsd, showDoctor, showPeers, showSystem, showWhy} from "../../core/show-operations.ts";
import {type ApplianceOperationPorts, applianceAlarms, operateAppliance} from "./appliance.ts";
import {type Answer, type Asker, Stop, textOf} from "./asker.ts";

export interface OperationPorts {
    readonly asker: Asker;
    readonly out: (text: string) => void;
    readonly complain: (text: string) => void;
    readonly paint: Paint;
    readonly nowMs: () => number;
    readonly json: boolean;
    /** Ends `watch`. */
    readonly signal: AbortSignal;
    /** As in ApplianceOperationPorts; nothing is drawn and nobody asked without them. */
    readonly row?: ApplianceOperationPorts["row"];
    readonly question?: ApplianceOperationPorts["question"];
}

const noQuestion = (): Promise<null> => Promise.resolve(null);

/** null: not a word of these. */
export function operate(command: Command, ports: OperationPorts): Promise<Stop | null> | null {
    return new Operation(ports).run(command);
}

const identity = (body: unknown): {readonly body: unknown} => ({body});

class Operation {
    readonly #ports: OperationPorts;
    readonly #asker: Asker;

    constructor(ports: OperationPorts) {
        this.#ports = ports;
        this.#asker = ports.asker;
    }

    run(command: Command): Promise<Stop | null> | null {
        const {asker, out, json, signal, row = null, question = noQuestion} = this.#ports;
        const ports = {asker, out, json, signal, row, question};
        return this.#look(command) ?? this.#act(command) ?? operateAppliance(command, ports);
    }

    #look({action, values}: Command): Promise<Stop | null> | null {
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
                return this.#show(
                    "log",
                    (body) => selectLog(decodeLog(body), values, nowMs()),
                    (list) => list.map(showEvent).join(""),
                );
            case "show-why": {
                const {name} = values;
                const path = name === undefined ? "why" : `why/${encodeURIComponent(name)}`;
                return this.#said(this.#asker.ask("GET", path), (body) => showWhy(body, nowMs()));
            }
            case "show-peers":
                return this.#said(this.#asker.ask("GET", "peers"), (body) =>
                    showPeers(body, paint),
                );
            case "show-system":
                return this.#said(this.#asker.ask("GET", "system"), showSystem);
            case "show-leds":
                return this.#said(this.#asker.ask("GET", "panel"), showLeds);
            case "show-buttons":
                return this.#said(this.#asker.ask("GET", "panel"), showButtons);
            case "show-version":
                return this.#said(this.#asker.ask("GET", "version"), showVersion);
            case "show-history":
                return this.#said(this.#asker.ask("GET", "history"), showHistory);
            case "show-users":
                return this.#said(this.#asker.ask("GET", "users"), showUsers);
            case "show-configuration": {
                const {form = "commands", secrets = false} = values;
                return this.#text("configuration/show", {source: "running", form, secrets});
            }
            case "show-for-peer": {
                const {peer, secrets = false} = values;
                return this.#text("configuration/for-peer", {peer, secrets});
            }
            case "balance-which": {
                const {client, address} = values;
                const request = this.#asker.ask("POST", "balance/which", {client, address});
                return this.#print(request, decodeBalanceAnswer, showBalanceAnswer);
            }
            case "sysctl-read":
                return this.#show("demotion", decodeDemotion, (v) => showSysctl(v.total, null));
            case "maintenance-show":
                return this.#maintenance(this.#asker.ask("GET", "maintenance"));
            case "ping": {
                const {address, count = 3} = values;
                const request = this.#asker.ask("POST", "ping", {address, count});
                return this.#said(request, (body) => textOf(body, "text"));
            }
            case "doctor":
                this.#note("listening for 5 s ...");
                return this.#said(this.#asker.ask("POST", "doctor", {}), (body) =>
                    showDoctor(body, paint),
                );
            default:
                return null;
        }
    }

    #act({action, values}: Command): Promise<Stop | null> | null {
        switch (action) {
            case "maintenance-on": {
                const until = values.seconds ?? null;
                return this.#maintenance(this.#asker.ask("POST", "maintenance", {on: true, until}));
            }
            case "maintenance-off":
                return this.#maintenance(this.#asker.ask("POST", "maintenance", {on: false}));
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
            case "up":
            case "down":
            case "master":
            case "backup":
                return this.#setState(values.name ?? "", action);
            case "bsd":
                return this.#bsd(values.line ?? "");
            case "identify": {
                const seconds = values.on === false ? 0 : (values.seconds ?? usualIdentify);
                const said = seconds === 0 ? "ended" : `all LEDs flash for ${seconds} s`;
                const request = this.#asker.ask("POST", "identify", {seconds});
                return this.#said(request, () => `identify: ${said}\n`);
            }
            case "reload":
                return this.#reload();
            case "watch":
                return this.#watch();
            default:
                return null;
        }
    }

    #note(text: string): void {
        if (!this.#ports.json) this.#ports.complain(`${text}\n`);
    }

    #changeDemotion(
        action: "demote" | "undemote" | "sysctl-write",
        {reason, level, group}: Partial<CliValues>,
    ): Promise<Answer> {
        switch (action) {
            case "demote":
                return this.#asker.ask("POST", "demotion", {reason, level, group});
            case "undemote": {
                const name = reason === undefined ? "" : `/${encodeURIComponent(reason)}`;
                return this.#asker.ask("DELETE", `demotion${name}`);
            }
            case "sysctl-write":
                return this.#asker.ask("POST", "demotion", {add: level});
        }
    }

    #maintenance(request: Promise<Answer>): Promise<Stop | null> {
        const {nowMs, paint} = this.#ports;
        return this.#print(request, decodeMaintenance, (v) => showMaintenance(v, nowMs(), paint));
    }

    async #showCarp(name: string | undefined): Promise<Stop | null> {
        const path = name === undefined ? "carp" : `carp/${encodeURIComponent(name)}`;
        const body = await this.#asker.ask("GET", path);
        if (body instanceof Stop) return body;
        const list = decodeCarps(name === undefined ? body.value : [body.value]);
        if (list === null) return this.#asker.notUnderstood();
        if (this.#ports.json) return this.#printJson(list);
        const answer = await this.#asker.ask("GET", "host");
        if (answer instanceof Stop) return answer;
        const host = decodeHost(answer.value);
        if (host === null) return this.#asker.notUnderstood();
        this.#ports.out(await applianceAlarms(this.#asker.client));
        this.#ports.out(showAll(host, list, this.#ports.nowMs(), this.#ports.paint));
        return null;
    }

    #show<T>(
        resource: string,
        decode: (body: unknown) => T | null,
        print: (value: T) => string,
    ): Promise<Stop | null> {
        return this.#print(this.#asker.ask("GET", resource), decode, print);
    }

    /** A body that is printed as it came; `print` gives null where it cannot. */
    #said(request: Promise<Answer>, print: (body: unknown) => string | null): Promise<Stop | null> {
        return this.#print(
            request,
            (body) => (print(body) === null ? null : identity(body)),
            ({body}) => print(body) ?? "",
            ({body}) => body,
        );
    }

    #text(path: string, body: unknown): Promise<Stop | null> {
        return this.#said(this.#asker.ask("POST", path, body), (answer) => textOf(answer, "text"));
    }

    async #print<T>(
        request: Promise<Answer>,
        decode: (body: unknown) => T | null,
        print: (value: T) => string,
        json: (value: T) => unknown = (value) => value,
    ): Promise<Stop | null> {
        const body = await request;
        if (body instanceof Stop) return body;
        const value = decode(body.value);
        if (value === null) return this.#asker.notUnderstood();
        if (this.#ports.json) return this.#printJson(json(value));
        this.#ports.out(print(value));
        return null;
    }

    async #setState(name: string, state: string): Promise<Stop | null> {
        const path = `carp/${encodeURIComponent(name)}/state`;
        const body = await this.#asker.ask("POST", path, {state});
        if (body instanceof Stop) return body;
        const [carp] = decodeCarps([body.value]) ?? [];
        if (carp === undefined) return this.#asker.notUnderstood();
        if (this.#ports.json) return this.#printJson(carp);
        const down = carp.enabled ? "" : " (down)";
        this.#ports.out(`${carp.name}: ${carp.state}${down}, ${carp.next}\n`);
        return null;
    }

    /** The daemon reads the line; what it refuses comes as a text with a caret. */
    async #bsd(line: string): Promise<Stop | null> {
        const answer = await this.#asker.ask("POST", "bsd", {line});
        if (answer instanceof Stop) return answer;
        const body = decodeBsd(answer.value);
        if (body === null) return this.#asker.notUnderstood();
        const {output, error, warnings} = body;
        if (this.#ports.json) this.#printJson(body);
        else if (output !== "") this.#ports.out(output.endsWith("\n") ? output : `${output}\n`);
        if (warnings !== "" && !this.#ports.json) this.#ports.complain(`${warnings}\n`);
        if (error === "") return null;
        this.#ports.complain(`${error}\n`);
        return new Stop(exitCodes.usage, "BAD_LINE");
    }

    async #reload(): Promise<Stop | null> {
        const body = await this.#asker.ask("POST", "reload");
        if (body instanceof Stop) return body;
        const changes = decodeReload(body.value);
        if (changes === null) return this.#asker.notUnderstood();
        if (this.#ports.json) return this.#printJson({changes});
        const what = changes.length === 0 ? "unchanged" : `reloaded: ${changes.join("; ")}`;
        this.#ports.out(`configuration ${what}\n`);
        return null;
    }

    async #watch(): Promise<Stop | null> {
        const {json, out, signal} = this.#ports;
        const onEvent = (value: unknown): void => {
            const event = decodeEvent(value);
            if (event === null) return;
            out(json ? `${JSON.stringify(event)}\n` : showEvent(event));
        };
        const result = await this.#asker.client.events("/v1/events", onEvent, signal);
        if (!result.ok) return this.#asker.noAnswer(result.error.code);
        return result.value === null ? null : this.#asker.refused(result.value);
    }

    #printJson(value: unknown): null {
        this.#ports.out(`${JSON.stringify(value, null, 2)}\n`);
        return null;
    }
}

/** What `show log` was asked for; null stays null. */
function selectLog(
    list: readonly WatchEvent[] | null,
    {name, seconds, count}: Partial<CliValues>,
    nowMs: number,
): WatchEvent[] | null {
    if (list === null) return null;
    const chosen = list
        .filter(({fields}) => name === undefined || fields?.name === name)
        .filter(({time}) => seconds === undefined || Date.parse(time) >= nowMs - seconds * 1000);
    return count === undefined ? chosen : chosen.slice(-count);
}
