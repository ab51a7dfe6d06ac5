/**
 * The operational words as one tree. carpctl's arguments, the console's shell, unique prefixes,
 * `?`, TAB, the completion scripts and the reference of the documentation all read it
 * (cli-resolve.ts, shell/complete.ts, shell/reference.ts). The words of configuration mode are in
 * shell/configuration-table.ts, in the same form. Pure.
 */
import {
    type CliArgument,
    type CliKeyword,
    type CliNode,
    type CliNodeBase,
    verbatim,
} from "./cli-node.ts";
import {applianceWords} from "./cli-table-appliance.ts";
import {identifyWords} from "./cli-table-panel.ts";
import {showWords} from "./cli-table-show.ts";
import {
    completionShells,
    numberLike,
    parseClient,
    parseCount,
    parseGroup,
    parseHost,
    parseImport,
    parseLength,
    parseLevel,
    parseName,
    parseReason,
    parseSeconds,
    parseSysctlWrite,
    parseVip,
    parseWidth,
} from "./cli-values.ts";

/** What an argument is, apart from what may follow it. */
type Argument = Omit<CliArgument, "help" | "action" | "children">;
type Rest = Pick<CliNodeBase, "help" | "action" | "children">;

const name: Argument = {token: "NAME", parse: parseName, example: "carp0", names: "carp"};
const level: Argument = {token: "N", parse: parseLevel, example: "100", meant: numberLike};
const reason: Argument = {
    token: "REASON",
    parse: parseReason,
    example: "upgrade",
    names: "reason",
};

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
                        names: "group",
                    },
                ],
            },
        ],
    });

const balance: CliKeyword = {
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
                            names: "vip",
                        },
                    ],
                },
            ],
        },
    ],
};

const maintenance: CliKeyword = {
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
};

const user: CliKeyword = {
    token: "user",
    help: "who may log in on the console",
    only: "shell",
    whole: true,
    children: [
        argument(
            {token: "USER", parse: parseName, example: "kim"},
            {
                help: "one of them",
                children: [
                    {
                        token: "operator",
                        help: "may look and ping; asks for a new password",
                        action: "user-set",
                        gives: {role: "operator"},
                    },
                    {
                        token: "admin",
                        help: "may do everything; asks for a new password",
                        action: "user-set",
                        gives: {role: "admin"},
                    },
                    {token: "delete", help: "may not log in any more", action: "user-delete"},
                ],
            },
        ),
    ],
};

const shellWords: readonly CliNode[] = [
    user,
    {token: "password", help: "change your own password", action: "password", only: "shell"},
    {
        token: "terminal",
        help: "this terminal",
        only: "shell",
        children: [
            {
                token: "monitor",
                help: "state changes and alarms as they happen",
                children: [
                    {
                        token: "on",
                        help: "show changes as they happen",
                        action: "terminal-monitor",
                        gives: {on: true},
                    },
                    {
                        token: "off",
                        help: "show no changes",
                        action: "terminal-monitor",
                        gives: {on: false},
                    },
                ],
            },
            {
                token: "length",
                help: "rows",
                children: [
                    {
                        token: "N",
                        parse: parseLength,
                        example: "24",
                        help: "rows of a page; 0: no pages",
                        action: "terminal-length",
                    },
                ],
            },
            {
                token: "width",
                help: "columns",
                children: [
                    {
                        token: "N",
                        parse: parseWidth,
                        example: "80",
                        help: "columns of a row",
                        action: "terminal-width",
                    },
                ],
            },
        ],
    },
    {token: "help", help: "every command", action: "help", only: "shell"},
    {token: "exit", help: "end this session", action: "exit", only: "shell"},
    {token: "quit", help: "end this session", action: "exit", only: "shell"},
    {token: "logout", help: "end this session", action: "logout", only: "shell"},
];

const programWords: readonly CliNode[] = [
    {
        token: "shell",
        help: "these words at a prompt",
        action: "shell",
        only: "carpctl",
        whole: true,
    },
    {
        token: "import",
        help: "another program's configuration as a carpd.toml",
        only: "carpctl",
        whole: true,
        verbatim: true,
        children: [
            {
                token: "FILE...",
                rest: parseImport,
                example: "/etc/rc.conf",
                help: "print the carpd.toml; --kind KIND, --map THEIRS=OURS",
                action: "import",
            },
        ],
    },
    {
        token: "completion",
        help: "a script that completes these words",
        only: "carpctl",
        whole: true,
        children: [
            ...completionShells.map(
                (shell): CliKeyword => ({
                    token: shell,
                    help: `completion for ${shell}`,
                    action: "completion",
                    gives: {shell},
                }),
            ),
            verbatim("words", "what may come next, for these scripts", {
                token: "WORD...",
                help: "the words that may stand last, for these scripts",
                example: "show ca",
                action: "completion-words",
            }),
        ],
    },
    {
        token: "reference",
        help: "every command as a table for the documentation",
        action: "reference",
        only: "carpctl",
        whole: true,
    },
];

export const cliTable: readonly CliNode[] = [
    showWords,
    balance,
    maintenance,
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
        token: "ping",
        help: "whether an address answers",
        children: [
            {
                token: "ADDRESS",
                parse: parseHost,
                example: "192.168.1.254",
                help: "ask an address 3 times",
                action: "ping",
                children: [
                    {
                        token: "count",
                        help: "another number of times",
                        option: true,
                        children: [
                            {
                                token: "N",
                                parse: parseCount,
                                example: "5",
                                help: "ask an address N times",
                                action: "ping",
                            },
                        ],
                    },
                ],
            },
        ],
    },
    identifyWords,
    {token: "doctor", help: "listen for 5 s and name what is wrong", action: "doctor"},
    verbatim(
        "sysctl",
        "the BSDs' variables",
        {
            token: "[-w] VARIABLE[=N]...",
            help: "read or set net.inet.carp.*, as on a BSD",
            example: "-w net.inet.carp.preempt=1",
            action: "bsd",
        },
        [
            {
                token: "net.inet.carp.demotion",
                help: "the sum of all demotion",
                action: "sysctl-read",
                whole: true,
            },
            {
                token: "net.inet.carp.demotion=N",
                parse: parseSysctlWrite,
                meant: /^net\.inet\.carp\.demotion=/,
                example: "net.inet.carp.demotion=10",
                help: "add N to it, as FreeBSD does",
                action: "sysctl-write",
            },
        ],
    ),
    verbatim("ifconfig", "the BSDs' command", {
        token: "INTERFACE WORD...",
        help: "look at or change what runs, as on a BSD",
        example: "carp0 vhid 1 advskew 100",
        action: "bsd",
    }),
    verbatim("route", "the BSDs' command", {
        token: "add default GATEWAY",
        help: "set the default route of an appliance, as on a BSD",
        example: "add default 192.168.1.254",
        action: "bsd",
    }),
    verbatim("hostname", "the BSDs' command", {
        token: "[NAME]",
        help: "name an appliance, as on a BSD",
        example: "r1",
        action: "bsd",
    }),
    {token: "reload", help: "read the configuration again", action: "reload"},
    {token: "watch", help: "print changes as they happen", action: "watch"},
    ...applianceWords,
    {token: "configure", help: "change the configuration", action: "configure"},
    ...shellWords,
    ...programWords,
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
