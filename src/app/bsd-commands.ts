/**
 * Does what a typed BSD command line stands for: the state of this host to the line's world, then
 * its commit, its acts and its demotions. Main thread; one line after the other.
 *
 * What was typed of interfaces that are not complete yet is kept here, as a BSD's kernel would: for
 * all sessions, until carpd ends.
 */
import {
    type BsdOutcome,
    type BsdPending,
    type BsdWorld,
    formatBsdRefusal,
    hideBsdSecrets,
    nothingPending,
    runBsdLine,
} from "../core/bsd/run.ts";
import type {BsdDemote, BsdInterface} from "../core/bsd/world.ts";
import type {Config} from "../core/config.ts";
import {nameOf, readMeaning} from "../core/config-meaning.ts";
import {type ApiReply, failure} from "../core/control-protocol.ts";
import {mayDo, type Session} from "../core/control-session.ts";
import {demotionLevels} from "../core/demotion-reasons.ts";
import type {Edit} from "../core/edit.ts";
import {type AdminAction, EngineError, type EngineSnapshot} from "../core/engine.ts";
import {type Log, note, printable} from "../core/log.ts";
import type {Result} from "../core/result.ts";
import type {MaintenanceStatus} from "../core/status.ts";
import {foldCarp, foldDemotion} from "../core/status-fold.ts";

/** What it needs of the running daemon; `Daemon` is one. */
export interface CommandedDaemon {
    readonly config: Config;
    /** Why every vhid is kept in INIT; "". */
    readonly hold: string;
    readonly conditions: {
        maintenance(): MaintenanceStatus;
        demote(reason: string, level: number, group: string): Promise<void>;
    };
    snapshot(): Promise<EngineSnapshot>;
    wallOffsetUs(): bigint;
    admin(name: string, action: AdminAction): Promise<Result<void, EngineError>>;
}

/** What it needs of the configuration; `Configuration` is one. */
export interface EditedConfiguration {
    /** carpd.toml as it runs. */
    readonly runningText: string;
    commitEdits(
        edits: readonly Edit[],
        session: Session,
        remark: string,
    ): Promise<
        Result<{readonly warnings: string}, {readonly message: string; readonly expected: string}>
    >;
}

export interface BsdPorts {
    readonly log: Log;
    readonly configuration: EditedConfiguration;
    hostInterfaces(): readonly BsdInterface[];
    /** carpd gives this host its addresses, routes and name; not given: false. */
    appliance?(): boolean;
    /** What the host is called now. */
    hostname?(): string;
}

export interface BsdReply {
    /** What the BSD prints. */
    readonly output: string;
    /** "" or why something was not done. */
    readonly error: string;
    /** What the configuration that was committed makes one think; "" for nothing. */
    readonly warnings: string;
}

/** What the history may say of a commit (configuration-routes.ts), characters. */
const longestRemark = 200;
/** The forms that only look, for those who may only look: one command without a value. */
const looking =
    /^[\s#$%]*(?:\/s?bin\/)?(?:ifconfig(?:\s+(?:-[al]|[\w.:-]+))?|sysctl(?:\s+-n)?(?:\s+[\w.]+)+|hostname(?:\s+-s)?)\s*$/u;

export class BsdCommands {
    readonly #daemon: CommandedDaemon;
    readonly #ports: BsdPorts;
    #pending: BsdPending = nothingPending;
    #work: Promise<unknown> = Promise.resolve();

    constructor(daemon: CommandedDaemon, ports: BsdPorts) {
        this.#daemon = daemon;
        this.#ports = ports;
    }

    /** {"output", "error", "warnings"}: see `BsdReply`. */
    run(line: string, session: Session): Promise<ApiReply> {
        const run = this.#work.then(() => this.#runNow(line, session));
        // The next line waits for this one, whatever became of it.
        this.#work = run.then(
            () => undefined,
            () => undefined,
        );
        return run;
    }

    async #runNow(line: string, session: Session): Promise<ApiReply> {
        const mayChange = mayDo(session, "admin");
        if (!mayChange && !looking.test(line)) {
            const message = `${session.user} is ${session.role} and may only look`;
            return failure(403, "FORBIDDEN", message, "ifconfig [NAME], sysctl NAME, hostname");
        }
        const outcome = runBsdLine(line, await this.#world());
        if (!outcome.ok) return said({output: "", error: formatBsdRefusal(outcome.error)});
        const {output} = outcome.value;
        if (!mayChange) return said({output, error: ""});
        return said({output, ...(await this.#carryOut(line, outcome.value, session))});
    }

    async #world(): Promise<BsdWorld> {
        const snapshot = await this.#daemon.snapshot();
        const {config, conditions, hold} = this.#daemon;
        const input = {snapshot, config, wallOffsetUs: this.#daemon.wallOffsetUs(), hold};
        return {
            config,
            carps: foldCarp(input),
            interfaces: joinInterfaces(this.#ports.hostInterfaces(), snapshot),
            demotion: foldDemotion(input, conditions.maintenance()),
            pending: this.#pending,
            appliance: this.#ports.appliance?.() === true,
            hostname: this.#ports.hostname?.() ?? "",
            passFiles: passFileBlocks(this.#ports.configuration.runningText),
        };
    }

    async #carryOut(
        line: string,
        outcome: BsdOutcome,
        session: Session,
    ): Promise<{error: string; warnings: string}> {
        const {edits, admin, demotions} = outcome;
        const words = oneLine(hideBsdSecrets(line));
        if (edits.length + admin.length + demotions.length > 0) {
            const {user, origin} = session;
            const text = `command by ${user} from ${origin}: ${words}`;
            this.#ports.log.write(note("info", "bsd command", text, {user, origin, line: words}));
        }
        let warnings = "";
        if (edits.length > 0) {
            const {configuration} = this.#ports;
            const remark = words.slice(0, longestRemark);
            const committed = await configuration.commitEdits(edits, session, remark);
            if (!committed.ok) {
                const {message, expected} = committed.error;
                const error = expected === "" ? message : `${message}\nexpected ${expected}`;
                return {error, warnings};
            }
            warnings = committed.value.warnings;
        }
        this.#pending = outcome.pending;
        const problems: string[] = [];
        for (const {name, action} of admin) {
            const done = await this.#daemon.admin(name, action);
            if (!done.ok) problems.push(`${name}: ${action}: ${done.error.message}`);
        }
        for (const demotion of demotions) {
            const problem = await this.#demote(demotion);
            if (problem !== "") problems.push(problem);
        }
        return {error: problems.join("\n"), warnings};
    }

    /** "" or why not. A group has a reason of its own: one reason holds for one group or for all. */
    async #demote({add, group}: BsdDemote): Promise<string> {
        const reason = group === "" ? "operator" : `operator:${group}`;
        const {demotionReasons} = await this.#daemon.snapshot();
        const known = demotionReasons.find((other) => other.reason === reason);
        if (known !== undefined && known.groups !== group) {
            const whom = known.groups === "" ? "every group" : known.groups;
            return `reason ${reason} holds for ${whom}: undemote it first`;
        }
        const {least, most} = demotionLevels;
        const level = Math.min(Math.max((known?.level ?? 0) + add, least), most);
        try {
            await this.#daemon.conditions.demote(reason, level, group);
            return "";
        } catch (error) {
            if (error instanceof EngineError) return `${reason}: ${error.message}`;
            throw error;
        }
    }
}

function said(reply: Omit<BsdReply, "warnings"> & {warnings?: string}): ApiReply {
    const body: BsdReply = {warnings: "", ...reply};
    return {status: 200, body};
}

/** For log and history: without the prompt of a copied example, continued lines joined. */
function oneLine(line: string): string {
    const joined = line.replace(/^\s*[#$%]\s+/u, "").replaceAll(/\\\r?\n/gu, " ");
    return printable(joined).replaceAll(/\s+/gu, " ").trim();
}

/** The engine knows the addresses of a carpdev whose link is down, too. */
export function joinInterfaces(
    host: readonly BsdInterface[],
    {carpdevs}: EngineSnapshot,
): BsdInterface[] {
    const joined = host.map((device): BsdInterface => {
        const known = carpdevs.find(({carpdev, present}) => present && carpdev === device.name);
        if (known === undefined) return device;
        const addresses = [...new Set([...device.addresses, ...known.addresses])];
        return {...device, addresses, mac: known.mac, up: known.adminUp};
    });
    const more = carpdevs
        .filter(({carpdev, present}) => present && !host.some(({name}) => name === carpdev))
        .map(({carpdev, addresses, mac, adminUp}) => ({
            name: carpdev,
            addresses,
            mac,
            up: adminUp,
        }));
    return [...joined, ...more];
}

/** The blocks whose password is in a file of its own. */
export function passFileBlocks(text: string): ReadonlySet<string> {
    const meaning = readMeaning(text);
    if (!meaning.ok) return new Set();
    return new Set(
        meaning.value.carp.flatMap((table, index) =>
            table.has("pass-file") ? (nameOf("carp", table, index) ?? []) : [],
        ),
    );
}
