/**
 * What an operator asks and orders, in the control API: bodies to calls. Main thread.
 *
 * A body may have no other keys than those named here.
 */
import {parseAddress} from "../core/address.ts";
import type {Config} from "../core/config.ts";
import {type ApiReply, failure} from "../core/control-protocol.ts";
import {mayDo, type Role} from "../core/control-session.ts";
import {formatDiagnostics} from "../core/diagnostic.ts";
import {peerLines, peerSystems} from "../core/export/peer-lines.ts";
import {type ImportFile, importConfiguration, importKinds} from "../core/import/import.ts";
import {mostPings} from "../core/ping.ts";
import type {ExtensionCall, ExtensionRoute} from "./api-extension.ts";
import type {BsdCommands} from "./bsd-commands.ts";
import type {Operations} from "./operations.ts";

/** The usual step between the advskews of a pair (carp(4) has 0 and 100). */
const skewStep = 100;
const mostImportFiles = 64;
const longestFileName = 255;

const badBody = (message: string, expected: string): ApiReply =>
    failure(400, "BAD_BODY", message, expected);

type Body = ReadonlyMap<string, unknown>;

function bodyOf({body}: ExtensionCall, keys: readonly string[]): Body | string {
    if (body === undefined) return new Map();
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
        return "the body is not a JSON object";
    }
    const unknown = Object.keys(body).find((key) => !keys.includes(key));
    if (unknown !== undefined) return `unknown key ${JSON.stringify(unknown.slice(0, 40))}`;
    return new Map<string, unknown>(Object.entries(body));
}

function get(
    path: readonly string[],
    handle: (call: ExtensionCall) => Promise<ApiReply>,
): ExtensionRoute {
    return {method: "GET", path: ["v1", ...path], role: "operator", handle};
}

interface Post {
    readonly path: readonly string[];
    readonly role: Role;
    readonly keys: readonly string[];
    /** What the body has to be, for the one who got it wrong. */
    readonly expected: string;
    /** A string: what is wrong with the body. */
    readonly handle: (body: Body, call: ExtensionCall) => Promise<ApiReply | string>;
}

function post({path, role, keys, expected, handle}: Post): ExtensionRoute {
    return {
        method: "POST",
        path: ["v1", ...path],
        role,
        handle: async (call) => {
            const body = bodyOf(call, keys);
            if (typeof body === "string") return badBody(body, expected);
            const reply = await handle(body, call);
            return typeof reply === "string" ? badBody(reply, expected) : reply;
        },
    };
}

export function operationsRoutes(
    operations: Operations,
    bsd: BsdCommands,
    running: {readonly config: Config},
): readonly ExtensionRoute[] {
    return [
        get(["why"], () => operations.why(null)),
        get(["why", ":name"], ({argument}) => operations.why(argument)),
        get(["peers"], async () => ({status: 200, body: await operations.peers()})),
        get(["system"], async () => ({status: 200, body: await operations.system()})),
        post({
            path: ["doctor"],
            role: "operator",
            keys: [],
            expected: "{}",
            handle: async () => ({status: 200, body: await operations.doctor()}),
        }),
        post({
            path: ["ping"],
            role: "operator",
            keys: ["address", "count"],
            expected: `{"address": IP address, "count": 1..${mostPings}}; count may be missing`,
            handle: (body) => ping(operations, body),
        }),
        post({
            path: ["power"],
            role: "admin",
            keys: ["action", "handOver", "force"],
            expected: '{"action": "reboot" | "power-off", "handOver": false, "force": false}',
            handle: async (body, {session}) => {
                const action = body.get("action");
                if (action !== "reboot" && action !== "power-off") {
                    return "action is neither reboot nor power-off";
                }
                const handOver = body.get("handOver") ?? false;
                const force = body.get("force") ?? false;
                if (typeof handOver !== "boolean" || typeof force !== "boolean") {
                    return "handOver or force is neither true nor false";
                }
                if (handOver && force) return "handOver and force exclude each other";
                return await operations.power({action, handOver, force}, session);
            },
        }),
        post({
            path: ["bsd"],
            // What an operator may not do is refused by what the line says.
            role: "operator",
            keys: ["line"],
            expected: '{"line": "ifconfig carp0"}',
            handle: async (body, {session}) => {
                const line = body.get("line");
                return typeof line === "string"
                    ? await bsd.run(line, session)
                    : "line is not a string";
            },
        }),
        importRoute(),
        peerRoute(running),
    ];
}

async function ping(operations: Operations, body: Body): Promise<ApiReply | string> {
    const given = body.get("address");
    if (typeof given !== "string") return "address is not a string";
    const address = parseAddress(given);
    if (!address.ok) return "address is no IP address";
    const count = body.get("count") ?? 5;
    const fits =
        typeof count === "number" && Number.isInteger(count) && count >= 1 && count <= mostPings;
    if (!fits) return `count is no number from 1 to ${mostPings}`;
    return await operations.ping(address.value.address, count);
}

function importRoute(): ExtensionRoute {
    return post({
        path: ["import"],
        role: "operator",
        keys: ["files", "kind", "map"],
        expected:
            '{"files": [{"name": NAME, "text": TEXT}], "kind": KIND, "map": {"em0": "eth0"}}; ' +
            `kind and map may be missing; KIND is one of ${importKinds.join(", ")}`,
        handle: async (body) => {
            const files = filesOf(body.get("files"));
            if (typeof files === "string") return files;
            const map = mapOf(body.get("map") ?? {});
            if (map === null) return "map is not an object of interface names";
            const wanted = body.get("kind") ?? "";
            const kind = importKinds.find((known) => known === wanted);
            if (kind === undefined && wanted !== "") return "this kind is not known";
            const options = kind === undefined ? {map} : {kind, map};
            const imported = importConfiguration(files, options);
            if (imported.ok) return {status: 200, body: imported.value};
            const text = formatDiagnostics(imported.error);
            return failure(422, "BAD_IMPORT", text, "a configuration of one of these kinds");
        },
    });
}

function filesOf(value: unknown): ImportFile[] | string {
    if (!Array.isArray(value) || value.length === 0) return "files is not a list of files";
    if (value.length > mostImportFiles) return `files has more than ${mostImportFiles} files`;
    const files: ImportFile[] = [];
    for (const file of value) {
        if (typeof file !== "object" || file === null) return "a file is not an object";
        const name: unknown = Reflect.get(file, "name");
        const text: unknown = Reflect.get(file, "text");
        if (typeof name !== "string" || typeof text !== "string") {
            return "a file has no name or no text";
        }
        if (name.length > longestFileName) return "the name of a file is too long";
        files.push({name, text});
    }
    return files;
}

function mapOf(value: unknown): Map<string, string> | null {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const map = new Map<string, string>();
    for (const [from, to] of Object.entries(value)) {
        if (typeof to !== "string") return null;
        map.set(from, to);
    }
    return map;
}

function peerRoute(running: {readonly config: Config}): ExtensionRoute {
    return post({
        path: ["configuration", "for-peer"],
        role: "operator",
        keys: ["peer", "secrets", "map"],
        expected:
            `{"peer": ${peerSystems.map((peer) => `"${peer}"`).join(" | ")}, ` +
            '"secrets": true | false, "map": {"eth0": "em0"}}; secrets and map may be missing',
        handle: async (body, {session}) => {
            const peer = peerSystems.find((known) => known === body.get("peer"));
            if (peer === undefined) return `peer is none of ${peerSystems.join(", ")}`;
            const secrets = body.get("secrets") ?? false;
            if (typeof secrets !== "boolean") return "secrets is neither true nor false";
            const map = mapOf(body.get("map") ?? {});
            if (map === null) return "map is not an object of interface names";
            if (secrets && !mayDo(session, "admin")) {
                const message = `${session.user} is ${session.role}: passwords are for admins`;
                return failure(403, "FORBIDDEN", message, "secrets: false");
            }
            const lines = peerLines(running.config, peer, {skewStep, secrets, map});
            return {status: 200, body: {text: lines.map((line) => `${line}\n`).join("")}};
        },
    });
}
