/**
 * What the operational commands print for people: replies -> text. Pure; the shell's and carpctl's
 * thread. Each takes the body of the reply as it came and gives null for one that it does not know,
 * so that another version of the daemon gives a sentence and not a crash.
 */
import type {DoctorReport, Finding} from "./doctor.ts";
import {formatDuration} from "./duration.ts";
import type {PeerStatus} from "./peers.ts";
import type {Paint} from "./show.ts";
import {hardwareOf, type ManifestStatus, manifestOf, type SystemStatus} from "./system-status.ts";
import type {WhyStatus} from "./why.ts";

type Kind = "string" | "number" | "boolean" | "array" | "object";
type Shape = Readonly<Record<string, Kind>>;

function has(value: unknown, shape: Shape): boolean {
    if (typeof value !== "object" || value === null) return false;
    return Object.entries(shape).every(([key, kind]) => {
        const member: unknown = Reflect.get(value, key);
        if (kind === "array") return Array.isArray(member);
        return typeof member === kind && member !== null;
    });
}

function listOf<T>(value: unknown, shape: Shape): T[] | null {
    return Array.isArray(value) && value.every((item) => has(item, shape)) ? (value as T[]) : null;
}

/** What a BSD command printed, "" or why something was not done, "" or what to think of. */
export function decodeBsd(body: unknown): {output: string; error: string; warnings: string} | null {
    if (!has(body, {output: "string", error: "string", warnings: "string"})) return null;
    return body as {output: string; error: string; warnings: string};
}

export function decodeImport(
    body: unknown,
): {toml: string; notes: {file: string; line: number; text: string}[]} | null {
    if (!has(body, {toml: "string", notes: "array"})) return null;
    const {toml, notes} = body as {toml: string; notes: unknown};
    const list = listOf<{file: string; line: number; text: string}>(notes, {
        file: "string",
        line: "number",
        text: "string",
    });
    return list === null ? null : {toml, notes: list};
}

export function decodeWhy(body: unknown): WhyStatus[] | null {
    const list = listOf<WhyStatus>(body, {
        name: "string",
        carpdev: "string",
        vhid: "number",
        at: "string",
        from: "string",
        to: "string",
        cause: "string",
        explain: "array",
        before: "string",
    });
    const sentences = list?.every(({explain}) =>
        explain.every((sentence) => typeof sentence === "string"),
    );
    return sentences === true ? list : null;
}

export function showWhy(body: unknown, nowMs: number): string | null {
    const list = decodeWhy(body);
    if (list === null) return null;
    if (list.length === 0) return "no state change since carpd started\n";
    return list
        .map(({name, vhid, carpdev, at, explain}) => {
            const when = `${at} (${ago(at, nowMs)} ago)`;
            const lines = explain.map((sentence) => `\t${sentence}\n`);
            return `${name} (vhid ${vhid} on ${carpdev}), ${when}\n${lines.join("")}`;
        })
        .join("");
}

function ago(iso: string, nowMs: number): string {
    const then = Date.parse(iso);
    return Number.isFinite(then) ? formatDuration(BigInt(Math.round(nowMs - then)) * 1000n) : "?";
}

export function decodePeers(body: unknown): PeerStatus[] | null {
    return listOf<PeerStatus>(body, {
        name: "string",
        vhid: "number",
        address: "string",
        advbase: "number",
        advskew: "number",
        demotion: "number",
        intervalMs: "number",
        counterClass: "string",
        heard: "number",
        isMaster: "boolean",
        configured: "boolean",
    });
}

export function showPeers(body: unknown, paint: Paint): string | null {
    const peers = decodePeers(body);
    if (peers === null) return null;
    if (peers.length === 0) return "no other host was heard\n";
    const head = ["name", "vhid", "peer", "advbase", "advskew", "demotion", "heard", "last"];
    const rows = peers.map((peer) => [
        peer.name,
        String(peer.vhid),
        peer.isMaster ? paint("green", `${peer.address} MASTER`) : peer.address,
        ...(peer.lastHeardMs === null
            ? ["-", "-", "-", "0", paint("red", "never heard")]
            : [
                  String(peer.advbase),
                  String(peer.advskew),
                  String(peer.demotion),
                  String(peer.heard),
                  `${formatDuration(BigInt(Math.round(peer.lastHeardMs)) * 1000n)} ago`,
              ]),
        peer.counterClass === "" ? "" : `counter ${peer.counterClass}`,
    ]);
    return table([[...head, ""], ...rows]);
}

export function decodeDoctor(body: unknown): DoctorReport | null {
    if (!has(body, {seconds: "number", findings: "array"})) return null;
    const report = body as DoctorReport;
    const finding: Shape = {
        severity: "string",
        name: "string",
        vhid: "number",
        text: "string",
        remedy: "string",
    };
    return listOf<Finding>(report.findings, finding) === null ? null : report;
}

const severityColour = {problem: "red", hint: "yellow", ok: "green"} as const;

export function showDoctor(body: unknown, paint: Paint): string | null {
    const report = decodeDoctor(body);
    if (report === null) return null;
    const lines = report.findings.map(({severity, name, vhid, text, remedy}) => {
        const where = name === "" ? "" : vhid === 0 ? `${name}: ` : `${name} (vhid ${vhid}): `;
        const what = `${paint(severityColour[severity], severity)}: ${where}${text}\n`;
        return remedy === "" ? what : `${what}\tto do: ${remedy}\n`;
    });
    return `listened for ${report.seconds} s\n${lines.join("")}`;
}

export function decodeSystem(body: unknown): SystemStatus | null {
    const shape: Shape = {
        hostname: "string",
        versions: "object",
        uptimeSeconds: "number",
        daemonSeconds: "number",
        load: "array",
    };
    if (!has(body, shape)) return null;
    const system = body as SystemStatus;
    const hardware = hardwareOf(body);
    if (!has(system.versions, {carpd: "string", node: "string", kernel: "string"})) return null;
    if (hardware === null || !system.load.every((value) => typeof value === "number")) return null;
    return {...system, ...hardware, manifest: manifestOf(body)};
}

const unknown = "not known here";

export function showSystem(body: unknown): string | null {
    const system = decodeSystem(body);
    if (system === null) return null;
    const {board, processor, temperature, memory, disks, versions} = system;
    const seconds = (count: number): string =>
        formatDuration(BigInt(Math.round(count)) * 1_000_000n);
    const rows = [
        ["hostname", system.hostname],
        ["carpd", `${versions.carpd}, up ${seconds(system.daemonSeconds)}`],
        ["node", versions.node],
        ["kernel", `${versions.kernel}, up ${seconds(system.uptimeSeconds)}`],
        ["board", manifestText(system.manifest)],
        ["machine", board === null ? unknown : boardText(board)],
        [
            "processor",
            processor === null ? unknown : `${processor.model}, ${processor.cores} cores`,
        ],
        ["temperature", temperature === null ? unknown : `${temperature.toFixed(1)} C`],
        ["load", system.load.map((load) => load.toFixed(2)).join(" ")],
        [
            "memory",
            memory === null
                ? unknown
                : `${octets(memory.availableOctets)} available of ${octets(memory.totalOctets)}`,
        ],
        ...(disks ?? []).map(({mount, type, sizeOctets, usedOctets, writable}) => [
            `disk ${mount}`,
            `${octets(usedOctets)} used of ${octets(sizeOctets)}, ${type}` +
                (writable ? "" : ", read-only"),
        ]),
        ...(disks === null ? [["disks", unknown]] : []),
    ];
    return table(rows);
}

function manifestText({id, name, why}: ManifestStatus): string {
    if (id === "") return why === "" ? unknown : why;
    return `${id} (${name}): ${why}`;
}

function boardText(board: {manufacturer: string; model: string; version: string}): string {
    const {manufacturer, model, version} = board;
    return [manufacturer, model, version].filter((word) => word !== "").join(" ");
}

/** "512M", "1.9G" of 1024. */
function octets(count: number): string {
    const units = ["", "K", "M", "G", "T", "P"];
    let left = count;
    let unit = 0;
    while (left >= 1024 && unit < units.length - 1) {
        left /= 1024;
        unit++;
    }
    return `${left < 10 && unit > 0 ? left.toFixed(1) : Math.round(left)}${units[unit] ?? ""}`;
}

/** Columns two blanks apart; colours are taken off before the width is counted. */
function table(rows: readonly (readonly string[])[]): string {
    const width = (cell: string): number => {
        // Escape sequences of a colour: ESC [ numbers m.
        const start = String.fromCharCode(27);
        const pieces = cell.split(start);
        const [first = "", ...rest] = pieces;
        return rest.reduce(
            (sum, piece) => sum + piece.length - (piece.indexOf("m") + 1),
            first.length,
        );
    };
    const widths: number[] = [];
    for (const row of rows) {
        row.forEach((cell, i) => {
            widths[i] = Math.max(widths[i] ?? 0, width(cell));
        });
    }
    return rows
        .map((row) => {
            const cells = row.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - width(cell)));
            return `${cells.join("  ").trimEnd()}\n`;
        })
        .join("");
}
