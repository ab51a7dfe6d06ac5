/**
 * The command reference of the documentation, made of the trees: `carpctl reference` prints it, and
 * a test holds the document against it. Pure.
 */
import type {CliNode} from "../cli-node.ts";
import {helpLines, tableFor} from "../cli-resolve.ts";
import {cliTable} from "../cli-table.ts";
import {configurationTable} from "./configuration-table.ts";
import {filterHelp} from "./line.ts";

/** Where the document has the tables. */
export const referenceMarkers = {begin: "<!-- words -->", end: "<!-- /words -->"} as const;

function cell(text: string): string {
    return text.replaceAll("|", "\\|");
}

function wordTable(table: readonly CliNode[]): string[] {
    return [
        "| Words | What they do |",
        "| --- | --- |",
        ...helpLines(table).map(({words, help}) => `| \`${cell(words)}\` | ${cell(help)} |`),
    ];
}

/** Nodes that only this place has. */
function onlyIn(place: "shell" | "carpctl"): CliNode[] {
    return cliTable.filter((node) => node.only === place);
}

export function referenceText(): string {
    return [
        "At the prompt and as arguments of `carpctl`:",
        "",
        ...wordTable(cliTable.filter((node) => node.only === undefined)),
        "",
        "At the prompt only:",
        "",
        ...wordTable(onlyIn("shell")),
        "",
        "As arguments of `carpctl` only:",
        "",
        ...wordTable(onlyIn("carpctl")),
        "",
        "In configuration mode:",
        "",
        ...wordTable(tableFor(configurationTable, "shell")),
        "",
        "In configuration mode of `carpctl configure`, which has the caller's files:",
        "",
        ...wordTable(carpctlOnly(configurationTable)),
        "",
        "Behind a command at the prompt:",
        "",
        "| Filter | What it does |",
        "| --- | --- |",
        ...filterHelp.map(({token, help}) => `| \`\\| ${token}\` | ${cell(help)} |`),
        "",
    ].join("\n");
}

/** The branches that only carpctl has, with the words that lead to them. */
function carpctlOnly(table: readonly CliNode[]): CliNode[] {
    return table.flatMap((node): CliNode[] => {
        if (node.only === "carpctl") return [node];
        if (node.children === undefined) return [];
        const children = carpctlOnly(node.children);
        if (children.length === 0) return [];
        const {action: _left, ...rest} = node;
        return [{...rest, children}];
    });
}
