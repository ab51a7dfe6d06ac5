/** Two builds of one tree give the same bytes, but for the signature of the bundle. */
import assert from "node:assert/strict";
import {resolve} from "node:path";
import {parseOptions} from "../../../board/image/options.ts";
import {buildTwice} from "../../../board/image/twice.ts";
import type {ImageCase} from "../case.ts";

const project = resolve(import.meta.dirname, "../../../..");

export const reproducible: ImageCase = {
    name: "reproducible",
    form: "long",
    run: async (bench) => {
        // The base system is there from the image under test; nobody is asked for another.
        const options = parseOptions(["--offline"]);
        assert.ok(typeof options !== "string", String(options));
        const compared = await bench.step("two builds", () =>
            buildTwice(project, options, false, () => undefined),
        );
        assert.equal(compared.length, 5);
        for (const {name, first, second} of compared) assert.equal(first, second, name);
    },
};
