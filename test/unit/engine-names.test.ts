/**
 * The names on both sides of the boundary to the engine are the same and in the same order:
 * native/core/event.h indexes arrays, src/core/engine.ts types them.
 */
import assert from "node:assert/strict";
import {readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {alarms, causes, peerClasses, vhostStates} from "../../src/core/engine.ts";

const root = join(import.meta.dirname, "../../..");
const header = readFileSync(join(root, "native/core/event.h"), "utf8");
const boundary = readFileSync(join(root, "src/core/engine.ts"), "utf8");

/** The strings of `kXNames{...}`; their number must be the one that the array declares. */
function namesOf(array: string): readonly string[] {
    const declared = new RegExp(`array<std::string_view, (\\d+)> ${array}\\{([^}]*)\\}`).exec(
        header,
    );
    assert.ok(declared, `${array} is not in native/core/event.h`);
    const names = [...(declared[2] ?? "").matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
    assert.equal(names.length, Number(declared[1]), `${array}: strings`);
    return names;
}

/** The enumerators of `enum class X`. */
function enumeratorsOf(name: string): readonly string[] {
    const declared = new RegExp(`enum class ${name} : std::uint8_t \\{([^}]*)\\}`).exec(header);
    assert.ok(declared, `${name} is not in native/core/event.h`);
    return [...(declared[1] ?? "").matchAll(/\b(k\w+)/g)].map((match) => match[1] ?? "");
}

const pairs: readonly [string, readonly string[]][] = [
    ["VhostState", vhostStates],
    ["Cause", causes],
    ["Alarm", alarms],
    ["PeerClass", peerClasses],
];

for (const [name, typescript] of pairs) {
    test(`${name}: native and TypeScript names are equal, in order`, () => {
        assert.deepEqual(namesOf(`k${name}Names`), typescript);
        assert.equal(enumeratorsOf(name).length, typescript.length);
        assert.equal(new Set(typescript).size, typescript.length);
    });
}

test("HandoverPhase: native and TypeScript names are equal, in order", () => {
    const union = /readonly phase: ([^;]*);/.exec(boundary)?.[1] ?? "";
    const typescript = [...union.matchAll(/"([^"]*)"/g)].map((match) => match[1] ?? "");
    assert.deepEqual(namesOf("kHandoverPhaseNames"), typescript);
    assert.equal(enumeratorsOf("HandoverPhase").length, typescript.length);
});

test("EventKind: every kind of the engine's union but the adapter's own exists natively", () => {
    const union = /export type EngineEvent =([\s\S]*?);\n\n/.exec(boundary)?.[1] ?? "";
    const kinds = [...union.matchAll(/readonly kind: "(\w+)"/g)].map((match) => match[1] ?? "");
    assert.ok(kinds.length > 0);
    // "fault" is made by the engine thread around the core, which has no errno.
    const core = kinds.filter((kind) => kind !== "fault");
    const native = enumeratorsOf("EventKind").map(
        (name) => `${name.slice(1, 2).toLowerCase()}${name.slice(2)}`,
    );
    assert.deepEqual([...native].sort(), [...core].sort());
});
