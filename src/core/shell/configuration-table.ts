/**
 * The words of configuration mode, a tree of the same form as cli-table.ts. Paths behind set,
 * delete and their like are completed by config-complete.ts, which knows the candidate. Pure.
 */
import {type CliKeyword, type CliNode, type CliRest, verbatim} from "../cli-node.ts";
import {
    type CliParse,
    parseHistoryNumber,
    parseMinutes,
    parseRestPath,
    parseRestRemark,
} from "../cli-values.ts";
import {importKinds, importKindWords} from "../import/guess.ts";
import {ok} from "../result.ts";

const editLine = (verb: string, help: string, token: string, example: string): CliKeyword => ({
    token: verb,
    help,
    verbatim: true,
    children: [
        {token, help, example, rest: parseRestPath, action: "edit-line", names: "edit-path"},
    ],
});

const remark = (help: string): CliKeyword => ({
    token: "comment",
    help: "a remark for the history",
    children: [
        {token: "TEXT", help, example: "new uplink", rest: parseRestRemark, action: "edit-commit"},
    ],
});

const path: Omit<CliRest, "help" | "action"> = {
    token: "PATH",
    rest: parseRestPath,
    example: "carp carp0",
    names: "edit-path",
};

const parseFile: CliParse = (word) => ok({files: [word]});

export const configurationTable: readonly CliNode[] = [
    editLine("set", "set a key, or add an element to a list", "PATH VALUE", "carp carp0 vhid 1"),
    editLine("delete", "remove a block, a key or an element", "PATH", "carp carp0 advskew"),
    {
        token: "edit",
        help: "go into a block",
        children: [{...path, help: "go into a block: carp carp0", action: "edit-into"}],
    },
    {token: "up", help: "leave one word of the path", action: "edit-up"},
    {token: "top", help: "leave every block", action: "edit-top"},
    editLine("rename", "give a block another name", "PATH to NAME", "carp carp0 to carp1"),
    editLine("copy", "make a block like another", "PATH to NAME", "carp carp0 to carp1"),
    editLine("comment", "write a comment above a block or key", "PATH TEXT", "carp carp0 LAN"),
    {
        token: "show",
        help: "the candidate from here on; | compare: what differs",
        action: "edit-show",
        children: [{...path, help: "the candidate below a path", action: "edit-show"}],
    },
    {
        token: "compare",
        help: "what differs from the running configuration",
        action: "edit-compare",
        children: [
            {
                token: "N",
                parse: parseHistoryNumber,
                example: "1",
                help: "what differs from commit N of the history",
                action: "edit-compare",
            },
        ],
    },
    {token: "discard", help: "forget every change", action: "edit-discard", whole: true},
    {token: "validate", help: "check the candidate, change nothing", action: "edit-validate"},
    {
        token: "commit",
        help: "make the candidate the running configuration",
        action: "edit-commit",
        children: [
            {
                token: "confirmed",
                help: "take it back after 10 minutes unless confirmed",
                action: "edit-commit",
                gives: {confirmed: true},
                children: [
                    {
                        token: "MINUTES",
                        parse: parseMinutes,
                        example: "5",
                        meant: /^\d+$/,
                        help: "take it back after this time unless confirmed",
                        action: "edit-commit",
                        children: [remark("the same, with a remark")],
                    },
                    remark("the same, with a remark"),
                ],
            },
            {
                token: "force",
                help: "the same, over what others committed since",
                action: "edit-commit",
                gives: {force: true},
                whole: true,
            },
            remark("the same, with a remark for the history"),
        ],
    },
    {token: "confirm", help: "keep what was committed", action: "edit-confirm"},
    {
        token: "rollback",
        help: "an earlier configuration as the candidate",
        children: [
            {
                token: "N",
                parse: parseHistoryNumber,
                example: "1",
                help: "the configuration of commit N of the history as the candidate",
                action: "edit-rollback",
            },
        ],
    },
    {
        token: "load",
        help: "another text as the candidate",
        children: [
            {
                token: "terminal",
                help: "paste a carpd.toml or set lines; ^D or end ends it",
                action: "edit-load-terminal",
                children: [
                    {
                        token: "merge",
                        help: "paste set lines that change the candidate",
                        action: "edit-load-terminal",
                        gives: {merge: true},
                    },
                ],
            },
            {
                token: "import",
                help: "paste another program's configuration; ^D or end ends it",
                action: "edit-load-import",
                children: importKinds.map(
                    (kind): CliKeyword => ({
                        token: kind,
                        help: importKindWords[kind],
                        action: "edit-load-import",
                        gives: {kind},
                    }),
                ),
            },
            {
                token: "file",
                help: "read a file",
                only: "carpctl",
                children: [
                    {
                        token: "FILE",
                        parse: parseFile,
                        example: "carpd.toml",
                        help: "read a carpd.toml or set lines as the candidate",
                        action: "edit-load-file",
                    },
                ],
            },
        ],
    },
    {
        token: "save",
        help: "print the candidate as a carpd.toml",
        action: "edit-save",
        children: [
            {
                token: "FILE",
                parse: parseFile,
                example: "carpd.toml",
                help: "write the candidate to a file",
                action: "edit-save-file",
                only: "carpctl",
            },
        ],
    },
    verbatim("run", "an operational command", {
        token: "WORD...",
        help: "an operational command",
        example: "show carp",
        action: "edit-run",
    }),
    {token: "help", help: "every command of this mode", action: "help"},
    {token: "exit", help: "leave the block, or configuration mode", action: "edit-exit"},
    {token: "quit", help: "leave configuration mode", action: "edit-exit", whole: true},
];
