/**
 * The picture of the lab: front panels, ping strips, what to look at, what happened. Pure.
 *
 * Made for 80 columns and 24 rows; every line is exactly as wide as asked, so that a frame can be
 * drawn over the one before.
 */
import type {CarpStatus} from "../status.ts";
import type {StripSlot} from "./arithmetic.ts";
import {type Colour, fit, type Painter, wrap} from "./text.ts";

/** A host as seen from outside: its power, its cables, and what its carpd says. */
export interface PanelView {
    readonly name: string;
    readonly powered: boolean;
    /** null: no carpd answers. */
    readonly carp: readonly CarpStatus[] | null;
    /** Ports with their link: the lights beside the sockets. */
    readonly ports: readonly {readonly ifname: string; readonly carrier: boolean}[];
}

export interface StripView {
    readonly name: string;
    readonly slots: readonly StripSlot[];
}

export interface ScreenView {
    readonly title: string;
    /** Seconds since the story began. */
    readonly elapsedS: number;
    readonly panels: readonly PanelView[];
    readonly strips: readonly StripView[];
    /** The newest slot that is settled; the strips end there. */
    readonly lastSlot: number;
    readonly lookAt: string;
    readonly happenings: readonly string[];
}

/** A light: its colour, and the word beside it, because colour alone tells some people nothing. */
export interface Light {
    readonly colour: Colour;
    readonly word: string;
}

export function stateLight(status: CarpStatus): Light {
    if (status.state === "MASTER") return {colour: "green", word: "MASTER"};
    if (status.state === "BACKUP") return {colour: "amber", word: "BACKUP"};
    return {colour: "red", word: "INIT"};
}

/** The status LED of a box: green healthy, amber demoted, red no carpd, dark without power. */
export function statusLight(panel: PanelView): Light {
    if (!panel.powered) return {colour: "dim", word: "no power"};
    if (panel.carp === null) return {colour: "red", word: "carpd is dead"};
    const demotion = Math.max(0, ...panel.carp.map((carp) => carp.demotion));
    if (demotion > 0) return {colour: "amber", word: `demoted by ${demotion}`};
    return {colour: "green", word: "healthy"};
}

function light(paint: Painter, {colour, word}: Light): string {
    return `${paint(colour, colour === "dim" ? "○" : "●")} ${paint(colour, word)}`;
}

function carpLine(paint: Painter, carp: CarpStatus): string {
    const name = `${carp.name} vhid ${carp.vhid}`;
    const state = fit(light(paint, stateLight(carp)), 9);
    return `${fit(name, 14)} ${state} skew ${String(carp.effectiveAdvskew).padStart(3)}`;
}

/** One front panel as lines of exactly `width` columns, `rows` carp lines tall. */
export function renderPanel(
    paint: Painter,
    panel: PanelView,
    width: number,
    rows: number,
): readonly string[] {
    const inner = width - 4;
    const ports = panel.ports.map(
        (port) => `${paint(port.carrier ? "green" : "red", "●")} ${port.ifname}`,
    );
    const body = [`${fit(light(paint, statusLight(panel)), 18)} ${ports.join("  ")}`];
    for (let row = 0; row < rows; row += 1) {
        const carp = panel.carp?.[row];
        body.push(carp === undefined ? "" : carpLine(paint, carp));
    }
    const rule = "─".repeat(Math.max(0, width - panel.name.length - 5));
    return [
        `┌─ ${paint("bold", panel.name)} ${rule}┐`,
        ...body.map((line) => `│ ${fit(line, inner)} │`),
        `└${"─".repeat(width - 2)}┘`,
    ];
}

/** The pings of the last slots, newest at the right: answered, lost, or none sent. */
export function renderStrip(
    paint: Painter,
    strip: StripView,
    lastSlot: number,
    width: number,
): string {
    const nameWidth = 22;
    const bySlot = new Map(strip.slots.map((slot) => [slot.slot, slot]));
    const cells: string[] = [];
    const cellCount = width - nameWidth - 1;
    for (let slot = lastSlot - cellCount + 1; slot <= lastSlot; slot += 1) {
        const entry = bySlot.get(slot);
        if (entry === undefined || entry.sent === 0) cells.push(" ");
        else if (entry.answered === entry.sent) cells.push(paint("green", "▮"));
        else if (entry.answered > 0) cells.push(paint("amber", "▯"));
        else cells.push(paint("red", "·"));
    }
    return `${fit(strip.name, nameWidth)} ${cells.join("")}`;
}

/** Puts panels side by side, two in a row. */
function panelGrid(paint: Painter, panels: readonly PanelView[], width: number): string[] {
    const panelWidth = Math.floor((width - 2) / 2);
    const lines: string[] = [];
    for (let at = 0; at < panels.length; at += 2) {
        const pair = panels.slice(at, at + 2);
        const rows = Math.max(1, ...pair.map((panel) => panel.carp?.length ?? 0), 2);
        const drawn = pair.map((panel) => renderPanel(paint, panel, panelWidth, rows));
        for (let row = 0; row < rows + 3; row += 1) {
            lines.push(drawn.map((panel) => panel[row] ?? "").join("  "));
        }
    }
    return lines;
}

/** The whole frame: at most `height` lines of exactly `width` columns. */
export function renderScreen(
    paint: Painter,
    view: ScreenView,
    width: number,
    height: number,
): readonly string[] {
    const clock = `${view.elapsedS.toFixed(1)} s`;
    const lines = [
        `${fit(paint("bold", view.title), Math.max(0, width - clock.length - 1))} ${clock}`,
        ...panelGrid(paint, view.panels, width),
        ...view.strips.map((strip) => renderStrip(paint, strip, view.lastSlot, width)),
        "",
        ...wrap(view.lookAt, width - 2).map((line) => paint("bold", `> ${line}`)),
        "",
    ];
    // The newest happenings fill what is left, the last line of the screen stays free.
    const room = Math.max(0, height - 1 - lines.length);
    const happenings = room === 0 ? [] : view.happenings.slice(-room);
    return [...lines, ...happenings].slice(0, height - 1).map((line) => fit(line, width));
}
