/**
 * Edits of carpd.toml: `applyEdits` gives the text with all of them in it, or a refusal and no text.
 * Pure.
 *
 * Each edit is worked out on the meaning of the text (config-tree.ts) into single steps; the steps
 * are done to that meaning and, by config-splice.ts, to the text. In the end the text is read again
 * and must mean exactly what the steps made of the former meaning: a wrong file is never returned.
 *
 * What stays: every character that no edit is about. With a key goes the rest of its line and our
 * comment above it; with a block go the comments in it and directly above it. Our comments, the
 * ones that a `comment` edit replaces or removes, begin with `#:`.
 *
 * A `[[carp]]` block without `name` is called carpN after its place. Blocks that are made are
 * given their name in writing, and a removal writes the names of the unnamed blocks below first, so
 * that no vhid of this file is renamed by the removal of another. Blocks in drop-in files are
 * counted after these and are not seen here.
 */
import {formatVip, parseAddress, parseVip} from "./address.ts";
import {
    asSection,
    isArray,
    type KeyInfo,
    keysOf,
    notAmong,
    unknownKey,
    unknownSection,
} from "./config-keys.ts";
import {type BlockKind, isTableKind, type SectionKind} from "./config-layout.ts";
import {
    type Answer,
    applyToMeaning,
    findBlock,
    type Meaning,
    namesOf,
    readMeaning,
    refuse,
    sameMeaning,
    sameValue,
    shallow,
    tableAt,
} from "./config-meaning.ts";
import {type PlainValue, type Step, spliceStep, type Target} from "./config-splice.ts";
import type {Edit, EditRefusal, EditValue} from "./edit.ts";
import {err, ok} from "./result.ts";

function requireBlock(meaning: Meaning, kind: BlockKind, name: string): Answer<Target> {
    const found = findBlock(meaning, kind, name);
    if (!found.ok) {
        return found;
    }
    if (found.value === undefined) {
        const known = namesOf(meaning, kind).flatMap((known) => known ?? []);
        return err(notAmong(`there is no ${kind} ${JSON.stringify(name)}`, name, known));
    }
    return ok({kind, index: found.value});
}

function checkName(name: string): EditRefusal | undefined {
    return name === "" || /[\p{Cc}\p{Cs}]/u.test(name)
        ? {message: `${JSON.stringify(name)} is no name`, expected: "letters and digits"}
        : undefined;
}

/** A name that a block is to have, and no other block has. */
function requireFree(meaning: Meaning, kind: BlockKind, name: string): EditRefusal | undefined {
    return (
        checkName(name) ??
        (namesOf(meaning, kind).includes(name)
            ? {
                  message: `there is a ${kind} ${JSON.stringify(name)} already`,
                  expected: "another name",
              }
            : undefined)
    );
}

// ---- values ----

/** Only the type: the ranges and what the words mean are the schema's, when the text is read. */
function checkValue(info: KeyInfo, value: EditValue): Answer<PlainValue> {
    const texts = typeof value === "object" ? value : typeof value === "string" ? [value] : [];
    if (texts.some((text) => /\p{Cs}/u.test(text))) {
        return refuse(`${info.key} is not well-formed text`, "UTF-8 text");
    }
    const wrong = refuse(`${info.key} must be ${info.type}`, info.expected);
    if (typeof value === "number") {
        const fits = info.kind === "integer" || info.kind === "quantity";
        return fits && Number.isSafeInteger(value) ? ok(BigInt(value)) : wrong;
    }
    if (typeof value === "boolean") {
        return info.kind === "boolean" ? ok(value) : wrong;
    }
    if (typeof value === "string") {
        const fits = info.kind === "string" || info.kind === "word" || info.kind === "quantity";
        return fits ? ok(value) : wrong;
    }
    return isArray(info) ? ok([...value]) : wrong;
}

/** One form for all spellings of an element, so that it is found however it was written. */
function canonical(info: KeyInfo, element: string): string {
    if (info.kind === "addresses") {
        const vip = parseVip(element);
        return vip.ok ? formatVip(vip.value) : element;
    }
    if (info.kind === "peers") {
        const peer = parseAddress(element);
        return peer.ok ? peer.value.address : element;
    }
    return element;
}

/** Of an address that is to be dropped, the prefix length need not be told. */
function isMeant(info: KeyInfo, element: string, written: string): boolean {
    const form = canonical(info, element);
    if (element === written || form === canonical(info, written)) {
        return true;
    }
    if (info.kind === "addresses" && !written.includes("/")) {
        const address = parseAddress(written);
        return address.ok && form.startsWith(`${address.value.address}/`);
    }
    return false;
}

// ---- edits to steps ----

interface Place {
    readonly section: SectionKind;
    /** undefined for options and system. */
    readonly name: string | undefined;
    /** undefined: the block itself. */
    readonly info: KeyInfo | undefined;
}

function readPath(path: readonly string[]): Answer<Place> {
    const [first = "", ...rest] = path;
    const section = asSection(first);
    if (section === undefined) {
        return err(unknownSection(first));
    }
    const [name, key, ...more] = isTableKind(section) ? [undefined, ...rest] : rest;
    if (more.length > 0) {
        return refuse(`${path.join(" ")} goes deeper than a key`, "a path that ends with a key");
    }
    if (!isTableKind(section) && name === undefined) {
        return refuse(`which ${section} is missing`, `the name of a ${section}`);
    }
    const info = key === undefined ? undefined : keysOf(section).get(key);
    if (key !== undefined && info === undefined) {
        return err(unknownKey(section, key));
    }
    return ok({section, name, info});
}

/** Renaming: also `set carp X name Y`; `set carp X name X` makes the block when there is none. */
function nameSteps(
    meaning: Meaning,
    kind: BlockKind,
    name: string,
    to: PlainValue,
): Answer<Step[]> {
    const found = findBlock(meaning, kind, name);
    if (!found.ok) {
        return found;
    }
    const index = found.value;
    if (to === name) {
        return index === undefined ? makeSteps(kind, name) : ok([]);
    }
    if (index === undefined || typeof to !== "string") {
        return refuse(`there is no ${kind} ${JSON.stringify(name)}`, "the name of a block");
    }
    const taken = requireFree(meaning, kind, to);
    return taken === undefined
        ? ok([{does: "value", at: {kind, index}, key: "name", value: to}])
        : err(taken);
}

function makeSteps(
    kind: BlockKind,
    name: string,
    more?: readonly [string, PlainValue],
): Answer<Step[]> {
    const problem = checkName(name);
    if (problem !== undefined) {
        return err(problem);
    }
    const entries = new Map<string, PlainValue>([["name", name]]);
    if (more !== undefined) {
        entries.set(...more);
    }
    return ok([{does: "make", kind, entries}]);
}

function writeSteps(
    meaning: Meaning,
    place: Place,
    change: (former: unknown) => Answer<PlainValue>,
): Answer<Step[]> {
    const {section, name, info} = place;
    if (info === undefined) {
        return refuse("a key is missing", `one of ${[...keysOf(section).keys()].join(", ")}`);
    }
    const {key} = info;
    let at: Target = {kind: section, index: 0};
    if (!isTableKind(section)) {
        const block = name ?? "";
        const found = findBlock(meaning, section, block);
        if (!found.ok) {
            return found;
        }
        if (key === "name" || found.value === undefined) {
            const made = change(undefined);
            if (!made.ok) {
                return made;
            }
            return key === "name"
                ? nameSteps(meaning, section, block, made.value)
                : makeSteps(section, block, [key, made.value]);
        }
        at = {kind: section, index: found.value};
    }
    const former = tableAt(meaning, at)?.get(key);
    const next = change(former);
    if (!next.ok) {
        return next;
    }
    return ok(sameValue(former, next.value) ? [] : [{does: "value", at, key, value: next.value}]);
}

function elementsOf(info: KeyInfo, former: unknown): Answer<string[]> {
    const list = former ?? [];
    if (!isArray(info)) {
        return refuse(`${info.key} is not a list`, `${info.type}, set as a whole`);
    }
    return Array.isArray(list) && list.every((element) => typeof element === "string")
        ? ok([...list])
        : refuse(`${info.key} is not an array of strings in this file`, info.expected);
}

function dropSteps(
    meaning: Meaning,
    place: Place,
    path: readonly string[],
    value: string,
): Answer<Step[]> {
    const {section, name, info} = place;
    if (!isTableKind(section)) {
        const found = requireBlock(meaning, section, name ?? "");
        if (!found.ok) {
            return found;
        }
    }
    return writeSteps(meaning, place, (former) => {
        if (info === undefined) {
            return refuse("a key is missing", "a key that is a list");
        }
        const list = elementsOf(info, former);
        if (!list.ok) {
            return list;
        }
        const left = list.value.filter((element) => !isMeant(info, element, value));
        return left.length < list.value.length
            ? ok(left)
            : err(
                  notAmong(
                      `${JSON.stringify(value)} is not in ${path.join(" ")}`,
                      value,
                      list.value,
                  ),
              );
    });
}

/** Names the unnamed blocks behind the one that goes. */
function removeSteps(meaning: Meaning, {kind, index}: {kind: BlockKind; index: number}): Step[] {
    const pins = meaning[kind].flatMap((table, i): Step[] => {
        const unnamed = kind === "carp" && i > index && !table.has("name");
        const at = {kind, index: i};
        return unnamed ? [{does: "value", at, key: "name", value: `carp${i}`}] : [];
    });
    return [...pins, {does: "remove", kind, index}];
}

function deleteSteps(meaning: Meaning, {section, name, info}: Place): Answer<Step[]> {
    let at: Target = {kind: section, index: 0};
    if (!isTableKind(section)) {
        const found = requireBlock(meaning, section, name ?? "");
        if (!found.ok) {
            return found;
        }
        at = found.value;
        if (info === undefined) {
            return ok(removeSteps(meaning, {kind: section, index: at.index}));
        }
    }
    const place = name === undefined ? section : `${section} ${name}`;
    const table = tableAt(meaning, at);
    if (info === undefined || table === undefined) {
        return refuse("a key is missing", `one of ${[...(table?.keys() ?? [])].join(", ")}`);
    }
    if (!table.has(info.key)) {
        return err(notAmong(`${place} has no ${info.key}`, info.key, [...table.keys()]));
    }
    if (info.key === "name" && name !== (section === "carp" ? `carp${at.index}` : undefined)) {
        return refuse(`without its name, ${place} would be another one`, "rename");
    }
    return ok([{does: "unset", at, key: info.key}]);
}

function copySteps(meaning: Meaning, kind: BlockKind, from: Target, to: string): Answer<Step[]> {
    const entries = new Map<string, PlainValue>([["name", to]]);
    for (const [key, value] of tableAt(meaning, from) ?? []) {
        const info = keysOf(kind).get(key);
        if (info === undefined) {
            return err(unknownKey(kind, key));
        }
        if (key === "name") {
            continue;
        }
        if (typeof value === "string" || typeof value === "bigint" || typeof value === "boolean") {
            entries.set(key, value);
            continue;
        }
        const list = elementsOf(info, value);
        if (!list.ok) {
            return list;
        }
        entries.set(key, list.value);
    }
    return ok([{does: "make", kind, entries}]);
}

function commentSteps(
    meaning: Meaning,
    {section, name, info}: Place,
    text: string,
): Answer<Step[]> {
    if (/[\p{Cc}\p{Cs}]/u.test(text.replaceAll("\t", " "))) {
        return refuse("a comment holds a control character", "text on one line");
    }
    let at: Target = {kind: section, index: 0};
    if (!isTableKind(section)) {
        const found = requireBlock(meaning, section, name ?? "");
        if (!found.ok) {
            return found;
        }
        at = found.value;
    }
    const keys = [...(tableAt(meaning, at)?.keys() ?? [])];
    if (info !== undefined && !keys.includes(info.key)) {
        return err(notAmong(`${info.key} is not written there`, info.key, keys));
    }
    return ok([{does: "comment", at, key: info?.key, text: text.trim()}]);
}

function stepsOf(meaning: Meaning, edit: Edit): Answer<Step[]> {
    const read = readPath(edit.path);
    if (!read.ok) {
        return read;
    }
    const place = read.value;
    const {section, name, info} = place;
    switch (edit.op) {
        case "set":
            return writeSteps(meaning, place, () =>
                info === undefined
                    ? refuse("a key is missing", "a key")
                    : checkValue(info, edit.value),
            );
        case "add":
            return writeSteps(meaning, place, (former) => {
                const list =
                    info === undefined
                        ? refuse("a key is missing", "a key")
                        : elementsOf(info, former);
                if (!list.ok || info === undefined) {
                    return list;
                }
                const form = canonical(info, edit.value);
                const there = list.value.some((element) => canonical(info, element) === form);
                return checkValue(info, there ? list.value : [...list.value, edit.value]);
            });
        case "drop":
            return dropSteps(meaning, place, edit.path, edit.value);
        case "delete":
            return deleteSteps(meaning, place);
        case "comment":
            return commentSteps(meaning, place, edit.text);
        case "rename":
        case "copy": {
            if (isTableKind(section) || name === undefined || info !== undefined) {
                return refuse(
                    `${edit.path.join(" ")} has no name`,
                    "a block: a carp, a track or an interface",
                );
            }
            const found = requireBlock(meaning, section, name);
            if (!found.ok) {
                return found;
            }
            if (edit.op === "rename") {
                return nameSteps(meaning, section, name, edit.to);
            }
            const taken = requireFree(meaning, section, edit.to);
            return taken === undefined
                ? copySteps(meaning, section, found.value, edit.to)
                : err(taken);
        }
    }
}

/** All edits in their order, or the first refusal. `text` must be TOML, but need not be valid. */
export function applyEdits(text: string, edits: readonly Edit[]): Answer<string> {
    return shallow(() => applyAll(text, edits));
}

function applyAll(text: string, edits: readonly Edit[]): Answer<string> {
    const meaning = readMeaning(text);
    if (!meaning.ok) {
        return meaning;
    }
    let current = text;
    for (const edit of edits) {
        const steps = stepsOf(meaning.value, edit);
        if (!steps.ok) {
            return steps;
        }
        for (const step of steps.value) {
            const spliced = safely(current, step);
            if (!spliced.ok) {
                return spliced;
            }
            current = spliced.value;
            applyToMeaning(meaning.value, step);
        }
    }
    const result = readMeaning(current);
    return result.ok && sameMeaning(result.value, meaning.value)
        ? ok(current)
        : refuse(
              "the edited file would not mean what was asked for (a fault of the editor); nothing was changed",
              byHand,
          );
}

const byHand = "this change made in the file by hand";

/** A layout that the text editor cannot cope with is a refusal, whatever is thrown about it. */
function safely(text: string, step: Step): Answer<string> {
    try {
        return spliceStep(text, step);
    } catch (error) {
        const reason = error instanceof Error ? error.name : "not understood";
        return refuse(`this layout of the file cannot be edited (${reason})`, byHand);
    }
}
