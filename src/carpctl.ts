#!/usr/bin/env node
/**
 * carpctl: the composition root. Every verb is in src/core/cli-table.ts.
 */
import {styleText} from "node:util";
import {runCarpctl} from "./app/carpctl-run.ts";
import {plain} from "./core/show.ts";
import {ControlClient} from "./io/control-client.ts";
import {directoryFrom} from "./io/run-dir.ts";
import {version} from "./io/version.ts";

const {env, stdout, stderr} = process;
const colours = stdout.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
const abort = new AbortController();
process.once("SIGINT", () => abort.abort());
process.once("SIGTERM", () => abort.abort());
// `carpctl watch | head -1`: the reader has what it wanted.
stdout.on("error", () => process.exit(0));

process.exitCode = await runCarpctl(process.argv.slice(2), {
    version: version(),
    defaultRunDir: directoryFrom(env.RUNTIME_DIRECTORY, "/run/carpd"),
    connect: (socket) => new ControlClient(socket),
    out: (text) => stdout.write(text),
    complain: (text) => stderr.write(text),
    paint: colours ? (colour, text) => styleText(colour, text) : plain,
    nowMs: () => Date.now(),
    signal: abort.signal,
});
