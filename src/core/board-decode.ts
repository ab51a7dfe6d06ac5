/**
 * The text of a board manifest to a `Board`, or to everything that is wrong with it. Pure.
 */

import type {GenericSchema} from "valibot";
import type {
    Board,
    BoardButton,
    BoardLed,
    BoardMatch,
    BoardNic,
    BoardSerial,
    BoardWatchdog,
    LedRole,
} from "./board.ts";
import {
    bootFields,
    buttonFields,
    compatible,
    dmiTable,
    ledFields,
    nicFields,
    serialFields,
    storageFields,
    topFields,
    topObjects,
    topRequired,
    watchdogFields,
} from "./board-fields.ts";
import {type Field, readTable, reportUnknownKey} from "./config-schema.ts";
import {describeNode, type TreeEntry, type TreeNode, type TreeTable} from "./config-tree.ts";
import {
    type Diagnostic,
    didYouMean,
    type Remark,
    SourceText,
    sortDiagnostics,
} from "./diagnostic.ts";
import {readJson} from "./json-tree.ts";
import {err, ok, type Result} from "./result.ts";

type Fields = Readonly<Record<string, Field<GenericSchema>>>;

/** `file` is for messages; as `.../ID/board.json` it also says what the id must be. */
export function decodeBoard(file: string, text: string): Result<Board, readonly Diagnostic[]> {
    const source = new SourceText(file, text);
    const root = readJson(source);
    if (!root.ok) return err([root.error]);
    const decoder = new Decoder(source);
    const board = decoder.board(root.value);
    return board === undefined || decoder.diagnostics.length > 0
        ? err(sortDiagnostics(decoder.diagnostics, [file]))
        : ok(board);
}

/** "pcengines-apu2" of ".../pcengines-apu2/board.json"; "" of other names. */
function folderOf(file: string): string {
    return /(?:^|\/)([^/]+)\/board\.json$/u.exec(file)?.[1] ?? "";
}

class Decoder {
    readonly diagnostics: Diagnostic[] = [];
    readonly #source: SourceText;

    constructor(source: SourceText) {
        this.#source = source;
    }

    board(root: TreeTable): Board | undefined {
        const values = this.#topValues(root);
        const part = (key: string) => root.entries.get(key)?.node;
        const match = this.#match(part("match"));
        const consolePort = this.#one(part("console"), "console", (node) => this.#serial(node));
        const serial = this.#list(part("serial"), "serial", (node) => this.#serial(node));
        const nics = this.#nics(part("nics"));
        const leds = this.#leds(part("leds"), nics);
        const buttons = this.#buttons(part("buttons"));
        const watchdog = this.#one(part("watchdog"), "watchdog", (node) => this.#watchdog(node));
        const storage = this.#one(part("storage"), "storage", (node) => this.#storage(node));
        const boot = this.#one(part("boot"), "boot", (node) => this.#boot(node));
        this.#distinctPorts(part("console"), part("serial"));
        const {id, name, arch, modules} = values;
        if (id !== undefined) this.#checkId(id.value, id.node);
        if (!id || !name || !arch || !match || !storage || !boot) return undefined;
        return {
            id: id.value,
            name: name.value,
            arch: arch.value,
            match,
            console: consolePort ?? null,
            serial,
            nics,
            leds,
            buttons,
            watchdog: watchdog ?? null,
            storage,
            boot,
            modules: modules?.value ?? [],
        };
    }

    #topValues(root: TreeTable) {
        const objects: readonly string[] = topObjects;
        const known = [...Object.keys(topFields), ...objects];
        const scalars = new Map<string, TreeEntry>();
        for (const entry of root.entries.values()) {
            if (Object.hasOwn(topFields, entry.key)) scalars.set(entry.key, entry);
            else if (!objects.includes(entry.key)) this.#unknown(entry, known, "the manifest");
        }
        this.#need(root, topRequired, "the manifest");
        return this.#read({...root, entries: scalars}, topFields, "the manifest");
    }

    #checkId(id: string, node: TreeNode): void {
        const folder = folderOf(this.#source.file);
        if (folder !== "" && folder !== id) {
            this.#report(node, {
                message: `the id is not the folder's name`,
                expected: JSON.stringify(folder),
            });
        }
    }

    #match(node: TreeNode | undefined): BoardMatch | undefined {
        if (node === undefined) return undefined;
        if (node.kind === "string" && (node.value === "arch" || node.value === "never")) {
            return {kind: node.value};
        }
        const expected = '{"dmi": ...}, {"compatible": [...]}, "arch" or "never"';
        if (node.kind !== "table") {
            this.#report(node, {message: `match must not be ${describeJson(node)}`, expected});
            return undefined;
        }
        const dmiEntry = node.entries.get("dmi");
        const rest = new Map([...node.entries].filter(([key]) => key !== "dmi"));
        for (const [key, entry] of rest) {
            if (key !== "compatible") this.#unknown(entry, ["dmi", "compatible"], "match");
        }
        if (node.entries.size === 0) {
            this.#report(node, {message: "match says nothing", expected});
        }
        const names = this.#read(
            {...node, entries: new Map([...rest].filter(([key]) => key === "compatible"))},
            {compatible},
            "match",
        );
        return {
            kind: "firmware",
            dmi: dmiEntry === undefined ? {} : this.#dmi(dmiEntry.node),
            compatible: names.compatible?.value ?? [],
        };
    }

    #dmi(node: TreeNode): Readonly<Record<string, readonly string[]>> {
        const table = this.#table(node, "match.dmi");
        if (table === undefined) return {};
        if (table.entries.size === 0) {
            this.#report(node, {
                message: "match.dmi says nothing",
                expected: `one of ${Object.keys(dmiTable).join(", ")}`,
            });
        }
        const read = this.#read(table, dmiTable, "match.dmi");
        return Object.fromEntries(
            Object.entries(read).map(([key, located]) => [key, located?.value ?? []]),
        );
    }

    #serial(node: TreeNode): BoardSerial | undefined {
        const read = this.#fields(node, serialFields, ["tty", "baud"], "a serial port");
        if (!read?.tty || !read.baud) return undefined;
        return {
            tty: read.tty.value,
            baud: read.baud.value,
            flow: read.flow?.value ?? "none",
            label: read.label?.value ?? "",
        };
    }

    #distinctPorts(consoleNode: TreeNode | undefined, serialNode: TreeNode | undefined): void {
        const others = serialNode?.kind === "array" ? serialNode.elements : [];
        const all = consoleNode === undefined ? others : [consoleNode, ...others];
        this.#distinct(all, "tty", "the serial port");
    }

    #nics(node: TreeNode | undefined): readonly BoardNic[] {
        const nics = this.#list(node, "nics", (element) => {
            const read = this.#fields(element, nicFields, ["name", "label"], "a port");
            if (!read?.name || !read.label) return undefined;
            return {
                name: read.name.value,
                label: read.label.value,
                paths: read.paths?.value ?? [],
            };
        });
        const elements = node?.kind === "array" ? node.elements : [];
        this.#distinct(elements, "name", "the port");
        this.#distinctPaths(elements);
        this.#distinct(elements, "label", "the label");
        return nics;
    }

    #leds(node: TreeNode | undefined, nics: readonly BoardNic[]): ReadonlyMap<LedRole, BoardLed> {
        const leds = new Map<LedRole, BoardLed>();
        const table = node === undefined ? undefined : this.#table(node, "leds");
        if (table === undefined) return leds;
        for (const entry of table.entries.values()) {
            const role = this.#role(entry, nics);
            const led = this.#led(entry.node);
            if (role !== undefined && led !== undefined) leds.set(role, led);
        }
        this.#distinct(
            [...table.entries.values()].map((entry) => entry.node),
            "name",
            "the LED",
        );
        return leds;
    }

    #led(node: TreeNode): BoardLed | undefined {
        const read = this.#fields(node, ledFields, ["name"], "an LED");
        if (!read?.name) return undefined;
        const kind = read.kind?.value ?? "single";
        const colors = read.colors?.value ?? [];
        if (kind === "single" && colors.length > 1) {
            this.#report(read.colors?.node ?? node, {
                message: "a single LED has one colour",
                expected: 'one colour, or "kind": "multicolor"',
            });
        }
        if (kind === "multicolor" && colors.length < 2) {
            this.#report(read.colors?.node ?? read.kind?.node ?? node, {
                message: "a multicolor LED has several colours",
                expected: '"colors": ["red", "green", "blue"] or the like',
            });
        }
        return {name: read.name.value, kind, colors, label: read.label?.value ?? ""};
    }

    #role({key, keySpan}: TreeEntry, nics: readonly BoardNic[]): LedRole | undefined {
        if (key === "status" || key === "role" || key === "fault") return key;
        const [, vhid] = /^vhid:([1-9][0-9]{0,2})$/u.exec(key) ?? [];
        if (vhid !== undefined && Number(vhid) <= 255) return `vhid:${Number(vhid)}`;
        const names = nics.map(({name}) => name);
        if (key.startsWith("port:")) {
            const name = key.slice("port:".length);
            if (names.includes(name)) return `port:${name}`;
            const list = names.map((nic) => `port:${nic}`).join(", ");
            this.#reportAt(keySpan, {
                message: `the LED ${JSON.stringify(key)} is for a port that nics does not name`,
                expected: names.length === 0 ? "a port of nics, which is empty" : `one of ${list}`,
                hint: didYouMean(name, names),
            });
            return undefined;
        }
        this.#reportAt(keySpan, {
            message: `there is no LED role ${JSON.stringify(key)}`,
            expected: "status, role, fault, vhid:N with N from 1 to 255, or port:NIC",
            hint: didYouMean(key, ["status", "role", "fault"]),
        });
        return undefined;
    }

    #buttons(node: TreeNode | undefined): ReadonlyMap<"reset", BoardButton> {
        const table = node === undefined ? undefined : this.#table(node, "buttons");
        const buttons = new Map<"reset", BoardButton>();
        for (const entry of table?.entries.values() ?? []) {
            if (entry.key !== "reset") this.#unknown(entry, ["reset"], "buttons");
            const needed = ["input", "code", "holdSec"] as const;
            const read = this.#fields(entry.node, buttonFields, needed, "a button");
            if (!read?.input || !read.code || !read.holdSec || entry.key !== "reset") continue;
            buttons.set("reset", {
                input: read.input.value,
                code: read.code.value,
                holdSec: read.holdSec.value,
                label: read.label?.value ?? "",
            });
        }
        return buttons;
    }

    #watchdog(node: TreeNode): BoardWatchdog | undefined {
        const read = this.#fields(node, watchdogFields, ["module", "timeoutSec"], "watchdog");
        return read?.module && read.timeoutSec
            ? {module: read.module.value, timeoutSec: read.timeoutSec.value}
            : undefined;
    }

    #storage(node: TreeNode): Board["storage"] | undefined {
        const read = this.#fields(node, storageFields, ["media", "minMiB"], "storage");
        return read?.media && read.minMiB
            ? {media: read.media.value, minMiB: read.minMiB.value}
            : undefined;
    }

    #boot(node: TreeNode): Board["boot"] | undefined {
        const read = this.#fields(node, bootFields, ["method"], "boot");
        if (!read?.method) return undefined;
        return {
            method: read.method.value,
            dtb: read.dtb?.value ?? "",
            cmdline: read.cmdline?.value ?? [],
        };
    }

    /** A part that may be missing: undefined then, and when it is wrong. */
    #one<T>(
        node: TreeNode | undefined,
        place: string,
        read: (node: TreeNode) => T | undefined,
    ): T | undefined {
        return node === undefined || this.#table(node, place) === undefined
            ? undefined
            : read(node);
    }

    #list<T>(
        node: TreeNode | undefined,
        place: string,
        read: (node: TreeNode) => T | undefined,
    ): readonly T[] {
        if (node === undefined) return [];
        if (node.kind !== "array") {
            this.#report(node, {
                message: `${place} must be an array, not ${describeJson(node)}`,
                expected: "[ ... ]",
            });
            return [];
        }
        return node.elements.flatMap((element) => read(element) ?? []);
    }

    #table(node: TreeNode, place: string): TreeTable | undefined {
        if (node.kind === "table") return node;
        this.#report(node, {
            message: `${place} must be an object, not ${describeJson(node)}`,
            expected: "{ ... }",
        });
        return undefined;
    }

    #fields<F extends Fields>(
        node: TreeNode,
        fields: F,
        required: readonly (keyof F & string)[],
        place: string,
    ) {
        const table = this.#table(node, place);
        if (table === undefined) return undefined;
        this.#need(table, required, place);
        return this.#read(table, fields, place);
    }

    #read<F extends Fields>(table: TreeTable, fields: F, place: string) {
        return readTable(this.#source, table, fields, place, (diagnostic) => {
            this.diagnostics.push(diagnostic);
        });
    }

    #need(table: TreeTable, required: readonly string[], place: string): void {
        const missing = required.filter((key) => !table.entries.has(key));
        if (missing.length > 0) {
            const list = missing.map((key) => JSON.stringify(key)).join(", ");
            this.#report(table, {message: `${place} lacks ${list}`, expected: list});
        }
    }

    /** A value of `key` may stand once among these objects. */
    #distinct(nodes: readonly TreeNode[], key: string, what: string): void {
        const seen = new Set<string>();
        for (const node of nodes) {
            const value = node.kind === "table" ? node.entries.get(key)?.node : undefined;
            if (value?.kind !== "string") continue;
            const text = String(value.value);
            if (seen.has(text)) {
                this.#report(value, {
                    message: `${what} ${JSON.stringify(text)} is here a second time`,
                    expected: "each once",
                });
            }
            seen.add(text);
        }
    }

    /** Repeats within one port are the field's own matter. */
    #distinctPaths(nodes: readonly TreeNode[]): void {
        const seen = new Map<string, TreeNode>();
        for (const node of nodes) {
            const list = node.kind === "table" ? node.entries.get("paths")?.node : undefined;
            for (const path of list?.kind === "array" ? list.elements : []) {
                if (path.kind !== "string") continue;
                const text = String(path.value);
                if ((seen.get(text) ?? node) !== node) {
                    this.#report(path, {
                        message: `the path ${JSON.stringify(text)} is another port's`,
                        expected: "each once",
                    });
                }
                seen.set(text, node);
            }
        }
    }

    #unknown(entry: TreeEntry, known: readonly string[], place: string): void {
        reportUnknownKey(this.#source, entry, known, place, (diagnostic) => {
            this.diagnostics.push(diagnostic);
        });
    }

    #report(node: {readonly span: TreeNode["span"]}, remark: Remark): void {
        this.#reportAt(node.span, remark);
    }

    #reportAt(span: TreeNode["span"], remark: Remark): void {
        this.diagnostics.push(this.#source.diagnostic(span, remark));
    }
}

/** describeNode's words are those of TOML. */
function describeJson(node: TreeNode): string {
    return node.kind === "table" ? "an object" : describeNode(node);
}
