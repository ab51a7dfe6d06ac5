/**
 * What a tree of words is made of: keywords, arguments, and what a complete line does. Pure.
 */
import {type CliParse, type CliRestParse, type CliValues, parseRestLine} from "./cli-values.ts";

/** What a complete line of words does. */
export type ActionKind =
    | "show-carp"
    | "show-interfaces"
    | "show-statistics"
    | "show-demotion"
    | "show-balance"
    | "show-tracks"
    | "show-log"
    | "show-why"
    | "show-peers"
    | "show-system"
    | "show-version"
    | "show-configuration"
    | "show-for-peer"
    | "show-history"
    | "show-users"
    | "show-leds"
    | "show-buttons"
    | "identify"
    | "balance-which"
    | "maintenance-show"
    | "maintenance-on"
    | "maintenance-off"
    | "demote"
    | "undemote"
    | "sysctl-read"
    | "sysctl-write"
    | "bsd"
    | "up"
    | "down"
    | "master"
    | "backup"
    | "reload"
    | "watch"
    | "ping"
    | "doctor"
    | "reboot"
    | "power-off"
    | "show-images"
    | "install-image"
    | "rollback"
    | "factory-reset"
    | ShellAction
    | ProgramAction
    | EditAction;

/** What the shell does by itself, at any prompt. */
export type ShellAction =
    | "configure"
    | "exit"
    | "logout"
    | "password"
    | "user-set"
    | "user-delete"
    | "help"
    | "terminal-monitor"
    | "terminal-length"
    | "terminal-width";

/** What carpctl does by itself. */
export type ProgramAction = "shell" | "import" | "completion" | "completion-words" | "reference";

/** Configuration mode. */
export type EditAction =
    | "edit-line"
    | "edit-into"
    | "edit-up"
    | "edit-top"
    | "edit-show"
    | "edit-compare"
    | "edit-discard"
    | "edit-validate"
    | "edit-commit"
    | "edit-confirm"
    | "edit-rollback"
    | "edit-load-terminal"
    | "edit-load-import"
    | "edit-load-file"
    | "edit-save"
    | "edit-save-file"
    | "edit-run"
    | "edit-exit";

/** Where a word exists: everywhere when absent. */
export type Place = "shell" | "carpctl";

export interface CliNodeBase {
    /** The keyword, or the name that help shows for an argument: "NAME". */
    readonly token: string;
    readonly help: string;
    /** Set when a line may end here. */
    readonly action?: ActionKind;
    readonly children?: readonly CliNode[];
    readonly only?: Place;
}

export interface CliKeyword extends CliNodeBase {
    readonly parse?: never;
    readonly rest?: never;
    /** true: `--token` anywhere on the line means this keyword at the end of it. */
    readonly option?: boolean;
    /** true: it is written out, so that its first letters stay free. */
    readonly whole?: boolean;
    /** true: behind it nothing is an option of carpctl: `sysctl -w`. */
    readonly verbatim?: boolean;
    /** Values that the word alone gives. */
    readonly gives?: Partial<CliValues>;
}

/** Which words there are can only be asked of the daemon. */
export type Names = "carp" | "group" | "reason" | "carpdev" | "vip" | "edit-path";

/** A word of the operator's choice. */
export interface CliArgument extends CliNodeBase {
    readonly parse: CliParse;
    readonly rest?: never;
    /** A word that it takes, for help and tests. */
    readonly example: string;
    /** Where other nodes stand beside it: which words are meant for this one. */
    readonly meant?: RegExp;
    readonly names?: Names;
}

/** All words that are left, at least one. */
export interface CliRest extends CliNodeBase {
    readonly parse?: never;
    readonly rest: CliRestParse;
    readonly example: string;
    readonly names?: Names;
    readonly children?: never;
}

export type CliNode = CliKeyword | CliArgument | CliRest;

/** A keyword that takes any number of words and hands them on as a line. */
export const verbatim = (
    token: string,
    help: string,
    rest: Pick<CliRest, "token" | "help" | "example" | "action">,
    others: readonly CliNode[] = [],
): CliKeyword => ({
    token,
    whole: true,
    verbatim: true,
    help,
    children: [...others, {...rest, rest: parseRestLine}],
});
