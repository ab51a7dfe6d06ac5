/** The words of an appliance: images, going down, factory reset. Pure. */
import type {ActionKind, CliKeyword} from "./cli-node.ts";
import {parseRestLine, parseSource} from "./cli-values.ts";

export const showImages: CliKeyword = {
    token: "images",
    help: "what is installed in both slots, and which one runs",
    action: "show-images",
    whole: true,
};

/** What may stand behind an order to go down. */
const goingDown = (action: ActionKind): readonly CliKeyword[] => [
    {
        token: "hand-over",
        help: "the same, once others have taken over every MASTER",
        option: true,
        action,
        gives: {handOver: true},
    },
    {
        token: "force",
        help: "the same, as MASTER too",
        option: true,
        action,
        gives: {force: true},
    },
];

const reboot: CliKeyword = {
    token: "reboot",
    help: "start again; refused as MASTER",
    action: "reboot",
    whole: true,
    children: goingDown("reboot"),
};

const system: CliKeyword = {
    token: "system",
    help: "the appliance: images and reboot",
    whole: true,
    children: [
        {
            token: "install-image",
            help: "write a signed bundle into the other slot",
            children: [
                {
                    token: "FILE|URL",
                    parse: parseSource,
                    example: "usb:carpd-0.4.0-amd64.raucb",
                    help: "install a signed bundle; usb:FILE is a stick's",
                    action: "install-image",
                    children: [
                        {
                            token: "force",
                            help: "the same, with an older version too",
                            option: true,
                            action: "install-image",
                            gives: {force: true},
                        },
                    ],
                },
            ],
        },
        {token: "rollback", help: "the next boot runs the other slot", action: "rollback"},
        reboot,
    ],
};

export const applianceWords: readonly CliKeyword[] = [
    system,
    reboot,
    {
        token: "power-off",
        help: "switch off; refused as MASTER",
        action: "power-off",
        whole: true,
        children: goingDown("power-off"),
    },
    {
        token: "factory-reset",
        help: "erase configuration, users and keys; asks first",
        action: "factory-reset",
        whole: true,
        children: [
            {
                token: "confirm",
                help: "the same without a question",
                children: [
                    {
                        token: "WORD...",
                        rest: parseRestLine,
                        example: "erase everything",
                        help: "the words erase everything",
                        action: "factory-reset",
                    },
                ],
            },
        ],
    },
];
