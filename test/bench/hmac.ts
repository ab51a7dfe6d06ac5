/** Builds test/bench/hmac.cc against native/wire, runs it, reads its times. */
import {mkdirSync} from "node:fs";
import {join, resolve} from "node:path";
import {projectRoot} from "../../src/io/version.ts";
import {run} from "../support/command.ts";
import {parseHmac, spreadOf} from "./numbers.ts";
import type {Finding, Row} from "./table.ts";

export async function measureHmac(): Promise<Finding> {
    const root = projectRoot();
    const folder = join(root, "build-test/bench");
    const program = join(folder, "hmac");
    mkdirSync(folder, {recursive: true});
    // Headers of node's libcrypto, the system's library: as in test/native/Makefile.
    const headers = resolve(process.execPath, "../../include/node");
    const sources = ["test/bench/hmac.cc", "native/wire/digest.cc"].map((path) => join(root, path));
    const compile = [
        ...["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"],
        ...["-fno-exceptions", "-fno-rtti", "-isystem", headers, "-I", join(root, "native")],
        ...["-o", program, ...sources, "-l:libcrypto.so.3"],
    ];
    const finding = {
        name: "hmac",
        title: "what it costs to authenticate an advert, one core, median of rounds",
        columns: [
            {key: "ns", title: "ns", digits: 0},
            {key: "bestNs", title: "best round ns", digits: 0},
            {key: "perSecond", title: "a second", digits: 0},
        ],
    };
    for (const argv of [compile, [program]]) {
        const {code, output} = await run(argv);
        if (code !== 0) {
            const said = output.trim().split("\n")[0] ?? "";
            return {
                ...finding,
                rows: [],
                notes: [`${argv[0]}: exit ${code}: ${said}`],
                failed: true,
            };
        }
        if (argv[0] !== program) continue;
        // Standard error holds numbers that keep the compiler honest.
        const times = parseHmac(
            output
                .split("\n")
                .filter((line) => line.includes(": "))
                .join("\n"),
        );
        const rows = times.flatMap(({name, ns}): Row[] => {
            const spread = spreadOf(ns);
            if (spread === null) return [];
            const values = {
                ns: spread.median,
                bestNs: spread.min,
                perSecond: 1e9 / spread.median,
            };
            return [{label: name, values}];
        });
        return {...finding, rows, notes: ["verify computes both accepted forms"], failed: false};
    }
    return {...finding, rows: [], notes: [], failed: true};
}
