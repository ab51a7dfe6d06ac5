/**
 * First half of reading a configuration: texts to blocks whose values passed the schema.
 *
 * The draft names the pass-files; whoever can read files fetches them, and config-parse.ts makes
 * the typed configuration of both.
 */
import {
    type CarpValues,
    carpFields,
    type InterfaceValues,
    interfaceFields,
    type Located,
    type OptionValues,
    optionFields,
    readTable,
    reportUnknownKey,
    type SystemValues,
    systemFields,
    type TrackValues,
    topKeys,
    trackFields,
} from "./config-schema.ts";
import {describeNode, readToml, type TreeTable} from "./config-tree.ts";
import {type Diagnostic, SourceText, type Span} from "./diagnostic.ts";

/** Whoever starts carpd so may have the wrong file; whoever removes the last vhid knows it. */
export const nothingShared = "no [[carp]] block: nothing is shared";

/** One file's name, as it is shown, and its text. */
export interface ConfigText {
    readonly file: string;
    readonly text: string;
}

/** A place in one of the files. */
export interface Place {
    readonly source: SourceText;
    readonly span: Span;
}

/** A block of any kind. */
export interface DraftTable<Values> {
    readonly source: SourceText;
    /** From 0 over all files. */
    readonly index: number;
    /** Its header, such as `[[carp]]`. */
    readonly span: Span;
    /** All keys that are written there, those with a refused value too. */
    readonly present: ReadonlySet<string>;
    readonly values: Values;
}

export type DraftBlock = DraftTable<CarpValues>;
export type DraftTrack = DraftTable<TrackValues>;
export type DraftInterface = DraftTable<InterfaceValues>;

/** A table that is there once, its keys from whichever file has them. */
export type DraftKeys<Values> = {
    [K in keyof Values]: {
        readonly source: SourceText;
        readonly located: NonNullable<Values[K]>;
    };
};

export type DraftOptions = DraftKeys<OptionValues>;
export type DraftSystem = DraftKeys<SystemValues>;

export interface Draft {
    readonly sources: readonly SourceText[];
    readonly options: DraftOptions;
    readonly blocks: readonly DraftBlock[];
    readonly tracks: readonly DraftTrack[];
    readonly system: DraftSystem;
    readonly interfaces: readonly DraftInterface[];
    readonly diagnostics: readonly Diagnostic[];
    /** Paths of all pass-files, relative ones already joined to the folder of their file. */
    readonly passFiles: readonly string[];
}

/** Where a relative pass-file is: beside the file that names it. */
export function passFilePath(file: string, value: string): string {
    const slash = file.lastIndexOf("/");
    return value.startsWith("/") || slash < 0 ? value : file.slice(0, slash + 1) + value;
}

export function draftConfig(texts: readonly ConfigText[]): Draft {
    const diagnostics: Diagnostic[] = [];
    const report = (diagnostic: Diagnostic): void => {
        diagnostics.push(diagnostic);
    };
    const sources = texts.map(({file, text}) => new SourceText(file, text));
    const options: DraftOptions = {};
    const blocks: DraftBlock[] = [];
    const tracks: DraftTrack[] = [];
    const system: DraftSystem = {};
    const interfaces: DraftInterface[] = [];
    let broken = false;
    for (const source of sources) {
        const tree = readToml(source);
        if (!tree.ok) {
            broken = true;
            report(tree.error);
            continue;
        }
        hideSecrets(source, tree.value);
        for (const entry of tree.value.entries.values()) {
            if (entry.key === "options") {
                readOptions(source, entry.node, options, report);
            } else if (entry.key === "system") {
                readSystem(source, entry.node, system, report);
            } else if (entry.key === "interface") {
                const read = (table: TreeTable): InterfaceValues =>
                    readTable(source, table, interfaceFields, "[[interface]]", report);
                readBlocks(source, "interface", entry.node, interfaces, read, report);
            } else if (entry.key === "carp") {
                const read = (table: TreeTable): CarpValues =>
                    readTable(source, table, carpFields, "[[carp]]", report);
                readBlocks(source, "carp", entry.node, blocks, read, report);
            } else if (entry.key === "track") {
                const read = (table: TreeTable): TrackValues =>
                    readTable(source, table, trackFields, "[[track]]", report);
                readBlocks(source, "track", entry.node, tracks, read, report);
            } else {
                reportUnknownKey(source, entry, topKeys, "the file", report);
            }
        }
    }
    const first = sources[0];
    // An appliance that is being set up has its own addresses first.
    const bare = blocks.length === 0 && interfaces.length === 0;
    if (bare && !broken && diagnostics.length === 0 && first !== undefined) {
        report(
            first.diagnostic(
                {start: 0, end: 0},
                {
                    // A router that is set up line by line begins with nothing.
                    severity: "warning",
                    message: nothingShared,
                    expected: "a [[carp]] block for each vhid",
                },
            ),
        );
    }
    const passFiles = blocks.flatMap((block) => {
        const passFile = block.values["pass-file"];
        return passFile === undefined ? [] : [passFilePath(block.source.file, passFile.value)];
    });
    return {
        sources,
        options,
        blocks,
        tracks,
        system,
        interfaces,
        diagnostics,
        passFiles: [...new Set(passFiles)],
    };
}

/** No printed line shows the value of a key that starts like a password, misspelt ones included. */
function hideSecrets(source: SourceText, table: TreeTable): void {
    const spans: Span[] = [];
    const visit = (visited: TreeTable): void => {
        for (const {key, node} of visited.entries.values()) {
            if (/^(?:pass|secret|key)/iu.test(key) && key !== "pass-file") {
                // The quotes stay: the line reads as before, only its secret is gone.
                const quote = node.kind === "string" ? 1 : 0;
                spans.push({start: node.span.start + quote, end: node.span.end - quote});
            }
            for (const child of node.kind === "array" ? node.elements : [node]) {
                if (child.kind === "table") {
                    visit(child);
                }
            }
        }
    };
    visit(table);
    source.hide(spans);
}

type Report = (diagnostic: Diagnostic) => void;
type Node = Parameters<typeof describeNode>[0];

function keysIn<F extends object>(fields: F): (keyof F & string)[] {
    return Object.keys(fields).filter((key): key is keyof F & string => Object.hasOwn(fields, key));
}

const optionKeys = keysIn(optionFields);
const systemKeys = keysIn(systemFields);

function readOptions(source: SourceText, node: Node, options: DraftOptions, report: Report): void {
    if (isTable(source, "options", node, report)) {
        const read = readTable(source, node, optionFields, "[options]", report);
        for (const key of optionKeys) {
            addKey(source, key, read, options, report);
        }
    }
}

function readSystem(source: SourceText, node: Node, system: DraftSystem, report: Report): void {
    if (isTable(source, "system", node, report)) {
        const read = readTable(source, node, systemFields, "[system]", report);
        for (const key of systemKeys) {
            addKey(source, key, read, system, report);
        }
    }
}

function isTable(
    source: SourceText,
    key: "options" | "system",
    node: Node,
    report: Report,
): node is TreeTable {
    if (node.kind === "table") {
        return true;
    }
    report(
        source.diagnostic(node.span, {
            message: `${key} must be a table, not ${describeNode(node)}`,
            expected: `[${key}]`,
        }),
    );
    return false;
}

function addKey<K extends string>(
    source: SourceText,
    key: K,
    read: {readonly [P in K]?: Located<unknown>},
    options: {[P in K]?: {readonly source: SourceText; readonly located: Located<unknown>}},
    report: Report,
): void {
    const located = read[key];
    if (located === undefined) {
        return;
    }
    const earlier = options[key];
    if (earlier === undefined) {
        options[key] = {source, located};
        return;
    }
    const place = {source: earlier.source, span: earlier.located.keySpan};
    report(
        source.diagnostic(located.keySpan, {
            message: `${key} is already set ${whereIs(place, source)}`,
            expected: "each option in one file only",
        }),
    );
}

/** "on line 3", or "at other.toml:3" when that is another file. */
export function whereIs(place: Place, from: SourceText): string {
    const line = place.source.lineAt(place.span.start);
    return place.source === from ? `on line ${line}` : `at ${place.source.file}:${line}`;
}

/** Adds what a key holds that must be an array of tables, such as `[[carp]]`. */
function readBlocks<Values>(
    source: SourceText,
    key: "carp" | "track" | "interface",
    node: Node,
    blocks: DraftTable<Values>[],
    read: (table: TreeTable) => Values,
    report: Report,
): void {
    if (node.kind !== "array") {
        report(
            source.diagnostic(node.span, {
                message: `${key} must be an array of tables, not ${describeNode(node)}`,
                expected: `[[${key}]], with two brackets`,
            }),
        );
        return;
    }
    for (const element of node.elements) {
        if (element.kind !== "table") {
            report(
                source.diagnostic(element.span, {
                    message: `each element of ${key} must be a table, not ${describeNode(element)}`,
                    expected: `[[${key}]]`,
                }),
            );
            continue;
        }
        blocks.push({
            source,
            index: blocks.length,
            span: element.span,
            present: new Set(element.entries.keys()),
            values: read(element),
        });
    }
}
