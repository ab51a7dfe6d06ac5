/**
 * The words of an appliance at a prompt and as arguments of carpctl. Thread of the program.
 */
import {installBar, installSentence, showImages} from "../../core/appliance/show-images.ts";
import {
    readApplianceStatus,
    readImagesStatus,
    readInstallStatus,
} from "../../core/appliance/status-decode.ts";
import type {Command} from "../../core/cli-resolve.ts";
import {exitCodes} from "../../core/exit-codes.ts";
import {type Asker, type Client, Stop, textOf} from "./asker.ts";

export interface ApplianceOperationPorts {
    readonly asker: Asker;
    readonly out: (text: string) => void;
    readonly json: boolean;
    readonly signal: AbortSignal;
    /** A row that the next one replaces, on a terminal of so many columns; null: no terminal. */
    readonly row: {readonly columns: number; readonly draw: (text: string) => void} | null;
    /** A line that a person types; null: broken off, or nobody is there to be asked. */
    readonly question: (prompt: string) => Promise<string | null>;
}

/** What a person must know of the box itself, a line each; "" when there is nothing. */
export async function applianceAlarms(client: Client): Promise<string> {
    const reply = await client.request("GET", "/v1/appliance");
    const status = reply.ok ? readApplianceStatus(reply.value.body) : null;
    const sentences = [status?.olderSlot ?? "", status?.fault ?? ""];
    return sentences
        .filter((text) => text !== "")
        .map((text) => `ALARM: ${text}\n`)
        .join("");
}

const eraseWords = "erase everything";

/** null: not a word of these. */
export function operateAppliance(
    {action, values}: Command,
    ports: ApplianceOperationPorts,
): Promise<Stop | null> | null {
    switch (action) {
        case "show-images":
            return images(ports);
        case "install-image":
            return install(ports, values.source ?? "", values.force === true);
        case "rollback":
            return said(ports, "images/rollback", {});
        case "reboot":
        case "power-off": {
            const {handOver = false, force = false} = values;
            return said(ports, "power", {action, handOver, force});
        }
        case "factory-reset":
            return factoryReset(ports, values.line ?? null);
        default:
            return null;
    }
}

async function images({asker, out, json}: ApplianceOperationPorts): Promise<Stop | null> {
    const answer = await asker.ask("GET", "images");
    if (answer instanceof Stop) return answer;
    const status = readImagesStatus(answer.value);
    if (status === null) return asker.notUnderstood();
    out(json ? `${JSON.stringify(status, null, 2)}\n` : showImages(status));
    return null;
}

async function said(
    {asker, out, json}: ApplianceOperationPorts,
    path: string,
    body: object,
): Promise<Stop | null> {
    const answer = await asker.ask("POST", path, body);
    if (answer instanceof Stop) return answer;
    const text = textOf(answer.value, "text");
    if (text === null) return asker.notUnderstood();
    out(json ? `${JSON.stringify(answer.value, null, 2)}\n` : text);
    return null;
}

async function install(
    ports: ApplianceOperationPorts,
    source: string,
    force: boolean,
): Promise<Stop | null> {
    const {asker, out, json, signal, row} = ports;
    let answer = await asker.ask("POST", "images/install", {source, force});
    let shown = "";
    for (;;) {
        if (answer instanceof Stop) return answer;
        const status = readInstallStatus(answer.value);
        if (status === null) return asker.notUnderstood();
        if (status.done) {
            if (shown !== "") row?.draw("");
            if (json) out(`${JSON.stringify(status, null, 2)}\n`);
            if (status.phase === "failed") {
                return asker.complain(status.error, exitCodes.ioError, "NOT_INSTALLED");
            }
            if (!json) out(`${installSentence(status)}\n`);
            return null;
        }
        const line = row === null ? status.message : installBar(status, row.columns);
        if (line !== shown && !json) {
            if (row === null) out(`${status.percent}% ${line}\n`);
            else row.draw(line);
        }
        shown = line;
        if (signal.aborted) {
            if (row !== null) row.draw("");
            return asker.complain("the installation goes on: show images", exitCodes.ok);
        }
        // carpd answers when something has changed, or after a second.
        answer = await asker.ask("GET", "images/install/next");
    }
}

async function factoryReset(
    ports: ApplianceOperationPorts,
    given: string | null,
): Promise<Stop | null> {
    const {asker, out, question} = ports;
    let words = given;
    if (words === null) {
        out("This erases the configuration, its history, the users and the keys of this box.\n");
        words = await question(`Type "${eraseWords}" to go on: `);
        if (words === null) {
            const text = `not confirmed; without a terminal: factory-reset confirm ${eraseWords}`;
            return asker.complain(text, exitCodes.usage);
        }
    }
    if (words.trim() !== eraseWords) {
        const text = `nothing was erased: the words are "${eraseWords}"`;
        return asker.complain(text, exitCodes.usage);
    }
    return said(ports, "factory-reset", {confirm: eraseWords});
}
