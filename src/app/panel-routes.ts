/**
 * The front panel in the control API: what carp-panel asks and reports, and what an operator sees
 * of it. Main thread of carpd.
 */
import {presses} from "../core/buttons.ts";
import {type ApiReply, failure} from "../core/control-protocol.ts";
import {mayDo, type Session} from "../core/control-session.ts";
import type {ExtensionCall, ExtensionRoute} from "./api-extension.ts";
import type {LedReport, PanelState} from "./panel-state.ts";

/** More LEDs has no panel. */
const mostLeds = 64;
const longestText = 200;
/** One hour. */
export const longestIdentify = 3600;

/** `isPanel`: whether a session is carp-panel's (Access.isPanel). */
export function panelRoutes(
    panel: PanelState,
    isPanel: (session: Session) => boolean,
): ExtensionRoute[] {
    const operator = {role: "operator"} as const;
    const may = (session: Session): boolean => isPanel(session) || mayDo(session, "admin");
    return [
        {
            ...operator,
            method: "GET",
            path: ["v1", "panel"],
            handle: async () => ({status: 200, body: await panel.view()}),
        },
        {
            // Also without a log-in: who presses the button stands before the box.
            ...operator,
            method: "GET",
            path: ["v1", "panel", "pressed"],
            handle: async () => ({status: 200, body: panel.pressed}),
        },
        {
            ...operator,
            method: "POST",
            path: ["v1", "panel", "report"],
            handle: async ({session, body}) => (may(session) ? report(panel, body) : forbidden()),
        },
        {
            ...operator,
            method: "POST",
            path: ["v1", "panel", "button"],
            handle: async ({session, body}) => (may(session) ? button(panel, body) : forbidden()),
        },
        {
            ...operator,
            method: "POST",
            path: ["v1", "identify"],
            handle: async (call) => identify(panel, call),
        },
    ];
}

const forbidden = (): ApiReply =>
    failure(403, "FORBIDDEN", "the panel speaks for itself", "carp-panel or an admin");

function memberOf(body: unknown, key: string): unknown {
    if (typeof body !== "object" || body === null || Array.isArray(body)) return undefined;
    const keys = Object.keys(body);
    return keys.length === 1 && keys[0] === key ? Reflect.get(body, key) : undefined;
}

function partOf(value: unknown, key: string): unknown {
    return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

function report(panel: PanelState, body: unknown): ApiReply {
    const leds = memberOf(body, "leds");
    const expected = '{"leds": [{"name": NAME, "problem": TEXT}]}';
    if (!Array.isArray(leds) || leds.length > mostLeds) {
        return failure(400, "BAD_BODY", "leds is not a list of LEDs", expected);
    }
    const list: LedReport[] = [];
    for (const led of leds as readonly unknown[]) {
        const [name, problem] = [partOf(led, "name"), partOf(led, "problem")];
        if (typeof name !== "string" || typeof problem !== "string") {
            return failure(400, "BAD_BODY", "an LED has no name or no problem", expected);
        }
        list.push({name: name.slice(0, longestText), problem: problem.slice(0, longestText)});
    }
    panel.report(list);
    return {status: 200, body: {}};
}

async function button(panel: PanelState, body: unknown): Promise<ApiReply> {
    const given = memberOf(body, "press");
    const press = presses.find((known) => known === given);
    if (press === undefined) {
        const expected = `{"press": ${presses.map((known) => `"${known}"`).join(" | ")}}`;
        return failure(400, "BAD_BODY", "press is none of those that there are", expected);
    }
    const done = await panel.press(press);
    if (done.ok) return {status: 200, body: {}};
    return failure(409, "NOT_DONE", done.error, "see the log of carpd");
}

function identify(panel: PanelState, {session, body}: ExtensionCall): ApiReply {
    const seconds = memberOf(body, "seconds");
    const fits =
        typeof seconds === "number" &&
        Number.isInteger(seconds) &&
        seconds >= 0 &&
        seconds <= longestIdentify;
    if (!fits) {
        const expected = `{"seconds": 0..${longestIdentify}}; 0 ends it`;
        return failure(400, "BAD_BODY", "seconds is no number in its range", expected);
    }
    panel.identify(seconds, session.user);
    return {status: 200, body: {seconds}};
}
