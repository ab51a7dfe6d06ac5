/** The words behind `show`. Pure. */
import type {ActionKind, CliArgument, CliKeyword} from "./cli-node.ts";
import {showImages} from "./cli-table-appliance.ts";
import {panelShowWords} from "./cli-table-panel.ts";
import {numberLike, parseCount, parseName, parseSeconds, peerSystems} from "./cli-values.ts";

/** A carp interface, by name. */
export const nameArgument = (help: string, action: ActionKind): CliArgument => ({
    token: "NAME",
    parse: parseName,
    example: "carp0",
    names: "carp",
    help,
    action,
});

const secrets = (action: ActionKind): CliKeyword => ({
    token: "secrets",
    help: "with passwords, for an admin",
    action,
    gives: {secrets: true},
});

const showConfiguration: CliKeyword = {
    token: "configuration",
    help: "the running configuration as set lines",
    action: "show-configuration",
    children: [
        {
            token: "commands",
            help: "the same",
            action: "show-configuration",
            gives: {form: "commands"},
            children: [secrets("show-configuration")],
        },
        {
            token: "toml",
            help: "the running configuration as the file has it",
            action: "show-configuration",
            gives: {form: "toml"},
            children: [secrets("show-configuration")],
        },
        {
            token: "for-peer",
            help: "the lines for the other host of a mixed pair",
            children: peerSystems.map(
                (peer): CliKeyword => ({
                    token: peer,
                    help: `what a peer with ${peer} is to be told`,
                    action: "show-for-peer",
                    gives: {peer},
                    children: [secrets("show-for-peer")],
                }),
            ),
        },
        secrets("show-configuration"),
    ],
};

export const showWords: CliKeyword = {
    token: "show",
    help: "the same as show carp",
    action: "show-carp",
    children: [
        {
            token: "carp",
            help: "carp interfaces: state, master, what happens next",
            action: "show-carp",
            children: [nameArgument("one carp interface", "show-carp")],
        },
        {token: "interfaces", help: "carpdevs and their links", action: "show-interfaces"},
        {token: "statistics", help: "counters and lateness", action: "show-statistics"},
        {
            token: "demotion",
            help: "demotion, its reasons and what ends them",
            action: "show-demotion",
        },
        {token: "balance", help: "shared VIPs and who answers", action: "show-balance"},
        {token: "tracks", help: "what is watched and how it is", action: "show-tracks"},
        {
            token: "log",
            help: "the last 200 changes",
            action: "show-log",
            children: [
                {
                    token: "N",
                    parse: parseCount,
                    example: "20",
                    meant: numberLike,
                    help: "the last N changes",
                    action: "show-log",
                },
                {
                    token: "since",
                    help: "for a length of time",
                    option: true,
                    children: [
                        {
                            token: "DURATION",
                            parse: parseSeconds,
                            example: "1h",
                            help: "the changes of this time",
                            action: "show-log",
                        },
                    ],
                },
                nameArgument("the changes of one carp interface", "show-log"),
            ],
        },
        {
            token: "why",
            help: "the last transition of each: what led to it",
            action: "show-why",
            children: [nameArgument("of one carp interface", "show-why")],
        },
        {token: "peers", help: "the hosts that were heard", action: "show-peers"},
        {token: "system", help: "board, uptime, temperature, memory", action: "show-system"},
        ...panelShowWords,
        {token: "version", help: "the version of the running carpd", action: "show-version"},
        showImages,
        showConfiguration,
        {token: "history", help: "the commits, newest first", action: "show-history"},
        {token: "users", help: "who may log in, for an admin", action: "show-users"},
    ],
};
