/** The words of the front panel. Pure. */
import type {CliKeyword} from "./cli-node.ts";
import {parseSeconds} from "./cli-values.ts";

/** Behind `show`. */
export const panelShowWords: readonly CliKeyword[] = [
    {token: "leds", help: "LEDs of the panel: what each shows and why", action: "show-leds"},
    {
        token: "buttons",
        help: "buttons of the panel: what each does",
        action: "show-buttons",
        whole: true,
    },
];

/** What `identify` means without a length of time, seconds. */
export const usualIdentify = 30;

export const identifyWords: CliKeyword = {
    token: "identify",
    help: `flash every LED for ${usualIdentify} s, to find this box`,
    action: "identify",
    children: [
        {token: "off", help: "flash no more", action: "identify", gives: {on: false}},
        {
            token: "DURATION",
            parse: parseSeconds,
            example: "2m",
            meant: /^\d/u,
            help: "flash every LED for this time, at most 1h",
            action: "identify",
        },
    ],
};
