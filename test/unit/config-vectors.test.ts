/**
 * Configurations and what the reader says about them, as pairs of files: NN-name.toml and
 * NN-name.expected. The second holds the printed errors, or the warnings and the canonical text.
 */
import assert from "node:assert/strict";
import {readdirSync, readFileSync} from "node:fs";
import {join} from "node:path";
import {test} from "node:test";
import {parseConfig} from "../../src/core/config-parse.ts";
import {printConfig} from "../../src/core/config-print.ts";
import {formatDiagnostics} from "../../src/core/diagnostic.ts";

const folder = join(import.meta.dirname, "../../../test/unit/config-vectors");

function outcome(text: string): string {
    const parsed = parseConfig([{file: "carpd.toml", text}]);
    if (!parsed.ok) {
        return `${formatDiagnostics(parsed.error)}\n`;
    }
    const {config, warnings} = parsed.value;
    const before = warnings.length === 0 ? "" : `${formatDiagnostics(warnings)}\n\n`;
    return before + printConfig(config);
}

const inputs = readdirSync(folder).filter((name) => name.endsWith(".toml"));

test("there are vectors", () => {
    assert.ok(inputs.length >= 20, `only ${inputs.length} in ${folder}`);
});

for (const input of inputs) {
    test(`configuration vector ${input}`, () => {
        const expected = readFileSync(join(folder, input.replace(".toml", ".expected")), "utf8");
        assert.equal(outcome(readFileSync(join(folder, input), "utf8")), expected);
    });
}
