/** Builds test/bench/hmac.cc against native/wire, runs it, reads its times. */
import {run} from "../support/command.ts";
import {parseHmac, spreadOf} from "./numbers.ts";
import {buildProgram} from "./programs.ts";
import type {Finding, Row} from "./table.ts";

export async function measureHmac(): Promise<Finding> {
    const program = await buildProgram("hmac", {
        sources: ["native/wire/digest.cc"],
        libraries: ["-l:libcrypto.so.3"],
    });
    const {code, output} = await run([program]);
    if (code !== 0) throw new Error(`hmac: exit ${code}: ${output.trim().split("\n")[0] ?? ""}`);
    // Standard error holds numbers that keep the compiler honest.
    const lines = output.split("\n").filter((line) => line.includes(": "));
    const rows = parseHmac(lines.join("\n")).flatMap(({name, ns}): Row[] => {
        const spread = spreadOf(ns);
        if (spread === null) return [];
        const values = {ns: spread.median, bestNs: spread.min, perSecond: 1e9 / spread.median};
        return [{label: name, values}];
    });
    return {
        name: "hmac",
        title: "what it costs to authenticate an advert, one core, median of rounds",
        columns: [
            {key: "ns", title: "ns", digits: 0},
            {key: "bestNs", title: "best round ns", digits: 0},
            {key: "perSecond", title: "a second", digits: 0},
        ],
        rows,
        notes: ["verify computes both accepted forms"],
        failed: false,
    };
}
