/**
 * The verbs of carpctl as one tree. Dispatch, unique prefixes, help and the sentences for wrong
 * input all read it (cli-resolve.ts); the serial console is to use the same tree. Pure.
 */
import {
    type CliParse,
    numberLike,
    parseClient,
    parseGroup,
    parseLevel,
    parseName,
    parseReason,
    parseSeconds,
    parseSysctlWrite,
    parseVip,
} from "./cli-values.ts";

/** What a complete line of words does. */
export type ActionKind =
    | "show-carp"
    | "show-interfaces"
    | "show-statistics"
    | "show-demotion"
    | "show-balance"
    | "show-tracks"
    | "show-log"
    | "balance-which"
    | "maintenance-show"
    | "maintenance-on"
    | "maintenance-off"
    | "demote"
    | "undemote"
    | "sysctl-read"
    | "sysctl-write"
    | "up"
    | "down"
    | "master"
    | "backup"
    | "reload"
    | "watch";

interface CliNodeBase {
    /** The keyword, or the name that help shows for an argument: "NAME". */
    readonly token: string;
    readonly help: string;
    /** Set when a line may end here. */
    readonly action?: ActionKind;
    readonly children?: readonly CliNode[];
}

export interface CliKeyword extends CliNodeBase {
    readonly parse?: never;
    /** true: `--token` anywhere on the line means this keyword at the end of it. */
    readonly option?: boolean;
    /** true: it is written out, so that its first letters stay free. */
    readonly whole?: boolean;
}

/** A word of the operator's choice. */
export interface CliArgument extends CliNodeBase {
    readonly parse: CliParse;
    /** A word that it takes, for help and tests. */
    readonly example: string;
    /** Where other nodes stand beside it: which words are meant for this one. */
    readonly meant?: RegExp;
}

export type CliNode = CliKeyword | CliArgument;

/** What an argument is, apart from what may follow it. */
type Argument = Omit<CliArgument, "help" | "action" | "children">;
type Rest = Pick<CliNodeBase, "help" | "action" | "children">;

const name: Argument = {token: "NAME", parse: parseName, example: "carp0"};
const level: Argument = {token: "N", parse: parseLevel, example: "100", meant: numberLike};
const reason: Argument = {token: "REASON", parse: parseReason, example: "upgrade"};

const argument = (what: Argument, rest: Rest): CliArgument => ({...what, ...rest});

const groupHelp = "the same for the carp interfaces of one group";
const demoteBy = (help: string): CliArgument =>
    argument(level, {
        help,
        action: "demote",
        children: [
            {
                token: "group",
                help: groupHelp,
                option: true,
                children: [
                    {
                        token: "GROUP",
                        parse: parseGroup,
                        example: "carp",
                        help: groupHelp,
                        action: "demote",
                    },
                ],
            },
        ],
    });

export const cliTable: readonly CliNode[] = [
    {
        token: "show",
        help: "the same as show carp",
        action: "show-carp",
        children: [
            {
                token: "carp",
                help: "carp interfaces: state, cause, master, what happens next",
                action: "show-carp",
                children: [argument(name, {help: "one carp interface", action: "show-carp"})],
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
            {token: "log", help: "the last 200 changes", action: "show-log"},
        ],
    },
    {
        token: "balance",
        help: "ARP balancing",
        children: [
            {
                token: "which",
                help: "who answers a client",
                children: [
                    {
                        token: "CLIENT",
                        parse: parseClient,
                        example: "192.168.1.77",
                        help: "who answers this client, and why",
                        action: "balance-which",
                        children: [
                            {
                                token: "VIP",
                                parse: parseVip,
                                example: "192.168.1.10",
                                help: "the same for one of several shared VIPs",
                                action: "balance-which",
                            },
                        ],
                    },
                ],
            },
        ],
    },
    {
        token: "maintenance",
        help: "whether maintenance mode is on",
        action: "maintenance-show",
        children: [
            {
                token: "on",
                help: "demote this host by 240, also after a restart",
                action: "maintenance-on",
                children: [
                    {
                        token: "until",
                        help: "for a length of time",
                        option: true,
                        children: [
                            {
                                token: "DURATION",
                                parse: parseSeconds,
                                example: "30m",
                                help: "the same, and end it after this time",
                                action: "maintenance-on",
                            },
                        ],
                    },
                ],
            },
            {token: "off", help: "end maintenance mode", action: "maintenance-off"},
        ],
    },
    {
        token: "demote",
        help: "add to advskew",
        children: [
            demoteBy("add N, -240..240, to advskew of every carp interface"),
            argument(reason, {
                help: "under a name of your own",
                children: [demoteBy("the same under a name of your own")],
            }),
        ],
    },
    {
        token: "undemote",
        help: "take back every demote",
        action: "undemote",
        children: [argument(reason, {help: "take back one demote", action: "undemote"})],
    },
    {
        token: "sysctl",
        whole: true,
        help: "the demotion in FreeBSD's words",
        children: [
            {
                token: "net.inet.carp.demotion",
                help: "the sum of all demotion",
                action: "sysctl-read",
            },
            {
                token: "net.inet.carp.demotion=N",
                parse: parseSysctlWrite,
                meant: /=/,
                example: "net.inet.carp.demotion=10",
                help: "add N to it, as FreeBSD does",
                action: "sysctl-write",
            },
        ],
    },
    {token: "reload", help: "read the configuration again", action: "reload"},
    {token: "watch", help: "print changes as they happen", action: "watch"},
    argument(name, {
        help: "a carp interface: carp0",
        children: [
            {token: "up", help: "take part again", action: "up"},
            {token: "down", help: "hand over and leave", action: "down"},
            {token: "master", help: "take over now", action: "master"},
            {token: "backup", help: "hand over and stay as BACKUP", action: "backup"},
        ],
    }),
];
